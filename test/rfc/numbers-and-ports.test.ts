/** RFC 6528 and RFC 6056: initial sequence numbers, ephemeral ports. */
import { describe, expect, test } from "vitest";
import { EphemeralPorts, PORT_RANGE_DEFAULT } from "../../host/control-plane/ephemeral-port.ts";
import { InitialSequence } from "../../host/control-plane/initial-sequence.ts";
import { KeyedHash } from "../../host/control-plane/keyed-hash.ts";
import { ERRNO } from "../../host/errors.ts";
import { IPPROTO_TCP, TCP_USER_TIMEOUT } from "../../host/libtoe/constants.ts";
import type { Stack } from "../../host/stack.ts";
import { OOO_INTERVALS_MAX, SACK_BLOCKS_MAX } from "../../bindings/abi/limits.ts";
import { dataPathUnderTest } from "../support/env.ts";
import { SYN } from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

/** ISN of the SYN-ACK that a stack of this seed gives to one SYN. */
function isn(seed: number): number {
  const peer = new ScriptedPeer({ seed });
  peer.listen(80);
  return peer.send({ seq: 1, flags: SYN })[0]?.seq ?? -1;
}

test("ISN-2: the key is entropy of the host's, of 128 bits; nothing else decides", () => {
  expect(isn(1)).toBe(isn(1));
  expect(new Set(Array.from({ length: 50 }, (_, seed) => isn(seed + 1))).size).toBe(50);
  for (const length of [0, 8, 15, 17]) {
    expect(() => new KeyedHash(new Uint8Array(length))).toThrow("expected a key of 16 bytes");
  }
});

/** A stack, and what entropy it asked for. */
function watchedStack(): { stack: Stack; asked: Uint8Array[] } {
  const random = new Random(7);
  const asked: Uint8Array[] = [];
  const entropy = (bytes: Uint8Array): void => {
    bytes.set(random.bytes(bytes.length));
    asked.push(bytes.slice());
  };
  return { stack: new ScriptedPeer({ entropy }).stack, asked };
}

test("ISN-5: one key for a stack, which is nowhere in the module's memory", () => {
  const { stack, asked } = watchedStack();
  const keys = asked.filter(({ length }) => length === 32);
  expect(keys).toHaveLength(1);
  const key = keys[0] as Uint8Array;
  const { bytes } = stack.core;
  const stands = (part: Uint8Array): boolean => {
    for (let at = bytes.indexOf(part[0] as number); at >= 0; ) {
      if (part.every((byte, i) => bytes[at + i] === byte)) return true;
      at = bytes.indexOf(part[0] as number, at + 1);
    }
    return false;
  };
  for (let at = 0; at < 32; at += 8) expect(stands(key.subarray(at, at + 8))).toBe(false);
});

test("ISN-6: without a source of entropy there is no stack", () => {
  // From the first, and for the key of ISNs and ports alone.
  for (const length of [16, 32]) {
    const entropy = (bytes: Uint8Array): void => {
      if (bytes.length === length) throw new Error("no entropy");
      bytes.fill(7);
    };
    expect(() => new ScriptedPeer({ entropy })).toThrow("no entropy");
  }
});

test("ISN-7: the key does not change while a stack lives", () => {
  const { stack, asked } = watchedStack();
  const before = asked.length;
  for (let hour = 1; hour < 50; hour += 1) stack.poll(hour * 3600e9);
  expect(asked).toHaveLength(before);
  const sequence = new InitialSequence(new KeyedHash(KEY));
  const first = sequence.choose(1, 2, 3, 0);
  for (let hour = 1; hour < 50; hour += 1) {
    // The clock alone: one for each 4 us.
    const moved = (sequence.choose(1, 2, 3, hour * 3600e9) - first) >>> 0;
    expect(moved).toBe((hour * 900_000_000) % 2 ** 32);
  }
});

