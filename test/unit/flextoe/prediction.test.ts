/**
 * Goal: header prediction does exactly what the stages do. Method: two pairs of cores, one with
 * prediction and one with CORE_STAGES_ONLY, are driven by one random script: appends, credits,
 * lost, late, repeated, marked, corrupted and forged frames, timers. After every crossing the two
 * twins agree in every frame, event, notification, counter and word of state but PredictedIn,
 * PredictedOut and the hint CORE_LAST_CONNECTION. Streams arrive whole where nothing was forged.
 *
 * Differences that are legitimate, and kept out of the script: a timer that is due in the very step
 * that brings a descriptor fires after a predicted segment and before a staged one (a delayed ACK
 * rides on the data, or leaves alone), so timers are drained in a step of their own before each
 * descriptor, and the control plane's descriptors have a step of their own; two appends of one
 * connection in one step are two predicted segments and one staged one. Frames of different
 * connections in one step may change places.
 */
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import * as D from "../../../bindings/abi/descriptor.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import { BATCH_MAX } from "../../../bindings/abi/limits.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import { seedOf } from "../../support/env.ts";
import { fixChecksums, streamBytes } from "../../support/frames.ts";
import { Random } from "../../support/random.ts";
import type { AtxFields, FlowFields } from "../../support/raw-core.ts";
import { forge, IP } from "./forged-frame.ts";
import { Twin } from "./prediction-twin.ts";

const SEED = seedOf(2);
const ROUNDS_MAX = 4000;
const LAYOUT = { connections: 4, contexts: 2, chunkBytes: 1024, payloadBytes: 256 * 1024 };

/**
 * Once in so many: a frame is lost, repeated, late, has a bad bit, gets CE (`mark`), header fields
 * changed under right checksums (`forge`, also lies in descriptors); a carrier has no credit
 * (`starve`). Unset = never.
 */
type Fault = "loss" | "repeat" | "late" | "corrupt" | "mark" | "forge" | "starve";
type Faults = Readonly<Partial<Record<Fault, number>>>;
const MILD: Faults = { loss: 80, repeat: 60, late: 40, mark: 40, starve: 40 };
const ROUGH: Faults = { loss: 20, repeat: 25, late: 12, corrupt: 40, mark: 10, starve: 12 };
const HOSTILE: Faults = { ...MILD, forge: 5 };

const BASE = {
  name: "",
  flow: {} as Partial<FlowFields>,
  faults: {} as Faults,
  /** The control plane changes a setting once in so many turns; 0 = never. */
  settings: 0,
  connections: 1,
  ipv6: false,
  /** First sequence numbers of client and server. */
  sequences: [1000, 5000] as readonly [number, number],
  /** Time at the start, ns. */
  start: 1e9,
  /** Readers give credit once in so many chances. */
  lazy: 2,
  /** Descriptors of a context queue. */
  ring: 16,
  /** Of 100 turns, how many only append one segment to an idle sender: requests and answers. */
  calls: 50,
  /** Segments sent by prediction that the row must reach, so that it tests something. */
  least: 40,
};
type Variant = Readonly<typeof BASE>;

const WRAP: readonly [number, number] = [0xffffff00, 0xfffffffe];
/** The timestamp clock passes 2^32 during the run. */
const CLOCK_WRAP = 2 ** 52 - 200e6;
/** Algorithms: 1 NewReno, 2 Cubic, 3 Dctcp. */
const ECN_DCTCP = { algorithm: 3, flags: F.FLOW_ECN | F.FLOW_NODELAY, ackThreshold: 2 };
const SMALL = { rxShift: 10, flags: F.FLOW_NODELAY };
const STAMPED = F.FLOW_TIMESTAMPS | F.FLOW_SACK;
const LINUX = { flags: STAMPED, rack: F.RACK_ENABLED | F.RTO_MIN_ON_TOP };

