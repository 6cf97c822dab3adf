/**
 * The DMA engine: the rules of order one by one, fairness under load, public latency figures, and
 * random work in which no limit is passed, everything completes and every TLP is accounted for.
 */
import { expect, test } from "vitest";
import { AddressSpace, HUGEPAGE_2M } from "../../../host/pcie/address-space.ts";
import { DmaEngine, DmaKind, DmaRefusal } from "../../../host/pcie/dma-engine.ts";
import { type DmaOptions, DmaQueue, Priority } from "../../../host/pcie/dma-options.ts";
import { Direction, Pcie, TLP_NAMES, Tlp, TlpCounters } from "../../../host/pcie/tlp.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(77);
const { Read, Write, Interrupt } = DmaKind;
const { Tx, Rx, Atx, Arx, SlowOut } = DmaQueue;
const pcie = new Pcie();

interface Done {
  readonly cookie: number;
  readonly at: number;
}

/** Runs until nothing is left, step by step. */
function drain(engine: DmaEngine, done: Done[] = []): Done[] {
  for (let steps = 0; engine.nextDeadline() < Number.POSITIVE_INFINITY; steps += 1) {
    if (steps > 1e6) throw new Error("drain: expected an end, got a million steps");
    engine.advance(engine.nextDeadline(), (cookie, _, at) => done.push({ cookie, at }));
  }
  return done;
}

const cookies = (done: readonly Done[]): number[] => done.map(({ cookie }) => cookie);

/** LAT_DMA_RD, medians in ns: pcie-bench/data, NFP-6000, Xeon E5-2630v4, warm cache. */
const MEASURED_NS = [
  [4, 546],
  [64, 560],
  [256, 626],
  [512, 706],
  [1024, 853],
  [2048, 1133],
] as const;

test("reads take what pcie-bench measured, within 5 %", () => {
  for (const [bytes, measured] of MEASURED_NS) {
    const engine = new DmaEngine({ pcie });
    engine.submit(0, Tx, Read, 0, bytes, 0);
    const { at } = drain(engine)[0] as Done;
    expect(Math.abs(at / measured - 1), `${bytes} B: ${at} ns`).toBeLessThan(0.05);
  }
});

test("a page that the IOTLB lacks costs a walk, once", () => {
  const memory = new AddressSpace();
  const bus = memory.map({ name: "pool", address: 65536, bytes: HUGEPAGE_2M });
  const engine = new DmaEngine({ pcie, memory });
  const took = [0, 64].map((offset) => {
    const now = offset * 1e6;
    engine.submit(now, Tx, Read, bus + offset, 64, 0);
    return (drain(engine)[0] as Done).at - now;
  });
  expect((took[0] as number) - (took[1] as number)).toBeCloseTo(280, 6);
  expect([memory.hits, memory.misses]).toEqual([1, 1]);
});

test("many reads fill the link: 120 of 1448 B take the time of their completions", () => {
  const engine = new DmaEngine({ pcie });
  for (let i = 0; i < 120; i += 1) expect(engine.submit(0, Tx, Read, i * 4096, 1448, i)).toBe(i);
  const end = Math.max(...drain(engine).map(({ at }) => at));
  const wire = pcie.wireNs(engine.counters.wireBytes(Direction.ToDevice));
  expect(end).toBeGreaterThan(wire);
  expect(end - wire).toBeLessThan(900);
});

test("posted writes pass reads that have no credits, in their own queue too", () => {
  const engine = new DmaEngine({ pcie, credits: { nonPostedHeaders: 1 } });
  engine.submit(0, Tx, Read, 0, 64, 1);
  engine.submit(0, Tx, Read, 4096, 64, 2);
  engine.submit(0, Tx, Write, 8192, 64, 3);
  expect(cookies(drain(engine))).toEqual([3, 1, 2]);
});

test("a read does not pass an earlier write of its queue", () => {
  // The write has no credit until the other queue's is visible, 180 ns later.
  const engine = new DmaEngine({ pcie, credits: { postedHeaders: 1 } });
  engine.submit(0, SlowOut, Write, 0, 64, 1);
  engine.submit(0, Tx, Write, 4096, 64, 2);
  engine.submit(0, Tx, Read, 4096, 64, 3);
  const done = drain(engine);
  expect(cookies(done)).toEqual([1, 2, 3]);
  expect((done[2] as Done).at).toBeGreaterThan(180 + 536);
});

test("an interrupt is seen after the writes before it in its queue, page walk or not", () => {
  const memory = new AddressSpace();
  const bus = memory.map({ name: "ring", address: 0, bytes: HUGEPAGE_2M });
  const engine = new DmaEngine({ pcie, memory });
  engine.submit(0, Arx, Write, bus, 32, 1);
  engine.submit(0, Arx, Interrupt, 0, 0, 2);
  const [write, interrupt] = drain(engine) as [Done, Done];
  expect([write.cookie, interrupt.cookie]).toEqual([1, 2]);
  expect(write.at).toBeGreaterThan(180 + 280);
  expect(interrupt.at).toBeGreaterThanOrEqual(write.at);
  expect(engine.counters.tlps(Tlp.MWr)).toBe(2);
});

