/**
 * Goal: an IPv6 address is not used before a second without an answer has shown that nobody else
 * has it (RFC 4862, 5.4), wherever it comes from. Method: hand-built frames beside a control plane,
 * in the profile that probes.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { address } from "../../../host/address.ts";
import { PROFILE_NAMES, profile } from "../../../host/control-plane/profile.ts";
import { ERRNO } from "../../../host/errors.ts";
import { colons } from "../../support/frames.ts";
import { Host, LOCAL_MAC, OPTIONS, REMOTE_MAC, type HostOptions, type Sent } from "./harness.ts";
import { advertisement, icmpv6, LOCAL6, REMOTE6, solicitation } from "./ipv6-frames.ts";

const SECOND = 1e9;
const OURS = `${LOCAL6}/64`;
const LINK_LOCAL = "fe80::ff:fe00:1";
const GROUP = "ff02::1:ff00:1";
const ALL = { destination: "ff02::1" };
const SYN6 = { source: REMOTE6, destination: LOCAL6, destinationPort: 80, flags: 2 };

function makeHost(options: HostOptions = {}): Host {
  return new Host({ addresses: [OURS], dadTransmits: "profile", ...options });
}

/** Somebody else's probe for an address. */
function probe(target: string, group: string, mac: readonly number[] = REMOTE_MAC): Uint8Array {
  const what = { source: "::", destination: group };
  const frame = icmpv6(135, 0, 0, Array.from(colons(target)), what);
  frame.set(mac, 6);
  return frame;
}

const probes = (sent: readonly Sent[]): Sent[] =>
  sent.filter(({ operation, source }) => operation === 135 && source === "::");

const targets = (sent: readonly Sent[]): string[] =>
  probes(sent).map(({ payload }) => Array.from(payload.slice(4, 20)).join("."));

function states(host: Host, index = 0): Record<string, string> {
  const all = host.control.interfaces.addresses(index);
  return Object.fromEntries(all.map(({ address: text, state }) => [text, state]));
}

function open(host: Host, to = REMOTE6): number {
  return host.control.open({
    remote: { address: address(to), port: 80 },
    options: OPTIONS,
    context: 1,
  });
}

function echo(to: string): Uint8Array {
  return icmpv6(128, 0, 0x00010002, [1, 2, 3, 4], { destination: to, hopLimit: 64 });
}

describe("an address on trial", () => {
  test("DAD-1: one probe of each from :: to its group, and a second later it is preferred", () => {
    const host = makeHost();
    const first = [...host.poll(), ...host.after(1)];
    expect(probes(first)).toHaveLength(2);
    const expected = [LOCAL6, LINK_LOCAL].map((text) => Array.from(colons(text)).join("."));
    expect(targets(first)).toEqual(expected);
    expect(probes(first)[0]).toMatchObject({ ttl: 255, destination: GROUP });
    expect(probes(first)[0]?.destinationMac).toBe("51.51.255.0.0.1");
    // RFC 4861, 4.3: from nobody, so without a link-layer address.
    expect(probes(first)[0]?.payload).toHaveLength(20);
    expect(states(host)).toEqual({ [LOCAL6]: "tentative", [LINK_LOCAL]: "tentative" });
    expect(probes(host.after(0.99 * SECOND))).toEqual([]);
    expect(states(host)[LOCAL6]).toBe("tentative");
    host.after(0.02 * SECOND);
    expect(states(host)).toEqual({ [LOCAL6]: "preferred", [LINK_LOCAL]: "preferred" });
    expect(open(host)).toBeGreaterThan(0);
  });

  test("DAD-1: as many probes as were asked for, a second apart", () => {
    const host = makeHost({ dadTransmits: 3 });
    const sent = [0, 1, 2, 3, 4].map((i) => targets(host.after(i === 0 ? 1 : SECOND)).length);
    expect(sent).toEqual([2, 2, 2, 0, 0]);
    expect(states(host)[LOCAL6]).toBe("preferred");
    const early = makeHost({ dadTransmits: 3 });
    for (let i = 0; i < 3; i += 1) early.after(i === 0 ? 1 : SECOND);
    expect(states(early)[LOCAL6]).toBe("tentative");
  });

  test("DAD-2: it answers no solicitation, receives nothing and is the source of nothing", () => {
    const host = makeHost();
    host.listen(80);
    host.after(1);
    const before = host.drops(DropReason.NdpIgnored);
    expect(host.feed(solicitation(LOCAL6, { destination: GROUP }))).toEqual([]);
    expect(host.drops(DropReason.NdpIgnored)).toBe(before + 1);
    expect(host.feed(echo(LOCAL6))).toEqual([]);
    expect(host.feed(host.segment(SYN6))).toEqual([]);
    expect(open(host)).toBe(-ERRNO.ENETUNREACH);
    const local = { address: address(LOCAL6), port: 81 };
    const request = { local, backlog: 1, context: 1, options: OPTIONS };
    expect(host.control.listen(request)).toBe(-ERRNO.EADDRNOTAVAIL);
    expect(states(host)[LOCAL6]).toBe("tentative");
    host.after(1.01 * SECOND);
    expect(host.feed(solicitation(LOCAL6, { destination: GROUP }))).toHaveLength(1);
    expect(host.feed(echo(LOCAL6))).toHaveLength(1);
    expect(host.feed(host.segment(SYN6))).toHaveLength(1);
  });

  test("DAD-2: IPv4 does not wait", () => {
    const host = makeHost({ addresses: ["10.0.0.1/24", OURS] });
    expect(host.open(80)).toBeGreaterThan(0);
    expect(states(host)["10.0.0.1"]).toBe("preferred");
  });

  test("DAD-2: a gateway's route comes with the address that leaves by it", () => {
    const host = makeHost({ gateway: "fd00::ff" });
    host.after(1);
    expect(open(host, "2001:db8::1")).toBe(-ERRNO.ENETUNREACH);
    host.after(1.01 * SECOND);
    expect(open(host, "2001:db8::1")).toBeGreaterThan(0);
  });
});

