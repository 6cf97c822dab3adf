/**
 * Goal: the control plane's small parts, each by itself: keyed hash, ISNs, ports, routes, rows,
 * commands, path MTU, token bucket, profiles. Method: published vectors, tables, seeded draws.
 */
import { describe, expect, test } from "vitest";
import * as D from "../../../bindings/abi/descriptor.ts";
import { CORE_CONTEXT_TABLE } from "../../../bindings/abi/memory-map.ts";
import { CommandQueue } from "../../../host/control-plane/command-queue.ts";
import { bufferShift, windowScale } from "../../../host/control-plane/connection-options.ts";
import { EphemeralPorts } from "../../../host/control-plane/ephemeral-port.ts";
import { InitialSequence } from "../../../host/control-plane/initial-sequence.ts";
import { KeyedHash } from "../../../host/control-plane/keyed-hash.ts";
import { PathMtuCache, reportedMtu } from "../../../host/control-plane/path-mtu.ts";
import { profile } from "../../../host/control-plane/profile.ts";
import { RouteTable, type NetifConfig } from "../../../host/control-plane/route.ts";
import { ROW_GENERATION, RowList, RowTable } from "../../../host/control-plane/row-table.ts";
import { TokenBucket } from "../../../host/control-plane/token-bucket.ts";
import type { Netif } from "../../../host/netif/netif.ts";
import { testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

describe("SipHash-2-4", () => {
  // From the appendix of the definition: key 00..0f, message 00, 01, 02, ...
  const vectors: [words: number, hash: string][] = [
    [0, "310e0edd47db6f72"],
    [1, "b7877127e09427cf"],
    [2, "6224939a79f5f593"],
    [3, "fbe50e86bc8f1e75"],
  ];
  test.each(vectors)("%d words", (count, expected) => {
    const words = Uint32Array.from([0x03020100, 0x07060504, 0x0b0a0908]);
    const hash = new KeyedHash(KEY);
    hash.hash(words, count);
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, hash.low, true);
    view.setUint32(4, hash.high, true);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(hex).toBe(expected);
  });

  test("a key of another length is refused", () => {
    expect(() => new KeyedHash(new Uint8Array(8))).toThrow("expected a key of 16 bytes, got 8");
  });
});

describe("initial sequence numbers (RFC 6528)", () => {
  test("MUST-8, SHLD-1, ISN-1: one step per 4 us for the same tuple, across the wrap", () => {
    const sequence = new InitialSequence(new KeyedHash(KEY));
    const first = sequence.choose(1, 2, 3, 0);
    expect((sequence.choose(1, 2, 3, 4000) - first) >>> 0).toBe(1);
    expect((sequence.choose(1, 2, 3, 4000 * 2 ** 32) - first) >>> 0).toBe(0);
    expect((sequence.choose(1, 2, 3, 1e15) - first) >>> 0).toBe(250e9 % 2 ** 32);
  });

  test("MUST-9, SHLD-1, ISN-1, ISN-4: other tuples and other keys have unrelated numbers", () => {
    const sequence = new InitialSequence(new KeyedHash(KEY));
    const buckets = new Uint32Array(256);
    const draws = 65536;
    for (let port = 0; port < draws; port += 1) {
      const isn = sequence.choose(0x0a000001, 0x0a000002, port, 0);
      buckets[isn >>> 24] = (buckets[isn >>> 24] as number) + 1;
    }
    const mean = draws / 256;
    const chi = buckets.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    // 255 degrees of freedom: the 99.9 % point is 330.5.
    expect(chi).toBeLessThan(330.5);
    const other = new InitialSequence(new KeyedHash(KEY.toReversed()));
    expect(other.choose(1, 2, 3, 0)).not.toBe(sequence.choose(1, 2, 3, 0));
    expect(other.timestampOffset).not.toBe(sequence.timestampOffset);
  });
});

