/**
 * Every operator mutant of the protocol stage: the release build's points whose source is TCP's
 * decisions (assembly/tcp), FlexTOE's protocol stage or header prediction, in whichever of the
 * data path's functions the compiler has put them. Names and lines come from the same build made
 * once more with both.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/env.ts";
import { mutated, type Point, pointsIn } from "./operators.ts";
import { type Location, SourceMap } from "./source-map.ts";
import { type Layout, layoutOf, sameCode } from "./wasm-layout.ts";

const WASM = "build/flextoe.wasm";
/** Files of the stage; congestion control, which the stage asks, has tests of its own build. */
const PROTOCOL = /^assembly\/(tcp\/[^/]+|flextoe\/(protocol|predicted)[^/]*)\.ts$/;
/** Compiled functions that it runs in; the same lines elsewhere are libTOE's and statistics'. */
const FUNCTIONS = /^assembly\/(flextoe|tcp|nic\/stages)\//;
/** Constants of bindings/abi count as part of the code that uses them. */
const isSource = (file: string): boolean => file.startsWith("assembly/");

export interface OperatorMutant {
  /** Stable for a build: offset and change. */
  readonly id: string;
  readonly point: Point;
  readonly location: Location;
}

function compileNamed(folder: string): Promise<boolean> {
  const args = ["node_modules/assemblyscript/bin/asc.js", "assembly/index.ts"];
  args.push("--target", "release", "--debug", "--sourceMap", "--outFile", join(folder, "n.wasm"));
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "ignore" });
  return new Promise((resolve) => child.on("close", (code) => resolve(code === 0)));
}

/** Names and lines of build/flextoe.wasm. Throws Error when its sources give other code. */
async function readNamed(): Promise<{ layout: Layout; map: SourceMap }> {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-names-"));
  try {
    if (!(await compileNamed(folder))) throw new Error("mutants: the named build failed");
    const layout = layoutOf(readFileSync(join(folder, "n.wasm")));
    const map = new SourceMap(readFileSync(join(folder, "n.wasm.map"), "utf8"));
    const release = layoutOf(readFileSync(ROOT + WASM));
    if (!sameCode(layout, release)) {
      throw new Error(`mutants: expected the code of ${WASM} from its sources, got other code`);
    }
    return { layout: { ...release, bodies: layout.bodies }, map };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All points of the protocol stage, in the order of the binary, and the binary. */
export async function protocolMutants(): Promise<{ layout: Layout; mutants: OperatorMutant[] }> {
  const { layout, map } = await readNamed();
  const bodies = layout.bodies.filter(({ name }) => FUNCTIONS.test(name));
  const mutants = bodies.flatMap((body) =>
    pointsIn(layout, body).flatMap((point) => {
      const location = map.at(point.start, body.start, isSource);
      if (location === undefined || !PROTOCOL.test(location.file)) return [];
      const id = `${point.start.toString(16)}:${point.what.replaceAll(" ", "")}`;
      return [{ id, point, location }];
    }),
  );
  return { layout, mutants };
}

/** The release build with one of them in it. */
export function binaryOf(layout: Layout, { point }: OperatorMutant): Uint8Array<ArrayBuffer> {
  return mutated(layout, point);
}
