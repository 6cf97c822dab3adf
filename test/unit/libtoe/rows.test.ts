/**
 * Goal: the sockets' rows (assembly/libtoe) do what a reference of plain objects and lists does,
 * and nothing else in memory changes. Method: the exports on rows written by hand; each result,
 * and an image of the whole memory, is compared after each call: tables, then a seeded script.
 */
import { afterEach, expect, test } from "vitest";
import * as D from "../../../bindings/abi/descriptor.ts";
import { POST_RX_LIST, POST_SIZE, POST_TX_LIST } from "../../../bindings/abi/flow-state.ts";
import { RECOVERY_SIZE } from "../../../bindings/abi/flow-state.ts";
import * as S from "../../../bindings/abi/socket.ts";
import { type Core, createCore } from "../../../bindings/core.ts";
import { brokenGuards } from "../../../bindings/layout.ts";
import { seedOf } from "../../support/env.ts";
import { loadModule, TEST_HASH_KEY } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import {
  BUFFER,
  CHUNK,
  READABLE,
  REGISTERED,
  Reference,
  WRITABLE,
  type Row,
  type Side,
} from "./rows-reference.ts";

/** A row's size times the last two falls on rows 1 and 0 again. */
const BAD_IDS = [0, 601, 602, 0x80000001, 0xffffffff, 0x04000001, 0x08000000];
const GENERATION = 7;

type Name =
  | "flush"
  | "take"
  | "put"
  | "append"
  | "consume"
  | "transmit"
  | "receive"
  | "release"
  | "forget";
type Call<First> = (first: First, ...args: number[]) => number | undefined;

const benches: Bench[] = [];
afterEach(() => {
  for (const { core } of benches.splice(0)) expect(brokenGuards(core.view, core.map)).toEqual([]);
});

/** A core and its reference, side by side; row `id` is the application's of `context`. */
class Bench {
  readonly core: Core;
  readonly reference: Reference;
  readonly random: Random;
  readonly buffers: number;
  readonly #seed: number;
  readonly #free: number[];
  calls = 0;

  constructor({ queue = 8, start = 0, seed = 0x70e5, connections = 600 } = {}) {
    const layout = { connections, contexts: 2, queueDescriptors: queue, bufferBytes: REGISTERED };
    const sizes = { chunkBytes: CHUNK, payloadBytes: 128 * CHUNK, frameBytes: 576 };
    const options = { layout: { ...layout, ...sizes }, hashKey: TEST_HASH_KEY };
    this.core = createCore({ module: loadModule(), ...options });
    const { map } = this.core;
    this.#seed = seed;
    this.random = new Random(seed);
    this.buffers = map.base.buffers as number;
    this.reference = new Reference(this.core, start);
    this.#free = Array.from({ length: 128 }, (_, i) => ((i * 37) % 128) * CHUNK);
    // Random, so that nothing can lean on zeroes.
    for (const { name, base, bytes: size } of map.regions) {
      if (!["atx", "arx", "arena", "buffers"].includes(name)) continue;
      this.reference.image.set(this.random.bytes(size), base);
    }
    this.host(() => map);
    benches.push(this);
  }

  side(context: number): Side {
    return this.reference.sides[context] as Side;
  }

  row(id: number): Row {
    return this.reference.row(id);
  }

  /** What the host or the data path writes: into the reference, the image and the memory. */
  host(change: () => unknown): void {
    change();
    this.reference.render(this.core.words);
    this.core.bytes.set(this.reference.image);
  }

  /** An open socket with buffers of its own, whose chunks do not stand side by side. */
  open(id: number, fields: Partial<Row> = {}, rxBytes = BUFFER, txBytes = BUFFER): void {
    const { chunks, words, base } = this.reference;
    const take = (bytes: number): number[] =>
      this.#free.splice(0, bytes / CHUNK).map((at) => (base.arena as number) + at);
    const own = chunks.get(id) ?? { rx: take(rxBytes), tx: take(txBytes) };
    chunks.set(id, own);
    // A record that libTOE does not look at holds the lists.
    const list = (base.recovery as number) + id * RECOVERY_SIZE;
    const post = (base.post as number) + id * POST_SIZE;
    words.set(own.rx, list >>> 2);
    words.set(own.tx, (list >>> 2) + 8);
    words.set([list, own.rx.length - 1], (post + POST_RX_LIST) >>> 2);
    words.set([list + 32, own.tx.length - 1], (post + POST_TX_LIST) >>> 2);
    const state = S.SOCKET_OPEN | S.SOCKET_SENDABLE;
    const [rxSize, txSize] = [own.rx.length * CHUNK, own.tx.length * CHUNK];
    Object.assign(this.row(id), {
      ...{ state, generation: GENERATION, cause: 0, rxAvail: 0, rxCredit: 0, txAppend: 0 },
      ...{ rxThreshold: rxSize / 4, txFree: txSize, txBytes: txSize, rxOffset: 0, txOffset: 0 },
      ...fields,
    });
    this.host(() => list);
  }

