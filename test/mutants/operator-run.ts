/**
 * Tries operator mutants of the protocol stage. Each is asked of what reaches it and nothing else:
 * seeds of the simulator, whose invariants are the first that may break, then test files, the
 * quickest first. A pinned trace hash that moves is a red test of the suite as well, but says no
 * more than that something is different: what that alone kills is counted by itself.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Prng } from "../../host/prng.ts";
import { hashesPinned, PINNED_SEEDS } from "../simulate/pinned.ts";
import { RepositoryCopy, wasmOf } from "../support/repository-copy.ts";
import { runVitest, type VitestReport } from "../support/run-vitest.ts";
import { noting } from "./coverage.ts";
import { mutated } from "./operators.ts";
import { failureIn } from "./planted.ts";
import { type OperatorMutant, protocolMutants } from "./protocol-points.ts";
import { SimulatorProcess } from "./simulator-process.ts";
import type { Layout } from "./wasm-layout.ts";

/** Seeds 1 to this. */
const SEEDS = 60;
/** The first one starts the process; on a machine with much else to do that takes its time. */
const SEED_TIMEOUT_MS = 30_000;
/** Of one mutant's test files, as they take without it. */
const TESTS_SECONDS = 60;
/** A run is given up after so many times that, and so long besides. */
const PATIENCE = 6;
const START_MS = 30_000;
/** What loads the release build and says the same twice, without the pinned hashes. */
const TESTS =
  "fuzz packetdrill/scripts paper rfc stack threats unit/control-plane unit/flextoe unit/libtoe"
    .split(" ")
    .map((part) => `test/${part}`);
const NOTES = "notes";

export interface OperatorVerdict {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  /** The compiled function that the change is in. */
  readonly within: string;
  readonly what: string;
  /** "hash": by pinned hashes alone; "": by nothing. */
  readonly killer: "invariant" | "test" | "hash" | "";
  readonly by: string;
  /** Seeds and test files that reach it. */
  readonly seeds: number;
  readonly tests: number;
  readonly seconds: number;
}

/** Which mutants: those of the ids if there are any, else so many, drawn from a seed. */
interface Sample {
  readonly count: number;
  readonly seed: number;
  readonly ids: readonly string[];
}

interface Reach {
  readonly seeds: readonly number[];
  /** Quickest first. */
  readonly files: readonly string[];
  /** Of those files. */
  readonly seconds: number;
}

/** The chosen mutants: by id, or `count` of all, drawn from a seed. */
function choose(all: readonly OperatorMutant[], { count, seed, ids }: Sample): OperatorMutant[] {
  if (ids.length > 0) return all.filter(({ id }) => ids.includes(id));
  const random = new Prng(seed);
  const rest = [...all];
  const chosen: OperatorMutant[] = [];
  while (chosen.length < count && rest.length > 0) {
    chosen.push(...rest.splice(random.uint32() % rest.length, 1));
  }
  return chosen;
}

/** Seconds that each file took; those that failed are left out, as they would kill everything. */
function secondsByFile(root: string, report: VitestReport): Map<string, number> {
  const passed = report.testResults.filter(({ message, assertionResults }) => {
    const isWell = assertionResults.every(({ status }) => status !== "failed");
    return message === "" && isWell;
  });
  return new Map(
    passed.map(({ name, startTime, endTime }) => {
      return [relative(root, name), (endTime - startTime) / 1000];
    }),
  );
}

export class OperatorRun {
  readonly #copy = new RepositoryCopy(true);
  readonly #simulator = new SimulatorProcess(this.#copy.folder, SEED_TIMEOUT_MS);
  readonly #reach = new Map<string, { seeds: number[]; files: string[] }>();
  #seconds = new Map<string, number>();
  #layout: Layout | undefined;
  /** Of the whole protocol stage. */
  points = 0;
  chosen: readonly OperatorMutant[] = [];
  /** Test files that are red without any mutant, and so are not asked. */
  red: readonly string[] = [];

  /** Builds, chooses, and finds out what reaches what. Throws Error when seeds fail as it is. */
  async prepare(sample: Sample): Promise<void> {
    const { layout, mutants } = await protocolMutants();
    this.#layout = layout;
    this.points = mutants.length;
    this.chosen = choose(mutants, sample);
    for (const { id } of this.chosen) this.#reach.set(id, { seeds: [], files: [] });
    const points = this.chosen.map(({ point }) => point);
    const bytes = noting(layout, points);
    await this.#reachBySeeds(bytes);
    await this.#reachByTests(bytes);
  }

