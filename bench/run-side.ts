/** Runs one side of a comparison in a process of its own (side.ts), and reads its figures. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot } from "./harness.ts";

/** A side warms up, and the machine may be busy. */
const TIMEOUT_MS = 120_000;

/** What the side `name` answers. Throws Error when it ends with another status than 0. */
export function runSide<T>(name: string, args: object): T {
  const script = join(repositoryRoot(), "dist", "bench", "side.js");
  const child = spawnSync(process.execPath, ["--no-warnings", script, name, JSON.stringify(args)], {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  if (child.status === 0) return JSON.parse(child.stdout) as T;
  const got = child.error?.message ?? `status ${child.status}: ${child.stdout}${child.stderr}`;
  throw new Error(`bench: expected exit status 0 of the side ${name}, got ${got}`);
}
