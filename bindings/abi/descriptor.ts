/**
 * Descriptors between host and data path: context queues (ATX, ARX), control-plane events,
 * the install record and the information record. A context is untrusted: its descriptors are
 * copied once, then checked (day-one decision 7; threats D01-D13).
 */

// ATX: host to data path.
export const ATX_CONNECTION: u32 = 0; // u32
export const ATX_GENERATION: u32 = 4; // u32
export const ATX_OPCODE: u32 = 8; // u32: AtxOpcode
export const ATX_RX_CREDIT: u32 = 12; // u32: receive-buffer bytes given back
export const ATX_TX_APPEND: u32 = 16; // u32: bytes appended to the transmit buffer
export const ATX_FLAGS: u32 = 20; // u32: ATX_*
export const ATX_ARGUMENT: u32 = 24; // u64 or two u32, by opcode
export const ATX_SIZE: u32 = 32;

/** The application closed its sending side: FIN after the appended bytes. */
export const ATX_FIN: u32 = 1;
/** The application will read no more. */
export const ATX_RX_SHUT: u32 = 2;

export const enum AtxOpcode {
  None = 0,
  /** Any context: credits, appended bytes, ATX_* flags. */
  Update = 1,
  // The control plane's own (context 0):
  /** Go back to una. Argument low: 1 = RTO: window of one segment, backoff (RFC 6298, 5.5);
   * 0 = neither: the segments were too large for the path (RFC 1191, 6.4). */
  Retransmit = 2,
  /** Persist timer: send one byte past the window (or what fits). */
  Probe = 3,
  /** Keep-alive: an ACK with sequence number next-1 and no data (RFC 9293 SHLD-12). */
  KeepAlive = 4,
  /** Acknowledge now (end of an active open). */
  Acknowledge = 5,
  /** Argument: pacing interval (SCHEDULER_INTERVAL); 0 = not paced. */
  SetInterval = 6,
  /** Argument low: FLOW_* bits to set, high: FLOW_* bits to clear. */
  SetFlags = 7,
  /** Argument low: congestion window, high: slow-start threshold; 0 leaves either as it is. */
  SetWindow = 8,
  /** Argument low: payload bytes per segment (path MTU, TCP_MAXSEG), high: of one segment that
   * tries the path (RFC 4821, 7.5), and of all when it has arrived; 0 ends what is tried. */
  SetMss = 9,
  /** Argument low: TTL, high: TOS. */
  SetHeader = 10,
  /** Argument low: CongestionAlgorithm. */
  SetAlgorithm = 11,
  /** Argument: the next hop's hardware address, its first byte lowest: four in low, two in high. */
  SetLink = 12,
}

// ARX: data path to host.
export const ARX_OPAQUE_LOW: u32 = 0; // u32
export const ARX_OPAQUE_HIGH: u32 = 4; // u32
export const ARX_CONNECTION: u32 = 8; // u32
export const ARX_GENERATION: u32 = 12; // u32
export const ARX_RX_BUMP: u32 = 16; // u32: bytes readable
export const ARX_TX_BUMP: u32 = 20; // u32: transmit-buffer bytes freed
export const ARX_FLAGS: u32 = 24; // u32: ARX_*
export const ARX_SIZE: u32 = 32;
/** The peer's FIN has been reached: end of stream after the bytes notified so far. */
export const ARX_RX_CLOSED: u32 = 1;
/** Our FIN has been acknowledged. */
export const ARX_TX_CLOSED: u32 = 2;

/** Context record: data-path-owned line, then host-owned line. */
export const CONTEXT_ATX_BASE: u32 = 0; // u32
export const CONTEXT_ATX_MASK: u32 = 4; // u32: descriptors - 1
export const CONTEXT_ATX_CONSUMER: u32 = 8; // u32: free-running index
export const CONTEXT_ARX_BASE: u32 = 12; // u32
export const CONTEXT_ARX_MASK: u32 = 16; // u32
export const CONTEXT_ARX_PRODUCER: u32 = 20; // u32: free-running index
export const CONTEXT_ERRORS: u32 = 24; // u32: descriptors refused
export const CONTEXT_FENCED: u32 = 28; // u32: 1 after an impossible index; nothing is read again
/** Connections with a pending notification, a list through POST_PENDING_NEXT. */
export const CONTEXT_PENDING_HEAD: u32 = 32; // u32
export const CONTEXT_PENDING_TAIL: u32 = 36; // u32
export const CONTEXT_ATX_PRODUCER: u32 = 64; // u32: doorbell
export const CONTEXT_ARX_CONSUMER: u32 = 68; // u32
export const CONTEXT_EVENT_STATE: u32 = 72; // u32: EventState
export const CONTEXT_SIZE: u32 = 128;

