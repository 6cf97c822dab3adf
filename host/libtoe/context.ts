/**
 * A context-queue pair (dissertation 4.3.1): ATX descriptors to the data path, ARX notifications
 * back, in rings over the core's memory. Free-running indexes; the doorbell is the store of
 * CONTEXT_ATX_PRODUCER.
 *
 * Invariants: a descriptor is whole before the doorbell shows it; an entry is read once; a full
 * ring refuses and loses nothing. Arming handshake: armed, looked at once more, then asleep, so
 * that no notification can fall between looking and sleeping.
 */
import {
  ARX_CONNECTION,
  ARX_FLAGS,
  ARX_GENERATION,
  ARX_RX_BUMP,
  ARX_SIZE,
  ARX_TX_BUMP,
  ATX_CONNECTION,
  ATX_FLAGS,
  ATX_GENERATION,
  ATX_OPCODE,
  ATX_RX_CREDIT,
  ATX_SIZE,
  ATX_TX_APPEND,
  AtxOpcode,
  CONTEXT_ARX_BASE,
  CONTEXT_ARX_CONSUMER,
  CONTEXT_ARX_MASK,
  CONTEXT_ARX_PRODUCER,
  CONTEXT_ATX_BASE,
  CONTEXT_ATX_CONSUMER,
  CONTEXT_ATX_MASK,
  CONTEXT_ATX_PRODUCER,
  CONTEXT_EVENT_STATE,
  CONTEXT_FENCED,
  CONTEXT_SIZE,
  EventState,
} from "../../bindings/abi/descriptor.ts";
import { CORE_CONTEXTS, CORE_CONTEXT_TABLE } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";

const ATX_WORDS = ATX_SIZE / 4;
const ARX_WORDS = ARX_SIZE / 4;
const OPCODE_UPDATE: number = AtxOpcode.Update;

/** Takes the entries of one batch; called once per entry, in order. */
export interface NotificationSink {
  /** Bytes readable and bytes freed since the last entry; flags are ARX_*. */
  notified(connection: number, generation: number, rx: number, tx: number, flags: number): void;
}

/** One application context of a core. */
export class ContextQueue {
  readonly #words: Uint32Array;
  /** Word index of the context record. */
  readonly #record: number;
  readonly #atxBase: number;
  readonly #atxMask: number;
  readonly #arxBase: number;
  readonly #arxMask: number;
  #producer: number;
  #consumer: number;

  /** Throws RangeError when `context` is not an application context of this core. */
  constructor(core: Core, context: number) {
    const contexts = core.words[(core.address + CORE_CONTEXTS) >>> 2] as number;
    if (!Number.isInteger(context) || context < 1 || context >= contexts) {
      throw new RangeError(`libtoe: expected context 1..${contexts - 1}, got ${context}`);
    }
    const table = core.words[(core.address + CORE_CONTEXT_TABLE) >>> 2] as number;
    const record = (table + context * CONTEXT_SIZE) >>> 2;
    const field = (offset: number): number => core.words[record + (offset >>> 2)] as number;
    this.#words = core.words;
    this.#record = record;
    this.#atxBase = field(CONTEXT_ATX_BASE) >>> 2;
    this.#atxMask = field(CONTEXT_ATX_MASK);
    this.#arxBase = field(CONTEXT_ARX_BASE) >>> 2;
    this.#arxMask = field(CONTEXT_ARX_MASK);
    this.#producer = field(CONTEXT_ATX_PRODUCER) | 0;
    this.#consumer = field(CONTEXT_ARX_CONSUMER) | 0;
  }

  /** Descriptors that the ATX ring still takes. */
  room(): number {
    const taken = this.#words[this.#record + (CONTEXT_ATX_CONSUMER >>> 2)] as number;
    return this.#atxMask + 1 - ((this.#producer - taken) >>> 0);
  }

  /** True after the data path refused the context's indexes; it reads nothing from it again. */
  fenced(): boolean {
    return this.#words[this.#record + (CONTEXT_FENCED >>> 2)] !== 0;
  }

  /** Writes one Update descriptor; false when the ring is full. ring() makes it visible. */
  update(
    connection: number,
    generation: number,
    rxCredit: number,
    txAppend: number,
    flags: number,
  ): boolean {
    const words = this.#words;
    const taken = words[this.#record + (CONTEXT_ATX_CONSUMER >>> 2)] as number;
    if ((this.#producer - taken) >>> 0 > this.#atxMask) return false;
    const at = this.#atxBase + (this.#producer & this.#atxMask) * ATX_WORDS;
    words[at + (ATX_CONNECTION >>> 2)] = connection;
    words[at + (ATX_GENERATION >>> 2)] = generation;
    words[at + (ATX_OPCODE >>> 2)] = OPCODE_UPDATE;
    words[at + (ATX_RX_CREDIT >>> 2)] = rxCredit;
    words[at + (ATX_TX_APPEND >>> 2)] = txAppend;
    words[at + (ATX_FLAGS >>> 2)] = flags;
    this.#producer = (this.#producer + 1) | 0;
    return true;
  }

  /** The doorbell. */
  ring(): void {
    this.#words[this.#record + (CONTEXT_ATX_PRODUCER >>> 2)] = this.#producer;
  }

  /** Notifications waiting. */
  waiting(): number {
    const produced = this.#words[this.#record + (CONTEXT_ARX_PRODUCER >>> 2)] as number;
    return (produced - this.#consumer) >>> 0;
  }

  /** Hands all waiting notifications to the sink as one batch; how many they were. */
  take(sink: NotificationSink): number {
    const words = this.#words;
    // More than a ring of entries would mean that the data path overwrote some.
    const count = Math.min(this.waiting(), this.#arxMask + 1);
    if (count === 0) return 0;
    for (let i = 0; i < count; i += 1) {
      const at = this.#arxBase + ((this.#consumer + i) & this.#arxMask) * ARX_WORDS;
      sink.notified(
        words[at + (ARX_CONNECTION >>> 2)] as number,
        (words[at + (ARX_GENERATION >>> 2)] as number) | 0,
        words[at + (ARX_RX_BUMP >>> 2)] as number,
        words[at + (ARX_TX_BUMP >>> 2)] as number,
        words[at + (ARX_FLAGS >>> 2)] as number,
      );
    }
    this.#consumer = (this.#consumer + count) | 0;
    words[this.#record + (CONTEXT_ARX_CONSUMER >>> 2)] = this.#consumer;
    return count;
  }

  /**
   * Arms the event and looks once more: true when the caller may sleep, false when something
   * came meanwhile (the event is disarmed again; poll).
   */
  arm(): boolean {
    const state = this.#record + (CONTEXT_EVENT_STATE >>> 2);
    this.#words[state] = EventState.Armed;
    if (this.waiting() === 0) return true;
    this.#words[state] = EventState.Polling;
    return false;
  }

  /** Back to polling; true when the event had fired. */
  disarm(): boolean {
    const state = this.#record + (CONTEXT_EVENT_STATE >>> 2);
    const fired = this.#words[state] === EventState.Fired;
    this.#words[state] = EventState.Polling;
    return fired;
  }
}
