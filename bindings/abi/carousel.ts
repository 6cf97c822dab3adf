/**
 * The flow scheduler's queues (4.3.4; Carousel): the round robin, the flows parked until their
 * carrier has credit, and the slots of the pacing wheel. Each is a doubly linked list through the
 * SCHEDULER records, first in first out; a flow is in at most one of them.
 *
 *   level  slots  slot           horizon with slots of 2^10 ns
 *       0  4,096  2^k ns         4.19 ms
 *       1  4,096  2^(k + 12) ns  17.2 s: 9,000 bytes at 8 Kbit/s are 9 s
 *       2     64  2^(k + 24) ns  18.3 min: overflow; what is later waits in the last slot
 *
 * k is an option of the map (LayoutOptions.pacingSlotNs). One record a core: an executor with a
 * scheduler for each flow group gives each of them a header and a CAROUSEL of its own.
 */
export const CAROUSEL_TICK: u32 = 0; // u64: level-0 slots fully handled
export const CAROUSEL_NEXT: u32 = 8; // u64: first tick at which a slot comes up; all ones = none
export const CAROUSEL_SUMMARY: u32 = 16; // 3 x u64, one a level: a bit a word of the bitmap
export const CAROUSEL_SLOT_BITS: u32 = 40; // u32: k; the host writes it once
export const CAROUSEL_BITMAP: u32 = 64; // 129 x u64: a bit a slot, set when a flow is in it
export const CAROUSEL_QUEUES: u32 = 1152; // 8,272 x QUEUE_SIZE
export const CAROUSEL_SIZE: u32 = 67328; // CAROUSEL_QUEUES + 8,272 x QUEUE_SIZE

/** The ends of a queue: connections, 0 = empty. */
export const QUEUE_TAIL: u32 = 0; // u32
export const QUEUE_HEAD: u32 = 4; // u32
export const QUEUE_SIZE: u32 = 8;

/** Values of SCHEDULER_QUEUE: where a flow was put. */
export const QUEUE_NONE: u32 = 0;
/** Its ends are in the core's header: CORE_RR_TAIL. */
export const QUEUE_ROUND_ROBIN: u32 = 1;
/** Plus the number of the netif. */
export const QUEUE_PARKED: u32 = 2;
/** Plus the number of the slot, counted over the levels. */
export const QUEUE_SLOTS: u32 = 16;
export const QUEUES: u32 = 8272;

export const CAROUSEL_LEVEL_BITS: u32 = 12;
export const CAROUSEL_LEVEL_SLOTS: u32 = 4096;
export const CAROUSEL_OVERFLOW_SLOTS: u32 = 64;
export const CAROUSEL_LEVELS: u32 = 3;

/** Smallest and largest k: 64 ns and 65.5 us. */
export const PACING_SLOT_BITS_MIN: u32 = 6;
export const PACING_SLOT_BITS_MAX: u32 = 16;

/** Bits of CORE_WAITING; below them one a netif with parked flows. */
export const WAITING_PACED: u32 = 0x100; // a flow may be in the wheel
