/**
 * Literal readings of the dissertation planted in TCP's stage program itself: the robustness runs
 * come upon each within a few seeds (and upon nothing in the program as it is: machine.test.ts).
 */
import { expect, test } from "vitest";
import { programText } from "../support/rmt.ts";
import { machineFrom, MachineReceiver } from "./machine.ts";
import type { ReceiverFactory } from "./receiver.ts";
import { type FindingKind, type HarnessFaults, runRobustness, type Setting } from "./robustness.ts";
import { OUT_OF_WINDOW_SETTINGS, SHORT_SETTINGS } from "./settings.ts";

const TCP = programText("tcp");
const SEEDS = 60;

interface Planted {
  readonly name: string;
  /** Text of the program, and what stands there instead. */
  readonly change?: readonly [from: string, to: string];
  readonly faults?: HarnessFaults;
  readonly settings: readonly Setting[];
  readonly kinds: readonly FindingKind[];
}

const PROBES = OUT_OF_WINDOW_SETTINGS.filter(({ overrunBytes }) => overrunBytes === 0);
const COMPARE = `    case kind == RX & lo after 0
      test inside : hi upto old
      out avail = old
      out fits = 1 if inside
`;

const PLANTED: readonly Planted[] = [
  {
    name: "stage 2 does nothing for out-of-order segments (5.3.1.3)",
    change: [COMPARE, COMPARE.replace("fits = 1 if inside", "fits = 1")],
    settings: OUT_OF_WINDOW_SETTINGS,
    kinds: ["placed-beyond-window"],
  },
  {
    name: "SYNC credits all that was consumed (5.3.1.7)",
    faults: { creditAllConsumed: true },
    settings: SHORT_SETTINGS,
    kinds: ["rx-avail-above-buffer"],
  },
  {
    name: "the ACK of a segment that did not fit covers it (5.3.1.2)",
    change: ["  set acknowledgment = snap - hi if class == IN_ORDER & fits == 0\n", ""],
    settings: PROBES,
    kinds: ["ack-of-missing-bytes"],
  },
  {
    name: "segments behind it are acknowledged (5.3.1.2)",
    change: ["  set mirror = 0 if avail == CLOSED\n", ""],
    settings: PROBES,
    kinds: ["ack-of-missing-bytes"],
  },
];

function findings({ change, faults, settings, kinds }: Planted): Set<FindingKind> {
  const text = change === undefined ? TCP : TCP.replace(...change);
  expect(change === undefined || text !== TCP).toBe(true);
  const make: ReceiverFactory = (initial) => new MachineReceiver(machineFrom(text), initial);
  const found = new Set<FindingKind>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    for (const setting of settings) {
      for (const kind of runRobustness(make, setting, seed, faults).findings.keys())
        found.add(kind);
      if (kinds.every((kind) => found.has(kind))) return found;
    }
  }
  return found;
}

for (const planted of PLANTED) {
  test(`found: ${planted.name}`, () => {
    for (const kind of planted.kinds) expect([...findings(planted)]).toContain(kind);
  });
}
