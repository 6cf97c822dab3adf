/**
 * The operators: what becomes of one instruction. A comparison is turned round or takes its limit
 * in, a mask is left out, a constant is one more, a sum a difference, a condition the opposite.
 * Each leaves the types of the stack as they are, so that every mutant is a valid module.
 */
import { type Instruction, nextInstruction, Reader } from "../../host/modelled/wasm-format.ts";
import { type Body, type Edit, edited, type Layout } from "./wasm-layout.ts";

export type OperatorName = "negate" | "limit" | "mask" | "constant" | "sum" | "condition";

/** One change of one instruction. */
export interface Point extends Edit {
  readonly operator: OperatorName;
  /** What becomes what: "lt_u > ge_u". */
  readonly what: string;
}

const I32_EQZ = 0x45;
const I64_EQZ = 0x50;
const I64_NE = 0x52;
const NOP = 0x01;
const DROP = 0x1a;
const IF = 0x04;
const BR_IF = 0x0d;
const SELECT = 0x1b;
const I32_CONST = 0x41;
const I64_CONST = 0x42;

/** Comparisons of both widths, from `eq` on, as 5.4.7 of the specification numbers them. */
const NAMES = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"];
const FIRSTS = [0x46, 0x51];
const OPPOSITE: Readonly<Record<string, string>> = {
  eq: "ne",
  ne: "eq",
  lt_s: "ge_s",
  lt_u: "ge_u",
  gt_s: "le_s",
  gt_u: "le_u",
  le_s: "gt_s",
  le_u: "gt_u",
  ge_s: "lt_s",
  ge_u: "lt_u",
};
const WITH_LIMIT: Readonly<Record<string, string>> = {
  lt_s: "le_s",
  lt_u: "le_u",
  gt_s: "ge_s",
  gt_u: "ge_u",
  le_s: "lt_s",
  le_u: "lt_u",
  ge_s: "gt_s",
  ge_u: "gt_u",
};
/** add and sub of both widths. */
const SUMS: readonly (readonly [opcode: number, other: number, what: string])[] = [
  [0x6a, 0x6b, "add > sub"],
  [0x6b, 0x6a, "sub > add"],
  [0x7c, 0x7d, "add > sub"],
  [0x7d, 0x7c, "sub > add"],
];
const ANDS = [0x71, 0x83];

type Change = Pick<Point, "start" | "end" | "bytes" | "operator" | "what">;

function comparisonChanges({ opcode, start, end }: Instruction): Change[] {
  if (opcode === I32_EQZ) {
    return [{ start, end, bytes: [NOP], operator: "negate", what: "eqz > nez" }];
  }
  if (opcode === I64_EQZ) {
    return [{ start, end, bytes: [I64_CONST, 0, I64_NE], operator: "negate", what: "eqz > nez" }];
  }
  const first = FIRSTS.find((one) => opcode >= one && opcode < one + NAMES.length);
  if (first === undefined) return [];
  const name = NAMES[opcode - first] as string;
  const changed = (other: string | undefined, operator: OperatorName): Change[] => {
    if (other === undefined) return [];
    const bytes = [first + NAMES.indexOf(other)];
    return [{ start, end, bytes, operator, what: `${name} > ${other}` }];
  };
  return [...changed(OPPOSITE[name], "negate"), ...changed(WITH_LIMIT[name], "limit")];
}

/** A signed LEB128 of up to 64 bits. */
function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const byte = Number(rest & 0x7fn);
    const left = rest >> 7n;
    if ((left === 0n && byte < 0x40) || (left === -1n && byte >= 0x40)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

/** The number of a constant: signed, of 32 or 64 bits. */
function constantAt(binary: Uint8Array, start: number, end: number): bigint {
  let value = 0n;
  let shift = 0n;
  for (let at = start + 1; at < end; at += 1) {
    value |= BigInt((binary[at] as number) & 0x7f) << shift;
    shift += 7n;
  }
  return BigInt.asIntN(Number(shift), value);
}

function constantChanges(binary: Uint8Array, { opcode, start, end }: Instruction): Change[] {
  if (opcode !== I32_CONST && opcode !== I64_CONST) return [];
  const value = constantAt(binary, start, end);
  const more = BigInt.asIntN(opcode === I32_CONST ? 32 : 64, value + 1n);
  const bytes = [opcode, ...signed(more)];
  return [{ start, end, bytes, operator: "constant", what: `${value} > ${more}` }];
}

const isComparison = (opcode: number): boolean => opcode >= 0x45 && opcode <= 0x66;

/** Conditions that no comparison has made: a flag, a byte, a call. */
function conditionChanges(before: number, { opcode, start }: Instruction): Change[] {
  const takes = opcode === IF || opcode === BR_IF || opcode === SELECT;
  if (!takes || isComparison(before)) return [];
  const what = opcode === SELECT ? "select > not" : "if > if not";
  return [{ start, end: start, bytes: [I32_EQZ], operator: "condition", what }];
}

function plainChanges({ opcode, start, end }: Instruction): Change[] {
  if (ANDS.includes(opcode)) {
    return [{ start, end, bytes: [DROP], operator: "mask", what: "and > left side" }];
  }
  const sum = SUMS.find(([one]) => one === opcode);
  if (sum === undefined) return [];
  return [{ start, end, bytes: [sum[1]], operator: "sum", what: sum[2] }];
}

function skipLocals(reader: Reader): void {
  for (let left = reader.u32(); left > 0; left -= 1) {
    reader.u32();
    reader.byte();
  }
}

/** Every change of a function's instructions. */
export function pointsIn({ binary }: Layout, body: Body): Point[] {
  const reader = new Reader(binary, body.start);
  skipLocals(reader);
  const points: Point[] = [];
  let before = 0;
  while (reader.at < body.end) {
    const instruction = nextInstruction(reader);
    const changes = [
      ...comparisonChanges(instruction),
      ...constantChanges(binary, instruction),
      ...conditionChanges(before, instruction),
      ...plainChanges(instruction),
    ];
    points.push(...changes.map((change) => ({ ...change, body })));
    before = instruction.opcode;
  }
  return points;
}

/** The binary with a change made. */
export function mutated(layout: Layout, point: Point): Uint8Array<ArrayBuffer> {
  return edited(layout, [point]);
}