test("reads complete out of order; a queue with inOrder tells them in order", () => {
  for (const [inOrder, expected] of [
    [false, [2, 3, 1]],
    [true, [1, 2, 3]],
  ] as const) {
    const memory = new AddressSpace();
    const warm = memory.map({ name: "warm", address: 0, bytes: HUGEPAGE_2M });
    const cold = memory.map({ name: "cold", address: HUGEPAGE_2M, bytes: HUGEPAGE_2M });
    memory.look(warm);
    const queues = [{ name: "q", cap: 8, priority: Priority.Low, inOrder }];
    const engine = new DmaEngine({ pcie, memory, queues });
    engine.submit(0, 0, Read, cold, 64, 1);
    engine.submit(0, 0, Read, warm, 64, 2);
    engine.submit(0, 0, Read, warm + 64, 64, 3);
    expect(cookies(drain(engine))).toEqual(expected);
  }
});

test("a full queue refuses, and takes again when a completion has been told", () => {
  const engine = new DmaEngine({ pcie });
  for (let i = 0; i < 32; i += 1) expect(engine.submit(0, Atx, Read, 0, 32, i)).toBeGreaterThan(-1);
  expect(engine.submit(0, Atx, Read, 0, 32, 32)).toBe(DmaRefusal.QueueFull);
  // Complete, but nobody has been told.
  expect(engine.submit(1e6, Atx, Read, 0, 32, 32)).toBe(DmaRefusal.QueueFull);
  let again = 0;
  engine.advance(1e6, () => {
    again += engine.submit(1e6, Atx, Read, 0, 32, 99) >= 0 ? 1 : 0;
  });
  expect([again, engine.held(Atx), engine.refusedFull]).toEqual([32, 32, 2]);
});

test("256 transactions are out at once, whatever the queues hold", () => {
  const engine = new DmaEngine({ pcie, latencies: { oneWayNs: 1e5 } });
  for (let i = 0; i < 120; i += 1) engine.submit(0, Tx, Read, 0, 64, i);
  for (let i = 0; i < 120; i += 1) engine.submit(0, Rx, Write, 0, 4, i);
  for (let i = 0; i < 64; i += 1) engine.submit(0, Arx, Read, 0, 64, i);
  let most = 0;
  while (engine.nextDeadline() < Number.POSITIVE_INFINITY) {
    engine.advance(engine.nextDeadline(), () => undefined);
    most = Math.max(most, engine.outstanding);
  }
  expect([most, engine.completed]).toEqual([256, 304]);
});

test("urgent work overtakes a backlog of payload", () => {
  const engine = new DmaEngine({ pcie });
  for (let i = 0; i < 120; i += 1) engine.submit(0, Rx, Write, i * 4096, 4096, i);
  engine.advance(1000, () => undefined);
  engine.submit(1000, SlowOut, Write, 0, 64, 1000);
  const done = drain(engine);
  const { at } = done.find(({ cookie }) => cookie === 1000) as Done;
  expect(at - 1000).toBeLessThan(180 + 100);
  expect(Math.max(...done.map((d) => d.at))).toBeGreaterThan(60_000);
});

test("priority decides, as long as nobody is out of patience", () => {
  const queues = [
    { name: "low", cap: 40, priority: Priority.Low },
    { name: "medium", cap: 40, priority: Priority.Medium },
    { name: "high", cap: 40, priority: Priority.High },
  ];
  const order = (patience: number): string => {
    const engine = new DmaEngine({ pcie, queues, patience });
    for (const queue of [2, 1, 0]) {
      for (let i = 0; i < 40; i += 1) engine.submit(0, queue, Write, 0, 256, queue);
    }
    return cookies(drain(engine)).join("");
  };
  expect(order(1000)).toBe("2".repeat(40) + "1".repeat(40) + "0".repeat(40));
  // One was on its way before the others came; each waits for ten at most, its equals included.
  const [high, both] = ["2".repeat(9), "01"];
  expect(order(10).slice(0, 24)).toBe(`22${high}${both}${high}${both}`);
});

