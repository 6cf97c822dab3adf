/**
 * What the parts of the control plane share: the core, the rows and the tables, and the smallest
 * operations on them. Invariant: a row's state changes through change() only, so every step is a
 * row of the table in connection-state.ts.
 */
import type { ControlCore } from "./core-calls.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../../bindings/abi/memory-map.ts";
import type { DropReason } from "../../bindings/abi/drop-reason.ts";
import type { Counter } from "../../bindings/abi/counters.ts";
import type { IpAddress } from "../address.ts";
import type { WorkList } from "../work-list.ts";
import type { Segment } from "../wire/tcp.ts";
import type { CommandQueue } from "./command-queue.ts";
import { ILLEGAL, nextState, type ConnectionEvent } from "./connection-state.ts";
import type { ConnectionState } from "./connection-state.ts";
import type { ControlEgress } from "./egress.ts";
import type { AddressTrials } from "./duplicate-address.ts";
import type { EphemeralPorts } from "./ephemeral-port.ts";
import type { OwedReport } from "./icmpv6-report.ts";
import type { InitialSequence } from "./initial-sequence.ts";
import type { ConnectionEvents } from "./interface.ts";
import type { ListenerTable } from "./listener.ts";
import type { NeighborCache } from "./neighbor.ts";
import type { PathMtuCache } from "./path-mtu.ts";
import type { Profile } from "./profile.ts";
import type { RouteTable } from "./route.ts";
import type { RouterDiscovery } from "./router-discovery.ts";
import { ROW_STATE, type RowList, type RowTable } from "./row-table.ts";
import type { SynCookies } from "./syn-cookie.ts";
import type { TokenBucket } from "./token-bucket.ts";
import type { ReplayList } from "./replay-list.ts";

/**
 * SYN cookies (RFC 4987, 3.6): never; when a listener's backlog or half of the rows are half open;
 * or for every SYN.
 */
export type SynCookieMode = "off" | "on" | "always";

/** Limits of a control plane; each has a default in control-plane.ts. */
export interface ControlPlaneLimits {
  /** Entries of the neighbour cache. */
  readonly neighbors: number;
  /** Largest backlog of a listener. */
  readonly backlog: number;
  /** Resets a second to segments that belong to nothing, and how many at once. */
  readonly resetsPerSecond: number;
  readonly resetBurst: number;
  /** Echo replies and ICMP errors a second, and how many at once. */
  readonly echoesPerSecond: number;
  readonly echoBurst: number;
  /** Ephemeral ports. */
  readonly portLow: number;
  readonly portHigh: number;
  readonly synCookies: SynCookieMode;
  /** Retransmissions of a SYN-ACK (RFC 9293 MUST-20; threats B12). */
  readonly synAckRetries: number;
  /** R2 in ns: how long nothing may be acknowledged (RFC 9293 SHLD-11, 3.9.1.1). */
  readonly userTimeout: number;
  /** RFC 5482: the user timeout option is sent and heeded. */
  readonly userTimeoutOption: boolean;
  /** Closing connections that nobody holds; 0 = half of the rows. The oldest is reset for more. */
  readonly orphans: number;
  /** RFC 1337: a RST does not end TIME-WAIT. */
  readonly ignoreResetInTimeWait: boolean;
}

/** Counts that are not in the core's table. */
export interface ControlPlaneCounters {
  /** Rows in use, TIME-WAIT included. */
  readonly connections: number;
  /** Of them, those that a half-open connection may end included. */
  readonly timeWait: number;
  /** Connections that nobody holds and that still close. */
  readonly orphans: number;
  readonly listeners: number;
  readonly neighbors: number;
  /** Changes of a neighbour's hardware address. */
  readonly neighborChanges: number;
  /** Frames in which somebody else claimed an address of ours. */
  readonly addressConflicts: number;
  /** IPv6 addresses that somebody else had when they were probed (RFC 4862, 5.4.5). */
  readonly duplicateAddresses: number;
}

/** What has become of an address that was on trial (RFC 4862, 5.4). */
export type TrialOutcome = "preferred" | "duplicate";

/** Where the frame that is being handled lies in the ingress span. */
export interface ReceivedFrame {
  offset: number;
  length: number;
  netif: number;
  /** Offset of the IP header in the span. */
  ip: number;
}

/** Set when calls between events have left something to send: looked at in every poll. */
export interface Attention {
  due: boolean;
}

export interface Plane {
  readonly core: ControlCore;
  /** FLOW_* bits that the data path's connections may have. */
  readonly features: number;
  readonly profile: Profile;
  readonly limits: ControlPlaneLimits;
  readonly rows: RowTable;
  readonly routes: RouteTable;
  readonly neighbors: NeighborCache;
  readonly discovery: RouterDiscovery;
  readonly trials: AddressTrials;
  readonly listeners: ListenerTable;
  readonly commands: CommandQueue;
  readonly egress: ControlEgress;
  readonly sequence: InitialSequence;
  readonly cookies: SynCookies;
  readonly ports: EphemeralPorts;
  readonly pathMtu: PathMtuCache;
  /** Released rows in TIME-WAIT, oldest first. */
  readonly timeWait: RowList;
  /** Released rows that still close, oldest first. */
  readonly orphans: RowList;
  readonly replays: ReplayList;
  /** ICMP errors that carriers have given cause to. */
  readonly owed: OwedReport[];
  readonly resets: TokenBucket;
  /** For echo replies and ICMP errors. */
  readonly echoes: TokenBucket;
  /** View of the ingress burst's bytes. */
  readonly ingress: DataView;
  /** The received segment that is being handled. */
  readonly segment: Segment;
  readonly frame: ReceivedFrame;
  /** Rows with ROW_OUTBOX set. */
  readonly outbox: WorkList<number>;
  readonly attention: Attention;
  /** An address that time took away; an MTU that a router chose. */
  readonly lose: (index: number, address: IpAddress) => void;
  readonly changeMtu: (index: number, mtu: number) => void;
  /** The program hears of an address's trial. */
  readonly tell: (index: number, address: string, outcome: TrialOutcome) => void;
  events: ConnectionEvents;
  /** ns. */
  now: number;
}

/** Counts a drop in the core's table. */
export function countDrop(core: ControlCore, reason: DropReason): void {
  const at = ((core.words[(core.address + CORE_DROPS) >>> 2] as number) >>> 2) + reason;
  core.words[at] = (core.words[at] as number) + 1;
}

/** Adds `n`, below 2^32, to a 64-bit counter of the core. */
export function countEvent(core: ControlCore, counter: Counter, n: number = 1): void {
  const at = ((core.words[(core.address + CORE_COUNTERS) >>> 2] as number) >>> 2) + counter * 2;
  const low = ((core.words[at] as number) + n) >>> 0;
  core.words[at] = low;
  if (low < n) core.words[at + 1] = (core.words[at + 1] as number) + 1;
}

export function stateOf(plane: Plane, id: number): ConnectionState {
  return plane.rows.get(id, ROW_STATE) as ConnectionState;
}

/** Takes a row one step on; false, and nothing changes, when the table has no such step. */
export function change(plane: Plane, id: number, event: ConnectionEvent): boolean {
  const next = nextState(stateOf(plane, id), event);
  if (next === ILLEGAL) return false;
  plane.rows.set(id, ROW_STATE, next);
  return true;
}
