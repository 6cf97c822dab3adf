/**
 * `npm run bench -- rmt`: an egress pass of Laminar's TCP program, parser to deparser, without
 * payload: in-order segments of connections in random order, stage by stage and fused, set against
 * an interpreter of 18 stages in the same run. One row of registers for each connection.
 */
import * as R from "../bindings/abi/rmt.ts";
import { registersOf, rowBytes } from "../host/rmt/generate.ts";
import { readProgram } from "../host/rmt/read-program.ts";
import { formatQuartiles, loadModule, pairRatio, quartiles } from "./harness.ts";
import { table, timeTasks, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale } from "./harness.ts";
import { programText } from "./rmt-machine.ts";

const CONNECTIONS = [16, 1000, 32_000] as const;
type Connections = (typeof CONNECTIONS)[number];
/** Packets of a batch. */
const BATCH = 256;
const HEADERS = 40;
const METADATA_WORDS = 6;
const LENGTH = 100;
/** Most that the two forms may take of the interpreter's time, and 32,000 of 1,000 connections'. */
const STAGEWISE_MOST = 0.75;
const FUSED_MOST = 0.3;
const SCALING_MOST = 2;

// Memory: header vector, state, the packets of a batch with what ingress found, rows.
const VECTOR = 1024;
const STATE = 4096;
const PACKETS = 8192;
const METADATA = PACKETS + BATCH * HEADERS;
const INDEXES = METADATA + BATCH * METADATA_WORDS * 4;
const PROGRAM = 64 * 1024;
const ROWS = 128 * 1024;
/** The interpreter's row: 36 registers, and as many bytes as three cache lines. */
const WIDE_ROW = 192;
const WINDOW = 0x7fff0000;
/** The interpreter's program: 18 stages of 6 operations of 8 words, over 32 fields. */
const OPERATIONS = 18 * 6;
const FIELDS = 32;
const REGISTERS = 36;

interface Exports {
  passes(
    vector: number,
    state: number,
    packets: number,
    size: number,
    metadata: number,
    count: number,
    fused: number,
  ): number;
  interpret(
    program: number,
    vector: number,
    rows: number,
    rowBytes: number,
    indexes: number,
    count: number,
  ): number;
}

/** Seeded: the same order of connections and the same made-up program each time. */
class Lcg {
  #state = 20_261_122;

  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }
}

/** One memory with so many connections. */
class Rig {
  readonly exports: Exports;
  readonly #words: Uint32Array;
  readonly #view: DataView;
  readonly #next: Uint32Array;
  readonly #random = new Lcg();
  readonly #connections: Connections;

  constructor(module: WebAssembly.Module, connections: Connections) {
    this.#connections = connections;
    const bytes = ROWS + (connections + 1) * WIDE_ROW;
    const initial = Math.ceil(bytes / 65_536) + 1;
    const memory = new WebAssembly.Memory({ initial, maximum: 65_535 });
    const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
    const instance = new WebAssembly.Instance(module, { env: { memory, table } });
    this.exports = instance.exports as unknown as Exports;
    this.#words = new Uint32Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#next = new Uint32Array(connections + 1);
    this.#install();
    this.#writeProgram();
  }

  #install(): void {
    const registers = registersOf(readProgram("tcp.rmt", programText("tcp")), "connection");
    const words = rowBytes(registers.length) / 4;
    const avail = registers.findIndex(({ name }) => name === "rx_avail");
    this.#words[(STATE + R.STATE_GROUPS) / 4] = ROWS;
    this.#words[(STATE + R.STATE_GROUPS) / 4 + 1] = this.#connections + 1;
    for (let i = 1; i <= this.#connections; i += 1) {
      this.#words[ROWS / 4 + i * words + avail] = WINDOW;
    }
  }

  /** Fields 0 to 31; a register is used by one stateful ALU, as the rule is. */
  #writeProgram(): void {
    const random = this.#random;
    for (let i = 0; i < OPERATIONS; i += 1) {
      const [stage, unit] = [Math.floor(i / 6), i % 6];
      const field = (): number => random.below(FIELDS);
      const row =
        unit < 2
          ? [stage * 2 + unit, field(), random.below(1000), field(), 0, random.below(7), field(), 0]
          : [field(), random.below(1000), field(), field(), random.below(7), field(), 0, 0];
      this.#words.set(row, PROGRAM / 4 + i * 8);
    }
    if (REGISTERS * 4 > WIDE_ROW) throw new Error("rmt: expected a row of all registers");
  }

  /** The next segment of a random connection, BATCH times. */
  prepare(): void {
    for (let i = 0; i < BATCH; i += 1) {
      const connection = 1 + this.#random.below(this.#connections);
      const at = PACKETS + i * HEADERS;
      const seq = this.#next[connection] as number;
      this.#next[connection] = seq + LENGTH;
      this.#view.setUint32(at, 0x45000000 | (HEADERS + LENGTH));
      this.#view.setUint8(at + 9, 6);
      this.#view.setUint32(at + 24, seq);
      this.#view.setUint32(at + 32, 0x50180400);
      this.#words.set([1, 1, connection, seq + LENGTH, LENGTH, 1024], METADATA / 4 + i * 6);
      this.#words[INDEXES / 4 + i] = connection - 1;
    }
  }

  /** A batch; every segment is in order, so each is acknowledged. Throws Error otherwise. */
  pass(fused: boolean): void {
    const flag = fused ? 1 : 0;
    const mirrored = this.exports.passes(VECTOR, STATE, PACKETS, HEADERS, METADATA, BATCH, flag);
    if (mirrored !== BATCH) throw new Error(`rmt: expected ${BATCH} ACKs, got ${mirrored}`);
  }

  interpret(): void {
    this.exports.interpret(PROGRAM, VECTOR, ROWS, WIDE_ROW, INDEXES, BATCH);
  }
}

