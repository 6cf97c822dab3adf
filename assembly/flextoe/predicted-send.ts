/**
 * Header prediction, HC and TX workflows: the next descriptor of a context appends what fits one
 * segment, no flow waits for a turn, and nothing unusual goes on with its connection: it becomes
 * that segment at once, without a turn of the flow scheduler (4.3.1.1, 4.3.1.2). Everything is
 * tested before anything is changed: what differs in any way goes through the stages, which would
 * have sent the same frame. A test holds the two ways to the same frames and the same state. Only
 * the order between connections, which nobody is promised, may differ: the segment leaves before
 * what a later descriptor of the same step causes. (Two appends of one connection in one step are
 * two segments here; libTOE merges what is appended between two flushes.)
 */
import { count } from "../base/counter.ts";
import { isConnection, postOf, preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { schedulerOf } from "../flow/flow-state.ts";
import { creditReceive } from "../flow/receive-buffer.ts";
import { rttStartTiming } from "../tcp/round-trip-time.ts";
import { mayLeaveWhole } from "../tcp/window.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { announceWindow } from "../tcp/acknowledge.ts";
import { startAlone, startRetransmit } from "../tcp/retransmit-timer.ts";
import { logSent } from "../tcp/send-log.ts";
import { flagsOf, peerWindow } from "../tcp/state.ts";
import { noteSent } from "../nic/post-processing.ts";
import { writeSegment } from "./predicted-frame.ts";
import { passSequence } from "./sequencer.ts";

/** Connections with one of these are the protocol stage's. */
const UNUSUAL: u32 =
  F.FLOW_FIN_PENDING | F.FLOW_FIN_SENT | F.FLOW_FIN_ACKED | F.FLOW_OUT_OF_ORDER |
  F.FLOW_RECOVERY | F.FLOW_RETRANSMIT | F.FLOW_PERSIST | F.FLOW_CORK;

/** RFC 9293 MUST-61: the last queued segment. */
const CONTROL: u32 = T.TCP_ACK_FLAG | T.TCP_PSH;

/** Takes the next descriptor of a context: true when its segment has been sent. */
export function sendPredicted(core: usize, context: u32, record: usize): bool {
  const consumer = load<u32>(record, D.CONTEXT_ATX_CONSUMER);
  const slot = consumer & load<u32>(record, D.CONTEXT_ATX_MASK);
  const descriptor = <usize>load<u32>(record, D.CONTEXT_ATX_BASE) + slot * D.ATX_SIZE;
  // A copy of each field, checked after: the context is untrusted.
  const connection = load<u32>(descriptor, D.ATX_CONNECTION);
  const generation = load<u32>(descriptor, D.ATX_GENERATION);
  const credit = load<u32>(descriptor, D.ATX_RX_CREDIT);
  const append = load<u32>(descriptor, D.ATX_TX_APPEND);
  const other =
    (load<u32>(descriptor, D.ATX_OPCODE) ^ D.AtxOpcode.Update) | load<u32>(descriptor, D.ATX_FLAGS);
  if (other != 0 || !isConnection(core, connection)) return false;
  const pre = preOf(core, connection);
  if (!isOwned(pre, context, generation)) return false;
  const p = protocolOf(core, connection);
  if (!isSendable(core, connection, p, credit, append)) return false;
  if (!hasCarrier(core, connection, pre, append)) return false;
  store<u32>(record, consumer + 1, D.CONTEXT_ATX_CONSUMER);
  sequence(core, context, pre);
  send(core, connection, pre, p, credit, append);
  return true;
}

/** threats D01 to D04, D08. One branch for all: what is predicted is true. */
// @ts-ignore: decorator
@inline
function isOwned(pre: usize, context: u32, generation: u32): bool {
  const state = <u32>load<u8>(pre, F.PRE_STATE) ^ F.PreState.Installed;
  const reused = load<u32>(pre, F.PRE_GENERATION) ^ generation;
  const foreign = <u32>load<u16>(pre, F.PRE_CONTEXT) ^ context;
  return (state | reused | foreign) == 0;
}

/** True when credit and bytes are in order, and the bytes may leave now, all in one segment. */
// @ts-ignore: decorator
@inline
function isSendable(core: usize, connection: u32, p: usize, credit: u32, append: u32): bool {
  const flags = flagsOf(p);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const events = <u32>load<u8>(p, F.PROTOCOL_DUP_ACKS) | load<u8>(p, F.PROTOCOL_ECHO);
  const again = sent ^ load<u32>(p, F.PROTOCOL_TX_MAX);
  const waiting = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  if (((flags & UNUSUAL) | waiting | events | again) != 0) return false;
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  if (append == 0) return false;
  const rxBytes = <u32>1 << load<u8>(p, F.PROTOCOL_RX_SHIFT);
  if (credit > rxBytes - load<u32>(p, F.PROTOCOL_RX_AVAIL)) return false;
  const txBytes = <u32>1 << load<u8>(p, F.PROTOCOL_TX_SHIFT);
  if (append > txBytes - sent) return false;
  const cwnd = load<u32>(p, F.PROTOCOL_CWND);
  const nodelay = (flags & F.FLOW_NODELAY) != 0;
  if (!mayLeaveWhole(append, sent, cwnd, peerWindow(p), mss, nodelay)) return false;
  const r = recoveryOf(core, connection);
  const idle = load<u64>(core, M.CORE_NOW) - load<u64>(r, F.RECOVERY_LAST_SEND);
  return sent != 0 || idle <= load<u64>(r, F.RECOVERY_RTO);
}

/** True when the flow is not paced, and carrier and egress burst have room for the frame. */
// @ts-ignore: decorator
@inline
function hasCarrier(core: usize, connection: u32, pre: usize, append: u32): bool {
  const s = schedulerOf(core, connection);
  const queue: u64 = load<u16>(s, F.SCHEDULER_QUEUE);
  if ((load<u64>(s, F.SCHEDULER_INTERVAL) | queue) != 0) return false;
  const credit = core + M.CORE_NETIF_CREDIT + <u32>load<u8>(pre, F.PRE_NETIF) * 4;
  const left = load<u32>(credit);
  const frames = load<u32>(core, M.CORE_EGRESS_COUNT);
  const most = F.PRE_TEMPLATE_MAX + T.TCP_HEADER_MAX + append;
  const room = load<u32>(core, M.CORE_EGRESS_CAPACITY) - load<u32>(core, M.CORE_EGRESS_BYTES);
  if (left == 0 || frames >= L.EGRESS_FRAMES_MAX || most > room) return false;
  store<u32>(credit, left - 1);
  return true;
}

/** RP4 and RP2: numbers are assigned and released as the stages do it. */
// @ts-ignore: decorator
@inline
function sequence(core: usize, context: u32, pre: usize): void {
  passSequence(core, ReorderPoint.HostControl, context, 1);
  passSequence(core, ReorderPoint.Netif, load<u8>(pre, F.PRE_GROUP), 1);
  count(core, Counter.Descriptors);
  count(core, Counter.PredictedOut);
}

/** Win, Seq, headers, payload: all in one. */
// @ts-ignore: decorator
@inline
function send(
  core: usize,
  connection: u32,
  pre: usize,
  p: usize,
  credit: u32,
  append: u32,
): void {
  const r = recoveryOf(core, connection);
  const now = load<u64>(core, M.CORE_NOW);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const seq = load<u32>(p, F.PROTOCOL_TX_UNA) + sent;
  if (credit != 0) creditReceive(core, connection, p, credit);
  store<u32>(p, sent + append, F.PROTOCOL_TX_SENT);
  store<u32>(p, sent + append, F.PROTOCOL_TX_MAX);
  rttStartTiming(r, seq + append, now);
  logSent(core, p, r, sent);
  store<u64>(r, now, F.RECOVERY_LAST_SEND);
  if (sent == 0) startAlone(core, connection, r);
  else startRetransmit(core, connection, p);
  const post = postOf(core, connection);
  const window = announceWindow(core, connection, p);
  writeSegment(core, connection, pre, post, p, seq, CONTROL, window, append);
  noteSent(core, post, 1, append);
}
