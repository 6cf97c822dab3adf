/** The build with threads: its exports beyond the core's, and instances over a shared memory. */
import { LAYOUT_HASH } from "./abi/layout-hash.ts";
import type { CoreExports } from "./core.ts";

/** The exports of build/workers.wasm (assembly/workers.ts). `shared`: address of SHARED_*. */
export interface WorkersExports extends CoreExports {
  /** Polls a thread's stages, up to `rounds` times; items handled. */
  runThread(shared: number, thread: number, rounds: number): number;
  /** Time, the host's ingress burst and doorbells into the pipeline. */
  workersOffer(shared: number, library: number, now: number): void;
  /** Frames, events and notifications out of it; STEP_* bits. */
  workersCollect(shared: number, library: number, now: number): number;
  /** When something is due without input: ns; Infinity when never. */
  workersDeadline(shared: number): number;
  /** Stops the sources, or lets them go on. */
  setPaused(shared: number, paused: number): void;
  /** Wakes the threads whose sources have something; not while they are paused. */
  wakeSources(shared: number): void;
  /** True when every thread knows of the pause and nothing is in flight. */
  isQuiet(shared: number): number;
  /** Items between a source and RP3. */
  inFlight(shared: number): number;
  /** True when a source has something that it could admit. */
  hasSource(shared: number): number;
  /** Frames that wait for the host. */
  egressWaiting(shared: number): number;
  /** A reset event for each connection from `from` on; where to go on, 0 = done. */
  resetAll(shared: number, from: number): number;
  /** Adds the replicas' counters to the host's; quiet only. */
  foldCounters(shared: number): void;
  /** Prepares a flow group's timers and scheduler; `header`: its private core header. */
  initializeGroup(header: number): void;
  /** Takes a connection out of its flow group's scheduler; quiet only. */
  leaveGroup(header: number, connection: number): void;
}

/** An instance for one thread. Throws Error on a build of another contract. */
export function instantiateWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): WorkersExports {
  const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
  const abort = (): never => {
    throw new Error("workers: assertion failed in the debug build");
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, table, abort } });
  const exports = { ...instance.exports } as unknown as WorkersExports;
  const built = exports.layoutHash() >>> 0;
  if (built !== LAYOUT_HASH) {
    const expected = LAYOUT_HASH.toString(16);
    throw new Error(`workers: expected layout hash ${expected}, got ${built.toString(16)}`);
  }
  return exports;
}
