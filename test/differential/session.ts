/**
 * One script over one system: the kernel in real time, or a stack in virtual time. The result is
 * its trace: what the system sent and what its calls answered, behind which step, and when.
 */
import { Application, type SocketCalls } from "./application.ts";
import { type Endpoints, Peer } from "./peer.ts";
import type { Script } from "./script.ts";

/** A packet of the system's. */
export interface Sent {
  readonly bytes: Uint8Array;
  /** ms. */
  readonly at: number;
}

/** What a script runs over. */
export interface System {
  readonly calls: SocketCalls;
  /** ms; counts from anywhere. */
  now(): number;
  /** Comes back then, or somewhat later where time is real. */
  waitUntil(ms: number): Promise<void>;
  /** Hands a packet over. What the system answers at once is in take() when it returns. */
  inject(packet: Uint8Array): void;
  /** Lets a call take effect on the wire. */
  settle(): void;
  /** What was sent since, oldest first. */
  take(): Sent[];
}

/** One line of a trace. */
export interface Line {
  /** Index of the step, waits not counted as steps of their own. */
  readonly step: number;
  /** ms since that step was taken. */
  readonly after: number;
  readonly text: string;
}

/** Behind the last step, ms. */
const REST_MS = 100;

class Session {
  readonly lines: Line[] = [];
  readonly #script: Script;
  readonly #system: System;
  readonly #peer: Peer;
  readonly #application: Application;
  #step = 0;
  #stepAt: number;

  constructor(script: Script, system: System, ends: Endpoints) {
    this.#script = script;
    this.#system = system;
    this.#peer = new Peer(ends);
    this.#application = new Application(system.calls, ends);
    this.#stepAt = system.now();
  }

  #add(at: number, text: string): void {
    this.lines.push({ step: this.#step, after: Math.max(0, at - this.#stepAt), text });
  }

  #drain(): void {
    for (const { at, bytes } of this.#system.take()) this.#add(at, this.#peer.read(bytes));
  }

  async #wait(ms: number): Promise<void> {
    await this.#system.waitUntil(this.#system.now() + ms);
    this.#drain();
  }

  async run(): Promise<void> {
    for (const [index, step] of this.#script.steps.entries()) {
      if (step.kind === "wait") {
        await this.#wait(step.ms);
        continue;
      }
      this.#step = index;
      this.#stepAt = this.#system.now();
      if (step.kind === "packet") this.#system.inject(this.#peer.build(step));
      else this.#call(step.words);
      this.#system.settle();
      this.#drain();
    }
    await this.#wait(REST_MS);
  }

  #call(words: readonly string[]): void {
    const { text, wrote } = this.#application.call(words);
    this.#peer.written += wrote;
    this.#add(this.#stepAt, `= ${text}`);
  }

  /** Takes away what the script left. */
  end(): void {
    this.#application.end();
    this.#system.settle();
    this.#system.take();
  }
}

/** Runs a script to its end. Throws RangeError for a call or a packet that makes no sense. */
export async function runSession(
  script: Script,
  system: System,
  ends: Endpoints,
): Promise<readonly Line[]> {
  const session = new Session(script, system, ends);
  try {
    await session.run();
  } finally {
    session.end();
  }
  return session.lines;
}