const FORMS = ["stage by stage", "fused", "interpreter"] as const;
type Form = (typeof FORMS)[number];

/** Nanoseconds a packet of every form, each in a memory of its own. */
function round(module: WebAssembly.Module, connections: Connections, ms: number): number[] {
  const tasks = FORMS.map((form) => {
    const rig = new Rig(module, connections);
    const bodies: Record<Form, () => void> = {
      "stage by stage": () => rig.pass(false),
      fused: () => rig.pass(true),
      interpreter: () => rig.interpret(),
    };
    return { name: form, count: BATCH, body: bodies[form], prepare: () => rig.prepare() };
  });
  const figures = timeTasks(tasks, ms);
  return FORMS.map((form) => figures.get(form) as number);
}

/** By form, then by round. */
type Figures = ReadonlyMap<Connections, readonly (readonly number[])[]>;

function measure(scale: BenchScale): Figures {
  const module = loadModule("rmt.wasm");
  const figures = new Map<Connections, number[][]>(
    CONNECTIONS.map((connections) => [connections, FORMS.map(() => [])]),
  );
  for (let i = 0; i < scale.rounds; i += 1) {
    scale.say(`rmt: round ${i + 1} of ${scale.rounds}`);
    for (const [connections, byForm] of figures) {
      const ns = round(module, connections, scale.taskMs / 5);
      for (const [form, value] of ns.entries()) (byForm[form] as number[]).push(value);
    }
  }
  return figures;
}

function barsOf(figures: Figures): Bar[] {
  const of = (connections: Connections, form: number): readonly number[] =>
    (figures.get(connections) as readonly number[][])[form] as readonly number[];
  const bar = (name: string, most: number, ours: readonly number[], bound: readonly number[]) => ({
    name: `rmt, ${name}: ${most} of it over ours`,
    least: 1,
    ratio: most * pairRatio(bound, ours).median,
  });
  return [
    bar("stage by stage / interpreter", STAGEWISE_MOST, of(1000, 0), of(1000, 2)),
    bar("fused / interpreter", FUSED_MOST, of(1000, 1), of(1000, 2)),
    bar("fused, 32,000 / 1,000 connections", SCALING_MOST, of(32_000, 1), of(1000, 1)),
    bar("stage by stage, 32,000 / 1,000", SCALING_MOST, of(32_000, 0), of(1000, 0)),
  ];
}

/** 16, 1,000 and 32,000 connections. */
export function rmt(scale: BenchScale): BenchReport {
  const figures = measure(scale);
  const hash = new WorkHash();
  hash.add(...CONNECTIONS, BATCH, LENGTH);
  const rows = [...figures].flatMap(([connections, byForm]) =>
    FORMS.map((form, i) => {
      const ours = byForm[i] as readonly number[];
      const ratio = pairRatio(ours, byForm[2] as readonly number[]);
      return { connections, form, ns: quartiles(ours).median, ratio };
    }),
  );
  const cells = rows.map(({ connections, form, ns, ratio }) => [
    form,
    `${connections}`,
    ns.toFixed(1),
    form === "interpreter" ? "" : formatQuartiles(ratio, 2),
  ]);
  const head = ["", "connections", "ns a pass", "/ interpreter"];
  return {
    lines: [...table([head, ...cells]), `work ${hash}`],
    values: { rows, work: hash.toString() },
    bars: barsOf(figures),
  };
}
