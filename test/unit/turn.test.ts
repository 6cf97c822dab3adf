/**
 * Goal: turn() is flush(), step() and take() in one crossing, and serves a direct link; its quiet
 * way (isQuiet and sendOne in assembly/turn.ts) saves time and changes nothing. Method: two worlds
 * of two stacks with the same keys, in one of which `turn` is put together from the separate
 * exports. A random script drives both; results, frames, notifications and state are compared
 * after every act, all of memory at the end. Then single turns in which the quiet way is taken,
 * and one for each reason why it must not be. CORE_CONTEXT_TURN differs legitimately: a step that
 * takes a descriptor moves it, the quiet way does not. It is set before each turn, alike in both
 * worlds, and so tells the way of the turn.
 */
import { expect, test } from "vitest";
import { Counter, COUNTERS } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { BATCH_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { TIMER_SIZE, TIMERS_PER_CONNECTION } from "../../bindings/abi/timer.ts";
import { type Core, type CoreExports, CoreGroup } from "../../bindings/core.ts";
import { brokenGuards, type LayoutOptions } from "../../bindings/layout.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import { DirectNetif, directLink, joinDirect } from "../../host/netif/direct-link.ts";
import type { Burst } from "../../host/netif/netif.ts";
import { Stack } from "../../host/stack.ts";
import { seedOf } from "../support/env.ts";
import { streamBytes } from "../support/frames.ts";
import { loadModule } from "../support/load-core.ts";
import { Random } from "../support/random.ts";

const SEED = seedOf(7);
const ACTS = 1200;
const BUFFER = 8192;
const LAYOUT = { connections: 20, queueDescriptors: 64, chunkBytes: 1024, payloadBytes: 1 << 18 };
const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;
const SOURCE = streamBytes(0, 4096);
const LOW_BITS = (1 << M.STEP_EGRESS_SHIFT) - 1;

type Turn = CoreExports["turn"];
type Call = (stack: Stack, fd: number, pick: number) => number;
type Spans = readonly (readonly [word: number, end: number])[];
type Carrier = "wire" | "link";

/** turn() out of the separate exports, as its own comments and STEP_* describe it. */
function partsOf({ exports, memory }: CoreGroup): Turn {
  const { flush, step, take, carry } = exports;
  const words = new Uint32Array(memory.buffer);
  const get = (record: number, field: number): number => words[(record + field) >>> 2] as number;
  const set = (record: number, field: number, value: number): void => {
    words[(record + field) >>> 2] = value;
  };
  const credit = (core: number, peer: number): void => {
    const bytes = get(peer, M.CORE_INGRESS_CAPACITY) - get(peer, M.CORE_INGRESS_BYTES);
    const fits = Math.floor(bytes / get(core, M.CORE_LINK_FRAME));
    const rows = BATCH_MAX - get(peer, M.CORE_INGRESS_COUNT);
    set(core, M.CORE_NETIF_CREDIT, Math.min(rows, fits));
  };
  const serve = (core: number, peer: number, made: number): number => {
    let bits = made;
    const frames = made >>> M.STEP_EGRESS_SHIFT;
    if (frames > 0 && carry(core, peer, 0, frames, get(core, M.CORE_LINK_NETIF)) !== 0) {
      set(core, M.CORE_EGRESS_COUNT, 0);
      set(core, M.CORE_EGRESS_BYTES, 0);
      bits = (made & LOW_BITS) | get(core, M.CORE_LINK_TELL);
    }
    set(core, M.CORE_LINK_STARVED, get(core, M.CORE_NETIF_CREDIT) === 0 ? 1 : 0);
    const hasRoom = (bits & M.STEP_HELD) === 0;
    return get(peer, M.CORE_LINK_STARVED) !== 0 && hasRoom ? bits | M.STEP_CARRIED : bits;
  };
  return (library, now) => {
    const core = get(library, S.LIBTOE_CORE);
    const peer = get(core, M.CORE_LINK);
    const context = get(library, S.LIBTOE_CONTEXT);
    const waiting = (): boolean =>
      get(context, D.CONTEXT_ARX_PRODUCER) !== get(library, S.LIBTOE_ARX_CONSUMER);
    flush(library);
    if (peer !== 0) credit(core, peer);
    let bits = step(core, now);
    if (waiting()) {
      take(library);
      if (waiting() || get(core, M.CORE_NOTIFYING) !== 0) bits |= M.STEP_MORE;
    }
    if (get(library, S.LIBTOE_DIRTY_COUNT) !== 0) bits |= M.STEP_MORE;
    if (get(library, S.LIBTOE_READY_COUNT) !== 0) bits |= M.STEP_READY;
    if ((bits & (M.STEP_HELD | M.STEP_EVENTS)) === 0) set(core, M.CORE_INGRESS_BYTES, 0);
    return peer === 0 ? bits : serve(core, peer, bits);
  };
}

/** A link of our own: notes what is sent, loses some of it, takes so many frames at a time. */
class Wire extends DirectNetif {
  readonly notes: string[] = [];
  room = BATCH_MAX;
  /** One frame in so many is lost; 0 = none. */
  loss = 0;
  readonly #random = new Random(SEED);

  override credit(): number {
    return Math.min(this.room, super.credit());
  }

  override send(burst: Burst, index: number, now: number): void {
    const at = burst.offset(index);
    const frame = burst.bytes.subarray(at, at + burst.length(index));
    this.notes.push(Buffer.from(frame).toString("hex"));
    if (this.loss === 0 || !this.#random.oneIn(this.loss)) super.send(burst, index, now);
  }

  override sendBurst(burst: Burst, from: number, count: number, now: number): void {
    for (let i = from; i < from + count; i += 1) this.send(burst, i, now);
  }
}

/** Compared after every act: what is small. */
const STATE = /^(drops|libtoe|contextTable|hash|pre|protocol|recovery|post|scheduler|sockets)$/;
/** The rest: not what the wheel keeps until it turns, nor what a call of step() has for itself. */
const REST = /^(?!header|wheel|timers|work|scratch)/;

/** The header, the counters, the timers' deadlines and the regions so named. */
function spansOf({ map }: Core, names: RegExp): Spans {
  const span = (from: number, bytes: number) => [from >>> 2, (from + bytes) >>> 2] as const;
  const turn = map.core + M.CORE_CONTEXT_TURN;
  const timers = (map.options.connections + 1) * TIMERS_PER_CONNECTION;
  const first = map.base.timers as number;
  return [
    span(map.core, M.CORE_CONTEXT_TURN),
    span(turn + 4, M.CORE_SIZE - M.CORE_CONTEXT_TURN - 4),
    span(map.base.counters as number, 8 * COUNTERS),
    ...map.regions.filter(({ name }) => names.test(name)).map((r) => span(r.base, r.bytes)),
    ...Array.from({ length: timers }, (_, i) => span(first + i * TIMER_SIZE, 8)),
  ];
}

/** Two stacks of one memory, and an application that answers what it reads. */
class World {
  readonly group: CoreGroup;
  readonly stacks: readonly [Stack, Stack];
  readonly wires: Wire[] = [];
  readonly words: Uint32Array;
  readonly fds: readonly [number[], number[]] = [[], []];
  /** Results of turns, notifications to the application, and its answers. */
  readonly notes: string[] = [];
  /** Turns whose only outcome was one predicted segment, and those that left no trace of a step. */
  plain = 0;
  quiet = 0;
  #turns = 0;
  readonly #inbox = new Uint8Array(4096);

  constructor(whole: boolean, carrier: Carrier, layout: Partial<LayoutOptions>) {
    this.group = new CoreGroup(loadModule(), [layout, layout]);
    this.words = new Uint32Array(this.group.memory.buffer);
    const turn = whole ? this.group.exports.turn : partsOf(this.group);
    this.group.exports.turn = (library, now) => this.#watch(turn, library, now);
    this.stacks = this.#stacks(carrier);
    for (const [side, { toe }] of this.stacks.entries()) {
      const fd = this.#socket(side);
      expect(toe.bind(fd, { address: HOSTS[side] as string, port: 80 })).toBe(0);
      expect(toe.listen(fd, 16)).toBe(0);
      toe.setWatcher(fd, () => this.#accept(side, fd));
    }
  }

  #stacks(carrier: Carrier): [Stack, Stack] {
    const options = { medium: "ip" } as const;
    if (carrier === "wire") this.wires.push(new Wire(0, options), new Wire(1, options));
    const ends = (carrier === "wire" ? this.wires : directLink(options)) as [DirectNetif, Wire];
    joinDirect(...ends);
    return ends.map((netif, side) => {
      const random = new Random(SEED + side);
      return new Stack({
        module: this.group,
        entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
        netifs: [{ netif, addresses: [`${HOSTS[side]}/24`] }],
      });
    }) as [Stack, Stack];
  }

  /** A turn, and which way it went. */
  #watch(turn: Turn, library: number, now: number): number {
    const { words } = this;
    const core = words[(library + S.LIBTOE_CORE) >>> 2] as number;
    const counters = words[(core + M.CORE_COUNTERS) >>> 2] as number;
    const one = [Counter.PredictedOut, Counter.Descriptors].map((c) => (counters + 8 * c) >>> 2);
    const before = one.map((word) => words[word] as number);
    const first = this.#turns++ & 1;
    words[(core + M.CORE_CONTEXT_TURN) >>> 2] = first;
    const bits = turn(library, now);
    this.notes.push(`turn ${bits}`);
    if (one.some((word, i) => words[word] !== (before[i] as number) + 1)) return bits;
    if ((bits & LOW_BITS & ~M.STEP_CARRIED) === 0) this.plain += 1;
    if (words[(core + M.CORE_CONTEXT_TURN) >>> 2] === first) this.quiet += 1;
    return bits;
  }

  #socket(side: number): number {
    const { toe } = this.stacks[side] as Stack;
    const fd = toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0);
    for (const of of [C.SO_RCVBUF, C.SO_SNDBUF]) toe.setsockopt(fd, C.SOL_SOCKET, of, BUFFER);
    return fd;
  }

  /** Sockets of a side that have not been closed. */
  open(side: number): number[] {
    const { table } = (this.stacks[side] as Stack).toe.internals;
    return (this.fds[side] as number[]).filter((fd) => table.get(fd) !== undefined);
  }

  /** An active open; with `answers` what comes is read and answered at once. */
  connect(side: number, answers: boolean): number {
    const fd = this.#socket(side);
    this.#watchSocket(side, fd, answers);
    const remote = { address: HOSTS[1 - side] as string, port: 80 };
    return (this.stacks[side] as Stack).toe.connect(fd, remote);
  }

  #accept(side: number, listener: number): void {
    const { toe } = this.stacks[side] as Stack;
    for (let fd = toe.accept(listener); fd >= 0; fd = toe.accept(listener)) {
      toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, fd & 1);
      this.#watchSocket(side, fd, true);
    }
  }

  #watchSocket(side: number, fd: number, answers: boolean): void {
    const { toe } = this.stacks[side] as Stack;
    this.fds[side]?.push(fd);
    toe.setWatcher(fd, (_, events) => {
      this.notes.push(`${side}: ${fd} ${events}`);
      if (!answers || (events & C.POLLIN) === 0) return;
      const got = toe.recv(fd, this.#inbox);
      if (got === 0) toe.close(fd);
      if (got > 0) this.notes.push(`${got} ${toe.send(fd, SOURCE, got & 63, 1 + (got & 127))}`);
    });
  }

  /** A call on one of a side's sockets; one that is over is closed. */
  call(side: number, pick: number, act: Call): readonly number[] {
    const stack = this.stacks[side] as Stack;
    const fds = this.open(side);
    const fd = fds[pick % fds.length];
    if (fd === undefined) return [];
    const result = act(stack, fd, pick);
    if (result < 0 && result !== -ERRNO.EAGAIN) stack.toe.close(fd);
    return [fd, result];
  }

  poll(side: number, now: number): unknown {
    const stack = this.stacks[side] as Stack;
    return [stack.poll(now), stack.notifications, stack.toe.nextDeadline(), this.open(side)];
  }

  /** All that was noted since the last look. */
  look(): string {
    const all = [this.notes, ...this.wires.map(({ notes }) => notes)];
    return all.map((notes) => notes.splice(0).join(" ")).join("\n");
  }
}

