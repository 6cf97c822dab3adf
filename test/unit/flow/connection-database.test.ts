/**
 * Goal: whatever is bound is found and nothing else is, also after entries were taken out of a run
 * of probes (invariant of assembly/flow/connection-database.ts). Method: random bind and unbind
 * beside a set, from a printed seed; after each unbind its neighbours are looked up.
 */
import { expect, test } from "vitest";
import { INSTALL_FAMILY, INSTALL_LOCAL_ADDRESS } from "../../../bindings/abi/descriptor.ts";
import { INSTALL_REMOTE_ADDRESS, InstallStatus } from "../../../bindings/abi/descriptor.ts";
import { CORE_BOUND, CORE_INSTALL } from "../../../bindings/abi/memory-map.ts";
import { seedOf } from "../../support/env.ts";
import { createCore } from "../../../bindings/core.ts";
import { loadModule, TEST_HASH_KEY, TEST_LAYOUT, testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { RawCore } from "../../support/raw-core.ts";

const CONNECTIONS = 4000;
const OPERATIONS = 12_000;
const SEED = seedOf(20261121);

/**
 * Slots that a set of tuples takes in a table of its own; a tuple that PROBES_MAX slots cannot hold
 * is refused.
 */
function boundOf(hashKey: readonly [bigint, bigint], ports: readonly number[]): number {
  const layout = { ...TEST_LAYOUT, connections: ports.length, payloadBytes: 65536 };
  const raw = new RawCore(createCore({ module: loadModule(), layout, hashKey }));
  const { core } = raw;
  ports.forEach((port, i) => {
    const remote = `10.${port >>> 24}.${(port >>> 16) & 255}.${(i * 7) & 255}`;
    raw.bind({ connection: i + 1, remotePort: port & 0xffff, remote });
  });
  return core.view.getUint32(core.address + CORE_BOUND, true);
}

test("threats/R15: tuples in steps that would collide without a key are all found a place", () => {
  const steps = [1, 2, 4, 256, 1024, 4096, 65536, 65537];
  for (const key of [TEST_HASH_KEY, [0n, 0n], [~0n & 0xffffffffffffffffn, 1n]] as const) {
    for (const step of steps) {
      const ports = Array.from({ length: 2000 }, (_, i) => (i * step) >>> 0);
      expect(boundOf(key, ports), `key ${key}, step ${step}`).toBe(2000);
    }
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
