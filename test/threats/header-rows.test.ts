/**
 * Threats H01 to H16, H18: header and length lies (RFC 791, RFC 1122 3.2.1, RFC 9293 3.1, 3.10.7).
 * Each row offers frames beside an established connection; a refused frame must count for its own
 * reason and for nothing else, and a sound frame must still be taken afterwards.
 */
import { expect, test } from "vitest";
import { EventKind } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, onesSum, pseudoSum, SYN, toHex } from "../support/frames.ts";
import type { FrameFields, FrameMedium } from "../support/frames.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { bench, dataSegment, expectRedirected, expectSilent, expectSound } from "./threat-bench.ts";
import { expectTaken, segment, type Bench } from "./threat-bench.ts";

const MEDIA: readonly FrameMedium[] = ["ethernet", "ip"];

/** Each frame is dropped for the reason, and the connection still works after all of them. */
function refuse(b: Bench, rows: readonly Partial<FrameFields>[], reason: DropReason): void {
  for (const fields of rows) {
    const frame = dataSegment(b, 8, fields);
    expectSilent(b, frame, reason, JSON.stringify({ ...fields, payload: undefined }));
  }
  expectTaken(b, dataSegment(b, 8), 8);
}

test("threats/H01 frames shorter than the link header are dropped", () => {
  const b = bench();
  for (let length = 0; length < 14; length += 1) {
    expectSilent(b, segment(b).slice(0, length), DropReason.FrameTooShort, `${length} bytes`);
  }
  const raw = bench({}, "ip");
  expectSilent(raw, new Uint8Array(0), DropReason.FrameTooShort, "empty IP packet");
  for (let length = 1; length < 20; length += 1) {
    expectSilent(raw, segment(raw).slice(0, length), DropReason.FrameTooShort, `IP ${length}`);
    const frame = segment(b).slice(0, 14 + length);
    expectSilent(b, frame, DropReason.FrameTooShort, `Ethernet, IP ${length}`);
  }
  expectTaken(b, dataSegment(b, 8), 8);
});

test("threats/H02 unknown EtherTypes, foreign VLANs and cut tags are dropped", () => {
  const b = bench();
  for (const etherType of [0, 0x05dc, 0x0801, 0x88a8, 0x9100, 0xffff]) {
    expectSilent(b, segment(b, { etherType }), DropReason.EtherTypeUnknown, `${etherType}`);
    const tagged = segment(b, { tag: 0, etherType });
    expectSilent(b, tagged, DropReason.EtherTypeUnknown, `tag 0, ${etherType}`);
  }
  expectSilent(
    b,
    segment(b, { tag: 0, etherType: 0x8100 }),
    DropReason.EtherTypeUnknown,
    "two tags",
  );
  for (let length = 14; length < 18; length += 1) {
    const frame = segment(b, { tag: 0 }).slice(0, length);
    expectSilent(b, frame, DropReason.FrameTooShort, `tag then end, ${length} bytes`);
  }
  for (const tag of [1, 42, 0xfff, 0xe001]) {
    expectSilent(b, segment(b, { tag }), DropReason.VlanUnknown, `tag ${tag}`);
  }
  expectTaken(b, dataSegment(b, 8, { tag: 0xe000 }), 8, "priority tag");
  b.raw.vlan = 42;
  expectSilent(b, segment(b, { tag: 0 }), DropReason.VlanUnknown, "tag 0 on VLAN 42");
  expectTaken(b, dataSegment(b, 8, { tag: 42 }), 8, "the VLAN itself");
});

test("threats/H03 IP versions other than 4 never reach TCP", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    for (const version of [0, 1, 2, 3, 5, 7, 8, 15]) {
      expectSilent(b, segment(b, { version }), DropReason.IpVersion, `${medium} ${version}`);
    }
  }
  const ethernet = bench();
  expectSilent(ethernet, segment(ethernet, { version: 6 }), DropReason.IpVersion, "6 in IPv4");
  const raw = bench({}, "ip");
  // Read as IPv6 its length is its identification, beyond the frame.
  expectSilent(raw, segment(raw, { version: 6 }), DropReason.IpTotalLength, "6 on raw IP");
  const wrong = segment(ethernet, { etherType: 0x86dd });
  expectSilent(ethernet, wrong, DropReason.IpVersion, "4 in IPv6");
});