describe("ephemeral ports (RFC 6056)", () => {
  const ports = (low: number, high: number): EphemeralPorts => {
    const random = new Random(3);
    const entropy = (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length));
    return new EphemeralPorts(new KeyedHash(KEY), entropy, { low, high });
  };

  test("every port of the range once, then 0", () => {
    const chooser = ports(40000, 40099);
    chooser.first(1, 2, 80);
    for (let begin = 0; begin < 3; begin += 1) {
      const offered = [chooser.first(1, 2, 80)];
      for (let port = chooser.next(); port !== 0; port = chooser.next()) offered.push(port);
      const sorted = offered.sort((one, other) => one - other);
      expect(sorted).toEqual(Array.from({ length: 100 }, (_, i) => 40000 + i));
      expect(chooser.next()).toBe(0);
    }
  });

  test("PORT-3: the step that one remote sees tells nothing of another's start", () => {
    const chooser = ports(1024, 65535);
    const starts = new Set<number>();
    for (let remote = 0; remote < 100; remote += 1) {
      starts.add(chooser.first(1, remote, 80));
    }
    expect(starts.size).toBeGreaterThan(95);
  });

  test.each([
    [80, 90],
    [1024, 65536],
    [2000, 1999],
    [1024.5, 2000],
  ])("range %d..%d is refused", (low, high) => {
    expect(() => ports(low, high)).toThrow(/expected 1024 <= low <= high <= 65535, got/);
  });
});

function netif(mtu = 1500): Netif {
  return {
    name: "x",
    medium: "ethernet",
    mtu,
    hardwareAddress: Uint8Array.from([2, 0, 0, 0, 0, 1]),
    attach: () => undefined,
    credit: () => 0,
    send: () => undefined,
    receive: () => undefined,
    nextDeadline: () => Infinity,
  };
}

const ip = (text: string): number => {
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
};

describe("routes", () => {
  const table = new RouteTable();
  table.add({ netif: netif(), index: 0, addresses: ["10.0.0.1/24", "10.0.1.1/25"] });
  table.add({
    netif: netif(),
    index: 1,
    addresses: ["10.1.0.1/16"],
    gateway: "10.1.0.254",
    routes: [{ prefix: "10.0.0.128/25", gateway: "10.1.0.253" }],
  });
  const rows: [destination: string, netif: number, gateway: string, source: string][] = [
    ["10.0.0.5", 0, "0.0.0.0", "10.0.0.1"],
    ["10.0.0.127", 0, "0.0.0.0", "10.0.0.1"],
    ["10.0.0.128", 1, "10.1.0.253", "10.1.0.1"],
    ["10.0.1.5", 0, "0.0.0.0", "10.0.1.1"],
    ["10.0.1.200", 1, "10.1.0.254", "10.1.0.1"],
    ["10.1.9.9", 1, "0.0.0.0", "10.1.0.1"],
    ["255.0.0.1", 1, "10.1.0.254", "10.1.0.1"],
  ];
  test.each(rows)("the longest prefix wins for %s", (destination, index, gateway, source) => {
    const route = table.lookup(ip(destination));
    expect(route?.via.index).toBe(index);
    expect(route?.gateway).toBe(ip(gateway));
    expect(route?.source).toBe(ip(source));
  });

  test("own, broadcast and peer addresses", () => {
    expect(table.isOwn(ip("10.0.1.1"))).toBe(true);
    expect(table.isOwn(ip("10.0.1.2"))).toBe(false);
    expect(table.isBroadcast(ip("10.0.0.255"))).toBe(true);
    expect(table.isBroadcast(ip("10.0.1.127"))).toBe(true);
    expect(table.isPeer(ip("10.0.1.2"))).toBe(true);
    for (const address of ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1"]) {
      expect(table.isPeer(ip(address)), address).toBe(false);
    }
  });

  const bad: [name: string, config: Partial<NetifConfig>, message: RegExp][] = [
    ["index 8", { index: 8 }, /expected index 0\.\.7, got 8/],
    ["index in use", { index: 0 }, /expected an unused index, got 0/],
    ["no address", { addresses: [] }, /expected at least one address, got 0/],
    ["no prefix", { addresses: ["10.2.0.1"] }, /expected "a.b.c.d\/0..32", got "10.2.0.1"/],
    ["prefix 33", { addresses: ["10.2.0.1/33"] }, /got "10.2.0.1\/33"/],
    ["text", { addresses: ["10.2.0/24"] }, /expected an IPv4 address, got "10.2.0"/],
    ["multicast", { addresses: ["224.0.0.1/4"] }, /expected a unicast address/],
    ["address in use", { addresses: ["10.0.0.1/8"] }, /got one in use/],
    ["far gateway", { gateway: "10.9.0.1" }, /expected a gateway on the link, got 10.9.0.1/],
    ["mtu 67", { netif: netif(67) }, /expected mtu 68..65535, got 67/],
  ];
  test.each(bad)("addNetif refuses %s", (_name, change, message) => {
    const config = { netif: netif(), index: 5, addresses: ["10.2.0.1/24"], ...change };
    expect(() => table.add(config)).toThrow(message);
    expect(table.at(5)).toBeUndefined();
  });

  test("RFC 4007, 6: a link-local address is one of its link alone", () => {
    const other = new RouteTable();
    other.add({ netif: netif(), index: 0, addresses: ["fe80::1/64"] });
    other.add({ netif: netif(), index: 1, addresses: ["fd00::1/64"] });
    expect(other.addAddress(1, "fe80::1/64")).toEqual([]);
    for (const text of ["fe80::1/64", "fd00::1/64"]) {
      expect(() => other.addAddress(1, text)).toThrow(/got one in use/);
    }
    expect(() => other.addAddress(0, "fd00::1/64")).toThrow(/got one in use/);
    other.removeAddress(1, 0xfe80_0000_0000_0000_0000_0000_0000_0001n);
    expect(other.isOwn(0xfe80_0000_0000_0000_0000_0000_0000_0001n)).toBe(true);
  });

  test("remove takes routes and addresses along", () => {
    const other = new RouteTable();
    other.add({ netif: netif(), index: 0, addresses: ["10.0.0.1/24"], gateway: "10.0.0.2" });
    other.remove(0);
    expect(other.lookup(ip("10.0.0.2"))).toBeUndefined();
    expect(other.isOwn(ip("10.0.0.1"))).toBe(false);
  });
});

