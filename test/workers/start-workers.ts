/** Executors with threads for tests: the build under test, the compiled thread entry of dist/. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { LayoutOptions } from "../../bindings/layout.ts";
import { nodeSpawner } from "../../bindings/node-workers.ts";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import { WorkersExecutor, type WorkersOptions } from "../../bindings/workers.ts";
import { buildUnderTest, ROOT } from "../support/env.ts";
import { TEST_LAYOUT } from "../support/load-core.ts";

const file = buildUnderTest() === "debug" ? "workers.debug.wasm" : "workers.wasm";
/** The compiled thread entry. */
export const ENTRY = pathToFileURL(`${ROOT}dist/bindings/node-worker.js`);
let module: WebAssembly.Module | undefined;

/** The build with threads that is under test. */
export function workersModule(): WebAssembly.Module {
  module ??= new WebAssembly.Module(readFileSync(`${ROOT}build/${file}`));
  return module;
}

export function startWorkers(
  plan: WorkersPlan,
  layout: Partial<LayoutOptions> = {},
  options: Partial<WorkersOptions> = {},
): Promise<WorkersExecutor> {
  return WorkersExecutor.start({
    module: workersModule(),
    spawn: nodeSpawner(ENTRY),
    layout: { ...TEST_LAYOUT, ...layout },
    plan,
    ...options,
  });
}
