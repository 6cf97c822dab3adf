/**
 * I17: the records of a connection agree with each other as bindings/abi says of them, after every
 * poll: the send log and its sums, the retransmission timer and what stands in its place (RFC 6298,
 * 5; RFC 8985, 7.2), the RTO of its estimators (RFC 6298, 2), flags of a FIN, intervals. Of FlexTOE
 * alone: Laminar's program keeps others.
 */
import { RTT_GRANULARITY } from "../../../bindings/abi/congestion.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../../bindings/abi/limits.ts";
import { CORE_NOW } from "../../../bindings/abi/memory-map.ts";
import * as S from "../../../bindings/abi/send-log.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import type { Stack } from "../../../host/stack.ts";
import type { Checker, Scene } from "./checker.ts";
import { FlowRow } from "./flow-row.ts";

const span = (from: number, to: number): number => (to - from) >>> 0;
const BACKWARDS = 2 ** 31;
/** The least PTO is the least RTO's 64th. */
const PROBE_FLOOR = 64;

/** What is wrong with a row at the core's time `now`; "" when nothing is. */
type Rule = (row: FlowRow, now: number) => string;

/** Runs lie end to end up to una + txSent, from LOG_START on, and the sums are theirs. */
function logIsWhole(row: FlowRow, now: number): string {
  if (!row.hasLog) return "";
  const una = row.p(F.PROTOCOL_TX_UNA);
  const end = (una + row.p(F.PROTOCOL_TX_SENT)) >>> 0;
  const { runs } = row;
  if (runs.length !== row.log(S.LOG_COUNT)) return `log of ${row.log(S.LOG_COUNT)} runs`;
  const sums = { sacked: 0, lost: 0, again: 0, twice: 0 };
  for (const run of runs) {
    const bytes = span(run.start, run.end);
    if (bytes === 0 || bytes >= BACKWARDS) return `run ${run.start}..${run.end}`;
    if (run.time > now) return `run sent at ${run.time}, now is ${now}`;
    if ((run.flags & S.RUN_SACKED) !== 0) sums.sacked += bytes;
    if ((run.flags & S.RUN_LOST) !== 0) sums.lost += bytes;
    if ((run.flags & S.RUN_AGAIN) !== 0) sums.again += bytes;
    if ((run.flags & S.RUN_TWICE) !== 0) sums.twice += bytes;
    const isMixed = (run.flags & S.RUN_SACKED) !== 0 && run.flags !== S.RUN_SACKED;
    if (isMixed) return `what the peer has with flags ${run.flags}`;
  }
  const last = runs.at(-1)?.end ?? row.log(S.LOG_START);
  if (last !== end) return `log ends at ${last}, flight at ${end}`;
  const { sacked, lost, again, twice } = sums;
  const told = [S.LOG_SACKED, S.LOG_LOST, S.LOG_AGAIN, S.LOG_TWICE].map((at) => row.log(at));
  const counted = [sacked, lost, again, twice];
  return `${told}` === `${counted}` ? "" : `log sums ${told}, runs ${counted}`;
}

/** ECHO_LOSS keeps acknowledgments from being predicted while there is something to tell. */
function lossIsNoted(row: FlowRow): string {
  const told = row.log(S.LOG_SACKED) | row.log(S.LOG_LOST) | row.log(S.LOG_AGAIN);
  const tried = row.r8(F.RECOVERY_RACK) & F.SIZE_PROBE_MASK;
  const wanted = (told | tried | row.r8(F.RECOVERY_PROBE)) !== 0;
  const isSet = (row.p8(F.PROTOCOL_ECHO) & F.ECHO_LOSS) !== 0;
  return wanted && !isSet ? "losses, and ECHO_LOSS is not set" : "";
}

/** RFC 6298 2.3 to 2.5; G, or with RTO_MIN_ON_TOP the least RTO, is the least variation. */
function rtoOf(row: FlowRow): number {
  const least = row.r64(F.RECOVERY_RTO_MIN);
  const onTop = (row.r8(F.RECOVERY_RACK) & F.RTO_MIN_ON_TOP) !== 0;
  const variation = Math.max(onTop ? least : RTT_GRANULARITY, 4 * row.r64(F.RECOVERY_RTTVAR));
  const raised = Math.max(row.r64(F.RECOVERY_SRTT) + variation, least);
  return Math.min(raised, row.r64(F.RECOVERY_RTO_MAX));
}

function rtoIsComputed(row: FlowRow): string {
  if (row.r64(F.RECOVERY_SRTT) === 0) return "";
  const [rto, expected] = [row.r64(F.RECOVERY_RTO), rtoOf(row)];
  const [least, next] = [row.r64(F.RECOVERY_RTT_MIN), row.r(F.RECOVERY_RTT_NEXT)];
  if (least === 0 || (least > next && next !== 2 ** 32 - 1)) return `least RTT ${least}, ${next}`;
  return rto === expected ? "" : `RTO ${rto}, of its estimators ${expected}`;
}