/** Arming handshake: the host arms, polls once more, then sleeps; an event fires once. */
export const enum EventState {
  Polling = 0,
  Armed = 1,
  Fired = 2,
}

// Control-plane event.
export const EVENT_KIND: u32 = 0; // u32: EventKind
export const EVENT_CONNECTION: u32 = 4; // u32: 0 = none
export const EVENT_GENERATION: u32 = 8; // u32
export const EVENT_A: u32 = 12; // u32
export const EVENT_B: u32 = 16; // u32
export const EVENT_C: u32 = 20; // u32
export const EVENT_D: u32 = 24; // u32
export const EVENT_SIZE: u32 = 32;

export const enum EventKind {
  /** A frame for the control plane. A: offset in the ingress burst, B: bytes, C: netif,
   * D: offset of the IP header within the frame (0xffff: not IP). */
  Redirect = 1,
  /** A: TimerKind, B: txSent, C: txAvail, D: 1 when the persist timer. */
  Timer = 2,
  FinReceived = 3,
  FinAcked = 4,
  /** A valid RST (RFC 5961: sequence number exactly rxNextSeq). */
  Reset = 5,
  /** Data for an application that no longer reads. */
  LateData = 6,
  /** A: milliseconds since last sent: fast retransmit began (congestion statistics). */
  FastRetransmit = 7,
}

// INSTALL: written by the control plane, read by bind(), install() and lookup().
export const INSTALL_CONNECTION: u32 = 0; // u32
export const INSTALL_GENERATION: u32 = 4; // u32
export const INSTALL_REMOTE_ADDRESS: u32 = 16; // 16 bytes
export const INSTALL_LOCAL_ADDRESS: u32 = 32; // 16 bytes
export const INSTALL_REMOTE_PORT: u32 = 48; // u16, host order
export const INSTALL_LOCAL_PORT: u32 = 50; // u16, host order
export const INSTALL_NETIF: u32 = 52; // u8
export const INSTALL_FAMILY: u32 = 53; // u8: 4 or 6
export const INSTALL_HEADER_LENGTH: u32 = 54; // u8
export const INSTALL_LINK_LENGTH: u32 = 55; // u8
export const INSTALL_CONTEXT: u32 = 56; // u16
export const INSTALL_ALGORITHM: u32 = 58; // u8: CongestionAlgorithm and ALGORITHM_*
export const INSTALL_ACK_THRESHOLD: u32 = 59; // u8: as PROTOCOL_ACK_THRESHOLD
export const INSTALL_INTERVAL_LIMIT: u32 = 60; // u8
export const INSTALL_RX_SHIFT: u32 = 61; // u8
export const INSTALL_TX_SHIFT: u32 = 62; // u8
export const INSTALL_PEER_SCALE: u32 = 63; // u8
export const INSTALL_LOCAL_SCALE: u32 = 64; // u8
/** log2 of the bytes up to which autotuning may bring the receive buffer; 0 = no autotuning. */
export const INSTALL_RX_LIMIT: u32 = 65; // u8
export const INSTALL_FLAGS: u32 = 66; // u16: FLOW_*
export const INSTALL_MSS: u32 = 68; // u16: payload bytes per segment
export const INSTALL_RACK: u32 = 70; // u8: of RACK_AT_START
export const INSTALL_STAMP_SLACK: u32 = 71; // u8: as RECOVERY_STAMP_SLACK
export const INSTALL_TX_SEQ: u32 = 72; // u32: first sequence number to send (ISS + 1)
export const INSTALL_RX_SEQ: u32 = 76; // u32: first sequence number expected (IRS + 1)
export const INSTALL_PEER_WINDOW: u32 = 80; // u32: bytes, scaled
export const INSTALL_RX_EDGE: u32 = 84; // u32: right edge announced in the handshake
export const INSTALL_TS_RECENT: u32 = 88; // u32
export const INSTALL_TS_OFFSET: u32 = 92; // u32
export const INSTALL_CWND: u32 = 96; // u32: initial congestion window
export const INSTALL_SSTHRESH: u32 = 100; // u32
export const INSTALL_OPAQUE_LOW: u32 = 104; // u32
export const INSTALL_OPAQUE_HIGH: u32 = 108; // u32
export const INSTALL_WL1: u32 = 112; // u32: sequence number of the segment with that window
export const INSTALL_RTT: u32 = 120; // f64: sample of the handshake in ns, 0 = none
export const INSTALL_RTO_MIN: u32 = 128; // f64: ns
export const INSTALL_RTO_MAX: u32 = 136; // f64: ns
export const INSTALL_RTO_INITIAL: u32 = 144; // f64: ns
export const INSTALL_DELAYED_ACK: u32 = 152; // f64: ns
export const INSTALL_TEMPLATE: u32 = 192; // 64 bytes
export const INSTALL_SIZE: u32 = 256;

