/**
 * The workers executor seen from the host: a core whose stages run on threads. A Stack over it is
 * the Stack over one thread; turn() offers and collects in place of running the stages.
 *
 * Invariants: tables that stages read are changed while the pipeline is paused and empty; nothing
 * waits for a thread without a bound; after a thread has died no thread runs (the fence), every
 * connection is reset, and new ones are refused.
 */
import { CONTEXT_ATX_CONSUMER, CONTEXT_ATX_PRODUCER } from "./abi/descriptor.ts";
import { CONTEXT_SIZE, InstallStatus } from "./abi/descriptor.ts";
import { PRE_GROUP, PRE_SIZE } from "./abi/flow-state.ts";
import { EGRESS_FRAMES_MAX } from "./abi/limits.ts";
import * as M from "./abi/memory-map.ts";
import { Stage } from "./abi/stage.ts";
import { TIMERS_PER_CONNECTION, TimerKind } from "./abi/timer.ts";
import * as X from "./abi/workers.ts";
import type { Core, CoreExports, CoreSource } from "./core.ts";
import { type Layout, type LayoutOptions, layout, writeHeader } from "./layout.ts";
import { SLEEP_MS, type ThreadStart } from "./worker-loop.ts";
import { unreleased } from "./workers-inspection.ts";
import * as W from "./workers-layout.ts";
import { instantiateWorkers, type WorkersExports } from "./workers-module.ts";

/** A thread of the runtime. */
export interface WorkerHandle {
  /** Ends the thread, whatever it is doing. */
  terminate(): void;
}

/** Starts a thread that calls runWorker(start). `onExit` is told when it ends by itself. */
export type SpawnWorker = (
  start: ThreadStart,
  onExit: (reason: string) => void,
) => Promise<WorkerHandle>;

export interface WorkersOptions {
  /** The build with threads: `await platform.loadWorkersCore()`. */
  readonly module: WebAssembly.Module;
  readonly spawn: SpawnWorker;
  readonly layout?: Partial<LayoutOptions>;
  readonly plan?: W.WorkersPlan;
  /**
   * True: a turn does not wait for the pipeline, so that host and stages work at the same time.
   * False (default): each turn ends with the pipeline at rest, as virtual time wants it.
   */
  readonly overlap?: boolean;
  /** Empty rounds of a thread before it sleeps. */
  readonly spins?: number;
  /** False where a thread may not block, as in a page's main thread; true by default. */
  readonly mayBlock?: boolean;
  /**
   * A thread that shows no life for so long, while there is work, is taken for dead: not every
   * runtime tells. Milliseconds, above SLEEP_MS; 5000 by default.
   */
  readonly silenceMs?: number;
}

const SPINS = 200;
const SILENCE_MS = 5000;
/** Turns with work between two looks at the threads' signs of life. */
const WATCH_TURNS = 64;
/** Looks at the pipeline before the host's thread sleeps, and its longest sleep. */
const HOST_SPINS = 500;
const HOST_SLEEP_MS = 2;
/** Sleeps without progress until a turn gives up, and turns that gave up until the fence. */
const PATIENCE = 25;
const STUCK_TURNS = 20;
/** Rounds of the stages on the host's own thread between two looks at the pipeline. */
const HOST_ROUNDS = 4;
/** Looks between two readings of the clock where a thread may not block, and its patience. */
const CLOCK_SPINS = 1000;
const PATIENCE_MS = 2000;
/** Frames that are worth a turn's end: half of what the egress burst takes. */
const ENOUGH_FRAMES = EGRESS_FRAMES_MAX / 2;

export class WorkersExecutor implements CoreSource {
  readonly map: Layout;
  readonly memory: WebAssembly.Memory;
  readonly layout: W.WorkersLayout;
  readonly #exports: WorkersExports;
  readonly #words: Int32Array;
  readonly #overlap: boolean;
  readonly #mayBlock: boolean;
  #handles: WorkerHandle[] = [];
  #taken = false;
  #started = false;
  readonly #silenceMs: number;
  #stuck = 0;
  /** Turns with work since the last look, its time, and how long each thread has been silent. */
  #unwatched = 0;
  #watched = 0;
  readonly #seen: { beat: number; silent: number }[] = [];
  #fence: string | undefined;
  /** Row that the next turn after a fence goes on with. */
  #reset = 1;
  /** Told of a fence: the stack has something to do. */
  onFence: ((reason: string) => void) | undefined;

