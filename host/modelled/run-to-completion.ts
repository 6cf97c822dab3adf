/**
 * The baseline of Table 4.4 and of host stacks: one core does all stages of an item, waits for
 * memory and for the bus, and only then takes the next.
 */
import * as W from "../../bindings/abi/work.ts";
import { cyclesToNs, type Machine } from "./machine.ts";
import type { MemoryView } from "./memory-levels.ts";
import type { Nic } from "./nic.ts";
import type { Cost } from "./processor.ts";
import { DESCRIPTOR_BYTES, SENDS, TELLS } from "./stage-calls.ts";
import type { Item } from "./work-items.ts";

/** A transfer that the core waits for. */
function busNs({ pcie }: Machine, bytes: number): number {
  if (bytes === 0) return 0;
  return pcie.latencyNs.value + (bytes * 8) / pcie.gigabitsPerSecond.value;
}

/** Executes all stages of an item; `passed` runs after protocol. */
export function runAll(nic: Nic, item: Item, view: MemoryView, passed: () => void): Cost {
  const { calls, machine, meter } = nic;
  const kind = calls.kindName(item);
  let computeNs = 0;
  let stallNs = cyclesToNs(machine, machine.machineQueueCycles.value);
  const add = (name: string, call: () => void): void => {
    const cost = meter.run(`${name} ${kind}`, view, 0, call);
    computeNs += cost.computeNs;
    stallNs += cost.stallNs;
  };
  add("pre", () => calls.pre(item));
  add("protocol", () => calls.protocol(item));
  passed();
  add("post", () => calls.post(item));
  if ((calls.actions(item) & (SENDS | W.ACTION_PLACE)) !== 0) {
    add("dma", () => calls.dma(item));
    stallNs += busNs(machine, item.placed) + busNs(machine, item.fetched);
  }
  if ((calls.actions(item) & TELLS) !== 0) {
    add("arx", () => calls.notify(item));
    stallNs += busNs(machine, DESCRIPTOR_BYTES);
  }
  return { computeNs, stallNs };
}
