/** What the control plane does by time beside connections: neighbours, routers, trials, MTUs. */
import type { Plane } from "./plane.ts";
import { raiseMtus } from "./segment-size.ts";

/** When keepHouse() has something to do; Infinity when never. */
export function housekeepingDeadline({ neighbors, pathMtu, discovery, trials }: Plane): number {
  return Math.min(neighbors.deadline, pathMtu.raiseAt, discovery.deadline, trials.deadline);
}

export function keepHouse(plane: Plane): void {
  plane.neighbors.expire(plane.now);
  // Addresses that a router's prefix made go on trial at once.
  plane.discovery.expire(plane);
  plane.trials.expire(plane);
  raiseMtus(plane);
}
