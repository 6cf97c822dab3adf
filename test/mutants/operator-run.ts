/**
 * Tries operator mutants of the protocol stage. Each is asked of what reaches it and nothing else:
 * seeds of the simulator, whose invariants are the first that may break, then test files, the
 * quickest first. A pinned trace hash that moves is a red test of the suite as well, but says no
 * more than that something is different: what that alone kills is counted by itself.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
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

/** Seeds 1 to this; the pinned ones are among them. */
const SEEDS = 40;
/** The first one starts the process; on a machine with much else to do that takes its time. */
const SEED_TIMEOUT_MS = 30_000;
/** Of one mutant's test files, as they take without it on a machine that is busy; two at once. */
const TESTS_SECONDS = 300;
/** A run is given up after so many times that, and so long besides. */
const PATIENCE = 6;
const START_MS = 30_000;
/** Test files and the project of vitest.config.ts that they run in. */
interface Suite {
  readonly project: string;
  readonly files: readonly string[];
}

/** What loads the release build and says the same twice, without the pinned hashes. */
const ABOVE = [
  ..."fuzz packetdrill/scripts rfc simulate/planted stack threats".split(" "),
  ..."unit/control-plane unit/driver unit/libtoe unit/world".split(" "),
];
const FLEXTOE = [
  ..."packetdrill/interpreter paper unit/flextoe unit/flow".split(" "),
  ..."unit/netif/coupled-link unit/turn".split(" "),
];
const LAMINAR = ["laminar"];

const suite = (project: string, parts: readonly string[]): Suite => {
  return { project, files: parts.map((part) => `test/${part}`) };
};

function suitesOf(datapath: DataPath): readonly Suite[] {
  if (datapath === "flextoe") return [suite("release", [...ABOVE, ...FLEXTOE])];
  return [suite("release", LAMINAR), suite(datapath, ABOVE)];
}

/** What compares whole records after each step says most: asked first, of what it reaches. */
const JUDGES = ["sender-model", "receiver-model", "prediction-limits", "prediction"].map((name) => {
  return `test/unit/flextoe/${name}.test.ts`;
});
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

/** What reaches a mutant, within the time that one has. */
interface Reach {
  readonly seeds: number[];
  /** Those that say most in the least time first. */
  files: string[];
}

type Found = Pick<OperatorVerdict, "killer" | "by">;

/** What the seeds have said of a mutant, and how long they took. */
interface SeedsFound extends Found {
  readonly mutant: OperatorMutant;
  readonly seconds: number;
}

