/**
 * The build with threads: the data path as it is for one thread, and the workers executor beside
 * it. Every thread has an instance of its own over the shared memory.
 */
import { append, armTimer, bind, cancelTimer, carry, consume, flush, forget } from "./index.ts";
import { initialize, inspect, install, layoutHash, lookup, nextDeadline } from "./index.ts";
import { nextReady, open, put, quotes, receive, release } from "./index.ts";
import { step, take, transmit, turn } from "./index.ts";
import { features, reserve, spare, unbind, uninstall } from "./index.ts";
import { initializeGroup, leaveGroup } from "./workers/start.ts";
import { collect, egressWaiting, foldCounters, hasSource, inFlight } from "./workers/host.ts";
import { isQuiet, nextWorkersDeadline, offer, resetAll, setPaused } from "./workers/host.ts";
import { wakeSources } from "./workers/host.ts";
import { runThread } from "./workers/thread.ts";

export { append, armTimer, bind, cancelTimer, carry, consume, flush, forget };
export { initialize, inspect, install, layoutHash, lookup, nextDeadline };
export { nextReady, open, put, quotes, receive, release, step, take, transmit, turn };
export { features, reserve, spare, unbind, uninstall };
export { egressWaiting, foldCounters, hasSource, inFlight, initializeGroup, isQuiet, leaveGroup };
export { resetAll, runThread, setPaused, wakeSources };

/** Time, the ingress burst and doorbells into the pipeline. `now` in ns. */
export function workersOffer(shared: usize, library: usize, now: f64): void {
  offer(shared, library, <u64>now);
}

/** Frames, events and notifications out of it; STEP_* bits. */
export function workersCollect(shared: usize, library: usize, now: f64): u32 {
  return collect(shared, library, <u64>now);
}

/** When the pipeline or the control plane has something to do without input: ns, or infinite. */
export function workersDeadline(shared: usize): f64 {
  const at = nextWorkersDeadline(shared);
  return at == u64.MAX_VALUE ? Infinity : <f64>at;
}
