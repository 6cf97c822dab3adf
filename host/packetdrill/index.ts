/**
 * An interpreter of the packetdrill language (Cardwell et al., USENIX ATC 2013) over one stack in
 * virtual time. A part of the package of its own: nothing of the stack imports it.
 *
 * ```ts
 * import { parseScript, runScript } from "toeloop/packetdrill";
 * const failure = runScript(parseScript("handshake.pkt", text), { module });
 * if (failure !== undefined) console.log(failure.message);
 * ```
 */
export { parseScript } from "./parse-script.ts";
export { runScript, type RunOptions } from "./run-script.ts";
export { type Script, ScriptError } from "./script.ts";
