/**
 * State of one connection, after Table 4.1, split by the stage that owns it. Index 0 is invalid.
 *
 *   record      bytes  owner                     what
 *   PRE           128  pre-processing            identification and header template; read-only
 *   PROTOCOL       64  protocol (one per group)  TCP state machine, one cache line
 *   RECOVERY      192  protocol                  out-of-order intervals, RTT, congestion control
 *   POST          128  post-processing           buffers, context queue, statistics
 *   SCHEDULER      32  flow scheduler            place in a queue, pacing
 *
 * The byte with sequence number s is byte s - origin of its stream. It stands at that offset within
 * a chunk, and the chunk at its number within a list that is a ring, so that no buffer position is
 * part of the state (the paper's rx_pos and tx_pos), and a stream of whole words stays on whole
 * words.
 */

// PRE: all addresses 16 bytes, IPv4 mapped.
export const PRE_REMOTE_ADDRESS: u32 = 0; // 16 bytes
export const PRE_LOCAL_ADDRESS: u32 = 16; // 16 bytes
/** Ports as they stand in a received TCP header: remote big-endian, then local big-endian. */
export const PRE_PORTS: u32 = 32; // u32
export const PRE_GENERATION: u32 = 36; // u32
export const PRE_STATE: u32 = 40; // u8: PreState
export const PRE_GROUP: u32 = 41; // u8: hash of the 4-tuple >>> GROUP_SHIFT
/** Bytes of the template up to the TCP header, and of its link part. */
export const PRE_HEADER_LENGTH: u32 = 42; // u8
export const PRE_LINK_LENGTH: u32 = 43; // u8
export const PRE_NETIF: u32 = 44; // u8
export const PRE_FAMILY: u32 = 45; // u8: 4 or 6
export const PRE_CONTEXT: u32 = 46; // u16: owner of the connection's descriptors
/** One's-complement sums of little-endian 16-bit words, unfolded: addresses and protocol ... */
export const PRE_PSEUDO_SUM: u32 = 48; // u32
/** ... and the IPv4 header without length, identification and checksum. */
export const PRE_TEMPLATE_SUM: u32 = 52; // u32
export const PRE_IDENTIFICATION: u32 = 56; // u32: next IPv4 identification
export const PRE_HASH: u32 = 60; // u32
export const PRE_TEMPLATE: u32 = 64; // 64 bytes: Ethernet, VLAN tag, IP
export const PRE_SIZE: u32 = 128;
/** The upper bits of the 4-tuple's hash are the flow group: netif numbers frames by them too. */
export const GROUP_SHIFT: u32 = 30;
export const PRE_TEMPLATE_MAX: u32 = 64;

/** Who answers for a connection's segments. */
export const enum PreState {
  Free = 0,
  /** The control plane: handshake and TIME-WAIT. */
  Control = 1,
  /** The data path. */
  Installed = 2,
}

// PROTOCOL: one cache line.
export const PROTOCOL_RX_NEXT_SEQ: u32 = 0; // u32: next in-order sequence number
export const PROTOCOL_RX_AVAIL: u32 = 4; // u32: free receive-buffer bytes from rxNextSeq on
export const PROTOCOL_RX_EDGE: u32 = 8; // u32: right edge of the window as last announced
export const PROTOCOL_LAST_ACK_SENT: u32 = 12; // u32
export const PROTOCOL_TX_UNA: u32 = 16; // u32: oldest unacknowledged sequence number
export const PROTOCOL_TX_SENT: u32 = 20; // u32: bytes from una to the next to send, FIN included
export const PROTOCOL_TX_AVAIL: u32 = 24; // u32: bytes appended and not yet sent
export const PROTOCOL_TX_MAX: u32 = 28; // u32: highest ever sent, from una (survives go-back-N)
export const PROTOCOL_WINDOW_EDGE: u32 = 32; // u32: absolute right edge of the peer's window
export const PROTOCOL_WINDOW_MAX: u32 = 36; // u32: largest window the peer ever announced
export const PROTOCOL_WL1: u32 = 40; // u32: sequence number of the last window update
export const PROTOCOL_TS_RECENT: u32 = 44; // u32: TSval to echo
export const PROTOCOL_CWND: u32 = 48; // u32: congestion window, bytes
export const PROTOCOL_RX_SHIFT: u32 = 52; // u8: log2 of the receive buffer's bytes
export const PROTOCOL_TX_SHIFT: u32 = 53; // u8: log2 of the transmit buffer's bytes
export const PROTOCOL_PEER_SCALE: u32 = 54; // u8: shift for windows that the peer announces
export const PROTOCOL_LOCAL_SCALE: u32 = 55; // u8: shift for windows that we announce
export const PROTOCOL_FLAGS: u32 = 56; // u16: FLOW_*
export const PROTOCOL_DUP_ACKS: u32 = 58; // u8
export const PROTOCOL_UNACKED: u32 = 59; // u8: data segments received since the last ACK
export const PROTOCOL_MSS: u32 = 60; // u16: payload bytes per segment, options deducted
/** ACK_THRESHOLD_BITS: data segments per ACK. Above: further ones that are acknowledged at once. */
export const PROTOCOL_ACK_THRESHOLD: u32 = 62; // u8: segments per ACK; 1 acknowledges each
export const PROTOCOL_ECHO: u32 = 63; // u8: ECHO_*
export const PROTOCOL_SIZE: u32 = 64;

