/**
 * I10 of each connection: the chunks and logs that it has are at most what its buffers and its
 * records may take, each is its own alone, and what the connections, the free lists and a shortage
 * have together is all that there is, at any time and not only at the end.
 */
import * as F from "../../../bindings/abi/flow-state.ts";
import { OOO_INTERVALS_OWN } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { LOG_SIZE } from "../../../bindings/abi/send-log.ts";
import type { Core } from "../../../bindings/core.ts";
import type { Withheld } from "../shortages.ts";
import { FlowRow } from "./flow-row.ts";

/** The list of a buffer, and one chunk more for bytes that begin within another. */
const BESIDE = 2;

/** Of those that no connection has. */
const NOBODY = 0;
const UNKNOWN = -2;
const SHORTAGE = -1;
const LOG_SHIFT = Math.log2(LOG_SIZE);

/** Entries of one size, and whose each is. */
class Pool {
  readonly #what: string;
  readonly #base: number;
  readonly #shift: number;
  readonly #owners: Int32Array;
  readonly #wrong: string[] = [];
  #known = 0;

  constructor(what: string, base: number, shift: number, count: number) {
    this.#what = what;
    this.#base = base;
    this.#shift = shift;
    this.#owners = new Int32Array(count).fill(UNKNOWN);
  }

  add(addresses: ArrayLike<number>, owner: number): void {
    for (let i = 0; i < addresses.length; i += 1) {
      const index = ((addresses[i] as number) - this.#base) / 2 ** this.#shift;
      const before = this.#owners[index];
      if (before === UNKNOWN) this.#known += 1;
      else this.#wrong.push(`${this.#what} ${index} of ${owner} is ${before ?? "none"}'s`);
      this.#owners[index] = owner;
    }
  }

  /** What is wrong with all of them together. */
  end(): string[] {
    const all = this.#owners.length;
    if (this.#known === all) return this.#wrong;
    return [...this.#wrong, `${this.#known} of ${all} ${this.#what}s are known`];
  }
}

/** What an end may have of a buffer of 2^shift bytes. */
function most(shift: number, chunkShift: number): number {
  return 2 ** Math.max(0, shift - chunkShift) + BESIDE;
}

/** Chunks of a buffer, its list among them. */
function chunksOf(core: Core, list: number, slots: number): number[] {
  const empty = core.words[(core.address + M.CORE_EMPTY_LIST) >>> 2];
  if (list === 0 || list === empty) return [];
  const held = core.words.subarray(list >>> 2, (list >>> 2) + slots + 1).filter((at) => at !== 0);
  return slots === 0 ? [...held] : [list, ...held];
}

/** Notes both buffers; what is wrong with them. */
function lookAtBuffers(core: Core, row: FlowRow, chunks: Pool): string {
  const chunkShift = core.words[(core.address + M.CORE_CHUNK_SHIFT) >>> 2] as number;
  const rxShift = row.p8(F.PROTOCOL_RX_SHIFT);
  const slots = row.post(F.POST_RX_SLOTS);
  const rx = rxShift === 0 ? [] : chunksOf(core, row.post(F.POST_RX_LIST), slots);
  const sends = row.isInstalled;
  const tx = sends ? chunksOf(core, row.post(F.POST_TX_LIST), row.post(F.POST_TX_SLOTS)) : [];
  chunks.add(rx, row.connection);
  chunks.add(tx, row.connection);
  const rxMost = slots === 0 ? 1 : most(rxShift, chunkShift);
  const txMost = most(row.p8(F.PROTOCOL_TX_SHIFT), chunkShift);
  if (rx.length <= rxMost && tx.length <= txMost) return "";
  const counts = `${rx.length} + ${tx.length} chunks of ${rxMost} + ${txMost}`;
  return `connection ${row.connection} has ${counts}`;
}

/** A send log, and a log of intervals. */
function logsOf(row: FlowRow): number[] {
  const log = row.r(F.RECOVERY_LOG);
  const isMany = row.r8(F.RECOVERY_INTERVAL_COUNT) > OOO_INTERVALS_OWN;
  return [...(log === 0 ? [] : [log]), ...(isMany ? [row.r(F.RECOVERY_INTERVALS)] : [])];
}

/** The free ones of a pool. */
function freeOnes({ words, address }: Core, list: number, count: number): Uint32Array {
  const at = (words[(address + list) >>> 2] as number) >>> 2;
  return words.subarray(at, at + (words[(address + count) >>> 2] as number));
}

/** What is wrong with the memory of a core's connections; "" when nothing is. */
export function connectionMemory(core: Core, withheld: Withheld): string {
  const { words, address } = core;
  const word = (offset: number): number => words[(address + offset) >>> 2] as number;
  const chunks = new Pool(
    "chunk",
    word(M.CORE_ARENA),
    word(M.CORE_CHUNK_SHIFT),
    word(M.CORE_CHUNKS),
  );
  const logs = new Pool("log", word(M.CORE_LOG_BASE), LOG_SHIFT, word(M.CORE_LOGS));
  chunks.add(freeOnes(core, M.CORE_CHUNK_FREE, M.CORE_CHUNK_FREE_COUNT), NOBODY);
  logs.add(freeOnes(core, M.CORE_LOG_FREE, M.CORE_LOG_FREE_COUNT), NOBODY);
  chunks.add(withheld.chunks, SHORTAGE);
  logs.add(withheld.logs, SHORTAGE);
  const wrong: string[] = [];
  for (let id = 1; id < word(M.CORE_CONNECTIONS); id += 1) {
    const row = new FlowRow(core, id);
    if (row.p8(F.PROTOCOL_RX_SHIFT) === 0 && !row.isInstalled) continue;
    const text = lookAtBuffers(core, row, chunks);
    if (text !== "") wrong.push(text);
    if (row.isInstalled) logs.add(logsOf(row), id);
  }
  wrong.push(...chunks.end(), ...logs.end());
  return wrong.slice(0, 3).join(", ");
}
