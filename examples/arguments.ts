/**
 * Command-line options of the examples and tools: a table of names with a reader each. A bad value
 * is an error that says where, what was expected and what came.
 */

/** Reads the text after an option; throws Error with what was expected. */
export type Reader<T> = (text: string) => T;

export function integer(low: number, high: number): Reader<number> {
  return (text) => {
    const value = Number(text);
    if (!/^-?[0-9]+$/.test(text) || value < low || value > high) {
      throw new Error(`expected an integer ${low}..${high}, got ${JSON.stringify(text)}`);
    }
    return value;
  };
}

export function fraction(low: number, high: number): Reader<number> {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < low || value > high) {
      throw new Error(`expected a number ${low}..${high}, got ${JSON.stringify(text)}`);
    }
    return value;
  };
}

export function oneOf<T extends string>(...names: readonly T[]): Reader<T> {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found === undefined) {
      throw new Error(`expected one of ${names.join("|")}, got ${JSON.stringify(text)}`);
    }
    return found;
  };
}

export type Readers = Readonly<Record<string, Reader<unknown> | "flag">>;

export type Values<R extends Readers> = {
  [K in keyof R]?: R[K] extends Reader<infer T> ? T : boolean;
};

export interface Arguments<R extends Readers> {
  readonly values: Values<R>;
  /** What is no option. */
  readonly rest: string[];
}

/**
 * Reads `--name value`, `--name=value` and flags. Throws Error `--name: expected ..., got ...` on
 * an unknown name, a missing or a bad value.
 */
export function readArguments<R extends Readers>(
  argv: readonly string[],
  readers: R,
): Arguments<R> {
  const values: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i] as string;
    if (!word.startsWith("--")) {
      rest.push(word);
      continue;
    }
    const [name, inline] = word.slice(2).split(/=(.*)/s, 2) as [string, string | undefined];
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers).map((key) => `--${key}`);
      throw new Error(`--${name}: expected one of ${known.join(" ")}`);
    }
    if (reader === "flag") {
      if (inline !== undefined) throw new Error(`--${name}: expected no value, got "${inline}"`);
      values[name] = true;
      continue;
    }
    if (inline === undefined) i += 1;
    const text = inline ?? argv[i];
    if (text === undefined) throw new Error(`--${name}: expected a value, got none`);
    values[name] = readValue(name, text, reader);
  }
  return { values: values as Values<R>, rest };
}

function readValue(name: string, text: string, reader: Reader<unknown>): unknown {
  try {
    return reader(text);
  } catch (error) {
    throw new Error(`--${name}: ${(error as Error).message}`);
  }
}
