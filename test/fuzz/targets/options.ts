/**
 * Fuzz target `options` (threats/O06): every option kind with every length 0 to 40 at every
 * alignment, 41,984 cases, in data segments of a live connection over IPv4, beside the reference
 * parser. An input is the set-up's byte and the frame, as in target `parse`; the sweep ends by
 * itself, and its seed chooses the bytes of the options.
 */
import { ACK, buildFrame, PSH, streamBytes } from "../../support/frames.ts";
import type { Random } from "../../support/random.ts";
import type { FuzzSession, FuzzTarget } from "../registry.ts";
import { ParseSession } from "./parse.ts";

const KINDS = 256;
const LENGTHS = 41;
const ALIGNMENTS = 4;
export const OPTION_CASES = KINDS * LENGTHS * ALIGNMENTS;
const OPTION_SPACE = 40;

class OptionsSession extends ParseSession {
  #next = 0;

  override generate(random: Random, limit: number): Uint8Array[] {
    const count = Math.min(limit, OPTION_CASES - this.#next);
    const aim = this.aim();
    return Array.from({ length: count }, () => {
      const index = this.#next;
      this.#next += 1;
      const lead = index % ALIGNMENTS;
      const length = Math.floor(index / ALIGNMENTS) % LENGTHS;
      const kind = Math.floor(index / (ALIGNMENTS * LENGTHS));
      const rest = random.bytes(OPTION_SPACE - lead - 2);
      const options = [...Array<number>(lead).fill(1), kind, length, ...rest];
      const payload = streamBytes(aim.rxNextSeq, 8);
      const numbers = { seq: aim.rxNextSeq, ack: aim.txUna };
      const frame = buildFrame({ ...numbers, flags: ACK | PSH, options, payload });
      return Uint8Array.from([0, ...frame]);
    });
  }
}

export const optionsTarget: FuzzTarget = {
  name: "options",
  required: 0,
  shortRun: OPTION_CASES,
  grouped: true,
  description: `${OPTION_CASES} kinds, lengths and alignments of TCP options, once each`,
  start: (build): FuzzSession => new OptionsSession(build),
};
