/**
 * A core of the instrumented build: every call says how many instructions it executed, by account,
 * and which addresses it touched. The stages are those of build/flextoe.modelled.wasm, counted in
 * memory when they are loaded.
 */
import { type Core, type CoreExports, createCore } from "../../bindings/core.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { counterName, instrument, TRACE_AT, TRACE_END } from "./instrument.ts";
import { type Width, WIDTHS } from "./wasm-format.ts";

/** Whose work an instruction is. */
export enum Account {
  /** The stage's own. */
  Control = 0,
  /** Checksums and copies of payload: a NIC's MAC and DMA engine do them. */
  Payload = 1,
  /** The search in the connection database: a lookup engine does it. */
  Lookup = 2,
  /** Lists of the time wheel: a queue engine keeps them. */
  Wheel = 3,
}
export const ACCOUNTS = 4;

const PAYLOAD = /base\/(checksum\/(sumWords|copyAndSum|copyAndSumFew|sumFew)|bytes\/copyBytes)$/;
const LOOKUP = /(connection-database\/(find|hash)\w*|base\/hash\/\w+)$/;
const WHEEL = /base\/timer-wheel\/\w+$/;

function accountOf(name: string): number {
  if (PAYLOAD.test(name)) return Account.Payload;
  if (WHEEL.test(name)) return Account.Wheel;
  return LOOKUP.test(name) ? Account.Lookup : Account.Control;
}

/** What the modelled build exports beyond CoreExports (assembly/modelled.ts). */
export interface StageExports extends CoreExports {
  setNow(core: number, now: number): void;
  stageNetif(core: number, work: number, entry: number): void;
  stagePre(core: number, work: number): void;
  stageTurn(core: number, work: number, connection: number, kind: number): void;
  stageProtocol(core: number, work: number): void;
  stagePost(core: number, work: number): void;
  stageDma(core: number, work: number): void;
  stageNotify(core: number, work: number): void;
  pendingDescriptors(core: number, context: number): number;
  fetchDescriptor(core: number, context: number, work: number): void;
  deliverNotifications(core: number): number;
  stageSchedule(core: number, work: number): void;
  gatherTurns(core: number): number;
  nextTurn(core: number): number;
  paceSegment(core: number, connection: number, work: number): void;
  advanceTimers(core: number, most: number): number;
  expireTimer(core: number, index: number): number;
}

/** The module of a build with counting and tracing; of the modelled build, or of one like it. */
export function countedModule(binary: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(instrument(binary, { accounts: ACCOUNTS, accountOf, trace: true }));
}

export interface CountedOptions {
  /** From countedModule(). */
  readonly module: WebAssembly.Module;
  readonly hashKey: readonly [bigint, bigint];
  readonly layout?: Partial<LayoutOptions>;
  /** Bytes that the executor wants for itself, beside the application's registered buffers. */
  readonly reserve: number;
}

/** Addresses that one execution may leave: more than the largest frame's copy needs. */
const TRACE_WORDS = 8192;

/** A core whose calls are counted. */
export class CountedCore {
  readonly core: Core;
  readonly exports: StageExports;
  /** First byte of the memory reserved for the executor. */
  readonly reserved: number;
  /** Executed since count() began: [account * WIDTHS + width - 1]. */
  readonly executed = new Uint32Array(ACCOUNTS * WIDTHS);
  readonly #counters: readonly WebAssembly.Global[];
  readonly #before = new Uint32Array(ACCOUNTS * WIDTHS);
  readonly #at: WebAssembly.Global;
  readonly #trace: number;

  constructor(options: CountedOptions) {
    const mine = (options.reserve + TRACE_WORDS * 4 + 127) & ~127;
    const theirs = options.layout?.bufferBytes ?? 0;
    const layout = { ...options.layout, bufferBytes: theirs + mine };
    this.core = createCore({ module: options.module, hashKey: options.hashKey, layout });
    this.exports = this.core.exports as StageExports;
    const globals = this.core.exports as unknown as Readonly<Record<string, WebAssembly.Global>>;
    const global = (name: string): WebAssembly.Global => {
      const found = globals[name];
      if (found === undefined) throw new Error(`modelled: expected a counted build, no "${name}"`);
      return found;
    };
    const names = Array.from({ length: ACCOUNTS * WIDTHS }, (_, i) =>
      counterName(Math.floor(i / WIDTHS), ((i % WIDTHS) + 1) as Width),
    );
    this.#counters = names.map(global);
    this.#at = global(TRACE_AT);
    const base = this.core.map.base.buffers as number;
    // Registered buffers are given out from the start: ours count as given.
    this.core.words[(this.core.address + M.CORE_BUFFERS_USED) >>> 2] = mine;
    this.#trace = base;
    this.reserved = base + TRACE_WORDS * 4;
    global(TRACE_END).value = this.#trace + TRACE_WORDS * 4;
    this.#at.value = global(TRACE_END).value;
  }

  word(offset: number): number {
    return this.core.words[(this.core.address + offset) >>> 2] as number;
  }

  setWord(offset: number, value: number): void {
    this.core.words[(this.core.address + offset) >>> 2] = value;
  }

  /** Runs a call and counts it; the addresses that it touched, valid until the next. */
  count(call: () => void): Uint32Array {
    this.#at.value = this.#trace;
    const before = this.#before;
    for (let i = 0; i < before.length; i += 1) {
      before[i] = (this.#counters[i] as WebAssembly.Global).value as number;
    }
    call();
    for (let i = 0; i < before.length; i += 1) {
      const now = (this.#counters[i] as WebAssembly.Global).value as number;
      this.executed[i] = now - (before[i] as number);
    }
    const end = (this.#at.value as number) >>> 2;
    // Nothing is traced between counted calls.
    this.#at.value = this.#trace + TRACE_WORDS * 4;
    return this.core.words.subarray(this.#trace >>> 2, end);
  }
}
