/**
 * A place in a script's text, which the parsers ask for what may come next. The language has no
 * tokens that hold everywhere (`.` is a flag, a part of a number, of a range and of an ellipsis),
 * so each rule brings its own pattern. Comments are C's and C++'s, and `#` at a line's start.
 */
import { ScriptError } from "./script.ts";

const SPACE = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
/** What an error shows of the text it met. */
const SHOWN = /[^\n]{0,24}/y;

export class Cursor {
  readonly file: string;
  readonly #text: string;
  #at = 0;
  /** Line of #counted, which lags behind #at. */
  #line = 1;
  #counted = 0;

  constructor(file: string, text: string) {
    this.file = file;
    // Kept as long as it was, so that places in the text stay.
    this.#text = text.replace(/^#[^\n]*/gm, (comment) => " ".repeat(comment.length));
    this.skip();
  }

  /** Line of what comes next, from 1. */
  get line(): number {
    while (this.#counted < this.#at) {
      if (this.#text[this.#counted] === "\n") this.#line += 1;
      this.#counted += 1;
    }
    return this.#line;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Passes over white space and comments. */
  skip(): void {
    SPACE.lastIndex = this.#at;
    const found = SPACE.exec(this.#text);
    if (found !== null) this.#at += found[0].length;
  }

  /** True when `pattern` (sticky) comes next; takes nothing. */
  sees(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  /** Takes `pattern` (sticky) and the space behind it; undefined when something else comes. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    this.skip();
    return found;
  }

  /** take(), or an error that says what was expected. */
  expect(pattern: RegExp, what: string): RegExpExecArray {
    return this.take(pattern) ?? this.fail(what);
  }

  /** Throws ScriptError: `file:line: expected ..., got "..."`. */
  fail(what: string): never {
    SHOWN.lastIndex = this.#at;
    const shown = SHOWN.exec(this.#text)?.[0] ?? "";
    const got = this.ended ? "the end of the script" : JSON.stringify(shown);
    throw new ScriptError(this.file, this.line, `expected ${what}, got ${got}`);
  }

  /** Throws ScriptError at the current line with a whole sentence. */
  refuse(reason: string): never {
    throw new ScriptError(this.file, this.line, reason);
  }
}
