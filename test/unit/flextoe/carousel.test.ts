/**
 * The queues of the flow scheduler (4.3.4, Carousel). Method: a naive scheduler as oracle, which
 * keeps exact deadlines as rational numbers and finds who is due by looking at everybody; a random
 * walk over both, with every list walked after every call (flow-queues.ts). Then single
 * properties: order, bounded work, far deadlines, the end of time, a clock that goes backwards.
 */
import { expect, test } from "vitest";
import * as C from "../../../bindings/abi/carousel.ts";
import { SLOTS_PER_STEP, TURN_SEGMENTS_MAX } from "../../../bindings/abi/limits.ts";
import { seedOf } from "../../support/env.ts";
import { FlowQueues, NEVER } from "../../support/flow-queues.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(20261121);
const FOREVER = (1n << 63n) - 1n;
const UNIT = 1n << 24n;
const MASK = UNIT - 1n;
const LATENESS_MAX = 1n << 22n;
const TICK = 1024n;
const LEVEL_1 = TICK << 12n;
const LEVEL_2 = TICK << 24n;
const HORIZON = LEVEL_2 * 64n;

interface Flow {
  interval: bigint;
  /** 2^-24 ns. */
  deadline: bigint;
  charged: bigint;
  place: "none" | "turn" | "paced" | "parked";
  netif: number;
  /** Which flows with the same tick must keep their order: those that were put into one slot. */
  path: string;
  arrival: number;
}

const atMost = (ns: bigint, fraction: bigint): bigint =>
  ((ns < FOREVER ? ns : FOREVER) << 24n) | fraction;

/** The naive scheduler. */
class Oracle {
  readonly flows: Flow[];
  turns: number[] = [];
  readonly parked: number[][] = Array.from({ length: 8 }, () => []);
  /** Whose turn was cut short, and what is left of it. */
  kept = { flow: 0, left: 0 };
  #arrivals = 0;

  constructor(flows: number) {
    this.flows = Array.from({ length: flows + 1 }, () => ({
      interval: 0n,
      deadline: 0n,
      charged: 0n,
      place: "none" as const,
      netif: 0,
      path: "",
      arrival: 0,
    }));
  }

  flow(id: number): Flow {
    return this.flows[id] as Flow;
  }

  schedule(id: number, fresh: boolean, wheel: FlowQueues): void {
    const flow = this.flow(id);
    if (flow.place !== "none") return;
    const { now } = wheel;
    if (flow.interval !== 0n && flow.deadline >> 24n > now) {
      flow.place = "paced";
      this.#arrivals += 1;
      flow.arrival = this.#arrivals;
      const due = wheel.tickOf(flow.deadline >> 24n);
      // Beyond the horizon a flow is put into several slots, one after the other.
      const far = due - wheel.tick >= HORIZON / TICK - LEVEL_2 / TICK;
      flow.path = far ? `${id}` : `${(wheel.record(id).queue - C.QUEUE_SLOTS) >> 12}`;
      return;
    }
    if (flow.interval !== 0n && fresh) this.start(flow, now);
    this.turn(id);
  }

  start(flow: Flow, now: bigint): void {
    flow.deadline = now << 24n;
    flow.charged = 0n;
  }

  turn(id: number): void {
    this.flow(id).place = "turn";
    if (id === this.kept.flow) this.turns.unshift(id);
    else this.turns.push(id);
  }

  pace(id: number, bytes: number, now: bigint): void {
    const flow = this.flow(id);
    if ((flow.deadline >> 24n) + LATENESS_MAX < now) flow.deadline = (now - LATENESS_MAX) << 24n;
    flow.charged = BigInt(Math.min(bytes, 65535));
    this.charge(flow, flow.deadline);
  }

  charge(flow: Flow, from: bigint): void {
    const sum = from + flow.interval * flow.charged;
    flow.deadline = atMost(sum >> 24n, sum & MASK);
  }