test("nobody starves: payload moves while urgent writes take every credit they can", () => {
  for (const postedData of [16, 2048]) {
    const engine = new DmaEngine({ pcie, credits: { postedData }, patience: 16 });
    let payloads = 0;
    let urgent = 0;
    const flood = (cookie: number, now: number): void => {
      if (cookie === 1) payloads += 1;
      else urgent += 1;
      engine.submit(now, cookie === 1 ? Rx : Arx, Write, 0, cookie === 1 ? 256 : 32, cookie);
    };
    for (let i = 0; i < 64; i += 1) engine.submit(0, Arx, Write, 0, 32, 2);
    for (let i = 0; i < 120; i += 1) engine.submit(0, Rx, Write, 0, 256, 1);
    while (engine.nextDeadline() < 200_000) {
      const now = engine.nextDeadline();
      engine.advance(now, (cookie) => flood(cookie, now));
    }
    expect(payloads, `credits ${postedData}`).toBeGreaterThan(urgent / 18);
    expect(urgent).toBeGreaterThan(payloads);
  }
});

test("a bad address is refused and counted; nothing reaches the link", () => {
  const memory = new AddressSpace();
  memory.map({ name: "pool", address: 0, bytes: 4096 });
  const engine = new DmaEngine({ pcie, memory });
  expect(engine.submit(0, Rx, Write, 4096, 64, 0)).toBe(DmaRefusal.BadAddress);
  expect(engine.submit(0, Rx, Write, 0, 0, 0)).toBe(DmaRefusal.BadRequest);
  expect(engine.submit(0, 99, Write, 0, 64, 0)).toBe(DmaRefusal.BadRequest);
  expect([engine.refusedAddress, engine.nextDeadline()]).toEqual([1, Number.POSITIVE_INFINITY]);
  expect(engine.counters.total()).toBe(0);
  expect(memory.reason()).toBe(
    "pcie: expected an address of a mapped pool, got 64 bytes at 0x1000",
  );
});

test("options that could never finish are refused, and so is time that goes back", () => {
  const make = (options: Partial<DmaOptions>): DmaEngine => new DmaEngine({ pcie, ...options });
  expect(() => make({ outstanding: 0 })).toThrow(/pcie: expected outstanding .* got 0/);
  expect(() => make({ queues: [] })).toThrow(/pcie: expected queues of 1 or more, got 0/);
  expect(() => make({ credits: { postedData: 15 } })).toThrow(/posted data credits of 16/);
  expect(() => make({ credits: { completionData: 31 } })).toThrow(/completion data .* of 32/);
  const engine = make({});
  engine.advance(10, () => undefined);
  expect(() => engine.submit(9, Tx, Read, 0, 4, 0)).toThrow(/expected time 10 or later, got 9/);
  expect(() => engine.advance(Number.NaN, () => undefined)).toThrow(/expected time 10/);
});

interface Sent {
  readonly queue: number;
  readonly kind: DmaKind;
  readonly from: number;
  readonly order: number;
  doneAt: number;
  told: number;
}

/** A random engine with little of everything, and random work on it. */
class Trial {
  readonly random: Random;
  readonly engine: DmaEngine;
  readonly caps: number[];
  readonly inOrder: boolean[];
  readonly limits: DmaEngine["credits"];
  readonly outstanding: number;
  readonly expected: TlpCounters;
  readonly sent: Sent[] = [];
  /** What was not as it must be: expect() is too slow for each of so many. */
  readonly broken: string[] = [];
  readonly #buses: number[];
  #told = 0;

