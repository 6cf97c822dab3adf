/**
 * Congestion control, inline per ACK: the one place that knows which algorithm a connection runs
 * (RECOVERY_ALGORITHM). Functions take the addresses of the connection's PROTOCOL and RECOVERY
 * records; bytes throughout, `now` in nanoseconds.
 *
 * For one ACK of new data the order is congestionOnAck, then congestionOnEcn when it carries ECE:
 * DCTCP's alpha includes the ACK that it answers. In fast recovery neither growth nor
 * congestionOnAck happens until congestionOnRecoveryExit.
 *
 * Invariant: cwnd is at least one segment and at most CONGESTION_WINDOW_MAX, except while the
 * caller inflates it in fast recovery. CongestionAlgorithm.None keeps it at the maximum.
 */
import { clearVectors } from "../../base/bytes.ts";
import {
  ABE_CUBIC_TWENTIETHS, CONGESTION_ABE, CONGESTION_ACKED, CONGESTION_AFTER_TIMEOUT,
  CONGESTION_END, CONGESTION_EXACT, CONGESTION_FLAGS, CONGESTION_HYSTART, CONGESTION_IN_RECOVERY,
  CONGESTION_REDUCED, CONGESTION_REDUCED_BY_ECN, CONGESTION_REDUCED_LEFT, CONGESTION_STARTING,
  CONGESTION_UNBOUNDED, CONGESTION_WINDOWLESS, CONGESTION_WINDOW_MAX, CUBIC_BETA_TWENTIETHS,
  LARGE_WINDOW_BYTES, SMALL_WINDOW_BYTES,
} from "../../../bindings/abi/congestion.ts";
import { WINDOW_BYTES_MAX } from "../../../bindings/abi/limits.ts";
import {
  ALGORITHM_ABE, ALGORITHM_ECT, ALGORITHM_EXACT, ALGORITHM_UNBOUNDED, algorithmOfChoice,
  CongestionAlgorithm, ECHO_ECT, PROTOCOL_CWND, PROTOCOL_ECHO, PROTOCOL_MSS, RECOVERY_ALGORITHM,
  RECOVERY_CONGESTION, RECOVERY_INITIAL_WINDOW, RECOVERY_LOG, RECOVERY_SSTHRESH,
} from "../../../bindings/abi/flow-state.ts";
import {
  cubicAvoid, cubicClock, cubicEndEpoch, cubicInitialize, cubicReduce, cubicTimeout,
} from "./cubic.ts";
import { dctcpEcn, dctcpInitialize, dctcpObserve } from "./dctcp.ts";
import { hystartBegin, hystartOnAck } from "./hystart.ts";
import { newRenoAbe, newRenoAvoid, newRenoEcn, newRenoReduce } from "./newreno.ts";
import {
  endReduction, noteReduction, noteStart, observe, passReduction, restartObservation,
  windowWasUsed,
} from "./observation-window.ts";
import { slowStart } from "./slow-start.ts";

if (CONGESTION_END != RECOVERY_LOG) ERROR("congestion state does not fill its place");

function algorithmOf(recovery: usize): u32 {
  return load<u8>(recovery, RECOVERY_ALGORITHM);
}

function setMaximum(protocol: usize, recovery: usize): void {
  store<u32>(protocol, CONGESTION_WINDOW_MAX, PROTOCOL_CWND);
  store<u32>(recovery, CONGESTION_WINDOW_MAX, RECOVERY_SSTHRESH);
}

/** What one window algorithm leaves for the next: reductions and recoveries under way. */
const KEPT: u32 = CONGESTION_AFTER_TIMEOUT | CONGESTION_REDUCED | CONGESTION_REDUCED_BY_ECN
  | CONGESTION_IN_RECOVERY;

/** True when the algorithm of `choice` is one that there is. */
export function isCongestionChoice(choice: u32): bool {
  return algorithmOfChoice(choice) <= <u32>CongestionAlgorithm.Dctcp;
}

/**
 * Resets the private state. `choice`: an algorithm and ALGORITHM_*. cwnd, ssthresh and MSS are
 * already stored.
 */
