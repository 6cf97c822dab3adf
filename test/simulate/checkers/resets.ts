/**
 * I12 and the form of RSTs: none in answer to a RST, none out of place, and nothing more from an
 * end that a RST has ended. RFC 5961's challenge ACK is no answer to a RST that counts.
 */
import type { Checker, Frame, Scene } from "./checker.ts";
import { isHeldBackAt } from "../plan.ts";
import type { Side } from "./flow-book.ts";
import { ACK, RST, SYN } from "./reference-parser.ts";
import { describe } from "./sent-segments.ts";

/** Acknowledgments of a connection that are remembered: a RST may stand where one of them does. */
const REMEMBERED = 64;

interface Fate {
  /** Acknowledgments that have arrived lately, and ends of segments without one. */
  readonly answers: number[];
  /** Segments that are no RST and may each be answered by one. */
  unanswered: number;
  /** Segments of whatever numbers. */
  heard: number;
  /** `heard` when a RST that counts had been processed; -1 = none. */
  deadSince: number;
}

export class Resets implements Checker {
  readonly #scene: Scene;
  readonly #fates = new WeakMap<Side, Fate>();
  /** RSTs that count and have not been processed yet, by host. */
  readonly #pending: Side[][];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#pending = scene.plan.hosts.map(() => []);
  }

  #fate(side: Side): Fate {
    let fate = this.#fates.get(side);
    if (fate === undefined) {
      fate = { answers: [], unanswered: 0, heard: 0, deadSince: -1 };
      this.#fates.set(side, fate);
    }
    return fate;
  }

  arrived({ segment: s, side, host }: Frame): void {
    if (side === undefined || !s.isTcp || s.wrong !== "") return;
    const fate = this.#fate(side);
    fate.heard += 1;
    if (!s.has(RST)) {
      fate.unanswered += 1;
      fate.answers.push(s.has(ACK) ? s.ack : (s.seq + s.span) >>> 0);
      if (fate.answers.length > REMEMBERED) fate.answers.shift();
      return;
    }
    // RCV.NXT lies between what it has acknowledged and what has arrived: only then it is known.
    const at = side.peer.iss < 0 ? -1 : side.peer.place(s.seq);
    const isOpen = side.iss >= 0 && side.acked >= 0 && side.ackSent >= 0;
    const isExact = at === side.ackSent && at === side.acknowledgeable;
    if (isOpen && isExact && side.peerFin < 0) this.#pending[host]?.push(side);
  }

  polled(host: number): void {
    for (const side of this.#pending[host] ?? []) {
      const fate = this.#fate(side);
      fate.deadSince = fate.heard;
    }
    (this.#pending[host] as Side[]).length = 0;
  }

  sent(frame: Frame): void {
    const { segment: s, side } = frame;
    if (side === undefined || !s.isTcp || s.has(SYN)) return;
    const fate = this.#fate(side);
    // What waits for a netif was sent before the RST came.
    const isLate = isHeldBackAt(this.#scene.plan, frame.host);
    if (fate.deadSince >= 0 && fate.heard === fate.deadSince && !isLate) {
      this.#scene.report("I12", `${describe(frame)}: after a RST that ended it`);
    }
    if (s.has(RST)) this.#checkReset(frame, side, fate);
  }

  #checkReset(frame: Frame, side: Side, fate: Fate): void {
    const { segment: s } = frame;
    const at = side.place(s.seq);
    // Nothing is left of what was reset: the ACK of a SYN cookie opens it as often as it comes.
    const mayOpenAgain = side.resetSent && side.peer.answers.includes(side);
    const least = mayOpenAgain ? 0 : Math.max(side.acked, 0);
    const isOwn = side.iss >= 0 && at >= least && at <= side.sentSpan;
    const isAnswer = fate.answers.includes(s.has(ACK) ? s.ack : s.seq);
    if (!isOwn && !isAnswer) this.#scene.report("I12", `${describe(frame)}: a RST out of place`);
    const isOpenedAgain = isOwn && at === 0 && side.peer.answers.includes(side);
    if ((isAnswer || isOpenedAgain) && fate.unanswered > 0) {
      fate.unanswered -= 1;
      return;
    }
    if (side.resetSent && !side.isUncertain)
      this.#scene.report("I12", `${describe(frame)}: a RST that answers nothing`);
  }
}
