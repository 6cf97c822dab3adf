/**
 * A rate as a clock: each byte moves it on by an interval, and who is ahead of time waits. Part of
 * a SCHEDULER record (pacing, 4.3.4) and of an RMT machine's meter (5.4).
 */

/** Units of time a byte, fixed point with 24 fractional bits; 0 = no rate. */
export const CLOCK_INTERVAL: u32 = 0; // u64
/** The next packet may pass then. */
export const CLOCK_DEADLINE: u32 = 8; // u64
export const CLOCK_FRACTION: u32 = 16; // u32: of the deadline, 24 bits
/** Two bytes at 20 are whose record it is. */
export const CLOCK_CHARGED: u32 = 22; // u16: bytes of the packet that the deadline waits for
export const CLOCK_SIZE: u32 = 24;