export const FLOW_TIMESTAMPS: u32 = 0x0001;
export const FLOW_SACK: u32 = 0x0002;
export const FLOW_ECN: u32 = 0x0004;
/** The application closed its side: a FIN follows the last appended byte. */
export const FLOW_FIN_PENDING: u32 = 0x0008;
/** The FIN is among the bytes counted by txSent. */
export const FLOW_FIN_SENT: u32 = 0x0010;
export const FLOW_FIN_ACKED: u32 = 0x0020;
export const FLOW_FIN_RECEIVED: u32 = 0x0040;
/** At least one out-of-order interval is stored in RECOVERY. */
export const FLOW_OUT_OF_ORDER: u32 = 0x0080;
/** Fast recovery until una reaches RECOVERY_RECOVER (RFC 6582). */
export const FLOW_RECOVERY: u32 = 0x0100;
/** The segment at una is to be sent again, ahead of new data. */
export const FLOW_RETRANSMIT: u32 = 0x0200;
export const FLOW_NODELAY: u32 = 0x0400;
export const FLOW_CORK: u32 = 0x0800;
/** The application no longer reads: arriving data resets the connection (RFC 9293 SHLD-3). */
export const FLOW_RX_SHUT: u32 = 0x1000;
/** Loss recovery sends everything again from una (4.3.1.3; profile `paper`). */
export const FLOW_GO_BACK_N: u32 = 0x2000;
/** The data path has run out of peer window with nothing in flight: persist timer. */
export const FLOW_PERSIST: u32 = 0x4000;
/** Every data segment is acknowledged at once (TCP_QUICKACK). */
export const FLOW_QUICK_ACK: u32 = 0x8000;

/** Options that FlexTOE's connections may have (features()). */
export const FLEXTOE_FEATURES: u32 = FLOW_TIMESTAMPS | FLOW_SACK | FLOW_ECN;
/** Laminar's faithful mode: nothing that its program does not carry. */
export const LAMINAR_FEATURES: u32 = FLOW_ECN;

export const ECHO_ECE: u32 = 1;
export const ECHO_CWR: u32 = 2;
export const ECHO_CE_STATE: u32 = 4;
/** A FIN arrived ahead of missing data; RECOVERY_FIN_SEQ says where it stands. */
export const ECHO_FIN_HELD: u32 = 8;
/** The retransmission timer expired and nothing has been acknowledged since. */
export const ECHO_TIMED_OUT: u32 = 16;
/** The send log has more to tell than send times, or a probe is out. */
export const ECHO_LOSS: u32 = 64;
/** New data waits for the retransmission timer: ECN-echo at one segment (RFC 3168, 6.1.2). */
export const ECHO_HOLD: u32 = 32;
/** ALGORITHM_ECT was chosen. */
export const ECHO_ECT: u32 = 128;

// RECOVERY.
/**
 * Out-of-order intervals {start u32, end u32}, most recently changed first (RFC 2018, 4). With more
 * than OOO_INTERVALS_OWN of them the first word is the address of the record that has all.
 */
export const RECOVERY_INTERVALS: u32 = 0; // 4 x 8 bytes
export const RECOVERY_INTERVAL_COUNT: u32 = 32; // u8
export const RECOVERY_INTERVAL_LIMIT: u32 = 33; // u8: 0 (none is kept) to OOO_INTERVALS_MAX
/**
 * 1 after a tail loss probe until an RTT is measured (RFC 8985, 7.3); beside the backoff, so that
 * one look sees both and one store ends both.
 */
