/**
 * A context-queue pair (dissertation 4.3.1): ATX descriptors to the data path, ARX notifications
 * back, in rings over the core's memory. Free-running indexes; the doorbell is the store of
 * CONTEXT_ATX_PRODUCER. Descriptors are written and notifications taken in Wasm
 * (assembly/libtoe/context.ts), so that a round of the stack does both in the crossing of its step.
 *
 * Invariant, arming handshake: armed, looked at once more, then asleep, so that no notification
 * can fall between looking and sleeping.
 */
import {
  CONTEXT_ARX_CONSUMER,
  CONTEXT_ARX_PRODUCER,
  CONTEXT_ATX_PRODUCER,
  CONTEXT_EVENT_STATE,
  CONTEXT_FENCED,
  CONTEXT_SIZE,
  EventState,
} from "../../bindings/abi/descriptor.ts";
import { CORE_CONTEXTS, CORE_CONTEXT_TABLE, CORE_LIBTOE } from "../../bindings/abi/memory-map.ts";
import { LIBTOE_ARX_CONSUMER, LIBTOE_ATX_PRODUCER } from "../../bindings/abi/socket.ts";
import { LIBTOE_SIZE } from "../../bindings/abi/socket.ts";
import type { Core } from "../../bindings/core.ts";

/** One application context of a core. */
export class ContextQueue {
  /** Address of the context's LIBTOE record: the first argument of libTOE's exports. */
  readonly library: number;
  readonly #words: Int32Array;
  /** Word index of the context record. */
  readonly #record: number;

  /** Throws RangeError when `context` is not an application context of this core. */
  constructor(core: Core, context: number) {
    const contexts = core.words[(core.address + CORE_CONTEXTS) >>> 2] as number;
    if (!Number.isInteger(context) || context < 1 || context >= contexts) {
      throw new RangeError(`libtoe: expected context 1..${contexts - 1}, got ${context}`);
    }
    const base = (offset: number): number => core.words[(core.address + offset) >>> 2] as number;
    this.library = base(CORE_LIBTOE) + context * LIBTOE_SIZE;
    this.#words = core.ints;
    this.#record = (base(CORE_CONTEXT_TABLE) + context * CONTEXT_SIZE) >>> 2;
    // Where the rings stand now.
    const own = this.library >>> 2;
    core.ints[own + (LIBTOE_ATX_PRODUCER >>> 2)] = this.#field(CONTEXT_ATX_PRODUCER);
    core.ints[own + (LIBTOE_ARX_CONSUMER >>> 2)] = this.#field(CONTEXT_ARX_CONSUMER);
  }

  #field(offset: number): number {
    return this.#words[this.#record + (offset >>> 2)] as number;
  }

  /** True after the data path refused the context's indexes; it reads nothing from it again. */
  fenced(): boolean {
    return this.#field(CONTEXT_FENCED) !== 0;
  }

  /** Notifications waiting. */
  waiting(): number {
    return (this.#field(CONTEXT_ARX_PRODUCER) - this.#field(CONTEXT_ARX_CONSUMER)) >>> 0;
  }

  /**
   * Arms the event and looks once more: true when the caller may sleep, false when something
   * came meanwhile (the event is disarmed again; poll).
   */
  arm(): boolean {
    const state = this.#record + (CONTEXT_EVENT_STATE >>> 2);
    // The data path writes its index and then looks at the state, maybe on another thread: of two
    // sides that both write first and look second, one sees the other, if no look is early.
    Atomics.store(this.#words, state, EventState.Armed);
    const producer = Atomics.load(this.#words, this.#record + (CONTEXT_ARX_PRODUCER >>> 2));
    if (producer === this.#field(CONTEXT_ARX_CONSUMER)) return true;
    Atomics.store(this.#words, state, EventState.Polling);
    return false;
  }

  /** Back to polling; true when the event had fired. */
  disarm(): boolean {
    const state = this.#record + (CONTEXT_EVENT_STATE >>> 2);
    return Atomics.exchange(this.#words, state, EventState.Polling) === EventState.Fired;
  }
}
