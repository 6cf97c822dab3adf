/**
 * Goal: a datagram in pieces arrives whole or not at all, whatever the order, and no sequence of
 * fragments takes more memory than was asked for. Method: bursts through the netif, and byte for
 * byte what comes out.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { onesSum } from "../../support/frames.ts";
import { fragmentsOf } from "../../support/fragments.ts";
import { datagram, Wire } from "../../support/reassembly-wire.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";

const SECOND = 1e9;

describe.each([
  ["ip", 0, {}],
  ["ethernet", 14, {}],
  ["ethernet, tagged", 18, { tag: 5 }],
] as const)("over %s", (name, link, fields) => {
  const medium = name === "ip" ? "ip" : "ethernet";
  test.each([8, 64, 504, 1480])("pieces of %d bytes become what they were", (bytes) => {
    const whole = datagram(1400, { ...fields, medium, ipOptions: [1, 1, 1, 1] });
    const wire = new Wire({}, medium, 256);
    expect(wire.arrive(fragmentsOf(whole, link, bytes))).toEqual([whole]);
    expect(wire.netif.counters.reassembled).toBe(bytes < 1420 ? 1 : 0);
  });
});

test("any order, any interleaving, some of it twice", () => {
  const seed = seedOf(5);
  const random = new Random(seed);
  const wholes = [1, 2, 3, 4].map((identification) => datagram(3000, { identification }));
  const pieces = wholes.flatMap((whole) => fragmentsOf(whole, 0, 256));
  const order = [...pieces, ...pieces.filter(() => random.oneIn(5))]
    .map((piece) => ({ piece, at: random.u32() }))
    .sort((a, b) => a.at - b.at);
  const wire = new Wire({ datagrams: 8 });
  const out = order.flatMap(({ piece }) => wire.arrive([piece]));
  for (const whole of wholes) expect(out, `SEED=${seed}`).toContainEqual(whole);
  expect(out).toHaveLength(4);
});

test("other frames pass, in their order", () => {
  const [a, b] = fragmentsOf(datagram(200), 0, 120);
  const plain = [1, 2, 3].map((seq) => datagram(10, { seq }));
  const [x, y, z] = plain;
  const frames = [x, a, y, b, z] as Uint8Array[];
  // The whole takes the place of its last piece.
  expect(new Wire().arrive(frames)).toEqual([x, y, datagram(200), z]);
});

test("what is no sound fragment is left to the data path, which says why it drops it", () => {
  const [piece] = fragmentsOf(datagram(200), 0, 104) as [Uint8Array];
  const cut = piece.slice(0, 60);
  const unsound = piece.slice();
  unsound[10] = (unsound[10] as number) ^ 1;
  const odd = fragmentsOf(datagram(200), 0, 100)[0] as Uint8Array;
  const wire = new Wire();
  expect(wire.arrive([cut, unsound, odd])).toEqual([cut, unsound, odd]);
  expect(wire.netif.counters.fragments).toBe(0);
});

test("pieces that overlap end the datagram; so do two ends", () => {
  const whole = datagram(400);
  const [first, second, third] = fragmentsOf(whole, 0, 144) as [Uint8Array, Uint8Array, Uint8Array];
  const shifted = second.slice();
  shifted[7] = (shifted[7] as number) - 1;
  shifted[10] = 0;
  shifted[11] = 0;
  const sum = ~onesSum(shifted.subarray(0, 20)) & 0xffff;
  shifted.set([sum >>> 8, sum & 255], 10);
  const wire = new Wire();
  expect(wire.arrive([first, shifted, third])).toEqual([]);
  expect(wire.netif.counters.contradictory).toBe(1);
  const short = fragmentsOf(datagram(300), 0, 144).at(-1) as Uint8Array;
  const other = new Wire();
  expect(other.arrive([third, short, first, second])).toEqual([]);
  expect(other.netif.counters.contradictory).toBe(1);
});

test("RFC 1122 3.3.2: what is incomplete for 60 s is forgotten", () => {
  const [first, second] = fragmentsOf(datagram(200), 0, 144) as [Uint8Array, Uint8Array];
  const wire = new Wire();
  expect(wire.arrive([first], SECOND)).toEqual([]);
  expect(wire.arrive([second], 61 * SECOND)).toEqual([]);
  expect(wire.netif.counters).toMatchObject({ timedOut: 1, reassembled: 0 });
  const late = new Wire();
  late.arrive([first], SECOND);
  expect(late.arrive([second], 60.9 * SECOND)).toEqual([datagram(200)]);
});

test("a flood of first pieces takes the room of the oldest, and no more memory", () => {
  const wire = new Wire({ datagrams: 4 });
  const pairs = Array.from({ length: 100 }, (_, i) =>
    fragmentsOf(datagram(200, { identification: i }), 0, 144),
  );
  wire.arrive(pairs.slice(0, 60).map(([first]) => first as Uint8Array));
  const seconds = pairs.slice(0, 60).map(([, second]) => second as Uint8Array);
  // The last four are there; a second piece of an older one takes a place first.
  expect(wire.arrive(seconds.slice(56))).toHaveLength(4);
  expect(wire.netif.counters).toMatchObject({ evicted: 56, reassembled: 4 });
});

describe("slots within one burst", () => {
  const many = (count: number, bytes = 200): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => datagram(bytes, { identification: i }));
  const piecesOf = (wholes: readonly Uint8Array[]): Uint8Array[] =>
    wholes.flatMap((whole) => fragmentsOf(whole, 0, 144));

  test("what is whole leaves its slot at once: twice as many as there are slots", () => {
    const wholes = many(32);
    const wire = new Wire();
    expect(wire.arrive(piecesOf(wholes))).toEqual(wholes);
    expect(wire.netif.counters).toMatchObject({ reassembled: 32, evicted: 0, repeated: 0 });
  });

  test("nothing incomplete goes for what is only on its way out", () => {
    const [waiting, ...others] = many(4);
    const [first, last] = fragmentsOf(waiting as Uint8Array, 0, 144) as [Uint8Array, Uint8Array];
    const wire = new Wire({ datagrams: 2 });
    expect(wire.arrive([first, ...piecesOf(others)])).toEqual(others);
    expect(wire.arrive([last])).toEqual([waiting]);
    expect(wire.netif.counters.evicted).toBe(0);
  });

  test("a piece for which there is no slot counts with its reason", () => {
    const wire = new Wire({ datagrams: 1 }, "ip", 3);
    const told: number[] = [];
    wire.netif.onDropped((reason) => told.push(reason));
    const whole = datagram(2500, { identification: 9 });
    const [first, second] = fragmentsOf(whole, 0, 1480) as [Uint8Array, Uint8Array];
    wire.arrive([first]);
    // Behind these three there is no room for the whole.
    const [other] = piecesOf(many(1)) as [Uint8Array];
    const plain = datagram(2500);
    expect(wire.arrive([second, plain, other])).toEqual([plain]);
    expect(wire.netif.counters).toMatchObject({ evicted: 1, repeated: 0 });
    expect(told).toEqual([DropReason.FragmentLimit]);
    expect(wire.arrive([])).toEqual([whole]);
  });
});

test("a datagram longer than was asked for is dropped, one of all bytes is not", () => {
  const wire = new Wire({ bytes: 512 });
  expect(wire.arrive(fragmentsOf(datagram(600), 0, 256))).toEqual([]);
  expect(wire.netif.counters.tooLong).toBeGreaterThan(0);
  const most = datagram(65535 - 40);
  const [whole] = new Wire({}, "ip", 256).arrive(fragmentsOf(most, 0, 1480));
  expect(Buffer.compare(whole as Uint8Array, most)).toBe(0);
});

test("pieces leave no trace in a burst that nobody clears", () => {
  const wire = new Wire({}, "ip", 4);
  const pieces = fragmentsOf(datagram(8000), 0, 1000);
  const plain = datagram(100);
  wire.queue.push(plain, ...pieces);
  for (let turn = 0; turn < 4; turn += 1) wire.netif.receive(0);
  expect(wire.queue).toEqual([]);
  expect([wire.ingress.count, wire.ingress.used]).toEqual([2, 144 + 8048]);
});

test("a burst without room keeps it for the next one", () => {
  const whole = datagram(2500);
  const wire = new Wire({}, "ip", 2);
  const [first, second] = fragmentsOf(whole, 0, 1480) as [Uint8Array, Uint8Array];
  expect(wire.arrive([first])).toEqual([]);
  const plain = datagram(1400);
  expect(wire.arrive([second, plain])).toEqual([plain]);
  expect(wire.netif.nextDeadline()).toBe(0);
  expect(wire.arrive([])).toEqual([whole]);
  expect(wire.netif.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  [{ datagrams: 0 }, "reassembler.datagrams: expected 1..1024, got 0"],
  [{ datagrams: 1.5 }, "reassembler.datagrams: expected 1..1024, got 1.5"],
  [{ bytes: 65516 }, "reassembler.bytes: expected 8..65515, got 65516"],
] as const)("%j is refused", (options, message) => {
  expect(() => new Wire(options)).toThrow(message);
});
