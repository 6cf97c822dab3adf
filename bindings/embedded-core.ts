/** Compiles the data path embedded in wasm-bytes.ts, with what every runtime has. */

/** Throws WebAssembly.CompileError on a runtime without the features used (SIMD). */
export async function compileEmbeddedCore(): Promise<WebAssembly.Module> {
  const { FLEXTOE_WASM_BASE64 } = await import("./wasm-bytes.ts");
  const text = atob(FLEXTOE_WASM_BASE64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return WebAssembly.compile(bytes);
}
