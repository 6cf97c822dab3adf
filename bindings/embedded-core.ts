/**
 * Compiles the builds of the data paths that are embedded in the `*-bytes.ts` files, with what
 * every runtime has.
 */
import type { DataPath } from "./layout.ts";

async function compile(base64: string): Promise<WebAssembly.Module> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return WebAssembly.compile(bytes);
}

/**
 * Throws WebAssembly.CompileError on a runtime without the features used (SIMD), RangeError on a
 * name that is no data path's.
 */
export async function compileEmbeddedCore(
  datapath: DataPath = "flextoe",
): Promise<WebAssembly.Module> {
  if (datapath === "flextoe") return compile((await import("./wasm-bytes.ts")).FLEXTOE_WASM_BASE64);
  if (datapath === "laminar") {
    return compile((await import("./laminar-bytes.ts")).LAMINAR_WASM_BASE64);
  }
  if (datapath === "laminar-relaxed") {
    return compile((await import("./relaxed-bytes.ts")).LAMINAR_RELAXED_WASM_BASE64);
  }
  const expected = "flextoe, laminar or laminar-relaxed";
  throw new RangeError(`loadCore: expected ${expected}, got ${String(datapath)}`);
}

/** The build with threads. Throws WebAssembly.CompileError on a runtime without SIMD, threads. */
export async function compileEmbeddedWorkers(): Promise<WebAssembly.Module> {
  return compile((await import("./workers-bytes.ts")).WORKERS_WASM_BASE64);
}
