/**
 * The rules of STYLE.md that a machine can check, as functions from one file's path and text to
 * complaints `path:line: what`. test/tidy.test.ts runs them over the tree and over planted
 * violations. Rules look at the syntax tree, so that comments and strings cannot mislead them.
 */
import ts from "typescript";
import { importErrors, importsOf, resolved } from "./tidy-imports.ts";

export const LINE_COLUMNS_MAX = 100;
export const FUNCTION_LINES_MAX = 70;
export const FILE_LINES_MAX = 450;
export const TEST_FILE_LINES_MAX = 600;

/** One source file, parsed once for all rules. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

/** A rule: complaints without the path; line is 1-based. */
type Complaint = readonly [line: number, message: string];
type Rule = (source: Source) => Complaint[];

export function parse(path: string, text: string): Source {
  return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true) };
}

export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** Calls `visit` for every node below `node`. */
function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** Complaints for the nodes that `judge` objects to. */
function judged(source: Source, judge: (node: ts.Node) => string | undefined): Complaint[] {
  const complaints: Complaint[] = [];
  walk(source.tree, (node) => {
    const message = judge(node);
    if (message !== undefined) complaints.push([lineOf(source.tree, node), message]);
  });
  return complaints;
}

const isTest = (path: string): boolean => path.startsWith("test/");
const isCode = (path: string): boolean => /\.(ts|mjs)$/.test(path);

// Put together here, so that this file does not hold what it forbids.
const MARKER = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
const MACHINE_PATH = new RegExp(
  `(^|["'\`\\s(=:])/(${["work", "tmp", "root", "home"].join("|")})(/|["'\`])|\\.\\./sha${"red"}/`,
);

function* numbered(text: string): Generator<readonly [number, string]> {
  let number = 0;
  for (const line of text.split("\n")) {
    number += 1;
    yield [number, line];
  }
}

/** Rules for any tracked text file: prose and configuration too. */
export function textErrors(path: string, text: string): string[] {
  const errors: string[] = [];
  for (const [number, line] of numbered(text)) {
    const say = (message: string): number => errors.push(`${path}:${number}: ${message}`);
    if (MARKER.test(line)) say("leftover marker: do it or open an issue");
    if (!path.startsWith(".ci/") && MACHINE_PATH.test(line)) say("path of one machine");
    if (!isCode(path)) continue;
    if (line.length > LINE_COLUMNS_MAX) say(`line exceeds ${LINE_COLUMNS_MAX} columns`);
    if (/\s$/.test(line)) say("trailing whitespace");
    if (line.includes("\t")) say("tab: indent with two spaces");
  }
  if (text !== "" && !text.endsWith("\n")) errors.push(`${path}: must end with a newline`);
  return errors;
}

const FORBIDDEN_NAMES = /^(utils?|helpers?|misc|common|stuff)$/;

const fileName: Rule = ({ path }) => {
  const base = path.slice(path.lastIndexOf("/") + 1).replace(/(\.[a-z]+)+$/, "");
  if (FORBIDDEN_NAMES.test(base)) return [[1, `name says nothing: ${base}; use the field's word`]];
  return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(base) ? [] : [[1, "file names are kebab-case"]];
};

const fileLength: Rule = ({ path, text }) => {
  const lines = text.split("\n").length - 1;
  const limit = isTest(path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
  return lines > limit ? [[limit, `file has ${lines} lines, at most ${limit}: split by idea`]] : [];
};

const header: Rule = ({ text }) => {
  const start = text.startsWith("#!") ? text.slice(text.indexOf("\n") + 1) : text;
  if (!start.startsWith("/**"))
    return [[1, "must start with a /** header: what, source, invariant"]];
  const words = start.slice(0, start.indexOf("*/")).match(/[A-Za-z]{2,}/g) ?? [];
  return words.length < 4 ? [[1, "header says too little"]] : [];
};

/** The function of a `describe` groups tests; its length is that of the group. */
function groupsTests(node: ts.Node): boolean {
  const call = node.parent;
  return ts.isCallExpression(call) && /^describe\b/.test(call.expression.getText());
}

const functionLength: Rule = (source) =>
  judged(source, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return undefined;
    if (groupsTests(node)) return undefined;
    const end = source.tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
    const lines = end - lineOf(source.tree, node) + 1;
    if (lines <= FUNCTION_LINES_MAX) return undefined;
    return `function has ${lines} lines, at most ${FUNCTION_LINES_MAX}`;
  });

