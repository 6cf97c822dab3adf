/**
 * Threat R15: tuples chosen to collide by somebody who knows a key: none at all (words of zero), or
 * that of another stack. Over IPv4 they are found by trying, over IPv6 an address makes a factor
 * of the hash zero, so that what it is multiplied with does not count. Under the key that they were
 * chosen for they must stand in one place, or they would be no attack; under others, apart.
 */
import { expect, test } from "vitest";
import { INSTALL_CONNECTION, INSTALL_REMOTE_ADDRESS } from "../../bindings/abi/descriptor.ts";
import { INSTALL_REMOTE_PORT, InstallStatus } from "../../bindings/abi/descriptor.ts";
import { HASH_CONNECTION, HASH_SIZE, HASH_VALUE } from "../../bindings/abi/flow-state.ts";
import { PROBES_MAX } from "../../bindings/abi/limits.ts";
import { CORE_HASH, CORE_HASH_MASK, CORE_INSTALL } from "../../bindings/abi/memory-map.ts";
import { createCore } from "../../bindings/core.ts";
import { layout } from "../../bindings/layout.ts";
import { hasFullCounts, seedOf } from "../support/env.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";
import { loadTesting } from "../support/load-testing.ts";
import { Random } from "../support/random.ts";
import { RawCore } from "../support/raw-core.ts";

type Key = readonly [bigint, bigint];

/** Words of a remote address, as they stand in memory, and the remote port. */
interface Tuple {
  readonly words: readonly number[];
  readonly port: number;
}

/** Entries of a table with these tuples: where each belongs, and how far from there it stands. */
interface Table {
  readonly refused: number;
  readonly homes: readonly number[];
  readonly distances: readonly number[];
}

const layoutOf = (connections: number) => ({ ...TEST_LAYOUT, connections, payloadBytes: 65536 });

function tableOf(hashKey: Key, family: 4 | 6, tuples: readonly Tuple[]): Table {
  const choice = { layout: layoutOf(tuples.length), hashKey };
  const raw = new RawCore(createCore({ module: loadModule(), ...choice }));
  const { core } = raw;
  const { view, exports, address } = core;
  const record = view.getUint32(address + CORE_INSTALL, true);
  const [remote, local] = family === 4 ? ["10.0.0.2", "10.0.0.1"] : ["fd00::2", "fd00::1"];
  raw.describe({ remote, local });
  let refused = 0;
  tuples.forEach(({ words, port }, i) => {
    const first = record + INSTALL_REMOTE_ADDRESS + 16 - 4 * words.length;
    words.forEach((word, at) => void view.setUint32(first + 4 * at, word, true));
    view.setUint16(record + INSTALL_REMOTE_PORT, port, true);
    view.setUint32(record + INSTALL_CONNECTION, i + 1, true);
    if (exports.bind(address) !== InstallStatus.Ok) refused += 1;
  });
  const table = view.getUint32(address + CORE_HASH, true);
  const mask = view.getUint32(address + CORE_HASH_MASK, true);
  const [homes, distances]: [number[], number[]] = [[], []];
  for (let slot = 0; slot <= mask; slot += 1) {
    const entry = table + slot * HASH_SIZE;
    if (view.getUint32(entry + HASH_CONNECTION, true) === 0) continue;
    const home = view.getUint32(entry + HASH_VALUE, true) & mask;
    homes.push(home);
    distances.push((slot - home) & mask);
  }
  return { refused, homes, distances };
}

/** The largest number of tuples that belong into one slot. */
function longest(homes: readonly number[]): number {
  const chains = new Map<number, number>();
  for (const home of homes) chains.set(home, (chains.get(home) ?? 0) + 1);
  return Math.max(...chains.values());
}

const SEED = seedOf(0xf15);
const random = new Random(SEED);
const drawn = (): Key => {
  const view = new DataView(random.bytes(16).buffer);
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
};
const NONE: Key = [0n, 0n];
/** What the attacker knows; and the keys of stacks that are attacked with it. */
const KNOWN: readonly (readonly [string, Key])[] = [
  ["no key", NONE],
  ["another stack's key", drawn()],
];
const ATTACKED = drawn();

interface HashExports {
  hashTupleIpv4(key0: bigint, key1: bigint, remote: number, local: number, ports: number): number;
}

const { hashTupleIpv4 } = loadTesting<HashExports>().exports;
const BY_TRYING = 1000;
const PORT = 40_000;

/** Addresses that count upwards, 10.x.y.z, of those whose hash belongs into slot 0. */
function tried(key: Key): Tuple[] {
  const mask = layout(layoutOf(BY_TRYING)).hashEntries - 1;
  const ports = ((PORT & 255) << 8) | (PORT >>> 8) | (80 << 24);
  const found: Tuple[] = [];
  for (let i = 0; found.length < BY_TRYING; i += 1) {
    const word = (i << 8) | 10;
    const hash = hashTupleIpv4(key[0], key[1], word, 0x0100000a, ports);
    if ((hash & mask) === 0) found.push({ words: [word], port: PORT });
  }
  return found;
}

/** Addresses of one network, fd00::w:i, w such that its sum with the key's word is nothing. */
function multiplied(key: Key): Tuple[] {
  const zero = Number(BigInt.asUintN(32, -key[1]));
  const count = hasFullCounts() && key !== NONE ? 100_000 : 2000;
  return Array.from({ length: count }, (_, i) => ({ words: [0xfd, 0, zero, i + 1], port: PORT }));
}

const WAYS = [
  [4, "tried out", tried],
  [6, "multiplied by nothing", multiplied],
] as const;
const CASES = WAYS.flatMap(([family, way, choose]) =>
  KNOWN.map(([what, key]) => [family, what, way, choose, key] as const),
);

test.each(CASES)(
  "threats/R15: IPv%i tuples that collide under %s, %s, do not under a stack's own",
  (family, _what, _way, choose, known) => {
    const tuples = choose(known);
    const attack = tableOf(known, family, tuples);
    expect(attack.homes.length, `seed ${SEED}`).toBe(PROBES_MAX);
    expect(longest(attack.homes), `seed ${SEED}`).toBe(PROBES_MAX);
    expect(attack.refused).toBe(tuples.length - PROBES_MAX);
    const { refused, homes, distances } = tableOf(ATTACKED, family, tuples);
    expect([refused, homes.length], `seed ${SEED}`).toEqual([0, tuples.length]);
    expect(longest(homes), `seed ${SEED}`).toBeLessThan(16);
    // As of tuples that nobody chose: half a slot away on average, few of them far.
    const sum = distances.reduce((total, distance) => total + distance, 0);
    expect(sum / tuples.length, `seed ${SEED}`).toBeLessThan(1);
    const far = distances.filter((distance) => distance >= 16).length;
    expect(far, `seed ${SEED}`).toBeLessThan(tuples.length / 100);
  },
);
