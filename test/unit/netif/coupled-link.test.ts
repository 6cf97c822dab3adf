/**
 * Goal: a direct link between two stacks of one memory is coupled (turn() carries its frames by
 * itself) exactly when both ends are plain and their stacks' only carriers, and then delivers what
 * an uncoupled one does: the same frames in the same order, counted alike, none lost when the other
 * end does not poll, and nobody left asleep who has something to do. Method: one script of the
 * applications over every form of the link, with what each end receives compared; single turns
 * into bursts that are filled by hand; stacks that are polled only when woken or due.
 */
import { createHash, hash } from "node:crypto";
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import { DROP_REASONS } from "../../../bindings/abi/drop-reason.ts";
import { BATCH_MAX } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { CoreGroup } from "../../../bindings/core.ts";
import { brokenGuards } from "../../../bindings/layout.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { DirectLinkOptions } from "../../../host/netif/direct-link.ts";
import { DirectNetif, joinDirect } from "../../../host/netif/direct-link.ts";
import type { Burst, Medium } from "../../../host/netif/netif.ts";
import { Stack } from "../../../host/stack.ts";
import { seedOf } from "../../support/env.ts";
import { RST, streamBytes, SYN } from "../../support/frames.ts";
import { loadModule } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(3);
const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;
const LAYOUT = { connections: 160, chunkBytes: 1024, payloadBytes: 4 << 20, bufferBytes: 0 };
const NEVER = Number.POSITIVE_INFINITY;

/** An end that notes what has arrived when its stack polls; it sends as any other does. */
class Seen extends DirectNetif {
  /** Digests of the frames received, and their bytes. */
  readonly seen: string[] = [];
  seenBytes = 0;
  /** What each was: "arp", "syn", "rst", or "data", which may be none. */
  readonly kinds: string[] = [];
  #burst: Burst | undefined;

  override attach(ingress: Burst, index: number): void {
    super.attach(ingress, index);
    this.#burst = ingress;
  }

  override receive(): void {
    super.receive();
    const burst = this.#burst as Burst;
    for (let i = 0; i < burst.count; i += 1) {
      const at = burst.offset(i);
      const frame = burst.bytes.subarray(at, at + burst.length(i));
      this.seen.push(hash("sha256", frame));
      this.kinds.push(kindOf(frame, this.medium));
      this.seenBytes += frame.length;
    }
  }
}

function kindOf(frame: Uint8Array, medium: Medium): string {
  const ip = medium === "ip" ? 0 : 14;
  if (medium === "ethernet" && frame[13] === 6) return "arp";
  const flags = frame[ip + 33] as number;
  if ((flags & SYN) !== 0) return "syn";
  return (flags & RST) !== 0 ? "rst" : "data";
}

/** An end that wants to see each frame that it sends. */
class Overridden extends Seen {
  override sendBurst(burst: Burst, from: number, count: number, now: number): void {
    super.sendBurst(burst, from, count, now);
  }
}

class OverriddenSend extends Seen {
  override send(burst: Burst, index: number, now: number): void {
    super.send(burst, index, now);
  }
}

/** Plain ends; those that see what they send; stacks with another carrier; two memories. */
const WAYS = ["coupled", "tapped", "burst", "send", "half", "one two", "two", "apart"] as const;
type Way = (typeof WAYS)[number];

/** Two stacks and the netifs that join them, the first of each when they have two. */
type Pair = { readonly stacks: readonly [Stack, Stack]; readonly netifs: readonly [Seen, Seen] };

function netifsOf(way: Way, options: DirectLinkOptions): [Seen, Seen] {
  const tap = way === "tapped" ? { tap: { frame: () => undefined } } : {};
  const Left = way === "burst" ? Overridden : way === "send" ? OverriddenSend : Seen;
  const Right = way === "half" ? Overridden : Left;
  const ends = [new Left(0, { ...options, ...tap }), new Right(1, { ...options, ...tap })] as const;
  joinDirect(...ends);
  return [...ends];
}

