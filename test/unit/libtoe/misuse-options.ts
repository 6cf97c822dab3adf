/**
 * Threat U14: every option that can be set, at its own limits and with values that are none. The
 * limits stand here a second time, as numbers: Linux's, from tcp(7), ip(7) and socket(7).
 */
import { expect } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { LibToe } from "../../../host/libtoe/libtoe.ts";
import { settableOptions } from "../../../host/libtoe/options.ts";
import type { MisuseCase } from "./misuse-ends.ts";

const INT_MIN = -2147483648;
const INT_MAX = 2147483647;

/** Level, name, the lowest and the highest value; both are read back where that is said. */
type Limits = readonly [level: number, name: number, low: number, high: number];

const FLAGS: readonly (readonly [level: number, name: number])[] = [
  [C.SOL_SOCKET, C.SO_REUSEADDR],
  [C.SOL_SOCKET, C.SO_REUSEPORT],
  [C.SOL_SOCKET, C.SO_KEEPALIVE],
  [C.IPPROTO_IPV6, C.IPV6_V6ONLY],
  [C.IPPROTO_TCP, C.TCP_NODELAY],
  [C.IPPROTO_TCP, C.TCP_CORK],
  [C.IPPROTO_TCP, C.TCP_QUICKACK],
];

/** What is read is what was written. */
const RANGES: readonly Limits[] = [
  [C.SOL_SOCKET, C.SO_RCVTIMEO, 0, INT_MAX],
  [C.SOL_SOCKET, C.SO_SNDTIMEO, 0, INT_MAX],
  [C.SOL_SOCKET, C.SO_MAX_PACING_RATE, 0, 9007199254740991],
  [C.IPPROTO_IP, C.IP_TOS, 0, 255],
  [C.IPPROTO_IP, C.IP_TTL, 1, 255],
  [C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS, 1, 255],
  [C.IPPROTO_IPV6, C.IPV6_TCLASS, 0, 255],
  [C.IPPROTO_TCP, C.TCP_MAXSEG, 88, 32767],
  [C.IPPROTO_TCP, C.TCP_KEEPIDLE, 1, 32767],
  [C.IPPROTO_TCP, C.TCP_KEEPINTVL, 1, 32767],
  [C.IPPROTO_TCP, C.TCP_KEEPCNT, 1, 127],
  [C.IPPROTO_TCP, C.TCP_SYNCNT, 1, 127],
  [C.IPPROTO_TCP, C.TCP_LINGER2, 0, 120],
  [C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, 0, INT_MAX],
];

/** Rounded to what the arena gives. */
const BUFFERS: readonly Limits[] = [
  [C.SOL_SOCKET, C.SO_SNDBUF, 1, INT_MAX],
  [C.SOL_SOCKET, C.SO_RCVBUF, 1, INT_MAX],
];

/** Values of their own kind; a name that is text is no number out of range. */
const OTHERS: readonly (readonly [level: number, name: number])[] = [
  [C.SOL_SOCKET, C.SO_LINGER],
  [C.IPPROTO_TCP, C.TCP_CONGESTION],
];

/** Linux's "the default again", below the range: one is taken, what is below it is not. */
const DEFAULTS: readonly (readonly [level: number, name: number, value: number])[] = [
  [C.IPPROTO_IP, C.IP_TTL, -1],
  [C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS, -1],
  [C.IPPROTO_TCP, C.TCP_MAXSEG, 0],
];

const LINGERS: readonly (readonly [onoff: number, linger: number, answer: number])[] = [
  [1, 0, 0],
  [1, 65535, 0],
  [1, -1, -ERRNO.EINVAL],
  [1, 65536, -ERRNO.EINVAL],
  [INT_MIN, 1, 0],
  [INT_MAX, 1, 0],
  [INT_MIN - 1, 1, -ERRNO.EINVAL],
  [INT_MAX + 1, 1, -ERRNO.EINVAL],
];

