/**
 * I4, also behind a loss: what is surely still in the network is bounded by the congestion window.
 * A byte surely is there when nothing that left after it has been delivered and no retransmission
 * timer has expired since: no sender may take it for lost then, whichever way it looks for losses
 * (RFC 6582; RFC 6675, 4; RFC 8985, 6.2). Of such bytes there are at most as many as the largest
 * window since the first of them left allows, and three segments: two of limited transmit
 * (RFC 3042) and a tail loss probe (RFC 8985, 7.3). Reductions need no rule of their own: what they
 * let go replaces what has been delivered (RFC 6937).
 */
import { CONGESTION_WINDOW_MAX } from "../../../bindings/abi/congestion.ts";
import type { ConnectionInfo } from "../../../host/control-plane/interface.ts";
import type { Checker, Frame, Scene } from "./checker.ts";
import type { Side } from "./flow-book.ts";
import { RST, SYN } from "./reference-parser.ts";

const SLACK_SEGMENTS = 3;
/** RFC 5681, 3.2: those that begin a fast retransmit. */
const DUPLICATES = 3;
/** A FIN, and a probe of a closed window. */
const SLACK_BYTES = 2;

/** Bytes that left last at one time, and are not acknowledged. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly time: number;
}

interface Window {
  readonly time: number;
  readonly bytes: number;
}

/** What one end has sent, by the time that each byte left last. */
class Flight {
  /** In sequence, disjoint; without what is selectively acknowledged. */
  readonly #runs: Run[] = [];
  /** Windows as they were found after polls; the first may be older than all runs. */
  readonly #windows: Window[] = [];
  /** What left last among all that was delivered; what left then or before may be lost. */
  #delivered = -1;
  /** What left before is lost: the timer has expired. */
  #expired = 0;
  #timeouts = 0;
  /** Window since the last timeout, at most. */
  #restarted = 0;
  /** ssthresh that it left; another one says that it was spurious (RFC 4015; RFC 5682). */
  #threshold = 0;
  /** ACKs in this recovery that acknowledge nothing new. */
  #repeats = 0;
  #now = 0;
  mss = 0;
  acked = 0;
  /** Something has left since the last look. */
  hasSent = false;

