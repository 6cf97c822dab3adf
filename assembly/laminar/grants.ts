/**
 * SYNCs of the packet generator (5.3.2.1) and meters (5.4): the control plane sets a connection's
 * rate, SYNCs turn what it has earned into transmission credits, and its meter drops what is sent
 * beyond it. A SYNC goes to who has used its credits and has more to send: nobody else is woken,
 * which is the pause of inactive connections and libTOE's own pace of SYNCs in one. At its rate a
 * connection has one a period: half its round trip, but no more than a turn's segments, and a
 * segment at least.
 */
import { count } from "../base/counter.ts";
import { isAhead, isRated, restartClock, retimeClock, timeOf } from "../base/rate-clock.ts";
import { preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { isQueued, LATENESS_MAX, schedule } from "../nic/flow-scheduler.ts";
import { actionsOf, intervalOf } from "../nic/stages.ts";
import { armTimer, cancelTimer, isArmed } from "../tcp/state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { CLOCK_DEADLINE } from "../../bindings/abi/rate-clock.ts";
import * as R from "../../bindings/abi/rmt.ts";
import { TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { TIMERS_PER_CONNECTION, TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";
import * as T from "./generated/tcp.ts";
import { register, valuePass } from "./passes.ts";
import { laminarOf } from "./state.ts";

/** A long round trip is no reason for long bursts: ns between two SYNCs, at most. */
const PERIOD_MAX: u64 = 1_000_000;

/** A connection's meter. */
// @ts-ignore: decorator
@inline
export function meterOf(core: usize, connection: u32): usize {
  return laminarOf(core, connection) + R.LAMINAR_METER;
}

/** A connection begins, without a rate. */
export function enterGrants(core: usize, connection: u32): void {
  const meter = meterOf(core, connection);
  store<u64>(meter, 0);
  restartClock(meter, 0);
  store<u32>(meter, <u32>LATENESS_MAX, R.METER_SAVED);
  store<u32>(meter, R.Verdict.Dropped, R.METER_EXCESS);
  store<u32>(meter, 0, R.METER_EXCEEDED);
}

/** It ends: no SYNC is due. */
export function leaveGrants(core: usize, connection: u32): void {
  cancelTimer(core, connection, TimerKind.Sync);
}

/** Of an item: a new rate, or something to send. */
export function stageGrants(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const actions = actionsOf(work);
  if ((actions & W.ACTION_INTERVAL) != 0) setRate(core, connection, intervalOf(work));
  if ((actions & W.ACTION_SCHEDULE) == 0) return;
  // A flow that had nothing to send has saved up no credit; a turn's flow keeps its schedule.
  requestTurn(core, connection, load<u32>(work, W.WORK_KIND) != W.WorkKind.Tx);
}

/** Who waits for its SYNC does so at the new rate. */
function setRate(core: usize, connection: u32, interval: u64): void {
  const now = load<u64>(core, CORE_NOW);
  if (!retimeClock(meterOf(core, connection), interval, now)) return;
  if (!isArmed(core, connection, TimerKind.Sync)) return;
  cancelTimer(core, connection, TimerKind.Sync);
  requestTurn(core, connection, false);
}

/** The connection has something to send: a turn, now or at its next SYNC. */
function requestTurn(core: usize, connection: u32, fresh: bool): void {
  const meter = meterOf(core, connection);
  if (!isRated(meter)) return schedule(core, connection, fresh);
  if (isQueued(core, connection) || isArmed(core, connection, TimerKind.Sync)) return;
  const now = load<u64>(core, CORE_NOW);
  if (isAhead(meter, now)) {
    const at = load<u64>(meter, CLOCK_DEADLINE) + restOfPeriod(core, connection, meter);
    return armTimer(core, connection, TimerKind.Sync, at);
  }
  if (fresh) restartClock(meter, now);
  schedule(core, connection, false);
}

/** IP bytes of a full segment without options: its time is for SYNCs, its real size the meter's. */
// @ts-ignore: decorator
@inline
function segmentBytes(core: usize, connection: u32): u32 {
  const pre = preOf(core, connection);
  const network = load<u8>(pre, F.PRE_HEADER_LENGTH) - load<u8>(pre, F.PRE_LINK_LENGTH);
  return <u32>load<u16>(protocolOf(core, connection), F.PROTOCOL_MSS) + network + TCP_SIZE;
}

/** From the first segment that conforms to the SYNC that grants it and the next ones at once. */
function restOfPeriod(core: usize, connection: u32, meter: usize): u64 {
  const segment = timeOf(meter, segmentBytes(core, connection));
  const trip = load<u64>(recoveryOf(core, connection), F.RECOVERY_SRTT) >> 1;
  const period = min(min(trip, PERIOD_MAX), TURN_SEGMENTS_MAX * segment);
  return period > segment ? period - segment : 0;
}

/** True when this timer was a SYNC's; its connection then has a turn. */
export function syncExpired(core: usize, timer: u32): bool {
  if (timer % TIMERS_PER_CONNECTION != TimerKind.Sync) return false;
  const connection = timer / TIMERS_PER_CONNECTION;
  const state = load<u8>(preOf(core, connection), F.PRE_STATE);
  if (state == <u8>F.PreState.Installed) schedule(core, connection, false);
  return true;
}

/** True when a turn is over because its rate is used. */
// @ts-ignore: decorator
@inline
export function mustWait(core: usize, connection: u32): bool {
  return isAhead(meterOf(core, connection), load<u64>(core, CORE_NOW));
}

/**
 * SYNC: what the connection has earned, credits for a turn at most, and for a segment of `bytes`,
 * which may be larger than others (RFC 4821, 7.5).
 */
export function grant(core: usize, connection: u32, bytes: u32): void {
  const mss: u32 = load<u16>(protocolOf(core, connection), F.PROTOCOL_MSS);
  const held = register(core, connection, T.R_TX_CREDITS);
  const earned = earnedSegments(core, connection);
  const full: u32 = earned == 0 ? 0 : max(earned * mss, bytes);
  if (held >= full) return;
  count(core, Counter.Grants);
  valuePass(core, T.C_GRANT, connection, full - held, held);
}

function earnedSegments(core: usize, connection: u32): u32 {
  const meter = meterOf(core, connection);
  if (!isRated(meter)) return TURN_SEGMENTS_MAX;
  const now = load<u64>(core, CORE_NOW);
  const deadline = load<u64>(meter, CLOCK_DEADLINE);
  if (deadline > now) return 0;
  const segment = timeOf(meter, segmentBytes(core, connection));
  const late = now - deadline;
  // Without a division for who is fast or was late.
  if (late >= (TURN_SEGMENTS_MAX - 1) * segment) return TURN_SEGMENTS_MAX;
  return <u32>(late / segment) + 1;
}
