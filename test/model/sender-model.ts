/**
 * A sender by the book: what an acknowledgment, a timer, new bytes and a turn do to a connection's
 * sending side, slowly and over plain values, from RFC 5681, 6298, 6582, 6675, 6937, 7323 and 8985
 * (and RFC 3522 with RFC 4015). Bytes are kept one by one (flight-book.ts), timers are recomputed,
 * and nothing is shared with the data path, which a test holds to it word by word. The congestion
 * policy is given.
 */
import type { FlightBook } from "./flight-book.ts";
import * as loss from "./loss-model.ts";
import * as recovery from "./recovery-model.ts";
import { RoundTrips } from "./round-trip-model.ts";
import { DUPLICATES } from "./sender-settings.ts";
import type { Ack, Doubt, Expiry, Mode, Policy, Probe, SenderCounts } from "./sender-settings.ts";
import type { SenderDrop, SenderSettings, Sent, Timer } from "./sender-settings.ts";
import * as timers from "./timer-model.ts";

/** Segments that leave in one step. */
const SEGMENTS_MAX = 64;
const TICK = 1e6;
/** The wheel's step: a timer fires at the first that begins at or after its deadline. */
const STEP = 1024;
/** An echo is older than what left at tick `sent` (RFC 7323, 4): modulo 2^32. */
const isOlderTick = (echo: number, sent: number): boolean => (echo - sent) >>> 31 !== 0;
/** About two minutes: no echo is older. */
const ECHO_MAX = 120_000;

export class SenderModel {
  readonly settings: SenderSettings;
  readonly policy: Policy;
  readonly rtt: RoundTrips;
  now = 0;
  /** Payload bytes of a full segment. */
  mss: number;
  // The stream: oldest byte in flight, next to send, highest ever sent, end of what was written.
  una = 0;
  nxt = 0;
  max = 0;
  written = 0;
  finPending = false;
  finSent = false;
  finAcked = false;
  // The peer's window.
  edge: number;
  windowMax: number;
  // Loss recovery.
  book: FlightBook | undefined;
  duplicates = 0;
  recovering = false;
  mode: Mode = "newreno";
  /** The peer is to be told that the window was reduced (CWR). */
  reduced = false;
  /** New data waits for the retransmission timer (RFC 3168, 6.1.2). */
  held = false;
  /** Something is to be sent again, and may. */
  again = false;
  /** Recovery ends here. */
  recover = 0;
  /** The policy's window while cwnd is an allowance; the most that duplicates inflate it to. */
  window = 0;
  delivered = 0;
  allowed = 0;
  flight = 0;
  prior = { cwnd: 0, ssthresh: 0, tick: 0 };
  timedOut = false;
  doubt: Doubt = "none";
  /** Losses are looked for with each acknowledgment. */
  looks = false;
  reordered = false;
  /** Where the round of the last D-SACK ends; undefined before the first. */
  round: number | undefined;
  reorderMore = 0;
  reorderPersist = 0;
  probe: Probe = "none";
  probeEnd = 0;
  // Timers.
  persist = false;
  rtoDeadline = 0;
  timer: Timer = "timeout";
  /** Of the one that runs, 0 = none. */
  deadline = 0;
  lastSend: number;
  #challenged = { interval: 0, sent: 0 };
  /** A turn is due. */
  #scheduled = false;
  /** The acknowledgment at hand is one that header prediction has taken. */
  expected = false;
  /** Told since the last look. */
  readonly out: Sent[] = [];
  readonly expired: Expiry[] = [];
  readonly drops: SenderDrop[] = [];
  readonly counts: SenderCounts = {
    again: 0,
    duplicates: 0,
    recoveries: 0,
    timeouts: 0,
    acked: 0,
    marked: 0,
    probes: 0,
    tailProbes: 0,
    spurious: 0,
    challenges: 0,
    echoes: 0,
  };

  constructor(settings: SenderSettings, policy: Policy, now: number) {
    this.settings = settings;
    this.policy = policy;
    this.mss = settings.mss;
    this.rtt = new RoundTrips(settings);
    this.edge = settings.peerWindow;
    this.windowMax = settings.peerWindow;
    this.lastSend = now;
    this.now = now;
  }

  /** Bytes and FIN in flight. */
  get sent(): number {
    return this.nxt - this.una;
  }