  constructor(seed: number) {
    const random = new Random(seed);
    this.random = random;
    const own = new Pcie({
      maxPayload: 128 << random.below(3),
      maxReadRequest: 128 << random.below(4),
    });
    this.expected = new TlpCounters(own);
    const memory = new AddressSpace(random.between(1, 3));
    this.#buses = [0, 1, 2, 3].map((pool) =>
      memory.map({ name: `${pool}`, address: pool * HUGEPAGE_2M, bytes: HUGEPAGE_2M }),
    );
    const queues = Array.from({ length: random.between(1, 5) }, (_, i) => ({
      name: `${i}`,
      cap: random.between(1, 12),
      priority: random.pick([Priority.High, Priority.Medium, Priority.Low]),
      inOrder: random.oneIn(3),
    }));
    this.caps = queues.map(({ cap }) => cap);
    this.inOrder = queues.map(({ inOrder }) => inOrder);
    this.outstanding = random.between(1, 20);
    const { maxPayload, maxReadRequest } = own.options;
    this.limits = {
      postedHeaders: random.between(1, 6),
      postedData: maxPayload / 16 + random.below(40),
      nonPostedHeaders: random.between(1, 6),
      completionData: maxReadRequest / 16 + random.below(80),
    };
    const patience = random.between(1, 20);
    const { outstanding, limits: credits } = this;
    this.engine = new DmaEngine({ pcie: own, queues, outstanding, credits, patience, memory });
  }

  submit(now: number): void {
    const { random, engine } = this;
    const queue = random.below(this.caps.length);
    const kind = random.pick([Read, Write, Write, Interrupt]);
    const bytes = kind === Interrupt ? 4 : random.between(1, random.pick([8, 64, 300, 5000]));
    const bus = random.pick(this.#buses) + random.below(20_000);
    const address = kind === Interrupt ? 0 : bus;
    const order = this.sent.length;
    const handle = engine.submit(now, queue, kind, address, bytes, order);
    const isFull = this.unfinished(queue) >= (this.caps[queue] as number);
    this.#must(handle >= 0 !== isFull, `${now}: refused when full, and only then`);
    if (handle < 0) return;
    this.sent.push({ queue, kind, from: now, order, doneAt: -1, told: -1 });
    if (kind === Read) this.expected.read(Direction.ToHost, address, bytes);
    else this.expected.write(Direction.ToHost, address, bytes);
  }

  unfinished(queue: number): number {
    return this.sent.filter((one) => one.queue === queue && one.told < 0).length;
  }

  advance(now: number): void {
    this.engine.advance(now, (cookie, _, at) => {
      const one = this.sent[cookie] as Sent;
      this.#must(one.told === -1, `${cookie} told once`);
      one.doneAt = at;
      one.told = this.#told;
      this.#told += 1;
      this.#must(at <= now, `${cookie} at ${at}, told at ${now}`);
      this.#must(at - one.from > (one.kind === Read ? 536 : 180), `${cookie} too early`);
    });
    this.check();
  }

  #must(ok: boolean, what: string): void {
    if (!ok) this.broken.push(what);
  }

  check(): void {
    const { engine, limits } = this;
    this.caps.forEach((cap, queue) => this.#must(engine.held(queue) <= cap, `cap ${queue}`));
    this.#must(engine.outstanding <= this.outstanding, `outstanding ${engine.outstanding}`);
    for (const [name, left] of Object.entries(engine.credits)) {
      this.#must(left >= 0 && left <= limits[name as keyof typeof limits], `${name} ${left}`);
    }
  }

  /** The rules of order between two of one queue, the later one second. */
  checkOrder(): void {
    for (const later of this.sent) {
      for (const earlier of this.sent.slice(0, later.order)) {
        if (earlier.queue !== later.queue || earlier.kind === Read) continue;
        // Writes and interrupts stay in order; a read answers after the writes before it.
        this.#must(later.doneAt >= earlier.doneAt, `${later.order} before ${earlier.order}`);
      }
    }
    this.inOrder.forEach((isInOrder, queue) => {
      if (!isInOrder) return;
      const told = this.sent.filter((one) => one.queue === queue).map((one) => one.told);
      this.#must(
        told.every((at, i) => i === 0 || at > (told[i - 1] as number)),
        `FIFO ${queue}`,
      );
    });
  }
}

test(`random work keeps every limit and rule, seed ${SEED}`, () => {
  for (let seed = SEED; seed < SEED + 100; seed += 1) {
    const trial = new Trial(seed);
    const { random, engine } = trial;
    let now = 0;
    for (let step = 0; step < 120; step += 1) {
      for (let i = random.below(4); i > 0; i -= 1) trial.submit(now);
      const next = engine.nextDeadline();
      now = random.oneIn(2) && next < now + 1e4 ? Math.max(now, next) : now + random.below(500);
      trial.advance(now);
    }
    for (let steps = 0; engine.nextDeadline() < Number.POSITIVE_INFINITY; steps += 1) {
      if (steps > 1e5) throw new Error(`seed ${seed}: expected an end`);
      trial.advance(engine.nextDeadline());
    }
    expect(
      trial.sent.filter(({ told }) => told < 0),
      `seed ${seed}`,
    ).toEqual([]);
    expect(engine.credits, `seed ${seed}`).toEqual(trial.limits);
    const counted = (of: TlpCounters): number[] => TLP_NAMES.map((name) => of.tlps(Tlp[name]));
    expect(counted(engine.counters), `seed ${seed}`).toEqual(counted(trial.expected));
    for (const way of [Direction.ToHost, Direction.ToDevice]) {
      expect(engine.counters.wireBytes(way)).toBe(trial.expected.wireBytes(way));
    }
    trial.checkOrder();
    expect(trial.broken, `seed ${seed}`).toEqual([]);
  }
});

test("how time is cut into steps changes nothing", () => {
  const run = (stepNs: number): Done[] => {
    const engine = new DmaEngine({ pcie, credits: { postedData: 40, nonPostedHeaders: 3 } });
    for (let i = 0; i < 60; i += 1) engine.submit(0, Tx, Read, i * 5000, 1448, i);
    for (let i = 0; i < 60; i += 1) engine.submit(0, Rx, Write, i * 3000, 1448, 100 + i);
    const done: Done[] = [];
    for (let now = 0; now < 1e6; now += stepNs) {
      engine.advance(now, (cookie, _, at) => done.push({ cookie, at }));
    }
    expect(done.length).toBe(120);
    return done;
  };
  expect(run(1e5)).toEqual(run(3.7));
});
