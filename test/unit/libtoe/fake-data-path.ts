/**
 * The data path's side of the context queues, played by a test (TAS's harness does the same with
 * queues full of random bytes): the memory of a core whose step() is never called. Records start
 * random, so that libTOE cannot lean on zeroes.
 */
import * as D from "../../../bindings/abi/descriptor.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import { CORE_INFO } from "../../../bindings/abi/memory-map.ts";
import { createCore, type Core } from "../../../bindings/core.ts";
import type { LayoutOptions } from "../../../bindings/layout.ts";
import { loadModule } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";

/** One Update descriptor as the data path reads it. */
export interface Update {
  readonly connection: number;
  readonly generation: number;
  readonly opcode: number;
  readonly rxCredit: number;
  readonly txAppend: number;
  readonly flags: number;
}

/** Buffers of one connection: bytes, and sequence numbers of the next byte each way. */
interface Buffers {
  readonly rxChunks: number[];
  readonly txChunks: number[];
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxFirst: number;
  readonly txFirst: number;
  rxSeq: number;
  txSeq: number;
}

/** Bytes of one list: 64 chunks. */
const LIST_BYTES = 256;

export const FAKE_LAYOUT: Partial<LayoutOptions> = {
  connections: 64,
  contexts: 2,
  queueDescriptors: 8,
  chunkBytes: 1024,
  payloadBytes: 1024 * 1024,
};

export class FakeDataPath {
  readonly core: Core;
  readonly #buffers = new Map<number, Buffers>();
  readonly #free: number[] = [];
  readonly #listChunks = new Map<number, number>();

  constructor(seed: number, options: Partial<LayoutOptions> = {}) {
    const layout = { ...FAKE_LAYOUT, ...options };
    const core = createCore({ module: loadModule(), layout, hashKey: [1n, 2n] });
    const { map, bytes } = core;
    const random = new Random(seed);
    for (const name of ["atx", "arx", "post", "info", "arena"]) {
      const region = map.regions.find((candidate) => candidate.name === name);
      if (region === undefined) throw new Error(`no region ${name}`);
      const end = region.base + Math.min(region.bytes, 65536);
      for (let at = region.base; at < end; at += 1) bytes[at] = random.below(256);
    }
    // libTOE's own half in Wasm is the real one.
    const inspect = (_core: number, id: number): number => this.#inspect(id);
    const open = (library: number, id: number, generation: number): number => {
      const hide = this.#showFlow(id);
      const opened = core.exports.open(library, id, generation);
      hide();
      return opened;
    };
    this.core = { ...core, exports: { ...core.exports, inspect, open } };
    const arena = map.base.arena as number;
    for (let i = map.chunks - 1; i >= 0; i -= 1) {
      this.#free.push(arena + i * map.options.chunkBytes);
    }
    // Chunks of one buffer do not stand side by side.
    for (let i = this.#free.length - 1; i > 0; i -= 1) {
      const j = random.below(i + 1);
      [this.#free[i], this.#free[j]] = [this.#free[j] as number, this.#free[i] as number];
    }
  }

  /** Free chunks of the arena. */
  get freeChunks(): number {
    return this.#free.length;
  }

  /** Two lists in a chunk that the arena never hands out. */
  #lists(connection: number): number {
    const { chunkBytes } = this.core.map.options;
    const known = this.#listChunks.get(connection) ?? (this.#free.pop() as number);
    this.#listChunks.set(connection, known);
    if (2 * LIST_BYTES > chunkBytes) throw new Error("lists do not fit a chunk");
    return known;
  }

