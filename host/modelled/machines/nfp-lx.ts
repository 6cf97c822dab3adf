/** The larger card of footnote 7 (4.5.2): 1.2 GHz, twice the cores and islands; else the same. */
import type { Machine } from "../machine.ts";
import { NFP_4000 } from "./nfp-4000.ts";

export const NFP_LX: Machine = {
  ...NFP_4000,
  name: "nfp-lx",
  title: "Netronome Agilio LX",
  clockMhz: { value: 1200, origin: "paper", source: "4.5.2, footnote 7" },
  cores: { value: 120, origin: "paper", source: "4.5.2, footnote 7: twice as many" },
  islands: { value: 10, origin: "paper", source: "4.5.2, footnote 7: twice as many" },
};
