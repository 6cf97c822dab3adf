/**
 * Failed allocations from outside: for a while everything of a pool that is free and promised to
 * nobody is taken, so that whoever asks next is refused, and later it is given back. Chunks of the
 * arena, logs, and descriptors of sockets: what a stack takes after its start.
 */
import * as M from "../../bindings/abi/memory-map.ts";
import { AF_INET } from "../../host/libtoe/constants.ts";
import type { Stack } from "../../host/stack.ts";
import type { ShortagePlan } from "./plan.ts";

/** What a shortage has of a host. */
export interface Withheld {
  /** Addresses. */
  readonly chunks: number[];
  readonly logs: number[];
  readonly descriptors: number[];
}

/** Takes the topmost of a stack of free ones, all but `kept`. */
function take({ words, address }: Stack["core"], list: number, count: number, kept: number) {
  const at = (address + count) >>> 2;
  const free = words[at] as number;
  const from = ((words[(address + list) >>> 2] as number) >>> 2) + kept;
  words[at] = kept;
  return words.slice(from, from + free - kept);
}

function give(
  { words, address }: Stack["core"],
  list: number,
  count: number,
  held: number[],
): void {
  const at = (address + count) >>> 2;
  const free = words[at] as number;
  words.set(held, ((words[(address + list) >>> 2] as number) >>> 2) + free);
  words[at] = free + held.length;
  held.length = 0;
}

export class Shortages {
  readonly #stacks: readonly Stack[];
  readonly #withheld: Withheld[];

  constructor(stacks: readonly Stack[]) {
    this.#stacks = stacks;
    this.#withheld = stacks.map(() => ({ chunks: [], logs: [], descriptors: [] }));
  }

  of(host: number): Withheld {
    return this.#withheld[host] as Withheld;
  }

  begin({ host, pool }: ShortagePlan): void {
    const { core, toe } = this.#stacks[host] as Stack;
    const { chunks, logs, descriptors } = this.of(host);
    if (pool === "chunks") {
      const reserved = core.words[(core.address + M.CORE_CHUNK_RESERVED) >>> 2] as number;
      chunks.push(...take(core, M.CORE_CHUNK_FREE, M.CORE_CHUNK_FREE_COUNT, reserved));
    } else if (pool === "logs") {
      logs.push(...take(core, M.CORE_LOG_FREE, M.CORE_LOG_FREE_COUNT, 0));
    } else {
      for (let fd = toe.socket(AF_INET); fd >= 0; fd = toe.socket(AF_INET)) descriptors.push(fd);
    }
  }

  /** Gives everything back that a host is short of. */
  end(host: number): void {
    const { core, toe } = this.#stacks[host] as Stack;
    const { chunks, logs, descriptors } = this.of(host);
    give(core, M.CORE_CHUNK_FREE, M.CORE_CHUNK_FREE_COUNT, chunks);
    give(core, M.CORE_LOG_FREE, M.CORE_LOG_FREE_COUNT, logs);
    for (const fd of descriptors.splice(0)) toe.close(fd);
  }
}