test("threats/H04 header lengths below five words are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    refuse(
      b,
      [0, 1, 2, 3, 4].map((ihl) => ({ ihl })),
      DropReason.IpHeaderLength,
    );
  }
});

test("threats/H05 header lengths past the frame or the packet are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    const none = new Uint8Array(0);
    expectSilent(b, segment(b, { ihl: 11, payload: none }), DropReason.IpHeaderLength, "frame");
    expectSilent(b, segment(b, { ihl: 15, payload: none }), DropReason.IpHeaderLength, "frame");
    refuse(
      b,
      [
        { ihl: 6, totalLength: 23 },
        { ihl: 15, totalLength: 59, padding: 40 },
      ],
      DropReason.IpHeaderLength,
    );
  }
});

test("threats/H06 packets without room for a TCP header are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    for (let totalLength = 0; totalLength < 20; totalLength += 1) {
      const frame = dataSegment(b, 8, { totalLength });
      expectSilent(b, frame, DropReason.IpHeaderLength, `total ${totalLength}`);
    }
    for (let totalLength = 20; totalLength < 40; totalLength += 1) {
      const frame = dataSegment(b, 8, { totalLength });
      expectSilent(b, frame, DropReason.IpTotalLength, `total ${totalLength}`);
    }
    // IP options leave less of the total length.
    for (let ihl = 6; ihl <= 15; ihl += 1) {
      const ipOptions = Array<number>((ihl - 5) * 4).fill(1);
      for (const totalLength of [ihl * 4, ihl * 4 + 1, ihl * 4 + 19]) {
        const frame = dataSegment(b, 8, { ipOptions, totalLength });
        expectSilent(b, frame, DropReason.IpTotalLength, `ihl ${ihl}, total ${totalLength}`);
      }
      expectTaken(b, dataSegment(b, 8, { ipOptions }), 8, `ihl ${ihl}`);
    }
    expectTaken(b, dataSegment(b, 8), 8);
  }
});

test("threats/H07 packets cut short are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    const link = medium === "ip" ? 0 : 14;
    for (let lost = 1; lost <= 28; lost += 1) {
      const frame = dataSegment(b, 8);
      const cut = frame.slice(0, frame.length - lost);
      expectSilent(b, cut, DropReason.IpTotalLength, `${lost} of ${frame.length - link} lost`);
    }
    refuse(b, [{ totalLength: 49 }, { totalLength: 1500 }], DropReason.IpTotalLength);
  }
});

test("threats/H08 padding behind the packet is not data", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    for (const padding of [1, 3, 6, 46, 500]) {
      expectTaken(b, dataSegment(b, 3, { padding }), 3, `3 bytes and ${padding}`);
      expectTaken(b, segment(b, { padding }), 0, `ACK and ${padding}`);
    }
  }
});

test("threats/H09 a total length of 65,535 or below the headers does not underflow", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    for (const ihl of [5, 6, 7]) {
      const frame = dataSegment(b, 8, { totalLength: 0xffff, ihl });
      expectSilent(b, frame, DropReason.IpTotalLength, `65535, ihl ${ihl}`);
    }
    const low = dataSegment(b, 8, { ihl: 7, totalLength: 27, ipOptions: [1, 1, 1, 1, 1, 1, 1, 1] });
    expectSilent(b, low, DropReason.IpHeaderLength, "one byte below the header");
    expectTaken(b, dataSegment(b, 8), 8);
  }
});

test("threats/H10 a wrong IP header checksum is noticed, whatever bit is wrong", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    const link = medium === "ip" ? 0 : 14;
    const right = ((segment(b)[link + 10] as number) << 8) | (segment(b)[link + 11] as number);
    for (let bit = 0; bit < 16; bit += 1) {
      const frame = segment(b, { ipChecksum: right ^ (1 << bit) });
      expectSilent(b, frame, DropReason.IpChecksum, `bit ${bit}`);
    }
    expectTaken(b, dataSegment(b, 8, { ipOptions: [1, 1, 1, 0] }), 8, "IP options are skipped");
  }
});

