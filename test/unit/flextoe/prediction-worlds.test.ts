/**
 * Goal: header prediction decides as the stages do wherever a decision tips: how much may leave,
 * which window is told, when an ACK is due. prediction.test.ts lets two hosts talk at length; here
 * are many short lives of one end, whose windows, buffers, appends and acknowledgments are drawn
 * from limits and from beside them. Method: as there, a core with prediction and one without.
 */
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import { BATCH_MAX } from "../../../bindings/abi/limits.ts";
import { seedOf } from "../../support/env.ts";
import { buildFrame, timestampOption } from "../../support/frames.ts";
import { Random } from "../../support/random.ts";
import type { FlowFields, Inspection } from "../../support/raw-core.ts";
import { Twin } from "./prediction-twin.ts";

const SEED = seedOf(71);
const TWINS = 12;
/** Connections of a pair of cores, one after the other. */
const LIVES = 48;
const CROSSINGS = 12;
const LAYOUT = { contexts: 2, chunkBytes: 1024, queueDescriptors: 64, payloadBytes: 16 << 20 };
const MSS = 100;
const TINY = 3;
const MS = 1e6;
const TIMER_STEPS = 64;
const OPTIONAL = [
  F.FLOW_NODELAY,
  F.FLOW_NODELAY,
  F.FLOW_TIMESTAMPS,
  F.FLOW_SACK,
  F.FLOW_ECN,
  F.FLOW_QUICK_ACK,
];

/** Bytes of the peer's window that decide: whole segments, a part more, a byte off. */
function tipping(random: Random): number {
  const whole = MSS * random.between(0, 5);
  const part = random.pick([0, 0, MSS >> 1, random.below(MSS)]);
  return Math.max(0, whole + part + random.pick([-1, 0, 0, 1]));
}

function flowOf(random: Random, connection: number): Partial<FlowFields> {
  // Without a scale, a buffer of 128 KB has more room than a field says.
  const [rxShift, localScale] = random.pick([
    [10, 0],
    [11, 3],
    [13, 7],
    [16, 0],
    [17, 0],
  ] as const);
  return {
    ...{ connection, remotePort: 40000 + connection, mss: MSS, rxShift, localScale },
    txShift: random.pick([10, 11]),
    peerScale: random.pick([0, 0, 1]),
    // One in eight never shows more than three bytes: half of that is a byte.
    peerWindow: random.oneIn(8) ? random.between(1, TINY) : tipping(random) + MSS,
    cwnd: random.oneIn(3) ? 1e6 : tipping(random) + MSS,
    ssthresh: random.oneIn(3) ? 2 * MSS : 1e9,
    algorithm: random.pick([
      F.CongestionAlgorithm.None,
      F.CongestionAlgorithm.NewReno,
      F.CongestionAlgorithm.Cubic,
    ]),
    ackThreshold: random.between(1, 3),
    rack: random.below(2) * F.RACK_ENABLED,
    flags: OPTIONAL.reduce((set, flag) => set | (random.below(2) * flag), 0),
    txSeq: random.oneIn(2) ? 0xffffff00 : random.u32(),
    rxSeq: random.oneIn(2) ? 0xfffffe80 : random.u32(),
    tsRecent: 5000,
    delayedAck: 40 * MS,
  };
}

/** The peer's next number and room for it, what it acknowledges next, and how much it may. */
interface Peer {
  seq: number;
  room: number;
  ack: number;
  sent: number;
}

/** One connection of both cores. */
class Life {
  readonly #twin: Twin;
  readonly #random: Random;
  readonly #flow: FlowFields;
  readonly #clock: { now: number };
  #appended = 0;
  #unread = 0;
  /** The window that the peer has shown last. */
  #shown: number;
  readonly #isTiny: boolean;

  constructor(twin: Twin, random: Random, connection: number, clock: { now: number }) {
    this.#twin = twin;
    this.#random = random;
    this.#clock = clock;
    const fields = flowOf(random, connection);
    for (const raw of twin.both) raw.establish(fields);
    this.#flow = twin.predicted.describe(fields);
    this.#isTiny = this.#flow.peerWindow <= TINY;
    this.#shown = this.#isTiny ? TINY : 5 * MSS;
  }

  #cross(frames: readonly Uint8Array[] = []): void {
    this.#twin.cross(this.#clock.now, frames, BATCH_MAX);
    for (const raw of this.#twin.both) raw.notifications(1);
  }

