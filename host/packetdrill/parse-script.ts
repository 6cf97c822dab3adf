/**
 * A script's frame: `--options`, set-up commands in backquotes, then events with their times. What
 * an event is made of is read by the parser of its kind.
 */
import { Cursor } from "./cursor.ts";
import { parseAssertions } from "./parse-assertion.ts";
import { parseCall } from "./parse-call.ts";
import { parsePacket } from "./parse-packet.ts";
import type { CommandEvent, EventTime, Script, ScriptEvent, ScriptOption } from "./script.ts";

const OPTION = /--([a-z_]+)(?:(?:=|[ \t]+)(?!\/\/)([^\s]+))?/y;
const NUMBER = /(\+)?([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![0-9a-z])/y;
const TIME_START = /\+|[0-9]|\.[0-9]|\*/y;
const COMMAND = /`([^`]*)`/y;
const SECOND = 1e9;
/** Options that are words alone; the value that they stand for. */
const SWITCHES: Readonly<Record<string, string>> = { strict_segments: "1", send_omit_free: "1" };
const START: EventTime = { form: "at", relative: true, from: 0, to: 0 };

function parseOptions(cursor: Cursor): ScriptOption[] {
  const options: ScriptOption[] = [];
  for (;;) {
    const { line } = cursor;
    const found = cursor.take(OPTION);
    if (found === undefined) return options;
    const [, name = "", given] = found;
    const value = given ?? (Object.hasOwn(SWITCHES, name) ? SWITCHES[name] : undefined);
    if (value === undefined) cursor.refuse(`--${name}: expected a value, got none`);
    options.push({ line, name, value });
  }
}

function parseNumber(cursor: Cursor): { relative: boolean; time: number } {
  const found = cursor.expect(NUMBER, "a time in seconds");
  return { relative: found[1] !== undefined, time: Math.round(Number(found[2]) * SECOND) };
}

function parseTime(cursor: Cursor): EventTime {
  if (cursor.take(/\*/y) !== undefined) return { form: "any", relative: true, from: 0, to: 0 };
  const { relative, time } = parseNumber(cursor);
  const span = cursor.take(/\.\.\./y) !== undefined;
  if (!span && cursor.take(/~/y) === undefined) {
    return { form: "at", relative, from: time, to: time };
  }
  const end = parseNumber(cursor);
  if (end.time < time) cursor.refuse("expected a time that ends after its start");
  return { form: span ? "span" : "range", relative, from: time, to: end.time };
}

function parseCommand(cursor: Cursor, time: EventTime): CommandEvent {
  const { line } = cursor;
  const found = cursor.expect(COMMAND, "a command in backquotes");
  return { kind: "command", line, time, text: found[1] as string };
}

function parseEvent(cursor: Cursor): ScriptEvent {
  const { line } = cursor;
  const time = parseTime(cursor);
  if (cursor.sees(/`/y)) return parseCommand(cursor, time);
  if (cursor.sees(/%\{/y)) return parseAssertions(cursor, time);
  if (cursor.sees(/[<>]/y)) {
    const event = parsePacket(cursor, line, time);
    const outbound = event.direction === "outbound";
    if (time.form === "span") cursor.refuse("expected A...B in front of a call only");
    if (!outbound && (time.form === "range" || time.form === "any")) {
      cursor.refuse("expected an exact time of an inbound packet");
    }
    return event;
  }
  if (!cursor.sees(/[a-z_]/y)) cursor.fail("<, >, a call, `command` or %{ assertions }%");
  if (time.form === "range") cursor.refuse("expected A...B for a call that blocks, got A~B");
  return parseCall(cursor, line, time);
}

/** The syntax tree; throws ScriptError with the line on anything that is not the language. */
export function parseScript(file: string, text: string): Script {
  const cursor = new Cursor(file, text);
  const options = parseOptions(cursor);
  const setup: CommandEvent[] = [];
  while (cursor.sees(/`/y)) setup.push(parseCommand(cursor, START));
  const events: ScriptEvent[] = [];
  while (!cursor.ended) {
    if (cursor.sees(TIME_START)) events.push(parseEvent(cursor));
    // As in packetdrill: an event without a time follows the one before at once.
    else if (cursor.sees(/%\{/y)) events.push(parseAssertions(cursor, START));
    else if (cursor.sees(/`/y)) events.push(parseCommand(cursor, START));
    else cursor.fail("a time: 0.1, +0.1, +0.1~+0.2, 0.1...0.2 or *");
  }
  if (events.length === 0) cursor.fail("an event");
  return { file, options, setup, events };
}
