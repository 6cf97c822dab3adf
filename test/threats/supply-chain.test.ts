/** Threats L1 to L11: what is installed, what is shipped, and from where. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkProgram } from "../../host/rmt/check-program.ts";
import { extendProgram } from "../../host/rmt/extend-program.ts";
import { generate } from "../../host/rmt/generate.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { readProgram } from "../../host/rmt/read-program.ts";
import { ROOT } from "../support/env.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly publishConfig: { readonly provenance?: boolean };
}

interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

/** What a package says of itself. */
interface Installed {
  readonly license?: string;
  readonly repository?: string | { readonly url: string };
}

const read = (path: string): string => readFileSync(ROOT + path, "utf8");
const manifest = JSON.parse(read("package.json")) as Manifest;
const lock = JSON.parse(read("package-lock.json")) as {
  lockfileVersion: number;
  packages: Readonly<Record<string, Locked>>;
};
/** Runtimes that CI fetches: name, package, version, licence, program in it, hash. */
const fetched = [...read(".ci/runtimes").matchAll(/^ {2}"(.+)"$/gm)].map(([, line = ""]) =>
  line.split(/ |(?<=\w)@/),
);

const installed = Object.entries(lock.packages).filter(([path]) => path !== "");

/** Licences that a development dependency may have. */
const LICENCES = /^(0BSD|MIT|ISC|Apache-2\.0|BSD-[23]-Clause|MPL-2\.0|MIT OR Apache-2\.0)$/;
test("threats/L1: the package needs nothing at run time, and brings nothing with it", () => {
  expect(Object.keys(manifest.dependencies ?? {})).toEqual([]);
  expect(Object.keys(manifest.optionalDependencies ?? {})).toEqual([]);
  // What a TUN device alone loads is for the application to install.
  expect(Object.keys(manifest.peerDependencies)).toEqual(["koffi"]);
  expect(manifest.peerDependenciesMeta).toEqual({ koffi: { optional: true } });
  const others = installed.filter(([, { dev }]) => dev !== true);
  expect(others.map(([path]) => path)).toEqual([]);
});

test("threats/L2, L9: every locked package is of the registry, and has its hash", () => {
  expect(lock.lockfileVersion).toBe(3);
  expect(installed.length).toBeGreaterThan(50);
  for (const [path, { resolved, integrity }] of installed) {
    // Without an address of its own a package comes from the registry that npm is set to.
    expect(resolved ?? "", path).toMatch(/^$|^https:\/\/registry\.npmjs\.org\//);
    expect(integrity, path).toMatch(/^sha512-/);
  }
});

test("threats/L2, L9: what CI fetches beside them is of the registry, and has its hash", () => {
  expect(fetched.map(([name]) => name)).toEqual(["bun", "node-arm64"]);
  for (const [name, , version, , , integrity, ...rest] of fetched) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    expect(integrity, name).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(rest, name).toEqual([]);
  }
  // By npm and apt-get, and no other way.
  const steps = readdirSync(`${ROOT}.ci`).map((name) => read(`.ci/${name}`));
  const other = /https?:|\b(wget|npx|bunx|git clone|npm (install|i|exec|add))\b/;
  for (const text of steps) expect(text).not.toMatch(other);
});

test("threats/L2: a runtime of another hash than the listed one is not taken", () => {
  const folder = temporaryFolder("runtimes");
  const at = (path: string): string => join(folder, path);
  for (const part of [".ci", "bin", "package/bin"]) mkdirSync(at(part), { recursive: true });
  writeFileSync(at("package/bin/bun"), "another program");
  execFileSync("tar", ["-czf", at("other.tgz"), "-C", folder, "package"]);
  const npm = `#!/bin/sh\ncp '${at("other.tgz")}' . && echo other.tgz\n`;
  writeFileSync(at("bin/npm"), npm, { mode: 0o755 });
  const fetches = (text: string): [status: number | null, said: string] => {
    writeFileSync(at(".ci/runtimes"), text);
    const env = { ...process.env, PATH: `${at("bin")}:${process.env.PATH}` };
    const options = { env, encoding: "utf8" } as const;
    const { status, stdout } = spawnSync("bash", [at(".ci/runtimes"), "bun"], options);
    return [status, stdout];
  };
  const listed = fetched[0]?.[5] ?? "";
  const [status, said] = fetches(read(".ci/runtimes"));
  const got = `sha512-${createHash("sha512")
    .update(readFileSync(at("other.tgz")))
    .digest("base64")}`;
  expect(said).toContain(`expected ${listed}, got ${got}`);
  expect([status, existsSync(at("build"))]).toEqual([1, false]);
  // The same with that hash in the list is taken.
  expect(fetches(read(".ci/runtimes").replace(listed, got))).toEqual([0, ""]);
  expect(readFileSync(at("build/runtimes/bun"), "utf8")).toBe("another program");
});

