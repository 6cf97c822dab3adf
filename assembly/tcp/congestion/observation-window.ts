/**
 * Windows of data, measured in acknowledged bytes: about one round trip each. They tell whether
 * cwnd was used (RFC 7661, 4.3), when DCTCP updates alpha (RFC 8257, 3.3), and that cwnd is
 * reduced once a window (RFC 3168, 6.1.2).
 * Invariant: a window ends when more has been acknowledged than was in flight when it began.
 */
import {
  CONGESTION_CSS, CONGESTION_FLAGS, CONGESTION_HYSTART, CONGESTION_IN_RECOVERY,
  CONGESTION_REDUCED, CONGESTION_REDUCED_BY_ECN, CONGESTION_REDUCED_LEFT, CONGESTION_STARTING,
  CONGESTION_WINDOW_LEFT, CONGESTION_WINDOW_PEAK,
} from "../../../bindings/abi/congestion.ts";

/**
 * Counts an ACK of `acked` new bytes that met `inFlightBefore` unacknowledged ones. Returns true
 * when it ends the observation window; the next begins with what is still in flight.
 */
export function observe(recovery: usize, acked: u32, inFlightBefore: u32): bool {
  const left = load<u32>(recovery, CONGESTION_WINDOW_LEFT);
  if (acked <= left) {
    const peak = load<u32>(recovery, CONGESTION_WINDOW_PEAK);
    store<u32>(recovery, left - acked, CONGESTION_WINDOW_LEFT);
    store<u32>(recovery, max<u32>(peak, inFlightBefore), CONGESTION_WINDOW_PEAK);
    return false;
  }
  const remaining = inFlightBefore > acked ? inFlightBefore - acked : 0;
  store<u32>(recovery, remaining, CONGESTION_WINDOW_LEFT);
  store<u32>(recovery, inFlightBefore, CONGESTION_WINDOW_PEAK);
  return true;
}

/** Begins a new observation window with the next ACK. */
export function restartObservation(recovery: usize): void {
  store<u32>(recovery, 0, CONGESTION_WINDOW_LEFT);
  store<u32>(recovery, 0, CONGESTION_WINDOW_PEAK);
}

/**
 * True when more than half of `cwnd` was in flight at some time in the observation window. The peak
 * and not the present value decides, since ACKs that arrive in one burst are handled before
 * anything new is sent.
 */
export function windowWasUsed(recovery: usize, cwnd: u32): bool {
  return load<u32>(recovery, CONGESTION_WINDOW_PEAK) > cwnd >>> 1;
}

/**
 * Notes that cwnd was reduced while `inFlight` bytes were unacknowledged. RFC 9406, 4.2 and 4.3: it
 * ends HyStart++, since a later slow start knows its ssthresh.
 */
export function noteReduction(recovery: usize, inFlight: u32, reasons: u32): void {
  const over = CONGESTION_REDUCED_BY_ECN | CONGESTION_HYSTART | CONGESTION_CSS
    | CONGESTION_STARTING;
  const kept = load<u32>(recovery, CONGESTION_FLAGS) & ~over;
  store<u32>(recovery, kept | CONGESTION_REDUCED | reasons, CONGESTION_FLAGS);
  store<u32>(recovery, inFlight, CONGESTION_REDUCED_LEFT);
}

/** An initial window, or a restart window, of `bytes` begins. */
export function noteStart(recovery: usize, bytes: u32): void {
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if ((flags & CONGESTION_REDUCED) != 0) return;
  store<u32>(recovery, flags | CONGESTION_STARTING, CONGESTION_FLAGS);
  store<u32>(recovery, bytes, CONGESTION_REDUCED_LEFT);
}

/** Counts `acked` bytes towards the end of the window of a reduction, or of the first one. */
export function passReduction(recovery: usize, acked: u32): void {
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if ((flags & (CONGESTION_REDUCED | CONGESTION_STARTING)) == 0) return;
  const left = load<u32>(recovery, CONGESTION_REDUCED_LEFT);
  if (acked > left) endReduction(recovery);
  else store<u32>(recovery, left - acked, CONGESTION_REDUCED_LEFT);
}

/** A new window of data begins: cwnd may be reduced again. */
export function endReduction(recovery: usize): void {
  const ended = CONGESTION_REDUCED | CONGESTION_REDUCED_BY_ECN | CONGESTION_IN_RECOVERY
    | CONGESTION_STARTING;
  store<u32>(recovery, load<u32>(recovery, CONGESTION_FLAGS) & ~ended, CONGESTION_FLAGS);
}
