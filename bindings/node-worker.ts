/** The entry of a worker thread: started by node-workers.ts, stopped by the executor. */
import { parentPort, workerData } from "node:worker_threads";
import { runWorker, type ThreadStart } from "./worker-loop.ts";

parentPort?.postMessage("ready");
runWorker(workerData as ThreadStart);
