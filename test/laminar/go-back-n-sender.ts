/**
 * The peer of a robustness run: a go-back-N sender (RFC 9293 3.8) in abstract ticks. It works with
 * stream offsets; the network turns them into sequence numbers. It keeps to the advertised window
 * unless it was told to overrun it, and probes a window that is closed.
 */
import type { Random } from "../support/random.ts";

/** Bytes [offset, offset + length) of the stream; -1 is the number before the first. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** An ACK as the sender sees it. */
export interface Acknowledgment {
  readonly offset: number;
  readonly window: number;
}

export interface SenderOptions {
  readonly streamBytes: number;
  readonly segmentMax: number;
  /** The window of the handshake, in bytes. */
  readonly window: number;
  /**
   * What goes into a closed window: `below` resends the last acknowledged byte, `beyond` sends the
   * next one (RFC 9293 3.8.6.1), which the receiver has no room for.
   */
  readonly probe: "below" | "beyond";
  /** Up to so many bytes are sometimes sent beyond the window; 0 for a well-behaved sender. */
  readonly overrunBytes: number;
}

/** Ticks without progress until everything is sent again. */
export const RTO_TICKS = 24;
const DUPLICATE_ACKS = 3;
const OVERRUN_ONE_IN = 6;

export class GoBackNSender {
  /** First unacknowledged byte, next byte to send, end of all that was ever sent. */
  #una = 0;
  #next = 0;
  #max = 0;
  #edge: number;
  #duplicateAcks = 0;
  #deadline = RTO_TICKS;
  readonly #options: SenderOptions;
  readonly #random: Random;

  constructor(options: SenderOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#edge = options.window;
  }

  get acknowledged(): number {
    return this.#una;
  }

  /** End of all that was ever sent. */
  get sent(): number {
    return this.#max;
  }

  /** The segment of this tick, or undefined. */
  segment(tick: number): Segment | undefined {
    if (this.#una === this.#options.streamBytes) return undefined;
    if (tick >= this.#deadline) {
      this.#deadline = tick + RTO_TICKS;
      this.#next = this.#una;
      if (this.#edge <= this.#una) return this.#sent(this.#probe());
    }
    const room = Math.min(this.#options.streamBytes, this.#edge + this.#overrun()) - this.#next;
    if (room <= 0) return undefined;
    const length = Math.min(room, this.#random.between(1, this.#options.segmentMax));
    return this.#sent({ offset: this.#next, length });
  }

  /** Returns false for an ACK of bytes that were never sent. */
  acknowledge(ack: Acknowledgment, tick: number): boolean {
    if (ack.offset > this.#max) return false;
    if (ack.offset < this.#una) return true;
    if (ack.offset > this.#una) {
      this.#una = ack.offset;
      this.#next = Math.max(this.#next, ack.offset);
      this.#duplicateAcks = 0;
      this.#deadline = tick + RTO_TICKS;
    } else if (this.#max > this.#una) {
      this.#duplicateAcks += 1;
      if (this.#duplicateAcks === DUPLICATE_ACKS) this.#next = this.#una;
    }
    this.#edge = ack.offset + ack.window;
    return true;
  }

  #probe(): Segment {
    return { offset: this.#options.probe === "below" ? this.#una - 1 : this.#una, length: 1 };
  }

  #overrun(): number {
    const most = this.#options.overrunBytes;
    return most > 0 && this.#random.oneIn(OVERRUN_ONE_IN) ? this.#random.between(1, most) : 0;
  }

  #sent(segment: Segment): Segment {
    this.#next = Math.max(this.#next, segment.offset + segment.length);
    this.#max = Math.max(this.#max, this.#next);
    return segment;
  }
}
