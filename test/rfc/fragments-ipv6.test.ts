/**
 * Goal: RFC 8200, 4.5 rule by rule (ids FR-1 to FR-10): what is in pieces arrives whole or not at
 * all, who has sent what cannot be put together is told where the RFC says so, of IPv4 too, and
 * nothing else leaves. Method: hand-built pieces before a whole stack with a reassembler in front.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import type { Burst, Netif } from "../../host/netif/netif.ts";
import { ReassemblerNetif, type ReassemblerOptions } from "../../host/netif/reassembler.ts";
import { Stack } from "../../host/stack.ts";
import { seedOf } from "../support/env.ts";
import { fragmentsOf, type Ipv6Piece, ipv6Fragments, ipv6Piece } from "../support/fragments.ts";
import { buildFrame, streamBytes } from "../support/frames.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { Random } from "../support/random.ts";
import { decode, type Sent } from "../unit/control-plane/harness.ts";
import {
  icmpv6,
  ipv6Frame,
  LOCAL6,
  REMOTE6,
  solicitation,
} from "../unit/control-plane/ipv6-frames.ts";

const SECOND = 1e9;
const LINK = 14;
const TIME_EXCEEDED = 3;
const PARAMETER_PROBLEM = 4;

/** A stack with a reassembler, and the wire before it. */
class Wire implements Netif {
  readonly name = "wire";
  readonly medium = "ethernet";
  readonly mtu = 1500;
  readonly hardwareAddress = Uint8Array.from([2, 0, 0, 0, 0, 1]);
  readonly reassembler: ReassemblerNetif;
  readonly stack: Stack;
  now = SECOND;
  #ingress: Burst | undefined;
  readonly #queue: Uint8Array[] = [];
  #sent: Sent[] = [];

  constructor(options: ReassemblerOptions = {}) {
    this.reassembler = new ReassemblerNetif(this, options);
    const random = new Random(1);
    this.stack = new Stack({
      module: loadModule(),
      layout: TEST_LAYOUT,
      netifs: [
        {
          netif: this.reassembler,
          addresses: [`${LOCAL6}/64`, "10.0.0.1/24"],
          ipv6: { dadTransmits: 0 },
        },
      ],
      entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
    });
  }

  attach(ingress: Burst): void {
    this.#ingress = ingress;
  }

  credit(): number {
    return 1000;
  }

  send(burst: Burst, index: number): void {
    const at = burst.offset(index);
    this.#sent.push(decode(burst.bytes.slice(at, at + burst.length(index)), "ethernet"));
  }

  receive(): void {
    while (this.#queue.length > 0 && this.#ingress?.push(this.#queue[0] as Uint8Array, 0)) {
      this.#queue.shift();
    }
  }

  nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** What the stack sends when these arrive. */
  feed(...frames: readonly Uint8Array[]): Sent[] {
    this.#queue.push(...frames);
    this.#sent = [];
    do {
      while (this.stack.poll(this.now));
    } while (this.#queue.length > 0);
    return this.#sent;
  }

  after(ns: number): Sent[] {
    this.now += ns;
    return this.feed();
  }

  drops(reason: DropReason): number {
    const { core } = this.stack;
    return core.words[((core.map.base.drops as number) >>> 2) + reason] as number;
  }
}

/** An echo request of so many bytes behind its first eight. */
function echo(bytes: number, what: Parameters<typeof icmpv6>[4] = {}): Uint8Array {
  return icmpv6(128, 0, 0x00010002, streamBytes(3, bytes), { hopLimit: 64, ...what });
}

const piece = (frame: Uint8Array, from: number, to: number, what: Partial<Ipv6Piece> = {}) =>
  ipv6Piece(frame, LINK, { identification: 1, from, to, ...what });

const isReply = (sent: readonly Sent[], frame: Uint8Array): void => {
  expect(sent.map(({ operation }) => operation)).toEqual([129]);
  expect(sent[0]?.payload).toEqual(frame.slice(LINK + 44));
};

/** An ICMPv6 error that quotes `about`. */
function expectError(
  sent: readonly Sent[],
  type: number,
  code: number,
  pointer: number,
  about: Uint8Array,
): void {
  expect(sent.map(({ operation }) => operation)).toEqual([type]);
  const [error] = sent as [Sent];
  expect(error).toMatchObject({ source: LOCAL6, destination: REMOTE6 });
  expect(error.destinationMac).toBe("2.0.0.0.0.2");
  expect(error.frame[LINK + 41]).toBe(code);
  expect(Array.from(error.payload.subarray(0, 4))).toEqual([0, 0, 0, pointer]);
  expect(error.payload.slice(4)).toEqual(about.slice(LINK, LINK + 1232));
}

describe("FR-1, RFC 8200 4.5: pieces become what they were", () => {
  test.each([8, 64, 256, 600])("of %d bytes, in any order", (bytes) => {
    const random = new Random(seedOf(bytes));
    for (let run = 0; run < 5; run += 1) {
      const wire = new Wire();
      const whole = echo(700);
      const pieces = ipv6Fragments(whole, LINK, bytes)
        .map((one) => ({ one, at: random.u32() }))
        .sort((a, b) => a.at - b.at);
      isReply(wire.feed(...pieces.map(({ one }) => one)), whole);
      expect(wire.reassembler.counters.reassembled).toBe(1);
      expect(wire.stack.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test("headers are the first piece's, the fragment header is gone from between them", () => {
    const wire = new Wire();
    const options = [58, 0, 1, 4, 0, 0, 0, 0];
    const whole = echo(200, { extensions: options, nextHeader: 60 });
    const pieces = ipv6Fragments(whole, LINK, 64, 7, options.length);
    // RFC 8200, 4.5: what others have in front of their fragment header is ignored.
    const plain = ipv6Piece(echo(200), LINK, { identification: 7, from: 64, to: 128 });
    expect(plain[LINK + 40]).toBe(58);
    const [first, , ...rest] = pieces as [Uint8Array, Uint8Array, ...Uint8Array[]];
    isReply(wire.feed(...rest, plain, first), echo(200));
  });

  test("names are source, destination and identification", () => {
    const wire = new Wire();
    const [a, b] = [echo(100), echo(100, { source: "fd00::3" })];
    const first = [piece(a, 0, 64), piece(a, 0, 64, { identification: 2 }), piece(b, 0, 64)];
    expect(wire.feed(...first)).toEqual([]);
    const answers = wire.feed(piece(b, 64, 108), piece(a, 64, 108));
    const told = answers.map(({ destination }) => destination);
    expect(told.sort()).toEqual([REMOTE6, "fd00::3"]);
  });

  test.each([
    [[2, 3], 3],
    [[2, 2], 2],
    [[0, 3], undefined],
  ])("RFC 3168, 5.3: marks %j of the pieces become %s", (marks, whole) => {
    const wire = new Wire();
    const frame = echo(100);
    const [first, last] = marks as [number, number];
    const sent = wire.feed(
      piece(frame, 0, 64, { ecn: first }),
      piece(frame, 64, 108, { ecn: last }),
    );
    expect(sent).toHaveLength(whole === undefined ? 0 : 1);
    expect(wire.drops(DropReason.FragmentOverlap)).toBe(whole === undefined ? 1 : 0);
  });
});

describe("FR-2, RFC 5722 4: pieces that overlap end the datagram in silence", () => {
  const frame = echo(300);
  const rows: [name: string, from: number, to: number, more?: boolean][] = [
    ["its start", 56, 128],
    ["its end", 128, 200],
    ["all of it", 56, 208],
    ["its middle", 72, 80],
    ["a part from its start", 64, 72],
    ["it, with another end", 64, 136, false],
  ];
  test.each(rows)("one over %s", (_name, from, to, more) => {
    const wire = new Wire();
    wire.feed(piece(frame, 64, 136));
    const what = more === undefined ? {} : { more };
    expect(wire.feed(piece(frame, from, to, what))).toEqual([]);
    expect(wire.drops(DropReason.FragmentOverlap)).toBe(1);
    // What would have completed it, and those not yet received, go with it.
    expect(wire.feed(...ipv6Fragments(frame, LINK, 64))).toEqual([]);
    expect(wire.drops(DropReason.FragmentOverlap)).toBe(6);
    expect(wire.after(61 * SECOND)).toEqual([]);
    expect(wire.drops(DropReason.FragmentTimeout)).toBe(0);
    isReply(wire.feed(...ipv6Fragments(frame, LINK, 64)), frame);
  });

  test("other bytes in the same place overlap", () => {
    const wire = new Wire();
    const other = frame.slice();
    other[LINK + 40 + 100] = 255 - (other[LINK + 40 + 100] as number);
    wire.feed(piece(frame, 64, 136), piece(other, 64, 136));
    expect(wire.drops(DropReason.FragmentOverlap)).toBe(1);
  });
});

test("FR-3, RFC 8200 4.5: an exact duplicate is dropped alone", () => {
  const wire = new Wire();
  const frame = echo(300);
  const pieces = ipv6Fragments(frame, LINK, 64);
  const twice = pieces.slice(0, -1).flatMap((one) => [one, one]);
  expect(wire.feed(...twice)).toEqual([]);
  isReply(wire.feed(pieces.at(-1) as Uint8Array), frame);
  expect(wire.reassembler.counters).toMatchObject({ repeated: 4, contradictory: 0 });
});

test("FR-4, RFC 6946 4: an atomic fragment waits for no other and disturbs none", () => {
  const wire = new Wire();
  const frame = echo(100);
  const atomic = piece(frame, 0, 108);
  expect(wire.feed(piece(frame, 0, 64))).toEqual([]);
  isReply(wire.feed(atomic), frame);
  isReply(wire.feed(piece(frame, 64, 108)), frame);
  expect(wire.reassembler.counters.fragments).toBe(2);
});

describe("what is wrong with a piece by itself is told its sender", () => {
  const frame = echo(300);
  test("FR-5, RFC 8200 4.5: of no whole blocks: parameter problem at the payload length", () => {
    const wire = new Wire();
    const bad = piece(frame, 0, 60);
    expectError(wire.feed(bad), PARAMETER_PROBLEM, 0, 4, bad);
    expect(wire.drops(DropReason.FragmentLength)).toBe(1);
    // The last one may.
    expect(wire.feed(piece(frame, 256, 308))).toEqual([]);
    expect(wire.reassembler.counters.fragments).toBe(1);
  });

  test("FR-6, RFC 8200 4.5: beyond 65,535 bytes: parameter problem at the fragment offset", () => {
    const wire = new Wire();
    // At 65,528 seven bytes are left.
    const beyond = piece(frame, 0, 8);
    beyond.set([0xff, 0xf8], LINK + 42);
    expectError(wire.feed(beyond), PARAMETER_PROBLEM, 0, 42, beyond);
    expect(wire.drops(DropReason.FragmentBeyond)).toBe(1);
    const within = piece(frame, 0, 7);
    within.set([0xff, 0xf8], LINK + 42);
    expect(wire.feed(within)).toEqual([]);
    expect(wire.drops(DropReason.FragmentBeyond)).toBe(1);
  });

  const headers: [name: string, bad: Uint8Array][] = [
    ["half of a TCP header", piece(ipv6Frame(streamBytes(1, 40) as never, { protocol: 6 }), 0, 16)],
    ["a TCP header without its options", tcpOf(6, 24)],
    ["options that go on", piece(echo(64, { extensions: [58, 1, 1, 12], nextHeader: 60 }), 0, 8)],
  ];
  test.each(headers)("FR-8, RFC 7112 5: %s: parameter problem, code 3", (_name, bad) => {
    const wire = new Wire();
    expectError(wire.feed(bad), PARAMETER_PROBLEM, 3, 0, bad);
    expect(wire.drops(DropReason.FragmentHeaders)).toBe(1);
  });

  test("FR-8: all headers and nothing behind them are enough", () => {
    const wire = new Wire();
    expect(wire.feed(tcpOf(6, 24, 24))).toEqual([]);
    expect(wire.drops(DropReason.FragmentHeaders)).toBe(0);
    expect(wire.reassembler.counters.fragments).toBe(1);
  });

  test("RFC 4443 2.4: not about a group's packet, nor about who is nobody", () => {
    const wire = new Wire();
    const odd = [{ destination: "ff02::1" }, { source: "::" }, { destination: "fd00::9" }];
    for (const what of odd) expect(wire.feed(piece(echo(300, what), 0, 60))).toEqual([]);
    expect(wire.drops(DropReason.FragmentLength)).toBe(3);
  });
});

/** A first piece of 24 bytes of TCP, whose header says that it has `words`. */
function tcpOf(words: number, bytes: number, most = 16): Uint8Array {
  const tcp = Array.from(streamBytes(1, bytes + 40));
  tcp[12] = (most === 24 ? words : 7) << 4;
  return piece(ipv6Frame(tcp, { protocol: 6 }), 0, bytes);
}

describe("FR-7, RFC 8200 4.5: what is incomplete for 60 s is given up", () => {
  const frame = echo(1400);
  test("its sender hears of it when the first piece had come, in time and once", () => {
    const wire = new Wire();
    const first = piece(frame, 0, 1304);
    expect(wire.feed(first)).toEqual([]);
    expect(wire.stack.nextDeadline()).toBe(61 * SECOND);
    expect(wire.after(59.9 * SECOND)).toEqual([]);
    expectError(wire.after(0.1 * SECOND), TIME_EXCEEDED, 1, 0, first);
    expect(wire.drops(DropReason.FragmentTimeout)).toBe(1);
    expect(wire.after(60 * SECOND)).toEqual([]);
    expect(wire.stack.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test("the time is the first arrival's; without the first piece there is silence", () => {
    const wire = new Wire();
    wire.feed(piece(frame, 64, 128));
    wire.after(30 * SECOND);
    wire.feed(piece(frame, 128, 192));
    expect(wire.after(30 * SECOND)).toEqual([]);
    expect(wire.drops(DropReason.FragmentTimeout)).toBe(1);
    isReply(wire.feed(...ipv6Fragments(echo(100), LINK, 64)), echo(100));
  });

  test("many at once are told no faster than echoes, and to no more than there is room for", () => {
    const wire = new Wire({ datagrams: 100 });
    const firsts = Array.from({ length: 100 }, (_, i) =>
      piece(frame, 0, 64, { identification: i }),
    );
    wire.feed(...firsts);
    const told = wire.after(60 * SECOND);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(16);
    expect(wire.drops(DropReason.FragmentTimeout)).toBe(100);
  });
});

describe("RFC 1122, 3.3.2: so it is of IPv4, and told", () => {
  const PROTOCOL_ICMP = 1;
  const first = (what: object = {}): Uint8Array => {
    const whole = buildFrame({ fragment: 0, payload: streamBytes(7, 400), ...what });
    return fragmentsOf(whole, LINK, 144)[0] as Uint8Array;
  };

  test("time exceeded, code 1, with the first piece's header and 8 bytes", () => {
    const wire = new Wire();
    const sent = first();
    expect(wire.feed(sent)).toEqual([]);
    expect(wire.stack.nextDeadline()).toBe(61 * SECOND);
    expect(wire.after(59.9 * SECOND)).toEqual([]);
    const [told, ...others] = wire.after(0.1 * SECOND);
    expect(others).toEqual([]);
    expect(told).toMatchObject({ operation: 11, source: "10.0.0.1", destination: "10.0.0.2" });
    expect(told?.frame[LINK + 21]).toBe(1);
    expect(told?.payload).toEqual(sent.slice(LINK, LINK + 28));
    expect(wire.stack.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  const rows: [name: string, frame: Uint8Array, answers: number][] = [
    ["an echo request", first({ protocol: PROTOCOL_ICMP, sourcePort: 0x0800 }), 1],
    ["an ICMP error", first({ protocol: PROTOCOL_ICMP, sourcePort: 0x0b00 }), 0],
    ["a broadcast", first({ destination: "10.0.0.255" }), 0],
    ["a packet from nobody", first({ source: "0.0.0.0" }), 0],
    ["a last piece", fragmentsOf(buildFrame({ payload: streamBytes(7, 400) }), LINK, 144)[2], 0],
  ] as [string, Uint8Array, number][];
  test.each(rows)("RFC 1122, 3.2.2: about %s", (_name, frame, answers) => {
    const wire = new Wire();
    wire.feed(frame);
    expect(wire.after(60 * SECOND)).toHaveLength(answers);
    expect(wire.drops(DropReason.FragmentTimeout)).toBe(1);
  });
});

test("FR-9, RFC 6980 5: neighbour discovery in fragments is dropped in silence", () => {
  const wire = new Wire();
  const asked = solicitation(LOCAL6);
  expect(wire.feed(asked)).toHaveLength(1);
  expect(wire.feed(piece(asked, 0, 16), piece(asked, 16, 32))).toEqual([]);
  expect(wire.drops(DropReason.FragmentNdp)).toBe(1);
  expect(wire.feed(piece(asked, 0, 32))).toEqual([]);
  expect(wire.drops(DropReason.FragmentNdp)).toBe(2);
});

describe("FR-10: bounded", () => {
  test("a flood of first pieces takes the room of the oldest", () => {
    const wire = new Wire({ datagrams: 4 });
    const whole = echo(100);
    const ids = Array.from({ length: 60 }, (_, i) => i);
    wire.feed(...ids.map((identification) => piece(whole, 0, 64, { identification })));
    expect(wire.drops(DropReason.FragmentLimit)).toBe(56);
    const seconds = ids
      .slice(56)
      .map((identification) => piece(whole, 64, 108, { identification }));
    expect(wire.feed(...seconds)).toHaveLength(4);
  });

  test("longer than was asked for is dropped, and its rest", () => {
    const wire = new Wire({ bytes: 512 });
    expect(wire.feed(...ipv6Fragments(echo(600), LINK, 256))).toEqual([]);
    expect(wire.drops(DropReason.FragmentTooLong)).toBe(1);
    expect(wire.reassembler.counters.reassembled).toBe(0);
  });

  test("20,000 random pieces leave pools and slots as they were", () => {
    const seed = seedOf(11);
    const random = new Random(seed);
    const wire = new Wire({ datagrams: 8, bytes: 4096 });
    const before = poolCounts(wire.stack);
    const whole = echo(1200);
    let answers = 0;
    for (let burst = 0; burst < 1000; burst += 1) {
      const pieces = Array.from({ length: 20 }, () => randomPiece(random, whole));
      answers += wire.feed(...pieces).length;
      if (random.oneIn(4)) answers += wire.after((random.u32() % 40) * SECOND).length;
    }
    const { counters } = wire.reassembler;
    // Each kind of fate was met.
    const fates = { ...counters, answers, tooLong: 1 };
    for (const [name, count] of Object.entries(fates)) {
      expect(count, `${name}, SEED=${seed}`).toBeGreaterThan(0);
    }
    wire.after(61 * SECOND);
    wire.after(SECOND);
    expect(poolCounts(wire.stack)).toEqual(before);
    expect(wire.stack.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    const fresh = ipv6Fragments(whole, LINK, 64, 0xffffffff);
    expect(wire.feed(...fresh), `SEED=${seed}`).toHaveLength(1);
  });
});

/** Mostly of a few datagrams, cut where they should be; now and then with a byte changed. */
function randomPiece(random: Random, whole: Uint8Array): Uint8Array {
  const payload = whole.length - LINK - 40;
  const identification = random.u32() % (random.oneIn(30) ? 12 : 6);
  const size = random.oneIn(8) ? 8 + (random.u32() % 1000) : 608;
  const from = random.oneIn(8) ? (random.u32() % 150) * 8 : (random.u32() % 2) * 608;
  const to = Math.min(payload, from + size);
  if (from >= to) return piece(whole, 0, 608, { identification });
  const what = random.oneIn(30) ? { more: random.oneIn(2) } : {};
  const made = piece(whole, from, to, { identification, ...what });
  if (random.oneIn(10)) {
    const at = LINK + (random.u32() % (made.length - LINK));
    made[at] = random.u32() & 255;
  }
  return random.oneIn(40) ? made.slice(0, LINK + (random.u32() % (made.length - LINK))) : made;
}
