/** `npm run simulate -- --pin`: prints which hashes have moved and writes pinned-hashes.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import type { DataPath } from "../../bindings/layout.ts";
import { ROOT } from "../support/env.ts";
import { hashesNow, hashesPinned, PINNED_SEEDS } from "./pinned.ts";

const FILE = `${ROOT}test/simulate/pinned-hashes.ts`;

/** Name of a property of an object literal, as the formatter wants it. */
const key = (name: string): string => (/^\w+$/.test(name) ? name : `"${name}"`);

/** Runs every pinned seed; returns how many hashes moved. Throws Error when a seed fails. */
export function pin(
  datapaths: readonly DataPath[],
  moduleOf: (datapath: DataPath) => WebAssembly.Module,
): number {
  let moved = 0;
  const parts = datapaths.map((datapath) => {
    const before = hashesPinned(datapath);
    const now = hashesNow(moduleOf(datapath), datapath);
    now.forEach((hash, index) => {
      if (hash === before[index]) return;
      moved += 1;
      console.log(`${datapath} seed ${PINNED_SEEDS[index]}: ${before[index]} is now ${hash}`);
    });
    const lines = now.map((hash) => `    "${hash}",\n`).join("");
    return `  ${key(datapath)}: [\n${lines}  ],\n`;
  });
  const head = readFileSync(FILE, "utf8").split("\n", 1)[0] as string;
  writeFileSync(FILE, `${head}\nexport const PINNED_HASHES = {\n${parts.join("")}};\n`);
  return moved;
}
