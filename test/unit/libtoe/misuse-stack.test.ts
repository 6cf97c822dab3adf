/**
 * threats.md U01-U06, U09, U12, U14 over two real stacks: the cases of misuse-cases.ts with the
 * data path and the control plane underneath, on virtual time. Afterwards every table is empty.
 */
import { expect, test } from "vitest";
import { CORE_BOUND, CORE_CHUNK_FREE_COUNT } from "../../../bindings/abi/memory-map.ts";
import { CORE_INSTALLED } from "../../../bindings/abi/memory-map.ts";
import { brokenGuards } from "../../../bindings/layout.ts";
import { directLink } from "../../../host/netif/direct-link.ts";
import { Stack } from "../../../host/stack.ts";
import { loadModule, TEST_LAYOUT } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { MISUSE_CASES } from "./misuse-cases.ts";
import type { MisuseStack } from "./misuse-ends.ts";

const MS = 1e6;
const TURN_NS = 2000;
/** Timers this far ahead belong to what is still going on (delayed ACK, RTO); others wait. */
const SOON = 50 * MS;
const TURNS_MAX = 20000;

class StackMisuse implements MisuseStack {
  readonly address = "10.0.0.2";
  readonly #stacks: Stack[];
  #now = 1 * MS;

  constructor(seed: number) {
    const links = directLink({ names: ["client", "server"], medium: "ip" });
    this.#stacks = links.map((netif, i) => {
      const random = new Random(seed + i);
      return new Stack({
        module: loadModule(),
        name: netif.name,
        // Time-waits of 1 s: tables empty soon in virtual time.
        profile: "datacenter",
        entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
        layout: { ...TEST_LAYOUT, payloadBytes: 16 * 1024 * 1024 },
        netifs: [{ netif, addresses: [`10.0.0.${i + 1}/24`] }],
      });
    });
  }

  get client() {
    return (this.#stacks[0] as Stack).toe;
  }

  get server() {
    return (this.#stacks[1] as Stack).toe;
  }

  #turn(): boolean {
    this.#now += TURN_NS;
    let more = false;
    for (const stack of this.#stacks) more = stack.poll(this.#now) || more;
    return more;
  }

  #next(): number {
    return Math.min(...this.#stacks.map((stack) => stack.nextDeadline()));
  }

  /** Turns while there is work, or a deadline within `horizon` ns. */
  #runUntil(horizon: number): void {
    const end = this.#now + horizon;
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      if (this.#turn()) continue;
      const next = this.#next();
      if (next > end) return;
      this.#now = Math.max(this.#now, next);
    }
    throw new Error("the stacks do not come to rest");
  }

  settle(): void {
    this.#runUntil(SOON);
  }

  async run<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    for (let turn = 0; turn < TURNS_MAX && !done; turn += 1) {
      this.#turn();
      for (let i = 0; i < 20; i += 1) await Promise.resolve();
    }
    expect(done).toBe(true);
    return promise;
  }

  advance(ms: number): void {
    this.#turn();
    this.#now += ms * MS;
    this.#turn();
  }

  counts(): unknown {
    this.#runUntil(10_000 * MS);
    return this.#stacks.map(({ core, control, toe }) => {
      const word = (offset: number) => core.words[(core.address + offset) >>> 2];
      return {
        guards: brokenGuards(core.view, core.map),
        installed: word(CORE_INSTALLED),
        bound: word(CORE_BOUND),
        chunks: word(CORE_CHUNK_FREE_COUNT),
        connections: control.connections(),
        descriptors: toe.internals.table.count,
        deadlines: toe.internals.deadlines.count,
      };
    });
  }
}

const SEED = 0x5eed;

for (const { id, what, run } of MISUSE_CASES) {
  test(`threats/${id}: ${what}; two stacks, seed ${SEED}`, async () => {
    const stack = new StackMisuse(SEED);
    const before = stack.counts();
    await run(stack);
    expect(stack.counts()).toEqual(before);
  });
}
