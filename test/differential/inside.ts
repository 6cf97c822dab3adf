/**
 * The kernel's side, inside the network namespace that command.ts made: reads the choice of
 * scripts as JSON from its argument, runs them at once, and prints their traces as JSON. Started by
 * command.ts, never by hand: a TUN device appears and sysctls change wherever it runs.
 */
import { LOCAL, endpointsOf } from "./places.ts";
import { type Choice, chosenScripts } from "./registry.ts";
import { Kernel } from "./linux-system.ts";
import type { Script } from "./script.ts";
import { type Line, runSession } from "./session.ts";

/** Traces by script's name. */
export type Traces = Readonly<Record<string, readonly Line[]>>;

/** Sessions that begin at once would wait for each other, and round trips are part of a trace. */
const APART_MS = 10;
/** Of a session whose waits were over too late. */
const TRIES_MAX = 4;

async function main(): Promise<void> {
  const choice = JSON.parse(process.argv[2] ?? "{}") as Choice & { readonly atOnce: number };
  const kernel = await Kernel.start(LOCAL);
  const all = chosenScripts(choice);
  const traces: Record<string, readonly Line[]> = {};
  const waiting = [...all.entries()];
  let repeated = 0;
  const attempt = async (script: Script, index: number): Promise<boolean> => {
    const ends = endpointsOf(index, script.name);
    const start = performance.now();
    traces[script.name] = await runSession(script, kernel.system(ends), ends);
    return kernel.wasLate(start);
  };
  const worker = async (_: unknown, number: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, number * APART_MS));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, script] = next;
      for (let tries = 1; await attempt(script, index + tries * all.length); tries += 1) {
        if (tries === TRIES_MAX) break;
        repeated += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: choice.atOnce }, worker));
  kernel.close();
  if (repeated > 0) console.error(`the machine was late: ${repeated} sessions were begun again`);
  process.stdout.write(JSON.stringify(traces), () => process.exit(0));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(2);
});
