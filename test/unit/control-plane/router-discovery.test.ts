/**
 * Goal: addresses, routers and MTU from router advertisements as RFC 4861, 6.3 and RFC 4862 have
 * them. Method: a router of hand-built frames beside a control plane that has been told to listen.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { address } from "../../../host/address.ts";
import { ERRNO } from "../../../host/errors.ts";
import { colons } from "../../support/frames.ts";
import { Host, OPTIONS, REMOTE_MAC, type HostOptions, type Sent } from "./harness.ts";
import { advertisement, icmpv6, type Ipv6Message } from "./ipv6-frames.ts";

const SECOND = 1e9;
const ROUTER = "fe80::ff:fe00:2";
const PREFIX = "2001:db8:1::";
const FROM_ROUTER = { source: ROUTER, destination: "ff02::1" };

const word = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

/** Prefix information: autonomous and on-link unless said otherwise. */
function prefix(text: string, seconds: number, flags = 0xc0, length = 64): number[] {
  const times = [...word(seconds), ...word(Math.min(seconds, 600))];
  return [3, 4, length, flags, ...times, 0, 0, 0, 0, ...colons(text)];
}

function routerFrame(
  lifetime: number,
  options: readonly number[],
  what: Partial<Ipv6Message> = FROM_ROUTER,
): Uint8Array {
  const body = [0, 0, 0, 0, 0, 0, 0, 0, ...options];
  return icmpv6(134, 0, ((64 << 24) | lifetime) >>> 0, body, what);
}

function makeHost(options: HostOptions = {}): Host {
  return new Host({ addresses: ["fd00::1/64"], accept: true, ...options });
}

/** What a connection to a far host starts from: the source of its first frame. */
function farSource(host: Host): string | number {
  const remote = { address: address("2001:db8:9::9"), port: 80 };
  const id = host.control.open({ remote, options: OPTIONS, context: 1 });
  if (id < 0) return id;
  const [syn] = host.poll().filter(({ kind }) => kind === "tcp") as [Sent | undefined];
  host.control.abort(id);
  return syn?.source ?? "";
}

/** The address that a prefix has given; "" when none has. */
function madeBy(host: Host): string {
  const all = host.control.interfaces.addresses(0);
  return all.find(({ address: text }) => text.startsWith("2001:db8:1:"))?.address ?? "";
}