describe("somebody else has it", () => {
  const claims: [name: string, frame: Uint8Array][] = [
    ["an advertisement", advertisement(LOCAL6, 0x20, REMOTE_MAC, ALL)],
    ["an advertisement of our hardware address", advertisement(LOCAL6, 0x20, LOCAL_MAC, ALL)],
    ["another's probe", probe(LOCAL6, GROUP)],
  ];
  test.each(claims)("DAD-3: %s: counted, told, and not used", (_name, frame) => {
    const host = makeHost();
    const told: string[] = [];
    host.control.interfaces.onAddress = (index, text, outcome) =>
      told.push(`${index} ${text} ${outcome}`);
    host.after(1);
    expect(host.feed(frame)).toEqual([]);
    expect(host.control.counters.duplicateAddresses).toBe(1);
    expect(told).toEqual([`0 ${LOCAL6} duplicate`]);
    host.after(2 * SECOND);
    expect(states(host)).toEqual({ [LINK_LOCAL]: "preferred", [LOCAL6]: "duplicate" });
    expect(told).toEqual([`0 ${LOCAL6} duplicate`, `0 ${LINK_LOCAL} preferred`]);
    expect(open(host)).toBe(-ERRNO.ENETUNREACH);
    expect(host.feed(solicitation(LOCAL6, { destination: GROUP }))).toEqual([]);
    // It may be tried again.
    host.control.interfaces.addAddress(0, OURS);
    host.after(1);
    host.after(1.01 * SECOND);
    expect(states(host)[LOCAL6]).toBe("preferred");
  });

  const harmless: [name: string, frame: Uint8Array][] = [
    ["a question of a neighbour's", solicitation(LOCAL6, { destination: GROUP })],
    ["from beyond the link", advertisement(LOCAL6, 0x20, REMOTE_MAC, { ...ALL, hopLimit: 254 })],
    ["of another address", advertisement("fd00::9", 0x20, REMOTE_MAC, ALL)],
    ["a probe not for the group", probe(LOCAL6, "ff02::1")],
  ];
  test.each(harmless)("DAD-3: %s takes no address", (_name, frame) => {
    const host = makeHost();
    host.after(1);
    host.feed(frame);
    host.after(1.01 * SECOND);
    expect(states(host)[LOCAL6]).toBe("preferred");
    expect(host.control.counters.duplicateAddresses).toBe(0);
  });

  test("DAD-4, RFC 4862 5.4.3: a netif that sends our probe back is nobody else", () => {
    const host = makeHost();
    const [sent] = probes(host.after(1)) as [Sent];
    host.feed(sent.frame);
    host.after(1.01 * SECOND);
    expect(states(host)[LOCAL6]).toBe("preferred");
    // Appendix A: more than went out are not all ours.
    const twin = makeHost();
    twin.after(1);
    twin.feed(sent.frame, sent.frame);
    twin.after(1.01 * SECOND);
    expect(states(twin)[LOCAL6]).toBe("duplicate");
  });

  test("DAD-5: of the hardware's own link-local address: no IPv6 there, IPv4 goes on", () => {
    const host = makeHost({ addresses: ["10.0.0.1/24", OURS], accept: true });
    const told: string[] = [];
    host.control.interfaces.onAddress = (_index, text, outcome) => told.push(`${text} ${outcome}`);
    host.after(1);
    host.after(0.5 * SECOND);
    host.control.interfaces.addAddress(0, "fd00::7/64");
    host.feed(advertisement(LINK_LOCAL, 0x20, REMOTE_MAC, ALL));
    host.after(60 * SECOND);
    const gone = { [LOCAL6]: "duplicate", [LINK_LOCAL]: "duplicate", "fd00::7": "duplicate" };
    expect(states(host)).toEqual({ "10.0.0.1": "preferred", ...gone });
    expect(told.sort()).toEqual(
      Object.keys(gone)
        .map((text) => `${text} duplicate`)
        .sort(),
    );
    expect(open(host)).toBe(-ERRNO.ENETUNREACH);
    host.control.interfaces.addAddress(0, "fd00::8/64");
    const sent = Array.from({ length: 20 }, () => host.after(SECOND)).flat();
    expect(sent.filter(({ kind }) => kind !== "arp")).toEqual([]);
    expect(states(host)["fd00::8"]).toBe("duplicate");
    expect(host.open(80)).toBeGreaterThan(0);
  });

  test("DAD-5: what was in use ends with EADDRNOTAVAIL", () => {
    const host = makeHost({ addresses: ["10.0.0.1/24"] });
    // The address of its own comes later than the first that is tried.
    host.control.interfaces.addAddress(0, OURS);
    host.control.interfaces.removeAddress(0, LINK_LOCAL);
    host.after(1);
    host.after(1.01 * SECOND);
    const id = open(host);
    expect(id).toBeGreaterThan(0);
    host.control.interfaces.addAddress(0, `${LINK_LOCAL}/64`);
    host.after(1);
    host.feed(advertisement(LINK_LOCAL, 0x20, REMOTE_MAC, ALL));
    host.after(1);
    expect(host.events).toContain(`closed ${id} ${ERRNO.EADDRNOTAVAIL}`);
    expect(states(host)[LOCAL6]).toBeUndefined();
  });
});