export const RECOVERY_PROBED: u32 = 34; // u8
export const RECOVERY_BACKOFF: u32 = 35; // u8: timeouts in a row
export const RECOVERY_RECOVER: u32 = 36; // u32: recovery ends at this sequence number
export const RECOVERY_SSTHRESH: u32 = 40; // u32: bytes
export const RECOVERY_INITIAL_WINDOW: u32 = 44; // u32: bytes
/** RTT estimation (RFC 6298) over one timed segment at a time; nanoseconds. */
export const RECOVERY_RTT_SEQ: u32 = 48; // u32: the sample ends when this is acknowledged
export const RECOVERY_RTT_TIMING: u32 = 52; // u8: 1 while a segment is timed
/** log2 of the bytes up to which the receive buffer grows. */
export const RECOVERY_RX_LIMIT: u32 = 53; // u8
export const RECOVERY_ALGORITHM: u32 = 54; // u8: CongestionAlgorithm
/** Challenge ACKs sent: number of the interval modulo 16, and 16 times their count (BA-6). */
export const RECOVERY_CHALLENGES: u32 = 55; // u8
export const RECOVERY_RTT_START: u32 = 56; // u64
export const RECOVERY_SRTT: u32 = 64; // u64: 0 before the first sample
export const RECOVERY_RTTVAR: u32 = 72; // u64
export const RECOVERY_RTO: u32 = 80; // u64: without backoff
export const RECOVERY_RTT_MIN: u32 = 88; // u64: of the last five minutes, about
export const RECOVERY_LAST_SEND: u32 = 96; // u64: time of the last data segment
export const RECOVERY_RTO_MIN: u32 = 104; // u64
export const RECOVERY_RTO_MAX: u32 = 112; // u64
export const RECOVERY_DELAYED_ACK: u32 = 120; // u32: ns an ACK may wait, below 500 ms (MUST-40)
export const RECOVERY_FIN_SEQ: u32 = 124; // u32: of a FIN received out of order (ECHO_FIN_HELD)
/** Private to the congestion algorithm. */
export const RECOVERY_CONGESTION: u32 = 128; // 64 bytes
/** Send log of the flight (abi/send-log.ts), 0 = none. */
export const RECOVERY_LOG: u32 = 192; // u32
/**
 * Congestion window while PROTOCOL_CWND is an allowance (RecoveryMode.Timeout); in NewReno's
 * recovery the most that duplicate ACKs may inflate it to.
 */
export const RECOVERY_WINDOW: u32 = 196; // u32: bytes
/** When the retransmission timer is due, whatever TimerKind.Retransmit stands for now. */
export const RECOVERY_RTO_DEADLINE: u32 = 200; // u64
/** TLP.end_seq (RFC 8985, 7.1), while RECOVERY_PROBE is not ProbeState.None. */
export const RECOVERY_PROBE_END: u32 = 208; // u32
/** RACK.dsack_round (RFC 8985, 6.2), while RACK_DSACK_ROUND is set. */
export const RECOVERY_DSACK_ROUND: u32 = 212; // u32
/** Before the reduction that recovery began with, to take it back; 0 = nothing to take back. */
export const RECOVERY_PRIOR_CWND: u32 = 216; // u32
export const RECOVERY_PRIOR_SSTHRESH: u32 = 220; // u32
/** Timestamp clock at the first retransmission of this recovery (RFC 3522). */
export const RECOVERY_RETRANSMIT_TICK: u32 = 224; // u32
/** What RECOVERY_RTT_MIN will be when its window moves on, ns, and since when, in ticks. */
export const RECOVERY_RTT_NEXT: u32 = 228; // u32
export const RECOVERY_RTT_SINCE: u32 = 232; // u32
export const RECOVERY_MODE: u32 = 236; // u8: RecoveryMode
export const RECOVERY_TIMER: u32 = 237; // u8: LossTimer
export const RECOVERY_PROBE: u32 = 238; // u8: ProbeState
export const RECOVERY_RACK: u32 = 239; // u8: RACK_*
/** RACK.reo_wnd_mult - 1 and RACK.reo_wnd_persist (RFC 8985, 6.2, step 4). */
export const RECOVERY_REORDER_MORE: u32 = 240; // u8
export const RECOVERY_REORDER_PERSIST: u32 = 241; // u8
/** Ticks by which what fills a hole may be older than TS.Recent; 0 is PAWS as it is written. */
export const RECOVERY_STAMP_SLACK: u32 = 242; // u8
export const RECOVERY_DOUBT: u32 = 243; // u8: Doubt
// Proportional rate reduction (RFC 6937, 2), bytes since this recovery began.
export const RECOVERY_PRR_DELIVERED: u32 = 244; // u32
/** What was sent and what still may be. */
export const RECOVERY_PRR_ALLOWED: u32 = 248; // u32
/** In flight when it began (RecoverFS). */
export const RECOVERY_PRR_FLIGHT: u32 = 252; // u32
// Outside of recovery the same words are of a probe of the path's MTU (SizeProbe).
/** Its first sequence number, once it has left. */
export const SIZE_PROBE_START: u32 = RECOVERY_PRR_ALLOWED;
/** Payload bytes. */
export const SIZE_PROBE_BYTES: u32 = RECOVERY_PRR_FLIGHT;
export const RECOVERY_SIZE: u32 = 256;

