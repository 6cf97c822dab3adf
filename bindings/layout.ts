/**
 * The run-time memory map (day-one decision 1): computes every base from the options and writes
 * them into the core's header. Regions are separated by guard strips; the memory never grows.
 */
import * as L from "./abi/limits.ts";
import * as M from "./abi/memory-map.ts";
import { CAROUSEL_SIZE, CAROUSEL_SLOT_BITS } from "./abi/carousel.ts";
import { PACING_SLOT_BITS_MAX, PACING_SLOT_BITS_MIN } from "./abi/carousel.ts";
import { CONTEXT_SIZE, ATX_SIZE, ARX_SIZE, EVENT_SIZE, INFO_SIZE } from "./abi/descriptor.ts";
import { CONTEXT_ARX_BASE, CONTEXT_ARX_MASK, CONTEXT_ATX_BASE } from "./abi/descriptor.ts";
import { CONTEXT_ATX_MASK, FRAME_SIZE, INSTALL_SIZE } from "./abi/descriptor.ts";
import { HASH_SIZE, POST_SIZE, PRE_SIZE } from "./abi/flow-state.ts";
import { PROTOCOL_SIZE, RECOVERY_SIZE, SCHEDULER_SIZE } from "./abi/flow-state.ts";
import { LOG_SIZE } from "./abi/send-log.ts";
import { LIBTOE_CONTEXT, LIBTOE_CORE, LIBTOE_SIZE, SOCKET_SIZE } from "./abi/socket.ts";
import { TIMERS_PER_CONNECTION, TIMER_SIZE, WHEEL_SIZE } from "./abi/timer.ts";
import { LAMINAR_SIZE, MATCH_SIZE, STATE_SIZE, TCP_ENTRY_BYTES } from "./abi/rmt.ts";
import { TCP_ROW_BYTES, TCP_ROWS_MAX, TCP_VECTOR_MAX } from "./abi/rmt.ts";
import { COUNTERS } from "./abi/counters.ts";
import { DROP_REASONS } from "./abi/drop-reason.ts";
import { WORK_SIZE } from "./abi/work.ts";

/** What a user may choose; each is checked against bindings/abi/limits.ts. */
export interface LayoutOptions {
  /** Connections at once, TIME-WAIT included. */
  readonly connections: number;
  /** Application contexts, the control plane's own (0) not counted. */
  readonly contexts: number;
  /** Descriptors in each context queue; a power of two. */
  readonly queueDescriptors: number;
  /** Bytes of a payload chunk; a power of two. */
  readonly chunkBytes: number;
  /** Bytes of the payload arena, shared by all socket buffers. */
  readonly payloadBytes: number;
  /** Largest frame, link header included. */
  readonly frameBytes: number;
  /** Bytes of registered buffers, which the application allocates (LibToe.allocate). */
  readonly bufferBytes: number;
  /** Nanoseconds of a slot of the pacing wheel; a power of two. */
  readonly pacingSlotNs: number;
  /** Challenge ACKs of a connection in an interval (RFC 5961, 7); 0 sends none. */
  readonly challengeAcks: number;
  /** Milliseconds of that interval; a power of two. */
  readonly challengeIntervalMs: number;
}

export const LAYOUT_DEFAULTS: LayoutOptions = {
  connections: 1024,
  contexts: 1,
  queueDescriptors: 1024,
  chunkBytes: 8192,
  payloadBytes: 128 * 1024 * 1024,
  frameBytes: 1536,
  bufferBytes: 65536,
  pacingSlotNs: 1024,
  challengeAcks: 10,
  challengeIntervalMs: 1024,
};

/** Which data path a map is for. */
export type DataPath = "flextoe" | "laminar" | "laminar-relaxed";

export interface Region {
  readonly name: string;
  readonly base: number;
  readonly bytes: number;
}

export interface Layout {
  readonly options: LayoutOptions;
  readonly datapath: DataPath;
  /** Address of the core's header. */
  readonly core: number;
  readonly regions: readonly Region[];
  readonly base: Readonly<Record<string, number>>;
  /** Wasm pages of 64 KiB that the map needs. */
  readonly pages: number;
  readonly hashEntries: number;
  readonly chunks: number;
  readonly spanBytes: number;
}