describe("router discovery", () => {
  test("RFC 4861, 6.3.7: asks three times, four seconds apart, until somebody answers", () => {
    const silent = makeHost();
    const asked = Array.from({ length: 30 }, () => silent.after(SECOND)).flat();
    expect(asked.map(({ operation }) => operation)).toEqual([133, 133, 133]);
    expect(asked[0]).toMatchObject({ destination: "ff02::2", ttl: 255, source: "fe80::ff:fe00:1" });
    const answered = makeHost();
    expect(answered.poll()).toHaveLength(1);
    answered.feed(routerFrame(1800, []));
    expect(Array.from({ length: 30 }, () => answered.after(SECOND)).flat()).toEqual([]);
  });

  test("RFC 4862, 5.5: an address of the prefix, probed for a second, then used", () => {
    const host = makeHost();
    host.poll();
    expect(farSource(host)).toBe(-ERRNO.ENETUNREACH);
    const sent = [...host.feed(routerFrame(1800, prefix(PREFIX, 3600))), ...host.after(1)];
    const [probe] = sent.filter(({ operation }) => operation === 135);
    expect(probe).toMatchObject({ source: "::", ttl: 255 });
    // On trial: the router is there, the new address not yet.
    expect(farSource(host)).toBe("fd00::1");
    host.after(1.1 * SECOND);
    expect(farSource(host)).toMatch(/^2001:db8:1:0:/);
  });

  test("RFC 7217: the identifier is the seed's and the prefix's", () => {
    const made = (seed: number, network: string): string | number => {
      const host = makeHost({ seed });
      host.feed(routerFrame(1800, prefix(network, 3600)));
      host.after(1);
      host.after(1.1 * SECOND);
      return farSource(host);
    };
    expect(made(1, PREFIX)).toBe(made(1, PREFIX));
    const identifiers = [made(1, PREFIX), made(2, PREFIX), made(1, "2001:db8:2::")].map((text) =>
      String(text).split(":").slice(-4).join(":"),
    );
    expect(new Set(identifiers).size).toBe(3);
  });

  test("RFC 4862, 5.4.5: an address that somebody has is not taken; another one is tried", () => {
    const host = makeHost();
    const sent = [...host.feed(routerFrame(1800, prefix(PREFIX, 3600))), ...host.after(1)];
    const target = (frames: readonly Sent[]): Uint8Array | undefined =>
      frames.find(({ operation }) => operation === 135)?.payload.slice(4, 20);
    const first = target(sent) as Uint8Array;
    const text = Array.from({ length: 8 }, (_, i) =>
      (((first[i * 2] as number) << 8) | (first[i * 2 + 1] as number)).toString(16),
    ).join(":");
    const group = { destination: "ff02::1" };
    const again = [...host.feed(advertisement(text, 0x20, REMOTE_MAC, group)), ...host.after(1)];
    const second = target(again) as Uint8Array;
    expect(second).toBeDefined();
    expect(second).not.toEqual(first);
    host.after(1.1 * SECOND);
    expect(farSource(host)).toMatch(/^2001:db8:1:0:/);
  });

  test("lifetimes end: the router's, and with its address a connection's", () => {
    const host = makeHost();
    host.feed(routerFrame(1800, prefix(PREFIX, 3000)));
    host.after(1);
    host.after(1.1 * SECOND);
    const remote = { address: address("2001:db8:1::77"), port: 80 };
    const id = host.control.open({ remote, options: OPTIONS, context: 1 });
    host.feed(routerFrame(0, []));
    host.after(SECOND);
    expect(farSource(host)).toBe(-ERRNO.ENETUNREACH);
    for (let i = 0; i < 31; i += 1) host.after(100 * SECOND);
    expect(host.events.some((event) => event.startsWith(`closed ${id} `))).toBe(true);
    expect(host.control.open({ remote, options: OPTIONS, context: 1 })).toBe(-ERRNO.ENETUNREACH);
  });

  /** A host with an address of the prefix, and how it loses that. */
  const losses: [name: string, lose: (host: Host) => void][] = [
    ["its time is over", (host) => host.after(3001 * SECOND)],
    ["it is taken away", (host) => host.control.interfaces.removeAddress(0, madeBy(host))],
  ];
  test.each(losses)("the way over a router stays when an address goes: %s", (_name, lose) => {
    const host = makeHost({ addresses: [] });
    host.feed(routerFrame(9000, prefix(PREFIX, 3000)));
    host.after(1);
    host.after(1.1 * SECOND);
    host.feed(routerFrame(9000, prefix("2001:db8:2::", 9000)));
    host.after(1);
    host.after(1.1 * SECOND);
    expect(farSource(host)).toBe(madeBy(host));
    lose(host);
    expect(madeBy(host)).toBe("");
    expect(farSource(host)).toMatch(/^2001:db8:2:0:/);
  });

  test("RFC 4861, 6.3.7: a link that is down is not asked, one that is up again is", () => {
    const host = makeHost();
    host.poll();
    host.feed(routerFrame(1800, []));
    host.control.interfaces.setLinkUp(0, false);
    host.control.interfaces.setLinkUp(0, true);
    const asks = (): number =>
      Array.from({ length: 20 }, () => host.after(SECOND))
        .flat()
        .filter(({ operation }) => operation === 133).length;
    expect(asks()).toBe(3);
    // Not even when something else is due meanwhile: a router's end.
    host.feed(routerFrame(5, []));
    for (const up of [false, true, false]) host.control.interfaces.setLinkUp(0, up);
    expect(asks()).toBe(0);
    const down = makeHost();
    down.control.interfaces.setLinkUp(0, false);
    expect(down.after(SECOND)).toEqual([]);
    // Nor does it wake anybody.
    expect(down.core.exports.nextDeadline(down.core.address)).toBe(Number.POSITIVE_INFINITY);
  });

  test("RFC 4861, 5.2: a prefix without the on-link flag is reached over the router", () => {
    const host = makeHost();
    const remote = { address: address("2001:db8:1::77"), port: 80 };
    const open = (): Sent | undefined => {
      const id = host.control.open({ remote, options: OPTIONS, context: 1 });
      const [sent] = host.poll();
      host.control.abort(id);
      return sent;
    };
    host.feed(routerFrame(1800, prefix(PREFIX, 3600, 0x40)));
    host.after(1);
    host.after(1.1 * SECOND);
    const over = { kind: "tcp", source: madeBy(host), destinationMac: REMOTE_MAC.join(".") };
    expect(open()).toMatchObject(over);
    // Later it is said to be there; and who leaves the flag out says nothing.
    host.feed(routerFrame(1800, prefix(PREFIX, 3600)));
    expect(open()).toMatchObject({ operation: 135, source: over.source });
    host.feed(routerFrame(1800, prefix(PREFIX, 3600, 0x40)));
    expect(open()?.destination).not.toBe("2001:db8:1::77");
    host.control.interfaces.removeAddress(0, over.source);
    expect(open()).toMatchObject({ kind: "tcp", source: "fd00::1" });
  });

  test("RFC 4861, 6.3.4: a router is where its option says", () => {
    const host = makeHost();
    host.feed(routerFrame(1800, [1, 1, 2, 0, 0, 0, 0, 9]));
    const remote = { address: address("2001:db8:9::9"), port: 80 };
    host.control.open({ remote, options: OPTIONS, context: 1 });
    expect(host.poll()[0]).toMatchObject({ kind: "tcp", destinationMac: "2.0.0.0.0.9" });
  });

  test("what has become of its addresses is told", () => {
    const host = makeHost();
    const told: string[] = [];
    host.control.interfaces.onAddress = (_index, text, outcome) => told.push(`${text} ${outcome}`);
    const group = { destination: "ff02::1" };
    host.feed(routerFrame(1800, prefix(PREFIX, 3600)));
    host.after(1);
    const [first] = host.control.interfaces.addresses(0).filter((one) => one.state === "tentative");
    host.feed(advertisement(first?.address ?? "", 0x20, REMOTE_MAC, group));
    host.after(1);
    host.after(1.1 * SECOND);
    host.after(1);
    expect(told).toEqual([`${first?.address} duplicate`, `${madeBy(host)} preferred`]);
  });

  test("RFC 4862, 5.5.3 e: nobody makes a long lifetime short at once", () => {
    const host = makeHost();
    host.feed(routerFrame(1800, prefix(PREFIX, 86_400)));
    host.after(1);
    host.after(1.1 * SECOND);
    host.feed(routerFrame(1800, prefix(PREFIX, 1)));
    host.after(7000 * SECOND);
    const remote = { address: address("2001:db8:1::77"), port: 80 };
    expect(host.control.open({ remote, options: OPTIONS, context: 1 })).toBeGreaterThan(0);
    host.after(300 * SECOND);
    expect(host.control.open({ remote, options: OPTIONS, context: 1 })).toBe(-ERRNO.ENETUNREACH);
  });

  test("RFC 4861, 6.3.4: the MTU is the router's, within 1,280 and the carrier's", () => {
    const mss = (mtu: number): number => {
      const host = makeHost();
      host.feed(routerFrame(1800, [5, 1, 0, 0, ...word(mtu)]));
      const remote = { address: address("fd00::2"), port: 80 };
      host.control.open({ remote, options: OPTIONS, context: 1 });
      host.poll();
      const sent = host.feed(advertisement("fd00::2", 0x60));
      const option = sent.find(({ kind }) => kind === "tcp")?.options.get(2) ?? [];
      return (option[0] as number) * 256 + (option[1] as number);
    };
    expect([1400, 1280, 1279, 1501, 0xffffffff].map(mss)).toEqual([1340, 1220, 1440, 1440, 1440]);
  });

  const ignored: [name: string, frame: Uint8Array][] = [
    ["not from the link", routerFrame(1800, [], { ...FROM_ROUTER, hopLimit: 254 })],
    ["from a wide address", routerFrame(1800, [], { source: "fd00::2" })],
    ["short", icmpv6(134, 0, 0, [1], FROM_ROUTER)],
    ["option of length 0", routerFrame(1800, [3, 0, 0, 0, 0, 0, 0, 0])],
    ["option past the end", routerFrame(1800, [3, 4, 0, 0, 0, 0, 0, 0])],
  ];
  test.each(ignored)("RFC 4861, 6.1.2: dropped and counted: %s", (_name, frame) => {
    const host = makeHost();
    host.poll();
    host.feed(frame);
    expect(host.drops(DropReason.NdpIgnored)).toBe(1);
    expect(farSource(host)).toBe(-ERRNO.ENETUNREACH);
  });

  test("who was not told to listen does not", () => {
    const host = makeHost({ accept: false });
    expect(host.poll()).toEqual([]);
    host.feed(routerFrame(1800, prefix(PREFIX, 3600)));
    expect(host.drops(DropReason.NdpIgnored)).toBe(1);
    expect(farSource(host)).toBe(-ERRNO.ENETUNREACH);
  });

  test("an interface with all the addresses it may have takes none from a router", () => {
    const addresses = Array.from({ length: 63 }, (_, i) => `fd00::${(i + 1).toString(16)}/64`);
    const host = makeHost({ addresses });
    host.feed(routerFrame(1800, prefix(PREFIX, 3600)));
    host.after(1);
    host.after(1.1 * SECOND);
    expect(host.control.interfaces.addresses(0)).toHaveLength(64);
    expect(farSource(host)).toMatch(/^fd00::/);
  });

  test("routers and prefixes are bounded, others do no harm", () => {
    const host = makeHost();
    const sent: Sent[] = [];
    for (let i = 0; i < 40; i += 1) {
      const source = `fe80::${(i + 16).toString(16)}`;
      const network = `2001:db8:${(i + 1).toString(16)}::`;
      const frame = routerFrame(1800, prefix(network, 3600), { source, destination: "ff02::1" });
      sent.push(...host.feed(frame));
    }
    sent.push(...host.after(1));
    expect(sent.filter(({ operation }) => operation === 135)).toHaveLength(8);
    const odd = [prefix("fe80::", 3600), prefix("ff02::", 3600), prefix(PREFIX, 3600, 0x80)];
    const other = makeHost();
    for (const one of [...odd, prefix(PREFIX, 3600, 0xc0, 65)]) other.feed(routerFrame(0, one));
    expect(other.after(1).filter(({ operation }) => operation === 135)).toEqual([]);
  });
});
