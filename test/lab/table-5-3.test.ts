/**
 * Table 5.3's parts: events in order, queues that share a buffer, the flows that are drawn, and
 * whole stacks over a small leaf-spine: how long a flow takes alone, and what receivers that keep
 * fewer intervals cost where queries overrun a queue.
 */
import { expect, test } from "vitest";
import { DueTimes } from "../../bench/lab/due-times.ts";
import { SharedBuffer, Wire } from "../../bench/lab/fabric-wire.ts";
import { FrameSlots } from "../../bench/lab/frame-slots.ts";
import { drawFlows, meanSize, sizeAt, type Flow } from "../../bench/lab/incast-flows.ts";
import type { LeafSpineOptions } from "../../bench/lab/leaf-spine.ts";
import { type Case, measure, profileOf } from "../../bench/lab/table-5-3.ts";
import type { Profile } from "../../host/control-plane/profile.ts";
import { Prng } from "../../host/prng.ts";
import { seedOf } from "../support/env.ts";

test("the earliest is first, equal times by number, however times are moved", () => {
  const seed = seedOf(53);
  const prng = new Prng(seed);
  const count = 37;
  const due = new DueTimes(count);
  const times = new Array<number>(count).fill(Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < 5000; turn += 1) {
    const item = prng.below(count);
    const time = prng.below(8) === 0 ? Number.POSITIVE_INFINITY : prng.below(50);
    times[item] = time;
    due.set(item, time);
    const least = Math.min(...times);
    expect([due.time, due.first], `SEED=${seed}`).toEqual([least, times.indexOf(least)]);
  }
});

/** 1 byte a ns: a frame of 962 bytes of IP is 1000 on the wire and 980 in a buffer. */
const RATE = 8e9;
const IP = 962;
const QUEUED = 980;

test("a wire hands frames over in order, each after its own time and the delay", () => {
  const wire = new Wire(RATE, 500);
  expect(wire.nextArrival).toBe(Number.POSITIVE_INFINITY);
  for (let slot = 0; slot < 200; slot += 1) wire.push(slot, IP, 0);
  expect(wire.take(1499)).toBe(-1);
  for (let slot = 0; slot < 200; slot += 1) {
    expect(wire.nextArrival).toBe(1000 * (slot + 1) + 500);
    expect(wire.take(wire.nextArrival)).toBe(slot);
  }
  expect(wire.nextArrival).toBe(Number.POSITIVE_INFINITY);
  expect(wire.waiting(1e6)).toBe(0);
});

test("a port alone gets half of a shared buffer, two get a third each", () => {
  const buffer = new SharedBuffer(60 * QUEUED, 1);
  const [one, other] = [new Wire(RATE, 0, buffer), new Wire(RATE, 0, buffer)];
  const fill = (wire: Wire): number => {
    let count = 0;
    for (; wire.admits(IP, 0); count += 1) wire.push(0, IP, 0);
    return count;
  };
  expect(fill(one)).toBe(30);
  expect(one.dropped).toBe(1);
  // What is free is shared anew: the second has half of the rest, and the first must wait.
  expect(fill(other)).toBe(15);
  expect(one.admits(IP, 0)).toBe(false);
  // Ten have left each port: 25 used.
  one.settle(10_000);
  other.settle(10_000);
  expect(buffer.used).toBe(25 * QUEUED);
  expect(one.admits(IP, 10_000)).toBe(true);
});

test("a frame keeps its bytes in its slot, and a slot comes back", () => {
  const slots = new FrameSlots();
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
  const taken = Array.from({ length: 3000 }, (_, i) => slots.take(bytes, i % 32, 16));
  expect(new Set(taken).size).toBe(3000);
  const last = taken.at(-1) as number;
  expect(slots.bytesOf(last)[slots.offsetOf(last)]).toBe(2999 % 32);
  expect(slots.lengthOf(last)).toBe(16);
  for (const slot of taken) slots.give(slot);
  expect(slots.used).toBe(0);
  expect(() => slots.take(new Uint8Array(4096), 0, 4096)).toThrow(/expected at most 2048/);
});

test("a frame that goes in a circle is an error at the fourth switch", () => {
  const slots = new FrameSlots();
  const slot = slots.take(new Uint8Array(64), 0, 64);
  slots.address(slot, 5, 0);
  for (let hop = 0; hop < 3; hop += 1) slots.hop(slot);
  expect(() => slots.hop(slot)).toThrow("at most 3 switches on the way to host 5, got 4");
  slots.address(slot, 5, 0);
  expect(() => slots.hop(slot)).not.toThrow();
});

const WORKLOAD = {
  seed: 7,
  hosts: 8,
  rate: 40e9,
  load: 0.3,
  uplinkShare: 0.5,
  foregroundShare: 0.1,
  flowsPerHost: 2,
  queryBytes: 8192,
  backgroundFlows: 4000,
};