  async #reachBySeeds(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#simulator.load(bytes, "flextoe", this.chosen.length);
    const pinned = hashesPinned("flextoe");
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violation, hash, reached = [] } = await this.#simulator.run(seed);
      const isMoved = PINNED_SEEDS.includes(seed) && hash !== pinned[seed - 1];
      if (violation !== undefined || isMoved) {
        throw new Error(`mutants: seed ${seed} without a mutant: ${violation ?? "another hash"}`);
      }
      for (const index of reached) this.#of(index).seeds.push(seed);
    }
    // Another process: this one's instances are given notes.
    this.#simulator.close();
  }

  #of(index: number): { seeds: number[]; files: string[] } {
    const { id } = this.chosen[index] as OperatorMutant;
    return this.#reach.get(id) as { seeds: number[]; files: string[] };
  }

  async #reachByTests(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const root = this.#copy.folder;
    const folder = join(root, NOTES);
    mkdirSync(folder);
    this.#copy.write(wasmOf("flextoe"), bytes);
    const env = { TOELOOP_NOTES: folder, TOELOOP_POINTS: `${this.chosen.length}` };
    const config = "test/mutants/note-points.config.ts";
    const report = await runVitest({ root, project: "release", files: TESTS, config, env });
    this.#copy.restore();
    if (typeof report !== "object") throw new Error("mutants: the tests gave no report");
    this.#seconds = secondsByFile(root, report);
    const files = report.testResults.map(({ name }) => relative(root, name));
    this.red = files.filter((file) => !this.#seconds.has(file));
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), "utf8");
      const { file, points } = JSON.parse(text) as { file: string; points: number[] };
      if (!this.#seconds.has(file)) continue;
      for (const index of points) this.#of(index).files.push(file);
    }
  }

  /** What reaches a mutant, within the time that one has. */
  #reachOf(id: string): Reach {
    const { seeds, files } = this.#reach.get(id) as { seeds: number[]; files: string[] };
    const taking = (file: string): number => this.#seconds.get(file) ?? 0;
    const asked: string[] = [];
    let seconds = 0;
    for (const file of files.toSorted((one, other) => taking(one) - taking(other))) {
      seconds += taking(file);
      if (seconds > TESTS_SECONDS) break;
      asked.push(file);
    }
    return { seeds, files: TESTS, seconds };
  }

  async try(mutant: OperatorMutant): Promise<OperatorVerdict> {
    const start = Date.now();
    const { id, location, point } = mutant;
    const reach = this.#reachOf(id);
    const found = await this.#kill(mutant, reach);
    return {
      id,
      ...location,
      within: point.body.name.split("/").at(-1) ?? "",
      what: point.what,
      ...found,
      seeds: reach.seeds.length,
      tests: reach.files.length,
      seconds: (Date.now() - start) / 1000,
    };
  }

  async #kill(
    { point }: OperatorMutant,
    { seeds, files, seconds }: Reach,
  ): Promise<Pick<OperatorVerdict, "killer" | "by">> {
    const bytes = mutated(this.#layout as Layout, point);
    this.#simulator.load(bytes, "flextoe");
    let moved = 0;
    for (const seed of seeds) {
      const { violation, hash } = await this.#simulator.run(seed);
      if (violation !== undefined) return { killer: "invariant", by: `seed ${seed}: ${violation}` };
      if (PINNED_SEEDS.includes(seed) && hash !== hashesPinned("flextoe")[seed - 1]) moved += 1;
    }
    const failed = files.length === 0 ? undefined : await this.#tested(bytes, files, seconds);
    if (failed !== undefined) return { killer: "test", by: failed };
    if (moved > 0) return { killer: "hash", by: `${moved} pinned hashes` };
    return { killer: "", by: "" };
  }

  async #tested(
    bytes: Uint8Array<ArrayBuffer>,
    files: readonly string[],
    seconds: number,
  ): Promise<string | undefined> {
    const root = this.#copy.folder;
    this.#copy.write(wasmOf("flextoe"), bytes);
    try {
      const timeoutMs = START_MS + PATIENCE * 1000 * seconds;
      const run = { root, project: "release", files, bail: true, timeoutMs };
      return failureIn(await runVitest(run));
    } finally {
      this.#copy.restore();
    }
  }

  close(): void {
    this.#simulator.close();
    this.#copy.remove();
  }
}
