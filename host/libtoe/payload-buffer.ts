/**
 * Payload buffers (dissertation 4.3.1; day-one decision 4): rings over a list of chunks in the
 * core's memory. Byte s of a stream stands at ring index s & mask, so a buffer only remembers the
 * index it reads or writes next.
 *
 * Invariant: these copies are libTOE's only ones, one per byte sent and one per byte received.
 */
import { CHUNK_LIST_SIZE, POST_PENDING_QUEUED } from "../../bindings/abi/flow-state.ts";
import { POST_PENDING_RX, POST_RX_MASK } from "../../bindings/abi/flow-state.ts";
import { POST_SIZE, POST_TX_MASK } from "../../bindings/abi/flow-state.ts";
import { CORE_CHUNK_LISTS, CORE_CHUNK_SHIFT, CORE_POST } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";

/**
 * Up to here a copy by words beats subarray() + set(): 30 ns against 75 ns for 64 B, equal near
 * 200 B (Node 20, x86-64, machine under load).
 */
const WORDS_COPY_MAX = 192;
/** Up to here packing bytes into words beats set() when no view of the caller's bytes exists. */
const PACK_COPY_MAX = 48;

/** Connections share this many remembered views, by id. */
const VIEW_SLOTS = 256;
/** Larger buffers are not remembered: a slot keeps its buffer alive. */
const VIEW_BYTES_MAX = 65536;

/**
 * The callers' bytes as words, for callers that use one buffer again and again, as a loop over
 * small messages does. A slot holds the last buffer that was used twice in a row.
 */
class ViewCache {
  readonly #bytes = new Array<Uint8Array | undefined>(VIEW_SLOTS).fill(undefined);
  readonly #views = new Array<DataView | undefined>(VIEW_SLOTS).fill(undefined);
  readonly #candidates = new Array<Uint8Array | undefined>(VIEW_SLOTS).fill(undefined);

  /** A view of `bytes`, or undefined when they were not used twice in a row. */
  of(bytes: Uint8Array, slot: number): DataView | undefined {
    if (bytes === this.#bytes[slot]) return this.#views[slot];
    return this.#miss(bytes, slot);
  }

  #miss(bytes: Uint8Array, slot: number): DataView | undefined {
    if (bytes !== this.#candidates[slot]) {
      if (bytes.byteLength <= VIEW_BYTES_MAX) this.#candidates[slot] = bytes;
      return undefined;
    }
    this.#candidates[slot] = undefined;
    // A buffer that may shrink under a view of fixed length is left to set().
    const { resizable } = bytes.buffer as { resizable?: boolean };
    if (resizable === true) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes[slot] = bytes;
    this.#views[slot] = view;
    return view;
  }
}

function copyWords(
  to: DataView,
  toIndex: number,
  from: DataView,
  fromIndex: number,
  length: number,
): void {
  const blocks = length & ~15;
  let i = 0;
  for (; i < blocks; i += 16) {
    const target = toIndex + i;
    const source = fromIndex + i;
    to.setUint32(target, from.getUint32(source, true), true);
    to.setUint32(target + 4, from.getUint32(source + 4, true), true);
    to.setUint32(target + 8, from.getUint32(source + 8, true), true);
    to.setUint32(target + 12, from.getUint32(source + 12, true), true);
  }
  for (const whole = length & ~3; i < whole; i += 4) {
    to.setUint32(toIndex + i, from.getUint32(fromIndex + i, true), true);
  }
  for (; i < length; i += 1) to.setUint8(toIndex + i, from.getUint8(fromIndex + i));
}

/** Copies between callers' bytes and one core's memory. */
export class PayloadMemory {
  readonly core: Core;
  readonly words: Uint32Array;
  readonly chunkShift: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sources = new ViewCache();
  readonly #targets = new ViewCache();

  constructor(core: Core) {
    this.core = core;
    this.words = core.words;
    this.chunkShift = core.words[(core.address + CORE_CHUNK_SHIFT) >>> 2] as number;
    this.#bytes = core.bytes;
    this.#view = core.view;
  }

