/**
 * The TAS sender of the streaming experiments (dissertation 5.5.4.1: "we always use a TAS sender"):
 * go-back-N from the third duplicate ACK or a timeout, an AIMD window that DCTCP's marks shrink
 * (RFC 8257). Offsets count from the start of the stream.
 */
import type { Simulation } from "../simulation.ts";
import type { Lane } from "./lane.ts";
import { tcpFrameBytes } from "./rmt-switch.ts";

export interface SenderOptions {
  readonly segmentBytes: number;
  /** Window at the start and at most. */
  readonly initialBytes: number;
  readonly windowBytes: number;
  readonly timeoutNs: number;
  /** Of the link, for one segment. */
  readonly segmentNs: number;
  /** Ns of the sender's core for a segment; 0: never the bottleneck. */
  readonly coreNs: number;
  /** False: the window stays as it is. */
  readonly congestion: boolean;
  /** Bytes a ns of the application; Infinity: always something to send. */
  readonly bytesPerNs: number;
}

/** Segments of the first window (RFC 6928). */
const INITIAL_SEGMENTS = 10;

/** A sender that is never the bottleneck and always has something to send, but for `changes`. */
export function senderOptions(
  segmentBytes: number,
  gbps: number,
  changes: Partial<SenderOptions> & Pick<SenderOptions, "windowBytes" | "timeoutNs">,
): SenderOptions {
  return {
    segmentBytes,
    initialBytes: INITIAL_SEGMENTS * segmentBytes,
    segmentNs: (tcpFrameBytes(segmentBytes) * 8) / gbps,
    coreNs: 0,
    congestion: true,
    bytesPerNs: Number.POSITIVE_INFINITY,
    ...changes,
  };
}

const DUPLICATES = 3;
const DCTCP_SHARE = 1 / 16;

export class StreamSender {
  readonly #simulation: Simulation;
  readonly #options: SenderOptions;
  readonly #link: Lane;
  readonly #send: (offset: number, length: number) => void;
  #una = 0;
  #next = 0;
  #max = 0;
  #window: number;
  #slowStart = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  #recover = -1;
  #busy = false;
  #progress = 0;
  // DCTCP: of the window under way, and the running share of marked bytes.
  #acked = 0;
  #marked = 0;
  #round = 0;
  #alpha = 0;
  segments = 0;
  timeouts = 0;

  constructor(
    simulation: Simulation,
    link: Lane,
    options: SenderOptions,
    send: (offset: number, length: number) => void,
  ) {
    this.#simulation = simulation;
    this.#link = link;
    this.#options = options;
    this.#window = options.initialBytes;
    this.#send = send;
  }

  get acknowledged(): number {
    return this.#una;
  }

  start(): void {
    this.#watch();
    this.#pump();
  }

  #written(): number {
    const { bytesPerNs } = this.#options;
    return bytesPerNs === Number.POSITIVE_INFINITY ? bytesPerNs : this.#simulation.now * bytesPerNs;
  }

  /** One segment at a time through the link. */
  #pump(): void {
    const { segmentBytes, segmentNs, coreNs, bytesPerNs, windowBytes } = this.#options;
    if (this.#busy) return;
    const end = this.#next + segmentBytes;
    if (end > this.#una + Math.min(this.#window, windowBytes)) return;
    this.#busy = true;
    const written = this.#written();
    if (end > written) {
      this.#simulation.after((end - written) / bytesPerNs + 1, () => this.#again());
      return;
    }
    const offset = this.#next;
    this.#next = end;
    this.#max = Math.max(this.#max, end);
    this.segments += 1;
    this.#link.serve(Math.max(segmentNs, coreNs), 0, () => {
      this.#send(offset, segmentBytes);
      this.#again();
    });
  }

  #again(): void {
    this.#busy = false;
    this.#pump();
  }

  /** An ACK: everything before `offset` is there. */
  acknowledge(offset: number, marked: boolean): void {
    if (offset > this.#una) this.#advance(offset, marked);
    else if (offset === this.#una && this.#max > this.#una) this.#duplicate();
    this.#pump();
  }

  #advance(offset: number, marked: boolean): void {
    const bytes = offset - this.#una;
    this.#una = offset;
    this.#next = Math.max(this.#next, offset);
    this.#duplicates = 0;
    this.#progress = this.#simulation.now;
    this.#acked += bytes;
    if (marked) this.#marked += bytes;
    if (!this.#options.congestion) return;
    const { segmentBytes, windowBytes } = this.#options;
    const slow = this.#window < this.#slowStart;
    this.#window += slow ? bytes : (segmentBytes * bytes) / this.#window;
    this.#window = Math.min(this.#window, windowBytes);
    if (offset > this.#round) this.#endRound();
  }

  /** Once a window: RFC 8257, 3.3. */
  #endRound(): void {
    const share = this.#acked === 0 ? 0 : this.#marked / this.#acked;
    this.#alpha += DCTCP_SHARE * (share - this.#alpha);
    if (this.#marked > 0) this.#shrink(1 - this.#alpha / 2);
    this.#acked = 0;
    this.#marked = 0;
    this.#round = this.#next;
  }

  #shrink(factor: number): void {
    const least = this.#options.segmentBytes;
    this.#window = Math.max(least, this.#window * factor);
    this.#slowStart = this.#window;
  }

  #duplicate(): void {
    this.#duplicates += 1;
    // RFC 6582, 3.2: what was sent again and had arrived answers with duplicates, too.
    if (this.#duplicates !== DUPLICATES || this.#una <= this.#recover) return;
    this.#recover = this.#max;
    this.#next = this.#una;
    if (this.#options.congestion) this.#shrink(0.5);
  }

  #watch(): void {
    const { timeoutNs, segmentBytes, congestion } = this.#options;
    this.#simulation.after(timeoutNs, () => {
      const silent = this.#simulation.now - this.#progress >= timeoutNs;
      if (silent && this.#max > this.#una) {
        this.timeouts += 1;
        this.#next = this.#una;
        this.#recover = this.#max;
        this.#duplicates = 0;
        if (congestion) {
          this.#shrink(0.5);
          this.#window = segmentBytes;
        }
        this.#pump();
      }
      this.#watch();
    });
  }
}
