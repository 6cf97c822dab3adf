/**
 * The modelled executor (third of the three): the stages of the data path as work of modelled
 * cores, over modelled memories, a bus and a wire, in virtual time. What a stage does is what the
 * Wasm stage does; when it does it, and in which order parallel copies finish, is the machine's.
 *
 *   RX  wire -> pre -> RP1 -> protocol -> post -> DMA -> RP2 -> wire
 *                                                  `---> RP3 -> ARX -> host
 *   HC  doorbell -> ATX -> pre -> RP4 -> protocol ...     TX  SCH -> pre -> protocol ...
 *
 * Invariant: every number that a reorder point gives out comes back; every item returns to its
 * pool. Streams are those of the batch executor; frames too when nothing is replicated and jitter
 * is 0 (test/unit/modelled).
 */
import { FLOW_GROUPS, TIMERS_PER_STEP } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import { DescriptorSource } from "./descriptor-source.ts";
import type { MemoryView } from "./memory-levels.ts";
import { Nic, type NicOptions } from "./nic.ts";
import type { DmaQueue } from "./pcie-timing.ts";
import type { Station as StationName } from "./placement.ts";
import type { Cost } from "./processor.ts";
import { ReorderPoint } from "./reorder-point.ts";
import { runAll } from "./run-to-completion.ts";
import { DESCRIPTOR_BYTES, LEAVES, SCHEDULES, SENDS, TELLS } from "./stage-calls.ts";
import type { Station } from "./station.ts";
import { type SchedulerJob, TurnSource } from "./turn-source.ts";
import type { Item } from "./work-items.ts";

/** Bytes on the wire beside an Ethernet frame: preamble, checksum, gap between frames. */
const WIRE_OVERHEAD = 24;
const ETHERNET_HEADER = 14;

/** Nanoseconds of a frame on a wire; a frame without link header gets Ethernet's. */
export function wireNs(bytes: number, medium: number, gigabits: number): number {
  return ((bytes + WIRE_OVERHEAD + ETHERNET_HEADER - medium) * 8) / gigabits;
}

/** What the NIC tells the world around it. */
export interface ModelledPorts {
  /** A frame's last bit is on the wire; the bytes are valid during the call. */
  readonly frame: (bytes: Uint8Array, netif: number) => void;
  /** Notifications or events have been written where the host looks. */
  readonly told?: () => void;
}

/** Extra time of single items, for experiments that need one of them to be slow; ns. */
export interface Disturbance {
  readonly stage?: (station: StationName, word: (offset: number) => number) => number;
  readonly dma?: (queue: DmaQueue, word: (offset: number) => number) => number;
}

export interface ModelledOptions extends NicOptions {
  readonly ports: ModelledPorts;
  readonly disturbance?: Disturbance;
}

const NOTHING: Cost = { computeNs: 0, stallNs: 0 };

interface Group {
  /** RP2 and RP3. */
  readonly netif: ReorderPoint<Item>;
  readonly notification: ReorderPoint<Item>;
  readonly protocol: readonly Station<Item>[];
  readonly post: Station<Item>;
}

/** One NIC with one data path. */
export class ModelledCore {
  readonly nic: Nic;
  /** SCH. */
  readonly turns: TurnSource;
  /** Frames that found no buffer. */
  overruns = 0;
  readonly #ports: ModelledPorts;
  readonly #disturbance: Disturbance;
  readonly #pre: Station<Item>;
  readonly #groups: readonly Group[];
  readonly #dma: Station<Item>;
  readonly #arx: Station<Item>;
  readonly #descriptors: DescriptorSource;
  /** RP1: one domain, in the order of the wire. */
  readonly #rp1: ReorderPoint<Item>;
  /** RP4, one for each context. */
  readonly #rp4: readonly ReorderPoint<Item>[];
  /** Redirected frames for which the host has no room. */
  #blocked: Item[] = [];
  #wheelAt = Number.POSITIVE_INFINITY;
  #lineFree = 0;

