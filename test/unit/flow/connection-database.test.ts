/**
 * Goal: whatever is bound is found and nothing else is, also after entries were taken out of a run
 * of probes (invariant of assembly/flow/connection-database.ts). Method: random bind and unbind
 * beside a set, from a printed seed; after each unbind its neighbours are looked up.
 */
import { expect, test } from "vitest";
import { CORE_BOUND } from "../../../bindings/abi/memory-map.ts";
import { seedOf } from "../../support/env.ts";
import { testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { RawCore } from "../../support/raw-core.ts";

const CONNECTIONS = 4000;
const OPERATIONS = 12_000;
const SEED = seedOf(20261121);

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
