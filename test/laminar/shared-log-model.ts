/**
 * A model of the shared log, written from the text of dissertation 5.5.3 and of 5.3.1 alone: plain
 * numbers, positions of streams and of the log, a note for every byte that has come. It shares no
 * code with the data path.
 *
 * - Records are appended in the order of arrival, over all connections.
 * - Out of order: space is reserved up to the highest sequence number, which leaves a gap.
 * - Segments with bytes of the gap go to the application; what is in the log already, nowhere.
 * - Only what the transport takes is appended, for the rest comes again: in order and within the
 *   window; or out of order, within the window and touching the one interval that there is. From a
 *   segment that does not fit to the roll-back nothing is taken, and neither leaves a trace.
 */

/** What becomes of a segment. Positions count from the beginning of the log or of a stream. */
export type LogStep =
  | {
      readonly kind: "append";
      /** Where the log grew, by how much, and how much of that is for what is missing. */
      readonly at: number;
      readonly grown: number;
      readonly gap: number;
    }
  | {
      readonly kind: "fill";
      readonly at: number;
      readonly grown: number;
      /** The first byte that the transport did not have. */
      readonly from: number;
    }
  | { readonly kind: "seen" }
  | { readonly kind: "dropped"; readonly rollback: boolean };

class Stream {
  next = 0;
  room: number;
  highest = 0;
  interval: { from: number; to: number } | undefined;
  closed = false;
  /** 1 for each byte that is in the log or with the application. */
  readonly has: Uint8Array;

  constructor(bytes: number, room: number) {
    this.has = new Uint8Array(bytes);
    this.room = room;
  }

  advance(to: number): void {
    this.room -= to - this.next;
    this.next = to;
    const { interval } = this;
    if (interval === undefined) return;
    if (interval.to <= to) this.interval = undefined;
    else interval.from = Math.max(interval.from, to);
  }

  /** False when the interval does not take it. */
  stretch(from: number, to: number): boolean {
    const { interval } = this;
    if (interval === undefined) this.interval = { from, to };
    else if (from > interval.to || to < interval.from) return false;
    else {
      interval.from = Math.min(interval.from, from);
      interval.to = Math.max(interval.to, to);
    }
    return true;
  }
}

/** One log and the connections that append to it. */
export class SharedLogModel {
  tail = 0;
  readonly #streams: readonly Stream[];

  /** `streams`: bytes of each; `room`: the window of each at first. */
  constructor(streams: readonly number[], room: number) {
    this.#streams = streams.map((bytes) => new Stream(bytes, room));
  }

  #stream(connection: number): Stream {
    return this.#streams[connection] as Stream;
  }

  /** Up to where the stream is in order, and its highest byte in the log. */
  state(connection: number): { next: number; highest: number; closed: boolean } {
    return this.#stream(connection);
  }

  segment(connection: number, from: number, to: number): LogStep {
    const stream = this.#stream(connection);
    if (to <= stream.next) return { kind: "dropped", rollback: false };
    if (stream.closed) return { kind: "dropped", rollback: false };
    const begin = Math.max(from, stream.next);
    if (to > stream.next + stream.room) {
      stream.closed = from <= stream.next;
      return { kind: "dropped", rollback: stream.closed };
    }
    if (from <= stream.next) stream.advance(to);
    else if (!stream.stretch(from, to)) return { kind: "dropped", rollback: false };
    return this.#taken(stream, begin, to);
  }

  #taken(stream: Stream, from: number, to: number): LogStep {
    const { highest } = stream;
    const missing = stream.has.subarray(from, Math.min(to, highest)).includes(0);
    const grown = Math.max(0, to - highest);
    const at = this.tail;
    this.tail += grown;
    stream.highest = Math.max(highest, to);
    stream.has.fill(1, from, to);
    if (missing) return { kind: "fill", at, grown, from };
    if (grown === 0) return { kind: "seen" };
    return { kind: "append", at, grown, gap: Math.max(0, from - highest) };
  }

  /** A merge comes by. */
  merge(connection: number, from: number, to: number): void {
    const stream = this.#stream(connection);
    if (!stream.closed && from <= stream.next && to > stream.next) stream.advance(to);
  }

  rollback(connection: number): void {
    this.#stream(connection).closed = false;
  }

  /** The application has taken so many bytes that are in order. */
  freed(connection: number, bytes: number): void {
    this.#stream(connection).room += bytes;
  }
}
