/**
 * The Wasm core as TypeScript sees it: instantiates a build over a memory of its own and names
 * its exports. The only file that names an export; a test compares the list with the binary.
 */
import { layout, PAGE, writeHeader, type DataPath, type Layout } from "./layout.ts";
import type { LayoutOptions } from "./layout.ts";
import { LAYOUT_HASH } from "./abi/layout-hash.ts";
import { CoreAssertion, Fence } from "./trap.ts";

/** The exports of every build of the data path (assembly/index.ts). Addresses are bytes. */
export interface CoreExports {
  /** Hash over every layout constant: host and Wasm must have been built from one contract. */
  layoutHash(): number;
  /** FLOW_* bits that a connection of this data path may have: what a handshake may offer. */
  features(): number;
  /** Prepares the tables of a map that the host has laid out. */
  initialize(core: number): void;
  /** Ingress burst, doorbells, timers, transmission: one crossing. `now` in ns. Returns STEP_*. */
  step(core: number, now: number): number;
  // libTOE's half in Wasm: `library` is the address of a context's LIBTOE record.
  /** flush(), step() and take() in one crossing. Returns STEP_*. */
  turn(library: number, now: number): number;
  /** A descriptor for each dirty socket and one doorbell; how many descriptors. */
  flush(library: number): number;
  /** Notifications into the sockets' rows, as many as LIBTOE_READY takes; how many. */
  take(library: number): number;
  /** Takes a connection out of LIBTOE_READY, its causes into LIBTOE_CAUSE; 0 when none is left. */
  nextReady(library: number): number;
  /** One descriptor with ATX_* flags, now; 0 when the ring is full. */
  put(library: number, connection: number, flags: number): number;
  /** Takes free bytes of the transmit buffer: their address, 0 when they are not in one chunk. */
  append(library: number, connection: number, length: number, held: number): number;
  /** Takes readable bytes: their address, or 0 when they are not in one chunk. */
  consume(library: number, connection: number, length: number): number;
  /** send() out of a registered buffer; bytes, 0 when none were taken. */
  transmit(library: number, connection: number, address: number, length: number): number;
  /** recv() into a registered buffer; bytes, 0 when none were taken. */
  receive(library: number, connection: number, address: number, length: number): number;
  /** Chunks that sockets waiting for some may take now; 0 ends nobody's wait. */
  spare(library: number, connection: number): number;
  /** Begins the row of an installed connection; 0 when the data path does not have it. */
  open(library: number, connection: number, generation: number): number;
  /** Takes a connection's row out of every list; it is nobody's then. */
  forget(library: number, connection: number): void;
  /** Puts a connection in the next flush(). */
  release(library: number, connection: number): void;
  /** Enters INSTALL's 4-tuple in the connection database for the control plane; InstallStatus. */
  bind(core: number): number;
  /** Reserves a bound connection's receive buffer: log2 of its bytes, at most `wanted`; or 0. */
  reserve(core: number, connection: number, wanted: number): number;
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
  /**
   * A link between two cores of one memory: `frames` of `from`'s egress burst from `first` on go
   * behind those in `to`'s ingress burst. 0, and nothing moved, when they do not fit.
   */
  carry(from: number, to: number, first: number, frames: number, netif: number): number;
}

/** Names of the exports, for the test that compares them with the binary. */
export const CORE_EXPORT_NAMES: readonly (keyof CoreExports)[] = [
  "layoutHash",
  "features",
  "initialize",
  "step",
  "turn",
  "flush",
  "take",
  "nextReady",
  "open",
  "forget",
  "put",
  "append",
  "consume",
  "transmit",
  "receive",
  "release",
  "spare",
  "bind",
  "reserve",
  "install",
  "uninstall",
  "unbind",
  "lookup",
  "inspect",
  "quotes",
  "armTimer",
  "cancelTimer",
  "nextDeadline",
  "carry",
];

/** One data path with its memory. Views stay valid: the memory never grows. */
export interface Core extends CoreExtras {
  readonly exports: CoreExports;
  /** Address of the header: the first argument of every export. */
  readonly address: number;
  readonly map: Layout;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  /** Indexed by address / 4. */
  readonly words: Uint32Array;
  /** The same words, signed: rings are read through it, where unsigned ones cost V8 a check. */
  readonly ints: Int32Array;
  readonly view: DataView;
}

