/**
 * The operators: what becomes of one instruction. A comparison is turned round or takes its limit
 * in, a mask is left out, a constant is one more (a one, which often stands for true, is 0), a sum
 * a difference, a condition the opposite. Each leaves the types of the stack as they are, so that
 * every mutant is a valid module.
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
const LOCAL_GET = 0x20;
const LOCAL_TEE = 0x22;
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
/** ge_s and ge_u of both widths. */
const GREATER_OR_EQUAL = [0x4e, 0x4f, 0x59, 0x5a];

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
  // As a condition 2 is what 1 is.
  const next = value === 1n ? 0n : value + 1n;
  const other = BigInt.asIntN(opcode === I32_CONST ? 32 : 64, next);
  const bytes = [opcode, ...signed(other)];
  return [{ start, end, bytes, operator: "constant", what: `${value} > ${other}` }];
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

/** How many values an instruction takes that gives one; undefined for those that may do more. */
function taken(opcode: number): number | undefined {
  if (opcode === LOCAL_GET || opcode === I32_CONST || opcode === I64_CONST) return 0;
  if (opcode === I32_EQZ || opcode === I64_EQZ) return 1;
  if (opcode === LOCAL_TEE || (opcode >= 0x28 && opcode <= 0x35)) return 1;
  if (opcode >= 0x45 && opcode <= 0x66) return 2;
  if ((opcode >= 0x6a && opcode <= 0x78) || (opcode >= 0x7c && opcode <= 0x8a)) return 2;
  if (opcode === 0xa7 || opcode === 0xac || opcode === 0xad) return 1;
  return opcode === SELECT ? 3 : undefined;
}

/** Where the expression begins that ends with `last`; undefined when it is not plain. */
function expressionAt(instructions: readonly Instruction[], last: number): number | undefined {
  let wanted = 1;
  for (let i = last; i >= 0; i -= 1) {
    const takes = taken((instructions[i] as Instruction).opcode);
    if (takes === undefined) return undefined;
    wanted += takes - 1;
    if (wanted === 0) return i;
  }
  return undefined;
}

/**
 * True when a comparison is of two locals and the next instruction selects one of the same two: a
 * minimum or maximum, which is the same with its limit taken in.
 */
function isOfExtreme(binary: Uint8Array, all: readonly Instruction[], index: number): boolean {
  if (all[index + 1]?.opcode !== SELECT) return false;
  const localOf = (at: number, opcodes: readonly number[]): number | undefined => {
    const { opcode, start } = all[at] ?? { opcode: 0, start: 0 };
    return opcodes.includes(opcode) ? new Reader(binary, start + 1).u32() : undefined;
  };
  const compared = [localOf(index - 2, [LOCAL_GET]), localOf(index - 1, [LOCAL_GET])];
  const begin = expressionAt(all, index - 3);
  if (begin === undefined) return false;
  const chosen = [begin - 1, index - 3].map((at) => localOf(at, [LOCAL_GET, LOCAL_TEE]));
  // The first of them may have been given another value while the second was computed.
  for (let at = begin; at < index; at += 1) {
    if (at !== index - 3 && localOf(at, [LOCAL_TEE]) === chosen[0]) return false;
  }
  const isSame = compared[0] === chosen[0] && compared[1] === chosen[1];
  const isSwapped = compared[0] === chosen[1] && compared[1] === chosen[0];
  return chosen.every((local) => local !== undefined) && (isSame || isSwapped);
}

/**
 * True for the constant C of `C, x, x >= C, select`, a minimum: compared with C + 1 it is the same,
 * as at C itself either side has C.
 */
function isOfLeast(binary: Uint8Array, all: readonly Instruction[], index: number): boolean {
  const [chosen, x, compared, constant, comparison, selection] = all.slice(index - 3, index + 3);
  if (selection?.opcode !== SELECT || chosen?.opcode !== constant?.opcode) return false;
  if (!GREATER_OR_EQUAL.includes(comparison?.opcode ?? 0)) return false;
  const isGet = x?.opcode === LOCAL_GET || x?.opcode === LOCAL_TEE;
  if (!isGet || compared?.opcode !== LOCAL_GET) return false;
  const operand = (of: Instruction | undefined): string =>
    of === undefined ? "" : binary.subarray(of.start + 1, of.end).join();
  return operand(x) === operand(compared) && operand(chosen) === operand(constant);
}

function instructionsIn(binary: Uint8Array, body: Body): Instruction[] {
  const reader = new Reader(binary, body.start);
  skipLocals(reader);
  const instructions: Instruction[] = [];
  while (reader.at < body.end) instructions.push(nextInstruction(reader));
  return instructions;
}

/** Every change of a function's instructions. */
export function pointsIn({ binary }: Layout, body: Body): Point[] {
  const instructions = instructionsIn(binary, body);
  return instructions.flatMap((instruction, index) => {
    const isExtreme = isOfExtreme(binary, instructions, index);
    const changes = [
      ...comparisonChanges(instruction).filter(({ operator }) => {
        return !(isExtreme && operator === "limit");
      }),
      ...(isOfLeast(binary, instructions, index) ? [] : constantChanges(binary, instruction)),
      ...conditionChanges(instructions[index - 1]?.opcode ?? 0, instruction),
      ...plainChanges(instruction),
    ];
    return changes.map((change) => ({ ...change, body }));
  });
}

/** The binary with a change made. */
export function mutated(layout: Layout, point: Point): Uint8Array<ArrayBuffer> {
  return edited(layout, [point]);
}
