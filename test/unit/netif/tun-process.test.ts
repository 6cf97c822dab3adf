/**
 * Goal: openTun() says what is missing, and an open device neither keeps a process from ending
 * nor lets it end early. Method: child processes over transpiled copies of the few files, as
 * another user, without koffi, without the device. Needs root and what tun.test.ts needs.
 */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requireOrSkip } from "../../support/requirement.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const FILES = [
  "bindings/abi/ethernet.ts",
  "host/netif/netif.ts",
  "host/netif/readiness-poller.ts",
  "host/netif/tun.ts",
];
const NOBODY = 65_534;

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "toeloop-tun-"));
  chmodSync(folder, 0o755);
  for (const where of ["with", "without"]) {
    for (const file of FILES) {
      const source = readFileSync(join(root, file), "utf8");
      const compilerOptions = {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ES2022,
        rewriteRelativeImportExtensions: true,
      };
      const { outputText } = ts.transpileModule(source, { compilerOptions });
      const to = join(folder, where, file.replace(/\.ts$/, ".js"));
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, outputText);
    }
    writeFileSync(join(folder, where, "package.json"), '{"type":"module"}');
  }
  mkdirSync(join(folder, "with", "node_modules"));
  for (const name of ["koffi", "@koromix"]) {
    const from = join(root, "node_modules", name);
    if (existsSync(from)) symlinkSync(from, join(folder, "with", "node_modules", name));
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly out: string;
  readonly status: number | null;
  readonly ms: number;
}

/** Runs `script` with openTun in scope; a child that does not end within 8 s is killed. */
function child(script: string, options: { where?: string; uid?: number; wrap?: string[] } = {}) {
  const { where = "with", uid, wrap = [] } = options;
  const text = `import { openTun } from "./host/netif/tun.js";
    const said = (e) => console.log(e.code + " | " + e.message);
    ${script}`;
  const path = join(folder, where, "script.mjs");
  writeFileSync(path, text);
  const [command = "", ...rest] = [...wrap, process.execPath, path];
  const start = performance.now();
  return new Promise<Ended>((resolve, reject) => {
    const started = spawn(command, rest, { ...(uid === undefined ? {} : { uid, gid: uid }) });
    const timer = setTimeout(() => started.kill("SIGKILL"), 8000);
    let out = "";
    started.stdout.on("data", (chunk) => (out += chunk));
    started.stderr.on("data", (chunk) => (out += chunk));
    started.on("error", reject);
    started.on("close", (status) => {
      clearTimeout(timer);
      resolve({ out: out.trim(), status, ms: performance.now() - start });
    });
  });
}

const OPEN = 'openTun({ mode: "tun" })';

test("without koffi: ENOENT that names it", async () => {
  const { out, status } = await child(`${OPEN}.catch(said);`, { where: "without" });
  expect([out, status]).toEqual([
    'ENOENT | openTun ENOENT: expected the package "koffi", got none: npm install koffi@3',
    0,
  ]);
});

function missing(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  if (!existsSync("/dev/net/tun")) return "/dev/net/tun is missing";
  if (!existsSync(join(root, "node_modules/koffi"))) return "koffi is not installed";
  return undefined;
}

const user = requireOrSkip("without the privilege: EACCES", missing);
test.skipIf(user.skip)(user.name, async () => {
  const { out, status } = await child(`${OPEN}.catch(said);`, { uid: NOBODY });
  expect(out).toMatch(/^EACCES \| openTun EACCES: expected to (open|make) .*(root|CAP_NET_ADMIN)$/);
  expect(status).toBe(0);
});

const device = requireOrSkip("without /dev/net/tun: ENOENT that names it", missing);
test.skipIf(device.skip)(device.name, async () => {
  const hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$0" "$@"'];
  const { out } = await child(`${OPEN}.catch(said);`, { wrap: hide });
  expect(out).toContain("ENOENT | openTun ENOENT: expected the device /dev/net/tun, got ENOENT");
});

const exits = requireOrSkip("a process ends in time: by exit(), by close(), by an error", missing);
test.skipIf(exits.skip)(exits.name, async () => {
  const open = `const tun = await ${OPEN};
    tun.attach({ used: 0, bytes: new Uint8Array(4096), room: () => 1, reserve() {} }, 0);
    tun.onReadable(() => tun.receive());`;
  const rows: [string, number][] = [
    [`${open} setTimeout(() => process.exit(3), 100);`, 3],
    [`${open} setTimeout(() => tun.close(), 100);`, 0],
    [`${open} setTimeout(() => { throw new Error("own"); }, 100);`, 1],
    [`const tun = await ${OPEN}; process.exitCode = 4;`, 4],
  ];
  for (const [script, want] of rows) {
    const { status, ms, out } = await child(script);
    expect([status, ms < 4000], `${script}: ${out}, ${ms} ms`).toEqual([want, true]);
  }
});

const stays = requireOrSkip("a device that is waited for keeps the process alive", missing);
test.skipIf(stays.skip)(stays.name, async () => {
  const { status, ms } = await child(`const tun = await ${OPEN};
    tun.attach({ used: 0, bytes: new Uint8Array(4096), room: () => 1, reserve() {} }, 0);
    tun.onReadable(() => tun.receive());
    setTimeout(() => tun.close(), 1200).unref();`);
  expect([status, ms > 1200]).toEqual([0, true]);
});
