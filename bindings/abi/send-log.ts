/**
 * The send log of a connection with data in flight that may use SACK: what was sent when, what the
 * peer has, what is lost (RFC 6675, 3: the scoreboard; RFC 8985, 5.1: Segment.*). A record of a
 * pool that all connections share, taken when a flight has more than one send time or loses
 * something, and given back when all of it is acknowledged; a flight for which none was left
 * recovers without SACK (RFC 6582).
 *
 *   header        64 bytes
 *   runs     60 x 16 bytes  in sequence, without gaps; a run begins where the one before it ends
 *
 * Segments of one run left at the same time and have met with the same fate. A log that fills up
 * joins runs: what a joined run says of its time is late, so that nothing counts as lost too early.
 */
export const LOG_COUNT: u32 = 0; // u32: runs
/** First byte that the log knows of: una as of the last ACK that it was told of. */
export const LOG_START: u32 = 4; // u32
export const LOG_SACKED: u32 = 8; // u32: bytes of runs with RUN_SACKED
export const LOG_LOST: u32 = 12; // u32: bytes of runs with RUN_LOST
export const LOG_TWICE: u32 = 16; // u32: bytes of runs with RUN_TWICE
export const LOG_AGAIN: u32 = 20; // u32: bytes of runs with RUN_AGAIN
/** RACK.fack (RFC 8985, 5.2): the highest sequence number delivered. */
export const LOG_FACK: u32 = 24; // u32
/** RACK.end_seq of RACK.segment, the most recently sent of those delivered ... */
export const LOG_RACK_END: u32 = 28; // u32
/** ... RACK.xmit_ts, its send time, 0 before the first ... */
export const LOG_RACK_TIME: u32 = 32; // u64: ns
/** ... and RACK.rtt, the last sample. */
export const LOG_RACK_RTT: u32 = 40; // u64: ns
/** When the reordering timer is due (RFC 8985, 6.2, step 5); 0 = not needed. */
export const LOG_REORDER: u32 = 48; // u64: ns
export const LOG_RUNS: u32 = 64; // 60 x 16 bytes
export const LOG_RUNS_MAX: u32 = 60;
export const LOG_SIZE: u32 = 1024;

export const RUN_END: u32 = 0; // u32: sequence number after its last byte
export const RUN_FLAGS: u32 = 4; // u32: RUN_*
export const RUN_TIME: u32 = 8; // u64: ns, of the last transmission
export const RUN_SIZE: u32 = 16;

/** The peer has it (RFC 2018). */
export const RUN_SACKED: u32 = 1;
/** It is lost and has not been sent again since. */
export const RUN_LOST: u32 = 2;
/** It was sent again (Segment.retransmitted). */
export const RUN_AGAIN: u32 = 4;
/** It was sent again without being lost: it counts twice in the network (RFC 6675, 4: SetPipe). */
export const RUN_TWICE: u32 = 8;
