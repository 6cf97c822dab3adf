/**
 * Goal: neighbour discovery, extension headers and ICMPv6 as RFC 4861, RFC 8200 and RFC 4443 have
 * them. Method: frames of a peer that keeps the rules, or breaks one, to a control plane of
 * fd00::1.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { address } from "../../../host/address.ts";
import { ERRNO } from "../../../host/errors.ts";
import { ACK, SYN } from "../../support/frames.ts";
import { Host, LOCAL_MAC, OPTIONS, REMOTE_MAC, type HostOptions, type Sent } from "./harness.ts";
import { advertisement, icmpv6, ipv6Frame, LOCAL6, REMOTE6 } from "./ipv6-frames.ts";
import { solicitation, type Ipv6Message } from "./ipv6-frames.ts";

const OTHER_MAC = [2, 0, 0, 0, 0, 9];
const SECOND = 1e9;
const mac = (bytes: readonly number[]): string => bytes.join(".");

function makeHost(options: HostOptions = {}): Host {
  return new Host({ addresses: [`${LOCAL6}/64`], ...options });
}

function connect(host: Host): number {
  const remote = { address: address(REMOTE6), port: 80 };
  return host.control.open({ remote, options: OPTIONS, context: 1 });
}

/** A segment of the peer, from the port that our connection goes to. */
function segment(host: Host, fields: object): Uint8Array {
  return host.segment({ source: REMOTE6, destination: LOCAL6, sourcePort: 80, ...fields });
}

/** An established active connection. */
function establish(host: Host, options: readonly number[] = []): { id: number; syn: Sent } {
  const id = connect(host);
  host.poll();
  const [syn] = host.feed(advertisement(REMOTE6, 0x60));
  if (syn === undefined) throw new Error("establish: expected a SYN");
  const { sourcePort: destinationPort } = syn;
  const ack = (syn.seq + 1) >>> 0;
  host.feed(segment(host, { destinationPort, seq: 9000, ack, flags: SYN | ACK, options }));
  return { id, syn };
}

