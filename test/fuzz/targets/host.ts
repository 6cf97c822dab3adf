/**
 * Fuzz target `host` (threats, harness 3; rows D and U): lists of API calls, a peer's segments and
 * hostile descriptors against a whole stack (host/host-case.ts). An input is the list. Programs
 * (rows E) are not offered yet, so none are made up.
 */
import type { Random } from "../../support/random.ts";
import { EdgeMap } from "../edge-counters.ts";
import { HostCase } from "../host/host-case.ts";
import { mutate, shorten } from "../mutate.ts";
import type { Disagreement, FuzzBuild, FuzzSession, FuzzTarget } from "../registry.ts";

const FRESH_BYTES = 60;
const MUTANT_BYTES = 120;
const CORPUS_MAX = 2000;

class HostSession implements FuzzSession {
  readonly #build: FuzzBuild;
  readonly #called = new Map<string, number>();
  readonly #edges: EdgeMap;
  readonly #corpus: Uint8Array[] = [];
  #ended = 0;

  constructor(build: FuzzBuild) {
    this.#build = build;
    this.#edges = new EdgeMap(build.edges);
  }

  generate(random: Random, limit: number): Uint8Array[] {
    return Array.from({ length: limit }, () => {
      if (this.#corpus.length === 0 || random.oneIn(4)) {
        return random.bytes(random.between(1, FRESH_BYTES));
      }
      const input = random.pick(this.#corpus);
      return mutate(random, input, random.pick(this.#corpus), MUTANT_BYTES);
    });
  }

  check(inputs: readonly Uint8Array[]): Disagreement | undefined {
    for (const input of inputs) {
      const message = this.#run(input);
      if (message === undefined) continue;
      const short = shorten(input, (candidate) => this.#run(candidate) !== undefined);
      return { message: this.#run(short) ?? message, input: short };
    }
    return undefined;
  }

  /** A case is worth keeping for edges in the core, or for how calls ended first. */
  #run(input: Uint8Array): string | undefined {
    const one = new HostCase(this.#build.module, this.#called);
    const complaint = one.run(input);
    if (complaint !== undefined) return complaint;
    const ended = this.#called.size;
    const isNew = this.#build.edges !== 0 && this.#edges.novel(one.memory);
    if ((isNew || ended > this.#ended) && this.#corpus.length < CORPUS_MAX) {
      this.#corpus.push(input);
    }
    this.#ended = ended;
    return undefined;
  }

  coverage(): ReadonlyMap<string, number> {
    const calls = [...this.#called].sort(([a], [b]) => (a < b ? -1 : 1));
    if (this.#build.edges === 0) return new Map(calls);
    const { edges } = this.#build;
    const guidance: [string, number][] = [
      ["edges", edges],
      ["edges taken", this.#edges.taken],
      ["corpus", this.#corpus.length],
    ];
    return new Map([...calls, ...guidance]);
  }

  corpus(): readonly Uint8Array[] {
    return this.#corpus;
  }

  learn(inputs: readonly Uint8Array[]): void {
    for (const input of inputs) this.#run(input);
  }
}

export const hostTarget: FuzzTarget = {
  name: "host",
  required: 0,
  // A stack for each.
  shortRun: 320,
  description: "calls, a peer's segments and hostile descriptors against a whole stack",
  start: (build) => new HostSession(build),
};
