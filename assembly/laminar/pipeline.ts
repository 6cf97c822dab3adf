/**
 * Laminar's batch executor (5.2): the RMT machine around TCP's stage program, the push engine and
 * the control plane's half in the data path, over a burst on one thread. The only file that knows
 * their order.
 *
 *   RX    netif -> parser, ingress -> egress (R1 to T5) -> DMA header, mirrored ACK -> libTOE
 *   SYNC  context queue -> egress -> notify
 *   TX    push engine -> egress -> header preparation -> netif
 */
import { count } from "../base/counter.ts";
import { wheelAdvance, wheelNext } from "../base/timer-wheel.ts";
import { preOf, protocolOf } from "../flow/flow-state.ts";
import * as nic from "../nic/connection.ts";
import * as queue from "../nic/context-queue.ts";
import { beginStep, reportOf, serveContexts, spendCredit, turnCredit } from "../nic/executor.ts";
import { workAt } from "../nic/executor.ts";
import * as scheduler from "../nic/flow-scheduler.ts";
import { egressRoom } from "../nic/post-processing.ts";
import { identify, isIpv6, validateRx } from "../nic/pre-processing.ts";
import { actionsOf, LEAVES, SCHEDULES, stageDma, stageHostControl } from "../nic/stages.ts";
import { stageNetif, stageNotify, stagePost, stagePre, stageTurn } from "../nic/stages.ts";
import { expiryKind, timerExpired } from "../nic/timer-events.ts";
import { protocolDelayedAck } from "../tcp/host-control.ts";
import { protocolLossTimer } from "../tcp/loss.ts";
import { protocolTx } from "../tcp/transmit.ts";
import { ipv4TotalLength } from "../wire/ipv4.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import { enterPipeline, leavePipeline } from "./connection.ts";
import * as T from "./generated/tcp.ts";
import { mustWait, stageGrants, syncExpired } from "./grants.ts";
import { ingressPass, ingressPassIpv6, receiveRoom, valuePass } from "./passes.ts";
import { pushSegment } from "./push-engine.ts";
import { receiveSegment } from "./receive.ts";

/** Data in order, placed and acknowledged ... */
const ORDERED: u32 = W.ACTION_ACK | W.ACTION_PLACE;
/** ... and nothing else of note. */
const PLAIN: u32 = ORDERED | W.ACTION_NOTIFY | W.ACTION_SCHEDULE;

/** One crossing from the host; returns STEP_* bits. */
export function runStep(core: usize, now: u64): u32 {
  beginStep(core, now);
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) receiveBurst(core);
  let more: u32 = 0;
  if (serveContexts<Laminar>(core)) more = M.STEP_MORE;
  if (wheelNext(<usize>load<u32>(core, M.CORE_WHEEL)) <= now && expireTimers(core, now)) {
    more = M.STEP_MORE;
  }
  if (load<u64>(core, M.CORE_RR_HEAD) != 0 && transmit(core)) more = M.STEP_MORE;
  if (queue.deliverNotifications(core)) more |= M.STEP_NOTIFIED;
  return more | reportOf(core);
}

/** Hands INSTALL's bound connection to the data path; InstallStatus. */
export function install(core: usize): u32 {
  const status = nic.install(core);
  if (status != D.InstallStatus.Ok) return status;
  const connection = load<u32>(<usize>load<u32>(core, M.CORE_INSTALL), D.INSTALL_CONNECTION);
  if (enterPipeline(core, connection)) return D.InstallStatus.Ok;
  nic.uninstall(core, connection);
  return D.InstallStatus.TableFull;
}

/** Takes a connection out of the data path; its 4-tuple stays with the control plane. */
export function uninstall(core: usize, connection: u32): void {
  leave(core, connection);
  nic.uninstall(core, connection);
}

/** Removes a connection's 4-tuple from the database. */
export function unbind(core: usize, connection: u32): void {
  leave(core, connection);
  nic.unbind(core, connection);
}

