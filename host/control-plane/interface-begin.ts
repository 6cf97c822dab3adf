/** What an interface sets going and leaves: trials of addresses, questions for routers. */
import { tryAddresses } from "./duplicate-address.ts";
import { listenToCarrier } from "./icmpv6-report.ts";
import type { Plane } from "./plane.ts";
import type { Interface, NetifConfig } from "./route.ts";

export function beginInterface(plane: Plane, added: Interface, config: NetifConfig): void {
  listenToCarrier(plane, added);
  tryAddresses(plane, added, added.tentative, config.announce === true);
  if (config.ipv6?.accept !== true) return;
  plane.discovery.begin(added, plane.now);
  plane.attention.due = true;
}

/** Nothing of an interface is left but connections, which are the caller's. */
export function forgetInterface(plane: Plane, index: number): void {
  plane.neighbors.removeNetif(index);
  plane.discovery.end(index);
  plane.trials.cancel(index);
  plane.routes.remove(index);
}