describe("neighbour discovery", () => {
  test("RFC 4861, 7.2.2: asks the solicited-node group three times, then EHOSTUNREACH", () => {
    const host = makeHost();
    const id = connect(host);
    const sent = [...host.poll(), ...host.after(SECOND), ...host.after(SECOND)];
    expect(sent).toHaveLength(3);
    for (const each of sent) {
      expect(each).toMatchObject({ operation: 135, ttl: 255, destination: "ff02::1:ff00:2" });
      expect(each.destinationMac).toBe("51.51.255.0.0.2");
      expect(Array.from(each.payload.subarray(20))).toEqual([1, 1, ...LOCAL_MAC]);
    }
    expect(host.after(SECOND)).toEqual([]);
    expect(host.events).toEqual([`closed ${id} ${ERRNO.EHOSTUNREACH}`]);
  });

  test("an answer lets the SYN go, and it offers MTU less 60 (RFC 9293 MUST-67)", () => {
    const host = makeHost();
    const { syn } = establish(host);
    expect(syn).toMatchObject({ kind: "tcp", flags: "S", source: LOCAL6, destination: REMOTE6 });
    expect(syn.destinationMac).toBe(mac(REMOTE_MAC));
    expect(syn.options.get(2)).toEqual([1440 >>> 8, 1440 & 255]);
    expect(host.events).toEqual(["opened 1 0"]);
  });

  test("MUST-15: without the option 1,220 bytes are assumed", () => {
    const host = makeHost();
    const { id } = establish(host);
    expect(host.control.info(id).mss).toBe(1220);
  });

  test("RFC 4861, 7.2.4: a solicitation is answered to who asked", () => {
    const host = makeHost();
    const [reply] = host.feed(solicitation(LOCAL6, { destination: "ff02::1:ff00:1" }));
    expect(reply).toMatchObject({ operation: 136, ttl: 255, destination: REMOTE6 });
    expect(reply?.payload[0]).toBe(0x60);
    expect(Array.from(reply?.payload.subarray(20) ?? [])).toEqual([2, 1, ...LOCAL_MAC]);
    expect(reply?.destinationMac).toBe(mac(REMOTE_MAC));
  });

  test("RFC 4862, 5.4.3: a probe for an address of ours is answered to all", () => {
    const probe = icmpv6(135, 0, 0, [...address(LOCAL6)], {
      source: "::",
      destination: "ff02::1:ff00:1",
    });
    const [reply] = makeHost().feed(probe);
    expect(reply).toMatchObject({ operation: 136, destination: "ff02::1" });
    expect(reply?.payload[0]).toBe(0x20);
  });

  const bad: [name: string, frame: Uint8Array][] = [
    ["through a router", solicitation(LOCAL6, { hopLimit: 254 })],
    ["short", icmpv6(135, 0, 0, [1, 2, 3])],
    ["code 1", icmpv6(135, 1, 0, [...address(LOCAL6)])],
    ["option of length 0", icmpv6(135, 0, 0, [...address(LOCAL6), 1, 0, 1, 1, 1, 1, 1, 1])],
    ["option past the end", icmpv6(135, 0, 0, [...address(LOCAL6), 1, 2, 1, 1, 1, 1, 1, 1])],
    ["for nobody", solicitation("fd00::7")],
    [
      "a probe with an address",
      solicitation(LOCAL6, { source: "::", destination: "ff02::1:ff00:1" }),
    ],
    [
      "an answer to a group that was asked for",
      advertisement(REMOTE6, 0x60, REMOTE_MAC, { destination: "ff02::1" }),
    ],
    ["an answer about a group", advertisement("ff02::5", 0x60)],
    ["an answer that nobody asked for", advertisement("fd00::7", 0x60)],
    ["an answer through a router", advertisement(REMOTE6, 0x60, REMOTE_MAC, { hopLimit: 64 })],
  ];
  test.each(bad)("RFC 4861, 7.1: dropped and counted: %s", (_name, frame) => {
    const host = makeHost();
    connect(host);
    host.poll();
    expect(host.feed(frame)).toEqual([]);
    expect(host.drops(DropReason.NdpIgnored)).toBe(1);
  });

  test("many options are a bounded walk", () => {
    const options = Array.from({ length: 17 }, () => [9, 1, 0, 0, 0, 0, 0, 0]).flat();
    const host = makeHost();
    expect(host.feed(icmpv6(135, 0, 0, [...address(LOCAL6), ...options]))).toEqual([]);
    expect(host.drops(DropReason.NdpIgnored)).toBe(1);
  });

  test("STALE is used, DELAY probes its address alone, and silence gives it up (7.3.3)", () => {
    const host = makeHost();
    establish(host);
    host.after(31 * SECOND);
    connect(host);
    expect(host.poll()[0]).toMatchObject({ flags: "S", destinationMac: mac(REMOTE_MAC) });
    const probes = Array.from({ length: 10 }, () => host.after(SECOND)).flat();
    const asked = probes.filter(({ destination: to, kind }) => kind === "icmp" && to === REMOTE6);
    expect(asked).toHaveLength(3);
    for (const each of asked) {
      expect(each).toMatchObject({ destination: REMOTE6, destinationMac: mac(REMOTE_MAC) });
    }
    // Then from the beginning: the group is asked.
    expect(probes.at(-1)).toMatchObject({ operation: 135, destination: "ff02::1:ff00:2" });
  });

  test("a probe is no answered one because the neighbour speaks (7.2.3)", () => {
    const host = makeHost();
    establish(host);
    host.after(31 * SECOND);
    connect(host);
    host.poll();
    const sent = Array.from({ length: 10 }, () => [
      ...host.after(SECOND),
      ...host.feed(solicitation(LOCAL6)),
    ]).flat();
    const asked = sent.filter(({ destination, operation }) => {
      return operation === 135 && destination === REMOTE6;
    });
    expect(asked).toHaveLength(3);
  });

  const said: [name: string, frame: Uint8Array, probes: number][] = [
    ["nothing new", solicitation(LOCAL6), 0],
    ["another address, without overriding", advertisement(REMOTE6, 0x00, OTHER_MAC), 3],
    [
      "another address as an answer, without overriding",
      advertisement(REMOTE6, 0x40, OTHER_MAC),
      3,
    ],
  ];
  test.each(said)("REACHABLE, and somebody says %s (7.2.3, 7.2.5)", (_name, frame, count) => {
    const host = makeHost();
    establish(host);
    host.feed(frame);
    connect(host);
    const sent = Array.from({ length: 9 }, () => host.after(SECOND)).flat();
    expect(sent.filter(({ operation }) => operation === 135)).toHaveLength(count);
    const [first] = sent.filter(({ flags }) => flags === "S");
    expect(first?.destinationMac).toBe(mac(REMOTE_MAC));
  });

  test("an override moves a live connection; without it nothing changes (7.2.5)", () => {
    const host = makeHost();
    const { id } = establish(host);
    host.feed(advertisement(REMOTE6, 0x00, OTHER_MAC));
    host.update(id, { append: 10 });
    expect(host.poll()[0]?.destinationMac).toBe(mac(REMOTE_MAC));
    host.feed(advertisement(REMOTE6, 0x20, OTHER_MAC));
    host.update(id, { append: 10 });
    host.after(2 * SECOND);
    host.update(id, { append: 10 });
    const macs = host.after(4 * SECOND).map(({ destinationMac }) => destinationMac);
    expect(macs).toContain(mac(OTHER_MAC));
  });

  test("a connection without answers asks for its next hop (RFC 1122, 3.3.1.4)", () => {
    const host = makeHost();
    const { id } = establish(host);
    host.update(id, { append: 10 });
    host.poll();
    // Alone at first, then the group.
    const asked: Sent[] = [];
    for (let i = 0; i < 30 && asked.at(-1)?.destination !== "ff02::1:ff00:2"; i += 1) {
      asked.push(...host.after(SECOND).filter(({ operation }) => operation === 135));
    }
    expect(asked[0]).toMatchObject({ destination: REMOTE6, destinationMac: mac(REMOTE_MAC) });
    host.feed(advertisement(REMOTE6, 0x60, OTHER_MAC));
    const later = Array.from({ length: 40 }, () => host.after(SECOND)).flat();
    const [segment] = later.filter(({ kind }) => kind === "tcp");
    expect(segment?.destinationMac).toBe(mac(OTHER_MAC));
  });
});

