/**
 * Loads the build under test (TOELOOP_BUILD); a module is compiled once for each test file. A debug
 * build at night traps at guard strips (threats W5).
 */
import { readFileSync } from "node:fs";
import { createCore, type Core } from "../../bindings/core.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import { buildUnderTest, dataPathUnderTest, isNight, ROOT } from "./env.ts";
import { guarded } from "./guarded-module.ts";

/** Key of the connection database's hash in tests: fixed, so that a failure repeats. */
export const TEST_HASH_KEY: readonly [bigint, bigint] = [0x0123456789abcdefn, 0xfedcba9876543210n];

/** A map small enough to make one for each test. */
export const TEST_LAYOUT: Partial<LayoutOptions> = {
  connections: 64,
  queueDescriptors: 64,
  payloadBytes: 4 * 1024 * 1024,
};

const modules = new Map<string, WebAssembly.Module>();

function load(name: string): WebAssembly.Module {
  const isDebug = buildUnderTest() === "debug";
  const file = isDebug ? `${name}.debug.wasm` : `${name}.wasm`;
  let module = modules.get(file);
  if (module === undefined) {
    const binary = readFileSync(`${ROOT}build/${file}`);
    module = isDebug && isNight() ? guarded(binary) : new WebAssembly.Module(binary);
    modules.set(file, module);
  }
  return module;
}

/** The data path under test: build/flextoe.wasm or build/laminar.wasm, or the debug one. */
export function loadModule(): WebAssembly.Module {
  return load(dataPathUnderTest());
}

/** The build with the test-only exports of assembly/testing.ts: single functions and stages. */
export function loadTestingModule(): WebAssembly.Module {
  return load("testing");
}

/** Laminar's data path in one of its modes. */
export function loadLaminarModule(mode: "laminar" | "laminar-relaxed"): WebAssembly.Module {
  return load(mode);
}

/** Stage programs of assembly/rmt.ts. */
export function loadRmtModule(): WebAssembly.Module {
  return load("rmt");
}

/** A fresh core over a small memory of its own; `layout` overrides TEST_LAYOUT. */
export function testCore(
  layout: Partial<LayoutOptions> = {},
  module: WebAssembly.Module = loadModule(),
): Core {
  return createCore({
    module,
    layout: { ...TEST_LAYOUT, ...layout },
    hashKey: TEST_HASH_KEY,
  });
}