/** RFC 8985 7.2: where the probe's timer may stand in the RTO's place. */
function mayProbe(row: FlowRow): boolean {
  const sent = row.p(F.PROTOCOL_TX_SENT);
  const finAlone = sent === 1 && row.has(F.FLOW_FIN_SENT);
  const isTail = sent > row.p16(F.PROTOCOL_MSS) + 1 || finAlone;
  const calm = row.has(F.FLOW_SACK) && !row.has(F.FLOW_GO_BACK_N | F.FLOW_RECOVERY);
  const rack = (row.r8(F.RECOVERY_RACK) & F.RACK_ENABLED) !== 0;
  const waits = row.r8(F.RECOVERY_PROBED) | row.r8(F.RECOVERY_BACKOFF) | row.r8(F.RECOVERY_PROBE);
  const known = rack && row.r64(F.RECOVERY_SRTT) !== 0;
  return isTail && calm && known && waits === 0 && row.log(S.LOG_SACKED) === 0;
}

/** When the reordering timer is due; 0 = none is wanted. */
function reorderingDue(row: FlowRow): number {
  return (row.p8(F.PROTOCOL_ECHO) & F.ECHO_LOSS) === 0 ? 0 : row.log64(S.LOG_REORDER);
}

function probeTimeout(row: FlowRow): number {
  const least = row.r64(F.RECOVERY_RTO_MIN);
  const twice = 2 * row.r64(F.RECOVERY_SRTT);
  if (row.p(F.PROTOCOL_TX_SENT) === 1) return twice + least;
  return Math.max(twice, Math.floor(least / PROBE_FLOOR));
}

/** The armed timer is what RECOVERY_TIMER calls it, and never later than the RTO. */
function timerIsNamed(row: FlowRow, now: number): string {
  const { deadline } = row;
  if (deadline === 0) return "";
  // With bytes left they may have been taken back from the flight (4.3.1.3), or wait for it.
  const isOver = row.p(F.PROTOCOL_TX_SENT) === 0 && row.p(F.PROTOCOL_TX_AVAIL) === 0;
  const isHeld = (row.p8(F.PROTOCOL_ECHO) & F.ECHO_HOLD) !== 0 || row.has(F.FLOW_PERSIST);
  if (isOver && !isHeld) return "a timer, and nothing to send or in flight";
  const rto = row.r64(F.RECOVERY_RTO_DEADLINE);
  const timer = row.r8(F.RECOVERY_TIMER);
  if (timer === F.LossTimer.Timeout) return deadline === rto ? "" : `RTO ${rto} due ${deadline}`;
  if (deadline > rto) return `timer ${timer} due ${deadline} behind the RTO ${rto}`;
  const reorder = reorderingDue(row);
  if (timer === F.LossTimer.Reorder) {
    return reorder === deadline ? "" : `reordering timer due ${deadline}`;
  }
  if (reorder !== 0) return `a probe's timer in place of the reordering timer ${reorder}`;
  if (!mayProbe(row)) return "a probe's timer where none is wanted";
  const latest = now + probeTimeout(row);
  return deadline <= latest ? "" : `probe due ${deadline}, at most ${latest}`;
}

/** Numbers that are bounded by others, and flags that go together. */
function boundsHold(row: FlowRow): string {
  const [sent, most] = [row.p(F.PROTOCOL_TX_SENT), row.p(F.PROTOCOL_TX_MAX)];
  if (sent > most) return `${sent} in flight, never more than ${most}`;
  if (row.p8(F.PROTOCOL_DUP_ACKS) > DUP_ACK_THRESHOLD) return "too many duplicates";
  if (row.has(F.FLOW_FIN_SENT) && (sent === 0 || !row.has(F.FLOW_FIN_PENDING))) {
    return "a FIN is in flight that nobody asked for";
  }
  if (row.has(F.FLOW_FIN_ACKED) && (sent !== 0 || row.has(F.FLOW_FIN_SENT))) {
    return "bytes in flight behind an acknowledged FIN";
  }
  const held = sent + row.p(F.PROTOCOL_TX_AVAIL) - (row.has(F.FLOW_FIN_SENT) ? 1 : 0);
  const room = 2 ** row.p8(F.PROTOCOL_TX_SHIFT);
  if (held > room) return `${held} bytes in a transmit buffer of ${room}`;
  const waits = row.p(F.PROTOCOL_TX_AVAIL) !== 0 || row.has(F.FLOW_FIN_PENDING);
  if (row.has(F.FLOW_PERSIST) && (!waits || sent !== 0)) return "a persist timer for nothing";
  const isByLog = row.has(F.FLOW_RECOVERY) && row.r8(F.RECOVERY_MODE) !== F.RecoveryMode.NewReno;
  return isByLog && !row.hasLog ? "recovery by a log that is not there" : "";
}

