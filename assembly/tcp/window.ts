/**
 * Decisions about windows (RFC 9293, 3.7.4, 3.8.6, 3.10.7.4; RFC 7323, 2.3, 2.4): pure functions
 * over values. Sequence numbers are modulo 2^32; windows and lengths are bytes below 2^30.
 * Invariant: what was once announced stays acceptable, since rxNext + avail never moves left.
 */
import { seqAfter, seqDistance } from "../../bindings/abi/seq.ts";

/** The largest value of the header's window field. */
const FIELD_MAX: u32 = 0xffff;

/**
 * The step in which the receiver's right edge advances: min(half the buffer, mss) (RFC 9293,
 * 3.8.6.2.2). `shift` is log2 of the receive buffer's bytes.
 */
export function windowStep(shift: u32, mss: u32): u32 {
  return min<u32>((<u32>1 << shift) >>> 1, mss);
}

/**
 * Bytes that may be read before the data path hears of it: a quarter of the buffer, yet so few that
 * with all the rest free a peer has a window that is worth a segment (RFC 9293, 3.8.6.2.2).
 */
export function creditThreshold(shift: u32, mss: u32): u32 {
  const buffer = <u32>1 << shift;
  return min(buffer >>> 2, buffer - 2 * windowStep(shift, mss));
}

/**
 * The window field to announce, before byte order.
 *
 *   avail   free bytes of the receive buffer from rxNext on
 *   rxNext  next sequence number expected
 *   edge    right edge announced so far
 *   scale   shift of our windows (RFC 7323)
 *   step    windowStep(): the least advance of the edge
 *
 * RFC 9293 MUST-39: the edge stays where it is until it can advance by `step`.
 * RFC 9293 SHLD-14: it does not move left. rxNext need not be a multiple of the scale's unit away
 * from it, so a window that is kept is rounded up when the buffer has the bytes. Only otherwise the
 * field says less than one unit too little (RFC 7323, 2.4); announcedEdge() then keeps the edge.
 */
export function receiveWindowField(
  avail: u32, rxNext: u32, edge: u32, scale: u8, step: u32,
): u32 {
  const shift: u32 = scale;
  const kept: u32 = seqAfter(edge, rxNext) ? seqDistance(rxNext, edge) : 0;
  let field = avail >>> shift;
  if (avail < kept || avail - kept < step) {
    const rounded = (kept + (<u32>1 << shift) - 1) >>> shift;
    field = rounded << shift <= avail ? rounded : kept >>> shift;
  }
  return min<u32>(field, FIELD_MAX);
}

/** The right edge after `field` was announced: the rightmost ever (RFC 7323, 2.4). */
export function announcedEdge(rxNext: u32, field: u32, scale: u8, edge: u32): u32 {
  const next = rxNext + (field << <u32>scale);
  return seqAfter(edge, next) ? edge : next;
}

/**
 * True when any of the segment's `length` sequence numbers (SYN and FIN included) from `seq` lies
 * in the window of `window` from `next`; a segment of length 0 has a place and no bytes
 * (RFC 9293, 3.10.7.4). Wider than the RFC's table in one case: a segment that begins before the
 * window and ends after it is acceptable, and is trimmed at both ends.
 */
export function sequenceAcceptable(seq: u32, length: u32, next: u32, window: u32): bool {
  if (length == 0) return seq == next || seqDistance(next, seq) < window;
  if (window == 0) return false;
  return seqDistance(next, seq) < window || seqDistance(seq, next) < length;
}

/** Bytes at the start of the segment that were received before, at most `length`. */
export function trimStart(seq: u32, length: u32, next: u32): u32 {
  return seqAfter(next, seq) ? min<u32>(seqDistance(seq, next), length) : 0;
}

/** Bytes at the end of the segment that lie beyond the window, at most `length`. */
export function trimEnd(seq: u32, length: u32, next: u32, window: u32): u32 {
  const edge = next + window;
  const end = seq + length;
  return seqAfter(end, edge) ? min<u32>(seqDistance(edge, end), length) : 0;
}

/**
 * Payload bytes of the next segment, 0 when nothing may be sent now. Ask again after each segment.
 *
 *   avail         bytes appended and not yet sent
 *   sent          bytes in flight
 *   cwnd          congestion window
 *   edgeDistance  from the oldest unacknowledged byte to the peer's right edge; 0 when it is left
 *   mss           payload bytes of a full segment
 *   nodelay       TCP_NODELAY: no Nagle (RFC 9293 MUST-17)
 *   cork          TCP_CORK: full segments only
 *   windowMax     largest window that the peer ever announced
 *   finPending    no byte follows those in avail: waiting for more would be in vain
 *
 * With nothing in flight and 0 returned although avail is not 0, the peer's window is too small:
 * the persist timer is due, which also overrides this rule (RFC 9293, 3.8.6.2.1, rule 4).
 */
// @ts-ignore: decorator
@inline
export function sendableBytes(
  avail: u32, sent: u32, cwnd: u32, edgeDistance: u32, mss: u32, nodelay: bool, cork: bool,
  windowMax: u32, finPending: bool,
): u32 {
  const window = min<u32>(cwnd, edgeDistance);
  const usable: u32 = window > sent ? window - sent : 0;
  const bytes = min<u32>(avail, usable);
  // RFC 9293 MUST-38, rule 1.
  if (bytes >= mss) return mss;
  // Rule 2, with Nagle (SHLD-7): the last bytes leave alone when nothing is in flight.
  const alone = nodelay || sent == 0 || finPending;
  if (bytes == avail) return alone && (!cork || finPending) ? bytes : 0;
  // Rule 3: a peer whose whole buffer is small. A window filled up by cwnd waits for an ACK.
  const small = bytes != 0 && bytes >= windowMax >>> 1 && edgeDistance <= cwnd;
  return small && (nodelay || sent == 0) ? bytes : 0;
}

/**
 * True when sendableBytes() lets all of `append` bytes go, one segment at most, which are not
 * corked and before no FIN.
 */
// @ts-ignore: decorator
@inline
export function mayLeaveWhole(
  append: u32, sent: u32, cwnd: u32, edgeDistance: u32, mss: u32, nodelay: bool,
): bool {
  const most = min(cwnd, edgeDistance);
  if (append > mss || most < sent || append > most - sent) return false;
  return append == mss || sent == 0 || nodelay;
}