/** Bytes of a Wasm page. */
export const PAGE = 65536;
/** First address used: below it the debug build keeps the texts of its assertions. */
const FIRST = 32768;
const LARGEST = 0xffff0000;

/** log2 of the largest socket buffer's bytes: half of the chunks whose addresses fit a chunk. */
export function largestBufferShift(chunkBytes: number): number {
  const shift = 31 - Math.clz32(chunkBytes);
  const chunks = Math.min(shift - 3, 31 - Math.clz32(L.CHUNKS_PER_BUFFER_MAX));
  return Math.min(shift + chunks, L.BUFFER_SHIFT_MAX);
}

function powerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}

function check(ok: boolean, name: string, expected: string, got: number): void {
  if (!ok) throw new RangeError(`layout: expected ${name} ${expected}, got ${got}`);
}

function checkOptions(o: LayoutOptions): void {
  const within = (name: keyof LayoutOptions, low: number, high: number): void => {
    const value = o[name];
    check(Number.isInteger(value) && value >= low && value <= high, name, `${low}..${high}`, value);
  };
  within("connections", 1, L.CONNECTIONS_MAX - 1);
  within("contexts", 1, L.CONTEXTS_MAX - 1);
  within("queueDescriptors", 2, 65536);
  within("chunkBytes", 1 << L.CHUNK_SHIFT_MIN, 1 << L.CHUNK_SHIFT_MAX);
  within("payloadBytes", o.chunkBytes, LARGEST);
  within("frameBytes", 576, L.FRAME_BYTES_MAX);
  within("bufferBytes", 0, L.BUFFER_BYTES_MAX);
  within("pacingSlotNs", 2 ** PACING_SLOT_BITS_MIN, 2 ** PACING_SLOT_BITS_MAX);
  within("challengeAcks", 0, L.CHALLENGE_ACKS_MAX);
  within("challengeIntervalMs", 1, 2 ** 31);
  const { challengeIntervalMs } = o;
  const isPower = Number.isInteger(Math.log2(challengeIntervalMs));
  check(isPower, "challengeIntervalMs", "a power of two", challengeIntervalMs);
  check(powerOfTwo(o.pacingSlotNs), "pacingSlotNs", "a power of two", o.pacingSlotNs);
  check(powerOfTwo(o.queueDescriptors), "queueDescriptors", "a power of two", o.queueDescriptors);
  check(powerOfTwo(o.chunkBytes), "chunkBytes", "a power of two", o.chunkBytes);
}

/** Laminar's machine; nothing of it in another data path's map. */
function machineSizes(rows: number, hashEntries: number): [string, number][] {
  return [
    ["rmtState", STATE_SIZE],
    ["rmtTables", MATCH_SIZE],
    ["rmtEntries", hashEntries * TCP_ENTRY_BYTES],
    ["rmtRows", rows * TCP_ROW_BYTES],
    ["rmtVector", TCP_VECTOR_MAX],
    ["laminar", rows * LAMINAR_SIZE],
  ];
}

/** One for each connection, up to the limit. */
function sendLogs(o: LayoutOptions): number {
  return Math.min(o.connections, L.SEND_LOGS_MAX);
}

/** Names and sizes, in address order. Hot tables come first, the arena last. */
function sizes(
  o: LayoutOptions,
  hashEntries: number,
  spanBytes: number,
  datapath: DataPath,
): [string, number][] {
  const rows = o.connections + 1;
  const contexts = o.contexts + 1;
  return [
    ["header", M.CORE_SIZE],
    ["counters", COUNTERS * 8],
    ["drops", DROP_REASONS * 4],
    ["install", INSTALL_SIZE],
    ["info", INFO_SIZE],
    ["work", L.BATCH_MAX * WORK_SIZE],
    ["scratch", L.TIMERS_PER_STEP * 4],
    ["events", L.BATCH_MAX * 16 * EVENT_SIZE],
    ["ingressTable", L.BATCH_MAX * FRAME_SIZE],
    ["egressTable", L.EGRESS_FRAMES_MAX * FRAME_SIZE],
    ["ingress", spanBytes],
    ["egress", o.frameBytes * L.EGRESS_FRAMES_MAX + L.FRAME_HEADROOM],
    ["contextTable", contexts * CONTEXT_SIZE],
    ["libtoe", contexts * LIBTOE_SIZE],
    ["atx", contexts * o.queueDescriptors * ATX_SIZE],
    ["arx", contexts * o.queueDescriptors * ARX_SIZE],
    ["buffers", o.bufferBytes],
    ["wheel", WHEEL_SIZE],
    ["carousel", CAROUSEL_SIZE],
    ["hash", hashEntries * HASH_SIZE],
    ["pre", rows * PRE_SIZE],
    ["protocol", rows * PROTOCOL_SIZE],
    ["recovery", rows * RECOVERY_SIZE],
    ["post", rows * POST_SIZE],
    ["scheduler", rows * SCHEDULER_SIZE],
    ["timers", rows * TIMERS_PER_CONNECTION * TIMER_SIZE],
    ["sockets", rows * SOCKET_SIZE],
    ...(datapath !== "flextoe" ? machineSizes(rows, hashEntries) : []),
    ["sendLogFree", sendLogs(o) * 4],
    ["sendLogs", sendLogs(o) * LOG_SIZE],
    ["emptyList", o.chunkBytes],
    ["chunkFree", Math.floor(o.payloadBytes / o.chunkBytes) * 4],
    ["arena", Math.floor(o.payloadBytes / o.chunkBytes) * o.chunkBytes],
  ];
}

