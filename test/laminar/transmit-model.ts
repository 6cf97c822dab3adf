/**
 * A model of Laminar's transmission logic, written from the text of dissertation 5.3.2 alone. It
 * shares no code with the data path.
 *
 * Where the text leaves a choice:
 *
 * - tx-avail is "bytes ready" in 5.1.2 and the window's upper end in 5.3.2.2. Here it is the end of
 *   all that was pushed, less tx-next-ack: what makes an ACK acceptable. A segment that is dropped
 *   for credits or window has raised it already.
 * - tx-remote-avail is absolute. A relative one is not rebased by an ACK that advances tx-next-ack
 *   out of order, and lets segments go beyond the peer's window: `relativeWindow`.
 * - The segment that exhausts the credits still goes; the credits of a dropped one are lost.
 * - An ACK below tx-next-ack is old, and so is its window (RFC 9293 3.10.7.4).
 * - Only the third duplicate ACK fires. The next fires after tx-next-ack has moved, after another
 *   kind of ACK, or after a timeout.
 * - Segments with payload never count as duplicate ACKs (RFC 5681, section 2), and they mean
 *   nothing when nothing is in flight.
 */
import { seqMinus, seqPlus } from "./receiver.ts";
import {
  type AckOutcome,
  type AckSegment,
  DUPACKS_MAX,
  type Transmitter,
  type TransmitOutcome,
  type TransmitRegisters,
  type TransmitStart,
} from "./transmitter.ts";

const DUPACKS_TO_FIRE = 3;

/** Planted faults. */
export interface TransmitFaults {
  /** tx-remote-avail counts from tx-next-ack, as an in-order ACK left it. */
  readonly relativeWindow?: boolean;
}

export class TransmitModel implements Transmitter {
  #txNextAck: number;
  #txDupackCnt = 0;
  #txAvail = 0;
  #txCredits: number;
  #txRemoteEdge: number;
  readonly #faults: TransmitFaults;

  constructor(start: TransmitStart, faults: TransmitFaults = {}) {
    this.#txNextAck = start.txNextAck >>> 0;
    this.#txCredits = start.txCredits;
    this.#txRemoteEdge = start.txRemoteEdge >>> 0;
    this.#faults = faults;
  }

  registers(): TransmitRegisters {
    return {
      txNextAck: this.#txNextAck,
      txDupackCnt: this.#txDupackCnt,
      txAvail: this.#txAvail,
      txCredits: this.#txCredits,
      txRemoteEdge: this.#txRemoteEdge,
    };
  }

  /** 5.3.2.3. */
  acknowledge(segment: AckSegment): AckOutcome {
    const advance = seqMinus(segment.ack, this.#txNextAck);
    const acknowledged = Math.max(0, advance);
    this.#txNextAck = seqPlus(this.#txNextAck, acknowledged);
    // With nothing outstanding nothing is lost (RFC 5681, section 2).
    const fires = this.#countDuplicates(advance, segment.length) && this.#txAvail > 0;
    if (acknowledged > this.#txAvail) return { acknowledged, reset: true };
    this.#txAvail -= acknowledged;
    if (fires) this.#txCredits = Math.floor(this.#txCredits / 2);
    if (this.#faults.relativeWindow === true) {
      this.#txRemoteEdge = seqPlus(this.#txRemoteEdge, acknowledged);
    }
    if (segment.order === "in-order" && advance >= 0) {
      this.#txRemoteEdge = seqPlus(segment.ack, segment.window);
    }
    return fires ? { acknowledged, fastRetransmit: this.#txNextAck } : { acknowledged };
  }

  /** 5.3.2.2. */
  transmit(seq: number, length: number): TransmitOutcome {
    const start = seqMinus(seq, this.#txNextAck);
    if (start < 0) return "stale";
    const end = start + length;
    this.#txAvail = Math.max(this.#txAvail, end);
    if (this.#txCredits === 0) return "no-credit";
    this.#txCredits = Math.max(0, this.#txCredits - length);
    return end > seqMinus(this.#txRemoteEdge, this.#txNextAck) ? "beyond-window" : "sent";
  }

  /** 5.3.2.1. */
  grant(bytes: number, cap: number): void {
    this.#txCredits = Math.min(cap, this.#txCredits + bytes);
  }

  timeout(credits: number): number {
    this.#txDupackCnt = 0;
    this.#txCredits = credits;
    return this.#txNextAck;
  }

  /** True when this is the ACK that starts a fast retransmission. */
  #countDuplicates(advance: number, length: number): boolean {
    const duplicate = advance === 0 && length === 0;
    if (duplicate) this.#txDupackCnt = Math.min(DUPACKS_MAX, this.#txDupackCnt + 1);
    else if (advance > 0 || length === 0) this.#txDupackCnt = 0;
    return duplicate && this.#txDupackCnt === DUPACKS_TO_FIRE;
  }
}
