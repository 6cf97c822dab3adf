/** Loads a build of the core for fuzzing, with edge counters unless it is a debug build. */
import { readFileSync } from "node:fs";
import { createCore } from "../../bindings/core.ts";
import type { DataPath } from "../../bindings/layout.ts";
import { ROOT } from "../support/env.ts";
import { countEdges } from "./edge-counters.ts";
import type { FuzzBuild } from "./registry.ts";

/**
 * Debug builds keep texts where the counters would be: they are never guided. `seed` is the hash
 * key of cores that targets make.
 */
export function loadBuild(
  datapath: DataPath,
  { debug = false, guided = true, seed = 1 } = {},
): FuzzBuild {
  const read = (name: string): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(readFileSync(`${ROOT}build/${name}.wasm`));
  const plain = read(debug ? `${datapath}.debug` : datapath);
  const { binary, edges } = guided && !debug ? countEdges(plain) : { binary: plain, edges: 0 };
  const module = new WebAssembly.Module(binary);
  return {
    module,
    harness: new WebAssembly.Module(read("fuzz")),
    edges,
    makeCore: (layout) => createCore({ module, layout, hashKey: [BigInt(seed), 0x6b79n] }),
  };
}
