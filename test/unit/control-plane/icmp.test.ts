/**
 * Goal: echo, and the errors TCP needs, judged as RFC 9293, 3.9.2.2 and RFC 5927 say. Method: ICMP
 * messages with right and wrong quotations, in a handshake and in an established connection.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { ERRNO } from "../../../host/errors.ts";
import { ACK, SYN } from "../../support/frames.ts";
import { Connected } from "./connected.ts";
import { icmp, quote } from "./icmp-frames.ts";
import { Host, LOCAL, REMOTE, REMOTE_MAC, type Sent } from "./harness.ts";

test("echo request is answered with its data, to where it came from", () => {
  const host = new Host();
  const data = Uint8Array.from([1, 2, 3, 4, 5, 6, 7]);
  const [reply] = host.feed(icmp(8, 0, 0x12340001, data, REMOTE));
  expect(reply).toMatchObject({ kind: "icmp", operation: 0, source: LOCAL, destination: REMOTE });
  expect(reply?.destinationMac).toBe(REMOTE_MAC.join("."));
  expect(Array.from(reply?.payload ?? [])).toEqual(Array.from(data));
});

test("no echo to broadcast, with a bad checksum, from a group address, or beyond the limit", () => {
  const host = new Host({ limits: { echoesPerSecond: 1, echoBurst: 2 } });
  const empty = new Uint8Array(0);
  expect(host.feed(icmp(8, 0, 1, empty, REMOTE, "10.0.0.255"))).toEqual([]);
  expect(host.feed(icmp(8, 0, 1, empty, "224.0.0.1"))).toEqual([]);
  const bad = icmp(8, 0, 1, empty, REMOTE);
  bad[36] = (bad[36] as number) ^ 1;
  expect(host.feed(bad)).toEqual([]);
  let replies = 0;
  for (let i = 0; i < 5; i += 1) replies += host.feed(icmp(8, 0, i, empty, REMOTE)).length;
  expect(replies).toBe(2);
});

test("MUST-55, threats/B08: source quench and redirect are dropped in silence", () => {
  const c = new Connected();
  c.host.update(1, { append: 10 });
  const [data] = c.host.poll();
  const before = c.host.control.info(1);
  for (const type of [4, 5]) {
    for (const code of [0, 1, 2, 3]) {
      expect(c.host.feed(icmp(type, code, 0x0a000003, quote(data as Sent)))).toEqual([]);
    }
  }
  expect(c.host.events).toEqual([]);
  expect(c.host.control.info(1)).toEqual(before);
  expect(c.host.drops(DropReason.IcmpIgnored)).toBe(8);
  // The way to the peer is as before, too (RFC 1122 3.2.2.2: a host may follow a redirect).
  c.ack = (c.ack + 10) >>> 0;
  c.send({ flags: ACK });
  c.host.update(1, { append: 10 });
  expect(c.host.poll()[0]).toMatchObject({ destinationMac: data?.destinationMac });
});

const CONNECTING: [name: string, type: number, code: number, event: string][] = [
  ["net unreachable is soft", 3, 0, `softError 1 ${ERRNO.ENETUNREACH}`],
  ["host unreachable is soft", 3, 1, `softError 1 ${ERRNO.EHOSTUNREACH}`],
  ["protocol unreachable refuses", 3, 2, `closed 1 ${ERRNO.ENOPROTOOPT}`],
  ["port unreachable refuses", 3, 3, `closed 1 ${ERRNO.ECONNREFUSED}`],
  ["source route failed is soft", 3, 5, `softError 1 ${ERRNO.EHOSTUNREACH}`],
  ["time exceeded is soft", 11, 0, `softError 1 ${ERRNO.EHOSTUNREACH}`],
  ["parameter problem is soft", 12, 0, `softError 1 ${ERRNO.EHOSTUNREACH}`],
];

test.each(CONNECTING)("MUST-54, MUST-56 in SYN-SENT: %s", (_name, type, code, event) => {
  const host = new Host();
  host.teachNeighbor();
  host.open(80);
  const syn = host.poll()[0] as Sent;
  host.feed(icmp(type, code, 0, quote(syn, syn.seq + 1)));
  expect(host.events).toEqual([]);
  host.feed(icmp(type, code, 0, quote(syn)));
  expect(host.events).toEqual([event]);
});

test("a soft error becomes the reason when the SYN gives up", () => {
  const host = new Host();
  host.teachNeighbor();
  host.open(80, { synRetries: 1 });
  host.feed(icmp(3, 1, 0, quote(host.poll()[0] as Sent)));
  for (let i = 0; i < 5; i += 1) host.after(1e9);
  expect(host.events.at(-1)).toBe(`closed 1 ${ERRNO.EHOSTUNREACH}`);
});

test("SHLD-26 (reduced), threats B05, B06: a hard error does not end ESTABLISHED", () => {
  const c = new Connected();
  c.host.update(1, { append: 10 });
  const data = c.host.poll()[0] as Sent;
  c.host.feed(icmp(3, 3, 0, quote(data, data.seq + 1000)));
  expect(c.host.events).toEqual([]);
  c.host.feed(icmp(3, 3, 0, quote(data)));
  expect(c.host.events).toEqual([`softError 1 ${ERRNO.ECONNREFUSED}`]);
  expect(c.state).toBe("ESTABLISHED");
});

test("a hard error in SYN-RECEIVED of a listener frees the row", () => {
  const host = new Host();
  host.listen(80);
  const answer = host.feed(host.segment({ flags: SYN, seq: 1 }))[0] as Sent;
  host.feed(icmp(3, 3, 0, quote(answer)));
  expect(host.control.counters.connections).toBe(0);
  expect(host.events).toEqual([]);
});

/** A connection whose peer takes more than its link does; its handshake took `roundTrip` ns. */
function wide(roundTrip = 0): { host: Host; id: number } {
  const host = new Host();
  host.listen(80);
  const syn = host.segment({ flags: SYN, seq: 1, options: [2, 4, 0x23, 0] });
  const [answer] = host.feed(syn);
  host.now += roundTrip;
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  host.feed(host.segment({ flags: ACK, seq: 2, ack }));
  const id = host.control.accept(1);
  host.events.length = 0;
  return { host, id };
}

