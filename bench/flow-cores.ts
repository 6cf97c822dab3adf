/**
 * Two raw cores with the same flows installed at both ends, frames carried between them by hand:
 * what bench/segment.ts measures and nothing else. No host stack takes part; descriptors and the
 * install record are written as bindings/abi lays them out.
 */
import { createCore, type Core } from "../bindings/core.ts";
import type { LayoutOptions } from "../bindings/layout.ts";
import { ATX_CONNECTION, ATX_FLAGS, ATX_GENERATION } from "../bindings/abi/descriptor.ts";
import { ATX_OPCODE, ATX_RX_CREDIT, ATX_SIZE, ATX_TX_APPEND } from "../bindings/abi/descriptor.ts";
import { CONTEXT_ARX_CONSUMER, CONTEXT_ARX_PRODUCER } from "../bindings/abi/descriptor.ts";
import {
  CONTEXT_ATX_CONSUMER,
  CONTEXT_ATX_PRODUCER,
  CONTEXT_SIZE,
  FRAME_SIZE,
} from "../bindings/abi/descriptor.ts";
import * as D from "../bindings/abi/descriptor.ts";
import { ALGORITHM_EXACT, CongestionAlgorithm } from "../bindings/abi/flow-state.ts";
import { FLOW_NODELAY, FLOW_TIMESTAMPS } from "../bindings/abi/flow-state.ts";
import { POST_RX_LIST, POST_SIZE, POST_TX_LIST } from "../bindings/abi/flow-state.ts";
import { BATCH_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";

const CONTEXT = 1;
/** Of every flow. */
export const GENERATION = 1;
export const CLIENT = [10, 0, 0, 1] as const;
export const SERVER = [10, 0, 0, 2] as const;
export const SERVER_PORT = 80;
/** Flow n has the client's port FIRST_PORT + n. */
export const FIRST_PORT = 1024;
/** Sequence numbers start near the wrap, so that every run crosses it. */
export const CLIENT_SEQ = 0xffff_f000;
export const SERVER_SEQ = 0xffff_e000;
const IPV4_HEADER = 20;
const MILLISECOND = 1e6;
/** Nanoseconds that pass with each step; about what a batch costs. */
const STEP_NS = 4000;

export interface FlowPlan {
  readonly module: WebAssembly.Module;
  readonly flows: number;
  /** Payload bytes of each data segment; also the flows' MSS. */
  readonly payload: number;
  /** log2 of each payload buffer; default BUFFER_SHIFT. */
  readonly bufferShift?: number;
  /** Intervals of out-of-order data that a receiver keeps; default 4, the paper has 1. */
  readonly intervals?: number;
  /** FLOW_* beside timestamps and NODELAY. */
  readonly flags?: number;
}

/** log2 of each payload buffer: 8 KiB, so that 10,000 flows touch 160 MiB on each side. */
export const BUFFER_SHIFT = 13;
const BUFFER_BYTES = 1 << BUFFER_SHIFT;
/** Windows above 64 KiB are announced scaled. */
const UNSCALED_SHIFT = 15;

/** Window scale of a flow whose buffers have 2^shift bytes. */
export function windowScale(shift: number): number {
  return Math.max(0, shift - UNSCALED_SHIFT);
}

/** Key of the connection database: fixed, so that flows fall into the same groups every time. */
export const HASH_KEY: readonly [bigint, bigint] = [0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3211n];

/** The map that the flows of a plan need: a receive buffer, a transmit buffer and its list. */
export function flowLayout(plan: Omit<FlowPlan, "module">): Partial<LayoutOptions> {
  const bytes = 1 << (plan.bufferShift ?? BUFFER_SHIFT);
  const chunkBytes = Math.min(bytes, 1 << 20);
  return { connections: plan.flows, chunkBytes, payloadBytes: plan.flows * 3 * bytes };
}

/** One core and the host's side of its context queue. */
export class FlowCore {
  readonly core: Core;
  readonly #context: number;
  readonly #record: number;
  readonly #shift: number;
  #producer = 0;

  /** `core`: one laid out by flowLayout(), where the caller makes it; otherwise its own. */
  constructor(plan: FlowPlan, client: boolean, core?: Core) {
    this.#shift = plan.bufferShift ?? BUFFER_SHIFT;
    this.core =
      core ?? createCore({ module: plan.module, hashKey: HASH_KEY, layout: flowLayout(plan) });
    this.#context = (this.core.map.base.contextTable as number) + CONTEXT * CONTEXT_SIZE;
    this.#record = this.core.map.base.install as number;
    this.#setWord(M.CORE_NETIF_MEDIUM, 0);
    for (let flow = 1; flow <= plan.flows; flow += 1) this.#install(plan, flow, client);
  }

  #setWord(offset: number, value: number): void {
    this.core.words[(this.core.address + offset) >>> 2] = value;
  }

  word(offset: number): number {
    return this.core.words[(this.core.address + offset) >>> 2] as number;
  }

  counter(index: number): number {
    const at = (this.core.map.base.counters as number) + 8 * index;
    return Number(this.core.view.getBigUint64(at, true));
  }

  #install(plan: FlowPlan, flow: number, client: boolean): void {
    const { core } = this;
    core.bytes.fill(0, this.#record, this.#record + D.INSTALL_SIZE);
    this.#identify(flow, client);
    this.#choose(plan);
    this.#number(client);
    const bound = core.exports.bind(core.address);
    if (bound !== D.InstallStatus.Ok) throw new Error(`bench: expected bind 0, got ${bound}`);
    const status = core.exports.install(core.address);
    if (status !== D.InstallStatus.Ok) throw new Error(`bench: expected install 0, got ${status}`);
  }

  /** INSTALL: who the flow is, and the IPv4 header that the stages complete. */
  #identify(flow: number, client: boolean): void {
    const { bytes, view } = this.core;
    const at = this.#record;
    const local = client ? CLIENT : SERVER;
    const remote = client ? SERVER : CLIENT;
    const port = FIRST_PORT + flow;
    view.setUint32(at + D.INSTALL_CONNECTION, flow, true);
    view.setUint32(at + D.INSTALL_GENERATION, GENERATION, true);
    view.setUint32(at + D.INSTALL_OPAQUE_LOW, flow, true);
    bytes.set([0xff, 0xff, ...remote], at + D.INSTALL_REMOTE_ADDRESS + 10);
    bytes.set([0xff, 0xff, ...local], at + D.INSTALL_LOCAL_ADDRESS + 10);
    view.setUint16(at + D.INSTALL_REMOTE_PORT, client ? SERVER_PORT : port, true);
    view.setUint16(at + D.INSTALL_LOCAL_PORT, client ? port : SERVER_PORT, true);
    view.setUint8(at + D.INSTALL_FAMILY, 4);
    view.setUint8(at + D.INSTALL_HEADER_LENGTH, IPV4_HEADER);
    // Version, DF, TTL 64, TCP, addresses.
    const header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, ...local, ...remote];
    bytes.set(header, at + D.INSTALL_TEMPLATE);
  }

  /** INSTALL: what a handshake and the socket options would have chosen. */
  #choose({ payload, intervals, flags }: FlowPlan): void {
    const { view } = this.core;
    const at = this.#record;
    view.setUint16(at + D.INSTALL_CONTEXT, CONTEXT, true);
    view.setUint8(at + D.INSTALL_ALGORITHM, CongestionAlgorithm.None | ALGORITHM_EXACT);
    view.setUint8(at + D.INSTALL_ACK_THRESHOLD, 1);
    view.setUint8(at + D.INSTALL_INTERVAL_LIMIT, intervals ?? 4);
    view.setUint8(at + D.INSTALL_RX_SHIFT, this.#shift);
    view.setUint8(at + D.INSTALL_TX_SHIFT, this.#shift);
    const scale = windowScale(this.#shift);
    view.setUint8(at + D.INSTALL_PEER_SCALE, scale);
    view.setUint8(at + D.INSTALL_LOCAL_SCALE, scale);
    const chosen = FLOW_TIMESTAMPS | FLOW_NODELAY | (flags ?? 0);
    view.setUint16(at + D.INSTALL_FLAGS, chosen, true);
    view.setUint16(at + D.INSTALL_MSS, payload, true);
    const window = Math.max(1 << 20, 2 ** this.#shift);
    view.setUint32(at + D.INSTALL_CWND, window, true);
    view.setUint32(at + D.INSTALL_SSTHRESH, window, true);
    const time = (offset: number, ms: number): void =>
      view.setFloat64(at + offset, ms * MILLISECOND, true);
    time(D.INSTALL_RTO_MIN, 200);
    time(D.INSTALL_RTO_MAX, 60_000);
    time(D.INSTALL_RTO_INITIAL, 1000);
    time(D.INSTALL_DELAYED_ACK, 40);
  }

  /** INSTALL: sequence numbers and windows. */
  #number(client: boolean): void {
    const at = this.#record;
    const put = (offset: number, value: number): void =>
      this.core.view.setUint32(at + offset, value, true);
    const rxSeq = client ? SERVER_SEQ : CLIENT_SEQ;
    put(D.INSTALL_TX_SEQ, client ? CLIENT_SEQ : SERVER_SEQ);
    put(D.INSTALL_RX_SEQ, rxSeq);
    const window = 2 ** this.#shift;
    put(D.INSTALL_PEER_WINDOW, window);
    put(D.INSTALL_RX_EDGE, (rxSeq + window) >>> 0);
    put(D.INSTALL_WL1, (rxSeq - 1) >>> 0);
  }

  /** Writes one Update descriptor; ring() publishes it. */
  describe(flow: number, rxCredit: number, txAppend: number): void {
    const ring = this.core.map.base.atx as number;
    const capacity = this.core.map.options.queueDescriptors;
    const slot = CONTEXT * capacity + (this.#producer & (capacity - 1));
    const at = (ring + slot * ATX_SIZE) >>> 2;
    const { words } = this.core;
    words[at + (ATX_CONNECTION >>> 2)] = flow;
    words[at + (ATX_GENERATION >>> 2)] = GENERATION;
    words[at + (ATX_OPCODE >>> 2)] = D.AtxOpcode.Update;
    words[at + (ATX_RX_CREDIT >>> 2)] = rxCredit;
    words[at + (ATX_TX_APPEND >>> 2)] = txAppend;
    words[at + (ATX_FLAGS >>> 2)] = 0;
    this.#producer = (this.#producer + 1) >>> 0;
  }

  /** Descriptors that the ring still takes. */
  get room(): number {
    const consumer = this.core.words[(this.#context + CONTEXT_ATX_CONSUMER) >>> 2] as number;
    return this.core.map.options.queueDescriptors - ((this.#producer - consumer) >>> 0);
  }

  /** The doorbell. */
  ring(): void {
    this.core.words[(this.#context + CONTEXT_ATX_PRODUCER) >>> 2] = this.#producer;
  }

  /** One crossing, with room for `credit` frames to leave. */
  step(now: number, credit: number): number {
    this.#setWord(M.CORE_NETIF_CREDIT, credit);
    return this.core.exports.step(this.core.address, now);
  }

  /** What the host does after a step: notifications read, egress and events taken. */
  settle(): void {
    const { words } = this.core;
    words[(this.#context + CONTEXT_ARX_CONSUMER) >>> 2] = words[
      (this.#context + CONTEXT_ARX_PRODUCER) >>> 2
    ] as number;
    this.#setWord(M.CORE_EGRESS_COUNT, 0);
    this.#setWord(M.CORE_EGRESS_BYTES, 0);
    this.#setWord(M.CORE_EVENT_COUNT, 0);
  }

  /** Puts another core's egress burst into this core's ingress burst; the number of frames. */
  take(from: FlowCore): number {
    const count = Math.min(from.word(M.CORE_EGRESS_COUNT), BATCH_MAX);
    const { core } = this;
    const source = from.core.map.base;
    const target = core.map.base;
    core.bytes.set(
      from.core.bytes.subarray(
        source.egress as number,
        (source.egress as number) + from.word(M.CORE_EGRESS_BYTES),
      ),
      target.ingress as number,
    );
    core.bytes.set(
      from.core.bytes.subarray(
        source.egressTable as number,
        (source.egressTable as number) + count * FRAME_SIZE,
      ),
      target.ingressTable as number,
    );
    this.#setWord(M.CORE_INGRESS_COUNT, count);
    return count;
  }

  /** The payload buffer of a flow: a view of its only chunk, attached when it is not yet. */
  buffer(flow: number, transmit: boolean): Uint8Array {
    const { words, bytes } = this.core;
    const post = ((this.core.map.base.post as number) + flow * POST_SIZE) >>> 2;
    const field = post + ((transmit ? POST_TX_LIST : POST_RX_LIST) >>> 2);
    if (words[field] === this.word(M.CORE_EMPTY_LIST)) {
      const list = this.#takeChunk();
      // Each entry of the ring is the same chunk: a buffer of 8 KiB that begins anywhere.
      words.fill(this.#takeChunk(), list >>> 2, (list + BUFFER_BYTES) >>> 2);
      words[field] = list;
    }
    const entry = (words[field] as number) >>> 2;
    if (words[entry] === 0) {
      words[entry] = this.#takeChunk();
      this.#setWord(M.CORE_CHUNK_RESERVED, this.word(M.CORE_CHUNK_RESERVED) - 1);
    }
    const at = words[entry] as number;
    return bytes.subarray(at, at + BUFFER_BYTES);
  }

  #takeChunk(): number {
    const free = this.word(M.CORE_CHUNK_FREE_COUNT) - 1;
    this.#setWord(M.CORE_CHUNK_FREE_COUNT, free);
    return this.core.words[(this.word(M.CORE_CHUNK_FREE) >>> 2) + free] as number;
  }
}

/** Nanoseconds spent in each kind of step, and the items that were handled. */
export interface CycleTimes {
  descriptorNs: number;
  sendNs: number;
  receiveNs: number;
  ackNs: number;
  descriptors: number;
  segments: number;
}

/** The two ends. A cycle sends one batch of data segments and acknowledges each of them. */
export class FlowPair {
  readonly plan: FlowPlan;
  readonly client: FlowCore;
  readonly server: FlowCore;
  #next = 1;
  #now = MILLISECOND;
  /** Bytes sent on each flow so far. */
  readonly sent: Float64Array;

  constructor(plan: FlowPlan) {
    this.plan = plan;
    this.client = new FlowCore(plan, true);
    this.server = new FlowCore(plan, false);
    this.sent = new Float64Array(plan.flows + 1);
    // Every page is written before it is measured: untouched memory reads as one shared page.
    for (let flow = 1; flow <= plan.flows; flow += 1) {
      const bytes = this.client.buffer(flow, true);
      for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 7 + flow + (i >> 8)) & 255;
      this.server.buffer(flow, false).fill(0);
    }
  }

  #tick(): number {
    this.#now += STEP_NS;
    return this.#now;
  }

  /** One crossing; its nanoseconds. */
  #timed(end: FlowCore, credit: number): number {
    const now = this.#tick();
    const start = performance.now();
    end.step(now, credit);
    return (performance.now() - start) * 1e6;
  }

  /** One batch: descriptors, data out, data in with ACKs out, ACKs in. Adds to `times`. */
  cycle(times: CycleTimes): void {
    const { client, server, plan } = this;
    const flows = Math.min(BATCH_MAX, plan.flows);
    const bytes = Math.floor(BATCH_MAX / flows) * plan.payload;
    const segments = flows * Math.floor(BATCH_MAX / flows);
    for (let i = 0; i < flows; i += 1) client.describe(this.#flow(i), 0, bytes);
    client.ring();
    times.descriptorNs += this.#timed(client, 0);
    times.sendNs += this.#timed(client, BATCH_MAX);
    const data = server.take(client);
    client.settle();
    times.receiveNs += this.#timed(server, BATCH_MAX);
    const acks = client.take(server);
    server.settle();
    times.ackNs += this.#timed(client, BATCH_MAX);
    client.settle();
    if (data !== segments || acks !== segments) {
      throw new Error(`bench: expected ${segments} segments and ACKs, got ${data} and ${acks}`);
    }
    this.#return(flows, bytes);
    times.descriptors += flows;
    times.segments += segments;
  }

  /** The receiving application's credit and the window updates that follow: not in the figures. */
  #return(flows: number, bytes: number): void {
    for (let i = 0; i < flows; i += 1) {
      const flow = this.#flow(i);
      this.server.describe(flow, bytes, 0);
      this.sent[flow] = (this.sent[flow] as number) + bytes;
    }
    this.server.ring();
    this.server.step(this.#tick(), BATCH_MAX);
    if (this.client.take(this.server) > 0) this.client.step(this.#tick(), BATCH_MAX);
    this.server.settle();
    this.client.settle();
    this.#next = this.#flow(flows);
  }

  /** The flow that stands `i` places on in the turn. */
  #flow(i: number): number {
    return ((this.#next - 1 + i) % this.plan.flows) + 1;
  }

  /** Compares what arrived with what was sent; throws Error on a difference. */
  verify(): void {
    for (let flow = 1; flow <= this.plan.flows; flow += 1) {
      const bytes = Math.min(this.sent[flow] as number, BUFFER_BYTES);
      const from = (this.sent[flow] as number) - bytes;
      const out = this.client.buffer(flow, true);
      const into = this.server.buffer(flow, false);
      for (let i = 0; i < bytes; i += 1) {
        const at = (from + i) % BUFFER_BYTES;
        if (out[at] !== into[at]) {
          throw new Error(`bench: flow ${flow} byte ${at}: expected ${out[at]}, got ${into[at]}`);
        }
      }
    }
  }
}
