/** Two cores that are given the same: one predicts headers, the other has the stages alone. */
import { Counter, COUNTERS } from "../../../bindings/abi/counters.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { TIMER_SIZE, TIMERS_PER_CONNECTION, TimerKind } from "../../../bindings/abi/timer.ts";
import type { Core } from "../../../bindings/core.ts";
import type { LayoutOptions } from "../../../bindings/layout.ts";
import { toHex } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { type Outcome, RawCore } from "../../support/raw-core.ts";
import { tcpOf } from "./forged-frame.ts";

/** Regions that must agree to the last word; of others some words do. */
const WHOLE = "drops contextTable arx hash pre protocol recovery post".split(" ");

/** Words that must agree, as indexes into the memory: both twins have the same map. */
function watched({ map }: Core): Uint32Array {
  const words: number[] = [];
  const add = (from: number, bytes: number, skipped: readonly number[] = []): void => {
    for (let at = 0; at < bytes; at += 4) {
      if (!skipped.includes(at)) words.push((from + at) >>> 2);
    }
  };
  const region = (name: string): number => map.base[name] as number;
  add(map.core, M.CORE_SIZE, [M.CORE_STAGES_ONLY, M.CORE_LAST_CONNECTION]);
  const predicted = [Counter.PredictedIn, Counter.PredictedOut].flatMap((c) => [8 * c, 8 * c + 4]);
  add(region("counters"), 8 * COUNTERS, predicted);
  for (const { name, base, bytes } of map.regions) if (WHOLE.includes(name)) add(base, bytes);
  const rows = map.options.connections + 1;
  for (let row = 0; row < rows; row += 1) {
    const scheduler = region("scheduler") + row * F.SCHEDULER_SIZE;
    add(scheduler + F.SCHEDULER_INTERVAL, F.SCHEDULER_SIZE - F.SCHEDULER_INTERVAL);
    for (let kind = 0; kind < TIMERS_PER_CONNECTION; kind += 1) {
      add(region("timers") + (TIMERS_PER_CONNECTION * row + kind) * TIMER_SIZE, 8);
    }
  }
  return Uint32Array.from(words);
}

/** Frames of one step, those of each connection in their order: the order between them is free. */
function byConnection({ frames }: Outcome): Uint8Array[] {
  const key = (frame: Uint8Array): string => toHex(frame.subarray(tcpOf(frame), tcpOf(frame) + 4));
  return [...frames].sort((a, b) => key(a).localeCompare(key(b)));
}

/** One host twice: with prediction, and with the stages alone. */
export class Twin {
  readonly predicted: RawCore;
  readonly staged: RawCore;
  readonly #words: readonly [Uint32Array, Uint32Array];
  readonly #watched: Uint32Array;
  readonly #name: string;

  constructor(name: string, layout: Partial<LayoutOptions>) {
    this.#name = name;
    this.predicted = new RawCore(testCore(layout));
    this.staged = new RawCore(testCore(layout));
    const { core } = this.staged;
    core.view.setUint32(core.address + M.CORE_STAGES_ONLY, 1, true);
    this.#words = [this.predicted.core.words, core.words];
    this.#watched = watched(core);
  }

  get both(): readonly [RawCore, RawCore] {
    return [this.predicted, this.staged];
  }

  /** One crossing of each; throws Error at the first difference. */
  cross(now: number, frames: readonly Uint8Array[], credit: number): Outcome {
    for (const raw of this.both) raw.now = now;
    const outcome = this.predicted.offer(frames, credit);
    this.#compare(outcome, this.staged.offer(frames, credit));
    return outcome;
  }

  #compare(p: Outcome, s: Outcome): void {
    this.#same("status", p.status, s.status);
    this.#same("events", JSON.stringify(p.events), JSON.stringify(s.events));
    this.#same("frames", p.frames.length, s.frames.length);
    const [predicted, staged] = [byConnection(p), byConnection(s)];
    predicted.forEach((frame, i) => {
      const other = staged[i] as Uint8Array;
      const same = frame.length === other.length && frame.every((byte, at) => byte === other[at]);
      if (!same) this.#same(`frame ${i}`, toHex(frame), toHex(other));
    });
    const [mine, other] = this.#words;
    for (const word of this.#watched) {
      if (mine[word] !== other[word]) this.#differ(word);
    }
  }

  /** The first words of a region. */
  sameWords(region: string, count: number): void {
    const first = (this.predicted.core.map.base[region] as number) >>> 2;
    const [mine, other] = this.#words;
    for (let word = first; word < first + count; word += 1) {
      if (mine[word] !== other[word]) this.#differ(word);
    }
  }

  /**
   * When one of the two is to be called again. They may differ: a segment that was predicted has
   * armed its timer before the wheel turned, so that slots of the past come up a step sooner.
   */
  get deadline(): number {
    return Math.min(...this.both.map(({ core }) => core.exports.nextDeadline(core.address)));
  }

  /** Turns the wheels up to a time, as the first hours of a stack would. */
  wind(now: number): void {
    const timer =
      this.staged.core.map.options.connections * TIMERS_PER_CONNECTION + TimerKind.Control;
    for (const { core } of this.both) core.exports.armTimer(core.address, timer, now);
    for (let i = 0; i < 64; i += 1) this.cross(now + 1024, [], 0);
  }

  #same(what: string, predicted: unknown, staged: unknown): void {
    if (predicted === staged) return;
    throw new Error(`${this.#name}, ${what}: predicted ${predicted}, staged ${staged}`);
  }

  #differ(word: number): void {
    const region = this.predicted.core.map.regions.filter(({ base }) => base <= word * 4).at(-1);
    const place = `${region?.name} + ${word * 4 - (region?.base ?? 0)}`;
    this.#same(place, this.#words[0][word], this.#words[1][word]);
  }
}
