/**
 * Goal: the receiving side does what its RFCs say, in every number that it keeps and every ACK that
 * it sends. Method: a random walk of one connection and of the model of test/model side by side:
 * segments in and out of order, overlapping, beyond the window, repeated with other bytes, marked,
 * with old timestamps, FINs in several places, resets and SYNs; reads, and time up to a timer, or
 * just before. Numbers are drawn from where decisions tip, and beside them.
 */
import { expect, test } from "vitest";
import { CONGESTION_EXACT, CONGESTION_FLAGS } from "../../../bindings/abi/congestion.ts";
import { Counter } from "../../../bindings/abi/counters.ts";
import * as D from "../../../bindings/abi/descriptor.ts";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import { OOO_INTERVALS_OWN } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { LOG_SIZE } from "../../../bindings/abi/send-log.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import { type Arriving, type Reason, ReceiverModel } from "../../model/receiver-model.ts";
import type { Answer, ReceiverSettings } from "../../model/receiver-model.ts";
import { FlowRow } from "../../simulate/checkers/flow-row.ts";
import { seedOf } from "../../support/env.ts";
import * as T from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { type FlowFields, type Outcome, RawCore } from "../../support/raw-core.ts";

const SEED = seedOf(43);
const WALKS = 12;
const STEPS = 200;
/** Of the timer wheel, ns. */
const STEP = 1024;
const MS = 1e6;
const MSS = 100;
const LAYOUT = { connections: 4, contexts: 2, chunkBytes: 1024, payloadBytes: 256 * 1024 };

const SETTINGS: ReceiverSettings = {
  room: 1024,
  mss: MSS,
  scale: 0,
  sack: true,
  timestamps: false,
  quickAck: false,
  ecn: false,
  exactMarks: false,
  threshold: 2,
  intervals: 4,
  delay: 40 * MS,
  challenges: 0,
  challengeShift: 0,
};

interface Row extends Partial<ReceiverSettings> {
  readonly name: string;
  /** No log is to spare, which more intervals than a row's own would need. */
  readonly noLogs?: boolean;
}

const ROWS: readonly Row[] = [
  { name: "SACK" },
  { name: "SACK, timestamps", timestamps: true },
  { name: "no SACK, each segment", sack: false, threshold: 1 },
  { name: "one interval", intervals: 1 },
  { name: "many intervals, quick at first", intervals: 9, threshold: 4 + 3 * 16, room: 2048 },
  { name: "no log to spare", intervals: 9, room: 2048, noLogs: true },
  { name: "quick ACKs", quickAck: true, threshold: 4 },
  { name: "scaled windows", scale: 3, room: 2048 },
  { name: "more room than a field says", room: 2 ** 17, intervals: 1 },
  { name: "ECN", ecn: true },
  { name: "each mark by itself", ecn: true, exactMarks: true, threshold: 3 },
  { name: "timestamps, each mark", ecn: true, exactMarks: true, timestamps: true },
];

const REASONS: Readonly<Record<Reason, DropReason>> = {
  paws: DropReason.Paws,
  window: DropReason.OutOfWindow,
  duplicate: DropReason.Duplicate,
  "no ack": DropReason.NoAck,
  reset: DropReason.ResetOutOfWindow,
  "reset challenge": DropReason.ResetChallenge,
  syn: DropReason.SynChallenge,
  limit: DropReason.IntervalLimit,
  rated: DropReason.RateLimited,
  intervals: DropReason.IntervalLimit,
  "after fin": DropReason.AfterFin,
  late: DropReason.LateData,
  credit: DropReason.DescriptorCredit,
};
const EVENTS = new Map<D.EventKind, string>([
  [D.EventKind.Reset, "reset"],
  [D.EventKind.FinReceived, "fin"],
  [D.EventKind.LateData, "late"],
]);

interface ReceiverChoice extends ReceiverSettings {
  readonly noLogs?: boolean;
}

class Subject {
  readonly raw = new RawCore(testCore(LAYOUT));
  readonly model: ReceiverModel;
  readonly irs: number;
  readonly #flow: FlowFields;
  readonly #name: string;
  readonly #history: string[] = [];
  /** The last step of the timer wheel that was handled. */
  #handled = 0;
  /** Segments in and out, of those in the ones with data, and bytes told of. */
  readonly #passed = { in: 0, data: 0, out: 0, told: 0 };

