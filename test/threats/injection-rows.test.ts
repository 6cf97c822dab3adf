/**
 * Threats B01 to B12, S01 to S05 and S07: who sees nothing of a connection and sends to it all
 * the same; and handshakes that nobody means. At whole stacks.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { DROP_REASONS, DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_DROPS } from "../../bindings/abi/memory-map.ts";
import type { IpAddress } from "../../host/address.ts";
import { InitialSequence } from "../../host/control-plane/initial-sequence.ts";
import { KeyedHash } from "../../host/control-plane/keyed-hash.ts";
import { ERRNO } from "../../host/errors.ts";
import { O_NONBLOCK } from "../../host/libtoe/constants.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { seedOf } from "../support/env.ts";
import { ACK, buildFrame, type FrameFields, PSH, RST } from "../support/frames.ts";
import { streamBytes, SYN, timestampOption } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { Random } from "../support/random.ts";
import { expectReturned, watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { foreseen } from "./prediction.ts";

const F_SETFL = 4;

/** `count` segments, 64 in a burst; the number of answers. */
function sweep(
  c: RawConnection,
  count: number,
  segment: (i: number) => Partial<FrameFields>,
): number {
  let answers = 0;
  for (let at = 0; at < count; at += 64) {
    const burst = Array.from({ length: Math.min(64, count - at) }, (_, i) => segment(at + i));
    c.peer.queue(...burst.map((fields) => c.fields(fields)));
    answers += c.peer.settleFrames().length;
  }
  return answers;
}

/** One more connection to the same listener; its next number and the one it expects. */
function second(c: RawConnection, start: number): { seq: number; ack: number } {
  const from = { sourcePort: 40001, options: [] };
  const [answer] = c.peer.send({ ...from, seq: start, flags: SYN });
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  const seq = (start + 1) >>> 0;
  c.peer.send({ ...from, seq, ack });
  return { seq, ack };
}