  get sentData(): number {
    return this.sent - (this.finSent ? 1 : 0);
  }

  /** Written and not in flight. */
  get avail(): number {
    return Math.max(0, this.written - this.nxt);
  }

  /** MUST-34: a window that was shrunk below una is none. */
  get peerWindow(): number {
    return Math.max(0, this.edge - this.una);
  }

  /** RFC 3042; RFC 8985, 9.3. */
  get #congestionWindow(): number {
    const { cwnd } = this.policy;
    if (this.recovering) return cwnd;
    if (this.looks && this.settings.rack) return cwnd + (this.book?.count("sacked") ?? 0);
    return this.duplicates >= DUPLICATES ? cwnd : cwnd + this.duplicates * this.mss;
  }

  /** RFC 9293, 3.8.6.2.1, with Nagle (3.7.4) and cork. */
  get #sendable(): number {
    const { mss } = this;
    const { nodelay, cork, room } = this.settings;
    const isOld = this.nxt < this.max;
    if (!isOld && this.held) return 0;
    const free = isOld || nodelay;
    const corked = !isOld && cork && this.sent + this.avail < room;
    const window = this.#congestionWindow;
    const usable = Math.max(0, Math.min(window, this.peerWindow) - this.sent);
    const bytes = Math.min(this.avail, usable);
    if (bytes >= mss) return mss;
    const alone = this.sent === 0;
    if (bytes === this.avail) {
      return (free || alone || this.finPending) && (!corked || this.finPending) ? bytes : 0;
    }
    const fills = bytes > 0 && bytes >= Math.floor(this.windowMax / 2);
    return fills && this.peerWindow <= window && (free || alone) ? bytes : 0;
  }

  #finSendable(length: number): boolean {
    if (!this.finPending || this.finSent || this.finAcked) return false;
    return length === this.avail && this.peerWindow > this.sent + length;
  }

  get hasSendable(): boolean {
    if (this.again) return true;
    return this.avail > 0 ? this.#sendable > 0 : this.#finSendable(0);
  }

  /** The way may be open or closed for data: probing ends or begins (RFC 9293 MUST-36). */
  noteSendable(): void {
    if (this.hasSendable) {
      this.#scheduled = true;
      if (!this.persist) return;
      this.persist = false;
      this.rtt.backoff = 0;
      this.deadline = 0;
      return;
    }
    const finWaits = this.finPending && !this.finAcked;
    if (this.sent > 0 || this.persist || this.held) return;
    if (this.avail === 0 && !finWaits) return;
    const { cork, room } = this.settings;
    const corked = cork && this.sent + this.avail < room && !finWaits && this.avail < this.mss;
    if (corked && this.peerWindow > 0) return;
    this.persist = true;
    timers.restart(this);
  }

  /** The application has written, or closed its side. */
  write(bytes: number, fin: boolean): void {
    this.written += bytes;
    this.finPending ||= fin;
    this.noteSendable();
  }

  /**
   * RFC 9293, 3.10.7.4, fifth check. `expected`: header prediction has taken it, which writes
   * nothing into the book.
   */
  receive(segment: Ack, expected: boolean): void {
    this.expected = expected;
    const acked = segment.ack - this.una;
    if (acked > this.max - this.una) {
      this.drops.push("ack");
      this.#answer();
      return;
    }
    if (acked < 0 && -acked > this.windowMax) {
      this.drops.push("ack");
      this.#challenge();
      return;
    }
    if (acked >= 0) this.#acknowledged(segment, acked);
    if (!segment.whole) {
      this.drops.push("late");
      this.#answer();
    }
    this.noteSendable();
  }

  #acknowledged(segment: Ack, acked: number): void {
    const edge = segment.ack + segment.window * 2 ** this.settings.scale;
    const moved = segment.whole && edge !== this.edge;
    if (segment.whole) {
      this.edge = edge;
      this.windowMax = Math.max(this.windowMax, edge - segment.ack);
    }
    if (acked > 0) this.#advance(segment, acked);
    else if (segment.whole) loss.duplicate(this, segment, moved);
  }

  /** An ACK without data: a number of ours that the peer has, or has room for. */
  #answer(): void {
    const seq = this.una + Math.min(this.max - this.una, this.peerWindow);
    this.answerWith(seq);
  }

  /** RFC 5961, 5.2 and 7: older than any window. */
  #challenge(): void {
    const { challenges, challengeShift } = this.settings;
    const interval = Math.floor(this.now / TICK / 2 ** challengeShift) % 16;
    if (interval !== this.#challenged.interval) this.#challenged = { interval, sent: 0 };
    if (this.#challenged.sent >= challenges) {
      this.drops.push("rated");
      return;
    }
    this.#challenged.sent += 1;
    this.counts.challenges += 1;
    this.#answer();
  }

  /** Interval of the last challenge, and how many it has had. */
  get challenged(): { readonly interval: number; readonly sent: number } {
    return this.#challenged;
  }

  answerWith(seq: number): void {
    const capable = this.settings.ecn && this.settings.allCapable;
    this.out.push({ seq, length: 0, fin: false, push: false, reduced: false, capable });
  }

  #advance(segment: Ack, acked: number): void {
    const before = this.sent;
    const finAcked = this.finPending && this.una + acked === this.written + 1;
    const freed = finAcked ? acked - 1 : acked;
    this.counts.acked += freed;
    this.una += acked;
    this.nxt = Math.max(this.nxt, this.una);
    if (finAcked) {
      this.finSent = false;
      this.finAcked = true;
    }
    const told = this.settings.rack ? this.duplicates * this.mss : 0;
    this.duplicates = 0;
    this.timedOut = false;
    this.#measure(segment);
    loss.acknowledged(this, segment, { acked, freed, before, told });
    if (this.sent > 0) {
      timers.restart(this);
      return;
    }
    this.book = undefined;
    this.persist = false;
    this.deadline = 0;
    if (this.held) timers.restart(this);
  }

  /** RFC 6298, 5; RFC 7323, 4; while a closed window is probed its backoff stays (SHLD-30). */
  #measure({ echo }: Ack): void {
    const { rtt, policy, now } = this;
    const probing = this.persist && this.peerWindow === 0;
    if (this.persist && !probing) rtt.backoff = 0;
    const echoed = echo === undefined ? 0 : this.#echoed(echo);
    if (rtt.backoff > 0 && !probing && echoed > 0) policy.sample(rtt.sample(echoed, now));
    const timed = rtt.acknowledged(this.una, now);
    if (timed !== undefined) policy.sample(timed);
    else if (policy.wantsSamples && echoed > 0) policy.sample(echoed);
    policy.smooth(rtt.srtt);
  }

  /** Since what is echoed left: ticks, one at least, in ns; 0 when nothing did. */
  #echoed(echo: number): number {
    const ticks = (Math.floor(this.now / TICK) - echo) >>> 0;
    return ticks > ECHO_MAX ? 0 : Math.max(1, ticks) * TICK;
  }

  /** RFC 3522: an acknowledgment echoes what left before `time`. */
  echoesOlder({ echo }: Ack, time: number): boolean {
    return echo !== undefined && isOlderTick(echo, Math.floor(time / TICK));
  }

  /** RFC 6298, 5.4 to 5.6: `expired`, or the segments were too large for the path. */
  retransmit(expired: boolean): void {
    recovery.timeout(this, expired);
    this.noteSendable();
  }

  /** RFC 9293 MUST-35: one byte past the window, or what fits it; `bare`: as Linux. */
  probeWindow(bare: boolean): void {
    if (!this.persist) {
      this.noteSendable();
      return;
    }
    const window = this.peerWindow;
    if (bare && window === 0) {
      this.rtt.backoff = Math.min(this.rtt.backoff + 1, 63);
      this.counts.probes += 1;
      this.answerWith(this.una - 1);
      timers.restart(this);
      return;
    }
    const length = Math.min(this.avail, Math.max(1, Math.min(window, this.mss)));
    const fin = this.avail === 0 && this.finPending;
    if (length === 0 && !fin) return;
    this.counts.probes += 1;
    this.rtt.backoff = Math.min(this.rtt.backoff + 1, 63);
    this.max = Math.max(this.max, this.una + length + (fin ? 1 : 0));
    this.#emit(this.una, length, fin, true);
    timers.restart(this);
  }

  /** Timers whose step has begun. */
  expire(): void {
    const step = Math.ceil(this.deadline / STEP);
    if (this.deadline === 0 || step > Math.floor(this.now / STEP)) return;
    this.deadline = 0;
    if (this.timer === "timeout") {
      this.expired.push({ sent: this.sent, avail: this.avail, persist: this.persist });
    } else if (this.timer === "probe") {
      this.probe = "due";
      this.counts.tailProbes += 1;
      this.rtt.probed = true;
      this.again = true;
      this.looks = true;
      this.#scheduled = true;
      timers.restart(this);
    } else {
      loss.reorderExpired(this);
      if (this.hasSendable) this.#scheduled = true;
      timers.choose(this);
    }
  }

  /** Everything that may leave, leaves, once something has found that it may. */
  transmit(): void {
    for (let left = SEGMENTS_MAX; this.#scheduled && left > 0; left -= 1) {
      this.#scheduled = this.#turn() && this.hasSendable;
    }
  }

  /** One segment; false when there was none. */
  #turn(): boolean {
    if (this.again) {
      this.again = false;
      if (this.#sendAgain()) return true;
    }
    if (this.sent === 0 && this.now - this.lastSend > this.rtt.rto) this.policy.idle(this.now);
    const length = this.#sendable;
    const fin = this.#finSendable(length);
    if (length === 0 && !fin) return false;
    this.#sendNew(length, fin);
    return true;
  }

  #sendAgain(): boolean {
    if (this.probe === "due") return this.#sendProbe();
    const { book, mode } = this;
    if (book === undefined || mode === "newreno") return this.#repeat(this.una, this.mss);
    const lost = book.firstLost;
    if (lost === undefined) return false;
    return this.#repeat(lost.start, Math.min(this.mss, lost.end - lost.start));
  }

  /** Up to `most` bytes from `seq` on again, and the FIN behind them. */
  #repeat(seq: number, most: number): boolean {
    const data = this.una + this.sentData - seq;
    const length = Math.min(data, most);
    const fin = this.finSent && length === data && most > 0;
    if (length === 0 && !fin) return false;
    this.rtt.timed = undefined;
    this.#emit(seq, length, fin, true);
    if (this.book === undefined) return true;
    recovery.sentAgain(this, seq, seq + length + (fin ? 1 : 0), length);
    this.looks = true;
    return true;
  }

  /** RFC 8985 7.3: new data if the peer has room, else the last segment. */
  #sendProbe(): boolean {
    if (this.sent === 0) {
      this.probe = "none";
      return false;
    }
    // TLP-5: due until it has left, for no other probe's timer may start with it.
    recovery.openBook(this);
    const room = Math.max(0, this.peerWindow - this.sent);
    const fresh = Math.min(this.avail, this.mss, room);
    if (fresh > 0) {
      this.#sendNew(fresh, false);
      this.probe = "fresh";
    } else {
      const length = Math.min(this.sent, this.mss);
      const isSent = this.#repeat(this.nxt - length, length);
      this.probe = isSent ? "again" : "none";
      if (!isSent) return false;
    }
    this.probeEnd = this.nxt;
    return true;
  }

  #sendNew(length: number, fin: boolean): void {
    const from = this.nxt;
    const isOld = from < this.max;
    this.nxt += length + (fin ? 1 : 0);
    this.finSent ||= fin;
    // Karn: only what was never sent before is timed.
    if (from >= this.max && this.nxt > this.max) this.rtt.start(this.nxt, this.now);
    this.max = Math.max(this.max, this.nxt);
    recovery.noteSent(this, from);
    this.#emit(from, length, fin, isOld);
  }

  #emit(seq: number, length: number, fin: boolean, isOld: boolean): void {
    const { ecn, allCapable } = this.settings;
    if (isOld) this.counts.again += 1;
    // RFC 9293 MUST-61: the last byte that is queued; RFC 3168, 6.1.5: what is sent again is plain.
    const isLast = this.avail === 0 && seq + length >= this.una + this.sentData;
    const isNewData = !isOld && length > 0;
    const reduced = isNewData && this.reduced;
    if (reduced) this.reduced = false;
    const capable = ecn && (isNewData || allCapable);
    this.out.push({ seq, length, fin, push: length > 0 && isLast, reduced, capable });
    this.lastSend = this.now;
    timers.start(this);
  }
}
