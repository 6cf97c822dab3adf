/**
 * Every benchmark's body runs once with little work, so that none rots between measurements; the
 * command line's errors by table. No figure is judged here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BENCHES, main } from "../../../bench/command.ts";
import { repositoryRoot, SMOKE } from "../../../bench/harness.ts";

const TIMEOUT_MS = 60_000;

for (const [name, body] of BENCHES) {
  test(`bench ${name} runs with little work`, { timeout: TIMEOUT_MS }, async () => {
    const report = await body(SMOKE);
    expect(report.lines.length).toBeGreaterThan(1);
    expect(report.values.work).toMatch(/^[0-9a-f]{8}$/);
    expect(JSON.parse(JSON.stringify(report.values))).toBeTypeOf("object");
  });
}

test("the same work has the same hash", { timeout: TIMEOUT_MS }, async () => {
  const body = BENCHES.get("bulk");
  const first = await body?.(SMOKE);
  const second = await body?.(SMOKE);
  expect(second?.values.work).toBe(first?.values.work);
});

test("CI runs every benchmark, and the documents name it", () => {
  const text = (path: string): string => readFileSync(join(repositoryRoot(), path), "utf8");
  const names = [...BENCHES.keys()];
  for (const script of [".ci/run", ".ci/nightly"]) {
    const [, list = ""] = /^BENCHES=\(([^)]*)\)$/m.exec(text(script)) ?? [];
    expect(list.trim().split(/\s+/).sort()).toEqual([...names].sort());
  }
  for (const name of names) {
    expect(text("README.md")).toContain(`\`${name}\``);
    expect(text("bench/README.md")).toContain(`| \`${name}\` |`);
  }
});

const NAMES =
  "bulk, rpc, connect, connections, segment, api, checksum, carousel, workers, rmt, fairness, loss";
const ERROR_ROWS: [string[], string][] = [
  [[], `bench: expected a name of ${NAMES}, got ""`],
  [["nothing"], `bench: expected a name of ${NAMES}, got "nothing"`],
  [["bulk", "rpc"], `bench: expected a name of ${NAMES}, got "bulk rpc"`],
  [["bulk", "--pairs", "0"], 'bench: expected --pairs 1..1000, got "0"'],
  [["bulk", "--pairs", "many"], 'bench: expected --pairs 1..1000, got "many"'],
  [["rmt", "--before", "."], "bench: expected --before with rpc|bulk|connect|segment|api, got rmt"],
];

test("a wrong command line ends with status 2 and says what was expected", async () => {
  for (const [args, expected] of ERROR_ROWS) {
    const lines: string[] = [];
    expect(await main(args, (line) => lines.push(line))).toBe(2);
    expect(lines).toEqual([expected]);
  }
});

test("--json prints one object as the last line", { timeout: TIMEOUT_MS }, async () => {
  const lines: string[] = [];
  const args = ["checksum", "--quick", "--json"];
  expect(await main(args, (line) => lines.push(line))).toBe(0);
  const values = JSON.parse(lines.at(-1) as string) as Record<string, unknown>;
  expect(values.bench).toBe("checksum");
  expect(values.bars).toEqual([]);
});