describe.each(STARTS)("from ISN %d", (start) => {
  test("threats/B01: a sweep of RSTs over all numbers resets nothing, the exact one does", () => {
    const c = new RawConnection(start);
    // One in each 65,535 numbers; one of them lies in the window, one behind its left edge.
    const answers = sweep(c, 65_537, (i) => ({
      seq: (c.seq + 1 + i * 65_535) >>> 0,
      flags: RST,
    }));
    expect(c.state).toBe("ESTABLISHED");
    expect(answers).toBeLessThanOrEqual(2);
    c.data(100);
    expect(c.read()).toHaveLength(100);
    c.send({ flags: RST });
    expect(c.state).toBe("CLOSED");
  });

  test("threats/B02: a sweep of SYNs is challenged, throttled, and changes nothing", () => {
    const c = new RawConnection(start);
    const answers = sweep(c, 65_536, (i) => ({ seq: (c.seq + i * 65_536) >>> 0, flags: SYN }));
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThanOrEqual(10);
    expect(c.counter(Counter.ChallengeAcks)).toBe(answers);
    expect(c.state).toBe("ESTABLISHED");
    expect(c.peer.stack.toe.connections()).toHaveLength(1);
  });

  /** Data whose ACK is out of range, five times, at a connection with 500 bytes in flight. */
  function inject(): RawConnection {
    const c = new RawConnection(start);
    c.write(500);
    for (const away of [501, 70_000, -70_000, 0x7fffffff, 0x80000001]) {
      const payload = streamBytes(c.seq, 100);
      c.send({ ack: (c.ack + away) >>> 0, payload, flags: ACK | PSH });
    }
    return c;
  }

  test("threats/B03: data whose ACK is out of range is dropped", () => {
    const c = inject();
    expect(c.read()).toHaveLength(0);
    c.data(100);
    expect(c.read()).toHaveLength(100);
  });

  // Also where the data of a refused ACK are taken, as the paper's Laminar does.
  test("threats/B03: such an ACK is counted, acknowledges nothing, and ends nothing", () => {
    const c = inject();
    const first = c.seq;
    expect(c.drops(DropReason.AckOutOfRange)).toBe(5);
    expect(c.state).toBe("ESTABLISHED");
    // What was in flight is sent again.
    const again = c.pass(3e9).filter(({ payloadLength }) => payloadLength > 0);
    expect(again.map(({ seq, payloadLength }) => [seq, payloadLength])).toContainEqual([
      c.ack,
      500,
    ]);
    c.ack = (c.ack + 500) >>> 0;
    c.data(100);
    expect(c.read()).toEqual(streamBytes(first, 100));
  });

  test("threats/B04: probes of one connection cannot be counted on another", () => {
    const counts = [0, 1, 5, 10, 100].map((probes) => {
      const c = new RawConnection(start);
      const own = second(c, start);
      sweep(c, probes, () => ({ seq: (c.seq + 50) >>> 0, flags: RST }));
      let seen = 0;
      for (let i = 0; i < 30; i += 1) {
        const seq = (own.seq + 50) >>> 0;
        seen += c.peer.send({ sourcePort: 40001, seq, ack: own.ack, flags: RST }).length;
      }
      return seen;
    });
    expect(counts).toEqual([10, 10, 10, 10, 10]);
  });

  test("threats/B11: SYN-ACKs that nobody asked for draw rationed resets, never more bytes", () => {
    const peer = watchPools(new ScriptedPeer());
    peer.listen(80);
    const before = poolCounts(peer.stack);
    let [inBytes, outBytes, resets] = [0, 0, 0];
    for (let at = 0; at < 10_000; at += 64) {
      const from = peer.now;
      for (let i = at; i < at + 64; i += 1) {
        // A closed port, and one where somebody listens.
        const ports = { sourcePort: 1024 + i, destinationPort: i % 2 === 0 ? 80 : 9 };
        const packet = buildFrame({ medium: "ip", ...ports, seq: start, ack: i, flags: SYN | ACK });
        peer.queuePacket(packet);
        inBytes += packet.length;
      }
      for (const frame of peer.settleFrames()) {
        const { flags, seq, tuple } = judgeSegment(frame, "ip");
        // RFC 9293 3.10.7.1, 3.10.7.2: its number is what the SYN-ACK acknowledged.
        expect([flags, seq]).toEqual([RST, tuple.destinationPort - 1024]);
        resets += 1;
        outBytes += frame.length;
      }
      expect(peer.now).toBe(from);
      peer.now += 1e6;
    }
    expect(resets).toBeGreaterThanOrEqual(256);
    // 256 at once, then 1,000 a second; 157 ms have passed.
    expect(resets).toBeLessThanOrEqual(256 + 157 + 1);
    expect(outBytes).toBeLessThanOrEqual(inBytes);
    peer.now += 1e10;
    peer.settle();
    expect(peer.send({ seq: start, ack: 77, flags: SYN | ACK })).toHaveLength(1);
    expect(poolCounts(peer.stack)).toEqual(before);
  });

  test("threats/B12: a forged victim gets six SYN-ACKs at most, and none after its RST", () => {
    const peer = watchPools(new ScriptedPeer());
    peer.listen(80);
    const wait = (seconds: number): number => {
      let sent = 0;
      for (let i = 0; i < seconds * 2; i += 1) {
        peer.now += 5e8;
        sent += peer.settle().length;
      }
      return sent;
    };
    const silent = peer.send({ seq: start, flags: SYN }).length + wait(300);
    expect(silent).toBeGreaterThan(1);
    expect(silent).toBeLessThanOrEqual(6);
    expect(peer.send({ seq: start, flags: SYN })).toHaveLength(1);
    peer.send({ seq: (start + 1) >>> 0, flags: RST });
    expect(wait(300)).toBe(0);
  });

  test("threats/S04: data of a SYN are delivered once the connection is established", () => {
    const peer = watchPools(new ScriptedPeer());
    const { toe } = peer.stack;
    const listener = peer.listen(80);
    toe.fcntl(listener, F_SETFL, O_NONBLOCK);
    const payload = streamBytes(start + 1, 100);
    const [answer] = peer.send({ seq: start, flags: SYN, payload });
    expect((answer?.flags ?? 0) & (SYN | ACK)).toBe(SYN | ACK);
    // The SYN alone, or its data as well: the peer sends again what was not taken.
    expect([(start + 1) >>> 0, (start + 101) >>> 0]).toContain(answer?.ack);
    expect(peer.state(40000)).toBe("SYN-RECEIVED");
    expect(toe.accept(listener)).toBe(-ERRNO.EAGAIN);
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    peer.send({ seq: (start + 1) >>> 0, ack, payload, flags: ACK | PSH });
    expect(peer.state(40000)).toBe("ESTABLISHED");
    const got = new Uint8Array(200);
    const fd = toe.accept(listener);
    expect(toe.recv(fd, got)).toBe(100);
    expect(got.slice(0, 100)).toEqual(payload);
  });

  test("threats/S05: a SYN from our own address and port is dropped and counted", () => {
    const peer = watchPools(new ScriptedPeer());
    peer.listen(80);
    const before = poolCounts(peer.stack);
    const land = { source: "10.0.0.1", sourcePort: 80, seq: start };
    for (const flags of [SYN, SYN | ACK, ACK, RST]) {
      expect(peer.send({ ...land, flags })).toEqual([]);
    }
    const { core } = peer.stack;
    const drops = ((core.words[(core.address + CORE_DROPS) >>> 2] as number) >>> 2) as number;
    const all = Array.from(core.words.slice(drops, drops + DROP_REASONS));
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(poolCounts(peer.stack)).toEqual(before);
  });

  test("threats/S01: a SYN answered by an ACK, then by a SYN, opens as a simultaneous open", () => {
    const peer = watchPools(new ScriptedPeer());
    const { toe } = peer.stack;
    const fd = toe.socket();
    toe.connect(fd, { address: "10.0.0.2", port: 7 });
    const [syn] = peer.settle();
    const ports = { sourcePort: 7, destinationPort: toe.connections()[0]?.local.port ?? 0 };
    const ack = ((syn?.seq ?? 0) + 1) >>> 0;
    expect(peer.send({ ...ports, seq: start, ack, flags: ACK })).toEqual([]);
    const [answer] = peer.send({ ...ports, seq: start, flags: SYN });
    expect([answer?.flags, answer?.ack]).toEqual([SYN | ACK, (start + 1) >>> 0]);
    peer.send({ ...ports, seq: (start + 1) >>> 0, ack, flags: ACK });
    expect(toe.connections().map(({ state }) => state)).toEqual(["ESTABLISHED"]);
    // Who is who: it is ours that connected, and both streams begin behind their SYNs.
    expect(toe.getpeername(fd)).toEqual({ address: "10.0.0.2", port: 7 });
    expect(toe.send(fd, streamBytes(0, 100))).toBe(100);
    const [data] = peer.settle();
    expect([data?.seq, data?.payload]).toEqual([ack, streamBytes(0, 100)]);
    const theirs = { seq: (start + 1) >>> 0, ack: (ack + 100) >>> 0, flags: ACK | PSH };
    peer.send({ ...ports, ...theirs, payload: streamBytes(0, 50) });
    const got = new Uint8Array(99);
    expect([toe.recv(fd, got), got.slice(0, 50)]).toEqual([50, streamBytes(0, 50)]);
  });

  // The choice: it opens, as gVisor's did not, whose clients then waited for three SYN-ACKs.
  test("threats/S07: a third ACK without the timestamps agreed upon opens; nothing stalls", () => {
    const peer = watchPools(new ScriptedPeer());
    const { toe } = peer.stack;
    const listener = peer.listen(80);
    const [answer] = peer.send({ seq: start, flags: SYN, options: timestampOption(9, 0) });
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    const seq = (start + 1) >>> 0;
    expect(peer.send({ seq, ack, flags: ACK })).toEqual([]);
    expect(peer.state(40000)).toBe("ESTABLISHED");
    const fd = toe.accept(listener);
    // In no time: both streams, nothing twice.
    expect(toe.send(fd, new Uint8Array(10))).toBe(10);
    const sent = peer.settle();
    expect(sent.map((one) => [one.seq, one.payloadLength, one.flags & SYN])).toEqual([
      [ack, 10, 0],
    ]);
    const echo = sent[0]?.timestamp?.value;
    const options = echo === undefined ? [] : timestampOption(10, echo);
    const payload = streamBytes(0, 20);
    peer.send({ seq, ack: (ack + 10) >>> 0, flags: ACK | PSH, payload, options });
    expect(toe.recv(fd, new Uint8Array(99))).toBe(20);
    for (let i = 0; i < 100; i += 1) {
      peer.now += 1e8;
      for (const late of peer.settle()) expect(late.payloadLength).toBe(0);
    }
    expect(peer.state(40000)).toBe("ESTABLISHED");
  });
});

