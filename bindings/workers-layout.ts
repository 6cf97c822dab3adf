/**
 * What the workers executor needs behind a core's map: the records of bindings/abi/workers.ts,
 * placed and linked. Pure arithmetic over one memory; the threads come from bindings/workers.ts.
 */
import { COUNTERS } from "./abi/counters.ts";
import { EVENT_SIZE, FRAME_SIZE } from "./abi/descriptor.ts";
import { DROP_REASONS } from "./abi/drop-reason.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, FRAME_HEADROOM } from "./abi/limits.ts";
import * as M from "./abi/memory-map.ts";
import { ReorderPoint, Stage } from "./abi/stage.ts";
import { CAROUSEL_SIZE, CAROUSEL_SLOT_BITS } from "./abi/carousel.ts";
import { WHEEL_SIZE } from "./abi/timer.ts";
import { WORK_SIZE } from "./abi/work.ts";
import * as X from "./abi/workers.ts";
import { type Layout, PAGE } from "./layout.ts";

/** Replicas of each stage, and who runs them. */
export interface WorkersPlan {
  /** Pre-processors: 1..4. */
  readonly pre?: number;
  /** Flow groups, a protocol stage each: 1, 2 or 4. */
  readonly groups?: number;
  /** Post-processors: 1..4. */
  readonly post?: number;
  /** DMA engines: 1..4. */
  readonly dma?: number;
  /**
   * Stages of each thread, by name: "netif", "context-queue", "pre.0", "protocol.0", "post.0",
   * "dma.0". Each replica on one thread. Left out: two threads, protocol on the second.
   */
  readonly threads?: readonly (readonly string[])[];
  /** Stages that the host's own thread runs, in its turns; none by default. */
  readonly host?: readonly string[];
  /** Test seam: seeds stalls at every stage. */
  readonly stallSeed?: number;
}

export interface Replica {
  readonly name: string;
  readonly kind: Stage;
  readonly index: number;
  /** Address of its STAGE record. */
  readonly address: number;
  /** Address of its private header. */
  readonly header: number;
}

export interface WorkersLayout {
  /** Address of the shared control block. */
  readonly shared: number;
  /** Address of the host's THREAD record; the others follow. */
  readonly threads: number;
  /** Stages on the host's own thread. */
  readonly host: readonly string[];
  /** Stages of each thread beside it, as planned. */
  readonly placement: readonly (readonly string[])[];
  readonly replicas: readonly Replica[];
  readonly pages: number;
}

/**
 * Items of each source. Of the netif's, as many as all spans hold are in the pipeline, and as many
 * again, with EGRESS_FRAMES_MAX more, may wait for a carrier before answers are given up: one is
 * always left, so reception never waits for transmission.
 */
export const NETIF_ITEMS = 2 * X.SPANS * BATCH_MAX + EGRESS_FRAMES_MAX + BATCH_MAX;
export const OWN_ITEMS = 128;
/** Above the sum of all items: no ring is ever full, no reorder point lapped. */
const PLACES = 2048;
/** Events: four for each received frame in the spans, and the redirects that wait already. */
const CONTEXT_EVENTS = 2048;
const GROUP_EVENTS = 256;
const SCRATCH_EVENTS = 64;
const PAUSED = 1;

const COUNTS: readonly (readonly [keyof WorkersPlan, readonly number[]])[] = [
  ["pre", [1, 2, 3, 4]],
  ["groups", [1, 2, 4]],
  ["post", [1, 2, 3, 4]],
  ["dma", [1, 2, 3, 4]],
];

type Counts = { pre: number; groups: number; post: number; dma: number };

function countsOf(plan: WorkersPlan): Counts {
  for (const [name, allowed] of COUNTS) {
    const got = (plan[name] ?? 1) as number;
    if (allowed.includes(got)) continue;
    throw new RangeError(`workers: expected ${name} one of ${allowed.join(", ")}, got ${got}`);
  }
  const { pre = 1, groups = 1, post = 1, dma = 1 } = plan;
  return { pre, groups, post, dma };
}