/** Answers of bind() and install(). */
export const enum InstallStatus {
  Ok = 0,
  /** The 4-tuple is in the database already. */
  Exists = 1,
  /** No room within PROBES_MAX slots. */
  TableFull = 2,
  /** Not enough payload chunks. */
  NoBuffers = 3,
  /** A field is out of its range. */
  Invalid = 4,
  /** The data path has stopped for good: a thread of it died. */
  Down = 5,
}

// INFO: written by inspect(); times f64 in ns.
export const INFO_RX_NEXT_SEQ: u32 = 0; // u32
export const INFO_RX_WINDOW: u32 = 4; // u32: free bytes of the receive buffer
export const INFO_TX_UNA: u32 = 8; // u32
export const INFO_TX_SENT: u32 = 12; // u32
export const INFO_TX_AVAIL: u32 = 16; // u32
export const INFO_PEER_WINDOW: u32 = 20; // u32: bytes from una
export const INFO_CWND: u32 = 24; // u32
export const INFO_SSTHRESH: u32 = 28; // u32
export const INFO_MSS: u32 = 32; // u32
export const INFO_FLAGS: u32 = 36; // u32: FLOW_*
export const INFO_SEGMENTS_IN: u32 = 40; // u32
export const INFO_SEGMENTS_OUT: u32 = 44; // u32
export const INFO_RETRANSMITS: u32 = 48; // u32
export const INFO_FAST_RETRANSMITS: u32 = 52; // u32
export const INFO_TIMEOUTS: u32 = 56; // u32
export const INFO_OUT_OF_ORDER: u32 = 60; // u32
export const INFO_INTERVAL_COUNT: u32 = 64; // u32
export const INFO_ACKED_BYTES: u32 = 68; // u32: modulo 2^32
export const INFO_ECN_BYTES: u32 = 72; // u32: of those, with ECN-echo; modulo 2^32
export const INFO_TX_MAX: u32 = 76; // u32
export const INFO_TS_RECENT: u32 = 80; // u32
export const INFO_DUP_ACKS: u32 = 84; // u32
export const INFO_PEER_SCALE: u32 = 88; // u32
export const INFO_LOCAL_SCALE: u32 = 92; // u32
export const INFO_SRTT: u32 = 96; // f64
export const INFO_RTTVAR: u32 = 104; // f64
export const INFO_RTO: u32 = 112; // f64
export const INFO_RTT_MIN: u32 = 120; // f64
export const INFO_LAST_RECEIVE: u32 = 128; // f64
export const INFO_LAST_SEND: u32 = 136; // f64
export const INFO_BYTES_IN: u32 = 144; // f64
export const INFO_BYTES_ACKED: u32 = 152; // f64
export const INFO_TS_OFFSET: u32 = 160; // u32
export const INFO_ALGORITHM: u32 = 164; // u32
export const INFO_RX_BUFFER: u32 = 168; // u32: bytes of the receive buffer now
export const INFO_TX_BUFFER: u32 = 172; // u32: bytes of the transmit buffer
export const INFO_RTT: u32 = 176; // f64: of late, without congestion window; 0 = none
/** Bytes: RecoveryMode, duplicate ACKs in a row, timeouts in a row, SizeProbe and 1 after a cut for
 * ECN. */
export const INFO_LOSS_STATE: u32 = 184; // u32
export const INFO_SACKED: u32 = 188; // u32: bytes in flight that are selectively acknowledged
/** With SACK, bytes in flight: lost until acknowledged; sent again, and not lost again since. */
export const INFO_LOST: u32 = 192; // u32
export const INFO_AGAIN: u32 = 196; // u32
export const INFO_SIZE: u32 = 200;

// Frame table of a burst: frame i starts at span + offset.
export const FRAME_OFFSET: u32 = 0; // u32
export const FRAME_LENGTH: u32 = 4; // u32
export const FRAME_NETIF: u32 = 8; // u32
export const FRAME_CONNECTION: u32 = 12; // u32: of an egress frame, for tracing; 0 = none
export const FRAME_SIZE: u32 = 16;
