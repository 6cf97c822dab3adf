/** The platform pieces of Node (and Bun, which has the same modules). See platform.ts. */
import { createHash, randomFillSync } from "node:crypto";
// The global of this name is a getter.
import { performance } from "node:perf_hooks";
import { startClock } from "./clock.ts";
import { compileEmbeddedCore } from "./embedded-core.ts";
import { nodeSpawner } from "./node-workers.ts";
import type { Platform } from "./platform.ts";
import { startThreads } from "./start-workers.ts";

export type { Hasher, Platform } from "./platform.ts";
export type { StartedWorkers, WorkersChoice } from "./start-workers.ts";

/** Cheaper than queueMicrotask(), which keeps books for debuggers. */
const ended = Promise.resolve();

/** As what throws in any other callback. */
function rethrow(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

export const platform: Platform = {
  name: "node",
  now: startClock(performance),
  entropy: (bytes) => {
    randomFillSync(bytes);
  },
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  defer: (callback) => {
    setImmediate(callback);
  },
  soon: (callback) => {
    ended.then(callback).catch(rethrow);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  sha256: () => {
    const hash = createHash("sha256");
    return {
      update: (bytes) => void hash.update(bytes),
      digestHex: async () => hash.digest("hex"),
    };
  },
  loadCore: compileEmbeddedCore,
  startWorkers: (choice = {}) => startThreads({ spawn: nodeSpawner(), mayBlock: true }, choice),
};
