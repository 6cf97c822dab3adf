/**
 * The platform pieces of the runtimes that have Node's modules: Node and Bun (node.ts) and Deno
 * (deno.ts), which differ in their timers and in how a thread is started.
 */
import { createHash, randomFillSync } from "node:crypto";
// The global of this name is a getter.
import { performance } from "node:perf_hooks";
import { startClock } from "./clock.ts";
import { compileEmbeddedCore } from "./embedded-core.ts";
import type { Platform } from "./platform.ts";
import { startThreads } from "./start-workers.ts";
import type { SpawnWorker } from "./workers.ts";

/** Looked up at each call, so that a test's fake timers are seen. */
export type Timers = Pick<
  typeof import("node:timers"),
  "setTimeout" | "clearTimeout" | "setImmediate"
>;

/** Cheaper than queueMicrotask(), which keeps books for debuggers. */
const ended = Promise.resolve();

/** The pieces over a runtime's timers and threads. */
export function serverPlatform(
  name: "node" | "deno",
  timers: Timers,
  spawner: () => SpawnWorker,
): Platform {
  /** As what throws in any other callback. */
  const rethrow = (error: unknown): void => {
    timers.setImmediate(() => {
      throw error;
    });
  };
  return {
    name,
    now: startClock(performance),
    entropy: (bytes) => {
      randomFillSync(bytes);
    },
    setTimer: (ms, callback) => {
      const timer = timers.setTimeout(callback, ms);
      return () => timers.clearTimeout(timer);
    },
    defer: (callback) => {
      timers.setImmediate(callback);
    },
    soon: (callback) => {
      ended.then(callback).catch(rethrow);
    },
    turn: () => new Promise((resolve) => timers.setImmediate(resolve)),
    sha256: () => {
      const hash = createHash("sha256");
      return {
        update: (bytes) => void hash.update(bytes),
        digestHex: async () => hash.digest("hex"),
      };
    },
    loadCore: compileEmbeddedCore,
    startWorkers: (choice = {}) => startThreads({ spawn: spawner(), mayBlock: true }, choice),
  };
}