/** The same world twice, the second with turn() in parts. Throws Error at a difference. */
class Twins {
  readonly worlds: readonly [World, World];
  readonly #state: Spans;
  readonly #name: string;

  constructor(name: string, carrier: Carrier, layout: Partial<LayoutOptions>) {
    this.#name = name;
    this.worlds = [new World(true, carrier, layout), new World(false, carrier, layout)];
    const { stacks } = this.worlds[0];
    this.#state = stacks.flatMap(({ core }) => spansOf(core, STATE));
  }

  /** Does the same in both. */
  both(what: string, act: (world: World) => unknown): void {
    const [whole, parts] = this.worlds.map(act);
    this.#same(what, JSON.stringify(whole), JSON.stringify(parts));
    this.#same(`${what}, noted`, ...(this.worlds.map((world) => world.look()) as [string, string]));
    this.#compare(what, this.#state);
  }

  /** All of memory but what is a call's own. */
  compareMemory(): void {
    const cores = this.worlds.flatMap(({ stacks }) => stacks.map(({ core }) => core));
    const spans = cores.slice(0, 2).flatMap((core) => spansOf(core, REST));
    this.#compare("memory", spans);
    expect(cores.flatMap(({ view, map }) => brokenGuards(view, map))).toEqual([]);
  }

