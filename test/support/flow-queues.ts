/**
 * The flow scheduler alone (build/testing.wasm) over a header, queues and records of its own, and
 * the checker of its invariants: every list is walked, so that a flow in two places, a broken
 * link, a wrong bit or a slot whose time is wrong is an Error that says where.
 */
import * as C from "../../bindings/abi/carousel.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { loadTesting } from "./load-testing.ts";

interface SchedulerExports {
  carouselInitialize(core: number): void;
  schedule(core: number, connection: number, fresh: number): void;
  nextTurn(core: number): number;
  gatherTurns(core: number): number;
  parkTurn(core: number, connection: number): void;
  turnSegments(core: number, connection: number): number;
  keepTurn(core: number, connection: number, segments: number): void;
  nextPaced(core: number): bigint;
  forgetFlow(core: number, connection: number): void;
  resetFlow(core: number, connection: number): void;
  pace(core: number, connection: number, bytes: number): void;
  mustWait(core: number, connection: number): number;
  setPacingInterval(core: number, connection: number, interval: bigint): void;
}

export const NEVER = 0xffffffffffffffffn;
const CORE = 4096;
const CAROUSEL = 8192;
const TABLES = 131072;
/** 64-bit words of the bitmap over all levels. */
const BITMAP_WORDS = 129;

/** One flow's record. */
export interface FlowRecord {
  readonly queue: number;
  readonly interval: bigint;
  readonly deadline: bigint;
  readonly fraction: number;
}

export class FlowQueues {
  readonly flows: number;
  readonly slotBits: bigint;
  readonly #build = loadTesting<SchedulerExports>();
  readonly view: DataView;
  readonly #scheduler: number;

  constructor(flows: number, slotBits = 10) {
    this.flows = flows;
    this.slotBits = BigInt(slotBits);
    this.#scheduler = TABLES + (flows + 1) * F.PRE_SIZE;
    const end = this.#scheduler + (flows + 1) * F.SCHEDULER_SIZE;
    this.#build.memory.grow(Math.ceil(end / 65536));
    this.view = new DataView(this.#build.memory.buffer);
    this.#put(M.CORE_CAROUSEL, CAROUSEL);
    this.#put(M.CORE_PRE, TABLES);
    this.#put(M.CORE_SCHEDULER, this.#scheduler);
    this.view.setUint32(CAROUSEL + C.CAROUSEL_SLOT_BITS, slotBits, true);
    this.#build.exports.carouselInitialize(CORE);
  }

  #put(offset: number, value: number): void {
    this.view.setUint32(CORE + offset, value, true);
  }

  get now(): bigint {
    return this.view.getBigUint64(CORE + M.CORE_NOW, true);
  }

  set now(ns: bigint) {
    this.view.setBigUint64(CORE + M.CORE_NOW, ns, true);
  }

  setCredit(netif: number, frames: number): void {
    this.#put(M.CORE_NETIF_CREDIT + 4 * netif, frames);
  }

  setNetif(flow: number, netif: number): void {
    this.view.setUint8(TABLES + flow * F.PRE_SIZE + F.PRE_NETIF, netif);
  }

  setInterval(flow: number, interval: bigint): void {
    this.#build.exports.setPacingInterval(CORE, flow, interval);
  }

  schedule(flow: number, fresh: boolean): void {
    this.#build.exports.schedule(CORE, flow, fresh ? 1 : 0);
  }

  /** One bounded call; true when more is due. */
  gather(): boolean {
    return this.#build.exports.gatherTurns(CORE) !== 0;
  }

  nextTurn(): number {
    return this.#build.exports.nextTurn(CORE);
  }

  /** Segments of the flow's turn; asked once a turn. */
  turnSegments(flow: number): number {
    return this.#build.exports.turnSegments(CORE, flow);
  }

  keepTurn(flow: number, segments: number): void {
    this.#build.exports.keepTurn(CORE, flow, segments);
  }

  park(flow: number): void {
    this.#build.exports.parkTurn(CORE, flow);
  }

  pace(flow: number, bytes: number): void {
    this.#build.exports.pace(CORE, flow, bytes);
  }

  mustWait(flow: number): boolean {
    return this.#build.exports.mustWait(CORE, flow) !== 0;
  }

  forget(flow: number): void {
    this.#build.exports.forgetFlow(CORE, flow);
  }

  reset(flow: number): void {
    this.#build.exports.resetFlow(CORE, flow);
  }