test("threats/L3: nothing is run at install, of ours or of others", () => {
  const hooks = /^(pre|post)?(install|pack|publish|prepare|prepublish|prepublishOnly)$/;
  expect(Object.keys(manifest.scripts).filter((name) => hooks.test(name))).toEqual([]);
  const locked = installed.filter(([, one]) => one.hasInstallScript && one.dev !== true);
  expect(locked.map(([path]) => path)).toEqual([]);
  expect(read("scripts/bootstrap.mjs")).toContain('"ci", "--ignore-scripts"');
});

/** Paths that are of one machine alone, and what opens doors. */
const PRIVATE = new RegExp(
  [
    String.raw`/(?:home|Users|root|work)/\w`,
    String.raw`[A-Z]:\\{1,2}Users`,
    "BEGIN [A-Z ]*PRIVATE KEY",
    String.raw`\b(?:npm|ghp|gho)_\w{30}`,
  ].join("|"),
);

test("threats/L4: the package has the files of packed-files.txt, no path or key of ours", () => {
  const options = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
  const text = execFileSync("npm", options, { cwd: ROOT, encoding: "utf8" });
  const [{ files }] = JSON.parse(text) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path);
  const listed = read("test/threats/packed-files.txt").split("\n");
  const expected = listed
    .filter((line) => /^\w/.test(line))
    .flatMap((name) => (name.startsWith("dist/") ? [`${name}.js`, `${name}.d.ts`] : [name]));
  expect(packed.toSorted()).toEqual(expected.toSorted());
  const leaks = packed.filter((path) => {
    const content = readFileSync(ROOT + path, "latin1");
    return PRIVATE.test(content) || content.includes(ROOT);
  });
  expect(leaks).toEqual([]);
});

test("threats/L6: a bill of materials can be made from the lockfile alone", () => {
  const options = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--loglevel=error"];
  const text = execFileSync("npm", options, { cwd: ROOT, encoding: "utf8" });
  const { components } = JSON.parse(text) as { components: { name: string; purl: string }[] };
  const names = new Set(components.map(({ purl }) => decodeURIComponent(purl)));
  for (const [name, version] of Object.entries(manifest.devDependencies)) {
    expect(names, name).toContain(`pkg:npm/${name}@${version}`);
  }
});

/** What the package carries, by the file that has it as base64. */
const SHIPPED = [
  ["assembly/index.ts", "release", "bindings/wasm-bytes.ts"],
  ["assembly/laminar.ts", "release", "bindings/laminar-bytes.ts"],
  ["build/relaxed/assembly/laminar.ts", "release", "bindings/relaxed-bytes.ts"],
  ["assembly/workers.ts", "threads", "bindings/workers-bytes.ts"],
] as const;

const PROGRAMS = "assembly/laminar/programs/";
const EXTENSION = "assembly/laminar/extensions/relaxed.rmt";

