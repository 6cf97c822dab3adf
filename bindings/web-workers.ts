/**
 * Web workers (of pages, workers and Deno) for the workers executor. A web worker does not say that
 * it has ended: the executor finds out by its silence.
 */
import type { SpawnWorker } from "./workers.ts";

/** Starts threads from a compiled `file`, this package's web-worker.js. */
export function webSpawner(file: URL = new URL("./web-worker.js", import.meta.url)): SpawnWorker {
  return (start, onExit) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(file, { type: "module" });
      worker.onmessage = () => resolve({ terminate: () => worker.terminate() });
      worker.onerror = (event) => {
        const what = event.message === "" ? "could not be loaded" : event.message;
        event.preventDefault();
        reject(new Error(`startWorkers: expected ${file.pathname} to start, got: ${what}`));
        onExit(`failed: ${what}`);
      };
      worker.postMessage(start);
    });
}
