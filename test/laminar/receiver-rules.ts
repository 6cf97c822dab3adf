/**
 * What 5.3.1 says of single segments, as data: steps, and after each the outcome and the registers.
 * Sequence numbers are relative to the initial rx-next-seq, so that each case also runs across the
 * wrap.
 */

/** Relative [start, length]. */
type Bytes = readonly [number, number];

export interface RuleStep {
  readonly data?: Bytes;
  /** A merging pseudo segment comes by; its ACK plays no part. */
  readonly pseudo?: Bytes;
  /** A pseudo segment comes by that is an ACK of this number and no more. */
  readonly ackOnly?: number;
  readonly sync?: number;
  /** rx-next-seq and rx-avail to restore. */
  readonly rollback?: Bytes;
  readonly placed?: Bytes;
  readonly notify?: number;
  readonly drop?: "out-of-window" | "out-of-order" | "beyond-window" | "duplicate";
  readonly restores?: Bytes;
  /** Number and window of the ACK. */
  readonly ack?: readonly [number, number];
  readonly merge?: Bytes;
  /** rx-next-seq, rx-avail, rx-ooo-tail, rx-ooo-head behind the step. */
  readonly registers: readonly [number, number, number, number];
}

export interface RuleCase {
  readonly name: string;
  /** rx-avail at the start; rx-next-seq is 0. */
  readonly avail: number;
  readonly steps: readonly RuleStep[];
}

/** [200, 300) of a window of 1000 waits out of order. */
const INTERVAL: RuleStep = {
  data: [200, 100],
  placed: [200, 100],
  ack: [0, 1000],
  registers: [0, 1000, 300, 200],
};

/** [0, 200) closed the gap to INTERVAL; the merge has not come by. */
const CLOSED: RuleStep = {
  data: [0, 200],
  placed: [0, 200],
  notify: 300,
  ack: [200, 800],
  merge: [200, 100],
  registers: [200, 800, 100, 0],
};

/** One byte more than the window of 100 holds. */
const REFUSED: RuleStep = {
  data: [0, 101],
  drop: "out-of-window",
  restores: [0, 100],
  ack: [0, 0],
  registers: [101, 0, 0, 0],
};

const IN_ORDER: readonly RuleCase[] = [
  {
    name: "a segment without payload changes nothing",
    avail: 1000,
    steps: [INTERVAL, { data: [0, 0], registers: [0, 1000, 300, 200] }],
  },
  {
    name: "in order: placed, notified, acknowledged (5.3.1.1)",
    avail: 1000,
    steps: [
      { data: [0, 10], placed: [0, 10], notify: 10, ack: [10, 990], registers: [10, 990, 0, 0] },
    ],
  },
  {
    name: "in order: fills the window to its last byte",
    avail: 100,
    steps: [
      { data: [0, 100], placed: [0, 100], notify: 100, ack: [100, 0], registers: [100, 0, 0, 0] },
      { sync: 40, registers: [100, 40, 0, 0] },
      { data: [100, 40], placed: [100, 40], notify: 140, ack: [140, 0], registers: [140, 0, 0, 0] },
    ],
  },
  {
    name: "partial duplicate: trimmed to its new part",
    avail: 100,
    steps: [
      { data: [-30, 40], placed: [0, 10], notify: 10, ack: [10, 90], registers: [10, 90, 0, 0] },
    ],
  },
  {
    name: "trimmed first, then compared with the window",
    avail: 100,
    steps: [
      { data: [-9, 109], placed: [0, 100], notify: 100, ack: [100, 0], registers: [100, 0, 0, 0] },
    ],
  },
  {
    name: "duplicate up to rx-next-seq: dropped, acknowledged",
    avail: 100,
    steps: [{ data: [-30, 30], drop: "duplicate", ack: [0, 100], registers: [0, 100, 0, 0] }],
  },
];

const OUT_OF_ORDER: readonly RuleCase[] = [
  {
    name: "out of order: the last byte of the window is placed, the next one is not",
    avail: 100,
    steps: [
      { data: [91, 10], drop: "beyond-window", ack: [0, 100], registers: [0, 100, 0, 0] },
      { data: [90, 10], placed: [90, 10], ack: [0, 100], registers: [0, 100, 100, 90] },
      { data: [95, 6], drop: "beyond-window", ack: [0, 100], registers: [0, 100, 100, 90] },
    ],
  },
  {
    name: "out of order: touches the tail",
    avail: 1000,
    steps: [
      INTERVAL,
      { data: [300, 50], placed: [300, 50], ack: [0, 1000], registers: [0, 1000, 350, 200] },
    ],
  },
  {
    name: "out of order: one byte behind the tail",
    avail: 1000,
    steps: [
      INTERVAL,
      { data: [301, 50], drop: "out-of-order", ack: [0, 1000], registers: [0, 1000, 300, 200] },
    ],
  },
  {
    name: "out of order: touches the head",
    avail: 1000,
    steps: [
      INTERVAL,
      { data: [150, 50], placed: [150, 50], ack: [0, 1000], registers: [0, 1000, 300, 150] },
    ],
  },
  {
    name: "out of order: one byte before the head",
    avail: 1000,
    steps: [
      INTERVAL,
      { data: [150, 49], drop: "out-of-order", ack: [0, 1000], registers: [0, 1000, 300, 200] },
    ],
  },
  {
    name: "out of order: covers the interval, lies in it",
    avail: 1000,
    steps: [
      INTERVAL,
      { data: [190, 130], placed: [190, 130], ack: [0, 1000], registers: [0, 1000, 320, 190] },
      { data: [200, 50], placed: [200, 50], ack: [0, 1000], registers: [0, 1000, 320, 190] },
    ],
  },
  {
    name: "in order below the interval: head and tail follow rx-next-seq",
    avail: 1000,
    steps: [
      INTERVAL,
      {
        data: [0, 150],
        placed: [0, 150],
        notify: 150,
        ack: [150, 850],
        registers: [150, 850, 150, 50],
      },
    ],
  },
  {
    name: "in order over the whole interval: nothing is left of it",
    avail: 1000,
    steps: [
      INTERVAL,
      {
        data: [0, 310],
        placed: [0, 310],
        notify: 310,
        ack: [310, 690],
        registers: [310, 690, 0, 0],
      },
    ],
  },
];

