/**
 * RFC 4987: what a listener does when SYNs are more than it has room for. A peer of the test's own
 * makes each segment; what our SYN-ACK says is read from its bytes.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../../bindings/abi/memory-map.ts";
import type { SynCookieMode } from "../../host/control-plane/plane.ts";
import { AF_INET6 } from "../../host/libtoe/constants.ts";
import { ACK, CWR, ECE, type FrameFields, RST, streamBytes, SYN } from "../support/frames.ts";
import { timestampOption } from "../support/frames.ts";
import { judgeSegment, type SentSegment } from "../support/judge-segment.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { Random } from "../support/random.ts";
import { type PeerOptions, ScriptedPeer } from "../support/scripted-peer.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";

const SECOND = 1e9;
/** MSS 1460, SACK-permitted, timestamps of 77, scale 7. */
const FULL = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 77, 0, 0, 0, 0, 1, 3, 3, 7];

interface Answer extends SentSegment {
  /** Kind to the bytes of an option. */
  readonly options: ReadonlyMap<number, readonly number[]>;
  readonly frame: Uint8Array;
}

function optionsOf(frame: Uint8Array, from: number, end: number): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (let at = from; at < end && frame[at] !== 0; ) {
    if (frame[at] === 1) {
      at += 1;
      continue;
    }
    const length = frame[at + 1] as number;
    found.set(frame[at] as number, [...frame.subarray(at + 2, at + length)]);
    at += length;
  }
  return found;
}

/** A stack whose listener on port 80 holds one connection half open, or as many as it is said. */
class Crowd {
  readonly peer: ScriptedPeer;
  readonly listener: number;

  constructor(options: PeerOptions & { backlog?: number } = {}) {
    this.peer = new ScriptedPeer(options);
    const { backlog = 1 } = options;
    this.listener = this.peer.listen(80, backlog);
    const first = options.limits?.synCookies === "always" ? backlog : 0;
    for (let i = first; i < backlog; i += 1) this.syn({ sourcePort: 1000 + i });
  }

  /** The answers to a segment. */
  send(fields: Partial<FrameFields>): Answer[] {
    this.peer.queue(fields);
    return this.peer.settleFrames().map((frame) => {
      const segment = judgeSegment(frame, "ip");
      const header = frame[0] === 0x45 ? 40 : 60;
      return { ...segment, frame, options: optionsOf(frame, header, segment.payloadOffset) };
    });
  }

  syn(fields: Partial<FrameFields> = {}): Answer {
    const [answer] = this.send({ seq: 7000, flags: SYN, ...fields });
    if (answer === undefined) throw new Error("Crowd: expected an answer to the SYN");
    return answer;
  }

  /** The ACK of a SYN-ACK to port 40000, or to the one that is said; what comes back. */
  ack(answer: Answer, fields: Partial<FrameFields> = {}): Answer[] {
    return this.send({ seq: answer.ack, ack: answer.seq + 1, flags: ACK, ...fields });
  }

  count(counter: Counter): number {
    const { core } = this.peer.stack;
    const base = core.words[(core.address + CORE_COUNTERS) >>> 2] as number;
    return core.words[(base >>> 2) + counter * 2] as number;
  }

  drops(reason: DropReason): number {
    const { core } = this.peer.stack;
    const base = core.words[(core.address + CORE_DROPS) >>> 2] as number;
    return core.words[(base >>> 2) + reason] as number;
  }
}

const established = (c: Crowd): string => c.peer.state(40000);

test("SC-1: below the limit no cookie is sent, and all options are kept", () => {
  const c = new Crowd({ backlog: 4 });
  expect(c.count(Counter.CookiesSent)).toBe(0);
  expect(c.peer.stack.toe.connections()).toHaveLength(4);
  c.syn({ options: FULL });
  expect(c.count(Counter.CookiesSent)).toBe(1);
});

