/**
 * One side's steps in the live target, with the least that a control plane does: a retransmission
 * or persist timer is answered with the command of RFC 6298, 5.4 and RFC 9293, 3.8.6.1, and a
 * connection that was reset is taken out of the data path.
 */
import { copyBytes } from "../base/bytes.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import { BATCH_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { TimerKind, TIMERS_PER_CONNECTION } from "../../bindings/abi/timer.ts";
import { armTimer, forget, nextReady, turn, unbind } from "./core-imports.ts";
import { takeEgress } from "./egress.ts";
import { dropFrame, frameOf, lengthOf, queued, slotAt } from "./network.ts";
import { coreOf, fail, isGone, linkedOf, LINKED, peerOf, raise } from "./world.ts";

/** Turns of one step: a burst of frames, descriptors and timers needs two or three. */
const TURNS_MAX: u32 = 16;
/** Turns of one case. */
const STEPS_MAX: u32 = 2000;
/** A command that found no room is tried again after this. */
const AGAIN_NS: f64 = 1000000;

// @ts-ignore: decorator
@inline
function contextOf(core: usize, context: u32): usize {
  return <usize>load<u32>(core, M.CORE_CONTEXT_TABLE) + context * D.CONTEXT_SIZE;
}

/** A descriptor of the control plane's own; false when its ring is full. */
export function command(side: usize, connection: u32, opcode: u32, low: u32, high: u32): bool {
  const core = coreOf(side);
  const record = contextOf(core, 0);
  const producer = load<u32>(record, D.CONTEXT_ATX_PRODUCER);
  const mask = load<u32>(record, D.CONTEXT_ATX_MASK);
  if (producer - load<u32>(record, D.CONTEXT_ATX_CONSUMER) > mask) return false;
  const entry = <usize>load<u32>(record, D.CONTEXT_ATX_BASE) + (producer & mask) * D.ATX_SIZE;
  const pre = <usize>load<u32>(core, M.CORE_PRE) + connection * F.PRE_SIZE;
  memory.fill(entry, 0, D.ATX_SIZE);
  store<u32>(entry, connection, D.ATX_CONNECTION);
  store<u32>(entry, load<u32>(pre, F.PRE_GENERATION), D.ATX_GENERATION);
  store<u32>(entry, opcode, D.ATX_OPCODE);
  store<u32>(entry, low, D.ATX_ARGUMENT);
  store<u32>(entry, high, D.ATX_ARGUMENT + 4);
  store<u32>(record, producer + 1, D.CONTEXT_ATX_PRODUCER);
  return true;
}

function timerFired(world: usize, side: usize, event: usize): void {
  const connection = load<u32>(event, D.EVENT_CONNECTION);
  if (load<u32>(event, D.EVENT_A) != TimerKind.Retransmit) return;
  const persist = load<u32>(event, D.EVENT_D) != 0;
  const opcode = persist ? D.AtxOpcode.Probe : D.AtxOpcode.Retransmit;
  if (command(side, connection, opcode, persist ? 0 : 1, 0)) return;
  const timer = connection * TIMERS_PER_CONNECTION + TimerKind.Retransmit;
  armTimer(coreOf(side), timer, <f64>load<u64>(world, Z.WORLD_NOW) + AGAIN_NS);
}

/** The connection is over, as after a reset: out of libTOE, out of the data path, unbound. */
export function close(side: usize): void {
  if (isGone(side)) return;
  forget(<usize>load<u32>(side, Z.SIDE_LIBRARY), LINKED);
  unbind(coreOf(side), LINKED);
  raise(side, Z.SIDE_GONE);
}

function handle(world: usize, side: usize, event: usize): void {
  const kind = load<u32>(event, D.EVENT_KIND);
  if (kind == D.EventKind.Timer) return timerFired(world, side, event);
  if (kind == D.EventKind.Redirect) {
    store<u32>(side, load<u32>(side, Z.SIDE_REDIRECTS) + 1, Z.SIDE_REDIRECTS);
  }
  if (kind != D.EventKind.Reset && kind != D.EventKind.LateData) return;
  if (load<u32>(event, D.EVENT_CONNECTION) == LINKED) close(side);
}

