/**
 * What 5.3.2 says of single segments, as data: steps, and after each the outcome and the registers.
 * Sequence numbers are relative to the first tx-next-ack, so that each case also runs across the
 * wrap. Each case starts with 1000 credits and a peer's window of 500 bytes.
 */
import type { AckOutcome, AckSegment, TransmitOutcome } from "./transmitter.ts";

export const START_CREDITS = 1000;
export const START_WINDOW = 500;

export interface TransmitStep {
  readonly acknowledge?: AckSegment;
  readonly transmit?: readonly [seq: number, length: number];
  readonly grant?: readonly [bytes: number, cap: number];
  readonly timeout?: number;
  readonly outcome?: AckOutcome | TransmitOutcome | number;
  /** tx-next-ack, tx-dupack-cnt, tx-avail, tx-credits, tx-remote-avail's edge behind the step. */
  readonly registers: readonly [number, number, number, number, number];
}

export interface TransmitCase {
  readonly name: string;
  readonly steps: readonly TransmitStep[];
}

const pure = (ack: number, window: number): AckSegment => ({
  ack,
  window,
  length: 0,
  order: "in-order",
});

const NOTHING: AckOutcome = { acknowledged: 0 };

/** Bytes [0, 300) are on their way. */
const PUSHED: TransmitStep = {
  transmit: [0, 300],
  outcome: "sent",
  registers: [0, 0, 300, 700, 500],
};

/** So many duplicate ACKs after PUSHED. */
const duplicates = (count: number): TransmitStep[] =>
  Array.from({ length: count }, (_, index) => ({
    acknowledge: pure(0, 500),
    outcome: NOTHING,
    registers: [0, index + 1, 300, 700, 500],
  }));

const FIRED: TransmitStep = {
  acknowledge: pure(0, 500),
  outcome: { acknowledged: 0, fastRetransmit: 0 },
  registers: [0, 3, 300, 350, 500],
};

const SENDING: readonly TransmitCase[] = [
  {
    name: "pushed: credits fall, tx-avail grows to its end",
    steps: [
      PUSHED,
      { transmit: [300, 100], outcome: "sent", registers: [0, 0, 400, 600, 500] },
      { transmit: [0, 100], outcome: "sent", registers: [0, 0, 400, 500, 500] },
    ],
  },
  {
    name: "below tx-next-ack: dropped, nothing changes",
    steps: [
      PUSHED,
      {
        acknowledge: pure(100, 500),
        outcome: { acknowledged: 100 },
        registers: [100, 0, 200, 700, 600],
      },
      { transmit: [99, 100], outcome: "stale", registers: [100, 0, 200, 700, 600] },
      { transmit: [100, 1], outcome: "sent", registers: [100, 0, 200, 699, 600] },
    ],
  },
  {
    name: "the peer's window: to its last byte, not one more",
    steps: [
      { transmit: [0, 500], outcome: "sent", registers: [0, 0, 500, 500, 500] },
      { transmit: [500, 1], outcome: "beyond-window", registers: [0, 0, 501, 499, 500] },
    ],
  },
  {
    name: "credits: the segment that exhausts them goes, the next does not",
    steps: [
      { timeout: 10, outcome: 0, registers: [0, 0, 0, 10, 500] },
      { transmit: [0, 100], outcome: "sent", registers: [0, 0, 100, 0, 500] },
      { transmit: [100, 1], outcome: "no-credit", registers: [0, 0, 101, 0, 500] },
      { grant: [50, 80], registers: [0, 0, 101, 50, 500] },
      { transmit: [100, 1], outcome: "sent", registers: [0, 0, 101, 49, 500] },
      { grant: [50, 80], registers: [0, 0, 101, 80, 500] },
    ],
  },
  {
    name: "timeout: libTOE goes back to tx-next-ack, with fresh credits",
    steps: [
      PUSHED,
      {
        acknowledge: pure(100, 500),
        outcome: { acknowledged: 100 },
        registers: [100, 0, 200, 700, 600],
      },
      { acknowledge: pure(100, 500), outcome: NOTHING, registers: [100, 1, 200, 700, 600] },
      { timeout: 42, outcome: 100, registers: [100, 0, 200, 42, 600] },
    ],
  },
];

