/**
 * Threats O04 and O07 to O12 where they belong: in the handshake, over a whole stack, in the SYN of
 * a peer that opens and in the SYN-ACK of one that we connect to. Documented choices: of several
 * options of a kind the first counts; an MSS below MSS_MIN is raised to it; a window shift above 14
 * acts as 14 (RFC 7323, 2.3).
 */
import { describe, expect, test } from "vitest";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { isNight } from "../support/env.ts";
import { ACK, PSH, SYN, timestampOption, type FrameFields } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { type PoolCounts, poolCounts } from "../support/pool-counts.ts";
import { expectReturned } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const SEQ = 7000;
const OURS = 40;
/** The peer's. */
const PORT = 40000;
/** Of window scale options: the largest that counts, and all above; by day some in a SYN-ACK. */
const SHIFTS = Array.from({ length: 242 }, (_, i) => 14 + i);
const SOME_SHIFTS = [14, 15, 16, 31, 32, 127, 128, 255];

type Direction = "passive" | "active";

interface Opened {
  readonly peer: ScriptedPeer;
  readonly before: PoolCounts;
  readonly fd: number;
  /** Ours to the peer's SYN: a SYN-ACK, or the ACK of its SYN-ACK. */
  readonly answer: SentSegment;
  /** Our next number, and what each segment of the peer's has. */
  readonly ack: number;
  readonly ports: Partial<FrameFields>;
}

function accept(options: readonly number[]): Opened {
  const peer = new ScriptedPeer();
  const before = poolCounts(peer.stack);
  const listener = peer.listen(80);
  const [answer] = peer.send({ seq: SEQ, flags: SYN, options });
  if (answer === undefined) throw new Error("SYN: expected an answer");
  const ack = answer.seq + 1;
  peer.send({ seq: SEQ + 1, ack, flags: ACK });
  return { peer, before, fd: peer.stack.toe.accept(listener), answer, ack, ports: {} };
}

function connect(options: readonly number[]): Opened {
  const peer = new ScriptedPeer();
  const before = poolCounts(peer.stack);
  const fd = peer.stack.toe.socket();
  peer.stack.toe.connect(fd, { address: "10.0.0.2", port: PORT });
  const [syn] = peer.settle();
  if (syn === undefined) throw new Error("connect: expected a SYN");
  const ack = syn.seq + 1;
  const ports = { destinationPort: syn.tuple.sourcePort };
  const [answer] = peer.send({ ...ports, seq: SEQ, ack, flags: SYN | ACK, options });
  if (answer === undefined) throw new Error("SYN-ACK: expected an answer");
  expect([answer.flags, answer.ack]).toEqual([ACK, SEQ + 1]);
  return { peer, before, fd, answer, ack, ports };
}

/** A connection whose peer sent these options in its SYN; then it says this window in an ACK. */
function open(way: Direction, options: readonly number[], window = 0xffff): Opened {
  const opened = way === "passive" ? accept(options) : connect(options);
  const { peer, ack, ports } = opened;
  peer.send({ ...ports, seq: SEQ + 1, ack, flags: ACK, window });
  expect(peer.state(PORT)).toBe("ESTABLISHED");
  return opened;
}

const infoOf = ({ peer }: Opened) =>
  peer.stack.toe.connections().find(({ remote }) => remote.port === PORT);

/** Payload sizes of 3,000 bytes, acknowledged as they come; the last that is asked. */
function sizes(opened: Opened, fields: Partial<FrameFields> = {}): number[] {
  const { peer, before, fd, ports } = opened;
  expect(peer.stack.toe.send(fd, new Uint8Array(3000))).toBe(3000);
  const seen = new Map<number, number>();
  let waiting = peer.settle();
  for (let round = 0; round < 200 && waiting.length > 0; round += 1) {
    for (const { seq, payloadLength } of waiting) seen.set(seq, payloadLength);
    const last = waiting.at(-1) as SentSegment;
    const ack = last.seq + last.payloadLength;
    peer.now += 1e6;
    waiting = peer.send({ ...ports, seq: SEQ + 1, ack, flags: ACK, ...fields });
  }
  expectReturned(peer, before);
  return [...seen.values()].filter((length) => length > 0);
}

const sum = (list: readonly number[]): number => list.reduce((total, one) => total + one, 0);

/** What the connection took from the SYN's options; the last that is asked. */
function taken(opened: Opened): unknown {
  const { peer, before, answer } = opened;
  const { mss, peerScale, sack, timestamps } = infoOf(opened) ?? {};
  expectReturned(peer, before);
  const echo = answer.timestamp?.echo ?? -1;
  // The answer's length says what it offers or carries.
  return { mss, peerScale, sack, timestamps, echo, length: answer.payloadOffset };
}

