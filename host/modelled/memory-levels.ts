/**
 * From the addresses that a stage touched to the time it waited: addresses become records by the
 * memory map, records are looked for in the caches of the core, the island and the machine.
 */
import { HASH_SIZE, POST_SIZE, PRE_SIZE } from "../../bindings/abi/flow-state.ts";
import { PROTOCOL_SIZE, RECOVERY_SIZE, SCHEDULER_SIZE } from "../../bindings/abi/flow-state.ts";
import type { Layout } from "../../bindings/layout.ts";
import { type Cache, DirectCache, LruCache } from "./cache.ts";
import { type Level, type Machine, RECORD_GROUPS, type RecordGroup } from "./machine.ts";

const LINE_SHIFT = 6;
const FRAME = RECORD_GROUPS.indexOf("frame");

/**
 * Region of the map -> group and bytes of a record. What is not here waits for nothing: the core's
 * own header and counters (local memory, and the statistics engine that counts by itself), the work
 * record (it came through the queue), timers (armed by a write that nobody waits for), and the
 * host's memory, which is DMA's, with the chunk lists in it: FlexTOE has base and mask there.
 */
const REGIONS: Readonly<Record<string, readonly [RecordGroup, number]>> = {
  hash: ["lookup", HASH_SIZE],
  pre: ["identification", PRE_SIZE],
  protocol: ["protocol", PROTOCOL_SIZE],
  recovery: ["protocol", RECOVERY_SIZE],
  post: ["application", POST_SIZE],
  scheduler: ["scheduler", SCHEDULER_SIZE],
};

/** Which record each line of the memory holds. */
export class RecordMap {
  readonly #groups: Uint8Array;
  readonly #regions: Uint8Array;
  readonly #base: number[] = [0];
  readonly #bytes: number[] = [1];

  /** `frames`: first and last byte of the frames' buffers, outside of the map's regions. */
  constructor(map: Layout, frames: readonly [from: number, to: number]) {
    const lines = (map.pages * 65536) >>> LINE_SHIFT;
    this.#groups = new Uint8Array(lines).fill(255);
    this.#regions = new Uint8Array(lines);
    for (const { name, base, bytes } of map.regions) {
      const entry = REGIONS[name];
      if (entry === undefined) continue;
      const [group, size] = entry;
      const [from, to] = [base >>> LINE_SHIFT, (base + bytes + 63) >>> LINE_SHIFT];
      this.#groups.fill(RECORD_GROUPS.indexOf(group), from, to);
      this.#regions.fill(this.#base.length, from, to);
      this.#base.push(base);
      this.#bytes.push(size);
    }
    this.#groups.fill(FRAME, frames[0] >>> LINE_SHIFT, frames[1] >>> LINE_SHIFT);
  }

  /** Number of the address's group in RECORD_GROUPS; 255 when nobody waits for it. */
  group(address: number): number {
    return this.#groups[address >>> LINE_SHIFT] as number;
  }

  /** Row of the record in its table: the connection, for most. 0 for frames. */
  row(address: number): number {
    const region = this.#regions[address >>> LINE_SHIFT] as number;
    if (region === 0) return 0;
    return Math.floor((address - (this.#base[region] as number)) / (this.#bytes[region] as number));
  }
}

/** The records that one execution touched, each with its lines. Used again for each execution. */
export class Footprint {
  readonly groups: number[] = [];
  readonly rows: number[] = [];
  readonly lines: number[][] = [];
  size = 0;

  /** Reads a trace of addresses. */
  read(records: RecordMap, addresses: Uint32Array): void {
    this.size = 0;
    let before = -1;
    for (let i = 0; i < addresses.length; i += 1) {
      const address = addresses[i] as number;
      const line = address >>> LINE_SHIFT;
      if (line === before) continue;
      before = line;
      const group = records.group(address);
      if (group !== 255) this.#add(group, records.row(address), line);
    }
  }

  #add(group: number, row: number, line: number): void {
    for (let i = 0; i < this.size; i += 1) {
      if (this.groups[i] !== group || this.rows[i] !== row) continue;
      const lines = this.lines[i] as number[];
      if (!lines.includes(line)) lines.push(line);
      return;
    }
    this.groups[this.size] = group;
    this.rows[this.size] = row;
    this.lines[this.size] ??= [];
    const lines = this.lines[this.size] as number[];
    lines.length = 0;
    lines.push(line);
    this.size += 1;
  }
}

interface Step {
  readonly cache: Cache | undefined;
  readonly byLine: boolean;
  readonly cycles: number;
}

/** All caches of one machine, made as cores are placed. */
export class Memories {
  readonly #machine: Machine;
  readonly #caches = new Map<string, Cache>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** The memories as one core sees them. */
  view(core: number, island: number): MemoryView {
    const paths = RECORD_GROUPS.map((group) =>
      this.#machine.records[group].map((level) => this.#step(level, group, core, island)),
    );
    return new MemoryView(paths);
  }

  #step(level: Level, group: RecordGroup, core: number, island: number): Step {
    const { form, scope, cycles, entries, name } = level;
    if (form === "home") return { cache: undefined, byLine: false, cycles };
    const place = scope === "core" ? core : scope === "island" ? island : 0;
    // Lines are of one address space; records of different groups are held apart.
    const key = `${name} ${scope} ${place} ${form === "lines" ? "" : group}`;
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = form === "direct" ? new DirectCache(entries) : new LruCache(entries);
      this.#caches.set(key, cache);
    }
    return { cache, byLine: form === "lines", cycles };
  }
}

/** The way from one core to every record. */
export class MemoryView {
  readonly #paths: readonly (readonly Step[])[];
  /** Records looked for, and those found in the first level, by group. */
  readonly looked = new Float64Array(RECORD_GROUPS.length);
  readonly found = new Float64Array(RECORD_GROUPS.length);

  constructor(paths: readonly (readonly Step[])[]) {
    this.#paths = paths;
  }

  /** Cycles until all records of an execution are at hand; they are held afterwards. */
  stall(footprint: Footprint): number {
    let cycles = 0;
    for (let i = 0; i < footprint.size; i += 1) {
      const group = footprint.groups[i] as number;
      cycles += this.#fetch(group, footprint.rows[i] as number, footprint.lines[i] as number[]);
    }
    return cycles;
  }

  /** One record: every level on the way takes it in. */
  #fetch(group: number, row: number, lines: readonly number[]): number {
    const path = this.#paths[group] as readonly Step[];
    this.looked[group] = (this.looked[group] as number) + 1;
    for (let i = 0; i < path.length; i += 1) {
      const { cache, byLine, cycles } = path[i] as Step;
      if (cache === undefined || held(cache, byLine, row, lines)) {
        if (i === 0) this.found[group] = (this.found[group] as number) + 1;
        return cycles;
      }
    }
    throw new Error(`modelled: expected a home for ${RECORD_GROUPS[group]}, got none`);
  }
}

function held(cache: Cache, byLine: boolean, row: number, lines: readonly number[]): boolean {
  if (!byLine) return cache.touch(row);
  let all = true;
  for (let i = 0; i < lines.length; i += 1) all = cache.touch(lines[i] as number) && all;
  return all;
}
