/**
 * libTOE's side of a connection (dissertation 4.3.1): the numbers that send(), recv() and each
 * notification change. They stand in linear memory, so that descriptors are written and
 * notifications taken in the same crossing as the data path's step. Host-owned: the data path
 * neither reads nor writes them.
 */

// A socket's row; index = connection id. One cache line.
export const SOCKET_STATE: u32 = 0; // u32: SOCKET_* bits below; 0 = nobody's
export const SOCKET_GENERATION: u32 = 4; // u32
export const SOCKET_RX_AVAIL: u32 = 8; // u32: bytes readable
export const SOCKET_RX_CREDIT: u32 = 12; // u32: bytes read and not yet given back
export const SOCKET_RX_THRESHOLD: u32 = 16; // u32: credit above this is given back by itself
export const SOCKET_RX_OFFSET: u32 = 20; // u32: offset in the stream of the next byte to read
export const SOCKET_TX_FREE: u32 = 28; // u32: bytes of the transmit buffer that are free
export const SOCKET_TX_APPEND: u32 = 32; // u32: bytes appended since the last descriptor
export const SOCKET_TX_OFFSET: u32 = 36; // u32: offset in the stream of the next byte to append
export const SOCKET_TX_BYTES: u32 = 40; // u32: of the transmit buffer
export const SOCKET_CAUSE: u32 = 44; // u32: POLL* bits that may be new since the last dispatch
export const SOCKET_QUEUED: u32 = 48; // u32: QUEUED_* bits
export const SOCKET_NEXT_DIRTY: u32 = 52; // u32: connection behind this one
export const SOCKET_PREVIOUS_DIRTY: u32 = 56; // u32: connection before this one
export const SOCKET_OWNER: u32 = 60; // u32: the owner's LIBTOE record; 0 = nobody's
export const SOCKET_SIZE: u32 = 64;

// SOCKET_STATE.
/** Connected, and not let go of: takes notifications and credits. */
export const SOCKET_OPEN: u32 = 1;
/** The transmit buffer was filled; writable again when a quarter of it is free. */
export const SOCKET_TX_FULL: u32 = 2;
/** The application reads no more: what arrives goes by. */
export const SOCKET_RX_SHUT: u32 = 4;
/** The peer's FIN was reached. */
export const SOCKET_RX_CLOSED: u32 = 8;
/** Our FIN was acknowledged. */
export const SOCKET_TX_CLOSED: u32 = 16;
/** The application may append. */
export const SOCKET_SENDABLE: u32 = 32;

// SOCKET_QUEUED.
export const QUEUED_DIRTY: u32 = 1;
export const QUEUED_READY: u32 = 2;

// SOCKET_CAUSE: poll()'s numbers (host/libtoe/constants.ts; a test compares them).
export const CAUSE_READABLE: u32 = 0x41; // POLLIN | POLLRDNORM
export const CAUSE_WRITABLE: u32 = 0x104; // POLLOUT | POLLWRNORM
export const CAUSE_ANYTHING: u32 = 0x7fffffff;

// A context's libTOE record; index = context.
export const LIBTOE_CORE: u32 = 0; // u32: address of the core's header
export const LIBTOE_CONTEXT: u32 = 4; // u32: address of the context record
export const LIBTOE_ATX_PRODUCER: u32 = 8; // u32: descriptors written, shown by the doorbell
export const LIBTOE_ARX_CONSUMER: u32 = 12; // u32
/** Connections with something for the data path: a list through SOCKET_NEXT_DIRTY. */
export const LIBTOE_DIRTY_HEAD: u32 = 16; // u32
export const LIBTOE_DIRTY_TAIL: u32 = 20; // u32
export const LIBTOE_DIRTY_COUNT: u32 = 24; // u32
/** Connections with news for the application, in the order in which it came. */
export const LIBTOE_READY_COUNT: u32 = 28; // u32
export const LIBTOE_READY_TAKEN: u32 = 32; // u32: entries that nextReady() has taken out
export const LIBTOE_CAUSE: u32 = 36; // u32: POLL* bits that may be new for the one taken last
export const LIBTOE_TAKEN: u32 = 40; // u32: bytes that the last append() over several chunks took
/** Not 0: the chunks of a transmit buffer that becomes empty go back at once. */
export const LIBTOE_STARVED: u32 = 44; // u32: STARVED_*; host and Wasm
export const LIBTOE_READY: u32 = 64; // READY_MAX x u32
export const READY_MAX: u32 = 256;
export const LIBTOE_SIZE: u32 = 1088;

// LIBTOE_STARVED.
/** A socket waits for chunks. */
export const STARVED_WAITING: u32 = 1;
/** The arena had none left but those of idle connections. */
export const STARVED_SHORT: u32 = 2;