describe.each(["passive", "active"] as const)("%s open", (way) => {
  test("threats/O04 a known option of a wrong length in a SYN is as if it were not there", () => {
    const rows: [string, number[]][] = [
      ["MSS 2", [2, 2]],
      ["MSS 3", [2, 3, 3]],
      ["MSS 5", [2, 5, 3, 232, 0]],
      ["WS 2", [3, 2]],
      ["WS 4", [3, 4, 7, 7]],
      ["SACK-permitted 3", [4, 3, 0]],
      ["TS 9", [8, 9, 0, 0, 0, 9, 0, 0, 0]],
      ["TS 11", [8, 11, 0, 0, 0, 9, 0, 0, 0, 0, 0]],
      ["SACK 9", [5, 9, 0, 0, 0, 1, 0, 0, 0]],
    ];
    const bare = taken(open(way, []));
    for (const [what, bytes] of rows) {
      expect(taken(open(way, bytes)), what).toEqual(bare);
      // What stands behind it counts.
      expect(taken(open(way, [...bytes, 2, 4, 3, 232])), what).toEqual(
        taken(open(way, [2, 4, 3, 232])),
      );
    }
  });

  test("threats/O07 of several options of a kind the first counts", () => {
    const first = Math.max(...sizes(open(way, [2, 4, 2, 88, 2, 4, 3, 232])));
    const second = Math.max(...sizes(open(way, [2, 4, 3, 232, 2, 4, 2, 88])));
    expect([first, second]).toEqual([600, 1000]);
    expect(taken(open(way, [3, 3, 2, 3, 3, 9]))).toEqual(taken(open(way, [3, 3, 2])));
    expect(taken(open(way, [3, 3, 9, 3, 3, 2]))).toEqual(taken(open(way, [3, 3, 9])));
    const stamps = [...timestampOption(5, 0), ...timestampOption(9, 0)];
    expect(taken(open(way, stamps))).toEqual(taken(open(way, timestampOption(5, 0))));
  });

  test("threats/O08 the peer's MSS is raised to what is bearable, and lowered to what fits", () => {
    for (const mss of [0, 1, 47, 48, 65535]) {
      const sent = sizes(open(way, [2, 4, mss >>> 8, mss & 255]));
      expect(sum(sent), `mss ${mss}`).toBe(3000);
      for (const size of sent) expect(size + OURS, `mss ${mss}`).toBeLessThanOrEqual(1500);
      // At least MSS_MIN less the options of a segment, but for the last.
      for (const size of sent.slice(0, -1)) {
        expect(size, `mss ${mss}`).toBeGreaterThanOrEqual(MSS_MIN - 12);
      }
    }
  });

  test("threats/O08 without an MSS option 536 is assumed (RFC 9293 MUST-15)", () => {
    expect(Math.max(...sizes(open(way, [])))).toBe(536);
  });

  test("threats/O09 a window shift of 15 to 255 acts as 14", () => {
    for (const shift of way === "passive" || isNight() ? SHIFTS : SOME_SHIFTS) {
      const opened = open(way, [3, 3, shift], 2);
      const info = infoOf(opened);
      expect(info?.peerScale, `shift ${shift}`).toBe(14);
      expect(info?.peerWindow, `shift ${shift}`).toBe(2 << 14);
      expectReturned(opened.peer, opened.before);
    }
  });

  test("threats/O10 SYN options that come later change nothing", () => {
    const opened = open(way, [2, 4, 3, 232]);
    const { peer, ack, ports } = opened;
    const late = [2, 4, 0, 60, 3, 3, 7, 4, 2, 0];
    const flags = ACK | PSH;
    peer.send({ ...ports, seq: SEQ + 1, ack, flags, options: late, window: 5000 });
    expect(infoOf(opened)).toMatchObject({
      peerScale: 0,
      sack: false,
      timestamps: false,
      peerWindow: 5000,
    });
    expect(Math.max(...sizes(opened, { options: late }))).toBe(1000);
  });

  test("threats/O12 options that nobody asked for change no answer to a SYN", () => {
    const rows: [string, number[]][] = [
      ["MD5", [19, 18, ...Array<number>(16).fill(5)]],
      ["AO", [29, 16, ...Array<number>(14).fill(5)]],
      ["TFO, a request for a cookie", [34, 2]],
      ["TFO cookie", [34, 10, 1, 2, 3, 4, 5, 6, 7, 8]],
      ["MPTCP", [30, 12, 0, 0x81, ...Array<number>(8).fill(7)]],
      ["UTO", [28, 4, 0x80, 1]],
      ["experimental", [253, 8, 0xf9, 0x89, 1, 2, 3, 4]],
    ];
    const plain = taken(open(way, [2, 4, 3, 232]));
    for (const [what, bytes] of rows) {
      expect(taken(open(way, [...bytes, 2, 4, 3, 232])), what).toEqual(plain);
    }
  });

  test("threats/O01 to O06 a SYN with broken options opens with what could be read", () => {
    const rows: [string, number[]][] = [
      ["length 0", [2, 4, 3, 232, 77, 0, 0, 0]],
      ["length 1", [2, 4, 3, 232, 8, 1, 0, 0]],
      ["past the end", [2, 4, 3, 232, 3, 40, 0, 0]],
      ["MSS of a wrong length behind", [2, 4, 3, 232, 2, 3, 9, 1]],
      ["40 NOPs but for the MSS", [...Array<number>(36).fill(1), 2, 4, 3, 232]],
      ["garbage behind the end", [2, 4, 3, 232, 0, 2, 4, 0]],
    ];
    for (const [what, options] of rows) {
      expect(Math.max(...sizes(open(way, options))), what).toBe(1000);
    }
  });
});