const ROWS: readonly Partial<Variant>[] = [
  { name: "plain" },
  { name: "timestamps", flow: { flags: F.FLOW_TIMESTAMPS } },
  { name: "timestamps, SACK", flow: { flags: STAMPED, ackThreshold: 2 } },
  { name: "SACK, NewReno", flow: { flags: F.FLOW_SACK, algorithm: 1 } },
  { name: "NODELAY, Cubic", flow: { flags: F.FLOW_NODELAY | STAMPED, algorithm: 2 } },
  { name: "ECN, NewReno", flow: { flags: F.FLOW_ECN, algorithm: 1, ackThreshold: 2 } },
  { name: "DCTCP", flow: ECN_DCTCP },
  { name: "DCTCP, timestamps", flow: { ...ECN_DCTCP, flags: ECN_DCTCP.flags | STAMPED } },
  { name: "quick ACK", flow: { flags: F.FLOW_QUICK_ACK, ackThreshold: 8 } },
  { name: "cork", flow: { flags: F.FLOW_CORK }, least: 0 },
  { name: "wrap", sequences: WRAP, flow: { ackThreshold: 2 } },
  { name: "wrap, 3 connections", sequences: WRAP, connections: 3, flow: { flags: STAMPED } },
  { name: "clock wrap", start: CLOCK_WRAP, flow: { flags: STAMPED, ackThreshold: 2 } },
  { name: "small windows", lazy: 8, least: 10, flow: { rxShift: 10, txShift: 12, mss: 700 } },
  { name: "small windows, NODELAY", lazy: 9, least: 10, flow: SMALL },
  { name: "small send buffer", flow: { txShift: 10, mss: 600, flags: F.FLOW_NODELAY } },
  { name: "window scale", flow: { peerScale: 3, localScale: 3, flags: STAMPED } },
  { name: "one interval, go-back-N", flow: { intervals: 1, flags: F.FLOW_GO_BACK_N } },
  { name: "3 connections", connections: 3, flow: { ackThreshold: 2, algorithm: 2 } },
  { name: "short rings", connections: 3, ring: 2, flow: { flags: F.FLOW_NODELAY } },
  { name: "settings", settings: 20, connections: 2, flow: { flags: F.FLOW_NODELAY } },
  { name: "IPv6", ipv6: true },
  { name: "IPv6, timestamps, SACK, wrap", ipv6: true, sequences: WRAP, flow: { flags: STAMPED } },
  { name: "IPv6, ECN", ipv6: true, flow: ECN_DCTCP },
  { name: "IPv6, 3 connections", ipv6: true, connections: 3, flow: { ackThreshold: 2 } },
  // Bulk, so that a probe of the tail (RFC 8985, 7) is wanted wherever a timer is chosen.
  { name: "RACK", calls: 0, flow: { flags: STAMPED, ackThreshold: 2, rack: F.RACK_ENABLED } },
  { name: "RACK, NODELAY, calls", flow: { flags: F.FLOW_NODELAY | STAMPED, rack: F.RACK_ENABLED } },
  { name: "RACK, no SACK", flow: { flags: F.FLOW_TIMESTAMPS, rack: F.RACK_ENABLED } },
  { name: "RACK, RTO_MIN on top, wrap", calls: 10, sequences: WRAP, flow: LINUX },
  { name: "settings, soon paced", settings: 4, calls: 0, least: 0, flow: { mss: 500, cwnd: 3000 } },
];

/** One host's end of one connection, as libTOE would see it. */
class End {
  readonly twin: Twin;
  readonly flow: FlowFields;
  appended = 0;
  freed = 0;
  received = 0;
  unread = 0;
  finished = false;
  peerFinished = false;
  /** Position of the first wrong byte that was delivered, or -1. */
  wrongAt = -1;
  readonly #salt: readonly [number, number];

  constructor(twin: Twin, flow: FlowFields, side: number) {
    this.twin = twin;
    this.flow = flow;
    const salt = (of: number): number => flow.connection * 10_000_019 + of * 5_000_011;
    this.#salt = [salt(side), salt(1 - side)];
  }

  get room(): number {
    return this.finished ? 0 : 2 ** this.flow.txShift - (this.appended - this.freed);
  }

