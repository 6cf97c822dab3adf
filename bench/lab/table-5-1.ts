/**
 * `table-5.1`: the out-of-order merge by pseudo segments, row by row through TCP's stage program.
 * The pseudo segments are those that the program itself has mirrored, replayed in the paper's
 * order; the third is lost, as there.
 */
import { loadModule } from "../harness.ts";
import { RmtMachine } from "../rmt-machine.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabReport, LabRow, Plot } from "./experiment.ts";

/** The paper's rows in order: a segment's number and place, or a pseudo segment by its name. */
const SEGMENTS: readonly (readonly [row: string, seq?: number, length?: number])[] = [
  ["1", 1500, 500],
  ["2", 1000, 500],
  ["3", 2000, 500],
  ["4", 1500, 100],
  ["P2"],
  ["5", 2500, 100],
  ["6", 2000, 100],
  ["7", 3000, 100],
  ["P4"],
  ["P5"],
  ["P6"],
];
const CONNECTION = 1;
const INITIAL = { RX_NEXT_SEQ: 1000, RX_AVAIL: 10_000 } as const;
/** The paper's columns, and our registers. */
const COLUMNS = [
  ["rx_next", "rx_next_seq"],
  ["rx_avail", "rx_avail"],
  ["ooo_tail", "rx_ooo_tail"],
  ["ooo_head", "rx_ooo_head"],
] as const;

interface Range {
  readonly seq: number;
  readonly length: number;
}

class Merge {
  readonly #machine = new RmtMachine(loadModule("rmt.wasm"), "stagewise");
  readonly #mirrored = new Map<string, Range>();

  constructor() {
    for (const [target, value] of Object.entries(INITIAL)) {
      this.#run("CONTROL", { target: this.#machine.constant(target), value });
    }
  }

  #run(kind: string, fields: Readonly<Record<string, number>>): void {
    const machine = this.#machine;
    machine.run({ ...fields, kind: machine.constant(kind), connection: CONNECTION });
  }

  row([name, seq, length]: (typeof SEGMENTS)[number]): LabRow[] {
    const pseudo = this.#mirrored.get(name);
    const range = pseudo ?? { seq: seq as number, length: length as number };
    const end = range.seq + range.length;
    this.#run(pseudo === undefined ? "RX" : "PSEUDO", { ...range, end });
    const rows = this.#registers(name);
    if (pseudo !== undefined) return [...rows, ...places(name, pseudo)];
    if (this.#machine.result("merge") === 1) {
      const at = this.#machine.result("acknowledgment");
      this.#mirrored.set(`P${name}`, { seq: at, length: this.#machine.result("span") });
    }
    return rows;
  }

  /** Mirrored and lost: it only has a place. */
  lost(name: string): LabRow[] {
    return places(name, this.#mirrored.get(name) as Range);
  }

  #registers(name: string): LabRow[] {
    return COLUMNS.map(([column, register]) => ({
      name: `${name.startsWith("P") ? name : `#${name}`} ${register}`,
      ours: this.#machine.read(register, CONNECTION),
      unit: "",
      origin: "predicted",
      anchor: `t5.1.${name}.${column}`,
    }));
  }
}

function places(name: string, { seq, length }: Range): LabRow[] {
  const row = (column: string, ours: number): LabRow => ({
    name: `${name} ${column}`,
    ours,
    unit: "",
    origin: "predicted",
    anchor: `t5.1.${name}.${column}`,
  });
  return [row("seq", seq), row("len", length)];
}

/** The registers over the rows, and the paper's as points. */
function plotOf(rows: readonly LabRow[]): Plot {
  const shown = rows.filter(({ name }) => name.endsWith("rx_next_seq"));
  const at = ({ name }: LabRow): string => name.split(" ")[0] as string;
  return {
    title: "rx-next-seq (Table 5.1)",
    x: { label: "row", scale: "category" },
    y: { label: "sequence number", scale: "linear" },
    series: [
      { name: "toeloop", form: "bars", points: shown.map((row) => [at(row), row.ours]) },
      {
        name: "paper",
        form: "bars",
        points: shown.map((row) => [at(row), anchor(row.anchor ?? "").value]),
      },
    ],
  };
}

function run(): LabReport {
  const merge = new Merge();
  const rows = SEGMENTS.flatMap((segment) =>
    segment[0] === "5" ? [...merge.lost("P3"), ...merge.row(segment)] : merge.row(segment),
  );
  return {
    rows,
    given: Object.entries(INITIAL).map(([name, value]) => ({
      name,
      value: `${value}`,
      source: "Table 5.1, initial state",
    })),
    plots: [plotOf(rows)],
    notes: [
      "Registers and pseudo segments are the program's own, stage by stage.",
      "#7 is out of order and has no place in the interval, as in the paper.",
    ],
  };
}

export const TABLE_5_1: Experiment = {
  name: "table-5.1",
  title: "out-of-order merge using pseudo segments",
  section: "5.3.1.5, Table 5.1",
  run,
};
