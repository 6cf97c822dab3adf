/**
 * Rates of connections: a constant one (SO_MAX_PACING_RATE) and those of congestion policies, run
 * every two round-trip times (dissertation 4.2) over what inspect() says was acknowledged.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { congestionAt } from "./congestion/algorithm.ts";
import { freshRate, intervalWords, type RatePolicy, type RateState } from "./congestion/policy.ts";
import { inspect, type Inspection } from "./inspection.ts";
import { setDeadline } from "./deadlines.ts";
import { segmentBytes } from "./install.ts";
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";

/** Shortest interval: below it the control plane would only run the policy. */
const INTERVAL_MIN = 50e3;
/** Before the first RTT sample, and while nothing is in flight. */
const INTERVAL_IDLE = 10e6;

const SLOW_START = 1;
const LOST = 2;
/** RateState.falling. */
const FALLING_SHIFT = 2;
const FALLING_MASK = 7;
/**
 * Upper bits of ROW_RATE_FLAGS: recoveries seen so far, modulo 2^27. Not segments sent again:
 * go-back-N repeats a window over many intervals, and one loss would halve the rate in each.
 */
const SEEN_SHIFT = 5;
const SEEN_MASK = 0x07ffffff;

function send(plane: Plane, id: number, rate: number): void {
  const { rows, commands } = plane;
  const limit = rows.time(id, R.RATE_PACING);
  const chosen = limit > 0 && (rate === 0 || limit < rate) ? limit : rate;
  const { low, high } = intervalWords(chosen);
  commands.push(id, rows.get(id, R.ROW_GENERATION), AtxOpcode.SetInterval, low, high);
}

function load(plane: Plane, id: number, { keeps }: RatePolicy): RateState {
  const { rows } = plane;
  const [first, second] = keeps;
  const state = freshRate();
  state.rate = rows.time(id, R.RATE_NOW);
  state.slowStart = (rows.get(id, R.ROW_RATE_FLAGS) & SLOW_START) !== 0;
  state.falling = (rows.get(id, R.ROW_RATE_FLAGS) >>> FALLING_SHIFT) & FALLING_MASK;
  state[first] = rows.time(id, R.RATE_KEPT);
  state[second] = rows.time(id, R.RATE_KEPT_TOO);
  return state;
}

function save(plane: Plane, id: number, { keeps }: RatePolicy, state: RateState): void {
  const { rows } = plane;
  const [first, second] = keeps;
  rows.setTime(id, R.RATE_NOW, state.rate);
  const falling = Math.min(FALLING_MASK, state.falling) << FALLING_SHIFT;
  rows.set(id, R.ROW_RATE_FLAGS, falling | (state.slowStart ? SLOW_START : 0));
  rows.setTime(id, R.RATE_KEPT, state[first]);
  rows.setTime(id, R.RATE_KEPT_TOO, state[second]);
}

/** What has been counted so far belongs to intervals that are over. */
function beginInterval(plane: Plane, id: number, seen: Inspection): void {
  const { rows } = plane;
  const recoveries = ((seen.fastRetransmits & SEEN_MASK) << SEEN_SHIFT) >>> 0;
  const flags = rows.get(id, R.ROW_RATE_FLAGS) & (SLOW_START | (FALLING_MASK << FALLING_SHIFT));
  rows.set(id, R.ROW_RATE_FLAGS, (flags | recoveries) >>> 0);
  rows.set(id, R.ROW_RATE_ACKED, seen.ackedBytes);
  rows.setTime(id, R.RATE_ECHOED, seen.ecnBytes);
  rows.setTime(id, R.RATE_SINCE, plane.now);
}

/** A rate that stands until an option changes: the choice's own, or SO_MAX_PACING_RATE. */
function holdRate(plane: Plane, id: number): void {
  const { rows } = plane;
  const limit = rows.time(id, R.RATE_PACING);
  const rate = limit > 0 ? limit : congestionAt(rows.get(id, R.ROW_CONGESTION)).rate;
  setDeadline(plane, id, R.TIME_INTERVAL, Infinity);
  if (rate === 0 && rows.time(id, R.RATE_NOW) === 0) return;
  send(plane, id, rate);
  rows.setTime(id, R.RATE_NOW, rate);
}

