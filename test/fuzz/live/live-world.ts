/**
 * Two small cores of one memory and the world of the live target beside them (bindings/abi/fuzz.ts;
 * the harness that runs a case is assembly/fuzz.ts). A case begins in one of the prepared states:
 * its image is copied back, and everything else that a case touches is written before it is read.
 */
import { Counter } from "../../../bindings/abi/counters.ts";
import { CAROUSEL_QUEUES, QUEUE_SIZE, QUEUE_SLOTS } from "../../../bindings/abi/carousel.ts";
import * as Z from "../../../bindings/abi/fuzz.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import {
  LIBTOE_READY,
  LIBTOE_SIZE,
  SOCKET_OPEN,
  SOCKET_OWNER,
} from "../../../bindings/abi/socket.ts";
import { SOCKET_GENERATION, SOCKET_RX_THRESHOLD } from "../../../bindings/abi/socket.ts";
import { SOCKET_SENDABLE, SOCKET_SIZE, SOCKET_STATE } from "../../../bindings/abi/socket.ts";
import { SOCKET_TX_BYTES, SOCKET_TX_FREE } from "../../../bindings/abi/socket.ts";
import { WHEEL_HEADS } from "../../../bindings/abi/timer.ts";
import { CoreGroup, createCore, type Core } from "../../../bindings/core.ts";
import { PAGE, type Layout, type LayoutOptions } from "../../../bindings/layout.ts";
import { streamByte } from "../../support/frames.ts";
import { RawCore, type FlowFields } from "../../support/raw-core.ts";
import { STATES, type LiveState } from "./states.ts";

/** As little as two connections need: their buffers, of which one may be short. */
export const LIVE_LAYOUT: Partial<LayoutOptions> = {
  connections: 2,
  contexts: 2,
  queueDescriptors: 8,
  chunkBytes: 256,
  payloadBytes: 6400,
  frameBytes: 576,
  bufferBytes: 1024,
};

/** Bytes that a case may change, of both cores and the network between them. */
export const MUTABLE_MAX = 65536;
export const INPUT_MAX = 1024;
const SLOTS = Z.FRAME_ROOM * Z.FRAMES_MAX;
const BUFFER_SHIFT = 11;
const ORIGINS: readonly [number, number] = [0xfffffc18, 0x7ffffe00];

/** Exports of build/fuzz.wasm. */
export interface Harness {
  runCase(world: number, input: number, length: number): number;
  operations(world: number, input: number, length: number): void;
  save(world: number, image: number): number;
  restore(world: number, image: number): void;
  novel(counters: number, seen: number, length: number): number;
}

/** A case's verdict. */
export interface LiveFault {
  readonly fault: Z.FuzzFault;
  readonly detail: readonly number[];
}

export class LiveWorld {
  readonly memory: WebAssembly.Memory;
  readonly harness: Harness;
  readonly cores: readonly [Core, Core];
  /** Address of the world's record. */
  readonly world: number;
  /** Address of an area for guidance: `extra` bytes. */
  readonly extra: number;
  /** Bytes that are copied back before a case. */
  readonly mutable: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Address of an input, INPUT_MAX bytes. */
  readonly input: number;
  /** Address of the first state's image; they are MUTABLE_MAX bytes apart. */
  readonly images: number;

  /** Throws Error when a state's own operations end in a fault. */
  constructor(module: WebAssembly.Module, harness: WebAssembly.Module, extra = 0) {
    const record = Z.WORLD_TOTAL + 2 * SLOTS + Z.SCRATCH_BYTES + Z.STREAM_TABLE;
    const images = (STATES.length + 1) * MUTABLE_MAX;
    const pages = Math.ceil((record + INPUT_MAX + extra + images) / PAGE);
    const group = new CoreGroup(module, [LIVE_LAYOUT, LIVE_LAYOUT], pages);
    const { memory } = group;
    this.memory = memory;
    this.world = memory.buffer.byteLength - pages * PAGE;
    this.cores = [
      createCore({ module: group, hashKey: [1n, 2n] }),
      createCore({ module: group, hashKey: [3n, 4n] }),
    ];
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.harness = instantiate(harness, memory, group);
    this.input = this.world + record;
    this.extra = this.input + INPUT_MAX;
    this.mutable = this.#layOut();
    this.images = this.extra + extra + MUTABLE_MAX;
    this.#prepare(this.extra + extra);
  }

