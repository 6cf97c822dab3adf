/**
 * What a test has taken is given back when it ends (I10): each row of the threats table asserts it
 * beside what it is about, here and not in every test.
 */
import { expect, onTestFinished } from "vitest";
import { CORE_CONNECTIONS } from "../../bindings/abi/memory-map.ts";
import { coreCounts, type PoolCounts, poolCounts } from "./pool-counts.ts";
import type { RawCore } from "./raw-core.ts";
import type { ScriptedPeer } from "./scripted-peer.ts";

/** Steps of time up to which everything must have ended: 2 MSL, FIN-WAIT-2, R2 of an orphan. */
const STEP_NS = 60e9;
const STEPS_MAX = 40;

/** Ends all that the stack has with resets and lets its timers pass: its pools are as `before`. */
export function expectReturned(peer: ScriptedPeer, before: PoolCounts, what = ""): void {
  const { stack } = peer;
  stack.toe.closeAll(false);
  peer.settle();
  const wanted = JSON.stringify(before);
  for (let i = 0; i < STEPS_MAX && JSON.stringify(poolCounts(stack)) !== wanted; i += 1) {
    peer.now += STEP_NS;
    peer.settle();
  }
  expect(poolCounts(stack), `pools at the end ${what}`).toEqual(before);
}

/** A new stack; what it has now it must have again when the test has ended. */
export function watchPools(peer: ScriptedPeer): ScriptedPeer {
  const before = poolCounts(peer.stack);
  onTestFinished(() => expectReturned(peer, before));
  return peer;
}

/** The same of a bare core: its connections are taken out of it when the test has ended. */
export function watchCorePools(raw: RawCore): RawCore {
  const { core } = raw;
  const before = coreCounts(core);
  onTestFinished(() => {
    const rows = core.words[(core.address + CORE_CONNECTIONS) >>> 2] as number;
    for (let connection = 1; connection < rows; connection += 1) {
      if (core.exports.inspect(core.address, connection) === 0) continue;
      core.exports.uninstall(core.address, connection);
      core.exports.unbind(core.address, connection);
    }
    // Timers of connections that are gone stay until their time, and count for nothing (T08).
    for (let i = 0; i < STEPS_MAX && coreCounts(core).timers !== before.timers; i += 1) {
      raw.now += STEP_NS;
      raw.step();
    }
    expect(coreCounts(core), "pools at the end").toEqual(before);
  });
  return raw;
}