test("threats/S03: a socket that connects to its own stack is refused at once", () => {
  const addresses = ["10.0.0.1/24", "10.0.1.1/24", "fd00::1/64"];
  const peer = watchPools(new ScriptedPeer({ addresses }));
  const { toe } = peer.stack;
  peer.listen(80);
  const before = poolCounts(peer.stack);
  // Its own, the other of its own, and those that always are.
  for (const address of ["10.0.0.1", "10.0.1.1", "127.0.0.1", "127.1.2.3", "fd00::1", "::1"]) {
    for (const port of [80, 7000]) {
      for (const isBound of [true, false]) {
        const fd = toe.socket();
        if (isBound)
          toe.bind(fd, { address: address === "10.0.0.1" ? address : "10.0.0.1", port: 7000 });
        const what = `${address} ${port} ${isBound}`;
        expect(toe.connect(fd, { address, port }), what).toBeLessThan(0);
        if (!address.includes(":")) {
          expect(toe.connect(fd, { address, port }), what).toBe(-ERRNO.ENETUNREACH);
        }
        expect(toe.close(fd)).toBe(0);
      }
    }
  }
  expect(peer.settle()).toEqual([]);
  expect(toe.connections()).toEqual([]);
  expect(poolCounts(peer.stack)).toEqual(before);
});

