/**
 * Sequencing and reordering (4.3.2). A sequencer numbers items per reorder point and domain; a
 * reorder point releases every number once, in order, also for what is dropped or redirected.
 * The batch executor is in order by construction: here a release out of turn is counted as a
 * fault, which the tests hold at zero. (The workers executor buffers instead.)
 */
import { CORE_SEQUENCE_ASSIGNED, CORE_SEQUENCE_DOMAINS } from "../../bindings/abi/memory-map.ts";
import { CORE_SEQUENCE_FAULTS, CORE_SEQUENCE_RELEASED } from "../../bindings/abi/memory-map.ts";

/** The next number of a domain at a reorder point. */
// @ts-ignore: decorator
@inline
export function assignSequence(core: usize, point: u32, domain: u32): u32 {
  const at = core + ((point * CORE_SEQUENCE_DOMAINS + domain) << 2);
  const number = load<u32>(at, CORE_SEQUENCE_ASSIGNED);
  store<u32>(at, number + 1, CORE_SEQUENCE_ASSIGNED);
  return number;
}

/** Assigns and releases the next `count` numbers: what has them is in order already. */
// @ts-ignore: decorator
@inline
export function passSequence(core: usize, point: u32, domain: u32, count: u32): void {
  const at = core + ((point * CORE_SEQUENCE_DOMAINS + domain) << 2);
  const number = load<u32>(at, CORE_SEQUENCE_ASSIGNED);
  if (number != load<u32>(at, CORE_SEQUENCE_RELEASED)) {
    store<u32>(core, load<u32>(core, CORE_SEQUENCE_FAULTS) + 1, CORE_SEQUENCE_FAULTS);
  }
  store<u32>(at, number + count, CORE_SEQUENCE_ASSIGNED);
  store<u32>(at, number + count, CORE_SEQUENCE_RELEASED);
}

/** Releases a number; it must be the domain's next. */
// @ts-ignore: decorator
@inline
export function releaseSequence(core: usize, point: u32, domain: u32, number: u32): void {
  const at = core + ((point * CORE_SEQUENCE_DOMAINS + domain) << 2);
  const next = load<u32>(at, CORE_SEQUENCE_RELEASED);
  if (number != next) {
    store<u32>(core, load<u32>(core, CORE_SEQUENCE_FAULTS) + 1, CORE_SEQUENCE_FAULTS);
  }
  store<u32>(at, number + 1, CORE_SEQUENCE_RELEASED);
}