export function congestionInitialize(
  protocol: usize, recovery: usize, choice: u32, now: u64,
): void {
  assert(load<u16>(protocol, PROTOCOL_MSS) != 0, "congestion control: MSS is 0");
  const algorithm = algorithmOfChoice(choice);
  const kept = load<u32>(recovery, CONGESTION_FLAGS) & KEPT;
  const left = load<u32>(recovery, CONGESTION_REDUCED_LEFT);
  store<u8>(recovery, <u8>algorithm, RECOVERY_ALGORITHM);
  clearVectors(recovery + RECOVERY_CONGESTION, CONGESTION_END - RECOVERY_CONGESTION);
  const exact = (choice & ALGORITHM_EXACT) != 0 || algorithm == CongestionAlgorithm.Dctcp;
  const echo: u32 = exact ? CONGESTION_EXACT : 0;
  // DC-15: for emit() and acknowledge(), which have no look at this record.
  const marked = <u32>load<u8>(protocol, PROTOCOL_ECHO) & ~ECHO_ECT;
  const ect: u32 = (choice & ALGORITHM_ECT) != 0 ? ECHO_ECT : 0;
  store<u8>(protocol, <u8>(marked | ect), PROTOCOL_ECHO);
  if (algorithm == CongestionAlgorithm.None) {
    store<u32>(recovery, CONGESTION_WINDOWLESS | echo, CONGESTION_FLAGS);
    setMaximum(protocol, recovery);
    return;
  }
  const abe: u32 = (choice & ALGORITHM_ABE) != 0 ? CONGESTION_ABE : 0;
  const unbounded: u32 = (choice & ALGORITHM_UNBOUNDED) != 0 ? CONGESTION_UNBOUNDED : 0;
  store<u32>(recovery, kept | echo | abe | unbounded, CONGESTION_FLAGS);
  store<u32>(recovery, left, CONGESTION_REDUCED_LEFT);
  // A connection that changes from None to another algorithm starts as a new one.
  if (load<u32>(protocol, PROTOCOL_CWND) >= CONGESTION_WINDOW_MAX) {
    store<u32>(protocol, load<u32>(recovery, RECOVERY_INITIAL_WINDOW), PROTOCOL_CWND);
  }
  const window = load<u32>(protocol, PROTOCOL_CWND);
  if (window == load<u32>(recovery, RECOVERY_INITIAL_WINDOW)) noteStart(recovery, window);
  if (algorithm == CongestionAlgorithm.Cubic) {
    cubicInitialize(recovery, now);
    // RFC 9406 4.3, RFC 9438 4.10: in the initial slow start, while no ssthresh is known.
    if (load<u32>(recovery, RECOVERY_SSTHRESH) >= WINDOW_BYTES_MAX) hystartBegin(recovery);
  } else if (algorithm == CongestionAlgorithm.Dctcp) dctcpInitialize(recovery);
}

/**
 * `acked` bytes of new data were acknowledged outside fast recovery; `inFlightBefore` were
 * unacknowledged until then. `ecnEcho`: the ACK carries ECE. `told`: bytes of them that duplicate
 * ACKs had told of before; those let a segment go each (RFC 3042), and do not count again.
 */
export function congestionOnAck(
  protocol: usize, recovery: usize, acked: u32, inFlightBefore: u32, ecnEcho: bool, now: u64,
  told: u32,
): void {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None || acked == 0) return;
  passReduction(recovery, acked);
  const ended = observe(recovery, acked, inFlightBefore);
  if (algorithm == CongestionAlgorithm.Dctcp) dctcpObserve(recovery, acked, ecnEcho, ended);
  // RFC 7661 4.3, RFC 8312 5.8: a window that is not used does not grow.
  // RFC 3168 6.1.2 (ECN-15): nor does one whose ACK carries ECE.
  const used = windowWasUsed(recovery, load<u32>(protocol, PROTOCOL_CWND)) && !ecnEcho;
  const cubic = algorithm == CongestionAlgorithm.Cubic;
  if (cubic) cubicClock(recovery, used, acked >= inFlightBefore, now);
  if (!used) return;
  const counted = slowStart(protocol, recovery, acked > told ? acked - told : 0);
  if ((load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_HYSTART) != 0) {
    hystartOnAck(protocol, recovery, ended);
  }
  if (counted == 0) return;
  if (cubic) cubicAvoid(protocol, recovery, counted, now);
  else newRenoAvoid(protocol, recovery, counted);
}