/** Tuples that an attacker may ask for one after another: remote address and ports. */
const WALKS: readonly [string, (i: number) => readonly [remote: IpAddress, ports: number]][] = [
  ["consecutive ports", (i) => [0x0a000002, 80 * 65_536 + i]],
  ["consecutive addresses", (i) => [0x0a000002 + i, 80 * 65_536 + 40_000]],
  ["both", (i) => [0x0a000002 + i, 80 * 65_536 + i]],
  ["addresses of IPv6", (i) => [(0xfd00n << 112n) + BigInt(i + 2), 80 * 65_536 + 40_000]],
  ["networks", (i) => [i * 65_536 + 1, 80 * 65_536 + 40_000]],
];
const SAMPLES = 10_000;
/** RFC 9293 MUST-8: the clock of all tuples, which anybody can take off, counts 4 us. */
const CLOCK_NS = 4000;

test.each(WALKS)("threats/B09: ISNs of other tuples tell nothing of the next: %s", (_what, at) => {
  const seed = seedOf(0xb09);
  const sequence = new InitialSequence(new KeyedHash(new Random(seed).bytes(16)));
  const timed = Array.from({ length: SAMPLES }, (_, i) => {
    const [remote, ports] = at(i);
    const local = typeof remote === "bigint" ? (0xfd00n << 112n) + 1n : 0x0a000001;
    return sequence.choose(local, remote, ports, i * 1e6);
  });
  expect(foreseen(timed), `seed ${seed}`).toEqual([]);
  const bare = timed.map((isn, i) => (isn - (i * 1e6) / CLOCK_NS) >>> 0);
  expect(foreseen(bare), `seed ${seed}, without the clock`).toEqual([]);
});

