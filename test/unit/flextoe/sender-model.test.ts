/**
 * Goal: the sending side does what its RFCs say, in every number that it keeps. Method: a random
 * walk of one connection and of the model of test/model side by side: writes, FINs,
 * acknowledgments in and out of place with blocks of SACK, closed and shrunk windows, timers that
 * are due at the same time or just not, what the control plane asks for. Numbers are drawn from
 * where decisions tip: the ends of what was sent, told of and probed, and one beside them. Other
 * walks have a receiver at the other end of a network (sender-peer.ts), and so get to the middle of
 * what takes several acknowledgments that agree.
 */
import { expect, test } from "vitest";
import { AtxOpcode } from "../../../bindings/abi/descriptor.ts";
import { CongestionAlgorithm } from "../../../bindings/abi/flow-state.ts";
import * as commands from "../../model/command-model.ts";
import type { SenderSettings } from "../../model/sender-settings.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { SenderPeer } from "./sender-peer.ts";
import { SenderSubject, type SubjectChoice } from "./sender-subject.ts";

const SEED = seedOf(41);
const WALKS = 12;
const STEPS = 220;
const MS = 1e6;
const MSS = 100;
/** log2 of the transmit buffer, and one of a long flight. */
const TX_SHIFT = 12;
const TX_SHIFT_LONG = 13;
/** Ticks after which an echo is of no segment. */
const ECHO_MAX = 120_000;

const SETTINGS: SenderSettings = {
  mss: MSS,
  sack: true,
  timestamps: false,
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
  /** The peer's window is mostly small or closed, and streams end soon. */
  readonly tight?: boolean;
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
  { name: "NewReno, no window", algorithm: NONE, settings: { sack: false, rack: false } },
  { name: "RACK, long flights", algorithm: NONE, long: true, timestamps: true },
  { name: "SACK, long flights", algorithm: NONE, long: true, settings: { rack: false } },
  { name: "small windows", tight: true, settings: { peerWindow: 3 * MSS, rtoMin: 10 * MS } },
  { name: "small windows, Nagle", tight: true, settings: { peerWindow: 2, nodelay: false } },
  { name: "small windows, ECN", tight: true, settings: { ecn: true } },
  { name: "small windows, cork", tight: true, settings: { cork: true, peerWindow: 3 * MSS } },
  {
    name: "small windows, the RTO's limit",
    tight: true,
    settings: { rtoMax: 2 ** 31 + 1, rtoInitial: 2 ** 29, rtoMin: 2 ** 29, nodelay: false },
  },
  { name: "Cubic", algorithm: CongestionAlgorithm.Cubic, timestamps: true },
  { name: "cork, scale", settings: { cork: true, scale: 3 } },
];

