/** Sessions drawn from a seed. */
import { type Script, script } from "./script.ts";

/** The session of a seed. */
export function randomScript(seed: number): Script {
  return script(`random-${seed}`, "listen");
}
