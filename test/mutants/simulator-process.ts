/**
 * Seeds of the simulator in a child process: one process for many builds, which a build that never
 * ends is killed with. `root` is the repository or a copy whose dist/ has been changed.
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
import type { Answer, Request } from "./try-seeds.ts";

const PROGRAM = "dist/test/mutants/try-seeds.js";

/** What the simulator says of a seed; `isLate`: nothing within the time, or the process died. */
export interface SeedResult extends Answer {
  readonly isLate: boolean;
}

export class SimulatorProcess {
  readonly #root: string;
  readonly #timeoutMs: number;
  #child: ChildProcess | undefined;
  #build: Request | undefined;

  /** `timeoutMs`: for one seed. */
  constructor(root: string, timeoutMs: number) {
    this.#root = root;
    this.#timeoutMs = timeoutMs;
  }

  #start(): ChildProcess {
    const child = fork(join(this.#root, PROGRAM), {
      cwd: this.#root,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    if (this.#build !== undefined) child.send(this.#build);
    this.#child = child;
    return child;
  }

  /** The build that the next seeds run over; `points`: it notes so many (coverage.ts). */
  load(bytes: Uint8Array<ArrayBuffer>, datapath: DataPath, points = 0): void {
    this.#build = { bytes, datapath, points };
    this.#child?.send(this.#build);
  }

  /** Runs one seed. */
  run(seed: number): Promise<SeedResult> {
    const child = this.#child ?? this.#start();
    return new Promise((resolve) => {
      const finish = (result: SeedResult): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(result);
      };
      const giveUp = (why: string): void => {
        this.close();
        finish({ seed, hash: "", violation: why, isLate: true });
      };
      const late = `no end within ${this.#timeoutMs / 1000} s`;
      const timer = setTimeout(() => giveUp(late), this.#timeoutMs);
      child.once("message", (answer) => finish({ ...(answer as Answer), isLate: false }));
      child.once("exit", () => giveUp("the process died"));
      child.once("error", () => giveUp("the process died"));
      child.send({ seed } satisfies Request);
    });
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
