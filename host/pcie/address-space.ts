/**
 * What the device may reach of host memory (dissertation 4.4.1): pools of hugepages, each
 * contiguous on the bus, mapped once at start. Bus addresses are not Wasm addresses: a transfer is
 * translated, and one that leaves its pool, crosses a missing page or lacks the right is refused
 * and counted. The IOTLB in front of the page tables is modelled by its hits and misses.
 *
 * Invariant: a translated range lies within one pool's bytes, so within the memory it maps.
 */

export const HUGEPAGE_2M = 2 * 1024 * 1024;
export const HUGEPAGE_1G = 1024 * 1024 * 1024;

/** What a device may do with a pool, and what a transfer does. */
export const Access = { Read: 1, Write: 2, ReadWrite: 3 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Why an address was refused. */
export const FAULTS = ["unmapped", "outOfBounds", "permission"] as const;
export type Fault = (typeof FAULTS)[number];

/** Pools start here: above 4 GiB, where no Wasm address is. */
const FIRST_BUS = 2 ** 32;
/** Bus addresses are below this: 48 bits. */
const LAST_BUS = 2 ** 48;
const POOLS_MAX = 64;
/** pcie-bench's data shows the knee after 64 pages. */
export const IOTLB_ENTRIES = 64;

export interface PoolOptions {
  readonly name: string;
  /** Where the pool's memory begins in Wasm memory. */
  readonly address: number;
  /** Bytes that exist; the last page may be longer on the bus, and ends here. */
  readonly bytes: number;
  readonly pageBytes?: typeof HUGEPAGE_2M | typeof HUGEPAGE_1G;
  readonly access?: Access;
  /** Start of the pool on the bus, a multiple of the page; as a rule the next free one. */
  readonly bus?: number;
}

interface Pool extends Required<PoolOptions> {
  readonly busEnd: number;
}

function expected(ok: boolean, what: string, got: number): void {
  if (!ok) throw new RangeError(`pcie: expected ${what}, got ${got}`);
}

export class AddressSpace {
  readonly faults: Record<Fault, number> = { unmapped: 0, outOfBounds: 0, permission: 0 };
  hits = 0;
  misses = 0;
  readonly #pools: Pool[] = [];
  /** Pages in the IOTLB by number, and when each was used last. */
  readonly #pages: Float64Array;
  readonly #used: Float64Array;
  #clock = 0;
  // The transfer refused last.
  #fault: Fault | undefined;
  #bus = 0;
  #bytes = 0;

  /** `entries`: pages that the IOTLB holds, replaced least recently used first. */
  constructor(entries: number = IOTLB_ENTRIES) {
    expected(Number.isInteger(entries) && entries > 0, "1 IOTLB entry or more", entries);
    this.#pages = new Float64Array(entries).fill(-1);
    this.#used = new Float64Array(entries);
  }

  /** Maps a pool; returns its bus address. Throws RangeError when it cannot be. */
  map(options: PoolOptions): number {
    const pageBytes = options.pageBytes ?? HUGEPAGE_2M;
    const { address, bytes } = options;
    // A page is left out between pools, so that running over one reaches none.
    const next = Math.max(FIRST_BUS, ...this.#pools.map((pool) => pool.busEnd + pool.pageBytes));
    const bus = options.bus ?? Math.ceil(next / pageBytes) * pageBytes;
    const busEnd = bus + Math.ceil(bytes / pageBytes) * pageBytes;
    expected(this.#pools.length < POOLS_MAX, `at most ${POOLS_MAX} pools`, POOLS_MAX + 1);
    expected(Number.isInteger(address) && address >= 0, "a pool's address of 0 or more", address);
    expected(Number.isInteger(bytes) && bytes > 0, "a pool of 1 byte or more", bytes);
    expected(bus % pageBytes === 0, `a bus address in steps of ${pageBytes}`, bus);
    expected(bus >= 0 && busEnd <= LAST_BUS, "a bus address of 48 bits", bus);
    const taken = this.#pools.some((pool) => bus < pool.busEnd && pool.bus < busEnd);
    expected(!taken, "a bus address that is free", bus);
    const access = options.access ?? Access.ReadWrite;
    this.#pools.push({ ...options, pageBytes, access, bus, busEnd });
    return bus;
  }

  #find(bus: number): Pool | undefined {
    for (let i = 0; i < this.#pools.length; i += 1) {
      const pool = this.#pools[i] as Pool;
      if (bus >= pool.bus && bus < pool.busEnd) return pool;
    }
    return undefined;
  }

  /** The bus address of a Wasm address, -1 when no pool holds it. */
  busAddress(address: number): number {
    const holds = ({ address: from, bytes }: Pool): boolean =>
      address >= from && address < from + bytes;
    const pool = this.#pools.find(holds);
    return pool === undefined ? -1 : pool.bus + (address - pool.address);
  }

  /** The Wasm address of a transfer, or -1: refused, counted, and `reason()` says why. */
  translate(bus: number, bytes: number, access: Access): number {
    const pool = this.#find(bus);
    if (pool === undefined) return this.#refuse("unmapped", bus, bytes);
    // Written so that no sum can round: NaN and fractions fail too.
    const offset = bus - pool.bus;
    const fits = bytes > 0 && bytes <= pool.bytes - offset && Number.isInteger(bus);
    if (!fits || !Number.isInteger(bytes)) return this.#refuse("outOfBounds", bus, bytes);
    if ((pool.access & access) !== access) return this.#refuse("permission", bus, bytes);
    return pool.address + offset;
  }

  #refuse(fault: Fault, bus: number, bytes: number): -1 {
    this.faults[fault] += 1;
    this.#fault = fault;
    this.#bus = bus;
    this.#bytes = bytes;
    return -1;
  }

  /** The last refusal as `pcie: expected ..., got ...`; undefined when there was none. */
  reason(): string | undefined {
    if (this.#fault === undefined) return undefined;
    const got = `got ${this.#bytes} bytes at 0x${this.#bus.toString(16)}`;
    const pool = this.#find(this.#bus);
    if (pool === undefined) return `pcie: expected an address of a mapped pool, ${got}`;
    const range = `0x${pool.bus.toString(16)} and ${pool.bytes} bytes on`;
    if (this.#fault === "outOfBounds") return `pcie: expected ${pool.name} at ${range}, ${got}`;
    const may = pool.access === Access.Read ? "read" : "written";
    return `pcie: expected ${pool.name} to be ${may} only, ${got}`;
  }

  /** Looks a page up as the host's IOMMU does; true when the IOTLB had it. */
  look(bus: number): boolean {
    const pool = this.#find(bus);
    const pageBytes = pool?.pageBytes ?? HUGEPAGE_2M;
    const page = bus - (bus % pageBytes);
    this.#clock += 1;
    let oldest = 0;
    for (let i = 0; i < this.#pages.length; i += 1) {
      if (this.#pages[i] === page) {
        this.#used[i] = this.#clock;
        this.hits += 1;
        return true;
      }
      if ((this.#used[i] as number) < (this.#used[oldest] as number)) oldest = i;
    }
    this.#pages[oldest] = page;
    this.#used[oldest] = this.#clock;
    this.misses += 1;
    return false;
  }
}