  constructor(name: string, choice: ReceiverChoice, irs: number, stages: boolean) {
    this.#name = name;
    this.irs = irs;
    const { raw } = this;
    const { core } = raw;
    core.view.setUint32(core.address + M.CORE_STAGES_ONLY, stages ? 1 : 0, true);
    raw.step();
    this.#spoilLogs(choice.noLogs === true);
    const flag = (isSet: boolean, bits: number): number => (isSet ? bits : 0);
    const exact = flag(choice.exactMarks, F.ALGORITHM_EXACT);
    this.#flow = raw.establish({
      rxSeq: irs,
      rxShift: Math.log2(choice.room),
      mss: choice.mss,
      localScale: choice.scale,
      ackThreshold: choice.threshold,
      intervals: choice.intervals,
      delayedAck: choice.delay,
      algorithm: F.CongestionAlgorithm.NewReno | exact,
      tsRecent: 7000,
      flags:
        flag(choice.sack, F.FLOW_SACK) |
        flag(choice.timestamps, F.FLOW_TIMESTAMPS) |
        flag(choice.quickAck, F.FLOW_QUICK_ACK) |
        flag(choice.ecn, F.FLOW_ECN),
    });
    const word = (offset: number): number => core.view.getUint32(core.address + offset, true);
    const challenges = word(M.CORE_CHALLENGE_ACKS);
    const challengeShift = word(M.CORE_CHALLENGE_SHIFT);
    const intervals = choice.noLogs === true ? OOO_INTERVALS_OWN : choice.intervals;
    const settings = { ...choice, intervals, challenges, challengeShift };
    this.model = new ReceiverModel(settings, raw.now, 7000);
    expect((this.row.r(CONGESTION_FLAGS) & CONGESTION_EXACT) !== 0).toBe(choice.exactMarks);
    this.#compare();
  }

  /** What logs hold before they are taken means nothing; `none`: all are taken. */
  #spoilLogs(none: boolean): void {
    const { core } = this.raw;
    const { view, address } = core;
    const base = view.getUint32(address + M.CORE_LOG_BASE, true);
    const count = view.getUint32(address + M.CORE_LOGS, true);
    core.bytes.set(new Random(this.irs).bytes(count * LOG_SIZE), base);
    if (none) view.setUint32(address + M.CORE_LOG_FREE_COUNT, 0, true);
  }

  get row(): FlowRow {
    return new FlowRow(this.raw.core, this.#flow.connection);
  }

  set now(time: number) {
    this.raw.now = time;
    this.model.now = time;
  }

  #seq(position: number): number {
    return (this.irs + position) >>> 0;
  }

  /** Timers alone. */
  wait(): void {
    this.#cross("wait", [], () => undefined);
  }

  credit(bytes: number): void {
    this.raw.post(1, { rxCredit: bytes });
    this.#cross(`credit ${bytes}`, [], () => this.model.credit(bytes));
  }

  shut(): void {
    this.raw.post(1, { flags: D.ATX_RX_SHUT });
    this.#cross("shut", [], () => {
      this.model.shut = true;
    });
  }

  receive(segment: Arriving): void {
    const { seq, payload, ack, syn, fin, rst, marked, reduced, stamp } = segment;
    const bit = (isSet: boolean, flag: number): number => (isSet ? flag : 0);
    const frame = T.buildFrame({
      seq: this.#seq(seq),
      ack: this.#flow.txSeq,
      payload,
      flags:
        bit(ack, T.ACK) | bit(syn, T.SYN) | bit(fin, T.FIN) | bit(rst, T.RST) | bit(reduced, T.CWR),
      tos: marked ? 3 : 0,
      options: stamp === undefined ? [] : T.timestampOption(stamp, 0),
    });
    const what = JSON.stringify({ ...segment, payload: payload.length });
    this.#passed.in += 1;
    if (payload.length > 0) this.#passed.data += 1;
    this.#cross(what, [frame], () => this.model.receive(segment));
  }

  #cross(what: string, frames: readonly Uint8Array[], act: () => void): void {
    const { model } = this;
    this.#history.push(`${what} at ${model.now}`);
    if (this.#history.length > 8) this.#history.shift();
    const fired = this.raw.counter(Counter.TimersFired);
    const outcome = this.raw.offer(frames);
    for (const { rxBump } of this.raw.notifications(1)) this.#passed.told += rxBump;
    for (const list of [model.out, model.events, model.drops]) list.length = 0;
    act();
    // A step of the wheel is handled once: what is armed for the past in it may have to wait.
    const step = Math.floor(model.now / STEP);
    const hasFired = this.raw.counter(Counter.TimersFired) > fired;
    if (step > this.#handled || hasFired) model.expire();
    this.#handled = step;
    this.#compareOutcome(outcome);
    this.#compare();
  }

  #same(what: string, expected: unknown, got: unknown): void {
    const [one, other] = [JSON.stringify(expected), JSON.stringify(got)];
    if (one === other) return;
    const before = this.#history.join("; ");
    throw new Error(`${this.#name}: ${what}: expected ${one}, got ${other}; after ${before}`);
  }

  #answerIn(frame: Uint8Array): Answer {
    const { ack, window, flags, sack, timestamp } = judgeSegment(frame);
    const echo = (flags & T.ECE) !== 0;
    const stamp = timestamp?.echo ?? this.model.recent;
    return { ack, window, echo, sack, stamp };
  }

  #compareOutcome({ frames, events, drops }: Outcome): void {
    const { model } = this;
    this.#passed.out += model.out.length;
    const told = model.out.map(({ ack, window, echo, sack, stamp }) => {
      const blocks = sack.map((block) => block.map((edge) => this.#seq(edge)));
      const answer = { ack: this.#seq(ack), window, echo, sack: blocks };
      return { ...answer, stamp: model.settings.timestamps ? stamp : model.recent };
    });
    this.#same(
      "ACKs",
      told,
      frames.map((frame) => this.#answerIn(frame)),
    );
    this.#same(
      "events",
      model.events,
      events.flatMap(({ kind }) => EVENTS.get(kind) ?? []),
    );
    const counts = new Map<DropReason, number>();
    for (const reason of model.drops) {
      counts.set(REASONS[reason], (counts.get(REASONS[reason]) ?? 0) + 1);
    }
    const sorted = (map: ReadonlyMap<DropReason, number>) => [...map].sort(([a], [b]) => a - b);
    this.#same("drops", sorted(counts), sorted(drops));
  }

  #compare(): void {
    const { model, row } = this;
    const echo = row.p8(F.PROTOCOL_ECHO);
    const rows = [
      ["next", this.#seq(model.next), row.p(F.PROTOCOL_RX_NEXT_SEQ)],
      ["avail", model.avail, row.p(F.PROTOCOL_RX_AVAIL)],
      ["edge", this.#seq(model.edge), row.p(F.PROTOCOL_RX_EDGE)],
      ["last ACK", this.#seq(model.acknowledged), row.p(F.PROTOCOL_LAST_ACK_SENT)],
      ["TS.Recent", model.recent, row.p(F.PROTOCOL_TS_RECENT)],
      ["unacknowledged", model.unacked, row.p8(F.PROTOCOL_UNACKED)],
      ["threshold", model.threshold, row.p8(F.PROTOCOL_ACK_THRESHOLD)],
      ["delayed ACK", model.due, row.due(TimerKind.DelayedAck)],
      ["FIN received", model.finished, row.has(F.FLOW_FIN_RECEIVED)],
      ["out of order", !model.held.isEmpty, row.has(F.FLOW_OUT_OF_ORDER)],
      ["FIN held", model.finAt !== undefined, (echo & F.ECHO_FIN_HELD) !== 0],
      ["echo", model.echo, (echo & F.ECHO_ECE) !== 0],
      ["marks", model.marks, (echo & F.ECHO_CE_STATE) !== 0],
      ["intervals", this.#intervals(), row.intervals],
    ] as const;
    for (const [what, expected, got] of [...rows, ...this.#countRows()]) {
      this.#same(what, expected, got);
    }
    if (model.finAt !== undefined) {
      this.#same("FIN", this.#seq(model.finAt), row.r(F.RECOVERY_FIN_SEQ));
    }
  }

  #countRows(): (readonly [string, number, number])[] {
    const { row } = this;
    const { counts, challenged } = this.model;
    const passed = this.#passed;
    const core = (counter: Counter): number => this.raw.counter(counter);
    return [
      ["placed ahead", counts.ahead, row.post(F.POST_OUT_OF_ORDER)],
      ["placed ahead, all", counts.ahead, core(Counter.OutOfOrderPlaced)],
      ["bytes", counts.bytes, row.post(F.POST_BYTES_IN)],
      ["bytes told", counts.bytes, passed.told],
      ["delayed ACKs", counts.delayed, core(Counter.DelayedAcks)],
      ["window updates", counts.updates, core(Counter.WindowUpdates)],
      ["challenges", counts.challenges, core(Counter.ChallengeAcks)],
      ["challenged", challenged.sent * 16 + challenged.interval, row.r8(F.RECOVERY_CHALLENGES)],
      ["segments in", passed.in, row.post(F.POST_SEGMENTS_IN)],
      ["data segments in", passed.data, core(Counter.DataSegmentsIn)],
      ["segments out", passed.out, row.post(F.POST_SEGMENTS_OUT)],
    ];
  }

  #intervals(): number[][] {
    return this.model.held.newestFirst.map((one) => one.map((edge) => this.#seq(edge)));
  }

  /** What is not read yet, and what is held, are the bytes that came first. */
  checkBytes(): void {
    const { model } = this;
    const end = model.next - (model.finished ? 1 : 0);
    const check = (from: number, to: number): void => {
      const got = this.raw.received(this.#flow, this.#seq(from), to - from);
      this.#same(`bytes ${from}-${to}`, model.bytes.slice(from, to), [...got]);
    };
    check(end - model.unread, end);
    for (const [from, to] of model.held.newestFirst) check(from, to);
  }
}

class Walk {
  readonly #random: Random;
  /** Small segments all over the window, so that intervals become many. */
  readonly #scatters: boolean;
  readonly subject: Subject;

  constructor(name: string, seed: number, settings: ReceiverChoice) {
    this.#random = new Random(seed);
    this.#scatters = settings.intervals > OOO_INTERVALS_OWN;
    const random = this.#random;
    const near = random.pick([random.below(4000), MSS * random.between(1, 20)]);
    const irs = random.pick([5000, 2 ** 32 - near, 2 ** 31 - near]);
    this.subject = new Subject(`seed ${seed}, ${name}`, settings, irs, random.oneIn(2));
  }

  step(): void {
    const random = this.#random;
    this.#advance();
    const kind = random.below(100);
    // A descriptor and a timer in one step: which is first is nobody's promise.
    if (kind >= 80) this.subject.wait();
    if (kind < 80) this.subject.receive(this.#segment());
    else if (kind < 97) this.#read();
    else if (random.oneIn(12)) this.subject.shut();
  }

  #advance(): void {
    const { model } = this.subject;
    const random = this.#random;
    const due = Math.ceil(model.due / 1024) * 1024;
    const kind = random.below(10);
    if (kind < 6) this.subject.now = model.now + random.pick([0, 0, 1, 2]) * 5 * MS;
    else if (model.due > 0 && due > model.now) this.subject.now = kind < 8 ? due - 1 : due;
  }

  #read(): void {
    const { unread, settings, avail } = this.subject.model;
    const random = this.#random;
    const lie = settings.room - avail + 1;
    if (random.oneIn(30)) {
      this.subject.credit(lie);
      return;
    }
    const bytes = random.pick([unread, unread, 1, MSS, MSS - 1, settings.room / 2]);
    this.subject.credit(Math.min(bytes, unread));
  }

  /** Where a segment begins or ends: where something does, or beside it. */
  #place(): number {
    const { next, avail, edge, held, acknowledged, finAt } = this.subject.model;
    const random = this.#random;
    const ends = [next, next, next, next + avail, edge, acknowledged, next + MSS, finAt ?? next];
    for (const [from, to] of held.newestFirst) ends.push(from, to);
    return random.pick(ends) + random.pick([0, 0, 0, 0, 1, -1, MSS, 2 * MSS, -MSS]);
  }

  #segment(): Arriving {
    const random = this.#random;
    const { model } = this.subject;
    const isPlain = random.oneIn(this.#scatters ? 8 : 2);
    const scatters = this.#scatters && random.oneIn(2);
    const anywhere = model.next + random.between(1, MSS) * 20;
    const seq = isPlain ? model.next : scatters ? anywhere : this.#place();
    const other = this.#place();
    const sizes = [MSS, MSS, MSS, 1, 3 * MSS, Math.max(0, Math.min(other - seq, 1200))];
    // Bytes beyond what was announced, for which there is room.
    const beyond = model.edge - model.next + random.pick([1, 10, MSS]);
    const fits = beyond > 0 && beyond <= Math.min(model.avail, 1400) && random.oneIn(4);
    const plain = fits ? beyond : MSS;
    const length = isPlain ? plain : scatters ? 10 : random.pick([...sizes, 0]);
    const { timestamps, ecn } = model.settings;
    // A segment without any of its bits is not TCP's.
    const ack = !random.oneIn(40);
    const stamp = (model.recent + random.pick([0, 0, 0, 1, 2, -1, -5, 2 ** 31])) >>> 0;
    return {
      seq,
      payload: random.bytes(length),
      ack,
      syn: random.oneIn(60),
      rst: random.oneIn(50) && seq !== model.next,
      fin: !ack || random.oneIn(60),
      marked: ecn && random.oneIn(3),
      reduced: random.oneIn(6),
      ...(timestamps && !random.oneIn(20) ? { stamp } : {}),
    };
  }
}

for (const { name, ...settings } of ROWS) {
  test(`a receiver does what the model does: ${name}, seed ${SEED}`, () => {
    for (let walk = 0; walk < WALKS; walk += 1) {
      const one = new Walk(name, SEED + walk, { ...SETTINGS, ...settings });
      for (let step = 0; step < STEPS; step += 1) {
        one.step();
        if (step % 16 === 0) one.subject.checkBytes();
      }
      one.subject.checkBytes();
    }
  });
}