/** Starts what the row's options ask for: nothing, a constant rate, or a policy. */
export function startRate(plane: Plane, id: number): void {
  const { policy } = congestionAt(plane.rows.get(id, R.ROW_CONGESTION));
  if (policy === undefined) {
    holdRate(plane, id);
    return;
  }
  const state = freshRate();
  policy.start(state);
  save(plane, id, policy, state);
  const seen = inspect(plane, id);
  if (seen !== undefined) beginInterval(plane, id, seen);
  send(plane, id, state.rate);
  setDeadline(plane, id, R.TIME_INTERVAL, plane.now + INTERVAL_IDLE);
}

/** SO_MAX_PACING_RATE changed: a policy goes on from its own rate. */
export function limitRate(plane: Plane, id: number): void {
  const { rows } = plane;
  const { policy } = congestionAt(rows.get(id, R.ROW_CONGESTION));
  if (policy === undefined) holdRate(plane, id);
  else send(plane, id, rows.time(id, R.RATE_NOW));
}

/** A retransmission timeout counts as loss in the running interval. */
export function noteTimeout(plane: Plane, id: number): void {
  const { rows } = plane;
  if (rows.time(id, R.TIME_INTERVAL) === Infinity) return;
  rows.set(id, R.ROW_RATE_FLAGS, rows.get(id, R.ROW_RATE_FLAGS) | LOST);
}

/**
 * Two round-trip times, and at least a segment's time at the rate: a slow connection has nothing in
 * flight for most of it and is not idle for that. Were it looked at as rarely as an idle one, those
 * that happen to be fast would keep the link (the incast of 4.5.3: JFI 0.2 at 128 connections).
 */
function nextInterval(plane: Plane, id: number, seen: Inspection, acked: number): number {
  const { rows } = plane;
  const isIdle = acked === 0 && seen.txSent === 0 && seen.txAvail === 0;
  if (isIdle || seen.srtt === 0) return INTERVAL_IDLE;
  const rate = rows.time(id, R.RATE_NOW);
  const segment = rate > 0 ? (segmentBytes(plane, id) * 1e9) / rate : 0;
  return Math.max(INTERVAL_MIN, 2 * seen.srtt, Math.min(segment, INTERVAL_IDLE));
}

/** The interval of a connection's policy is over. */
export function intervalPassed(plane: Plane, id: number): void {
  const { rows } = plane;
  const { policy } = congestionAt(rows.get(id, R.ROW_CONGESTION));
  const seen = inspect(plane, id);
  if (policy === undefined || seen === undefined) return;
  const flags = rows.get(id, R.ROW_RATE_FLAGS);
  const ackedBytes = (seen.ackedBytes - rows.get(id, R.ROW_RATE_ACKED)) >>> 0;
  const state = load(plane, id, policy);
  const before = state.rate;
  policy.onInterval(state, {
    // What it was, not what it was meant to be: after a pause, and when polled late, it was longer.
    elapsed: plane.now - rows.time(id, R.RATE_SINCE),
    ackedBytes,
    ecnBytes: (seen.ecnBytes - rows.time(id, R.RATE_ECHOED)) >>> 0,
    lost: (flags & LOST) !== 0 || (seen.fastRetransmits & SEEN_MASK) !== flags >>> SEEN_SHIFT,
    limited: seen.txAvail > 0,
    rtt: seen.rtt,
  });
  save(plane, id, policy, state);
  beginInterval(plane, id, seen);
  if (state.rate !== before) send(plane, id, state.rate);
  const next = nextInterval(plane, id, seen, ackedBytes);
  setDeadline(plane, id, R.TIME_INTERVAL, plane.now + next);
}
