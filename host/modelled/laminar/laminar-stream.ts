/**
 * A stream out of a host with Laminar (dissertation 5.3.2, 5.5.4.2): libTOE pushes what credits
 * allow, the program lets it pass, the packet generator's SYNCs bring credits and what was
 * acknowledged. The control plane's DCTCP sets what a SYNC grants from the data path's metrics.
 */
import type { Simulation } from "../simulation.ts";
import type { LaminarHost } from "./rdma-host.ts";
import { packetOf, type Packet, type RmtSwitch } from "./rmt-switch.ts";
import { FIRST_SEQ, offsetOf, seqAt } from "./stream-offset.ts";

const ROW = 1;
/** RFC 8257: weight of a new observation. */
const SHARE = 1 / 16;

export interface ControlOptions {
  /** False: SYNC always grants the most (Laminar-NoCC). */
  readonly congestion: boolean;
  readonly gbpsMost: number;
  /** At the start, and at least. */
  readonly gbpsLeast: number;
  /** From one decision of the control plane to the next, at least. */
  readonly periodNs: number;
  readonly grantNs: number;
  readonly timeoutNs: number;
}

/** DCTCP's rate, once a round trip, in the control plane (SwitchConf). */
class RateControl {
  readonly #options: ControlOptions;
  #alpha = 0;
  #acked = 0;
  #marked = 0;
  #lost = false;
  #slow = true;
  gbps: number;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.gbps = options.congestion ? options.gbpsLeast : options.gbpsMost;
  }

  observe(bytes: number, marked: boolean): void {
    this.#acked += bytes;
    if (marked) this.#marked += bytes;
  }

  lost(): void {
    this.#lost = true;
  }

  /** `step`: a segment a round trip, Gbit/s. */
  decide(step: number): void {
    const { congestion, gbpsMost, gbpsLeast } = this.#options;
    if (!congestion || (this.#acked === 0 && !this.#lost)) return;
    const share = this.#acked === 0 ? 0 : this.#marked / this.#acked;
    this.#alpha += SHARE * (share - this.#alpha);
    const before = this.gbps;
    if (this.#lost) this.gbps = before / 2;
    else if (this.#marked > 0) this.gbps = before * (1 - this.#alpha / 2);
    else this.gbps = this.#slow ? before * 2 : before + step;
    if (this.#lost || this.#marked > 0) this.#slow = false;
    this.gbps = Math.min(gbpsMost, Math.max(gbpsLeast, this.gbps));
    this.#acked = 0;
    this.#marked = 0;
    this.#lost = false;
  }
}

export class LaminarStream {
  readonly #simulation: Simulation;
  readonly #switch: RmtSwitch;
  readonly #host: LaminarHost;
  readonly #segment: number;
  readonly #window: number;
  readonly #options: ControlOptions;
  readonly #control: RateControl;
  /** Offsets: what libTOE knows to be acknowledged, its head, the most it ever pushed. */
  #una = 0;
  #next = 0;
  #max = 0;
  #credits = 0;
  #progress = 0;
  timeouts = 0;

  constructor(
    to: RmtSwitch,
    host: LaminarHost,
    away: number,
    segment: number,
    window: number,
    options: ControlOptions,
  ) {
    this.#simulation = to.simulation;
    this.#switch = to;
    this.#host = host;
    this.#segment = segment;
    this.#window = window;
    this.#options = options;
    this.#control = new RateControl(options);
    to.program.open(ROW, FIRST_SEQ, 65_536, segment * 10, window);
    to.connect(ROW, host.port, 0, away);
    host.open(ROW, FIRST_SEQ);
    host.control = (packet, event) => {
      if (event === "fast") this.#again(packet);
      else this.#sync(packet);
    };
    to.acknowledged = (_, bytes, marked) => this.#control.observe(bytes, marked);
    to.grants = (_, __, most) => {
      const value = Math.min(most, Math.ceil((this.#control.gbps * options.grantNs) / 8));
      return { value, keep: Math.max(0, this.#keep(value) - value) };
    };
  }

  /** Two grants are the most that a connection keeps; one segment at least. */
  #keep(value: number): number {
    return Math.max(2 * value, this.#segment);
  }

  start(): void {
    this.#credits = this.#segment * 10;
    this.#push();
    this.#decide();
    this.#watch();
  }

  /** About once a round trip: what is under way, at the rate at which it goes. */
  #decide(): void {
    const { periodNs, timeoutNs } = this.#options;
    const under = ((this.#next - this.#una) * 8) / this.#control.gbps;
    const trip = Math.min(timeoutNs, Math.max(periodNs, under));
    this.#control.decide((this.#segment * 8) / trip);
    this.#simulation.after(trip, () => this.#decide());
  }

  #offset(ack: number): number {
    return offsetOf(ack, this.#una);
  }

  #sync({ ack, value }: Packet): void {
    this.#acknowledge(this.#offset(ack));
    this.#credits = value;
    this.#push();
  }

  #acknowledge(offset: number): void {
    if (offset <= this.#una) return;
    this.#una = offset;
    this.#next = Math.max(this.#next, offset);
    this.#progress = this.#simulation.now;
  }

  /** Three duplicates: libTOE goes back to what the notification says (5.3.2.3). */
  #again({ ack }: Packet): void {
    this.#control.lost();
    this.#acknowledge(this.#offset(ack));
    this.#next = this.#una;
    this.#credits /= 2;
    this.#push();
  }

  #push(): void {
    while (this.#credits > 0 && this.#next + this.#segment <= this.#una + this.#window) {
      this.#host.pushAt(ROW, seqAt(this.#next), this.#segment, 0);
      this.#next += this.#segment;
      this.#max = Math.max(this.#max, this.#next);
      this.#credits -= this.#segment;
    }
  }

  /** The control plane's retransmission timer: a pass that resets credits and libTOE's head. */
  #watch(): void {
    const { timeoutNs } = this.#options;
    this.#simulation.after(timeoutNs, () => {
      const silent = this.#simulation.now - this.#progress >= timeoutNs;
      if (silent && this.#max > this.#una) {
        this.timeouts += 1;
        this.#control.lost();
        const kind = this.#switch.program.kinds.TIMEOUT;
        this.#switch.fromControl(packetOf(ROW, { kind, value: this.#segment }));
        this.#next = this.#una;
        this.#credits = this.#segment;
        this.#push();
      }
      this.#watch();
    });
  }
}
