/**
 * Protocol stage, acknowledgment field of a received segment (RFC 9293, 3.10.7.4, fifth check):
 * range, transmit window, freed bytes, RTT, congestion control, duplicate ACKs, ECN-echo.
 */
import { count } from "../base/counter.ts";
import { congestionHolds, congestionOnAck } from "./congestion/congestion-control.ts";
import { congestionInRecovery } from "./congestion/congestion-control.ts";
import { congestionOnEcn } from "./congestion/congestion-control.ts";
import { congestionOnRttSample, wantsSamples } from "./congestion/rtt-sample.ts";
import { rttOnAck, rttSample } from "./round-trip-time.ts";
import { postOf, recoveryOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { ARX_TX_CLOSED } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW, CORE_NOW_TICKS, TICK_NS } from "../../bindings/abi/memory-map.ts";
import { seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { TCP_ECE, TCP_FIN } from "../../bindings/abi/tcp.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge, challenge } from "./acknowledge.ts";
import { acknowledgeInRecovery, countDuplicate, noteLossState, recoverLost } from "./loss.ts";
import { isRack, noteTwice } from "./rack.ts";
import { restartRetransmit, reviewTimer, stopRetransmit } from "./retransmit-timer.ts";
import { acknowledgeAfterTimeout, acknowledgeInReduction, findLost } from "./sack-recovery.ts";
import { isByWindow, modeOf } from "./sack-recovery.ts";
import { saysTwice, updateScoreboard } from "./scoreboard.ts";
import { closeLog, logOf, needLog } from "./send-log.ts";
import { noteSizeProbeAck } from "./size-probe.ts";
import { doubtOf, isSpurious, settleTimeout, testTimeout } from "./spurious.ts";
import { noteProbeAck } from "./tail-loss-probe.ts";
import { act, drop, flagsOf, isArmed, peerWindow, sentData, setFlags } from "./state.ts";

/**
 * Processes SEG.ACK; false when the segment must be dropped for it. `whole` is false for a
 * segment outside the window, which may acknowledge but neither moves the window nor is counted
 * as a duplicate.
 */
export function receiveAck(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  whole: bool,
): bool {
  const ack = load<u32>(work, W.WORK_ACK);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const acked = seqDistance(una, ack);
  if (acked > load<u32>(p, F.PROTOCOL_TX_MAX)) {
    return oldAck(core, work, connection, p, seqDistance(ack, una));
  }
  const edge = load<u32>(p, F.PROTOCOL_WINDOW_EDGE);
  if (whole) updateWindow(p, load<u32>(work, W.WORK_SEQ), ack, load<u32>(work, W.WORK_WINDOW));
  if (acked != 0) {
    advance(core, work, connection, p, acked);
  } else if (whole) {
    noteDuplicate(core, work, connection, p, load<u32>(p, F.PROTOCOL_WINDOW_EDGE) != edge);
  }
  return true;
}

/** Below una: a late segment, or an attack; above what was sent: answered and dropped. */
export function oldAck(core: usize, work: usize, connection: u32, p: usize, behind: u32): bool {
  // RFC 5961, 5.2: an ACK older than the largest window is not from this peer.
  if (behind <= load<u32>(p, F.PROTOCOL_WINDOW_MAX)) return true;
  drop(work, DropReason.AckOutOfRange);
  if (behind >>> 31 != 0) acknowledge(core, work, connection, p);
  else challenge(core, work, connection, p);
  return false;
}

/** SND.WND by the WL1 test; WL2 <= una <= SEG.ACK always holds here (RFC 9293, 3.10.7.4). */
// @ts-ignore: decorator
@inline
export function updateWindow(p: usize, seq: u32, ack: u32, field: u32): void {
  if (seqBefore(seq, load<u32>(p, F.PROTOCOL_WL1))) return;
  // RFC 9293 MUST-1, REC-1: the field is unsigned, the window 32 bits wide.
  const window = field << load<u8>(p, F.PROTOCOL_PEER_SCALE);
  store<u32>(p, seq, F.PROTOCOL_WL1);
  store<u32>(p, ack + window, F.PROTOCOL_WINDOW_EDGE);
  if (window > load<u32>(p, F.PROTOCOL_WINDOW_MAX)) {
    store<u32>(p, window, F.PROTOCOL_WINDOW_MAX);
  }
}

/** New data acknowledged: moves una, frees buffer, samples the RTT, grows the window. */
export function advance(core: usize, work: usize, connection: u32, p: usize, acked: u32): void {
  const r = recoveryOf(core, connection);
  const flags = flagsOf(p);
  const data = sentData(p);
  const before = load<u32>(p, F.PROTOCOL_TX_SENT);
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  const finAcked = (flags & F.FLOW_FIN_PENDING) != 0 && acked == data + avail + 1;
  const freed = finAcked ? acked - 1 : acked;
  // After go-back-N an ACK may pass what has been sent again: those bytes are not sent twice.
  if (freed > data) store<u32>(p, avail - (freed - data), F.PROTOCOL_TX_AVAIL);
  const left = freed < data ? data - freed : 0;
  const finInFlight: u32 = (flags & F.FLOW_FIN_SENT) != 0 && !finAcked ? 1 : 0;
  store<u32>(p, left + finInFlight, F.PROTOCOL_TX_SENT);
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_MAX) - acked, F.PROTOCOL_TX_MAX);
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_UNA) + acked, F.PROTOCOL_TX_UNA);
  const duplicates: u32 = isRack(r) ? load<u8>(p, F.PROTOCOL_DUP_ACKS) : 0;
  store<u8>(p, 0, F.PROTOCOL_DUP_ACKS);
  // The backoff itself ends with the next sample (RFC 6298, section 5): rttSample() clears it.
  store<u8>(p, load<u8>(p, F.PROTOCOL_ECHO) & <u8>~F.ECHO_TIMED_OUT, F.PROTOCOL_ECHO);
  store<u32>(work, freed, W.WORK_ACKED);
  if (freed != 0) {
    store<u32>(work, freed, W.WORK_TX_BUMP);
    act(work, W.ACTION_NOTIFY);
  }
  if (finAcked) {
    setFlags(p, (flags & ~F.FLOW_FIN_SENT) | F.FLOW_FIN_ACKED);
    store<u32>(work, ARX_TX_CLOSED, W.WORK_ARX_FLAGS);
    act(work, W.ACTION_NOTIFY | W.ACTION_FIN_ACKED);
  }
  const now = load<u64>(core, CORE_NOW);
  // RFC 9293 SHLD-30: the byte of a probe that found room does not end the probing. A window that
  // has opened with it does, and the backing off of probes is not that of data.
  const persisting = (flags & F.FLOW_PERSIST) != 0;
  const probing = persisting && peerWindow(p) == 0;
  if (persisting && !probing) store<u8>(r, 0, F.RECOVERY_BACKOFF);
  if (load<u8>(r, F.RECOVERY_BACKOFF) != 0 && !probing) sampleEcho(core, work, connection, r);
  const timed = rttOnAck(r, load<u32>(p, F.PROTOCOL_TX_UNA), now);
  if (!timed && wantsSamples(r) && (flags & F.FLOW_TIMESTAMPS) != 0) {
    const stamped = (load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) != 0;
    if (stamped) sampleRound(core, connection, r, load<u32>(work, W.WORK_TS_ECR));
  }
  const told = duplicates * <u32>load<u16>(p, F.PROTOCOL_MSS);
  growWindow(core, work, p, r, acked, freed, before, told);
  settleRetransmit(core, connection, p);
  // RFC 3168 6.1.2 (ECN-14): runs with nothing in flight, too.
  if ((load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_HOLD) != 0) {
    restartRetransmit(core, connection, p);
  }
}