const noAny: Rule = (source) =>
  judged(source, (node) =>
    node.kind === ts.SyntaxKind.AnyKeyword ? "`any`: use `unknown` or the type" : undefined,
  );

const noDefaultExport: Rule = (source) => {
  if (source.path.endsWith(".config.ts")) return [];
  return judged(source, (node) => {
    const renamed = ts.isExportSpecifier(node) && node.name.text === "default";
    const exported = ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword;
    return exported || renamed ? "default export: export by name" : undefined;
  });
};

/** Silencing the compiler hides the next error too; the asc decorators have no other way. */
const noSilencing: Rule = ({ path, text }) => {
  const complaints: Complaint[] = [];
  for (const [number, line] of numbered(text)) {
    if (!/^\s*(\/\/|\*|\/\*).*@ts-(ignore|nocheck|expect-error)/.test(line)) continue;
    if (path.startsWith("assembly/") && line.trim() === "// @ts-ignore: decorator") continue;
    complaints.push([number, "compiler silenced: fix the type"]);
  }
  return complaints;
};

const SUITE = /^(test|it|describe|suite|bench)$/;
const CONDITIONAL = "test/support/requirement.ts";

/** True for `test.skipIf(need.skip)` in a file that has `need` from the requirement's module. */
function statesNeed(source: Source, node: ts.PropertyAccessExpression): boolean {
  if (!ts.isCallExpression(node.parent) || node.name.text !== "skipIf") return false;
  const [condition] = node.parent.arguments;
  const stated = condition !== undefined && /^\w+\.skip$/.test(condition.getText());
  const names = importsOf(source.tree).map(([, name]) => resolved(source.path, name));
  return stated && names.includes(CONDITIONAL);
}

const noSkippedTests: Rule = (source) =>
  judged(source, (node) => {
    if (ts.isCallExpression(node) && /^([xf](it|test|describe))$/.test(node.expression.getText())) {
      return `${node.expression.getText()}: every test runs`;
    }
    if (!ts.isPropertyAccessExpression(node)) return undefined;
    const root = node.expression.getText();
    if (!SUITE.test(root.split(".")[0] as string)) return undefined;
    const name = node.name.text;
    if (/^(only|skip|todo|fails)$/.test(name)) return `${root}.${name}: every test runs`;
    if (!/^(skipIf|runIf)$/.test(name) || statesNeed(source, node)) return undefined;
    return `${root}.${name}: state the need through ${CONDITIONAL}`;
  });

/** Sources of time, chance and the outside world, and what takes their place. */
const BANNED_GLOBALS: Readonly<Record<string, string>> = {
  setTimeout: "return a deadline",
  setInterval: "return a deadline",
  setImmediate: "return a deadline",
  requestAnimationFrame: "return a deadline",
  Date: "take `now`",
  performance: "take `now`",
  crypto: "take entropy as an argument",
  process: "take options",
  Buffer: "use Uint8Array and DataView",
  require: "import at the top",
  globalThis: "take what you need as an argument",
  Deno: "platform code belongs in bindings/",
  fetch: "platform code belongs in bindings/",
  console: "return or count what happened",
};

function declaredNames(tree: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  walk(tree, (node) => {
    const declares =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isImportSpecifier(node) ||
      ts.isBindingElement(node) ||
      ts.isImportClause(node);
    if (declares && node.name !== undefined && ts.isIdentifier(node.name))
      names.add(node.name.text);
  });
  return names;
}

