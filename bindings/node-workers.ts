/** Worker threads of Node (and of Deno, which has the same module) for the workers executor. */
import { Worker } from "node:worker_threads";
import type { SpawnWorker } from "./workers.ts";

/** Starts threads from a compiled `file`, this package's node-worker.js. */
export function nodeSpawner(file: URL = new URL("./node-worker.js", import.meta.url)): SpawnWorker {
  return (start, onExit) =>
    new Promise((resolve, reject) => {
      // Not the program's own arguments: some (--input-type) are not for threads.
      const worker = new Worker(file, { workerData: start, execArgv: [] });
      let reason = "ended";
      const terminate = (): void => {
        reason = "was terminated";
        void worker.terminate();
      };
      worker.once("message", () => {
        // A process may end while its threads wait for work.
        worker.unref();
        resolve({ terminate });
      });
      worker.once("error", (error) => {
        reason = `failed: ${error.message}`;
        reject(error);
      });
      worker.once("exit", () => onExit(reason));
    });
}
