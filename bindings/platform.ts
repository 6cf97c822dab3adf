/**
 * What the runtime gives: clock, entropy, timers, turns of the event loop, SHA-256 and the
 * compiled data path. The only things of a runtime that anything else in here sees; node.ts,
 * deno.ts and browser.ts provide them.
 */
import type { DataPath } from "./layout.ts";
import type { StartedWorkers, WorkersChoice } from "./start-workers.ts";

/** A SHA-256 in progress. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** 64 hex digits; ends the hash. */
  digestHex(): Promise<string>;
}

export interface Platform {
  readonly name: "node" | "deno" | "browser";
  /** Whole ns; monotonic. Above 2^31 from the start (clock.ts). */
  now(): number;
  /** Fills `bytes` from the runtime's CSPRNG. */
  entropy(bytes: Uint8Array): void;
  /** Runs `callback` after `ms` milliseconds; returns what cancels it. */
  setTimer(ms: number, callback: () => void): () => void;
  /** Runs `callback` in a later turn of the event loop, timers and I/O having had theirs. */
  defer(callback: () => void): void;
  /** Runs `callback` when the code that is running has ended: a microtask. */
  soon(callback: () => void): void;
  /** Resolves in a later turn of the event loop: one macrotask. */
  turn(): Promise<void>;
  sha256(): Hasher;
  /**
   * Compiles a data path that is embedded in the package: FlexTOE's pipeline, or Laminar's stage
   * program, as the paper has it or relaxed. Throws RangeError on another name.
   */
  loadCore(datapath?: DataPath): Promise<WebAssembly.Module>;
  /**
   * Starts a data path whose stages run on threads, for one Stack's `module`. Where memory cannot
   * be shared it is the single-thread build, with a message that says why. Throws RangeError on a
   * bad plan or layout.
   */
  startWorkers(choice?: WorkersChoice): Promise<StartedWorkers>;
}