/** Disjoint, not touching, behind rxNext, within the receive buffer (RFC 2018, 4). */
function intervalsAreApart(row: FlowRow): string {
  const { intervals } = row;
  const next = row.p(F.PROTOCOL_RX_NEXT_SEQ);
  const room = row.p(F.PROTOCOL_RX_AVAIL);
  if (intervals.length > row.r8(F.RECOVERY_INTERVAL_LIMIT)) return "too many intervals";
  const from = intervals.map(([start, end]) => [span(next, start), span(next, end)] as const);
  from.sort(([one], [other]) => one - other);
  let before = 0;
  for (const [start, end] of from) {
    if (start <= before || end <= start || end > room) return `intervals ${from}, room ${room}`;
    before = end;
  }
  return row.has(F.FLOW_OUT_OF_ORDER) === intervals.length > 0 ? "" : "FLOW_OUT_OF_ORDER is wrong";
}

/** An ACK that waits has its timer (RFC 9293 SHLD-18), and only such a one. */
function ackIsOwed(row: FlowRow, now: number): string {
  const owed = row.p8(F.PROTOCOL_UNACKED);
  const due = row.due(TimerKind.DelayedAck);
  if ((owed !== 0) !== (due !== 0)) return `${owed} segments unacknowledged, timer ${due}`;
  if (due > now + row.r(F.RECOVERY_DELAYED_ACK)) return `an ACK is due ${due}, now is ${now}`;
  const [next, told] = [row.p(F.PROTOCOL_RX_NEXT_SEQ), row.p(F.PROTOCOL_LAST_ACK_SENT)];
  if (owed === 0 && next !== told) return `${told} is acknowledged, all until ${next} has come`;
  const promised = span(next, row.p(F.PROTOCOL_RX_EDGE));
  const isPast = promised >= BACKWARDS;
  return isPast || promised <= row.p(F.PROTOCOL_RX_AVAIL) ? "" : `window of ${promised}`;
}

/** RFC 6298 5.5, 5.7: doubled for each timeout, at most the longest. */
function backedOff(row: FlowRow): number {
  const doubled = row.r64(F.RECOVERY_RTO) * 2 ** row.r8(F.RECOVERY_BACKOFF);
  return Math.min(doubled, row.r64(F.RECOVERY_RTO_MAX));
}

const RULES: readonly Rule[] = [
  logIsWhole,
  lossIsNoted,
  rtoIsComputed,
  timerIsNamed,
  boundsHold,
  ackIsOwed,
  intervalsAreApart,
];

/** Of the row before, to see what an acknowledgment has done. */
interface Before {
  readonly una: number;
}

export class FlowRecords implements Checker {
  readonly #scene: Scene;
  readonly #before: Map<number, Before>[];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#before = scene.stacks.map(() => new Map<number, Before>());
  }

  polled(host: number): void {
    const { core } = this.#scene.stacks[host] as Stack;
    if (core.map.datapath !== "flextoe") return;
    const now = Number(core.view.getBigUint64(core.address + CORE_NOW, true));
    const before = this.#before[host] as Map<number, Before>;
    for (let connection = 1; connection < core.map.options.connections; connection += 1) {
      const row = new FlowRow(core, connection);
      if (!row.isInstalled) {
        before.delete(connection);
        continue;
      }
      const wrong = RULES.map((rule) => rule(row, now)).find((text) => text !== "");
      const found = wrong ?? this.#afterAck(row, now, before.get(connection));
      before.set(connection, { una: row.p(F.PROTOCOL_TX_UNA) });
      if (found !== "") this.#scene.report("I17", `host${host}.${connection}: ${found}`);
    }
  }

  /** It may have processed acknowledgments, at a time that is not the next poll's. */
  polledBehind(host: number): void {
    this.#before[host]?.clear();
  }

  /** RFC 6298 5.3, RFC 8985 7.2: una has moved, and the timer starts again. */
  #afterAck(row: FlowRow, now: number, before: Before | undefined): string {
    const isNew = before !== undefined && before.una !== row.p(F.PROTOCOL_TX_UNA);
    if (!isNew || row.p(F.PROTOCOL_TX_SENT) === 0 || row.deadline === 0) return "";
    const rto = now + backedOff(row);
    if (row.r64(F.RECOVERY_RTO_DEADLINE) !== rto) return `the RTO is not due ${rto}`;
    const timer = row.r8(F.RECOVERY_TIMER);
    // RFC 8985, 8: the reordering timer comes before the probe's, if due behind the RTO too.
    const isFree = reorderingDue(row) === 0 && mayProbe(row);
    if (timer === F.LossTimer.Timeout && isFree) return "no probe's timer";
    if (timer !== F.LossTimer.Probe) return "";
    const expected = Math.min(row.r64(F.RECOVERY_RTO_DEADLINE), now + probeTimeout(row));
    return row.deadline === expected ? "" : `probe due ${row.deadline}, expected ${expected}`;
  }
}
