/**
 * What a thread does: the stages placed on it, one after another, until none has anything. The
 * loop around it, and sleeping, are the host's (bindings/workers.ts): a wait instruction inside a
 * loop hangs in one engine's baseline compiler.
 */
import { Stage } from "../../bindings/abi/stage.ts";
import * as X from "../../bindings/abi/workers.ts";
import { pollContextQueue } from "./context-queue.ts";
import { pollNetif } from "./netif.ts";
import { pollProtocol } from "./protocol.ts";
import { pollDma, pollPost, pollPre } from "./replicas.ts";
import { wake } from "./ring.ts";

/** Longest stall that a test may ask for, in turns of an empty loop. */
const STALL_TURNS: u32 = 4096;

/** Polls a thread's stages up to `rounds` times, until a round finds nothing; items handled. */
export function runThread(shared: usize, thread: usize, rounds: u32): u32 {
  let total: u32 = 0;
  for (let round: u32 = 0; round < rounds; round++) {
    const done = runRound(shared, thread);
    if (done == 0) break;
    total += done;
  }
  return total;
}

/** One whole iteration; what it began with is told afterwards, for who waits for quiet. */
function runRound(shared: usize, thread: usize): u32 {
  const epoch = atomic.load<u32>(shared, X.SHARED_EPOCH);
  const stages = load<u32>(thread, X.THREAD_STAGE_COUNT);
  atomic.store<u32>(thread, load<u32>(thread, X.THREAD_HEARTBEAT) + 1, X.THREAD_HEARTBEAT);
  let done: u32 = 0;
  for (let i: u32 = 0; i < stages; i++) {
    done += pollStage(<usize>load<u32>(thread + (i << 2), X.THREAD_STAGES));
  }
  const before = load<u32>(thread, X.THREAD_EPOCH);
  atomic.store<u32>(thread, epoch, X.THREAD_EPOCH);
  // The host may be asleep until every thread has seen the pause.
  if (before != epoch) wake(<usize>load<u32>(shared, X.SHARED_THREAD));
  return done;
}

function pollStage(stage: usize): u32 {
  if (load<u32>(stage, X.STAGE_STALL) != 0) stall(stage);
  const kind = load<u32>(stage, X.STAGE_KIND);
  if (kind == Stage.Protocol) return pollProtocol(stage);
  if (kind == Stage.PreProcessing) return pollPre(stage);
  if (kind == Stage.PostProcessing) return pollPost(stage);
  if (kind == Stage.Dma) return pollDma(stage);
  if (kind == Stage.ContextQueue) return pollContextQueue(stage);
  return pollNetif(stage);
}

/** A test's stall: now and then, and of a length, that a seed decides (xorshift). */
function stall(stage: usize): void {
  let x = load<u32>(stage, X.STAGE_STALL);
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  store<u32>(stage, x, X.STAGE_STALL);
  if ((x & 7) != 0) return;
  const turns = (x >>> 8) & (STALL_TURNS - 1);
  for (let i: u32 = 0; i < turns; i++) atomic.load<u32>(stage, X.STAGE_HEADER);
}
