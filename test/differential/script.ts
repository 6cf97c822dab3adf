/**
 * A differential script: what a peer and an application do, step by step, as short lines. Nothing
 * is expected in it: what the system under test answers is the trace that is compared.
 *
 * ```
 * listen                               calls of the application (calls.ts), sockets by name
 * < S 0:0(0) win 65535 <mss 1460>      a packet of the peer's, as packetdrill writes it; `ack *`
 * < . 1:1(0) ack *                     acknowledges all that came, `ecr *` echoes the last TSval
 * < {checksum} . 1:101(100) ack 1      {checksum}: wrong; {reserved N}, {offset N}, {options HEX}
 * +200                                 milliseconds pass
 * ```
 */
import { Cursor } from "../../host/packetdrill/cursor.ts";
import { parsePacket } from "../../host/packetdrill/parse-packet.ts";
import type { IcmpPattern, TcpPattern } from "../../host/packetdrill/script.ts";

export interface Script {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** What is done to a packet's bytes behind all rules; its checksum then holds again. */
export interface Tweaks {
  /** The checksum is wrong. */
  readonly checksum: boolean;
  /** The four reserved bits. */
  readonly reserved: number;
  /** Data offset, words; undefined: the right one. */
  readonly offset: number | undefined;
  /** Raw option bytes, whole words, in place of the packet's. */
  readonly options: readonly number[] | undefined;
}

export type Step =
  | { readonly kind: "wait"; readonly text: string; readonly ms: number }
  | { readonly kind: "packet"; readonly text: string; readonly tweaks: Tweaks }
  | { readonly kind: "call"; readonly text: string; readonly words: readonly string[] };

const NOTHING_CHANGED: Tweaks = {
  checksum: false,
  reserved: 0,
  offset: undefined,
  options: undefined,
};

function tweaksOf(text: string): Tweaks {
  const [name = "", value = ""] = text.trim().split(/\s+/);
  if (name === "checksum") return { ...NOTHING_CHANGED, checksum: true };
  if (name === "reserved") return { ...NOTHING_CHANGED, reserved: Number(value) };
  if (name === "offset") return { ...NOTHING_CHANGED, offset: Number(value) };
  if (name === "options" && value.length % 8 === 0) {
    const bytes = (value.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
    return { ...NOTHING_CHANGED, options: bytes };
  }
  throw new RangeError(`expected {checksum|reserved N|offset N|options HEX}, got {${text}}`);
}

function parseStep(line: string): Step {
  if (line.startsWith("+")) {
    const ms = Number(line.slice(1));
    if (Number.isInteger(ms) && ms > 0) return { kind: "wait", text: line, ms };
    throw new RangeError(`expected milliseconds as +200, got ${line}`);
  }
  if (!line.startsWith("<")) return { kind: "call", text: line, words: line.split(/\s+/) };
  const found = /^<\s*(?:\{([^}]*)\})?\s*(.*)$/.exec(line) as RegExpExecArray;
  const tweaks = found[1] === undefined ? NOTHING_CHANGED : tweaksOf(found[1]);
  const step: Step = { kind: "packet", text: line, tweaks };
  // Its form is looked at now, its numbers when its time has come.
  packetOf(step, 0, 0);
  return step;
}

/** The lines of a paragraph's text; they end at newlines and at `;`. */
function linesOf(text: string): readonly string[] {
  const lines = text.split(/[\n;]/).map((line) => line.trim());
  return lines.filter((line) => line !== "");
}

/** A script from its lines. Throws RangeError with the line that is none. */
export function script(name: string, lines: readonly string[]): Script {
  try {
    return { name, steps: lines.map(parseStep) };
  } catch (error) {
    throw new RangeError(`script ${name}: ${(error as Error).message}`);
  }
}

/** Lines by name. */
export type Paragraphs = ReadonlyMap<string, readonly string[]>;

/**
 * Reads a file of paragraphs: a name, and its lines below it, indented; `#` begins a comment. A
 * line that is the name of a paragraph in `openings` stands for its lines. Throws RangeError.
 */
export function readParagraphs(text: string, openings: Paragraphs = new Map()): Paragraphs {
  const found = new Map<string, readonly string[]>();
  for (const paragraph of text.replace(/^#.*$/gm, "").split(/\n(?=\S)/)) {
    const [name = "", ...rest] = paragraph.trim().split("\n");
    if (name === "") continue;
    const lines = linesOf(rest.join("\n")).flatMap((line) => openings.get(line) ?? [line]);
    if (found.has(name)) throw new RangeError(`scripts: expected ${name} once, got it twice`);
    found.set(name, lines);
  }
  return found;
}

/** The packet of a step, with what the peer has seen so far in place of `*`. */
export function packetOf(
  step: Extract<Step, { kind: "packet" }>,
  seen: number,
  stamp: number,
): TcpPattern | IcmpPattern {
  const plain = step.text.replace(/\{[^}]*\}/, "");
  const text = plain.replace(/\back \*/, `ack ${seen}`).replace(/\becr \*/, `ecr ${stamp}`);
  const time = { form: "any", relative: true, from: 0, to: 0 } as const;
  const { packet } = parsePacket(new Cursor(step.text, text), 1, time);
  if (packet.protocol === "udp")
    throw new RangeError(`${step.text}: expected TCP or ICMP, got udp`);
  return packet;
}
