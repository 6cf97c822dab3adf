/**
 * A thread of `bench workers`: a flow group whole. Both endpoints' stages, libTOE and application
 * run here, on stages placed on this thread; nothing is shared with other groups. The same thread
 * also is the other end when a handoff between threads is measured.
 */
import { parentPort, workerData } from "node:worker_threads";
import { bounce } from "./handoff.ts";
import { assembleLoops } from "./wasm-loops.ts";
import { BulkJob, type JobOptions } from "./workers-job.ts";

/** What the bench asks of a group's thread. */
export type GroupRequest =
  | { readonly kind: "transfer"; readonly bytes: number; readonly start: SharedArrayBuffer }
  | { readonly kind: "bounce"; readonly words: SharedArrayBuffer; readonly rounds: number };

/** Its answer to each. */
export interface GroupAnswer {
  readonly segments: number;
}

await assembleLoops();
const job = await BulkJob.start(workerData as JobOptions);
const port = parentPort;

/** All groups begin together. */
function awaitStart(start: SharedArrayBuffer): void {
  const words = new Int32Array(start);
  Atomics.add(words, 1, 1);
  Atomics.notify(words, 1);
  Atomics.wait(words, 0, 0);
}

function answer(request: GroupRequest): GroupAnswer {
  if (request.kind === "bounce") {
    bounce(new Int32Array(request.words), 1, request.rounds);
    return { segments: 0 };
  }
  const before = job.segments;
  awaitStart(request.start);
  job.transfer(request.bytes);
  return { segments: job.segments - before };
}

port?.on("message", (request: GroupRequest) => port.postMessage(answer(request)));
port?.postMessage({ segments: 0 } satisfies GroupAnswer);
