/**
 * `table-5.2`: what TCP's stage program takes of the machine, by the checker that also refuses
 * programs, beside the paper's figures for Tofino2. A share needs what the whole machine has: where
 * that is not public, the count stands alone and the note says `unknown`.
 */
import { checkProgram, type Resources } from "../../host/rmt/check-program.ts";
import type { Limit, RmtMachine } from "../../host/rmt/machine.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { readProgram } from "../../host/rmt/read-program.ts";
import { extendedText, programText } from "../rmt-machine.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, Given, LabReport, LabRow, Plot } from "./experiment.ts";

/** Row, what the checker counted, what the machine has of it in a stage, the paper's row. */
const SHARES: readonly (readonly [
  name: string,
  of: keyof Resources,
  inStage: keyof RmtMachine,
  anchor: string,
])[] = [
  ["SRAM", "sramBlocks", "sramBlocks", "t5.2.sram"],
  ["map RAM", "mapRamBlocks", "mapRamBlocks", "t5.2.mapram"],
  ["TCAM", "tcamBlocks", "tcamBlocks", "t5.2.tcam"],
  ["VLIW instruction", "actions", "actions", "t5.2.vliw"],
  ["stateful ALU", "statefulAlus", "statefulAlus", "t5.2.salu"],
  ["match crossbar", "crossbarBytes", "crossbarBytes", "t5.2.match_xbar"],
  ["gateway", "gateways", "gateways", "t5.2.gateway"],
];

/** What no limit of the machine or row of the paper stands beside. */
const COUNTS: readonly (readonly [name: string, of: keyof Resources])[] = [
  ["actions of stateful ALUs", "statefulActions"],
  ["comparators of stateful ALUs", "comparators"],
  ["operations of stateful ALUs", "operations"],
  ["fields written by actions and tables", "fieldActions"],
  ["header vector", "headerBits"],
  ["parser and deparser", "parserSteps"],
];

const EXTENSIONS = ["delayed-ack", "sack"] as const;

function countRow(used: Resources, [name, of]: (typeof COUNTS)[number]): LabRow {
  return { name, ours: used[of], unit: of === "headerBits" ? "bits" : "", origin: "counted" };
}

function shareRow(used: Resources, [name, of, inStage, id]: (typeof SHARES)[number]): LabRow {
  const whole = (TOFINO2[inStage] as Limit).value;
  const count = used[of];
  if (whole === undefined) {
    const note = `of all: unknown; ${count} counted, the paper has a share of all`;
    return { name, ours: count, unit: "", origin: "counted", note };
  }
  const all = whole * (TOFINO2.stages.value as number);
  const ours = (100 * count) / all;
  const note = `${count} of ${all}`;
  return { name, ours, unit: "%", origin: "counted", anchor: id, relation: "at-most", note };
}

/** What an extension adds (5.5.3); the paper gives one of these numbers. */
function extensionRows(tcp: Resources, name: string): LabRow[] {
  const file = `tcp+${name}.rmt`;
  const used = checkProgram(file, readProgram(file, extendedText(name)), TOFINO2);
  const sram = (TOFINO2.sramBlocks.value as number) * (TOFINO2.stages.value as number);
  const row = (what: string, ours: number, unit: string): LabRow => ({
    name: `${name}: ${what}`,
    ours,
    unit,
    origin: "counted",
  });
  const share = (100 * (used.sramBlocks - tcp.sramBlocks)) / sram;
  const memory = row("SRAM added", share, "%");
  return [
    row("stages added", used.stages - tcp.stages, "stages"),
    row("stateful ALUs added", used.statefulAlus - tcp.statefulAlus, ""),
    row("gateways added", used.gateways - tcp.gateways, ""),
    name === "delayed-ack"
      ? { ...memory, anchor: "ext.delayed_ack.sram", relation: "at-most" }
      : memory,
  ];
}

function plotOf(rows: readonly LabRow[]): Plot {
  return {
    title: "Shares of the machine (Table 5.2)",
    x: { label: "", scale: "category" },
    y: { label: "%", scale: "linear" },
    series: [
      { name: "toeloop", form: "bars", points: rows.map(({ name, ours }) => [name, ours]) },
      {
        name: "paper",
        form: "bars",
        points: rows.map((row) => [row.name, anchor(row.anchor ?? "").value]),
      },
    ],
  };
}

/** The report over a program's text. Throws ProgramError when the machine refuses it. */
export function resourceReport(text: string): LabReport {
  const program = readProgram("tcp.rmt", text);
  const used = checkProgram("tcp.rmt", program, TOFINO2);
  const { ingress, egress } = program.pipes;
  const stages: LabRow = {
    name: "stages",
    ours: used.stages,
    unit: "stages",
    origin: "counted",
    anchor: "t5.2.stages",
    relation: "at-most",
    note: `ingress ${ingress.length}, egress ${egress.length}, of ${TOFINO2.stages.value}`,
  };
  const latency: LabRow = {
    name: "latency",
    ours: used.latencyNs,
    unit: "ns",
    origin: "predicted",
    anchor: "t5.2.latency",
    relation: "at-most",
    note: "fixed cycles fitted to the paper's 395 ns for its 14 stages",
  };
  const limits = Object.entries(TOFINO2).filter((each): each is [string, Limit] => {
    return typeof each[1] === "object";
  });
  const given = limits.map(
    ([name, { value, source }]): Given => ({ name, value: `${value ?? "unknown"}`, source }),
  );
  const shares = SHARES.map((share) => shareRow(used, share));
  return {
    rows: [
      stages,
      latency,
      ...shares,
      ...COUNTS.map((count) => countRow(used, count)),
      ...EXTENSIONS.flatMap((name) => extensionRows(used, name)),
    ],
    given: given.map((each) => ({ ...each, name: `${TOFINO2.name} ${each.name}` })),
    plots: [plotOf(shares)],
    notes: [
      "A limit without a public source would print `unknown` and its row a count.",
      "Ours has no layer-2 forwarding, no RDMA sequence numbers and no power model.",
      "An array of 32,768 words of 32 bits is 8 SRAM blocks; the paper's program keeps more.",
    ],
  };
}

export const TABLE_5_2: Experiment = {
  name: "table-5.2",
  title: "resources of TCP's stage program on the RMT machine",
  section: "5.5.3, Table 5.2",
  run: () => resourceReport(programText("tcp")),
};
