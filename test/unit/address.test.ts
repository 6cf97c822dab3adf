/** Addresses as text (RFC 4291, 2.2; RFC 5952): every form in, one form out. */
import { describe, expect, test } from "vitest";
import { addressBytes, formatAddress, formatMapped, ipAddress } from "../../host/address.ts";
import { parseAddress } from "../../host/address.ts";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";

const bytes = (text: string): Uint8Array => parseAddress(text) as Uint8Array;

describe("IPv6 as text", () => {
  const rows: [text: string, canonical: string][] = [
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:DB8::AA", "2001:db8::aa"],
    ["2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
    ["2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
    ["fe80:0:0:0:1::", "fe80::1:0:0:0"],
  ];
  test.each(rows)("RFC 5952, 4: %s is %s", (text, canonical) => {
    expect(formatAddress(bytes(text))).toBe(canonical);
    expect(formatAddress(bytes(canonical))).toBe(canonical);
  });

  const bad = [
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "::1::",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3",
    "::256.1.1.1",
    "::1.2.3.4:5",
    "fe80::1%0",
    " ::1",
    "::1 ",
    "::-1",
    `${"0:".repeat(40)}1`,
  ];
  test.each(bad)("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("mapped addresses are IPv4, and show their prefix on sockets of AF_INET6", () => {
    expect(ipAddress(bytes("::FFFF:10.0.0.1"))).toBe(0x0a000001);
    expect(formatAddress(bytes("::ffff:a00:1"))).toBe("10.0.0.1");
    expect(formatMapped(bytes("10.0.0.1"))).toBe("::ffff:10.0.0.1");
    expect(formatMapped(bytes("fd00::1"))).toBe("fd00::1");
  });

  test("values, bytes and texts agree for any address", () => {
    const seed = seedOf(3);
    const random = new Random(seed);
    for (let i = 0; i < 2000; i += 1) {
      const address = random.bytes(16);
      for (let at = 0; at < 16; at += 2) if (random.oneIn(2)) address.fill(0, at, at + 2);
      expect(addressBytes(ipAddress(address)), `seed ${seed}`).toEqual(address);
      expect(parseAddress(formatMapped(address)), `seed ${seed}`).toEqual(address);
    }
  });
});
