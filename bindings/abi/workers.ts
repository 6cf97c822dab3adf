/**
 * The workers executor (4.3): stages as replicas on threads, over one shared memory. Every record
 * below starts on its own cache lines, and a word has one writer unless it says otherwise.
 *
 *   host -spans-> netif -> pre xP -RP1-> protocol xG -> post xM -> dma xK -RP3-> context queue
 *   ATX --> context queue -> pre -RP4-> protocol            RP2 |
 *   host <--------------------- egress ring <------------ netif <
 *
 * An item is a work record, named by its index. Invariant: an item that was admitted gets a number
 * at RP2 and RP3 and both are released, whatever became of it.
 */
export const CACHE_LINE: u32 = 128;

/** Replicas of one kind of stage; flow groups are 1, 2 or 4 of them. */
export const REPLICAS_MAX: u32 = 4;
/** Threads beside the host's. */
export const WORKER_THREADS_MAX: u32 = 16;
/** Stages on one thread: all of them, when there is one thread. */
export const THREAD_STAGES_MAX: u32 = 20;
/** Bursts that the host may have handed over and that are not free again. */
export const SPANS: u32 = 4;
/** Redirected frames that may wait for the host: twice the rows of all spans. A power of two. */
export const REDIRECT_SLOTS: u32 = 512;
/** Items that one poll of a stage takes from each of its sources. */
export const POLL_ITEMS: u32 = 32;

// The shared control block.
export const SHARED_NOW: u32 = 0; // u64: ns; the host's
/** Odd: paused. Sources admit nothing; stages finish what is in flight. The host's. */
export const SHARED_EPOCH: u32 = 8; // u32
export const SHARED_STOP: u32 = 12; // u32: 1 = threads leave their loop; the host's
export const SHARED_CORE: u32 = 16; // u32: the host's core header
export const SHARED_WORKS: u32 = 20; // u32: work records
export const SHARED_SIDES: u32 = 24; // u32: SIDE records, one a work record
export const SHARED_SLOTS: u32 = 28; // u32: egress frames, one a work record
export const SHARED_SLOT_BYTES: u32 = 32; // u32
export const SHARED_GROUPS: u32 = 36; // u32: protocol replicas
export const SHARED_THREADS: u32 = 40; // u32
export const SHARED_THREAD: u32 = 44; // u32: THREAD records, the host's first
export const SHARED_SPANS: u32 = 48; // u32: SPANS span records
export const SHARED_SPAN_RING: u32 = 52; // u32: ring of span indexes, host to netif
export const SHARED_EGRESS_RING: u32 = 56; // u32: ring of work indexes, netif to host
export const SHARED_EVENT_RINGS: u32 = 60; // u32: rings of events: context queue's, then groups'
export const SHARED_REDIRECTS: u32 = 64; // u32: copies of redirected frames, a slot each
export const SHARED_STAGES: u32 = 68; // u32: STAGE records
export const SHARED_STAGE_COUNT: u32 = 72; // u32
export const SHARED_HOST_FREE: u32 = 96; // SOURCES_MAX x u32: rings from the host to the sources
export const SHARED_REDIRECT_NEXT: u32 = 128; // u32: redirects so far; the context queue's
/** Sources in the order of their free rings: netif, context queue, then the groups. */
export const SOURCE_NETIF: u32 = 0;
export const SOURCE_CONTEXT_QUEUE: u32 = 1;
export const SOURCE_GROUP: u32 = 2;
export const SOURCES_MAX: u32 = 6;
export const SHARED_SIZE: u32 = 256;

/** A thread; the host's own is number 0. */
export const THREAD_SLEEPING: u32 = 0; // i32: THREAD_AWAKE ...; a waker sets THREAD_AWAKE
export const THREAD_HEARTBEAT: u32 = 4; // u32: iterations begun
export const THREAD_EPOCH: u32 = 8; // u32: epoch that its last whole iteration has seen
export const THREAD_STAGE_COUNT: u32 = 12; // u32
export const THREAD_WAKES: u32 = 16; // u32: times that it was woken from sleep; any waker's
export const THREAD_STAGES: u32 = 32; // THREAD_STAGES_MAX x u32: STAGE records
export const THREAD_SIZE: u32 = 128;
export const THREAD_AWAKE: u32 = 0;
/** Has found nothing, and looks once more before it sleeps. */
export const THREAD_DROWSY: u32 = 1;
export const THREAD_ASLEEP: u32 = 2;

