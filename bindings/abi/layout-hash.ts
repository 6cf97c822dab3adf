/**
 * One number over every layout of the contract. A build exports it and the host compares it with
 * its own at start, so that a stale build cannot run over a newer map (day-one decision 14).
 */
import { ARX_SIZE, ATX_SIZE, CONTEXT_SIZE, EVENT_SIZE, FRAME_SIZE } from "./descriptor.ts";
import { INFO_TX_BUFFER, INFO_SIZE, INSTALL_SIZE, INSTALL_TEMPLATE } from "./descriptor.ts";
import { CAROUSEL_QUEUES, CAROUSEL_SIZE } from "./carousel.ts";
import { COUNTERS } from "./counters.ts";
import { DROP_REASONS } from "./drop-reason.ts";
import { HASH_SIZE, POST_SIZE, POST_TUNE_TIME, PRE_SIZE } from "./flow-state.ts";
import { PROTOCOL_ECHO, PROTOCOL_SIZE, RECOVERY_CONGESTION, RECOVERY_SIZE } from "./flow-state.ts";
import { SCHEDULER_CHARGED, SCHEDULER_SIZE } from "./flow-state.ts";
import { BATCH_MAX, CONTEXTS_MAX, EGRESS_FRAMES_MAX, FLOW_GROUPS, NETIFS_MAX } from "./limits.ts";
import { OOO_INTERVALS_MAX } from "./limits.ts";
import { CORE_SEQUENCE_FAULTS, CORE_SIZE, GUARD_BYTES } from "./memory-map.ts";
import { LAMINAR_SIZE, MATCH_SIZE, STATE_SIZE, TCP_ENTRY_BYTES, TCP_ROW_BYTES } from "./rmt.ts";
import { LIBTOE_READY, LIBTOE_SIZE, SOCKET_OWNER, SOCKET_SIZE } from "./socket.ts";
import { TIMER_SIZE, WHEEL_SIZE } from "./timer.ts";
import { WORK_ACKED, WORK_SIZE } from "./work.ts";

const RECORDS: u32 =
  (PRE_SIZE ^
    (PROTOCOL_SIZE << 3) ^
    (PROTOCOL_ECHO << 5) ^
    (RECOVERY_SIZE << 7) ^
    (RECOVERY_CONGESTION << 9) ^
    (POST_SIZE << 11) ^
    (POST_TUNE_TIME << 12) ^
    (SCHEDULER_SIZE << 13) ^
    (SCHEDULER_CHARGED << 15) ^
    (CAROUSEL_SIZE << 8) ^
    (CAROUSEL_QUEUES << 18) ^
    (HASH_SIZE << 17)) >>>
  0;

const DESCRIPTORS: u32 =
  (ATX_SIZE ^
    (ARX_SIZE << 2) ^
    (EVENT_SIZE << 4) ^
    (CONTEXT_SIZE << 6) ^
    (FRAME_SIZE << 8) ^
    (INSTALL_SIZE << 10) ^
    (INSTALL_TEMPLATE << 11) ^
    (INFO_SIZE << 12) ^
    (INFO_TX_BUFFER << 13) ^
    (WORK_SIZE << 14) ^
    (WORK_ACKED << 15)) >>>
  0;

const LIMITS: u32 =
  (BATCH_MAX ^
    (CONTEXTS_MAX << 2) ^
    (EGRESS_FRAMES_MAX << 4) ^
    (FLOW_GROUPS << 6) ^
    (NETIFS_MAX << 8) ^
    (OOO_INTERVALS_MAX << 10) ^
    (COUNTERS << 12) ^
    (DROP_REASONS << 14) ^
    (CORE_SIZE << 16) ^
    (CORE_SEQUENCE_FAULTS << 17) ^
    (GUARD_BYTES << 18) ^
    (TIMER_SIZE << 20) ^
    (WHEEL_SIZE << 9)) >>>
  0;

const SOCKETS: u32 =
  (SOCKET_SIZE ^ (SOCKET_OWNER << 7) ^ (LIBTOE_SIZE << 13) ^ (LIBTOE_READY << 25)) >>> 0;

const MACHINE: u32 =
  (STATE_SIZE ^
    (MATCH_SIZE << 8) ^
    (TCP_ENTRY_BYTES << 13) ^
    (TCP_ROW_BYTES << 19) ^
    (LAMINAR_SIZE << 25)) >>>
  0;

export const LAYOUT_HASH: u32 =
  (RECORDS ^
    MACHINE ^
    SOCKETS ^
    (DESCRIPTORS << 1) ^
    (DESCRIPTORS >>> 31) ^
    (LIMITS << 2) ^
    (LIMITS >>> 30)) >>>
  0;