  /** Caller to core. The range lies within `source`; `slot` is the connection's, below 256. */
  copyIn(address: number, source: Uint8Array, offset: number, length: number, slot: number): void {
    if (length <= WORDS_COPY_MAX) {
      const view = this.#sources.of(source, slot);
      if (view !== undefined) {
        copyWords(this.#view, address, view, offset, length);
        return;
      }
      if (length <= PACK_COPY_MAX) {
        const bytes = this.#bytes;
        for (let i = 0; i < length; i += 1) bytes[address + i] = source[offset + i] as number;
        return;
      }
    }
    const whole = offset === 0 && length === source.length;
    this.#bytes.set(whole ? source : source.subarray(offset, offset + length), address);
  }

  /** Core to caller. The range lies within `target`. */
  copyOut(address: number, target: Uint8Array, offset: number, length: number, slot: number): void {
    if (length <= WORDS_COPY_MAX) {
      const view = this.#targets.of(target, slot);
      if (view !== undefined) {
        copyWords(view, offset, this.#view, address, length);
        return;
      }
      if (length <= PACK_COPY_MAX) {
        const bytes = this.#bytes;
        for (let i = 0; i < length; i += 1) target[offset + i] = bytes[address + i] as number;
        return;
      }
    }
    target.set(this.#bytes.subarray(address, address + length), offset);
  }
}

/** One direction of one connection. */
export class PayloadBuffer {
  readonly #memory: PayloadMemory;
  /** Word index of the list of chunk addresses. */
  readonly #list: number;
  readonly #shift: number;
  /** Bytes of the buffer - 1. */
  readonly mask: number;
  readonly #slot: number;
  /** Ring index of the next byte. */
  #index: number;

  /** `seq` is the sequence number of the next byte; `list` the address of the chunk list. */
  constructor(memory: PayloadMemory, connection: number, list: number, mask: number, seq: number) {
    this.#slot = connection & (VIEW_SLOTS - 1);
    this.#memory = memory;
    this.#list = list >>> 2;
    this.#shift = memory.chunkShift;
    this.mask = mask;
    this.#index = seq & mask;
  }

  get size(): number {
    return this.mask + 1;
  }

  /** Bytes in, advancing. The caller keeps to the free space. */
  write(source: Uint8Array, offset: number, length: number): void {
    let index = this.#index;
    this.#index = (index + length) & this.mask;
    let from = offset;
    let left = length;
    const memory = this.#memory;
    // At most one span for each chunk of the buffer and one for the wrap.
    while (left > 0) {
      const address = this.#address(index);
      const span = Math.min(left, this.#spanLeft(index));
      memory.copyIn(address, source, from, span, this.#slot);
      from += span;
      left -= span;
      index = (index + span) & this.mask;
    }
  }

  /** Bytes out, advancing. The caller keeps to what is readable. */
  read(target: Uint8Array, offset: number, length: number): void {
    this.peek(target, offset, length);
    this.#index = (this.#index + length) & this.mask;
  }

  /** Passes over bytes without a copy (MSG_TRUNC; a reader that has shut down). */
  skip(length: number): void {
    this.#index = (this.#index + length) & this.mask;
  }

  /** Bytes out, not advancing. */
  peek(target: Uint8Array, offset: number, length: number): void {
    let index = this.#index;
    let to = offset;
    let left = length;
    const memory = this.#memory;
    while (left > 0) {
      const address = this.#address(index);
      const span = Math.min(left, this.#spanLeft(index));
      memory.copyOut(address, target, to, span, this.#slot);
      to += span;
      left -= span;
      index = (index + span) & this.mask;
    }
  }

  #address(index: number): number {
    const chunk = this.#memory.words[this.#list + (index >>> this.#shift)] as number;
    return chunk + (index & ((1 << this.#shift) - 1));
  }

  /** Bytes from `index` to the end of its chunk. */
  #spanLeft(index: number): number {
    return (1 << this.#shift) - (index & ((1 << this.#shift) - 1));
  }
}

/** The two buffers of an installed connection, as its record in the core's post table says. */
export function payloadBuffers(
  memory: PayloadMemory,
  connection: number,
  rxSeq: number,
  txSeq: number,
): { rx: PayloadBuffer; tx: PayloadBuffer } {
  const { core, words } = memory;
  const base = (offset: number): number => words[(core.address + offset) >>> 2] as number;
  const post = base(CORE_POST) + connection * POST_SIZE;
  const lists = base(CORE_CHUNK_LISTS) + connection * 2 * CHUNK_LIST_SIZE;
  const rxMask = words[(post + POST_RX_MASK) >>> 2] as number;
  const txMask = words[(post + POST_TX_MASK) >>> 2] as number;
  return {
    rx: new PayloadBuffer(memory, connection, lists, rxMask, rxSeq),
    tx: new PayloadBuffer(memory, connection, lists + CHUNK_LIST_SIZE, txMask, txSeq),
  };
}

/** Received bytes whose notification did not fit the ARX ring yet. */
export function pendingBytes(core: Core, connection: number): number {
  const base = core.words[(core.address + CORE_POST) >>> 2] as number;
  const post = base + connection * POST_SIZE;
  if (core.words[(post + POST_PENDING_QUEUED) >>> 2] === 0) return 0;
  return core.words[(post + POST_PENDING_RX) >>> 2] as number;
}