function pairOf(way: Way, options: DirectLinkOptions = {}): Pair {
  const netifs = netifsOf(way, { medium: "ip", ...options });
  const spare = netifsOf(way, { medium: "ip", ...options });
  const group = new CoreGroup(loadModule(), [LAYOUT, LAYOUT]);
  const stacks = HOSTS.map((host, side) => {
    const random = new Random(SEED + side);
    const own = [{ netif: netifs[side] as Seen, addresses: [`${host}/24`] }];
    const second = { netif: spare[side] as Seen, addresses: [`10.1.0.${side + 1}/24`] };
    if (way === "two" || (way === "one two" && side === 0)) own.push(second);
    const stack = new Stack({
      ...(way === "apart" ? { module: loadModule(), layout: LAYOUT } : { module: group }),
      entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
      netifs: own,
    });
    // Not before both are there.
    if (side === 0) expect(word(stack, M.CORE_LINK)).toBe(0);
    return stack;
  }) as [Stack, Stack];
  return { stacks, netifs };
}

function word({ core }: Stack, field: number): number {
  return core.words[(core.address + field) >>> 2] as number;
}

function setWord({ core }: Stack, field: number, value: number): void {
  core.words[(core.address + field) >>> 2] = value;
}

function counterOf({ core }: Stack, counter: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
}

/** Frames and descriptors that were not used, for whatever reason. */
function drops({ core }: Stack): number {
  const first = (core.map.base.drops as number) >>> 2;
  return core.words.subarray(first, first + DROP_REASONS).reduce((sum, count) => sum + count, 0);
}

/** One end of a connection: sends `total` bytes of a stream and hashes what it reads. */
class End {
  readonly stack: Stack;
  readonly fd: number;
  readonly #source: Uint8Array;
  readonly #chunk: number;
  readonly hash = createHash("sha256");
  sent = 0;
  got = 0;
  isOver = false;

  constructor(stack: Stack, fd: number, source: Uint8Array, chunk: number) {
    this.stack = stack;
    this.fd = fd;
    this.#source = source;
    this.#chunk = chunk;
  }

  /** Sends and reads what it can; true when it did anything. */
  move(): boolean {
    const { toe } = this.stack;
    const before = this.sent + this.got;
    const left = Math.min(this.#chunk, this.#source.length - this.sent);
    if (left > 0) this.sent += Math.max(0, toe.send(this.fd, this.#source, this.sent, left));
    const count = toe.recv(this.fd, INBOX);
    if (count > 0) {
      this.hash.update(INBOX.subarray(0, count));
      this.got += count;
    }
    this.isOver ||= count === 0;
    return this.sent + this.got !== before;
  }
}

const INBOX = new Uint8Array(65536);

/** Connections, bytes of their buffers, bytes that each end sends, and at most at once. */
type Script = readonly [connections: number, buffer: number, total: number, chunk: number];

function socketOf({ toe }: Stack, buffer: number): number {
  const fd = toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0);
  expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, buffer)).toBe(0);
  expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, buffer)).toBe(0);
  return fd;
}

/** Stream of an end: of all connections different, and of both directions. */
function streamOf(side: number, index: number, length: number): Uint8Array {
  return streamBytes(side * 50_000_000 + index * 1_000_003, length);
}

/** Two stacks under one clock, each polled in turn. */
class Clock {
  readonly pair: Pair;
  now = 1e9;

  constructor(pair: Pair) {
    this.pair = pair;
  }

  turn(isBusy: boolean): void {
    this.now += 2000;
    const more = this.pair.stacks.map((stack) => stack.poll(this.now)).includes(true);
    const next = Math.min(...this.pair.stacks.map((stack) => stack.nextDeadline()));
    if (!isBusy && !more && next > this.now && next < NEVER) this.now = next;
  }

