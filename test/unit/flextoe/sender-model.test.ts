/**
 * Goal: the sending side does what its RFCs say, in every number that it keeps. Method: a random
 * walk of one connection and of the model of test/model side by side: writes, FINs,
 * acknowledgments in and out of place with blocks of SACK, closed and shrunk windows, timers that
 * are due at the same time or just not, what the control plane asks for. Numbers are drawn from
 * where decisions tip: the ends of what was sent, told of and probed, and one beside them.
 */
import { test } from "vitest";
import { AtxOpcode } from "../../../bindings/abi/descriptor.ts";
import { CongestionAlgorithm } from "../../../bindings/abi/flow-state.ts";
import * as commands from "../../model/command-model.ts";
import type { SenderSettings } from "../../model/sender-settings.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { SenderSubject, type SubjectChoice } from "./sender-subject.ts";

const SEED = seedOf(41);
const WALKS = 12;
const STEPS = 220;
const MS = 1e6;
const MSS = 100;
/** log2 of the transmit buffer, and one of a long flight. */
const TX_SHIFT = 12;
const TX_SHIFT_LONG = 13;

const SETTINGS: SenderSettings = {
  mss: MSS,
  sack: true,
  nodelay: true,
  cork: false,
  ecn: false,
  allCapable: false,
  challenges: 0,
  challengeShift: 0,
  goBackN: false,
  rack: true,
  lossAtFirst: false,
  duplicateBySack: false,
  room: 2 ** TX_SHIFT,
  peerWindow: 60_000,
  scale: 0,
  initialWindow: 10 * MSS,
  rtoMin: 200 * MS,
  rtoMax: 3000 * MS,
  rtoInitial: 1000 * MS,
  minOnTop: false,
};

interface Choice {
  readonly name: string;
  readonly settings?: Partial<SenderSettings>;
  readonly timestamps?: boolean;
  readonly algorithm?: CongestionAlgorithm;
  /** Little is acknowledged, so that the book of the flight fills up. */
  readonly long?: boolean;
}

const COMMANDS = [
  AtxOpcode.KeepAlive,
  AtxOpcode.Retransmit,
  AtxOpcode.SetAlgorithm,
  AtxOpcode.SetMss,
  AtxOpcode.SetWindow,
  AtxOpcode.SetWindow,
];
const NONE = CongestionAlgorithm.None;
const ROWS: readonly Choice[] = [
  { name: "RACK" },
  { name: "RACK, timestamps", timestamps: true },
  { name: "RACK, no window", algorithm: NONE, timestamps: true },
  { name: "RACK, short RTO, Nagle", settings: { rtoMin: 10 * MS, nodelay: false } },
  { name: "RACK, as Linux", timestamps: true, settings: { minOnTop: true, duplicateBySack: true } },
  { name: "SACK", settings: { rack: false } },
  { name: "SACK, timestamps", settings: { rack: false }, timestamps: true },
  { name: "SACK, loss at first", settings: { rack: false, lossAtFirst: true } },
  { name: "SACK, no window", settings: { rack: false }, algorithm: NONE },
  { name: "NewReno", settings: { sack: false, rack: false } },
  { name: "NewReno, timestamps", settings: { sack: false }, timestamps: true },
  { name: "go-back-N", settings: { sack: false, rack: false, goBackN: true, nodelay: false } },
  { name: "RACK, ECN", settings: { ecn: true }, timestamps: true },
  { name: "SACK, ECN, all capable", settings: { rack: false, ecn: true, allCapable: true } },
  {
    name: "the RTO's limit",
    settings: { rtoMax: 2 ** 31 + 1, rtoInitial: 2 ** 29, rtoMin: 2 ** 29 },
  },
  { name: "RACK, long flights", algorithm: NONE, long: true, timestamps: true },
  { name: "SACK, long flights", algorithm: NONE, long: true, settings: { rack: false } },
  { name: "cork, scale", settings: { cork: true, scale: 3 } },
];

/** Where the window of the least round trip moves on (RFC 8985, 6.2, step 1): ns. */
const windowEnd = (since: number): number => (since + 2 ** 17) * 2 ** 20;

