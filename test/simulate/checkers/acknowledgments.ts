/**
 * I3, I5, I9: what a stack says of what it has received. ACKs do not go back and are only for
 * bytes that have arrived; a right edge is not taken back; SACK blocks are disjoint, within the
 * window, and have arrived; one before them, below the ACK or in the second, has arrived twice
 * (RFC 2883). Timestamps echo what arrived.
 */
import type { Checker, Frame, Scene } from "./checker.ts";
import type { Side } from "./flow-book.ts";
import { ACK, RST, SYN } from "./reference-parser.ts";
import { describe } from "./sent-segments.ts";

export class Acknowledgments implements Checker {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  sent(frame: Frame): void {
    const { segment: s, side } = frame;
    if (side === undefined || !s.isTcp || !s.has(ACK) || s.has(RST)) return;
    if (side.iss < 0 && !s.has(SYN)) return;
    // Whose numbers they are is not known while an earlier connection may be under way.
    if (side.isUncertain) return;
    if (side.irs < 0 || side.irs !== side.peer.iss) {
      this.#scene.report("I5", `${describe(frame)}: no SYN has arrived`);
      return;
    }
    const ack = side.peer.place(s.ack);
    if (ack > side.acknowledgeable || ack < 0) {
      this.#scene.report("I5", `${describe(frame)}: ${side.acknowledgeable} bytes have arrived`);
    }
    if (ack < side.ackSent) {
      this.#scene.report("I5", `${describe(frame)}: acknowledged ${side.ackSent} before`);
    }
    this.#checkEdge(frame, side, ack);
    if (s.sack.length > 0) this.#checkBlocks(frame, side, ack);
  }

  /** A scaled field may say less than one of its units too little (RFC 7323, 2.4). */
  #checkEdge(frame: Frame, side: Side, ack: number): void {
    const { segment: s } = frame;
    const unit = 2 ** (s.has(SYN) ? 0 : side.shift);
    const edge = ack + s.window * unit;
    if (edge + unit > side.edgeSent) return;
    this.#scene.report("I3", `${describe(frame)}: edge ${edge}, was ${side.edgeSent}`);
  }

  #checkBlocks(frame: Frame, side: Side, ack: number): void {
    const { sack } = frame.segment;
    const blocks: [number, number][] = [];
    for (let i = 0; i < sack.length; i += 2) {
      const [left, right] = [sack[i], sack[i + 1]].map((edge) => side.peer.place(edge as number));
      blocks.push([left as number, right as number]);
    }
    const wrong = isRepetition(blocks, ack)
      ? blocks.splice(0, 1).find(([left, right]) => !side.repeated.holds(left, right))
      : undefined;
    const bad = blocks.find(([left, right], index) => {
      const overlaps = blocks.some(([l, r], other) => other !== index && l < right && left < r);
      const held = side.arrived.holds(left, right);
      // A field of 16 bits may say less than there is room for.
      const beyond = right > side.edgeSent + 2 ** side.shift;
      return left >= right || left <= ack || beyond || overlaps || !held;
    });
    const first = wrong ?? bad;
    if (first === undefined) return;
    const text = blocks.map(([left, right]) => `${left}-${right}`).join(" ");
    this.#scene.report(
      "I9",
      `${describe(frame)}: block ${first.join("-")} of ${text}, arrived ${side.arrived}`,
    );
  }
}

/** RFC 2883, 5: what the first block says. */
function isRepetition(blocks: readonly [number, number][], ack: number): boolean {
  const [first, second] = blocks;
  if (first === undefined || first[0] >= first[1]) return false;
  return first[0] < ack || (second !== undefined && first[0] >= second[0] && first[1] <= second[1]);
}
