/** The simulator's pinned seeds as a program for any runtime: its answer is their trace hashes. */
import type { DataPath } from "../../bindings/layout.ts";
import { PINNED_SEEDS } from "../simulate/pinned.ts";
import type { Program } from "./run-in.ts";

/** The first `seeds` of the pinned seeds on a data path, over the core that the package embeds. */
export const pinned =
  (datapath: DataPath, seeds = PINNED_SEEDS.length): Program =>
  (base, bindings) =>
    `(async () => {
    const { platform } = await import("${base}bindings/${bindings}.js");
    const { hashesNow } = await import("${base}test/simulate/pinned.js");
    const module = await platform.loadCore("${datapath}");
    return JSON.stringify(hashesNow(module, "${datapath}", ${seeds}));
  })()`;
