/** What the host does to a flow group while the pipeline is empty. */
import { wheelInitialize } from "../base/timer-wheel.ts";
import { carouselInitialize } from "../nic/carousel.ts";
import { forgetFlow } from "../nic/flow-scheduler.ts";
import { isConnection } from "../flow/flow-state.ts";
import { CORE_WHEEL } from "../../bindings/abi/memory-map.ts";

/** A flow group's own timer wheel and flow scheduler. */
export function initializeGroup(header: usize): void {
  wheelInitialize(<usize>load<u32>(header, CORE_WHEEL), 0);
  carouselInitialize(header);
}

/** A connection leaves its flow group's scheduler. */
export function leaveGroup(header: usize, connection: u32): void {
  if (isConnection(header, connection)) forgetFlow(header, connection);
}