test("SC-1: who is established, or was reset, is no longer counted as half open", () => {
  const c = new Crowd({ backlog: 2 });
  for (const sourcePort of [1000, 1001]) {
    c.send({ sourcePort, seq: 7001, ack: 1, flags: RST });
  }
  for (let sourcePort = 1; sourcePort <= 12; sourcePort += 1) {
    const answer = c.syn({ sourcePort });
    c.ack(answer, { sourcePort });
    c.peer.stack.toe.abort(c.peer.stack.toe.accept(c.listener));
    c.peer.settle();
  }
  expect(c.count(Counter.CookiesSent)).toBe(0);
});

test("modes are off, on and always", () => {
  const synCookies = "never" as SynCookieMode;
  const message = 'limits: expected synCookies off|on|always, got "never"';
  expect(() => new Crowd({ limits: { synCookies } })).toThrow(new RangeError(message));
});

test("SC-2: above it a cookie is sent, and nothing is kept: no row, entry, timer or chunk", () => {
  for (const synCookies of ["on", "always"] satisfies SynCookieMode[]) {
    const c = new Crowd({ limits: { synCookies } });
    const before = poolCounts(c.peer.stack);
    for (let i = 0; i < 500; i += 1) {
      expect(c.syn({ sourcePort: 20000 + i, seq: i, options: FULL }).flags & 0x1f).toBe(SYN | ACK);
    }
    expect(poolCounts(c.peer.stack)).toEqual(before);
    expect(c.count(Counter.CookiesSent)).toBe(500);
    expect(c.drops(DropReason.BacklogFull)).toBe(0);
    c.ack(c.syn());
    expect(established(c)).toBe("ESTABLISHED");
    expect(c.count(Counter.CookiesAccepted)).toBe(1);
  }
});

test("SC-2: a full accept queue drops the SYN, and takes the cookie's ACK when it has room", () => {
  const c = new Crowd({ limits: { synCookies: "always" } });
  const [first, second] = [c.syn({ sourcePort: 1 }), c.syn({ sourcePort: 2 })];
  c.ack(first, { sourcePort: 1 });
  expect(c.send({ seq: 7000, flags: SYN })).toEqual([]);
  expect(c.ack(second, { sourcePort: 2 })).toEqual([]);
  expect(c.drops(DropReason.BacklogFull)).toBe(2);
  expect(c.peer.stack.toe.accept(c.listener)).toBeGreaterThanOrEqual(0);
  // The ACK again, with data: what the peer does next.
  const payload = streamBytes(7001, 10);
  c.ack(second, { sourcePort: 2, payload });
  const fd = c.peer.stack.toe.accept(c.listener);
  const buffer = new Uint8Array(100);
  expect(c.peer.stack.toe.recv(fd, buffer)).toBe(10);
  expect(buffer.slice(0, 10)).toEqual(payload);
});

test("SC-3: a cookie is keyed, and bound to addresses, ports, the peer's ISN and the MSS", () => {
  const isn = (seed: number): number => new Crowd({ seed }).syn().seq;
  expect(new Set([1, 2, 3, 4, 5].map(isn)).size).toBe(5);
  const changed: Partial<FrameFields>[] = [
    { source: "10.0.0.3" },
    { sourcePort: 40001 },
    { destinationPort: 81 },
    { seq: 7002 },
    { seq: 7000 },
  ];
  for (const fields of changed) {
    const c = new Crowd();
    c.peer.listen(81, 1);
    c.syn({ destinationPort: 81, sourcePort: 999 });
    c.syn({ destinationPort: 81, sourcePort: 998 });
    const answer = c.syn();
    expect(c.ack(answer, fields).map(({ flags }) => flags)).toEqual([RST]);
    expect(c.drops(DropReason.CookieInvalid)).toBe(1);
    c.ack(answer);
    expect(established(c)).toBe("ESTABLISHED");
  }
  const c = new Crowd();
  const answer = c.syn();
  for (let other = 1; other < 8; other += 1) {
    expect(c.ack(answer, { ack: ((answer.seq ^ other) + 1) >>> 0 })[0]?.flags).toBe(RST);
  }
});

