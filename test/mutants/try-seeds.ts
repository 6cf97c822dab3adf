/**
 * The child process of simulator-process.ts: takes a build of a data path, then seeds one by one,
 * and answers what the simulator says of each. A process of its own, because a mutant may never
 * end, and because a mutant of the host is other JavaScript.
 */
import type { DataPath } from "../../bindings/layout.ts";
import { drawPlan } from "../simulate/draw.ts";
import { simulate } from "../simulate/simulation.ts";
import { provideNotes, takeNotes } from "./note-points.ts";

/** A build of `datapath` first, then seeds. */
export type Request =
  | {
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly datapath: DataPath;
      /** Of a build that notes so many (coverage.ts). */
      readonly points: number;
    }
  | { readonly seed: number };

export interface Answer {
  readonly seed: number;
  readonly hash: string;
  /** What was violated first: "I5: ..."; absent when nothing was. */
  readonly violation?: string;
  /** Points that a noting build was at. */
  readonly reached?: readonly number[];
}

let module: WebAssembly.Module | undefined;
let datapath: DataPath = "flextoe";

function answer(seed: number): Answer {
  if (module === undefined) throw new Error("try-seeds: expected a build before a seed");
  const { hash, violations } = simulate(module, drawPlan(seed, datapath));
  const first = violations[0];
  const reached = takeNotes();
  if (first === undefined) return { seed, hash, reached };
  return { seed, hash, reached, violation: `${first.invariant}: ${first.text.split("\n", 1)[0]}` };
}

process.on("message", (request: Request) => {
  if ("seed" in request) {
    process.send?.(answer(request.seed));
    return;
  }
  if (request.points > 0) provideNotes(request.points);
  module = new WebAssembly.Module(request.bytes);
  datapath = request.datapath;
});
