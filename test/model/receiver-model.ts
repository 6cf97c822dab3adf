/**
 * A receiver by the book: what a segment, a timer and an application that reads do to a
 * connection's receiving side, from RFC 9293 3.8.6 and 3.10.7.4, RFC 2018, 2883, 3168, 5961, 7323
 * and 8257. Bytes are kept one by one, and nothing is shared with the data path, which a test holds
 * to it. Positions are bytes from the first of the stream and never wrap.
 */
import { HeldBytes } from "./held-bytes.ts";
import * as rules from "./receiver-rules.ts";

/** Parts of a buffer that one segment may fill. */
const PARTS_MAX = 3;
const TICK = 1e6;
const STEP = 1024;
/** RFC 7323 5.5: 24 days, ns. */
const STAMP_VALID = 24 * 86_400e9;
/** One quick ACK in the byte of the ACK threshold. */
const QUICK = 16;
/** Above every threshold. */
const DUE = 255;
const FIELD_MAX = 0xffff;

export interface ReceiverSettings {
  /** Bytes of the receive buffer. */
  readonly room: number;
  readonly mss: number;
  /** Shift of the windows that are announced. */
  readonly scale: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  readonly quickAck: boolean;
  readonly ecn: boolean;
  /** Each mark is echoed by itself (RFC 8257, 3.2). */
  readonly exactMarks: boolean;
  /** Segments per ACK, and 16 for each that is acknowledged at once. */
  readonly threshold: number;
  /** Intervals that are kept out of order. */
  readonly intervals: number;
  /** ns an ACK may wait. */
  readonly delay: number;
  /** Challenge ACKs in an interval of 2^shift ticks, and the number that they carry. */
  readonly challenges: number;
  readonly challengeShift: number;
}

export interface Arriving {
  readonly seq: number;
  readonly payload: Uint8Array;
  readonly ack: boolean;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  /** CE, and CWR. */
  readonly marked: boolean;
  readonly reduced: boolean;
  /** TSval; absent without the option. */
  readonly stamp?: number;
}

/** An ACK that leaves. */
export interface Answer {
  readonly ack: number;
  readonly window: number;
  readonly echo: boolean;
  readonly sack: readonly (readonly [number, number])[];
  readonly stamp: number;
}

type Event = "reset" | "fin" | "late";
type Drop = "paws" | "window" | "duplicate" | "no ack" | "reset" | "reset challenge" | "syn";
export type Reason = Drop | "limit" | "rated" | "intervals" | "after fin" | "late" | "credit";

export class ReceiverModel {
  readonly settings: ReceiverSettings;
  now: number;
  /** Next in order, free bytes of the buffer from there, the edge as announced, the last ACK. */
  next = 0;
  avail: number;
  edge: number;
  acknowledged = 0;
  /** In order and not read yet. */
  unread = 0;
  readonly held: HeldBytes;
  /** What has been taken, by position; the first that came counts. */
  readonly bytes: number[] = [];
  finAt: number | undefined;
  finished = false;
  shut = false;
  unacked = 0;
  threshold: number;
  /** Of the delayed ACK; 0 = none. */
  due = 0;
  recent: number;
  lastArrival = 0;
  echo = false;
  marks = false;
  /** Of RFC 5961, 7: the last challenge's interval, and how many it has had. */
  challenged = { interval: 0, sent: 0 };
  /** Segments placed ahead of order, bytes in order, ACKs by timer, for a window, of challenge. */
  readonly counts = { ahead: 0, bytes: 0, delayed: 0, updates: 0, challenges: 0 };
  #repeated: readonly [number, number] | undefined;
  readonly out: Answer[] = [];
  readonly events: Event[] = [];
  readonly drops: Reason[] = [];

  constructor(settings: ReceiverSettings, now: number, recent: number) {
    this.settings = settings;
    this.now = now;
    this.recent = recent;
    this.avail = settings.room;
    this.edge = Math.min(settings.room, FIELD_MAX * 2 ** settings.scale);
    this.threshold = settings.threshold;
    this.held = new HeldBytes(settings.intervals);
  }

  receive(segment: Arriving): void {
    this.#repeated = undefined;
    this.#take(segment);
    this.lastArrival = this.now;
  }

