/**
 * The shared log of TCP's program (dissertation 5.5.3) beside its model, over random runs: every
 * record is in the log exactly once, those of a connection in their order, no gap is left, and the
 * bytes are what was sent. Then bugs are planted in the program's text and must be found.
 */
import { expect, test } from "vitest";
import { extendedText, laminarOver } from "../../bench/rmt-machine.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { loadProgram, type ProgramMachine } from "../../host/rmt/program-machine.ts";
import { seedOf } from "../support/env.ts";
import { loadRmtModule } from "../support/load-core.ts";
import { type LogCounts, type LogSetting, runSharedLog } from "./shared-log-run.ts";

const SEED = seedOf(20_260);
const RUNS = 40;
const TEXT = extendedText("shared-log");

const QUIET: LogSetting = {
  name: "nothing is lost",
  ...{ connections: 8, logs: 2, records: 60, recordMax: 300, window: 2048, logBytes: 8192 },
  ...{ loss: 0, duplication: 0, reordering: 0, mirrorLoss: 0, overrun: 0 },
};
const SETTINGS: readonly LogSetting[] = [
  { ...QUIET, name: "loss", loss: 0.05 },
  { ...QUIET, name: "reordering", reordering: 0.2 },
  { ...QUIET, name: "duplication", duplication: 0.2 },
  { ...QUIET, name: "mirrored segments are lost", reordering: 0.1, mirrorLoss: 0.5 },
  {
    ...{ ...QUIET, name: "segments beyond a narrow window", window: 256, logBytes: 1024 },
    ...{ recordMax: 120, loss: 0.1, reordering: 0.3, overrun: 0.3 },
  },
  {
    ...{ ...QUIET, name: "everything", connections: 16, logs: 3, window: 1024 },
    ...{ loss: 0.05, duplication: 0.1, reordering: 0.2, mirrorLoss: 0.2, overrun: 0.05 },
  },
];

function machine(text: string): ProgramMachine {
  const module = loadRmtModule();
  const match = (memory: WebAssembly.Memory) => laminarOver(module, memory);
  return loadProgram("tcp+shared-log.rmt", text, TOFINO2, { match, most: 63 });
}

test(`without loss there are no gaps and nothing goes to the application, seed ${SEED}`, () => {
  const { findings, counts } = runSharedLog(machine(TEXT), QUIET, SEED);
  expect(findings).toEqual([]);
  const { appends, gaps, redirected } = counts;
  expect([gaps, redirected, appends > 100]).toEqual([0, 0, true]);
});

for (const setting of SETTINGS) {
  test(`${RUNS} runs of ${setting.name}, seeds from ${SEED}`, () => {
    const all: LogCounts[] = [];
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
      const { where, findings, counts } = runSharedLog(machine(TEXT), setting, seed);
      expect(findings, where).toEqual([]);
      all.push(counts);
    }
    const sum = (of: keyof LogCounts): number => all.reduce((n, each) => n + each[of], 0);
    expect(sum("appends")).toBeGreaterThan(RUNS * 100);
    if (setting.name === "duplication") return;
    // Runs in which these do not happen prove nothing.
    for (const what of ["gaps", "redirected", "filled", "seen", "merges"] as const) {
      expect([what, sum(what) > RUNS]).toEqual([what, true]);
    }
    if (setting.overrun > 0) expect(sum("rollbacks")).toBeGreaterThan(RUNS);
  });
}

const PLANTED: readonly (readonly [bug: string, from: string, to: string])[] = [
  ["a gap is not reserved", "grown = end - old if", "grown = end - begin if"],
  ["fillers are dropped as duplicates", "set log_do = FILL if logged == 1 & fills == 1", ""],
  ["duplicates are appended again", "new = end if further", ""],
  ["the tail does not move by the gap", "new = old + grown", "new = old + length"],
  ["each connection has a tail of its own", "of 1024 by log", "of 1024 by connection"],
  ["the record is written over its gap", "position = entry + gap", "position = entry + 0"],
  ["fillers next to the interval are duplicates", "out fills = 1 if lower & !below", ""],
  ["fillers in order are duplicates", "out fills = 1 if open", ""],
  [
    "dropped segments are appended",
    "kind == RX & class == IN_ORDER & fits == 1 & log",
    "kind == RX & class == IN_ORDER & log",
  ],
  [
    "an interval that did not touch is appended",
    "joins == 1 & apart == 0 & log > 0",
    "joins == 1 & log > 0",
  ],
  ["merges are appended", "kind == RX & class == IN_ORDER & fits == 1 & log", "fits == 1 & log"],
  ["nobody is told", "set notify = 1 if log_do in APPEND FILL", ""],
  [
    "the end of the interval is forgotten with what did not fit",
    `rx_ooo_tail 32 of 32768 by connection
    case class == IN_ORDER & fits == 0 & log > 0`,
    "rx_ooo_tail 32 of 32768 by connection",
  ],
  [
    "its beginning is forgotten with what did not fit",
    `rx_ooo_head 32 of 32768 by connection
    case class == IN_ORDER & fits == 0 & log > 0`,
    "rx_ooo_head 32 of 32768 by connection",
  ],
];

/** All settings, seed by seed, until one of them finds it. */
function isFound(text: string): boolean {
  for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
    for (const setting of SETTINGS) {
      if (runSharedLog(machine(text), setting, seed).findings.length > 0) return true;
    }
  }
  return false;
}

for (const [bug, from, to] of PLANTED) {
  test(`found: ${bug}`, () => {
    const text = TEXT.replace(from, to);
    expect(text).not.toBe(TEXT);
    expect(isFound(text)).toBe(true);
  });
}
