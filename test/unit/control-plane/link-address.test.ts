/**
 * Goal: when a next hop's hardware address changes, live connections follow. Method: ARP in, the
 * destination address of what connections send afterwards.
 */
import { expect, test } from "vitest";
import { ACK, SYN } from "../../support/frames.ts";
import { arpFrame, Host, LOCAL, REMOTE, REMOTE_MAC, type HostOptions } from "./harness.ts";

const OTHER_MAC = [2, 0xfe, 0xdc, 0xba, 0x98, 0x76];
const GATEWAY = "10.0.0.254";
const FAR = "192.168.1.1";

const dots = (mac: readonly number[]): string => mac.join(".");
const gratuitous = (mac: readonly number[], who: string): Uint8Array => arpFrame(1, mac, who, who);

/** A host with `count` connections from `source`, peer ports from 40000 on; ids from 1 on. */
function connected(count: number, source = REMOTE, options: HostOptions = {}): Host {
  const host = new Host(options);
  host.feed(arpFrame(1, REMOTE_MAC, source === FAR ? GATEWAY : source, LOCAL));
  host.listen(80, count, { noDelay: true });
  for (let i = 0; i < count; i += 1) {
    const peer = { source, sourcePort: 40000 + i };
    const [answer] = host.feed(host.segment({ ...peer, flags: SYN, seq: 1 }));
    host.feed(host.segment({ ...peer, flags: ACK, seq: 2, ack: (answer?.seq ?? 0) + 1 }));
  }
  return host;
}

/** Where the next segment of a connection goes. */
function aim(host: Host, id: number): string | undefined {
  host.update(id, { append: 10 });
  return host.poll().find(({ sourcePort }) => sourcePort === 80)?.destinationMac;
}

test("an established connection follows its peer's new address, all six bytes", () => {
  const host = connected(1);
  expect(aim(host, 1)).toBe(dots(REMOTE_MAC));
  host.feed(gratuitous(OTHER_MAC, REMOTE));
  expect(aim(host, 1)).toBe(dots(OTHER_MAC));
});

test("connections behind a gateway follow the gateway, others do not", () => {
  const options = { gateway: GATEWAY };
  const host = connected(2, FAR, options);
  host.feed(gratuitous(OTHER_MAC, GATEWAY));
  expect([aim(host, 1), aim(host, 2)]).toEqual([dots(OTHER_MAC), dots(OTHER_MAC)]);
  const near = connected(1, REMOTE, options);
  near.feed(arpFrame(1, [2, 0, 0, 0, 0, 7], GATEWAY, LOCAL));
  near.feed(gratuitous(OTHER_MAC, GATEWAY));
  expect(aim(near, 1)).toBe(dots(REMOTE_MAC));
});

test("a connection in SYN-RECEIVED follows too", () => {
  const host = new Host();
  host.teachNeighbor();
  host.listen(80);
  host.feed(host.segment({ flags: SYN, seq: 1 }));
  host.feed(gratuitous(OTHER_MAC, REMOTE));
  const again = host.after(1.1e9).find(({ flags }) => flags === "SA");
  expect(again?.destinationMac).toBe(dots(OTHER_MAC));
});

test("the same address again sends no command and counts no change", () => {
  const host = connected(1);
  host.feed(gratuitous(REMOTE_MAC, REMOTE));
  expect(host.control.counters.neighborChanges).toBe(0);
  expect(aim(host, 1)).toBe(dots(REMOTE_MAC));
});

test("a change shows also when the old entry has expired and was asked for again", () => {
  const host = connected(1);
  host.after(61e9);
  host.open(81);
  expect(host.poll().map(({ kind }) => kind)).toEqual(["arp"]);
  host.feed(arpFrame(2, OTHER_MAC, REMOTE, LOCAL));
  expect(host.control.counters.neighborChanges).toBe(1);
  expect(aim(host, 1)).toBe(dots(OTHER_MAC));
});

test("two changes in one burst: the last one counts", () => {
  const host = connected(1);
  const third = [2, 0, 0, 0, 0, 0x33];
  host.feed(gratuitous(OTHER_MAC, REMOTE), gratuitous(third, REMOTE));
  expect(host.control.counters.neighborChanges).toBe(2);
  expect(aim(host, 1)).toBe(dots(third));
});

test("more connections than the command ring has room for", () => {
  const layout = { connections: 600, queueDescriptors: 256, payloadBytes: 128 * 1024 * 1024 };
  const host = connected(300, REMOTE, { layout });
  host.feed(gratuitous(OTHER_MAC, REMOTE));
  const aims = new Set([1, 150, 255, 256, 257, 300].map((id) => aim(host, id)));
  expect([...aims]).toEqual([dots(OTHER_MAC)]);
});