test("flows: sizes, shares and queries are what was asked for", () => {
  expect(meanSize()).toBe(1_711_250);
  expect([sizeAt(0), sizeAt(0.15), sizeAt(0.9999)]).toEqual([4, 10_000, 29_933_333]);
  const flows = drawFlows(WORKLOAD);
  const bytes = (isForeground: boolean): number =>
    flows.reduce((sum, flow) => sum + (flow.isForeground === isForeground ? flow.bytes : 0), 0);
  const [queries, background] = [bytes(true), bytes(false)];
  expect(background / 4000 / meanSize()).toBeCloseTo(1, 1);
  expect(queries / (queries + background)).toBeCloseTo(0.1, 1);
  const seconds = (flows.at(-1)?.start as number) / 1e9;
  // 0.3 of the uplinks, of which a leaf has half as many as hosts; 1448 of 1538 bytes are payload.
  const asked = 8 * 40e9 * 0.5 * 0.3 * (1448 / 1538);
  expect(((queries + background) * 8) / seconds / asked).toBeCloseTo(1, 1);
  expect(flows.every(({ source, target }) => source !== target)).toBe(true);
  expect(flows.map(({ start }) => start)).toEqual(
    flows.map(({ start }) => start).sort((a, b) => a - b),
  );
  const query = flows.filter(({ isForeground }) => isForeground).slice(0, 14);
  expect(new Set(query.map(({ target }) => target)).size).toBe(1);
  expect(new Set(query.map(({ source }) => source)).size).toBe(7);
});

test("the same seed draws the same flows, another one others", () => {
  expect(drawFlows(WORKLOAD)).toEqual(drawFlows(WORKLOAD));
  expect(drawFlows({ ...WORKLOAD, seed: 8 })).not.toEqual(drawFlows(WORKLOAD));
});

const NETWORK: LeafSpineOptions = {
  leaves: 2,
  spines: 2,
  hostsPerLeaf: 4,
  rate: 10e9,
  delay: 1000,
  buffer: { bytes: 100_000, alpha: 1 },
  markBytes: 15_000,
  nicBytes: 32_768,
  mtu: 1500,
  seed: 3,
};
const COUNTING: Case = { control: "dctcp", sender: "counting", fidelity: "max" };

function flow(source: number, target: number, bytes: number, start = 0): Flow {
  return { start, source, target, bytes, isForeground: bytes <= 16_384 };
}

test("alone a segment takes its time on each wire, two within a leaf and four across", () => {
  // 1000 bytes of payload with TCP's 32 and IP's 20, and 38 of Ethernet.
  const hop = 1090 * 0.8 + NETWORK.delay;
  // In front of it on the first wire, the handshake's last ACK.
  const ack = 90 * 0.8;
  const within = measure(COUNTING, [flow(0, 1, 1000)], NETWORK);
  expect(within.foreground).toEqual([2 * hop + ack]);
  const across = measure(COUNTING, [flow(0, 7, 1000)], NETWORK);
  expect(across.foreground).toEqual([4 * hop + ack]);
  expect(across.dropped).toBe(0);
});

/** Seven hosts at one: four flows each, beside two long ones. */
const INCAST: readonly Flow[] = [
  flow(1, 0, 3e6),
  flow(5, 0, 3e6),
  ...[0, 2e6, 4e6].flatMap((start) =>
    [1, 2, 3, 4, 5, 6, 7].flatMap((source) =>
      Array.from({ length: 4 }, () => flow(source, 0, 8192, start)),
    ),
  ),
].sort((a, b) => a.start - b.start);

test("where queries overrun a queue, all ends, and fewer intervals mean more sent again", () => {
  const of = (fidelity: Case["fidelity"]): ReturnType<typeof measure> =>
    measure({ ...COUNTING, fidelity }, INCAST, NETWORK);
  const [none, one, all] = [of("0"), of("1"), of("max")];
  expect(all.dropped).toBeGreaterThan(50);
  expect(all.timeouts).toBeGreaterThan(0);
  // With all intervals only what was lost is sent again, nearly; with none what came behind it too.
  expect(all.retransmissions).toBeLessThan(1.2 * all.dropped);
  expect(none.retransmissions - none.dropped).toBeGreaterThan(
    5 * Math.max(10, all.retransmissions - all.dropped),
  );
  expect(one.retransmissions).toBeLessThan(none.retransmissions);
});

test("a receiver that keeps nothing leaves counting senders to the timer", () => {
  const of = (fidelity: Case["fidelity"]): ReturnType<typeof measure> =>
    measure({ ...COUNTING, fidelity }, INCAST, NETWORK);
  const [none, one] = [of("0"), of("1")];
  expect(none.fastRetransmits).toBe(0);
  expect(one.fastRetransmits).toBeGreaterThan(10);
  expect(none.timeouts).toBeGreaterThan(1.2 * one.timeouts);
});

test("the same seed gives the same times, RACK-TLP others than counting", () => {
  const first = measure(COUNTING, INCAST, NETWORK);
  expect(measure(COUNTING, INCAST, NETWORK)).toEqual(first);
  const probing = measure({ ...COUNTING, sender: "RACK-TLP" }, INCAST, NETWORK);
  expect(probing.timeouts).toBeLessThan(first.timeouts);
});

test("DCTCP is marked, NewReno is not", () => {
  const drops = (control: Case["control"]): number =>
    measure({ ...COUNTING, control }, INCAST.slice(0, 2), NETWORK).dropped;
  expect([drops("dctcp"), drops("newreno") > 0]).toEqual([0, true]);
});

test("a case's profile", () => {
  const profile = profileOf({ control: "newreno", sender: "counting", fidelity: "2" });
  expect([profile.intervals, profile.ecn, profile.rack]).toEqual([2, false, false]);
  expect(profileOf(COUNTING).intervals).toBe(32);
  expect(profileOf({ ...COUNTING, fidelity: "0" }).intervals).toBe(0);
  const rules = ({ rack, lossAtFirst, duplicatesBySack }: Profile): boolean[] => [
    rack,
    lossAtFirst,
    duplicatesBySack,
  ];
  expect(rules(profileOf(COUNTING))).toEqual([false, true, true]);
  expect(rules(profileOf({ ...COUNTING, sender: "RACK-TLP" }))).toEqual([true, false, false]);
});