  #put(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
  }

  #get(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #side(index: number): number {
    return this.world + Z.WORLD_SIDES + index * Z.SIDE_SIZE;
  }

  /** What the host writes once; the bytes of an image. */
  #layOut(): number {
    const slots = this.world + Z.WORLD_TOTAL;
    const ranges: [number, number][] = [
      [this.world, Z.WORLD_SIZE],
      [slots, 2 * SLOTS],
    ];
    this.#put(this.world + Z.WORLD_SCRATCH, slots + 2 * SLOTS);
    const stream = slots + 2 * SLOTS + Z.SCRATCH_BYTES;
    this.#put(this.world + Z.WORLD_STREAM, stream);
    for (let i = 0; i < Z.STREAM_TABLE; i += 1) {
      this.#bytes[stream + i] = streamByte(i % Z.STREAM_PERIOD);
    }
    const guards: number[] = [];
    this.cores.forEach(({ map }, index) => {
      const side = this.#side(index);
      this.#put(side + Z.SIDE_CORE, map.core);
      this.#put(side + Z.SIDE_LIBRARY, (map.base.libtoe as number) + LIBTOE_SIZE);
      this.#put(side + Z.SIDE_TX_ORIGIN, ORIGINS[index as 0 | 1]);
      this.#put(side + Z.SIDE_SLOTS, slots + index * SLOTS);
      this.#put(side + Z.SIDE_BUFFER, map.base.buffers as number);
      this.#put(map.core + M.CORE_BUFFERS_USED, map.options.bufferBytes);
      ranges.push(...mutableRanges(map));
      guards.push(...map.regions.map(({ base, bytes }) => base + bytes));
    });
    if (ranges.length > Z.RANGES_MAX || guards.length >= Z.GUARDS_MAX) {
      throw new Error("live: expected fewer ranges and guard strips");
    }
    ranges.forEach(([base, bytes], i) => {
      this.#put(this.world + Z.WORLD_RANGES + 8 * i, base);
      this.#put(this.world + Z.WORLD_RANGES + 8 * i + 4, bytes);
    });
    guards.forEach((guard, i) => {
      this.#put(this.world + Z.WORLD_GUARDS + 4 * i, guard);
    });
    const bytes = ranges.reduce((sum, [, length]) => sum + length, 0);
    if (bytes > MUTABLE_MAX) {
      throw new Error(`live: expected at most ${MUTABLE_MAX} mutable bytes, got ${bytes}`);
    }
    return bytes;
  }

  /** Images of all states, from `first` on. */
  #prepare(first: number): void {
    this.harness.save(this.world, first);
    STATES.forEach((state, index) => {
      this.harness.restore(this.world, first);
      this.#establish(state);
      this.#bytes.set([0, ...state.operations], this.input);
      this.harness.operations(this.world, this.input, state.operations.length + 1);
      const { fault, detail } = this.#fault();
      if (fault !== Z.FuzzFault.None) {
        throw new Error(`live: expected state ${state.name} to be sound, got ${fault} ${detail}`);
      }
      this.harness.save(this.world, this.images + index * MUTABLE_MAX);
    });
  }

  #establish(state: LiveState): void {
    this.#view.setBigUint64(this.world + Z.WORLD_NOW, 1_000_000_000n, true);
    this.cores.forEach((core, index) => {
      const raw = new RawCore(core);
      const features = core.exports.features();
      const [own, other] = [ORIGINS[index as 0 | 1], ORIGINS[(1 - index) as 0 | 1]];
      const flags = (state.flow.flags ?? 0) & (features | 0xff00);
      const shared = { mss: 200, rxShift: BUFFER_SHIFT, txShift: BUFFER_SHIFT, ...state.flow };
      const ends = index === 0 ? {} : OTHER_END;
      // Both are at rest at the same time: step() has been there.
      core.exports.step(core.address, 1e9);
      const flow = { ...shared, ...ends, flags, txSeq: own, rxSeq: other, peerWindow: 2048 };
      raw.establish({ ...flow, connection: 2, context: 2, localPort: 90, ...SMALL });
      raw.establish({ ...flow, connection: 1, context: 1 });
      // The record that the hostile connection is installed from again.
      raw.describe({ ...flow, connection: 2, context: 2, localPort: 90, ...SMALL });
      this.#open(core, index, 1, 2 ** BUFFER_SHIFT);
      this.#open(core, index, 2, 2 ** SMALL.txShift);
      this.#put(core.address + M.CORE_STAGES_ONLY, state.stagesOnly === true ? 1 : 0);
      const side = this.#side(index);
      this.#put(side + Z.SIDE_CREDIT, 64);
      this.#put(side + Z.SIDE_GENERATION, 1);
      this.#put(side + Z.SIDE_EDGE, other + Math.min(2048, 0xffff));
      this.#put(side + Z.SIDE_RX_NEXT, other);
      this.#put(side + Z.SIDE_COUNTED_IN, raw.counter(Counter.FramesIn));
      this.#put(side + Z.SIDE_COUNTED_OUT, raw.counter(Counter.FramesOut));
    });
  }

  /** A socket's row as libTOE opens it. */
  #open({ map }: Core, index: number, connection: number, txBytes: number): void {
    const row = (map.base.sockets as number) + connection * SOCKET_SIZE;
    const library = this.#get(this.#side(index) + Z.SIDE_LIBRARY);
    this.#put(row + SOCKET_GENERATION, 1);
    this.#put(row + SOCKET_RX_THRESHOLD, 600);
    this.#put(row + SOCKET_TX_BYTES, txBytes);
    this.#put(row + SOCKET_TX_FREE, txBytes);
    this.#put(row + SOCKET_OWNER, library + (connection - 1) * LIBTOE_SIZE);
    this.#put(row + SOCKET_STATE, SOCKET_OPEN | SOCKET_SENDABLE);
  }

  #fault(): LiveFault {
    const at = this.world + Z.WORLD_DETAIL;
    const detail = [this.#get(at), this.#get(at + 4), this.#get(at + 8)];
    return { fault: this.#get(this.world + Z.WORLD_FAULT), detail };
  }

  /** Puts the state of an input back; its image's number. */
  restore(input: Uint8Array): number {
    const state = ((input[0] ?? 0) & Z.INPUT_STATE_MASK) % STATES.length;
    this.harness.restore(this.world, this.images + state * MUTABLE_MAX);
    return state;
  }

  /** One case: 0, or the fault's number; what is left stays to be looked at. Throws on a trap. */
  run(input: Uint8Array): number {
    const length = Math.min(input.length, INPUT_MAX);
    this.#bytes.set(length === input.length ? input : input.subarray(0, length), this.input);
    this.restore(input);
    return this.harness.runCase(this.world, this.input, length);
  }

  /** The last case's verdict. */
  verdict(): LiveFault {
    return this.#fault();
  }

  /** Bytes of both streams that were read and compared so far. */
  checkedBytes(): number {
    return this.#get(this.world + Z.WORLD_STREAM_CHECKED);
  }

  /** What all cases must leave as it was, once an image is back: all but what is written first. */
  stable(): Uint8Array {
    const copies = this.cores.flatMap(({ map }) =>
      map.regions
        .filter(({ name }) => !WRITTEN_FIRST.has(name))
        .map(({ base, bytes }) => this.#bytes.slice(base, base + bytes)),
    );
    const whole = new Uint8Array(copies.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const copy of copies) {
      whole.set(copy, at);
      at += copy.length;
    }
    return whole;
  }
}

const OTHER_END = { remote: "10.0.0.1", local: "10.0.0.2", remotePort: 80, localPort: 40000 };
const SMALL = { rxShift: 9, txShift: 9, rack: 0 } as const satisfies Partial<FlowFields>;

/** Records that are written before anything of them is read: bursts, work, and what is copied. */
const WRITTEN_FIRST = new Set([
  "work",
  "scratch",
  "events",
  "ingressTable",
  "egressTable",
  "ingress",
  "egress",
  "buffers",
  "info",
  "rmtVector",
]);

/** The regions of a map that carry something from one call to the next. */
function mutableRanges({ base, core, regions }: Layout): [number, number][] {
  const ends = new Map(regions.map((region) => [region.name, region.base + region.bytes]));
  const span = (from: number, last: string): [number, number] => [
    from,
    (ends.get(last) as number) - from,
  ];
  return [
    span(core, "install"),
    span(base.contextTable as number, "contextTable"),
    // Of contexts 1 and 2; what stands in LIBTOE_READY is counted before it.
    [(base.libtoe as number) + LIBTOE_SIZE, LIBTOE_READY],
    [(base.libtoe as number) + 2 * LIBTOE_SIZE, LIBTOE_READY],
    span(base.atx as number, "arx"),
    [base.wheel as number, WHEEL_HEADS],
    [base.carousel as number, CAROUSEL_QUEUES + QUEUE_SLOTS * QUEUE_SIZE],
    span(base.hash as number, "arena"),
  ];
}

function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  group: CoreGroup,
): Harness {
  const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
  const abort = (): never => {
    throw new Error("fuzz: assertion failed in the harness");
  };
  const env = { memory, table, abort };
  const core = group.exports as unknown as WebAssembly.ModuleImports;
  const instance = new WebAssembly.Instance(module, { env, "core-imports": core });
  return instance.exports as unknown as Harness;
}
