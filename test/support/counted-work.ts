/**
 * Work as a number of executed instructions, where a time would be the machine's: the build under
 * test, instrumented at load time (host/modelled/instrument.ts), so that it counts itself.
 */
import { readFileSync } from "node:fs";
import type { Core } from "../../bindings/core.ts";
import { counterName, instrument } from "../../host/modelled/instrument.ts";
import { WIDTHS } from "../../host/modelled/wasm-format.ts";
import { buildUnderTest, dataPathUnderTest, ROOT } from "./env.ts";

/** The build under test, which counts. */
export function countedModule(): WebAssembly.Module {
  const suffix = buildUnderTest() === "debug" ? ".debug" : "";
  const binary = readFileSync(`${ROOT}build/${dataPathUnderTest()}${suffix}.wasm`);
  return new WebAssembly.Module(instrument(binary));
}

/** Instructions that a core of countedModule() executes in `run`. */
export function workOf({ exports }: Core, run: () => void): number {
  const globals = exports as unknown as Record<string, WebAssembly.Global>;
  const counters = Array.from({ length: WIDTHS }, (_, i) => globals[counterName(0, i + 1)]);
  const sum = (): number => counters.reduce((total, one) => total + (one?.value >>> 0), 0);
  const before = sum();
  run();
  return sum() - before;
}