  constructor(options: ModelledOptions) {
    this.nic = new Nic(options);
    this.#ports = options.ports;
    this.#disturbance = options.disturbance ?? {};
    const { counted, calls, placement } = this.nic;
    const { reorder, cores, groups } = placement;
    const toProtocol = (item: Item): void => this.#toProtocol(item);
    this.#rp1 = new ReorderPoint(reorder.protocol, toProtocol);
    this.#rp4 = Array.from(
      { length: counted.core.map.options.contexts + 1 },
      () => new ReorderPoint<Item>(reorder.hostControl, toProtocol),
    );
    this.#pre = this.#station("pre", cores.pre * groups, 0);
    this.#groups = Array.from({ length: groups }, (_, island) => this.#group(island));
    // Islands of flow groups come first; the next one is the service island.
    this.#dma = this.#station("dma", cores.dma, groups);
    this.#arx = this.#station("arx", cores.arx, groups);
    const atx = this.#station("atx", cores.atx, groups);
    this.#descriptors = new DescriptorSource(counted, this.nic.hc, this.#rp4, (item) =>
      atx.push(item),
    );
    const most = this.nic.machine.turnsAtOnce.value;
    this.turns = new TurnSource(counted, calls, this.nic.tx, most, (item) => this.#pre.push(item));
    this.turns.attach(this.#scheduler(cores.scheduler, groups));
  }

  #station(name: StationName, cores: number, island: number): Station<Item> {
    const run = (item: Item, view: MemoryView): Cost => this.#run(name, item, view);
    return this.nic.station(name, cores, island, run, (item) => this.#done(name, item));
  }

  #scheduler(cores: number, island: number): Station<SchedulerJob> {
    const run = (job: SchedulerJob, view: MemoryView): Cost => {
      this.nic.setNow();
      return this.turns.run(job, view, this.nic.meter, this.#queueCycles("scheduler"));
    };
    return this.nic.station("scheduler", cores, island, run, (job) => {
      this.turns.done(job);
      this.#watchWheel();
    });
  }

  #group(island: number): Group {
    const { reorder, cores } = this.nic.placement;
    return {
      netif: new ReorderPoint(reorder.netif, (item) => this.#transmit(item)),
      notification: new ReorderPoint(reorder.notification, (item) => this.#notify(item)),
      protocol: Array.from({ length: cores.protocol }, () => this.#station("protocol", 1, island)),
      post: this.#station("post", cores.post, island),
    };
  }

  // The outside.

  /** A frame's last bit is off the wire; false when the NIC has no buffer and drops it. */
  receive(frame: Uint8Array, netif = 0): boolean {
    const item = this.nic.rx.take();
    if (item === undefined) {
      this.overruns += 1;
      return false;
    }
    this.nic.setNow();
    this.nic.calls.arrive(item, frame, netif);
    item.egressNumber = -1;
    item.ingressNumber = this.#rp1.assign();
    this.nic.simulation.after(this.nic.machine.netifNs.value, () => this.#pre.push(item));
    return true;
  }

  /** The host has moved a context's producer index; seen by the NIC a bus crossing later. */
  doorbell(context: number): void {
    const { simulation, machine } = this.nic;
    simulation.after(machine.pcie.latencyNs.value, () => this.#descriptors.poll(context));
  }

  /** The host has made room: for notifications, redirected frames, or frames to send. */
  resume(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const item of blocked) this.#notify(item);
    if (this.nic.counted.word(M.CORE_NOTIFYING) !== 0) this.#deliver();
    this.nic.counted.exports.gatherTurns(this.nic.counted.core.address);
    this.turns.wake();
    this.#watchWheel();
  }

  /** True when nothing is on its way through the NIC. */
  get isIdle(): boolean {
    return this.nic.isIdle && this.turns.isIdle;
  }

  /** Items that came to RP1, RP2, RP3 and RP4 behind a later one. */
  overtaken(): readonly [number, number, number, number] {
    const sum = (points: readonly ReorderPoint<Item>[]): number =>
      points.reduce((all, point) => all + point.overtaken, 0);
    return [
      this.#rp1.overtaken,
      sum(this.#groups.map(({ netif }) => netif)),
      sum(this.#groups.map(({ notification }) => notification)),
      sum(this.#rp4),
    ];
  }

  /** Numbers that were given out and have not come back, by reorder point; "RP2 of group 0: 3". */
  unreleased(): string[] {
    const points: (readonly [string, ReorderPoint<Item>])[] = [["RP1", this.#rp1]];
    this.#groups.forEach(({ netif, notification }, i) => {
      points.push([`RP2 of group ${i}`, netif], [`RP3 of group ${i}`, notification]);
    });
    this.#rp4.forEach((point, i) => {
      points.push([`RP4 of context ${i}`, point]);
    });
    return points.filter(([, { open }]) => open > 0).map(([name, { open }]) => `${name}: ${open}`);
  }

  // Stations.

  #queueCycles(name: StationName): number {
    const { islandQueueCycles, machineQueueCycles } = this.nic.machine;
    // From protocol to post within an island; all others cross.
    return name === "post" ? islandQueueCycles.value : machineQueueCycles.value;
  }

  #call(name: StationName, item: Item): void {
    const { calls } = this.nic;
    if (name === "pre") calls.pre(item);
    else if (name === "protocol") calls.protocol(item);
    else if (name === "post") calls.post(item);
    else if (name === "dma") calls.dma(item);
    else if (name === "arx") calls.notify(item);
    else this.#descriptors.fetch(item);
  }

  #run(name: StationName, item: Item, view: MemoryView): Cost {
    const { calls, meter, placement } = this.nic;
    this.nic.setNow();
    if (this.#hasEnded(name, item)) return NOTHING;
    if (placement.runToCompletion && name !== "atx") {
      return runAll(this.nic, item, view, () => this.#passed(item));
    }
    const label = name === "atx" ? "atx" : `${name} ${calls.kindName(item)}`;
    const cost = meter.run(label, view, this.#queueCycles(name), () => this.#call(name, item));
    if (name === "protocol") this.#passed(item);
    const extra = this.#disturbance.stage?.(name, (at) => calls.word(item, at)) ?? 0;
    return extra === 0 ? cost : { ...cost, stallNs: cost.stallNs + extra };
  }

  /** The connection was taken out of the data path while the item was on its way: it is void. */
  #hasEnded(name: StationName, item: Item): boolean {
    const { calls } = this.nic;
    if (name === "pre" || name === "atx" || calls.isCurrent(item)) return false;
    calls.put(item, W.WORK_ACTIONS, 0);
    item.placed = 0;
    item.fetched = 0;
    if (name === "protocol") this.#passed(item);
    return true;
  }

  #done(name: StationName, item: Item): void {
    this.#watchWheel();
    if (name === "atx") this.#transfer("atx", DESCRIPTOR_BYTES, item, () => this.#pre.push(item));
    else if (this.nic.placement.runToCompletion) this.#finishAll(item);
    else if (name === "pre") this.#preDone(item);
    else if (name === "protocol") this.#protocolDone(item);
    else if (name === "post") this.#postDone(item);
    else if (name === "dma") this.#dmaDone(item);
    else this.#arxDone(item);
  }

  #preDone(item: Item): void {
    const kind = this.nic.calls.kind(item);
    if (kind === W.WorkKind.Rx) this.#rp1.submit(item.ingressNumber, item);
    else if (kind === W.WorkKind.HostControl) this.#descriptors.submit(item);
    else this.#toProtocol(item);
  }

  #toProtocol(item: Item): void {
    const { calls } = this.nic;
    if ((calls.actions(item) & LEAVES) !== 0) {
      item.group = 0;
      (this.#groups[0] as Group).post.push(item);
      return;
    }
    item.group = (calls.word(item, W.WORK_GROUP) % FLOW_GROUPS) % this.#groups.length;
    const { protocol } = this.#groups[item.group] as Group;
    const connection = calls.word(item, W.WORK_CONNECTION);
    (protocol[connection % protocol.length] as Station<Item>).push(item);
  }

  /** RP2 and RP3 share a number: what protocol ordered leaves and is notified in that order. */
  #passed(item: Item): void {
    const { calls, placement } = this.nic;
    item.egressNumber = -1;
    item.last = calls.kind(item) !== W.WorkKind.Tx || this.turns.passed(item);
    if (placement.runToCompletion || (calls.actions(item) & (SENDS | TELLS)) === 0) return;
    const group = this.#groups[item.group] as Group;
    item.egressNumber = group.netif.assign();
    group.notification.assign();
  }

  #protocolDone(item: Item): void {
    const { calls } = this.nic;
    const isTurn = calls.kind(item) === W.WorkKind.Tx;
    if (!isTurn || (calls.actions(item) & W.ACTION_SEND) !== 0) {
      (this.#groups[item.group] as Group).post.push(item);
      return;
    }
    // A turn that found nothing to send goes no further.
    this.#reschedule(item);
    this.#free(item);
  }

  #postDone(item: Item): void {
    this.#reschedule(item);
    if ((this.nic.calls.actions(item) & (SENDS | W.ACTION_PLACE)) !== 0) this.#dma.push(item);
    else this.#complete(item);
  }

  /** FS: the connection has something to send; of segments under way, the last one asks again. */
  #reschedule(item: Item): void {
    if ((this.nic.calls.actions(item) & SCHEDULES) !== 0 && item.last) this.turns.schedule(item);
  }

  #dmaDone(item: Item): void {
    const { placed, fetched } = item;
    const queue = placed > 0 ? "rx" : "tx";
    if (placed === 0 && fetched === 0) this.#complete(item);
    else this.#transfer(queue, placed + fetched, item, () => this.#complete(item));
  }

  #transfer(queue: DmaQueue, bytes: number, item: Item, done: () => void): void {
    const { calls, machine, meter, pcie } = this.nic;
    const extra = this.#disturbance.dma?.(queue, (at) => calls.word(item, at)) ?? 0;
    const latency = machine.pcie.latencyNs.value;
    pcie.transfer(queue, bytes, extra + meter.vary(latency) - latency, done);
  }

  /** The payload is where it belongs: the frame may leave and the host may hear of it. */
  #complete(item: Item): void {
    const actions = this.nic.calls.actions(item);
    const sends = (actions & SENDS) !== 0;
    const tells = (actions & TELLS) !== 0;
    item.holds = (sends ? 1 : 0) + (tells ? 1 : 0);
    const { netif, notification } = this.#groups[item.group] as Group;
    const number = item.egressNumber;
    if (item.holds === 0) this.#free(item);
    if (number < 0) {
      if (sends) this.#transmit(item);
      if (tells) this.#notify(item);
      return;
    }
    netif.submit(number, sends ? item : undefined);
    notification.submit(number, tells ? item : undefined);
  }

  /** NBI: the wire takes one frame after the other. */
  #transmit(item: Item): void {
    const { calls, counted, machine, simulation } = this.nic;
    const [bytes, netif] = calls.frame(item);
    const medium = counted.word(M.CORE_NETIF_MEDIUM + 4 * netif);
    const start = Math.max(this.#lineFree, simulation.now + machine.netifNs.value);
    this.#lineFree = start + wireNs(bytes.length, medium, machine.lineGigabits.value);
    simulation.at(this.#lineFree, () => {
      this.#ports.frame(calls.frame(item)[0], netif);
      this.#release(item);
    });
  }

  #notify(item: Item): void {
    if (this.nic.calls.hasRoom(item)) this.#arx.push(item);
    else this.#blocked.push(item);
  }

  #arxDone(item: Item): void {
    if ((this.nic.calls.actions(item) & W.ACTION_NOTIFY) !== 0) {
      this.#transfer("arx", DESCRIPTOR_BYTES, item, () => this.#deliver());
    } else {
      this.#ports.told?.();
    }
    this.#release(item);
  }

  #deliver(): void {
    const { counted } = this.nic;
    this.nic.setNow();
    counted.exports.deliverNotifications(counted.core.address);
    this.#ports.told?.();
  }

  #release(item: Item): void {
    item.holds -= 1;
    if (item.holds <= 0) this.#free(item);
  }

  #free(item: Item): void {
    item.pool.add(item);
    if (item.pool === this.nic.tx) this.turns.wake();
    else if (item.pool === this.nic.hc) this.#descriptors.retry();
  }

  /** Run to completion: everything has happened; what it made goes out. */
  #finishAll(item: Item): void {
    const actions = this.nic.calls.actions(item);
    this.#reschedule(item);
    if ((actions & W.ACTION_NOTIFY) !== 0) this.#deliver();
    else if ((actions & TELLS) !== 0) this.#ports.told?.();
    item.holds = 1;
    if ((actions & SENDS) !== 0) this.#transmit(item);
    else this.#release(item);
  }

  // Timers: the wheel's hardware queues wake nobody early.

  #watchWheel(): void {
    const { counted, simulation } = this.nic;
    const next = counted.exports.nextDeadline(counted.core.address);
    if (next >= this.#wheelAt) return;
    const at = Math.max(next, simulation.now);
    this.#wheelAt = at;
    simulation.at(at, () => {
      if (this.#wheelAt !== at) return;
      this.#wheelAt = Number.POSITIVE_INFINITY;
      this.#expire();
    });
  }

  #expire(): void {
    const { exports, core } = this.nic.counted;
    this.nic.setNow();
    const due = exports.advanceTimers(core.address, TIMERS_PER_STEP);
    for (let i = 0; i < due; i += 1) {
      const expired = exports.expireTimer(core.address, i);
      if (expired !== 0) this.#takeExpired(expired);
    }
    if (due > 0) this.#ports.told?.();
    exports.gatherTurns(core.address);
    this.turns.wake();
    this.#watchWheel();
  }

  /**
   * A delayed ACK or a loss timer that is due: an item like a turn. Buffers are kept for it by
   * their number.
   */
  #takeExpired(expired: number): void {
    const item = this.nic.tx.take() ?? this.nic.hc.take();
    if (item === undefined) throw new Error("modelled: expected a buffer for an ACK, got none");
    item.source = Math.floor(expired / W.WORK_KINDS);
    item.egressNumber = -1;
    this.nic.calls.put(item, W.WORK_KIND, expired % W.WORK_KINDS);
    this.#pre.push(item);
  }
}
