/** The entry of a web worker: started by web-workers.ts, stopped by the executor. */
import { runWorker, type ThreadStart } from "./worker-loop.ts";

// The first message is the last: runWorker() never comes back to the event loop.
addEventListener("message", ({ data }: MessageEvent<ThreadStart>) => {
  postMessage("ready");
  runWorker(data);
});