test("SC-3: a cookie is good for a minute, and not for more than two", () => {
  for (const [seconds, state] of [
    [0, "ESTABLISHED"],
    [60, "ESTABLISHED"],
    [130, "CLOSED"],
    [3600, "CLOSED"],
  ] as const) {
    const c = new Crowd({ limits: { synCookies: "always" } });
    const answer = c.syn();
    c.peer.now += seconds * SECOND;
    // Somebody else's, so that the listener looks at ACKs.
    c.syn({ sourcePort: 2 });
    const sent = c.ack(answer);
    expect(established(c), `${seconds} s`).toBe(state);
    if (state === "CLOSED") expect(sent.map(({ flags }) => flags)).toEqual([RST]);
  }
});

test("SC-4: a forged cookie gives a RST and no state", () => {
  const c = new Crowd();
  c.syn();
  const random = new Random(4987);
  const before = poolCounts(c.peer.stack);
  for (let i = 0; i < 200; i += 1) {
    const ack = random.u32();
    const sent = c.send({ seq: 7001, ack, flags: ACK });
    expect(sent.map(({ flags, seq }) => [flags, seq])).toEqual([[RST, ack]]);
  }
  expect(poolCounts(c.peer.stack)).toEqual(before);
  expect(c.drops(DropReason.CookieInvalid)).toBe(200);
  // RSTs to strangers are limited.
  for (let i = 0; i < 200; i += 1) c.send({ seq: 7001, ack: i, flags: ACK });
  expect(c.drops(DropReason.RateLimited)).toBeGreaterThan(0);
});

test("SC-5: scale, SACK and ECN come back in our timestamp; the MSS in the cookie", () => {
  const c = new Crowd();
  const answer = c.syn({ options: FULL, flags: SYN | ECE | CWR });
  expect([...answer.options.keys()].sort()).toEqual([2, 3, 4, 8]);
  expect(answer.flags).toBe(SYN | ACK | ECE);
  const echo = answer.timestamp?.value ?? 0;
  c.peer.now += SECOND / 10;
  // Without the echo it is no ACK of this cookie (threats S07).
  expect(c.ack(answer)[0]?.flags).toBe(RST);
  c.ack(answer, { options: timestampOption(78, echo), window: 1000 });
  const [info] = c.peer.stack.toe.connections().filter(({ remote }) => remote.port === 40000);
  expect(info).toMatchObject({
    state: "ESTABLISHED",
    mss: 1448,
    peerScale: 7,
    peerWindow: 128000,
    timestamps: true,
    sack: true,
    ecn: true,
  });
});

test("SC-5: the MSS of the table that is not above the peer's, and 536 without an option", () => {
  for (const [mss, effective] of [
    [0, 48],
    [48, 48],
    [535, 48],
    [536, 536],
    [1219, 536],
    [1460, 1460],
    [65535, 1460],
    [-1, 536],
  ] as const) {
    const c = new Crowd();
    c.ack(c.syn({ options: mss < 0 ? [] : [2, 4, mss >>> 8, mss & 255] }));
    expect(c.peer.stack.toe.connections().at(-1)?.mss, `${mss}`).toBe(effective);
  }
});

test("SC-6: data on a SYN is neither kept nor acknowledged under cookies", () => {
  const c = new Crowd();
  const payload = streamBytes(7001, 100);
  const answer = c.syn({ payload });
  expect(answer.ack).toBe(7001);
  c.ack(answer, { payload });
  const fd = c.peer.stack.toe.accept(c.listener);
  expect(c.peer.stack.toe.recv(fd, new Uint8Array(1000))).toBe(100);
});

test("SC-7: ACKs are looked at only for two minutes after a cookie", () => {
  const c = new Crowd();
  const stray = (): number => {
    expect(c.send({ seq: 1, ack: 2, flags: ACK, sourcePort: 3 })[0]?.flags).toBe(RST);
    return c.drops(DropReason.CookieInvalid);
  };
  expect(stray()).toBe(0);
  c.syn();
  expect(stray()).toBe(1);
  c.peer.now += 129 * SECOND;
  expect(stray()).toBe(1);
});

