/** The layout hash of this build (day-one decision 14). */
import { LAYOUT_HASH } from "../../bindings/abi/layout-hash.ts";

export function layoutHash(): u32 {
  return LAYOUT_HASH;
}
