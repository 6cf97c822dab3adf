/**
 * The flow scheduler's core (SCH, 4.3.4): takes flows in that have something to send, and gives
 * turns out as items for the TX pipeline. How many turns overlap is the machine's constant.
 */
import * as F from "../../bindings/abi/flow-state.ts";
import { TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import type { CountedCore } from "./counted-core.ts";
import type { MemoryView } from "./memory-levels.ts";
import type { Cost } from "./processor.ts";
import type { StageCalls } from "./stage-calls.ts";
import type { StageMeter } from "./stage-meter.ts";
import type { Station } from "./station.ts";
import type { Item, Pool } from "./work-items.ts";

/** A job of the scheduler's core. */
export interface SchedulerJob {
  readonly kind: "schedule" | "turn";
  /** Words of the item that asked, by their offsets: it goes on and may be another's by then. */
  readonly words: readonly (readonly [offset: number, value: number])[];
  /** Segments of the turn. */
  items: Item[];
}

/** What of a work record the scheduler's stage reads. */
const ASKED = [
  W.WORK_KIND,
  W.WORK_CONNECTION,
  W.WORK_ACTIONS,
  W.WORK_ARGUMENT_LOW,
  W.WORK_ARGUMENT_HIGH,
];

export class TurnSource {
  /** Frames that the carrier takes yet; transmission waits at 0. */
  credit = Number.POSITIVE_INFINITY;
  readonly #counted: CountedCore;
  readonly #calls: StageCalls;
  readonly #pool: Pool;
  readonly #send: (item: Item) => void;
  /** Segments of each connection between the scheduler and the protocol stage. */
  readonly #underway: Int32Array;
  #station: Station<SchedulerJob> | undefined;
  #turns = 0;
  readonly #most: number;

  /** `send` takes each segment's item to pre-processing; `turnsAtOnce` are under way at most. */
  constructor(
    counted: CountedCore,
    calls: StageCalls,
    pool: Pool,
    turnsAtOnce: number,
    send: (item: Item) => void,
  ) {
    this.#most = turnsAtOnce;
    this.#counted = counted;
    this.#calls = calls;
    this.#pool = pool;
    this.#send = send;
    this.#underway = new Int32Array(counted.core.map.options.connections + 1);
  }

  /** The station whose cores do the jobs: run() and done() are its. */
  attach(station: Station<SchedulerJob>): void {
    this.#station = station;
  }

  get isIdle(): boolean {
    return this.#turns === 0;
  }

  /** FS: what an item's actions ask of the scheduler. */
  schedule(item: Item): void {
    const words = ASKED.map((offset) => [offset, this.#calls.word(item, offset)] as const);
    this.#station?.push({ kind: "schedule", words, items: [] });
  }

  /** Another turn is asked for while flows wait, buffers are free and the carrier takes. */
  wake(): void {
    if (this.#turns >= this.#most || this.#pool.free === 0 || this.credit < 1) return;
    if (this.#counted.word(M.CORE_RR_HEAD) === 0) return;
    this.#turns += 1;
    this.#station?.push({ kind: "turn", words: [], items: [] });
  }

  run(job: SchedulerJob, view: MemoryView, meter: StageMeter, queueCycles: number): Cost {
    const { exports, core } = this.#counted;
    // The batch executor's work array serves nobody here.
    const scratch = core.map.base.work as number;
    for (const [offset, value] of job.words) core.words[(scratch + offset) >>> 2] = value;
    return meter.run(`scheduler ${job.kind}`, view, queueCycles, () => {
      if (job.kind === "schedule") {
        exports.stageSchedule(core.address, scratch);
        return;
      }
      const connection = exports.nextTurn(core.address);
      if (connection !== 0) job.items = this.#turn(connection);
    });
  }

  done(job: SchedulerJob): void {
    if (job.kind === "turn") this.#turns -= 1;
    for (const item of job.items) this.#send(item);
    this.wake();
  }

  /** A segment has been through protocol; true when it was its flow's last under way. */
  passed(item: Item): boolean {
    const left = (this.#underway[item.source] as number) - 1;
    this.#underway[item.source] = left;
    return left === 0;
  }

  /** Segments of one turn, each an item; none when the connection has left meanwhile. */
  #turn(connection: number): Item[] {
    const { core } = this.#counted;
    const pre = (core.map.base.pre as number) + connection * F.PRE_SIZE;
    if (core.view.getUint8(pre + F.PRE_STATE) !== F.PreState.Installed) return [];
    const items: Item[] = [];
    const most = Math.min(this.#sendable(connection), this.credit);
    while (items.length < most) {
      const item = this.#pool.take();
      if (item === undefined) break;
      item.source = connection;
      item.egressNumber = -1;
      this.#calls.put(item, W.WORK_KIND, W.WorkKind.Tx);
      items.push(item);
    }
    this.#underway[connection] = (this.#underway[connection] as number) + items.length;
    this.credit -= items.length;
    return items;
  }

  /**
   * Segments that a flow's turn is good for: FlexTOE's scheduler keeps a count of bytes for each
   * flow, which protocol bumps; ours reads the same bytes where protocol keeps them.
   */
  #sendable(connection: number): number {
    const { core } = this.#counted;
    const record = ((core.map.base.protocol as number) + connection * F.PROTOCOL_SIZE) >>> 2;
    const word = (offset: number): number => core.words[record + (offset >>> 2)] as number;
    const row = ((core.map.base.scheduler as number) + connection * F.SCHEDULER_SIZE) >>> 2;
    const interval = row + (F.SCHEDULER_INTERVAL >>> 2);
    if (core.words[interval] !== 0 || core.words[interval + 1] !== 0) return 1;
    const avail = word(F.PROTOCOL_TX_AVAIL);
    const mss = word(F.PROTOCOL_MSS) & 0xffff;
    return Math.max(1, Math.min(TURN_SEGMENTS_MAX, Math.ceil(avail / Math.max(1, mss))));
  }
}
