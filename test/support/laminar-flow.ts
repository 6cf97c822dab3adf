/** One connection of a bare Laminar core, in each mode, and its registers. */
import * as M from "../../bindings/abi/memory-map.ts";
import { TCP_ROW_BYTES } from "../../bindings/abi/rmt.ts";
import { createCore } from "../../bindings/core.ts";
import { ACK, buildFrame, streamBytes } from "./frames.ts";
import { loadLaminarModule, TEST_HASH_KEY, TEST_LAYOUT } from "./load-core.ts";
import { type FlowFields, type Outcome, RawCore } from "./raw-core.ts";

export const MODES = ["laminar", "laminar-relaxed"] as const;
export type Mode = (typeof MODES)[number];

/** The registers in the program's order; relaxed mode's first is the window's edge. */
const ROW = {
  laminar: { rxNextSeq: 0, window: 1, tail: 2, head: 3, txNextAck: 4, credits: 7 },
  "laminar-relaxed": { rxNextSeq: 1, window: 0, tail: 2, head: 3, txNextAck: 4, credits: 7 },
} as const;

export class LaminarFlow {
  readonly raw: RawCore;
  readonly flow: FlowFields;
  readonly #mode: Mode;

  constructor(mode: Mode, choice: Partial<FlowFields> = {}) {
    this.#mode = mode;
    const module = loadLaminarModule(mode);
    this.raw = new RawCore(createCore({ module, layout: TEST_LAYOUT, hashKey: TEST_HASH_KEY }));
    this.flow = this.raw.establish(choice);
  }

  register(name: keyof typeof ROW.laminar): number {
    const { core } = this.raw;
    const rows = core.words[(core.address + M.CORE_RMT_ROWS) >>> 2] as number;
    const at = rows + this.flow.connection * TCP_ROW_BYTES + 4 * ROW[this.#mode][name];
    return core.words[at >>> 2] as number;
  }

  /** Bytes that the registers have room for. */
  get room(): number {
    const window = this.register("window");
    return this.#mode === "laminar" ? window : (window - this.register("rxNextSeq")) >>> 0;
  }

  data(from: number, length: number, flags = ACK): Uint8Array {
    const seq = (this.flow.rxSeq + from) >>> 0;
    const payload = streamBytes(seq, length);
    return buildFrame({ seq, ack: this.flow.txSeq, flags, payload });
  }

  offer(...frames: Uint8Array[]): Outcome {
    return this.raw.offer(frames);
  }

  /** Appends and sends; what left. */
  send(length: number): Outcome {
    this.raw.fill(this.flow, this.flow.txSeq, streamBytes(this.flow.txSeq, length));
    this.raw.post(1, { txAppend: length });
    return this.raw.step();
  }
}