const MERGE: readonly RuleCase[] = [
  {
    name: "merge: in order into the interval, the rest of it is mirrored (5.3.1.5)",
    avail: 1000,
    steps: [
      INTERVAL,
      {
        data: [0, 240],
        placed: [0, 240],
        notify: 300,
        ack: [240, 760],
        merge: [240, 60],
        registers: [240, 760, 60, 0],
      },
      { pseudo: [240, 60], notify: 300, registers: [300, 700, 0, 0] },
    ],
  },
  {
    name: "merge: the pseudo segment is trimmed, a second one is a duplicate",
    avail: 1000,
    steps: [
      INTERVAL,
      CLOSED,
      {
        data: [200, 30],
        placed: [200, 30],
        notify: 300,
        ack: [230, 770],
        merge: [230, 70],
        registers: [230, 770, 70, 0],
      },
      { pseudo: [200, 100], notify: 300, registers: [300, 700, 0, 0] },
      { pseudo: [230, 70], drop: "duplicate", registers: [300, 700, 0, 0] },
    ],
  },
  {
    name: "merge: lost, and made again by a duplicate and by a dropped segment",
    avail: 1000,
    steps: [
      INTERVAL,
      CLOSED,
      {
        data: [0, 20],
        drop: "duplicate",
        ack: [200, 800],
        merge: [200, 100],
        registers: [200, 800, 100, 0],
      },
      {
        data: [400, 20],
        drop: "out-of-order",
        ack: [200, 800],
        merge: [200, 100],
        registers: [200, 800, 100, 0],
      },
      {
        data: [900, 101],
        drop: "beyond-window",
        ack: [200, 800],
        merge: [200, 100],
        registers: [200, 800, 100, 0],
      },
    ],
  },
  {
    name: "merge: out-of-order data behind the closed gap extends it",
    avail: 1000,
    steps: [
      INTERVAL,
      CLOSED,
      {
        data: [300, 50],
        placed: [300, 50],
        ack: [200, 800],
        merge: [200, 150],
        registers: [200, 800, 150, 0],
      },
      { pseudo: [200, 100], notify: 350, registers: [300, 700, 50, 0] },
    ],
  },
];

const ACK_ONLY: readonly RuleCase[] = [
  {
    name: "a pseudo segment that only acknowledges changes nothing",
    avail: 1000,
    steps: [
      { ackOnly: 0, registers: [0, 1000, 0, 0] },
      INTERVAL,
      { ackOnly: 0, registers: [0, 1000, 300, 200] },
      CLOSED,
      { ackOnly: 0, registers: [200, 800, 100, 0] },
    ],
  },
];

const ROLLBACK: readonly RuleCase[] = [
  {
    name: "out of window: dropped whole, acknowledged as before with window 0 (5.3.1.2)",
    avail: 100,
    steps: [
      REFUSED,
      { rollback: [0, 100], registers: [0, 100, 0, 0] },
      { data: [0, 100], placed: [0, 100], notify: 100, ack: [100, 0], registers: [100, 0, 0, 0] },
    ],
  },
  {
    name: "out of window: intervening segments are dropped too, none acknowledges",
    avail: 100,
    steps: [
      REFUSED,
      { data: [0, 50], drop: "duplicate", registers: [101, 0, 0, 0] },
      { data: [110, 5], drop: "beyond-window", registers: [101, 0, 0, 0] },
      { data: [101, 7], drop: "out-of-window", restores: [101, 0], registers: [108, 0, 0, 0] },
      { rollback: [0, 100], registers: [0, 100, 0, 0] },
    ],
  },
  {
    name: "out of window: the interval is forgotten, a late pseudo segment does not start one",
    avail: 250,
    steps: [
      { data: [50, 100], placed: [50, 100], ack: [0, 250], registers: [0, 250, 150, 50] },
      {
        data: [0, 251],
        drop: "out-of-window",
        restores: [0, 250],
        ack: [0, 0],
        registers: [251, 0, 0, 0],
      },
      { rollback: [0, 250], registers: [0, 250, 0, 0] },
      { pseudo: [50, 100], drop: "out-of-order", registers: [0, 250, 0, 0] },
    ],
  },
  {
    name: "out of window: a closed window and one byte",
    avail: 100,
    steps: [
      { data: [0, 100], placed: [0, 100], notify: 100, ack: [100, 0], registers: [100, 0, 0, 0] },
      {
        data: [100, 1],
        drop: "out-of-window",
        restores: [100, 0],
        ack: [100, 0],
        registers: [101, 0, 0, 0],
      },
      { data: [100, 1], drop: "duplicate", registers: [101, 0, 0, 0] },
      { rollback: [100, 0], registers: [100, 0, 0, 0] },
      { data: [0, 9], drop: "duplicate", ack: [100, 0], registers: [100, 0, 0, 0] },
    ],
  },
];

export const RECEIVER_RULES: readonly RuleCase[] = [
  ...IN_ORDER,
  ...OUT_OF_ORDER,
  ...MERGE,
  ...ACK_ONLY,
  ...ROLLBACK,
];
