/**
 * Goal: cores of one group share a memory and an instance and nothing else, and `carry` moves
 * frames between them whole or not at all (bindings/core.ts, assembly/nic/carry.ts). Method:
 * maps and guards compared, traffic in one core with an eye on the other, tables of carries with
 * the whole memory compared, and the same two stacks run in one group and with a memory each.
 */
import { expect, test, vi } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, FRAME_HEADROOM } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { type Core, CoreGroup, createCore } from "../../../bindings/core.ts";
import { brokenGuards, type LayoutOptions, PAGE } from "../../../bindings/layout.ts";
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM } from "../../../host/libtoe/constants.ts";
import { DirectNetif, joinDirect } from "../../../host/netif/direct-link.ts";
import { Burst } from "../../../host/netif/netif.ts";
import { Stack } from "../../../host/stack.ts";
import { buildFrame, streamBytes, toHex } from "../../support/frames.ts";
import { loadModule, TEST_HASH_KEY } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { FLOW_DEFAULTS, RawCore } from "../../support/raw-core.ts";

const SMALL: Partial<LayoutOptions> = {
  connections: 8,
  queueDescriptors: 16,
  chunkBytes: 1024,
  payloadBytes: 256 * 1024,
};
const LAYOUTS: readonly Partial<LayoutOptions>[] = [
  SMALL,
  { ...SMALL, connections: 20, contexts: 3 },
  { ...SMALL, frameBytes: 9216 },
];

function groupOf(layouts: readonly Partial<LayoutOptions>[]): CoreGroup {
  return new CoreGroup(loadModule(), layouts);
}

function coreIn(module: CoreGroup): Core {
  return createCore({ module, hashKey: TEST_HASH_KEY });
}

function coresOf(layouts: readonly Partial<LayoutOptions>[]): Core[] {
  const group = groupOf(layouts);
  return layouts.map(() => coreIn(group));
}

function put(core: Core, offset: number, value: number): void {
  core.view.setUint32(core.address + offset, value, true);
}

test("places follow each other from page to page and do not overlap", () => {
  const cores = coresOf(LAYOUTS);
  let end = 0;
  for (const [i, core] of cores.entries()) {
    expect(core.address).toBe(core.map.core);
    expect(i === 0 || core.address % PAGE === 0).toBe(true);
    expect(core.map.options).toMatchObject(LAYOUTS[i] as Partial<LayoutOptions>);
    for (const { name, base, bytes } of core.map.regions) {
      expect(base, name).toBeGreaterThanOrEqual(end);
      end = base + bytes + M.GUARD_BYTES;
    }
    expect(end).toBeLessThanOrEqual(core.map.pages * PAGE);
    expect(core.memory).toBe(cores[0]?.memory);
    expect(core.exports).toBe(cores[0]?.exports);
    expect(core.ints.buffer).toBe(core.memory.buffer);
  }
  expect(cores[0]?.memory.buffer.byteLength).toBe((cores.at(-1)?.map.pages ?? 0) * PAGE);
});

test("a core alone has the map that it has as the first of a group", () => {
  const alone = createCore({ module: loadModule(), layout: SMALL, hashKey: TEST_HASH_KEY });
  expect(coresOf([SMALL])[0]?.map).toEqual(alone.map);
});

/** The bytes of a core's place, from its header to the end of its last page. */
function placeOf({ bytes, map }: Core): Uint8Array {
  return bytes.slice(map.core, map.pages * PAGE);
}

/** Data in, an answer and data out; a connection that comes and goes. */
function traffic(core: Core): void {
  const raw = new RawCore(core);
  const flow = raw.establish({ mss: 500 });
  const { rxSeq, txSeq } = FLOW_DEFAULTS;
  for (let i = 0; i < 40; i += 1) {
    const seq = rxSeq + i * 200;
    raw.post(1, { txAppend: 100, rxCredit: i === 0 ? 0 : 200 });
    raw.now += 1e6;
    const payload = streamBytes(i, 200);
    const { frames } = raw.offer([buildFrame({ seq, ack: txSeq + i * 100, payload })]);
    expect(frames.length).toBe(2);
    expect(raw.notifications(1).map(({ rxBump }) => rxBump)).toEqual([200]);
  }
  expect(raw.inspect().rxNextSeq).toBe(rxSeq + 8000);
  core.exports.uninstall(core.address, flow.connection);
  core.exports.unbind(core.address, flow.connection);
  expect(raw.sequenceFaults()).toBe(0);
}

