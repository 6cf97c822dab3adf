/**
 * The stages as a modelled core calls them: one item's work record in, what it asks for out. The
 * core's header lends each item a frame buffer of its own for the time of a call, so that parallel
 * copies of a stage share nothing that the real ones would not.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import type { CountedCore } from "./counted-core.ts";
import type { Item } from "./work-items.ts";

export const SENDS = W.ACTION_ACK | W.ACTION_SEND;
export const SCHEDULES = W.ACTION_SCHEDULE | W.ACTION_INTERVAL;
export const LEAVES = W.ACTION_DROP | W.ACTION_REDIRECT;
const CONTROL = W.ACTION_FIN_RECEIVED | W.ACTION_FIN_ACKED | W.ACTION_RESET | W.ACTION_LATE_DATA;
/** Bytes of a descriptor in a context queue. */
export const DESCRIPTOR_BYTES = 32;
export const TELLS = W.ACTION_NOTIFY | CONTROL | LEAVES;

const KINDS = ["rx", "tx", "hc", "ack"];

export class StageCalls {
  readonly #counted: CountedCore;
  readonly #core: number;
  readonly #frameBytes: number;

  constructor(counted: CountedCore) {
    this.#counted = counted;
    this.#core = counted.core.address;
    this.#frameBytes = counted.core.map.options.frameBytes;
  }

  word(item: Item, offset: number): number {
    return this.#counted.core.words[(item.work + offset) >>> 2] as number;
  }

  put(item: Item, offset: number, value: number): void {
    this.#counted.core.words[(item.work + offset) >>> 2] = value;
  }

  actions(item: Item): number {
    return this.word(item, W.WORK_ACTIONS);
  }

  kind(item: Item): W.WorkKind {
    return this.word(item, W.WORK_KIND) as W.WorkKind;
  }

  kindName(item: Item): string {
    return KINDS[this.kind(item)] as string;
  }

  /** True while the item's connection is the one that pre-processing found, or it has none. */
  isCurrent(item: Item): boolean {
    if ((this.actions(item) & LEAVES) !== 0) return true;
    const { core } = this.#counted;
    const connection = this.word(item, W.WORK_CONNECTION);
    const pre = (core.map.base.pre as number) + connection * F.PRE_SIZE;
    if (core.bytes[pre + F.PRE_STATE] !== F.PreState.Installed) return false;
    return core.words[(pre + F.PRE_GENERATION) >>> 2] === this.word(item, W.WORK_GENERATION);
  }

