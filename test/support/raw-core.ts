/**
 * A test's hands on one core: it plays the netif, the control plane and libTOE over the bare
 * contract (bindings/abi), so that a test can see what the data path does on its own. One call of
 * offer() or step() is one crossing; what came out is returned and the rings are emptied.
 */
import type * as C from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DROP_REASONS, type DropReason } from "../../bindings/abi/drop-reason.ts";
import { CongestionAlgorithm, POST_RX_LIST, POST_TX_LIST } from "../../bindings/abi/flow-state.ts";
import { PROTOCOL_SIZE, PROTOCOL_TX_SHIFT } from "../../bindings/abi/flow-state.ts";
import { POST_RX_ORIGIN, POST_SIZE, POST_TX_ORIGIN } from "../../bindings/abi/flow-state.ts";
import { BATCH_MAX, NETIFS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";
import { brokenGuards } from "../../bindings/layout.ts";
import { colons, dotted, linkLength, type FrameMedium } from "./frames.ts";

/** A connection as INSTALL describes it; times in ns. Remote 10.0.0.2:40000, local 10.0.0.1:80. */
export interface FlowFields {
  readonly connection: number;
  readonly generation: number;
  readonly remote: string;
  readonly local: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly context: number;
  /** Congestion control, a CongestionAlgorithm and ALGORITHM_*. */
  readonly algorithm: number;
  readonly ackThreshold: number;
  readonly intervals: number;
  /** 1: losses are found by time (RFC 8985), 0: by counting (RFC 6675). */
  readonly rack: number;
  /** log2 of the buffers' bytes. */
  readonly rxShift: number;
  readonly txShift: number;
  /** Where in its buffer each stream's first byte stands; a connection's own is 0. */
  readonly bufferStart: number;
  readonly peerScale: number;
  readonly localScale: number;
  /** FLOW_* bits. */
  readonly flags: number;
  readonly mss: number;
  readonly txSeq: number;
  readonly rxSeq: number;
  readonly peerWindow: number;
  readonly tsRecent: number;
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly opaque: readonly [number, number];
  readonly rtoMin: number;
  readonly rtoMax: number;
  readonly rtoInitial: number;
  readonly delayedAck: number;
}

export const FLOW_DEFAULTS: FlowFields = {
  connection: 1,
  generation: 1,
  remote: "10.0.0.2",
  local: "10.0.0.1",
  remotePort: 40000,
  localPort: 80,
  context: 1,
  algorithm: CongestionAlgorithm.None,
  ackThreshold: 1,
  intervals: 4,
  rack: 0,
  rxShift: 14,
  txShift: 14,
  bufferStart: 0,
  peerScale: 0,
  localScale: 0,
  flags: 0,
  mss: 1000,
  txSeq: 1000,
  rxSeq: 5000,
  peerWindow: 0xffff,
  tsRecent: 0,
  cwnd: 1 << 20,
  ssthresh: 1 << 30,
  opaque: [0x1111, 0x2222],
  rtoMin: 200e6,
  rtoMax: 60e9,
  rtoInitial: 1e9,
  delayedAck: 40e6,
};

export interface CoreEvent {
  readonly kind: D.EventKind;
  readonly connection: number;
  readonly generation: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

export interface Notification {
  readonly opaque: readonly [number, number];
  readonly connection: number;
  readonly generation: number;
  readonly rxBump: number;
  readonly txBump: number;
  readonly flags: number;
}

export interface AtxFields {
  readonly connection: number;
  readonly generation: number;
  readonly opcode: number;
  readonly rxCredit: number;
  readonly txAppend: number;
  readonly flags: number;
  readonly low: number;
  readonly high: number;
}

/** What one crossing gave. */
export interface Outcome {
  /** STEP_* bits. */
  readonly status: number;
  readonly events: readonly CoreEvent[];
  /** Copies of the frames to send. */
  readonly frames: readonly Uint8Array[];
  /** Non-zero changes of the drop counters. */
  readonly drops: ReadonlyMap<DropReason, number>;
  /** Offsets of the offered frames in the ingress span, in order. */
  readonly offsets: readonly number[];
}

/** INFO as inspect() gives it: the fields that tests compare. */
export interface Inspection {
  readonly rxNextSeq: number;
  readonly rxWindow: number;
  readonly txUna: number;
  readonly txSent: number;
  readonly txAvail: number;
  readonly peerWindow: number;
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly flags: number;
  readonly intervalCount: number;
  readonly retransmits: number;
  readonly outOfOrder: number;
  readonly srtt: number;
  readonly tsRecent: number;
  readonly dupAcks: number;
}

export class RawCore {
  readonly core: Core;
  readonly medium: FrameMedium;
  /** Time of the next crossing in ns. */
  now = 1e9;
  /** Frames that each carrier but number 0 takes; what a crossing is given is for number 0. */
  otherCredit = 0;

  constructor(core: Core, medium: FrameMedium = "ethernet") {
    this.core = core;
    this.medium = medium;
    this.#put(M.CORE_NETIF_MEDIUM, medium === "ethernet" ? 14 : 0);
  }

  #put(offset: number, value: number): void {
    this.core.view.setUint32(this.core.address + offset, value >>> 0, true);
  }

  #get(offset: number): number {
    return this.core.view.getUint32(this.core.address + offset, true);
  }

  #base(offset: number): number {
    return this.#get(offset);
  }

  set vlan(id: number) {
    this.#put(M.CORE_VLAN, id);
  }

  counter(counter: C.Counter): number {
    return Number(this.core.view.getBigUint64(this.#base(M.CORE_COUNTERS) + 8 * counter, true));
  }

  drops(): Uint32Array {
    const at = this.#base(M.CORE_DROPS);
    return new Uint32Array(this.core.bytes.slice(at, at + 4 * DROP_REASONS).buffer);
  }

  drop(reason: DropReason): number {
    return this.drops()[reason] as number;
  }

  freeChunks(): number {
    return this.#get(M.CORE_CHUNK_FREE_COUNT);
  }

  sequenceFaults(): number {
    return this.#get(M.CORE_SEQUENCE_FAULTS);
  }

  guards(): string[] {
    return brokenGuards(this.core.view, this.core.map);
  }

  /** Writes the INSTALL record. */
  describe(choice: Partial<FlowFields> = {}): FlowFields {
    const flow = { ...FLOW_DEFAULTS, ...choice };
    const at = this.#base(M.CORE_INSTALL);
    this.core.bytes.fill(0, at, at + D.INSTALL_SIZE);
    this.#describeIdentity(at, flow);
    this.#describeProtocol(at, flow);
    return flow;
  }

  #describeIdentity(at: number, flow: FlowFields): void {
    const { view, bytes } = this.core;
    const link = linkLength({ medium: this.medium });
    view.setUint32(at + D.INSTALL_CONNECTION, flow.connection, true);
    view.setUint32(at + D.INSTALL_GENERATION, flow.generation, true);
    bytes.set(mapped(flow.remote), at + D.INSTALL_REMOTE_ADDRESS);
    bytes.set(mapped(flow.local), at + D.INSTALL_LOCAL_ADDRESS);
    view.setUint16(at + D.INSTALL_REMOTE_PORT, flow.remotePort, true);
    view.setUint16(at + D.INSTALL_LOCAL_PORT, flow.localPort, true);
    const isIpv6 = flow.remote.includes(":");
    bytes[at + D.INSTALL_FAMILY] = isIpv6 ? 6 : 4;
    bytes[at + D.INSTALL_HEADER_LENGTH] = link + (isIpv6 ? 40 : 20);
    bytes[at + D.INSTALL_LINK_LENGTH] = link;
    view.setUint16(at + D.INSTALL_CONTEXT, flow.context, true);
    view.setUint32(at + D.INSTALL_OPAQUE_LOW, flow.opaque[0], true);
    view.setUint32(at + D.INSTALL_OPAQUE_HIGH, flow.opaque[1], true);
    bytes.set(template(this.medium, flow), at + D.INSTALL_TEMPLATE);
  }

  #describeProtocol(at: number, flow: FlowFields): void {
    const { view, bytes } = this.core;
    bytes[at + D.INSTALL_ALGORITHM] = flow.algorithm;
    bytes[at + D.INSTALL_ACK_THRESHOLD] = flow.ackThreshold;
    bytes[at + D.INSTALL_INTERVAL_LIMIT] = flow.intervals;
    bytes[at + D.INSTALL_RACK] = flow.rack;
    bytes[at + D.INSTALL_RX_SHIFT] = flow.rxShift;
    bytes[at + D.INSTALL_TX_SHIFT] = flow.txShift;
    bytes[at + D.INSTALL_PEER_SCALE] = flow.peerScale;
    bytes[at + D.INSTALL_LOCAL_SCALE] = flow.localScale;
    view.setUint16(at + D.INSTALL_FLAGS, flow.flags, true);
    view.setUint16(at + D.INSTALL_MSS, flow.mss, true);
    const window = Math.min(2 ** flow.rxShift, 0xffff * 2 ** flow.localScale);
    const words: [number, number][] = [
      [D.INSTALL_TX_SEQ, flow.txSeq],
      [D.INSTALL_RX_SEQ, flow.rxSeq],
      [D.INSTALL_PEER_WINDOW, flow.peerWindow],
      [D.INSTALL_RX_EDGE, flow.rxSeq + window],
      [D.INSTALL_TS_RECENT, flow.tsRecent],
      [D.INSTALL_CWND, flow.cwnd],
      [D.INSTALL_SSTHRESH, flow.ssthresh],
      [D.INSTALL_WL1, flow.rxSeq - 1],
    ];
    for (const [offset, value] of words) view.setUint32(at + offset, value >>> 0, true);
    view.setFloat64(at + D.INSTALL_RTO_MIN, flow.rtoMin, true);
    view.setFloat64(at + D.INSTALL_RTO_MAX, flow.rtoMax, true);
    view.setFloat64(at + D.INSTALL_RTO_INITIAL, flow.rtoInitial, true);
    view.setFloat64(at + D.INSTALL_DELAYED_ACK, flow.delayedAck, true);
  }

  bind(choice: Partial<FlowFields> = {}): FlowFields {
    const flow = this.describe(choice);
    const status = this.core.exports.bind(this.core.address);
    if (status !== D.InstallStatus.Ok) throw new Error(`bind: expected Ok, got ${status}`);
    return flow;
  }

  /** bind() and install(): a connection in ESTABLISHED, held by the data path. */
  establish(choice: Partial<FlowFields> = {}): FlowFields {
    const flow = this.bind(choice);
    const status = this.core.exports.install(this.core.address);
    if (status !== D.InstallStatus.Ok) throw new Error(`install: expected Ok, got ${status}`);
    this.#moveBuffers(flow);
    return flow;
  }

  /** Lets the streams begin in the middle of their buffers, so that short ones meet their ends. */
  #moveBuffers({ connection, rxSeq, txSeq, bufferStart }: FlowFields): void {
    const post = this.#base(M.CORE_POST) + connection * POST_SIZE;
    const { view } = this.core;
    view.setUint32(post + POST_RX_ORIGIN, rxSeq - bufferStart, true);
    view.setUint32(post + POST_TX_ORIGIN, txSeq - bufferStart, true);
  }

  /** Offers up to BATCH_MAX frames and crosses once. */
  offer(frames: readonly Uint8Array[], credit = BATCH_MAX): Outcome {
    if (frames.length > BATCH_MAX) {
      throw new RangeError(`offer: expected at most ${BATCH_MAX} frames, got ${frames.length}`);
    }
    const span = this.#base(M.CORE_INGRESS);
    const table = this.#base(M.CORE_INGRESS_TABLE);
    const offsets: number[] = [];
    let next = 0;
    frames.forEach((frame, i) => {
      this.core.bytes.set(frame, span + next);
      const row = table + i * D.FRAME_SIZE;
      this.core.view.setUint32(row + D.FRAME_OFFSET, next, true);
      this.core.view.setUint32(row + D.FRAME_LENGTH, frame.length, true);
      this.core.view.setUint32(row + D.FRAME_NETIF, 0, true);
      this.core.view.setUint32(row + D.FRAME_CONNECTION, 0, true);
      offsets.push(next);
      next += (frame.length + 15) & ~15;
    });
    this.#put(M.CORE_INGRESS_COUNT, frames.length);
    return this.#cross(offsets, credit);
  }

  /** Crosses with no frames. */
  step(credit = BATCH_MAX): Outcome {
    return this.offer([], credit);
  }

  #cross(offsets: readonly number[], credit: number): Outcome {
    for (let netif = 0; netif < NETIFS_MAX; netif += 1) {
      this.#put(M.CORE_NETIF_CREDIT + 4 * netif, netif === 0 ? credit : this.otherCredit);
    }
    const before = this.drops();
    const status = this.core.exports.step(this.core.address, this.now);
    const after = this.drops();
    const drops = new Map<DropReason, number>();
    after.forEach((count, reason) => {
      const change = (count - (before[reason] as number)) >>> 0;
      if (change !== 0) drops.set(reason, change);
    });
    return { status, events: this.#events(), frames: this.#egress(), drops, offsets };
  }

  #events(): CoreEvent[] {
    const base = this.#base(M.CORE_EVENTS);
    const word = (at: number): number => this.core.view.getUint32(at, true);
    const events = Array.from({ length: this.#get(M.CORE_EVENT_COUNT) }, (_, i): CoreEvent => {
      const at = base + i * D.EVENT_SIZE;
      return {
        kind: word(at + D.EVENT_KIND) as D.EventKind,
        connection: word(at + D.EVENT_CONNECTION),
        generation: word(at + D.EVENT_GENERATION),
        a: word(at + D.EVENT_A),
        b: word(at + D.EVENT_B),
        c: word(at + D.EVENT_C),
        d: word(at + D.EVENT_D),
      };
    });
    this.#put(M.CORE_EVENT_COUNT, 0);
    return events;
  }

  #egress(): Uint8Array[] {
    const span = this.#base(M.CORE_EGRESS);
    const table = this.#base(M.CORE_EGRESS_TABLE);
    const frames = Array.from({ length: this.#get(M.CORE_EGRESS_COUNT) }, (_, i) => {
      const row = table + i * D.FRAME_SIZE;
      const at = span + this.core.view.getUint32(row + D.FRAME_OFFSET, true);
      return this.core.bytes.slice(at, at + this.core.view.getUint32(row + D.FRAME_LENGTH, true));
    });
    this.#put(M.CORE_EGRESS_COUNT, 0);
    this.#put(M.CORE_EGRESS_BYTES, 0);
    return frames;
  }

  contextWord(context: number, offset: number): number {
    const record = this.#base(M.CORE_CONTEXT_TABLE) + context * D.CONTEXT_SIZE;
    return this.core.view.getUint32(record + offset, true);
  }

  setContextWord(context: number, offset: number, value: number): void {
    const record = this.#base(M.CORE_CONTEXT_TABLE) + context * D.CONTEXT_SIZE;
    this.core.view.setUint32(record + offset, value >>> 0, true);
  }

  /** Writes one descriptor and rings the doorbell; does not cross. */
  post(context: number, fields: Partial<AtxFields>): void {
    const producer = this.contextWord(context, D.CONTEXT_ATX_PRODUCER);
    const mask = this.contextWord(context, D.CONTEXT_ATX_MASK);
    const at = this.contextWord(context, D.CONTEXT_ATX_BASE) + (producer & mask) * D.ATX_SIZE;
    const put = (offset: number, value = 0): void =>
      this.core.view.setUint32(at + offset, value >>> 0, true);
    put(D.ATX_CONNECTION, fields.connection ?? 1);
    put(D.ATX_GENERATION, fields.generation ?? 1);
    put(D.ATX_OPCODE, fields.opcode ?? D.AtxOpcode.Update);
    put(D.ATX_RX_CREDIT, fields.rxCredit);
    put(D.ATX_TX_APPEND, fields.txAppend);
    put(D.ATX_FLAGS, fields.flags);
    put(D.ATX_ARGUMENT, fields.low);
    put(D.ATX_ARGUMENT + 4, fields.high);
    this.setContextWord(context, D.CONTEXT_ATX_PRODUCER, producer + 1);
  }

  /** Takes all notifications of a context. */
  notifications(context: number): Notification[] {
    const list: Notification[] = [];
    const mask = this.contextWord(context, D.CONTEXT_ARX_MASK);
    const base = this.contextWord(context, D.CONTEXT_ARX_BASE);
    const producer = this.contextWord(context, D.CONTEXT_ARX_PRODUCER);
    let consumer = this.contextWord(context, D.CONTEXT_ARX_CONSUMER);
    for (; consumer !== producer; consumer = (consumer + 1) >>> 0) {
      const at = base + (consumer & mask) * D.ARX_SIZE;
      const word = (offset: number): number => this.core.view.getUint32(at + offset, true);
      list.push({
        opaque: [word(D.ARX_OPAQUE_LOW), word(D.ARX_OPAQUE_HIGH)],
        connection: word(D.ARX_CONNECTION),
        generation: word(D.ARX_GENERATION),
        rxBump: word(D.ARX_RX_BUMP),
        txBump: word(D.ARX_TX_BUMP),
        flags: word(D.ARX_FLAGS),
      });
    }
    this.setContextWord(context, D.CONTEXT_ARX_CONSUMER, consumer);
    return list;
  }

  inspect(connection = 1): Inspection {
    if (this.core.exports.inspect(this.core.address, connection) === 0) {
      throw new Error(`inspect: expected connection ${connection} to be installed`);
    }
    const at = this.#base(M.CORE_INFO);
    const word = (offset: number): number => this.core.view.getUint32(at + offset, true);
    return {
      rxNextSeq: word(D.INFO_RX_NEXT_SEQ),
      rxWindow: word(D.INFO_RX_WINDOW),
      txUna: word(D.INFO_TX_UNA),
      txSent: word(D.INFO_TX_SENT),
      txAvail: word(D.INFO_TX_AVAIL),
      peerWindow: word(D.INFO_PEER_WINDOW),
      cwnd: word(D.INFO_CWND),
      ssthresh: word(D.INFO_SSTHRESH),
      flags: word(D.INFO_FLAGS),
      intervalCount: word(D.INFO_INTERVAL_COUNT),
      retransmits: word(D.INFO_RETRANSMITS),
      outOfOrder: word(D.INFO_OUT_OF_ORDER),
      srtt: this.core.view.getFloat64(at + D.INFO_SRTT, true),
      tsRecent: word(D.INFO_TS_RECENT),
      dupAcks: word(D.INFO_DUP_ACKS),
    };
  }

  /** Address of byte `offset` of a stream; `field`: POST_RX_LIST or POST_TX_LIST. */
  #payloadAddress(connection: number, field: number, offset: number): number {
    const { view } = this.core;
    const shift = this.#get(M.CORE_CHUNK_SHIFT);
    const post = this.#base(M.CORE_POST) + connection * POST_SIZE;
    const list = view.getUint32(post + field, true);
    const slots = view.getUint32(post + field + 4, true);
    const chunk = view.getUint32(list + 4 * ((offset >>> shift) & slots), true);
    return chunk === 0 ? 0 : chunk + (offset & (2 ** shift - 1));
  }

  /** A chunk that is free and promised to nobody, as libTOE takes it. */
  #takeChunk(): number {
    const free = this.#get(M.CORE_CHUNK_FREE_COUNT);
    if (free <= this.#get(M.CORE_CHUNK_RESERVED)) throw new Error("fill: no chunk is left");
    this.#put(M.CORE_CHUNK_FREE_COUNT, free - 1);
    return this.core.view.getUint32(this.#base(M.CORE_CHUNK_FREE) + 4 * (free - 1), true);
  }

  /** Where a byte of a stream stands; one to send gets its chunk. 0 when nothing is there. */
  payloadAt(connection: number, transmit: boolean, offset: number): number {
    if (transmit) this.#attach(connection, offset);
    return this.#payloadAddress(connection, transmit ? POST_TX_LIST : POST_RX_LIST, offset);
  }

  /** Attaches what byte `offset` of the transmit stream needs: the list, its chunk. */
  #attach(connection: number, offset: number): void {
    const { view } = this.core;
    const shift = this.#get(M.CORE_CHUNK_SHIFT);
    const post = this.#base(M.CORE_POST) + connection * POST_SIZE;
    if (view.getUint32(post + POST_TX_LIST, true) === this.#get(M.CORE_EMPTY_LIST)) {
      const list = this.#takeChunk();
      this.core.bytes.fill(0, list, list + 2 ** shift);
      view.setUint32(post + POST_TX_LIST, list, true);
    }
    const slots = view.getUint32(post + POST_TX_LIST + 4, true);
    const list = view.getUint32(post + POST_TX_LIST, true);
    const entry = list + 4 * ((offset >>> shift) & slots);
    if (view.getUint32(entry, true) !== 0) return;
    // One buffer and one chunk back, all has been acknowledged.
    const protocol = this.#base(M.CORE_PROTOCOL) + connection * PROTOCOL_SIZE;
    const chunks = (1 << (this.core.bytes[protocol + PROTOCOL_TX_SHIFT] as number)) >>> shift;
    const old = list + 4 * (((offset >>> shift) - chunks - 1) & slots);
    if (view.getUint32(old, true) !== 0) this.#giveChunk(view.getUint32(old, true));
    view.setUint32(old, 0, true);
    view.setUint32(entry, this.#takeChunk(), true);
  }

  #giveChunk(chunk: number): void {
    const free = this.#get(M.CORE_CHUNK_FREE_COUNT);
    this.core.view.setUint32(this.#base(M.CORE_CHUNK_FREE) + 4 * free, chunk, true);
    this.#put(M.CORE_CHUNK_FREE_COUNT, free + 1);
  }

  /** Bytes of the receive buffer from a sequence number on. */
  received(flow: FlowFields, seq: number, length: number): Uint8Array {
    const start = seq - flow.rxSeq + flow.bufferStart;
    return Uint8Array.from({ length }, (_, i) => {
      const at = this.#payloadAddress(flow.connection, POST_RX_LIST, (start + i) >>> 0);
      return at === 0 ? 0 : (this.core.bytes[at] as number);
    });
  }

  /** Puts bytes into the transmit buffer; announce them with post(). */
  fill(flow: FlowFields, seq: number, bytes: Uint8Array): void {
    const start = seq - flow.txSeq + flow.bufferStart;
    bytes.forEach((byte, i) => {
      const offset = (start + i) >>> 0;
      this.#attach(flow.connection, offset);
      this.core.bytes[this.#payloadAddress(flow.connection, POST_TX_LIST, offset)] = byte;
    });
  }
}

function mapped(text: string): number[] {
  if (text.includes(":")) return colons(text);
  return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...dotted(text)];
}

/** Link and IP header of what the connection sends: length, identification, checksum open. */
function template(medium: FrameMedium, flow: FlowFields): number[] {
  const isIpv6 = flow.remote.includes(":");
  const type = isIpv6 ? [0x86, 0xdd] : [0x08, 0x00];
  const link = medium === "ip" ? [] : [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...type];
  if (isIpv6)
    return [...link, 0x60, 0, 0, 0, 0, 0, 6, 64, ...mapped(flow.local), ...mapped(flow.remote)];
  const ip = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
  return [...link, ...ip, ...dotted(flow.local), ...dotted(flow.remote)];
}
