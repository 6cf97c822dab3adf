/**
 * Compiles the builds of the data path that are embedded in wasm-bytes.ts and workers-bytes.ts,
 * with what every runtime has.
 */

async function compile(base64: string): Promise<WebAssembly.Module> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return WebAssembly.compile(bytes);
}

/** Throws WebAssembly.CompileError on a runtime without the features used (SIMD). */
export async function compileEmbeddedCore(): Promise<WebAssembly.Module> {
  return compile((await import("./wasm-bytes.ts")).FLEXTOE_WASM_BASE64);
}

/** The build with threads. Throws WebAssembly.CompileError on a runtime without SIMD, threads. */
export async function compileEmbeddedWorkers(): Promise<WebAssembly.Module> {
  return compile((await import("./workers-bytes.ts")).WORKERS_WASM_BASE64);
}
