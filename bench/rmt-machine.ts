/**
 * TCP's stage program in each of its forms: stage by stage and fused, as the build has compiled
 * them, and emitted when it is loaded.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { extendProgram } from "../host/rmt/extend-program.ts";
import type { Program } from "../host/rmt/program.ts";
import { type MatchCode, type ProgramCode, ProgramMachine } from "../host/rmt/program-machine.ts";
import { readProgram } from "../host/rmt/read-program.ts";
import { repositoryRoot } from "./harness.ts";

export type Form = "stagewise" | "fused" | "emitted";
export const FORMS: readonly Form[] = ["stagewise", "fused", "emitted"];

/** Of build/rmt.wasm. */
interface Exports extends MatchCode {
  egressStagewise(vector: number, state: number): void;
  egressFused(vector: number, state: number): void;
  ingressStagewise(vector: number, state: number): void;
  ingressFused(vector: number, state: number): void;
  parse(vector: number, packet: number, bytes: number): number;
  deparseAcknowledgment(vector: number, header: number): void;
}

/** The text of a program of assembly/laminar. */
export function programText(name: string): string {
  return readFileSync(join(repositoryRoot(), "assembly/laminar/programs", `${name}.rmt`), "utf8");
}

/** The text of an extension of assembly/laminar. */
export function extensionText(name: string): string {
  return readFileSync(join(repositoryRoot(), "assembly/laminar/extensions", `${name}.rmt`), "utf8");
}

/** TCP's program with an extension. */
export function extendedText(extension: string): string {
  return extendProgram(programText("tcp"), `${extension}.rmt`, extensionText(extension));
}

let read: Program | undefined;

function tcpProgram(): Program {
  read ??= readProgram("tcp.rmt", programText("tcp"));
  return read;
}

/** build/rmt.wasm over a memory. */
export function laminarOver(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
  const abort = (): never => {
    throw new Error("assertion failed");
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, table, abort } });
  return instance.exports as unknown as Exports;
}

function codeOf(exports: Exports, form: Form): ProgramCode {
  const { parse, ingressStagewise, egressStagewise, ingressFused, egressFused } = exports;
  const shared = { parse, deparse_acknowledgment: exports.deparseAcknowledgment };
  return form === "stagewise"
    ? { ...shared, ingress: ingressStagewise, egress: egressStagewise }
    : { ...shared, ingress: ingressFused, egress: egressFused };
}

/** TCP's program with memory of its own; `most` bounds its rows and entries. */
export class RmtMachine extends ProgramMachine {
  /** `program`: that which `module` was built from. */
  constructor(module: WebAssembly.Module, form: Form, most = 16, program = tcpProgram()) {
    const match = (memory: WebAssembly.Memory): MatchCode => laminarOver(module, memory);
    const code = (memory: WebAssembly.Memory): ProgramCode =>
      codeOf(laminarOver(module, memory), form);
    super(program, { match, most, ...(form === "emitted" ? {} : { code }) });
  }
}