/**
 * The same in fast recovery, where nothing grows: RFC 8257 3.3 (DC-13) counts all bytes that are
 * acknowledged, marked or not.
 */
export function congestionInRecovery(
  recovery: usize, acked: u32, inFlightBefore: u32, ecnEcho: bool,
): void {
  if (algorithmOf(recovery) != CongestionAlgorithm.Dctcp || acked == 0) return;
  dctcpObserve(recovery, acked, ecnEcho, observe(recovery, acked, inFlightBefore));
}

/**
 * Fast retransmit begins with `inFlight` bytes unacknowledged, those of limited transmit left out
 * (RFC 5681, 3.2, step 2). Sets ssthresh; the caller sets cwnd from it.
 */
export function congestionOnLoss(
  protocol: usize, recovery: usize, inFlight: u32, now: u64,
): void {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None) {
    setMaximum(protocol, recovery);
    return;
  }
  lowerRestart(protocol, recovery);
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  // RFC 3168 6.1.2: losses and marks of one window reduce cwnd once. RFC 8257 3.5: DCTCP answers
  // a loss like any other TCP, since its answer to marks may have been small.
  const answered = (flags & CONGESTION_REDUCED_BY_ECN) != 0;
  if (algorithm == CongestionAlgorithm.Dctcp) newRenoReduce(protocol, recovery, inFlight);
  else if (!answered && algorithm == CongestionAlgorithm.Cubic) {
    cubicReduce(protocol, recovery, CUBIC_BETA_TWENTIETHS);
  } else if (!answered) newRenoReduce(protocol, recovery, inFlight);
  store<u32>(recovery, 0, CONGESTION_ACKED);
  noteReduction(recovery, inFlight, CONGESTION_IN_RECOVERY);
}

/**
 * RFC 6928 2 (CC-36): a loss in an initial or restart window of more than 4 KB: those that follow
 * an idle time are RFC 3390's.
 */
function lowerRestart(protocol: usize, recovery: usize): void {
  if ((load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_STARTING) == 0) return;
  const initial = load<u32>(recovery, RECOVERY_INITIAL_WINDOW);
  if (initial <= LARGE_WINDOW_BYTES) return;
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  const small = min<u32>(4 * mss, max<u32>(2 * mss, SMALL_WINDOW_BYTES));
  store<u32>(recovery, min<u32>(initial, small), RECOVERY_INITIAL_WINDOW);
}

/**
 * Fast recovery ends with `inFlight` bytes unacknowledged. RFC 6582 3.2 step 3, option 1: cwnd
 * becomes min(ssthresh, max(inFlight, mss) + mss), so that no burst follows.
 */
export function congestionOnRecoveryExit(
  protocol: usize, recovery: usize, inFlight: u32, now: u64,
): void {
  if (algorithmOf(recovery) == CongestionAlgorithm.None) {
    setMaximum(protocol, recovery);
    return;
  }
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  const threshold = load<u32>(recovery, RECOVERY_SSTHRESH);
  store<u32>(protocol, min<u32>(threshold, max<u32>(inFlight, mss) + mss), PROTOCOL_CWND);
  endReduction(recovery);
  restartObservation(recovery);
}

/** A reduction proved to be for nothing (RFC 4015): its window and threshold are taken back. */
export function congestionOnUndo(
  protocol: usize, recovery: usize, window: u32, threshold: u32,
): void {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None) return setMaximum(protocol, recovery);
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  store<u32>(protocol, max<u32>(window, mss), PROTOCOL_CWND);
  store<u32>(recovery, threshold, RECOVERY_SSTHRESH);
  endReduction(recovery);
  restartObservation(recovery);
  if (algorithm == CongestionAlgorithm.Cubic) cubicEndEpoch(recovery);
}

/**
 * The retransmit timer expired with `inFlight` bytes unacknowledged; `first` for the first time
 * for this segment. cwnd becomes the loss window of one segment.
 */
