/**
 * Goal: link, IPv4, ARP and ICMP headers, written and read. Method: bytes by hand (RFC 791, 792,
 * 826, IEEE 802.1Q) against what the writers make and the readers see.
 */
import { expect, test } from "vitest";
import * as A from "../../../host/wire/arp.ts";
import * as E from "../../../host/wire/ethernet.ts";
import * as I from "../../../host/wire/icmp.ts";
import * as P from "../../../host/wire/ipv4.ts";
import { buildFrame, fromHex, onesSum, toHex } from "../../support/frames.ts";

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);

const LINK = {
  destinationHigh: 0x0200,
  destinationLow: 0x00000002,
  sourceHigh: 0x0200,
  sourceLow: 0x00000001,
  type: 0x0800,
};

test.each([
  [0, 14, "0200000000020200000000010800"],
  [5, 18, "020000000002020000000001810000050800"],
  [0xffff, 18, "02000000000202000000000181000fff0800"],
])("link header with VLAN %d", (vlan, length, hex) => {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  expect(E.writeLinkHeader(view, 0, { ...LINK, vlan })).toBe(length);
  expect(toHex(bytes)).toBe(hex);
  expect(E.linkLength(view, 0)).toBe(length);
  expect(E.etherType(view, 0)).toBe(0x0800);
  expect([E.sourceHigh(view, 0), E.sourceLow(view, 0)]).toEqual([0x0200, 1]);
  expect([E.destinationHigh(view, 0), E.destinationLow(view, 0)]).toEqual([0x0200, 2]);
});

test.each([
  [0x0100, true],
  [0xffff, true],
  [0x0200, false],
  [0x00ff, false],
])("group address %d", (high, expected) => {
  expect(E.isGroupAddress(high)).toBe(expected);
});

test("IPv4 header: DF, identification 0, right checksum; the template has none", () => {
  const fields = {
    length: 60,
    tos: 0xb8,
    ttl: 64,
    protocol: 6,
    source: 0x0a000001,
    destination: 0xffffffff,
  };
  const bytes = new Uint8Array(20).fill(0xaa);
  const view = viewOf(bytes);
  P.writeIpv4Header(view, 0, fields);
  expect(onesSum(bytes)).toBe(0xffff);
  expect(toHex(bytes.subarray(0, 10))).toBe("45b8003c000040004006");
  expect(P.ipv4TotalLength(view, 0)).toBe(60);
  expect([P.ipv4Source(view, 0), P.ipv4Destination(view, 0)]).toEqual([0x0a000001, 0xffffffff]);
  P.writeIpv4Template(view, 0, fields);
  expect(toHex(bytes)).toBe("45b8000000004000400600000a000001ffffffff");
});

test.each([
  [0x4000, true],
  [0x2000, true],
  [0x0001, false],
  [0x1fff, false],
])("fragment field %d", (fragment, first) => {
  const frame = buildFrame({ fragment });
  expect(P.ipv4IsFirstFragment(viewOf(frame), 14)).toBe(first);
});

test.each([
  [0xe0000000, true],
  [0xefffffff, true],
  [0xdfffffff, false],
  [0xf0000000, false],
])("multicast %d", (address, expected) => {
  expect(P.isMulticast(address)).toBe(expected);
});

test("ARP: RFC 826's fields in their order", () => {
  const bytes = new Uint8Array(28);
  const view = viewOf(bytes);
  A.writeArp(view, 0, {
    operation: 2,
    senderHigh: 0x0200,
    senderLow: 0x00000001,
    senderAddress: 0x0a000001,
    targetHigh: 0xfedc,
    targetLow: 0xba987654,
    targetAddress: 0x0a000002,
  });
  expect(toHex(bytes)).toBe("00010800060400020200000000010a000001fedcba9876540a000002");
  expect(A.isArpOverEthernet(view, 0, 28)).toBe(true);
  expect(A.isArpOverEthernet(view, 0, 27)).toBe(false);
  expect([A.arpOperation(view, 0), A.arpSenderHigh(view, 0)]).toEqual([2, 0x0200]);
  expect([A.arpSenderLow(view, 0), A.arpSenderAddress(view, 0)]).toEqual([1, 0x0a000001]);
  expect(A.arpTargetAddress(view, 0)).toBe(0x0a000002);
});

test("ICMP: a request becomes its reply; a quotation is read, or refused", () => {
  const message = fromHex("0800f7fd0001000101");
  const view = viewOf(message);
  I.makeEchoReply(view, 0, message.length);
  expect([I.icmpType(view, 0), onesSum(message)]).toEqual([0, 0xffff]);
  expect(I.icmpChecksumHolds(view, 0, message.length)).toBe(true);
  const sent = buildFrame({ medium: "ip", source: "10.0.0.1", destination: "10.0.0.2", seq: 9 });
  const error = new Uint8Array(36);
  error.set([3, 4, 0, 0, 0, 0, 5, 0]);
  error.set(sent.subarray(0, 28), 8);
  const quote = new I.Quotation();
  expect(quote.read(viewOf(error), 0, 36)).toBe(true);
  expect(quote).toMatchObject({
    local: 0x0a000001,
    remote: 0x0a000002,
    localPort: 40000,
    remotePort: 80,
    seq: 9,
    totalLength: 40,
  });
  expect(I.icmpNextHopMtu(viewOf(error), 0)).toBe(1280);
  for (let length = 0; length < 36; length += 1) {
    expect(quote.read(viewOf(error.slice(0, length)), 0, length)).toBe(false);
  }
});
