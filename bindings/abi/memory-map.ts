/**
 * The core's header: every base address and every word of state that is not per connection. The
 * host lays the map out at start (bindings/layout.ts) and writes the bases here; an export takes
 * the header's address. Little-endian throughout: Wasm is.
 */
// Written once by the host.
export const CORE_MAGIC: u32 = 0; // u32: CORE_MAGIC_VALUE
export const CORE_CONNECTIONS: u32 = 4; // u32: rows, index 0 included
export const CORE_CONTEXTS: u32 = 8; // u32: contexts, the control plane's included
export const CORE_HASH_MASK: u32 = 12; // u32: hash entries - 1
export const CORE_CHUNK_SHIFT: u32 = 16; // u32: log2 of a payload chunk's bytes
export const CORE_CHUNKS: u32 = 20; // u32: chunks in the arena
export const CORE_EVENT_CAPACITY: u32 = 24; // u32
export const CORE_EGRESS_CAPACITY: u32 = 28; // u32: bytes of the egress span
export const CORE_INGRESS_CAPACITY: u32 = 32; // u32: bytes of the ingress span
export const CORE_HASH: u32 = 36; // u32: bases from here on
export const CORE_PRE: u32 = 40; // u32
export const CORE_PROTOCOL: u32 = 44; // u32
export const CORE_RECOVERY: u32 = 48; // u32
export const CORE_POST: u32 = 52; // u32
export const CORE_SCHEDULER: u32 = 56; // u32
export const CORE_TIMERS: u32 = 60; // u32
export const CORE_WHEEL: u32 = 64; // u32
export const CORE_EMPTY_LIST: u32 = 68; // u32: a chunk of zeros: the list of a buffer without one
export const CORE_CHUNK_FREE: u32 = 72; // u32: stack of free chunk addresses
export const CORE_ARENA: u32 = 76; // u32
export const CORE_CONTEXT_TABLE: u32 = 80; // u32
export const CORE_EVENTS: u32 = 84; // u32
export const CORE_WORK: u32 = 88; // u32: BATCH_MAX work records
export const CORE_INGRESS: u32 = 92; // u32: span
export const CORE_INGRESS_TABLE: u32 = 96; // u32
export const CORE_EGRESS: u32 = 100; // u32: span
export const CORE_EGRESS_TABLE: u32 = 104; // u32
export const CORE_COUNTERS: u32 = 108; // u32
export const CORE_DROPS: u32 = 112; // u32
export const CORE_INSTALL: u32 = 116; // u32
export const CORE_INFO: u32 = 120; // u32
export const CORE_END: u32 = 124; // u32: first address past the map
export const CORE_HASH_KEY: u32 = 128; // 2 x u64: from the injected entropy
export const CORE_VLAN: u32 = 144; // u32: VLAN id of tagged frames to accept, 0 = untagged only
export const CORE_SCRATCH: u32 = 148; // u32: TIMERS_PER_STEP x u32, within one call
export const CORE_STAGES_ONLY: u32 = 152; // u32: 1 = no header prediction; host writes, any time
export const CORE_SOCKETS: u32 = 156; // u32: libTOE's rows
export const CORE_LIBTOE: u32 = 160; // u32: libTOE's records, one a context
export const CORE_BUFFERS: u32 = 164; // u32: registered buffers of the application
export const CORE_BUFFERS_BYTES: u32 = 168; // u32
export const CORE_BUFFERS_USED: u32 = 172; // u32: bytes given out; host's
export const CORE_CAROUSEL: u32 = 180; // u32: queues of the flow scheduler
/** The header that owns the arena: this one; on a thread, the host's. */
export const CORE_POOL: u32 = 188; // u32
export const CORE_LIST_SLOTS: u32 = 184; // u32: entries of a chunk that is a list - 1
// Exchanged at each call.
export const CORE_INGRESS_COUNT: u32 = 192; // u32: frames offered; host writes, step() zeroes
export const CORE_INGRESS_BYTES: u32 = 196; // u32: bytes used in the ingress span; host's, turn()'s
export const CORE_EGRESS_COUNT: u32 = 200; // u32: frames to send; step() adds, host zeroes
export const CORE_EGRESS_BYTES: u32 = 204; // u32: bytes used in the egress span; host zeroes
export const CORE_EVENT_COUNT: u32 = 208; // u32: events; step() adds, host zeroes
export const CORE_INTERRUPTS: u32 = 212; // u32: a bit per context that fired; host zeroes
/** Challenge ACKs of a connection in an interval of 2^shift ticks (BA-12); written once. */
export const CORE_CHALLENGE_ACKS: u32 = 216; // u32: 0 to CHALLENGE_ACKS_MAX
export const CORE_CHALLENGE_SHIFT: u32 = 220; // u32
export const CORE_NETIF_CREDIT: u32 = 224; // 8 x u32: frames that each carrier takes; host writes
export const CORE_NETIF_MEDIUM: u32 = 256; // 8 x u32: bytes of link header, 14 or 0; host writes
/** A direct link to another core of this memory, which turn() serves by itself. */
export const CORE_LINK: u32 = 288; // u32: address of the other core's header; 0 = none
export const CORE_LINK_NETIF: u32 = 292; // u32: number of the netif at the other end
export const CORE_LINK_FRAME: u32 = 296; // u32: bytes of a largest frame there
export const CORE_LINK_STARVED: u32 = 300; // u32: 1 after a turn that left no room there
export const CORE_LINK_TELL: u32 = 176; // u32: STEP_CARRIED when the host wants to hear of frames
export const CORE_LINK_BYTES: u32 = 304; // u64: carried so far
export const CORE_LINK_FRAMES: u32 = 312; // u64
// The data path's own.
export const CORE_NOW: u32 = 320; // u64: nanoseconds since start
export const CORE_NOW_TICKS: u32 = 328; // u32: timestamp clock, 1 ms a tick
export const CORE_CHUNK_FREE_COUNT: u32 = 332; // u32
/** A turn that room or credit cut short: the flow goes on first, for so many segments. */
export const CORE_TURN_FLOW: u32 = 336; // u32: 0 = none
export const CORE_TURN_LEFT: u32 = 340; // u32
export const CORE_RECLAIM_NEXT: u32 = 1416; // u32: connection looked at last for idle chunks
export const CORE_CHUNK_RESERVED: u32 = 1412; // u32: free chunks that receive windows promise
export const CORE_CONTEXT_TURN: u32 = 344; // u32: context served next
export const CORE_INSTALLED: u32 = 348; // u32: connections in the data path
export const CORE_BOUND: u32 = 352; // u32: entries in the connection database
export const CORE_LAST_CONNECTION: u32 = 364; // u32: of the last predicted segment; a hint
export const CORE_NOTIFYING: u32 = 368; // u32: not 0 while a context has pending notifications
/** Round robin of the flow scheduler, as a queue of carousel.ts: tail, then head. */
export const CORE_RR_TAIL: u32 = 372; // u32
export const CORE_RR_HEAD: u32 = 376; // u32: with CORE_WAITING one u64, 0 = nothing to transmit
export const CORE_WAITING: u32 = 380; // u32: WAITING_PACED and a bit a netif with parked flows
/** Next number to assign and next number to release, per reorder point and flow group. */
export const CORE_SEQUENCE_ASSIGNED: u32 = 384; // 4 points x 32 x u32
export const CORE_SEQUENCE_RELEASED: u32 = 896; // 4 points x 32 x u32
export const CORE_SEQUENCE_DOMAINS: u32 = 32;
/** Times that a number was released out of turn: 0, or the executor is wrong. */
export const CORE_SEQUENCE_FAULTS: u32 = 1408; // u32
export const CORE_POOL_LOCK: u32 = 1420; // u32: 1 = held; builds with threads only
// Laminar's alone: an RMT machine's state and what is beside it (abi/rmt.ts).
export const CORE_RMT_STATE: u32 = 1424; // u32: STATE
export const CORE_RMT_TABLES: u32 = 1428; // u32: MATCH TABLE records
export const CORE_RMT_ENTRIES: u32 = 1432; // u32: entries of table `connections`
export const CORE_RMT_ROWS: u32 = 1436; // u32: registers, a row a connection
export const CORE_RMT_VECTOR: u32 = 1440; // u32: header vector of the packet under way
export const CORE_LAMINAR: u32 = 1444; // u32: LAMINAR records
/** Send logs (abi/send-log.ts): how many there are, a stack of the free ones' addresses. */
export const CORE_LOGS: u32 = 1448; // u32
export const CORE_LOG_BASE: u32 = 1452; // u32
export const CORE_LOG_FREE: u32 = 1456; // u32
export const CORE_LOG_FREE_COUNT: u32 = 1460; // u32
export const CORE_SIZE: u32 = 1472;

/** The timestamp clock's tick in ns: RFC 7323's shortest, 1 ms to 1 s (5.4), and Linux's. */
export const TICK_NS: u32 = 1000000;
export const CORE_MAGIC_VALUE: u32 = 0x746f656c; // "toel"
/** Guard strips between regions hold this word; a test looks at them after each fuzz case. */
export const GUARD_BYTES: u32 = 64;
export const GUARD_VALUE: u32 = 0xdeadc0de;
/** Bits that step() returns. */
export const STEP_MORE: u32 = 1; // work is left: call again before waiting
export const STEP_EVENTS: u32 = 2; // CORE_EVENT_COUNT is not 0
export const STEP_INTERRUPTS: u32 = 4; // CORE_INTERRUPTS is not 0
export const STEP_HELD: u32 = 8; // the ingress burst was not taken: offer it again
export const STEP_NOTIFIED: u32 = 16; // notifications were delivered, or wait for room in ARX
export const STEP_READY: u32 = 32; // turn() only: sockets wait in LIBTOE_READY
export const STEP_CARRIED: u32 = 64; // turn() only: CORE_LINK's other end has frames, or room
/** The upper bits are CORE_EGRESS_COUNT. */
export const STEP_EGRESS_SHIFT: u32 = 8;
