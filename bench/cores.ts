/**
 * Which processor cores this process may use, and how long its threads ran and waited for one.
 * Linux: taskset (Debian package util-linux) and /proc/self/task.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

function taskset(args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync("taskset", args, { encoding: "utf8" });
  if (error !== undefined) {
    throw new Error(`workers: expected taskset (Debian package util-linux), got ${error.message}`);
  }
  if (status !== 0) throw new Error(`workers: expected taskset to work, got ${stderr.trim()}`);
  return stdout;
}

/** Core numbers of a list like "0-2,5". */
export function parseCores(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Cores that this process may use now. Throws Error without taskset. */
export function allowedCores(): number[] {
  const told = taskset(["-c", "-p", String(process.pid)]);
  return parseCores(told.slice(told.lastIndexOf(":") + 1).trim());
}

/** Runs every thread of this process on these cores from now on. */
export function useCores(cores: readonly number[]): void {
  taskset(["-a", "-c", "-p", cores.join(","), String(process.pid)]);
}

/** Nanoseconds that each thread of this process has run, and has waited for a core. */
export type ThreadTimes = ReadonlyMap<string, { readonly ran: number; readonly waited: number }>;

export function threadTimes(): ThreadTimes {
  const times = new Map<string, { ran: number; waited: number }>();
  for (const task of readdirSync("/proc/self/task")) {
    const text = readFileSync(`/proc/self/task/${task}/schedstat`, "utf8");
    const [ran = 0, waited = 0] = text.split(" ").map(Number);
    times.set(task, { ran, waited });
  }
  return times;
}

export interface Spent {
  /** ns, all threads together. */
  readonly ran: number;
  /** ns of the thread that ran longest. */
  readonly longest: number;
  /** ns that threads were ready and had no core. */
  readonly waited: number;
}

/** What was spent between two readings. */
export function spentBetween(before: ThreadTimes, after: ThreadTimes): Spent {
  let [ran, longest, waited] = [0, 0, 0];
  for (const [task, times] of after) {
    const began = before.get(task) ?? { ran: 0, waited: 0 };
    ran += times.ran - began.ran;
    waited += times.waited - began.waited;
    longest = Math.max(longest, times.ran - began.ran);
  }
  return { ran, longest, waited };
}