function leave(core: usize, connection: u32): void {
  if (connection == 0 || connection >= load<u32>(core, M.CORE_CONNECTIONS)) return;
  const state = load<u8>(preOf(core, connection), F.PRE_STATE);
  if (state == <u8>F.PreState.Installed) leavePipeline(core, connection);
}

/** RX: the frames that the host put into the ingress burst, each in one pass. */
function receiveBurst(core: usize): void {
  const offered = min(load<u32>(core, M.CORE_INGRESS_COUNT), L.BATCH_MAX);
  // Each frame may be answered and may cause three events: without room the burst waits.
  if (offered == 0 || egressRoom(core) < offered || queue.eventRoom(core) < offered * 3) return;
  store<u32>(core, 0, M.CORE_INGRESS_COUNT);
  const table = <usize>load<u32>(core, M.CORE_INGRESS_TABLE);
  let before: usize = 0;
  for (let i: u32 = 0; i < offered; i++) {
    const work = workAt(core, i);
    ingest(core, work, table + i * D.FRAME_SIZE);
    before = mergeAcks(before, work);
  }
  finish(core, 0, offered);
}

/**
 * RFC 9293 MUST-59: the segments of a burst are processed before any is acknowledged. The ACK of
 * one in order takes the place of that of the one before it; two at most, as SHLD-19 has it.
 * Returns the item whose ACK the next one's may replace, 0 for none.
 */
// @ts-ignore: decorator
@inline
function mergeAcks(before: usize, work: usize): usize {
  const actions = actionsOf(work);
  if ((actions & ~PLAIN) != 0 || (actions & ORDERED) != ORDERED) return 0;
  if (before == 0) return work;
  const echo = load<u32>(before, W.WORK_OUT_FLAGS) ^ load<u32>(work, W.WORK_OUT_FLAGS);
  const other = load<u32>(before, W.WORK_CONNECTION) ^ load<u32>(work, W.WORK_CONNECTION);
  if ((echo | other) != 0) return work;
  store<u32>(before, actionsOf(before) & ~W.ACTION_ACK, W.WORK_ACTIONS);
  return 0;
}

/** Parser, ingress and egress of a frame; who has no entry is the control plane's. */
function ingest(core: usize, work: usize, entry: usize): void {
  stageNetif(core, work, entry);
  if ((actionsOf(work) & LEAVES) != 0) return;
  const netif = load<u32>(work, W.WORK_NETIF);
  const ip = validateRx(core, work, load<u32>(core + M.CORE_NETIF_MEDIUM + netif * 4));
  if (ip == 0) return;
  if (isIpv6(ip)) return ingestIpv6(core, work, ip);
  const connection = ingressPass(core, ip, ipv4TotalLength(ip));
  if (connection == 0) return identify(core, work, ip);
  const pre = preOf(core, connection);
  store<u32>(work, connection, W.WORK_CONNECTION);
  store<u32>(work, load<u32>(pre, F.PRE_GENERATION), W.WORK_GENERATION);
  receiveSegment(core, work);
}

/**
 * The same of an IPv6 segment: its tuple is wider than the table's key, so the connection database
 * names its connection in front of the pipeline.
 */
function ingestIpv6(core: usize, work: usize, ip: usize): void {
  identify(core, work, ip);
  if ((actionsOf(work) & LEAVES) != 0) return;
  ingressPassIpv6(core, load<u32>(work, W.WORK_CONNECTION), ip);
  receiveSegment(core, work);
}

/** Header preparation, DMA and context queue for the work records from `first` to before `end`. */
function finish(core: usize, first: u32, end: u32): void {
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    stagePost(core, work);
    if ((actionsOf(work) & SCHEDULES) != 0) stageGrants(core, work);
  }
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    stageDma(core, work);
    stageNotify(core, work);
  }
}

/** What of a context's turn is this data path's. */
@unmanaged
class Laminar {
  /** Everything passes the pipeline. */
  // @ts-ignore: decorator
  @inline
  predict(_context: u32, _record: usize, _most: u32): u32 {
    return 0;
  }