  /** True when the flow is to be taken out of the wheel and scheduled anew. */
  setInterval(id: number, interval: bigint, now: bigint): boolean {
    const flow = this.flow(id);
    const before = flow.interval;
    flow.interval = interval;
    if (before === 0n) {
      this.start(flow, now);
      return false;
    }
    if (interval === before || flow.deadline >> 24n <= now) return false;
    this.charge(flow, flow.deadline - before * flow.charged);
    if (interval === 0n || flow.deadline >> 24n <= now) this.start(flow, now);
    if (flow.place !== "paced") return false;
    flow.place = "none";
    return true;
  }

  remove(id: number): void {
    const flow = this.flow(id);
    flow.place = "none";
    if (this.kept.flow === id) this.kept = { flow: 0, left: 0 };
    this.turns = this.turns.filter((other) => other !== id);
    const parked = this.parked[flow.netif] as number[];
    this.parked[flow.netif] = parked.filter((other) => other !== id);
  }

  joinParked(netif: number): void {
    for (const id of this.parked[netif] as number[]) {
      this.flow(id).place = "turn";
      this.turns.push(id);
    }
    this.parked[netif] = [];
  }

  due(wheel: FlowQueues): number[] {
    const target = wheel.now >> wheel.slotBits;
    const ids = this.flows.flatMap((flow, id) => (flow.place === "paced" ? [id] : []));
    return ids.filter((id) => wheel.tickOf(this.flow(id).deadline >> 24n) <= target);
  }
}

/** A FlowQueues and its oracle, moved together. */
class Twin {
  readonly queues: FlowQueues;
  readonly oracle: Oracle;
  readonly #credit: number[] = new Array<number>(8).fill(0);

  constructor(flows: number, slotBits: number, now: bigint) {
    this.queues = new FlowQueues(flows, slotBits);
    this.oracle = new Oracle(flows);
    this.queues.now = now;
  }

  schedule(id: number, fresh: boolean): void {
    this.queues.schedule(id, fresh);
    this.oracle.schedule(id, fresh, this.queues);
  }

  setInterval(id: number, interval: bigint): void {
    this.queues.setInterval(id, interval);
    if (this.oracle.setInterval(id, interval, this.queues.now)) {
      this.oracle.schedule(id, false, this.queues);
    }
  }

  pace(id: number, bytes: number): void {
    if (this.oracle.flow(id).interval === 0n) return;
    this.queues.pace(id, bytes);
    this.oracle.pace(id, bytes, this.queues.now);
  }

  forget(id: number): void {
    this.queues.forget(id);
    this.oracle.remove(id);
  }

  nextTurn(): number {
    const id = this.queues.nextTurn();
    expect(id).toBe(this.oracle.turns.shift() ?? 0);
    if (id === 0) return 0;
    this.oracle.flow(id).place = "none";
    const { flow, left } = this.oracle.kept;
    expect(this.queues.turnSegments(id)).toBe(flow === id ? left : TURN_SEGMENTS_MAX);
    if (flow === id) this.oracle.kept = { flow: 0, left: 0 };
    return id;
  }

  /** The turn was cut short: the flow is first when it is scheduled again. */
  keep(id: number, left: number): void {
    this.queues.keepTurn(id, left);
    this.oracle.kept = { flow: id, left };
  }

  setNetif(id: number, netif: number): void {
    if (this.oracle.flow(id).place === "parked") return;
    this.queues.setNetif(id, netif);
    this.oracle.flow(id).netif = netif;
  }

  park(id: number): void {
    const flow = this.oracle.flow(id);
    this.queues.park(id);
    flow.place = "parked";
    const parked = this.oracle.parked[flow.netif] as number[];
    if (this.oracle.kept.flow === id) parked.unshift(id);
    else parked.push(id);
  }

  setCredit(netif: number, frames: number): void {
    this.queues.setCredit(netif, frames);
    this.#credit[netif] = frames;
  }

