/**
 * Loss recovery with a scoreboard (RFC 6675): what is lost is sent again hole by hole, new data in
 * between, as much as proportional rate reduction lets go (RFC 6937 with its slow-start bound).
 *
 * In recovery PROTOCOL_CWND is txSent plus what may be sent now, so that the rule for new data
 * (window.ts) need not know of it; a retransmission takes its bytes from there. FLOW_RETRANSMIT
 * says that a hole is due and allowed.
 */
import { congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { highestSacked, holeEnd, holeFrom, holesBelow } from "./scoreboard.ts";
import { lostEdge, sackedBytes } from "./scoreboard.ts";
import { flagsOf, setFlags } from "./state.ts";
import { CONGESTION_WINDOW_MAX } from "../../bindings/abi/congestion.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { seqBefore, seqDistance } from "../../bindings/abi/seq.ts";

/** True while recovery goes by the scoreboard. */
// @ts-ignore: decorator
@inline
export function isSackRecovery(r: usize): bool {
  return load<u32>(r, F.RECOVERY_PRR_FLIGHT) != 0;
}

/**
 * Recovery begins (RFC 6675 5, 4.1 to 4.3, SK-24): the congestion policy has set ssthresh, and
 * the first hole goes at once.
 */
export function enterSackRecovery(p: usize, r: usize): void {
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  store<u32>(r, load<u32>(p, F.PROTOCOL_TX_UNA), F.RECOVERY_HIGH_RXT);
  beginReduction(p, r);
  allow(p, r, 0, isWindowless(r) ? CONGESTION_WINDOW_MAX : mss);
  setFlags(p, flagsOf(p) | F.FLOW_RECOVERY | F.FLOW_RETRANSMIT);
}

/** ... and goes on with a window that the congestion policy has just set. */
export function resumeSackRecovery(p: usize, r: usize): void {
  beginReduction(p, r);
  allow(p, r, 0, 0);
  chooseHole(p, r);
}

function beginReduction(p: usize, r: usize): void {
  store<u32>(r, load<u32>(p, F.PROTOCOL_TX_SENT), F.RECOVERY_PRR_FLIGHT);
  store<u32>(r, 0, F.RECOVERY_PRR_DELIVERED);
  store<u32>(r, 0, F.RECOVERY_PRR_ALLOWED);
}

/** A rate in place of a window: nothing is held back. */
// @ts-ignore: decorator
@inline
function isWindowless(r: usize): bool {
  return load<u32>(r, F.RECOVERY_SSTHRESH) >= CONGESTION_WINDOW_MAX;
}

/** `more` bytes may leave beyond `out`, which have. */
function allow(p: usize, r: usize, out: u32, more: u32): void {
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_SENT) + more, F.PROTOCOL_CWND);
  store<u32>(r, out + more, F.RECOVERY_PRR_ALLOWED);
}

/** RFC 6675 4, SetPipe() (SK-12): bytes that are thought to be in the network. */
function pipe(p: usize, r: usize): u32 {
  const inFlight = load<u32>(p, F.PROTOCOL_TX_SENT) - sackedBytes(r);
  const lost = holesBelow(p, r, lostEdge(p, r));
  const again = holesBelow(p, r, load<u32>(r, F.RECOVERY_HIGH_RXT));
  return inFlight - lost + again;
}

/**
 * An ACK in recovery, una and scoreboard up to date: `acked` bytes of sequence numbers moved una,
 * `delivered` have reached the peer by what it says.
 */
