/**
 * Threats Q04 to Q16: segments whose numbers lie, overlap, or come in the wrong order, at a
 * connection of a whole stack; from an ISN in the middle of the number space and from one that
 * wraps within the first bytes.
 */
import { describe, expect, test } from "vitest";
import { INFO_INTERVAL_COUNT } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import { O_NONBLOCK, SHUT_WR } from "../../host/libtoe/constants.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { ACK, FIN, PSH, RST, streamBytes, SYN, timestampOption } from "../support/frames.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const F_SETFL = 4;
const CHUNK = 8192;

/** Bytes of another stream at the same place. */
const other = (position: number, length: number): Uint8Array =>
  streamBytes(position, length).map((byte) => byte ^ 0xff);

/** A read that finds nothing, or the end of the stream. */
function nothing(c: RawConnection): number {
  c.toe.fcntl(c.fd, F_SETFL, O_NONBLOCK);
  return c.toe.recv(c.fd, new Uint8Array(10));
}

/** Ranges of bytes that wait behind a hole. */
function intervalCount(c: RawConnection): number {
  const { core } = c.peer.stack;
  expect(core.exports.inspect(core.address, c.toe.connections()[0]?.connection ?? 0)).not.toBe(0);
  const info = core.words[(core.address + CORE_INFO) >>> 2] as number;
  return core.words[(info + INFO_INTERVAL_COUNT) >>> 2] as number;
}

/** The peer's FIN. */
function finish(c: RawConnection): void {
  c.send({ flags: ACK | FIN });
  c.seq = (c.seq + 1) >>> 0;
}

/** Ours; and ours acknowledged. */
function shut(c: RawConnection): void {
  c.toe.shutdown(c.fd, SHUT_WR);
  c.peer.settle();
}

function shutAcked(c: RawConnection): void {
  shut(c);
  c.ack = (c.ack + 1) >>> 0;
  c.send({});
}

