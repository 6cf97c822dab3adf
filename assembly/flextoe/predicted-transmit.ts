/**
 * Header prediction, TX workflow: a turn of a flow on which nothing unusual goes on, all of its
 * segments in one loop (4.3.1.2). What is the same for the whole turn, window, timer, send time and
 * statistics, is decided once. Everything is tested before anything is changed: what differs in any
 * way goes through the stages, which would have sent the same frames. A test holds the two ways to
 * the same frames and the same state.
 */
import { countBy } from "../base/counter.ts";
import { postOf, preOf, protocolOf, recoveryOf, schedulerOf } from "../flow/flow-state.ts";
import { rttStartTiming } from "../tcp/round-trip-time.ts";
import { sendableBytes } from "../tcp/window.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { announceWindow } from "../tcp/acknowledge.ts";
import { startRetransmit } from "../tcp/retransmit-timer.ts";
import { logSent } from "../tcp/send-log.ts";
import { flagsOf, peerWindow } from "../tcp/state.ts";
import { noteSent } from "../nic/post-processing.ts";
import { headerBytes, writeSegment } from "./predicted-frame.ts";
import { passSequence } from "./sequencer.ts";

/** Connections with one of these are the protocol stage's. */
const UNUSUAL: u32 =
  F.FLOW_FIN_PENDING | F.FLOW_FIN_SENT | F.FLOW_FIN_ACKED | F.FLOW_OUT_OF_ORDER |
  F.FLOW_RECOVERY | F.FLOW_RETRANSMIT | F.FLOW_PERSIST | F.FLOW_CORK;

/** True when a turn of this installed flow may be taken here. Changes nothing. */
export function isPlainTurn(core: usize, connection: u32): bool {
  const p = protocolOf(core, connection);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const events = <u32>load<u8>(p, F.PROTOCOL_DUP_ACKS) | load<u8>(p, F.PROTOCOL_ECHO);
  const again = sent ^ load<u32>(p, F.PROTOCOL_TX_MAX);
  const stages = load<u32>(core, M.CORE_STAGES_ONLY);
  if (((flagsOf(p) & UNUSUAL) | events | again | stages) != 0) return false;
  if (load<u64>(schedulerOf(core, connection), F.SCHEDULER_INTERVAL) != 0) return false;
  const r = recoveryOf(core, connection);
  const idle = load<u64>(core, M.CORE_NOW) - load<u64>(r, F.RECOVERY_LAST_SEND);
  return sent != 0 || idle <= load<u64>(r, F.RECOVERY_RTO);
}

/** Payload bytes of the next segment of a plain turn, `sent` and `avail` bytes on. */
// @ts-ignore: decorator
@inline
function nextLength(p: usize, avail: u32, sent: u32, window: u32): u32 {
  return sendableBytes(
    avail,
    sent,
    load<u32>(p, F.PROTOCOL_CWND),
    window,
    load<u16>(p, F.PROTOCOL_MSS),
    (flagsOf(p) & F.FLOW_NODELAY) != 0,
    false,
    load<u32>(p, F.PROTOCOL_WINDOW_MAX),
    false,
  );
}

/** Up to `most` segments of a flow whose turn is plain; how many they were. */
export function transmitPredicted(core: usize, connection: u32, most: u32): u32 {
  const p = protocolOf(core, connection);
  const window = peerWindow(p);
  const before = load<u32>(p, F.PROTOCOL_TX_SENT);
  let avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  let sent = before;
  let length = nextLength(p, avail, sent, window);
  const pre = preOf(core, connection);
  const headers = headerBytes(pre, p);
  if (length == 0 || most == 0 || !hasBytes(core, headers + length)) return 0;
  const field = beginTurn(core, connection, p, before + length);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const post = postOf(core, connection);
  let items: u32 = 0;
  while (items < most && length != 0) {
    if (!hasBytes(core, headers + length)) break;
    avail -= length;
    // RFC 9293 MUST-61: the last queued segment carries PSH.
    const control: u32 = avail == 0 ? T.TCP_ACK_FLAG | T.TCP_PSH : T.TCP_ACK_FLAG;
    writeSegment(core, connection, pre, post, p, una + sent, control, field, length);
    sent += length;
    items++;
    length = nextLength(p, avail, sent, window);
  }
  endTurn(core, connection, p, avail, sent, items);
  return items;
}

/** The egress burst has room for a frame of so many bytes. */
// @ts-ignore: decorator
@inline
function hasBytes(core: usize, bytes: u32): bool {
  const room = load<u32>(core, M.CORE_EGRESS_CAPACITY) - load<u32>(core, M.CORE_EGRESS_BYTES);
  return bytes <= room;
}

/** Send time, and the window field of all segments. `first`: bytes from una to the first's end. */
// @ts-ignore: decorator
@inline
function beginTurn(core: usize, connection: u32, p: usize, first: u32): u32 {
  const r = recoveryOf(core, connection);
  const now = load<u64>(core, M.CORE_NOW);
  rttStartTiming(r, load<u32>(p, F.PROTOCOL_TX_UNA) + first, now);
  return announceWindow(core, connection, p);
}

// @ts-ignore: decorator
@inline
function endTurn(
  core: usize,
  connection: u32,
  p: usize,
  avail: u32,
  sent: u32,
  items: u32,
): void {
  const before = load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(p, avail, F.PROTOCOL_TX_AVAIL);
  store<u32>(p, sent, F.PROTOCOL_TX_SENT);
  store<u32>(p, sent, F.PROTOCOL_TX_MAX);
  const r = recoveryOf(core, connection);
  logSent(core, p, r, before);
  store<u64>(r, load<u64>(core, M.CORE_NOW), F.RECOVERY_LAST_SEND);
  startRetransmit(core, connection, p);
  passSequence(core, ReorderPoint.Netif, load<u8>(preOf(core, connection), F.PRE_GROUP), items);
  noteSent(core, postOf(core, connection), items, sent - before);
  countBy(core, Counter.PredictedOut, items);
}