const secondsSince = (start: number): number => (Date.now() - start) / 1000;

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
  readonly #datapath: DataPath;
  readonly #copy = new RepositoryCopy(true);
  readonly #simulator = new SimulatorProcess(this.#copy.folder, SEED_TIMEOUT_MS);
  readonly #reach = new Map<string, Reach>();
  readonly #seconds = new Map<string, number>();
  /** In which one a test file runs. */
  readonly #projects = new Map<string, string>();
  #layout: Layout | undefined;
  /** Of the whole protocol stage. */
  points = 0;
  chosen: readonly OperatorMutant[] = [];
  /** Test files that are red without any mutant, and so are not asked. */
  red: readonly string[] = [];

  constructor(datapath: DataPath) {
    this.#datapath = datapath;
  }

  /** Builds, chooses, and finds which seeds reach what. Throws Error when one fails as it is. */
  async prepare(sample: Sample): Promise<void> {
    const { layout, mutants } = await protocolMutants(this.#datapath);
    this.#layout = layout;
    this.points = mutants.length;
    this.chosen = choose(mutants, sample);
    for (const { id } of this.chosen) this.#reach.set(id, { seeds: [], files: [] });
    await this.#reachBySeeds();
  }

  #notingBuild(mutants: readonly OperatorMutant[]): Uint8Array<ArrayBuffer> {
    const points = mutants.map(({ point }) => point);
    return noting(this.#layout as Layout, points);
  }

  async #reachBySeeds(): Promise<void> {
    const { chosen } = this;
    this.#simulator.load(this.#notingBuild(chosen), this.#datapath, chosen.length);
    const pinned = hashesPinned(this.#datapath);
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violation, hash, reached = [] } = await this.#simulator.run(seed);
      const isMoved = PINNED_SEEDS.includes(seed) && hash !== pinned[seed - 1];
      if (violation !== undefined || isMoved) {
        throw new Error(`mutants: seed ${seed} without a mutant: ${violation ?? "another hash"}`);
      }
      for (const index of reached) this.#of(chosen[index]).seeds.push(seed);
    }
    // Another process: this one's instances are given notes.
    this.#simulator.close();
  }

  #of(mutant: OperatorMutant | undefined): Reach {
    return this.#reach.get(mutant?.id ?? "") as Reach;
  }

  async #reachByTests(mutants: readonly OperatorMutant[]): Promise<void> {
    const root = this.#copy.folder;
    const folder = join(root, NOTES);
    mkdirSync(folder);
    this.#copy.write(wasmOf(this.#datapath), this.#notingBuild(mutants));
    const env = { TOELOOP_NOTES: folder, TOELOOP_POINTS: `${mutants.length}` };
    const config = "test/mutants/note-points.config.ts";
    const red: string[] = [];
    for (const { project, files } of suitesOf(this.#datapath)) {
      const report = await runVitest({ root, project, files, config, env });
      if (typeof report !== "object") throw new Error("mutants: the tests gave no report");
      for (const [file, seconds] of secondsByFile(root, report)) {
        this.#projects.set(file, project);
        this.#seconds.set(file, seconds);
      }
      const all = report.testResults.map(({ name }) => relative(root, name));
      red.push(...all.filter((file) => !this.#seconds.has(file)));
    }
    this.#copy.restore();
    this.red = red;
    const reached = this.#notesIn(folder);
    for (const mutant of mutants) this.#of(mutant).files = this.#asked(mutant, mutants, reached);
  }

  /** Indices of the points that each file has reached, of those that are green. */
  #notesIn(folder: string): Map<string, readonly number[]> {
    const notes = readdirSync(folder).map((name) => {
      return JSON.parse(readFileSync(join(folder, name), "utf8")) as {
        file: string;
        points: number[];
      };
    });
    const green = notes.filter(({ file }) => this.#seconds.has(file));
    return new Map(green.map(({ file, points }) => [file, points]));
  }

  /** Files that reach a mutant: first the quick, and those that reach little else. */
  #asked(
    mutant: OperatorMutant,
    mutants: readonly OperatorMutant[],
    reached: ReadonlyMap<string, readonly number[]>,
  ): string[] {
    const index = mutants.indexOf(mutant);
    const found = [...reached].filter(([, points]) => points.includes(index));
    const ranked = found
      .map(([file, points]) => {
        const isJudge = JUDGES.includes(file);
        return { file, rank: isJudge ? 0 : this.#taking(file) * points.length };
      })
      .sort((one, other) => one.rank - other.rank);
    let seconds = 0;
    const within = ranked.filter(({ file }) => {
      seconds += this.#taking(file);
      return seconds <= TESTS_SECONDS;
    });
    return within.map(({ file }) => file);
  }

  #taking(file: string): number {
    return this.#seconds.get(file) ?? 0;
  }

  /**
   * Tries the chosen mutants: seeds first, then tests. `quick`: those that a pinned hash has
   * noticed are killed by that, and no test is asked.
   */
  async tryAll(quick: boolean, tell: (verdict: OperatorVerdict) => void): Promise<void> {
    const rest: SeedsFound[] = [];
    for (const mutant of this.chosen) {
      const start = Date.now();
      const found = await this.#trySeeds(mutant);
      const seconds = secondsSince(start);
      const isDecided = found.killer === "invariant" || (quick && found.killer === "hash");
      if (isDecided) tell(this.#verdict(mutant, found, seconds));
      else rest.push({ mutant, ...found, seconds });
    }
    this.#simulator.close();
    if (rest.length > 0) await this.#reachByTests(rest.map(({ mutant }) => mutant));
    for (const { mutant, seconds, ...bySeeds } of rest) {
      const start = Date.now();
      const found = (await this.#tryTests(mutant)) ?? bySeeds;
      tell(this.#verdict(mutant, found, seconds + secondsSince(start)));
    }
  }

  #verdict(mutant: OperatorMutant, found: Found, seconds: number): OperatorVerdict {
    const { id, location, point } = mutant;
    const { seeds, files } = this.#of(mutant);
    return {
      id,
      ...location,
      within: point.body.name.split("/").at(-1) ?? "",
      what: point.what,
      ...found,
      seeds: seeds.length,
      tests: files.length,
      seconds,
    };
  }

  async #trySeeds(mutant: OperatorMutant): Promise<Found> {
    this.#simulator.load(mutated(this.#layout as Layout, mutant.point), this.#datapath);
    let moved = 0;
    for (const seed of this.#of(mutant).seeds) {
      const { violation, hash } = await this.#simulator.run(seed);
      if (violation !== undefined) return { killer: "invariant", by: `seed ${seed}: ${violation}` };
      if (PINNED_SEEDS.includes(seed) && hash !== hashesPinned(this.#datapath)[seed - 1])
        moved += 1;
    }
    if (moved > 0) return { killer: "hash", by: `${moved} pinned hashes` };
    return { killer: "", by: "" };
  }

  /** The first test that fails; undefined when none does. */
  async #tryTests(mutant: OperatorMutant): Promise<Found | undefined> {
    const { files } = this.#of(mutant);
    this.#copy.write(wasmOf(this.#datapath), mutated(this.#layout as Layout, mutant.point));
    try {
      for (const { project } of suitesOf(this.#datapath)) {
        const own = files.filter((file) => this.#projects.get(file) === project);
        const by = own.length === 0 ? undefined : await this.#failureIn(project, own);
        if (by !== undefined) return { killer: "test", by };
      }
      return undefined;
    } finally {
      this.#copy.restore();
    }
  }

  /** The first test that fails of these files, in their order. */
  async #failureIn(project: string, files: readonly string[]): Promise<string | undefined> {
    const seconds = files.reduce((sum, file) => sum + this.#taking(file), 0);
    const timeoutMs = START_MS + PATIENCE * 1000 * seconds;
    const config = "test/mutants/in-order.config.ts";
    const env = { TOELOOP_ORDER: files.join(" ") };
    const root = this.#copy.folder;
    return failureIn(await runVitest({ root, project, files, bail: true, timeoutMs, config, env }));
  }

  close(): void {
    this.#simulator.close();
    this.#copy.remove();
  }
}
