/**
 * What surrounds the stages of an RMT machine (dissertation 5.1.1), as TypeScript sees the modules
 * of build/rmt.wasm: records in a memory of their own, times in ns. A packet is a handle, not 0.
 */
import { INTERVAL_FRACTION_BITS } from "../../../bindings/abi/flow-state.ts";
import { CLOCK_INTERVAL } from "../../../bindings/abi/rate-clock.ts";
import * as R from "../../../bindings/abi/rmt.ts";

/** Of build/rmt.wasm; times are ps, Infinity is never. */
export interface RmtModuleCode {
  managerEnqueue(
    manager: number,
    port: number,
    priority: number,
    packet: number,
    bytes: number,
  ): number;
  managerPause(manager: number, port: number, paused: number): void;
  managerDequeue(manager: number, now: number): number;
  managerDue(manager: number): number;
  mirrorSend(line: number, packet: number, now: number): number;
  recirculationSend(line: number, packet: number, bytes: number, now: number): number;
  recirculationRoom(line: number, now: number): number;
  lineArrived(line: number, now: number): number;
  lineDue(line: number): number;
  generatorTouch(generator: number, connection: number, now: number): void;
  generatorNext(generator: number, now: number): number;
  meterPass(meter: number, bytes: number, now: number): number;
}

/** The exports over a memory that nothing else uses. */
export type RmtModuleLoader = (memory: WebAssembly.Memory) => RmtModuleCode;

const PAGE = 65_536;
const FIRST_FREE = 4096;
const PS = 1000;
/** Fs of a byte at 1 Gbit/s. */
const FS_PER_BYTE = 8e6;

/** Times of one instant in ns and ps do not differ by rounding. */
const ps = (ns: number): number => Math.round(ns * PS);
const fsPerByte = (gbps: number): number =>
  Number.isFinite(gbps) ? Math.round(FS_PER_BYTE / gbps) : 0;

/** Memory for records and rings, zeroed. */
export class ModuleMemory {
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
  readonly code: RmtModuleCode;
  #free = FIRST_FREE;

  constructor(load: RmtModuleLoader, bytes: number) {
    const pages = Math.ceil((bytes + FIRST_FREE) / PAGE) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_535 });
    this.code = load(memory);
    this.words = new Uint32Array(memory.buffer);
    this.longs = new BigUint64Array(memory.buffer);
  }

  take(bytes: number): number {
    const at = this.#free;
    this.#free += Math.ceil(bytes / 64) * 64;
    if (this.#free > this.words.byteLength) {
      throw new RangeError(`rmt modules: expected ${this.words.byteLength} bytes, got more`);
    }
    return at;
  }
}

export interface QueueOptions {
  readonly packets: number;
  readonly bytes: number;
  readonly lossless?: boolean;
  /** Packets from which on an arrival is marked. */
  readonly markFrom?: number;
}

/** Queues between ingress and egress. */
export class TrafficManager {
  readonly #memory: ModuleMemory;
  readonly #at: number;
  readonly #ports: number;