  /** Connected ends, the client's before the server's of each. */
  connect([connections, buffer, total, chunk]: Script): End[] {
    const [client, server] = this.pair.stacks;
    const listener = socketOf(server, buffer);
    expect(server.toe.bind(listener, { address: HOSTS[1], port: 80 })).toBe(0);
    expect(server.toe.listen(listener, connections)).toBe(0);
    const ends: End[] = [];
    for (let i = 0; i < connections; i += 1) {
      const fd = socketOf(client, buffer);
      expect(client.toe.connect(fd, { address: HOSTS[1], port: 80 })).toBeLessThan(0);
      let accepted = -1;
      for (let turns = 0; accepted < 0 && turns < 100; turns += 1) {
        this.turn(false);
        accepted = server.toe.accept(listener);
      }
      ends.push(new End(client, fd, streamOf(0, i, total), chunk));
      ends.push(new End(server, accepted, streamOf(1, i, total), chunk));
    }
    return ends;
  }

  /** Turns until it is true. Throws Error when that does not come. */
  until(done: () => boolean, busy: () => boolean): void {
    for (let turns = 0; turns < 20_000; turns += 1) {
      if (done()) return;
      this.turn(busy());
    }
    throw new Error(`seed ${SEED}: not done at ${this.now} ns`);
  }
}

/** The script over a pair: both ways at once, then both ends close; what there is to compare. */
function converse(pair: Pair, script: Script) {
  const clock = new Clock(pair);
  const [, , total] = script;
  const ends = clock.connect(script);
  const links = pair.stacks.map((stack) => word(stack, M.CORE_LINK));
  const move = (): boolean => ends.map((end) => end.move()).includes(true);
  clock.until(() => ends.every(({ got, sent }) => got === total && sent === total), move);
  for (const { stack, fd } of ends) expect(stack.toe.shutdown(fd, C.SHUT_WR)).toBe(0);
  clock.until(() => ends.every(({ isOver }) => isOver), move);
  for (const { stack, fd } of ends) expect(stack.toe.close(fd)).toBe(0);
  const isEmpty = (stack: Stack): boolean => stack.connections().length === 0;
  clock.until(() => pair.stacks.every(isEmpty), move);
  const hashes = ends.map(({ hash }) => hash.digest("hex"));
  const guards = pair.stacks.flatMap(({ core }) => brokenGuards(core.view, core.map));
  const counts = pair.netifs.map(({ frames, bytes }) => [frames, bytes]);
  const made = pair.stacks.map((stack) => counterOf(stack, Counter.FramesOut));
  const seen = pair.netifs.map((netif) => netif.seen);
  const received = pair.netifs.map((netif) => [netif.seen.length, netif.seenBytes]);
  return { links, hashes, guards, counts, made, seen, received, now: clock.now };
}

const SCRIPTS: readonly (readonly [string, Script])[] = [
  ["bulk", [1, 65536, 600_000, 65536]],
  ["bulk, small buffers", [2, 2048, 60_000, 5000]],
  ["40 connections", [40, 4096, 2000, 100]],
];
const MEDIA: readonly DirectLinkOptions[] = [
  { medium: "ip" },
  { medium: "ethernet" },
  { medium: "ip", mtu: 576 },
  { medium: "ethernet", mtu: 576 },
];

const without = ({ links: _, ...rest }: ReturnType<typeof converse>) => rest;

for (const options of MEDIA) {
  for (const [name, script] of SCRIPTS) {
    const { medium, mtu = 1500 } = options;
    test(`${name} over ${medium}, mtu ${mtu}: coupled as with a memory each`, () => {
      const coupled = converse(pairOf("coupled", options), script);
      const apart = converse(pairOf("apart", options), script);
      expect(coupled.links.every((link) => link !== 0)).toBe(true);
      expect(apart.links).toEqual([0, 0]);
      const streams = Array.from({ length: 2 * script[0] }, (_, i) =>
        hash("sha256", streamOf(1 - (i & 1), i >> 1, script[2])),
      );
      for (const run of [coupled, apart]) {
        expect(run.hashes).toEqual(streams);
        expect(run.guards).toEqual([]);
        // What one end has counted as sent, the other has received.
        expect(run.received).toEqual(run.counts.toReversed());
      }
      expect(without(coupled)).toEqual(without(apart));
    });
  }
}

