/**
 * Who may import whom: the direction in which data flows, as a table. A folder that is not in the
 * table may import nothing. The longest matching prefix decides.
 */
import { posix } from "node:path";
import ts from "typescript";

/** Small values that every part of the host may use; they import only each other. */
const LEAVES = [
  "host/address.ts",
  "host/copy-words.ts",
  "host/errors.ts",
  "host/options.ts",
  "host/prng.ts",
  "host/virtual-clock.ts",
  "host/work-list.ts",
];

const CORE = ["bindings/abi/", "bindings/core.ts", "bindings/layout.ts", "bindings/trap.ts"];
const DATA_PATH = ["assembly/base/", "assembly/wire/", "assembly/flow/", "assembly/tcp/"];
const STAGE = [...DATA_PATH, "bindings/abi/"];
/** Parts of the machine see the program, its registers and its tables. */
const LAMINAR = [
  ...STAGE,
  "assembly/laminar/generated/",
  "assembly/laminar/match.ts",
  "assembly/laminar/passes.ts",
  "assembly/laminar/state.ts",
];
const ANY = [""];

/** Prefix of the importing file -> prefixes of what it may import; "node:" and packages too. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "bindings/abi/": ["bindings/abi/"],
  "bindings/layout.ts": ["bindings/abi/"],
  "bindings/core.ts": ["bindings/abi/", "bindings/layout.ts", "bindings/trap.ts"],
  "bindings/trap.ts": ["bindings/abi/"],
  "bindings/": [...CORE, "bindings/", "node:"],
  "assembly/base/": ["assembly/base/", "bindings/abi/"],
  "assembly/wire/": ["assembly/base/", "assembly/wire/", "bindings/abi/"],
  "assembly/flow/": ["assembly/base/", "assembly/flow/", "bindings/abi/"],
  // TCP's decisions, over the records of a connection.
  "assembly/tcp/": ["assembly/base/", "assembly/flow/", "assembly/tcp/", "bindings/abi/"],
  // What every data path has beside TCP itself, stage by stage.
  "assembly/nic/": STAGE,
  "assembly/nic/executor.ts": [
    ...STAGE,
    "assembly/nic/context-queue.ts",
    "assembly/nic/flow-scheduler.ts",
    "assembly/nic/post-processing.ts",
  ],
  "assembly/nic/timer-events.ts": [...STAGE, "assembly/nic/context-queue.ts"],
  // Not stages: the control plane's way into the tables, in the protocol stage's own terms.
  // A row that is taken away or handed out anew is in no queue.
  "assembly/nic/connection.ts": [...STAGE, "assembly/nic/flow-scheduler.ts"],
  // The stages under one name each, for every executor.
  "assembly/nic/stages.ts": [...STAGE, "assembly/nic/"],
  "assembly/flextoe/": STAGE,
  "assembly/flextoe/protocol.ts": [...STAGE, "assembly/nic/stages.ts"],
  "assembly/flextoe/pipeline.ts": [...STAGE, "assembly/nic/", "assembly/flextoe/"],
  "assembly/flextoe/expiry.ts": [...STAGE, "assembly/nic/", "assembly/flextoe/"],
  // The executor with threads.
  "assembly/workers/": [
    ...STAGE,
    "assembly/nic/",
    "assembly/flextoe/",
    "assembly/libtoe/",
    "assembly/workers/",
  ],
  // Header prediction is the executor's: it makes the decisions of all stages at once.
  "assembly/flextoe/predicted-": [...STAGE, "assembly/nic/", "assembly/flextoe/"],
  "assembly/libtoe/": [...STAGE, "assembly/libtoe/"],
  "assembly/laminar/": LAMINAR,
  // SYNCs put connections into the queue of turns, or keep them out of it.
  "assembly/laminar/grants.ts": [
    ...LAMINAR,
    "assembly/nic/flow-scheduler.ts",
    "assembly/nic/stages.ts",
  ],
  "assembly/laminar/connection.ts": [...LAMINAR, "assembly/laminar/grants.ts"],
  "assembly/laminar/receive.ts": [...LAMINAR, "assembly/laminar/reassembly.ts"],
  // Credits before a segment, its meter behind it.
  "assembly/laminar/push-engine.ts": [
    ...LAMINAR,
    "assembly/laminar/grants.ts",
    "assembly/laminar/meter.ts",
    "assembly/nic/post-processing.ts",
  ],
  "assembly/laminar/pipeline.ts": [...STAGE, "assembly/nic/", "assembly/laminar/"],
  "assembly/": ["assembly/", "bindings/abi/"],
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, [...LEAVES, "bindings/abi/"]])),
  // The language of stage programs: the build runs it before anything is compiled.
  "host/rmt/": ["host/rmt/", "bindings/abi/"],
  "host/wire/": [...LEAVES, "host/wire/", "bindings/abi/"],
  "host/pcie/": [...LEAVES, "host/pcie/", "bindings/abi/"],
  "host/netif/": [...LEAVES, "host/netif/", "host/wire/", ...CORE],
  "host/netif/tun.ts": [...LEAVES, "host/netif/", "bindings/abi/", "node:", "koffi"],
  // A data path by itself: it knows cores and virtual time, nothing of sockets or carriers.
  // What a TLP weighs is the PCIe model's.
  "host/modelled/": [...LEAVES, "host/modelled/", "host/pcie/", ...CORE],
  // The RMT machine in time: it runs stage programs.
  "host/modelled/laminar/": [...LEAVES, "host/modelled/", "host/rmt/", "bindings/abi/"],
  "host/interconnect/": [...LEAVES, "host/interconnect/", "host/pcie/", ...CORE],
  "host/control-plane/": [
    ...LEAVES,
    "host/control-plane/",
    "host/wire/",
    "host/interconnect/",
    "host/netif/",
    ...CORE,
  ],
  "host/libtoe/": [
    ...LEAVES,
    "host/libtoe/",
    "host/interconnect/",
    "host/control-plane/interface.ts",
    ...CORE,
  ],
  // A program over the whole stack, which no part of the stack imports.
  "host/packetdrill/": ["host/", ...CORE],
  "host/": ["host/", ...CORE, "#platform"],
  "scripts/": ["scripts/", "node:"],
  "scripts/inline-constants.mjs": ["node:", "typescript"],
  "scripts/rmt.mjs": ["scripts/", "node:", "typescript"],
  "test/": ANY,
  // Expectations from the RFC's text alone: they must not learn what the stack does.
  "test/rfc/states/table/": ["test/rfc/states/table/"],
  "bench/": ANY,
  "examples/": ANY,
};

/**
 * The stages of 4.3.1 and what schedules them. A stage too long for one file is several, named
 * `protocol-...`, which may import each other; the time wheel is the flow scheduler's.
 */
