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

// Word offsets in a descriptor and in a notification. `| 0` below tells V8 that a number is a
// 32-bit integer, which it would otherwise find out at every use.
const ATX_SHIFT = Math.log2(ATX_SIZE / 4);
const ARX_SHIFT = Math.log2(ARX_SIZE / 4);
const OPCODE_UPDATE: number = AtxOpcode.Update;

/** Takes the entries of one batch; called once per entry, in order. */
export interface NotificationSink {
  /** Bytes readable and bytes freed since the last entry; flags are ARX_*. */
  notified(connection: number, generation: number, rx: number, tx: number, flags: number): void;
}

/** What an Update descriptor says: a socket's record has these fields. */
export interface UpdateSource {
  readonly connection: number;
  readonly generation: number;
  readonly rxCredit: number;
  readonly txAppend: number;
  readonly atxFlags: number;
}

/** One application context of a core. */
export class ContextQueue {
  readonly #words: Int32Array;
  /** Word index of the context record, and of three of its fields. */
  readonly #record: number;
  readonly #atxTaken: number;
  readonly #arxProduced: number;
  readonly #arxTaken: number;
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
    this.#words = core.ints;
    this.#record = record;
    this.#atxTaken = record + (CONTEXT_ATX_CONSUMER >>> 2);
    this.#arxProduced = record + (CONTEXT_ARX_PRODUCER >>> 2);
    this.#arxTaken = record + (CONTEXT_ARX_CONSUMER >>> 2);
    this.#atxBase = field(CONTEXT_ATX_BASE) >>> 2;
    this.#atxMask = field(CONTEXT_ATX_MASK);
    this.#arxBase = field(CONTEXT_ARX_BASE) >>> 2;
    this.#arxMask = field(CONTEXT_ARX_MASK);
    this.#producer = field(CONTEXT_ATX_PRODUCER) | 0;
    this.#consumer = field(CONTEXT_ARX_CONSUMER) | 0;
  }

  /** Descriptors that the ATX ring still takes. */
  room(): number {
    const taken = this.#words[this.#atxTaken] as number;
    return this.#atxMask + 1 - ((this.#producer - taken) >>> 0);
  }

  /** True after the data path refused the context's indexes; it reads nothing from it again. */
  fenced(): boolean {
    return this.#words[this.#record + (CONTEXT_FENCED >>> 2)] !== 0;
  }

  /** Writes one Update descriptor; false when the ring is full. ring() makes it visible. */
  update(from: UpdateSource): boolean {
    const words = this.#words;
    const producer = this.#producer;
    const mask = this.#atxMask;
    if ((producer - (words[this.#atxTaken] as number)) >>> 0 > mask) return false;
    const at = (this.#atxBase + ((producer & mask) << ATX_SHIFT)) | 0;
    words[(at + (ATX_CONNECTION >>> 2)) | 0] = from.connection | 0;
    words[(at + (ATX_GENERATION >>> 2)) | 0] = from.generation | 0;
    words[(at + (ATX_OPCODE >>> 2)) | 0] = OPCODE_UPDATE;
    words[(at + (ATX_RX_CREDIT >>> 2)) | 0] = from.rxCredit | 0;
    words[(at + (ATX_TX_APPEND >>> 2)) | 0] = from.txAppend | 0;
    words[(at + (ATX_FLAGS >>> 2)) | 0] = from.atxFlags | 0;
    this.#producer = (producer + 1) | 0;
    return true;
  }

  /** The doorbell. */
  ring(): void {
    this.#words[this.#record + (CONTEXT_ATX_PRODUCER >>> 2)] = this.#producer | 0;
  }

  /** Notifications waiting. */
  waiting(): number {
    return ((this.#words[this.#arxProduced] as number) - this.#consumer) >>> 0;
  }

  /** Hands all waiting notifications to the sink as one batch; how many they were. */
  take(sink: NotificationSink): number {
    const words = this.#words;
    const mask = this.#arxMask;
    const from = this.#consumer;
    const produced = words[this.#arxProduced] as number;
    if (produced === from) return 0;
    // More than a ring of entries would mean that the data path overwrote some.
    const count = Math.min((produced - from) >>> 0, mask + 1) | 0;
    for (let i = 0; i < count; i = (i + 1) | 0) {
      const at = (this.#arxBase + (((from + i) & mask) << ARX_SHIFT)) | 0;
      sink.notified(
        words[(at + (ARX_CONNECTION >>> 2)) | 0] as number,
        words[(at + (ARX_GENERATION >>> 2)) | 0] as number,
        words[(at + (ARX_RX_BUMP >>> 2)) | 0] as number,
        words[(at + (ARX_TX_BUMP >>> 2)) | 0] as number,
        words[(at + (ARX_FLAGS >>> 2)) | 0] as number,
      );
    }
    this.#consumer = (from + count) | 0;
    words[this.#arxTaken] = this.#consumer;
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