  /** Visits `length` bytes of a buffer in both cores, from stream position `from` on. */
  #each(
    way: "rx" | "tx",
    from: number,
    length: number,
    visit: (bytes: Uint8Array, address: number, index: number) => void,
  ): void {
    const { connection } = this.flow;
    for (const raw of this.twin.both) {
      for (let i = 0; i < length; i += 1) {
        const at = raw.payloadAt(connection, way === "tx", (from + i) >>> 0);
        visit(raw.core.bytes, at, i);
      }
    }
  }

  /** Puts the next bytes of the stream where the data path will fetch them. */
  append(length: number): void {
    const sent = streamBytes(this.#salt[0] + this.appended, length);
    this.#each("tx", this.appended, length, (bytes, address, i) => {
      bytes[address] = sent[i] as number;
    });
    this.appended += length;
  }

  /** The data path says that so many bytes are readable. */
  take(length: number): void {
    const expected = streamBytes(this.#salt[1] + this.received, length);
    this.#each("rx", this.received, length, (bytes, address, i) => {
      if (bytes[address] !== expected[i] && this.wrongAt < 0) this.wrongAt = this.received + i;
    });
    this.received += length;
    this.unread += length;
  }
}

/** Descriptors that are refused, or that a data path must not take for plain ones. */
const LIES: readonly Partial<AtxFields>[] = [
  { generation: 2, txAppend: 64 },
  { connection: LAYOUT.connections, txAppend: 64 },
  { connection: 0xffffffff, txAppend: 64 },
  { rxCredit: 16384, txAppend: 64 },
  { rxCredit: 0xffffffff, txAppend: 64 },
  { txAppend: 0xffffffff },
  { txAppend: 8193 },
  { txAppend: 500 },
  { opcode: D.AtxOpcode.SetMss, txAppend: 64, low: 100 },
  { flags: D.ATX_RX_SHUT, txAppend: 64 },
];

/** Both pairs, their links and their applications under one script. */
class Run {
  readonly random: Random;
  readonly twins: readonly [Twin, Twin];
  readonly ends: readonly End[];
  readonly #variant: Variant;
  #faults: Faults;
  /** Frames on their way to the client and to the server. */
  readonly #links: readonly [Uint8Array[], Uint8Array[]] = [[], []];
  #now: number;
  #turns = 0;

  constructor(variant: Variant, seed: number, turns: number) {
    const name = (side: string): string => `seed ${seed}, ${variant.name}, ${side}`;
    this.random = new Random(seed);
    const layout = { ...LAYOUT, queueDescriptors: variant.ring };
    this.twins = [new Twin(name("client"), layout), new Twin(name("server"), layout)];
    this.#variant = variant;
    this.#faults = variant.faults;
    this.#now = variant.start;
    for (const twin of this.twins) twin.wind(this.#now);
    this.ends = Array.from({ length: variant.connections }, (_, i) => this.#connect(i + 1)).flat();
    for (let i = 0; i < turns; i += 1) this.#turn();
  }

  #connect(connection: number): End[] {
    const { flow, sequences, start } = this.#variant;
    const network = this.#variant.ipv6 ? "fd00::" : "10.0.0.";
    const host = (of: number): string => `${network}${2 - of}`;
    const port = (of: number): number => (of === 0 ? 40000 + connection : 80);
    const rxShift = flow.rxShift ?? 13;
    return this.twins.map((twin, side) => {
      const fields = {
        ...{ txShift: 13, mss: 1000, cwnd: 10_000, rtoMax: 4e9, ...flow, rxShift, connection },
        ...{ local: host(side), localPort: port(side), txSeq: sequences[side] as number },
        ...{ remote: host(1 - side), remotePort: port(1 - side) },
        rxSeq: sequences[1 - side] as number,
        peerWindow: Math.min(2 ** rxShift, 0xffff * 2 ** (flow.peerScale ?? 0)),
        tsRecent: Math.floor(start / 1e6) >>> 0,
      };
      for (const raw of twin.both) raw.establish(fields);
      return new End(twin, twin.predicted.describe(fields), side);
    });
  }

  #happens(times = 0): boolean {
    return times !== 0 && this.random.oneIn(times);
  }

