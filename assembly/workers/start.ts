/** Preparing what a replica owns. */
import { wheelInitialize } from "../base/timer-wheel.ts";

/** A flow group's own timer wheel. */
export function initializeWheel(wheel: usize): void {
  wheelInitialize(wheel, 0);
}
