/**
 * The stages that every data path has, as functions over one work record (4.3.1): what an executor
 * calls. The batch executor runs them in loops, the workers executor on threads, the modelled one
 * as events; none of them knows what is inside, and no stage is written twice. An executor numbers
 * items and keeps their order; the stages do not know of it. TCP itself is the data path's.
 *
 * Invariant: a stage touches its own part of a connection's state, its core header and its work
 * record, so two stages may work on two items of one connection at the same time.
 */
import { count, countBy, countDrop } from "../base/counter.ts";
import { preOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import { protocolHostControl } from "../tcp/host-control.ts";
import { act } from "../tcp/state.ts";
import { payloadLimit, setHeader, setLink } from "./connection.ts";
import { authorise, contextOf, notify, pushEvent, refuse } from "./context-queue.ts";
import { dmaAttach, dmaFetch, dmaPlace } from "./dma.ts";
import { schedule, setPacingInterval } from "./flow-scheduler.ts";
import { buildSegment, postProcessRx, postProcessTx } from "./post-processing.ts";
import { preProcessHostControl, preProcessRx, preProcessTx } from "./pre-processing.ts";

/** A frame will leave because of this item. */
export const SENDS: u32 = W.ACTION_ACK | W.ACTION_SEND;
export const LEAVES: u32 = W.ACTION_DROP | W.ACTION_REDIRECT;
const CONTROL: u32 =
  W.ACTION_FIN_RECEIVED | W.ACTION_FIN_ACKED | W.ACTION_RESET | W.ACTION_LATE_DATA;
/** WORK_GENERATION of a frame whose connection pre-processing did not find. */
const NOT_IDENTIFIED: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function actionsOf(work: usize): u32 {
  return load<u32>(work, W.WORK_ACTIONS);
}

/**
 * Netif: an entry of the ingress table as a work record. A frame outside the ingress span is
 * dropped here, and pre-processing leaves it alone.
 */
// @ts-ignore: decorator
@inline
export function stageNetif(core: usize, work: usize, entry: usize): void {
  const capacity = load<u32>(core, M.CORE_INGRESS_CAPACITY);
  const offset = load<u32>(entry, D.FRAME_OFFSET);
  const length = load<u32>(entry, D.FRAME_LENGTH);
  store<u32>(work, W.WorkKind.Rx, W.WORK_KIND);
  store<u32>(work, NOT_IDENTIFIED, W.WORK_GENERATION);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, load<u32>(core, M.CORE_INGRESS) + offset, W.WORK_FRAME);
  store<u32>(work, load<u32>(entry, D.FRAME_NETIF) & (NETIFS_MAX - 1), W.WORK_NETIF);
  count(core, Counter.FramesIn);
  if (offset > capacity || length > capacity - offset) {
    store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
    store<u32>(work, DropReason.LinkMalformed, W.WORK_REASON);
    return;
  }
  countBy(core, Counter.BytesIn, length);
  store<u32>(work, length, W.WORK_FRAME_LENGTH);
}

/** Pre-processing of any item but a transmission, whose turn names its connection (stageTurn). */
// @ts-ignore: decorator
@inline
export function stagePre(core: usize, work: usize): void {
  if (load<u32>(work, W.WORK_KIND) == W.WorkKind.HostControl) return preHostControl(core, work);
  if ((actionsOf(work) & W.ACTION_DROP) != 0) return;
  const netif = load<u32>(work, W.WORK_NETIF);
  preProcessRx(core, work, load<u32>(core + M.CORE_NETIF_MEDIUM + netif * 4));
}

/** A descriptor: its connection, then whether its context may ask this. */
function preHostControl(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const generation = load<u32>(work, W.WORK_GENERATION);
  if (!preProcessHostControl(core, work, connection, generation)) return;
  const verdict = authorise(core, work);
  if (verdict == DropReason.None) return;
  store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
  store<u32>(work, verdict, W.WORK_REASON);
}

/** Pre-processing of a turn (WorkKind.Tx) or of a delayed ACK of a connection. */
// @ts-ignore: decorator
@inline
export function stageTurn(core: usize, work: usize, connection: u32, kind: u32): void {
  preProcessTx(core, work, connection);
  store<u32>(work, kind, W.WORK_KIND);
}

/**
 * A descriptor that pre-processing has let through. Settings of the control plane first: they
 * belong to stages that keep no order of their own.
 */
export function stageHostControl(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const opcode = load<u32>(work, W.WORK_OPCODE);
  const low = load<u32>(work, W.WORK_ARGUMENT_LOW);
  const high = load<u32>(work, W.WORK_ARGUMENT_HIGH);
  if (opcode == D.AtxOpcode.SetHeader) {
    setHeader(core, connection, low, high);
  } else if (opcode == D.AtxOpcode.SetLink) {
    setLink(core, connection, low, high);
  } else if (opcode == D.AtxOpcode.SetMss) {
    store<u32>(work, payloadLimit(core, connection, low), W.WORK_ARGUMENT_LOW);
    const probe: u32 = high == 0 ? 0 : payloadLimit(core, connection, high);
    store<u32>(work, probe, W.WORK_ARGUMENT_HIGH);
  }
  protocolHostControl(core, work);
  if (opcode == D.AtxOpcode.SetInterval) act(work, W.ACTION_INTERVAL);
}