/** A round trip by the echo of a timestamp, for congestion control alone: its unit is coarse. */
export function sampleRound(core: usize, connection: u32, r: usize, echo: u32): void {
  const rtt = echoedTime(core, connection, echo);
  if (rtt != 0) congestionOnRttSample(r, rtt);
}

/** The timer and the log after new data was acknowledged (RFC 6298, 5.2 and 5.3). */
// @ts-ignore: decorator
@inline
export function settleRetransmit(core: usize, connection: u32, p: usize): void {
  if (load<u32>(p, F.PROTOCOL_TX_SENT) != 0) return restartRetransmit(core, connection, p);
  closeLog(core, recoveryOf(core, connection));
  stopRetransmit(core, connection, p);
}

/**
 * After a timeout no segment is timed, and the backoff would outlast the loss; the echoed timestamp
 * says which transmission was acknowledged (RFC 7323, section 4), in ticks of 1 ms.
 */
function sampleEcho(core: usize, work: usize, connection: u32, r: usize): void {
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) == 0) return;
  const rtt = echoedTime(core, connection, load<u32>(work, W.WORK_TS_ECR));
  if (rtt != 0) rttSample(r, rtt, load<u64>(core, CORE_NOW));
}

/** Time since TSval `echo` was sent, in whole ticks and one at least; 0 when it never was. */
function echoedTime(core: usize, connection: u32, echo: u32): u64 {
  const clock = load<u32>(core, CORE_NOW_TICKS);
  const offset = load<u32>(postOf(core, connection), F.POST_TS_OFFSET);
  const ticks = clock - (echo - offset);
  // threats O11, C08: an echo of what was never sent, or of the future, is no sample.
  return ticks > ECHO_TICKS_MAX ? 0 : <u64>max(ticks, 1) * TICK_NS;
}

/** About two minutes: longer than any backoff. */
const ECHO_TICKS_MAX: u32 = 120000;