  get next(): bigint {
    return BigInt.asUintN(64, this.#build.exports.nextPaced(CORE));
  }

  get tick(): bigint {
    return this.view.getBigUint64(CAROUSEL + C.CAROUSEL_TICK, true);
  }

  /** The tick that a deadline belongs to. */
  tickOf(deadline: bigint): bigint {
    return (deadline + (1n << this.slotBits) - 1n) >> this.slotBits;
  }

  record(flow: number): FlowRecord {
    const at = this.#scheduler + flow * F.SCHEDULER_SIZE;
    return {
      queue: this.view.getUint16(at + F.SCHEDULER_QUEUE, true),
      interval: this.view.getBigUint64(at + F.SCHEDULER_INTERVAL, true),
      deadline: this.view.getBigUint64(at + F.SCHEDULER_DEADLINE, true),
      fraction: this.view.getUint32(at + F.SCHEDULER_FRACTION, true),
    };
  }

  #link(flow: number, offset: number): number {
    return this.view.getUint32(this.#scheduler + flow * F.SCHEDULER_SIZE + offset, true);
  }

  /** Flows of a queue, first to last. Throws Error when its links are wrong. */
  flowsOf(queue: number): number[] {
    const round = queue === C.QUEUE_ROUND_ROBIN;
    const at = round ? CORE + M.CORE_RR_TAIL : CAROUSEL + C.CAROUSEL_QUEUES + C.QUEUE_SIZE * queue;
    const list: number[] = [];
    let flow = this.view.getUint32(at + C.QUEUE_HEAD, true);
    let before = 0;
    for (; flow !== 0; flow = this.#link(flow, F.SCHEDULER_NEXT)) {
      if (list.length >= this.flows) throw new Error(`queue ${queue}: a circle`);
      if (before !== 0 && this.#link(flow, F.SCHEDULER_PREVIOUS) !== before) {
        throw new Error(`queue ${queue}: flow ${flow} does not follow ${before}`);
      }
      list.push(flow);
      before = flow;
    }
    const tail = this.view.getUint32(at + C.QUEUE_TAIL, true);
    if (tail !== before) throw new Error(`queue ${queue}: tail ${tail}, last ${before}`);
    return list;
  }

  get turns(): number[] {
    return this.flowsOf(C.QUEUE_ROUND_ROBIN);
  }

  /** Time at which a slot comes up: the first of its number from `tick` on. */
  #slotTick(slot: number): bigint {
    const level = BigInt(slot >> C.CAROUSEL_LEVEL_BITS);
    const count = level === 2n ? 64n : 4096n;
    const shift = 12n * level;
    const first = (this.tick + (1n << shift) - 1n) >> shift;
    const index = BigInt(slot) & (count - 1n);
    return (first + ((index - first) & (count - 1n))) << shift;
  }

  /** Walks everything; the queue that each flow is in now, 0 = none. Throws Error. */
  check(): number[] {
    const place = new Array<number>(this.flows + 1).fill(C.QUEUE_NONE);
    const bits = new Uint32Array(2 * BITMAP_WORDS);
    const ends = new Uint32Array(this.view.buffer, CAROUSEL + C.CAROUSEL_QUEUES, 2 * C.QUEUES);
    for (let queue = C.QUEUE_ROUND_ROBIN; queue < C.QUEUES; queue += 1) {
      // Most slots are empty: one look at both ends.
      if (queue !== C.QUEUE_ROUND_ROBIN && ends[2 * queue] === 0 && ends[2 * queue + 1] === 0) {
        continue;
      }
      const slot = queue - C.QUEUE_SLOTS;
      for (const flow of this.flowsOf(queue)) {
        if (place[flow] !== C.QUEUE_NONE) throw new Error(`flow ${flow} is in two queues`);
        place[flow] = queue;
        if (slot < 0) continue;
        this.#checkSlot(flow, slot);
        bits[slot >> 5] = (bits[slot >> 5] as number) | (1 << (slot & 31));
      }
    }
    place.forEach((queue, flow) => {
      if (flow !== 0 && (queue === 0) !== (this.record(flow).queue === 0)) {
        throw new Error(`flow ${flow}: found in ${queue}, says ${this.record(flow).queue}`);
      }
    });
    this.#checkBits(bits);
    this.#checkWaiting(place);
    return place;
  }

  /** A bit a slot with flows, a bit in its level's summary a word with bits. */
  #checkBits(bits: Uint32Array): void {
    const bitmap = new Uint32Array(this.view.buffer, CAROUSEL + C.CAROUSEL_BITMAP, bits.length);
    bits.forEach((word, i) => {
      if (bitmap[i] !== word)
        throw new Error(`slots from ${32 * i}: bits ${bitmap[i]}, not ${word}`);
    });
    for (let word = 0; word < BITMAP_WORDS; word += 1) {
      const at = CAROUSEL + C.CAROUSEL_SUMMARY + 8 * (word >> 6);
      const listed = (this.view.getBigUint64(at, true) >> BigInt(word & 63)) & 1n;
      const used = bits[2 * word] !== 0 || bits[2 * word + 1] !== 0;
      if (used !== (listed === 1n)) throw new Error(`summary of word ${word}: ${listed}`);
    }
  }

  #checkSlot(flow: number, slot: number): void {
    const { deadline, queue } = this.record(flow);
    const comesUp = this.#slotTick(slot);
    const due = this.tickOf(deadline);
    const where = `flow ${flow}, slot ${slot} at ${comesUp}`;
    if (queue !== slot + C.QUEUE_SLOTS) throw new Error(`${where}: says queue ${queue}`);
    if (comesUp > due && due >= this.tick) throw new Error(`${where}: after its tick ${due}`);
    if (slot < C.CAROUSEL_LEVEL_SLOTS && comesUp !== due) throw new Error(`${where}: tick ${due}`);
    if (this.next > comesUp << this.slotBits) throw new Error(`${where}: next is ${this.next}`);
  }

  #checkWaiting(place: readonly number[]): void {
    const waiting = this.view.getUint32(CORE + M.CORE_WAITING, true);
    for (let netif = 0; netif < NETIFS_MAX; netif += 1) {
      const bit = (waiting >> netif) & 1;
      const parked = place.includes(C.QUEUE_PARKED + netif);
      if (parked && bit === 0) throw new Error(`netif ${netif}: bit`);
    }
    const inWheel = place.some((queue) => queue >= C.QUEUE_SLOTS);
    if (inWheel && (waiting & C.WAITING_PACED) === 0) throw new Error("WAITING_PACED is not set");
  }
}
