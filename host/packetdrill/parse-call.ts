/**
 * System calls of a script: `accept(3, ..., ...) = 4`, `connect(3, ..., ...) = -1 EINPROGRESS
 * (Operation now in progress)`. Names of constants become numbers here.
 */
import * as C from "../libtoe/constants.ts";
import type { Cursor } from "./cursor.ts";
import type { CallEvent, EventTime, Value } from "./script.ts";

/** ioctl()'s numbers of Linux, which libTOE has no use for. */
export const SIOCINQ = 0x541b;
export const SIOCOUTQ = 0x5411;

const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ...(Object.entries(C) as [string, number][]),
  ["SIOCINQ", SIOCINQ],
  ["FIONREAD", SIOCINQ],
  ["SIOCOUTQ", SIOCOUTQ],
  ["SOL_TCP", C.IPPROTO_TCP],
  ["SOL_IP", C.IPPROTO_IP],
]);

const NUMBER = /-?(?:0x[0-9a-fA-F]+|[0-9]+)(?![.0-9a-zA-Z_])/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const TEXT = /"((?:[^"\\\n]|\\.)*)"/y;
const FIELD = /([a-z_][a-z_0-9]*)(?:\s*\([^()]*\))?\s*=(?!=)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "0": "\0" };

function constant(cursor: Cursor, name: string): number {
  const value = CONSTANTS.get(name);
  if (value === undefined) cursor.refuse(`expected a constant that the stack knows, got ${name}`);
  return value;
}

/** `htons(80)`, `inet_addr("1.2.3.4")`: what is in the brackets. */
function parseConversion(cursor: Cursor, name: string): Value {
  if (!/^(htons|htonl|inet_addr|inet_pton)$/.test(name)) {
    cursor.refuse(`expected a value, got ${name}(...)`);
  }
  cursor.take(/\(/y);
  const values = parseValues(cursor, /\)/y, ")");
  return values[values.length - 1] ?? cursor.fail(`a value in ${name}()`);
}

/** Numbers and names, `|` between them. */
function parseBits(cursor: Cursor): Value {
  let bits = 0;
  do {
    const number = cursor.take(NUMBER);
    if (number !== undefined) {
      const value = Number(number[0]);
      // A single number may be negative or large; | makes 32 bits.
      if (bits === 0 && !cursor.sees(/\|/y)) return { kind: "number", value };
      bits |= value;
      continue;
    }
    const name = cursor.expect(NAME, "a value")[0];
    if (cursor.sees(/\(/y)) return parseConversion(cursor, name);
    bits |= constant(cursor, name);
  } while (cursor.take(/\|/y) !== undefined);
  return { kind: "number", value: bits >>> 0 };
}

function parseRecord(cursor: Cursor): Value {
  const fields = new Map<string, Value>();
  while (cursor.take(/\}/y) === undefined) {
    const name = cursor.take(FIELD)?.[1] ?? `${fields.size}`;
    fields.set(name, parseValue(cursor));
    if (cursor.take(/,/y) === undefined && !cursor.sees(/\}/y)) cursor.fail("} or ,");
  }
  return { kind: "record", fields };
}

function parseValue(cursor: Cursor): Value {
  if (cursor.take(/\.\.\./y) !== undefined) return { kind: "ellipsis" };
  if (cursor.take(/NULL\b/y) !== undefined) return { kind: "null" };
  const text = cursor.take(TEXT);
  if (text !== undefined) {
    const value = (text[1] as string).replace(/\\(.)/g, (_, one: string) => ESCAPES[one] ?? one);
    return { kind: "text", value };
  }
  if (cursor.take(/\[/y) !== undefined) {
    return { kind: "list", items: parseValues(cursor, /\]/y, "]") };
  }
  if (cursor.take(/\{/y) !== undefined) return parseRecord(cursor);
  return parseBits(cursor);
}

/** Values up to the closing bracket. */
function parseValues(cursor: Cursor, close: RegExp, name: string): Value[] {
  const values: Value[] = [];
  if (cursor.take(close) !== undefined) return values;
  do {
    // `sin_port = htons(80)` outside of a record: only the value says something.
    cursor.take(FIELD);
    values.push(parseValue(cursor));
  } while (cursor.take(/,/y) !== undefined);
  cursor.expect(close, `${name} or ,`);
  return values;
}

export function parseCall(cursor: Cursor, line: number, time: EventTime): CallEvent {
  const name = cursor.expect(/[a-z_0-9]+/y, "the name of a call")[0];
  cursor.expect(/\(/y, "(");
  const parameters = parseValues(cursor, /\)/y, ")");
  cursor.expect(/=/y, "= and the call's result");
  let result: number | undefined;
  let errno: string | undefined;
  if (cursor.take(/\?/y) === undefined) {
    const value = parseBits(cursor);
    result = value.kind === "number" ? value.value : cursor.fail("a number");
    errno = cursor.take(/E[A-Z0-9]+/y)?.[0];
  }
  if (result === -1 && errno === undefined) cursor.fail("the name of an error behind -1");
  // What strace would print behind it: a note.
  cursor.take(/\([^()\n]*\)/y);
  return { kind: "call", line, time, name, parameters, result, errno };
}
