/**
 * A connection's sending side twice: in the data path, over the bare contract, and as the model of
 * test/model says. After every step both have sent the same segments, told the same expiries, and
 * agree in every number that the records of bindings/abi have.
 */
import * as C from "../../../bindings/abi/congestion.ts";
import { Counter } from "../../../bindings/abi/counters.ts";
import * as D from "../../../bindings/abi/descriptor.ts";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import * as S from "../../../bindings/abi/send-log.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import type { Span } from "../../model/flight-book.ts";
import { SenderModel } from "../../model/sender-model.ts";
import type { Ack, Doubt, Policy, Probe, SenderDrop } from "../../model/sender-settings.ts";
import type { SenderSettings } from "../../model/sender-settings.ts";
import { WINDOWLESS } from "../../model/sender-settings.ts";
import { FlowRow } from "../../simulate/checkers/flow-row.ts";
import {
  ACK,
  buildFrame,
  CWR,
  ECE,
  FIN,
  PSH,
  sackOption,
  timestampOption,
} from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, type Outcome, RawCore } from "../../support/raw-core.ts";
import { CongestionFlow } from "../../support/tcp-records.ts";

const LAYOUT = { connections: 4, contexts: 2, chunkBytes: 1024, payloadBytes: 256 * 1024 };
/** Of the timer wheel, ns. */
const STEP = 1024;
/** Of an IPv4 header behind Ethernet's. */
const TOS_AT = 15;
const MODES = ["newreno", "reduction", "timeout"] as const;
const TIMERS = ["timeout", "probe", "reorder"] as const;
const PROBES: readonly Probe[] = ["none", "due", "fresh", "again"];
const DOUBTS: readonly Doubt[] = ["none", "asked", "tested"];
const REASONS: Readonly<Record<SenderDrop, DropReason>> = {
  append: DropReason.DescriptorAppend,
  ack: DropReason.AckOutOfRange,
  rated: DropReason.RateLimited,
  late: DropReason.Duplicate,
};
/** What is left of the congestion policy's flags when a reduction is taken back (RFC 4015). */
const REDUCTION =
  C.CONGESTION_REDUCED |
  C.CONGESTION_REDUCED_BY_ECN |
  C.CONGESTION_IN_RECOVERY |
  C.CONGESTION_STARTING;

export interface SubjectChoice {
  readonly settings: SenderSettings;
  readonly timestamps: boolean;
  readonly algorithm: F.CongestionAlgorithm;
  /** Sequence number of the first byte. */
  readonly iss: number;
  readonly cwnd: number;
  /** log2 of the transmit buffer's bytes. */
  readonly txShift: number;
  /** No header prediction. */
  readonly stages: boolean;
}

/** The congestion policy of another build, whose own tests hold it to its RFCs. */
class TestedPolicy implements Policy {
  readonly flow: CongestionFlow;

  #algorithm: number;

  constructor(mss: number, cwnd: number, algorithm: number) {
    this.#algorithm = algorithm;
    this.flow = new CongestionFlow({ algorithm, mss, cwnd, initialWindow: cwnd });
  }

  get cwnd(): number {
    return this.flow.cwnd;
  }

  set cwnd(bytes: number) {
    this.flow.cwnd = bytes;
  }

  get ssthresh(): number {
    return this.flow.ssthresh;
  }

  set ssthresh(bytes: number) {
    this.flow.setRecovery(F.RECOVERY_SSTHRESH, bytes);
  }

  get mss(): number {
    return this.flow.mss;
  }

  set mss(bytes: number) {
    this.flow.mss = bytes;
  }

  get isWindowless(): boolean {
    return (this.flow.recovery(C.CONGESTION_FLAGS) & C.CONGESTION_WINDOWLESS) !== 0;
  }

  get wantsSamples(): boolean {
    return (this.flow.recovery(C.CONGESTION_FLAGS) & C.CONGESTION_HYSTART) !== 0;
  }

  sample(rtt: number): void {
    this.flow.rtt(rtt);
  }

  smooth(srtt: number): void {
    this.flow.srtt = BigInt(srtt);
  }

