/**
 * Which files each build product is made of, and a hash over them. Content hashes, not times: a
 * checkout or a copied tree changes times without changing anything that matters.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the Wasm builds are made of. */
const CORE_INPUTS = ["assembly", "bindings/abi", "host/rmt", "asconfig.json", "package-lock.json"];

/** What dist/ is made of; the Wasm bytes come on top. */
const HOST_INPUTS = [
  "bindings",
  "host",
  "bench",
  "examples",
  "test",
  "tsconfig.json",
  "package.json",
];

/** Generated from the release builds: their content is already in the core's hash. */
const EMBEDDED = ["wasm", "workers", "laminar", "relaxed"];
const GENERATED = EMBEDDED.map((name) => `bindings/${name}-bytes.ts`);
/** Made from assembly/laminar/programs. */
const GENERATED_FOLDER = "assembly/laminar/generated";

const SOURCE = /\.(ts|json|mjs|rmt)$/;

/** Fetched and built by the benchmarks' peers; not ours. */
const FOREIGN = /^bench\/peers\/(lwip-src|build)$/;

function filesBelow(path) {
  const full = join(ROOT, path);
  if (FOREIGN.test(path) || path === GENERATED_FOLDER || !existsSync(full)) return [];
  if (SOURCE.test(path)) return [path];
  return readdirSync(full, { withFileTypes: true })
    .flatMap((entry) => {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(child);
      return SOURCE.test(entry.name) && !GENERATED.includes(child) ? [child] : [];
    })
    .sort();
}

function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    hash
      .update(path)
      .update("\0")
      .update(readFileSync(join(ROOT, path)))
      .update("\0");
  }
  return hash.digest("hex");
}

/** Hash of the package lock file, which names every installed byte. */
export function lockHash() {
  return hashOf(["package-lock.json"]);
}

/** Hash of everything the Wasm builds depend on. */
export function coreHash() {
  return hashOf([...CORE_INPUTS.flatMap(filesBelow), ...filesBelow("scripts")]);
}

/** Hash of everything dist/ depends on. */
export function hostHash() {
  return hashOf([...HOST_INPUTS.flatMap(filesBelow), ...filesBelow("scripts")]);
}