  /** The same call to both; their results and the whole memory must agree. */
  call(name: Name, context: number, ...args: number[]): number {
    const { core, reference } = this;
    const side = this.side(context);
    const wanted = (reference[name] as Call<Side>).call(reference, side, ...args);
    const got = ((core.exports[name] as Call<number>)(side.library, ...args) ?? 0) >>> 0;
    this.calls += 1;
    const what = `SEED=${this.#seed}, call ${this.calls}: ${name}(${[context, ...args]})`;
    if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`);
    reference.render(core.words);
    if (Buffer.compare(reference.image, core.bytes) === 0) return got;
    const at = core.words.findIndex((word, i) => word !== reference.words[i]);
    const region = core.map.regions.findLast(({ base }) => base <= at * 4);
    const place = `${region?.name} + ${at * 4 - (region?.base ?? 0)}`;
    throw new Error(`${what}: ${place}: expected ${reference.words[at]}, got ${core.words[at]}`);
  }

  /** A notification by the data path; false when the ring is full. */
  notify(context: number, id: number, generation = GENERATION, rx = 0, tx = 0, flags = 0): boolean {
    const side = this.side(context);
    if (side.inbox.length === this.reference.queue) return false;
    const notice = [id, generation, rx, tx, flags];
    const at = side.arx + (side.posted % this.reference.queue) * D.ARX_SIZE;
    this.reference.words.set(notice, (at + D.ARX_CONNECTION) >>> 2);
    side.posted = (side.posted + 1) >>> 0;
    this.host(() => side.inbox.push(notice));
    return true;
  }

  /** The data path reads at most `most` descriptors: connection, credit, append, flags. */
  drain(context: number, most = Infinity): number[][] {
    const side = this.side(context);
    const found = side.outbox.splice(0, most);
    side.fetched = (side.fetched + found.length) >>> 0;
    this.host(() => found);
    return found;
  }

  /** The host tells all news: connection and cause, in order. */
  dispatch(context: number): number[][] {
    const found = this.side(context)
      .ready.splice(0)
      .map((id) => [id, this.row(id).cause]);
    for (const [id = 0] of found) {
      this.row(id).cause = 0;
      this.row(id).queued &= ~S.QUEUED_READY;
    }
    this.host(() => found);
    return found;
  }
}

test("causes are poll()'s numbers", () => {
  expect([S.CAUSE_READABLE, S.CAUSE_WRITABLE]).toEqual([READABLE, WRITABLE]);
});

test("descriptors leave in the order in which sockets became dirty, each once", () => {
  const bench = new Bench();
  const order = [3, 600, 1, 2, 577];
  for (const id of order) bench.open(id);
  for (const id of [...order, 1, 3, 600]) bench.call("append", 1, id, 5, 0);
  // Credit alone waits for its threshold, then goes with the rest.
  bench.open(2, { rxAvail: 1025, txAppend: 5 });
  for (const length of [1024, 1]) bench.call("consume", 1, 2, length);
  expect(bench.call("flush", 1)).toBe(5);
  const written = "3,0,10,0 600,0,10,0 1,0,10,0 2,1025,5,0 577,0,5,0";
  expect(bench.drain(1).join(" ")).toBe(written);
  expect([bench.call("flush", 1), bench.drain(1)]).toEqual([0, []]);
});

test("a credit up to the threshold and held bytes wait; put() takes both along", () => {
  const bench = new Bench();
  bench.open(9, { rxAvail: 1030 });
  bench.call("append", 1, 9, 5, 1);
  bench.call("consume", 1, 9, 1024);
  expect([bench.call("flush", 1), bench.side(1).dirty]).toEqual([0, []]);
  expect([bench.call("put", 1, 9, 3), bench.drain(1)]).toEqual([1, [[9, 1024, 5, 3]]]);
  bench.call("consume", 1, 9, 1);
  bench.call("release", 1, 9);
  expect([bench.call("flush", 1), bench.drain(1)]).toEqual([1, [[9, 1, 0, 0]]]);
});

for (const start of [0, 0x7ffffffb, 0xfffffffb]) {
  test(`a full ATX ring keeps the rest in order, from index ${start}`, () => {
    const bench = new Bench({ start });
    const ids = Array.from({ length: 13 }, (_, i) => 600 - i);
    for (const id of ids) bench.open(id, {}, CHUNK, CHUNK);
    for (const id of ids) bench.call("append", 1, id, id, 0);
    expect(bench.call("flush", 1)).toBe(8);
    expect(bench.call("flush", 1) + bench.call("put", 1, 1, 1)).toBe(0);
    for (const id of ids) bench.call("append", 1, id, 1, 0);
    const seen: number[][] = [];
    for (let i = 0; i < 9; i += 1) {
      seen.push(...bench.drain(1, 3));
      bench.call("flush", 1);
    }
    const first = ids.map((id, i) => [id, 0, i < 8 ? id : id + 1, 0]);
    expect(seen).toEqual([...first, ...ids.slice(0, 8).map((id) => [id, 0, 1, 0])]);
  });

  test(`a full ARX ring is taken once, three times around, from index ${start}`, () => {
    const bench = new Bench({ start });
    bench.open(5);
    for (let round = 1; round <= 3; round += 1) {
      for (let i = 0; i < 8; i += 1) expect(bench.notify(1, 5, GENERATION, i + 1)).toBe(true);
      // Entries that the data path overwrote are not there to be read.
      const { posted } = bench.side(1);
      bench.host(() => Object.assign(bench.side(1), { posted: (posted + 5) >>> 0 }));
      expect([bench.call("take", 1), bench.row(5).rxAvail]).toEqual([8, 36 * round]);
      bench.host(() => Object.assign(bench.side(1), { posted }));
      expect(bench.call("take", 1)).toBe(0);
    }
  });
}

test("a socket that is not open, or has nothing to say, costs no descriptor", () => {
  const bench = new Bench();
  bench.open(1, { state: S.SOCKET_SENDABLE, txAppend: 5 });
  bench.open(2, { state: 0xfe, rxCredit: 5 });
  bench.open(3);
  bench.open(4, { rxCredit: 1 });
  for (const id of [1, 2, 3]) bench.call("release", 1, id);
  expect(bench.call("flush", 1)).toBe(0);
  for (const id of [1, 4, 3]) bench.call("release", 1, id);
  expect([bench.call("flush", 1), bench.drain(1)]).toEqual([1, [[4, 1, 0, 0]]]);
});

test("take() stops when READY_MAX sockets have news, and goes on later", () => {
  const bench = new Bench({ queue: 512 });
  const ids = Array.from({ length: S.READY_MAX + 20 }, (_, i) => 600 - i);
  for (const id of ids) Object.assign(bench.row(id), { state: 1, generation: GENERATION });
  for (const id of ids) bench.notify(1, id, GENERATION, id);
  bench.notify(1, 600, GENERATION, 1);
  expect([bench.call("take", 1), bench.call("take", 1)]).toEqual([S.READY_MAX, 0]);
  expect(bench.dispatch(1)).toEqual(ids.slice(0, S.READY_MAX).map((id) => [id, READABLE]));
  expect([bench.call("take", 1), bench.row(600).rxAvail]).toEqual([21, 601]);
  const later = [...ids.slice(S.READY_MAX), 600];
  expect(bench.dispatch(1)).toEqual(later.map((id) => [id, READABLE]));
});

test("a connection is in LIBTOE_READY once, its causes merged", () => {
  const bench = new Bench();
  bench.open(8, { txFree: 0, state: S.SOCKET_OPEN | S.SOCKET_TX_FULL });
  bench.open(9, { txFree: 5 });
  bench.notify(1, 8, GENERATION, 1);
  bench.notify(1, 9, GENERATION, 0, 2000); // it was not full: no news
  bench.notify(1, 9);
  bench.call("take", 1);
  expect(bench.side(1).ready).toEqual([8]);
  bench.notify(1, 9, GENERATION, 0, 0, D.ARX_TX_CLOSED);
  bench.notify(1, 8, GENERATION, 0, 1024);
  bench.call("take", 1);
  expect(bench.dispatch(1).join(" ")).toBe(`8,${READABLE | WRITABLE} 9,${S.CAUSE_ANYTHING}`);
  bench.notify(1, 8, GENERATION, 0, 0, D.ARX_RX_CLOSED);
  bench.call("take", 1);
  expect(bench.dispatch(1)).toEqual([[8, S.CAUSE_ANYTHING]]);
  expect(bench.row(8).state).toBe(S.SOCKET_OPEN | S.SOCKET_RX_CLOSED);
  expect(bench.row(9).state).toBe(S.SOCKET_OPEN | S.SOCKET_SENDABLE | S.SOCKET_TX_CLOSED);
});

test("ids of no row or no open one, and other generations, change nothing", () => {
  const bench = new Bench();
  bench.open(1, { rxAvail: 9 });
  bench.open(2, { state: 0xfe }); // not open
  const names = ["append", "consume", "put", "release"] as const;
  const copies = ["transmit", "receive"] as const;
  const before = bench.core.bytes.slice();
  for (const id of BAD_IDS) {
    for (const length of [0, 1, 0xffffffff]) {
      for (const name of names) bench.call(name, 1, id, length, 0);
      for (const name of copies) bench.call(name, 1, id, bench.buffers, length);
    }
  }
  expect(Buffer.compare(before, bench.core.bytes)).toBe(0);
  const odd = [0, 6, 8, 0x80000007, 0xffffffff].map((generation) => [1, generation]);
  const known = [...BAD_IDS, 2].map((id) => [id, GENERATION]);
  for (const [id = 0, generation] of [...known, ...odd]) {
    bench.notify(1, id, generation, 5, 5, 3);
    expect(bench.call("take", 1)).toBe(1);
  }
  expect([bench.side(1).ready, bench.side(1).dirty, bench.row(1).rxAvail]).toEqual([[], [], 9]);
});

test("SOCKET_RX_SHUT lets bytes go by and gives credit back at once", () => {
  const bench = new Bench();
  bench.open(4, { state: S.SOCKET_OPEN | S.SOCKET_RX_SHUT, rxOffset: BUFFER - 2 });
  let index = BUFFER - 2;
  for (const bytes of [1, 3, BUFFER]) {
    index += bytes;
    bench.notify(1, 4, GENERATION, bytes);
    expect([bench.call("take", 1), bench.side(1).ready]).toEqual([1, []]);
    expect([bench.call("flush", 1), bench.drain(1)]).toEqual([1, [[4, bytes, 0, 0]]]);
    expect([bench.row(4).rxAvail, bench.row(4).rxOffset]).toEqual([0, index]);
  }
});

test("SOCKET_TX_FULL is set when the buffer fills, and goes when a quarter is free", () => {
  for (const size of [1024, 2048, 4096]) {
    const bench = new Bench();
    bench.open(6, {}, CHUNK, size);
    const full = (): boolean => (bench.row(6).state & S.SOCKET_TX_FULL) !== 0;
    bench.call("append", 1, 6, size - 1, 1);
    expect([full(), bench.side(1).dirty]).toEqual([false, []]);
    // The last byte is held for nothing: there is no room for more.
    bench.call("append", 1, 6, 1, 1);
    expect([full(), bench.side(1).dirty]).toEqual([true, [6]]);
    for (const [tx, free, told] of [
      [size / 4 - 1, size / 4 - 1, READABLE],
      [1, size / 4, READABLE | WRITABLE],
      [1, size / 4 + 1, READABLE],
      [size, size, READABLE], // more than was appended: never beyond the buffer
      [0x7fffffff, size, READABLE],
    ] as const) {
      bench.notify(1, 6, GENERATION, 1, tx);
      bench.call("take", 1);
      const wanted = [[[6, told]], free, free < size / 4];
      expect([bench.dispatch(1), bench.row(6).txFree, full()]).toEqual(wanted);
    }
    expect(bench.call("transmit", 1, 6, bench.buffers, size + 1)).toBe(size);
    expect(full()).toBe(true);
  }
});

test("lengths beyond what is free or readable change nothing", () => {
  const bench = new Bench();
  bench.open(7, { rxAvail: 100, txFree: 50 });
  for (const more of [1, 2, 1000, 0x80000000, 0xffffff00]) {
    expect(bench.call("append", 1, 7, 50 + more, 0)).toBe(0);
    expect(bench.call("consume", 1, 7, 100 + more)).toBe(0);
  }
  expect(bench.call("append", 1, 7, 50, 0) * bench.call("consume", 1, 7, 100)).not.toBe(0);
});

/** A length that is none, few, all, one too many, any, or absurd. */
function someLength(random: Random, limit: number): number {
  const few = random.below(40);
  const any = random.below(limit + 2);
  return random.pick([0, 1, few, few, any, any, limit, limit + 1, 0x80000000, 0xffffffff]);
}

/** A socket's fields as they may be at any time; not those of the lists. */
function someFields(random: Random): Partial<Row> {
  const state = random.oneIn(3) ? random.below(64) : S.SOCKET_OPEN | S.SOCKET_SENDABLE;
  const index = (): number => random.between(1, 4) * CHUNK - random.pick([0, 1, random.below(999)]);
  const generation = random.pick([7, 0x80000001]);
  return { state, generation, rxOffset: index(), txOffset: index() };
}

const SCRIPT_IDS = [1, 2, 3, 4, 31, 32, 33, 62, 63, 64];

/** One step of the script: a call of libTOE, or what the host or the data path does. */
function step(bench: Bench, random: Random): void {
  const context = random.between(1, 2);
  const own = SCRIPT_IDS.filter((_, i) => i % 2 === context - 1);
  const id = random.oneIn(40) ? random.pick([65, ...BAD_IDS]) : random.pick(own);
  const known = bench.reference.exists(id);
  const { txFree, rxAvail, generation } = bench.row(known ? id : 1);
  const rxBytes = (bench.reference.chunks.get(known ? id : 1)?.rx.length ?? 0) * CHUNK;
  const offset = random.pick([0, 1, random.below(64), random.below(REGISTERED), REGISTERED - 9]);
  const address = bench.buffers + offset - (random.oneIn(50) ? 20 : 0);
  const steps: readonly (readonly [number, () => unknown])[] = [
    [9, () => bench.call("append", context, id, someLength(random, txFree), random.below(2))],
    [9, () => bench.call("consume", context, id, someLength(random, rxAvail))],
    [12, () => bench.call("transmit", context, id, address, someLength(random, txFree))],
    [12, () => bench.call("receive", context, id, address, someLength(random, rxAvail))],
    [2, () => bench.call("put", context, id, random.below(4))],
    [2, () => bench.call("release", context, id)],
    [1, () => bench.call("forget", context, id)],
    [10, () => bench.call("flush", context)],
    [10, () => bench.call("take", context)],
    [6, () => bench.drain(context, random.below(9))],
    [5, () => bench.dispatch(context)],
    [1, () => known && bench.open(id, someFields(random))],
    [1, () => known && bench.host(() => Object.assign(bench.row(id), { state: random.below(64) }))],
  ];
  const notices = random.oneIn(3) ? random.below(4) : 0;
  for (let i = 0; i < notices; i += 1) {
    const tx = random.oneIn(3) ? someLength(random, BUFFER - txFree) % 0x80000000 : 0;
    const rx = random.below(Math.max(0, rxBytes - rxAvail) / 4 + 1);
    const named = random.oneIn(20) ? random.u32() : generation;
    bench.notify(context, id, named, rx, tx, random.oneIn(9) ? random.below(4) : 0);
  }
  random.pick(steps.flatMap(([weight, run]) => Array.from({ length: weight }, () => run)))();
}

test("20,000 random steps leave what the reference leaves", () => {
  const seed = seedOf(0x70e5);
  const bench = new Bench({ seed, start: 0xffffff00, connections: 64 });
  const { random } = bench;
  for (const id of SCRIPT_IDS) {
    bench.open(id, someFields(random), CHUNK << random.below(3), CHUNK << random.below(3));
  }
  while (bench.calls < 20000) step(bench, random);
});