test("traffic in a core changes no byte of another's place", () => {
  const cores = coresOf(LAYOUTS);
  for (const busy of cores) {
    const before = cores.map(placeOf);
    traffic(busy);
    const changed = cores.map((core, i) => {
      const old = before[i] as Uint8Array;
      return placeOf(core).some((byte, at) => byte !== old[at]);
    });
    expect(changed).toEqual(cores.map((core) => core === busy));
  }
  for (const { view, map } of cores) expect(brokenGuards(view, map)).toEqual([]);
  for (const core of cores) {
    const [first] = core.map.regions;
    core.view.setUint32((first?.base ?? 0) + (first?.bytes ?? 0), 0, true);
    const broken = cores.map(({ view, map }) => brokenGuards(view, map).length);
    expect(broken).toEqual(cores.map((_, i) => (i <= cores.indexOf(core) ? 1 : 0)));
  }
});

const REFUSALS: readonly (readonly [name: string, act: () => unknown, text: string])[] = [
  ["no layouts", () => groupOf([]), "CoreGroup: expected 1 layout or more, got 0"],
  [
    "one core too many",
    () => {
      const group = groupOf([SMALL, SMALL]);
      return [coreIn(group), coreIn(group), coreIn(group)];
    },
    "CoreGroup: expected at most 2 cores, got one more",
  ],
  [
    "a layout beside a group",
    () => createCore({ module: groupOf([SMALL]), layout: {}, hashKey: TEST_HASH_KEY }),
    "createCore: expected no layout beside a group or executor, got one",
  ],
  [
    "a bad option of the second",
    () => groupOf([SMALL, { ...SMALL, connections: 0 }]),
    "layout: expected connections 1..1048575, got 0",
  ],
];

for (const [name, act, text] of REFUSALS) {
  test(`a group refuses ${name}`, () => {
    expect(act).toThrow(RangeError);
    expect(act).toThrow(new RangeError(text));
  });
}

test("a group refuses places that end beyond 4 GiB together", () => {
  const large = { ...SMALL, payloadBytes: 2 ** 31 };
  expect(() => groupOf([large, large])).toThrow(
    /^layout: expected all regions below 4 GiB, got \d+$/,
  );
});

test("a refused layout takes no place", () => {
  const group = groupOf([SMALL]);
  expect(() => createCore({ module: group, layout: {}, hashKey: TEST_HASH_KEY })).toThrow();
  expect(coreIn(group).address).toBe(32768);
});

/** The burst of a core as its stack sees it. */
function burstOf(core: Core, way: "ingress" | "egress"): Burst {
  const rows = way === "ingress" ? BATCH_MAX : EGRESS_FRAMES_MAX;
  const region = core.map.regions.find(({ name }) => name === way);
  const from = core.map.base[way] as number;
  const table = (core.map.base[`${way}Table`] as number) / 4;
  return new Burst(
    core.bytes.subarray(from, from + (region?.bytes ?? 0) - FRAME_HEADROOM),
    core.words.subarray(table, table + (rows * FRAME_SIZE) / 4),
    core,
  );
}

/** The first bytes of a frame. */
function head(frame: Uint8Array): string {
  return toHex(frame.subarray(0, 9));
}

function listed(burst: Burst, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const at = burst.offset(i);
    const frame = burst.bytes.subarray(at, at + burst.length(i));
    const place = `${at}+${frame.length} of ${burst.netif(i)}`;
    return `${place} ${burst.table[i * 4 + 3]} ${head(frame)}`;
  });
}

interface Carry {
  readonly name: string;
  /** Lengths of the frames in the sender's burst. */
  readonly lengths: readonly number[];
  readonly first: number;
  readonly frames: number;
  /** Lengths of the frames in the receiver's burst. */
  readonly waiting?: readonly number[];
  /** In place of what the receiver's burst says. */
  readonly rows?: number;
  readonly used?: number;
  /** Bytes that the two together take; 0 = refused. */
  readonly result: number;
}

const NETIF = 5;
const MANY = [60, 1514, 61, 1, 700];
const CAPACITY = 1536 * BATCH_MAX;
const FULL = Array.from({ length: EGRESS_FRAMES_MAX }, () => 16);
const WAITING_63 = Array.from({ length: BATCH_MAX - 1 }, () => 32);

