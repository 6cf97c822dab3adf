/**
 * One seeded stream out of a Transmitter to a peer: libTOE pushes without looking at the peer's
 * window (that is the data path's to keep), goes back on fast retransmission and timeout, and is
 * granted credits by SYNC. The network loses and reorders both ways; the peer takes bytes in order
 * only, reads at its own pace, and sends data of its own, so that ACKs also come in segments that
 * are out of order for us. Watched: no segment beyond the peer's window, no more bytes than
 * credits, tx-next-ack + tx-avail is the end of what was pushed, and the stream arrives.
 */
import { Random } from "../support/random.ts";
import { DelayLine } from "./delay-line.ts";
import { seqMinus, seqPlus } from "./receiver.ts";
import type { AckSegment, Transmitter, TransmitterFactory } from "./transmitter.ts";

const STREAM_BYTES = 3000;
const SEGMENT_MAX = 60;
const PEER_BUFFER_BYTES = 400;
const CREDITS = 240;
const GRANT_BYTES = 120;
const GRANT_TICKS = 6;
const RTO_TICKS = 40;
const NETWORK_TICKS = 4;
const LATE_TICKS = 20;
const TICKS_MAX = 40_000;

export interface TransmitVerdict {
  readonly ok: boolean;
  readonly seed: number;
  readonly ticks: number;
  /** First violation, in words. */
  readonly finding: string | undefined;
  readonly fastRetransmits: number;
  /** Segments that the transmitter dropped for credits or window. */
  readonly refused: number;
}

export function describeTransmitVerdict({ seed, ticks, finding }: TransmitVerdict): string {
  return `transmission, seed ${seed}, ${ticks} ticks: ${finding ?? "ok"}`;
}

export function runTransmit(make: TransmitterFactory, seed: number): TransmitVerdict {
  return new Run(make, seed).toEnd();
}

class Run {
  readonly #seed: number;
  readonly #random: Random;
  readonly #origin: number;
  readonly #transmitter: Transmitter;
  readonly #data = new DelayLine<{ readonly offset: number; readonly length: number }>();
  readonly #acks = new DelayLine<AckSegment>();
  #tick = 0;
  #finding: string | undefined;
  #fastRetransmits = 0;
  #refused = 0;
  /** libTOE: next byte to push, end of all that was pushed, last progress. */
  #head = 0;
  #pushed = 0;
  #progressTick = 0;
  /** Granted and not yet sent, by our own account; the last segment may overdraw. */
  #allowance = CREDITS;
  /** The peer: in-order end, bytes its application has read, the furthest edge it ever gave. */
  #peerNext = 0;
  #peerRead = 0;
  #peerEdge = PEER_BUFFER_BYTES;
  /** True while all of the peer's own data has come: what it sends is in order for us. */
  #wanted = true;