/** Post-processing: statistics, and the headers of the frame that leaves. */
// @ts-ignore: decorator
@inline
export function stagePost(core: usize, work: usize): void {
  if (load<u32>(work, W.WORK_KIND) == W.WorkKind.Rx) postReceived(core, work);
  const actions = actionsOf(work);
  if ((actions & SENDS) == 0) return;
  if (buildSegment(core, work)) postProcessTx(core, work);
  else store<u32>(work, actions & ~SENDS, W.WORK_ACTIONS);
}

// @ts-ignore: decorator
@inline
function postReceived(core: usize, work: usize): void {
  const actions = actionsOf(work);
  const identified = load<u32>(work, W.WORK_GENERATION) != NOT_IDENTIFIED;
  if ((actions & W.ACTION_REDIRECT) == 0 && identified) postProcessRx(core, work);
  if ((actions & W.ACTION_DROP) != 0) countDrop(core, load<u32>(work, W.WORK_REASON));
}

/** What of an item's actions is the flow scheduler's. */
export const SCHEDULES: u32 = W.ACTION_SCHEDULE | W.ACTION_INTERVAL;

/** The interval of an item with ACTION_INTERVAL. */
// @ts-ignore: decorator
@inline
export function intervalOf(work: usize): u64 {
  const high = <u64>load<u32>(work, W.WORK_ARGUMENT_HIGH);
  return (high << 32) | <u64>load<u32>(work, W.WORK_ARGUMENT_LOW);
}

/** Flow scheduler: a new interval, or something to send. Its queues are of one thread. */
export function stageSchedule(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  if ((actionsOf(work) & W.ACTION_INTERVAL) != 0) {
    setPacingInterval(core, connection, intervalOf(work));
  }
  if ((actionsOf(work) & W.ACTION_SCHEDULE) == 0) return;
  // A flow that had nothing to send has saved up no credit; a turn's flow keeps its schedule.
  schedule(core, connection, load<u32>(work, W.WORK_KIND) != W.WorkKind.Tx);
}

/** Between protocol and DMA, for executors whose DMA engines run beside each other. */
export function stageAttach(core: usize, work: usize): void {
  if ((actionsOf(work) & W.ACTION_PLACE) != 0) dmaAttach(core, work);
}

/** DMA: payload to and from the socket buffers. */
// @ts-ignore: decorator
@inline
export function stageDma(core: usize, work: usize): void {
  const actions = actionsOf(work);
  if ((actions & W.ACTION_PLACE) != 0) dmaPlace(core, work);
  if ((actions & SENDS) != 0) dmaFetch(core, work);
}

/**
 * Context queue: after the payload, because the host must not hear of bytes that are not there yet
 * (4.3.1.3). Notifications for libTOE, events for the control plane, refusals.
 */
// @ts-ignore: decorator
@inline
export function stageNotify(core: usize, work: usize): void {
  const actions = actionsOf(work);
  if ((actions & W.ACTION_NOTIFY) != 0) notify(core, work);
  if ((actions & (CONTROL | LEAVES)) != 0) report(core, work, actions);
}

function report(core: usize, work: usize, actions: u32): void {
  if (load<u32>(work, W.WORK_KIND) == W.WorkKind.HostControl) return refuseItem(core, work);
  const connection = load<u32>(work, W.WORK_CONNECTION);
  if ((actions & W.ACTION_REDIRECT) != 0) return redirect(core, work, connection);
  const generation = load<u32>(work, W.WORK_GENERATION);
  if ((actions & W.ACTION_RESET) != 0) {
    pushEvent(core, D.EventKind.Reset, connection, generation, 0, 0, 0, 0);
  }
  // The acknowledgment of our FIN comes first when one segment brings both (RFC 9293, 3.10.7.4).
  if ((actions & W.ACTION_FIN_ACKED) != 0) {
    pushEvent(core, D.EventKind.FinAcked, connection, generation, 0, 0, 0, 0);
  }
  if ((actions & W.ACTION_FIN_RECEIVED) != 0) {
    pushEvent(core, D.EventKind.FinReceived, connection, generation, 0, 0, 0, 0);
  }
  if ((actions & W.ACTION_LATE_DATA) != 0) {
    pushEvent(core, D.EventKind.LateData, connection, generation, 0, 0, 0, 0);
  }
}

function refuseItem(core: usize, work: usize): void {
  const record = contextOf(core, load<u32>(work, W.WORK_CONTEXT));
  refuse(core, record, load<u32>(work, W.WORK_REASON));
}

function redirect(core: usize, work: usize, connection: u32): void {
  const frame = load<u32>(work, W.WORK_FRAME);
  const ip = load<u32>(work, W.WORK_PAYLOAD);
  const generation = connection == 0 ? 0 : load<u32>(preOf(core, connection), F.PRE_GENERATION);
  count(core, Counter.Redirects);
  countBy(core, Counter.RedirectedBytes, load<u32>(work, W.WORK_FRAME_LENGTH));
  pushEvent(
    core,
    D.EventKind.Redirect,
    connection,
    generation,
    frame - load<u32>(core, M.CORE_INGRESS),
    load<u32>(work, W.WORK_FRAME_LENGTH),
    load<u32>(work, W.WORK_NETIF),
    ip == 0 ? 0xffff : ip - frame,
  );
}
