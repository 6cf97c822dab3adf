/**
 * The table of stage costs: instructions that each stage executed for each kind of item, by
 * account and width, and the records it touched. Read from runs, so it changes with the code.
 */
import { RECORD_GROUPS } from "./machine.ts";
import { ACCOUNTS } from "./counted-core.ts";
import type { Footprint } from "./memory-levels.ts";
import { WIDTHS } from "./wasm-format.ts";

export interface StageCost {
  /** "protocol rx". */
  readonly name: string;
  readonly executions: number;
  /** Means of one execution: [account][width - 1]. */
  readonly instructions: readonly (readonly number[])[];
  /** Mean records touched, by group. */
  readonly records: Readonly<Record<string, number>>;
}

class Row {
  executions = 0;
  readonly instructions = new Float64Array(ACCOUNTS * WIDTHS);
  readonly records = new Float64Array(RECORD_GROUPS.length);
}

export class StageTable {
  readonly #rows = new Map<string, Row>();

  add(name: string, executed: Uint32Array, footprint: Footprint): void {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = new Row();
      this.#rows.set(name, row);
    }
    row.executions += 1;
    const { instructions, records } = row;
    for (let i = 0; i < executed.length; i += 1) {
      instructions[i] = (instructions[i] as number) + (executed[i] as number);
    }
    for (let i = 0; i < footprint.size; i += 1) {
      const group = footprint.groups[i] as number;
      records[group] = (records[group] as number) + 1;
    }
  }

  clear(): void {
    this.#rows.clear();
  }

  /** In the order of names. */
  costs(): StageCost[] {
    const names = [...this.#rows.keys()].sort();
    return names.map((name) => {
      const row = this.#rows.get(name) as Row;
      const mean = (sum: number): number => sum / row.executions;
      return {
        name,
        executions: row.executions,
        instructions: Array.from({ length: ACCOUNTS }, (_, account) =>
          [...row.instructions.subarray(account * WIDTHS, (account + 1) * WIDTHS)].map(mean),
        ),
        records: Object.fromEntries(
          RECORD_GROUPS.flatMap((group, i) => {
            const sum = row.records[i] as number;
            return sum === 0 ? [] : [[group, mean(sum)]];
          }),
        ),
      };
    });
  }
}
