/**
 * What is looked at once the operations of a live case are done: both ends finish what they have
 * begun (I16), the connections are taken away, and every pool, counter, guard strip and reorder
 * point is as it must be (I10, I15; threats W4, D rows).
 */
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { unbind } from "./core-imports.ts";
import { advanceToDeadline, read, send } from "./operations.ts";
import { close, command, counterOf, exchange, isSpent, step } from "./step.ts";
import { coreOf, fail, HOSTILE, isGone, linkedOf, LINKED, peerOf, sideOf } from "./world.ts";

/** A bound on what a drain may take: an RTO at its ceiling for each of some segments. */
const ROUNDS_MAX: u32 = 120;

/** Everything that was appended was read, unless somebody does not read. */
function isThrough(world: usize, side: usize): bool {
  const peer = peerOf(world, side);
  if (isGone(side) || isGone(peer)) return true;
  if ((load<u32>(side, Z.SIDE_STATE) & Z.SIDE_DEAF) != 0) return true;
  return load<u32>(side, Z.SIDE_RECEIVED) == load<u32>(peer, Z.SIDE_SENT);
}

/** Nothing is held back: no cork, no pace, no carrier without room. */
function unhold(side: usize): void {
  store<u32>(side, 64, Z.SIDE_CREDIT);
  command(side, LINKED, D.AtxOpcode.SetFlags, 0, F.FLOW_CORK);
  command(side, LINKED, D.AtxOpcode.SetInterval, 0, 0);
}

/** The network is sound and both applications read: all bytes arrive. */
export function drain(world: usize): void {
  const first = sideOf(world, 0);
  const second = sideOf(world, 1);
  unhold(first);
  unhold(second);
  send(world, first, 1);
  send(world, second, 1);
  for (let i: u32 = 0; i < ROUNDS_MAX && !isSpent(world); i++) {
    exchange(world, first, 16);
    exchange(world, second, 16);
    const before = load<u32>(first, Z.SIDE_RECEIVED) + load<u32>(second, Z.SIDE_RECEIVED);
    read(world, first, 1024);
    read(world, second, 1024);
    if (isThrough(world, first) && isThrough(world, second)) return;
    const after = load<u32>(first, Z.SIDE_RECEIVED) + load<u32>(second, Z.SIDE_RECEIVED);
    if (before == after && !advanceToDeadline(world)) break;
  }
  if (load<u32>(world, Z.WORLD_FORGED) != 0 || isSpent(world)) return;
  const side = isThrough(world, first) ? second : first;
  const sent = load<u32>(peerOf(world, side), Z.SIDE_SENT);
  fail(world, Z.FuzzFault.Stuck, side == first ? 0 : 1, sent, load<u32>(side, Z.SIDE_RECEIVED));
}

/** I9: of what the connection's own record holds. */
function checkIntervals(world: usize, side: usize): void {
  if (isGone(side)) return;
  const r = <usize>load<u32>(coreOf(side), M.CORE_RECOVERY) + LINKED * F.RECOVERY_SIZE;
  const count: u32 = load<u8>(r, F.RECOVERY_INTERVAL_COUNT);
  if (count > 4) return;
  const p = linkedOf(side);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const room = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  for (let i: u32 = 0; i < count; i++) {
    const start = load<u32>(r + i * 8, F.RECOVERY_INTERVALS) - next;
    const end = load<u32>(r + i * 8 + 4, F.RECOVERY_INTERVALS) - next;
    if (start == 0 || start >= end || end > room) {
      fail(world, Z.FuzzFault.Interval, start, end, room);
    }
    for (let j: u32 = 0; j < i; j++) {
      const other = load<u32>(r + j * 8, F.RECOVERY_INTERVALS) - next;
      const last = load<u32>(r + j * 8 + 4, F.RECOVERY_INTERVALS) - next;
      if (start <= last && other <= end) fail(world, Z.FuzzFault.Interval, start, end, other);
    }
  }
}

/** One pool or count of a core. */
function expect(world: usize, fault: Z.FuzzFault, which: u32, want: u32, got: u32): void {
  if (want != got) fail(world, fault, which, want, got);
}

function checkCounters(world: usize, side: usize): void {
  const fault = Z.FuzzFault.Counter;
  const taken = counterOf(side, Counter.FramesIn) - load<u32>(side, Z.SIDE_COUNTED_IN);
  const left = counterOf(side, Counter.FramesOut) - load<u32>(side, Z.SIDE_COUNTED_OUT);
  expect(world, fault, Counter.FramesIn, load<u32>(side, Z.SIDE_FRAMES_IN), taken);
  expect(world, fault, Counter.FramesOut, load<u32>(side, Z.SIDE_FRAMES_OUT), left);
}

/** D rows: the honest context has made no mistake. */
function checkHonest(world: usize, side: usize): void {
  const table = <usize>load<u32>(coreOf(side), M.CORE_CONTEXT_TABLE);
  const record = table + LINKED * D.CONTEXT_SIZE;
  const errors = load<u32>(record, D.CONTEXT_ERRORS);
  const fenced = load<u32>(record, D.CONTEXT_FENCED);
  // What it said before its connection was reset may be late.
  if (fenced != 0 || (errors != 0 && !isGone(side))) {
    fail(world, Z.FuzzFault.Honest, errors, fenced, 0);
  }
}

/** Everything that connections held is back (I10). */
function checkPools(world: usize, side: usize): void {
  const core = coreOf(side);
  const fault = Z.FuzzFault.Pool;
  expect(world, fault, 0, load<u32>(core, M.CORE_CHUNKS), load<u32>(core, M.CORE_CHUNK_FREE_COUNT));
  expect(world, fault, 1, 0, load<u32>(core, M.CORE_CHUNK_RESERVED));
  expect(world, fault, 2, load<u32>(core, M.CORE_LOGS), load<u32>(core, M.CORE_LOG_FREE_COUNT));
  expect(world, fault, 3, 0, load<u32>(core, M.CORE_INSTALLED));
  expect(world, fault, 4, 0, load<u32>(core, M.CORE_BOUND));
  expect(world, fault, 5, 0, load<u32>(core, M.CORE_RR_HEAD));
  expect(world, Z.FuzzFault.Sequence, 0, 0, load<u32>(core, M.CORE_SEQUENCE_FAULTS));
}

function checkGuards(world: usize): void {
  const expected = i32x4.splat(M.GUARD_VALUE);
  let entry = world + Z.WORLD_GUARDS;
  const end = entry + Z.GUARDS_MAX * 4;
  for (; entry < end && load<u32>(entry) != 0; entry += 4) {
    const strip = <usize>load<u32>(entry);
    let wrong = i64x2.splat(0);
    for (let at: u32 = 0; at < M.GUARD_BYTES; at += 16) {
      wrong = v128.or(wrong, v128.xor(v128.load(strip + at), expected));
    }
    if (v128.any_true(wrong)) fail(world, Z.FuzzFault.Guard, <u32>strip, 0, 0);
  }
}

/** Takes both connections away and looks at what is left. */
function finish(world: usize, side: usize): void {
  checkIntervals(world, side);
  checkHonest(world, side);
  close(side);
  unbind(coreOf(side), HOSTILE);
  step(world, side);
  checkCounters(world, side);
  checkPools(world, side);
}

/** The whole verdict. */
export function judge(world: usize): void {
  finish(world, sideOf(world, 0));
  finish(world, sideOf(world, 1));
  checkGuards(world);
}
