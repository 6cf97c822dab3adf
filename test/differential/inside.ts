/**
 * The kernel's side, inside the network namespace that command.ts made: reads the choice of
 * scripts as JSON from its argument, runs them at once, and prints their traces as JSON. Started by
 * command.ts, never by hand: a TUN device appears and sysctls change wherever it runs.
 */
import { setPriority } from "node:os";
import { LOCAL, endpointsOf } from "./places.ts";
import { type Choice, chosenScripts } from "./registry.ts";
import { Kernel } from "./linux-system.ts";
import { type Line, runSession } from "./session.ts";

/** Traces by script's name. */
export type Traces = Readonly<Record<string, readonly Line[]>>;

const PRIORITY = -10;
/** Sessions that begin at once would wait for each other, and round trips are part of a trace. */
const APART_MS = 10;

async function main(): Promise<void> {
  const choice = JSON.parse(process.argv[2] ?? "{}") as Choice & { readonly atOnce: number };
  setPriority(PRIORITY);
  const kernel = await Kernel.start(LOCAL);
  const all = chosenScripts(choice);
  const traces: Record<string, readonly Line[]> = {};
  const waiting = [...all.entries()];
  const worker = async (_: unknown, number: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, number * APART_MS));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, script] = next;
      const ends = endpointsOf(index, script.name);
      traces[script.name] = await runSession(script, kernel.system(ends), ends);
    }
  };
  await Promise.all(Array.from({ length: choice.atOnce }, worker));
  kernel.close();
  process.stdout.write(JSON.stringify(traces), () => process.exit(0));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(2);
});