/** Options header of one unit: PadN, or one option of this type. */
const options = (next: number, type = 1): number[] => [next, 0, type, 4, 0, 0, 0, 0];

describe("extension headers", () => {
  const good: [name: string, first: number, bytes: number[]][] = [
    ["hop-by-hop", 0, options(6)],
    ["destination options", 60, options(6)],
    ["hop-by-hop, destination, destination", 0, [...options(60), ...options(60), ...options(6)]],
    ["routing without segments left", 43, [6, 0, 2, 0, 0, 0, 0, 0]],
    ["an atomic fragment (RFC 6946)", 44, [6, 0, 0, 0, 0, 0, 0, 1]],
    ["an unknown option to skip", 60, options(6, 0x1e)],
    ["eight headers", 60, [...Array.from({ length: 7 }, () => options(60)).flat(), ...options(6)]],
  ];
  test.each(good)("a SYN behind %s is answered", (_name, nextHeader, extensions) => {
    const host = makeHost();
    host.listen(81);
    const fields = { destinationPort: 81, nextHeader, extensions, flags: SYN, seq: 5 };
    expect(host.feed(segment(host, fields))[0]).toMatchObject({ flags: "SA", ack: 6 });
  });

  test("data of an established connection behind them arrives", () => {
    const host = makeHost();
    const { id, syn } = establish(host);
    const payload = Uint8Array.from([1, 2, 3, 4, 5]);
    const numbers = { seq: 9001, ack: (syn.seq + 1) >>> 0, destinationPort: syn.sourcePort };
    const wrapped = { nextHeader: 60, extensions: options(6), payload };
    host.feed(segment(host, { ...numbers, ...wrapped }));
    expect(host.control.info(id).rxNextSeq).toBe(9006);
  });

  const nine = [...Array.from({ length: 8 }, () => options(60)).flat(), ...options(6)];
  const many = [6, 4, ...Array.from({ length: 17 }, () => [0x1e, 0]).flat(), 0, 0, 0, 0];
  const bad: [string, number, number[], DropReason, number, number][] = [
    ["routing type 0 (RFC 5095)", 43, [6, 0, 0, 1, 0, 0, 0, 0], DropReason.RoutingHeader, 0, 42],
    ["a second hop-by-hop", 60, [...options(0), ...options(6)], DropReason.ExtensionLength, 1, 40],
    ["an option past its header", 60, [6, 0, 5, 9, 0, 0, 0, 0], DropReason.ExtensionLength, 0, 43],
    ["an option to be dropped for", 60, options(6, 0x40), DropReason.ExtensionOption, -1, 0],
    ["an option to be reported", 60, options(6, 0x80), DropReason.ExtensionOption, 2, 42],
    ["a header past the packet", 60, [6, 255, 1, 4, 0, 0, 0, 0], DropReason.ExtensionLength, -1, 0],
    ["nine headers", 60, nine, DropReason.ExtensionLimit, -1, 0],
    ["17 options", 60, many, DropReason.ExtensionLimit, -1, 0],
    ["a first fragment of 20 bytes", 44, [6, 0, 0, 1, 0, 0, 0, 1], DropReason.FragmentLength, 0, 4],
    ["a last fragment", 44, [6, 0, 1, 0, 0, 0, 0, 1], DropReason.IpFragment, -1, 0],
    // RFC 2675: not implemented, so that its option asks to be reported (11, to all but groups).
    ["a jumbo option", 0, [6, 0, 0xc2, 4, 0, 1, 0, 0], DropReason.ExtensionOption, 2, 42],
    ["no next header", 59, [], DropReason.ProtocolUnknown, -1, 0],
    ["an unknown protocol", 60, options(200), DropReason.ProtocolUnknown, 1, 40],
  ];
  test.each(bad)(
    "RFC 8200, 4, threats/H18: %s",
    (_name, nextHeader, extensions, reason, code, pointer) => {
      const host = makeHost();
      host.listen(81);
      const frame = segment(host, { destinationPort: 81, nextHeader, extensions, flags: SYN });
      const sent = host.feed(frame);
      expect(host.drops(reason)).toBe(1);
      if (code < 0) {
        expect(sent).toEqual([]);
        return;
      }
      expect(sent[0]).toMatchObject({ operation: 4, destination: REMOTE6 });
      expect(sent[0]?.frame[55]).toBe(code);
      expect(Array.from(sent[0]?.payload.subarray(0, 4) ?? [])).toEqual([0, 0, 0, pointer]);
      // RFC 4443, 2.4 c: as much of the packet as fits.
      expect(sent[0]?.payload.slice(4)).toEqual(frame.slice(14));
    },
  );

  test("threats B11: complaints are as rare as echoes, and never about a group's packet", () => {
    const host = makeHost({ limits: { echoesPerSecond: 1, echoBurst: 2 } });
    const fields = { nextHeader: 60, extensions: options(6, 0x80), flags: SYN };
    const frame = segment(host, fields);
    let sent = 0;
    for (let i = 0; i < 5; i += 1) sent += host.feed(frame).length;
    expect(sent).toBe(2);
    expect(host.drops(DropReason.RateLimited)).toBe(3);
    host.after(9 * SECOND);
    const group = { ...fields, destination: "ff02::1", extensions: options(6, 0xc0) };
    expect(host.feed(segment(host, group))).toEqual([]);
  });
});

