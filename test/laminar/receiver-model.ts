/**
 * A model of Laminar's reassembly, written from the text of dissertation 5.3.1 alone: plain numbers
 * and one function for each of the paper's cases. It shares no code with the data path.
 *
 * Where the text leaves a choice:
 *
 * - The merge is triggered by the state behind stage 4 (a tail, head 0), not by the kind of
 *   segment: #3 of table 5.1 is out of order, yet the table lists its pseudo segment.
 * - An out-of-order segment that reaches beyond rx-avail is dropped. "The other stages do nothing"
 *   (5.3.1.3), taken literally, lets it overwrite bytes that nobody has read: `noWindowCompare`.
 * - An in-order segment that fits only in part is dropped whole (5.3.1.2).
 * - Only a tail of 0 says that there is no interval; head 0 alone says that the gap is closed.
 * - An ACK never covers a dropped segment. The first out-of-window segment is answered with the
 *   number from before it and window 0. Until the roll-back, rx-next-seq is ahead of the data, and
 *   an ACK of an intervening segment (5.3.1.2 lets it leave) would acknowledge bytes that were
 *   dropped: a zero-window probe that the network duplicates is enough. So none leaves; a lost ACK
 *   is something TCP repairs.
 */
import {
  type Outcome,
  type PseudoSegment,
  type Receiver,
  type ReceiveWindow,
  type Registers,
  seqMinus,
  seqPlus,
} from "./receiver.ts";

/** Planted faults: a test that does not find them proves nothing. */
export interface ReceiverFaults {
  /** Stage 2 does nothing for out-of-order segments: the literal 5.3.1.3. */
  readonly noWindowCompare?: boolean;
  /**
   * ACKs carry rx-next-seq even where a roll-back is due, the literal 5.3.1.2: all of them, or only
   * those of the intervening segments.
   */
  readonly optimisticAcks?: "all" | "intervening";
}

export class ReceiverModel implements Receiver {
  #rxNextSeq: number;
  #rxAvail: number;
  #rxOooTail = 0;
  #rxOooHead = 0;
  /** From the first out-of-window segment to the roll-back. */
  #rollbackOpen = false;
  readonly #faults: ReceiverFaults;

  constructor(initial: ReceiveWindow, faults: ReceiverFaults = {}) {
    this.#rxNextSeq = initial.rxNextSeq >>> 0;
    this.#rxAvail = initial.rxAvail;
    this.#faults = faults;
  }

  registers(): Registers {
    return {
      rxNextSeq: this.#rxNextSeq,
      rxAvail: this.#rxAvail,
      rxOooTail: this.#rxOooTail,
      rxOooHead: this.#rxOooHead,
    };
  }

  data(seq: number, length: number): Outcome {
    if (length === 0) return {};
    const start = seqMinus(seq, this.#rxNextSeq);
    const end = start + length;
    if (end <= 0) return this.#mirrored({ drop: "duplicate" });
    if (start > 0) return this.#mirrored(this.#outOfOrder(seq, start, end));
    const first = this.#rxNextSeq;
    const refused = this.#advance(end);
    if (refused !== undefined) return refused;
    return this.#mirrored({ placed: { seq: first, length: end }, notify: this.#readableEnd() });
  }

  pseudo(segment: PseudoSegment): Outcome {
    if (!segment.merge) return {};
    const start = seqMinus(segment.seq, this.#rxNextSeq);
    const end = start + segment.length;
    if (end <= 0) return { drop: "duplicate" };
    // After a roll-back; the interval was forgotten with it, and is not started again from here.
    if (start > 0) return { drop: "out-of-order" };
    const refused = this.#advance(end);
    if (refused === undefined) return { notify: this.#readableEnd() };
    return { drop: "out-of-window", rollback: refused.rollback };
  }

  sync(freed: number): void {
    this.#rxAvail += freed;
  }

  rollback(to: ReceiveWindow): void {
    this.#rxNextSeq = to.rxNextSeq >>> 0;
    this.#rxAvail = to.rxAvail;
    // Empty already: a segment that does not fit reaches beyond every interval that does.
    this.#rxOooTail = 0;
    this.#rxOooHead = 0;
    this.#rollbackOpen = false;
  }

  /** 5.3.1.1 and 5.3.1.2. Returns what happens to a segment that does not fit. */
  #advance(bytes: number): Outcome | undefined {
    const before: ReceiveWindow = { rxNextSeq: this.#rxNextSeq, rxAvail: this.#rxAvail };
    this.#rxNextSeq = seqPlus(this.#rxNextSeq, bytes);
    this.#rxAvail = Math.max(0, this.#rxAvail - bytes);
    this.#rxOooTail = Math.max(0, this.#rxOooTail - bytes);
    this.#rxOooHead = Math.max(0, this.#rxOooHead - bytes);
    if (bytes <= before.rxAvail) return undefined;
    const refused: Outcome = { drop: "out-of-window", rollback: before };
    if (this.#faults.optimisticAcks === "all") return this.#mirrored(refused);
    if (this.#rollbackOpen) return this.#mirrored(refused);
    this.#rollbackOpen = true;
    const seq = before.rxNextSeq;
    return { ...refused, pseudo: { seq, length: 0, ack: seq, window: 0, merge: false } };
  }

  /** 5.3.1.3. `start` and `end` are relative to rx-next-seq. */
  #outOfOrder(seq: number, start: number, end: number): Outcome {
    if (end > this.#rxAvail && this.#faults.noWindowCompare !== true) {
      return { drop: "beyond-window" };
    }
    if (this.#rxOooTail === 0) {
      this.#rxOooTail = end;
      this.#rxOooHead = start;
    } else {
      if (start > this.#rxOooTail || end < this.#rxOooHead) return { drop: "out-of-order" };
      this.#rxOooTail = Math.max(this.#rxOooTail, end);
      this.#rxOooHead = Math.min(this.#rxOooHead, start);
    }
    return { placed: { seq, length: end - start } };
  }

  /** 5.3.1.4 and 5.3.1.5: one pseudo segment for the ACK and for the merge. */
  #mirrored(outcome: Outcome): Outcome {
    if (this.#rollbackOpen && this.#faults.optimisticAcks === undefined) return outcome;
    const seq = this.#rxNextSeq;
    const merge = this.#rxOooTail > 0 && this.#rxOooHead === 0;
    const length = merge ? this.#rxOooTail : 0;
    const pseudo: PseudoSegment = { seq, length, ack: seq, window: this.#rxAvail, merge };
    return { ...outcome, pseudo };
  }

  /** 5.3.1.6: libTOE is told ahead of the merge. */
  #readableEnd(): number {
    const ahead = this.#rxOooHead === 0 ? this.#rxOooTail : 0;
    return seqPlus(this.#rxNextSeq, ahead);
  }
}
