/**
 * Threats B01 to B12 and S01, S03: who sees nothing of a connection and sends to it all the same;
 * and handshakes that nobody means. At whole stacks.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { InitialSequence } from "../../host/control-plane/initial-sequence.ts";
import { KeyedHash } from "../../host/control-plane/keyed-hash.ts";
import { ERRNO } from "../../host/errors.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { seedOf } from "../support/env.ts";
import { ACK, type FrameFields, PSH, RST, streamBytes, SYN } from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

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

  test("threats/B03: data whose ACK is out of range is dropped", () => {
    const c = new RawConnection(start);
    for (const away of [1, 70_000, -70_000, 0x7fffffff, 0x80000001]) {
      const payload = streamBytes(c.seq, 100);
      c.send({ ack: (c.ack + away) >>> 0, payload, flags: ACK | PSH });
    }
    expect(c.read()).toHaveLength(0);
    c.data(100);
    expect(c.read()).toHaveLength(100);
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

  test("threats/B12: a forged victim gets six SYN-ACKs at most, and none after its RST", () => {
    const peer = new ScriptedPeer();
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

  test("threats/S01: a SYN answered by an ACK, then by a SYN, opens as a simultaneous open", () => {
    const peer = new ScriptedPeer();
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
  });
});

test("threats/S03: a socket that connects to its own stack is refused at once", () => {
  const peer = new ScriptedPeer();
  const { toe } = peer.stack;
  peer.listen(80);
  const before = toe.connections().length;
  for (const port of [80, 7000]) {
    const fd = toe.socket();
    toe.bind(fd, { address: "10.0.0.1", port: 7000 });
    expect(toe.connect(fd, { address: "10.0.0.1", port })).toBe(-ERRNO.ENETUNREACH);
    toe.close(fd);
  }
  expect(peer.settle()).toEqual([]);
  expect(toe.connections()).toHaveLength(before);
});

test("threats/B09: ISNs of other tuples tell nothing of the next one's", () => {
  const seed = seedOf(0xb09);
  const sequence = new InitialSequence(new KeyedHash(new Random(seed).bytes(16)));
  const isn = (port: number, now: number): number => sequence.choose(1, 2, port, now);
  // What a line through the last two samples says of the third, over 10,000 ports and times.
  const bins = new Array<number>(16).fill(0);
  let near = 0;
  for (let i = 0; i < 10_000; i += 1) {
    const now = i * 1e6;
    const guess = 2 * isn(i + 1, now) - isn(i, now);
    const miss = (isn(i + 2, now) - guess) >>> 0;
    bins[miss >>> 28] = (bins[miss >>> 28] as number) + 1;
    if (miss < 65_536 || miss > 2 ** 32 - 65_536) near += 1;
  }
  // 625 in each sixteenth; chi square of 15 degrees, 1 in 10,000.
  const chi = bins.reduce((sum, count) => sum + (count - 625) ** 2 / 625, 0);
  expect(chi, `seed ${seed}`).toBeLessThan(44);
  expect(near, `seed ${seed}`).toBeLessThan(6);
});

test("threats/B10: IP ID and timestamps of one connection say nothing of another's", () => {
  const c = new RawConnection(7000, { syn: [2, 4, 3, 232, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0] });
  const own = second(c, 9000);
  const ids = (): number[] =>
    c.peer
      .settleFrames()
      .filter((frame) => ((frame[22] as number) << 8) + (frame[23] as number) === 40000)
      .map((frame) => ((frame[4] as number) << 8) + (frame[5] as number));
  const sendOne = (): number[] => {
    c.toe.send(c.fd, new Uint8Array(1));
    return ids();
  };
  c.ack = (c.ack + 1) >>> 0;
  const [before] = sendOne();
  c.send({});
  for (let i = 0; i < 50; i += 1) {
    c.peer.queue({ sourcePort: 40001, seq: own.seq - 1, ack: own.ack, payload: new Uint8Array(1) });
    c.peer.settleFrames();
  }
  const [after] = sendOne();
  expect(((after ?? 0) - (before ?? 0)) & 0xffff).toBeLessThanOrEqual(1);
  const sequence = new InitialSequence(new KeyedHash(new Uint8Array(16)));
  const offsets = Array.from({ length: 100 }, (_, port) => {
    sequence.choose(1, 2, port, 0);
    return sequence.timestampOffset >>> 24;
  });
  expect(new Set(offsets).size).toBeGreaterThan(60);
});