/** Just outside nothing is taken nor changed, at the limits itself it is. */
function atLimits(toe: LibToe, fd: number, [level, name, low, high]: Limits): unknown[] {
  const read: unknown[] = [];
  const set = (value: number): number => toe.setsockopt(fd, level, name, value);
  for (const [inside, outside] of [
    [high, high + 1],
    [low, low - 1],
  ] as const) {
    expect([level, name, inside, set(inside)]).toEqual([level, name, inside, 0]);
    const before = toe.getsockopt(fd, level, name);
    expect([level, name, outside, set(outside)]).toEqual([level, name, outside, -ERRNO.EINVAL]);
    expect(toe.getsockopt(fd, level, name)).toEqual(before);
    read.push(before);
  }
  return read;
}

function limits(toe: LibToe): void {
  // IPV6_V6ONLY is of a socket that has IPv6.
  const fd = toe.socket(C.AF_INET6);
  const listed = [...FLAGS, ...RANGES, ...BUFFERS, ...OTHERS].map(([level, name]) => [level, name]);
  expect(listed.map(String).sort()).toEqual(settableOptions().map(String).sort());
  for (const [level, name] of FLAGS) {
    expect(atLimits(toe, fd, [level, name, INT_MIN, INT_MAX])).toEqual([1, 1]);
  }
  for (const row of RANGES) expect(atLimits(toe, fd, row)).toEqual([row[3], row[2]]);
  for (const row of BUFFERS) {
    const [most, least] = atLimits(toe, fd, row) as [number, number];
    expect(least).toBeGreaterThanOrEqual(1);
    expect(most).toBeGreaterThan(least);
  }
  for (const [level, name, value] of DEFAULTS) {
    expect(toe.setsockopt(fd, level, name, value)).toBe(0);
    expect(toe.setsockopt(fd, level, name, value - 1)).toBe(-ERRNO.EINVAL);
  }
  for (const [onoff, linger, answer] of LINGERS) {
    const given = toe.setsockopt(fd, C.SOL_SOCKET, C.SO_LINGER, { onoff, linger });
    expect([onoff, linger, given]).toEqual([onoff, linger, answer]);
  }
  toe.close(fd);
}

const OUT_OF_RANGE: unknown[] = [
  NaN,
  Infinity,
  1.5,
  2 ** 53,
  -(2 ** 31) - 1,
  "x y",
  "",
  null,
  undefined,
  [],
  {},
  Symbol("1"),
  10n,
  { onoff: 1, linger: -1 },
  { onoff: NaN, linger: 1 },
  { onoff: 1, linger: 65536 },
];

export const OPTION_LIMITS: MisuseCase = {
  id: "U14",
  what: "values out of range are EINVAL, unknown names ENOENT, and change nothing",
  run(stack) {
    const toe = stack.client;
    const fd = toe.socket();
    for (const [level, name] of settableOptions()) {
      const before = toe.getsockopt(fd, level, name);
      for (const value of OUT_OF_RANGE) {
        const answer = toe.setsockopt(fd, level, name, value as number);
        const isName = name === C.TCP_CONGESTION && level === C.IPPROTO_TCP;
        const wrong = isName && typeof value === "string" ? -ERRNO.ENOENT : -ERRNO.EINVAL;
        expect([level, name, String(value), answer]).toEqual([level, name, String(value), wrong]);
      }
      expect(toe.getsockopt(fd, level, name)).toEqual(before);
    }
    for (const bad of [-1, 256, 1.5, NaN, "1", null]) {
      expect(toe.setsockopt(fd, bad as number, C.SO_KEEPALIVE, 1)).toBe(-ERRNO.ENOPROTOOPT);
      expect(toe.setsockopt(fd, C.SOL_SOCKET, bad as number, 1)).toBe(-ERRNO.ENOPROTOOPT);
      expect(toe.getsockopt(fd, C.SOL_SOCKET, bad as number)).toBe(-ERRNO.ENOPROTOOPT);
    }
    toe.close(fd);
    limits(toe);
  },
};