  /** Clocks may go back, as a stack's own does not. */
  #at(now: number): number {
    this.#now = Math.max(this.#now, now);
    return this.#now;
  }

  sent(from: number, to: number, now: number): void {
    const time = this.#at(now);
    this.hasSent = true;
    const last = this.#runs.at(-1);
    if (last === undefined || last.to <= from) {
      if (last?.to === from && last.time === time) this.#runs.pop();
      const start = last?.to === from && last.time === time ? last.from : from;
      this.#runs.push({ from: start, to, time });
      return;
    }
    this.#cut(from, to);
    const index = this.#runs.findIndex((run) => run.from >= to);
    this.#runs.splice(index < 0 ? this.#runs.length : index, 0, { from, to, time });
  }

  /** The peer has these. */
  arrived(from: number, to: number): void {
    for (const run of this.#cut(from, to)) {
      this.#delivered = Math.max(this.#delivered, run.time);
      this.#restarted += Math.min(run.to, to) - Math.max(run.from, from);
    }
  }

  /** Takes [from, to) out; the runs that had some of it. */
  #cut(from: number, to: number): Run[] {
    const met = this.#runs.filter((run) => run.from < to && from < run.to);
    if (met.length === 0) return met;
    const left = met.flatMap(({ from: low, to: high, time }) => [
      ...(low < from ? [{ from: low, to: from, time }] : []),
      ...(to < high ? [{ from: to, to: high, time }] : []),
    ]);
    this.#runs.splice(this.#runs.indexOf(met[0] as Run), met.length, ...left);
    return met;
  }

  /** Takes note of the window, after a poll. */
  note(info: ConnectionInfo, now: number): void {
    const time = this.#at(now);
    if (info.timeouts !== this.#timeouts) {
      this.#expired = time;
      this.#restarted = info.mss;
      this.#threshold = info.ssthresh;
    }
    this.#timeouts = info.timeouts;
    const bytes = this.#windowOf(info);
    if (this.#windows.at(-1)?.bytes !== bytes) this.#windows.push({ time, bytes });
  }

  /**
   * What TCP_INFO calls cwnd is, while losses are repaired, an allowance that the sender reckons
   * for itself. After a timeout the window is one segment and grows by what is acknowledged at
   * most (RFC 5681, 3.1; RFC 3465), after a fast retransmit it is ssthresh, and what duplicate ACKs
   * without SACK have told of (RFC 6582, 3.2).
   */
  #windowOf({ lossState, cwnd, ssthresh, mss }: ConnectionInfo): number {
    const isRepairing = lossState === "recovery" || lossState === "timeout";
    if (!isRepairing || ssthresh >= CONGESTION_WINDOW_MAX) {
      this.#repeats = 0;
      return cwnd;
    }
    if (lossState === "timeout") {
      return ssthresh === this.#threshold ? Math.min(cwnd, this.#restarted) : cwnd;
    }
    const inflation = (DUPLICATES + this.#repeats) * mss;
    return Math.min(cwnd, ssthresh + inflation);
  }

  /** An ACK that acknowledges nothing new, and has no blocks of SACK. */
  repeated(): void {
    this.#repeats += 1;
  }

  /** Bytes that are surely in the network, and the largest window since the first of them left. */
  get figures(): { flight: number; window: number } {
    const sure = this.#runs.filter(({ time }) => time > this.#delivered && time >= this.#expired);
    const flight = sure.reduce((sum, { from, to }) => sum + to - from, 0);
    const first = sure.reduce((least, { time }) => Math.min(least, time), this.#now);
    const behind = this.#windows.findIndex(({ time }) => time >= first);
    // That which was found before it held until then.
    const oldest = behind < 0 ? this.#windows.length - 1 : Math.max(0, behind - 1);
    this.#windows.splice(0, oldest);
    const window = this.#windows.reduce((most, { bytes }) => Math.max(most, bytes), 0);
    return { flight, window };
  }
}

export class Flights implements Checker {
  readonly #scene: Scene;
  readonly #flights = new WeakMap<Side, Flight>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  #flight(side: Side): Flight {
    const known = this.#flights.get(side) ?? new Flight();
    this.#flights.set(side, known);
    return known;
  }

  sent({ segment: s, side, now }: Frame): void {
    if (side === undefined || !s.isTcp || s.span === 0 || s.has(SYN) || s.has(RST)) return;
    const from = side.place(s.seq);
    this.#flight(side).sent(from, from + s.span, now);
  }

  arrived({ segment: s, side }: Frame): void {
    if (side === undefined || !s.isTcp || s.has(RST) || side.acked < 0) return;
    const flight = this.#flight(side);
    const isPlain = s.span === 0 && s.sack.length === 0;
    if (isPlain && side.place(s.ack) <= flight.acked) flight.repeated();
    flight.acked = side.acked;
    flight.arrived(0, side.acked);
    for (let i = 0; i < s.sack.length; i += 2) {
      const [from, to] = [s.sack[i], s.sack[i + 1]].map((edge) => side.place(edge as number));
      flight.arrived(from as number, to as number);
    }
  }

  /** A connection after a poll. */
  look(key: string, info: ConnectionInfo, side: Side, now: number): void {
    const flight = this.#flight(side);
    flight.note(info, now);
    const mss = Math.max(info.mss, flight.mss);
    flight.mss = info.mss;
    if (!flight.hasSent) return;
    flight.hasSent = false;
    const figures = flight.figures;
    if (figures.flight <= figures.window + SLACK_SEGMENTS * mss + SLACK_BYTES) return;
    const text = `${figures.flight} bytes in flight, cwnd ${info.cwnd}, at most ${figures.window}`;
    this.#scene.report("I4", `${key}: ${text}, ${info.timeouts} timeouts`);
  }
}
