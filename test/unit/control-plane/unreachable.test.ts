/**
 * Goal: Destination Unreachable where RFC 1122, 3.2.2.1 wants one, and silence where 3.2.2 forbids
 * it. Method: UDP datagrams and packets of unknown protocols in, frames and counters out.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { buildFrame, dotted, onesSum, pseudoSum, type FrameFields } from "../../support/frames.ts";
import { Host, LOCAL, REMOTE, REMOTE_MAC, type Sent } from "./harness.ts";

const UDP = 17;
const GRE = 47;
const IP_AT = 14;
const PORT_UNREACHABLE = 3;
const PROTOCOL_UNREACHABLE = 2;

/** An IPv4 packet with this body in place of a TCP segment. */
function packet(body: Uint8Array, fields: Partial<FrameFields> = {}): Uint8Array {
  const header = 20 + (fields.ipOptions?.length ?? 0);
  const link = fields.medium === "ip" ? 0 : IP_AT;
  const payload = new Uint8Array(Math.max(0, body.length - 20));
  const frame = buildFrame({ payload, totalLength: header + body.length, ...fields });
  frame.set(body, link + header);
  return frame.slice(0, link + header + body.length);
}

/** A datagram from port 5000 to port 53. */
function udp(length = 20, source = REMOTE, destination = LOCAL): Uint8Array {
  const bytes = new Uint8Array(8 + length).fill(7, 8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 5000);
  view.setUint16(2, 53);
  view.setUint16(4, bytes.length);
  const addresses = Uint8Array.from([...dotted(source), ...dotted(destination)]);
  view.setUint16(6, ~onesSum(bytes, pseudoSum(addresses, UDP, bytes.length)) & 0xffff);
  return bytes;
}

function codeOf(sent: Sent | undefined): number | undefined {
  return sent?.frame[sent.frame.length - sent.payload.length - 7];
}

test("RFC 1122 3.2.2.1: a UDP datagram to our address gets a port unreachable", () => {
  const host = new Host();
  const frame = packet(udp(), { protocol: UDP, tos: 0xb8 });
  const sent = host.feed(frame);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ kind: "icmp", operation: 3, source: LOCAL, destination: REMOTE });
  expect(sent[0]).toMatchObject({ destinationMac: REMOTE_MAC.join("."), tos: 0 });
  expect(codeOf(sent[0])).toBe(PORT_UNREACHABLE);
  // The IP header and 8 bytes.
  expect(sent[0]?.payload).toEqual(frame.slice(IP_AT, IP_AT + 28));
  expect(host.drops(DropReason.NoListener)).toBe(1);
});

test("RFC 1122 3.2.2.1: an unknown protocol gets a protocol unreachable", () => {
  const host = new Host();
  const frame = packet(new Uint8Array(30).fill(1), { protocol: GRE });
  const sent = host.feed(frame);
  expect(sent.map(codeOf)).toEqual([PROTOCOL_UNREACHABLE]);
  expect(sent[0]?.payload).toEqual(frame.slice(IP_AT, IP_AT + 28));
  expect(host.drops(DropReason.ProtocolUnknown)).toBe(1);
});

test("the quotation has the IP options, and no more than there was", () => {
  const host = new Host();
  const options = { protocol: UDP, ipOptions: [1, 1, 1, 0] };
  const long = packet(udp(), options);
  expect(host.feed(long)[0]?.payload).toEqual(long.slice(IP_AT, IP_AT + 32));
  const short = packet(new Uint8Array(3), { protocol: GRE });
  expect(host.feed(short)[0]?.payload).toEqual(short.slice(IP_AT));
});

test("medium ip: no link header", () => {
  const host = new Host({ medium: "ip" });
  const sent = host.feed(packet(udp(), { medium: "ip", protocol: UDP }));
  expect(sent.map(({ operation }) => operation)).toEqual([3]);
  expect(sent[0]?.frame.length).toBe(20 + 8 + 28);
});

const SILENT: [name: string, fields: Partial<FrameFields>][] = [
  ["to the limited broadcast", { destination: "255.255.255.255" }],
  ["to the directed broadcast", { destination: "10.0.0.255" }],
  ["to a multicast address", { destination: "224.0.0.251" }],
  ["to somebody else", { destination: "10.0.0.77" }],
  ["in a broadcast frame", { hardwareDestination: [255, 255, 255, 255, 255, 255] }],
  ["in a multicast frame", { hardwareDestination: [1, 0, 0x5e, 0, 0, 1] }],
  ["from nobody", { source: "0.0.0.0" }],
  ["from loopback", { source: "127.0.0.1" }],
  ["from the broadcast address", { source: "10.0.0.255" }],
  ["from a multicast address", { source: "224.0.0.1" }],
  ["from class E", { source: "250.1.2.3" }],
  ["from our own address", { source: LOCAL }],
  ["a first fragment", { fragment: 0x2000 }],
  ["a later fragment", { fragment: 0x0010 }],
  ["the last fragment", { fragment: 0x00ff }],
];

test.each(SILENT)("RFC 1122 3.2.2: no error for what came %s", (_name, fields) => {
  const host = new Host();
  const { source = REMOTE, destination = LOCAL } = fields;
  expect(host.feed(packet(udp(20, source, destination), { protocol: UDP, ...fields }))).toEqual([]);
  expect(host.feed(packet(new Uint8Array(20), { protocol: GRE, ...fields }))).toEqual([]);
});

test("RFC 1122 4.1.3.4: a datagram that does not add up is dropped in silence", () => {
  const host = new Host();
  const wrong = udp();
  wrong[10] = 8;
  expect(host.feed(packet(wrong, { protocol: UDP }))).toEqual([]);
  expect(host.feed(packet(new Uint8Array(7), { protocol: UDP }))).toEqual([]);
  expect(host.drops(DropReason.ProtocolUnknown)).toBe(2);
});

test("threats B11: errors share the limit of echoes", () => {
  const host = new Host({ limits: { echoesPerSecond: 1, echoBurst: 2 } });
  const frame = packet(udp(), { protocol: UDP });
  const sent = Array.from({ length: 5 }, () => host.feed(frame)).flat();
  expect(sent).toHaveLength(2);
  expect(host.drops(DropReason.RateLimited)).toBe(3);
  host.now += 1e9;
  expect(host.feed(frame)).toHaveLength(1);
});