const MTU: [name: string, bytes: number, mtu: number, mss: number][] = [
  ["1000", 1460, 1000, 960],
  ["threats B07: 0 takes the plateau below 1500", 1460, 0, 1452],
  ["threats B07: 0 takes the plateau below 576", 536, 0, 468],
  ["threats B07: 68 is the floor", 1460, 68, 48],
  ["threats B07: 10 is raised to 68", 1460, 10, 48],
  ["threats B07: 1499 is less", 1460, 1499, 1459],
  ["threats B07: 1500 is what is sent", 1460, 1500, 1460],
  ["threats B07: 65535 raises nothing", 1460, 65535, 1460],
];

test.each(MTU)("RFC 1191 fragmentation needed, next hop %s", (_name, bytes, mtu, mss) => {
  const { host, id } = wide();
  expect(host.control.info(id).mss).toBe(1460);
  host.update(id, { append: bytes });
  const data = host.poll()[0] as Sent;
  expect(data.payload.length).toBe(bytes);
  const again = host.feed(icmp(3, 4, mtu, quote(data)));
  expect(host.control.info(id).mss).toBe(mss);
  expect(again.map(({ seq }) => seq).includes(data.seq)).toBe(mss < 1460);
  expect(host.events).toEqual([]);
});

test("threats B07: a flood changes an MTU once in a round trip", () => {
  const { host, id } = wide(40e6);
  expect(host.control.info(id).srtt).toBe(40);
  host.update(id, { append: 1460 });
  const data = host.poll()[0] as Sent;
  const start = host.now;
  const changes: [time: number, mss: number][] = [];
  let before = 1460;
  for (let i = 0; i < 500; i += 1) {
    host.feed(icmp(3, 4, 1400 - 2 * i, quote(data)));
    const { mss } = host.control.info(id);
    if (mss !== before) changes.push([(host.now - start) / 1e6, mss]);
    before = mss;
    host.now += 1e5;
  }
  // 50 ms: the first of 500 messages counts, and the first after 40 ms.
  expect(changes).toEqual([
    [0, 1360],
    [40, 560],
  ]);
  expect(host.events).toEqual([]);
});

test("PM-11, PM-21: sent again at once, smaller; new connections start there", () => {
  const host = new Host();
  host.listen(80);
  const open = (sourcePort: number): number => {
    const options = [2, 4, 5, 180];
    const [answer] = host.feed(host.segment({ flags: SYN, seq: 1, sourcePort, options }));
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 2, ack, sourcePort }));
    return host.control.accept(1);
  };
  const id = open(40000);
  host.update(id, { append: 1400 });
  const data = host.poll()[0] as Sent;
  expect(data.payload.length).toBe(1400);
  const again = host.feed(icmp(3, 4, 1000, quote(data)));
  expect(again[0]).toMatchObject({ seq: data.seq });
  expect(again[0]?.payload.length).toBe(960);
  // A second message at once changes nothing (one change per round trip).
  host.feed(icmp(3, 4, 500, quote(data)));
  expect(host.control.info(id).mss).toBe(960);
  expect(host.control.info(open(40001)).mss).toBe(960);
});

test("threats B07: a flood changes an MTU once in a ms, and only for what is in flight", () => {
  const c = new Connected({}, {}, 1);
  c.host.update(1, { append: 600 });
  const data = c.host.poll()[0] as Sent;
  // Nothing of these numbers is in flight.
  for (const seq of [data.seq - 1, data.seq + 601, data.seq + 0x80000000]) {
    c.host.feed(icmp(3, 4, 300, quote(data, seq >>> 0)));
  }
  expect(c.host.control.info(1).mss).toBe(536);
  expect(c.host.drops(DropReason.IcmpIgnored)).toBe(3);
  const changes: number[] = [];
  const start = c.host.now;
  for (let mtu = 570; mtu > 70; mtu -= 1) {
    c.host.feed(icmp(3, 4, mtu, quote(data)));
    const { mss } = c.host.control.info(1);
    if (mss !== changes.at(-1)) changes.push(mss);
    c.host.now += 1e5;
  }
  // 500 messages within 50 ms: one a ms at most, and the first counts.
  expect(changes[0]).toBe(530);
  expect(changes.length).toBeLessThanOrEqual(1 + (c.host.now - start) / 1e6);
  expect(c.host.events).toEqual([]);
});

test("threats B05: quotations of nothing, of other protocols, cut short", () => {
  const c = new Connected();
  c.host.update(1, { append: 10 });
  const data = c.host.poll()[0] as Sent;
  const right = quote(data);
  for (const body of [
    new Uint8Array(0),
    right.slice(0, 20),
    right.slice(0, 27),
    right.with(9, 17),
    right.with(0, 0x65),
    right.with(0, 0x41),
    right.with(7, 1),
    right.with(21, (right[21] as number) ^ 1),
  ]) {
    c.host.feed(icmp(3, 3, 0, body));
  }
  expect(c.host.events).toEqual([]);
});