/** What goes with a work record beside it: written by the source, then by its present stage. */
export const SIDE_PENDING: u32 = 0; // u32: releases that are left; atomic
export const SIDE_SOURCE: u32 = 4; // u32: SOURCE_*
export const SIDE_GROUP: u32 = 8; // u32: protocol replica
export const SIDE_SPAN: u32 = 12; // u32: span record of a received frame, 0 = none
export const SIDE_NUMBER: u32 = 16; // u32: RP1's or RP4's
/** The egress frame as a row of an egress table: what buildSegment() writes (FRAME_*). */
export const SIDE_FRAME: u32 = 32; // FRAME_SIZE bytes
export const SIDE_SIZE: u32 = 64;

/** A burst handed over by the host: its span, its table and how much of it is in use. */
export const SPAN_BASE: u32 = 0; // u32: frames
export const SPAN_TABLE: u32 = 4; // u32: FRAME_* rows
export const SPAN_COUNT: u32 = 8; // u32: frames; the host's
export const SPAN_TAKEN: u32 = 12; // u32: frames admitted; netif's
export const SPAN_USERS: u32 = 128; // u32: frames not released, and one for netif; atomic
export const SPAN_SIZE: u32 = 256;

/** A ring of u32, or of larger entries; one producer, one consumer. */
export const RING_BASE: u32 = 0; // u32: entries
export const RING_MASK: u32 = 4; // u32: entries - 1
export const RING_WAKES: u32 = 8; // u32: THREAD record of the consumer
export const RING_TAIL: u32 = 128; // u32: published by the producer; free-running
export const RING_NEXT: u32 = 132; // u32: the producer's own, ahead of RING_TAIL
export const RING_HEAD: u32 = 256; // u32: the consumer's; free-running
export const RING_SIZE: u32 = 384;

/** A reorder point: a slot for each number that may be in flight; 0 = not there yet. */
export const REORDER_BASE: u32 = 0; // u32: slots, u32 each
export const REORDER_MASK: u32 = 4; // u32: slots - 1
export const REORDER_WAKES: u32 = 8; // u32: THREAD record of the consumer
export const REORDER_NEXT: u32 = 128; // u32: number released next; the consumer's
/** In REORDER_ASSIGNED numbers are given out: by the stage that orders, on its own line. */
export const REORDER_ASSIGNED: u32 = 256; // u32
export const REORDER_SIZE: u32 = 384;
/** A slot's value: work index + 1, or this for a number without a frame. */
export const REORDER_SKIP: u32 = 0xffffffff;

/** A replica of a stage. Addresses of what it reads and writes; 0 where it has none. */
export const STAGE_KIND: u32 = 0; // u32: Stage
export const STAGE_INDEX: u32 = 4; // u32: replica
export const STAGE_HEADER: u32 = 8; // u32: its private core header
export const STAGE_SHARED: u32 = 12; // u32
export const STAGE_TURN: u32 = 16; // u32: output whose turn it is
export const STAGE_ADMITTED: u32 = 20; // u32: items, when it is a source
export const STAGE_RELEASED: u32 = 24; // u32: items, in the context queue
export const STAGE_SPAN: u32 = 28; // u32: span that netif is reading, 0 = none
export const STAGE_FREE: u32 = 32; // u32: stack of free work indexes: a count, then the indexes
export const STAGE_FREE_RINGS: u32 = 36; // 2 x u32: where they come back: context queue, host
export const STAGE_RETURNS: u32 = 44; // SOURCES_MAX x u32: context queue: rings to the sources
export const STAGE_EVENTS: u32 = 68; // u32: ring of events to the host
export const STAGE_STALL: u32 = 72; // u32: seed of test stalls; 0 = none
export const STAGE_THREAD: u32 = 76; // u32: THREAD record
export const STAGE_INPUTS: u32 = 112; // u32: count
export const STAGE_INPUT: u32 = 80; // 4 x u32: rings
export const STAGE_OUTPUTS: u32 = 116; // u32: count
export const STAGE_OUTPUT: u32 = 96; // 4 x u32: rings
/** Reorder points by group: RP1, RP2, RP3, RP4. */
export const STAGE_REORDER: u32 = 128; // 4 points x REPLICAS_MAX x u32
export const STAGE_SIZE: u32 = 256;
