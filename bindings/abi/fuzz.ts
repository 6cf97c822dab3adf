/**
 * The world of fuzz target `live` (assembly/fuzz): two cores of one memory, the frames between
 * them, and what is known of both streams. Test-only: no core reads or writes any of it. Addresses
 * are of the memory that the cores share; the host writes what is marked so once.
 */
// A world's record.
export const WORLD_NOW: u32 = 0; // u64: ns
/** What came of the case, a FuzzFault, and what it is about. */
export const WORLD_FAULT: u32 = 8; // u32
export const WORLD_DETAIL: u32 = 12; // 3 x u32
/** Steps made, and their bound for one case. */
export const WORLD_STEPS: u32 = 24; // u32
/** Not 0: somebody beside the two applications took part, so that bytes may be missing. */
export const WORLD_FORGED: u32 = 28; // u32
export const WORLD_SIDES: u32 = 64; // 2 x SIDE_SIZE
export const SIDE_SIZE: u32 = 256;
export const WORLD_SIZE: u32 = 576; // WORLD_SIDES + 2 x SIDE_SIZE
/** Behind what a case may change. */
export const WORLD_INPUT: u32 = 576; // u32: address of the next byte of the input
export const WORLD_END: u32 = 580; // u32: ... and behind its last
export const WORLD_STREAM_CHECKED: u32 = 584; // u32: bytes compared so far
/** Where frames that the input makes up are written: SCRATCH_BYTES; host writes. */
export const WORLD_SCRATCH: u32 = 588; // u32
export const SCRATCH_BYTES: u32 = 1024;
export const WORLD_STREAM: u32 = 592; // u32: address of STREAM_TABLE bytes; host writes
export const WORLD_RANGES: u32 = 640; // RANGES_MAX x {address u32, bytes u32}; host writes
export const RANGES_MAX: u32 = 24;
export const WORLD_GUARDS: u32 = 832; // GUARDS_MAX x u32, 0 ends; host writes
export const GUARDS_MAX: u32 = 128;
export const WORLD_TOTAL: u32 = 1344; // WORLD_GUARDS + GUARDS_MAX x 4

// One end. Connection 1 is the one between the cores, 2 is that of a hostile context.
export const SIDE_CORE: u32 = 0; // u32: host writes
export const SIDE_LIBRARY: u32 = 4; // u32: LIBTOE record of context 1; host writes
export const SIDE_TX_ORIGIN: u32 = 8; // u32: sequence number of the first byte sent; host writes
export const SIDE_SLOTS: u32 = 12; // u32: FRAMES_MAX x FRAME_ROOM bytes, of frames to it; host
export const SIDE_BUFFER: u32 = 16; // u32: registered buffer; host writes
export const SIDE_RESERVED: u32 = 20; // u32: chunks that nobody has at the start; host writes
export const SIDE_SENT: u32 = 24; // u32: bytes that its application appended
export const SIDE_RECEIVED: u32 = 28; // u32: bytes that its application read
export const SIDE_EDGE: u32 = 32; // u32: right edge of the window that its segments announced
export const SIDE_RX_NEXT: u32 = 36; // u32: as of its last step
export const SIDE_STATE: u32 = 40; // u32: SIDE_* bits
export const SIDE_CREDIT: u32 = 44; // u32: frames that its carrier takes in a step
export const SIDE_FRAMES_IN: u32 = 48; // u32: offered to its core, since the start
export const SIDE_FRAMES_OUT: u32 = 52; // u32: taken from its core
export const SIDE_REDIRECTS: u32 = 56; // u32: events of that kind
export const SIDE_COUNTED_IN: u32 = 60; // u32: Counter.FramesIn at the start; host writes
export const SIDE_COUNTED_OUT: u32 = 64; // u32: Counter.FramesOut; host writes
export const SIDE_GENERATION: u32 = 68; // u32: of connection 2, which hosts may bind again
/** Frames on their way to it, oldest first: slot numbers, and their lengths by slot. */
export const SIDE_QUEUED: u32 = 72; // u32
export const SIDE_ORDER: u32 = 76; // FRAMES_MAX x u8
export const SIDE_LENGTHS: u32 = 92; // FRAMES_MAX x u16
export const FRAMES_MAX: u32 = 16;
export const FRAME_ROOM: u32 = 288;

/** SIDE_STATE: connection 1 has left the core. */
export const SIDE_GONE: u32 = 1;
/** Its application will append no more: a FIN follows. */
export const SIDE_FINISHED: u32 = 2;
/** Its application reads no more. */
export const SIDE_DEAF: u32 = 4;

/** What can be wrong after a case. */
export const enum FuzzFault {
  None = 0,
  /** A byte was read that is not the stream's: position, expected, got. */
  Delivered = 1,
  /** More was read than was sent: position, sent. */
  Invented = 2,
  /** A frame left whose headers or checksums are unsound: which check, length. */
  Egress = 3,
  /** A payload byte left that is not the stream's: sequence number, expected, got. */
  Sent = 4,
  /** An ACK of what was not received: ACK, next expected. */
  Acknowledged = 5,
  /** The right edge of the window went back (I3): before, now. */
  Window = 6,
  /** The next sequence number expected went back (I5): before, now. */
  Backwards = 7,
  /** More in flight or waiting than the buffer holds (I2): sent, waiting, highest. */
  Flight = 8,
  /** A guard strip was overwritten: its address. */
  Guard = 9,
  /** Counters do not add up: which, expected, got. */
  Counter = 10,
  /** At the end a pool is not as it was: which, expected, got. */
  Pool = 11,
  /** The ingress burst was not taken although there was room. */
  Held = 12,
  /** Out-of-order intervals are not apart, sorted into the window (I9): start, end. */
  Interval = 13,
  /** Nothing was lost any more and bytes did not arrive (I16): side, sent, received. */
  Stuck = 14,
  /** A reorder point released a number out of turn (I15). */
  Sequence = 15,
  /** An honest context was told of an error, or fenced (D rows). */
  Honest = 16,
}
/** The first byte of an input: which prepared state; with all bits of DRAIN both ends finish. */
export const INPUT_STATE_MASK: u32 = 31;
export const INPUT_DRAIN: u32 = 224;
/** Either stream is STREAM_PERIOD bytes again and again, from its own place in them. */
export const STREAM_PERIOD: u32 = 8192;
export const STREAM_TABLE: u32 = 9216; // STREAM_PERIOD, and the first 1,024 bytes once more
