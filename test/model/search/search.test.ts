/**
 * The bounded search finds what is planted in its rules, and nothing where nothing is. Of the whole
 * search (`npm run model`) this is a small part.
 */
import { expect, test, vi } from "vitest";
import { main } from "./command.ts";
import type { Fault } from "./rules.ts";
import { SCENARIOS, search } from "./search.ts";
import { ACK, CLIENT, endpoint, numberOf, pack, SERVER, unpack, type World } from "./world.ts";

const TIMEOUT_MS = 120_000;

test("threats harness 6: nothing is found where nothing is planted", {
  timeout: TIMEOUT_MS,
}, () => {
  const found = search(40_000);
  expect(found.violations).toEqual([]);
  expect(found.states).toBeGreaterThanOrEqual(40_000);
  expect(found.isComplete).toBe(false);
});

/** Each with the scenario that shows it. */
const PLANTED: readonly [Fault, number, RegExp][] = [
  ["any reset counts", 0, /reset, and nobody had a reason/],
  ["a FIN ends what is missing", 0, /acknowledged what it has not got/],
  ["the window is ignored", 0, /beyond the window/],
  ["TIME-WAIT is skipped", 0, /reset, and nobody had a reason/],
  ["no answer to the unacceptable", 2, /never ends/],
  ["an ACK of nothing counts", 3, /beyond nxt/],
];

for (const [fault, scenario, text] of PLANTED) {
  test(`threats harness 6: the search finds that ${fault}`, { timeout: TIMEOUT_MS }, () => {
    const scenarios = SCENARIOS.slice(scenario, scenario + 1);
    const [violation] = search(400_000, fault, scenarios).violations;
    expect(violation?.text).toMatch(text);
    expect(violation?.path[0]).toBe("start");
  });
}

test("a world and its key say the same, whatever the order of what is under way", () => {
  const one = {
    flags: ACK,
    seq: numberOf(SERVER, 2),
    ack: numberOf(CLIENT, 3),
    length: 1,
    window: 2,
  };
  const other = { ...one, seq: numberOf(SERVER, 1), length: 0 };
  const end = endpoint(CLIENT, { state: 4, una: 3, nxt: 5, rcv: 5, taken: 3, edge: 7, unread: 2 });
  const world: World = {
    ends: [end, endpoint(SERVER, { isPassive: true, ahead: true, written: 3, hasClosed: true })],
    wires: [[one, other], []],
  };
  const key = pack(world);
  expect(pack(unpack(key))).toBe(key);
  expect(unpack(key).ends).toEqual(world.ends);
  expect(pack({ ...world, wires: [[other, one], []] })).toBe(key);
  expect(pack({ ...world, wires: [[one, one], []] })).not.toBe(key);
  // The client's second number is beyond the wrap.
  expect([numberOf(CLIENT, 1), numberOf(CLIENT, 2)]).toEqual([0xffffffff, 0]);
});

test("npm run model says what it expects, and fails when something is found", () => {
  const shown = vi.spyOn(console, "log").mockImplementation(() => undefined);
  expect(main(["--states", "2000", "--json"])).toBe(0);
  const last = String(shown.mock.calls.at(-1)?.[0]);
  shown.mockRestore();
  expect(JSON.parse(last)).toMatchObject({ violations: [], isComplete: false });
  expect(() => main(["--states", "many"])).toThrow(
    "model: expected --states 4..10000000, got many",
  );
  expect(() => main(["--stats", "1"])).toThrow(TypeError);
});
