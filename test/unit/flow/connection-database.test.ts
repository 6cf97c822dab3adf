/**
 * Goal: whatever is bound is found and nothing else is, also after entries were taken out of a run
 * of probes (invariant of assembly/flow/connection-database.ts). Method: random bind and unbind
 * beside a set, from a printed seed; after each unbind its neighbours are looked up.
 */
import { expect, test } from "vitest";
import { CORE_BOUND } from "../../../bindings/abi/memory-map.ts";
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