/** Steps of a walk over a network. */
const NETWORK_STEPS = 300;
/** The same over a network of `delay` ns; without a window that ends slow start a short one. */
const NETWORKS: readonly (Choice & { readonly delay: number })[] = [
  { name: "RACK", delay: 10 * MS },
  { name: "RACK, timestamps", delay: 10 * MS, timestamps: true },
  { name: "RACK, at once", delay: 0 },
  { name: "RACK, Nagle", delay: 10 * MS, settings: { nodelay: false } },
  { name: "RACK, ECN", delay: 10 * MS, settings: { ecn: true }, timestamps: true },
  { name: "RACK, no window", delay: 10 * MS, algorithm: NONE, timestamps: true },
  { name: "SACK", delay: 10 * MS, settings: { rack: false } },
  { name: "SACK, at once", delay: 0, settings: { rack: false }, timestamps: true },
  { name: "NewReno", delay: 10 * MS, settings: { sack: false, rack: false } },
  { name: "go-back-N", delay: 10 * MS, settings: { sack: false, rack: false, goBackN: true } },
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
  readonly #tight: boolean;
  /** The window's field of before, for a peer that says the same again. */
  #field = 0;
  #wasOld = false;
  /** Of the blocks of before the second, which what comes next may lie in. */
  #second: [number, number] | undefined;

  constructor({ name, long = false, tight = false }: Choice, seed: number, choice: SubjectChoice) {
    this.#acknowledging = long ? 4 : 55;
    this.#tight = tight;
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
    else if (random.oneIn(15)) subject.now = Math.max(now, windowEnd(rtt.since) - random.below(2));
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
    const fin = random.oneIn(this.#tight ? 8 : 40);
    const bytes = fin && this.#tight ? 0 : Math.min(wanted, room);
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
    const { una, max, windowMax, probe, probeEnd } = this.subject.model;
    const random = this.#random;
    if (probe !== "none" && random.oneIn(4)) return Math.max(una, probeEnd);
    const kind = random.below(100);
    // Challenges are counted: one comes seldom alone.
    this.#wasOld = random.oneIn(this.#wasOld ? 2 : 80);
    if (this.#wasOld) return una - windowMax - random.below(2);
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
    const { probe, probeEnd: end } = this.subject.model;
    if (probe !== "none" && random.oneIn(3)) {
      // A second copy of the probe has arrived, or what is none.
      const [low, high] = random.pick([
        [-MSS, 0],
        [-MSS, -1],
        [0, 0],
        [MSS, 0],
      ] as const);
      return [[end + low, end + high]];
    }
    if (this.#second !== undefined && random.oneIn(8)) return [this.#second];
    this.#second = blocks[1];
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
    // All has arrived, and the window is closed before a FIN that waits.
    const closes = this.#tight && model.finPending && !model.finSent && random.oneIn(2);
    const ack = closes ? model.nxt : this.#ackNumber();
    const unit = 2 ** settings.scale;
    const small = Math.floor(random.pick([0, 0, 1, MSS - 1, MSS, 3 * MSS, 900]) / unit);
    const large = settings.room / unit + random.pick([0, 0, 0, 0, 1]);
    if (!this.#tight || random.oneIn(4))
      this.#field = random.oneIn(this.#tight ? 2 : 12) ? small : large;
    const sack = settings.sack && random.oneIn(2) ? this.#blocks(ack) : undefined;
    const tick = Math.floor(model.now / MS);
    const echoes = [tick, tick, tick - 1, model.prior.tick, model.prior.tick - 1, tick + 1];
    // Of no segment; a policy that takes every echo for a round trip meets them more often.
    const strays = this.#choice.algorithm === CongestionAlgorithm.Cubic ? 2 : 8;
    if (random.oneIn(strays)) echoes.push(tick - ECHO_MAX, tick - ECHO_MAX - 1);
    for (const { sent } of model.book?.spans ?? []) echoes.push(Math.floor(sent.time / MS));
    const echo = timestamps && !random.oneIn(12) ? random.pick(echoes) >>> 0 : undefined;
    this.subject.acknowledge({
      ack,
      whole: !random.oneIn(25),
      window: closes ? 0 : this.#field,
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

/** The walk over a network: the peer's answers, timers, writes, and little that is asked for. */
class NetworkWalk {
  readonly subject: SenderSubject;
  readonly #random: Random;
  readonly #choice: SubjectChoice;
  readonly #peer: SenderPeer;
  /** Of 100 steps those that write. */
  readonly #writes: number;

  constructor(name: string, seed: number, choice: SubjectChoice, delay: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#choice = choice;
    this.subject = new SenderSubject(`seed ${seed}, network, ${name}`, choice);
    const { mss, sack, ecn, scale, peerWindow } = choice.settings;
    this.#writes = random.pick([6, 25]);
    const window = random.pick([peerWindow, 12 * MSS, 3 * MSS]) / 2 ** scale;
    const loss = random.pick([6, 15, 40]);
    const peer = { mss, sack, ecn, window, delay, loss, timestamps: choice.timestamps };
    this.#peer = new SenderPeer(random, peer, this.subject.now);
  }

  get isOver(): boolean {
    return this.subject.model.finAcked;
  }

  step(): void {
    const { subject } = this;
    const random = this.#random;
    const { deadline, now } = subject.model;
    const timer = deadline > 0 ? Math.ceil(deadline / 1024) * 1024 : Number.POSITIVE_INFINITY;
    const arrival = this.#peer.due;
    const kind = random.below(100);
    if (kind < this.#writes) this.#write();
    else if (kind < this.#writes + 2) this.#command();
    else if (Math.min(arrival, timer) === Number.POSITIVE_INFINITY) this.#write();
    else if (arrival <= timer && kind < 97) this.#receive(arrival);
    else if (timer < Number.POSITIVE_INFINITY) this.#expire(Math.max(now, timer));
  }

  #at(time: number): void {
    this.subject.now = Math.max(this.subject.now, time);
  }

  /** What has left is on its way, and an expiry is answered. */
  #heard(): void {
    const { model } = this.subject;
    this.#peer.hear(model.out, model.now);
    const expired = model.expired.at(-1);
    if (expired === undefined) return;
    const opcode = expired.persist ? AtxOpcode.Probe : AtxOpcode.Retransmit;
    this.subject.command(opcode, expired.persist ? 0 : 1, () => {
      if (expired.persist) model.probeWindow(false);
      else model.retransmit(true);
    });
    this.#peer.hear(model.out, model.now);
  }

  #expire(time: number): void {
    this.#at(this.#random.oneIn(8) ? time - 1 : time);
    this.subject.wait();
    this.#heard();
  }

  #receive(time: number): void {
    this.#at(time);
    const ack = this.#peer.answer();
    if (ack === undefined) return;
    this.subject.acknowledge(ack);
    this.#heard();
  }

  #write(): void {
    const { model } = this.subject;
    const random = this.#random;
    if (model.finPending) return;
    const room = this.#choice.settings.room - (model.written - model.una);
    const wanted = MSS * random.pick([1, 1, 2, 3, 6, 10]) - (random.oneIn(10) ? 1 : 0);
    const bytes = Math.min(wanted, room);
    const fin = random.oneIn(80);
    if (bytes === 0 && !fin) return;
    // A descriptor and a timer in one step: which is first is nobody's promise.
    this.subject.wait();
    this.#heard();
    this.subject.write(bytes, fin);
    this.#heard();
  }

  #command(): void {
    const { model } = this.subject;
    const random = this.#random;
    this.subject.wait();
    this.#heard();
    if (this.#choice.settings.allCapable) return;
    const kind = random.below(3);
    if (kind === 0) {
      const mss = random.pick([MSS, MSS - 30, MSS / 2]);
      this.subject.command(AtxOpcode.SetMss, mss, () => commands.setMss(model, mss));
    } else if (kind === 1) {
      const low = MSS * random.pick([2, 4, 8, 20]);
      this.subject.command(AtxOpcode.SetWindow, low, () => commands.setWindow(model, low, 0));
    } else {
      const has = random.below(2);
      const act = (): void => commands.setWindowed(model, has === 1);
      this.subject.command(AtxOpcode.SetAlgorithm, has, act);
    }
    this.#heard();
  }
}

/** What a walk is over: positions near the wrap, with or without header prediction. */
function choiceOf(
  { settings = {}, timestamps = false, algorithm }: Choice,
  random: Random,
  shift: number,
): SubjectChoice {
  return {
    settings: { ...SETTINGS, ...settings, room: 2 ** shift },
    timestamps,
    algorithm: algorithm ?? CongestionAlgorithm.NewReno,
    iss: random.pick([1000, 2 ** 32 - random.below(3000), 2 ** 31 - random.below(3000)]),
    cwnd: 10 * MSS,
    txShift: shift,
    stages: random.oneIn(2),
  };
}

for (const { delay, ...row } of NETWORKS) {
  test(`a sender over a network does what the model does: ${row.name}, seed ${SEED}`, () => {
    for (let walk = 0; walk < WALKS; walk += 1) {
      const seed = SEED + walk;
      const choice = choiceOf(row, new Random(seed), TX_SHIFT);
      const one = new NetworkWalk(row.name, seed, choice, delay);
      for (let step = 0; step < NETWORK_STEPS && !one.isOver; step += 1) one.step();
    }
  });
}

for (const row of ROWS) {
  const { name, long = false } = row;
  test(`a sender does what the model does: ${name}, seed ${SEED}`, () => {
    const txShift = long ? TX_SHIFT_LONG : TX_SHIFT;
    for (let walk = 0; walk < WALKS; walk += 1) {
      const choice = choiceOf(row, new Random(SEED + walk), txShift);
      const one = new Walk(row, SEED + walk, choice);
      for (let step = 0; step < STEPS && !one.isOver; step += 1) one.step();
    }
  });
}

// RFC 9406, 4.2; threats C08: the walks seldom meet the limit while a connection still starts.
test("an echo of two minutes ago is a sample of HyStart++'s round, one tick more is none", () => {
  const row: Choice = { name: "echoes", algorithm: CongestionAlgorithm.Cubic, timestamps: true };
  for (const [at, age] of [0, 1, ECHO_MAX, ECHO_MAX + 1].entries()) {
    for (const stages of [true, false]) {
      const choice = { ...choiceOf(row, new Random(SEED + at), TX_SHIFT), stages };
      const subject = new SenderSubject(`echo of ${age} ticks`, choice);
      subject.wait();
      subject.write(4 * MSS, false);
      subject.now += 10 * MS;
      const { model } = subject;
      expect(model.policy.wantsSamples).toBe(true);
      // The first segment is timed, the second is not: what it echoes is all that is known.
      for (const echoed of [0, age]) {
        const echo = (Math.floor(subject.now / MS) - echoed) >>> 0;
        subject.acknowledge({ ack: model.una + MSS, whole: true, window: 600, echo });
      }
    }
  }
});
