/** The platform pieces of Deno, through its own node: modules. See platform.ts. */
import { createHash, randomFillSync } from "node:crypto";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { startClock } from "./clock.ts";
import { compileEmbeddedCore } from "./embedded-core.ts";
import type { Platform } from "./platform.ts";
import { startThreads } from "./start-workers.ts";
import { webSpawner } from "./web-workers.ts";

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
  name: "deno",
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
  startWorkers: (choice = {}) => startThreads({ spawn: webSpawner(), mayBlock: true }, choice),
};
