/**
 * A world: any number of hosts and links on virtual time. Invariants: the earliest event runs
 * first, equal times by who waited longest; the same seed and the same calls give the same frames
 * at the same times on every runtime (day-one decision 17); nothing here reads a clock.
 *
 * ```ts
 * const world = new World({ seed: 42, turn: platform.turn });
 * const link = world.addLink({ a: "client", b: "server", rate: 1e9, delay: 1e6 });
 * const client = world.addHost("client", createStack({ netifs: [link.ends[0]], ... }));
 * const server = world.addHost("server", createStack({ netifs: [link.ends[1]], ... }));
 * await world.run(async () => {
 *   const socket = await client.connect({ host: "10.0.0.2", port: 80 });
 *   await world.sleep(5e6);
 * });
 * console.log(world.now, world.traceHash());
 * ```
 */
import { FrameHash } from "./netif/frame-hash.ts";
import type { FrameTap } from "./netif/frame-tap.ts";
import { createLink, type Link, type LinkOptions } from "./netif/link.ts";
import type { Netif } from "./netif/netif.ts";
import { Prng } from "./prng.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Macrotask turns without a call into the world before it steps: an app may use setImmediate. */
const QUIET_TURNS_DEFAULT = 2;
/** Turns waited for one step at most while calls keep coming in. */
const TURNS_MAX = 1000;
/** Turns waited before the world says that nothing will ever happen. */
const DEADLOCK_TURNS = 64;
/** Steps at one instant of virtual time before the world says that time stands still. */
const STEPS_AT_ONCE_MAX = 1_000_000;
const MICROTASKS_PER_TURN = 16;
/** Steps without a turn at most: the runtime's own timers and signals want to run as well. */
const STEPS_PER_TURN_MAX = 4096;

/** What a world or a driver runs: a stack, a relay, a packet generator. Times are ns. */
export interface Host {
  /** Does bounded work; true when there is more to do at this very time. */
  poll(now: number): boolean;
  /** When poll() has something to do without input; Infinity when never. */
  nextDeadline(): number;
  /**
   * Hands over what the host calls when its application has called into it and poll() should
   * run; a host without it is polled by its deadlines only.
   */
  onWake?(wake: () => void): void;
  /** Set when a poll() that threw was the last to do anything, and later ones only tell: why. */
  readonly fenced?: string | undefined;
  /**
   * Counts what the host has told its application (promises resolved, callbacks run). A world
   * waits for promises only after a step that has moved it; unset: after every step.
   */
  readonly notifications?: number;
}

export interface WorldOptions {
  /** Default 0. */
  readonly seed?: number;
  /** One macrotask turn of the runtime; without it only microtasks are waited for. */
  readonly turn?: () => Promise<void>;
  /** Turns without a new call before each step, default 2. */
  readonly quietTurns?: number;
  /** Asked for a tap for each new link: capture (tracer.ts). `names` are those of its ends. */
  readonly capture?: (link: Link, names: readonly [string, string]) => FrameTap;
}

export interface WorldLinkOptions extends Omit<LinkOptions, "names" | "seed"> {
  /** Names of the hosts at the two ends. */
  readonly a: string;
  readonly b: string;
}

interface Entry {
  readonly name: string;
  readonly host: Host;
  readonly ends: Netif[];
  /** Has more work now, or was called into. */
  due: boolean;
  /** Number of the step that polled it last: breaks ties. */
  polled: number;
  /** Arrival that the last poll left on a link; Infinity when it left none. */
  left: number;
}

/** When the first frame reaches the host; Infinity when none is on its way. */
function arrivalTime({ ends }: Entry): number {
  let time = Number.POSITIVE_INFINITY;
  for (const end of ends) time = Math.min(time, end.nextDeadline());
  return time;
}