  #compare(what: string, spans: Spans): void {
    const [{ words: mine, stacks }, { words: other }] = this.worlds;
    for (const [from, to] of spans) {
      let at = from;
      while (at < to && mine[at] === other[at]) at += 1;
      if (at === to) continue;
      const regions = stacks.flatMap(({ core }) => core.map.regions);
      const region = regions.filter(({ base }) => base <= at * 4).at(-1);
      const place = `${what}, ${region?.name} + ${at * 4 - (region?.base ?? 0)}`;
      this.#same(place, `${mine[at]}`, `${other[at]}`);
    }
  }

  #same(what: string, whole: string, parts: string): void {
    if (whole === parts) return;
    throw new Error(`${this.#name}, ${what}: turn() ${whole}\nits parts ${parts}`);
  }
}

type Deed = (world: World) => unknown;

/** What the script does: name, weight, and an act with its numbers drawn. */
const ACTIONS: readonly (readonly [string, number, (run: Run) => Deed])[] = [
  ["poll", 40, (run) => run.poll(1)],
  ["poll both", 40, (run) => run.poll(2)],
  ["talk", 24, (run) => run.talk()],
  ["send", 16, (run) => run.send(run.random.between(1, 3000))],
  ["send little", 16, (run) => run.send(run.random.between(1, 64))],
  ["send on several", 6, (run) => run.sendAll()],
  ["receive", 3, (run) => run.call(({ toe }, fd) => toe.recv(fd, new Uint8Array(BUFFER)))],
  ["connect", 6, (run) => run.connect()],
  ["shutdown", 1, (run) => run.call(({ toe }, fd, pick) => toe.shutdown(fd, pick % 3))],
  ["abort", 1, (run) => run.call(({ toe }, fd) => toe.abort(fd))],
  ["close", 1, (run) => run.call(({ toe }, fd) => toe.close(fd))],
  ["time", 18, (run) => run.passTime([1, 1, 1000, 5000, 100e3, 3e6, 60e6])],
  ["past timers", 1, (run) => run.passTime([600e6, 2e9, 120e9])],
  ["stages only", 2, (run) => run.stagesOnly()],
  ["trouble", 2, (run) => run.trouble()],
];
const WEIGHTS = ACTIONS.reduce((sum, [, weight]) => sum + weight, 0);

