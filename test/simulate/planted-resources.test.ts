/**
 * I4 behind a loss: the checker can fail. What is in flight is held against other windows than the
 * stack has; that a stack that ignores its window is caught by its frames, the planted bugs show
 * (test/mutants/planted-bugs.ts).
 */
import { expect, test } from "vitest";
import type { ConnectionInfo } from "../../host/control-plane/interface.ts";
import { dataPathUnderTest } from "../support/env.ts";
import type { Plan } from "./plan.ts";
import { broken, END, LOSSY, misreport } from "./plain-plan.ts";

/** Long enough for recoveries of several round trips. */
const LONG: Partial<Plan> = {
  links: (LOSSY.links ?? []).map((link) => ({ ...link, faults: [{ loss: 0.2 }, { loss: 0.1 }] })),
  connections: [
    { from: 0, to: 1, at: 0, client: { ...END, bytes: 1_000_000, write: 65536 }, server: END },
  ],
};
/** A segment: less than any recovery has. */
const SMALL = 100;

type Row = readonly [string, (info: ConnectionInfo) => boolean, Partial<ConnectionInfo>];

const ROWS: readonly Row[] = [
  ["once something was sent again", (info) => info.retransmits > 0, { cwnd: SMALL }],
  ["while losses are repaired", ({ lossState }) => lossState === "recovery", { ssthresh: SMALL }],
  ["once the timer has expired", ({ timeouts }) => timeouts > 0, { cwnd: SMALL }],
];
/** Laminar as the paper has it goes back, and repairs nothing. */
const POSSIBLE = dataPathUnderTest() === "laminar" ? ROWS.filter((_, row) => row !== 1) : ROWS;

test.each(POSSIBLE)(
  "I4 is reported: more in flight than the window allows, %s",
  (_, when, change) => {
    const meddle = misreport((info) => (when(info) ? { ...change, mss: SMALL } : {}));
    expect(broken(LONG, { meddle })).toContain("I4");
  },
);
