/**
 * What a modelled NIC is made of, before anything happens on it: the counted core, pools of
 * buffers, caches, the bus, and cores in stations. The pipeline over it is modelled-core.ts.
 */
import type { LayoutOptions } from "../../bindings/layout.ts";
import { Prng } from "../prng.ts";
import { CountedCore } from "./counted-core.ts";
import { type Machine, pcieOf } from "./machine.ts";
import { Memories, type MemoryView, RecordMap } from "./memory-levels.ts";
import { PcieLink, type PcieTiming } from "./pcie-timing.ts";
import type { Placement, Station as StationName } from "./placement.ts";
import { type Cost, Processor } from "./processor.ts";
import type { Simulation } from "./simulation.ts";
import { StageCalls } from "./stage-calls.ts";
import { StageMeter } from "./stage-meter.ts";
import { type Seat, Station } from "./station.ts";
import { fillPools, frameSpan, itemBytes, Pool } from "./work-items.ts";

export interface NicOptions {
  readonly simulation: Simulation;
  /** From countedModule(). */
  readonly module: WebAssembly.Module;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly hashKey: readonly [bigint, bigint];
  readonly layout?: Partial<LayoutOptions>;
  /** Of all randomness; default 1. */
  readonly seed?: number;
  /** Default: the machine's. */
  readonly jitter?: number;
  /** Default: a PcieLink of the machine's numbers. */
  readonly pcie?: PcieTiming;
}

const FRAME_BYTES_DEFAULT = 1536;

export class Nic {
  readonly simulation: Simulation;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly counted: CountedCore;
  readonly meter: StageMeter;
  readonly calls: StageCalls;
  readonly pcie: PcieTiming;
  /** Buffers for frames that come, for segments that leave, and for descriptors. */
  readonly rx: Pool;
  readonly tx: Pool;
  readonly hc: Pool;
  readonly #memories: Memories;
  readonly #processors: Processor[] = [];
  readonly #stations: Station<unknown>[] = [];

  constructor(options: NicOptions) {
    const { machine, placement, simulation, module, hashKey, layout = {} } = options;
    this.simulation = simulation;
    this.machine = machine;
    this.placement = placement;
    this.rx = new Pool("rx", machine.rxPackets.value);
    this.tx = new Pool("tx", machine.txPackets.value);
    this.hc = new Pool("hc", machine.descriptors.value);
    const pools = [this.rx, this.tx, this.hc];
    const items = pools.reduce((sum, { size }) => sum + size, 0);
    const frameBytes = layout.frameBytes ?? FRAME_BYTES_DEFAULT;
    const reserve = itemBytes(items, frameBytes);
    this.counted = new CountedCore({ module, hashKey, layout, reserve });
    const at = this.counted.reserved;
    fillPools(pools, at, frameBytes);
    const records = new RecordMap(this.counted.core.map, frameSpan(at, items, frameBytes));
    const prng = new Prng(options.seed ?? 1).fork("jitter");
    const jitter = options.jitter ?? machine.jitter.value;
    this.meter = new StageMeter(machine, this.counted, records, prng, jitter);
    this.calls = new StageCalls(this.counted);
    this.pcie = options.pcie ?? new PcieLink(simulation, pcieOf(machine));
    this.#memories = new Memories(machine);
  }

  /** Time of the stages that follow. */
  setNow(): void {
    this.counted.exports.setNow(this.counted.core.address, this.simulation.now);
  }

  /** Cores for a stage, on an island; islands are the flow groups, then the service island. */
  station<T>(
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

  /** True when every buffer is in its pool. */
  get isIdle(): boolean {
    return [this.rx, this.tx, this.hc].every(({ free, size }) => free === size);
  }

  /** Busy time of every core so far, for utilisation(). */
  busy(): ReadonlyMap<Processor, number> {
    return new Map(this.#processors.map((processor) => [processor, processor.busyNs]));
  }

  /** Share of the time since `sinceNs` that the busiest core of each station computed. */
  utilisation(sinceNs: number, before: ReadonlyMap<Processor, number>): Map<string, number> {
    const span = this.simulation.now - sinceNs;
    const shares = new Map<string, number>();
    for (const { name, seats } of this.#stations) {
      for (const { processor } of seats) {
        const share = (processor.busyNs - (before.get(processor) ?? 0)) / span;
        shares.set(name, Math.max(share, shares.get(name) ?? 0));
      }
    }
    return shares;
  }
}
