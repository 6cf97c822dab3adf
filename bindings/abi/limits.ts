/**
 * Every limit in the system. A loop's bound, a table's size and a field's width come from here.
 * What a user may choose within a limit is an option of `layout()` (bindings/layout.ts).
 */

/** Frames that one call of the data path takes from the ingress burst; also the work-array size. */
export const BATCH_MAX: u32 = 64;
/** Frames in the egress burst: one ACK for each ingress frame and the rest for transmission. */
export const EGRESS_FRAMES_MAX: u32 = 192;
/** Segments that one call may transmit; EGRESS_FRAMES_MAX less room for BATCH_MAX ACKs. */
export const TRANSMIT_MAX: u32 = 64;
/** Connection rows, index 0 being invalid (day-one decision 3: ids carry a 32-bit generation). */
export const CONNECTIONS_MAX: u32 = 1048576;
/** Application contexts; context 0 is the control plane. */
export const CONTEXTS_MAX: u32 = 32;
/** Flow groups: hash(4-tuple) % 4 (Table 4.1). A power of two. */
export const FLOW_GROUPS: u32 = 4;
/**
 * Out-of-order intervals kept per connection; what would open one more is dropped. 1 gives the
 * paper's behaviour (4.3.1.3). Where one segment in twenty is held back until forty others have
 * passed, four halve the goodput, and eight drop two segments a second at 100 Mbit/s.
 */
export const OOO_INTERVALS_MAX: u32 = 32;
/** Those that a connection's own record holds; more of them need a record of the log pool. */
export const OOO_INTERVALS_OWN: u32 = 4;
/** SACK blocks that fit the TCP option space (RFC 2018, section 3). */
export const SACK_BLOCKS_MAX: u32 = 4;
/** Send logs of one stack: connections that have data in flight at once and recover by SACK. */
export const SEND_LOGS_MAX: u32 = 1024;
/** Spans of the receive buffer that one segment may be placed into. */
export const PLACEMENTS_MAX: u32 = 3;
/** Slots probed at most for one lookup in the connection database. */
export const PROBES_MAX: u32 = 64;
/** TCP option steps: 40 bytes of option space, at least one byte a step. */
export const OPTION_STEPS_MAX: u32 = 40;
/** Descriptors taken from one context queue in one call. */
export const DESCRIPTORS_PER_STEP: u32 = 256;
/** Timer expiries and cascades handled in one call. */
export const TIMERS_PER_STEP: u32 = 256;
/** Slots of the pacing wheel handed over, and flows moved between its levels, in one call. */
export const SLOTS_PER_STEP: u32 = 256;
/** Turns of the flow scheduler in one call, those in which a flow sends nothing included. */
export const TURNS_PER_STEP: u32 = 256;
/** log2 of the smallest and of the largest payload chunk. */
export const CHUNK_SHIFT_MIN: u32 = 8;
export const CHUNK_SHIFT_MAX: u32 = 20;
/** Chunks in one socket buffer: half of what the largest list holds, so that none wraps. */
export const CHUNKS_PER_BUFFER_MAX: u32 = 32768;
/** log2 of the largest buffer's bytes. */
export const BUFFER_SHIFT_MAX: u32 = 26;
/** Bytes that a sender's or a receiver's window may span (RFC 7323, 2.3: below 2^30). */
export const WINDOW_BYTES_MAX: u32 = 1073725440;
/** The largest shift of the window-scale option (RFC 7323, 2.3). */
export const WINDOW_SCALE_MAX: u32 = 14;
/** Smallest MSS that a peer can make us use; smaller values are raised to it (threats O08). */
export const MSS_MIN: u32 = 48;
/** Extension headers of one IPv6 packet, and their bytes in all. */
export const EXTENSION_HEADERS_MAX: u32 = 8;
export const EXTENSION_BYTES_MAX: u32 = 512;
/** Options of one extension header or of one neighbour discovery message. */
export const IPV6_OPTIONS_MAX: u32 = 16;
/** Assumed MSS when the peer sent no option (RFC 9293 MUST-15). */
export const MSS_DEFAULT_IPV4: u32 = 536;
export const MSS_DEFAULT_IPV6: u32 = 1220;
/** Bytes before a frame in a burst that belong to it (day-one decision 13). */
export const FRAME_HEADROOM: u32 = 64;
/** The largest frame that a burst holds: jumbo Ethernet with a VLAN tag. */
export const FRAME_BYTES_MAX: u32 = 9216;
/** Duplicate ACKs that start fast retransmit (RFC 5681, 3.2). */
export const DUP_ACK_THRESHOLD: u32 = 3;
/** Network interfaces of one stack. */
export const NETIFS_MAX: u32 = 8;
/** Segments that one turn of a flow may send before the next flow's turn. */
export const TURN_SEGMENTS_MAX: u32 = 8;
/** Bits of the threshold in an ACK threshold's byte; those above count quick ACKs. */
export const ACK_THRESHOLD_BITS: u32 = 4;
/** Challenge ACKs of a connection in an interval (RFC 5961, section 7): what a count holds. */
export const CHALLENGE_ACKS_MAX: u32 = 15;
/** Bytes of an application's registered buffers. */
export const BUFFER_BYTES_MAX: u32 = 1 << 28;
