/**
 * Source maps of WebAssembly (the format of ECMA-426): which line of which file an offset of the
 * binary is of. asc writes one line, whose columns are the binary's offsets.
 */
export interface Location {
  /** Of the repository, or "~lib/..." of the compiler. */
  readonly file: string;
  readonly line: number;
}

interface Mapping extends Location {
  readonly offset: number;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CONTINUED = 32;

/** The numbers of one segment: base 64, five bits a digit, the lowest of a number is its sign. */
function numbersIn(segment: string): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0) throw new Error(`source map: expected a digit of base 64, got ${character}`);
    value += (digit & (CONTINUED - 1)) * 2 ** shift;
    shift += 5;
    if (digit >= CONTINUED) continue;
    numbers.push(value % 2 === 1 ? -(value - 1) / 2 : value / 2);
    [value, shift] = [0, 0];
  }
  return numbers;
}

export class SourceMap {
  readonly #mappings: Mapping[] = [];

  /** Throws Error on what is no source map of one line. */
  constructor(text: string) {
    const { sources, mappings } = JSON.parse(text) as { sources: string[]; mappings: string };
    if (mappings.includes(";")) throw new Error("source map: expected one line, got more");
    let [offset, source, line] = [0, 0, 0];
    for (const segment of mappings.split(",")) {
      const [forward = 0, sources_ = 0, lines = 0] = numbersIn(segment);
      offset += forward;
      source += sources_;
      line += lines;
      this.#mappings.push({ offset, file: sources[source] ?? "", line: line + 1 });
    }
  }

  /**
   * Where the code at `offset` is from: the last mapping from `start` on that `counts`, since
   * constants of other files stand within the expressions of those that use them.
   */
  at(offset: number, start: number, counts: (file: string) => boolean): Location | undefined {
    const mappings = this.#mappings;
    let [low, high] = [0, mappings.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((mappings[middle] as Mapping).offset <= offset) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0; i -= 1) {
      const mapping = mappings[i] as Mapping;
      if (mapping.offset < start) return undefined;
      if (counts(mapping.file)) return { file: mapping.file, line: mapping.line };
    }
    return undefined;
  }
}
