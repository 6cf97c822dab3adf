/**
 * The Wasm core as TypeScript sees it: instantiates a build over a memory of its own and names
 * its exports. The only file that names an export; a test compares the list with the binary.
 */
import { layout, writeHeader, type Layout, type LayoutOptions } from "./layout.ts";
import { LAYOUT_HASH } from "./abi/layout-hash.ts";

/** The exports of every build of the data path (assembly/index.ts). Addresses are bytes. */
export interface CoreExports {
  /** Hash over every layout constant: host and Wasm must have been built from one contract. */
  layoutHash(): number;
  /** Prepares the tables of a map that the host has laid out. */
  initialize(core: number): void;
  /** Ingress burst, doorbells, timers, transmission: one crossing. `now` in ns. Returns STEP_*. */
  step(core: number, now: number): number;
  /** Enters INSTALL's 4-tuple in the connection database for the control plane; InstallStatus. */
  bind(core: number): number;
  /** Hands INSTALL's bound connection to the data path; InstallStatus. */
  install(core: number): number;
  /** Takes a connection out of the data path and frees its buffers; the 4-tuple stays bound. */
  uninstall(core: number, connection: number): void;
  /** Removes a connection's 4-tuple from the database. */
  unbind(core: number, connection: number): void;
  /** The connection with INSTALL's 4-tuple, or 0. */
  lookup(core: number): number;
  /** Writes INFO for an installed connection; false when it is not. */
  inspect(core: number, connection: number): number;
  /** True when `seq` is in flight: judges ICMP quotations (day-one decision 10). */
  quotes(core: number, connection: number, seq: number): number;
  /** Arms a timer: index = connection * TIMERS_PER_CONNECTION + kind; ns. */
  armTimer(core: number, timer: number, deadline: number): void;
  cancelTimer(core: number, timer: number): void;
  /** Time in ns at which step() has something to do without input; Infinity when never. */
  nextDeadline(core: number): number;
}

/** Names of the exports, for the test that compares them with the binary. */
export const CORE_EXPORT_NAMES: readonly (keyof CoreExports)[] = [
  "layoutHash",
  "initialize",
  "step",
  "bind",
  "install",
  "uninstall",
  "unbind",
  "lookup",
  "inspect",
  "quotes",
  "armTimer",
  "cancelTimer",
  "nextDeadline",
];

/** One data path with its memory. Views stay valid: the memory never grows. */
export interface Core {
  readonly exports: CoreExports;
  /** Address of the header: the first argument of every export. */
  readonly address: number;
  readonly map: Layout;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  /** Indexed by address / 4. */
  readonly words: Uint32Array;
  readonly view: DataView;
}

export interface CoreOptions {
  readonly module: WebAssembly.Module;
  readonly layout?: Partial<LayoutOptions>;
  /** Key of the connection database's hash, from the platform's entropy. */
  readonly hashKey: readonly [bigint, bigint];
}

/** Instantiates a data path. Throws RangeError on a bad option, Error on a foreign build. */
export function createCore(options: CoreOptions): Core {
  const map = layout(options.layout);
  const memory = new WebAssembly.Memory({ initial: map.pages, maximum: 65535 });
  const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
  const abort = (): never => {
    throw new Error("core: assertion failed in the debug build");
  };
  const instance = new WebAssembly.Instance(options.module, { env: { memory, table, abort } });
  // A plain object: the exports object itself is a dictionary and costs a slow load each call.
  const exports = { ...instance.exports } as unknown as CoreExports;
  const built = exports.layoutHash() >>> 0;
  if (built !== LAYOUT_HASH) {
    const expected = LAYOUT_HASH.toString(16);
    throw new Error(`createCore: expected layout hash ${expected}, got ${built.toString(16)}`);
  }
  const view = new DataView(memory.buffer);
  writeHeader(view, map, options.hashKey);
  exports.initialize(map.core);
  return {
    exports,
    address: map.core,
    map,
    memory,
    bytes: new Uint8Array(memory.buffer),
    words: new Uint32Array(memory.buffer),
    view,
  };
}