// What must be found, or the rows above would say nothing.
const COUNTERS: readonly [string, (i: number, random: Random) => number][] = [
  ["a counter", (i) => 0xfff00000 + 64_000 * i],
  ["a counter with noise", (i, random) => 64_000 * i + random.below(65_536)],
  ["a period of sixteen", (i) => Math.imul((i % 16) ** 2 + 1, 0x9e3779b1)],
  ["four bits that count", (i, random) => (i % 16) * 2 ** 28 + random.below(2 ** 28)],
  ["one number in a thousand", (i, random) => (i % 1000 < 2 ? 77 : random.u32())],
];

test.each(COUNTERS)("threats/B09: the same judge finds %s", (_what, next) => {
  const random = new Random(seedOf(0xb09));
  const list = Array.from({ length: SAMPLES }, (_, i) => next(i, random) >>> 0);
  expect(foreseen(list)).not.toEqual([]);
});

test("threats/B09: the same judge finds nothing in numbers drawn at random", () => {
  const seed = seedOf(0xb09);
  const random = new Random(seed);
  expect(foreseen(Array.from({ length: SAMPLES }, () => random.u32())), `seed ${seed}`).toEqual([]);
});

test("threats/B10: IP ID and timestamps of one connection say nothing of another's", () => {
  const c = new RawConnection(7000, { syn: [2, 4, 3, 232, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0] });
  const own = second(c, 9000);
  const ids = (): number[] =>
    c.peer
      .settleFrames()
      .filter((frame) => ((frame[22] as number) << 8) + (frame[23] as number) === 40000)
      .map((frame) => ((frame[4] as number) << 8) + (frame[5] as number));
  const sendOne = (): number => {
    c.toe.send(c.fd, new Uint8Array(1));
    const sent = ids();
    expect(sent).toHaveLength(1);
    return sent[0] as number;
  };
  c.ack = (c.ack + 1) >>> 0;
  const before = sendOne();
  c.send({});
  for (let i = 0; i < 50; i += 1) {
    c.peer.queue({ sourcePort: 40001, seq: own.seq - 1, ack: own.ack, payload: new Uint8Array(1) });
    expect(c.peer.settleFrames()).toHaveLength(1);
  }
  const after = sendOne();
  expect((after - before) & 0xffff).toBeLessThanOrEqual(1);
  const sequence = new InitialSequence(new KeyedHash(new Uint8Array(16)));
  const offsets = Array.from({ length: 100 }, (_, port) => {
    sequence.choose(1, 2, port, 0);
    return sequence.timestampOffset >>> 24;
  });
  expect(new Set(offsets).size).toBeGreaterThan(60);
});

/** Local ports of connections to one remote port after another. */
function ports(seed: number, count: number, remote: (i: number) => number): number[] {
  const peer = new ScriptedPeer({ seed, layout: { connections: count } });
  const { toe } = peer.stack;
  const before = poolCounts(peer.stack);
  const found = Array.from({ length: count }, (_, i) => {
    toe.connect(toe.socket(), { address: "10.0.0.2", port: remote(i) });
    return peer.settle().find(({ flags }) => flags === SYN)?.tuple.sourcePort ?? 0;
  });
  expectReturned(peer, before);
  return found;
}

test("threats/B10: ports of one remote end say nothing of another end or stack", () => {
  const seed = seedOf(0xb10);
  // Steps of a global counter would be small and the same.
  const spread = ports(seed, 200, (i) => 1000 + i);
  const steps = spread.slice(1).map((port, i) => port - (spread[i] as number));
  expect(steps.filter((step) => Math.abs(step) <= 16).length, `seed ${seed}`).toBeLessThan(20);
  expect(new Set(steps).size, `seed ${seed}`).toBeGreaterThan(150);
  const same = spread.filter((port, i) => port === ports(seed + 1, 1, () => 1000 + i)[0]);
  expect(same.length, `seed ${seed}`).toBeLessThan(5);
});