describe.each(STARTS)("from ISN %d", (start) => {
  test("ISN-3: a tuple opened again begins beyond what it used, also after TIME-WAIT", () => {
    const c = new RawConnection(start);
    c.endFirst();
    c.pass(241e9, 1e9);
    expect(c.state).toBe("CLOSED");
    const [answer] = c.peer.send({ seq: 5, flags: SYN });
    const distance = ((answer?.seq ?? 0) - c.ack) >>> 0;
    expect(distance).toBeGreaterThan(0);
    expect(distance).toBeLessThan(0x80000000);
  });

  test("MS-2: an MSS of nothing or next to it is raised, and data moves", () => {
    for (const mss of [0, 1, 47]) {
      const c = new RawConnection(start, { syn: [2, 4, 0, mss] });
      const sent = c.write(100);
      expect(sent.map(({ payloadLength }) => payloadLength)).toEqual([48, 48]);
    }
  });

  test("UTO-2: option 28 is ignored where it is not switched on", () => {
    for (const value of [0, 1, 0x7fff, 0x8001]) {
      const option = [28, 4, value >>> 8, value & 255];
      const c = new RawConnection(start, { syn: [...option, 2, 4, 3, 232], later: option });
      c.data(100, { options: option });
      expect(c.read()).toHaveLength(100);
      expect(c.write(1000).map(({ payloadLength }) => payloadLength)).toEqual([1000]);
      // Five minutes, as without the option.
      c.pass(290e9, 5e8);
      expect(c.state).toBe("ESTABLISHED");
    }
  });

  test("UTO-4: the application's own timeout stands, whatever the peer's option says", () => {
    const minutes = [28, 4, 0x80, 60];
    const c = new RawConnection(start, { syn: [2, 4, 3, 232, ...minutes], later: minutes });
    c.toe.setsockopt(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 2000);
    c.data(100, { options: minutes });
    c.write(10);
    c.pass(1.9e9);
    expect(c.state).toBe("ESTABLISHED");
    c.pass(0.2e9);
    expect(c.state).toBe("CLOSED");
  });

  test("SK-23: what a block has told of is never thrown away", () => {
    const c = new RawConnection(start, { syn: [2, 4, 3, 232, 1, 1, 4, 2] });
    const told: (readonly [number, number])[][] = [];
    const high = Array.from({ length: OOO_INTERVALS_MAX }, (_, i) => 12 + 2 * i);
    const runs = [8, 6, 4, 2, ...high];
    for (const run of runs) {
      const seq = (c.seq + run * 100) >>> 0;
      told.push(...c.send({ seq, payload: new Uint8Array(100) }).map(({ sack }) => [...sack]));
    }
    expect(told).toHaveLength(runs.length);
    // Runs beyond those that are kept find no room, and are not reported.
    const count = dataPathUnderTest() === "laminar" ? 1 : OOO_INTERVALS_MAX;
    const kept = runs.slice(0, count);
    expect(told[count - 1]).toHaveLength(Math.min(count, SACK_BLOCKS_MAX));
    for (const blocks of told.slice(count)) expect(blocks).toEqual(told[count - 1]);
    // Everything but what was told: one ACK of all.
    const last = Math.max(...kept);
    for (let run = 0; run < last; run += 1) {
      if (kept.includes(run)) continue;
      const seq = (c.seq + run * 100) >>> 0;
      c.send({ seq, payload: new Uint8Array(100) });
    }
    expect(c.send({ seq: (c.seq - 1) >>> 0, payload: new Uint8Array(1) })[0]?.ack).toBe(
      (c.seq + (last + 1) * 100) >>> 0,
    );
  });
});

function ports(low: number, high: number): EphemeralPorts {
  const random = new Random(3);
  const entropy = (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length));
  return new EphemeralPorts(new KeyedHash(KEY), entropy, { low, high });
}

test("PORT-1: ports are of a wide range, and where they begin is hidden", () => {
  const { low, high } = PORT_RANGE_DEFAULT;
  expect([low >= 1024, high, high - low >= 32768]).toEqual([true, 65535, true]);
  const chooser = ports(low, high);
  const firsts = Array.from({ length: 64 }, (_, remote) => chooser.first(1, remote, 80));
  expect(firsts.every((port) => port >= low && port <= high)).toBe(true);
  const steps = firsts.slice(1).map((port, i) => Math.abs(port - (firsts[i] as number)));
  expect(steps.filter((step) => step < 64).length).toBeLessThan(4);
});

test("PORT-4: ports that services use are not among them", () => {
  const { low } = PORT_RANGE_DEFAULT;
  for (const service of [1433, 3306, 5432, 6379, 8080, 8443, 9200, 11211]) {
    expect(service).toBeLessThan(low);
  }
});

test("PORT-6, PORT-7: one after the other, so that what was used last comes last", () => {
  const chooser = ports(40000, 40099);
  const seen = Array.from({ length: 200 }, () => chooser.first(1, 2, 80));
  expect(new Set(seen.slice(0, 100)).size).toBe(100);
  expect(seen.slice(100)).toEqual(seen.slice(0, 100));
});

test("PORT-2: no five-tuple is used twice at a time", () => {
  const peer = new ScriptedPeer({ layout: { connections: 64 } });
  const { toe } = peer.stack;
  for (let i = 0; i < 60; i += 1) {
    expect(toe.connect(toe.socket(), { address: "10.0.0.2", port: 80 })).toBe(-ERRNO.EINPROGRESS);
  }
  const used = toe.connections().map(({ local }) => local.port);
  expect(new Set(used).size).toBe(60);
  // The next one in turn is taken by hand.
  const next = Math.max(...used) + 1;
  const chosen = toe.socket();
  toe.bind(chosen, { address: "10.0.0.1", port: next });
  expect(toe.connect(chosen, { address: "10.0.0.2", port: 80 })).toBe(-ERRNO.EINPROGRESS);
  expect(toe.connect(toe.socket(), { address: "10.0.0.2", port: 80 })).toBe(-ERRNO.EINPROGRESS);
  expect(new Set(toe.connections().map(({ local }) => local.port)).size).toBe(62);
});

test("PORT-5: a port that somebody listens on is never chosen", () => {
  const peer = new ScriptedPeer();
  const { toe } = peer.stack;
  const probe = toe.socket();
  toe.connect(probe, { address: "10.0.0.2", port: 80 });
  const first = toe.connections()[0]?.local.port ?? 0;
  // The next one of the same remote would be the port above.
  peer.listen(first + 1);
  toe.connect(toe.socket(), { address: "10.0.0.2", port: 80 });
  const chosen = toe.connections().map(({ local }) => local.port);
  expect(chosen).toHaveLength(2);
  expect(chosen).not.toContain(first + 1);
});
