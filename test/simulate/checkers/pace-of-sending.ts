/**
 * I8, I13: nothing is sent without a cause. Bytes go again only after something has arrived or a
 * timeout has passed, timeouts are no shorter than the least RTO and double, and frames without
 * data are no more than what came in, timers and calls.
 */
import { Counter } from "../../../bindings/abi/counters.ts";
import { PROFILES } from "../../../host/control-plane/profile.ts";
import type { Stack } from "../../../host/stack.ts";
import type { Checker, Frame, Scene } from "./checker.ts";
import { isHeldBackAt } from "../plan.ts";
import type { Side } from "./flow-book.ts";
import { RST, SYN } from "./reference-parser.ts";
import { describe } from "./sent-segments.ts";

/** Frames without a cause of their own: ARP at the start, an ACK that was due. */
const SPARE = 16;
/** Of what a frame, a timer and a call may each cause. */
const FACTOR = 2;
/** Timers stand in slots, and a poll may be early in none. */
const TOLERANCE = 0.98;

/** RFC 6298, 2.5: SYNs wait no longer, whatever the profile's longest RTO. */
const SYN_RTO_MAX = 60e9;

/** An arrival this long before a frame may still be the cause of the next one; ns. */
const SAME_TIME = 1e6;

/** When the bytes of a place went out last. */
interface Last {
  at: number;
  arrivals: number;
  /** Since the time before, when only a timeout can have been the cause; else 0. */
  gap: number;
  /**
   * The time before followed a timeout already. A first timeout may be late: a tail loss probe
   * starts the timer anew (RFC 8985, 7.3).
   */
  again: boolean;
  /** First of all, or by a timeout: whose timer runs from then on. */
  timed: boolean;
}

export class PaceOfSending implements Checker {
  readonly #scene: Scene;
  readonly #last = new WeakMap<Side, Map<number, Last>>();
  readonly #empty: number[];
  readonly #arrived: number[];
  /** When each host last asked for a neighbor's address: its frames may have waited for it. */
  readonly #asked: number[];
  /** Of each host; false where polls may be late: gaps say nothing about timers then. */
  readonly #keepsTime: readonly boolean[];

  constructor(scene: Scene) {
    this.#scene = scene;
    const { plan } = scene;
    this.#empty = plan.hosts.map(() => 0);
    this.#arrived = plan.hosts.map(() => 0);
    this.#asked = plan.hosts.map(() => Number.NEGATIVE_INFINITY);
    const jumps = plan.timeline.some(({ event }) => event.what === "jump");
    this.#keepsTime = plan.hosts.map((_, host) => !jumps && !isHeldBackAt(plan, host));
  }

  arrived({ host }: Frame): void {
    this.#arrived[host] = (this.#arrived[host] as number) + 1;
  }

  sent(frame: Frame): void {
    const { segment: s, side, host, now } = frame;
    if (!s.isTcp || s.payloadBytes === 0) this.#empty[host] = (this.#empty[host] as number) + 1;
    if (!s.isTcp) this.#asked[host] = now;
    if (side === undefined || !side.counts || !s.isTcp || s.has(RST)) return;
    if (s.payloadBytes === 0 && !s.has(SYN)) return;
    const places = this.#last.get(side) ?? new Map<number, Last>();
    this.#last.set(side, places);
    const place = s.has(SYN) ? -1 : side.place(s.seq);
    const last = places.get(place);
    const quiet = last?.arrivals === side.arrivals && last.at - side.arrivedAt > SAME_TIME;
    // Nobody else's timer: the first that is not acknowledged.
    const isFirst = place === Math.max(side.acked, s.has(SYN) ? -1 : 0);
    const timed = last === undefined || (quiet && isFirst);
    const gap = last !== undefined && quiet && isFirst ? now - last.at : 0;
    const again = gap > 0 && (last?.gap ?? 0) > 0;
    places.set(place, { at: now, arrivals: side.arrivals, gap, again, timed });
    const keepsTime = this.#keepsTime[host] === true && side.ledger?.rated !== true;
    if (gap > 0 && last?.timed === true && keepsTime)
      this.#checkGap(frame, gap, last.again ? last.gap : 0);
  }

  #checkGap(frame: Frame, gap: number, before: number): void {
    const { segment, host, now } = frame;
    const { rtoMin, rtoMax } = PROFILES[this.#scene.plan.hosts[host]?.profile ?? "internet"];
    if (gap < rtoMin * TOLERANCE) {
      this.#scene.report("I13", `${describe(frame)}: again after ${gap} ns and nothing heard`);
    }
    const longest = segment.has(SYN) ? Math.min(SYN_RTO_MAX, rtoMax) : rtoMax;
    if ((this.#asked[host] as number) > now - gap - before) return;
    if (before > 0 && gap < Math.min(2 * before, longest) * TOLERANCE) {
      this.#scene.report("I8", `${describe(frame)}: again after ${gap} ns, before that ${before}`);
    }
  }

  polled(host: number): void {
    const stack = this.#scene.stacks[host] as Stack;
    const { core } = stack;
    const at = (core.map.base.counters as number) + 8 * Counter.TimersFired;
    const timers = Number(core.view.getBigUint64(at, true));
    const causes = (this.#arrived[host] as number) + timers + (this.#scene.calls[host] as number);
    const frames = this.#empty[host] as number;
    if (frames <= FACTOR * causes + SPARE) return;
    this.#scene.report("I13", `host${host}: ${frames} frames without data, ${causes} causes`);
  }
}
