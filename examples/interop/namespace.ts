/**
 * A network namespace of our own: everything that interop sends stays inside it. Invariant: after
 * remove() there is neither the namespace nor a process in it, whatever happened; it may run twice.
 */
import { execFileSync, spawnSync } from "node:child_process";

export class Namespace {
  readonly name: string;
  #removed = false;

  /** Throws Error with ip's words when it cannot be made. */
  constructor(name: string) {
    this.name = name;
    execFileSync("ip", ["netns", "add", name], { stdio: ["ignore", "ignore", "pipe"] });
    try {
      execFileSync("ip", ["-n", name, "link", "set", "lo", "up"]);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** What to spawn to run a program inside. */
  command(program: string, words: readonly string[]): readonly [string, string[]] {
    return ["ip", ["netns", "exec", this.name, program, ...words]];
  }

  /** Kills what is still inside, then takes the namespace away. */
  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    for (const pid of this.#processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    spawnSync("ip", ["netns", "delete", this.name]);
  }

  #processes(): number[] {
    const { stdout } = spawnSync("ip", ["netns", "pids", this.name], { encoding: "utf8" });
    const pids = (stdout ?? "").split(/\s+/).map(Number);
    return pids.filter((pid) => pid > 1 && pid !== process.pid);
  }
}
