/**
 * Frames on their way through a modelled network: numbered slots of one size, with each frame's
 * length, the host that it is for and the hash of its flow, so that a hop moves a number and no
 * bytes. Invariant: a slot that was taken is given back once, after HOPS_MAX switches at most.
 */
/** Switches on a path: a leaf, a spine, a leaf. */
const HOPS_MAX = 3;
const SLOT_BITS = 11;
const SLOT_BYTES = 1 << SLOT_BITS;
/** Slots of a block: what a network that fills up is given at a time. */
const BLOCK_BITS = 10;
const BLOCK = 1 << BLOCK_BITS;

export class FrameSlots {
  readonly #blocks: Uint8Array[] = [];
  readonly #free: number[] = [];
  #lengths = new Uint16Array(0);
  #targets = new Uint16Array(0);
  #paths = new Uint32Array(0);
  #hops = new Uint8Array(0);

  /** Copies a frame in. Throws RangeError when it is longer than a slot. */
  take(bytes: Uint8Array, offset: number, length: number): number {
    if (length > SLOT_BYTES) {
      throw new RangeError(`slots: expected at most ${SLOT_BYTES} bytes, got ${length}`);
    }
    if (this.#free.length === 0) this.#grow();
    const slot = this.#free.pop() as number;
    this.bytesOf(slot).set(bytes.subarray(offset, offset + length), this.offsetOf(slot));
    this.#lengths[slot] = length;
    return slot;
  }

  /** Notes the host that the frame is for, and the hash of its flow. */
  address(slot: number, target: number, path: number): void {
    this.#targets[slot] = target;
    this.#paths[slot] = path;
    this.#hops[slot] = 0;
  }

  /** The frame has come to one switch more. Throws Error when it goes in a circle. */
  hop(slot: number): void {
    const hops = (this.#hops[slot] as number) + 1;
    this.#hops[slot] = hops;
    if (hops <= HOPS_MAX) return;
    const target = this.targetOf(slot);
    throw new Error(
      `fabric: expected at most ${HOPS_MAX} switches on the way to host ${target}, got ${hops}`,
    );
  }

  give(slot: number): void {
    this.#free.push(slot);
  }

  /** Slots that are taken. */
  get used(): number {
    return this.#blocks.length * BLOCK - this.#free.length;
  }

  bytesOf(slot: number): Uint8Array {
    return this.#blocks[slot >>> BLOCK_BITS] as Uint8Array;
  }

  /** Of the frame within bytesOf(). */
  offsetOf(slot: number): number {
    return (slot & (BLOCK - 1)) << SLOT_BITS;
  }

  lengthOf(slot: number): number {
    return this.#lengths[slot] as number;
  }

  targetOf(slot: number): number {
    return this.#targets[slot] as number;
  }

  pathOf(slot: number): number {
    return this.#paths[slot] as number;
  }

  #grow(): void {
    const first = this.#blocks.length * BLOCK;
    this.#blocks.push(new Uint8Array(BLOCK * SLOT_BYTES));
    const size = first + BLOCK;
    const grown = <T extends Uint8Array | Uint16Array | Uint32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#lengths = grown(this.#lengths, new Uint16Array(size));
    this.#targets = grown(this.#targets, new Uint16Array(size));
    this.#paths = grown(this.#paths, new Uint32Array(size));
    this.#hops = grown(this.#hops, new Uint8Array(size));
    for (let slot = size - 1; slot >= first; slot -= 1) this.#free.push(slot);
  }
}
