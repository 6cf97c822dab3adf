/** What a stack is made from. */
import type { CoreGroup, CoreSource } from "../bindings/core.ts";
import type { LayoutOptions } from "../bindings/layout.ts";
import type { ControlPlaneLimits } from "./control-plane/plane.ts";
import type { Profile, ProfileName } from "./control-plane/profile.ts";
import type { Ipv6Options } from "./control-plane/route.ts";
import type { Netif } from "./netif/netif.ts";
import type { InterconnectDescription } from "./pcie/interconnect.ts";

export interface StackNetif {
  readonly netif: Netif;
  /** With prefix length: "10.0.0.1/24", "fd00::1/64". */
  readonly addresses: readonly string[];
  /** Router advertisements, off unless asked for; probes for duplicate addresses. */
  readonly ipv6?: Ipv6Options;
  /** Next hop of all else; one of each family as a list. */
  readonly gateway?: string | readonly string[];
}

export interface StackOptions {
  /**
   * A build of the data path: `await platform.loadCore()`; a group of cores in one memory; an
   * executor with threads: `await platform.startWorkers(...)`; or one on a modelled machine.
   */
  readonly module: WebAssembly.Module | CoreGroup | CoreSource;
  readonly netifs: readonly StackNetif[];
  /** Fills a buffer with random bytes: keys, sequence numbers, ports. Seeded in a world. */
  readonly entropy: (bytes: Uint8Array) => void;
  readonly profile?: ProfileName | Profile;
  readonly layout?: Partial<LayoutOptions>;
  readonly name?: string;
  /** What the control plane is bounded by; each has a default (host/control-plane/limits.ts). */
  readonly limits?: Partial<ControlPlaneLimits>;
  /** Counts what host and data path would exchange over it, as `contextQueuePairs()`. */
  readonly interconnect?: InterconnectDescription;
  /** Trusted test seam: chooses every ISN (u32) in place of RFC 6528's hash. */
  readonly initialSequence?: () => number;
}