  private constructor(options: WorkersOptions) {
    this.map = layout(options.layout ?? {});
    const plan = options.plan ?? {};
    const most = W.workersPages(this.map, plan);
    // A dry placement tells how many replicas there are, and so what they need for themselves.
    const pages = most + W.replicaPages(plan);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.layout = W.place(new DataView(this.memory.buffer), this.map, plan);
    this.#exports = instantiateWorkers(options.module, this.memory);
    this.#words = new Int32Array(this.memory.buffer);
    this.#overlap = options.overlap === true;
    this.#mayBlock = options.mayBlock !== false;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    if (this.#silenceMs > SLEEP_MS) return;
    const got = this.#silenceMs;
    throw new RangeError(`workers: expected silenceMs above ${SLEEP_MS}, got ${got}`);
  }

  /**
   * Lays the memory out and starts the threads; they sleep until the first turn. Throws RangeError
   * on a bad option or plan, and Error where memory cannot be shared.
   */
  static async start(options: WorkersOptions): Promise<WorkersExecutor> {
    const executor = new WorkersExecutor(options);
    const { shared, threads, placement } = executor.layout;
    const starts = placement.map((_, index): ThreadStart => {
      const thread = threads + (index + 1) * X.THREAD_SIZE;
      const { memory } = executor;
      return { module: options.module, memory, shared, thread, spins: options.spins ?? SPINS };
    });
    const spawned = starts.map((start, index) =>
      options.spawn(start, (reason) => executor.fence(`thread ${index + 1} ${reason}`)),
    );
    const settled = await Promise.allSettled(spawned);
    for (const one of settled) if (one.status === "fulfilled") executor.#handles.push(one.value);
    const failed = settled.find((one) => one.status === "rejected");
    if (failed !== undefined) {
      executor.close();
      throw failed.reason;
    }
    return executor;
  }

  /** Why the executor was fenced; undefined while it runs. */
  get fenced(): string | undefined {
    return this.#fence;
  }

  /** Ends the threads. A stack that still runs over it is fenced. */
  close(): void {
    this.fence("closed");
  }

