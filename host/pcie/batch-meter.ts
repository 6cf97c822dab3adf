/**
 * What a poll of the batch executor would have cost on an interconnect, out of counters that the
 * core keeps anyway: no crossing, no look at a segment. Counters are read as 32-bit words, whose
 * difference over one poll is right modulo 2^32.
 */
import { COUNTERS, Counter } from "../../bindings/abi/counters.ts";
import { CONTEXT_ATX_CONSUMER } from "../../bindings/abi/descriptor.ts";
import type { Interconnect, Operation } from "./interconnect.ts";

/** Operation, counter of its times, counter of its bytes. */
const ROWS: readonly (readonly [Operation, Counter, Counter?])[] = [
  ["doorbell", Counter.Doorbells],
  ["notify", Counter.Notifications],
  ["consume", Counter.NotificationReads],
  ["interrupt", Counter.Interrupts],
  ["payloadIn", Counter.DataSegmentsIn, Counter.CopiedIn],
  ["payloadOut", Counter.DataSegmentsOut, Counter.CopiedOut],
  ["frameIn", Counter.Redirects, Counter.RedirectedBytes],
  ["frameOut", Counter.ControlFramesOut, Counter.ControlBytesOut],
  ["install", Counter.Installs],
  ["inspect", Counter.Inspections],
];

/** The part of a core that is read: bindings/core.ts has it. */
interface CounterMemory {
  readonly words: Uint32Array;
  readonly map: { readonly base: Readonly<Record<string, number>> };
}

export class BatchMeter {
  readonly #interconnect: Interconnect;
  readonly #words: Uint32Array;
  /** Word index of counter 0, and of the control plane's ATX consumer index. */
  readonly #counters: number;
  readonly #commands: number;
  /** Low words of the counters, and the index, as of the last poll. */
  readonly #last: Uint32Array;
  #lastCommand: number;

  constructor(core: CounterMemory, interconnect: Interconnect) {
    this.#interconnect = interconnect;
    this.#words = core.words;
    this.#counters = (core.map.base.counters as number) >>> 2;
    this.#commands = ((core.map.base.contextTable as number) + CONTEXT_ATX_CONSUMER) >>> 2;
    this.#last = new Uint32Array(COUNTERS);
    for (let counter = 0; counter < COUNTERS; counter += 1) this.#moved(counter);
    this.#lastCommand = this.#words[this.#commands] as number;
  }

  /** By how much a counter has moved since the last call. */
  #moved(counter: number): number {
    const now = this.#words[this.#counters + 2 * counter] as number;
    const moved = (now - (this.#last[counter] as number)) >>> 0;
    this.#last[counter] = now;
    return moved;
  }

  /** Counts what has happened since the last call. */
  poll(): void {
    const to = this.#interconnect;
    const command = this.#words[this.#commands] as number;
    const commands = (command - this.#lastCommand) >>> 0;
    this.#lastCommand = command;
    to.count("command", commands);
    to.count("fetch", this.#moved(Counter.Descriptors) - commands);
    let redirects = 0;
    for (let i = 0; i < ROWS.length; i += 1) {
      const [operation, times, bytes] = ROWS[i] as (typeof ROWS)[number];
      const moved = this.#moved(times);
      if (operation === "frameIn") redirects = moved;
      to.count(operation, moved, bytes === undefined ? 0 : this.#moved(bytes));
    }
    // A frame for the control plane is an event too, and counted as the frame.
    to.count("event", this.#moved(Counter.Events) - redirects);
  }
}