  choose(hasWindow: boolean, now: number): void {
    this.flow.now = BigInt(now);
    this.#algorithm = hasWindow ? F.CongestionAlgorithm.NewReno : F.CongestionAlgorithm.None;
    this.flow.initialize(this.#algorithm);
  }

  ack(acked: number, before: number, marked: boolean, now: number, told: number): void {
    this.flow.now = BigInt(now);
    this.flow.ack(acked, before, marked, told);
  }

  mark(flight: number, now: number): boolean {
    this.flow.now = BigInt(now);
    return this.flow.ecn(flight);
  }

  holds(): boolean {
    return !this.isWindowless && this.cwnd <= this.flow.mss;
  }

  loss(flight: number, now: number): void {
    this.flow.now = BigInt(now);
    this.flow.loss(flight);
  }

  exit(flight: number, now: number): void {
    this.flow.now = BigInt(now);
    this.flow.exit(flight);
  }

  undo(window: number, threshold: number): void {
    const { isWindowless } = this;
    this.cwnd = isWindowless ? WINDOWLESS : Math.max(window, this.flow.mss);
    this.ssthresh = isWindowless ? WINDOWLESS : threshold;
    if (isWindowless) return;
    const flags = this.flow.recovery(C.CONGESTION_FLAGS);
    this.flow.setRecovery(C.CONGESTION_FLAGS, flags & ~REDUCTION);
    this.flow.setRecovery(C.CONGESTION_WINDOW_LEFT, 0);
    this.flow.setRecovery(C.CONGESTION_WINDOW_PEAK, 0);
    if (this.#algorithm !== F.CongestionAlgorithm.Cubic) return;
    this.flow.setRecovery(C.CUBIC_EPOCH, 0);
    this.flow.setRecovery(C.CUBIC_EPOCH + 4, 0);
  }

  timeout(flight: number, first: boolean, now: number): void {
    this.flow.now = BigInt(now);
    this.flow.timeout(flight, first);
  }

  idle(now: number): void {
    this.flow.now = BigInt(now);
    this.flow.idle();
  }
}

/** One number that both have. */
type Row = readonly [name: string, model: number | boolean, core: number | boolean];

export class SenderSubject {
  readonly raw: RawCore;
  readonly model: SenderModel;
  readonly choice: SubjectChoice;
  readonly #flow: FlowFields;
  readonly #policy: TestedPolicy;
  readonly #name: string;
  /** Steps so far, and what the last one was. */
  #steps = 0;
  #finsAcked = 0;
  /** The last step of the timer wheel that was handled. */
  #handled = 0;
  readonly #history: string[] = [];
  /** Arrived, without the timestamps that it should have, sent, and told of to the application. */
  readonly #passed = { segments: 0, unstamped: 0, out: 0, data: 0, bytes: 0, freed: 0 };

  constructor(name: string, choice: SubjectChoice) {
    this.#name = name;
    this.choice = choice;
    const { settings, stages } = choice;
    this.raw = new RawCore(testCore(LAYOUT));
    const { core } = this.raw;
    core.view.setUint32(core.address + M.CORE_STAGES_ONLY, stages ? 1 : 0, true);
    this.raw.step();
    this.#flow = this.raw.establish(fieldsOf(choice));
    this.#policy = new TestedPolicy(settings.mss, choice.cwnd, choice.algorithm);
    const word = (offset: number): number => core.view.getUint32(core.address + offset, true);
    const challenges = word(M.CORE_CHALLENGE_ACKS);
    const challengeShift = word(M.CORE_CHALLENGE_SHIFT);
    this.model = new SenderModel(
      { ...settings, timestamps: choice.timestamps, challenges, challengeShift },
      this.#policy,
      this.raw.now,
    );
    this.#compare("establish");
  }

  get now(): number {
    return this.model.now;
  }

  set now(time: number) {
    this.model.now = time;
    this.raw.now = time;
  }

  #seq(position: number): number {
    return (this.choice.iss + position) >>> 0;
  }

  get #wheel(): { readonly fired: number; readonly isFresh: boolean } {
    const isFresh = Math.floor(this.model.now / STEP) > this.#handled;
    return { fired: this.raw.counter(Counter.TimersFired), isFresh };
  }