describe("rows", () => {
  test("the row freed last is reused first, with a new generation", () => {
    const rows = new RowTable(4);
    expect([rows.allocate(), rows.allocate(), rows.allocate(), rows.allocate()]).toEqual([
      1, 2, 3, 0,
    ]);
    rows.release(2);
    rows.release(1);
    expect(rows.used).toBe(1);
    expect([rows.allocate(), rows.allocate()]).toEqual([1, 2]);
    expect(rows.get(2, ROW_GENERATION)).toBe(2);
    expect(rows.get(3, ROW_GENERATION)).toBe(1);
    for (let i = 0; i < 1000; i += 1) {
      rows.release(3);
      expect(rows.allocate()).toBe(3);
    }
    expect(rows.isUsed(0)).toBe(false);
    expect(rows.isUsed(4)).toBe(false);
  });

  test("a list keeps its order whatever is removed", () => {
    const rows = new RowTable(8);
    const list = new RowList(rows);
    for (let i = 0; i < 5; i += 1) list.append(rows.allocate());
    list.remove(3);
    list.remove(1);
    list.remove(5);
    expect([list.first, list.length]).toEqual([2, 2]);
    list.append(1);
    list.remove(2);
    list.remove(4);
    expect([list.first, list.length]).toEqual([1, 1]);
    list.remove(1);
    expect([list.first, list.length]).toEqual([0, 0]);
  });
});