for (const way of WAYS) {
  test(`a link is coupled only between plain ends: ${way}`, () => {
    const pair = pairOf(way);
    const addresses = pair.stacks.map(({ core }) => core.address);
    const run = converse(pair, [3, 8192, 20_000, 3000]);
    expect(run.links).toEqual(way === "coupled" ? addresses.toReversed() : [0, 0]);
    expect(without(run)).toEqual(without(converse(pairOf("apart"), [3, 8192, 20_000, 3000])));
  });
}

/** Polls a stack when it was woken, or at the time that it named after its last poll: a driver. */
class Sleepers {
  readonly pair: Pair;
  now: number;
  readonly woken: [boolean, boolean] = [true, true];
  readonly wakes: [number, number] = [0, 0];
  polls = 0;
  /** When each is to be polled if nobody wakes it. */
  readonly #alarms: [number, number];

  constructor(pair: Pair, now: number, wakes = true) {
    this.pair = pair;
    this.now = now;
    this.#alarms = [pair.stacks[0].nextDeadline(), pair.stacks[1].nextDeadline()];
    if (!wakes) return;
    for (const [side, stack] of pair.stacks.entries()) stack.onWake(() => this.wake(side));
  }

  wake(side: number): void {
    this.woken[side] = true;
    this.wakes[side] = (this.wakes[side] as number) + 1;
  }

  /** Until nobody will ever be due, or until `end`. Throws Error when neither comes. */
  run(end = NEVER, most = 1000): void {
    for (let first = 0; this.polls < most; first = 1 - first) {
      const side = this.woken[first] ? first : this.woken[1 - first] ? 1 - first : this.#sleep();
      if (this.now > end || this.now === NEVER) return;
      this.poll(side);
    }
    throw new Error(`seed ${SEED}: no rest after ${most} polls, at ${this.now} ns`);
  }

  poll(side: number): void {
    const stack = this.pair.stacks[side] as Stack;
    this.polls += 1;
    this.woken[side] = false;
    const more = stack.poll(this.now);
    const next = stack.nextDeadline();
    this.#alarms[side] = next;
    if (more || next <= this.now) this.woken[side] = true;
  }