export function congestionOnTimeout(
  protocol: usize, recovery: usize, inFlight: u32, first: bool, now: u64,
): void {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None) {
    // In recovery it was what was in flight and more.
    setMaximum(protocol, recovery);
    return;
  }
  lowerRestart(protocol, recovery);
  // RFC 5681 3.1 (CC-8): a further timeout of the same segment leaves ssthresh alone.
  if (first && algorithm == CongestionAlgorithm.Cubic) cubicTimeout(protocol, recovery);
  else if (first) newRenoReduce(protocol, recovery, inFlight);
  store<u32>(protocol, load<u16>(protocol, PROTOCOL_MSS), PROTOCOL_CWND);
  store<u32>(recovery, 0, CONGESTION_ACKED);
  endReduction(recovery);
  noteReduction(recovery, inFlight, CONGESTION_AFTER_TIMEOUT);
  restartObservation(recovery);
}

/**
 * An ACK carries ECE; `inFlight` bytes are still unacknowledged after it. May be called for every
 * such ACK. Returns true when CWR is to be sent: when cwnd was reduced, which is once a window;
 * with None always, since the policy that cuts the rate does so later, and the mark of a peer that
 * echoes until it sees CWR (RFC 3168, 6.1.3) would be counted for ever.
 */
export function congestionOnEcn(
  protocol: usize, recovery: usize, inFlight: u32, now: u64,
): bool {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None) return true;
  // RFC 3168 6.1.2, RFC 8257 3.3: at most one reduction for a window of data.
  if ((load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_REDUCED) != 0) return false;
  const abe = answersMildly(protocol, recovery);
  let reduced: u32;
  if (algorithm == CongestionAlgorithm.Dctcp) reduced = dctcpEcn(protocol, recovery);
  else if (algorithm == CongestionAlgorithm.Cubic) {
    const left = abe ? ABE_CUBIC_TWENTIETHS : CUBIC_BETA_TWENTIETHS;
    reduced = cubicReduce(protocol, recovery, left);
  } else reduced = abe ? newRenoAbe(protocol, recovery) : newRenoEcn(protocol, recovery);
  store<u32>(protocol, max<u32>(reduced, load<u16>(protocol, PROTOCOL_MSS)), PROTOCOL_CWND);
  store<u32>(recovery, 0, CONGESTION_ACKED);
  noteReduction(recovery, inFlight, CONGESTION_REDUCED_BY_ECN);
  return true;
}

/** RFC 8511 4: ABE, where it was chosen, is for congestion avoidance. */
function answersMildly(protocol: usize, recovery: usize): bool {
  if ((load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_ABE) == 0) return false;
  return load<u32>(protocol, PROTOCOL_CWND) >= load<u32>(recovery, RECOVERY_SSTHRESH);
}

/**
 * RFC 3168 6.1.2 (ECN-14): an ECE with cwnd at one segment. The window cannot tell the sender to go
 * slower, so its timer does: nothing new until that expires. Not without a window.
 */
export function congestionHolds(protocol: usize, recovery: usize): bool {
  if (algorithmOf(recovery) == CongestionAlgorithm.None) return false;
  return load<u32>(protocol, PROTOCOL_CWND) <= <u32>load<u16>(protocol, PROTOCOL_MSS);
}

/** Data is sent again after more than one RTO without any: the restart window (RFC 5681, 4.1). */
export function congestionOnIdle(protocol: usize, recovery: usize, now: u64): void {
  const algorithm = algorithmOf(recovery);
  if (algorithm == CongestionAlgorithm.None) return;
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const initial = load<u32>(recovery, RECOVERY_INITIAL_WINDOW);
  store<u32>(protocol, min<u32>(cwnd, initial), PROTOCOL_CWND);
  restartObservation(recovery);
  noteStart(recovery, load<u32>(protocol, PROTOCOL_CWND));
  if (algorithm == CongestionAlgorithm.Cubic) cubicEndEpoch(recovery);
  // RFC 9406 4.3: it may grow the restart window, if by round trips of its own.
  if ((load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_HYSTART) != 0) hystartBegin(recovery);
}
