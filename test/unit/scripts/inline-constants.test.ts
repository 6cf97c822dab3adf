/**
 * Goal: the build writes constants into the code that uses them, and changes nothing else
 * (scripts/inline-constants.mjs). Method: small modules in a folder of their own, and their text
 * after inlining.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { ROOT } from "../../support/env.ts";

interface Inliner {
  inlined(path: string): Promise<string>;
}

const ABI = `
export const SIZE = 16;
export const NEGATIVE = -3;
export const HALF = 0.5;
export const TEXT = "x";
export let LATER = 5;
export var Opcode;
(function (Opcode) {
  Opcode[(Opcode["Update"] = 1)] = "Update";
})(Opcode || (Opcode = {}));
`;

/** Name, the code after the imports, and the code expected. */
const ROWS: readonly (readonly [string, string, string])[] = [
  ["a value", "const g = () => SIZE + 1;", "const g = () => 16 /* SIZE */ + 1;"],
  ["a negative one", "f(1 - NEGATIVE);", "f(1 - (-3) /* NEGATIVE */);"],
  ["through a namespace", "f(M.SIZE >>> 2);", "f(16 /* M.SIZE */ >>> 2);"],
  ["a table of the contract", "f(Opcode.Update);", "f(1 /* Opcode.Update */);"],
  ["a shorthand property", "f({ SIZE });", "f({ SIZE: 16 /* SIZE */ });"],
  ["not a fraction or a text", "f(HALF, TEXT);", "f(HALF, TEXT);"],
  ["not a property's name", "f(a.SIZE, { SIZE: 1 });", "f(a.SIZE, { SIZE: 1 });"],
  ["not a parameter's", "const g = (SIZE) => SIZE;", "const g = (SIZE) => SIZE;"],
  ["not a local's", "function g() { const SIZE = 1; f(SIZE); }", ""],
  ["not an unknown member", "f(Opcode.None);", "f(Opcode.None);"],
];

const IMPORTS = [
  `import { SIZE, NEGATIVE, HALF, TEXT, Opcode } from "../bindings/abi/limits.js";`,
  `import * as M from "../bindings/abi/limits.js";`,
  "const a = {}, f = () => 0;",
  "",
].join("\n");

async function inliner(): Promise<Inliner> {
  return import(pathToFileURL(join(ROOT, "scripts/inline-constants.mjs")).href);
}

function folder(): string {
  const at = mkdtempSync(join(tmpdir(), "toeloop-inline-"));
  mkdirSync(join(at, "bindings/abi"), { recursive: true });
  mkdirSync(join(at, "host"));
  writeFileSync(join(at, "package.json"), '{ "type": "module" }');
  writeFileSync(join(at, "bindings/abi/limits.js"), ABI);
  return at;
}

test.each(ROWS)("inlining: %s", async (_name, code, expected) => {
  const at = folder();
  const { inlined } = await inliner();
  writeFileSync(join(at, "host/user.js"), IMPORTS + code);
  const text = await inlined(join(at, "host/user.js"));
  rmSync(at, { recursive: true });
  expect(text).toBe(IMPORTS + (expected === "" ? code : expected));
});

test("a module's own exported constants: where they are used, not where they stand", async () => {
  const at = folder();
  const { inlined } = await inliner();
  writeFileSync(join(at, "host/own.js"), "export const BITS = 3;\nexport const f = () => BITS;\n");
  const text = await inlined(join(at, "host/own.js"));
  rmSync(at, { recursive: true });
  expect(text).toBe("export const BITS = 3;\nexport const f = () => 3 /* BITS */;\n");
});
