/**
 * Threats U10, U11, P03, W5, W6, W8 and W9: what the sandbox gives and what it does not, read from
 * the sources and from the memory of running stacks. W1 and W3 are read from the binary
 * (test/unit/wasm-module.test.ts), W10 is test/runtimes (arm64: npm run arm64).
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseScript } from "../../host/packetdrill/index.ts";
import { readProgram } from "../../host/rmt/read-program.ts";
import { Stack } from "../../host/stack.ts";
import { ROOT } from "../support/env.ts";
import { ACK, SYN } from "../support/frames.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { Random } from "../support/random.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import config from "../vitest.config.ts";

const read = (path: string): string => readFileSync(ROOT + path, "utf8");

function sources(folder: string): string[] {
  const entries = readdirSync(ROOT + folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => `${entry.parentPath.slice(ROOT.length)}/${entry.name}`)
    .filter((path) => !path.includes("/generated/"));
}

/** A stack with some traffic behind it: SYNs with and without cookies, a connection with data. */
function used(entropy?: (bytes: Uint8Array) => void): ScriptedPeer {
  const peer = new ScriptedPeer(entropy === undefined ? {} : { entropy });
  const listener = peer.listen(80, 2);
  for (let i = 0; i < 6; i += 1) peer.send({ sourcePort: 100 + i, seq: i, flags: SYN });
  const [answer] = peer.send({ seq: 7000, flags: SYN });
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  peer.send({ seq: 7001, ack, flags: ACK, payload: new Uint8Array(500) });
  const { toe } = peer.stack;
  const fd = toe.accept(listener);
  toe.send(fd, new Uint8Array(3000));
  peer.settle();
  toe.connect(toe.socket(), { address: "10.0.0.2", port: 7 });
  peer.settle();
  return peer;
}

test("threats/W5: every suite runs on a debug build as well, whose loads and stores assert", () => {
  const projects = (config.test?.projects ?? []) as {
    test: { name: string; env: Record<string, string>; include: string[] };
  }[];
  const of = (name: string) => projects.find((project) => project.test.name === name)?.test;
  for (const name of ["release", "laminar", "laminar-relaxed"]) {
    const debug = name === "release" ? "debug" : `${name}-debug`;
    expect(of(name)?.include).toEqual(of(debug)?.include);
    expect([of(name)?.env.TOELOOP_BUILD, of(debug)?.env.TOELOOP_BUILD]).toEqual([
      "release",
      "debug",
    ]);
  }
});

/** Where raw memory is touched: folders whose every file may, then single files. */
const RAW_MEMORY = [
  ...["base", "flextoe", "flow", "fuzz", "laminar", "libtoe", "nic", "tcp", "wire", "workers"].map(
    (folder) => `assembly/${folder}/`,
  ),
  ...["core-exports", "fuzz", "laminar", "modelled", "rmt", "round", "turn"].map(
    (name) => `assembly/${name}.ts`,
  ),
];

/** A load, store or copy by a number that the compiler cannot judge. */
const RAW = /\b(?:load|store)\s*<|\b(?:v128|atomic)\.\w+\b|\bmemory\.(?:copy|fill|init)\b/;

const isListed = (path: string): boolean =>
  RAW_MEMORY.some((one) => (one.endsWith("/") ? path.startsWith(one) : path === one));

test("threats/W6: raw memory is for the listed folders; nothing asks for unchecked access", () => {
  const paths = sources("assembly");
  const raw = paths.filter((path) => RAW.test(read(path)));
  expect(raw.filter((path) => !isListed(path))).toEqual([]);
  // A name that covers nothing any more goes: the list says what is so.
  const covers = (one: string) => raw.some((path) => path.startsWith(one));
  expect(RAW_MEMORY.filter((one) => !covers(one))).toEqual([]);
  const unchecked = /\b(?:unchecked|__alloc|__new|heap\.alloc|memory\.grow)\b/;
  expect(paths.filter((path) => unchecked.test(read(path)))).toEqual([]);
});

test("threats/W8: of all entropy only the hash key of the tables is in the core's memory", () => {
  const drawn: Uint8Array[] = [];
  const random = new Random(0x08);
  const peer = used((bytes) => {
    bytes.set(random.bytes(bytes.length));
    if (bytes.length >= 8) drawn.push(bytes.slice());
  });
  const memory = Buffer.from(peer.stack.core.memory.buffer as ArrayBuffer);
  const halves = drawn.flatMap((bytes) =>
    Array.from({ length: bytes.length / 8 }, (_, i) => bytes.slice(i * 8, i * 8 + 8)),
  );
  const found = halves.filter((half) => memory.includes(Buffer.from(half)));
  // The first sixteen bytes: CORE_HASH_KEY.
  expect(halves.length).toBeGreaterThan(8);
  expect(found).toEqual(halves.slice(0, 2));
});