/** Hosts and links on one virtual clock. */
export class World {
  /** The root of all randomness; fork() it. */
  readonly prng: Prng;
  readonly clock = new VirtualClock();
  readonly links: Link[] = [];
  readonly #options: WorldOptions;
  readonly #hosts: Entry[] = [];
  readonly #ends = new Map<string, Netif[]>();
  readonly #hash = new FrameHash();
  #steps = 0;
  #calls = 0;
  #holds = 0;
  #stepsAtOnce = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.prng = new Prng(options.seed ?? 0);
  }

  /** Virtual time in ns. */
  get now(): number {
    return this.clock.now();
  }

  /** Steps done so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Adds a host; links may name it before or after. Throws Error when the name is taken. */
  addHost<T extends Host>(name: string, host: T): T {
    if (this.#hosts.some((entry) => entry.name === name)) {
      throw new Error(`world.addHost: expected a new name, got "${name}" again`);
    }
    const entry: Entry = {
      name,
      host,
      ends: this.#endsOf(name),
      due: true,
      polled: 0,
      left: Infinity,
    };
    this.#hosts.push(entry);
    host.onWake?.(() => {
      entry.due = true;
      this.#calls += 1;
    });
    return host;
  }

  /** Switches a host off: it is never polled again, and what is sent to it is lost. */
  removeHost(name: string): void {
    const index = this.#hosts.findIndex((entry) => entry.name === name);
    if (index >= 0) this.#hosts.splice(index, 1);
  }

  /** Adds a link; its netifs are `ends[0]` for `a` and `ends[1]` for `b`. */
  addLink(options: WorldLinkOptions): Link {
    const { a, b, ...rest } = options;
    const number = this.links.length;
    const names = [`${a}.${this.#endsOf(a).length}`, `${b}.${this.#endsOf(b).length}`] as const;
    const address = (side: number): Uint8Array =>
      Uint8Array.from(
        rest.medium === "ip" ? [0, 0, 0, 0, 0, 0] : [2, 0, 0, number >>> 8, number & 255, side + 1],
      );
    const link = createLink({
      hardwareAddresses: [address(0), address(1)],
      ...rest,
      names,
      seed: this.prng.fork(`link ${number}`),
    });
    link.addTap(this.#hash.tap(number));
    if (this.#options.capture) link.addTap(this.#options.capture(link, names));
    this.links.push(link);
    this.#endsOf(a).push(link.ends[0]);
    this.#endsOf(b).push(link.ends[1]);
    return link;
  }

  /** Entropy for a host, from the seed: `entropy("client")` fills bytes differently from others. */
  entropy(label: string): (bytes: Uint8Array) => void {
    const prng = this.prng.fork(`entropy ${label}`);
    return (bytes) => prng.fill(bytes);
  }

  /** Resolves after `ns` of virtual time. */
  sleep(ns: number): Promise<void> {
    this.#calls += 1;
    return new Promise((resolve) => {
      this.clock.at(this.now + ns, resolve);
    });
  }

  /**
   * Keeps virtual time from moving while work that the world cannot see is under way: files,
   * DNS, a thread pool. Returns what ends the hold.
   */
  hold(): () => void {
    this.#holds += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      this.#calls += 1;
    };
  }

  /** Hash over (time, direction, length, first 128 bytes) of every frame so far: 16 hex digits. */
  traceHash(): string {
    return this.#hash.digest();
  }

  /** Time of the next event in ns; Infinity when there is none. */
  nextDeadline(): number {
    const next = this.#next();
    const host = next === undefined ? Number.POSITIVE_INFINITY : this.#dueTime(next);
    return Math.min(host, this.clock.nextDeadline());
  }

  /** Runs the earliest event; false when there is none. Timers go before hosts at equal times. */
  step(): boolean {
    const next = this.#next();
    const hostTime = next === undefined ? Number.POSITIVE_INFINITY : this.#dueTime(next);
    const timerTime = this.clock.nextDeadline();
    const time = Math.max(this.now, Math.min(hostTime, timerTime));
    if (time === Number.POSITIVE_INFINITY) return false;
    this.#steps += 1;
    this.#checkStandstill(time, next);
    this.clock.moveTo(time);
    if (timerTime <= time) {
      this.clock.runDue();
      this.#calls += 1;
    } else if (next !== undefined) {
      this.#poll(next);
    }
    return true;
  }

  /** Runs until virtual time `until` (ns), its events included; the clock then shows `until`. */
  run(until: number): void;
  /** Runs until `done()` is true after a step; throws Error when nothing is left to happen. */
  run(done: () => boolean): void;
  /**
   * Runs an asynchronous job to its end. The world steps only when microtasks and `quietTurns`
   * macrotask turns have passed with no new call into it. Throws Error when the job waits and
   * nothing is left to happen.
   */
  run<T>(job: () => Promise<T>): Promise<T>;
  run<T>(goal: number | (() => boolean) | (() => Promise<T>)): undefined | Promise<T> {
    if (typeof goal === "number") {
      while (this.nextDeadline() <= goal) this.step();
      this.clock.moveTo(goal);
      return undefined;
    }
    const first = goal();
    if (typeof first !== "boolean") return this.#runJob(first);
    const done = goal as () => boolean;
    for (let reached = first; !reached; reached = done()) {
      if (!this.step()) throw this.#deadlock("the condition is false");
    }
    return undefined;
  }

  async #runJob<T>(job: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    job.then(settle, settle);
    await this.#quiet();
    while (!settled) {
      const before = this.#told();
      if (this.#holds > 0) {
        await this.#turn();
      } else if (!this.step()) {
        if (!(await this.#wakesUp(() => settled))) throw this.#deadlock("the job still waits");
      } else if (before < 0 || this.#told() !== before) {
        await this.#quiet();
      } else if (this.#steps % STEPS_PER_TURN_MAX === 0) {
        await this.#turn();
      }
    }
    return job;
  }

  /** Waits until nothing has called into the world for `quietTurns` turns. */
  async #quiet(): Promise<void> {
    const enough = this.#options.quietTurns ?? QUIET_TURNS_DEFAULT;
    let quiet = 0;
    for (let turns = 0; quiet < enough && turns < TURNS_MAX; turns += 1) {
      const before = this.#calls;
      await this.#turn();
      quiet = this.#calls === before ? quiet + 1 : 0;
    }
  }

  async #wakesUp(settled: () => boolean): Promise<boolean> {
    for (let i = 0; i < DEADLOCK_TURNS; i += 1) {
      await this.#turn();
      if (settled() || this.#holds > 0) return true;
      if (this.nextDeadline() < Number.POSITIVE_INFINITY) return true;
    }
    return false;
  }

  async #turn(): Promise<void> {
    if (this.#options.turn) return this.#options.turn();
    for (let i = 0; i < MICROTASKS_PER_TURN; i += 1) await undefined;
  }

  /** All that applications have been told and have asked; -1 when a host does not count. */
  #told(): number {
    let sum = this.#calls;
    for (const { host } of this.#hosts) {
      if (host.notifications === undefined) return -1;
      sum += host.notifications;
    }
    return sum;
  }

  #poll(entry: Entry): void {
    entry.polled = this.#steps;
    entry.due = false;
    if (entry.host.poll(this.now)) entry.due = true;
    const arrival = arrivalTime(entry);
    entry.left = arrival <= this.now ? arrival : Number.POSITIVE_INFINITY;
  }

  #dueTime(entry: Entry): number {
    if (entry.due) return this.now;
    const time = entry.host.nextDeadline();
    // What the host did not take it will take when it says so: a stack that holds frames back
    // because its own NIC is full does not read. Polling it would not move time.
    const arrival = arrivalTime(entry);
    return Math.max(arrival === entry.left ? time : Math.min(time, arrival), this.now);
  }

  /** The host whose event is the earliest; equal times: the one polled longest ago. */
  #next(): Entry | undefined {
    let best: Entry | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    for (const entry of this.#hosts) {
      const time = this.#dueTime(entry);
      const sooner = time < bestTime || (time === bestTime && entry.polled < (best?.polled ?? 0));
      if (sooner && time < Number.POSITIVE_INFINITY) {
        best = entry;
        bestTime = time;
      }
    }
    return best;
  }

  #endsOf(name: string): Netif[] {
    const known = this.#ends.get(name);
    if (known !== undefined) return known;
    const ends: Netif[] = [];
    this.#ends.set(name, ends);
    return ends;
  }

  #checkStandstill(time: number, next: Entry | undefined): void {
    this.#stepsAtOnce = time > this.now ? 0 : this.#stepsAtOnce + 1;
    if (this.#stepsAtOnce <= STEPS_AT_ONCE_MAX) return;
    throw new Error(
      `world: time stands still at ${this.now} ns after ${STEPS_AT_ONCE_MAX} steps; ` +
        `the next one is of host "${next?.name ?? "none"}"`,
    );
  }

  #deadlock(why: string): Error {
    const names = this.#hosts.map((entry) => entry.name).join(", ") || "none";
    return new Error(
      `world.run: expected an event, got none at ${this.now} ns: ${why}, ` +
        `and no host has a timer or a frame on its way (hosts: ${names})`,
    );
  }
}
