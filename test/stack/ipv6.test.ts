/**
 * TCP over IPv6 between two whole stacks: neighbour discovery, transfers over good and bad links on
 * both media, addresses as sockets show them, one listener for both families.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as C from "../../host/libtoe/constants.ts";
import { ERRNO } from "../../host/errors.ts";
import { seedOf } from "../support/env.ts";
import { expectWhole, transfer } from "./transfer.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const SEED = seedOf(6);
const KIB = 1024;

describe("streams over IPv6", () => {
  const rows: [name: string, options: ConstructorParameters<typeof WorldPair>[0]][] = [
    ["Ethernet", {}],
    ["point to point", { link: { medium: "ip" } }],
    ["loss and reordering", { link: { faults: { loss: 0.02, reorder: 0.05 } } }],
    ["corruption and duplicates", { link: { faults: { corrupt: 0.01, duplicate: 0.02 } } }],
    ["both ends at the wrap", { sequences: [0xffffff00, 0xfffffffe] }],
    ["MTU 1280", { link: { mtu: 1280 } }],
    ["profile linux", { profile: "linux" }],
    ["profile datacenter, ECN", { profile: "datacenter" }],
  ];
  test.each(rows)("both ways at once: %s", (_name, options) => {
    const pair = new WorldPair({ seed: SEED, ipv6: true, ...options });
    const ends = transfer(pair, { up: 300 * KIB, down: 200 * KIB });
    expectWhole(pair, ends, 300 * KIB, 200 * KIB);
  });
});

test("RFC 9293 MUST-67: the MSS is the MTU less 60 bytes", () => {
  const pair = new WorldPair({ seed: SEED, ipv6: true });
  const fds = pair.establish(pair.listen(80), 80);
  const info = pair.clientToe.getsockopt(fds.client, C.IPPROTO_TCP, C.TCP_MAXSEG);
  // Timestamps are in every segment (RFC 6691).
  expect([1440, 1428]).toContain(info);
});

describe("sockets of AF_INET6", () => {
  test("one listener on :: takes both families and shows IPv4 peers as mapped", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const listener = pair.listen(80);
    const six = pair.establish(listener, 80);
    const four = pair.clientToe.socket();
    const to = { address: "10.0.0.2", port: 80 };
    expect(pair.clientToe.connect(four, to)).toBe(-ERRNO.EINPROGRESS);
    const accepted = pair.accept(listener);
    const shown = (fd: number): unknown => {
      const [local, remote] = [pair.serverToe.getsockname(fd), pair.serverToe.getpeername(fd)];
      if (typeof local === "number" || typeof remote === "number") return [local, remote];
      return [local.address, remote.address];
    };
    expect(shown(six.server)).toEqual(["fd00::2", "fd00::1"]);
    expect(shown(accepted)).toEqual(["::ffff:10.0.0.2", "::ffff:10.0.0.1"]);
    expect(pair.clientToe.getpeername(six.client)).toEqual({ address: "fd00::2", port: 80 });
    expect(pair.clientToe.getpeername(four)).toEqual({ address: "10.0.0.2", port: 80 });
    expect(pair.serverToe.getsockopt(accepted, C.SOL_SOCKET, C.SO_DOMAIN)).toBe(C.AF_INET6);
  });

  test("IPV6_V6ONLY leaves IPv4 to a listener of its own", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const toe = pair.serverToe;
    const fd = toe.socket(C.AF_INET6);
    expect(toe.setsockopt(fd, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 1)).toBe(0);
    pair.listen(80, 128, fd);
    expect(toe.setsockopt(fd, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 0)).toBe(-ERRNO.EINVAL);
    const four = pair.clientToe.socket();
    expect(pair.clientToe.connect(four, { address: "10.0.0.2", port: 80 })).toBe(
      -ERRNO.EINPROGRESS,
    );
    pair.pass(SECOND);
    expect(pair.clientToe.getsockopt(four, C.SOL_SOCKET, C.SO_ERROR)).toBe(ERRNO.ECONNREFUSED);
    const own = toe.socket();
    expect(toe.bind(own, { address: "0.0.0.0", port: 80 })).toBe(0);
    expect(toe.listen(own)).toBe(0);
  });

  test("without it the port is taken for IPv4 too", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const toe = pair.serverToe;
    pair.listen(80);
    const own = toe.socket();
    expect(toe.bind(own, { address: "0.0.0.0", port: 80 })).toBe(0);
    expect(toe.listen(own)).toBe(-ERRNO.EADDRINUSE);
  });

  const errors: [domain: number, address: string, error: number][] = [
    [C.AF_INET, "fd00::2", ERRNO.EAFNOSUPPORT],
    [C.AF_INET, "::ffff:10.0.0.2", ERRNO.EAFNOSUPPORT],
    [C.AF_INET6, "10.0.0.2", ERRNO.EAFNOSUPPORT],
    [C.AF_INET6, "fd00::2::", ERRNO.EINVAL],
    [C.AF_INET6, "2001:db8::1", ERRNO.ENETUNREACH],
    [C.AF_INET6, "ff02::1", ERRNO.ENETUNREACH],
    [C.AF_INET6, "::1", ERRNO.ENETUNREACH],
    [C.AF_INET6, "::ffff:10.0.0.2", ERRNO.EINPROGRESS],
  ];
  test.each(errors)("connect of domain %i to %s answers -%i", (domain, address, error) => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const fd = pair.clientToe.socket(domain);
    expect(pair.clientToe.connect(fd, { address, port: 80 })).toBe(-error);
  });

  test("bind to an address that nobody has", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const fd = pair.serverToe.socket(C.AF_INET6);
    expect(pair.serverToe.bind(fd, { address: "fd00::9", port: 80 })).toBe(0);
    expect(pair.serverToe.listen(fd)).toBe(-ERRNO.EADDRNOTAVAIL);
  });

  test("link-local addresses are derived, and connect", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true });
    const listener = pair.listen(80);
    const fd = pair.clientToe.socket(C.AF_INET6);
    // Modified EUI-64 of 02:00:00:00:00:02 (RFC 4291, appendix A).
    const address = "FE80:0:0::ff:fe00:2";
    expect(pair.clientToe.connect(fd, { address, port: 80 })).toBe(-ERRNO.EINPROGRESS);
    const accepted = pair.accept(listener);
    const remote = pair.serverToe.getpeername(accepted);
    expect(remote).toMatchObject({ address: "fe80::ff:fe00:1" });
  });
});

describe("RFC 4862, 5.4: addresses that are probed first", () => {
  test("DAD-2: nothing goes out for a second, then streams are whole", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true, dadTransmits: 1 });
    const early = pair.clientToe.socket(C.AF_INET6);
    const to = { address: "fd00::2", port: 80 };
    expect(pair.clientToe.connect(early, to)).toBe(-ERRNO.ENETUNREACH);
    pair.clientToe.close(early);
    pair.pass(1.1 * SECOND);
    expectWhole(pair, transfer(pair, { up: 100_000, down: 100_000 }), 100_000, 100_000);
  });

  test("DAD-3, DAD-6: who has an address keeps it; of two who want one neither gets it", () => {
    const pair = new WorldPair({ seed: SEED, ipv6: true, dadTransmits: 1 });
    pair.pass(1.1 * SECOND);
    const fds = pair.establish(pair.listen(80), 80);
    pair.server.stack.addAddress(0, "fd00::1/64");
    for (const { stack } of [pair.client, pair.server]) stack.addAddress(0, "fd00::7/64");
    pair.pass(2 * SECOND);
    const found = [pair.client, pair.server].map(({ stack }) => {
      const { interfaces, counters } = stack.control;
      const all = interfaces.addresses(0).filter(({ state }) => state === "duplicate");
      return [counters.duplicateAddresses, all.map(({ address }) => address).sort()];
    });
    expect(found).toEqual([
      [1, ["fd00::7"]],
      [2, ["fd00::1", "fd00::7"]],
    ]);
    pair.clientToe.send(fds.client, Uint8Array.from([1, 2, 3]), 0);
    pair.pass(SECOND);
    expect(pair.serverToe.recv(fds.server, new Uint8Array(10), 0)).toBe(3);
  });
});

test("a closed port refuses over IPv6", () => {
  const pair = new WorldPair({ seed: SEED, ipv6: true });
  const fd = pair.connect(81);
  pair.pass(SECOND);
  expect(pair.clientToe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(ERRNO.ECONNREFUSED);
  const drops = pair.server.stack.core.words[
    ((pair.server.stack.core.map.base.drops as number) >>> 2) + DropReason.NoListener
  ] as number;
  expect(drops).toBe(1);
});
