/**
 * I4 behind a loss and I10 of each connection: the checkers can fail. What is in flight is held
 * against other windows than the stack has; that a stack that ignores its window is caught by its
 * frames, the planted bugs show (test/mutants/planted-bugs.ts). A shortage loses nothing.
 */
import { expect, test } from "vitest";
import type { ConnectionInfo } from "../../host/control-plane/interface.ts";
import {
  POST_SIZE,
  POST_TX_LIST,
  PROTOCOL_SIZE,
  PROTOCOL_TX_SHIFT,
} from "../../bindings/abi/flow-state.ts";
import { CORE_CHUNK_FREE, CORE_LOG_FREE_COUNT, CORE_LOGS } from "../../bindings/abi/memory-map.ts";
import type { Stack } from "../../host/stack.ts";
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

/** Breaks something of a connection of the first host that has much in flight. */
function ofSender(change: (stack: Stack, connection: number) => void) {
  return (stack: Stack, host: number): void => {
    const found = stack.connections().find(({ txSent }) => txSent > 5000);
    if (host === 0 && found !== undefined) change(stack, found.connection);
  };
}

test.each<readonly [string, (stack: Stack, connection: number) => void]>([
  [
    "a chunk that is free and a connection's",
    ({ core }, connection) => {
      const post = (core.map.base.post as number) + connection * POST_SIZE;
      const free = core.words[(core.address + CORE_CHUNK_FREE) >>> 2] as number;
      core.words[free >>> 2] = core.words[(post + POST_TX_LIST) >>> 2] as number;
    },
  ],
  [
    "more chunks than a buffer takes",
    ({ core }, connection) => {
      const protocol = (core.map.base.protocol as number) + connection * PROTOCOL_SIZE;
      core.bytes[protocol + PROTOCOL_TX_SHIFT] = 8;
    },
  ],
])("I10 is reported of one connection: %s", (_, change) => {
  expect(broken({ ...LONG, lookEvery: 1 }, { meddle: ofSender(change) })).toContain("I10");
});

const POOLS = ["chunks", "logs", "descriptors"] as const;

test.each(POOLS)("nothing is lost while there are no %s", (pool) => {
  const shortages = [0, 1].map((host) => ({ at: 2e6, lasts: 1e9, host, pool }));
  expect(broken({ ...LONG, shortages, lookEvery: 1 }, {})).toEqual([]);
});

test("I10 is reported: what a shortage has taken does not come back", () => {
  const shortages = [{ at: 2e6, lasts: 1e9, host: 0, pool: "logs" as const }];
  const meddle = ({ core }: Stack): void => {
    const at = (core.address + CORE_LOG_FREE_COUNT) >>> 2;
    if (core.words[at] === core.words[(core.address + CORE_LOGS) >>> 2]) core.words[at] = 5;
  };
  expect(broken({ ...LONG, shortages }, { meddle })).toContain("I10");
});
