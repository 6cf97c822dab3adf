/**
 * A receiver for the walks of sender-model.test.ts: it keeps what arrives, acknowledges with blocks
 * of SACK, tells of what came twice, and reads all the time. What leaves is on its way for a round
 * trip, comes late or is lost, so that recoveries, probes and timers run as they do on a network,
 * with the round numbers that segments of one size give.
 */
import type { Ack, Sent } from "../../model/sender-settings.ts";
import type { Random } from "../../support/random.ts";

const MS = 1e6;

export interface PeerChoice {
  readonly mss: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  readonly ecn: boolean;
  /** The header's field for all of its buffer. */
  readonly window: number;
  /** A round trip, ns. */
  readonly delay: number;
  /** Once in so many a segment is lost, late, or marked. */
  readonly loss: number;
}

type Range = readonly [number, number];

interface Arrival {
  readonly at: number;
  readonly sent: Sent;
  /** TSval, and a mark of congestion. */
  readonly tick: number;
  readonly marked: boolean;
}

export class SenderPeer {
  readonly #random: Random;
  readonly #choice: PeerChoice;
  readonly #under: Arrival[] = [];
  /** Out of order, that which changed last first. */
  #held: Range[] = [];
  #next = 0;
  #finAt: number | undefined;
  #recent: number;
  #echo = false;

  constructor(random: Random, choice: PeerChoice, now: number) {
    this.#random = random;
    this.#choice = choice;
    this.#recent = Math.floor(now / MS);
  }

  /** When the next segment arrives; infinite without any. */
  get due(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#under.map(({ at }) => at));
  }

  /** What has left at `now` is on its way. */
  hear(segments: readonly Sent[], now: number): void {
    const { loss, delay, ecn } = this.#choice;
    for (const sent of segments) {
      if (this.#random.oneIn(loss)) continue;
      const late = this.#random.oneIn(2 * loss) ? this.#random.pick([0.25, 0.5, 2]) : 0;
      const marked = ecn && sent.capable && this.#random.oneIn(loss);
      const at = now + delay + Math.floor(delay * late);
      this.#under.push({ at, sent: { ...sent }, tick: Math.floor(now / MS), marked });
    }
  }

  /** The answer to what arrives first; undefined when it is not worth one. */
  answer(): Ack | undefined {
    const { due } = this;
    const index = this.#under.findIndex(({ at }) => at === due);
    const [arrival] = this.#under.splice(index, 1);
    if (arrival === undefined || this.#isEmpty(arrival.sent)) return undefined;
    const { seq, length, fin, reduced } = arrival.sent;
    this.#echo = arrival.marked || (this.#echo && !reduced);
    if (seq <= this.#next) this.#recent = arrival.tick;
    if (fin) this.#finAt = seq + length;
    const repeated = this.#keep(seq, seq + length + (fin ? 1 : 0));
    const isPlain = repeated === undefined && this.#held.length === 0;
    // A delayed ACK, or one that is lost.
    if (isPlain && this.#under.length > 0 && this.#random.oneIn(3)) return undefined;
    return this.#ack(repeated);
  }

  /** Neither data nor FIN. */
  #isEmpty({ length, fin }: Sent): boolean {
    return length === 0 && !fin;
  }

  #ack(repeated: Range | undefined): Ack {
    const { sack, timestamps, window } = this.#choice;
    const most = timestamps ? 3 : 4;
    const blocks = [...(repeated === undefined ? [] : [repeated]), ...this.#held].slice(0, most);
    return {
      ack: this.#next,
      whole: true,
      window,
      ...(sack && blocks.length > 0 ? { sack: blocks } : {}),
      ...(timestamps ? { echo: this.#recent } : {}),
      ...(this.#echo ? { marked: true } : {}),
    };
  }

  /** Takes [start, end); the part of it that was here before. */
  #keep(start: number, end: number): Range | undefined {
    const below: Range = [start, Math.min(end, this.#next)];
    const within = this.#held.find(([from, to]) => start < to && end > from);
    const twice = within && ([Math.max(start, within[0]), Math.min(end, within[1])] as const);
    const touched = this.#held.filter(([from, to]) => start <= to && end >= from);
    const low = Math.min(start, ...touched.map(([from]) => from));
    const high = Math.max(end, ...touched.map(([, to]) => to));
    this.#held = this.#held.filter((one) => !touched.includes(one));
    if (low <= this.#next) this.#next = Math.max(this.#next, high);
    else this.#held.unshift([low, high]);
    return below[0] < below[1] ? below : twice;
  }

  /** All has arrived, the FIN too. */
  get isOver(): boolean {
    return this.#finAt !== undefined && this.#next > this.#finAt;
  }
}
