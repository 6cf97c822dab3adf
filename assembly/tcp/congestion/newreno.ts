/**
 * NewReno (RFC 5681, 6582) with byte counting in congestion avoidance (RFC 3465, 2.1).
 * Invariant: in congestion avoidance cwnd grows by one segment for each cwnd acknowledged bytes.
 */
import {
  ABE_RENO_TWENTIETHS, CONGESTION_ACKED, CONGESTION_WINDOW_PEAK,
} from "../../../bindings/abi/congestion.ts";
import {
  PROTOCOL_CWND, PROTOCOL_MSS, RECOVERY_SSTHRESH,
} from "../../../bindings/abi/flow-state.ts";
import { growWindow, setThreshold } from "./slow-start.ts";

/** Congestion avoidance for one ACK of `acked` new bytes. */
export function newRenoAvoid(protocol: usize, recovery: usize, acked: u32): void {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const total = load<u32>(recovery, CONGESTION_ACKED) + acked;
  if (total < cwnd) {
    store<u32>(recovery, total, CONGESTION_ACKED);
    return;
  }
  // At most one segment an ACK, and no debt beyond one window: an ACK of many windows is no proof
  // of as many round trips.
  store<u32>(recovery, min<u32>(total - cwnd, cwnd), CONGESTION_ACKED);
  growWindow(protocol, load<u16>(protocol, PROTOCOL_MSS));
}

/** ssthresh after a loss (RFC 5681, equation 4): from what is in flight, not from cwnd. */
export function newRenoReduce(protocol: usize, recovery: usize, inFlight: u32): void {
  setThreshold(protocol, recovery, inFlight >>> 1);
}

/** RFC 3168 6.1.2: an ECN echo halves cwnd, whatever was in flight. Returns the new cwnd. */
export function newRenoEcn(protocol: usize, recovery: usize): u32 {
  const half = load<u32>(protocol, PROTOCOL_CWND) >>> 1;
  setThreshold(protocol, recovery, half);
  return half;
}

/**
 * RFC 8511 3: with ABE 0.8 of FlightSize, at most cwnd. What was in flight at its fullest in the
 * observation window: ACKs of one burst are handled before anything new is sent. Returns cwnd.
 */
export function newRenoAbe(protocol: usize, recovery: usize): u32 {
  const peak = load<u32>(recovery, CONGESTION_WINDOW_PEAK);
  const flight = min<u32>(load<u32>(protocol, PROTOCOL_CWND), peak);
  setThreshold(protocol, recovery, <u32>(<u64>flight * ABE_RENO_TWENTIETHS / 20));
  return load<u32>(recovery, RECOVERY_SSTHRESH);
}
