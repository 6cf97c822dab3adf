/**
 * The arithmetic of a rate (4.3.4, 5.4): time a byte in fixed point, so that no rate is ever
 * divided and no error adds up; saturating, from 8 Kbit/s to 400 Gbit/s. The unit of time is its
 * user's.
 *
 * Invariant: the deadline is what the last packet passed at, by its schedule, plus CLOCK_CHARGED
 * bytes at the interval.
 */
import { INTERVAL_FRACTION_BITS } from "../../bindings/abi/flow-state.ts";
import * as C from "../../bindings/abi/rate-clock.ts";

const FRACTION_BITS: u64 = INTERVAL_FRACTION_BITS;
const FRACTION_MASK: u64 = ((<u64>1) << FRACTION_BITS) - 1;
const LOW_WORD: u64 = 0xffffffff;
/** The end of time: deadlines stop here, and rounding one up to a tick does not wrap. */
const FOREVER: u64 = <u64>i64.MAX_VALUE;
/** An IP packet is not longer: an interval times a segment is below 2^56 ns. */
const BYTES_MAX: u32 = 0xffff;

// @ts-ignore: decorator
@inline
export function isRated(clock: usize): bool {
  return load<u64>(clock, C.CLOCK_INTERVAL) != 0;
}

/** True when the next packet has to wait; never without a rate. */
// @ts-ignore: decorator
@inline
export function isAhead(clock: usize, now: u64): bool {
  return isRated(clock) && load<u64>(clock, C.CLOCK_DEADLINE) > now;
}

/** The schedule begins: nothing was saved up. */
export function restartClock(clock: usize, now: u64): void {
  store<u64>(clock, now, C.CLOCK_DEADLINE);
  store<u32>(clock, 0, C.CLOCK_FRACTION);
  store<u16>(clock, 0, C.CLOCK_CHARGED);
}

/** Time of a packet of `bytes`, whole units. */
export function timeOf(clock: usize, bytes: u32): u64 {
  const interval = load<u64>(clock, C.CLOCK_INTERVAL);
  const length = min(bytes, BYTES_MAX);
  return wholeTime(interval, length) + (fineTime(interval, length) >> FRACTION_BITS);
}

// 64 x 16 bits in two halves: neither wraps, and the upper one has whole units only.
// @ts-ignore: decorator
@inline
function wholeTime(interval: u64, bytes: u32): u64 {
  return ((interval >> 32) * bytes) << (32 - FRACTION_BITS);
}

// @ts-ignore: decorator
@inline
function fineTime(interval: u64, bytes: u32): u64 {
  return (interval & LOW_WORD) * bytes;
}

/** A packet passes now: the next one may an interval a byte later, `saved` in the past at most. */
export function chargeClock(clock: usize, bytes: u32, now: u64, saved: u64): void {
  let deadline = load<u64>(clock, C.CLOCK_DEADLINE);
  let fraction: u64 = load<u32>(clock, C.CLOCK_FRACTION);
  if (deadline + saved < now) {
    deadline = now - saved;
    fraction = 0;
  }
  const charged = min(bytes, BYTES_MAX);
  store<u16>(clock, <u16>charged, C.CLOCK_CHARGED);
  charge(clock, load<u64>(clock, C.CLOCK_INTERVAL), charged, deadline, fraction);
}

/** Deadline = `from` + `fraction` + the time of `bytes`. It stops at the end of time. */
function charge(clock: usize, interval: u64, bytes: u32, from: u64, fraction: u64): void {
  const fine = fineTime(interval, bytes) + fraction;
  const time = wholeTime(interval, bytes) + (fine >> FRACTION_BITS);
  store<u64>(clock, min(from + time, FOREVER), C.CLOCK_DEADLINE);
  store<u32>(clock, <u32>(fine & FRACTION_MASK), C.CLOCK_FRACTION);
}

/**
 * Another interval (40.24 fixed point; 0 = no rate). Who waits goes on as if its last packet had
 * been charged at the new one: it is due sooner or later than it was, but not in the past, so that
 * a change gives no credit. True when it has waited.
 */
export function retimeClock(clock: usize, interval: u64, now: u64): bool {
  const before = load<u64>(clock, C.CLOCK_INTERVAL);
  store<u64>(clock, interval, C.CLOCK_INTERVAL);
  if (before == 0) {
    restartClock(clock, now);
    return false;
  }
  // Its turn has come: that one packet is earned.
  if (interval == before || load<u64>(clock, C.CLOCK_DEADLINE) <= now) return false;
  recharge(clock, before, interval);
  if (interval == 0 || load<u64>(clock, C.CLOCK_DEADLINE) <= now) restartClock(clock, now);
  return true;
}

/** Takes the last charge back and makes it again at another interval. */
function recharge(clock: usize, before: u64, interval: u64): void {
  const deadline = load<u64>(clock, C.CLOCK_DEADLINE);
  const fraction = load<u32>(clock, C.CLOCK_FRACTION);
  const bytes: u32 = load<u16>(clock, C.CLOCK_CHARGED);
  charge(clock, before, bytes, 0, 0);
  const charged = load<u64>(clock, C.CLOCK_DEADLINE);
  const part = load<u32>(clock, C.CLOCK_FRACTION);
  const borrow: u64 = part > fraction ? 1 : 0;
  // Only a deadline at the end of time is smaller than what it consists of.
  const from = deadline - min(deadline, charged + borrow);
  charge(clock, interval, bytes, from, <u64>(fraction - part) & FRACTION_MASK);
}