test("threats/W9: each field of a descriptor is read once before it is judged", () => {
  for (const path of ["assembly/nic/context-queue.ts", "assembly/flextoe/predicted-send.ts"]) {
    const loads = [...read(path).matchAll(/load<u32>\(descriptor, (D\.ATX_[\w +]+)\)/g)];
    const fields = loads.map(([, field]) => field);
    expect(fields.length, path).toBeGreaterThan(5);
    expect(new Set(fields).size, path).toBe(fields.length);
  }
});

/** Where memory comes from: buffers and arrays that are given a size or a list, not a buffer. */
const ALLOCATE: readonly [holder: object, name: string][] = [
  [WebAssembly, "Memory"],
  ...["ArrayBuffer", "Uint8Array", "Uint16Array", "Uint32Array", "Int32Array", "Float64Array"].map(
    (name): [object, string] => [globalThis, name],
  ),
];

/** Runs with the k-th allocation failing; how many there were. */
function allocating(k: number, run: () => void): number {
  const own = ALLOCATE.map(([holder, name]) => Reflect.get(holder, name) as typeof Object);
  let count = 0;
  ALLOCATE.forEach(([holder, name], i) => {
    const construct = (target: typeof Object, list: unknown[], self: typeof Object): object => {
      const isView = ArrayBuffer.isView(list[0]) || list[0] instanceof (own[1] as typeof Object);
      if (!isView) count += 1;
      if (!isView && count === k) throw new RangeError(`${name}: could not allocate memory`);
      return Reflect.construct(target, list, self) as object;
    };
    Reflect.set(holder, name, new Proxy(own[i] as typeof Object, { construct }));
  });
  try {
    run();
  } finally {
    ALLOCATE.forEach(([holder, name], i) => {
      Reflect.set(holder, name, own[i]);
    });
  }
  return count;
}

test("threats/U10: each allocation of a start may fail: an error, and again works", () => {
  const start = () => new ScriptedPeer();
  const fresh = poolCounts(start().stack);
  const all = allocating(0, start);
  expect(all).toBeGreaterThan(20);
  for (let k = 1; k <= all; k += 1) {
    expect(() => allocating(k, start), `allocation ${k}`).toThrow("could not allocate memory");
  }
  expect(poolCounts(start().stack)).toEqual(fresh);
  expect(used().stack).toBeInstanceOf(Stack);
  // None at all once it runs.
  const peer = used();
  expect(() => allocating(1, () => void peer.stack.poll(peer.now + 1e9))).not.toThrow();
});

test("threats/U11: memory never grows, so no view is outdated", () => {
  const fresh = new ScriptedPeer();
  const peer = used();
  const { buffer } = peer.stack.core.memory;
  expect(peer.stack.core.view.buffer).toBe(buffer);
  expect(buffer.byteLength).toBe(fresh.stack.core.memory.buffer.byteLength);
  for (let i = 0; i < 100; i += 1) {
    peer.now += 1e9;
    peer.settle();
  }
  expect(peer.stack.core.memory.buffer).toBe(buffer);
  // Nor could it.
  expect(() => peer.stack.core.memory.grow(1)).toThrow(RangeError);
});

/** What a reader does with a text that somebody cut: a result, or an error that says where. */
function cut(text: string, step: number, reader: (part: string) => unknown): void {
  for (let end = 0; end < text.length; end += step) {
    try {
      reader(text.slice(0, end));
    } catch (error) {
      expect(error, `cut at ${end}`).toBeInstanceOf(Error);
      expect(error, `cut at ${end}`).not.toBeInstanceOf(TypeError);
      expect((error as Error).message, `cut at ${end}`).toMatch(/expected|got/);
    }
  }
}

test("threats/P03: stage programs and packetdrill scripts cut anywhere are refused cleanly", () => {
  cut(read("examples/rmt/counting-firewall.rmt"), 1, (part) => readProgram("cut.rmt", part));
  const script = read("test/packetdrill/close-passive.pkt");
  cut(script, 1, (part) => parseScript("cut.pkt", part));
});
