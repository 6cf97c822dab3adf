/**
 * Every operator mutant of a data path's protocol stage: the release build's points whose source is
 * TCP's decisions (assembly/tcp), FlexTOE's protocol stage or header prediction, Laminar's passes
 * and stage program, in whichever of the data path's functions the compiler has put them. Names and
 * lines come from the same build made once more with both.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
import { ROOT } from "../support/env.ts";
import { ENTRIES, wasmOf } from "../support/repository-copy.ts";
import { mutated, type Point, pointsIn } from "./operators.ts";
import { type Location, SourceMap } from "./source-map.ts";
import { type Layout, layoutOf, sameCode } from "./wasm-layout.ts";

interface Stage {
  /** Its files; congestion control, which the stage asks, has tests of its own build. */
  readonly files: RegExp;
  /** Compiled functions that it runs in; the same lines elsewhere are libTOE's and statistics'. */
  readonly functions: RegExp;
}

const FLEXTOE: Stage = {
  files: /^assembly\/(tcp\/[^/]+|flextoe\/(protocol|predicted)[^/]*)\.ts$/,
  functions: /^assembly\/(flextoe|tcp|nic\/stages)\//,
};
const LAMINAR: Stage = {
  files: /^assembly\/(tcp|laminar|laminar\/generated)\/[^/]+\.ts$/,
  functions: /^assembly\/(laminar|tcp|nic\/stages)\//,
};
/** Where the sources of relaxed mode stand, with their stage program. */
const RELAXED = /^build\/relaxed\//;

/** Constants of bindings/abi count as part of the code that uses them. */
const isSource = (file: string): boolean => plain(file).startsWith("assembly/");

/** A file or function as its data path calls it in either mode. */
function plain(name: string): string {
  return name.replace(RELAXED, "");
}

export interface OperatorMutant {
  /** Stable for a build: offset and change. */
  readonly id: string;
  readonly point: Point;
  readonly location: Location;
}

function compileNamed(folder: string, datapath: DataPath): Promise<boolean> {
  const args = ["node_modules/assemblyscript/bin/asc.js", ENTRIES[datapath]];
  args.push("--target", "release", "--debug", "--sourceMap", "--outFile", join(folder, "n.wasm"));
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "ignore" });
  return new Promise((resolve) => child.on("close", (code) => resolve(code === 0)));
}

/** Names and lines of the release build. Throws Error when its sources give other code. */
async function readNamed(datapath: DataPath): Promise<{ layout: Layout; map: SourceMap }> {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-names-"));
  try {
    if (!(await compileNamed(folder, datapath))) throw new Error("mutants: the named build failed");
    const layout = layoutOf(readFileSync(join(folder, "n.wasm")));
    const map = new SourceMap(readFileSync(join(folder, "n.wasm.map"), "utf8"));
    const wasm = wasmOf(datapath);
    const release = layoutOf(readFileSync(ROOT + wasm));
    if (!sameCode(layout, release)) {
      throw new Error(`mutants: expected the code of ${wasm} from its sources, got other code`);
    }
    return { layout: { ...release, bodies: layout.bodies }, map };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All points of the protocol stage, in the order of the binary, and the binary. */
export async function protocolMutants(
  datapath: DataPath,
): Promise<{ layout: Layout; mutants: OperatorMutant[] }> {
  const { layout, map } = await readNamed(datapath);
  const stage = datapath === "flextoe" ? FLEXTOE : LAMINAR;
  const bodies = layout.bodies.filter(({ name }) => stage.functions.test(plain(name)));
  const mutants = bodies.flatMap((body) =>
    pointsIn(layout, body).flatMap((point) => {
      const location = map.at(point.start, body.start, isSource);
      const file = plain(location?.file ?? "");
      if (location === undefined || !stage.files.test(file)) return [];
      const id = `${point.start.toString(16)}:${point.what.replaceAll(" ", "")}`;
      return [{ id, point, location: { ...location, file } }];
    }),
  );
  return { layout, mutants };
}

/** The release build with one of them in it. */
export function binaryOf(layout: Layout, { point }: OperatorMutant): Uint8Array<ArrayBuffer> {
  return mutated(layout, point);
}
