/**
 * Programs of the kernel's side: found by name, run with a time limit, and always ended.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The programs used, and the Debian packages that have them. */
export const PACKAGES = {
  ip: "iproute2",
  ping: "iputils-ping",
  curl: "curl",
  nginx: "nginx-light",
  iperf3: "iperf3",
  tshark: "tshark",
} as const;

export type Program = keyof typeof PACKAGES;

/** True when the program can be run from PATH. */
export function isInstalled(program: Program): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. Rejects with Error when it does not end within `timeoutMs` (it is
 * killed) or ends with anything but 0.
 */
export function run(
  program: Program,
  words: readonly string[],
  timeoutMs: number,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        output[name] += text;
      });
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(output);
      const end = late ? `no end within ${timeoutMs / 1000} s` : `exit ${code ?? signal}`;
      const words_ = `${output.stderr}${output.stdout}`.trim().slice(-400);
      reject(new Error(`${program}: expected exit 0, got ${end}: ${words_}`));
    });
  });
}

/** A program in the background. Killed by stop(), which resolves when it is gone. */
export class Background {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(program: Program, words: readonly string[]) {
    this.#child = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] });
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", () => resolve());
      this.#child.once("error", () => resolve());
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await this.#ended;
    clearTimeout(timer);
  }
}