const ACKNOWLEDGING: readonly TransmitCase[] = [
  {
    name: "acknowledged: tx-next-ack and tx-avail move together, the edge is absolute",
    steps: [
      PUSHED,
      {
        acknowledge: pure(120, 400),
        outcome: { acknowledged: 120 },
        registers: [120, 0, 180, 700, 520],
      },
      {
        acknowledge: pure(300, 0),
        outcome: { acknowledged: 180 },
        registers: [300, 0, 0, 700, 300],
      },
      { transmit: [300, 1], outcome: "beyond-window", registers: [300, 0, 1, 699, 300] },
    ],
  },
  {
    name: "one byte more than was pushed: reset",
    steps: [
      PUSHED,
      {
        acknowledge: { ack: 301, window: 500, length: 0, order: "in-order" },
        outcome: { acknowledged: 301, reset: true },
        registers: [301, 0, 300, 700, 500],
      },
    ],
  },
  {
    name: "segments that were dropped for the window are acceptable all the same",
    steps: [
      { transmit: [400, 200], outcome: "beyond-window", registers: [0, 0, 600, 800, 500] },
      {
        acknowledge: pure(600, 500),
        outcome: { acknowledged: 600 },
        registers: [600, 0, 0, 800, 1100],
      },
    ],
  },
  {
    name: "third duplicate ACK: fires once, credits are halved",
    steps: [
      PUSHED,
      ...duplicates(2),
      FIRED,
      { acknowledge: pure(0, 500), outcome: NOTHING, registers: [0, 4, 300, 350, 500] },
      { acknowledge: pure(0, 500), outcome: NOTHING, registers: [0, 5, 300, 350, 500] },
      { acknowledge: pure(0, 500), outcome: NOTHING, registers: [0, 6, 300, 350, 500] },
      { acknowledge: pure(0, 500), outcome: NOTHING, registers: [0, 7, 300, 350, 500] },
      { acknowledge: pure(0, 500), outcome: NOTHING, registers: [0, 7, 300, 350, 500] },
      {
        acknowledge: pure(100, 500),
        outcome: { acknowledged: 100 },
        registers: [100, 0, 200, 350, 600],
      },
    ],
  },
  {
    name: "duplicate ACKs with nothing in flight: nothing is sent again, credits stay",
    steps: [1, 2, 3, 4].map((count) => ({
      acknowledge: pure(0, 500),
      outcome: NOTHING,
      registers: [0, count, 0, 1000, 500] as const,
    })),
  },
  {
    name: "an ACK that advances, or an old one, starts the count again",
    steps: [
      PUSHED,
      ...duplicates(2),
      {
        acknowledge: pure(10, 490),
        outcome: { acknowledged: 10 },
        registers: [10, 0, 290, 700, 500],
      },
      { acknowledge: pure(10, 490), outcome: NOTHING, registers: [10, 1, 290, 700, 500] },
      { acknowledge: pure(9, 100), outcome: NOTHING, registers: [10, 0, 290, 700, 500] },
    ],
  },
  {
    name: "a segment with payload is no duplicate ACK and leaves the count",
    steps: [
      PUSHED,
      ...duplicates(2),
      {
        acknowledge: { ack: 0, window: 500, length: 9, order: "in-order" },
        outcome: NOTHING,
        registers: [0, 2, 300, 700, 500],
      },
      FIRED,
    ],
  },
  ...(["duplicate", "out-of-order", "out-of-window"] as const).map((order) => ({
    name: `${order} segment: its ACK counts, its window does not`,
    steps: [
      PUSHED,
      {
        acknowledge: { ack: 100, window: 9000, length: 9, order },
        outcome: { acknowledged: 100 },
        registers: [100, 0, 200, 700, 500],
      } as const,
    ],
  })),
];

export const TRANSMIT_RULES: readonly TransmitCase[] = [...SENDING, ...ACKNOWLEDGING];
