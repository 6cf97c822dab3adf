/**
 * The timer wheel: three levels of 1,024 slots over 64-bit nanoseconds. Pacing has a wheel of its
 * own (carousel.ts): there a slot keeps the order of its flows and is handed over as a whole.
 *
 *   level  slot            horizon
 *       0  2^10 ns, 1 us   2^20 ns, 1.05 ms
 *       1  2^20 ns         2^30 ns, 1.07 s
 *       2  2^30 ns         2^40 ns, 18.3 min; later deadlines wait in the last slot
 *
 * Re-arming to a later time is one store: the deadline is checked when the slot comes up.
 */
export const TIMER_DEADLINE: u32 = 0; // u64: nanoseconds; 0 = not armed
export const TIMER_NEXT: u32 = 8; // u32: timer index + 1; 0 ends the list
export const TIMER_PREVIOUS: u32 = 12; // u32: timer index + 1; 0 = first of its slot
export const TIMER_SLOT: u32 = 16; // u32: slot index + 1 over all levels; 0 = not linked
export const TIMER_DUE: u32 = 24; // u64: tick at which its slot comes up, while linked
export const TIMER_SIZE: u32 = 32;

/** Timers of one connection: timer index = connection * TIMERS_PER_CONNECTION + kind. */
export const TIMERS_PER_CONNECTION: u32 = 4;
export const enum TimerKind {
  /** RTO or, with FLOW_PERSIST, the persist timer: an event for the control plane. */
  Retransmit = 0,
  /** Handled in the data path. */
  DelayedAck = 1,
  /** Handled in the data path: Laminar's next SYNC of a connection that is at its rate. */
  Sync = 2,
  /** The control plane's: handshake, keep-alive, TIME-WAIT, user timeout. */
  Control = 3,
}

export const WHEEL_LEVELS: u32 = 3;
export const WHEEL_SLOT_BITS: u32 = 10;
export const WHEEL_SLOTS: u32 = 1024;
/** log2 of a level-0 slot in nanoseconds. */
export const WHEEL_GRANULARITY_BITS: u32 = 10;

export const WHEEL_TICK: u32 = 0; // u64: level-0 slots fully handled
export const WHEEL_COUNT: u32 = 8; // u32: timers linked
export const WHEEL_NEXT: u32 = 16; // u64: first tick at which a slot comes up; all ones = none
export const WHEEL_BITMAP: u32 = 64; // 3 x 128 bytes: a bit a slot, set when it has a timer
export const WHEEL_HEADS: u32 = 448; // 3 x 1,024 x u32: timer index + 1
export const WHEEL_SIZE: u32 = 12736; // WHEEL_HEADS + 12,288
