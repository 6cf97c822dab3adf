/**
 * Goal: whatever is bound is found and nothing else is, also after entries were taken out of a run
 * of probes (invariant of assembly/flow/connection-database.ts). Method: random bind and unbind
 * beside a set, from a printed seed; after each unbind its neighbours are looked up.
 */
import { expect, test } from "vitest";
import { INSTALL_FAMILY, INSTALL_LOCAL_ADDRESS } from "../../../bindings/abi/descriptor.ts";
import { INSTALL_REMOTE_ADDRESS, InstallStatus } from "../../../bindings/abi/descriptor.ts";
import { HASH_CONNECTION, HASH_SIZE, HASH_VALUE } from "../../../bindings/abi/flow-state.ts";
import { CORE_BOUND, CORE_HASH, CORE_HASH_MASK } from "../../../bindings/abi/memory-map.ts";
import { CORE_INSTALL } from "../../../bindings/abi/memory-map.ts";
import { hasFullCounts, seedOf } from "../../support/env.ts";
import { createCore } from "../../../bindings/core.ts";
import { loadModule, TEST_HASH_KEY, TEST_LAYOUT, testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { RawCore } from "../../support/raw-core.ts";

const CONNECTIONS = 4000;
const OPERATIONS = 12_000;
const SEED = seedOf(20261121);

/**
 * A table of its own with these tuples in it; a tuple that PROBES_MAX slots cannot hold is refused.
 * How far from its own slot each stands.
 */
function distancesOf(hashKey: readonly [bigint, bigint], ports: readonly number[]): number[] {
  const layout = { ...TEST_LAYOUT, connections: ports.length, payloadBytes: 65536 };
  const raw = new RawCore(createCore({ module: loadModule(), layout, hashKey }));
  const { core } = raw;
  ports.forEach((port, i) => {
    const remote = `10.${port >>> 24}.${(port >>> 16) & 255}.${(i * 7 + (i >>> 16)) & 255}`;
    raw.bind({ connection: i + 1, remotePort: port & 0xffff, remote });
  });
  const table = core.view.getUint32(core.address + CORE_HASH, true);
  const mask = core.view.getUint32(core.address + CORE_HASH_MASK, true);
  return Array.from({ length: mask + 1 }, (_, slot) => slot).flatMap((slot) => {
    const entry = table + slot * HASH_SIZE;
    if (core.view.getUint32(entry + HASH_CONNECTION, true) === 0) return [];
    return [(slot - core.view.getUint32(entry + HASH_VALUE, true)) & mask];
  });
}

/** In full: what threats.md asks for. */
const COLLIDING = hasFullCounts() ? 100_000 : 2000;

test("threats/R15: tuples in steps that would collide without a key are all near", () => {
  const steps = [1, 2, 256, 4096, 65536, 65537];
  const keys = [TEST_HASH_KEY, [0n, 0n], [~0n & 0xffffffffffffffffn, 1n]] as const;
  for (const [i, step] of steps.entries()) {
    const ports = Array.from({ length: COLLIDING }, (_, at) => (at * step) >>> 0);
    const distances = distancesOf(keys[i % keys.length] as (typeof keys)[0], ports);
    expect(distances.length, `step ${step}`).toBe(COLLIDING);
    // Runs of a half-full table with probes one after the other: on average half a slot away.
    const sum = distances.reduce((total, distance) => total + distance, 0);
    expect(sum / COLLIDING, `step ${step}`).toBeLessThan(0.75);
    const far = distances.filter((distance) => distance >= 16).length;
    expect(far, `step ${step}`).toBeLessThan(COLLIDING / 500);
  }
});

test(`bound tuples are found, others are not, seed ${SEED}`, () => {
  const raw = new RawCore(testCore({ connections: CONNECTIONS, payloadBytes: 65536 }));
  const { core } = raw;
  const random = new Random(SEED);
  const bound = new Set<number>();
  const tuple = (id: number): { connection: number; remotePort: number } => ({
    connection: id,
    remotePort: 1024 + id,
  });
  const find = (id: number): number => {
    raw.describe(tuple(id));
    return core.exports.lookup(core.address);
  };
  for (let i = 0; i < OPERATIONS; i += 1) {
    const id = 1 + random.below(CONNECTIONS);
    if (bound.has(id) && random.below(3) > 0) {
      core.exports.unbind(core.address, id);
      bound.delete(id);
    } else if (!bound.has(id)) {
      raw.bind(tuple(id));
      bound.add(id);
    }
    expect(find(id), `operation ${i}, row ${id}`).toBe(bound.has(id) ? id : 0);
    if (i % 1000 !== 999) continue;
    for (let row = 1; row <= CONNECTIONS; row += 1) {
      const got = find(row);
      const due = bound.has(row) ? row : 0;
      if (got !== due) throw new Error(`operation ${i}: expected ${due}, got ${got}`);
    }
  }
  expect(core.view.getUint32(core.address + CORE_BOUND, true)).toBe(bound.size);
});

/** With its own record, and bytes changed that say what the tuple is. */
function bindWith(changes: readonly (readonly [number, number])[], remote = "10.0.0.2"): number {
  const raw = new RawCore(testCore());
  const local = remote.includes(":") ? "fd00::1" : "10.0.0.1";
  raw.describe({ remote, local });
  const { core } = raw;
  const record = core.words[(core.address + CORE_INSTALL) >>> 2] as number;
  for (const [offset, value] of changes) core.bytes[record + offset] = value;
  return core.exports.bind(core.address);
}

test("RFC 9293 MUST-63: bind() takes IPv6 tuples, mapped ones with a host, and no others", () => {
  expect(bindWith([])).toBe(InstallStatus.Ok);
  expect(bindWith([], "fd00::2")).toBe(InstallStatus.Ok);
  for (const address of [INSTALL_REMOTE_ADDRESS, INSTALL_LOCAL_ADDRESS]) {
    // The words that a received segment is not compared by.
    for (let i = 0; i < 12; i += 1) {
      const value = i < 10 ? 4 : 0;
      expect(bindWith([[address + i, value]]), `byte ${i}`).toBe(InstallStatus.Invalid);
    }
  }
  for (const peer of ["0.0.0.0", "127.0.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255"]) {
    expect(bindWith([], peer), peer).toBe(InstallStatus.Invalid);
  }
  for (const peer of ["1.0.0.0", "126.255.255.255", "128.0.0.1", "223.255.255.254", "240.0.0.1"]) {
    expect(bindWith([], peer), peer).toBe(InstallStatus.Ok);
  }
  for (const family of [0, 5, 7, 255]) {
    expect(bindWith([[INSTALL_FAMILY, family]])).toBe(InstallStatus.Invalid);
  }
});