/** How a connection with FLOW_RECOVERY goes on. */
export const enum RecoveryMode {
  /** By partial acknowledgments (RFC 6582). */
  NewReno = 0,
  /** By the send log, as proportional rate reduction lets go (RFC 6937). */
  Reduction = 1,
  /** By the send log, after a timeout: slow start (RFC 5681, 3.1; RFC 6675, 5.1). */
  Timeout = 2,
  /** The same of a probe of the path's MTU, whose loss leaves the window (RFC 4821, 7.6.2). */
  SizeProbe = 3,
}

/** What TimerKind.Retransmit stands for (RFC 8985, 8: one timer at a time). */
export const enum LossTimer {
  /** RTO or, with FLOW_PERSIST, the persist timer: the control plane's. */
  Timeout = 0,
  /** The tail loss probe's (PTO). */
  Probe = 1,
  /** RACK's reordering timer. */
  Reorder = 2,
}

/** Whether the last timeout was for something (RFC 5682). */
export const enum Doubt {
  /** It was, or nothing will tell. */
  None = 0,
  /** Step 2: what was at una has gone again; the ACK of it is awaited. */
  Asked = 1,
  /** Step 3: new segments went next, and the ACK after that decides. */
  Tested = 2,
}

/** A tail loss probe (RFC 8985, 7.3). */
export const enum ProbeState {
  None = 0,
  /** It goes with the connection's next turn. */
  Due = 1,
  /** In flight, new data. */
  Fresh = 2,
  /** In flight, sent again (TLP.is_retrans). */
  Again = 3,
}

/** Losses are found by time (RFC 8985) and not by counting (RFC 6675). */
export const RACK_ENABLED: u32 = 1;
/** RACK.reordering_seen. */
export const RACK_REORDERED: u32 = 2;
export const RACK_DSACK_ROUND: u32 = 4;
/** Not of RACK: RTO_MIN is added to SRTT where the variation is less (Linux). */
export const RTO_MIN_ON_TOP: u32 = 8;
/** Not of RACK: one duplicate ACK is enough (DupThresh of RFC 6675), not DUP_ACK_THRESHOLD. */
export const LOSS_AT_FIRST: u32 = 16;
/** Not of RACK: with SACK an ACK without a new block is no duplicate (RFC 6675, section 2). */
export const DUP_BY_SACK: u32 = 32;
/** Of these, what an installation says. */
export const RACK_AT_START: u32 = RACK_ENABLED | RTO_MIN_ON_TOP | LOSS_AT_FIRST | DUP_BY_SACK;

/** A probe of the path's MTU (RFC 4821, 7.4 to 7.6), in the upper bits of RECOVERY_RACK. */
export const enum SizeProbe {
  /** None, or one that said nothing: lost beside others (RFC 4821, 7.6.4). */
  None = 0,
  /** It leaves as soon as it may. */
  Armed = 0x40,
  Sent = 0x80,
  /** Lost, and taken for too large. */
  Failed = 0xc0,
}
export const SIZE_PROBE_MASK: u32 = 0xc0;