/** True for an identifier that names a value or type in scope, not a member of something. */
function standsAlone(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  const member =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isGetAccessor(parent) ||
    ts.isSetAccessor(parent) ||
    ts.isEnumMember(parent);
  return !(member && parent.name === node);
}

const noBannedGlobals: Rule = (source) => {
  if (!/^(host|assembly|bindings\/abi)\//.test(source.path)) return [];
  const own = declaredNames(source.tree);
  return judged(source, (node) => {
    if (ts.isPropertyAccessExpression(node) && node.getText() === "Math.random") {
      return "Math.random: take a seeded generator";
    }
    if (!ts.isIdentifier(node) || own.has(node.text) || !standsAlone(node)) return undefined;
    if (!Object.hasOwn(BANNED_GLOBALS, node.text)) return undefined;
    return `${node.text}: ${BANNED_GLOBALS[node.text]}`;
  });
};

/** What the data path must not contain, by kind of syntax. */
const ASSEMBLY_KINDS = new Map<ts.SyntaxKind, string>([
  [ts.SyntaxKind.NewExpression, "`new`: memory comes from the map"],
  [ts.SyntaxKind.ArrayLiteralExpression, "array: memory comes from the map"],
  [ts.SyntaxKind.ObjectLiteralExpression, "object: memory comes from the map"],
  [ts.SyntaxKind.ArrowFunction, "closure: name the function"],
  [ts.SyntaxKind.FunctionExpression, "closure: name the function"],
  [ts.SyntaxKind.TemplateExpression, "string: no strings in the data path"],
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral, "string: no strings in the data path"],
  [ts.SyntaxKind.ThrowStatement, "exception: count a drop or assert"],
  [ts.SyntaxKind.TryStatement, "exception: count a drop or assert"],
]);

/**
 * Times and byte counts cross to the host as f64 and are converted there; nothing else touches a
 * float. That they are only converted is read from the binary (wasm-module.test.ts).
 */
const FLOAT_EDGES = [
  /^assembly\/(core-exports|index|laminar|modelled|rmt|testing|workers)\.ts$/,
  // Calls the exports of a core, which take times.
  /^assembly\/fuzz\/(core-imports|operations|step|hostile)\.ts$/,
  /^assembly\/nic\/(connection|inspect)\.ts$/,
];

/** A string may only be a message that no build contains: assert's, ERROR's, an import's. */
function isMessage(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)) return true;
  return (
    ts.isCallExpression(parent) &&
    /^(assert|ERROR|INFO|WARNING|offsetof<\w+>|offsetof)$/.test(parent.expression.getText())
  );
}

function assemblyComplaint(path: string, node: ts.Node): string | undefined {
  const kind = ASSEMBLY_KINDS.get(node.kind);
  if (kind !== undefined) return kind;
  if (ts.isStringLiteral(node) && !isMessage(node)) return "string: no strings in the data path";
  if (ts.isVariableStatement(node) && ts.isSourceFile(node.parent)) {
    const constant = (node.declarationList.flags & ts.NodeFlags.Const) !== 0;
    return constant ? undefined : "module state: keep it in the map, pass the address";
  }
  if (ts.isWhileStatement(node) && node.expression.getText() === "true")
    return "loop without bound";
  if (ts.isForStatement(node) && node.condition === undefined) return "loop without bound";
  if (ts.isTypeReferenceNode(node) && /^f(32|64)$/.test(node.getText())) {
    return FLOAT_EDGES.some((edge) => edge.test(path))
      ? undefined
      : "float: convert it at the edge of the module";
  }
  return undefined;
}

const assemblySubset: Rule = (source) => {
  if (!source.path.startsWith("assembly/")) return [];
  return judged(source, (node) => assemblyComplaint(source.path, node));
};