class Walk {
  readonly subject: SenderSubject;
  readonly #random: Random;
  readonly #choice: SubjectChoice;
  /** The control plane has an expiry to answer. */
  #owes: "none" | "timeout" | "persist" = "none";
  /** Of 100 steps those with an acknowledgment. */
  readonly #acknowledging: number;

  constructor(name: string, seed: number, choice: SubjectChoice, long: boolean) {
    this.#acknowledging = long ? 4 : 55;
    this.#random = new Random(seed);
    this.#choice = choice;
    this.subject = new SenderSubject(`seed ${seed}, ${name}`, choice);
  }

  get isOver(): boolean {
    return this.subject.model.finAcked;
  }

  step(): void {
    this.#advance();
    // A descriptor and a timer in one step: which is first is nobody's promise.
    const acknowledges = this.#random.below(100) < this.#acknowledging;
    if (!acknowledges || this.#random.oneIn(2)) this.#wait();
    if (this.#owes !== "none" && !this.#random.oneIn(6)) this.#answer();
    else if (acknowledges) this.#acknowledge();
    else if (this.#random.below(100) < 80) this.#write();
    else this.#command();
    this.#note();
  }

  #wait(): void {
    this.subject.wait();
    this.#note();
  }

  #note(): void {
    const last = this.subject.model.expired.at(-1);
    if (last !== undefined) this.#owes = last.persist ? "persist" : "timeout";
  }

  /** Round trips of 10 ms in steps of 5, or to where a timer is due, or just before. */
  #advance(): void {
    const { subject } = this;
    const random = this.#random;
    const { deadline, now, rtt } = subject.model;
    const due = Math.ceil(deadline / 1024) * 1024;
    const kind = random.below(100);
    if (kind < 35) return;
    if (kind < 75) subject.now = now + random.pick([1, 1, 2, 3]) * 5 * MS;
    else if (kind < 80) subject.now = now + random.between(1, 2 * MS);
    else if (kind < 84) subject.now = now + random.pick([300, 1500]) * MS;
    else if (random.oneIn(60)) subject.now = Math.max(now, windowEnd(rtt.since) - random.below(2));
    else if (deadline > 0 && due > now) subject.now = kind < 88 ? due - 1 : due;
  }

  #write(): void {
    const { model } = this.subject;
    const random = this.#random;
    if (random.oneIn(40)) this.subject.lie();
    if (model.finPending) return;
    const room = this.#choice.settings.room - (model.written - model.una);
    const sizes = [1, MSS - 1, MSS, MSS, MSS + 1, 3 * MSS, 5 * MSS + 7, 8 * MSS];
    const wanted = random.pick(this.#acknowledging < 10 ? sizes.slice(0, 4) : sizes);
    const fin = random.oneIn(40);
    const bytes = Math.min(wanted, room);
    if (bytes > 0 || fin) this.subject.write(bytes, fin);
  }

