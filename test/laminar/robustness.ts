/**
 * One seeded run of a stream into a Receiver through everything that may go wrong: segments are
 * lost, doubled and reordered, mirrored pseudo segments come by late or never, the application
 * reads ahead of the merge and at its own pace from a ring shorter than the stream, the control
 * plane rolls back late. The run watches, beside the receiver and never by its word alone, that
 *
 * - the application reads the stream, and the run finishes;
 * - nothing is placed, notified, merged or acknowledged that must not be;
 * - rx-next-seq + rx-avail is the edge of the freed buffer, and rx-avail at most the buffer.
 *
 * A run is made of its setting and its seed alone: the same two give the same run.
 */
import { Random } from "../support/random.ts";
import { DelayLine } from "./delay-line.ts";
import { GoBackNSender, type Segment } from "./go-back-n-sender.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import {
  type Outcome,
  type PseudoSegment,
  type Receiver,
  type ReceiverFactory,
  type ReceiveWindow,
  seqMinus,
  seqPlus,
} from "./receiver.ts";

/** Shares are 0 to 1. */
export interface Setting {
  readonly name: string;
  readonly streamBytes: number;
  readonly segmentMax: number;
  readonly ringBytes: number;
  /** Share of pseudo segments that never come by again, and the most packets in between. */
  readonly mirrorLoss: number;
  readonly mirrorDelayPackets: number;
  /** Of data segments and of ACKs. */
  readonly networkLoss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** The stream crosses sequence number 0 somewhere in its middle. */
  readonly wrap: boolean;
  /** The application reads at most so many bytes, once in `readTicks` ticks on average. */
  readonly readMax: number;
  readonly readTicks: number;
  /** False: the application reads only what has been merged. */
  readonly readAhead: boolean;
  readonly probe: "below" | "beyond";
  readonly overrunBytes: number;
  /** Share of ticks in which a segment of any place and length comes, valid or not. */
  readonly hostile: number;
  /**
   * Once in so many ticks on average a segment of the other direction leaves; it carries the
   * registers as its ACK and window, whatever became of the pseudo segments. 0: never.
   */
  readonly reverseTicks: number;
  /** Packets that pass between a drop and its roll-back, at most. */
  readonly rollbackDelayPackets: number;
}

/** Faults planted in the harness's own libTOE. */
export interface HarnessFaults {
  /** SYNC credits all that was consumed, bytes that were read ahead of the merge too. */
  readonly creditAllConsumed?: boolean;
}

/** What was violated; one finding of each kind is kept. */
export type FindingKind =
  | "ack-of-missing-bytes"
  | "ack-of-unsent-bytes"
  | "interval-with-hole"
  | "merge-of-missing-bytes"
  | "next-seq-beyond-data"
  | "notified-of-missing-bytes"
  | "placed-below-window"
  | "placed-beyond-window"
  | "placed-outside-of-segment"
  | "rollback-not-taken"
  | "rx-avail-above-buffer"
  | "stalled"
  | "stream-corrupted"
  | "window-edge-moved";

/** How often things happened: a run in which they did not proves nothing. */
export interface Counts {
  ticks: number;
  segments: number;
  pseudos: number;
  pseudosLost: number;
  merges: number;
  outOfOrderPlaced: number;
  rollbacks: number;
  syncs: number;
  /** Bytes that were read before rx-next-seq had passed them. */
  readAheadBytes: number;
  wraps: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly setting: string;
  readonly seed: number;
  /** The first violation of each kind, in words; empty when ok. */
  readonly findings: ReadonlyMap<FindingKind, string>;
  readonly counts: Readonly<Counts>;
}

/** One line for a failed test: what to run again, and what was seen. */
export function describeVerdict({ setting, seed, findings, counts }: Verdict): string {
  const said = [...findings].map(([kind, detail]) => `${kind} (${detail})`).join("; ");
  return `${setting}, seed ${seed}, ${counts.ticks} ticks: ${said || "ok"}`;
}

/** libTOE syncs when it has freed this part of the buffer (5.3.1.7). */
const SYNC_SHARE = 1 / 4;
const NETWORK_TICKS = 4;
const REORDERED_TICKS = 24;
/** A stall; the longest of the good runs, at 95 % loss of ACKs, take a tenth of that. */
const TICKS_MAX_BASE = 20_000;
const TICKS_PER_BYTE_MAX = 2;

