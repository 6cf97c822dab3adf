/** Every experiment of the lab, in the paper's order. A new one is a file and a line here. */
import type { Experiment } from "./experiment.ts";
import { FIGURE_4_15 } from "./figure-4-15.ts";
import { FIGURE_4_7 } from "./figure-4-7.ts";
import { MODELLED_FIGURES } from "./modelled-figures.ts";
import { FIGURE_4_16 } from "./figure-4-16.ts";
import { FIGURE_4_17 } from "./figure-4-17.ts";
import { FIGURE_5_12 } from "./figure-5-12.ts";
import { FIGURE_5_15 } from "./figure-5-15.ts";
import { FIGURE_5_17 } from "./figure-5-17.ts";
import { FIGURE_5_18 } from "./figure-5-18.ts";
import { FIGURE_5_19 } from "./figure-5-19.ts";
import { LAMINAR_RPC_FIGURES } from "./laminar-rpc-figures.ts";
import { TABLE_4_1 } from "./table-4-1.ts";
import { TABLE_4_4 } from "./table-4-4.ts";
import { TABLE_4_5 } from "./table-4-5.ts";
import { TABLE_5_1 } from "./table-5-1.ts";
import { TABLE_5_2 } from "./table-5-2.ts";
import { TABLE_5_3 } from "./table-5-3.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  TABLE_4_1,
  TABLE_4_5,
  FIGURE_4_16,
  FIGURE_4_17,
  TABLE_4_4,
  FIGURE_4_7,
  ...MODELLED_FIGURES,
  FIGURE_4_15,
  TABLE_5_1,
  TABLE_5_2,
  ...LAMINAR_RPC_FIGURES,
  FIGURE_5_12,
  FIGURE_5_15,
  FIGURE_5_17,
  FIGURE_5_18,
  FIGURE_5_19,
  TABLE_5_3,
];

/** The experiment of a name. Throws RangeError with the list when there is none. */
export function experiment(name: string): Experiment {
  const found = EXPERIMENTS.find((candidate) => candidate.name === name);
  if (found === undefined) {
    const known = EXPERIMENTS.map((candidate) => candidate.name).join(", ");
    throw new RangeError(`lab: expected a name of ${known}, got ${JSON.stringify(name)}`);
  }
  return found;
}