const CARRIES: readonly Carry[] = [
  { name: "one frame", lengths: [60], first: 0, frames: 1, result: 64 },
  { name: "one frame of one byte", lengths: [1], first: 0, frames: 1, result: 16 },
  { name: "many frames", lengths: MANY, first: 0, frames: 5, result: 64 + 1520 + 64 + 16 + 704 },
  { name: "many short frames", lengths: [60, 60, 60], first: 0, frames: 3, result: 192 },
  { name: "256 bytes", lengths: [256], first: 0, frames: 1, result: 256 },
  { name: "257 bytes", lengths: [257], first: 0, frames: 1, result: 272 },
  { name: "the last two", lengths: MANY, first: 3, frames: 2, result: 16 + 704 },
  { name: "the middle one", lengths: MANY, first: 2, frames: 1, result: 64 },
  {
    name: "behind others",
    lengths: MANY,
    first: 1,
    frames: 2,
    waiting: [100, 20],
    result: 112 + 32 + 1520 + 64,
  },
  { name: "a whole batch", lengths: FULL, first: 0, frames: BATCH_MAX, result: 1024 },
  { name: "the end of the table", lengths: FULL, first: 128, frames: BATCH_MAX, result: 1024 },
  { name: "the last row", lengths: [60], first: 0, frames: 1, waiting: WAITING_63, result: 2080 },
  {
    name: "the last bytes",
    lengths: [64],
    first: 0,
    frames: 1,
    used: CAPACITY - 64,
    result: CAPACITY,
  },
  {
    name: "the last bytes, rounded up",
    lengths: [61],
    first: 0,
    frames: 1,
    used: CAPACITY - 61,
    result: CAPACITY + 3,
  },
  { name: "no frame", lengths: MANY, first: 0, frames: 0, result: 0 },
  { name: "an empty burst", lengths: [], first: 0, frames: 1, result: 0 },
  { name: "one frame more than there are", lengths: MANY, first: 0, frames: 6, result: 0 },
  { name: "frames behind the last", lengths: MANY, first: 5, frames: 1, result: 0 },
  { name: "more than are left", lengths: MANY, first: 3, frames: 3, result: 0 },
  { name: "more than a batch", lengths: FULL, first: 0, frames: BATCH_MAX + 1, result: 0 },
  { name: "more than a burst", lengths: FULL, first: 0, frames: EGRESS_FRAMES_MAX + 1, result: 0 },
  { name: "2^32 - 1 frames", lengths: MANY, first: 1, frames: 0xffffffff, result: 0 },
  { name: "frames from 2^32 - 1 on", lengths: MANY, first: 0xffffffff, frames: 2, result: 0 },
  { name: "frames from 2^32 - 2 on", lengths: MANY, first: 0xfffffffe, frames: 3, result: 0 },
  { name: "no row left", lengths: MANY, first: 0, frames: 1, rows: BATCH_MAX, result: 0 },
  { name: "one row too few", lengths: MANY, first: 0, frames: 2, waiting: WAITING_63, result: 0 },
  { name: "too many rows", lengths: MANY, first: 0, frames: 1, rows: BATCH_MAX + 1, result: 0 },
  { name: "2^32 - 1 rows", lengths: MANY, first: 0, frames: 1, rows: 0xffffffff, result: 0 },
  { name: "a byte too few", lengths: [64], first: 0, frames: 1, used: CAPACITY - 63, result: 0 },
  { name: "no byte left", lengths: [1], first: 0, frames: 1, used: CAPACITY, result: 0 },
  { name: "too many bytes", lengths: [1], first: 0, frames: 1, used: CAPACITY + 1, result: 0 },
  { name: "2^32 - 16 bytes", lengths: [1], first: 0, frames: 1, used: 0xfffffff0, result: 0 },
];

/** Two cores, the sender's egress burst and the receiver's ingress burst filled for a row. */
function prepare({ lengths, waiting = [] }: Carry): { from: Core; to: Core; ingress: Burst } {
  const [from, to] = coresOf([SMALL, SMALL]) as [Core, Core];
  const egress = burstOf(from, "egress");
  for (const [i, length] of lengths.entries()) egress.push(streamBytes(i * 5000, length), 0);
  put(from, M.CORE_EGRESS_COUNT, lengths.length);
  put(from, M.CORE_EGRESS_BYTES, egress.used);
  const ingress = burstOf(to, "ingress");
  ingress.bytes.fill(0xa5);
  for (const length of waiting) ingress.push(new Uint8Array(length).fill(0x77), 1);
  return { from, to, ingress };
}