  /** Asked of both, as it is counted. */
  get #state(): Inspection {
    const { connection } = this.#flow;
    this.#twin.staged.inspect(connection);
    return this.#twin.predicted.inspect(connection);
  }

  /** Timers first, in steps of their own: see prediction.test.ts. */
  #drain(): void {
    for (let i = 0; i < TIMER_STEPS && this.#twin.deadline <= this.#clock.now; i += 1) {
      this.#cross();
    }
  }

  /** An application's descriptor: bytes to send, and what it has read. */
  #write(): void {
    const { connection, txShift } = this.#flow;
    const { txAvail, txSent } = this.#state;
    const room = 2 ** txShift - txAvail - txSent;
    const random = this.#random;
    const txAppend = Math.min(room, random.oneIn(6) ? 0 : tipping(random));
    const rxCredit = random.pick([0, 0, this.#unread, this.#unread >> 1]);
    this.#unread -= rxCredit;
    this.#drain();
    for (let i = 0; i < txAppend; i += 1) {
      for (const raw of this.#twin.both) raw.payloadAt(connection, true, this.#appended + i);
    }
    this.#appended += txAppend;
    for (const raw of this.#twin.both) raw.post(1, { connection, txAppend, rxCredit });
    this.#cross();
  }

  /** Segments of the peer: one, or several in one burst, after which a turn is taken at most. */
  #read(): void {
    const segments = this.#random.pick([1, 1, 2, 3]);
    const { rxNextSeq, rxWindow, txUna, txSent } = this.#state;
    const peer = { seq: rxNextSeq, room: rxWindow, ack: txUna, sent: txSent };
    this.#cross(Array.from({ length: segments }, () => this.#segment(peer)));
  }

  /** The next bytes or none, an ACK of some or all, a window that tips. */
  #segment(peer: Peer): Uint8Array {
    const random = this.#random;
    const { peerScale, localPort, remotePort, flags } = this.#flow;
    const length = Math.min(peer.room, random.pick([0, 0, 1, MSS, MSS - 1, random.below(MSS)]));
    const most = peer.sent;
    const acked = Math.min(most, random.pick([0, 0, MSS, tipping(random), most, most]));
    const fresh = this.#isTiny ? random.between(0, TINY) : tipping(random);
    const shown = random.oneIn(3) ? fresh : this.#shown;
    this.#shown = shown;
    peer.ack = (peer.ack + acked) >>> 0;
    peer.sent -= acked;
    const stamp = timestampOption(5001 + Math.floor(this.#clock.now / MS), 0);
    const frame = buildFrame({
      ...{ sourcePort: remotePort, destinationPort: localPort },
      ...{ seq: peer.seq, ack: peer.ack, payload: new Uint8Array(length) },
      window: (shown + 2 ** peerScale - 1) >>> peerScale,
      options: (flags & F.FLOW_TIMESTAMPS) === 0 ? [] : stamp,
    });
    peer.seq = (peer.seq + length) >>> 0;
    peer.room -= length;
    this.#unread += length;
    return frame;
  }

  live(): void {
    for (let i = 0; i < CROSSINGS; i += 1) {
      this.#clock.now += this.#random.pick([1000, 1000, 20_000, MS]);
      if (this.#random.below(2) === 0) this.#write();
      else this.#read();
    }
  }
}

test(`prediction is the stages where a decision tips, seed ${SEED}`, () => {
  const counts = { in: 0, out: 0 };
  for (let seed = SEED; seed < SEED + TWINS; seed += 1) {
    const random = new Random(seed);
    const twin = new Twin(`seed ${seed}`, { ...LAYOUT, connections: LIVES });
    const clock = { now: 1e9 };
    twin.wind(clock.now);
    clock.now += 1e6;
    for (let i = 1; i <= LIVES; i += 1) new Life(twin, random, i, clock).live();
    counts.in += twin.predicted.counter(Counter.PredictedIn);
    counts.out += twin.predicted.counter(Counter.PredictedOut);
    for (const raw of twin.both) expect([raw.guards(), raw.sequenceFaults()]).toEqual([[], 0]);
  }
  expect(counts.in).toBeGreaterThan(TWINS * LIVES);
  expect(counts.out).toBeGreaterThan(TWINS * LIVES);
});
