/** The test-only build (assembly/testing.ts) over a memory of its own, for unit tests. */
import { loadTestingModule } from "./load-core.ts";

const PAGES = 16;
const PAGES_MAX = 65535;

/** `exports` are the functions that the caller names in `T`; `view` covers the whole memory. */
export interface TestingBuild<T> {
  readonly exports: T;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
}

/** A fresh instance of the build under test. A failed assertion of a debug build throws. */
export function loadTesting<T>(): TestingBuild<T> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES_MAX });
  const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
  const abort = (message: number, file: number, line: number): never => {
    throw new Error(`assertion failed: line ${line} (message ${message}, file ${file})`);
  };
  const instance = new WebAssembly.Instance(loadTestingModule(), { env: { memory, table, abort } });
  return { exports: instance.exports as T, memory, view: new DataView(memory.buffer) };
}