for (const row of CARRIES) {
  test(`carry(): ${row.name}, ${row.result === 0 ? "refused" : "moved"}`, () => {
    const { from, to, ingress } = prepare(row);
    const { first, frames, result } = row;
    const used = row.used ?? ingress.used;
    const rows = row.rows ?? ingress.count;
    put(to, M.CORE_INGRESS_COUNT, rows);
    put(to, M.CORE_INGRESS_BYTES, used);
    const expected = result === 0 ? [] : listed(ingress, rows);
    const before = from.bytes.slice();
    const { carry } = from.exports;
    expect(carry(from.address, to.address, first, frames, NETIF)).toBe(result === 0 ? 0 : 1);
    if (result === 0) {
      expect(from.bytes.every((byte, at) => byte === before[at])).toBe(true);
      return;
    }
    const egress = burstOf(from, "egress");
    for (let i = 0, at = used; i < frames; i += 1) {
      const bytes = streamBytes((first + i) * 5000, row.lengths[first + i] as number);
      expect(toHex(ingress.bytes.subarray(at, at + bytes.length))).toBe(toHex(bytes));
      expected.push(`${at}+${bytes.length} of ${NETIF} 0 ${head(bytes)}`);
      at += (bytes.length + 15) & ~15;
      expect(egress.length(first + i)).toBe(bytes.length);
    }
    expect(listed(ingress, rows + frames)).toEqual(expected);
    // Nothing else has changed: not the sender's place, nor what stands around the new frames.
    const [table, span] = [ingress.table.byteOffset, ingress.bytes.byteOffset];
    const { words } = from;
    const word = (core: Core, offset: number) => words[(core.address + offset) / 4];
    const moved = row.lengths.slice(first, first + frames).reduce((sum, length) => sum + length, 0);
    expect(word(from, M.CORE_LINK_FRAMES)).toBe(frames);
    expect(word(from, M.CORE_LINK_BYTES)).toBe(moved);
    expect(word(to, M.CORE_INGRESS_COUNT)).toBe(rows + frames);
    expect(word(to, M.CORE_INGRESS_BYTES)).toBe(result);
    const within = (at: number, start: number, bytes: number) => at >= start && at < start + bytes;
    const mayChange = (at: number): boolean =>
      within(at, from.address + M.CORE_LINK_BYTES, 16) ||
      within(at, to.address + M.CORE_INGRESS_COUNT, 8) ||
      (at >= table + rows * FRAME_SIZE && at < table + (rows + frames) * FRAME_SIZE) ||
      (at >= span + used && at < span + result);
    expect(from.bytes.findIndex((byte, at) => byte !== before[at] && !mayChange(at))).toBe(-1);
    for (const { view, map } of [from, to]) expect(brokenGuards(view, map)).toEqual([]);
  });
}

/** An end of a direct link that notes every frame before it leaves the sender's burst. */
class NotedNetif extends DirectNetif {
  readonly notes: string[] = [];

  override send(burst: Burst, index: number, now: number): void {
    this.#note(burst, index, 1, now);
    super.send(burst, index, now);
  }

  override sendBurst(burst: Burst, from: number, count: number, now: number): void {
    this.#note(burst, from, count, now);
    super.sendBurst(burst, from, count, now);
  }

  #note(burst: Burst, from: number, count: number, now: number): void {
    for (let i = from; i < from + count; i += 1) {
      const at = burst.offset(i);
      this.notes.push(`${now} ${toHex(burst.bytes.subarray(at, at + burst.length(i)))}`);
    }
  }
}

type Way = "one memory" | "one memory, tapped" | "a memory each";
const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;
const LENGTHS = [1, 64, 1448, 1449, 5000, 64, 30_000, 700, 64, 64];

