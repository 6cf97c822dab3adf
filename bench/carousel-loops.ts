/**
 * Loops in Wasm around the flow scheduler of build/testing.wasm, over a header, queues and records
 * of their own: 1,000,000 flows are 32 MB here, where a whole stack's rows would be 1.3 GB. A
 * direct call between instances, about 1.5 ns, is in each figure as often as the pipeline calls.
 *
 *   insert   schedule() of a flow that must wait
 *   expire   a due flow's turn, its segment accounted for, and into the wheel again
 *   idle     time passes and nobody is due
 *   walk     the bound: one record of the same table read and written, in the same order
 */
import wabt from "wabt";
import * as C from "../bindings/abi/carousel.ts";
import * as F from "../bindings/abi/flow-state.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { Prng } from "../host/prng.ts";
import { loadModule } from "./harness.ts";

const CORE = 4096;
const CAROUSEL = 8192;
const RECORDS = 131072;
export const SLOT_BITS = 10;
/** Bytes of a segment. */
const SEGMENT = 1500;
/** The clock's step in `idle`, ns: a poll that comes soon. */
const IDLE_STEP = 16;

const NOW = `(i32.const ${CORE})`;
const AT = `offset=${M.CORE_NOW}`;

const SOURCE = `(module
  (import "env" "memory" (memory 1 65535))
  (import "testing" "schedule" (func $schedule (param i32 i32 i32)))
  (import "testing" "nextTurn" (func $nextTurn (param i32) (result i32)))
  (import "testing" "pace" (func $pace (param i32 i32 i32)))
  (import "testing" "gatherTurns" (func $gather (param i32) (result i32)))
  (import "testing" "nextPaced" (func $nextPaced (param i32) (result i64)))
  (func (export "insert") (param $order i32) (param $times i32)
    (loop $again
      (call $schedule (i32.const ${CORE}) (i32.load (local.get $order)) (i32.const 0))
      (local.set $order (i32.add (local.get $order) (i32.const 4)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
  (func (export "expire") (param $times i32) (local $flow i32)
    (loop $again
      (local.set $flow (call $nextTurn (i32.const ${CORE})))
      (if (local.get $flow)
        (then
          (call $pace (i32.const ${CORE}) (local.get $flow) (i32.const ${SEGMENT}))
          (call $schedule (i32.const ${CORE}) (local.get $flow) (i32.const 0))
          (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
        (else
          (i64.store ${AT} ${NOW} (call $nextPaced (i32.const ${CORE})))
          (drop (call $gather (i32.const ${CORE})))
          (br $again)))))
  (func (export "idle") (param $times i32)
    (loop $again
      (i64.store ${AT} ${NOW} (i64.add (i64.load ${AT} ${NOW}) (i64.const ${IDLE_STEP})))
      (drop (call $gather (i32.const ${CORE})))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
  (func (export "walk") (param $order i32) (param $times i32) (local $record i32)
    (loop $again
      (local.set $record (i32.add (i32.const ${RECORDS})
        (i32.shl (i32.load (local.get $order)) (i32.const 5))))
      (i64.store offset=${F.SCHEDULER_DEADLINE} (local.get $record)
        (i64.add (i64.load offset=${F.SCHEDULER_DEADLINE} (local.get $record))
          (i64.shr_u (i64.mul (i64.load offset=${F.SCHEDULER_INTERVAL} (local.get $record))
            (i64.const ${SEGMENT})) (i64.const ${F.INTERVAL_FRACTION_BITS}))))
      (local.set $order (i32.add (local.get $order) (i32.const 4)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))`;

interface Loops {
  insert(order: number, times: number): void;
  expire(times: number): void;
  idle(times: number): void;
  walk(order: number, times: number): void;
}

interface Scheduler extends WebAssembly.Exports {
  carouselInitialize(core: number): void;
}

let assembled: WebAssembly.Module | undefined;