/** Lays the map out. Throws RangeError when an option is out of range. */
export function layout(
  choice: Partial<LayoutOptions> = {},
  core: number = FIRST,
  datapath: DataPath = "flextoe",
): Layout {
  const options = { ...LAYOUT_DEFAULTS, ...choice };
  checkOptions(options);
  if (datapath !== "flextoe") {
    const most = TCP_ROWS_MAX - 1;
    const { connections } = options;
    check(connections <= most, "connections", `at most ${most} on Laminar's machine`, connections);
  }
  let hashEntries = 64;
  while (hashEntries < (options.connections + 1) * 2) hashEntries *= 2;
  const spanBytes = options.frameBytes * L.BATCH_MAX + L.FRAME_HEADROOM;
  const regions: Region[] = [];
  const base: Record<string, number> = {};
  let next = core;
  for (const [name, bytes] of sizes(options, hashEntries, spanBytes, datapath)) {
    // A chunk never straddles a 4 KiB page more than it must; the rest sits on cache lines.
    const align = name === "arena" ? 4096 : 128;
    next = Math.ceil(next / align) * align;
    regions.push({ name, base: next, bytes });
    base[name] = next;
    next += bytes + L_GUARD;
  }
  check(next < LARGEST, "all regions", "below 4 GiB", next);
  const pages = Math.ceil(next / PAGE);
  const chunks = Math.floor(options.payloadBytes / options.chunkBytes);
  return { options, datapath, core, regions, base, pages, hashEntries, chunks, spanBytes };
}

const L_GUARD = M.GUARD_BYTES;

const BASES: readonly (readonly [number, string])[] = [
  [M.CORE_HASH, "hash"],
  [M.CORE_PRE, "pre"],
  [M.CORE_PROTOCOL, "protocol"],
  [M.CORE_RECOVERY, "recovery"],
  [M.CORE_POST, "post"],
  [M.CORE_SCHEDULER, "scheduler"],
  [M.CORE_TIMERS, "timers"],
  [M.CORE_WHEEL, "wheel"],
  [M.CORE_EMPTY_LIST, "emptyList"],
  [M.CORE_CHUNK_FREE, "chunkFree"],
  [M.CORE_ARENA, "arena"],
  [M.CORE_CONTEXT_TABLE, "contextTable"],
  [M.CORE_EVENTS, "events"],
  [M.CORE_WORK, "work"],
  [M.CORE_SCRATCH, "scratch"],
  [M.CORE_INGRESS, "ingress"],
  [M.CORE_INGRESS_TABLE, "ingressTable"],
  [M.CORE_EGRESS, "egress"],
  [M.CORE_EGRESS_TABLE, "egressTable"],
  [M.CORE_COUNTERS, "counters"],
  [M.CORE_DROPS, "drops"],
  [M.CORE_INSTALL, "install"],
  [M.CORE_INFO, "info"],
  [M.CORE_SOCKETS, "sockets"],
  [M.CORE_LIBTOE, "libtoe"],
  [M.CORE_BUFFERS, "buffers"],
  [M.CORE_CAROUSEL, "carousel"],
  [M.CORE_LOG_BASE, "sendLogs"],
  [M.CORE_LOG_FREE, "sendLogFree"],
];

