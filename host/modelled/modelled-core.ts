/**
 * The modelled executor (third of the three): the stages of the data path as work of modelled
 * cores, over modelled memories, a bus and a wire, in virtual time. What a stage does is what the
 * Wasm stage does; when it does it, and in which order parallel copies finish, is the machine's.
 *
 *   RX  wire -> pre -> RP1 -> protocol -> post -> DMA -> RP2 -> wire
 *                                                  `---> RP3 -> ARX -> host
 *   HC  doorbell -> ATX -> RP4 -> protocol ...       TX  scheduler -> pre -> protocol ...
 *
 * Invariant: every number that a reorder point gives out comes back; every item returns to its
 * pool. Streams are those of the batch executor; frames too when nothing is replicated and jitter
 * is 0 (test/unit/modelled).
 */
import * as F from "../../bindings/abi/flow-state.ts";
import { FLOW_GROUPS, TIMERS_PER_STEP, TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import { Prng } from "../prng.ts";
import { CountedCore } from "./counted-core.ts";
import { cyclesToNs, type Machine } from "./machine.ts";
import { Memories, type MemoryView, RecordMap } from "./memory-levels.ts";
import { type DmaQueue, PcieLink, type PcieTiming } from "./pcie-timing.ts";
import type { Placement, Station as StationName } from "./placement.ts";
import { type Cost, Processor } from "./processor.ts";
import { ReorderPoint } from "./reorder-point.ts";
import type { Simulation } from "./simulation.ts";
import { LEAVES, SENDS, StageCalls, TELLS } from "./stage-calls.ts";
import { StageMeter } from "./stage-meter.ts";
import { type Seat, Station } from "./station.ts";
import { fillPools, frameSpan, type Item, itemBytes, Pool } from "./work-items.ts";

/** Bytes on the wire beside a frame: preamble, checksum, gap between frames. */
export const WIRE_OVERHEAD = 24;
/** Bytes of a descriptor in a context queue. */
const DESCRIPTOR_BYTES = 32;

/** What the NIC tells the world around it. */
export interface ModelledPorts {
  /** A frame's last bit is on the wire; the bytes are valid during the call. */
  readonly frame: (bytes: Uint8Array, netif: number) => void;
  /** Notifications or events have been written where the host looks. */
  readonly told?: () => void;
}

/** Extra time of single items, for experiments that need one of them to be slow; ns. */
export interface Disturbance {
  readonly stage?: (station: StationName, item: Item, word: (offset: number) => number) => number;
  readonly dma?: (queue: DmaQueue, item: Item, word: (offset: number) => number) => number;
}

export interface ModelledOptions {
  readonly simulation: Simulation;
  /** From countedModule(). */
  readonly module: WebAssembly.Module;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly hashKey: readonly [bigint, bigint];
  readonly layout?: Partial<LayoutOptions>;
  readonly ports: ModelledPorts;
  readonly seed?: number;
  /** Default: the machine's. */
  readonly jitter?: number;
  readonly disturbance?: Disturbance;
  /** Default: a PcieLink of the machine's numbers. */
  readonly pcie?: PcieTiming;
}

/** A job of the flow scheduler's core. */
interface SchedulerJob {
  readonly kind: "schedule" | "turn";
  readonly connection: number;
  readonly fresh: boolean;
  /** Segments of the turn. */
  items: Item[];
}

interface Group {
  readonly netif: ReorderPoint<Item>;
  readonly notification: ReorderPoint<Item>;
  readonly protocol: readonly Station<Item>[];
  readonly post: Station<Item>;
}

/** One NIC with one data path. */
export class ModelledCore {
  readonly simulation: Simulation;
  readonly counted: CountedCore;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly meter: StageMeter;
  readonly calls: StageCalls;
  /** Frames that the carrier takes yet; transmission waits at 0. */
  transmitCredit = Number.POSITIVE_INFINITY;
  /** Frames that found no buffer. */
  overruns = 0;
  readonly #options: ModelledOptions;
  readonly #rx: Pool;
  readonly #tx: Pool;
  readonly #hc: Pool;
  readonly #pcie: PcieTiming;
  readonly #memories: Memories;
  readonly #processors: Processor[] = [];
  readonly #stations: Station<unknown>[] = [];
  readonly #pre: Station<Item>;
  readonly #groups: readonly Group[];
  readonly #dma: Station<Item>;
  readonly #atx: Station<Item>;
  readonly #arx: Station<Item>;
  readonly #scheduler: Station<SchedulerJob>;
  /** RP1: one domain, in the order of the wire. */
  readonly #rp1: ReorderPoint<Item>;
  /** RP4, one for each context. */
  readonly #rp4: readonly ReorderPoint<Item>[];
  /** Descriptors of each context on their way to being fetched. */
  readonly #fetching: number[];
  /** Doorbells that found no buffer. */
  readonly #rung = new Set<number>();
  /** Redirected frames for which the host has no room. */
  #blocked: Item[] = [];
  #turns = 0;
  #wheelAt = Number.POSITIVE_INFINITY;
  #lineFree = 0;

  constructor(options: ModelledOptions) {
    const { machine, placement, simulation } = options;
    this.#options = options;
    this.simulation = simulation;
    this.machine = machine;
    this.placement = placement;
    const sizes = [machine.rxPackets, machine.txPackets, machine.descriptors].map((c) => c.value);
    const frameBytes = options.layout?.frameBytes ?? 1536;
    const items = sizes.reduce((sum, size) => sum + size, 0);
    const { module, hashKey, layout = {} } = options;
    const reserve = itemBytes(items, frameBytes);
    this.counted = new CountedCore({ module, hashKey, layout, reserve });
    const [rx = 1, tx = 1, hc = 1] = sizes;
    this.#rx = new Pool("rx", rx);
    this.#tx = new Pool("tx", tx);
    this.#hc = new Pool("hc", hc);
    const at = this.counted.reserved;
    fillPools([this.#rx, this.#tx, this.#hc], at, frameBytes);
    const records = new RecordMap(this.counted.core.map, frameSpan(at, items, frameBytes));
    const prng = new Prng(options.seed ?? 1);
    const jitter = options.jitter ?? machine.jitter.value;
    this.meter = new StageMeter(machine, this.counted, records, prng, jitter);
    this.calls = new StageCalls(this.counted);
    this.#pcie = options.pcie ?? new PcieLink(simulation, pcieOf(machine));
    this.#memories = new Memories(machine);
    const { reorder, cores, groups } = placement;
    this.#rp1 = new ReorderPoint(reorder.protocol, (item) => this.#toProtocol(item));
    const contexts = this.counted.core.map.options.contexts + 1;
    this.#fetching = new Array<number>(contexts).fill(0);
    this.#rp4 = Array.from(
      { length: contexts },
      () => new ReorderPoint<Item>(reorder.hostControl, (item) => this.#toProtocol(item)),
    );
    this.#pre = this.#itemStation("pre", cores.pre * groups, 0);
    this.#groups = Array.from({ length: groups }, (_, island) => this.#group(island));
    const service = groups;
    this.#dma = this.#itemStation("dma", cores.dma, service);
    this.#atx = this.#itemStation("atx", cores.atx, service);
    this.#arx = this.#itemStation("arx", cores.arx, service);
    this.#scheduler = this.#station<SchedulerJob>(
      "scheduler",
      cores.scheduler,
      service,
      (job, view) => this.#runScheduler(job, view),
      (job) => this.#scheduled(job),
    );
  }

  get #core(): number {
    return this.counted.core.address;
  }

  // Construction.

  #station<T>(
    name: StationName,
    cores: number,
    island: number,
    run: (item: T, view: MemoryView) => Cost,
    done: (item: T) => void,
  ): Station<T> {
    const seats = Array.from({ length: cores }, (_, i): Seat => {
      const [processor, index] = this.#processor();
      // Pre-processors stand in all islands; the others in one.
      const place = name === "pre" ? i % this.placement.groups : island;
      return { processor, view: this.#memories.view(index, place) };
    });
    const station = new Station(name, seats, run, done);
    this.#stations.push(station as Station<unknown>);
    return station;
  }

  /** A core of its own, or the only one. */
  #processor(): readonly [Processor, number] {
    const [only] = this.#processors;
    if (this.placement.runToCompletion && only !== undefined) return [only, 0];
    const processor = new Processor(this.simulation, this.placement.threads, () => this.#freed());
    return [processor, this.#processors.push(processor) - 1];
  }

  /** A core shared by all stations: whoever waits may have it. */
  #freed(): void {
    if (this.placement.runToCompletion) for (const station of this.#stations) station.pump();
  }

  #itemStation(name: StationName, cores: number, island: number): Station<Item> {
    const run = (item: Item, view: MemoryView): Cost => this.#run(name, item, view);
    return this.#station(name, cores, island, run, (item) => this.#done(name, item));
  }

  #group(island: number): Group {
    const { reorder, cores } = this.placement;
    return {
      netif: new ReorderPoint(reorder.netif, (item) => this.#transmit(item)),
      notification: new ReorderPoint(reorder.notification, (item) => this.#arx.push(item)),
      protocol: Array.from({ length: cores.protocol }, () =>
        this.#itemStation("protocol", 1, island),
      ),
      post: this.#itemStation("post", cores.post, island),
    };
  }

  // The outside.

  /** A frame's last bit is off the wire; false when the NIC has no buffer and drops it. */
  receive(frame: Uint8Array, netif = 0): boolean {
    const item = this.#rx.take();
    if (item === undefined) {
      this.overruns += 1;
      return false;
    }
    this.#setNow();
    this.calls.arrive(item, frame, netif);
    item.holds = 0;
    item.egressNumber = -1;
    item.ingressNumber = this.#rp1.assign();
    this.simulation.after(this.machine.netifNs.value, () => this.#pre.push(item));
    return true;
  }

  /** Buffers for frames that receive() would take. */
  get room(): number {
    return this.#rx.free;
  }

  /** The host has moved a context's producer index; seen by the NIC a bus crossing later. */
  doorbell(context: number): void {
    this.simulation.after(this.machine.pcie.latencyNs.value, () => this.#poll(context));
  }

  /** The host has made room: for notifications, redirected frames, or frames to send. */
  resume(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const item of blocked) this.#arx.push(item);
    if (this.counted.word(M.CORE_NOTIFYING) !== 0) this.#deliver();
    this.#wakeTurns();
    this.#watchWheel();
  }

  /** True when nothing is on its way through the NIC. */
  get isIdle(): boolean {
    const pools = [this.#rx, this.#tx, this.#hc];
    return pools.every(({ free, size }) => free === size) && this.#turns === 0;
  }

  /** Share of time that the busiest core of each station computed. */
  utilisation(sinceNs: number, before: ReadonlyMap<Processor, number> = new Map()): string[] {
    const span = this.simulation.now - sinceNs;
    return this.#stations.map(({ name, seats }) => {
      const busy = seats.map(({ processor: p }) => (p.busyNs - (before.get(p) ?? 0)) / span);
      return `${name} ${Math.max(...busy).toFixed(2)}`;
    });
  }

  /** Busy time of every core so far, for utilisation(). */
  busy(): ReadonlyMap<Processor, number> {
    return new Map(this.#processors.map((processor) => [processor, processor.busyNs]));
  }

  /** Items that came to a reorder point behind a later one: RP1, RP2, RP3, RP4. */
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

  // Stations.

  #setNow(): void {
    this.counted.exports.setNow(this.#core, this.simulation.now);
  }

  #queueCycles(name: StationName): number {
    const { islandQueueCycles, machineQueueCycles } = this.machine;
    // Within an island: protocol to post. All others cross.
    return name === "post" ? islandQueueCycles.value : machineQueueCycles.value;
  }

  #call(name: StationName, item: Item): void {
    const { calls } = this;
    if (name === "pre") calls.pre(item);
    else if (name === "protocol") calls.protocol(item);
    else if (name === "post") calls.post(item);
    else if (name === "dma") calls.dma(item);
    else if (name === "arx") calls.notify(item);
    else this.#fetch(item);
  }

  #fetch(item: Item): void {
    const { exports } = this.counted;
    this.#fetching[item.source] = (this.#fetching[item.source] as number) - 1;
    exports.fetchDescriptor(this.#core, item.source, item.work);
  }

  #run(name: StationName, item: Item, view: MemoryView): Cost {
    this.#setNow();
    if (this.placement.runToCompletion && name !== "atx") return this.#runAll(item, view);
    const label = name === "atx" ? "atx" : `${name} ${this.calls.kindName(item)}`;
    const cost = this.meter.run(label, view, this.#queueCycles(name), () => this.#call(name, item));
    if (name === "protocol") this.#number(item);
    const extra = this.#options.disturbance?.stage?.(name, item, (at) => this.calls.word(item, at));
    return extra === undefined ? cost : { ...cost, stallNs: cost.stallNs + extra };
  }

  #done(name: StationName, item: Item): void {
    this.#watchWheel();
    if (this.placement.runToCompletion && name !== "atx") return this.#finishAll(item);
    if (name === "pre") this.#preDone(item);
    else if (name === "protocol") this.#protocolDone(item);
    else if (name === "post") this.#postDone(item);
    else if (name === "dma") this.#dmaDone(item);
    else if (name === "arx") this.#arxDone(item);
    else this.#fetched(item);
  }

  #preDone(item: Item): void {
    const kind = this.calls.kind(item);
    if (kind === W.WorkKind.Rx) this.#rp1.submit(item.ingressNumber, item);
    else if (kind === W.WorkKind.HostControl) this.#context(item).submit(item.ingressNumber, item);
    else this.#toProtocol(item);
  }

  #context(item: Item): ReorderPoint<Item> {
    return this.#rp4[item.source] as ReorderPoint<Item>;
  }

  #toProtocol(item: Item): void {
    if ((this.calls.actions(item) & LEAVES) !== 0) {
      item.group = 0;
      (this.#groups[0] as Group).post.push(item);
      return;
    }
    item.group = (this.calls.word(item, W.WORK_GROUP) % FLOW_GROUPS) % this.#groups.length;
    const { protocol } = this.#groups[item.group] as Group;
    const connection = this.calls.word(item, W.WORK_CONNECTION);
    (protocol[connection % protocol.length] as Station<Item>).push(item);
  }

  /** RP2 and RP3 share a number: what protocol ordered leaves and is notified in that order. */
  #number(item: Item): void {
    item.egressNumber = -1;
    if ((this.calls.actions(item) & (SENDS | TELLS)) === 0) return;
    const group = this.#groups[item.group] as Group;
    item.egressNumber = group.netif.assign();
    group.notification.assign();
  }

  #protocolDone(item: Item): void {
    const empty = (this.calls.actions(item) & W.ACTION_SEND) === 0;
    // A turn that found nothing to send goes no further.
    if (this.calls.kind(item) !== W.WorkKind.Tx || !empty) {
      (this.#groups[item.group] as Group).post.push(item);
      return;
    }
    this.#reschedule(item);
    this.#free(item);
  }

  #postDone(item: Item): void {
    this.#reschedule(item);
    if ((this.calls.actions(item) & (SENDS | W.ACTION_PLACE)) !== 0) this.#dma.push(item);
    else this.#complete(item);
  }

  /** FS: the connection has something to send; only the last segment of a turn asks again. */
  #reschedule(item: Item): void {
    if ((this.calls.actions(item) & W.ACTION_SCHEDULE) === 0) return;
    const isTurn = this.calls.kind(item) === W.WorkKind.Tx;
    if (isTurn && !item.last) return;
    const connection = this.calls.word(item, W.WORK_CONNECTION);
    this.#scheduler.push({ kind: "schedule", connection, fresh: !isTurn, items: [] });
  }

  #dmaDone(item: Item): void {
    const { placed, fetched } = item;
    if (placed === 0 && fetched === 0) return this.#complete(item);
    const queue = placed > 0 ? "rx" : "tx";
    this.#transfer(queue, placed + fetched, item, () => this.#complete(item));
  }

  #transfer(queue: DmaQueue, bytes: number, item: Item, done: () => void): void {
    const word = (at: number): number => this.calls.word(item, at);
    const extra = this.#options.disturbance?.dma?.(queue, item, word) ?? 0;
    const latency = this.machine.pcie.latencyNs.value;
    this.#pcie.transfer(queue, bytes, extra + this.meter.vary(latency) - latency, done);
  }

  /** The payload is where it belongs: the frame may leave and the host may hear of it. */
  #complete(item: Item): void {
    const actions = this.calls.actions(item);
    const sends = (actions & SENDS) !== 0;
    const tells = (actions & TELLS) !== 0;
    item.holds = (sends ? 1 : 0) + (tells ? 1 : 0);
    const { netif, notification } = this.#groups[item.group] as Group;
    const number = item.egressNumber;
    if (item.holds === 0) this.#free(item);
    if (number < 0) {
      if (sends) this.#transmit(item);
      if (tells) this.#arx.push(item);
      return;
    }
    netif.submit(number, sends ? item : undefined);
    notification.submit(number, tells ? item : undefined);
  }

  /** NBI: the wire takes one frame after the other. */
  #transmit(item: Item): void {
    const [bytes] = this.calls.frame(item);
    const bits = (bytes.length + WIRE_OVERHEAD) * 8;
    const { lineGigabits, netifNs } = this.machine;
    const start = Math.max(this.#lineFree, this.simulation.now + netifNs.value);
    this.#lineFree = start + bits / lineGigabits.value;
    this.simulation.at(this.#lineFree, () => {
      const [frame, netif] = this.calls.frame(item);
      this.#options.ports.frame(frame, netif);
      this.#release(item);
    });
  }

  #arxDone(item: Item): void {
    const { told } = this.#options.ports;
    if ((this.calls.actions(item) & W.ACTION_NOTIFY) === 0) {
      told?.();
      return this.#release(item);
    }
    this.#transfer("arx", DESCRIPTOR_BYTES, item, () => this.#deliver());
    this.#release(item);
  }

  #deliver(): void {
    this.#setNow();
    this.counted.exports.deliverNotifications(this.#core);
    this.#options.ports.told?.();
  }

  #release(item: Item): void {
    item.holds -= 1;
    if (item.holds <= 0) this.#free(item);
  }

  #free(item: Item): void {
    item.pool.add(item);
    if (item.pool === this.#tx) this.#wakeTurns();
    if (item.pool !== this.#hc) return;
    const rung = [...this.#rung];
    this.#rung.clear();
    for (const context of rung) this.#poll(context);
  }

  // HC.

  /** ATX: an item for each descriptor that is not on its way yet, as far as there are buffers. */
  #poll(context: number): void {
    const pending = this.counted.exports.pendingDescriptors(this.#core, context);
    for (let left = pending - (this.#fetching[context] as number); left > 0; left -= 1) {
      const item = this.#hc.take();
      if (item === undefined) {
        this.#rung.add(context);
        return;
      }
      item.source = context;
      item.egressNumber = -1;
      item.ingressNumber = this.#context(item).assign();
      this.#fetching[context] = (this.#fetching[context] as number) + 1;
      this.#atx.push(item);
    }
  }

  #fetched(item: Item): void {
    this.#transfer("atx", DESCRIPTOR_BYTES, item, () => this.#pre.push(item));
  }

  // TX.

  #runScheduler(job: SchedulerJob, view: MemoryView): Cost {
    this.#setNow();
    const { exports } = this.counted;
    const label = `scheduler ${job.kind}`;
    return this.meter.run(label, view, this.#queueCycles("scheduler"), () => {
      if (job.kind === "schedule") {
        exports.schedule(this.#core, job.connection, job.fresh ? 1 : 0);
        return;
      }
      const connection = exports.nextTurn(this.#core);
      if (connection !== 0) job.items = this.#turn(connection);
    });
  }

  /** Segments of one turn, each an item; none when the connection has left meanwhile. */
  #turn(connection: number): Item[] {
    const { core } = this.counted;
    const pre = (core.map.base.pre as number) + connection * F.PRE_SIZE;
    if (core.view.getUint8(pre + F.PRE_STATE) !== F.PreState.Installed) return [];
    const items: Item[] = [];
    const most = Math.min(this.#sendable(connection), this.transmitCredit);
    while (items.length < most) {
      const item = this.#tx.take();
      if (item === undefined) break;
      item.source = connection;
      item.last = false;
      item.egressNumber = -1;
      this.calls.put(item, W.WORK_KIND, W.WorkKind.Tx);
      items.push(item);
    }
    const last = items.at(-1);
    if (last !== undefined) last.last = true;
    this.transmitCredit -= items.length;
    return items;
  }

  /**
   * Segments that a flow's turn is good for: FlexTOE's scheduler keeps a count of bytes for each
   * flow, which protocol bumps; ours reads the same bytes where protocol keeps them.
   */
  #sendable(connection: number): number {
    const { core } = this.counted;
    const record = ((core.map.base.protocol as number) + connection * F.PROTOCOL_SIZE) >>> 2;
    const word = (offset: number): number => core.words[record + (offset >>> 2)] as number;
    const row = ((core.map.base.scheduler as number) + connection * F.SCHEDULER_SIZE) >>> 2;
    const interval = row + (F.SCHEDULER_INTERVAL >>> 2);
    if (core.words[interval] !== 0 || core.words[interval + 1] !== 0) return 1;
    const avail = word(F.PROTOCOL_TX_AVAIL);
    const mss = word(F.PROTOCOL_MSS) & 0xffff;
    return Math.max(1, Math.min(TURN_SEGMENTS_MAX, Math.ceil(avail / Math.max(1, mss))));
  }

  #scheduled(job: SchedulerJob): void {
    this.#watchWheel();
    if (job.kind === "turn") this.#turns -= 1;
    for (const item of job.items) this.#pre.push(item);
    this.#wakeTurns();
  }

  /** One turn at a time is asked of the scheduler while flows wait and buffers are free. */
  #wakeTurns(): void {
    if (this.#turns > 0 || this.#tx.free === 0 || this.transmitCredit < 1) return;
    if (this.counted.word(M.CORE_RR_HEAD) === 0) return;
    this.#turns += 1;
    this.#scheduler.push({ kind: "turn", connection: 0, fresh: false, items: [] });
  }

  // Timers: the wheel's hardware queue wakes nobody early.

  #watchWheel(): void {
    const next = this.counted.exports.nextDeadline(this.#core);
    if (next >= this.#wheelAt) return;
    this.#wheelAt = Math.max(next, this.simulation.now);
    const at = this.#wheelAt;
    this.simulation.at(at, () => {
      if (this.#wheelAt !== at) return;
      this.#wheelAt = Number.POSITIVE_INFINITY;
      this.#expire();
    });
  }

  #expire(): void {
    const { exports } = this.counted;
    this.#setNow();
    const due = exports.advanceTimers(this.#core, TIMERS_PER_STEP);
    for (let i = 0; i < due; i += 1) {
      const connection = exports.expireTimer(this.#core, i);
      if (connection !== 0) this.#acknowledgeLate(connection);
    }
    if (due > 0) this.#options.ports.told?.();
    this.#wakeTurns();
    this.#watchWheel();
  }

  /** A delayed ACK that is due: an item like a turn. Without a buffer its timer is set again. */
  #acknowledgeLate(connection: number): void {
    const item = this.#tx.take() ?? this.#hc.take();
    if (item === undefined) throw new Error("modelled: expected a buffer for an ACK, got none");
    item.source = connection;
    item.last = true;
    item.egressNumber = -1;
    this.calls.put(item, W.WORK_KIND, W.WorkKind.DelayedAck);
    this.#pre.push(item);
  }

  // Run to completion: one core, one thread, all stages of an item, the bus awaited.

  #runAll(item: Item, view: MemoryView): Cost {
    const names: StationName[] = ["pre", "protocol", "post", "dma", "arx"];
    let computeNs = 0;
    let stallNs = cyclesToNs(this.machine, this.#queueCycles("pre"));
    for (const name of names) {
      if (name === "dma" && (this.calls.actions(item) & (SENDS | W.ACTION_PLACE)) === 0) continue;
      if (name === "arx" && (this.calls.actions(item) & TELLS) === 0) continue;
      const label = `${name} ${this.calls.kindName(item)}`;
      const cost = this.meter.run(label, view, 0, () => this.#call(name, item));
      computeNs += cost.computeNs;
      stallNs += cost.stallNs;
      if (name === "dma") stallNs += this.#busNs(item.placed) + this.#busNs(item.fetched);
      if (name === "arx") stallNs += this.#busNs(DESCRIPTOR_BYTES);
    }
    return { computeNs, stallNs };
  }

  #busNs(bytes: number): number {
    const { latencyNs, gigabitsPerSecond } = this.machine.pcie;
    return bytes === 0 ? 0 : latencyNs.value + (bytes * 8) / gigabitsPerSecond.value;
  }

  #finishAll(item: Item): void {
    const actions = this.calls.actions(item);
    this.#reschedule(item);
    if ((actions & W.ACTION_NOTIFY) !== 0) this.#deliver();
    else if ((actions & TELLS) !== 0) this.#options.ports.told?.();
    item.holds = 1;
    if ((actions & SENDS) !== 0) this.#transmit(item);
    else this.#release(item);
  }
}

/** The machine's bus as PcieLink wants it. */
function pcieOf({ pcie }: Machine): ConstructorParameters<typeof PcieLink>[1] {
  return {
    latencyNs: pcie.latencyNs.value,
    bytesPerNs: pcie.gigabitsPerSecond.value / 8,
    headerBytes: pcie.headerBytes.value,
    payloadBytes: pcie.payloadBytes.value,
    inFlight: pcie.inFlight.value,
    queues: {
      atx: pcie.queues.atx.value,
      arx: pcie.queues.arx.value,
      tx: pcie.queues.tx.value,
      rx: pcie.queues.rx.value,
    },
  };
}