export function acknowledgeInSackRecovery(
  p: usize, r: usize, acked: u32, delivered: u32, now: u64,
): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  if (!seqBefore(una, load<u32>(r, F.RECOVERY_RECOVER))) return leave(p, r, now);
  if (seqBefore(load<u32>(r, F.RECOVERY_HIGH_RXT), una)) store<u32>(r, una, F.RECOVERY_HIGH_RXT);
  // Unused allowance: cwnd was txSent before this ACK and that.
  const left = load<u32>(p, F.PROTOCOL_CWND) - (load<u32>(p, F.PROTOCOL_TX_SENT) + acked);
  const out = load<u32>(r, F.RECOVERY_PRR_ALLOWED) - left;
  const total = load<u32>(r, F.RECOVERY_PRR_DELIVERED) + delivered;
  store<u32>(r, total, F.RECOVERY_PRR_DELIVERED);
  allow(p, r, out, reduced(p, r, total, delivered, out));
  chooseHole(p, r);
}

/** RFC 6937 3 (RACK-18): sndcnt. */
function reduced(p: usize, r: usize, total: u32, delivered: u32, out: u32): u32 {
  if (isWindowless(r)) return CONGESTION_WINDOW_MAX;
  const threshold = load<u32>(r, F.RECOVERY_SSTHRESH);
  const inNetwork = pipe(p, r);
  if (inNetwork > threshold) {
    const flight = <u64>load<u32>(r, F.RECOVERY_PRR_FLIGHT);
    const due = <u32>min<u64>((<u64>total * threshold + flight - 1) / flight, 0x3fffffff);
    return due > out ? due - out : 0;
  }
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const owed = total > out ? total - out : 0;
  return min(threshold - inNetwork, max(owed, delivered) + mss);
}

/**
 * RFC 6675 4, NextSeg(), rules 1 and 3 (SK-13, SK-15): the next hole that may go. Rule 2 (SK-14),
 * new data, needs no flag. Rule 4, the rescue, is left to the timer.
 */
export function chooseHole(p: usize, r: usize): void {
  const length = nextHole(p, r);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const cwnd = load<u32>(p, F.PROTOCOL_CWND);
  const may = length != 0 && cwnd > sent && cwnd - sent >= length;
  const flags = flagsOf(p) & ~F.FLOW_RETRANSMIT;
  setFlags(p, may ? flags | F.FLOW_RETRANSMIT : flags);
}

/** First byte of the hole that is next. */
// @ts-ignore: decorator
@inline
export function nextHoleStart(r: usize): u32 {
  return holeFrom(r, load<u32>(r, F.RECOVERY_HIGH_RXT));
}

/** Bytes of the next hole that go in one segment, 0 when none is due. */
export function nextHole(p: usize, r: usize): u32 {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const start = nextHoleStart(r);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const highest = highestSacked(r, una);
  // Rule 1; rule 3 when there is nothing new to send.
  const edge = load<u32>(p, F.PROTOCOL_TX_AVAIL) == 0 ? highest : lostEdge(p, r);
  if (seqBefore(start, edge)) return min(mss, seqDistance(start, holeEnd(r, start, highest)));
  // A partial ACK behind which nothing is known: what is at una was lost too (RFC 6582, 3.2).
  const recover = load<u32>(r, F.RECOVERY_RECOVER);
  if (start != una || highest != una || !seqBefore(una, recover)) return 0;
  return min(mss, seqDistance(una, recover));
}

/** `length` bytes of the next hole have been sent again, and are not twice (SK-17). */
export function sentHole(p: usize, r: usize, end: u32, length: u32): void {
  store<u32>(r, end, F.RECOVERY_HIGH_RXT);
  const cwnd = load<u32>(p, F.PROTOCOL_CWND);
  const least = load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(p, cwnd > least + length ? cwnd - length : least, F.PROTOCOL_CWND);
  chooseHole(p, r);
}

/** Everything up to the recovery point has arrived (SK-16); what is known beyond stays (SK-26). */
function leave(p: usize, r: usize, now: u64): void {
  setFlags(p, flagsOf(p) & ~(F.FLOW_RECOVERY | F.FLOW_RETRANSMIT));
  store<u32>(r, 0, F.RECOVERY_PRR_FLIGHT);
  congestionOnRecoveryExit(p, r, load<u32>(p, F.PROTOCOL_TX_SENT), now);
}