/** Name, carrier, sockets that the script keeps open on each side, and what the map has else. */
type Variant = readonly [string, Carrier, number, Partial<LayoutOptions>];

class Run {
  readonly random: Random;
  readonly twins: Twins;
  readonly #open: number;
  #now = 1e9;

  constructor([name, carrier, open, layout]: Variant, seed: number) {
    this.random = new Random(seed);
    this.#open = open;
    this.twins = new Twins(`seed ${seed}, ${name}`, carrier, { ...LAYOUT, ...layout });
  }

  act(number: number): unknown {
    let at = this.random.below(WEIGHTS);
    for (const [name, weight, draw] of ACTIONS) {
      at -= weight;
      if (at < 0) return this.twins.both(`act ${number}, ${name}`, draw(this));
    }
  }

  /** So many polls of the stacks in turn, `step` ns between them. */
  poll(polls: number, step = 0): Deed {
    const start = this.#now;
    this.#now += polls * step;
    const first = this.random.below(2);
    return (world) =>
      Array.from({ length: polls }, (_, i) => world.poll((first + i) & 1, start + i * step));
  }

  call(act: Call): Deed {
    const side = this.random.below(2);
    const pick = this.random.u32();
    return (world) => world.call(side, pick, act);
  }

  send(length: number): Deed {
    const from = this.random.below(SOURCE.length - length);
    const flags = this.random.oneIn(8) ? C.MSG_MORE : 0;
    return this.call(({ toe }, fd) => toe.send(fd, SOURCE, from, length, flags));
  }