function names(stem: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${stem}.${index}`);
}

/** Every replica's name. */
function replicaNames({ pre, groups, post, dma }: Counts): string[] {
  return [
    "netif",
    "context-queue",
    ...names("pre", pre),
    ...names("protocol", groups),
    ...names("post", post),
    ...names("dma", dma),
  ];
}

/** Those that a plan leaves to threads: on two, protocol on the second. */
function splitInTwo(names: readonly string[]): readonly (readonly string[])[] {
  const first = (name: string): boolean => /^(netif|context-queue|pre)/.test(name);
  const halves = [names.filter(first), names.filter((name) => !first(name))];
  return halves.filter(({ length }) => length > 0);
}

/** Each stage on one thread. Throws RangeError naming what is wrong. */
function placementOf(plan: WorkersPlan, all: readonly string[]): readonly (readonly string[])[] {
  const { host = [] } = plan;
  const { threads = splitInTwo(all.filter((name) => !host.includes(name))) } = plan;
  const least = host.length === 0 ? 1 : 0;
  const most = X.WORKER_THREADS_MAX - 1;
  if (threads.length < least || threads.length > most) {
    throw new RangeError(`workers: expected ${least}..${most} threads, got ${threads.length}`);
  }
  const placed = [...host, ...threads.flat()];
  for (const name of placed) {
    if (!all.includes(name)) {
      throw new RangeError(`workers: expected one of ${all.join(", ")}, got ${name}`);
    }
  }
  for (const name of all) {
    const times = placed.filter((other) => other === name).length;
    if (times !== 1) throw new RangeError(`workers: expected ${name} on 1 thread, got ${times}`);
  }
  for (const stages of threads) {
    if (stages.length > X.THREAD_STAGES_MAX) {
      const got = stages.length;
      throw new RangeError(`workers: expected ${X.THREAD_STAGES_MAX} stages a thread, got ${got}`);
    }
  }
  return threads;
}

const KINDS: Readonly<Record<string, Stage>> = {
  netif: Stage.Netif,
  "context-queue": Stage.ContextQueue,
  pre: Stage.PreProcessing,
  protocol: Stage.Protocol,
  post: Stage.PostProcessing,
  dma: Stage.Dma,
};

/** Hands out memory behind the map and writes records into it. */
class Builder {
  readonly #view: DataView;
  #next: number;

  constructor(view: DataView, from: number) {
    this.#view = view;
    this.#next = from;
  }

  get end(): number {
    return this.#next;
  }

  /** Bytes on cache lines of their own; zeroed, as fresh memory is. */
  take(bytes: number): number {
    const at = Math.ceil(this.#next / X.CACHE_LINE) * X.CACHE_LINE;
    this.#next = at + bytes;
    return at;
  }

  put(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
  }

  ring(wakes: number, entryBytes: number = 4, places: number = PLACES, at?: number): number {
    const ring = at ?? this.take(X.RING_SIZE);
    this.put(ring + X.RING_BASE, this.take(places * entryBytes));
    this.put(ring + X.RING_MASK, places - 1);
    this.put(ring + X.RING_WAKES, wakes);
    return ring;
  }

  reorder(wakes: number): number {
    const point = this.take(X.REORDER_SIZE);
    this.put(point + X.REORDER_BASE, this.take(PLACES * 4));
    this.put(point + X.REORDER_MASK, PLACES - 1);
    this.put(point + X.REORDER_WAKES, wakes);
    return point;
  }
}

/** Bytes from the first address on that a layout with this plan takes, rounded up to pages. */
export function workersPages(map: Layout, plan: WorkersPlan): number {
  // The view is never written: a dry run over the same arithmetic.
  const dry = new DataView(new ArrayBuffer(0));
  dry.setUint32 = () => undefined;
  return place(dry, map, plan).pages;
}

/** Writes every record of the executor behind `map`. Throws RangeError on a bad plan. */
export function place(view: DataView, map: Layout, plan: WorkersPlan): WorkersLayout {
  const counts = countsOf(plan);
  const all = replicaNames(counts);
  const placement = placementOf(plan, all);
  const host = plan.host ?? [];
  const build = new Builder(view, map.pages * PAGE);
  const shared = build.take(X.SHARED_SIZE);
  const threads = build.take((placement.length + 1) * X.THREAD_SIZE);
  // The host's own record is the first: its stages are on no thread of the placement.
  const threadOf = (name: string): number => {
    const index = placement.findIndex((stages) => stages.includes(name));
    return threads + (index + 1) * X.THREAD_SIZE;
  };
  const stages = build.take(all.length * X.STAGE_SIZE);
  const replicas = all.map((name, order): Replica => {
    const [stem = "", index = "0"] = name.split(".");
    const address = stages + order * X.STAGE_SIZE;
    const kind = KINDS[stem] as Stage;
    return { name, kind, index: Number(index), address, header: build.take(M.CORE_SIZE) };
  });
  const linker = new Linker({ build, map, counts, shared, threads, threadOf, replicas });
  linker.share(stages);
  linker.stages(plan.stallSeed ?? 0);
  linker.pipeline();
  [host, ...placement].forEach((list, index) => {
    const thread = threads + index * X.THREAD_SIZE;
    build.put(thread + X.THREAD_STAGE_COUNT, list.length);
    list.forEach((name, at) => {
      const { address } = replicas.find((replica) => replica.name === name) as Replica;
      build.put(thread + X.THREAD_STAGES + at * 4, address);
    });
  });
  build.put(shared + X.SHARED_THREADS, placement.length + 1);
  return { shared, threads, host, placement, replicas, pages: Math.ceil(build.end / PAGE) };
}

interface Parts {
  readonly build: Builder;
  readonly map: Layout;
  readonly counts: Counts;
  readonly shared: number;
  readonly threads: number;
  readonly threadOf: (name: string) => number;
  readonly replicas: readonly Replica[];
}

/** Connects the replicas. */
class Linker {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  #replica(name: string): Replica {
    return this.#parts.replicas.find((replica) => replica.name === name) as Replica;
  }

  #each(stem: string): Replica[] {
    return this.#parts.replicas.filter(({ name }) => name.startsWith(`${stem}.`));
  }

  #put(at: number, value: number): void {
    this.#parts.build.put(at, value);
  }

  get #items(): number {
    return NETIF_ITEMS + OWN_ITEMS * (1 + this.#parts.counts.groups);
  }

  /** The control block, items, spans, and the rings to and from the host. */
  share(stages: number): void {
    const { build, map, counts, shared, threads, threadOf, replicas } = this.#parts;
    const { frameBytes } = map.options;
    const slotBytes = Math.ceil((frameBytes + FRAME_HEADROOM) / 128) * 128;
    this.#put(shared + X.SHARED_EPOCH, PAUSED);
    this.#put(shared + X.SHARED_CORE, map.core);
    this.#put(shared + X.SHARED_WORKS, build.take(this.#items * WORK_SIZE));
    this.#put(shared + X.SHARED_SIDES, build.take(this.#items * X.SIDE_SIZE));
    this.#put(shared + X.SHARED_SLOTS, build.take(this.#items * slotBytes + FRAME_HEADROOM));
    this.#put(shared + X.SHARED_SLOT_BYTES, slotBytes);
    this.#put(shared + X.SHARED_GROUPS, counts.groups);
    this.#put(shared + X.SHARED_THREAD, threads);
    this.#put(shared + X.SHARED_STAGES, stages);
    this.#put(shared + X.SHARED_STAGE_COUNT, replicas.length);
    this.#put(shared + X.SHARED_REDIRECTS, build.take(X.REDIRECT_SLOTS * slotBytes));
    this.#put(shared + X.SHARED_SPAN_RING, build.ring(threadOf("netif")));
    this.#put(shared + X.SHARED_EGRESS_RING, build.ring(threads));
    const spans = build.take(X.SPANS * X.SPAN_SIZE);
    this.#put(shared + X.SHARED_SPANS, spans);
    for (let i = 0; i < X.SPANS; i += 1) {
      const span = spans + i * X.SPAN_SIZE;
      this.#put(span + X.SPAN_BASE, build.take(map.spanBytes));
      this.#put(span + X.SPAN_TABLE, build.take(BATCH_MAX * FRAME_SIZE));
    }
    const events = build.take((counts.groups + 1) * X.RING_SIZE);
    this.#put(shared + X.SHARED_EVENT_RINGS, events);
    for (let i = 0; i <= counts.groups; i += 1) {
      const places = i === 0 ? CONTEXT_EVENTS : GROUP_EVENTS;
      build.ring(threads, EVENT_SIZE, places, events + i * X.RING_SIZE);
    }
    this.#free(this.#replica("netif"), X.SOURCE_NETIF, 0, NETIF_ITEMS);
    this.#free(this.#replica("context-queue"), X.SOURCE_CONTEXT_QUEUE, NETIF_ITEMS, OWN_ITEMS);
    this.#each("protocol").forEach((group, index) => {
      const first = NETIF_ITEMS + OWN_ITEMS * (1 + index);
      this.#free(group, X.SOURCE_GROUP + index, first, OWN_ITEMS);
      this.#put(group.address + X.STAGE_EVENTS, events + (1 + index) * X.RING_SIZE);
    });
    this.#put(this.#replica("context-queue").address + X.STAGE_EVENTS, events);
  }

  /** A source's items, and the two rings through which they come back. */
  #free(stage: Replica, source: number, first: number, count: number): void {
    const { build, shared, threadOf } = this.#parts;
    const stack = build.take((count + 1) * 4);
    this.#put(stage.address + X.STAGE_FREE, stack);
    this.#put(stack, count);
    for (let i = 0; i < count; i += 1) this.#put(stack + (i + 1) * 4, first + i);
    const wakes = threadOf(stage.name);
    const [fromQueue, fromHost] = [build.ring(wakes), build.ring(wakes)];
    this.#put(stage.address + X.STAGE_FREE_RINGS, fromQueue);
    this.#put(stage.address + X.STAGE_FREE_RINGS + 4, fromHost);
    const returns = this.#replica("context-queue").address + X.STAGE_RETURNS;
    this.#put(returns + source * 4, fromQueue);
    this.#put(shared + X.SHARED_HOST_FREE + source * 4, fromHost);
  }

  /** What every replica has: its place, its header, its thread. */
  stages(stallSeed: number): void {
    const { shared, threadOf, replicas } = this.#parts;
    replicas.forEach(({ name, kind, index, address, header }, order) => {
      this.#put(address + X.STAGE_KIND, kind);
      this.#put(address + X.STAGE_INDEX, index);
      this.#put(address + X.STAGE_HEADER, header);
      this.#put(address + X.STAGE_SHARED, shared);
      this.#put(address + X.STAGE_THREAD, threadOf(name));
      // Any odd multiple: each stage stalls at times of its own.
      const seed = stallSeed === 0 ? 0 : Math.imul(stallSeed, 2 * order + 1) >>> 0;
      this.#put(address + X.STAGE_STALL, stallSeed === 0 ? 0 : seed === 0 ? 1 : seed);
    });
  }

  /** Rings between stages, and the reorder points of each group. */
  pipeline(): void {
    const [netif, queue] = [this.#replica("netif"), this.#replica("context-queue")];
    const [pres, groups] = [this.#each("pre"), this.#each("protocol")];
    const [posts, dmas] = [this.#each("post"), this.#each("dma")];
    this.#connect([netif, queue], pres);
    this.#connect(groups, posts);
    this.#connect(posts, dmas);
    groups.forEach((group, index) => {
      this.#point(ReorderPoint.Protocol, index, group, [netif, ...pres]);
      this.#point(ReorderPoint.HostControl, index, group, [queue, ...pres]);
      this.#point(ReorderPoint.Netif, index, netif, [group, ...dmas]);
      this.#point(ReorderPoint.Notification, index, queue, [...dmas]);
    });
  }

  /** A ring from each producer to each consumer. */
  #connect(producers: readonly Replica[], consumers: readonly Replica[]): void {
    const { build, threadOf } = this.#parts;
    producers.forEach((producer, input) => {
      this.#put(producer.address + X.STAGE_OUTPUTS, consumers.length);
      consumers.forEach((consumer, output) => {
        const ring = build.ring(threadOf(consumer.name));
        this.#put(producer.address + X.STAGE_OUTPUT + output * 4, ring);
        this.#put(consumer.address + X.STAGE_INPUT + input * 4, ring);
      });
    });
    for (const consumer of consumers) {
      this.#put(consumer.address + X.STAGE_INPUTS, producers.length);
    }
  }

  /** A reorder point of a group: who consumes it, and who numbers or fills it. */
  #point(which: number, group: number, consumer: Replica, others: readonly Replica[]): void {
    const { build, threadOf } = this.#parts;
    const point = build.reorder(threadOf(consumer.name));
    for (const { address } of [consumer, ...others]) {
      this.#put(address + X.STAGE_REORDER + (which * X.REPLICAS_MAX + group) * 4, point);
    }
  }
}

/** Writes the private headers: the host's, with what a replica has for itself. */
export function writeReplicaHeaders(
  view: DataView,
  words: Uint32Array,
  map: Layout,
  layout: WorkersLayout,
): void {
  let next = privateBase(layout);
  const take = (bytes: number): number => {
    const at = Math.ceil(next / X.CACHE_LINE) * X.CACHE_LINE;
    next = at + bytes;
    return at;
  };
  for (const { kind, header } of layout.replicas) {
    words.copyWithin(header >>> 2, map.core >>> 2, (map.core + M.CORE_SIZE) >>> 2);
    const put = (offset: number, value: number): void =>
      view.setUint32(header + offset, value, true);
    put(M.CORE_COUNTERS, take(COUNTERS * 8));
    put(M.CORE_DROPS, take(DROP_REASONS * 4));
    put(M.CORE_EVENTS, take(SCRATCH_EVENTS * EVENT_SIZE));
    put(M.CORE_EVENT_CAPACITY, SCRATCH_EVENTS);
    put(M.CORE_EVENT_COUNT, 0);
    put(M.CORE_INTERRUPTS, 0);
    put(M.CORE_WHEEL, take(kind === Stage.Protocol ? WHEEL_SIZE : 0));
    const carousel = take(kind === Stage.Protocol ? CAROUSEL_SIZE : 0);
    put(M.CORE_CAROUSEL, carousel);
    if (kind === Stage.Protocol) {
      view.setUint32(carousel + CAROUSEL_SLOT_BITS, Math.log2(map.options.pacingSlotNs), true);
    }
    put(M.CORE_SCRATCH, take(256));
    if (kind === Stage.PostProcessing) put(M.CORE_EGRESS_CAPACITY, map.options.frameBytes);
    if (kind === Stage.ContextQueue) {
      put(M.CORE_INGRESS, view.getUint32(layout.shared + X.SHARED_REDIRECTS, true));
    }
  }
}

/** Private tables of the replicas stand behind everything else. */
function privateBase(layout: WorkersLayout): number {
  return layout.pages * PAGE;
}

/** Pages that writeReplicaHeaders() uses behind the layout. */
export function replicaPages(plan: WorkersPlan): number {
  const tables = COUNTERS * 8 + DROP_REASONS * 4 + SCRATCH_EVENTS * EVENT_SIZE + 256;
  const each = tables + WHEEL_SIZE + CAROUSEL_SIZE + 9 * X.CACHE_LINE;
  return Math.ceil((replicaNames(countsOf(plan)).length * each) / PAGE);
}