  /** RP0: a frame off the wire becomes a work record. The MAC does it. */
  arrive(item: Item, frame: Uint8Array, netif: number): void {
    const { core, exports } = this.#counted;
    core.bytes.set(frame, item.ingress);
    const row = item.entry >>> 2;
    core.words[row + (D.FRAME_OFFSET >>> 2)] = 0;
    core.words[row + (D.FRAME_LENGTH >>> 2)] = frame.length;
    core.words[row + (D.FRAME_NETIF >>> 2)] = netif;
    core.words[row + (D.FRAME_CONNECTION >>> 2)] = 0;
    const span = this.#counted.word(M.CORE_INGRESS);
    const capacity = this.#counted.word(M.CORE_INGRESS_CAPACITY);
    this.#counted.setWord(M.CORE_INGRESS, item.ingress);
    this.#counted.setWord(M.CORE_INGRESS_CAPACITY, this.#frameBytes);
    exports.stageNetif(this.#core, item.work, item.entry);
    this.#counted.setWord(M.CORE_INGRESS, span);
    this.#counted.setWord(M.CORE_INGRESS_CAPACITY, capacity);
  }

  pre(item: Item): void {
    const { exports } = this.#counted;
    const kind = this.kind(item);
    if (kind !== W.WorkKind.Rx && kind !== W.WorkKind.HostControl) {
      exports.stageTurn(this.#core, item.work, item.source, kind);
    } else {
      exports.stagePre(this.#core, item.work);
    }
  }

  /** Protocol; a segment to send counts against its flow's rate at once. */
  protocol(item: Item): void {
    const { exports } = this.#counted;
    exports.stageProtocol(this.#core, item.work);
    if (this.kind(item) !== W.WorkKind.Tx) return;
    if ((this.actions(item) & W.ACTION_SEND) === 0) return;
    exports.paceSegment(this.#core, this.word(item, W.WORK_CONNECTION), item.work);
  }

  /** Post-processing, with the item's own buffer as the egress burst. */
  post(item: Item): void {
    const counted = this.#counted;
    const words = [
      M.CORE_EGRESS,
      M.CORE_EGRESS_TABLE,
      M.CORE_EGRESS_CAPACITY,
      M.CORE_EGRESS_COUNT,
      M.CORE_EGRESS_BYTES,
    ];
    const kept = words.map((offset) => counted.word(offset));
    const lent = [item.egress, item.entry, this.#frameBytes, 0, 0];
    words.forEach((offset, i) => counted.setWord(offset, lent[i] as number));
    counted.exports.stagePost(this.#core, item.work);
    words.forEach((offset, i) => counted.setWord(offset, kept[i] as number));
  }

  /** DMA; notes what crosses the bus. */
  dma(item: Item): void {
    const actions = this.actions(item);
    item.placed = 0;
    if ((actions & W.ACTION_PLACE) !== 0) {
      for (let i = 0; i < this.word(item, W.WORK_PLACEMENT_COUNT); i += 1) {
        const at = W.WORK_PLACEMENTS + i * W.PLACEMENT_SIZE;
        item.placed += this.word(item, at + W.PLACEMENT_LENGTH);
      }
    }
    item.fetched = (actions & SENDS) === 0 ? 0 : this.word(item, W.WORK_OUT_PAYLOAD_LENGTH);
    this.#counted.exports.stageDma(this.#core, item.work);
  }

  /** Context queue. A frame for the control plane goes where the host looks for it. */
  notify(item: Item): void {
    const counted = this.#counted;
    if ((this.actions(item) & W.ACTION_REDIRECT) !== 0) this.#moveToHost(item);
    counted.exports.stageNotify(this.#core, item.work);
  }

  /** True when the host's burst takes a redirected frame; the host empties it at every turn. */
  hasRoom(item: Item): boolean {
    if ((this.actions(item) & W.ACTION_REDIRECT) === 0) return true;
    const used = this.#counted.word(M.CORE_INGRESS_BYTES);
    const length = this.word(item, W.WORK_FRAME_LENGTH);
    return used + length + 16 <= this.#counted.word(M.CORE_INGRESS_CAPACITY);
  }

  #moveToHost(item: Item): void {
    const counted = this.#counted;
    const length = this.word(item, W.WORK_FRAME_LENGTH);
    const used = counted.word(M.CORE_INGRESS_BYTES);
    const to = counted.word(M.CORE_INGRESS) + used;
    const from = this.word(item, W.WORK_FRAME);
    counted.core.bytes.copyWithin(to, from, from + length);
    const ip = this.word(item, W.WORK_PAYLOAD);
    this.put(item, W.WORK_FRAME, to);
    if (ip !== 0) this.put(item, W.WORK_PAYLOAD, ip - from + to);
    counted.setWord(M.CORE_INGRESS_BYTES, used + ((length + 15) & ~15));
  }

  /** The frame that leaves, as it stands in the item's buffer, and its carrier's number. */
  frame(item: Item): readonly [bytes: Uint8Array, netif: number] {
    const { core } = this.#counted;
    const row = item.entry >>> 2;
    const at = item.egress + (core.words[row + (D.FRAME_OFFSET >>> 2)] as number);
    const length = core.words[row + (D.FRAME_LENGTH >>> 2)] as number;
    return [
      core.bytes.subarray(at, at + length),
      core.words[row + (D.FRAME_NETIF >>> 2)] as number,
    ];
  }
}