  /** Writes what open() reads of the flow state; afterwards nobody has any, as before. */
  #showFlow(connection: number): () => void {
    const { view, bytes, map } = this.core;
    const buffers = this.#buffers.get(connection);
    const pre = (map.base.pre as number) + connection * F.PRE_SIZE;
    const protocol = (map.base.protocol as number) + connection * F.PROTOCOL_SIZE;
    if (buffers !== undefined) {
      view.setUint8(pre + F.PRE_STATE, F.PreState.Installed);
      view.setUint8(protocol + F.PROTOCOL_RX_SHIFT, Math.log2(buffers.rxBytes));
      view.setUint8(protocol + F.PROTOCOL_TX_SHIFT, Math.log2(buffers.txBytes));
      view.setUint16(protocol + F.PROTOCOL_MSS, 1000, true);
      view.setUint32(protocol + F.PROTOCOL_RX_NEXT_SEQ, buffers.rxSeq, true);
      view.setUint32(protocol + F.PROTOCOL_TX_UNA, buffers.txSeq, true);
    }
    return () => {
      view.setUint8(pre + F.PRE_STATE, F.PreState.Free);
      bytes.fill(0, protocol, protocol + F.PROTOCOL_SIZE);
    };
  }

  #inspect(connection: number): number {
    const buffers = this.#buffers.get(connection);
    if (buffers === undefined) return 0;
    const info = this.core.view.getUint32(this.core.address + CORE_INFO, true);
    this.core.view.setUint32(info + D.INFO_RX_NEXT_SEQ, buffers.rxSeq, true);
    this.core.view.setUint32(info + D.INFO_TX_UNA, buffers.txSeq, true);
    this.core.view.setUint32(info + D.INFO_RX_BUFFER, buffers.rxBytes, true);
    this.core.view.setUint32(info + D.INFO_TX_BUFFER, buffers.txBytes, true);
    this.core.view.setUint32(info + D.INFO_MSS, 1000, true);
    return 1;
  }

  /** Gives a connection its buffers; sequence numbers are those of the first bytes. */
  install(connection: number, rxBytes: number, txBytes: number, rxSeq = 1, txSeq = 1): void {
    const { core } = this;
    const { base, options } = core.map;
    const take = (bytes: number): number[] =>
      Array.from({ length: bytes / options.chunkBytes }, () => this.#free.pop() as number);
    const rxChunks = take(rxBytes);
    const txChunks = take(txBytes);
    // Lists as rings of all chunks, taken ahead: libTOE finds every one that it asks for.
    const lists = this.#lists(connection);
    rxChunks.forEach((chunk, i) => core.view.setUint32(lists + i * 4, chunk, true));
    txChunks.forEach((chunk, i) => core.view.setUint32(lists + LIST_BYTES + i * 4, chunk, true));
    const post = (base.post as number) + connection * F.POST_SIZE;
    core.view.setUint32(post + F.POST_RX_LIST, lists, true);
    core.view.setUint32(post + F.POST_RX_SLOTS, rxChunks.length - 1, true);
    core.view.setUint32(post + F.POST_TX_LIST, lists + LIST_BYTES, true);
    core.view.setUint32(post + F.POST_TX_SLOTS, txChunks.length - 1, true);
    // This data path's streams begin wherever their first sequence number falls.
    core.view.setUint32(post + F.POST_RX_ORIGIN, 0, true);
    core.view.setUint32(post + F.POST_TX_ORIGIN, 0, true);
    this.setPending(connection, 0);
    this.#buffers.set(connection, {
      rxChunks,
      txChunks,
      rxBytes,
      txBytes,
      rxFirst: rxSeq,
      txFirst: txSeq,
      rxSeq,
      txSeq,
    });
  }

  /** Takes the buffers back and spoils them, as the next connection would. */
  uninstall(connection: number): void {
    const buffers = this.#buffers.get(connection);
    if (buffers === undefined) return;
    this.#buffers.delete(connection);
    this.#free.unshift(this.#lists(connection));
    this.#listChunks.delete(connection);
    for (const chunk of [...buffers.rxChunks, ...buffers.txChunks]) {
      this.core.bytes.fill(0xdd, chunk, chunk + this.core.map.options.chunkBytes);
      this.#free.unshift(chunk);
    }
  }

  /** Received bytes that are still to be notified, as after a full ARX ring. */
  setPending(connection: number, rx: number): void {
    const post = (this.core.map.base.post as number) + connection * F.POST_SIZE;
    this.core.view.setUint32(post + F.POST_PENDING_RX, rx, true);
    this.core.view.setUint32(post + F.POST_PENDING_QUEUED, rx === 0 ? 0 : 1, true);
  }

  /** Places received bytes in the receive buffer. */
  place(connection: number, bytes: Uint8Array): void {
    const buffers = this.#of(connection);
    bytes.forEach((byte, i) => {
      const address = this.#address(buffers.rxChunks, buffers.rxSeq + i, buffers.rxBytes);
      this.core.bytes[address] = byte;
    });
    buffers.rxSeq = (buffers.rxSeq + bytes.length) >>> 0;
  }

  /** Takes the next bytes out of the transmit buffer. */
  fetch(connection: number, length: number): Uint8Array {
    const buffers = this.#of(connection);
    const bytes = Uint8Array.from({ length }, (_, i) => {
      const address = this.#address(buffers.txChunks, buffers.txSeq + i, buffers.txBytes);
      return this.core.bytes[address] as number;
    });
    buffers.txSeq = (buffers.txSeq + length) >>> 0;
    return bytes;
  }

  #of(connection: number): Buffers {
    const buffers = this.#buffers.get(connection);
    if (buffers === undefined) throw new Error(`connection ${connection} is not installed`);
    return buffers;
  }

  #address(chunks: number[], seq: number, bytes: number): number {
    const { chunkBytes } = this.core.map.options;
    const index = (seq & (bytes - 1)) >>> 0;
    return (chunks[Math.floor(index / chunkBytes)] as number) + (index % chunkBytes);
  }

  #record(context: number): number {
    return (this.core.map.base.contextTable as number) + context * D.CONTEXT_SIZE;
  }

  #get(context: number, offset: number): number {
    return this.core.view.getUint32(this.#record(context) + offset, true);
  }

  #set(context: number, offset: number, value: number): void {
    this.core.view.setUint32(this.#record(context) + offset, value, true);
  }

  /** Starts the free-running indexes of a context anywhere; before libTOE looks at them. */
  startIndexes(context: number, index: number): void {
    for (const offset of [
      D.CONTEXT_ATX_PRODUCER,
      D.CONTEXT_ATX_CONSUMER,
      D.CONTEXT_ARX_PRODUCER,
      D.CONTEXT_ARX_CONSUMER,
    ]) {
      this.#set(context, offset, index >>> 0);
    }
  }

  eventState(context: number): number {
    return this.#get(context, D.CONTEXT_EVENT_STATE);
  }

  fire(context: number): void {
    this.#set(context, D.CONTEXT_EVENT_STATE, D.EventState.Fired);
  }

  /** Takes what the doorbell shows, at most `most`. */
  take(context = 1, most = Infinity): Update[] {
    const { view } = this.core;
    const mask = this.#get(context, D.CONTEXT_ATX_MASK);
    const base = this.#get(context, D.CONTEXT_ATX_BASE);
    const updates: Update[] = [];
    let index = this.#get(context, D.CONTEXT_ATX_CONSUMER);
    const end = this.#get(context, D.CONTEXT_ATX_PRODUCER);
    while (index !== end && updates.length < most) {
      const at = base + (index & mask) * D.ATX_SIZE;
      updates.push({
        connection: view.getUint32(at + D.ATX_CONNECTION, true),
        generation: view.getUint32(at + D.ATX_GENERATION, true),
        opcode: view.getUint32(at + D.ATX_OPCODE, true),
        rxCredit: view.getUint32(at + D.ATX_RX_CREDIT, true),
        txAppend: view.getUint32(at + D.ATX_TX_APPEND, true),
        flags: view.getUint32(at + D.ATX_FLAGS, true),
      });
      index = (index + 1) >>> 0;
    }
    this.#set(context, D.CONTEXT_ATX_CONSUMER, index);
    return updates;
  }

  /** Entries that the ARX ring still takes. */
  room(context = 1): number {
    const produced = this.#get(context, D.CONTEXT_ARX_PRODUCER);
    const taken = this.#get(context, D.CONTEXT_ARX_CONSUMER);
    return this.#get(context, D.CONTEXT_ARX_MASK) + 1 - ((produced - taken) >>> 0);
  }

  /** Puts one notification; false when the ring is full. */
  notify(
    connection: number,
    generation: number,
    { rx = 0, tx = 0, flags = 0 }: { rx?: number; tx?: number; flags?: number },
    context = 1,
  ): boolean {
    if (this.room(context) === 0) return false;
    const { view } = this.core;
    const index = this.#get(context, D.CONTEXT_ARX_PRODUCER);
    const mask = this.#get(context, D.CONTEXT_ARX_MASK);
    const at = this.#get(context, D.CONTEXT_ARX_BASE) + (index & mask) * D.ARX_SIZE;
    view.setUint32(at + D.ARX_CONNECTION, connection, true);
    view.setUint32(at + D.ARX_GENERATION, generation, true);
    view.setUint32(at + D.ARX_RX_BUMP, rx, true);
    view.setUint32(at + D.ARX_TX_BUMP, tx, true);
    view.setUint32(at + D.ARX_FLAGS, flags, true);
    this.#set(context, D.CONTEXT_ARX_PRODUCER, (index + 1) >>> 0);
    return true;
  }
}
