/**
 * The application of a shared log: a ring that really stores bytes, gaps that it fills by what is
 * redirected to it, and a reader that takes records in the order of the log and knows what each
 * connection has sent. It finds whatever is not as it was sent, comes twice, early or never.
 */

/** Bytes of a record's head: connection, number, length. */
export const RECORD_HEAD = 8;

/** Record `number` of a connection: its bytes say which it is. */
export function recordBytes(connection: number, number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, connection);
  view.setUint16(2, length);
  view.setUint32(4, number);
  for (let i = RECORD_HEAD; i < length; i += 1) {
    bytes[i] = Math.imul(connection * 65_537 + number * 257 + i, 0x9e3779b1) >>> 24;
  }
  return bytes;
}

/** What is missing of a connection: bytes [from, to) of its stream, and where they belong. */
interface Gap {
  from: number;
  readonly to: number;
  at: number;
}

export class LogApplication {
  readonly #ring: Uint8Array;
  readonly #present: Uint8Array;
  readonly #gaps = new Map<number, Gap[]>();
  /** The next record of each connection. */
  readonly #expected = new Map<number, number>();
  readonly #finding: (what: string) => void;
  head = 0;
  fills = 0;

  constructor(bytes: number, finding: (what: string) => void) {
    this.#ring = new Uint8Array(bytes);
    this.#present = new Uint8Array(bytes);
    this.#finding = finding;
  }

  /** Gaps that nothing has filled so far. */
  get open(): number {
    return [...this.#gaps.values()].reduce((sum, gaps) => sum + gaps.length, 0);
  }

  /** Records that have been read of a connection. */
  records(connection: number): number {
    return this.#expected.get(connection) ?? 0;
  }

  /** Bytes into the log, by the data path or from here. */
  write(at: number, bytes: Uint8Array): void {
    const size = this.#ring.length;
    if (at < this.head || at + bytes.length > this.head + size) {
      this.#finding(`bytes at ${at} are outside of what is free from ${this.head} on`);
      return;
    }
    for (const [i, byte] of bytes.entries()) {
      const place = (at + i) % size;
      if (this.#present[place] === 1) this.#finding(`byte ${at + i} is written twice`);
      this.#ring[place] = byte;
      this.#present[place] = 1;
    }
  }

  /** The notification of a record with a gap before it. */
  gap(connection: number, from: number, to: number, at: number): void {
    if (to > from)
      this.#gaps.set(connection, [...(this.#gaps.get(connection) ?? []), { from, to, at }]);
  }

  /** A segment that was redirected: what lies in a gap is filled, the rest is there. */
  fill(connection: number, from: number, bytes: Uint8Array): void {
    const to = from + bytes.length;
    const left: Gap[] = [];
    for (const gap of this.#gaps.get(connection) ?? []) {
      const [begin, end] = [Math.max(gap.from, from), Math.min(gap.to, to)];
      if (begin >= end) {
        left.push(gap);
        continue;
      }
      this.fills += 1;
      this.write(gap.at + begin - gap.from, bytes.subarray(begin - from, end - from));
      if (begin > gap.from) left.push({ from: gap.from, to: begin, at: gap.at });
      if (end < gap.to) left.push({ from: end, to: gap.to, at: gap.at + end - gap.from });
    }
    this.#gaps.set(connection, left);
  }

  #at(position: number): number {
    return this.#ring[position % this.#ring.length] as number;
  }

  #whole(length: number): boolean {
    for (let i = 0; i < length; i += 1) {
      if (this.#present[(this.head + i) % this.#ring.length] !== 1) return false;
    }
    return true;
  }

  /** The next record of the log, when it is whole; `undefined` when there is none yet. */
  read(): { connection: number; bytes: number } | undefined {
    if (!this.#whole(RECORD_HEAD)) return undefined;
    const half = (i: number): number => this.#at(this.head + i) * 256 + this.#at(this.head + i + 1);
    const [connection, length] = [half(0), half(2)];
    const number = half(4) * 65_536 + half(6);
    if (length < RECORD_HEAD || !this.#whole(length)) return undefined;
    if (number !== this.records(connection)) {
      const expected = this.records(connection);
      this.#finding(`connection ${connection}: expected record ${expected}, got ${number}`);
    }
    for (const [i, byte] of recordBytes(connection, number, length).entries()) {
      const position = this.head + i;
      if (this.#at(position) !== byte) this.#finding(`byte ${position} is not what was sent`);
      this.#present[position % this.#ring.length] = 0;
    }
    this.#expected.set(connection, number + 1);
    this.head += length;
    return { connection, bytes: length };
  }
}