  get #predicted(): number {
    return this.raw.counter(Counter.PredictedIn);
  }

  #row(): FlowRow {
    return new FlowRow(this.raw.core, this.#flow.connection);
  }

  /** Time alone: timers that are due. */
  wait(): void {
    this.#cross("wait", [], () => undefined);
  }

  write(bytes: number, fin: boolean): void {
    const { model, raw } = this;
    const { connection } = this.#flow;
    for (let at = model.written; at < model.written + bytes; at += 1) {
      raw.payloadAt(connection, true, at);
    }
    raw.post(1, { txAppend: bytes, flags: fin ? D.ATX_FIN : 0 });
    this.#cross(`write ${bytes}${fin ? " FIN" : ""}`, [], () => model.write(bytes, fin));
  }

  /** A descriptor says that more was written than there is room for: it is refused. */
  lie(): void {
    const { model, raw, choice } = this;
    raw.post(1, { txAppend: choice.settings.room - (model.written - model.una) + 1 });
    this.#cross("lie", [], () => this.model.drops.push("append"));
  }

  acknowledge(segment: Ack): void {
    const { sack, echo, whole } = segment;
    const options = echo === undefined ? [] : timestampOption(0, echo);
    if (sack !== undefined) {
      options.push(
        ...sackOption(sack.map(([from, to]) => [this.#seq(from), this.#seq(to)] as const)),
      );
    }
    const frame = buildFrame({
      seq: this.#flow.rxSeq - (whole ? 0 : 1),
      ack: this.#seq(segment.ack),
      flags: segment.marked === true ? ACK | ECE : ACK,
      window: segment.window,
      options,
    });
    const predicted = this.#predicted;
    this.#passed.segments += 1;
    if (this.choice.timestamps && echo === undefined) this.#passed.unstamped += 1;
    this.#cross(`ack ${JSON.stringify(segment)}`, [frame], () => {
      this.model.receive(segment, this.#predicted > predicted);
    });
  }

  /** What the control plane asks for. */
  command(opcode: D.AtxOpcode, low: number, act: () => void, high = 0): void {
    this.raw.post(0, { opcode, low, high });
    this.#cross(`opcode ${opcode} ${low} ${high}`, [], act);
  }

  #cross(what: string, frames: readonly Uint8Array[], act: () => unknown): void {
    const { model } = this;
    this.#steps += 1;
    this.#history.push(`${what} at ${model.now}`);
    if (this.#history.length > 8) this.#history.shift();
    const { fired, isFresh } = this.#wheel;
    const outcome = this.raw.offer(frames);
    model.out.length = 0;
    model.expired.length = 0;
    model.drops.length = 0;
    act();
    // A step of the wheel is handled once: what is armed for the past in it may have to wait.
    if (isFresh || this.#wheel.fired > fired) model.expire();
    this.#handled = Math.floor(model.now / STEP);
    model.transmit();
    this.#compareFrames(what, outcome);
    this.#compareDrops(what, outcome);
    for (const { txBump } of this.raw.notifications(1)) this.#passed.freed += txBump;
    this.#compare(what);
  }

  #fail(what: string, name: string, expected: unknown, got: unknown): never {
    const before = this.#history.join("; ");
    throw new Error(
      `${this.#name}, step ${this.#steps} (${what}): ${name}: expected ${expected}, got ${got};` +
        ` after ${before}`,
    );
  }

  #noteSent(): void {
    const passed = this.#passed;
    for (const { length } of this.model.out) {
      passed.out += 1;
      passed.bytes += length;
      if (length > 0) passed.data += 1;
    }
  }

  #compareFrames(what: string, outcome: Outcome): void {
    this.#noteSent();
    const told = this.model.out.map(({ seq, length, fin, push, reduced, capable }) => {
      const bits = (fin ? FIN : 0) | (push ? PSH : 0) | (reduced ? CWR : 0);
      return `${this.#seq(seq)}+${length} ${ACK | bits} ${capable ? 2 : 0}`;
    });
    const sent = outcome.frames.map((frame) => {
      const { seq, payloadLength, flags, ack } = judgeSegment(frame);
      if (ack !== this.#flow.rxSeq) this.#fail(what, "ack", this.#flow.rxSeq, ack);
      return `${seq}+${payloadLength} ${flags} ${(frame[TOS_AT] as number) & 3}`;
    });
    if (`${told}` !== `${sent}`) this.#fail(what, "frames", told, sent);
    const expiries = this.model.expired.map(({ sent: s, avail, persist }) => {
      return `${s} ${avail} ${persist ? 1 : 0}`;
    });
    const finAcked = outcome.events.filter(({ kind }) => kind === D.EventKind.FinAcked).length;
    this.#finsAcked += finAcked;
    const events = outcome.events
      .filter(({ kind }) => kind === D.EventKind.Timer)
      .map(({ b, c, d }) => `${b} ${c} ${d}`);
    if (`${expiries}` !== `${events}`) this.#fail(what, "expiries", expiries, events);
  }

  #compareDrops(what: string, { drops }: Outcome): void {
    const told = [...drops].flatMap(([reason, count]) => new Array<number>(count).fill(reason));
    const expected = this.model.drops.map((reason) => REASONS[reason]).sort((a, b) => a - b);
    if (`${expected}` !== `${told}`) this.#fail(what, "drops", expected, told);
  }

  #compare(what: string): void {
    const row = this.#row();
    const rows = [
      ...this.#streamRows(row),
      ...this.#recoveryRows(row),
      ...this.#timeRows(row),
      ...this.#bookRows(row),
      ...this.#countRows(row),
    ];
    for (const [name, expected, got] of rows) {
      if (expected !== got) this.#fail(what, name, expected, got);
    }
  }

  #streamRows(row: FlowRow): Row[] {
    const { model } = this;
    return [
      ["una", this.#seq(model.una), row.p(F.PROTOCOL_TX_UNA)],
      ["sent", model.sent, row.p(F.PROTOCOL_TX_SENT)],
      ["avail", model.avail, row.p(F.PROTOCOL_TX_AVAIL)],
      ["max", model.max - model.una, row.p(F.PROTOCOL_TX_MAX)],
      ["edge", this.#seq(model.edge), row.p(F.PROTOCOL_WINDOW_EDGE)],
      ["windowMax", model.windowMax, row.p(F.PROTOCOL_WINDOW_MAX)],
      ["cwnd", model.policy.cwnd, row.p(F.PROTOCOL_CWND)],
      ["ssthresh", model.policy.ssthresh, row.r(F.RECOVERY_SSTHRESH)],
      ["finPending", model.finPending, row.has(F.FLOW_FIN_PENDING)],
      ["finSent", model.finSent, row.has(F.FLOW_FIN_SENT)],
      ["finAcked", model.finAcked, row.has(F.FLOW_FIN_ACKED)],
      ["FIN's events", model.finAcked ? 1 : 0, this.#finsAcked],
      ["CWR", model.reduced, (row.p8(F.PROTOCOL_ECHO) & F.ECHO_CWR) !== 0],
      ["held", model.held, (row.p8(F.PROTOCOL_ECHO) & F.ECHO_HOLD) !== 0],
      ["persist", model.persist, row.has(F.FLOW_PERSIST)],
    ];
  }

  #recoveryRows(row: FlowRow): Row[] {
    const { model } = this;
    const echo = row.p8(F.PROTOCOL_ECHO);
    const rack = row.r8(F.RECOVERY_RACK);
    const rows: Row[] = [
      ["duplicates", model.duplicates, row.p8(F.PROTOCOL_DUP_ACKS)],
      ["recovering", model.recovering, row.has(F.FLOW_RECOVERY)],
      ["again", model.again, row.has(F.FLOW_RETRANSMIT)],
      ["timedOut", model.timedOut, (echo & F.ECHO_TIMED_OUT) !== 0],
      ["looks", model.looks, (echo & F.ECHO_LOSS) !== 0],
      ["mode", MODES.indexOf(model.mode), row.r8(F.RECOVERY_MODE)],
      ["recover", this.#seq(model.recover), row.r(F.RECOVERY_RECOVER)],
      ["window", model.window, row.r(F.RECOVERY_WINDOW)],
      ["prior cwnd", model.prior.cwnd, row.r(F.RECOVERY_PRIOR_CWND)],
      ["prior ssthresh", model.prior.ssthresh, row.r(F.RECOVERY_PRIOR_SSTHRESH)],
      ["prior tick", model.prior.tick, row.r(F.RECOVERY_RETRANSMIT_TICK)],
      ["reordered", model.reordered, (rack & F.RACK_REORDERED) !== 0],
      ["round", model.round !== undefined, (rack & F.RACK_DSACK_ROUND) !== 0],
      ["reorderMore", model.reorderMore, row.r8(F.RECOVERY_REORDER_MORE)],
      ["reorderPersist", model.reorderPersist, row.r8(F.RECOVERY_REORDER_PERSIST)],
      ["probe", PROBES.indexOf(model.probe), row.r8(F.RECOVERY_PROBE)],
      ["doubt", DOUBTS.indexOf(model.doubt), row.r8(F.RECOVERY_DOUBT)],
      ["delivered", model.delivered, row.r(F.RECOVERY_PRR_DELIVERED)],
      ["allowed", model.allowed >>> 0, row.r(F.RECOVERY_PRR_ALLOWED)],
      ["flight", model.flight, row.r(F.RECOVERY_PRR_FLIGHT)],
    ];
    if (model.round !== undefined) {
      rows.push(["round's end", this.#seq(model.round), row.r(F.RECOVERY_DSACK_ROUND)]);
    }
    if (model.probe === "fresh" || model.probe === "again") {
      rows.push(["probe's end", this.#seq(model.probeEnd), row.r(F.RECOVERY_PROBE_END)]);
    }
    const words = (C.CONGESTION_END - C.CONGESTION_FLAGS) / 4;
    for (let word = 0; word < words; word += 1) {
      const at = C.CONGESTION_FLAGS + 4 * word;
      rows.push([`policy ${4 * word}`, this.#policy.flow.recovery(at), row.r(at)]);
    }
    return rows;
  }

  #timeRows(row: FlowRow): Row[] {
    const { rtt, lastSend, rtoDeadline, timer, deadline } = this.model;
    const rows: Row[] = [
      ["srtt", rtt.srtt, row.r64(F.RECOVERY_SRTT)],
      ["rttvar", rtt.variation, row.r64(F.RECOVERY_RTTVAR)],
      ["rto", rtt.rto, row.r64(F.RECOVERY_RTO)],
      ["least RTT", rtt.least, row.r64(F.RECOVERY_RTT_MIN)],
      ["next least RTT", rtt.next, row.r(F.RECOVERY_RTT_NEXT)],
      ["since", rtt.since, row.r(F.RECOVERY_RTT_SINCE)],
      ["backoff", rtt.backoff, row.r8(F.RECOVERY_BACKOFF)],
      ["probed", rtt.probed, row.r8(F.RECOVERY_PROBED) !== 0],
      ["timed", rtt.timed !== undefined, row.r8(F.RECOVERY_RTT_TIMING) !== 0],
      ["last send", lastSend, row.r64(F.RECOVERY_LAST_SEND)],
      ["RTO's deadline", rtoDeadline, row.r64(F.RECOVERY_RTO_DEADLINE)],
      ["timer", TIMERS.indexOf(timer), row.r8(F.RECOVERY_TIMER)],
      ["deadline", deadline, row.due(TimerKind.Retransmit)],
    ];
    if (rtt.timed !== undefined) {
      rows.push(["timed end", this.#seq(rtt.timed.end), row.r(F.RECOVERY_RTT_SEQ)]);
      rows.push(["timed since", rtt.timed.since, row.r64(F.RECOVERY_RTT_START)]);
    }
    return rows;
  }

  #bookRows(row: FlowRow): Row[] {
    const { book } = this.model;
    const rows: Row[] = [["a book", book !== undefined, row.hasLog]];
    if (book === undefined || !row.hasLog) return rows;
    rows.push(
      ["sacked", book.count("sacked"), row.log(S.LOG_SACKED)],
      ["lost", book.count("lost"), row.log(S.LOG_LOST)],
      ["sent again", book.count("again"), row.log(S.LOG_AGAIN)],
      ["twice", book.count("twice"), row.log(S.LOG_TWICE)],
    );
    rows.push(
      ["RACK.fack", this.#seq(book.fack), row.log(S.LOG_FACK)],
      ["RACK.end_seq", this.#seq(book.rackEnd), row.log(S.LOG_RACK_END)],
      ["RACK.xmit_ts", book.rackTime, row.log64(S.LOG_RACK_TIME)],
      ["RACK.rtt", book.rackRtt, row.log64(S.LOG_RACK_RTT)],
      ["reordering timer", book.reorder, row.log64(S.LOG_REORDER)],
    );
    const told = row.runs.map(({ start, end, flags, time }) => `${start}-${end} ${flags} ${time}`);
    const runs = book.spans.map((span) => this.#run(span));
    if (`${runs}` !== `${told}`) this.#fail("runs", "runs", runs, told);
    return rows;
  }

  #countRows(row: FlowRow): Row[] {
    const { counts, challenged } = this.model;
    const passed = this.#passed;
    const core = (counter: Counter): number => this.raw.counter(counter);
    return [
      ["sent again", counts.again, row.post(F.POST_RETRANSMITS)],
      ["sent again, all", counts.again, core(Counter.Retransmissions)],
      ["duplicate ACKs", counts.duplicates, row.post(F.POST_DUP_ACKS)],
      ["recoveries", counts.recoveries, row.post(F.POST_FAST_RETRANSMITS)],
      ["timeouts", counts.timeouts, row.post(F.POST_TIMEOUTS)],
      ["timeouts, all", counts.timeouts, core(Counter.Timeouts)],
      ["acknowledged", counts.acked, row.post(F.POST_BYTES_ACKED)],
      ["acknowledged, told", counts.acked, passed.freed],
      ["marked", counts.marked, row.post(F.POST_ECN_BYTES)],
      ["echoes", counts.echoes, core(Counter.EcnEchoesIn)],
      ["probes", counts.probes, core(Counter.Probes)],
      ["tail probes", counts.tailProbes, core(Counter.TailLossProbes)],
      ["spurious", counts.spurious, core(Counter.SpuriousRecoveries)],
      ["challenges", counts.challenges, core(Counter.ChallengeAcks)],
      ["challenged", challenged.sent * 16 + challenged.interval, row.r8(F.RECOVERY_CHALLENGES)],
      ["segments in", passed.segments, row.post(F.POST_SEGMENTS_IN)],
      ["unstamped", passed.unstamped, core(Counter.TimestampMissing)],
      ["segments out", passed.out, row.post(F.POST_SEGMENTS_OUT)],
      ["data segments out", passed.data, core(Counter.DataSegmentsOut)],
      ["bytes out", passed.bytes, core(Counter.PayloadBytesOut)],
    ];
  }

  #run({ start, end, sent }: Span): string {
    const { sacked, lost, again, twice, time } = sent;
    const flags =
      (sacked ? S.RUN_SACKED : 0) |
      (lost ? S.RUN_LOST : 0) |
      (again ? S.RUN_AGAIN : 0) |
      (twice ? S.RUN_TWICE : 0);
    return `${this.#seq(start)}-${this.#seq(end)} ${flags} ${time}`;
  }
}

function fieldsOf({ settings, timestamps, algorithm, iss, cwnd, txShift }: SubjectChoice) {
  const flag = (isSet: boolean, bits: number): number => (isSet ? bits : 0);
  return {
    algorithm: algorithm | flag(settings.allCapable, F.ALGORITHM_ECT),
    cwnd,
    txShift,
    txSeq: iss,
    mss: settings.mss,
    peerWindow: settings.peerWindow,
    peerScale: settings.scale,
    rtoMin: settings.rtoMin,
    rtoMax: settings.rtoMax,
    rtoInitial: settings.rtoInitial,
    ssthresh: WINDOWLESS,
    flags:
      flag(settings.sack, F.FLOW_SACK) |
      flag(settings.ecn, F.FLOW_ECN) |
      flag(timestamps, F.FLOW_TIMESTAMPS) |
      flag(settings.nodelay, F.FLOW_NODELAY) |
      flag(settings.cork, F.FLOW_CORK) |
      flag(settings.goBackN, F.FLOW_GO_BACK_N),
    rack:
      flag(settings.rack, F.RACK_ENABLED) |
      flag(settings.minOnTop, F.RTO_MIN_ON_TOP) |
      flag(settings.lossAtFirst, F.LOSS_AT_FIRST) |
      flag(settings.duplicateBySack, F.DUP_BY_SACK),
  };
}
