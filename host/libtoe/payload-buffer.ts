/**
 * Payload buffers (dissertation 4.3.1; day-one decision 4): what a connection's streams hold, in
 * chunks of the core's memory, and the copies between them and the application's bytes. Where the
 * next byte of a stream stands is in the socket's row, which append() and consume() move on; lists
 * of chunks are the data path's and may change at every step, so nothing of them is kept here.
 *
 * Invariant: these copies are libTOE's only ones, one per byte sent and one per byte received.
 */
import { POST_PENDING_QUEUED, POST_PENDING_RX } from "../../bindings/abi/flow-state.ts";
import { POST_RX_LIST, POST_SIZE, POST_TX_LIST } from "../../bindings/abi/flow-state.ts";
import { CORE_CHUNK_SHIFT, CORE_POST } from "../../bindings/abi/memory-map.ts";
import { SOCKET_RX_OFFSET, SOCKET_TX_OFFSET } from "../../bindings/abi/socket.ts";
import type { Core } from "../../bindings/core.ts";
import { copyWords } from "../copy-words.ts";
import { KnownBuffers, type KnownBuffer } from "./known-buffer.ts";

/** Up to here a copy by words beats subarray() and set(): 20 ns against 75 ns for 64 B. */
const WORDS_COPY_MAX = 256;
/** Up to here bytes that are not on whole words are packed into words. */
const PACK_COPY_MAX = 192;

/** The ends of a connection's two streams, as a socket has them. */
export interface PayloadEnds {
  readonly connection: number;
  /** Word index of the socket's row. */
  readonly row: number;
  /** The application's buffers that are used again and again. */
  rxKnown: KnownBuffer;
  txKnown: KnownBuffer;
}

/** One core's memory, for the payload buffers in it. */
export class PayloadMemory {
  readonly #core: Core;
  readonly #words: Uint32Array;
  readonly #shift: number;
  /** Bytes of a chunk - 1. */
  readonly #chunkMask: number;
  readonly #post: number;
  readonly #received: KnownBuffers;
  readonly #sent: KnownBuffers;

  constructor(core: Core) {
    this.#core = core;
    this.#words = core.words;
    this.#shift = core.words[(core.address + CORE_CHUNK_SHIFT) >>> 2] as number;
    this.#chunkMask = (1 << this.#shift) - 1;
    this.#post = core.words[(core.address + CORE_POST) >>> 2] as number;
    this.#received = new KnownBuffers(core.bytes.buffer);
    this.#sent = new KnownBuffers(core.bytes.buffer);
  }

  /** Bytes in, after append(), which answered `address`. The caller keeps to its bytes' length. */
  write(
    ends: PayloadEnds,
    address: number,
    source: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const known = ends.txKnown;
    if (isWhole(known, source, address, offset, length)) {
      const words = known.words as Uint32Array;
      copyWords(this.#words, address >>> 2, words, offset >>> 2, length >>> 2);
      return;
    }
    if (source !== known.bytes) ends.txKnown = this.#sent.look(ends.connection, source, known);
    const next = this.#words[ends.row + (SOCKET_TX_OFFSET >>> 2)] as number;
    const list = this.#post + ends.connection * POST_SIZE + POST_TX_LIST;
    this.#move(list >>> 2, ends.txKnown, source, offset, (next - length) >>> 0, length, true);
  }

  /** Bytes out, after consume(), which answered `address`. */
  read(
    ends: PayloadEnds,
    address: number,
    target: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const known = ends.rxKnown;
    if (isWhole(known, target, address, offset, length)) {
      const words = known.words as Uint32Array;
      copyWords(words, offset >>> 2, this.#words, address >>> 2, length >>> 2);
      return;
    }
    const next = this.#words[ends.row + (SOCKET_RX_OFFSET >>> 2)] as number;
    this.#readFrom(ends, target, offset, (next - length) >>> 0, length);
  }

  /** Bytes out that are still to be consumed. */
  peek(ends: PayloadEnds, target: Uint8Array, offset: number, length: number): void {
    const next = this.#words[ends.row + (SOCKET_RX_OFFSET >>> 2)] as number;
    this.#readFrom(ends, target, offset, next, length);
  }

  #readFrom(
    ends: PayloadEnds,
    target: Uint8Array,
    offset: number,
    start: number,
    length: number,
  ): void {
    const known = ends.rxKnown;
    if (target !== known.bytes) ends.rxKnown = this.#received.look(ends.connection, target, known);
    const list = this.#post + ends.connection * POST_SIZE + POST_RX_LIST;
    this.#move(list >>> 2, ends.rxKnown, target, offset, start, length, false);
  }

  /**
   * Span by span, one for each chunk. `list` is the word index of POST_RX_LIST or POST_TX_LIST,
   * behind which POST_RX_SLOTS or POST_TX_SLOTS stands.
   */
  #move(
    list: number,
    known: KnownBuffer,
    bytes: Uint8Array,
    offset: number,
    start: number,
    length: number,
    into: boolean,
  ): void {
    const chunks = (this.#words[list] as number) >>> 2;
    const slots = this.#words[list + 1] as number;
    const memory = this.#core.bytes;
    let index = start;
    let at = offset;
    let left = length;
    while (left > 0) {
      const within = index & this.#chunkMask;
      const span = Math.min(left, this.#chunkMask + 1 - within);
      const chunk = this.#words[chunks + ((index >>> this.#shift) & slots)] as number;
      const address = chunk + within;
      if (span <= PACK_COPY_MAX && bytes === known.bytes) {
        this.#pack(known, address, at, span, into);
      } else if (into) {
        copySpan(memory, address, bytes, at, span);
      } else {
        copySpan(bytes, at, memory, address, span);
      }
      at += span;
      left -= span;
      index = (index + span) >>> 0;
    }
  }

  /** Between the core's memory and a known buffer, neither on whole words. */
  #pack(known: KnownBuffer, address: number, offset: number, length: number, into: boolean): void {
    const { view } = this.#core;
    const other = known.view as DataView;
    if (into) copyPacked(view, address, other, offset, length);
    else copyPacked(other, offset, view, address, length);
  }
}

/** True for whole words of a known buffer within one chunk: a span with an address. */
function isWhole(
  known: KnownBuffer,
  bytes: Uint8Array,
  address: number,
  offset: number,
  length: number,
): boolean {
  return (
    bytes === known.bytes &&
    address !== 0 &&
    ((address | offset | length) & 3) === 0 &&
    length <= WORDS_COPY_MAX &&
    known.words !== undefined
  );
}

function copyPacked(
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

/** A range that is the whole array needs no second view of it. */
function copySpan(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  const whole = from === 0 && length === source.length;
  target.set(whole ? source : source.subarray(from, from + length), at);
}

/** Received bytes whose notification did not fit the ARX ring yet. */
export function pendingBytes(core: Core, connection: number): number {
  const base = core.words[(core.address + CORE_POST) >>> 2] as number;
  const post = base + connection * POST_SIZE;
  if (core.words[(post + POST_PENDING_QUEUED) >>> 2] === 0) return 0;
  return core.words[(post + POST_PENDING_RX) >>> 2] as number;
}