/** Congestion control, by TCP_CONGESTION. The window ones run inline, per ACK. */
export const enum CongestionAlgorithm {
  None = 0,
  NewReno = 1,
  Cubic = 2,
  Dctcp = 3,
}
/** Beside the algorithm, in INSTALL_ALGORITHM and SetAlgorithm: marks cut by RFC 8511's factors. */
export const ALGORITHM_ABE: u32 = 0x80;
/** ... the receiver echoes each mark by itself (RFC 8257, 3.2), as Dctcp does in any case. */
export const ALGORITHM_EXACT: u32 = 0x40;
/** ... all segments are ECN-capable, not new data alone (RFC 8257, 4.1). */
export const ALGORITHM_ECT: u32 = 0x20;
/** ... slow start counts whatever an ACK acknowledges, without the bound of RFC 3465, 2.3. */
export const ALGORITHM_UNBOUNDED: u32 = 0x10;
/** The algorithm of such a choice; a number above CongestionAlgorithm.Dctcp is none. */
export function algorithmOfChoice(choice: u32): u32 {
  return (choice & 0xffffff0f) >>> 0;
}

// POST.
export const POST_OPAQUE: u32 = 0; // u64: libTOE's name for the connection
/** Where a buffer's chunk addresses stand, and how many there are less one: a list is a ring. */
export const POST_RX_LIST: u32 = 8; // u32
export const POST_RX_SLOTS: u32 = 12; // u32
export const POST_TX_LIST: u32 = 16; // u32
export const POST_TX_SLOTS: u32 = 20; // u32
/** Notification not yet in the context queue; merged, so that a full queue loses nothing. */
export const POST_PENDING_RX: u32 = 24; // u32: bytes
export const POST_PENDING_TX: u32 = 28; // u32: bytes
export const POST_PENDING_FLAGS: u32 = 32; // u32: ARX_*
export const POST_PENDING_NEXT: u32 = 36; // u32: next connection in the list, 0 ends it
export const POST_PENDING_QUEUED: u32 = 40; // u32: 1 while in the list
export const POST_TS_OFFSET: u32 = 44; // u32: added to the clock for TSval
export const POST_LAST_RECEIVE: u32 = 48; // u64: time of the last segment
export const POST_BYTES_IN: u32 = 56; // u64: payload placed in order
export const POST_BYTES_ACKED: u32 = 64; // u64
export const POST_SEGMENTS_IN: u32 = 72; // u32
export const POST_SEGMENTS_OUT: u32 = 76; // u32
export const POST_RETRANSMITS: u32 = 80; // u32: segments sent again
export const POST_FAST_RETRANSMITS: u32 = 84; // u32: times recovery began by duplicate ACKs
export const POST_TIMEOUTS: u32 = 88; // u32
export const POST_OUT_OF_ORDER: u32 = 92; // u32: segments placed out of order
/** For the control plane's policy, which takes differences (Table 4.1: cnt_ackb, cnt_ecnb). */
export const POST_ACKED_BYTES: u32 = 96; // u32
export const POST_ECN_BYTES: u32 = 100; // u32
export const POST_DUP_ACKS: u32 = 104; // u32
/** Sequence number of the first byte of each stream: where its buffer begins. */
export const POST_RX_ORIGIN: u32 = 108; // u32
export const POST_TX_ORIGIN: u32 = 112; // u32
/** The list of a receive buffer of one chunk. */
export const POST_RX_FIRST: u32 = 116; // u32: address of that chunk, 0 = none yet
/** Receive-buffer autotuning: where in the stream, and when, the measurement under way began. */
export const POST_TUNE_OFFSET: u32 = 120; // u32
export const POST_TUNE_TIME: u32 = 124; // u32: units of 1,024 ns
export const POST_SIZE: u32 = 128;

// SCHEDULER.
export const SCHEDULER_NEXT: u32 = 0; // u32: next in its queue, 0 ends it
export const SCHEDULER_PREVIOUS: u32 = 4; // u32: before it; has no meaning for the first
/** Nanoseconds per byte, fixed point with 24 fractional bits; 0 = not paced. */
export const SCHEDULER_INTERVAL: u32 = 8; // u64
export const SCHEDULER_DEADLINE: u32 = 16; // u64: nanoseconds; the next segment may leave then
export const SCHEDULER_FRACTION: u32 = 24; // u32: of the deadline, 24 bits
export const SCHEDULER_QUEUE: u32 = 28; // u16: QUEUE_* (carousel.ts); a flow is in at most one
export const SCHEDULER_CHARGED: u32 = 30; // u16: bytes of the segment that the deadline waits for
export const SCHEDULER_SIZE: u32 = 32;
export const INTERVAL_FRACTION_BITS: u32 = 24;

/** Hash entry of the connection database; the full key is compared in PRE. */
export const HASH_VALUE: u32 = 0; // u32
export const HASH_CONNECTION: u32 = 4; // u32: 0 = empty
export const HASH_SIZE: u32 = 8;