test("commands beyond the ring wait in order and are not lost", () => {
  const core = testCore({ queueDescriptors: 4 });
  const queue = new CommandQueue(core, { due: false });
  const record = (core.words[(core.address + CORE_CONTEXT_TABLE) >>> 2] as number) >>> 2;
  const base = (core.words[record + D.CONTEXT_ATX_BASE / 4] as number) >>> 2;
  for (let i = 1; i <= 10; i += 1) expect(queue.push(i, 1, D.AtxOpcode.Acknowledge)).toBe(true);
  expect(queue.waiting).toBe(6);
  const seen: number[] = [];
  for (let turn = 0; turn < 10; turn += 1) {
    const consumer = core.words[record + D.CONTEXT_ATX_CONSUMER / 4] as number;
    seen.push(core.words[base + (consumer & 3) * (D.ATX_SIZE / 4)] as number);
    core.words[record + D.CONTEXT_ATX_CONSUMER / 4] = consumer + 1;
    queue.drain();
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  for (let i = 0; i < 4100; i += 1) {
    const fits = i < 4 + 4096;
    expect(queue.push(i, 1, D.AtxOpcode.Acknowledge)).toBe(fits);
  }
});

const BUFFERS: [bytes: number, shift: number, scale: number][] = [
  [0, 14, 0],
  [Number.NaN, 14, 0],
  [1, 14, 0],
  [16384, 14, 0],
  [16385, 15, 0],
  [65535, 16, 1],
  [65536, 16, 1],
  [1 << 20, 20, 5],
  [2 ** 40, 25, 10],
  [Infinity, 25, 10],
];

test.each(BUFFERS)("a buffer of %d bytes", (bytes, shift, scale) => {
  expect(bufferShift(bytes, 16384)).toBe(shift);
  expect(windowScale(shift)).toBe(scale);
  expect(2 ** shift / 2 ** scale).toBeLessThanOrEqual(65535);
});

test("path MTU: plateaus, floor, lifetime, bound", () => {
  expect(reportedMtu(1400, 1500)).toBe(1400);
  expect(reportedMtu(0, 1500)).toBe(1492);
  expect(reportedMtu(0, 1492)).toBe(1006);
  expect(reportedMtu(0, 68)).toBe(68);
  expect(reportedMtu(1, 1500)).toBe(68);
  const cache = new PathMtuCache();
  cache.lower(1, 1000, 0);
  expect(cache.lookup(1, 1500, 1e9)).toBe(1000);
  expect(cache.lookup(1, 900, 1e9)).toBe(900);
  expect(cache.lookup(2, 1500, 1e9)).toBe(1500);
  expect(cache.lookup(1, 1500, 601e9)).toBe(1500);
  for (let i = 0; i < 300; i += 1) cache.lower(i, 500, 0);
  expect(cache.lookup(43, 1500, 0)).toBe(1500);
  expect(cache.lookup(44, 1500, 0)).toBe(500);
});

test("a token bucket gives its burst, then its rate; time never runs back", () => {
  const bucket = new TokenBucket(10, 3);
  const take = (now: number, times: number): number => {
    let taken = 0;
    for (let i = 0; i < times; i += 1) if (bucket.take(now)) taken += 1;
    return taken;
  };
  expect(take(0, 10)).toBe(3);
  expect(take(0.1e9, 10)).toBe(1);
  expect(take(0, 10)).toBe(0);
  expect(take(100e9, 10)).toBe(3);
});

test("profiles by name", () => {
  expect(profile("internet")).toMatchObject({ rtoMin: 200e6, initialWindow: 10, synRetries: 6 });
  expect(profile("rfc")).toMatchObject({ rtoMin: 1e9, rtoInitial: 1e9, timeWait: 240e9 });
  expect(profile("paper")).toMatchObject({ goBackN: true, intervals: 1, ackThreshold: 1 });
  expect(profile("datacenter")).toMatchObject({ ecn: true, algorithm: 3 });
  expect(profile("linux").delayedAck).toBe(40e6);
  const names = "internet|rfc|linux|datacenter|paper|paper-sack";
  expect(() => profile("toString")).toThrow(`expected ${names}, got "toString"`);
  const { name, ...sack } = profile("paper-sack");
  expect(name).toBe("paper-sack");
  // 5.5.4.3: the same but for what repairs a loss.
  expect({ ...sack, name: "paper", goBackN: true }).toEqual(profile("paper"));
  expect(sack).toMatchObject({ intervals: 1, sack: true, goBackN: false, rack: false });
});
