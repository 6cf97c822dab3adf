/**
 * The control plane of one stack (dissertation 4.2): everything about connections except their
 * segments. It owns handshakes, closing, timers' meaning, ARP, routes and ICMP; the data path tells
 * it by events, and it answers by commands on context 0. Invariant: events of one batch are handled
 * in their order, and each is judged by the row's state at that moment.
 */
import { WorkList } from "../work-list.ts";
import type { Core } from "../../bindings/core.ts";
import { controlCore } from "./core-calls.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { CORE_EVENTS, CORE_EVENT_COUNT, CORE_NETIF_MEDIUM } from "../../bindings/abi/memory-map.ts";
import { ETHERNET_SIZE } from "../../bindings/abi/ethernet.ts";
import { FLOW_SACK, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";
import type { IpAddress } from "../address.ts";
import { ERRNO } from "../errors.ts";
import type { Burst } from "../netif/netif.ts";
import { Segment } from "../wire/tcp.ts";
import { sendArpRequest, type ArpState } from "./arp.ts";
import { CommandQueue } from "./command-queue.ts";
import { congestionName, connectionInfo } from "./connection-information.ts";
import { localEndpoint, remoteEndpoint } from "./connection-information.ts";
import { configureRow } from "./connection-options.ts";
import { ConnectionState } from "./connection-state.ts";
import { arm, controlTimer, timerFired } from "./deadlines.ts";
import { ControlEgress } from "./egress.ts";
import { AddressTrials } from "./duplicate-address.ts";
import { EphemeralPorts } from "./ephemeral-port.ts";
import { linkResolved, linkUnreachable, transmitSyn } from "./handshake.ts";
import { housekeepingDeadline, keepHouse } from "./housekeeping.ts";
import { InitialSequence } from "./initial-sequence.ts";
import { writeProfile } from "./install.ts";
import { sendOwedReports } from "./icmpv6-report.ts";
import { beginInterface, forgetInterface } from "./interface-begin.ts";
import { InterfaceControl } from "./interface-changes.ts";
import type * as C from "./interface.ts";
import { keepAlivePassed } from "./keep-alive.ts";
import { KeyedHash } from "./keyed-hash.ts";
import { LinkChanges } from "./link-address.ts";
import { ListenerTable } from "./listener.ts";
import { sendSolicitation } from "./neighbor-discovery.ts";
import { limitsOf } from "./limits.ts";
import { NeighborCache, type Neighbor } from "./neighbor.ts";
import { openActive, openPassive } from "./open.ts";
import { PathMtuCache } from "./path-mtu.ts";
import { stateOf, type ControlPlaneCounters } from "./plane.ts";
import type { ControlPlaneLimits, Plane } from "./plane.ts";
import type { Profile } from "./profile.ts";
import { intervalPassed } from "./rate-control.ts";
import { receiveFrame } from "./receive.ts";
import { ReplayList } from "./replay-list.ts";
import { retransmissionTimeout, userTimeoutPassed } from "./retransmission-policy.ts";
import { RouteTable, type NetifConfig } from "./route.ts";
import { RouterDiscovery } from "./router-discovery.ts";
import * as R from "./row-table.ts";
import { stateExpired } from "./state-deadline.ts";
import { SynCookies } from "./syn-cookie.ts";
import * as Teardown from "./teardown.ts";
import { TokenBucket } from "./token-bucket.ts";
import { sendReset } from "./transmit.ts";

/** What a control plane is made from. */
export interface ControlPlaneOptions {
  readonly profile: Profile;
  /** Fills bytes with entropy fit for keys (RFC 6528, 4). */
  readonly entropy: (bytes: Uint8Array) => void;
  /** The core's bursts, shared with the stack. */
  readonly ingress: Burst;
  readonly egress: Burst;
  readonly limits?: Partial<ControlPlaneLimits>;
  /** Trusted test seam: chooses every ISN (u32) in place of RFC 6528's hash. */
  readonly initialSequence?: () => number;
}

const NO_EVENTS: C.ConnectionEvents = {
  opened: () => undefined,
  acceptReady: () => undefined,
  closed: () => undefined,
  softError: () => undefined,
};

/** FLOW_* that the profile neither offers nor accepts. */
function withheld({ timestamps, sack }: Profile): number {
  return (timestamps ? 0 : FLOW_TIMESTAMPS) | (sack ? 0 : FLOW_SACK);
}

function drawKey(entropy: (bytes: Uint8Array) => void): Uint8Array {
  const key = new Uint8Array(16);
  entropy(key);
  return key;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class ControlPlane implements C.ControlPlaneApi {
  /** Changes of interfaces under live connections. */
  readonly interfaces: InterfaceControl;
  readonly #plane: Plane;
  readonly #arp: ArpState = { conflicts: 0, defendedAt: -Infinity };
  readonly #linkChanges = new LinkChanges();
  readonly #attention = { due: false };
  /** Deadline of row 0's timer: the neighbour cache's. */
  #housekeeping = Infinity;

  /** Throws RangeError when a limit is out of range. */
  constructor(whole: Core, options: ControlPlaneOptions) {
    const core = controlCore(whole);
    const limits = limitsOf(options.limits);
    const key = new Uint8Array(32);
    options.entropy(key);
    const rows = new R.RowTable(core.map.options.connections + 1);
    const range = { low: limits.portLow, high: limits.portHigh };
    const portHash = new KeyedHash(key.subarray(16, 32));
    const neighbors = new NeighborCache(limits.neighbors, {
      request: (netif, address, known) => this.#request(netif, address, known),
      resolved: (id, generation, found) => linkResolved(this.#plane, id, generation, found),
      unreachable: (id, generation) => linkUnreachable(this.#plane, id, generation),
      moved: (neighbor) => this.#linkChanges.note(neighbor),
    });
    this.#plane = {
      core,
      features: core.exports.features() & ~withheld(options.profile),
      profile: options.profile,
      limits,
      rows,
      routes: new RouteTable(),
      neighbors,
      listeners: new ListenerTable(rows),
      commands: new CommandQueue(core, this.#attention),
      attention: this.#attention,
      egress: new ControlEgress(core, options.egress),
      sequence: new InitialSequence(new KeyedHash(key.subarray(0, 16)), options.initialSequence),
      ports: new EphemeralPorts(portHash, options.entropy, range),
      discovery: new RouterDiscovery(new KeyedHash(drawKey(options.entropy))),
      trials: new AddressTrials(),
      cookies: new SynCookies(new KeyedHash(drawKey(options.entropy))),
      pathMtu: new PathMtuCache(),
      timeWait: new R.RowList(rows),
      orphans: new R.RowList(rows),
      replays: new ReplayList(),
      owed: [],
      resets: new TokenBucket(limits.resetsPerSecond, limits.resetBurst),
      echoes: new TokenBucket(limits.echoesPerSecond, limits.echoBurst),
      ingress: viewOf(options.ingress.bytes),
      segment: new Segment(),
      frame: { offset: 0, length: 0, netif: 0, ip: 0 },
      outbox: new WorkList(),
      lose: (index, address) => this.interfaces.drop(index, address),
      changeMtu: (index, mtu) => this.interfaces.setMtu(index, mtu),
      tell: (index, address, outcome) => this.interfaces.tell(index, address, outcome),
      events: NO_EVENTS,
      now: 0,
    };
    writeProfile(this.#plane);
    this.interfaces = new InterfaceControl(this.#plane);
  }

  /** Who is told; once, before the first event. */
  attach(events: C.ConnectionEvents): void {
    this.#plane.events = events;
  }

  /** Time in ns for calls that come between events. */
  setNow(now: number): void {
    this.#plane.now = now;
  }

  /** Adds an interface. Throws RangeError `addNetif: expected ..., got ...` on a bad one. */
  addNetif(config: NetifConfig): void {
    const { core, routes, profile } = this.#plane;
    const added = routes.add(config, profile.dadTransmits);
    const at = (core.address + CORE_NETIF_MEDIUM + added.index * 4) >>> 2;
    core.words[at] = added.medium === "ip" ? 0 : ETHERNET_SIZE;
    if (config.announce === true) this.interfaces.announce(added);
    beginInterface(this.#plane, added, config);
  }

  /** Removes an interface; its connections are reset locally, nothing is sent. */
  removeNetif(index: number): void {
    const { rows } = this.#plane;
    for (let id = 1; id < rows.count; id += 1) {
      if (!rows.has(id, R.ROW_IS_USED) || rows.get(id, R.ROW_NETIF) !== index) continue;
      Teardown.dropConnection(this.#plane, id, ERRNO.ENETDOWN, false);
    }
    forgetInterface(this.#plane, index);
  }

  get counters(): ControlPlaneCounters {
    const { rows, timeWait, orphans, listeners, neighbors } = this.#plane;
    return {
      connections: rows.used,
      timeWait: timeWait.length,
      orphans: orphans.length,
      listeners: listeners.size,
      neighbors: neighbors.size,
      neighborChanges: neighbors.changes,
      addressConflicts: this.#arp.conflicts,
      duplicateAddresses: this.#plane.trials.duplicates,
    };
  }

  /** True when flush() would send something. */
  get pending(): boolean {
    return this.#attention.due;
  }

  /** Frames to offer to step() again: a frame table like a burst's. */
  get replays(): ReplayList {
    return this.#plane.replays;
  }

  /**
   * Handles and clears the core's events. The egress burst must mirror the core's. Returns the
   * number of frames to offer again, see `replays`.
   */
  handleEvents(now: number): number {
    const plane = this.#plane;
    const { core, replays } = plane;
    plane.now = now;
    replays.count = 0;
    this.flush();
    if (now >= this.#housekeeping) keepHouse(plane);
    const base = core.words[(core.address + CORE_EVENTS) >>> 2] as number;
    const counter = (core.address + CORE_EVENT_COUNT) >>> 2;
    const count = core.words[counter] as number;
    for (let i = 0; i < count; i += 1) this.#handle((base + i * D.EVENT_SIZE) >>> 2);
    core.words[counter] = 0;
    this.flush();
    return replays.count;
  }

  /** Sends what calls between events have left to send; handleEvents() does so too. */
  flush(): void {
    const plane = this.#plane;
    plane.commands.drain();
    this.#linkChanges.apply(plane);
    this.interfaces.flush();
    sendOwedReports(plane);
    // Callbacks may add to the list while it is walked.
    const { outbox, egress } = plane;
    // What the burst has no room for waits until the carriers have taken this one.
    let sent = 0;
    for (; sent < outbox.count && egress.hasRoom(); sent += 1) this.#dispatch(outbox.at(sent));
    outbox.drop(sent);
    this.#attention.due = outbox.count > 0 || plane.commands.waiting > 0;
    this.#armHousekeeping();
  }

  listen(request: C.ListenRequest): number {
    return openPassive(this.#plane, request);
  }

  unlisten(id: number): void {
    const { listeners, rows } = this.#plane;
    const listener = listeners.get(id);
    if (listener === undefined) return;
    for (let row = 1; row < rows.count; row += 1) {
      if (!rows.has(row, R.ROW_IS_USED) || rows.get(row, R.ROW_LISTENER) !== id) continue;
      const isHalf = stateOf(this.#plane, row) === ConnectionState.SynReceived;
      if (isHalf || rows.has(row, R.ROW_IS_ACCEPTABLE)) Teardown.abortRow(this.#plane, row);
    }
    listeners.remove(listener);
  }

  listenerPort(id: number): number {
    return this.#plane.listeners.get(id)?.port ?? 0;
  }

  accept(id: number): number {
    const { listeners, rows } = this.#plane;
    const listener = listeners.get(id);
    if (listener === undefined) return -ERRNO.EINVAL;
    const first = listener.accepts.first;
    if (first === 0) return -ERRNO.EAGAIN;
    listener.accepts.remove(first);
    rows.lower(first, R.ROW_IS_ACCEPTABLE);
    return first;
  }

  acceptable(id: number): number {
    return this.#plane.listeners.get(id)?.accepts.length ?? 0;
  }

  open(request: C.OpenRequest): number {
    return openActive(this.#plane, request);
  }

  shutdownSend(connection: number): void {
    if (this.#plane.rows.isUsed(connection)) Teardown.closeSending(this.#plane, connection);
  }

  release(connection: number): void {
    if (this.#plane.rows.isUsed(connection)) Teardown.releaseRow(this.#plane, connection);
  }

  abort(connection: number): void {
    if (this.#plane.rows.isUsed(connection)) Teardown.abortRow(this.#plane, connection);
  }

  local(connection: number): C.Endpoint {
    return localEndpoint(this.#plane, connection);
  }

  remote(connection: number): C.Endpoint {
    return remoteEndpoint(this.#plane, connection);
  }

  configure(connection: number, options: C.ConnectionOptions): void {
    if (this.#plane.rows.isUsed(connection)) configureRow(this.#plane, connection, options);
  }

  configureListener(id: number, options: C.ConnectionOptions): void {
    this.#plane.listeners.configure(id, options);
  }

  congestion(connection: number): string {
    return congestionName(this.#plane, connection);
  }

  info(connection: number): C.ConnectionInfo {
    return connectionInfo(this.#plane, connection);
  }

  connections(): C.ConnectionInfo[] {
    const { rows } = this.#plane;
    const found: C.ConnectionInfo[] = [];
    for (let id = 1; id < rows.count; id += 1) {
      if (!rows.has(id, R.ROW_IS_USED) || Teardown.hasSteppedAside(this.#plane, id)) continue;
      found.push(connectionInfo(this.#plane, id));
    }
    return found;
  }

  /** The data path has trapped: every connection ends with ECONNRESET, listeners stay. */
  fenced(): void {
    const { rows } = this.#plane;
    for (let id = 1; id < rows.count; id += 1) {
      if (rows.has(id, R.ROW_IS_USED)) Teardown.loseConnection(this.#plane, id);
    }
  }

  #request(netif: number, address: IpAddress, known: Neighbor | undefined): void {
    const via = this.#plane.routes.at(netif);
    if (via === undefined) return;
    if (typeof address === "bigint") sendSolicitation(this.#plane, via, address, known);
    else sendArpRequest(this.#plane, via, address, known);
  }

  // Row 0's control timer wakes the stack for the neighbour cache.
  #armHousekeeping(): void {
    const { core } = this.#plane;
    const next = housekeepingDeadline(this.#plane);
    if (next === this.#housekeeping) return;
    this.#housekeeping = next;
    if (this.#housekeeping === Infinity) core.exports.cancelTimer(core.address, controlTimer(0));
    else core.exports.armTimer(core.address, controlTimer(0), this.#housekeeping);
  }

  #dispatch(id: number): void {
    const plane = this.#plane;
    const { rows } = plane;
    const what = rows.isUsed(id) ? rows.get(id, R.ROW_OUTBOX) : 0;
    if (what === 0) return;
    rows.set(id, R.ROW_OUTBOX, 0);
    if (what === R.OUTBOX_SYN) {
      transmitSyn(plane, id);
      return;
    }
    sendReset(plane, id, what === R.OUTBOX_REFUSAL);
    Teardown.freeRow(plane, id);
  }

  // `at` is the event's index in words.
  #handle(at: number): void {
    const plane = this.#plane;
    const { words } = plane.core;
    const kind = words[at + D.EVENT_KIND / 4] as D.EventKind;
    const id = words[at + D.EVENT_CONNECTION / 4] as number;
    const generation = words[at + D.EVENT_GENERATION / 4] as number;
    const isCurrent = plane.rows.isUsed(id) && plane.rows.get(id, R.ROW_GENERATION) === generation;
    if (kind === D.EventKind.Redirect) {
      const { frame } = plane;
      frame.offset = words[at + D.EVENT_A / 4] as number;
      frame.length = words[at + D.EVENT_B / 4] as number;
      frame.netif = words[at + D.EVENT_C / 4] as number;
      receiveFrame(plane, this.#arp, isCurrent ? id : 0, words[at + D.EVENT_D / 4] as number);
      return;
    }
    // Threats T08: a timer or a notice of an earlier incarnation.
    if (isCurrent) this.#handleConnection(kind, id, at);
  }

  #handleConnection(kind: D.EventKind, id: number, at: number): void {
    const plane = this.#plane;
    switch (kind) {
      case D.EventKind.Timer:
        this.#handleTimer(id, at);
        return;
      case D.EventKind.FinReceived:
        Teardown.finReceived(plane, id);
        return;
      case D.EventKind.FinAcked:
        Teardown.finAcknowledged(plane, id);
        return;
      case D.EventKind.Reset:
        Teardown.resetReceived(plane, id);
        return;
      case D.EventKind.LateData:
        Teardown.refuseData(plane, id);
        return;
      default:
    }
  }

  #handleTimer(id: number, at: number): void {
    const { words } = this.#plane.core;
    if (words[at + D.EVENT_A / 4] === TimerKind.Retransmit) {
      retransmissionTimeout(this.#plane, id, words[at + D.EVENT_D / 4] !== 0);
      return;
    }
    timerFired(this.#plane, id);
    this.#expire(id, R.TIME_STATE);
    this.#expire(id, R.TIME_KEEP_ALIVE);
    this.#expire(id, R.TIME_INTERVAL);
    this.#expire(id, R.TIME_USER);
    if (this.#plane.rows.isUsed(id)) arm(this.#plane, id);
  }

  // A row that an earlier deadline freed has no deadlines left.
  #expire(id: number, field: number): void {
    const plane = this.#plane;
    if (!plane.rows.isUsed(id) || plane.rows.time(id, field) > plane.now) return;
    plane.rows.setTime(id, field, Infinity);
    switch (field) {
      case R.TIME_STATE:
        stateExpired(plane, id);
        return;
      case R.TIME_KEEP_ALIVE:
        keepAlivePassed(plane, id);
        return;
      case R.TIME_INTERVAL:
        intervalPassed(plane, id);
        return;
      default:
        userTimeoutPassed(plane, id);
    }
  }
}
