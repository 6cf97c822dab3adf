/**
 * The baseline: TCP run to completion on host cores (TAS: cores of its own; Linux: the
 * application's). A segment takes its core until it is done, and waits for nobody else.
 */
import type { Prng } from "../../prng.ts";
import type { Simulation } from "../simulation.ts";
import type { EchoHost } from "./forwarded-echo.ts";
import { Lane, type Noise, noisy } from "./lane.ts";
import { tcpFrameBytes } from "./rmt-switch.ts";

export interface StackOptions {
  /** Cores of the stack; 0: the application's do its work too. */
  readonly stackCores: number;
  readonly applicationCores: number;
  /** Ns of the stack for a request in and a response out; of sockets for both. */
  readonly stackNs: number;
  readonly socketsNs: number;
  /** Ns of a byte that is copied between network buffer and application, each way. */
  readonly copyNs: number;
  /** From a frame in memory to the stack that sees it: polling, or an interrupt and a wake-up. */
  readonly wakeNs: number;
  readonly gbps: number;
  readonly sendNs: number;
  readonly receiveNs: number;
  readonly wireNs: number;
  readonly noise: Noise;
}

export class StackHost implements EchoHost {
  readonly options: StackOptions;
  readonly #sending: Lane;
  readonly #receiving: Lane;
  readonly #stack: readonly Lane[];
  readonly #application: readonly Lane[];
  readonly #prng: Prng;

  constructor(simulation: Simulation, options: StackOptions, prng: Prng) {
    const lanes = (length: number): Lane[] => Array.from({ length }, () => new Lane(simulation));
    this.options = options;
    this.#sending = new Lane(simulation);
    this.#receiving = new Lane(simulation);
    this.#application = lanes(options.applicationCores);
    this.#stack = options.stackCores === 0 ? this.#application : lanes(options.stackCores);
    this.#prng = prng;
  }

  #noisy(ns: number): number {
    return noisy(ns, this.options.noise, this.#prng);
  }

  #core(lanes: readonly Lane[], connection: number): Lane {
    // Spread by a hash, as TAS does: connections do not fall on cores one by one.
    return lanes[(Math.imul(connection + 1, 0x9e3779b1) >>> 8) % lanes.length] as Lane;
  }

  /** Sockets and half of the stack's work, then the NIC. */
  request(connection: number, bytes: number, out: () => void): void {
    const { stackNs, socketsNs, copyNs } = this.options;
    const application = this.#core(this.#application, connection);
    application.serve(this.#noisy(socketsNs / 2 + bytes * copyNs), 0, () => {
      const stack = this.#core(this.#stack, connection);
      stack.serve(this.#noisy(stackNs / 2), 0, () => this.#frame(bytes, out));
    });
  }

  /** A segment of a stream: `segmentNs` of the stack's core, then the application reads it. */
  absorb(connection: number, bytes: number, segmentNs: number, done: () => void): void {
    const { gbps, receiveNs, wireNs, copyNs } = this.options;
    const serial = (tcpFrameBytes(bytes) * 8) / gbps;
    this.#receiving.serve(serial, wireNs + receiveNs, () => {
      this.#core(this.#stack, connection).serve(this.#noisy(segmentNs), 0, () => {
        const application = this.#core(this.#application, connection);
        application.serve(this.#noisy(bytes * copyNs), 0, done);
      });
    });
  }

  serve(connection: number, bytes: number, out: () => void): void {
    this.response(connection, bytes, () => this.request(connection, bytes, out));
  }

  #frame(bytes: number, out: () => void): void {
    const { gbps, sendNs, wireNs } = this.options;
    this.#sending.serve((tcpFrameBytes(bytes) * 8) / gbps, sendNs + wireNs, out);
  }

  /** An ACK alone: its work is counted with the request's. */
  acknowledge(out: () => void): void {
    const { wireNs, receiveNs, wakeNs } = this.options;
    this.#receiving.serve(0, wireNs + receiveNs + wakeNs, () => this.#frame(0, out));
  }

  /** A segment out of the cable; `done` when the application has read it. */
  response(connection: number, bytes: number, done: () => void): void {
    const { gbps, receiveNs, wireNs, wakeNs, stackNs, socketsNs, copyNs } = this.options;
    const serial = (tcpFrameBytes(bytes) * 8) / gbps;
    // A stack that polls is not woken: nothing to be interrupted.
    const wake = wakeNs === 0 ? 0 : this.#noisy(wakeNs);
    this.#receiving.serve(serial, wireNs + receiveNs + wake, () => {
      const stack = this.#core(this.#stack, connection);
      stack.serve(this.#noisy(stackNs / 2), 0, () => {
        const application = this.#core(this.#application, connection);
        application.serve(this.#noisy(socketsNs / 2 + bytes * copyNs), 0, done);
      });
    });
  }
}
