/**
 * Writes the contract's constants into the code that uses them. An imported binding is a cell that
 * V8 reads, checks and unpacks at every use: nine instructions where a literal costs none, and no
 * folding of what is computed from it. In the RPC benchmark that was a third of all JavaScript
 * executed. Sources keep their names; so does the output, in a comment behind each number.
 *
 * A name is replaced when it is UPPER_CASE, bound by an import or by `export const`, nowhere
 * declared again in the file, and an integer; `Enum.Member` when Enum is one of bindings/abi or
 * ERRNO. The modules that export them are run to learn the values.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";

const CONSTANT = /^[A-Z][A-Z0-9_]*$/;
/** Modules whose exported objects are tables of numbers that nobody changes. */
const TABLES = /\/bindings\/abi\/|\/host\/errors\.js$/;
/** Programs, and modules of one platform: not run to learn what they export. */
const UNLOADED = /\/(bench|examples|test)\/|\/bindings\/[^/]*\.js$/;

async function load(path) {
  if (UNLOADED.test(path)) return {};
  return import(pathToFileURL(path).href);
}

const isInteger = (value) => Number.isSafeInteger(value);
const literal = (value, name) => `${value < 0 ? `(${value})` : value} /* ${name} */`;

/** Names bound to constants: local name to number, and local name to a table of numbers. */
class Bindings {
  numbers = new Map();
  tables = new Map();

  add(local, value, isTable) {
    if (isInteger(value) && CONSTANT.test(local)) this.numbers.set(local, value);
    else if (isTable && typeof value === "object" && value !== null) this.tables.set(local, value);
  }
}

async function bindImport(bindings, statement, path) {
  const { importClause, moduleSpecifier } = statement;
  const named = importClause?.namedBindings;
  if (named === undefined || !moduleSpecifier.text.startsWith(".")) return;
  const from = resolve(dirname(path), moduleSpecifier.text);
  const exported = await load(from);
  if (ts.isNamespaceImport(named)) {
    bindings.tables.set(named.name.text, exported);
    return;
  }
  for (const { name, propertyName } of named.elements) {
    bindings.add(name.text, exported[(propertyName ?? name).text], TABLES.test(from));
  }
}

function isExported(statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
}

async function bindingsOf(file, path) {
  const bindings = new Bindings();
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) await bindImport(bindings, statement, path);
    if (!ts.isVariableStatement(statement) || !isExported(statement)) continue;
    if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) continue;
    const own = await load(path);
    for (const { name } of statement.declarationList.declarations) {
      if (ts.isIdentifier(name)) bindings.add(name.text, own[name.text], false);
    }
  }
  return bindings;
}

/** Names declared below the top level, which would hide an import: those are left alone. */
function hiddenNames(file) {
  const hidden = new Set();
  const visit = (node, depth) => {
    const declares = ts.isVariableDeclaration(node) || ts.isParameter(node);
    if (declares && depth > 0 && ts.isIdentifier(node.name)) hidden.add(node.name.text);
    const deeper = ts.isFunctionLike(node) || ts.isBlock(node) ? depth + 1 : depth;
    ts.forEachChild(node, (child) => visit(child, deeper));
  };
  visit(file, 0);
  return hidden;
}

/** Places where an identifier is a name and not a value. */
function isName(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) {
    return parent.name === node;
  }
  return (
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isNamespaceImport(parent) ||
    ts.isBindingElement(parent)
  );
}

function editOf(node, bindings, hidden) {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const { expression, name } = node;
    const table = hidden.has(expression.text) ? undefined : bindings.tables.get(expression.text);
    const value = table?.[name.text];
    if (!isInteger(value)) return undefined;
    return { node, text: literal(value, `${expression.text}.${name.text}`) };
  }
  if (!ts.isIdentifier(node) || isName(node) || hidden.has(node.text)) return undefined;
  const value = bindings.numbers.get(node.text);
  if (value === undefined) return undefined;
  const short = ts.isShorthandPropertyAssignment(node.parent);
  return { node, text: `${short ? `${node.text}: ` : ""}${literal(value, node.text)}` };
}

/** The text of one module with its constants in place. `path` is absolute. */
export async function inlined(path) {
  const text = readFileSync(path, "utf8");
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const bindings = await bindingsOf(file, path);
  const hidden = hiddenNames(file);
  const edits = [];
  const visit = (node) => {
    const edit = editOf(node, bindings, hidden);
    if (edit !== undefined) edits.push(edit);
    else ts.forEachChild(node, visit);
  };
  visit(file);
  let result = text;
  for (const { node, text: replacement } of edits.reverse()) {
    result = result.slice(0, node.getStart(file)) + replacement + result.slice(node.end);
  }
  return result;
}

/** Every output of `from` (absolute), with its constants in place, to `to`. */
export async function inlineConstants(from, to, paths) {
  for (const path of paths) {
    const target = join(to, path);
    mkdirSync(dirname(target), { recursive: true });
    if (path.endsWith(".js")) writeFileSync(target, await inlined(join(from, path)));
    else copyFileSync(join(from, path), target);
  }
}