  sendAll(): Deed {
    const side = this.random.below(2);
    const length = this.random.between(1, 2000);
    const send = ({ toe }: Stack, fd: number) => toe.send(fd, SOURCE, 0, length);
    return (world) => world.open(side).map((_, i) => world.call(side, i, send));
  }

  talk(): Deed {
    const send = this.send(this.random.between(1, 100));
    const poll = this.poll(8, 1000);
    return (world) => [send(world), poll(world)];
  }

  connect(): Deed {
    const side = this.random.below(2);
    const answers = !this.random.oneIn(3);
    return (world) => world.open(side).length < this.#open && world.connect(side, answers);
  }

  /** Less than one of these; 0 makes the next turn one at the time of the last. */
  passTime(mosts: readonly number[]): Deed {
    this.#now += this.random.below(this.random.pick(mosts));
    return () => this.#now;
  }

  stagesOnly(): Deed {
    const side = this.random.below(2);
    const value = this.random.oneIn(5) ? 1 : 0;
    return ({ stacks, words }) => {
      words[((stacks[side] as Stack).core.address + M.CORE_STAGES_ONLY) >>> 2] = value;
    };
  }

  /** A wire gets better or worse; on a link a bit of a frame that has arrived turns. */
  trouble(): Deed {
    const { random } = this;
    const side = random.below(2);
    const state = { room: random.pick([1, 4, 20, 64, 64, 64]), loss: random.pick([0, 0, 30, 8]) };
    const place = random.u32();
    return ({ stacks, wires }) => {
      if (wires[side] !== undefined) return Object.assign(wires[side], state).room;
      const { core } = stacks[side] as Stack;
      const used = core.words[(core.address + M.CORE_INGRESS_BYTES) >>> 2] as number;
      const at = (core.map.base.ingress as number) + (place % Math.max(used, 1));
      core.bytes[at] = (core.bytes[at] as number) ^ (1 << (place >>> 29));
      return at;
    };
  }

  end(): void {
    this.twins.both("close", ({ stacks }) => stacks.map(({ toe }, i) => toe.closeAll(i === 0)));
    for (let i = 0; i < 100; i += 1) {
      this.twins.both(`end, poll ${i}`, this.poll(2));
      this.passTime([i < 50 ? 2e6 : 4e9]);
    }
    this.twins.both("connections", ({ stacks }) => stacks.map((stack) => stack.connections()));
    this.twins.compareMemory();
  }
}