describe("while there are connections", () => {
  test("DAD-6: an added address is tried first and announced when it is ours", () => {
    const host = makeHost();
    host.after(1);
    host.after(1.01 * SECOND);
    host.control.interfaces.addAddress(0, "fd00::5/64");
    const sent = [...host.poll(), ...host.after(1)];
    expect(targets(sent)).toEqual([Array.from(colons("fd00::5")).join(".")]);
    expect(sent.filter(({ operation }) => operation === 136)).toEqual([]);
    const later = host.after(1.01 * SECOND);
    expect(later.map(({ operation, source }) => [operation, source])).toEqual([[136, "fd00::5"]]);
    expect(() => host.control.interfaces.addAddress(0, "fd00::5/64")).toThrow(RangeError);
  });

  test("DAD-6: one that is taken away on trial is gone", () => {
    const host = makeHost();
    host.after(1);
    expect(() => host.control.interfaces.addAddress(0, OURS)).toThrow(RangeError);
    expect(host.control.interfaces.removeAddress(0, LOCAL6)).toBe(true);
    host.after(2 * SECOND);
    expect(states(host)).toEqual({ [LINK_LOCAL]: "preferred" });
    expect(host.control.interfaces.removeAddress(0, LOCAL6)).toBe(false);
  });

  test("DAD-6: the MTU keeps to what the addresses on trial need", () => {
    const host = makeHost();
    expect(() => host.control.interfaces.setMtu(0, 1279)).toThrow(RangeError);
    host.after(1);
    host.after(1.01 * SECOND);
    expect(states(host)[LOCAL6]).toBe("preferred");
  });

  test("DAD-6: a link that was down has proved nothing", () => {
    const host = makeHost();
    host.after(1);
    host.control.interfaces.setLinkUp(0, false);
    host.after(10 * SECOND);
    expect(states(host)[LOCAL6]).toBe("tentative");
    host.control.interfaces.setLinkUp(0, true);
    expect(probes([...host.poll(), ...host.after(1)])).toHaveLength(2);
    host.after(1.01 * SECOND);
    expect(states(host)[LOCAL6]).toBe("preferred");
  });

  test("DAD-6: an interface that is removed has no trials", () => {
    const host = makeHost();
    host.control.removeNetif(0);
    expect(Array.from({ length: 3 }, () => host.after(SECOND)).flat()).toEqual([]);
  });
});

describe("DAD-7, RFC 4862 5.1: how often is the interface's choice", () => {
  test("profiles rfc and linux probe once, others not", () => {
    const chosen = PROFILE_NAMES.map((name) => [name, profile(name).dadTransmits]);
    expect(chosen.filter(([, probed]) => probed === 1).flat()).toEqual(["rfc", 1, "linux", 1]);
    for (const [name, count] of chosen) {
      const host = makeHost({ profile: name as (typeof PROFILE_NAMES)[number] });
      expect(probes(host.after(1))).toHaveLength(count === 1 ? 2 : 0);
    }
  });

  test("0 is off, and so is a medium without neighbours", () => {
    for (const options of [{ dadTransmits: 0 }, { medium: "ip" }] as const) {
      const host = makeHost(options);
      expect(states(host)[LOCAL6]).toBe("preferred");
      expect(host.after(1)).toEqual([]);
    }
  });

  test.each([-1, 17, 0.5])("%d is refused", (dadTransmits) => {
    expect(() => makeHost({ dadTransmits })).toThrow(
      `addNetif: expected dadTransmits 0..16, got ${dadTransmits}`,
    );
  });
});
