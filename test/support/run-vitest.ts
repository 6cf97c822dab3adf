/** Runs vitest as a program of its own and reads what it reports. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** As vitest's JSON reporter writes it; fields that nothing here reads are left out. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    /** ms. */
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

export interface VitestRun {
  /** The repository, or a copy of it. */
  readonly root: string;
  /** A project of test/vitest.config.ts. */
  readonly project: string;
  readonly files: readonly string[];
  /** Selects tests by name. */
  readonly pattern?: string;
  /** Stops at the first test that fails. */
  readonly bail?: boolean;
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Then it is killed; without it waits for the end. */
  readonly timeoutMs?: number;
}

/** undefined when there is no report; "late" when the time was over. */
export async function runVitest(run: VitestRun): Promise<VitestReport | undefined | "late"> {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-vitest-"));
  const report = join(folder, "report.json");
  const config = run.config ?? "test/vitest.config.ts";
  const args = ["node_modules/vitest/vitest.mjs", "run", "--config", config];
  args.push("--project", run.project, "--reporter=json", `--outputFile=${report}`);
  if (run.pattern !== undefined) args.push("-t", run.pattern);
  if (run.bail === true) args.push("--bail=1");
  const env = { ...process.env, ...run.env };
  const options = { cwd: run.root, env, stdio: "ignore" } as const;
  const child = spawn(process.execPath, [...args, ...run.files], options);
  let isLate = false;
  const late = (): void => {
    isLate = true;
    child.kill("SIGKILL");
  };
  const timer = run.timeoutMs === undefined ? undefined : setTimeout(late, run.timeoutMs);
  await new Promise((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  try {
    if (isLate) return "late";
    return JSON.parse(readFileSync(report, "utf8")) as VitestReport;
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