/** What an executor with buffers of its own adds to a core. */
interface CoreExtras {
  /** Raised by a trap; an executor with threads has one of its own. */
  readonly fence?: Fence;
  /**
   * Takes the ingress burst although frames wait to leave, so that two stacks that wait for each
   * other's room go on.
   */
  readonly admit?: (library: number, now: number) => void;
  /** Given what to call when the executor has something to tell without being asked. */
  readonly onWake?: (wake: () => void) => void;
}

/** What makes a core in a way of its own: the executor with threads. */
export interface CoreSource {
  /** The core over a key of the connection database's hash. */
  create(hashKey: readonly [bigint, bigint]): Core;
}

export interface CoreOptions {
  /** A build, or a group that has a place left: the core then shares its memory. */
  readonly module: WebAssembly.Module | CoreGroup | CoreSource;
  /** Not with a group, which has chosen already. */
  readonly layout?: Partial<LayoutOptions>;
  /** Key of the connection database's hash, from the platform's entropy. */
  readonly hashKey: readonly [bigint, bigint];
}

/**
 * One memory and one instance of a build for several cores: stacks of one process whose links are
 * then one copy inside Wasm (`carry`). Each core keeps to its own map, as it does alone.
 *
 * ```ts
 * const group = new CoreGroup(await platform.loadCore(), [{ connections: 64 }, {}]);
 * const client = new Stack({ module: group, ... });
 * const server = new Stack({ module: group, ... });
 * ```
 */
export class CoreGroup {
  readonly exports: CoreExports;
  readonly fence: Fence;
  readonly memory: WebAssembly.Memory;
  readonly #maps: readonly Layout[];
  #placed = 0;

  /**
   * A place for each layout, and `sparePages` behind them for whoever drives the cores from inside.
   * Throws RangeError on a bad option, Error on a foreign build.
   */
  constructor(
    module: WebAssembly.Module,
    layouts: readonly Partial<LayoutOptions>[],
    sparePages = 0,
  ) {
    if (layouts.length === 0) throw new RangeError("CoreGroup: expected 1 layout or more, got 0");
    const maps: Layout[] = [];
    const datapath = dataPathOf(module);
    for (const choice of layouts) maps.push(layout(choice, endOf(maps.at(-1)), datapath));
    this.#maps = maps;
    const pages = (maps.at(-1)?.pages as number) + sparePages;
    // It cannot grow: views of it are made once.
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.exports = instantiate(module, this.memory);
    this.fence = new Fence(this.exports);
  }

  /** The next place. Throws RangeError when all are taken. */
  take(): Layout {
    const map = this.#maps[this.#placed];
    if (map === undefined) {
      const places = this.#maps.length;
      throw new RangeError(`CoreGroup: expected at most ${places} cores, got one more`);
    }
    this.#placed += 1;
    return map;
  }
}

/** What only Laminar's build exports beside the contract: the address of its machine's state. */
export const LAMINAR_EXPORT = "machine";

/** Which data path a build is. */
export function dataPathOf(module: WebAssembly.Module): DataPath {
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  return names.includes(LAMINAR_EXPORT) ? "laminar" : "flextoe";
}

/** Where the next map may begin: the next page. */
function endOf(map: Layout | undefined): number | undefined {
  return map === undefined ? undefined : map.pages * PAGE;
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): CoreExports {
  const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
  const abort = (): never => {
    throw new CoreAssertion("core: assertion failed in the debug build");
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, table, abort } });
  // A plain object: the exports object itself is a dictionary and costs a slow load each call.
  const exports = { ...instance.exports } as unknown as CoreExports;
  const built = exports.layoutHash() >>> 0;
  if (built !== LAYOUT_HASH) {
    const expected = LAYOUT_HASH.toString(16);
    throw new Error(`createCore: expected layout hash ${expected}, got ${built.toString(16)}`);
  }
  return exports;
}

/** Instantiates a data path. Throws RangeError on a bad option, Error on a foreign build. */
export function createCore(options: CoreOptions): Core {
  const { module } = options;
  if (!(module instanceof WebAssembly.Module) && options.layout !== undefined) {
    throw new RangeError("createCore: expected no layout beside a group or executor, got one");
  }
  if ("create" in module) return module.create(options.hashKey);
  const group =
    module instanceof CoreGroup ? module : new CoreGroup(module, [options.layout ?? {}]);
  const map = group.take();
  const { exports, fence, memory } = group;
  const view = new DataView(memory.buffer);
  writeHeader(view, map, options.hashKey);
  exports.initialize(map.core);
  return {
    exports,
    fence,
    address: map.core,
    map,
    memory,
    bytes: new Uint8Array(memory.buffer),
    words: new Uint32Array(memory.buffer),
    ints: new Int32Array(memory.buffer),
    view,
  };
}
