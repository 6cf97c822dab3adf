/**
 * The application's buffers that are used again and again, as a loop over small messages does: the
 * views that make copies of few bytes cheap. A socket remembers one for each direction, and many
 * sockets share one that all use.
 *
 * Invariant: a buffer is known from its second use in a row by the sockets of one slot.
 */

/** Larger buffers of the caller are not remembered: whoever knows a buffer keeps it alive. */
const VIEW_BYTES_MAX = 65536;
/** Sockets with the same remainder share what they have seen last. */
const SLOTS = 16;

export interface KnownBuffer {
  readonly bytes: Uint8Array | undefined;
  /** Undefined when the buffer does not begin on a whole word. */
  readonly words: Uint32Array | undefined;
  readonly view: DataView | undefined;
  /** Address of a buffer that stands in the core's own memory, else 0. */
  readonly address: number;
}

/** Of a socket that knows no buffer. */
export const NOT_KNOWN: KnownBuffer = {
  bytes: undefined,
  words: undefined,
  view: undefined,
  address: 0,
};

/** What the sockets of one core have used last in one direction. */
export class KnownBuffers {
  readonly #memory: ArrayBufferLike;
  readonly #candidates: (Uint8Array | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #last: KnownBuffer[] = new Array(SLOTS).fill(NOT_KNOWN);

  constructor(memory: ArrayBufferLike) {
    this.#memory = memory;
  }

  /** What the socket knows from here on, after a use of `bytes`, which it did not know. */
  look(connection: number, bytes: Uint8Array, before: KnownBuffer): KnownBuffer {
    const slot = connection % SLOTS;
    const last = this.#last[slot] as KnownBuffer;
    if (last.bytes === bytes) return last;
    if (this.#candidates[slot] !== bytes) {
      if (bytes.byteLength <= VIEW_BYTES_MAX) this.#candidates[slot] = bytes;
      return before;
    }
    this.#candidates[slot] = undefined;
    // A buffer that may shrink under a view of fixed length is left to set().
    const { resizable } = bytes.buffer as { resizable?: boolean };
    if (resizable === true) return before;
    const known = describe(bytes, this.#memory);
    this.#last[slot] = known;
    return known;
  }
}

function describe(bytes: Uint8Array, memory: ArrayBufferLike): KnownBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  const whole = (byteOffset & 3) === 0;
  return {
    bytes,
    words: whole ? new Uint32Array(buffer, byteOffset, byteLength >>> 2) : undefined,
    view: new DataView(buffer, byteOffset, byteLength),
    address: buffer === memory ? byteOffset : 0,
  };
}