/** Runs one stream to its end, to its bound of ticks, or to its first corrupted byte. */
export function runRobustness(
  make: ReceiverFactory,
  setting: Setting,
  seed: number,
  faults: HarnessFaults = {},
): Verdict {
  return new Run(make, setting, seed, faults).toEnd();
}

class Run {
  readonly #setting: Setting;
  readonly #seed: number;
  readonly #faults: HarnessFaults;
  readonly #random: Random;
  readonly #initialSeq: number;
  readonly #receiver: Receiver;
  readonly #sender: GoBackNSender;
  readonly #buffer: ReceiveBuffer;
  readonly #network = new DelayLine<Segment>();
  readonly #acks = new DelayLine<{ readonly offset: number; readonly window: number }>();
  /** By packets through the pipeline, not by ticks. */
  readonly #mirror = new DelayLine<PseudoSegment>();
  readonly #findings = new Map<FindingKind, string>();
  readonly #counts: Counts = {
    ticks: 0,
    segments: 0,
    pseudos: 0,
    pseudosLost: 0,
    merges: 0,
    outOfOrderPlaced: 0,
    rollbacks: 0,
    syncs: 0,
    readAheadBytes: 0,
    wraps: 0,
  };
  #passes = 0;
  /** Bytes that SYNC has given back. */
  #credited = 0;
  /** rx-next-seq as an offset, when no roll-back is open. */
  #merged = 0;
  /** The control plane's open roll-back. */
  #open: { readonly to: ReceiveWindow; readonly at: number } | undefined;

  constructor(make: ReceiverFactory, setting: Setting, seed: number, faults: HarnessFaults) {
    this.#setting = setting;
    this.#seed = seed;
    this.#faults = faults;
    this.#random = new Random(seed);
    const { streamBytes, ringBytes } = setting;
    const anywhere = this.#random.u32() & 0x3fffffff;
    this.#initialSeq = setting.wrap ? seqPlus(0, -Math.ceil(streamBytes / 2)) : anywhere;
    this.#receiver = make({ rxNextSeq: this.#initialSeq, rxAvail: ringBytes });
    this.#sender = new GoBackNSender({ ...setting, window: ringBytes }, this.#random);
    this.#buffer = new ReceiveBuffer(ringBytes, streamBytes);
  }

  toEnd(): Verdict {
    const { streamBytes, name } = this.#setting;
    const ticksMax = TICKS_MAX_BASE + TICKS_PER_BYTE_MAX * streamBytes;
    while (!this.#finished() && this.#buffer.corruptAt === undefined) {
      if (this.#counts.ticks === ticksMax) {
        const { acknowledged } = this.#sender;
        this.#find("stalled", `${acknowledged} acked, ${this.#buffer.consumed} of ${streamBytes}`);
        break;
      }
      this.#tick();
    }
    if (this.#buffer.corruptAt !== undefined) {
      this.#find("stream-corrupted", `byte ${this.#buffer.corruptAt}`);
    }
    const ok = this.#findings.size === 0;
    return { ok, setting: name, seed: this.#seed, findings: this.#findings, counts: this.#counts };
  }

  #finished(): boolean {
    const { streamBytes } = this.#setting;
    return this.#sender.acknowledged === streamBytes && this.#buffer.consumed === streamBytes;
  }

  #tick(): void {
    this.#counts.ticks += 1;
    const tick = this.#counts.ticks;
    const segment = this.#sender.segment(tick);
    if (segment !== undefined) this.#transmit(segment, tick);
    for (let s = this.#network.arrived(tick); s !== undefined; s = this.#network.arrived(tick)) {
      this.#receive(s);
      this.#pass();
    }
    if (this.#chance(this.#setting.hostile)) this.#attack();
    this.#pass();
    for (let ack = this.#acks.arrived(tick); ack !== undefined; ack = this.#acks.arrived(tick)) {
      if (this.#sender.acknowledge(ack, tick)) continue;
      this.#find("ack-of-unsent-bytes", `ack ${ack.offset}`);
    }
    this.#reverse();
    this.#application();
  }

  /** Not while a roll-back is open: rx-next-seq is then ahead of the data. */
  #reverse(): void {
    const { reverseTicks } = this.#setting;
    if (reverseTicks === 0 || !this.#random.oneIn(reverseTicks)) return;
    if (this.#open !== undefined) return;
    const { rxNextSeq, rxAvail } = this.#receiver.registers();
    this.#answer({ ack: rxNextSeq, window: rxAvail });
  }

  /**
   * A segment that the sender did not make: of bytes that it has sent, in another cut, or one that
   * reaches beyond the window and must be refused. Its bytes are the stream's: TCP cannot tell
   * forged ones.
   */
  #attack(): void {
    const { ringBytes } = this.#setting;
    const near = this.#merged + this.#random.between(-ringBytes, 2 * ringBytes);
    const far = this.#random.u32() | 0;
    const offset = this.#random.oneIn(4) ? far : near;
    const length = this.#random.between(1, this.#random.oneIn(3) ? 65_535 : ringBytes);
    const end = offset + length;
    if (end > this.#sender.sent && end <= this.#edge()) return;
    this.#receive({ offset, length });
    this.#pass();
  }

  #chance(share: number): boolean {
    return this.#random.u32() < share * 0x100000000;
  }

  #find(kind: FindingKind, detail: string): void {
    if (this.#findings.has(kind)) return;
    this.#findings.set(kind, `tick ${this.#counts.ticks}: ${detail}`);
  }

  #offset(seq: number): number {
    return seqMinus(seq, this.#initialSeq);
  }

  #transmit(segment: Segment, tick: number): void {
    const copies = this.#chance(this.#setting.duplication) ? 2 : 1;
    for (let i = 0; i < copies; i += 1) {
      if (this.#chance(this.#setting.networkLoss)) continue;
      const late = this.#chance(this.#setting.reordering);
      const extra = late || i > 0 ? this.#random.between(1, REORDERED_TICKS) : 0;
      this.#network.send(segment, tick + NETWORK_TICKS + extra);
    }
  }

  /** A packet or an idle slot of the pipeline: what waits for a number of them comes by. */
  #pass(): void {
    this.#passes += 1;
    if (this.#open !== undefined && this.#open.at <= this.#passes) this.#rollBack(this.#open.to);
    const pseudo = this.#mirror.arrived(this.#passes);
    if (pseudo === undefined) return;
    const before = this.#receiver.registers();
    const outcome = this.#receiver.pseudo(pseudo);
    if (seqMinus(this.#receiver.registers().rxNextSeq, before.rxNextSeq) > 0) {
      this.#counts.merges += 1;
    }
    this.#judge(outcome, undefined);
    this.#answer(pseudo);
  }

  /** An ACK leaves. */
  #answer(segment: Pick<PseudoSegment, "ack" | "window">): void {
    const ack = { offset: this.#offset(segment.ack), window: segment.window };
    if (ack.offset > this.#buffer.contiguous) {
      this.#find("ack-of-missing-bytes", `ack ${ack.offset}, all before ${this.#holds()}`);
    }
    if (this.#chance(this.#setting.networkLoss)) return;
    this.#acks.send(ack, this.#counts.ticks + NETWORK_TICKS);
  }

  #holds(): string {
    return `${this.#buffer.contiguous} are there`;
  }

  #receive(segment: Segment): void {
    this.#counts.segments += 1;
    const seq = seqPlus(this.#initialSeq, segment.offset);
    this.#judge(this.#receiver.data(seq, segment.length), segment);
  }

  /** Takes over what the receiver did, and says what was wrong with it. */
  #judge(outcome: Outcome, segment: Segment | undefined): void {
    if (outcome.placed !== undefined) {
      this.#place(this.#offset(outcome.placed.seq), outcome.placed.length, segment);
    }
    if (outcome.notify !== undefined) {
      const notified = this.#offset(outcome.notify);
      if (notified > this.#buffer.contiguous) {
        this.#find("notified-of-missing-bytes", `up to ${notified}, all before ${this.#holds()}`);
      }
      this.#buffer.notify(Math.min(notified, this.#setting.streamBytes));
    }
    if (outcome.rollback !== undefined && this.#open === undefined) {
      const delay = this.#random.between(1, Math.max(1, this.#setting.rollbackDelayPackets));
      this.#open = { to: outcome.rollback, at: this.#passes + delay };
    }
    if (outcome.pseudo !== undefined && segment !== undefined) this.#mirrored(outcome.pseudo);
    if (this.#open === undefined) this.#inspect();
  }

  #place(offset: number, length: number, segment: Segment | undefined): void {
    const end = offset + length;
    const range = `[${offset}, ${end})`;
    if (end > this.#edge()) this.#find("placed-beyond-window", `${range}, edge ${this.#edge()}`);
    if (offset < this.#merged) this.#find("placed-below-window", `${range}, from ${this.#merged}`);
    const inside = segment !== undefined && offset >= segment.offset;
    if (!inside || end > segment.offset + segment.length) {
      this.#find("placed-outside-of-segment", range);
      return;
    }
    if (offset > this.#merged) this.#counts.outOfOrderPlaced += 1;
    this.#buffer.place(offset, length);
  }

  /** Where the freed buffer ends. */
  #edge(): number {
    return this.#setting.ringBytes + this.#credited;
  }

  #mirrored(pseudo: PseudoSegment): void {
    this.#counts.pseudos += 1;
    const from = this.#offset(pseudo.seq);
    const to = from + pseudo.length;
    if (pseudo.merge && !this.#buffer.holds(Math.max(0, from), to)) {
      this.#find("merge-of-missing-bytes", `[${from}, ${to}), all before ${this.#holds()}`);
    }
    if (this.#chance(this.#setting.mirrorLoss)) this.#counts.pseudosLost += 1;
    else {
      const delay = this.#random.below(this.#setting.mirrorDelayPackets + 1);
      this.#mirror.send(pseudo, this.#passes + 1 + delay);
    }
  }

  /** The registers against what the run knows; only while no roll-back is open. */
  #inspect(): void {
    const { rxNextSeq, rxAvail, rxOooTail, rxOooHead } = this.#receiver.registers();
    const next = this.#offset(rxNextSeq);
    const before = seqPlus(this.#initialSeq, this.#merged);
    if (next > this.#merged && rxNextSeq < before) this.#counts.wraps += 1;
    this.#merged = next;
    if (rxAvail > this.#setting.ringBytes) this.#find("rx-avail-above-buffer", `${rxAvail}`);
    if (next + rxAvail !== this.#edge()) {
      this.#find("window-edge-moved", `${next} + ${rxAvail}, expected ${this.#edge()}`);
    }
    if (next > this.#buffer.contiguous) {
      this.#find("next-seq-beyond-data", `${next}, all before ${this.#holds()}`);
    }
    if (rxOooTail === 0 && rxOooHead === 0) return;
    if (rxOooHead >= rxOooTail || !this.#buffer.holds(next + rxOooHead, next + rxOooTail)) {
      this.#find("interval-with-hole", `${next} + [${rxOooHead}, ${rxOooTail})`);
    }
  }

  #rollBack(to: ReceiveWindow): void {
    this.#open = undefined;
    this.#counts.rollbacks += 1;
    this.#receiver.rollback(to);
    const { rxNextSeq, rxAvail } = this.#receiver.registers();
    if (rxNextSeq !== to.rxNextSeq || rxAvail !== to.rxAvail) {
      this.#find("rollback-not-taken", `${rxNextSeq}, ${rxAvail}`);
    }
    this.#inspect();
  }

  /** The application reads; libTOE gives back what was freed. */
  #application(): void {
    const { readTicks, readMax, readAhead, ringBytes } = this.#setting;
    if (this.#random.oneIn(readTicks)) {
      const before = this.#buffer.consumed;
      const limit = readAhead ? this.#buffer.notified : this.#merged;
      this.#buffer.read(this.#random.between(1, readMax), limit);
      const ahead = this.#buffer.consumed - Math.max(before, this.#merged);
      this.#counts.readAheadBytes += Math.max(0, ahead);
    }
    if (this.#open !== undefined) return;
    const everything = this.#faults.creditAllConsumed === true;
    const freed = everything
      ? this.#buffer.consumed
      : Math.min(this.#buffer.consumed, this.#merged);
    if (freed - this.#credited < ringBytes * SYNC_SHARE) return;
    this.#receiver.sync(freed - this.#credited);
    this.#credited = freed;
    this.#counts.syncs += 1;
    this.#inspect();
  }
}