  /** Places of the stream where something begins or ends, and beside them. */
  #places(): number[] {
    const { una, nxt, max, book, recover, probeEnd, rtt } = this.subject.model;
    const ends = [una, nxt, max, recover, probeEnd, rtt.timed?.end ?? nxt, una + MSS];
    for (const { start, end } of book?.spans ?? []) ends.push(start, end);
    const place = this.#random.pick(ends);
    return [place, place, place, place + 1, place - 1, place + MSS, place - MSS];
  }

  #ackNumber(): number {
    const { una, max, windowMax } = this.subject.model;
    const random = this.#random;
    const kind = random.below(100);
    if (random.oneIn(80)) return una - windowMax - random.below(2);
    if (kind < 45) return una;
    if (kind < 50) return max;
    if (kind < 53) return random.pick([una - 1, max + 1]);
    const ack = random.pick(this.#places());
    return ack < una || ack > max ? una : ack;
  }

  #blocks(ack: number): [number, number][] {
    const random = this.#random;
    const most = this.#choice.timestamps ? 3 : 4;
    const blocks = Array.from({ length: random.pick([1, 1, 1, 2, 3, most]) }, () => {
      const start = random.pick(this.#places());
      const end = random.oneIn(3) ? random.pick(this.#places()) : start + random.pick([1, 2]) * MSS;
      return [start, end] as [number, number];
    });
    // RFC 2883: one below the ACK, or within the next.
    const second = blocks[0] as [number, number];
    const kind = random.below(12);
    if (kind === 0) blocks.unshift([ack - MSS, ack]);
    if (kind === 1) blocks.unshift([...second]);
    return blocks.slice(0, most);
  }

  #acknowledge(): void {
    const { model } = this.subject;
    const random = this.#random;
    const { settings, timestamps } = this.#choice;
    const ack = this.#ackNumber();
    const unit = 2 ** settings.scale;
    const small = Math.floor(random.pick([0, 0, 1, MSS - 1, MSS, 3 * MSS, 900]) / unit);
    const field = random.oneIn(12)
      ? small
      : this.#choice.settings.room / unit + random.pick([0, 0, 0, 0, 1]);
    const sack = settings.sack && random.oneIn(2) ? this.#blocks(ack) : undefined;
    const tick = Math.floor(model.now / MS);
    const echoes = [tick, tick, tick - 1, model.prior.tick, model.prior.tick - 1, tick + 1];
    for (const { sent } of model.book?.spans ?? []) echoes.push(Math.floor(sent.time / MS));
    const echo = timestamps && !random.oneIn(12) ? random.pick(echoes) >>> 0 : undefined;
    this.subject.acknowledge({
      ack,
      whole: !random.oneIn(25),
      window: field,
      ...(sack === undefined ? {} : { sack }),
      ...(echo === undefined ? {} : { echo }),
      ...(random.oneIn(8) ? { marked: true } : {}),
    });
  }

  /** The control plane's answer to an expiry. */
  #answer(): void {
    const { model } = this.subject;
    const owed = this.#owes;
    this.#owes = "none";
    const low = this.#random.below(2);
    if (owed === "persist") {
      this.subject.command(AtxOpcode.Probe, low, () => model.probeWindow(low === 1));
    } else this.subject.command(AtxOpcode.Retransmit, 1, () => model.retransmit(true));
  }

  #command(): void {
    const { model } = this.subject;
    const random = this.#random;
    if (!random.oneIn(6)) return;
    const opcode = random.pick(COMMANDS);
    const subject = this.subject;
    if (opcode === AtxOpcode.KeepAlive) subject.command(opcode, 0, () => commands.keepAlive(model));
    else if (opcode === AtxOpcode.Retransmit)
      subject.command(opcode, 0, () => model.retransmit(false));
    else if (opcode === AtxOpcode.SetMss) {
      const mss = random.pick([MSS, MSS - 1, MSS - 30]);
      subject.command(opcode, mss, () => commands.setMss(model, mss));
    } else if (opcode === AtxOpcode.SetWindow) {
      const [low, high] = [random.pick([0, 1, MSS, 650]), random.pick([0, 0, 1, 420])];
      subject.command(opcode, low, () => commands.setWindow(model, low, high), high);
    } else if (!this.#choice.settings.allCapable) {
      const algorithm = random.below(2);
      const act = (): void => commands.setWindowed(model, algorithm === 1);
      subject.command(opcode, algorithm, act);
    }
  }
}

for (const { name, settings = {}, timestamps = false, algorithm, long = false } of ROWS) {
  test(`a sender does what the model does: ${name}, seed ${SEED}`, () => {
    const txShift = long ? TX_SHIFT_LONG : TX_SHIFT;
    for (let walk = 0; walk < WALKS; walk += 1) {
      const random = new Random(SEED + walk);
      const choice = {
        settings: { ...SETTINGS, ...settings, room: 2 ** txShift },
        timestamps,
        algorithm: algorithm ?? CongestionAlgorithm.NewReno,
        iss: random.pick([1000, 2 ** 32 - random.below(3000), 2 ** 31 - random.below(3000)]),
        cwnd: 10 * MSS,
        txShift,
        stages: random.oneIn(2),
      };
      const one = new Walk(name, SEED + walk, choice, long);
      for (let step = 0; step < STEPS && !one.isOver; step += 1) one.step();
    }
  });
}