test("SC-9: to a SYN without timestamps neither SACK nor scale is offered or sent", () => {
  const c = new Crowd();
  const answer = c.syn({ options: [2, 4, 5, 180, 4, 2, 3, 3, 7] });
  expect([...answer.options.keys()]).toEqual([2]);
  c.ack(answer);
  const [sent] = c.ack(answer, { seq: 7101, payload: streamBytes(7101, 10) });
  expect([sent?.ack, sent?.sack]).toEqual([7001, []]);
});

test("SC-10: over IPv6 the flow label of the SYN-ACK is the connection's, cookie or not", () => {
  for (const synCookies of ["off", "always"] satisfies SynCookieMode[]) {
    const peer = new ScriptedPeer({ addresses: ["fd00::1/64"], limits: { synCookies } });
    const { toe } = peer.stack;
    const listener = toe.socket(AF_INET6);
    toe.bind(listener, { address: "::", port: 80 });
    toe.listen(listener, 4);
    const from = { source: "fd00::2", destination: "fd00::1", etherType: 0x86dd };
    peer.queue({ ...from, seq: 7000, flags: SYN });
    const [frame] = peer.settleFrames();
    const label = (bytes: Uint8Array | undefined): number[] => [...(bytes?.subarray(1, 4) ?? [])];
    const seq = new DataView(frame?.buffer ?? new ArrayBuffer(99)).getUint32(44);
    peer.queue({ ...from, seq: 7001, ack: (seq + 1) >>> 0 });
    peer.settleFrames();
    toe.send(toe.accept(listener), new Uint8Array(10));
    const [data] = peer.settleFrames();
    expect(label(frame)).toEqual(label(data));
    expect(label(frame)).not.toEqual([0, 0, 0]);
  }
});

test("after a cookie the SYN comes again and finds room: the ACK of the cookie opens", () => {
  const c = new Crowd();
  const cookie = c.syn();
  c.send({ sourcePort: 1000, seq: 7001, ack: 1, flags: RST });
  const answer = c.syn();
  expect(answer.seq).not.toBe(cookie.seq);
  expect(established(c)).toBe("SYN-RECEIVED");
  expect(c.ack(cookie)).toEqual([]);
  expect(established(c)).toBe("ESTABLISHED");
  expect(poolCounts(c.peer.stack).rows).toBe(1);
});

describe.each(STARTS)("from ISN %d", (start) => {
  test("SC-8: half-open connections are bounded, and those that are open do not suffer", () => {
    const c = new RawConnection(start, { limits: { synCookies: "off" } });
    const listener = c.peer.listen(81, 4);
    let answered = 0;
    for (let i = 0; i < 200; i += 1) {
      const to = { destinationPort: 81, sourcePort: 20000 + i };
      answered += c.peer.send({ ...to, seq: i, flags: SYN }).length;
    }
    expect(answered).toBe(4);
    c.data(100);
    expect(c.read()).toHaveLength(100);
    // They are forgotten when nobody answers, and the next SYN is heard.
    c.pass(200e9, 1e9);
    const [answer] = c.peer.send({ destinationPort: 81, sourcePort: 30000, seq: 1, flags: SYN });
    expect(answer?.flags).toBe(SYN | ACK);
    expect(listener).toBeGreaterThanOrEqual(0);
  });

  test("SC-8: half of the rows at most are half open, whatever the backlog", () => {
    for (const synCookies of ["off", "on"] satisfies SynCookieMode[]) {
      const peer = new ScriptedPeer({ limits: { synCookies }, layout: { connections: 9 } });
      peer.listen(80, 1000);
      for (let sourcePort = 1; sourcePort <= 100; sourcePort += 1) {
        peer.send({ sourcePort, seq: start, flags: SYN });
      }
      expect(peer.stack.toe.connections()).toHaveLength(5);
      const fd = peer.stack.toe.socket();
      peer.stack.toe.connect(fd, { address: "10.0.0.2", port: 80 });
      expect(peer.settle().map(({ flags }) => flags & SYN)).toEqual([SYN]);
    }
  });
});