  /** One crossing of a side; what comes out goes to the link, the applications, the timers. */
  #cross(side: number, frames: readonly Uint8Array[] = []): void {
    const twin = this.twins[side] as Twin;
    const credit = this.#happens(this.#faults.starve) ? this.random.below(3) : BATCH_MAX;
    const outcome = twin.cross(this.#now, frames, credit);
    for (const frame of outcome.frames) this.#send(1 - side, frame);
    if (!this.random.oneIn(5)) this.#listen(side);
    for (const { kind, a, d, connection } of outcome.events) {
      if (kind !== D.EventKind.Timer || a !== TimerKind.Retransmit) continue;
      const opcode = d === 1 ? D.AtxOpcode.Probe : D.AtxOpcode.Retransmit;
      this.#command(side, { connection, opcode, low: 1 });
    }
  }

  /** A descriptor of the control plane, in a step of its own. */
  #command(side: number, fields: Partial<AtxFields>): void {
    for (const raw of (this.twins[side] as Twin).both) raw.post(0, fields);
    this.#cross(side);
  }

  #send(to: number, frame: Uint8Array): void {
    const { loss, repeat, mark } = this.#faults;
    const link = this.#links[to] as Uint8Array[];
    if (this.#happens(loss)) return;
    const shift = this.#variant.ipv6 ? 4 : 0;
    if ((((frame[IP + 1] as number) >>> shift) & 3) === 2 && this.#happens(mark)) {
      frame[IP + 1] = (frame[IP + 1] as number) | (3 << shift);
      fixChecksums(frame, "ethernet");
    }
    link.push(frame);
    if (this.#happens(repeat)) link.push(frame);
  }

  /** Takes the notifications of a side. */
  #listen(side: number): void {
    const { predicted, staged } = this.twins[side] as Twin;
    // The rings have been compared already.
    staged.notifications(1);
    for (const { connection, rxBump, txBump, flags } of predicted.notifications(1)) {
      const end = this.ends[(connection - 1) * 2 + side] as End;
      end.take(rxBump);
      end.freed += txBump;
      if ((flags & D.ARX_RX_CLOSED) !== 0) end.peerFinished = true;
    }
  }

  /** Timers that are due, in steps of their own: see the header. */
  #drainTimers(side: number): void {
    const twin = this.twins[side] as Twin;
    for (let i = 0; i < 64 && twin.deadline <= this.#now; i += 1) this.#cross(side);
  }

  /** Up to `most` frames of the link, in or out of order, harmed or not. */
  #arrivals(side: number, most: number): Uint8Array[] {
    const { late, corrupt, forge: forged } = this.#faults;
    const link = this.#links[side] as Uint8Array[];
    const frames: Uint8Array[] = [];
    while (frames.length < most && link.length !== 0) {
      const index = this.#happens(late) ? this.random.below(link.length) : 0;
      const [frame] = link.splice(index, 1) as [Uint8Array];
      if (this.#happens(corrupt)) {
        const bad = frame.slice();
        const at = this.random.below(bad.length);
        bad[at] = (bad[at] as number) ^ (1 << this.random.below(8));
        frames.push(bad);
      } else {
        frames.push(this.#happens(forged) ? forge(this.random, frame) : frame);
      }
    }
    return frames;
  }

  /** Posts one Update of an end: bytes, credit, flags. */
  #update(end: End, bytes: number, credit: number, flags = 0, context = 1): void {
    const { connection } = end.flow;
    let owner = context;
    let fields: Partial<AtxFields> = { connection, txAppend: bytes, rxCredit: credit, flags };
    if (this.#happens(this.#faults.forge)) {
      fields = { connection, ...this.random.pick(LIES) };
      owner = this.random.pick([context, 2]);
    } else {
      end.append(bytes);
      end.unread -= credit;
      if ((flags & D.ATX_FIN) !== 0) end.finished = true;
    }
    for (const raw of end.twin.both) raw.post(owner, fields);
  }

  #length(end: End, calls: boolean): number {
    const { mss } = end.flow;
    const lengths = [64, 64, 1, mss, this.random.between(1, mss), this.random.between(1, mss)];
    if (!calls) lengths.push(mss + 1, this.random.between(1, 4 * mss), 0);
    return Math.min(end.room, this.random.pick(lengths));
  }

  /** An application appends and gives credit; sometimes in several descriptors. */
  #write(side: number): void {
    const { random } = this;
    const { lazy, connections } = this.#variant;
    const calls = this.#turns % 100 < this.#variant.calls;
    this.#drainTimers(side);
    const count = calls || !random.oneIn(3) ? 1 : 2;
    const written = new Set<End>();
    for (let i = 0; i < count; i += 1) {
      const end = this.ends[random.below(connections) * 2 + side] as End;
      // Two appends of one connection in one step leave as one segment, predicted as two.
      if (written.has(end)) continue;
      written.add(end);
      if (calls && end.appended !== end.freed) continue;
      const credit = random.oneIn(lazy) ? end.unread - (random.oneIn(4) ? end.unread >> 1 : 0) : 0;
      const fin = !calls && random.oneIn(500) && !end.finished;
      const context = count === 1 && random.oneIn(40) ? 0 : 1;
      this.#update(end, this.#length(end, calls), credit, fin ? D.ATX_FIN : 0, context);
    }
    if (random.oneIn(16)) {
      for (const raw of (this.twins[side] as Twin).both) {
        raw.setContextWord(1, D.CONTEXT_EVENT_STATE, D.EventState.Armed);
      }
    }
  }

  #configure(side: number): void {
    const { random } = this;
    const connection = random.between(1, this.#variant.connections);
    const flag = random.pick([F.FLOW_NODELAY, F.FLOW_CORK, F.FLOW_QUICK_ACK]);
    const settings: readonly Partial<AtxFields>[] = [
      { opcode: D.AtxOpcode.SetFlags, low: flag },
      { opcode: D.AtxOpcode.SetFlags, high: flag },
      { opcode: D.AtxOpcode.SetWindow, low: random.between(1000, 20_000) },
      { opcode: D.AtxOpcode.SetMss, low: random.between(500, 1000) },
      { opcode: D.AtxOpcode.SetMss, low: 500, high: random.between(501, 1400) },
      { opcode: D.AtxOpcode.SetAlgorithm, low: random.below(4) },
      { opcode: D.AtxOpcode.Acknowledge },
      { opcode: D.AtxOpcode.KeepAlive },
      { opcode: D.AtxOpcode.SetHeader, low: random.between(1, 255), high: random.pick([0, 0x10]) },
      // 100 ns a byte, or unpaced again.
      { opcode: D.AtxOpcode.SetInterval, low: 100 << F.INTERVAL_FRACTION_BITS },
      { opcode: D.AtxOpcode.SetInterval },
    ];
    this.#drainTimers(side);
    this.#command(side, { connection, ...random.pick(settings) });
  }

  #advance(): void {
    const kind = this.random.below(40);
    if (kind < 30) this.#now += this.random.below(50_000);
    else if (kind < 36) this.#now += this.random.below(4e6);
    else this.#now += kind < 39 ? this.random.between(30e6, 60e6) : this.random.below(1500e6);
  }

  /** One turn of the script: time, perhaps a descriptor, perhaps frames, one crossing. */
  #turn(): void {
    const { random } = this;
    const side = random.below(2);
    this.#turns += 1;
    this.#advance();
    if (this.#happens(this.#variant.settings)) this.#configure(side);
    const writes = random.below(5) < 3;
    if (writes) this.#write(side);
    // A probe's timer is answered by the data path itself: before an ACK or behind it.
    if (this.#variant.flow.rack !== undefined) this.#drainTimers(side);
    const reads = !writes || random.oneIn(2);
    const burst = random.oneIn(10) ? 40 : random.between(1, 3);
    this.#cross(side, reads ? this.#arrivals(side, burst) : []);
  }

  /** Ends both streams over a good link: what one end sent is what the other got. */
  finish(): void {
    this.#faults = {};
    const peer = (i: number): End => this.ends[i ^ 1] as End;
    const isOver = (end: End, i: number): boolean =>
      end.peerFinished && end.received === peer(i).appended && end.freed === end.appended;
    for (let round = 0; round < ROUNDS_MAX && !this.ends.every(isOver); round += 1) {
      for (const side of [0, 1]) this.#closing(side);
      // To the next timer, when nothing else is under way.
      const next = Math.min(...this.twins.map(({ deadline }) => deadline));
      const idle = this.#links.every(({ length }) => length === 0);
      if (idle && next > this.#now && next < Number.POSITIVE_INFINITY) this.#now = next;
    }
    expect(this.ends.map(({ received, wrongAt }) => [received, wrongAt])).toEqual(
      this.ends.map((_, i) => [peer(i).appended, -1]),
    );
    expect(this.ends.every(isOver)).toBe(true);
  }

  #closing(side: number): void {
    for (const end of this.ends.filter(({ twin }) => twin === this.twins[side])) {
      const fin = end.finished ? 0 : D.ATX_FIN;
      if (end.unread === 0 && fin === 0) continue;
      this.#drainTimers(side);
      this.#update(end, 0, end.unread, fin);
      this.#cross(side);
    }
    this.#cross(side, this.#arrivals(side, BATCH_MAX));
    this.#drainTimers(side);
    this.#listen(side);
  }

  /** What must hold at the end of any run. */
  check(): void {
    for (const twin of this.twins) {
      // Payload, unread or not yet acknowledged: looked at once.
      twin.sameWords("arena", LAYOUT.payloadBytes / 4);
      for (const raw of twin.both) expect([raw.guards(), raw.sequenceFaults()]).toEqual([[], 0]);
      for (const counter of [Counter.PredictedIn, Counter.PredictedOut]) {
        expect(twin.staged.counter(counter)).toBe(0);
      }
    }
  }

  total(counter: Counter): number {
    return this.twins.reduce((sum, { predicted }) => sum + predicted.counter(counter), 0);
  }
}

