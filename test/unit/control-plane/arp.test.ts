/**
 * Goal: ARP as RFC 826 and RFC 1122, 2.3.2 want it: answers, learning, retry, expiry, limits,
 * conflicts. Method: frames in, frames out.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { address } from "../../../host/address.ts";
import { ERRNO } from "../../../host/errors.ts";
import { arpFrame, Host, LOCAL, LOCAL_MAC, OPTIONS, REMOTE, REMOTE_MAC } from "./harness.ts";

const OTHER_MAC = [2, 0, 0, 0, 0, 9];

test("answers a request for our address, and only for it", () => {
  const host = new Host();
  const [reply] = host.feed(arpFrame(1, REMOTE_MAC, REMOTE, LOCAL));
  expect(reply).toMatchObject({ kind: "arp", operation: 2, source: LOCAL, destination: REMOTE });
  expect(reply?.destinationMac).toBe(REMOTE_MAC.join("."));
  expect(host.feed(arpFrame(1, REMOTE_MAC, REMOTE, "10.0.0.77"))).toEqual([]);
  expect(host.drops(DropReason.ArpIgnored)).toBe(0);
});

test("learns from a request to us, so that no request of ours is needed", () => {
  const host = new Host();
  host.teachNeighbor();
  host.open(80);
  expect(host.poll().map(({ kind }) => kind)).toEqual(["tcp"]);
});

test("an unasked reply adds nothing; a gratuitous one updates what is known", () => {
  const host = new Host();
  host.feed(arpFrame(2, REMOTE_MAC, REMOTE, LOCAL));
  expect(host.control.counters.neighbors).toBe(0);
  host.teachNeighbor();
  host.feed(arpFrame(1, OTHER_MAC, REMOTE, REMOTE));
  expect(host.control.counters).toMatchObject({ neighbors: 1, neighborChanges: 1 });
  host.open(80);
  expect(host.poll()[0]?.destinationMac).toBe(OTHER_MAC.join("."));
});

test("an entry expires after a minute and is asked for again", () => {
  const host = new Host();
  host.teachNeighbor();
  host.after(61e9);
  host.open(80);
  expect(host.poll().map(({ kind }) => kind)).toEqual(["arp"]);
});

test("one request serves all that wait; a second follows after one second", () => {
  const host = new Host();
  for (let i = 0; i < 5; i += 1) host.open(80);
  expect(host.poll().length).toBe(1);
  expect(host.after(0.9e9).length).toBe(0);
  expect(host.after(0.2e9).length).toBe(1);
  const syns = host.feed(arpFrame(2, REMOTE_MAC, REMOTE, LOCAL));
  expect(syns.map(({ flags }) => flags)).toEqual(["S", "S", "S", "S", "S"]);
});

test("the queue behind an address is bounded; the rest retries by its own timer", () => {
  const host = new Host({ layout: { connections: 100, queueDescriptors: 256 } });
  for (let i = 0; i < 80; i += 1) expect(host.open(80)).toBeGreaterThan(0);
  host.poll();
  expect(host.drops(DropReason.NeighborUnreachable)).toBe(16);
  expect(host.feed(arpFrame(2, REMOTE_MAC, REMOTE, LOCAL)).length).toBe(64);
  const later = host.after(1.1e9).filter(({ flags }) => flags === "S");
  expect(new Set(later.map(({ sourcePort }) => sourcePort)).size).toBe(80);
});

test("the cache is bounded: the oldest entry goes", () => {
  const host = new Host({ limits: { neighbors: 4 } });
  for (let i = 10; i < 30; i += 1) {
    host.feed(arpFrame(1, [2, 0, 0, 0, 1, i], `10.0.0.${i}`, LOCAL));
  }
  expect(host.control.counters.neighbors).toBe(4);
});

test("a connection whose entry is evicted fails instead of hanging", () => {
  const host = new Host({ limits: { neighbors: 1 } });
  const id = host.open(80);
  host.poll();
  host.feed(arpFrame(1, OTHER_MAC, "10.0.0.9", LOCAL));
  expect(host.events).toEqual([`closed ${id} ${ERRNO.EHOSTUNREACH}`]);
});

test("RFC 5227, 2.4: a conflict is counted, and defended once in ten seconds", () => {
  const host = new Host();
  const claim = arpFrame(1, OTHER_MAC, LOCAL, LOCAL);
  expect(host.feed(claim)[0]).toMatchObject({ operation: 1, source: LOCAL, destination: LOCAL });
  expect(host.feed(claim)).toEqual([]);
  expect(host.control.counters.addressConflicts).toBe(2);
  host.now += 11e9;
  expect(host.feed(claim).length).toBe(1);
});

test("an interface that is gone announces nothing", () => {
  const host = new Host({ announce: true, addresses: [`${LOCAL}/24`, "fd00::1/64"] });
  host.control.removeNetif(0);
  expect(host.poll()).toEqual([]);
});

test("announce sends gratuitous ARP with the first events", () => {
  const host = new Host({ announce: true });
  expect(host.poll()[0]).toMatchObject({ kind: "arp", source: LOCAL, destination: LOCAL });
  expect(host.poll()).toEqual([]);
});

const MALFORMED: [name: string, change: (frame: Uint8Array) => Uint8Array][] = [
  ["cut short", (frame) => frame.slice(0, 30)],
  ["header only", (frame) => frame.slice(0, 14)],
  ["hardware type 6", (frame) => frame.with(15, 6)],
  ["protocol size 6", (frame) => frame.with(19, 6)],
  ["sender with a group address", (frame) => frame.with(22, 1)],
];

test.each(MALFORMED)("malformed: %s", (_name, change) => {
  const host = new Host();
  expect(host.feed(change(arpFrame(1, REMOTE_MAC, REMOTE, LOCAL)))).toEqual([]);
  expect(host.control.counters.neighbors).toBe(0);
  expect(host.drops(DropReason.ArpIgnored)).toBe(1);
});

test("our own frame come back changes nothing", () => {
  const host = new Host();
  expect(host.feed(arpFrame(1, LOCAL_MAC, LOCAL, LOCAL))).toEqual([]);
  expect(host.control.counters.addressConflicts).toBe(0);
});

test("a gateway is asked for in place of a far destination", () => {
  const host = new Host({ gateway: "10.0.0.254" });
  const remote = { address: address("192.168.1.1"), port: 80 };
  host.control.open({ remote, options: OPTIONS, context: 1 });
  expect(host.poll()[0]).toMatchObject({ kind: "arp", destination: "10.0.0.254" });
});
