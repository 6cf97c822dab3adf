/**
 * A connection's row in the tables of bindings/abi, read word by word: PROTOCOL, RECOVERY, its send
 * log and its retransmission timer. Times are ns, all numbers below 2^53.
 */
import * as F from "../../../bindings/abi/flow-state.ts";
import { OOO_INTERVALS_OWN } from "../../../bindings/abi/limits.ts";
import * as S from "../../../bindings/abi/send-log.ts";
import {
  TIMER_DEADLINE,
  TIMER_SIZE,
  TIMERS_PER_CONNECTION,
  TimerKind,
} from "../../../bindings/abi/timer.ts";
import type { Core } from "../../../bindings/core.ts";

export interface Run {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly time: number;
}

export class FlowRow {
  readonly #view: DataView;
  readonly #base: Readonly<Record<string, number>>;
  readonly #protocol: number;
  readonly #recovery: number;
  readonly #timers: number;
  readonly connection: number;

  constructor({ view, map }: Core, connection: number) {
    this.#view = view;
    this.#base = map.base as Readonly<Record<string, number>>;
    this.connection = connection;
    this.#protocol = (this.#base.protocol as number) + connection * F.PROTOCOL_SIZE;
    this.#recovery = (this.#base.recovery as number) + connection * F.RECOVERY_SIZE;
    const first = connection * TIMERS_PER_CONNECTION * TIMER_SIZE;
    this.#timers = (this.#base.timers as number) + first;
  }

  /** In the data path: its other records mean something. */
  get isInstalled(): boolean {
    const pre = (this.#base.pre as number) + this.connection * F.PRE_SIZE;
    return this.#view.getUint8(pre + F.PRE_STATE) === F.PreState.Installed;
  }

  /** A u32 of PROTOCOL. */
  p(offset: number): number {
    return this.#view.getUint32(this.#protocol + offset, true);
  }

  /** A u8 of PROTOCOL. */
  p8(offset: number): number {
    return this.#view.getUint8(this.#protocol + offset);
  }

  /** A u16 of PROTOCOL. */
  p16(offset: number): number {
    return this.#view.getUint16(this.#protocol + offset, true);
  }

  /** A u32 of RECOVERY. */
  r(offset: number): number {
    return this.#view.getUint32(this.#recovery + offset, true);
  }

  /** A u8 of RECOVERY. */
  r8(offset: number): number {
    return this.#view.getUint8(this.#recovery + offset);
  }

  /** A u64 of RECOVERY. */
  r64(offset: number): number {
    return Number(this.#view.getBigUint64(this.#recovery + offset, true));
  }

  /** A u32 of POST: statistics. */
  post(offset: number): number {
    const post = (this.#base.post as number) + this.connection * F.POST_SIZE;
    return this.#view.getUint32(post + offset, true);
  }

  /** True when one of these FLOW_* is set. */
  has(flags: number): boolean {
    return (this.p16(F.PROTOCOL_FLAGS) & flags) !== 0;
  }

  /** When a timer is due; 0: it is not armed. */
  due(kind: TimerKind): number {
    const at = this.#timers + kind * TIMER_SIZE + TIMER_DEADLINE;
    return Number(this.#view.getBigUint64(at, true));
  }

  /** Of the retransmission timer. */
  get deadline(): number {
    return this.due(TimerKind.Retransmit);
  }

  get hasLog(): boolean {
    return this.r(F.RECOVERY_LOG) !== 0;
  }

  /** A u32 of the send log; 0 without one. */
  log(offset: number): number {
    const log = this.r(F.RECOVERY_LOG);
    return log === 0 ? 0 : this.#view.getUint32(log + offset, true);
  }

  /** A u64 of the send log; 0 without one. */
  log64(offset: number): number {
    const log = this.r(F.RECOVERY_LOG);
    return log === 0 ? 0 : Number(this.#view.getBigUint64(log + offset, true));
  }

  /** The runs of the send log, in sequence. */
  get runs(): Run[] {
    const log = this.r(F.RECOVERY_LOG);
    if (log === 0) return [];
    let start = this.log(S.LOG_START);
    return Array.from({ length: Math.min(this.log(S.LOG_COUNT), S.LOG_RUNS_MAX) }, (_, index) => {
      const at = log + S.LOG_RUNS + index * S.RUN_SIZE;
      const end = this.#view.getUint32(at + S.RUN_END, true);
      const flags = this.#view.getUint32(at + S.RUN_FLAGS, true);
      const time = Number(this.#view.getBigUint64(at + S.RUN_TIME, true));
      const run = { start, end, flags, time };
      start = end;
      return run;
    });
  }

  /** Out-of-order intervals, as [start, end). */
  get intervals(): (readonly [number, number])[] {
    const count = this.r8(F.RECOVERY_INTERVAL_COUNT);
    const own = this.#recovery + F.RECOVERY_INTERVALS;
    const at = count > OOO_INTERVALS_OWN ? this.#view.getUint32(own, true) : own;
    return Array.from({ length: count }, (_, index) => [
      this.#view.getUint32(at + 8 * index, true),
      this.#view.getUint32(at + 8 * index + 4, true),
    ]);
  }
}