/** Assembles the loops; once, before anything is measured. */
export async function assembleCarouselLoops(): Promise<void> {
  if (assembled !== undefined) return;
  const { parseWat } = await wabt();
  const parsed = parseWat("carousel.wat", SOURCE);
  assembled = new WebAssembly.Module(Uint8Array.from(parsed.toBinary({}).buffer));
  parsed.destroy();
}

/**
 * `flows` paced flows in a wheel of their own; each sends a segment every `periodNs`, the first one
 * not before `aheadNs`.
 */
export class CarouselFlows {
  readonly flows: number;
  readonly periodNs: number;
  readonly aheadNs: number;
  /** The flows in random order: neither list nor walk follows the table. */
  readonly order: Uint32Array;
  readonly #view: DataView;
  readonly #orderAt: number;
  readonly #scheduler: Scheduler;
  readonly #loops: Loops;

  constructor(flows: number, periodNs: number, aheadNs = 0) {
    if (assembled === undefined) throw new Error("bench: expected assembleCarouselLoops() first");
    this.flows = flows;
    this.periodNs = periodNs;
    this.aheadNs = aheadNs;
    this.#orderAt = RECORDS + (flows + 1) * F.SCHEDULER_SIZE;
    const pages = Math.ceil((this.#orderAt + 4 * flows) / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65535 });
    const abort = (): never => {
      throw new Error("testing.wasm: assertion failed");
    };
    const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
    const env = { memory, table, abort };
    const testing = new WebAssembly.Instance(loadModule("testing.wasm"), { env });
    this.#scheduler = testing.exports as Scheduler;
    const looped = new WebAssembly.Instance(assembled, { env, testing: testing.exports });
    this.#loops = looped.exports as unknown as Loops;
    this.#view = new DataView(memory.buffer);
    this.order = new Uint32Array(memory.buffer, this.#orderAt, flows);
    this.#shuffle();
    this.#view.setUint32(CORE + M.CORE_CAROUSEL, CAROUSEL, true);
    this.#view.setUint32(CORE + M.CORE_SCHEDULER, RECORDS, true);
    this.#view.setUint32(CAROUSEL + C.CAROUSEL_SLOT_BITS, SLOT_BITS, true);
    this.reset();
  }

  #shuffle(): void {
    const random = new Prng(this.flows);
    for (let i = 0; i < this.flows; i += 1) {
      const other = random.below(i + 1);
      this.order[i] = this.order[other] as number;
      this.order[other] = i + 1;
    }
  }

  /** Nobody is queued; the deadlines are spread over a period. */
  reset(): void {
    const view = this.#view;
    const random = new Prng(1);
    const interval = BigInt(Math.round((this.periodNs / SEGMENT) * 2 ** F.INTERVAL_FRACTION_BITS));
    const now = 2 ** 40;
    view.setBigUint64(CORE + M.CORE_NOW, BigInt(now), true);
    for (let flow = 1; flow <= this.flows; flow += 1) {
      const at = RECORDS + flow * F.SCHEDULER_SIZE;
      const deadline = now + this.aheadNs + 1 + random.below(this.periodNs);
      view.setUint16(at + F.SCHEDULER_QUEUE, 0, true);
      view.setBigUint64(at + F.SCHEDULER_INTERVAL, interval, true);
      view.setUint32(at + F.SCHEDULER_DEADLINE, deadline % 2 ** 32, true);
      view.setUint32(at + F.SCHEDULER_DEADLINE + 4, Math.floor(deadline / 2 ** 32), true);
    }
    this.#scheduler.carouselInitialize(CORE);
  }

  insert(): void {
    this.#loops.insert(this.#orderAt, this.flows);
  }

  expire(times: number): void {
    this.#loops.expire(times);
  }

  idle(times: number): void {
    this.#loops.idle(times);
  }

  walk(): void {
    this.#loops.walk(this.#orderAt, this.flows);
  }

  /** Time of the bench's clock, ns. */
  get now(): number {
    return Number(this.#view.getBigUint64(CORE + M.CORE_NOW, true));
  }
}
