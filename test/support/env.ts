/** What a test run was asked for: which build, which seed, and where the repository stands. */
import { fileURLToPath } from "node:url";
import { TIMESTAMP_OPTION_BYTES } from "../../bindings/abi/tcp.ts";
import type { DataPath } from "../../bindings/layout.ts";

/** Which Wasm build the tests load: the vitest project sets it. */
export type Build = "release" | "debug";

/** From the compiled copy in dist/ it is one folder further. */
const UP = import.meta.url.endsWith(".js") ? "../../.." : "../..";

/** The repository's root, with a slash at the end. */
export const ROOT: string = fileURLToPath(new URL(UP, import.meta.url));

/** The build under test. Throws when the variable holds something else. */
export function buildUnderTest(): Build {
  const value = process.env.TOELOOP_BUILD ?? "release";
  if (value === "release" || value === "debug") return value;
  throw new Error(`TOELOOP_BUILD: expected release or debug, got ${value}`);
}

/** The data path under test: TOELOOP_DATAPATH, set by the vitest project. */
export function dataPathUnderTest(): DataPath {
  const value = process.env.TOELOOP_DATAPATH ?? "flextoe";
  const found = (["flextoe", "laminar", "laminar-relaxed"] as const).find((one) => one === value);
  if (found !== undefined) return found;
  throw new Error(`TOELOOP_DATAPATH: expected flextoe, laminar or laminar-relaxed, got ${value}`);
}

/** True in the project `release` alone, where tests whose full count takes long have it. */
export function hasFullCounts(): boolean {
  return buildUnderTest() === "release" && dataPathUnderTest() === "flextoe";
}

/** TOELOOP_NIGHT, set by .ci/nightly: counts that take a minute even in the project `release`. */
export function isNight(): boolean {
  return process.env.TOELOOP_NIGHT === "1";
}

/** Bytes of options that each segment of the data path under test carries: timestamps, or none. */
export function optionBytesUnderTest(): number {
  return dataPathUnderTest() === "laminar" ? 0 : TIMESTAMP_OPTION_BYTES;
}

/** True in CI: a test whose requirement is missing fails instead of being skipped. */
export function skipsForbidden(): boolean {
  return process.env.TOELOOP_NO_SKIP === "1";
}

/** The seed of a randomised test: SEED, or the test's own fixed one. Print it on failure. */
export function seedOf(fallback: number): number {
  const value = process.env.SEED;
  if (value === undefined) return fallback;
  const seed = Number(value);
  if (Number.isInteger(seed) && seed >= 0 && seed <= 0xffffffff) return seed;
  throw new Error(`SEED: expected an integer 0..4294967295, got ${value}`);
}