const RUNS: readonly Variant[] = [
  ["a wire", "wire", 8, {}],
  ["a wire, few sockets", "wire", 2, {}],
  ["a wire, rings of 2", "wire", 6, { queueDescriptors: 2 }],
  ["a wire, two contexts", "wire", 3, { contexts: 2 }],
  ["a link", "link", 8, {}],
  ["a link, few sockets", "link", 2, {}],
  ["a link, rings of 4", "link", 6, { queueDescriptors: 4 }],
];

let quietTurns = 0;
for (const [index, variant] of RUNS.entries()) {
  test(`turn() does what flush(), step() and take() do: ${variant[0]}`, () => {
    const run = new Run(variant, SEED + index);
    for (let i = 0; i < ACTS; i += 1) run.act(i);
    run.end();
    const [whole, parts] = run.twins.worlds;
    expect([parts.plain, parts.quiet]).toEqual([whole.plain, 0]);
    expect(whole.quiet > 0, `seed ${SEED + index}`).toBe(variant[3].contexts !== 2);
    quietTurns += whole.quiet;
  });
}

test("the quiet way was taken often", () => expect(quietTurns).toBeGreaterThan(500));

/** The left host of a world at rest, whose next turn a row of the tables below arranges. */
class Hand {
  readonly stack: Stack;
  readonly core: Core;
  readonly library: number;
  readonly #fds: readonly number[];
  now: number;
  bits = 0;

  constructor({ stacks: [left], fds: [fds] }: World, now: number) {
    this.stack = left;
    this.core = left.core;
    this.library = left.toe.internals.context.library;
    this.#fds = fds;
    this.now = now;
  }

  /** Stores a word of a record; of the core's header when none is named. */
  set(field: number, value: number, record = this.core.address): this {
    this.core.words[(record + field) >>> 2] = value;
    return this;
  }

  add(field: number, value: number, record: number): this {
    return this.set(field, (this.core.words[(record + field) >>> 2] as number) + value, record);
  }

  context(index: number): number {
    return (this.core.map.base.contextTable as number) + index * D.CONTEXT_SIZE;
  }

