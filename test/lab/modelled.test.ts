/**
 * The modelled experiments in their quick form: what is calibrated meets the paper, what is
 * predicted stays where it came out, the reorderings of Figure 4.7 happen without reorder points
 * and not with them, and the table of stage costs follows the code.
 */
import { expect, test } from "vitest";
import type { Experiment, LabReport } from "../../bench/lab/experiment.ts";
import { FIGURE_4_15 } from "../../bench/lab/figure-4-15.ts";
import { FIGURE_4_7 } from "../../bench/lab/figure-4-7.ts";
import { ratio } from "../../bench/lab/report.ts";
import { loadModules, runRpcs } from "../../bench/lab/modelled-rpc.ts";
import { echoPlan } from "../../bench/lab/modelled-setting.ts";
import { TABLE_4_4 } from "../../bench/lab/table-4-4.ts";
import { BLUEFIELD } from "../../host/modelled/machines/host-cores.ts";
import { FLEXTOE } from "../../host/modelled/placement.ts";

async function quick(experiment: Experiment): Promise<LabReport> {
  return experiment.run({ quick: true, seed: 1, say: () => {} });
}

function rowOf(report: LabReport, name: string): LabReport["rows"][number] {
  const row = report.rows.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`expected a row ${name}`);
  return row;
}

/** Ours over the paper's, and how far from 1 it may be. */
const TABLE_ROWS: readonly (readonly [name: string, origin: string, within: number])[] = [
  ["intra_fpc_threads throughput", "calibrated", 0.05],
  ["intra_fpc_threads median", "calibrated", 0.05],
  // Known to be off: replication does not help where protocol is the narrowest already.
  ["replicated_pre_post throughput", "predicted", 0.3],
  ["flow_group_islands throughput", "predicted", 0.25],
  ["flow_group_islands median", "predicted", 0.25],
];

test("table-4.4: calibrated on row 3, errors of rows 4 and 5", async () => {
  const report = await quick(TABLE_4_4);
  for (const [name, origin, within] of TABLE_ROWS) {
    const row = rowOf(report, name);
    expect([name, row.origin]).toEqual([name, origin]);
    expect(Math.abs((ratio(row) ?? 0) - 1), name).toBeLessThan(within);
  }
  // 64 requests are in flight in every row of ours; a short run of the slow one is coarse.
  for (const row of report.rows.filter(({ name }) => name.endsWith(" in flight"))) {
    expect(Math.abs(row.ours / 64 - 1), row.name).toBeLessThan(0.1);
  }
  expect(rowOf(report, "no reordering: segments out of order").ours).toBeGreaterThan(100);
  expectCounts(report);
});

/** Instructions of each stage, as counted. */
function expectCounts(report: LabReport): void {
  const counts = report.rows
    .filter(({ name }) => name.startsWith("instructions: "))
    .map(({ name, ours }) => [name.slice("instructions: ".length), Math.round(ours)] as const);
  // Bounds of 15 %: a compiler's whim passes, a stage that does half as much does not.
  const expected: Readonly<Record<string, number>> = {
    "pre rx": 252,
    "pre tx": 10,
    "protocol rx": 293,
    "protocol tx": 313,
    "protocol hc": 158,
    "post rx": 147,
    "post tx": 205,
    "dma rx": 133,
    "dma tx": 118,
  };
  const found = Object.fromEntries(counts);
  for (const [name, count] of Object.entries(expected)) {
    expect(Math.abs((found[name] ?? 0) / count - 1), name).toBeLessThan(0.15);
  }
}

test("figure-4.7: three reorderings with the points off, none with them on", async () => {
  const report = await quick(FIGURE_4_7);
  const sum = (scenario: string, points: string): number =>
    report.rows
      .filter(({ name }) => name.startsWith(`${scenario}, reorder points ${points}`))
      .reduce((total, { ours }) => total + ours, 0);
  for (const scenario of ["TX", "RX", "ACK"]) {
    expect(sum(scenario, "off"), scenario).toBeGreaterThan(10);
    expect(sum(scenario, "on"), scenario).toBe(0);
  }
});

test("figure-4.15: the pipeline is ahead of run to completion, replicas ahead of it", async () => {
  const report = await quick(FIGURE_4_15);
  for (const machine of ["bluefield", "x86"]) {
    const over = (name: string): number =>
      rowOf(report, `${machine}: ${name} over TAS, at most`).ours;
    expect(over("FlexTOE-scalar")).toBeGreaterThan(1.2);
    expect(over("FlexTOE")).toBeGreaterThan(over("FlexTOE-scalar"));
  }
});

test("a NIC that is behind with descriptors leaves the ring full and loses no credit", () => {
  // Run to completion: one core for everything. 3,500 messages are more than a window's worth.
  const ones = Object.fromEntries(Object.keys(FLEXTOE.cores).map((stage) => [stage, 1]));
  const cores = ones as unknown as typeof FLEXTOE.cores;
  const placement = { ...FLEXTOE, runToCompletion: true, threads: 1, groups: 1, cores };
  const sink = { requestBytes: 64, responseBytes: 0, mss: 64, serverNs: 0 };
  const { rpcsPerSecond } = runRpcs(
    echoPlan(loadModules(), {
      ...{ machine: BLUEFIELD, placement, flows: 1, inFlight: 64, bufferShift: 17 },
      ...{ ...sink, rpcs: 3500, warmUp: 100, seed: 1 },
    }),
  );
  expect(rpcsPerSecond).toBeGreaterThan(0);
});
