/**
 * Makes a checkout ready: installs the packages the lock file names when they are not the installed
 * ones, and builds what is out of date. Needs nothing but Node, so that `npm start` and `npm test`
 * work as the first command on a fresh clone; costs some tens of milliseconds when all is ready.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, lockHash } from "./sources.mjs";

const NODE_MINIMUM = [20, 19];
const STAMP = join(ROOT, "node_modules/.toeloop-lock");

function fail(message) {
  console.error(message);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [least, leastMinor] = NODE_MINIMUM;
  if (major > least || (major === least && minor >= leastMinor)) return;
  fail(`bootstrap: expected Node ${NODE_MINIMUM.join(".")} or newer, got ${process.version}`);
}

/** npm keeps its own record; one newer than the lock file was made from it by hand. */
function installedByHand() {
  const record = join(ROOT, "node_modules/.package-lock.json");
  if (existsSync(STAMP) || !existsSync(record)) return false;
  return statSync(record).mtimeMs >= statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

function installed(hash) {
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === hash) return true;
  if (!installedByHand()) return false;
  writeFileSync(STAMP, hash);
  return true;
}

/** Install scripts of packages are refused: nothing here needs one, and they run foreign code. */
function install(hash) {
  console.error("bootstrap: installing packages (npm ci)");
  const options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const stdio = ["ignore", "ignore", "inherit"];
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...options], { cwd: ROOT, stdio })
    : spawnSync("npm", options, { cwd: ROOT, stdio, shell: process.platform === "win32" });
  if (result.status !== 0) fail("bootstrap: npm ci failed; is the package registry in reach?");
  writeFileSync(STAMP, hash);
}

checkNode();
const hash = lockHash();
if (!installed(hash)) install(hash);
const { build, upToDate } = await import("./build.mjs");
if (!upToDate()) {
  console.error("bootstrap: building");
  await build().catch((error) => fail(error.message));
}