function takeEvents(world: usize, side: usize): void {
  const core = coreOf(side);
  const count = load<u32>(core, M.CORE_EVENT_COUNT);
  const events = <usize>load<u32>(core, M.CORE_EVENTS);
  store<u32>(core, 0, M.CORE_EVENT_COUNT);
  store<u32>(core, 0, M.CORE_INTERRUPTS);
  for (let i: u32 = 0; i < count; i++) handle(world, side, events + i * D.EVENT_SIZE);
  // Nobody reads the frames that events name.
  if (load<u32>(core, M.CORE_INGRESS_COUNT) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
}

/** What must hold of a connection after every step (I2, I5). */
function checkFlow(world: usize, side: usize): void {
  if (isGone(side)) return;
  const p = linkedOf(side);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const before = load<u32>(side, Z.SIDE_RX_NEXT);
  if (<i32>(next - before) < 0) fail(world, Z.FuzzFault.Backwards, before, next, 0);
  store<u32>(side, next, Z.SIDE_RX_NEXT);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  const most = load<u32>(p, F.PROTOCOL_TX_MAX);
  // A FIN counts as one.
  const room = ((<u32>1) << load<u8>(p, F.PROTOCOL_TX_SHIFT)) + 1;
  if (sent > room || avail > room || sent + avail > room || sent > most || most > room) {
    fail(world, Z.FuzzFault.Flight, sent, avail, most);
  }
}

/** Lets a side work until it rests. */
export function step(world: usize, side: usize): void {
  const core = coreOf(side);
  const library = <usize>load<u32>(side, Z.SIDE_LIBRARY);
  const now = <f64>load<u64>(world, Z.WORLD_NOW);
  let bits: u32 = M.STEP_MORE;
  let turns: u32 = 0;
  for (; turns < TURNS_MAX && (bits & M.STEP_MORE) != 0; turns++) {
    store<u32>(core, load<u32>(side, Z.SIDE_CREDIT), M.CORE_NETIF_CREDIT);
    bits = turn(library, now);
    takeEgress(world, side);
    if ((bits & (M.STEP_EVENTS | M.STEP_INTERRUPTS)) != 0) {
      takeEvents(world, side);
      // The answers go at once.
      bits |= M.STEP_MORE;
    }
    if ((bits & M.STEP_READY) != 0) while (nextReady(library) != 0) continue;
    checkFlow(world, side);
  }
  store<u32>(world, load<u32>(world, Z.WORLD_STEPS) + turns, Z.WORLD_STEPS);
  if ((bits & M.STEP_HELD) != 0) fail(world, Z.FuzzFault.Held, bits, 0, 0);
}

// @ts-ignore: decorator
@inline
export function isSpent(world: usize): bool {
  return load<u32>(world, Z.WORLD_STEPS) > STEPS_MAX || load<u32>(world, Z.WORLD_FAULT) != 0;
}

/** Puts one frame into the ingress burst of a side's core. */
export function offer(side: usize, frame: usize, length: u32): void {
  const core = coreOf(side);
  const rows = load<u32>(core, M.CORE_INGRESS_COUNT);
  const used = load<u32>(core, M.CORE_INGRESS_BYTES);
  if (rows == BATCH_MAX || used + length > load<u32>(core, M.CORE_INGRESS_CAPACITY)) return;
  const entry = <usize>load<u32>(core, M.CORE_INGRESS_TABLE) + rows * D.FRAME_SIZE;
  copyBytes(<usize>load<u32>(core, M.CORE_INGRESS) + used, frame, length);
  store<u32>(entry, used, D.FRAME_OFFSET);
  store<u32>(entry, length, D.FRAME_LENGTH);
  store<u64>(entry, 0, D.FRAME_NETIF);
  store<u32>(core, rows + 1, M.CORE_INGRESS_COUNT);
  store<u32>(core, used + ((length + 15) & ~15), M.CORE_INGRESS_BYTES);
  store<u32>(side, load<u32>(side, Z.SIDE_FRAMES_IN) + 1, Z.SIDE_FRAMES_IN);
}

/** Hands the oldest `most` frames over in one burst, and lets the side work. */
export function deliver(world: usize, side: usize, most: u32): void {
  let left = min(most, queued(side));
  if (left == 0) return;
  for (; left != 0; left--) {
    const slot = slotAt(side, 0);
    offer(side, frameOf(side, slot), lengthOf(side, slot));
    dropFrame(side, 0);
  }
  step(world, side);
}

/** Both sides hand over everything until nothing is on its way, at most `rounds` times. */
export function exchange(world: usize, first: usize, rounds: u32): void {
  let side = first;
  for (let i: u32 = 0; i < rounds && !isSpent(world); i++) {
    const other = peerOf(world, side);
    if ((queued(side) | queued(other)) == 0) return;
    deliver(world, side, Z.FRAMES_MAX);
    side = other;
  }
}

/** Counter of a side's core, its low half. */
export function counterOf(side: usize, counter: Counter): u32 {
  return load<u32>(<usize>load<u32>(coreOf(side), M.CORE_COUNTERS) + <u32>counter * 8);
}
