/**
 * `table-5.2`: what TCP's stage program takes of the machine, by the checker that also refuses
 * programs, beside the paper's figures for Tofino2. A share needs what the whole machine has: where
 * that is not public, the count stands alone and the note says `unknown`.
 */
import { checkProgram, type Resources } from "../../host/rmt/check-program.ts";
import type { Limit, RmtMachine } from "../../host/rmt/machine.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { readProgram } from "../../host/rmt/read-program.ts";
import { extendedText, extensionText, programText } from "../rmt-machine.ts";
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

/** An extension, and what the paper says of it: lines of P4, a share of the machine. */
interface Extension {
  readonly name: string;
  readonly lines?: string;
  /** Of SRAM, or of whatever is taken most. */
  readonly sram?: string;
  readonly largest?: string;
}

const EXTENSIONS: readonly Extension[] = [
  { name: "delayed-ack", lines: "ext.delayed_ack.loc", sram: "ext.delayed_ack.sram" },
  { name: "sack" },
  { name: "timely", lines: "ext.timely.loc", largest: "ext.timely.resources" },
  { name: "shared-log", lines: "ext.shared_log.loc" },
];

/** What an extension adds as a number. */
const ADDED: readonly (readonly [name: string, of: keyof Resources, unit: string])[] = [
  ["stages", "stages", "stages"],
  ["latency", "latencyNs", "ns"],
  ["stateful ALUs", "statefulAlus", ""],
  ["low-pass filters", "lowPassFilters", ""],
  ["gateways", "gateways", ""],
  ["instruction words", "actions", ""],
  ["header vector", "headerBits", "bits"],
  ["parser and deparser", "parserSteps", ""],
];

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

/** Lines that say something. */
function linesOf(text: string): number {
  return text.split("\n").filter((line) => line.replace(/#.*/, "").trim() !== "").length;
}

/** `row` beside the paper's figure, where there is one; shares are bounds. */
function beside(row: LabRow, id: string | undefined, note: string): LabRow {
  const relation = row.unit === "%" ? "at-most" : "equal";
  return id === undefined ? row : { ...row, anchor: id, relation, note };
}

/** What an extension adds (5.5.3); the paper gives one or two of these numbers. */
function extensionRows(tcp: Resources, { name, lines, sram, largest }: Extension): LabRow[] {
  const file = `tcp+${name}.rmt`;
  const used = checkProgram(file, readProgram(file, extendedText(name)), TOFINO2);
  const row = (what: string, ours: number, unit: string): LabRow => ({
    ...{ name: `${name}: ${what}`, ours, unit },
    origin: unit === "ns" ? "predicted" : "counted",
  });
  const stages = TOFINO2.stages.value as number;
  const shares = SHARES.flatMap(([what, of, inStage]): (readonly [string, number])[] => {
    const whole = (TOFINO2[inStage] as Limit).value;
    return whole === undefined ? [] : [[what, (100 * (used[of] - tcp[of])) / (whole * stages)]];
  });
  const [most, share] = shares.reduce((a, b) => (b[1] > a[1] ? b : a));
  const ofSram = new Map(shares).get("SRAM") ?? 0;
  const text = linesOf(extensionText(name));
  return [
    beside(row("lines of program", text, "lines"), lines, "the paper's are P4, ours this language"),
    ...ADDED.map(([what, of, unit]) => row(`${what} added`, used[of] - tcp[of], unit)),
    beside(row("SRAM added", ofSram, "%"), sram, "of all stages' SRAM"),
    beside(
      row("largest share added", share, "%"),
      largest,
      `${most}; stages apart, the paper names none`,
    ),
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
      ...EXTENSIONS.flatMap((extension) => extensionRows(used, extension)),
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
