/**
 * Gives every WebAssembly instance of this process the globals that a noting build asks for, and
 * says which were set. Loaded before anything makes an instance: by try-seeds.ts, and as a setup
 * file of note-points.config.ts.
 */
import { POINTS_MODULE } from "./coverage.ts";

const globals: Record<string, WebAssembly.Global> = {};

/** Makes `count` globals, and the constructor that hands them out. */
export function provideNotes(count: number): void {
  for (let i = Object.keys(globals).length; i < count; i += 1) {
    globals[`${i}`] = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
  }
  const Inner = WebAssembly.Instance;
  class NotedInstance extends Inner {
    constructor(module: WebAssembly.Module, imports: WebAssembly.Imports = {}) {
      super(module, { ...imports, [POINTS_MODULE]: globals });
    }
  }
  WebAssembly.Instance = NotedInstance;
}

/** Points that were reached since the last call. */
export function takeNotes(): number[] {
  const reached: number[] = [];
  for (const [name, global] of Object.entries(globals)) {
    if (global.value !== 0) reached.push(Number(name));
    global.value = 0;
  }
  return reached;
}
