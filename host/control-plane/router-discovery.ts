/**
 * Router discovery (RFC 4861, 6.3) is not spoken: advertisements are counted and dropped, addresses
 * are static, and so no address is ever probed for duplicates.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

export class RouterDiscovery {
  duplicate(_via: Interface, _target: bigint): boolean {
    return false;
  }

  isProbing(_via: Interface, _group: bigint): boolean {
    return false;
  }

  receive(plane: Plane, _via: Interface, _at: number, _end: number): void {
    countDrop(plane.core, DropReason.NdpIgnored);
  }
}