describe("RFC 4443, 2.4 e: no error about an error or a redirect", () => {
  const ways: [name: string, nextHeader: number, extensions: number[]][] = [
    ["an option to be reported", 60, options(58, 0x80)],
    ["options and a bad one", 60, [...options(60), ...options(58, 0x80)]],
    ["a fragment of a wrong length", 44, [58, 0, 0, 1, 0, 0, 0, 1]],
    ["routing with segments left", 43, [58, 0, 9, 1, 0, 0, 0, 0]],
  ];
  test.each(ways)("behind %s", (_name, nextHeader, extensions) => {
    const host = makeHost();
    const answers = [1, 4, 127, 128, 129, 200, 137].map((type) => {
      const body = [1, 2, 3, 4];
      return host.feed(icmpv6(type, 0, 0, body, { nextHeader, extensions })).length;
    });
    expect(answers).toEqual([0, 0, 0, 1, 1, 1, 0]);
    // One that is cut short is one still.
    const cut = [1, 128].map((type) => ipv6Frame([type, 0, 0, 0], { nextHeader, extensions }));
    expect(cut.map((frame) => host.feed(frame).length)).toEqual([0, 1]);
  });
});

describe("ICMPv6", () => {
  test("RFC 4443, 4.2: an echo is answered with its data", () => {
    const [reply] = makeHost().feed(icmpv6(128, 0, 0x12340001, [1, 2, 3, 4, 5]));
    expect(reply).toMatchObject({ operation: 129, source: LOCAL6, destination: REMOTE6 });
    expect(Array.from(reply?.payload ?? [])).toEqual([0x12, 0x34, 0, 1, 1, 2, 3, 4, 5]);
  });

  const silent: [name: string, type: number, what: Partial<Ipv6Message>][] = [
    ["bad checksum", 128, { checksum: false }],
    ["group", 128, { destination: "ff02::1" }],
    ["not ours", 128, { destination: "fd00::5" }],
    ["from a group", 128, { source: "ff02::1" }],
    ["redirect", 137, {}],
    ["unknown error", 100, {}],
  ];
  test.each(silent)("not answered: %s", (_name, type, what) => {
    const host = makeHost();
    expect(host.feed(icmpv6(type, 0, 0, [1, 2, 3], what))).toEqual([]);
    expect(host.drops(DropReason.IcmpIgnored)).toBe(1);
  });

  test("a UDP datagram is answered by port unreachable when it adds up (RFC 8200, 8.1)", () => {
    const host = makeHost();
    const datagram = [0, 7, 0, 9, 0, 8, 0, 0];
    expect(host.feed(ipv6Frame(datagram, { protocol: 17 }))).toEqual([]);
    // Addresses fd00 + 2 + fd00 + 1, protocol, length twice, ports.
    const sum = 0xfd00 + 2 + 0xfd00 + 1 + 17 + 8 + 8 + 7 + 9;
    const checksum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
    datagram.splice(6, 2, checksum >>> 8, checksum & 255);
    const [reply] = host.feed(ipv6Frame(datagram, { protocol: 17 }));
    expect(reply).toMatchObject({ operation: 1, destination: REMOTE6 });
    expect(reply?.frame[55]).toBe(4);
  });

  /** An error that quotes what we sent. */
  const error = (
    sent: Sent,
    type: number,
    code: number,
    word: number,
    seq = sent.seq,
  ): Uint8Array => {
    const quote = sent.frame.slice(14, 14 + 60);
    new DataView(quote.buffer).setUint32(44, seq >>> 0);
    return icmpv6(type, code, word, quote, { source: "fd00::fe", hopLimit: 60 });
  };

  test("MUST-54: a hard error ends a handshake, a soft one does not", () => {
    const host = makeHost();
    const id = connect(host);
    host.poll();
    const [syn] = host.feed(advertisement(REMOTE6, 0x60)) as [Sent];
    host.feed(error(syn, 3, 0, 0));
    host.feed(error(syn, 1, 0, 0));
    expect(host.events).toEqual([
      `softError ${id} ${ERRNO.EHOSTUNREACH}`,
      `softError ${id} ${ERRNO.ENETUNREACH}`,
    ]);
    host.feed(error(syn, 1, 4, 0, syn.seq + 1));
    expect(host.events).toHaveLength(2);
    host.feed(error(syn, 1, 4, 0));
    expect(host.events[2]).toBe(`closed ${id} ${ERRNO.ECONNREFUSED}`);
  });

  test("PM-1, PM-2, PM-3, RFC 8201, 4: too big counts in flight and from 1,280 on", () => {
    const host = makeHost();
    // MSS 1400.
    const { id } = establish(host, [2, 4, 5, 0x78]);
    expect(host.control.info(id).mss).toBe(1400);
    host.update(id, { append: 3000 });
    const [data] = host.poll() as [Sent];
    host.feed(error(data, 2, 0, 1279));
    expect(host.drops(DropReason.IcmpIgnored)).toBe(1);
    const outside = error(data, 2, 0, 1280, data.seq + 100_000);
    host.feed(outside);
    expect(host.drops(DropReason.IcmpIgnored)).toBe(2);
    const again = host.feed(error(data, 2, 0, 1280));
    expect(again.filter(({ kind }) => kind === "tcp").length).toBeGreaterThan(0);
    expect(host.control.info(id).mss).toBe(1220);
  });
});