  // @ts-ignore: decorator
  @inline
  hostControl(_context: u32, work: usize): void {
    hostControl(changetype<usize>(this), work);
  }

  // @ts-ignore: decorator
  @inline
  finish(items: u32): void {
    finish(changetype<usize>(this), 0, items);
  }
}

/** A descriptor of libTOE or of the control plane. */
function hostControl(core: usize, work: usize): void {
  stagePre(core, work);
  if ((actionsOf(work) & LEAVES) != 0) return;
  stageHostControl(core, work);
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const opcode = load<u32>(work, W.WORK_OPCODE);
  // SYNC (5.3.1.2): the window has grown by what was read, or with its buffer.
  const room = load<u32>(protocolOf(core, connection), F.PROTOCOL_RX_AVAIL);
  const known = receiveRoom(core, connection);
  if (room != known) valuePass(core, T.C_SYNC, connection, room - known, 0);
  if (opcode == D.AtxOpcode.Retransmit) valuePass(core, T.C_TIMEOUT, connection, 0, 0);
  pushSegment(core, work, opcode == D.AtxOpcode.Probe ? T.C_PROBE : T.C_TX);
}

/** Timers that are due; true when more are than one call handles. */
function expireTimers(core: usize, now: u64): bool {
  const most = min(min(egressRoom(core), queue.eventRoom(core)), L.TIMERS_PER_STEP);
  if (most == 0) return true;
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  const due = <usize>load<u32>(core, M.CORE_SCRATCH);
  const fired = wheelAdvance(wheel, <usize>load<u32>(core, M.CORE_TIMERS), now, due, most);
  for (let i: u32 = 0; i < fired; i++) {
    count(core, Counter.TimersFired);
    const timer = load<u32>(due + i * 4);
    if (syncExpired(core, timer)) continue;
    const connection = timerExpired(core, timer);
    if (connection == 0) continue;
    const work = workAt(core, 0);
    const kind = expiryKind(timer);
    stageTurn(core, work, connection, kind);
    if (kind == W.WorkKind.LossTimer) protocolLossTimer(core, work);
    else protocolDelayedAck(core, work);
    finish(core, 0, 1);
  }
  return fired == most || wheelNext(wheel) <= now;
}

/** TX: turns of the push engine, within credit; true when flows are waiting for a next call. */
function transmit(core: usize): bool {
  const due = scheduler.gatherTurns(core);
  let budget = L.TRANSMIT_MAX;
  let turns = L.TURNS_PER_STEP;
  while (budget != 0 && turns != 0) {
    const room = min(min(egressRoom(core), budget), L.BATCH_MAX);
    if (room == 0) break;
    const connection = scheduler.nextTurn(core);
    if (connection == 0) break;
    turns--;
    const credit = turnCredit(core, connection);
    if (credit == 0) continue;
    const items = takeTurn(core, connection, min(room, credit));
    finish(core, 0, items);
    budget -= min(items, budget);
  }
  return due || load<u32>(core, M.CORE_RR_HEAD) != 0;
}

/** One turn: up to TURN_SEGMENTS_MAX segments of a flow; how many items it took. */
function takeTurn(core: usize, connection: u32, room: u32): u32 {
  const turn = scheduler.turnSegments(core, connection);
  const most = min(room, turn);
  let items: u32 = 0;
  while (items < most) {
    const work = workAt(core, items);
    stageTurn(core, work, connection, W.WorkKind.Tx);
    protocolTx(core, work);
    pushSegment(core, work, T.C_TX);
    const actions = actionsOf(work);
    if ((actions & W.ACTION_SEND) == 0) break;
    items++;
    if ((actions & W.ACTION_SCHEDULE) == 0) break;
    if (mustWait(core, connection)) break;
    if (items < most) store<u32>(work, actions & ~W.ACTION_SCHEDULE, W.WORK_ACTIONS);
    else if (items < turn) scheduler.keepTurn(core, connection, turn - items);
  }
  spendCredit(core, connection, items);
  return items;
}
