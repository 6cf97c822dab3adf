/**
 * The control plane's own context queue: descriptors on context 0 (AtxOpcode.*). What does not fit
 * the ring waits in a bounded overflow and goes first at the next drain(), so that commands keep
 * their order.
 */
import type { ControlCore } from "./core-calls.ts";
import {
  ATX_ARGUMENT,
  ATX_CONNECTION,
  ATX_FLAGS,
  ATX_GENERATION,
  ATX_OPCODE,
  ATX_RX_CREDIT,
  ATX_SIZE,
  ATX_TX_APPEND,
  CONTEXT_ATX_BASE,
  CONTEXT_ATX_CONSUMER,
  CONTEXT_ATX_MASK,
  CONTEXT_ATX_PRODUCER,
  type AtxOpcode,
} from "../../bindings/abi/descriptor.ts";
import { CORE_CONTEXT_TABLE } from "../../bindings/abi/memory-map.ts";

/** Commands that may wait: four for each connection of a default stack. */
const OVERFLOW = 4096;
/** Words of a waiting command: connection, generation, opcode, argument low and high, flags. */
const WORDS = 6;

export class CommandQueue {
  readonly #core: ControlCore;
  /** Index of context 0's record in words. */
  readonly #record: number;
  readonly #waiting = new Uint32Array(OVERFLOW * WORDS);
  #head = 0;
  #count = 0;

  readonly #attention: { due: boolean };

  /** `attention.due` is set when a command has to wait. */
  constructor(core: ControlCore, attention: { due: boolean }) {
    this.#attention = attention;
    this.#core = core;
    this.#record = (core.words[(core.address + CORE_CONTEXT_TABLE) >>> 2] as number) >>> 2;
  }

  /** Commands that wait for room in the ring. */
  get waiting(): number {
    return this.#count;
  }

  /** Sends a command; false when ring and overflow are full. */
  push(
    connection: number,
    generation: number,
    opcode: AtxOpcode,
    low: number = 0,
    high: number = 0,
    flags: number = 0,
  ): boolean {
    const isFirst = this.#count === 0;
    if (isFirst && this.#write(connection, generation, opcode, low, high, flags)) return true;
    if (this.#count === OVERFLOW) return false;
    const at = ((this.#head + this.#count) % OVERFLOW) * WORDS;
    const waiting = this.#waiting;
    waiting[at] = connection;
    waiting[at + 1] = generation;
    waiting[at + 2] = opcode;
    waiting[at + 3] = low;
    waiting[at + 4] = high;
    waiting[at + 5] = flags;
    this.#count += 1;
    this.#attention.due = true;
    return true;
  }

  /** Moves waiting commands into the ring, as many as fit. */
  drain(): void {
    while (this.#count > 0) {
      const at = this.#head * WORDS;
      const [connection = 0, generation = 0, opcode = 0, low = 0, high = 0, flags = 0] =
        this.#waiting.subarray(at, at + WORDS);
      if (!this.#write(connection, generation, opcode, low, high, flags)) return;
      this.#head = (this.#head + 1) % OVERFLOW;
      this.#count -= 1;
    }
  }

  #write(
    connection: number,
    generation: number,
    opcode: number,
    low: number,
    high: number,
    flags: number,
  ): boolean {
    const words = this.#core.words;
    const record = this.#record;
    const producer = words[record + CONTEXT_ATX_PRODUCER / 4] as number;
    const consumer = words[record + CONTEXT_ATX_CONSUMER / 4] as number;
    const mask = words[record + CONTEXT_ATX_MASK / 4] as number;
    if ((producer - consumer) >>> 0 > mask) return false;
    const base = words[record + CONTEXT_ATX_BASE / 4] as number;
    const at = (base + ((producer & mask) >>> 0) * ATX_SIZE) >>> 2;
    words[at + ATX_CONNECTION / 4] = connection;
    words[at + ATX_GENERATION / 4] = generation;
    words[at + ATX_OPCODE / 4] = opcode;
    words[at + ATX_RX_CREDIT / 4] = 0;
    words[at + ATX_TX_APPEND / 4] = 0;
    words[at + ATX_FLAGS / 4] = flags;
    words[at + ATX_ARGUMENT / 4] = low;
    words[at + ATX_ARGUMENT / 4 + 1] = high;
    words[record + CONTEXT_ATX_PRODUCER / 4] = producer + 1;
    return true;
  }
}