  /** Whoever is due first, at its time. */
  #sleep(): number {
    this.now = Math.max(this.now, Math.min(...this.#alarms));
    return this.#alarms[0] <= this.#alarms[1] ? 0 : 1;
  }
}

/** Runs an end from its watcher; shuts and closes it when it has all. */
function serve(end: End, total: number): void {
  const { toe } = end.stack;
  toe.setWatcher(end.fd, () => {
    while (end.move()) if (end.sent === total) toe.shutdown(end.fd, C.SHUT_WR);
    if (end.isOver && end.sent === total) toe.close(end.fd);
  });
}

for (const options of MEDIA.slice(0, 2)) {
  for (const way of ["coupled", "burst"] as const) {
    for (const by of ["wakes", "arrivals"] as const) {
      test(`a pair that is polled by its ${by} only: ${options.medium}, ${way}`, () => {
        const total = 1 << 20;
        let sleepers: Sleepers | undefined;
        const onArrival = (side: number): void => sleepers?.wake(side);
        const pair = pairOf(way, by === "wakes" ? options : { ...options, onArrival });
        const clock = new Clock(pair);
        const ends = clock.connect([2, 65536, total, 65536]);
        sleepers = new Sleepers(pair, clock.now, by === "wakes");
        for (const end of ends) serve(end, total);
        // Without waiting for any timer of TCP.
        sleepers.run(clock.now + 5e6);
        expect(ends.map(({ got }) => got)).toEqual(ends.map(() => total));
        sleepers.run();
        const { wakes, polls } = sleepers;
        const streams = ends.map((_, i) => hash("sha256", streamOf(1 - (i & 1), i >> 1, total)));
        expect(ends.map(({ hash }) => hash.digest("hex"))).toEqual(streams);
        expect(polls).toBeLessThan(200);
        expect(Math.min(...wakes)).toBeGreaterThan(20);
        expect(pair.stacks.map((stack) => stack.nextDeadline())).toEqual([NEVER, NEVER]);
        expect(pair.stacks.map((stack) => stack.connections())).toEqual([[], []]);
      });
    }
  }
}

const SOURCE = streamBytes(0, 65536);

/** Connections, at rest, whose clients then send so many bytes each; the server does not poll. */
function crowd(way: Way, options: DirectLinkOptions, connections: number) {
  const arrivals: number[] = [];
  const onArrival = (side: number): void => void arrivals.push(side);
  const pair = pairOf(way, { ...options, onArrival });
  const clock = new Clock(pair);
  const ends = clock.connect([connections, 16384, 0, 0]);
  // Past the timers of the handshakes: none of the wheel's slots is due for them any more.
  for (let i = 0; i < 20; i += 1) {
    clock.now += 20e6;
    for (const stack of pair.stacks) stack.poll(clock.now);
  }
  const sleepers = new Sleepers(pair, clock.now);
  sleepers.woken.fill(false);
  sleepers.wakes.fill(0);
  arrivals.length = 0;
  const [client, server] = pair.stacks;
  const of = (stack: Stack): number[] => ends.filter((end) => end.stack === stack).map((e) => e.fd);
  const send = (from: number, to: number, length: number): void => {
    for (const fd of of(client).slice(from, to)) client.toe.send(fd, SOURCE, 0, length);
  };
  const readable = (stack = server): number[] =>
    of(stack).map((fd) => Math.max(0, stack.toe.recv(fd, INBOX)));
  return { pair, client, server, ends, sleepers, arrivals, of, send, readable };
}

/** A client that is polled many times over a server that is not, until all have all. */
function overfill(way: Way, options: DirectLinkOptions) {
  const scene = crowd(way, options, 40);
  const { client, server, sleepers, arrivals, pair } = scene;
  scene.send(0, 40, 8000);
  for (let i = 0; i < 50; i += 1) {
    sleepers.now += 1000;
    sleepers.poll(0);
  }
  expect(word(server, M.CORE_INGRESS_COUNT)).toBe(BATCH_MAX);
  expect(word(client, M.CORE_EGRESS_COUNT)).toBe(0);
  expect(word(client, M.CORE_LINK_STARVED)).toBe(way === "coupled" ? 1 : 0);
  expect(pair.netifs.map((netif) => netif.nextDeadline())).toEqual([NEVER, 0]);
  expect(client.nextDeadline()).toBeGreaterThan(sleepers.now);
  expect(sleepers.wakes[1]).toBeGreaterThan(0);
  expect(arrivals).toContain(1);
  sleepers.wakes.fill(0);
  arrivals.length = 0;
  // Not for what it sends: for room. An uncoupled end says so when it is polled next.
  const tell = word(server, M.CORE_LINK_TELL);
  setWord(server, M.CORE_LINK_TELL, 0);
  for (let i = 0; i < (way === "coupled" ? 1 : 2); i += 1) sleepers.poll(1);
  setWord(server, M.CORE_LINK_TELL, tell);
  expect(sleepers.wakes[0]).toBeGreaterThan(0);
  expect(arrivals).toContain(0);
  expect(pair.netifs.map((netif) => netif.nextDeadline())).toEqual([0, 0]);
  sleepers.run(sleepers.now + 100e6);
  expect(scene.readable()).toEqual(Array.from({ length: 40 }, () => 8000));
  expect(counterOf(client, Counter.Retransmissions)).toBe(0);
  expect([drops(client), drops(server)]).toEqual([0, 0]);
  expect(pair.netifs[1].seen.length).toBe(pair.netifs[0].frames);
  for (const { core } of pair.stacks) expect(brokenGuards(core.view, core.map)).toEqual([]);
  return { frames: pair.netifs[0].frames, bytes: pair.netifs[0].bytes, seen: pair.netifs[1].seen };
}

for (const options of MEDIA) {
  const name = `${options.medium}, mtu ${options.mtu ?? 1500}`;
  test(`a peer that does not poll loses nothing and says when it has room: ${name}`, () => {
    const coupled = overfill("coupled", options);
    const apart = overfill("apart", options);
    expect(coupled.seen.length).toBeGreaterThan(4 * BATCH_MAX);
    expect(coupled).toEqual(apart);
  });
}

for (const way of ["coupled", "burst"] as const) {
  test(`flows that found the rest of a burst too small go on at once: ${way}`, () => {
    const scene = crowd(way, {}, 70);
    const { sleepers } = scene;
    scene.send(0, 10, 100);
    sleepers.poll(0);
    scene.send(10, 70, 100);
    sleepers.poll(0);
    sleepers.run(sleepers.now + 1e6);
    expect(scene.readable()).toEqual(Array.from({ length: 70 }, () => 100));
  });

  for (const [messages, polls] of [
    [50, 1],
    [50, 2],
    [70, 1],
    [70, 2],
  ] as const) {
    const name = `${way}, ${messages} messages, polled ${polls === 1 ? "once" : "twice"}`;
    test(`frames that found the rest of a burst too small go on at once: ${name}`, () => {
      const { client, server, sleepers, of, send, readable } = crowd(way, {}, messages);
      // Two segments are acknowledged at once, whatever the credit: 30 frames besides messages.
      send(0, 30, 2 * 1448);
      sleepers.poll(0);
      for (const fd of of(server)) server.toe.send(fd, SOURCE, 0, 100);
      for (let i = 0; i < polls; i += 1) sleepers.poll(1);
      sleepers.run(sleepers.now + 1e6);
      expect(readable(client)).toEqual(Array.from({ length: messages }, () => 100));
    });
  }
}

const FRAME = 1504;
const CAPACITY = 1536 * BATCH_MAX;

/** Frames and bytes in the peer's burst, and how many largest frames it still has room for. */
const BURSTS: readonly (readonly [number, number, number])[] = [
  [0, 0, 64],
  [0, CAPACITY - 64 * FRAME, 64],
  [0, CAPACITY - 64 * FRAME + 1, 63],
  [1, FRAME, 63],
  [62, 62 * 64, 2],
  [63, 63 * 64, 1],
  [64, 64 * 64, 0],
  [5, CAPACITY - FRAME, 1],
  [5, CAPACITY - FRAME + 1, 0],
  [5, CAPACITY, 0],
];

for (const [count, used, credit] of BURSTS) {
  test(`a burst of ${count} frames in ${used} bytes takes ${credit} more`, () => {
    const { pair, client, server, send } = crowd("coupled", {}, 3);
    const [netif] = pair.netifs;
    const { library } = client.toe.internals.context;
    const turn = (): number => client.core.exports.turn(library, 2e9);
    const table = server.core.words.subarray((server.core.map.base.ingressTable as number) >>> 2);
    const { frames, bytes } = netif;
    const fill = (rows: number, bytes: number): void => {
      setWord(server, M.CORE_INGRESS_COUNT, rows);
      setWord(server, M.CORE_INGRESS_BYTES, bytes);
    };
    fill(count, used);
    setWord(client, M.CORE_LINK_STARVED, credit === 0 ? 0 : 1);
    turn();
    expect(word(client, M.CORE_NETIF_CREDIT)).toBe(credit);
    expect(word(client, M.CORE_LINK_STARVED)).toBe(credit === 0 ? 1 : 0);
    fill(0, 0);
    expect(netif.nextDeadline()).toBe(credit === 0 ? 0 : NEVER);
    fill(count, used);
    table.fill(7, count * 4, BATCH_MAX * 4);
    setWord(client, M.CORE_LINK_NETIF, 3);
    send(0, 3, 100);
    const sent = Math.min(3, credit);
    expect(turn() >>> M.STEP_EGRESS_SHIFT).toBe(0);
    expect(word(server, M.CORE_INGRESS_COUNT)).toBe(count + sent);
    expect(word(server, M.CORE_INGRESS_BYTES)).toBe(used + 160 * sent);
    const rows = Array.from({ length: sent }, (_, i) => [used + 160 * i, 152, 3, 0]).flat();
    expect([...table.subarray(count * 4, (count + sent) * 4)]).toEqual(rows);
    expect([netif.frames - frames, netif.bytes - bytes]).toEqual([sent, sent * 152]);
    expect([word(client, M.CORE_EGRESS_COUNT), word(client, M.CORE_EGRESS_BYTES)]).toEqual([0, 0]);
    expect(word(client, M.CORE_LINK_STARVED)).toBe(credit <= 3 ? 1 : 0);
  });
}

const [TELL, STARVED] = [M.CORE_LINK_TELL, M.CORE_LINK_STARVED];
const [ROWS, MADE] = [M.CORE_INGRESS_COUNT, M.CORE_EGRESS_COUNT];
type Words = Readonly<Record<number, number>>;

/** What a turn says of the other end: name, words of this core and of the other, STEP_CARRIED. */
const TOLD: readonly (readonly [string, Words, Words, number])[] = [
  ["the host wants to know", {}, {}, M.STEP_CARRIED],
  ["nobody wants to know", { [TELL]: 0 }, {}, 0],
  ["the peer has met a full burst", { [TELL]: 0 }, { [STARVED]: 1 }, M.STEP_CARRIED],
  ["this end has met one", { [TELL]: 0, [STARVED]: 1 }, {}, 0],
  // Too many frames to send for answers to fit, and for the peer to take.
  ["the burst is held", { [ROWS]: BATCH_MAX, [MADE]: 150 }, { [STARVED]: 1 }, 0],
  ["the peer's burst is full", {}, { [ROWS]: BATCH_MAX }, 0],
];

test("a core tells when somebody listens at the other end", () => {
  const tells = ({ stacks }: Pair): number[] => stacks.map((stack) => word(stack, TELL));
  const pair = pairOf("coupled");
  expect(tells(pair)).toEqual([0, 0]);
  pair.stacks[1].onWake(() => undefined);
  expect(tells(pair)).toEqual([M.STEP_CARRIED, 0]);
  const told = pairOf("coupled", { onArrival: () => undefined });
  expect(tells(told)).toEqual([M.STEP_CARRIED, M.STEP_CARRIED]);
});

for (const [name, own, other, bit] of TOLD) {
  test(`a turn tells of the other end: ${name}`, () => {
    const { client, server, send } = crowd("coupled", {}, 1);
    send(0, 1, 100);
    for (const [field, value] of Object.entries(own)) setWord(client, +field, value);
    for (const [field, value] of Object.entries(other)) setWord(server, +field, value);
    const { library } = client.toe.internals.context;
    expect(client.core.exports.turn(library, 2e9) & M.STEP_CARRIED).toBe(bit);
  });
}

for (const medium of ["ip", "ethernet"] as const) {
  test(`frames of data path and control plane keep their order: ${medium}`, () => {
    const runs = (["coupled", "apart"] as const).map((way) => {
      const { pair, client, ends, sleepers, send } = crowd(way, { medium }, 3);
      const [, { kinds, seen }] = pair.netifs;
      const first = kinds.slice(0, 2);
      const before = seen.length;
      send(0, 1, 2 * 1448);
      expect(client.toe.abort((ends[2] as End).fd)).toBe(0);
      const fd = socketOf(client, 4096);
      client.toe.connect(fd, { address: HOSTS[1], port: 80 });
      sleepers.poll(0);
      sleepers.poll(1);
      return { first, kinds: kinds.slice(before), seen };
    });
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]?.kinds).toEqual(["data", "data", "rst", "syn"]);
    expect(runs[0]?.first).toEqual(medium === "ip" ? ["syn", "data"] : ["arp", "syn"]);
  });
}