/** Two stacks over a direct link; each sends LENGTHS to the other, in turn and at once. */
function exchange(way: Way) {
  const group = groupOf([SMALL, SMALL]);
  const carry = vi.spyOn(group.exports, "carry");
  const taps: string[][] = [[], []];
  const tap = {
    frame: (now: number, side: number, bytes: Uint8Array, at: number, length: number) =>
      taps[side]?.push(`${now} ${toHex(bytes.subarray(at, at + length))}`),
  };
  const options = { medium: "ip", ...(way === "one memory, tapped" ? { tap } : {}) } as const;
  const links = [new NotedNetif(0, options), new NotedNetif(1, options)] as const;
  joinDirect(...links);
  const stacks = links.map((netif, side) => {
    const random = new Random(side + 1);
    return new Stack({
      ...(way === "a memory each" ? { module: loadModule(), layout: SMALL } : { module: group }),
      entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
      netifs: [{ netif, addresses: [`${HOSTS[side]}/24`] }],
    });
  }) as [Stack, Stack];
  const got = converse(stacks);
  const calls = carry.mock.calls.length;
  const moved = carry.mock.results.filter(({ value }) => value !== 0).length;
  const guards = stacks.flatMap(({ core }) => brokenGuards(core.view, core.map));
  const notes = links.map((link) => link.notes);
  const sums = links.map(({ frames, bytes }) => [frames, bytes]);
  return { got, calls, moved, guards, notes, sums, taps };
}

/** Connects, and sends until both sides have all; what each got, as one buffer. */
function converse([client, server]: readonly [Stack, Stack]): string[] {
  let now = 1e6;
  const turn = (): void => {
    now += 2000;
    const more = [client.poll(now), server.poll(now)].includes(true);
    const next = Math.min(client.nextDeadline(), server.nextDeadline());
    if (!more && next > now && next < Number.POSITIVE_INFINITY) now = next;
  };
  const type = SOCK_STREAM | SOCK_NONBLOCK;
  const listener = server.toe.socket(AF_INET, type, 0);
  expect(server.toe.bind(listener, { address: HOSTS[1], port: 80 })).toBe(0);
  expect(server.toe.listen(listener, 1)).toBe(0);
  const fd = client.toe.socket(AF_INET, type, 0);
  client.toe.connect(fd, { address: HOSTS[1], port: 80 });
  let accepted = -1;
  for (let i = 0; i < 100 && accepted < 0; i += 1) {
    turn();
    accepted = server.toe.accept(listener);
  }
  const total = LENGTHS.reduce((sum, length) => sum + length, 0);
  const endOf = ({ toe }: Stack, own: number, stream: number) => {
    const source = bytesOf(stream, total);
    return { toe, fd: own, sent: 0, got: 0, sink: new Uint8Array(total), source };
  };
  const ends = [endOf(client, fd, 1), endOf(server, accepted, 2)];
  for (let i = 0; i < 5000 && ends.some(({ got }) => got < total); i += 1) {
    for (const end of ends) {
      const length = Math.min(LENGTHS[i % LENGTHS.length] as number, total - end.sent);
      if (length > 0) end.sent += Math.max(0, end.toe.send(end.fd, end.source, end.sent, length));
      const count = end.toe.recv(end.fd, end.sink, end.got, total - end.got);
      if (count > 0) end.got += count;
    }
    turn();
  }
  expect(ends.map(({ sent, got }) => [sent, got])).toEqual(ends.map(() => [total, total]));
  return ends.map(({ sink }) => toHex(sink));
}

function bytesOf(stream: number, length: number): Uint8Array {
  return streamBytes(stream * 1_000_000, length);
}

test("two stacks in one memory exchange the same frames as with a memory each", () => {
  const together = exchange("one memory");
  const tapped = exchange("one memory, tapped");
  const apart = exchange("a memory each");
  const total = LENGTHS.reduce((sum, length) => sum + length, 0);
  expect(apart.got).toEqual([toHex(bytesOf(2, total)), toHex(bytesOf(1, total))]);
  for (const { got, notes, guards } of [together, tapped]) {
    expect(got).toEqual(apart.got);
    expect(notes).toEqual(apart.notes);
    expect(guards).toEqual([]);
  }
  expect(tapped.taps).toEqual(apart.notes);
  expect([tapped.calls, apart.calls]).toEqual([0, 0]);
  expect(together.moved).toBeGreaterThan(20);
  expect(together.moved).toBe(together.calls);
});

test("a link counts the same frames and bytes in one memory as between two", () => {
  const sizes = ({ notes }: { notes: string[][] }): number[][] =>
    notes.map((frames) => {
      const lengths = frames.map((text) => (text.split(" ")[1] as string).length / 2);
      return [frames.length, lengths.reduce((sum, length) => sum + length, 0)];
    });
  for (const way of ["a memory each", "one memory, tapped", "one memory"] as const) {
    const run = exchange(way);
    expect([way, run.sums]).toEqual([way, sizes(run)]);
  }
});