  constructor(make: TransmitterFactory, seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#origin = seqPlus(0, -this.#random.below(STREAM_BYTES));
    const txRemoteEdge = seqPlus(this.#origin, PEER_BUFFER_BYTES);
    this.#transmitter = make({ txNextAck: this.#origin, txCredits: CREDITS, txRemoteEdge });
  }

  toEnd(): TransmitVerdict {
    while (this.#una() < STREAM_BYTES && this.#finding === undefined) {
      if (this.#tick === TICKS_MAX) this.#finding = `stalled at ${this.#una()}`;
      this.#step();
    }
    return {
      ok: this.#finding === undefined,
      seed: this.#seed,
      ticks: this.#tick,
      finding: this.#finding,
      fastRetransmits: this.#fastRetransmits,
      refused: this.#refused,
    };
  }

  #step(): void {
    this.#tick += 1;
    if (this.#tick % GRANT_TICKS === 0) {
      this.#transmitter.grant(GRANT_BYTES, CREDITS);
      this.#allowance = Math.min(CREDITS, this.#allowance + GRANT_BYTES);
    }
    this.#push();
    const now = this.#tick;
    for (let s = this.#data.arrived(now); s !== undefined; s = this.#data.arrived(now)) {
      this.#peerReceives(s.offset, s.length);
    }
    this.#peerReads();
    for (let ack = this.#acks.arrived(now); ack !== undefined; ack = this.#acks.arrived(now)) {
      this.#acknowledge(ack);
    }
    if (this.#tick - this.#progressTick >= RTO_TICKS) this.#timeOut();
    this.#inspect();
  }

  #una(): number {
    return seqMinus(this.#transmitter.registers().txNextAck, this.#origin);
  }

  /** One push; libTOE waits for credits but knows nothing of the peer's window. */
  #push(): void {
    const length = Math.min(STREAM_BYTES - this.#head, this.#random.between(1, SEGMENT_MAX));
    if (length <= 0 || this.#random.oneIn(3)) return;
    const { txCredits } = this.#transmitter.registers();
    const offset = this.#head;
    const end = offset + length;
    const outcome = this.#transmitter.transmit(seqPlus(this.#origin, offset), length);
    if (outcome === "stale") {
      this.#head = this.#una();
      return;
    }
    this.#pushed = Math.max(this.#pushed, end);
    if (outcome === "no-credit" && txCredits > 0) this.#finding = "dropped with credits left";
    if (outcome !== "no-credit") this.#allowance = Math.max(0, this.#allowance - length);
    this.#head = end;
    if (outcome !== "sent") {
      this.#refused += 1;
      // Gone like a lost segment; libTOE only slows down.
      if (end - this.#una() > 2 * PEER_BUFFER_BYTES) this.#head = this.#una();
      return;
    }
    if (end > this.#peerEdge) {
      this.#finding = `[${offset}, ${end}) sent, the peer's window ended at ${this.#peerEdge}`;
    }
    if (this.#random.oneIn(12)) return;
    this.#data.send({ offset, length }, this.#arrival());
  }

  #arrival(): number {
    const late = this.#random.oneIn(10) ? this.#random.between(1, LATE_TICKS) : 0;
    return this.#tick + NETWORK_TICKS + late;
  }

  #peerReceives(offset: number, length: number): void {
    if (offset <= this.#peerNext) this.#peerNext = Math.max(this.#peerNext, offset + length);
    this.#peerSends(0);
  }

  /** The peer's application reads; now and then the peer tells of it, or has something to say. */
  #peerReads(): void {
    if (this.#random.oneIn(4)) {
      this.#peerRead = Math.min(this.#peerNext, this.#peerRead + this.#random.below(120));
    }
    if (this.#random.oneIn(8)) this.#peerSends(this.#random.oneIn(2) ? 10 : 0);
  }

  #peerSends(length: number): void {
    const window = this.#peerRead + PEER_BUFFER_BYTES - this.#peerNext;
    this.#peerEdge = this.#peerNext + window;
    // A lost segment of the peer makes those behind it out of order, until it comes again.
    const lost = this.#random.oneIn(length > 0 ? 3 : 12);
    if (length > 0) this.#wanted = !lost;
    if (lost) return;
    const order = this.#wanted ? "in-order" : "out-of-order";
    this.#acks.send({ ack: this.#peerNext, window, length, order }, this.#arrival());
  }

  #acknowledge(segment: AckSegment): void {
    const before = this.#una();
    const ack = seqPlus(this.#origin, segment.ack);
    const outcome = this.#transmitter.acknowledge({ ...segment, ack });
    if (outcome.reset === true) this.#finding = `reset by ACK ${segment.ack}`;
    if (outcome.acknowledged > 0) this.#progressTick = this.#tick;
    if (outcome.fastRetransmit !== undefined) {
      this.#fastRetransmits += 1;
      this.#head = seqMinus(outcome.fastRetransmit, this.#origin);
      this.#allowance = Math.floor(this.#allowance / 2);
    }
    if (this.#una() !== Math.max(before, segment.ack)) this.#finding = `ACK ${segment.ack} missed`;
  }

  #timeOut(): void {
    this.#progressTick = this.#tick;
    this.#head = seqMinus(this.#transmitter.timeout(CREDITS), this.#origin);
    this.#allowance = CREDITS;
  }

  #inspect(): void {
    const { txAvail, txCredits } = this.#transmitter.registers();
    if (this.#una() + txAvail !== this.#pushed) {
      this.#finding ??= `tx-avail ${txAvail} from ${this.#una()}, pushed ${this.#pushed}`;
    }
    if (txCredits !== this.#allowance) {
      this.#finding ??= `tx-credits ${txCredits}, expected ${this.#allowance}`;
    }
  }
}