test("threats/H11 fragments are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    const rows = [0x2000, 0x2001, 0x0001, 0x1fff, 0x3fff, 0x6000, 0x4001, 0xa000];
    refuse(
      b,
      rows.map((fragment) => ({ fragment })),
      DropReason.IpFragment,
    );
    for (const fragment of [0, 0x4000, 0x8000]) expectTaken(b, dataSegment(b, 8, { fragment }), 8);
  }
});

test("threats/H12 data offsets below five words are dropped without a reset", () => {
  for (const medium of MEDIA) {
    const rows = [0, 1, 2, 3, 4].map((dataOffset) => ({ dataOffset }));
    refuse(bench({}, medium), rows, DropReason.TcpHeaderLength);
  }
});

test("threats/H13 data offsets past the segment are dropped", () => {
  for (const medium of MEDIA) {
    const b = bench({}, medium);
    // 8 bytes of payload: header and payload are seven words.
    refuse(
      b,
      [8, 9, 10, 11, 12, 13, 14, 15].map((dataOffset) => ({ dataOffset })),
      DropReason.TcpHeaderLength,
    );
    const padded = [8, 15].map((dataOffset) => ({ dataOffset, padding: 64 }));
    refuse(b, padded, DropReason.TcpHeaderLength);
  }
});

/** Values of the checksum field with which the segment is not refused. */
function acceptedChecksums(b: Bench, fields: Partial<FrameFields>): number[] {
  const accepted: number[] = [];
  for (let first = 0; first < 0x10000; first += 64) {
    const frames = Array.from({ length: 64 }, (_, i) =>
      segment(b, { ...fields, tcpChecksum: first + i }),
    );
    const refused = b.raw.offer(frames).drops.get(DropReason.TcpChecksum) ?? 0;
    if (refused === 64) continue;
    frames.forEach((frame, i) => {
      if (!b.raw.offer([frame]).drops.has(DropReason.TcpChecksum)) accepted.push(first + i);
    });
  }
  return accepted;
}

const IPV6 = { remote: "fd00::2", local: "fd00::1" };

test.each([
  [4, {}, 26, 34],
  [6, IPV6, 22, 54],
])(
  "threats/H14 of all 65,536 TCP checksums one is accepted, or the equal pair: IPv%d",
  (...row) => {
    const [, flow, addresses, at] = row;
    const b = bench(flow);
    const frame = segment(b);
    const right = ((frame[at + 16] as number) << 8) | (frame[at + 17] as number);
    expect(acceptedChecksums(b, {})).toEqual([right]);
    // The urgent pointer without URG is free: with it the rest of the segment sums to 0xffff.
    const zero = segment(b, { tcpChecksum: 0 });
    const tcp = zero.subarray(at);
    const sum = onesSum(tcp, pseudoSum(zero.subarray(addresses, at), 6, tcp.length));
    const urgent = 0xffff - sum;
    expect(acceptedChecksums(b, { urgent })).toEqual([0, 0xffff]);
    expectSound(b.raw);
  },
);

test.each([
  [4, {}, 26, 34],
  [6, IPV6, 22, 54],
])("threats/H15 a pseudo header that lies is noticed: IPv%d", (_version, flow, from, at) => {
  const b = bench(flow);
  const honest = dataSegment(b, 8);
  const tcp = honest.slice(at);
  tcp.set([0, 0], 16);
  const addresses = honest.slice(from, at);
  const lies: [string, number][] = [
    ["protocol", onesSum(tcp, pseudoSum(addresses, 17, 28))],
    ["no protocol", onesSum(tcp, pseudoSum(addresses, 0, 28))],
    ["length + 1", onesSum(tcp, pseudoSum(addresses, 6, 29))],
    ["length - 1", onesSum(tcp, pseudoSum(addresses, 6, 27))],
    ["no length", onesSum(tcp, pseudoSum(addresses, 6, 0))],
    ["no pseudo header", onesSum(tcp)],
  ];
  addresses.forEach((byte, i) => {
    const other = addresses.with(i, byte ^ 1);
    lies.push([`address, byte ${i}`, onesSum(tcp, pseudoSum(other, 6, 28))]);
  });
  for (const [what, sum] of lies) {
    const frame = dataSegment(b, 8, { tcpChecksum: ~sum & 0xffff });
    expectSilent(b, frame, DropReason.TcpChecksum, what);
  }
  // Swapped addresses have the same sum: the 4-tuple is what tells them apart.
  const swapped = dataSegment(b, 8, { source: b.flow.local, destination: b.flow.remote });
  expectRedirected(b, swapped, 0, "swapped");
  expectTaken(b, honest, 8);
});

