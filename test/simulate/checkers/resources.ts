/**
 * I10, I11, I15: nothing leaks, nothing is written beside its region, and reorder points release
 * each number once and in turn. Counters agree with the frames that went by.
 */
import { Counter } from "../../../bindings/abi/counters.ts";
import type { Stack } from "../../../host/stack.ts";
import { type PoolCounts, poolCounts } from "../../support/pool-counts.ts";
import { connectionMemory } from "./connection-memory.ts";
import type { Checker, Frame, Scene } from "./checker.ts";

/** Polls that a plan may have looked at one by one, and between two looks behind them. */
const CLOSE_LOOKS = 256;
const EVERY = 64;

interface Seen {
  readonly start: PoolCounts;
  polls: number;
  sent: number;
  arrived: number;
}

function counter({ core }: Stack, which: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * which, true));
}

export class Resources implements Checker {
  readonly #scene: Scene;
  readonly #seen: Seen[];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#seen = scene.stacks.map((stack) => {
      return { start: poolCounts(stack), polls: 0, sent: 0, arrived: 0 };
    });
  }

  sent({ host }: Frame): void {
    (this.#seen[host] as Seen).sent += 1;
  }

  arrived({ host }: Frame): void {
    (this.#seen[host] as Seen).arrived += 1;
  }

  polled(host: number): void {
    const seen = this.#seen[host] as Seen;
    seen.polls += 1;
    // A look costs as much as several polls: closer ones only at the beginning.
    const { lookEvery } = this.#scene.plan;
    const every = seen.polls < CLOSE_LOOKS ? lookEvery : Math.max(lookEvery, EVERY);
    if (seen.polls % every !== 0) return;
    const stack = this.#scene.stacks[host] as Stack;
    const now = poolCounts(stack);
    this.#checkAlways(host, now);
    if (now.promised > now.chunks) {
      this.#scene.report("I10", `host${host}: ${now.promised} promised of ${now.chunks} chunks`);
    }
    const wrong = connectionMemory(stack.core, this.#scene.withheld(host));
    if (wrong !== "") this.#scene.report("I10", `host${host}: ${wrong}`);
  }

  #checkAlways(host: number, now: PoolCounts): void {
    const { brokenGuards, sequenceFaults } = now;
    if (brokenGuards.length > 0) {
      this.#scene.report("I11", `host${host}: written beside ${brokenGuards.join(", ")}`);
    }
    if (sequenceFaults > 0) {
      this.#scene.report("I15", `host${host}: ${sequenceFaults} numbers out of turn`);
    }
  }

  atRest(): void {
    this.#scene.stacks.forEach((stack, host) => {
      const seen = this.#seen[host] as Seen;
      const now = poolCounts(stack);
      this.#checkAlways(host, now);
      if (now.unreleased.length > 0) {
        this.#scene.report("I15", `host${host}: not released at ${now.unreleased.join(", ")}`);
      }
      for (const name of Object.keys(seen.start) as (keyof PoolCounts)[]) {
        if (String(seen.start[name]) === String(now[name])) continue;
        this.#scene.report("I10", `host${host}: ${name} ${seen.start[name]}, then ${now[name]}`);
      }
      for (const { state } of stack.connections()) {
        this.#scene.report("I10", `host${host}: a connection is left in ${state}`);
      }
      this.#checkCounters(host, stack, seen);
    });
  }

  #checkCounters(host: number, stack: Stack, { sent, arrived }: Seen): void {
    const counted = counter(stack, Counter.FramesIn);
    // What the control plane offers again is counted again.
    const most = arrived + counter(stack, Counter.Redirects);
    if (counted < arrived || counted > most) {
      this.#scene.report("I13", `host${host}: ${arrived} frames came in, ${counted} counted`);
    }
    const out = counter(stack, Counter.FramesOut) + counter(stack, Counter.ControlFramesOut);
    if (out !== sent) {
      this.#scene.report("I13", `host${host}: ${sent} frames went out, ${out} counted`);
    }
  }
}