  /** No thread runs from here on; the next turns reset what is open. */
  fence(reason: string): void {
    if (this.#fence !== undefined) return;
    this.#fence = reason;
    Atomics.store(this.#words, (this.layout.shared + X.SHARED_STOP) >>> 2, 1);
    for (const handle of this.#handles) handle.terminate();
    this.#handles = [];
    // Its holder may be the thread that died.
    Atomics.store(this.#words, (this.map.core + M.CORE_POOL_LOCK) >>> 2, 0);
    this.onFence?.(reason);
  }

  /** Ends one thread, as a crash would; for tests of the fence. Numbers count from 1. */
  kill(thread: number): void {
    this.#handles[thread - 1]?.terminate();
  }

  /** The core for one stack. Throws RangeError when it was taken already. */
  create(hashKey: readonly [bigint, bigint]): Core {
    if (this.#taken) throw new RangeError("workers: expected 1 stack an executor, got one more");
    this.#taken = true;
    const { map, memory } = this;
    const { buffer } = memory;
    const view = new DataView(buffer);
    writeHeader(view, map, hashKey);
    this.#exports.initialize(map.core);
    return {
      exports: this.#wrapped(),
      admit: (library, now) => this.#admit(library, now),
      onWake: (wake) => {
        this.onFence = wake;
      },
      address: map.core,
      map,
      memory,
      bytes: new Uint8Array(buffer),
      words: new Uint32Array(buffer),
      ints: new Int32Array(buffer),
      view,
    };
  }

  /** The core's exports, with what threads change about them. */
  #wrapped(): CoreExports {
    const own = this.#exports;
    const paused =
      <A extends unknown[], R>(call: (...args: A) => R) =>
      (...args: A): R => {
        this.#pause();
        return call(...args);
      };
    const { shared } = this.layout;
    return {
      ...own,
      step: () => {
        throw new Error("workers: expected turn(), got step()");
      },
      turn: (library, now) => this.#turn(library, now),
      bind: (core) => (this.#fence === undefined ? own.bind(core) : InstallStatus.Down),
      install: paused(own.install),
      uninstall: paused((core, connection) => this.#leave(own.uninstall, core, connection)),
      unbind: paused((core, connection) => this.#leave(own.unbind, core, connection)),
      inspect: paused(own.inspect),
      quotes: paused(own.quotes),
      armTimer: (_, timer, deadline) => this.#armTimer(timer, deadline),
      nextDeadline: () => (this.#reset === 0 ? Infinity : own.workersDeadline(shared)),
      carry: () => 0,
    };
  }

  /** The control plane's timers are in the host's wheel, a connection's in its flow group's. */
  #armTimer(timer: number, deadline: number): void {
    const { core } = this.map;
    if (timer % TIMERS_PER_CONNECTION === TimerKind.Control) {
      this.#exports.armTimer(core, timer, deadline);
      return;
    }
    this.#pause();
    const header = this.#groupHeader(Math.floor(timer / TIMERS_PER_CONNECTION));
    this.#exports.armTimer(header, timer, deadline);
  }

  /** The private header of a connection's flow group. */
  #groupHeader(connection: number): number {
    const groups = this.layout.replicas.filter(({ kind }) => kind === Stage.Protocol);
    const pre = (this.map.base.pre as number) + connection * PRE_SIZE;
    const group = new Uint8Array(this.memory.buffer)[pre + PRE_GROUP] as number;
    return (groups[group % groups.length] as W.Replica).header;
  }

  /** A connection is in the queues of its group's scheduler, not in the host's. */
  #leave(call: (core: number, connection: number) => void, core: number, connection: number): void {
    if (this.#started) this.#exports.leaveGroup(this.#groupHeader(connection), connection);
    call(core, connection);
  }

  #turn(library: number, now: number): number {
    const { shared } = this.layout;
    const own = this.#exports;
    if (this.#fence !== undefined) return this.#fencedTurn(library, now);
    if (!this.#started) this.#start();
    own.workersOffer(shared, library, now);
    // Most turns of a stack that waits for something have nothing for the pipeline.
    if (own.hasSource(shared) === 0 && own.inFlight(shared) === 0 && this.#runHosted() === 0) {
      return own.workersCollect(shared, library, now);
    }
    if (this.#isSilent()) return this.#fencedTurn(library, now);
    own.setPaused(shared, 0);
    own.wakeSources(shared);
    this.#runHosted();
    const rests = this.#overlap || this.#settle();
    const bits = own.workersCollect(shared, library, now);
    if (!rests) return this.#giveUp(bits);
    this.#stuck = 0;
    if (own.hasSource(shared) !== 0) return bits | M.STEP_MORE;
    return this.#overlap && own.inFlight(shared) !== 0 ? bits | M.STEP_MORE : bits;
  }

  #admit(library: number, now: number): void {
    if (this.#fence !== undefined || !this.#started) return;
    const { shared } = this.layout;
    this.#exports.workersOffer(shared, library, now);
    if (this.#exports.hasSource(shared) === 0) return;
    this.#exports.setPaused(shared, 0);
    this.#exports.wakeSources(shared);
  }

  /** Netifs are attached by now: what the header says of them goes into the replicas' headers. */
  #start(): void {
    this.#started = true;
    const { buffer } = this.memory;
    W.writeReplicaHeaders(new DataView(buffer), new Uint32Array(buffer), this.map, this.layout);
    for (const { kind, header } of this.layout.replicas) {
      if (kind === Stage.Protocol) this.#exports.initializeGroup(header);
    }
  }

  /** Until nothing is in flight and no source has anything, or there are frames to take. */
  #settle(): boolean {
    const { shared } = this.layout;
    const own = this.#exports;
    const rests = this.#await(() => {
      if (own.egressWaiting(shared) >= ENOUGH_FRAMES) return true;
      return own.inFlight(shared) === 0 && own.hasSource(shared) === 0;
    });
    return rests && this.#pause();
  }

  /** Paused and empty; false when a thread does not answer: the executor is fenced soon. */
  #pause(): boolean {
    const { shared } = this.layout;
    if (this.#fence !== undefined || !this.#started) return true;
    const own = this.#exports;
    own.setPaused(shared, 1);
    // Last the stages here: a frame that RP2 may release is no item in flight any more.
    if (this.#await(() => own.isQuiet(shared) !== 0 && this.#runHosted() === 0)) return true;
    if (this.#overlap) this.fence("does not answer");
    return false;
  }

  /** A thread may have died: the runtime tells in a later turn of the event loop, if at all. */
  #giveUp(bits: number): number {
    this.#stuck += 1;
    if (this.#stuck >= STUCK_TURNS) this.fence("does not answer");
    return bits | M.STEP_MORE;
  }

  /** The stages on this thread; items handled. */
  #runHosted(): number {
    const { shared, threads, host } = this.layout;
    return host.length === 0 ? 0 : this.#exports.runThread(shared, threads, HOST_ROUNDS);
  }

  /** Spins, then sleeps, until `done`; false after PATIENCE sleeps in which no thread moved. */
  #await(done: () => boolean): boolean {
    for (let spin = 0; spin < HOST_SPINS; spin += 1) {
      if (done()) return true;
      this.#runHosted();
    }
    return this.#mayBlock ? this.#sleepUntil(done) : this.#spinUntil(done);
  }

  /** Where a thread may not block: until PATIENCE_MS have passed in which no thread moved. */
  #spinUntil(done: () => boolean): boolean {
    let before = this.#heartbeats();
    let moved = performance.now();
    for (;;) {
      for (let spin = 0; spin < CLOCK_SPINS; spin += 1) {
        if (done()) return true;
        this.#runHosted();
      }
      const now = performance.now();
      const after = this.#heartbeats();
      if (after !== before) moved = now;
      else if (now - moved > PATIENCE_MS) return done();
      before = after;
    }
  }

  #sleepUntil(done: () => boolean): boolean {
    const state = (this.layout.threads + X.THREAD_SLEEPING) >>> 2;
    const words = this.#words;
    let before = this.#heartbeats();
    let still = 0;
    while (still < PATIENCE) {
      Atomics.store(words, state, X.THREAD_DROWSY);
      if (done()) break;
      // What it found may be all that the others wait for.
      if (this.#runHosted() !== 0) continue;
      const drowsy = X.THREAD_DROWSY;
      if (Atomics.compareExchange(words, state, drowsy, X.THREAD_ASLEEP) === drowsy) {
        Atomics.wait(words, state, X.THREAD_ASLEEP, HOST_SLEEP_MS);
      }
      const after = this.#heartbeats();
      still = after === before ? still + 1 : 0;
      before = after;
    }
    Atomics.store(words, state, X.THREAD_AWAKE);
    return done();
  }

  /** Moves while any thread does anything. */
  #heartbeats(): number {
    let sum = 0;
    for (let i = 1; i <= this.layout.placement.length; i += 1) sum = (sum + this.#heartbeat(i)) | 0;
    return sum;
  }

  #heartbeat(thread: number): number {
    const at = this.layout.threads + thread * X.THREAD_SIZE + X.THREAD_HEARTBEAT;
    return Atomics.load(this.#words, at >>> 2);
  }

  /** Fences, and is true, when a thread shows no life although there is work. */
  #isSilent(): boolean {
    this.#unwatched += 1;
    if (this.#unwatched < WATCH_TURNS) return false;
    this.#unwatched = 0;
    // A process that was stopped for a while has seen no silence.
    const passed = Math.min(performance.now() - this.#watched, SLEEP_MS);
    this.#watched = performance.now();
    for (let thread = 1; thread <= this.layout.placement.length; thread += 1) {
      const beat = this.#heartbeat(thread);
      const seen = this.#seen[thread];
      if (seen === undefined || seen.beat !== beat) {
        this.#seen[thread] = { beat, silent: 0 };
        continue;
      }
      seen.silent += passed;
      if (seen.silent > this.#silenceMs) {
        this.fence(`thread ${thread} does not answer`);
        return true;
      }
    }
    return false;
  }

  /** The host alone: connections are reset, what the application asks for is dropped. */
  #fencedTurn(library: number, now: number): number {
    const { shared } = this.layout;
    const own = this.#exports;
    const words = this.#words;
    own.setPaused(shared, 1);
    if (this.#reset !== 0) this.#reset = own.resetAll(shared, this.#reset);
    words[(this.map.core + M.CORE_INGRESS_COUNT) >>> 2] = 0;
    own.flush(library);
    this.#dropDescriptors();
    const bits = own.workersCollect(shared, library, now);
    return this.#reset === 0 ? bits : bits | M.STEP_MORE;
  }

  /** Nobody will fetch them: the rings look empty. */
  #dropDescriptors(): void {
    const words = this.#words;
    const contexts = words[(this.map.core + M.CORE_CONTEXTS) >>> 2] as number;
    for (let context = 0; context < contexts; context += 1) {
      const record = ((this.map.base.contextTable as number) + context * CONTEXT_SIZE) >>> 2;
      const producer = words[record + (CONTEXT_ATX_PRODUCER >>> 2)] as number;
      words[record + (CONTEXT_ATX_CONSUMER >>> 2)] = producer;
    }
  }

  /**
   * Numbers that were given out and not released ("RP2 of group 1: 7 assigned, 5 released"), and
   * items that are not back home; empty when the pipeline is at rest and whole (4.3.2).
   */
  unreleased(): string[] {
    return unreleased(this.#words, this.layout);
  }

  /** Brings the core's counters up to date: replicas count for themselves. */
  fold(): void {
    if (this.#started && this.#pause()) this.#exports.foldCounters(this.layout.shared);
  }
}