/** An address of a peer, and of the stack, to whose listener a SYN is sent. */
const ENDS = [
  { source: "10.0.0.2", destination: "10.0.0.1" },
  { source: "fd00::2", destination: "fd00::1" },
];

test.each(ENDS)("threats/H15 a whole stack is silent to them: $source", (ends) => {
  const peer = new ScriptedPeer({ addresses: ["10.0.0.1/24", "fd00::1/64"] });
  const { toe } = peer.stack;
  const fd = toe.socket();
  toe.bind(fd, { address: ends.destination, port: 80 });
  toe.listen(fd, 16);
  peer.settle();
  const before = poolCounts(peer.stack);
  const syn = { ...ends, flags: SYN, options: [] };
  const frame = buildFrame({ medium: "ip", ...syn });
  const at = frame.length - 20;
  const right = ((frame[at + 16] as number) << 8) | (frame[at + 17] as number);
  for (const away of [1, 0x100, 0x8000, 0xfffe]) {
    expect(peer.send({ ...syn, tcpChecksum: (right + away) & 0xffff }), `${away}`).toEqual([]);
  }
  const swapped = { ...syn, source: ends.destination, destination: ends.source };
  for (const flags of [SYN, ACK, SYN | ACK]) expect(peer.send({ ...swapped, flags })).toEqual([]);
  expect(poolCounts(peer.stack)).toEqual(before);
  expect(peer.send(syn)).toHaveLength(1);
});

test("threats/H18 IPv6 lengths that lie are dropped; a hop limit of 0 has reached its end", () => {
  for (const medium of MEDIA) {
    const b = bench(IPV6, medium);
    // 0: the length stands in a jumbo option, of which there is none (RFC 2675, 3).
    for (const totalLength of [0, 1, 19]) {
      const frame = dataSegment(b, 8, { totalLength });
      expectSilent(b, frame, DropReason.IpTotalLength, `${medium}, length ${totalLength}`);
    }
    for (const totalLength of [29, 1500, 0x7fff, 0xffff]) {
      const frame = dataSegment(b, 8, { totalLength });
      expectSilent(b, frame, DropReason.IpTotalLength, `${medium}, length ${totalLength}`);
    }
    // RFC 8200, 3: where a packet goes to, it is not discarded for its hop limit.
    expectTaken(b, dataSegment(b, 8, { ttl: 0 }), 8, `${medium}, hop limit 0`);
  }
});

test("threats/H16 the four reserved bits are ignored", () => {
  const b = bench();
  for (let reserved = 0; reserved < 16; reserved += 1) {
    expectTaken(b, dataSegment(b, 8, { reserved }), 8, `reserved ${reserved}`);
  }
});

test("threats/H01 to H16: sources that no host may have are dropped (RFC 9293 MUST-63)", () => {
  const b = bench();
  const rows = ["0.0.0.0", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255"];
  for (const source of [...rows, "255.255.255.255"]) {
    expectSilent(b, buildFrame({ source, flags: ACK }), DropReason.IpSource, toHex(buildFrame()));
  }
  for (const source of ["10.0.0.3", "126.255.255.255", "128.0.0.1", "223.255.255.255"]) {
    const { events } = b.raw.offer([buildFrame({ source })]);
    expect(
      events.map(({ kind }) => kind),
      source,
    ).toEqual([EventKind.Redirect]);
  }
});