test("threats/L5: what the compiler is given of the stage programs is their text again", () => {
  const again = (file: string, text: string): string => {
    const program = readProgram(file, text);
    checkProgram(file, program, TOFINO2);
    return generate(program);
  };
  const names = readdirSync(ROOT + PROGRAMS).map((name) => name.replace(/\.rmt$/, ""));
  expect(names).toContain("tcp");
  for (const name of names) {
    const made = read(`assembly/laminar/generated/${name}.ts`);
    expect(again(`${name}.rmt`, read(`${PROGRAMS}${name}.rmt`)) === made, name).toBe(true);
  }
  const relaxed = extendProgram(read(`${PROGRAMS}tcp.rmt`), EXTENSION, read(EXTENSION));
  const made = read("build/relaxed/assembly/laminar/generated/tcp.ts");
  expect(again(EXTENSION, relaxed) === made).toBe(true);
  // Relaxed mode is built from a copy: all but that program is the source itself.
  for (const folder of ["assembly", "bindings/abi"]) {
    const entries = readdirSync(ROOT + folder, { withFileTypes: true, recursive: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath.slice(ROOT.length)}/${entry.name}`);
    const other = paths.filter((path) => read(path) !== read(`build/relaxed/${path}`));
    expect(other.filter((path) => !path.endsWith("/generated/tcp.ts"))).toEqual([]);
  }
});

test.each(SHIPPED)(
  "threats/L5: what is shipped of %s is built again byte by byte",
  (...names) => {
    const [entry, target, path] = names;
    const folder = mkdtempSync(join(tmpdir(), "toeloop-again-"));
    try {
      const again = join(folder, "again.wasm");
      const args = [entry, "--target", target, "--outFile", again];
      const asc = ["node_modules/assemblyscript/bin/asc.js", ...args];
      execFileSync(process.execPath, asc, { cwd: ROOT, stdio: "ignore" });
      const [, base64 = ""] = /"([A-Za-z0-9+/=]{100,})"/.exec(read(path)) ?? [];
      expect(Buffer.from(base64, "base64").equals(readFileSync(again))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  180_000,
);

/** Modules of Node that reach a network. */
const NETWORK =
  /^(?:import|\}) .*from "(?:node:)?(?:net|https?|http2|tls|dns|dgram|undici)(?:\/|")/m;
/** Asks something of another machine by other means. */
const ASKS =
  /(?<![#.\w])fetch\(\s*["'`]https?:|\bnew WebSocket\(|\b(curl|wget) +(-\S+ +)*https?:..(?!10\.)/;
/** Those that speak over this machine's own loopback, and within namespaces of their own. */
const LOOPBACK = ["bench/api-side.ts", "bench/connect.ts", "test/runtimes/run-in.ts"];
const NAMESPACES = ["examples/interop/long-stream.ts", "examples/interop/nginx.ts"];

test("threats/L9: what builds and tests speaks to nobody but, by npm, the registry", () => {
  const folders = ["scripts", "bindings", "host", "test", "bench", "examples"];
  const paths = folders.flatMap((folder) =>
    readdirSync(ROOT + folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
      .map((entry) => `${entry.parentPath.slice(ROOT.length)}/${entry.name}`),
  );
  expect(paths.length).toBeGreaterThan(500);
  const own = paths.filter((path) => path !== "test/threats/supply-chain.test.ts");
  const texts = new Map(own.map((path) => [path, read(path)]));
  const network = own.filter((path) => NETWORK.test(texts.get(path) ?? ""));
  expect(network.toSorted()).toEqual([...LOOPBACK, ...NAMESPACES].toSorted());
  expect(own.filter((path) => ASKS.test(texts.get(path) ?? ""))).toEqual([]);
  for (const path of LOOPBACK) expect(texts.get(path), path).toContain('"127.0.0.1"');
});

test("threats/L7: what is published has provenance, and SECURITY.md says what that proves", () => {
  expect(manifest.publishConfig).toEqual({ provenance: true });
  const text = read("SECURITY.md").replace(/\s+/g, " ");
  expect(text).toContain("published with npm's provenance or not at all");
  expect(text).toContain("proves the origin and no more");
});

test("threats/L8: what CI runs is in the repository: no actions of others, no secrets", () => {
  expect(existsSync(`${ROOT}.github`)).toBe(false);
  const steps = readdirSync(`${ROOT}.ci`).map((name) => read(`.ci/${name}`));
  for (const text of steps) expect(text).not.toMatch(/\b(uses:|secrets\.|curl .*\| *(ba)?sh)/);
});

test("threats/L10: development dependencies are exact, listed, with licence and owner", () => {
  const rows = read("test/threats/dependencies.txt").split("\n");
  const listed = rows.filter((line) => line.includes(" | ")).map((line) => line.split(" | "));
  const wanted = Object.entries(manifest.devDependencies);
  expect(wanted.length).toBeLessThanOrEqual(14);
  expect(listed.slice(1).map(([name]) => name)).toEqual(wanted.map(([name]) => name));
  for (const [name = "", licence, owner, use = ""] of listed.slice(1)) {
    const version = manifest.devDependencies[name] ?? "";
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    const locked = lock.packages[`node_modules/${name}`];
    expect([locked?.version, locked?.license], name).toEqual([version, licence]);
    const own = JSON.parse(read(`node_modules/${name}/package.json`)) as Installed;
    const { repository } = own;
    const path = typeof repository === "string" ? repository : (repository?.url ?? "");
    expect([own.license, path.split("/").at(-2)], name).toEqual([licence, owner]);
    expect(use.length, name).toBeGreaterThan(3);
  }
  const others = installed.filter(([, { license }]) => !LICENCES.test(license ?? ""));
  expect(others.map(([path, { license }]) => `${path} ${license}`)).toEqual([]);
  for (const [name, , , licence] of fetched) expect(licence, name).toMatch(LICENCES);
});

test("threats/L11: how to report a vulnerability, and in how many days somebody answers", () => {
  const text = read("SECURITY.md");
  expect(text).toMatch(/advisory/);
  for (const days of ["3 days", "10 days", "90 days"]) expect(text).toContain(days);
});
