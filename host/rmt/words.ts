/** The words of a statement of a stage program, and what is said when one is not as expected. */
import { ProgramError } from "./program.ts";

const NAME = /^[a-z_][a-z0-9_]*$/i;

/** The words of one statement, taken one after the other. */
export class Words {
  readonly line: number;
  readonly #file: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(file: string, line: number, words: readonly string[]) {
    this.#file = file;
    this.line = line;
    this.#words = words;
  }

  get done(): boolean {
    return this.#next >= this.#words.length;
  }

  peek(): string {
    return this.#words[this.#next] ?? "";
  }

  fail(expected: string, got = this.peek()): never {
    throw new ProgramError(this.#file, this.line, expected, got === "" ? "end of line" : got);
  }

  take(expected: string): string {
    if (this.done) this.fail(expected);
    const word = this.peek();
    this.#next += 1;
    return word;
  }

  name(what: string): string {
    if (!NAME.test(this.peek())) this.fail(what);
    return this.take(what);
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const found = words.find((word) => word === this.peek());
    if (found === undefined) this.fail(words.join(" | "));
    this.take("a word");
    return found;
  }

  accept(word: string): boolean {
    if (this.peek() !== word) return false;
    this.take(word);
    return true;
  }

  expect(word: string): void {
    if (!this.accept(word)) this.fail(word);
  }

  number(what: string): number {
    const word = this.peek();
    const value = Number(word);
    if (word === "" || !Number.isInteger(value) || value < 0 || value > 0xffffffff) this.fail(what);
    this.take(what);
    return value;
  }

  end(): void {
    if (!this.done) this.fail("end of line");
  }
}
