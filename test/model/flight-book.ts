/**
 * What a sender knows of its flight, byte by byte (RFC 6675, 3; RFC 8985, 5): each byte points to
 * the transmission that it left with, and bytes of one transmission have one fate. Half of the
 * model of sender-model.ts; positions are bytes from the first of the stream and never wrap.
 */

/** Bytes that left together and have met with the same fate since. */
export interface Transmission {
  /** ns, when they left last */
  time: number;
  /** The peer has them. */
  sacked: boolean;
  /** They are lost and have not left again since. */
  lost: boolean;
  /** They have left more than once. */
  again: boolean;
  /** They left again without being lost, so that both copies may be in the network. */
  twice: boolean;
}

type Fate = "sacked" | "lost" | "again" | "twice";

/** A transmission and where its bytes stand. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly sent: Transmission;
}

/** Transmissions that a book tells apart. */
const ROOM = 60;
const PARTS = ROOM / 2;

const isPlain = (one: Transmission): boolean => !(one.sacked || one.lost || one.again || one.twice);

/** Sent once, at `time`. */
function fresh(time: number): Transmission {
  return { time, sacked: false, lost: false, again: false, twice: false };
}

function isSameFate(one: Transmission, other: Transmission): boolean {
  const isLike = one.sacked === other.sacked && one.lost === other.lost;
  return isLike && one.again === other.again && one.twice === other.twice;
}

export class FlightBook {
  start: number;
  /** RACK.fack, RACK.end_seq, RACK.xmit_ts, RACK.rtt (RFC 8985, 5.2). */
  fack: number;
  rackEnd: number;
  rackTime = 0;
  rackRtt: number;
  /** When the reordering timer is due, ns; 0 = it is not needed. */
  reorder = 0;
  readonly #bytes: Transmission[];

  /** A flight of `bytes` that left at `time`. */
  constructor(start: number, bytes: number, time: number, srtt: number) {
    this.start = start;
    this.fack = start;
    this.rackEnd = start;
    this.rackRtt = srtt;
    this.#bytes = new Array<Transmission>(bytes).fill(fresh(time));
  }

  get end(): number {
    return this.start + this.#bytes.length;
  }

  /** In sequence. */
  get spans(): Span[] {
    const spans: Span[] = [];
    const bytes = this.#bytes;
    for (let from = 0; from < bytes.length; ) {
      const sent = bytes[from] as Transmission;
      let to = from + 1;
      while (bytes[to] === sent) to += 1;
      spans.push({ start: this.start + from, end: this.start + to, sent });
      from = to;
    }
    return spans;
  }

  /** Bytes of a fate. */
  count(fate: Fate): number {
    let bytes = 0;
    for (const { start, end, sent } of this.spans) if (sent[fate]) bytes += end - start;
    return bytes;
  }

  /** RFC 6675 4, SetPipe(): bytes in the network, of `flight` in flight. */
  pipe(flight: number): number {
    return flight - this.count("sacked") - this.count("lost") + this.count("twice");
  }

  /** Bytes up to `end` leave now; with those before them when these left now and once. */
  append(end: number, una: number, now: number): void {
    const last = this.#bytes.at(-1);
    if (last?.time === now && isPlain(last)) {
      while (this.end < end) this.#bytes.push(last);
      return;
    }
    const sent = fresh(now);
    if (this.spans.length === ROOM) this.#makeRoom(una, sent);
    while (this.end < end) this.#bytes.push(sent);
  }

  /** All different: the last one becomes a part of what is to be sent. */
  #makeRoom(una: number, sent: Transmission): void {
    this.forget(una);
    if (this.spans.length === ROOM) this.#join();
    const { spans } = this;
    if (spans.length === ROOM) this.#become(spans.at(-1) as Span, sent);
  }

  #become({ start, end }: Span, sent: Transmission): void {
    this.#bytes.fill(sent, start - this.start, end - this.start);
  }

  /**
   * Neighbours of one fate that left within a part of what the book spans are told as one, of the
   * later time: nothing counts as lost too early.
   */
  #join(): void {
    const [first, ...others] = this.spans;
    if (first === undefined) return;
    const times = [first, ...others].map(({ sent }) => sent.time);
    const step = Math.floor((Math.max(...times) - Math.min(...times)) / PARTS);
    let kept = first.sent;
    let begun = kept.time;
    for (const span of others) {
      const { time } = span.sent;
      if (isSameFate(kept, span.sent) && time >= begun && time - begun <= step) {
        this.#become(span, kept);
        kept.time = time;
      } else {
        kept = span.sent;
        begun = time;
      }
    }
  }

  /** Two ends more can be told apart. */
  hasRoom(): boolean {
    if (this.spans.length + 2 <= ROOM) return true;
    this.#join();
    return this.spans.length + 2 <= ROOM;
  }

  /** The span that holds a byte. */
  spanOf(at: number): Span | undefined {
    return this.spans.find(({ end }) => end > at);
  }

  /** Bytes before `una` are of no interest. */
  forget(una: number): void {
    if (una <= this.start) return;
    this.#bytes.splice(0, una - this.start);
    this.start = una;
  }

  /** From `at` on a transmission's bytes may have another fate. */
  #split(at: number): void {
    const index = at - this.start;
    const old = this.#bytes[index];
    if (index <= 0 || old === undefined || this.#bytes[index - 1] !== old) return;
    const other = { ...old };
    for (let i = index; this.#bytes[i] === old; i += 1) this.#bytes[i] = other;
  }

  /** The spans of [start, end) alone. */
  cut(start: number, end: number): Span[] {
    this.#split(start);
    this.#split(end);
    return this.spans.filter((span) => span.start >= start && span.end <= end);
  }

  /** What the peer has side by side is told as one, of the first one's time. */
  joinSacked(): void {
    for (let i = 1; i < this.#bytes.length; i += 1) {
      const before = this.#bytes[i - 1] as Transmission;
      if (before.sacked && (this.#bytes[i] as Transmission).sacked) this.#bytes[i] = before;
    }
  }

  get firstLost(): Span | undefined {
    return this.spans.find(({ sent }) => sent.lost);
  }
}