describe.each(STARTS)("from ISN %d", (start) => {
  const first = (start + 1) >>> 0;

  test("threats/Q04: of a segment that is half old the new half is delivered", () => {
    const c = new RawConnection(start);
    c.data(100);
    const seq = (c.seq - 50) >>> 0;
    c.send({ seq, payload: streamBytes(seq, 100), flags: ACK | PSH });
    expect(c.read()).toEqual(streamBytes(first, 150));
  });

  /** More than the window: what is read of it, and the largest edge that was told. */
  function fillWindow(): { read: Uint8Array; edge: number } {
    const c = new RawConnection(start);
    let edge = c.synAck.window;
    for (let sent = 0; sent < 100_000; sent += 1000) {
      const answers = c.data(1000, { flags: ACK | PSH });
      for (const { ack, window } of answers) {
        edge = Math.max(edge, ((ack - first) >>> 0) + window);
      }
    }
    return { read: c.read(), edge };
  }

  test("threats/Q05: what lies beyond the window is cut off", () => {
    const { read, edge } = fillWindow();
    expect(edge).toBeLessThan(100_000);
    expect(read.length).toBeGreaterThan(0);
    expect(read.length).toBeLessThanOrEqual(edge);
    expect(read).toEqual(streamBytes(first, read.length));
  });

  test("threats/Q05: what lies beyond the window is cut off, and no less", () => {
    const { read, edge } = fillWindow();
    expect(read.length).toBe(edge);
  });

  test("threats/Q06: a byte that was taken does not change when others come for its place", () => {
    const c = new RawConnection(start);
    const at = (offset: number): number => (first + offset) >>> 0;
    c.send({ seq: at(100), payload: streamBytes(at(100), 100) });
    c.send({ seq: at(0), payload: streamBytes(at(0), 100) });
    for (const [from, length] of [
      [0, 200],
      [50, 150],
      [150, 100],
    ] as const) {
      c.send({ seq: at(from), payload: other(at(from), length) });
    }
    const read = c.read();
    expect(read.length).toBeGreaterThanOrEqual(200);
    expect(read.slice(0, 200)).toEqual(streamBytes(first, 200));
  });

  test("threats/Q06: the bytes that came first behind a hole stay", () => {
    const c = new RawConnection(start);
    const at = (offset: number): number => (first + offset) >>> 0;
    c.send({ seq: at(100), payload: streamBytes(at(100), 100) });
    c.send({ seq: at(50), payload: other(at(50), 200) });
    c.send({ seq: at(120), payload: other(at(120), 30) });
    c.send({ seq: at(0), payload: streamBytes(at(0), 100) });
    const read = c.read();
    expect(read.slice(0, 50)).toEqual(streamBytes(at(0), 50));
    // What came first for these places was the other stream's.
    expect(read.slice(50, 100)).toEqual(other(at(50), 50));
    expect(read.slice(100, 200)).toEqual(streamBytes(at(100), 100));
    expect(read.slice(200, 250)).toEqual(other(at(200), 50));
  });

  test("threats/Q06: whichever came first, what was acknowledged does not change", () => {
    const c = new RawConnection(start);
    const at = (offset: number): number => (first + offset) >>> 0;
    c.send({ seq: at(100), payload: streamBytes(at(100), 100) });
    c.send({ seq: at(50), payload: other(at(50), 200) });
    c.send({ seq: at(120), payload: other(at(120), 30) });
    const sent = c.send({ seq: at(0), payload: streamBytes(at(0), 100) });
    const taken = ((sent.at(-1)?.ack ?? first) - first) >>> 0;
    expect(taken).toBeGreaterThanOrEqual(100);
    for (const offset of [0, 50, 99]) {
      if (offset + 1 <= taken) c.send({ seq: at(offset), payload: other(at(offset), 1) });
    }
    const read = c.read();
    expect(read).toHaveLength(taken);
    const [one, two] = [streamBytes(first, taken), other(first, taken)];
    // Each is of one of the two, and what had only one is that.
    expect(read.slice(0, 50)).toEqual(one.slice(0, 50));
    for (let i = 50; i < taken; i += 1) expect([one[i], two[i]]).toContain(read[i]);
    c.seq = at(taken);
    c.data(10);
    expect(c.read()).toHaveLength(10);
  });

  test("threats/Q07: a FIN behind a hole counts when the hole is filled", () => {
    const c = new RawConnection(start);
    const seq = (first + 100) >>> 0;
    c.send({ seq, payload: streamBytes(seq, 100), flags: ACK | FIN });
    expect(c.state).toBe("ESTABLISHED");
    c.send({ payload: streamBytes(first, 100) });
    // A data path without room for the FIN in its hole is sent it again.
    c.send({ seq, payload: streamBytes(seq, 100), flags: ACK | FIN });
    expect(c.state).toBe("CLOSE-WAIT");
    expect(c.read()).toEqual(streamBytes(first, 200));
    expect(nothing(c)).toBe(0);
  });

  test("threats/Q08: data beyond the FIN is ignored and answered", () => {
    const c = new RawConnection(start);
    c.data(100, { flags: ACK | FIN });
    const seq = (c.seq + 1) >>> 0;
    const [answer] = c.send({ seq, payload: streamBytes(seq, 50) });
    expect([answer?.flags, answer?.ack]).toEqual([ACK, seq]);
    expect(c.read()).toEqual(streamBytes(first, 100));
    expect(nothing(c)).toBe(0);
  });

  test("threats/Q09: the FIN again, with less or more in front of it, is the same end", () => {
    const c = new RawConnection(start);
    c.data(100, { flags: ACK | FIN });
    const end = (first + 101) >>> 0;
    for (const length of [0, 50, 100, 200]) {
      const payload = streamBytes(first, length);
      const sent = c.send({ seq: first, payload, flags: ACK | FIN });
      expect(sent.map(({ ack, flags }) => [ack, flags])).toEqual([[end, ACK]]);
      expect(c.state).toBe("CLOSE-WAIT");
    }
    expect(c.read()).toEqual(streamBytes(first, 100));
    expect(nothing(c)).toBe(0);
  });

  test("threats/Q10: a SYN of another ISN in SYN-RECEIVED makes no second connection", () => {
    const peer = watchPools(new ScriptedPeer());
    peer.listen(80);
    const [answer] = peer.send({ seq: start, flags: SYN });
    const [challenge] = peer.send({ seq: (start - 5) >>> 0, flags: SYN });
    expect([challenge?.flags, challenge?.ack]).toEqual([ACK, first]);
    expect(peer.stack.toe.connections()).toHaveLength(1);
    peer.send({ seq: first, ack: ((answer?.seq ?? 0) + 1) >>> 0 });
    expect(peer.state(40000)).toBe("ESTABLISHED");
    expect(peer.stack.toe.connections()).toHaveLength(1);
  });

  const STATES: readonly [string, (c: RawConnection) => void][] = [
    ["ESTABLISHED", () => undefined],
    ["CLOSE-WAIT", finish],
    ["FIN-WAIT-1", shut],
    ["FIN-WAIT-2", shutAcked],
    ["CLOSING", (c) => void [shut(c), finish(c)]],
    ["LAST-ACK", (c) => void [finish(c), shut(c)]],
    ["TIME-WAIT", (c) => void [shutAcked(c), finish(c)]],
  ];

  test.each(STATES)(
    "threats/Q11: in %s an ACK of what was never sent is answered",
    (state, reach) => {
      const c = new RawConnection(start);
      reach(c);
      expect(c.state).toBe(state);
      // Our FIN is in flight in three of them.
      const isFinSent = ["FIN-WAIT-1", "CLOSING", "LAST-ACK"].includes(state);
      const next = c.ack + (isFinSent ? 1 : 0);
      for (const beyond of [1, 2, 1000, 0x7ffffff0]) {
        const [answer, ...more] = c.send({ ack: (next + beyond) >>> 0 });
        expect([answer?.flags, answer?.ack, more]).toEqual([ACK, c.seq, []]);
        expect(c.state).toBe(state);
      }
      expect(c.read()).toHaveLength(0);
      // In TIME-WAIT the control plane answers, which has no counter for it.
      if (state !== "TIME-WAIT") expect(c.drops(DropReason.AckOutOfRange)).toBe(4);
    },
  );

  test("threats/Q11: the data of such a segment are not taken", () => {
    const c = new RawConnection(start);
    for (const beyond of [1, 2, 1000, 0x7ffffff0]) {
      const payload = streamBytes(c.seq, 10);
      const [answer, ...more] = c.send({ ack: (c.ack + beyond) >>> 0, payload });
      expect([answer?.flags, answer?.ack, more]).toEqual([ACK, c.seq, []]);
    }
    expect(c.read()).toHaveLength(0);
    expect(c.drops(DropReason.AckOutOfRange)).toBe(4);
  });

  // Also where their data are taken, as the paper's Laminar does.
  test("threats/Q11: such a segment with data is counted and acknowledges nothing", () => {
    const c = new RawConnection(start);
    c.write(500);
    for (const beyond of [501, 1000, 0x7ffffff0]) {
      c.send({ ack: (c.ack + beyond) >>> 0, payload: streamBytes(first, 10) });
    }
    expect(c.drops(DropReason.AckOutOfRange)).toBe(3);
    expect(c.state).toBe("ESTABLISHED");
    const again = c.pass(3e9).map(({ seq, payloadLength }) => [seq, payloadLength]);
    expect(again).toContainEqual([c.ack, 500]);
    c.data(10);
    expect(c.read()).toEqual(streamBytes(first, 10));
  });

  test("threats/Q12: an ACK older than the largest window is counted and changes nothing", () => {
    const c = new RawConnection(start);
    c.send({ window: 2000 });
    c.write(1000);
    c.ack = (c.ack + 1000) >>> 0;
    c.send({});
    c.write(300);
    for (const behind of [70_000, 1_000_000, 0x7ffffff0]) {
      c.send({ ack: (c.ack - behind) >>> 0, payload: streamBytes(first, 10), window: 0 });
    }
    expect(c.drops(DropReason.AckOutOfRange)).toBe(3);
    expect(c.state).toBe("ESTABLISHED");
    // Its window of 0 does not count: what was in flight is sent again, and the rest.
    const again = c.pass(3e9).map(({ seq, payloadLength }) => [seq, payloadLength]);
    expect(again).toContainEqual([c.ack, 300]);
    c.ack = (c.ack + 300) >>> 0;
    c.data(10);
    expect(c.read()).toEqual(streamBytes(first, 10));
    expect(c.write(100)).toHaveLength(1);
  });

  test("threats/Q13: an old duplicate is not delivered twice, whatever its timestamp", () => {
    const stamp = (value: number) => timestampOption(value, 0);
    const c = new RawConnection(start, {
      syn: [2, 4, 3, 232, ...stamp(0xfffffff0)],
      later: stamp(0xfffffff0),
    });
    const options = stamp(5);
    c.data(100, { options });
    c.data(100, { options });
    for (const value of [0xfffffff0, 4, 5, 0x80000000]) {
      for (const length of [100, 200]) {
        const payload = other(first, length);
        const [answer, ...more] = c.send({ seq: first, payload, options: stamp(value) });
        expect([answer?.flags, answer?.ack, more]).toEqual([ACK, c.seq, []]);
      }
    }
    expect(c.state).toBe("ESTABLISHED");
    expect(c.read()).toEqual(streamBytes(first, 200));
    c.data(10, { options: stamp(6) });
    expect(c.read()).toHaveLength(10);
  });

  test("threats/Q11: in SYN-SENT and SYN-RECEIVED it is answered by a reset", () => {
    const peer = watchPools(new ScriptedPeer());
    const { toe } = peer.stack;
    peer.listen(80);
    const [answer] = peer.send({ seq: start, flags: SYN });
    toe.connect(toe.socket(), { address: "10.0.0.2", port: 7 });
    const [syn] = peer.settle();
    const destinationPort = syn?.tuple.sourcePort ?? 0;
    const halves = [
      ["SYN-RECEIVED", answer?.seq, { seq: first }],
      ["SYN-SENT", syn?.seq, { sourcePort: 7, destinationPort }],
    ] as const;
    for (const [state, iss = 0, fields] of halves) {
      for (const beyond of [2, 1000, 0x7ffffff0]) {
        const ack = (iss + beyond) >>> 0;
        const [reset, ...more] = peer.send({ ...fields, ack, flags: ACK });
        expect([reset?.flags, reset?.seq, more], state).toEqual([RST, ack, []]);
        expect(toe.connections().map((one) => one.state)).toContain(state);
      }
    }
  });

  test("threats/Q14: a probe below the window is answered and delivers nothing", () => {
    const c = new RawConnection(start);
    c.data(10);
    c.read();
    c.pass(1e9);
    for (const length of [0, 1]) {
      const seq = (c.seq - 1) >>> 0;
      const [answer] = c.send({ seq, payload: other(seq, length) });
      expect([answer?.flags, answer?.ack]).toEqual([ACK, c.seq]);
      expect(c.read()).toHaveLength(0);
    }
  });

  test("threats/Q15: single bytes from the end of a window to its front", () => {
    const c = new RawConnection(start);
    const before = poolCounts(c.peer.stack);
    const length = c.synAck.window;
    expect(length).toBeGreaterThan(65_000);
    const bytes = streamBytes(first, length);
    for (let at = length - 1; at >= 0; at -= 64) {
      const burst = Array.from({ length: Math.min(64, at + 1) }, (_, i) => at - i);
      const segments = burst.map((offset) =>
        c.fields({ seq: (first + offset) >>> 0, payload: bytes.slice(offset, offset + 1) }),
      );
      c.peer.queue(...segments);
      c.peer.settle();
      const used = before.chunks - poolCounts(c.peer.stack).chunks;
      expect(used).toBeLessThanOrEqual(length / CHUNK + 2);
      // Each byte touches the one before it.
      expect(intervalCount(c)).toBe(at < 64 ? 0 : 1);
    }
    const read = c.read();
    expect(read).toHaveLength(length);
    expect(read).toEqual(bytes);
  });

  test("threats/Q16: a window that shrinks below what is in flight, and grows again", () => {
    const c = new RawConnection(start);
    c.toe.send(c.fd, streamBytes(0, 20_000));
    const got = new Uint8Array(20_000);
    let held = 0;
    let sent = c.peer.settle();
    let far = Math.max(...sent.map(({ seq, payload }) => ((seq - c.ack) >>> 0) + payload.length));
    let beyond = 0;
    for (let round = 0; round < 300 && held < got.length; round += 1) {
      // Half of what leaves gets lost: a window that closes leaves the rest beyond its edge.
      for (const { seq, payload } of sent.slice(0, Math.ceil(sent.length / 2))) {
        const at = (seq - c.ack) >>> 0;
        if (at + payload.length <= got.length) got.set(payload, at);
        if (at <= held) held = Math.max(held, at + payload.length);
      }
      const window = [0, 500, 65535, 0, 3000][round % 5] as number;
      const told = held;
      const edge = told + window;
      if (edge < far) beyond += 1;
      sent = c.send({ ack: (c.ack + held) >>> 0, window });
      sent.push(...c.pass(2e9, 5e8));
      for (const { seq, payload } of sent) {
        const end = ((seq - c.ack) >>> 0) + payload.length;
        // RFC 9293 MUST-34: old bytes may stand beyond the edge, new ones never do; a probe of a
        // closed window is one byte.
        const most = Math.max(far, edge + (payload.length === 1 && window === 0 ? 1 : 0));
        expect(end, `round ${round}, window ${window}`).toBeLessThanOrEqual(most);
        far = Math.max(far, end);
      }
      const { txUna = 0, txSent = -1, txAvail = -1 } = c.toe.connections()[0] ?? {};
      const acked = (txUna - c.ack) >>> 0;
      expect([acked, acked + txSent + txAvail], `round ${round}`).toEqual([told, 20_000]);
    }
    expect(beyond).toBeGreaterThan(3);
    expect(held).toBe(20_000);
    expect(got).toEqual(streamBytes(0, 20_000));
  });
});
