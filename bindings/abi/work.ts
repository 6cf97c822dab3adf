/**
 * The work record that travels through the stages: descriptor, header summary and work result
 * (4.3.1). One record a segment or host descriptor; a stage reads what earlier ones wrote.
 */
export const WORK_KIND: u32 = 0; // u32: WorkKind
export const WORK_FRAME: u32 = 4; // u32: address of the received frame
export const WORK_FRAME_LENGTH: u32 = 8; // u32
export const WORK_CONNECTION: u32 = 12; // u32: 0 = none
export const WORK_GENERATION: u32 = 16; // u32
export const WORK_TCP: u32 = 20; // u32: address of the received TCP header
export const WORK_PAYLOAD: u32 = 24; // u32: address of the received payload (redirect: IP header)
export const WORK_PAYLOAD_LENGTH: u32 = 28; // u32
export const WORK_GROUP: u32 = 32; // u32: flow group
export const WORK_INGRESS_SEQ: u32 = 36; // u32: sequencer's number within the group
// Header summary (pre-processing -> protocol).
export const WORK_SEQ: u32 = 40; // u32
export const WORK_ACK: u32 = 44; // u32
export const WORK_WINDOW: u32 = 48; // u32: as in the header, not scaled
export const WORK_FLAGS: u32 = 52; // u32: TCP flags
export const WORK_ECN: u32 = 56; // u32: IP ECN codepoint
export const WORK_OPTIONS: u32 = 60; // u32: OPTION_HAS_*
export const WORK_TS_VAL: u32 = 64; // u32
export const WORK_TS_ECR: u32 = 68; // u32
export const WORK_SACK_COUNT: u32 = 72; // u32
export const WORK_SACK: u32 = 76; // 4 x {u32, u32}
// Host control (context queue -> protocol), in place of the summary.
export const WORK_OPCODE: u32 = 40; // u32: AtxOpcode
export const WORK_RX_CREDIT: u32 = 44; // u32
export const WORK_TX_APPEND: u32 = 48; // u32
export const WORK_HC_FLAGS: u32 = 52; // u32: ATX_*
export const WORK_ARGUMENT_LOW: u32 = 56; // u32
export const WORK_ARGUMENT_HIGH: u32 = 60; // u32
export const WORK_CONTEXT: u32 = 64; // u32
// Work result (protocol -> post-processing -> DMA -> context queue).
export const WORK_ACTIONS: u32 = 108; // u32: ACTION_*
export const WORK_EGRESS_SEQ: u32 = 112; // u32: assigned by protocol when a frame will leave
export const WORK_OUT_SEQ: u32 = 116; // u32
export const WORK_OUT_ACK: u32 = 120; // u32
export const WORK_OUT_WINDOW: u32 = 124; // u32: scaled, as in the header
export const WORK_OUT_FLAGS: u32 = 128; // u32: TCP flags, OUT_TIMESTAMPS
export const WORK_OUT_TS_ECR: u32 = 132; // u32
export const WORK_OUT_SACK_COUNT: u32 = 136; // u32
export const WORK_OUT_SACK: u32 = 140; // 4 x {u32, u32}
export const WORK_PLACEMENT_COUNT: u32 = 172; // u32
/** Payload DMA: {sequence number u32, offset within the payload u32, bytes u32}, up to 3. */
export const WORK_PLACEMENTS: u32 = 176; // 3 x 12 bytes
export const PLACEMENT_SEQ: u32 = 0;
export const PLACEMENT_OFFSET: u32 = 4;
export const PLACEMENT_LENGTH: u32 = 8;
export const PLACEMENT_SIZE: u32 = 12;
export const WORK_RX_BUMP: u32 = 212; // u32: bytes that became readable
export const WORK_TX_BUMP: u32 = 216; // u32: transmit-buffer bytes freed
export const WORK_ARX_FLAGS: u32 = 220; // u32: ARX_*
export const WORK_NETIF: u32 = 224; // u32: carrier of the received frame
export const WORK_OUT_TCP: u32 = 232; // u32: address of its TCP header
export const WORK_OUT_PAYLOAD: u32 = 236; // u32: address of its payload
export const WORK_OUT_PAYLOAD_LENGTH: u32 = 240; // u32: bytes to fetch from the transmit buffer
export const WORK_REASON: u32 = 244; // u32: DropReason
export const WORK_OUT_ECN: u32 = 248; // u32: IP ECN codepoint of the frame to send
export const WORK_ACKED: u32 = 252; // u32: bytes newly acknowledged
export const WORK_SIZE: u32 = 256;

export const enum WorkKind {
  Rx = 0,
  Tx = 1,
  HostControl = 2,
  DelayedAck = 3,
  /** A tail loss probe or RACK's reordering timer is due. */
  LossTimer = 4,
}
export const WORK_KINDS: u32 = 5;

export const OPTION_HAS_TIMESTAMP: u32 = 1;
export const OPTION_HAS_SACK: u32 = 2;

/** The segment leaves the pipeline here; WORK_REASON says why. */
export const ACTION_DROP: u32 = 0x0001;
/** The frame goes to the control plane. */
export const ACTION_REDIRECT: u32 = 0x0002;
/** An acknowledgment without payload is sent. */
export const ACTION_ACK: u32 = 0x0004;
/** A segment with payload or FIN is sent. */
export const ACTION_SEND: u32 = 0x0008;
/** Received payload goes to the receive buffer. */
export const ACTION_PLACE: u32 = 0x0010;
/** libTOE is to be told. */
export const ACTION_NOTIFY: u32 = 0x0020;
/** The connection has something to send: tell the flow scheduler. */
export const ACTION_SCHEDULE: u32 = 0x0040;
/** Sent before: counts as a retransmission. */
export const ACTION_RETRANSMISSION: u32 = 0x0080;
/** Fast retransmit began. */
export const ACTION_FAST_RETRANSMIT: u32 = 0x0100;
/** The payload was placed out of order. */
export const ACTION_OUT_OF_ORDER: u32 = 0x0200;
/** The ACK carried ECN-echo. */
export const ACTION_ECN_ECHO: u32 = 0x0400;
/** A duplicate ACK was counted. */
export const ACTION_DUP_ACK: u32 = 0x0800;
/** The control plane is to be told: a FIN arrived, our FIN was acknowledged, RST, late data. */
export const ACTION_FIN_RECEIVED: u32 = 0x1000;
export const ACTION_FIN_ACKED: u32 = 0x2000;
export const ACTION_RESET: u32 = 0x4000;
export const ACTION_LATE_DATA: u32 = 0x8000;
/** A challenge ACK (RFC 5961): subject to throttling. */
export const ACTION_CHALLENGE: u32 = 0x10000;

/** The control plane has set the connection's pacing interval: tell the flow scheduler. */
export const ACTION_INTERVAL: u32 = 0x20000;
/** WORK_OUT_SACK begins with a range that this segment has brought again (RFC 2883). */
export const ACTION_REPEATED: u32 = 0x40000;

/** Above the eight TCP flags in WORK_OUT_FLAGS: the segment carries timestamps. */
export const OUT_TIMESTAMPS: u32 = 0x100;