for (const row of ROWS) {
  test(`prediction is the stages: ${row.name}, seed ${SEED}`, () => {
    const runs = [{}, MILD, ROUGH, ROUGH].map((faults, i) => {
      const run = new Run({ ...BASE, ...row, faults }, SEED + i, 400);
      run.finish();
      run.check();
      return run;
    });
    const sum = (counter: Counter): number =>
      runs.reduce((total, run) => total + run.total(counter), 0);
    expect(sum(Counter.PredictedIn)).toBeGreaterThan(40);
    expect(sum(Counter.PredictedOut)).toBeGreaterThanOrEqual(row.least ?? BASE.least);
  });

  test(`prediction is the stages, forged headers: ${row.name}, seed ${SEED}`, () => {
    for (let seed = SEED; seed < SEED + 6; seed += 1) {
      new Run({ ...BASE, ...row, faults: HOSTILE }, seed, 250).check();
    }
  });
}

for (const flags of [0, F.FLOW_TIMESTAMPS, F.FLOW_NODELAY | STAMPED]) {
  test(`most segments of a calm connection are predicted: flags ${flags}, seed ${SEED}`, () => {
    const flow = { flags, ackThreshold: 1 };
    const run = new Run({ ...BASE, name: "calls", flow, calls: 100 }, SEED, 2000);
    run.finish();
    run.check();
    const [framesIn, sent] = [run.total(Counter.FramesIn), run.total(Counter.DataSegmentsOut)];
    expect(sent).toBeGreaterThan(200);
    expect(run.total(Counter.PredictedIn)).toBeGreaterThan(framesIn * 0.6);
    expect(run.total(Counter.PredictedOut)).toBeGreaterThan(sent * 0.6);
  });
}