  #take(segment: Arriving): void {
    if (!this.#admit(segment)) return;
    const { seq, payload, fin } = segment;
    const span = payload.length + (fin ? 1 : 0);
    const isIn = rules.acceptable(seq, span, this.next, this.avail);
    if (!isIn && seq > this.next) {
      this.#refuse("window");
      return;
    }
    if (isIn) {
      const { timestamps } = this.settings;
      if (timestamps && segment.stamp !== undefined && seq <= this.acknowledged) {
        this.recent = segment.stamp;
      }
      if (span > 0) this.#place(segment);
      return;
    }
    this.drops.push(seq < this.next ? "duplicate" : "window");
    if (payload.length > 0) {
      this.#tellTwice(seq, Math.min(seq + payload.length, this.next));
      if (this.avail === 0 && seq === this.next) this.#mark(segment);
      // RFC 8257 3.2 has two ACKs as a choice: a probe of a closed window gets one.
      this.out.length = 0;
    }
    this.#answer();
  }

  #refuse(reason: Reason): void {
    this.drops.push(reason);
    this.#answer();
  }

  /** RFC 9293, 3.10.7.4, first to fourth check; RFC 5961; RFC 7323, 5. */
  #admit(segment: Arriving): boolean {
    const { seq, payload, fin, rst, syn, ack } = segment;
    if (!rst && this.#isOld(segment.stamp)) this.#refuse("paws");
    else if (rst) this.#reset(seq);
    else if (syn) this.#challengeFor("syn");
    else if (ack) return true;
    else {
      this.drops.push("no ack");
      const span = payload.length + (fin ? 1 : 0);
      if (!rules.acceptable(seq, span, this.next, this.avail)) this.#answer();
    }
    return false;
  }

  #isOld(stamp: number | undefined): boolean {
    if (!this.settings.timestamps || stamp === undefined) return false;
    const behind = (this.recent - stamp) >>> 0;
    if (behind === 0 || behind >= 2 ** 31) return false;
    return this.now - this.lastArrival <= STAMP_VALID;
  }

  #reset(seq: number): void {
    if (seq === this.next) this.events.push("reset");
    else if (seq > this.next && seq < this.next + this.avail) this.#challengeFor("reset challenge");
    else this.drops.push("reset");
  }

  /** RFC 5961, 7. */
  #challengeFor(reason: Reason): void {
    const { challenges, challengeShift } = this.settings;
    const interval = Math.floor(this.now / TICK / 2 ** challengeShift) % 16;
    if (interval !== this.challenged.interval) this.challenged = { interval, sent: 0 };
    if (this.challenged.sent >= challenges) {
      this.drops.push(reason, "rated");
      return;
    }
    this.challenged.sent += 1;
    this.counts.challenges += 1;
    this.#refuse(reason);
  }

  /** RFC 2883, 4: of several ranges that came twice the first is told. */
  #tellTwice(start: number, end: number): void {
    if (start < end) this.#repeated ??= [start, end];
  }

  /** Seventh and eighth check. */
  #place(segment: Arriving): void {
    const { seq, payload, fin } = segment;
    if (this.finished) {
      this.#refuse("after fin");
      return;
    }
    const start = Math.max(seq, this.next);
    const limit = this.next + this.avail;
    const end = Math.min(seq + payload.length, limit);
    const endsHere = fin && seq + payload.length <= limit;
    const count = Math.max(0, end - start);
    if (count > 0 && this.shut) {
      this.events.push("late");
      this.drops.push("late");
      return;
    }
    if (payload.length > 0) this.#tellTwice(seq, start);
    const told = this.#mark(segment);
    const inOrder = start === this.next && this.held.isEmpty;
    if (count > 0 && !this.#keep(segment, start, end)) {
      this.#refuse("intervals");
      return;
    }
    const isOver = this.#finish(endsHere, seq + payload.length);
    if (told) return;
    const isPlain = inOrder && count === payload.length && !isOver && !endsHere;
    if (isPlain) this.#delayAnswer();
    else this.#answer();
  }

  /** Bytes [start, end) of a segment; false when they would be one interval too many. */
  #keep({ seq, payload }: Arriving, start: number, end: number): boolean {
    const known = this.held.firstHeld(start, end);
    if (known !== undefined) this.#tellTwice(...known);
    const stop = this.held.reach(start, end, PARTS_MAX);
    if (start !== this.next && !this.held.mayAdd(start, stop)) return false;
    let isNew = false;
    for (let at = start; at < stop; at += 1) {
      if (this.held.has(at)) continue;
      isNew = true;
      this.bytes[at] = payload[at - seq] as number;
    }
    if (isNew && start !== this.next) this.counts.ahead += 1;
    this.held.add(start, stop);
    if (start !== this.next) return true;
    const reached = this.held.take(this.next);
    this.avail -= reached - this.next;
    this.unread += reached - this.next;
    this.counts.bytes += reached - this.next;
    this.next = reached;
    return true;
  }

  /** A FIN counts in its place; one that is early waits. */
  #finish(fin: boolean, at: number): boolean {
    const stands = fin ? at : this.finAt;
    if (stands === undefined) return false;
    if (stands !== this.next) {
      this.finAt ??= stands;
      return false;
    }
    this.held.clear();
    this.finAt = undefined;
    this.finished = true;
    this.next += 1;
    this.events.push("fin");
    return true;
  }

  /** RFC 3168, 6.1.3; RFC 8257, 3.2: true when the ACK that waited has left with the old state. */
  #mark({ marked, reduced }: Arriving): boolean {
    const { ecn, exactMarks } = this.settings;
    if (!ecn) return false;
    if (!exactMarks) {
      this.echo = marked || (this.echo && !reduced);
      return false;
    }
    if (marked === this.marks) return false;
    const waited = this.unacked > 0;
    if (waited) this.#answer();
    this.marks = marked;
    this.echo = marked;
    this.unacked = waited ? 1 : DUE;
    if (waited) this.due = this.now;
    return waited;
  }

  /** RFC 9293 SHLD-18, SHLD-19. */
  #delayAnswer(): void {
    this.unacked = (this.unacked + 1) % 256;
    const seen = this.unacked === 0 ? 256 : this.unacked;
    const isQuick = this.threshold >= QUICK;
    if (isQuick) this.threshold -= QUICK;
    if (isQuick || seen >= this.threshold || this.settings.quickAck) this.#answer();
    else if (this.due === 0) this.due = this.now + this.settings.delay;
  }

  /** An ACK leaves, with what there is to say. */
  #answer(): void {
    const { sack, timestamps } = this.settings;
    const window = this.#announce();
    this.acknowledged = this.next;
    if (this.unacked > 0) this.due = 0;
    this.unacked = 0;
    const told = this.#repeated === undefined ? [] : [this.#repeated];
    const blocks = sack ? [...told, ...this.held.newestFirst] : [];
    const answer = { ack: this.next, window, echo: this.echo, stamp: this.recent };
    this.out.push({ ...answer, sack: blocks.slice(0, timestamps ? 3 : 4) });
  }

  /** The field; the edge is the rightmost ever. */
  #announce(): number {
    const { scale } = this.settings;
    const field = this.#field();
    this.edge = Math.max(this.edge, this.next + field * 2 ** scale);
    return field;
  }

  #field(): number {
    const { room, mss, scale } = this.settings;
    const step = Math.min(room / 2, mss);
    return rules.windowField(this.avail, Math.max(0, this.edge - this.next), 2 ** scale, step);
  }

  /** The application has read. */
  credit(bytes: number): void {
    const { room, mss, scale } = this.settings;
    if (bytes > room - this.avail) {
      this.drops.push("credit");
      return;
    }
    this.avail += bytes;
    this.unread -= bytes;
    if (bytes === 0 || this.edge - this.next >= room / 2 || this.finished) return;
    const edge = Math.max(this.edge, this.next + this.#field() * 2 ** scale);
    if (edge - this.edge < Math.min(room / 2, mss)) return;
    this.#repeated = undefined;
    this.counts.updates += 1;
    this.#answer();
  }

  /** RFC 9293 MUST-40. */
  expire(): void {
    if (this.due === 0 || Math.ceil(this.due / STEP) > Math.floor(this.now / STEP)) return;
    this.due = 0;
    if (this.unacked === 0) return;
    this.counts.delayed += 1;
    this.#repeated = undefined;
    this.#answer();
  }
}