  /** `slotNs`: of a packet in the egress pipeline. */
  constructor(memory: ModuleMemory, slotNs: number, ports: number) {
    if (ports > R.MANAGER_PORTS_MAX) {
      throw new RangeError(`ports: expected ${R.MANAGER_PORTS_MAX} at most, got ${ports}`);
    }
    this.#memory = memory;
    this.#ports = ports;
    this.#at = memory.take(R.MANAGER_SIZE + ports * R.PORT_SIZE);
    memory.words[(this.#at + R.MANAGER_SLOT_PS) / 4] = ps(slotNs);
    memory.words[(this.#at + R.MANAGER_PORTS) / 4] = ports;
  }

  #queue(port: number, priority: number): number {
    const owner = this.#at + R.MANAGER_SIZE + port * R.PORT_SIZE;
    return (owner + R.PORT_QUEUES + priority * R.QUEUE_SIZE) / 4;
  }

  /** Infinity: a channel that takes no time. */
  setRate(port: number, gbps: number): void {
    const owner = this.#at + R.MANAGER_SIZE + port * R.PORT_SIZE;
    this.#memory.words[(owner + R.PORT_FS_PER_BYTE) / 4] = fsPerByte(gbps);
  }

  setQueue(port: number, priority: number, options: QueueOptions): void {
    const slots = 2 ** Math.ceil(Math.log2(options.packets));
    const { words } = this.#memory;
    const queue = this.#queue(port, priority);
    words[queue + R.QUEUE_RING / 4] = this.#memory.take(slots * 8);
    words[queue + R.QUEUE_MASK / 4] = slots - 1;
    words[queue + R.QUEUE_LIMIT / 4] = options.bytes;
    words[queue + R.QUEUE_LOSSLESS / 4] = options.lossless === true ? 1 : 0;
    words[queue + R.QUEUE_MARK_FROM / 4] = options.markFrom ?? 0;
  }

  enqueue(port: number, priority: number, packet: number, bytes: number): R.Verdict {
    return this.#memory.code.managerEnqueue(this.#at, port, priority, packet, bytes);
  }

  pause(port: number, paused: boolean): void {
    this.#memory.code.managerPause(this.#at, port, paused ? 1 : 0);
  }

  dequeue(now: number): number {
    return this.#memory.code.managerDequeue(this.#at, ps(now));
  }

  /** ns. */
  get due(): number {
    return this.#memory.code.managerDue(this.#at) / PS;
  }

  #sum(offset: number): number {
    let sum = 0;
    for (let port = 0; port < this.#ports; port += 1) {
      for (let priority = 0; priority < R.MANAGER_PRIORITIES; priority += 1) {
        sum += this.#memory.words[this.#queue(port, priority) + offset / 4] as number;
      }
    }
    return sum;
  }

  get drops(): number {
    return this.#sum(R.QUEUE_DROPS);
  }

  /** Packets in a queue. */
  waiting(port: number, priority: number): number {
    const queue = this.#queue(port, priority);
    const { words } = this.#memory;
    const tail = words[queue + R.QUEUE_TAIL / 4] as number;
    return (tail - (words[queue + R.QUEUE_HEAD / 4] as number)) >>> 0;
  }
}

/** A way that takes all packets equally long. */
class DelayLine {
  protected readonly memory: ModuleMemory;
  protected readonly at: number;

  constructor(memory: ModuleMemory, bytes: number, delayNs: number, packets: number) {
    const slots = 2 ** Math.ceil(Math.log2(packets));
    this.memory = memory;
    this.at = memory.take(bytes);
    memory.words[(this.at + R.LINE_RING) / 4] = memory.take(slots * 16);
    memory.words[(this.at + R.LINE_MASK) / 4] = slots - 1;
    memory.words[(this.at + R.LINE_DELAY_PS) / 4] = ps(delayNs);
  }

  /** The next packet that has arrived, or 0. */
  arrived(now: number): number {
    return this.memory.code.lineArrived(this.at, ps(now));
  }

  /** ns. */
  get due(): number {
    return this.memory.code.lineDue(this.at) / PS;
  }

  /** Packets that found it full. */
  get full(): number {
    return this.memory.words[(this.at + R.LINE_FULL) / 4] as number;
  }
}

export class Mirror extends DelayLine {
  /** `loss`: share of the copies; `seed` is 32 bits. */
  constructor(memory: ModuleMemory, delayNs: number, packets: number, loss: number, seed: number) {
    super(memory, R.MIRROR_SIZE, delayNs, packets);
    memory.words[(this.at + R.MIRROR_LOSS) / 4] = Math.min(0xffffffff, loss * 0x100000000);
    memory.words[(this.at + R.MIRROR_RANDOM) / 4] = Math.max(1, seed);
  }

  send(packet: number, now: number): boolean {
    return this.memory.code.mirrorSend(this.at, packet, ps(now)) !== 0;
  }

  get lost(): number {
    return this.memory.words[(this.at + R.MIRROR_LOST) / 4] as number;
  }
}

export class Recirculation extends DelayLine {
  /** `behindNs`: how far its port may be behind. */
  constructor(
    memory: ModuleMemory,
    delayNs: number,
    packets: number,
    gbps: number,
    behindNs: number,
  ) {
    super(memory, R.RECIRCULATION_SIZE, delayNs, packets);
    memory.words[(this.at + R.RECIRCULATION_FS_PER_BYTE) / 4] = fsPerByte(gbps);
    memory.words[(this.at + R.RECIRCULATION_BEHIND_PS) / 4] = ps(behindNs);
  }

  send(packet: number, bytes: number, now: number): boolean {
    return this.memory.code.recirculationSend(this.at, packet, bytes, ps(now)) !== 0;
  }

  /** ns from which on it takes the next packet. */
  room(now: number): number {
    return this.memory.code.recirculationRoom(this.at, ps(now)) / PS;
  }
}

export class PacketGenerator {
  readonly #memory: ModuleMemory;
  readonly #at: number;

  /** A SYNC each `periodNs` for connections that have sent within `idle` of them. */
  constructor(memory: ModuleMemory, periodNs: number, connections: number, idle: number) {
    this.#memory = memory;
    this.#at = memory.take(R.GENERATOR_SIZE);
    const { words } = memory;
    words[(this.#at + R.GENERATOR_STEP_PS) / 4] = Math.max(1, ps(periodNs / connections));
    words[(this.#at + R.GENERATOR_COUNT) / 4] = connections;
    words[(this.#at + R.GENERATOR_IDLE) / 4] = idle;
    words[(this.#at + R.GENERATOR_ACTIVE) / 4] = memory.take(connections * 8);
  }

  touch(connection: number, now: number): void {
    this.#memory.code.generatorTouch(this.#at, connection, ps(now));
  }

  /** The connection whose SYNC is due; undefined when none is. */
  next(now: number): number | undefined {
    const found = this.#memory.code.generatorNext(this.#at, ps(now));
    return found === 0 ? undefined : found - 1;
  }

  /** ns of the next turn. */
  get due(): number {
    return Number(this.#memory.longs[(this.#at + R.GENERATOR_NEXT) / 8]) / PS;
  }
}

/** A token bucket for each connection. */
export class Meters {
  readonly #memory: ModuleMemory;
  readonly #at: number;

  constructor(memory: ModuleMemory, connections: number) {
    this.#memory = memory;
    this.#at = memory.take(connections * R.METER_SIZE);
  }

  /** The control plane's; Infinity: everything conforms. `savedNs`: time at the rate, at most. */
  set(
    connection: number,
    gbps: number,
    savedNs: number,
    excess: R.Verdict.Marked | R.Verdict.Dropped,
  ): void {
    const record = this.#at + connection * R.METER_SIZE;
    const { words, longs } = this.#memory;
    const interval = Math.round(((8 * PS) / gbps) * 2 ** INTERVAL_FRACTION_BITS);
    longs[(record + CLOCK_INTERVAL) / 8] = BigInt(interval);
    words[(record + R.METER_SAVED) / 4] = ps(savedNs);
    words[(record + R.METER_EXCESS) / 4] = excess;
  }

  pass(connection: number, bytes: number, now: number): R.Verdict {
    const record = this.#at + connection * R.METER_SIZE;
    return this.#memory.code.meterPass(record, bytes, ps(now));
  }

  /** Packets that did not conform. */
  exceeded(connection: number): number {
    const record = this.#at + connection * R.METER_SIZE;
    return this.#memory.words[(record + R.METER_EXCEEDED) / 4] as number;
  }
}
