/**
 * What an execution costs on a machine: instructions executed times the machine's factors, and the
 * time that its records took to come. Jitter, when there is any, is drawn from a seed.
 */
import { Width, WIDTHS } from "./wasm-format.ts";
import type { Prng } from "../prng.ts";
import { Account, type CountedCore } from "./counted-core.ts";
import { cyclesToNs, type Machine } from "./machine.ts";
import { Footprint, type MemoryView, type RecordMap } from "./memory-levels.ts";
import type { Cost } from "./processor.ts";
import { StageTable } from "./stage-table.ts";

export class StageMeter {
  readonly table = new StageTable();
  readonly #machine: Machine;
  readonly #counted: CountedCore;
  readonly #records: RecordMap;
  readonly #prng: Prng;
  readonly #jitter: number;
  readonly #footprint = new Footprint();
  /** ns of one instruction, by account and width. */
  readonly #weights: readonly number[];

  /** `jitter`: mean share of random time; 0 = none. */
  constructor(
    machine: Machine,
    counted: CountedCore,
    records: RecordMap,
    prng: Prng,
    jitter: number,
  ) {
    this.#machine = machine;
    this.#counted = counted;
    this.#records = records;
    this.#prng = prng;
    this.#jitter = jitter;
    const cycles = (width: number): number => {
      const { cyclesPerInstruction, wideInstructions, vectorInstructions } = machine;
      if (width === Width.Wide) return cyclesPerInstruction.value * wideInstructions.value;
      if (width === Width.Vector) return cyclesPerInstruction.value * vectorInstructions.value;
      return cyclesPerInstruction.value;
    };
    this.#weights = Array.from(counted.executed, (_, i) => {
      const account = Math.floor(i / WIDTHS);
      if (account === Account.Payload && machine.payloadHardware) return 0;
      if (account === Account.Lookup && machine.lookupHardware) return 0;
      if (account === Account.Wheel && machine.wheelHardware) return 0;
      return cyclesToNs(machine, cycles((i % WIDTHS) + 1));
    });
  }

  /** Executes and says what it cost; `queueCycles` until the item was at hand. */
  run(name: string, view: MemoryView, queueCycles: number, call: () => void): Cost {
    const footprint = this.#footprint;
    footprint.read(this.#records, this.#counted.count(call));
    const { executed } = this.#counted;
    this.table.add(name, executed, footprint);
    let computeNs = 0;
    for (let i = 0; i < executed.length; i += 1) {
      computeNs += (executed[i] as number) * (this.#weights[i] as number);
    }
    const stall = cyclesToNs(this.#machine, view.stall(footprint) + queueCycles);
    return { computeNs, stallNs: this.vary(stall) };
  }

  /** A time with its random part. */
  vary(ns: number): number {
    if (this.#jitter === 0) return ns;
    return ns * (1 - this.#jitter * Math.log(1 - this.#prng.float()));
  }
}