const STAGES = [
  "sequencer",
  "reorder-buffer",
  "pre-processing",
  "protocol",
  "post-processing",
  "dma",
  "context-queue",
  "flow-scheduler",
];

/** Says which stage a file of a data path belongs to; undefined outside of them. */
export function stageOf(path: string): string | undefined {
  const match = /^assembly\/(nic|flextoe|laminar)\/([^/]+)\.ts$/.exec(path);
  if (match === null || /^(pipeline$|predicted-)/.test(match[2] as string)) return undefined;
  const stem = match[2] === "carousel" ? "flow-scheduler" : (match[2] as string);
  const stage = STAGES.find((name) => stem === name || stem.startsWith(`${name}-`)) ?? stem;
  return `${match[1]}/${stage}`;
}

const FORBIDDEN_EVERYWHERE = /^(fs|path|os|net|child_process|crypto|events|util|stream|dgram)$/;

/** The folders that `path` may import, by the longest prefix. */
export function mayImport(path: string): readonly string[] {
  const rule = Object.keys(MAY_IMPORT)
    .filter((prefix) => path.startsWith(prefix))
    .sort((a, b) => b.length - a.length)[0];
  return rule === undefined ? [] : (MAY_IMPORT[rule] as readonly string[]);
}

/** Every module that a file names: static, re-exported, dynamic, and in types. */
export function importsOf(tree: ts.SourceFile): (readonly [number, string])[] {
  const found: (readonly [number, string])[] = [];
  const visit = (node: ts.Node): void => {
    let name: ts.Node | undefined;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) name = node.moduleSpecifier;
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      name = node.arguments[0];
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      name = node.argument.literal;
    }
    if (name !== undefined && ts.isStringLiteralLike(name)) {
      const line = tree.getLineAndCharacterOfPosition(name.getStart(tree)).line + 1;
      found.push([line, name.text]);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The repository path that a relative import names; other imports stay as they are. */
export function resolved(path: string, name: string): string {
  return name.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), name)) : name;
}

/** Rule of tidy-rules.ts: complaints for the imports that the table does not allow. */
export function importErrors(source: {
  readonly path: string;
  readonly tree: ts.SourceFile;
}): (readonly [number, string])[] {
  const allowed = mayImport(source.path);
  return importsOf(source.tree).flatMap(([line, name]): (readonly [number, string])[] => {
    const target = resolved(source.path, name);
    if (name.startsWith(".") && !/\.(ts|mjs|js)$/.test(name)) {
      return [[line, `import ${name}: relative imports name the file, .ts included`]];
    }
    if (FORBIDDEN_EVERYWHERE.test(name)) return [[line, `import ${name}: write node:${name}`]];
    if (allowed.some((prefix) => target.startsWith(prefix))) return [];
    const stage = stageOf(target);
    if (stage !== undefined && stage === stageOf(source.path)) return [];
    return [[line, `must not import ${target}`]];
  });
}
