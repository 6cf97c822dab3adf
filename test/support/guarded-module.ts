/**
 * The build under test with a check in front of each of its loads and stores: it traps at the first
 * that touches a guard strip, be it for reading (host/modelled/instrument.ts). A strip that a store
 * has passed over is found by brokenGuards() as well, and later.
 */
import { GUARD_VALUE } from "../../bindings/abi/memory-map.ts";
import { instrument } from "../../host/modelled/instrument.ts";

/** The binary with its checks. Throws Error when it is no module. */
export function guarded(binary: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(instrument(binary, { guard: GUARD_VALUE | 0 }));
}