/** Unused imports; tsc says so everywhere else. */
const noUnusedImports: Rule = ({ path, tree }) => {
  if (!path.startsWith("assembly/")) return [];
  const imported = new Map<string, number>();
  const used = new Set<string>();
  walk(tree, (node) => {
    const names = ts.isImportSpecifier(node) || ts.isNamespaceImport(node);
    if (names) imported.set(node.name.text, lineOf(tree, node));
    else if (ts.isIdentifier(node) && !ts.isImportSpecifier(node.parent)) {
      if (!ts.isNamespaceImport(node.parent)) used.add(node.text);
    }
  });
  const unused = [...imported].filter(([name]) => !used.has(name));
  return unused.map(([name, line]) => [line, `unused import ${name}`]);
};

const COMPARISONS = new Set([
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
]);

/** Expressions that both compilers evaluate alike on u32. */
function contractExpression(node: ts.Node): string | undefined {
  if (ts.isParenthesizedExpression(node)) return contractExpression(node.expression);
  if (ts.isNumericLiteral(node) || ts.isIdentifier(node)) return undefined;
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    return node.arguments.map(contractExpression).find((complaint) => complaint !== undefined);
  }
  if (!ts.isBinaryExpression(node)) return `outside the shared subset: ${node.getText()}`;
  if (COMPARISONS.has(node.operatorToken.kind)) {
    return `signed comparison: write it with >>>: ${node.getText()}`;
  }
  return contractExpression(node.left) ?? contractExpression(node.right);
}

const portable = (type: ts.TypeNode | undefined): boolean =>
  /^(u8|u16|u32|bool)$/.test(type?.getText() ?? "");

function contractFunction(node: ts.FunctionDeclaration): string | undefined {
  const types = [node.type, ...node.parameters.map((parameter) => parameter.type)];
  if (!types.every(portable)) return "parameters and result must be u8, u16, u32 or bool";
  const [statement, ...more] = node.body?.statements ?? [];
  if (statement === undefined || more.length > 0 || !ts.isReturnStatement(statement)) {
    return "a shared function is one return statement";
  }
  if (!/>>>/.test(statement.getText())) return "a shared function forces u32 with >>>";
  return statement.expression === undefined ? undefined : contractExpression(statement.expression);
}

function contractStatement(node: ts.Statement): string | undefined {
  if (ts.isImportDeclaration(node)) return undefined;
  const flags = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  if (ts.isEnumDeclaration(node)) {
    const constant = flags.some((flag) => flag.kind === ts.SyntaxKind.ConstKeyword);
    return constant ? undefined : "outside the shared subset: write `const enum`";
  }
  if (ts.isFunctionDeclaration(node)) return contractFunction(node);
  if (!ts.isVariableStatement(node)) return "outside the shared subset";
  if ((node.declarationList.flags & ts.NodeFlags.Const) === 0) return "a shared constant is const";
  for (const declaration of node.declarationList.declarations) {
    if (declaration.type?.getText() !== "u32") return "a shared constant is u32";
    if (!/^[A-Z][A-Z0-9_]*$/.test(declaration.name.getText())) return "constants: UPPER_CASE";
    const value = declaration.initializer;
    return value === undefined ? "a shared constant has a value" : contractExpression(value);
  }
  return undefined;
}

/** The contract is what asc, tsc and vitest read the same way. */
const contractSubset: Rule = ({ path, tree }) => {
  if (!path.startsWith("bindings/abi/") || path.endsWith(".d.ts")) return [];
  return tree.statements.flatMap((node): Complaint[] => {
    const message = contractStatement(node);
    return message === undefined ? [] : [[lineOf(tree, node), message]];
  });
};

const RULES: readonly Rule[] = [
  fileName,
  fileLength,
  header,
  functionLength,
  noAny,
  noDefaultExport,
  noSilencing,
  noSkippedTests,
  noBannedGlobals,
  assemblySubset,
  noUnusedImports,
  contractSubset,
  importErrors,
];

/** Every rule over one file. */
export function tidyErrors(path: string, text: string): string[] {
  const errors = textErrors(path, text);
  if (!isCode(path)) return errors;
  const source = parse(path, text);
  for (const rule of RULES) {
    for (const [line, message] of rule(source)) errors.push(`${path}:${line}: ${message}`);
  }
  return errors;
}