/** `acked` sequence numbers, `freed` bytes of them; `before` were in flight until then. */
function growWindow(
  core: usize,
  work: usize,
  p: usize,
  r: usize,
  acked: u32,
  freed: u32,
  before: u32,
  told: u32,
): void {
  const echo = noteEcho(core, work, p);
  const quiet = isQuiet(work, p, r);
  const sacked = quiet ? 0 : noteLog(core, work, p, r, acked);
  const doubt = quiet ? F.Doubt.None : doubtOf(r);
  if (doubt == F.Doubt.Tested && settleTimeout(core, p, r, acked, sacked, echo)) {
    return noteLossState(p, r);
  }
  if (!quiet && (flagsOf(p) & F.FLOW_RECOVERY) != 0) {
    const mode = modeOf(r);
    if (doubt != F.Doubt.None || !isSpurious(core, work, p, r, acked, echo)) {
      growInRecovery(core, p, r, acked, freed, before, sacked, echo);
    }
    if (mode == F.RecoveryMode.SizeProbe) recoverLost(core, work, p, r);
  } else {
    const now = load<u64>(core, CORE_NOW);
    congestionOnAck(p, r, freed, before, echo, now, told);
    if (echo) answerEcho(p, r, now);
    if (quiet) return;
    recoverLost(core, work, p, r);
  }
  if (doubt == F.Doubt.Asked) testTimeout(p, r, acked, before, echo);
  noteLossState(p, r);
}

/** The common case: no loss is known of, none is looked for, and the ACK tells of none. */
// @ts-ignore: decorator
@inline
function isQuiet(work: usize, p: usize, r: usize): bool {
  const recovers = flagsOf(p) & F.FLOW_RECOVERY;
  const tells = load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_SACK;
  const looks = <u32>load<u8>(p, F.PROTOCOL_ECHO) & F.ECHO_LOSS;
  return (recovers | tells | looks | <u32>logOf(r) | doubtOf(r)) == 0;
}

function growInRecovery(
  core: usize, p: usize, r: usize, acked: u32, freed: u32, before: u32, sacked: u32, echo: bool,
): void {
  const mode = modeOf(r);
  if (isByWindow(mode)) return acknowledgeAfterTimeout(core, p, r, freed, before, echo);
  congestionInRecovery(r, freed, before, echo);
  if (mode == F.RecoveryMode.NewReno) return acknowledgeInRecovery(core, p, r, freed);
  acknowledgeInReduction(core, p, r, acked, acked + sacked);
}

/** RFC 3168 6.1.2: ECN-echo is answered like a loss, and with CWR. */
function answerEcho(p: usize, r: usize, now: u64): void {
  const hold: u32 = congestionHolds(p, r) ? F.ECHO_HOLD : 0;
  if (!congestionOnEcn(p, r, load<u32>(p, F.PROTOCOL_TX_SENT), now)) return;
  store<u8>(p, <u8>(load<u8>(p, F.PROTOCOL_ECHO) | F.ECHO_CWR | hold), F.PROTOCOL_ECHO);
}

/**
 * The send log after an ACK that moved una by `acked`: what has arrived, what is lost. How many
 * bytes more are selectively acknowledged than before it (updateScoreboard).
 */
function noteLog(core: usize, work: usize, p: usize, r: usize, acked: u32): u32 {
  noteProbeAck(core, work, p, r, acked);
  noteSizeProbeAck(p, r);
  if (saysTwice(work)) noteTwice(p, r);
  const told = (load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_SACK) != 0;
  if (logOf(r) == 0 && (!told || needLog(core, p, r) == 0)) return 0;
  const sacked = updateScoreboard(core, work, p, r, acked);
  findLost(core, p, r);
  return sacked;
}

/** True when the ACK carries ECN-echo on a connection that negotiated it. */
function noteEcho(core: usize, work: usize, p: usize): bool {
  if ((flagsOf(p) & F.FLOW_ECN) == 0) return false;
  if ((load<u32>(work, W.WORK_FLAGS) & TCP_ECE) == 0) return false;
  count(core, Counter.EcnEchoesIn);
  act(work, W.ACTION_ECN_ECHO);
  return true;
}

/**
 * Duplicate ACK: new blocks of SACK (RFC 6675, section 2), or without any: nothing new, no payload,
 * a window that has not `moved`, data outstanding (RFC 5681, section 2).
 */
export function noteDuplicate(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  moved: bool,
): void {
  if (load<u32>(p, F.PROTOCOL_TX_SENT) == 0) return;
  const r = recoveryOf(core, connection);
  const sacked = noteLog(core, work, p, r, 0);
  if (sacked != 0 || isDuplicate(work, p, r, moved)) countDuplicate(core, work, p, r, sacked);
  recoverLost(core, work, p, r);
  noteLossState(p, r);
  // Not after its event: the control plane's answer is under way.
  if (isArmed(core, connection, TimerKind.Retransmit)) reviewTimer(core, connection, p, r);
}

/**
 * RFC 5681, section 2; with a log only what a block says counts (RFC 6675, section 2). A peer that
 * keeps nothing out of order sends no block: its plain duplicates count unless DUP_BY_SACK.
 */
function isDuplicate(work: usize, p: usize, r: usize, moved: bool): bool {
  if ((load<u8>(r, F.RECOVERY_RACK) & <u8>F.DUP_BY_SACK) != 0) {
    if ((flagsOf(p) & F.FLOW_SACK) != 0) return false;
  }
  if (logOf(r) != 0 && (load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_SACK) != 0) return false;
  if (moved || load<u32>(work, W.WORK_PAYLOAD_LENGTH) != 0) return false;
  return (load<u32>(work, W.WORK_FLAGS) & TCP_FIN) == 0;
}