  /** All that is due joins: nobody too early, nobody missed, in order. */
  gather(): void {
    const { queues, oracle } = this;
    for (let netif = 0; netif < 8; netif += 1) {
      if ((this.#credit[netif] as number) > 0) oracle.joinParked(netif);
    }
    let calls = 0;
    while (queues.gather()) {
      queues.check();
      calls += 1;
      expect(calls).toBeLessThan(10_000);
    }
    const turns = queues.turns;
    expect(turns.slice(0, oracle.turns.length)).toEqual(oracle.turns);
    const joined = turns.slice(oracle.turns.length);
    expect([...joined].sort((a, b) => a - b)).toEqual(oracle.due(queues));
    this.#checkOrder(joined);
    for (const id of joined) oracle.turn(id);
    expect(queues.next > queues.now).toBe(true);
  }

  #checkOrder(joined: readonly number[]): void {
    const last = new Map<string, number>();
    let tick = 0n;
    for (const id of joined) {
      const flow = this.oracle.flow(id);
      const due = this.queues.tickOf(flow.deadline >> 24n);
      if (due < tick) throw new Error(`flow ${id}: tick ${due} after ${tick}`);
      if (due > tick) last.clear();
      tick = due;
      const before = last.get(flow.path) ?? 0;
      if (flow.arrival < before) throw new Error(`flow ${id} overtook in slot ${due}`);
      last.set(flow.path, flow.arrival);
    }
  }

  compare(): void {
    const place = this.queues.check();
    this.oracle.flows.forEach((flow, id) => {
      if (id === 0) return;
      const { deadline, fraction, interval } = this.queues.record(id);
      const found = placeOf(place[id] as number);
      const got = `${interval} ${deadline} ${fraction} ${found}`;
      const ns = flow.deadline >> 24n;
      const wanted = `${flow.interval} ${ns} ${flow.deadline & MASK} ${flow.place}`;
      if (got !== wanted) throw new Error(`flow ${id}: expected ${wanted}, got ${got}`);
    });
    expect(this.queues.turns).toEqual(this.oracle.turns);
  }
}

function placeOf(queue: number): Flow["place"] {
  if (queue === C.QUEUE_NONE) return "none";
  if (queue === C.QUEUE_ROUND_ROBIN) return "turn";
  return queue < C.QUEUE_SLOTS ? "parked" : "paced";
}

/** Intervals from 400 Gbit/s to 8 Kbit/s, each scale as often; sometimes any 64 bits, or none. */
function anyInterval(random: Random): bigint {
  if (random.oneIn(6)) return 0n;
  if (random.oneIn(8)) return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  const scale = 1n << BigInt(random.between(18, 44));
  return 1n + ((scale * BigInt(random.u32())) >> 32n);
}

function anyBytes(random: Random): number {
  return random.pick([0, 1, 40, 1500, 1500, 1500, 9000, 65535, 65536, 0xffffffff]);
}

/** One call of a random kind. */
function act(twin: Twin, random: Random): void {
  const id = random.between(1, twin.queues.flows);
  const kind = random.below(16);
  if (kind < 6) {
    twin.schedule(id, random.oneIn(2));
  } else if (kind < 12) {
    const turn = twin.nextTurn();
    if (turn === 0) return;
    const parks = random.oneIn(10);
    if (parks && random.oneIn(2)) twin.keep(turn, random.between(1, 7));
    if (parks) twin.park(turn);
    for (let sent = parks ? 0 : random.between(1, 3); sent > 0; sent -= 1)
      twin.pace(turn, anyBytes(random));
    if (parks || random.oneIn(4)) return;
    if (random.oneIn(3) && !twin.queues.mustWait(turn)) twin.keep(turn, random.between(1, 7));
    twin.schedule(turn, false);
  } else if (kind < 14) {
    twin.setInterval(id, anyInterval(random));
  } else if (kind === 14) {
    twin.forget(id);
    if (random.oneIn(2)) twin.setNetif(id, random.below(8));
  } else {
    twin.setCredit(random.below(8), random.below(2));
  }
}

function moveTime(twin: Twin, random: Random): void {
  const { queues } = twin;
  const delay = (1n << BigInt(random.between(4, 42))) + BigInt(random.below(5000));
  const exact = random.oneIn(3) && queues.next !== NEVER && queues.next > queues.now;
  const now = exact ? queues.next : queues.now + delay;
  queues.now = now < FOREVER ? now : FOREVER;
}

const STARTS: readonly [slotBits: number, start: bigint][] = [
  [10, 0n],
  [10, LEVEL_1 - 3n * TICK],
  [8, LEVEL_2 - 3n * TICK],
  [6, HORIZON - 1n],
  [16, (1n << 62n) - LEVEL_2],
  [10, FOREVER - HORIZON],
];

for (const [slotBits, start] of STARTS) {
  test(`oracle: slots of 2^${slotBits} ns, time from ${start} (seed ${SEED})`, () => {
    const random = new Random(SEED + slotBits);
    for (const flows of [3, 150]) {
      const twin = new Twin(flows, slotBits, start);
      for (let round = 0; round < 250; round += 1) {
        for (let calls = random.below(40); calls > 0; calls -= 1) act(twin, random);
        moveTime(twin, random);
        twin.gather();
        twin.compare();
      }
    }
  });
}

/** `count` paced flows, each waiting since one segment of 1,000 bytes; ns per byte. */
function waiting(count: number, nsPerByte: bigint, now = 1n << 40n): FlowQueues {
  const queues = new FlowQueues(count);
  queues.now = now;
  for (let flow = 1; flow <= count; flow += 1) {
    queues.setInterval(flow, nsPerByte * UNIT);
    queues.pace(flow, 1000);
    queues.schedule(flow, false);
  }
  return queues;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test.each([8n, 8000n, 20_000_000n])("a slot keeps its order: %d ns a byte", (nsPerByte) => {
  const queues = waiting(100, nsPerByte);
  const due = queues.now + 1000n * nsPerByte;
  for (let calls = 0; queues.next < due && calls < 500; calls += 1) {
    queues.now = queues.next;
    queues.gather();
  }
  expect(queues.turns).toEqual([]);
  queues.now = queues.next;
  expect([queues.gather(), queues.now - due < TICK]).toEqual([false, true]);
  expect(queues.turns).toEqual(range(100));
});

test("100,000 flows of one slot take one call; moving them closer is bounded", () => {
  const flows = 100_000;
  const near = waiting(flows, 1n);
  near.now = near.next;
  expect([near.gather(), near.turns.length, near.next]).toEqual([false, flows, NEVER]);
  const far = waiting(flows, 30_000n);
  far.now = far.next;
  let calls = 1;
  for (; far.gather(); calls += 1) expect(far.turns).toEqual([]);
  expect(calls).toBeGreaterThan(flows / SLOTS_PER_STEP - 1);
  expect(calls).toBeLessThan(flows / SLOTS_PER_STEP + 3);
  far.now += LEVEL_1;
  while (far.gather()) calls += 1;
  expect(far.turns).toEqual(range(flows));
});

test("2,000 slots that are due are bounded work: the rest comes with later calls, in order", () => {
  const queues = new FlowQueues(2000);
  queues.now = LEVEL_1;
  for (const flow of range(2000)) {
    queues.setInterval(flow, 64n * UNIT);
    queues.pace(flow, 16 * flow);
    queues.schedule(flow, false);
  }
  queues.now += LEVEL_1;
  const sizes: number[] = [];
  for (let more = true; more && sizes.length < 20; ) {
    more = queues.gather();
    sizes.push(queues.turns.length);
  }
  expect(sizes.slice(0, 2)).toEqual([SLOTS_PER_STEP, 2 * SLOTS_PER_STEP]);
  expect(queues.turns).toEqual(range(2000));
});

test("a day ahead: a deadline beyond the horizon is met, not before", () => {
  const queues = waiting(1, 86_400_000_000n);
  const due = queues.now + 86_400_000_000_000n;
  for (let calls = 0; queues.turns.length === 0 && calls < 500; calls += 1) {
    queues.now = queues.next;
    queues.gather();
    queues.check();
  }
  expect(queues.now - due).toBeLessThan(TICK);
  expect(queues.now >= due).toBe(true);
});

test("nothing wraps: any interval, any byte count, any time up to 2^63", () => {
  const random = new Random(SEED);
  const edges = [0n, 1n, UNIT - 1n, (1n << 32n) - 1n, 1n << 40n, FOREVER, 1n << 63n, NEVER];
  const times = [0n, 1n, (1n << 53n) - 1n, FOREVER - (1n << 56n), FOREVER - 1n, FOREVER];
  for (let round = 0; round < 3000; round += 1) {
    const queues = round % 500 === 0 ? new FlowQueues(1) : shared;
    shared = queues;
    queues.forget(1);
    queues.reset(1);
    queues.now = random.pick(times);
    const interval = random.oneIn(2) ? random.pick(edges) : anyInterval(random);
    queues.setInterval(1, interval);
    const bytes = random.oneIn(2) ? random.u32() : anyBytes(random);
    if (interval === 0n) continue;
    queues.pace(1, bytes);
    const exact = queues.now + ((interval * BigInt(Math.min(bytes, 65535))) >> 24n);
    const { deadline } = queues.record(1);
    expect(deadline).toBe(exact < FOREVER ? exact : FOREVER);
    queues.schedule(1, false);
    expect(queues.mustWait(1)).toBe(deadline > queues.now);
    // A change to the same rate and back changes nothing.
    if (exact > FOREVER || deadline <= queues.now) continue;
    queues.setInterval(1, interval ^ 1n);
    queues.setInterval(1, interval);
    if (queues.mustWait(1)) expect(queues.record(1).deadline).toBe(deadline);
  }
});
let shared = new FlowQueues(1);

test("a clock that goes backwards: a flow joins late or at once, and no list breaks", () => {
  const random = new Random(SEED);
  const queues = new FlowQueues(20);
  queues.now = 1n << 45n;
  for (let round = 0; round < 2000; round += 1) {
    const flow = random.between(1, 20);
    queues.setInterval(flow, anyInterval(random) || 1n);
    // Only who has its turn is charged: a flow that waits has a slot for its deadline.
    if (queues.record(flow).queue === 0) queues.pace(flow, 1500);
    queues.schedule(flow, random.oneIn(2));
    const delay = 1n << BigInt(random.between(4, 40));
    queues.now = random.oneIn(3) && queues.now > delay ? queues.now - delay : queues.now + delay;
    for (let calls = 0; queues.gather() && calls < 1000; calls += 1) queues.check();
    for (let turns = random.below(4); turns > 0; turns -= 1) queues.nextTurn();
    if (random.oneIn(5)) queues.forget(flow);
    queues.check();
  }
});

test("a rate change reaches a flow that waits: as if always charged at the new rate", () => {
  const queues = waiting(1, 1000n); // 1 ms
  const from = queues.now;
  queues.now = from + 100_000n;
  queues.setInterval(1, 500n * UNIT);
  expect(queues.record(1).deadline).toBe(from + 500_000n);
  queues.setInterval(1, 20_000n * UNIT);
  expect(queues.record(1).deadline).toBe(from + 20_000_000n);
  queues.setInterval(1, 200n * UNIT);
  queues.check();
  expect(queues.next).toBe(((from + 200_000n + TICK - 1n) / TICK) * TICK);
  // Already past at the new rate: due now, and no credit for the time that has passed.
  queues.setInterval(1, 10n * UNIT);
  expect([queues.turns, queues.record(1).deadline]).toEqual([[1], queues.now]);
  queues.nextTurn();
  queues.pace(1, 1000);
  queues.schedule(1, false);
  expect(queues.turns).toEqual([]);
  // No rate at all: it goes at once.
  queues.setInterval(1, 0n);
  expect(queues.turns).toEqual([1]);
});