  connection(index: number): number {
    return this.stack.toe.internals.table.get(this.#fds[index] as number)?.connection as number;
  }

  send(index: number, length = 10, flags = 0): this {
    expect(this.stack.toe.send(this.#fds[index] as number, SOURCE, 0, length, flags)).toBe(length);
    return this;
  }

  receive(index: number, length: number): this {
    expect(this.stack.toe.recv(this.#fds[index] as number, new Uint8Array(length))).toBe(length);
    return this;
  }

  put(index: number): this {
    this.core.exports.put(this.library, this.connection(index), 0);
    return this;
  }

  release(index: number): this {
    this.core.exports.release(this.library, this.connection(index));
    return this;
  }

  /** Arms a timer for this very time, which a wheel that has just turned keeps exactly. */
  arm(): this {
    this.core.exports.armTimer(this.core.address, 0, this.now);
    return this;
  }

  later(time: number): this {
    this.now += time;
    return this;
  }

  turn(): this {
    this.bits = this.core.exports.turn(this.library, this.now);
    return this;
  }
}

type Scene = readonly [name: string, arrange: (own: Hand) => unknown, contexts?: number];

const [CREDIT, MADE, BYTES] = [M.CORE_NETIF_CREDIT, M.CORE_EGRESS_COUNT, M.CORE_EGRESS_BYTES];
const [READY, TAKEN] = [S.LIBTOE_READY_COUNT, S.LIBTOE_ARX_CONSUMER];
const [ROWS, FILLED] = [M.CORE_INGRESS_COUNT, M.CORE_INGRESS_BYTES];

/** The quiet way serves these. */
const QUIET: readonly Scene[] = [
  ["one message", (own) => own.send(0)],
  ["one message and credit", (own) => own.receive(0, 20).send(0)],
  ["one behind another", (own) => own.send(1).turn().set(MADE, 0).set(BYTES, 0).send(0)],
];

/** One reason each why it must not, or has nothing to serve. */
const STEPS: readonly Scene[] = [
  ["a nanosecond later", (own) => own.send(0).later(1)],
  ["a tick of the timestamp clock later", (own) => own.send(0).later(1e6)],
  ["a burst that is held", (own) => own.set(MADE, 150).set(ROWS, 64).set(FILLED, 4096)],
  ["two messages", (own) => own.send(0).send(1)],
  ["credit alone", (own) => own.receive(0, 20).release(0)],
  ["a socket without news", (own) => own.release(0)],
  ["no credit", (own) => own.send(0).set(CREDIT, 0)],
  ["a frame came", (own) => own.send(0).set(ROWS, 1).set(FILLED, 32)],
  ["bytes without a frame", (own) => own.send(0).set(FILLED, 16)],
  ["a frame has not left", (own) => own.send(1).turn().send(0)],
  ["bytes of no frame to send", (own) => own.send(0).set(M.CORE_EGRESS_BYTES, 16)],
  ["an event", (own) => own.send(0).set(M.CORE_EVENT_COUNT, 1)],
  ["an interrupt", (own) => own.send(0).set(M.CORE_INTERRUPTS, 2)],
  ["notifications are pending", (own) => own.send(0).set(M.CORE_NOTIFYING, 1)],
  ["a flow waits", (own) => own.set(CREDIT, 0).send(1).turn().set(CREDIT, 9).send(0)],
  ["a socket is ready", (own) => own.send(0).set(READY, 1, own.library)],
  ["stages only", (own) => own.send(0).set(M.CORE_STAGES_ONLY, 1)],
  ["a command", (own) => own.send(0).add(D.CONTEXT_ATX_PRODUCER, 1, own.context(0))],
  ["another's command", (own) => own.send(0).add(D.CONTEXT_ATX_PRODUCER, 1, own.context(2)), 2],
  ["a descriptor before it", (own) => own.send(1, 10, C.MSG_MORE).send(0).put(1)],
  ["a notification waits", (own) => own.send(0).add(TAKEN, -1, own.library)],
  ["no room for it", (own) => own.add(TAKEN, -1, own.library).set(READY, 256, own.library)],
  ["its context is fenced", (own) => own.send(0).set(D.CONTEXT_FENCED, 1, own.context(1))],
  ["a timer", (own) => own.arm().turn().later(1024).turn().arm().send(0)],
];

/** Hosts with three connections, at rest, where the left has 20 bytes to read; and the time. */
function atRest(name: string, layout: Partial<LayoutOptions>): [Twins, number] {
  const twins = new Twins(name, "wire", { ...LAYOUT, ...layout });
  let now = 2 ** 30;
  const poll = (polls: number, step: number): void => {
    for (let i = 0; i < polls; i += 1) {
      now += step;
      twins.both("poll", (world) => [world.poll(0, now), world.poll(1, now)]);
    }
  };
  for (let i = 0; i < 3; i += 1) twins.both("connect", (world) => world.connect(0, false));
  poll(4, 2 ** 22);
  const send: Call = ({ toe }, fd) => toe.send(fd, SOURCE, 0, 20);
  twins.both("send", (world) => [0, 1, 2].map((i) => world.call(0, i, send)));
  poll(15, 2 ** 22);
  return [twins, now];
}

for (const [quiet, scenes] of [STEPS, QUIET].entries()) {
  for (const [name, arrange, contexts] of scenes) {
    test(`${quiet === 1 ? "the quiet way serves" : "a step serves"}: ${name}`, () => {
      const [twins, now] = atRest(name, { contexts: contexts ?? 1 });
      const hands = new Map(twins.worlds.map((world) => [world, new Hand(world, now)]));
      twins.both("arranged", (world) => void arrange(hands.get(world) as Hand));
      const before = twins.worlds[0].quiet;
      twins.both("turn", (world) => hands.get(world)?.turn().bits);
      twins.compareMemory();
      expect(twins.worlds[0].quiet - before).toBe(quiet);
    });
  }
}