const MACHINE_BASES: readonly (readonly [number, string])[] = [
  [M.CORE_RMT_STATE, "rmtState"],
  [M.CORE_RMT_TABLES, "rmtTables"],
  [M.CORE_RMT_ENTRIES, "rmtEntries"],
  [M.CORE_RMT_ROWS, "rmtRows"],
  [M.CORE_RMT_VECTOR, "rmtVector"],
  [M.CORE_LAMINAR, "laminar"],
];

/** Writes the header, the context records and the guard strips into fresh (zeroed) memory. */
export function writeHeader(view: DataView, map: Layout, hashKey: readonly [bigint, bigint]): void {
  const { core, options, base } = map;
  const put = (offset: number, value: number): void => view.setUint32(core + offset, value, true);
  put(M.CORE_MAGIC, M.CORE_MAGIC_VALUE);
  put(M.CORE_CONNECTIONS, options.connections + 1);
  put(M.CORE_CONTEXTS, options.contexts + 1);
  put(M.CORE_HASH_MASK, map.hashEntries - 1);
  put(M.CORE_CHUNK_SHIFT, Math.log2(options.chunkBytes));
  put(M.CORE_CHUNKS, map.chunks);
  const slots = Math.min(options.chunkBytes / 4, 2 * L.CHUNKS_PER_BUFFER_MAX);
  put(M.CORE_LIST_SLOTS, slots - 1);
  put(M.CORE_POOL, core);
  put(M.CORE_LOGS, sendLogs(options));
  put(M.CORE_EVENT_CAPACITY, L.BATCH_MAX * 16);
  put(M.CORE_EGRESS_CAPACITY, options.frameBytes * L.EGRESS_FRAMES_MAX);
  put(M.CORE_INGRESS_CAPACITY, options.frameBytes * L.BATCH_MAX);
  put(M.CORE_BUFFERS_BYTES, options.bufferBytes);
  put(M.CORE_CHALLENGE_ACKS, options.challengeAcks);
  put(M.CORE_CHALLENGE_SHIFT, Math.log2(options.challengeIntervalMs));
  const bases = map.datapath !== "flextoe" ? [...BASES, ...MACHINE_BASES] : BASES;
  for (const [offset, name] of bases) put(offset, base[name] as number);
  put(M.CORE_END, map.pages * PAGE);
  const slotBits = (base.carousel as number) + CAROUSEL_SLOT_BITS;
  view.setUint32(slotBits, Math.log2(options.pacingSlotNs), true);
  view.setBigUint64(core + M.CORE_HASH_KEY, hashKey[0], true);
  view.setBigUint64(core + M.CORE_HASH_KEY + 8, hashKey[1], true);
  for (let context = 0; context <= options.contexts; context += 1) {
    const record = (base.contextTable as number) + context * CONTEXT_SIZE;
    const ring = context * options.queueDescriptors;
    view.setUint32(record + CONTEXT_ATX_BASE, (base.atx as number) + ring * ATX_SIZE, true);
    view.setUint32(record + CONTEXT_ATX_MASK, options.queueDescriptors - 1, true);
    view.setUint32(record + CONTEXT_ARX_BASE, (base.arx as number) + ring * ARX_SIZE, true);
    view.setUint32(record + CONTEXT_ARX_MASK, options.queueDescriptors - 1, true);
    const library = (base.libtoe as number) + context * LIBTOE_SIZE;
    view.setUint32(library + LIBTOE_CORE, core, true);
    view.setUint32(library + LIBTOE_CONTEXT, record, true);
  }
  for (const region of map.regions) {
    for (let at = 0; at < L_GUARD; at += 4) {
      view.setUint32(region.base + region.bytes + at, M.GUARD_VALUE, true);
    }
  }
}

/** Names of the regions whose guard strip was overwritten; empty when all is well. */
export function brokenGuards(view: DataView, map: Layout): string[] {
  const broken = (region: Region): boolean => {
    for (let at = 0; at < L_GUARD; at += 4) {
      if (view.getUint32(region.base + region.bytes + at, true) !== M.GUARD_VALUE) return true;
    }
    return false;
  };
  return map.regions.filter(broken).map((region) => region.name);
}
