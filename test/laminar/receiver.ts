/**
 * Laminar's reassembly (dissertation 5.3.1) as a tester sees it: segments go in, and what the
 * pipeline does with each comes out. The model in receiver-model.ts and the real data path both
 * stand behind this interface, so that one set of tests judges both.
 *
 * Sequence numbers are 32 bits and wrap; lengths and windows are bytes.
 */

/** The four registers of stages 1 to 4, all u32. */
export interface Registers {
  /** rx-next-seq: the next sequence number expected in order. */
  readonly rxNextSeq: number;
  /** rx-avail: bytes from rxNextSeq on for which the receive buffer has room. */
  readonly rxAvail: number;
  /** rx-ooo-tail: end of the out-of-order interval, relative to rxNextSeq; 0 means no interval. */
  readonly rxOooTail: number;
  /** rx-ooo-head: start of the interval, relative to rxNextSeq; 0 with a tail: gap is closed. */
  readonly rxOooHead: number;
}

/** What a connection starts with, and what the control plane restores (5.3.1.2). */
export interface ReceiveWindow {
  readonly rxNextSeq: number;
  readonly rxAvail: number;
}

/** A mirrored segment (5.3.1.4, 5.3.1.5): an ACK and, with `merge`, a segment without payload. */
export interface PseudoSegment {
  /** rx-next-seq behind the segment that made it; the merge covers [seq, seq + length). */
  readonly seq: number;
  readonly length: number;
  /** Acknowledgment number and window of the ACK. */
  readonly ack: number;
  readonly window: number;
  readonly merge: boolean;
}

/** Bytes [seq, seq + length) of the stream. */
export interface Range {
  readonly seq: number;
  readonly length: number;
}

/**
 * Why a segment was dropped whole.
 *
 * - `out-of-window`: in order, but more than fits; the control plane has to roll back
 * - `out-of-order`: touches no end of the interval
 * - `beyond-window`: out of order and reaches beyond rx-avail
 * - `duplicate`: ends at or before rx-next-seq
 */
export type Drop = "out-of-window" | "out-of-order" | "beyond-window" | "duplicate";

export interface Outcome {
  /** Bytes of the packet that are placed in the receive buffer; absent when none are. */
  readonly placed?: Range;
  /** libTOE may read up to here, not included; absent when there is nothing new to say. */
  readonly notify?: number;
  /** What is mirrored; its ACK leaves when it comes by again, or is lost with it. */
  readonly pseudo?: PseudoSegment;
  readonly drop?: Drop;
  /** With drop out-of-window: the state before the dropped segment. */
  readonly rollback?: ReceiveWindow;
}

export interface Receiver {
  /** A received data segment. One without payload changes nothing. */
  data(seq: number, length: number): Outcome;
  /** A mirrored pseudo segment comes by again. It makes no new ones. */
  pseudo(segment: PseudoSegment): Outcome;
  /**
   * SYNC: libTOE has freed so many bytes. The caller counts only bytes below rxNextSeq, and holds
   * the SYNC back while a roll-back is open: the roll-back would undo it.
   */
  sync(freed: number): void;
  /** The control plane restores the state of the first dropped segment; the interval is empty. */
  rollback(to: ReceiveWindow): void;
  registers(): Registers;
}

/** Makes a connection's receiver with an empty interval. */
export type ReceiverFactory = (initial: ReceiveWindow) => Receiver;

/** a - b in serial arithmetic (RFC 1982): -2^31 to 2^31 - 1. */
export function seqMinus(a: number, b: number): number {
  return (a - b) | 0;
}

/** Sequence number `seq` plus `bytes`, which may be negative. */
export function seqPlus(seq: number, bytes: number): number {
  return (seq + bytes) >>> 0;
}
