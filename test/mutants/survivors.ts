/**
 * Why mutants survive that nothing has killed. `equivalent`: no input tells it from the original;
 * it does not count. Others count as survivors: what they change is meant to be free, such as
 * speed, and no test may hold it.
 */
import { readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";

interface Reason {
  readonly file: string;
  /** Stands in the mutant's line. */
  readonly code: string;
  /** Of these changes alone: "lt_u > le_u". */
  readonly what?: readonly string[];
  /** In these compiled functions alone. */
  readonly within?: readonly string[];
  readonly equivalent: boolean;
  readonly why: string;
}

/** What the reason of an equivalent mutant begins with. */
export const EQUIVALENT = "equivalent: ";

export const REASONS: readonly Reason[] = [
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "return min(rto, limit)",
    what: ["lt_u > le_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "at = min(at, load<u64>(core, CORE_NOW)",
    what: ["lt_u > le_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "const shift: u64 = load<u8>(recovery, RECOVERY_BACKOFF);",
    what: ["0 > 1"],
    within: ["receivePredicted"],
    equivalent: true,
    why: "no ACK is predicted while there is a backoff, and without one both ways give the same",
  },
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "const limit = load<u64>(recovery, RECOVERY_RTO_MAX);",
    what: ["lt_u > ge_u"],
    within: ["probe", "probeBare"],
    equivalent: true,
    why: "the lesser of RTO and limit is of use without a backoff alone, and a probe has one",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "armTimer(core, connection, TimerKind.Retransmit, at);",
    what: ["1 > 0", "le_u > lt_u", "ge_u > gt_u", "9223372036854775807 > -9223372036854775808"],
    equivalent: true,
    why: "wheelArm() keeps deadlines from 1 to 2^63 - 1 ns; an RTO from now is far from either end",
  },
  {
    file: "assembly/tcp/ooo-interval.ts",
    code: "turn < OOO_INTERVALS_MAX + PLACEMENTS_MAX + 1",
    what: ["36 > 37", "lt_u > le_u"],
    equivalent: true,
    why: "32 turns pass an interval and 3 write a placement: the next one ends the loop by itself",
  },
  {
    file: "assembly/tcp/ooo-interval.ts",
    code: "turn < OOO_INTERVALS_MAX;",
    what: ["32 > 33", "lt_u > le_u"],
    equivalent: true,
    why: "each turn takes one of 32 intervals away, and one without any ends the loop by itself",
  },
  {
    file: "assembly/flextoe/predicted-receive.ts",
    code: "if (seqBefore(load<u32>(p, F.PROTOCOL_LAST_ACK_SENT), seq)) return;",
    what: ["31 > 32"],
    equivalent: true,
    why: "what was acknowledged is never behind what has come (I17): before is not the same",
  },
  {
    file: "assembly/tcp/send-log.ts",
    code: "if (seqBefore(load<u32>(log, S.LOG_START), una)) store<u32>(log, una, S.LOG_START);",
    what: ["31 > 32"],
    equivalent: true,
    why: "the log never begins behind una: before is not the same",
  },
  {
    file: "assembly/tcp/acknowledge.ts",
    code: "if (repeated == 0 && (flags & F.FLOW_OUT_OF_ORDER) == 0) return;",
    what: ["and > left side", "128 > 129"],
    equivalent: true,
    why: "without FLOW_OUT_OF_ORDER there are no intervals (I17), and so no blocks",
  },
  {
    file: "assembly/tcp/host-control.ts",
    code: "const fin = avail == 0 && (flags & F.FLOW_FIN_PENDING) != 0",
    what: ["8 > 9", "and > left side", "0 > 1"],
    equivalent: true,
    why: "with nothing to send a persist timer is there for a FIN alone (I17)",
  },
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "store<u64>(recovery, max<u64>(1, (7 * srtt + rtt) >> 3), RECOVERY_SRTT);",
    what: ["1 > 0"],
    equivalent: true,
    why: "srtt and rtt are 1 at least here, and an eighth of 8 is 1",
  },
  {
    file: "assembly/flextoe/predicted-receive.ts",
    code: "store<u32>(work, W.WorkKind.Rx, W.WORK_KIND);",
    what: ["0 > 1"],
    equivalent: true,
    why: "noteSendable() looks at the actions of this item alone, and nothing is built of it",
  },
  {
    file: "assembly/flextoe/predicted-receive.ts",
    code: "store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);",
    what: ["0 > 1"],
    equivalent: true,
    why: "noteSendable() looks at the actions of this item alone, and nothing is built of it",
  },
  {
    file: "assembly/tcp/sack-recovery.ts",
    code: "return window > pipe ? window - pipe : 0;",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/host-control.ts",
    code: "store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);",
    what: ["0 > 1"],
    equivalent: true,
    why: "placements are read of what has ACTION_PLACE alone, and no host control has that",
  },
  {
    file: "assembly/flextoe/predicted-frame.ts",
    code: "let sum = writeTcpHeader(pre, tcp, seq, ack, (header << 2) | (control << 8), window);",
    what: ["and > left side"],
    equivalent: true,
    why: "windowField() has 16 bits, and a shift by 16 drops what swapping leaves above them",
  },
  {
    file: "assembly/tcp/sack-recovery.ts",
    code: "return due > out ? due - out : 0;",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/sack-recovery.ts",
    code: "const owed = total > out ? total - out : 0;",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/tail-loss-probe.ts",
    code: "return window > sent ? min(bytes, window - sent) : 0;",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/transmit.ts",
    code: "const room = mss > length + SACK_OPTION_BYTES ?",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/window.ts",
    code: "const usable: u32 = window > sent ? window - sent : 0;",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/receive-ack.ts",
    code: "const left = freed < data ? data - freed : 0;",
    what: ["lt_u > le_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
  {
    file: "assembly/tcp/host-control.ts",
    code: "store<u32>(work, 0, W.WORK_ACTIONS);",
    what: ["0 > 1"],
    within: ["protocolDelayedAck"],
    equivalent: true,
    why: "1 is ACTION_DROP, which means something of segments and descriptors alone",
  },
  {
    file: "assembly/tcp/loss.ts",
    code: "store<u32>(work, 0, W.WORK_ACTIONS);",
    what: ["0 > 1"],
    within: ["protocolLossTimer"],
    equivalent: true,
    why: "1 is ACTION_DROP, which means something of segments and descriptors alone",
  },
  {
    file: "assembly/tcp/ooo-interval.ts",
    code: "return seqBefore(cursor, end) ? cursor : end;",
    what: ["31 > 32"],
    equivalent: true,
    why: "beyond end the cursor is the end of an interval that holds end: it is merged in any case",
  },
  {
    file: "assembly/tcp/window.ts",
    code: "if (avail < kept || avail - kept < step) {",
    what: ["gt_u > ge_u"],
    equivalent: true,
    why: "of equal numbers the difference is 0, and less than any step",
  },
  {
    file: "assembly/tcp/repeated-range.ts",
    code: "if (!seqBefore(start, end) || told != 0) return;",
    what: ["31 > 32"],
    equivalent: true,
    why: "no range that is told of ends before its start: not before is the same",
  },
  {
    file: "assembly/tcp/repeated-range.ts",
    code: "const told = load<u32>(work, WORK_ACTIONS) & (ACTION_REPEATED | ACTION_ACK);",
    what: ["262148 > 262149"],
    within: ["placeAnywhere", "receivePayload"],
    equivalent: true,
    why: "1 is ACTION_DROP: the payload of a segment that was dropped is not placed",
  },
  {
    file: "assembly/tcp/scoreboard.ts",
    code: "return min(load<u32>(work, W.WORK_SACK_COUNT), SACK_BLOCKS_MAX);",
    what: ["ge_u > gt_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
  {
    file: "assembly/tcp/receive-ack.ts",
    code: "const finAcked = (flags & F.FLOW_FIN_PENDING) != 0 && acked == data + avail + 1;",
    what: ["and > left side", "8 > 9"],
    equivalent: true,
    why: "of the numbers beyond what was written none but a FIN's is ever sent (I17)",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "return rack != 0 && load<u64>(r, F.RECOVERY_SRTT) != 0;",
    what: ["0 > 1"],
    within: ["transmitPredicted", "sendPredicted", "emit"],
    equivalent: true,
    why: "chooseTimer() asks again and finds the RTO's, which runs until the same time already",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "const rack = load<u8>(r, F.RECOVERY_RACK) & <u8>F.RACK_ENABLED;",
    what: ["and > left side"],
    within: ["noteDuplicate"],
    equivalent: true,
    why: "it is asked of a probe's timer alone, and without RACK there is none",
  },
  {
    file: "assembly/tcp/host-control.ts",
    code: "const mode = (flagsOf(p) & F.FLOW_RECOVERY) != 0 ? modeOf(r)",
    what: ["and > left side", "256 > 257"],
    equivalent: true,
    why: "outside of recovery the mode is NewReno: what ends one sets it, as the model has it",
  },
  {
    file: "assembly/tcp/sack-recovery.ts",
    code: "const mode = (flagsOf(p) & F.FLOW_RECOVERY) != 0 ? modeOf(r)",
    what: ["and > left side", "256 > 257"],
    equivalent: true,
    why: "outside of recovery the mode is NewReno: what ends one sets it, as the model has it",
  },
  {
    file: "assembly/tcp/rack.ts",
    code: "if ((load<u16>(p, F.PROTOCOL_FLAGS) & <u16>F.FLOW_RECOVERY) != 0) return 0;",
    what: ["and > left side", "256 > 257"],
    within: ["enterTimeout"],
    equivalent: true,
    why: "FLOW_RECOVERY has been set some lines before",
  },
  {
    file: "assembly/tcp/send-log.ts",
    code: "if (same && time >= begun && time - begun <= step) {",
    what: ["and > left side"],
    equivalent: true,
    why: "of a time before begun the difference wraps, and is more than any step",
  },
  {
    file: "assembly/tcp/transmit.ts",
    code: "if (hasSendable(p, recoveryOf(core, connection))) act(work, W.ACTION_SCHEDULE);",
    what: ["64 > 65"],
    within: ["protocolTx"],
    equivalent: true,
    why: "1 is ACTION_DROP, which means something of segments and descriptors alone",
  },
  {
    file: "assembly/tcp/send-log.ts",
    code: "while (gone < count && seqAtOrBefore(runEnd(runAt(log, gone)), una)) gone++;",
    what: ["lt_u > le_u"],
    within: ["enterTimeout"],
    equivalent: true,
    why: "something is in flight, and the last run ends with it, beyond una: the loop ends there",
  },
  {
    file: "assembly/tcp/window.ts",
    code: "return min<u32>(field, FIELD_MAX);",
    what: ["ge_u > gt_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
  {
    file: "assembly/tcp/ooo-interval.ts",
    code: "turn < OOO_INTERVALS_MAX;",
    what: ["1 > 0"],
    equivalent: true,
    why: "each turn takes one of 32 intervals away, and one without any ends the loop by itself",
  },
  {
    file: "assembly/flextoe/protocol-receive.ts",
    code: "drop(work, seqBefore(seq, next) ? DropReason.Duplicate : DropReason.OutOfWindow);",
    what: ["31 > 32"],
    equivalent: true,
    why: "what is not acceptable and lies ahead has returned above: not the same is before",
  },
  {
    file: "assembly/tcp/window.ts",
    code: "if (avail < kept || avail - kept < step) {",
    what: ["sub > add"],
    within: ["stageHostControl"],
    equivalent: true,
    why: "windowUpdate() asks if the edge moves by a step, and avail - kept is less either way",
  },
  {
    file: "assembly/tcp/receive-ack.ts",
    code: "const recovers = flagsOf(p) & F.FLOW_RECOVERY;",
    what: ["and > left side"],
    equivalent: true,
    why: "isQuiet() spares work: without a log, a probe and blocks the rest does nothing",
  },
  {
    file: "assembly/tcp/state.ts",
    code: "return distance >>> 31 != 0 ? 0 : distance;",
    what: ["0 > 1"],
    within: ["receivePredicted"],
    equivalent: true,
    why: "each segment that is predicted comes in order and so sets the edge: never behind una",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "if (probes && !isReordering(p, r) && mayProbe(p, r)) return;",
    what: ["if > if not"],
    within: ["noteDuplicate"],
    equivalent: true,
    why: "a duplicate that makes reordering wait has told of something: none may probe then",
  },
  {
    file: "assembly/tcp/state.ts",
    code: "armTimer(core, connection, TimerKind.DelayedAck, load<u64>(core, CORE_NOW) + delay);",
    what: ["1 > 0", "le_u > lt_u", "ge_u > gt_u", "9223372036854775807 > -9223372036854775808"],
    equivalent: true,
    why: "wheelArm() keeps deadlines from 1 to 2^63 - 1 ns; a delay from now is far from both",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "if (sent <= <u32>load<u16>(p, F.PROTOCOL_MSS) + 1 && !isFinAlone(p, sent))",
    what: ["0 > 1", "add > sub"],
    within: ["transmitPredicted", "sendPredicted", "emit"],
    equivalent: true,
    why: "chooseTimer() asks again itself, and of an RTO's timer it makes the same one",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "return sent == 1 && (flagsOf(p) & F.FLOW_FIN_SENT) != 0;",
    what: ["0 > 1"],
    within: ["transmitPredicted", "sendPredicted", "emit"],
    equivalent: true,
    why: "chooseTimer() asks again itself, and of an RTO's timer it makes the same one",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "const rack = load<u8>(r, F.RECOVERY_RACK) & <u8>F.RACK_ENABLED;",
    what: ["and > left side"],
    within: ["transmitPredicted", "sendPredicted", "emit"],
    equivalent: true,
    why: "chooseTimer() asks again itself, and of an RTO's timer it makes the same one",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "if ((load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_LOSS) == 0) return false;",
    what: ["if > if not"],
    within: ["reviewTimer"],
    equivalent: true,
    why: "una is where it was, so what reordering waits for was told now: none may probe then",
  },
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "const variation = srtt > rtt ? srtt - rtt : rtt - srtt;",
    what: ["lt_u > le_u", "gt_u > ge_u"],
    equivalent: true,
    why: "equal numbers differ by 0, which is what the other side says",
  },
];

/** What reasonFor() needs of a verdict. */
interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly within: string;
  readonly what: string;
}

/** The reason, with "equivalent: " before it when it is; undefined when none is known. */
export function reasonFor({ file, line, within, what }: Survivor): string | undefined {
  const text = readFileSync(ROOT + file, "utf8").split("\n")[line - 1] ?? "";
  const found = REASONS.find((reason) => {
    if (reason.file !== file || !text.includes(reason.code)) return false;
    if (reason.what !== undefined && !reason.what.includes(what)) return false;
    return reason.within === undefined || reason.within.includes(within);
  });
  if (found === undefined) return undefined;
  return found.equivalent ? `${EQUIVALENT}${found.why}` : found.why;
}
