/**
 * Timely's data path (dissertation 5.5.3) beside a model written from RFC 7323 alone: TS.Recent by
 * 4.3 over Last.ACK.sent, round trips by 4.1, the average as real numbers. Then the option's way
 * through parser and deparser, and bugs planted in the extension's text.
 */
import { describe, expect, test } from "vitest";
import { extendedText } from "../../../bench/rmt-machine.ts";
import type { ProgramMachine } from "../../../host/rmt/program-machine.ts";
import { MachineReceiver } from "../../laminar/machine.ts";
import { describeRobustness, describeTable51 } from "../../laminar/receiver-suites.ts";
import { SHORT_SETTINGS } from "../../laminar/settings.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { loadText } from "../../support/rmt-differences.ts";
import { binding, segment } from "../../support/rmt-packets.ts";

const SEED = seedOf(7323);
const STEPS = 5000;
const CONNECTION = 3;
const TEXT = extendedText("timely");
/** 1/8, as RFC 6298 averages. */
const GAIN = 8;

/** `a` before or at `b`, as sequence numbers and timestamps are compared (RFC 7323, 5.2). */
const upTo = (a: number, b: number): boolean => ((a - b) | 0) <= 0;

/** A connection's timestamps as RFC 7323 has them. */
class Timestamps {
  recent: number;
  lastAckSent: number;
  una: number;
  average: number | undefined;

  constructor(origin: number, recent: number, una: number) {
    this.lastAckSent = origin;
    this.recent = recent;
    this.una = una;
  }

  /** 4.3 (2), before the segment's own acknowledgment leaves. */
  received(seq: number, tsval: number): void {
    if (upTo(this.recent, tsval) && upTo(seq, this.lastAckSent)) this.recent = tsval;
  }

  /** 4.1: only what moves SND.UNA is a measurement. */
  acknowledged(ack: number, rtt: number): void {
    if (upTo(ack, this.una)) return;
    this.una = ack;
    this.average = this.average === undefined ? rtt : this.average + (rtt - this.average) / GAIN;
  }
}

interface Setup {
  readonly machine: ProgramMachine;
  readonly random: Random;
  readonly model: Timestamps;
}

function begin(text: string, seed: number): Setup {
  const machine = loadText(text);
  const random = new Random(seed);
  const [origin, recent, una] = [random.u32(), random.u32(), random.u32()];
  const control = (target: string, value: number): void => {
    const fields = { kind: machine.constant("CONTROL"), connection: CONNECTION };
    machine.run({ ...fields, target: machine.constant(target), value: value >>> 0 });
  };
  control("RX_NEXT_SEQ", origin);
  control("RX_AVAIL", 1_000_000_000);
  control("RX_LAST_ACK", origin);
  control("TS_RECENT", recent);
  control("TX_NEXT_ACK", una);
  control("TX_AVAIL", 0x7fffffff);
  control("TX_CREDITS", 0xffffffff);
  control("TX_REMOTE_AVAIL", una + 0x40000000);
  return { machine, random, model: new Timestamps(origin, recent, una) };
}

/** A packet of a random kind; returns what is wrong behind it, or nothing. */
function step({ machine, random, model }: Setup): string | undefined {
  const next = machine.read("rx_next_seq", CONNECTION);
  if (random.oneIn(6)) {
    const seq = machine.read("tx_next_ack", CONNECTION);
    const sent = { kind: machine.constant("TX"), connection: CONNECTION, now: random.u32() };
    machine.run({ ...sent, seq, length: 10, end: (seq + 10) >>> 0 });
    if (machine.result("reason") === 0) model.lastAckSent = next;
    return machine.result("ts_echo") === model.recent ? undefined : "echo of what is sent";
  }
  const seq = (next + random.pick([0, 0, 0, -20, 20, 40])) >>> 0;
  const length = random.oneIn(3) ? 0 : 20;
  const [tsval, now] = [(model.recent + random.between(0, 9) - 3) >>> 0, random.u32()];
  const timed = random.oneIn(5) ? 0 : 1;
  const rtt = random.between(1, 5000);
  const ack = (model.una + random.pick([0, 0, 10, -10])) >>> 0;
  const header = { seq, length, end: (seq + length) >>> 0, ack, has_ack: 1, tsval, now, timed };
  const whose = { kind: machine.constant("RX"), connection: CONNECTION };
  machine.run({ ...whose, ...header, tsecr: (now - rtt) >>> 0 });
  if (timed === 1) {
    model.received(seq, tsval);
    model.acknowledged(ack, rtt);
  } else if (!upTo(ack, model.una)) model.una = ack;
  if (machine.result("mirror") === 1) model.lastAckSent = machine.result("acknowledgment");
  merge(machine, random);
  return judge(machine, model);
}

/** The mirrored segment comes by at once, mostly; its ACK has left with it. */
function merge(machine: ProgramMachine, random: Random): void {
  const [seq, length] = [machine.result("acknowledgment"), machine.result("span")];
  if (length === 0 || random.oneIn(4)) return;
  const fields = { kind: machine.constant("PSEUDO"), connection: CONNECTION };
  machine.run({ ...fields, seq, length, end: (seq + length) >>> 0 });
}

function judge(machine: ProgramMachine, { recent, average }: Timestamps): string | undefined {
  if (machine.read("ts_recent", CONNECTION) !== recent) return "TS.Recent";
  // Three bits below the point; what they cut off never adds up to a tick.
  const ours = machine.read("rtt_average", CONNECTION) / GAIN;
  return ours - (average ?? 0) < 1 && ours >= (average ?? 0) - 1e-6 ? undefined : "average";
}

function findings(text: string, seed: number): string | undefined {
  const setup = begin(text, seed);
  for (let i = 0; i < STEPS; i += 1) {
    const finding = step(setup);
    if (finding !== undefined) return `seed ${seed}, step ${i}: ${finding}`;
  }
  return undefined;
}

test(`TS.Recent and the average of round trips are RFC 7323's, seeds from ${SEED}`, () => {
  for (let seed = SEED; seed < SEED + 20; seed += 1) expect(findings(TEXT, seed)).toBe(undefined);
});

describe("found in the extension's text", () => {
  test.each([
    [
      "what a merge passes is taken for acknowledged",
      "    case mirror == 1\n",
      "    case kind == PSEUDO\n      new = snap\n    case mirror == 1\n",
    ],
    ["older timestamps are taken", "new = tsval if later", "new = tsval"],
    ["segments ahead of the ACK are taken", "timed == 1 & echoes == 1", "timed == 1"],
    ["what acknowledges nothing is measured", "timed == 1 & acked after 0 &", "timed == 1 &"],
    ["segments without timestamps are measured", "if timed == 1 & acked", "if acked"],
    ["another gain", "rtt_average 3 of", "rtt_average 2 of"],
    ["a sent segment's ACK is forgotten", "    case kind in TX PROBE & reason == 0\n", ""],
  ])("%s", (_, from, to) => {
    const text = TEXT.replace(from, to);
    expect(text).not.toBe(TEXT);
    expect(findings(text, SEED)).toMatch(/seed/);
  });
});

test("a filter's first sample is its average; one that is too large is cut", () => {
  const { machine, model } = begin(TEXT, SEED);
  const sample = (rtt: number): number => {
    const ack = (machine.read("tx_next_ack", CONNECTION) + 1) >>> 0;
    const fields = { kind: machine.constant("RX"), connection: CONNECTION, has_ack: 1, timed: 1 };
    machine.run({ ...fields, seq: model.lastAckSent, end: model.lastAckSent, ack, now: rtt });
    return machine.result("rtt");
  };
  expect([800, 1600, 0].map(sample)).toEqual([800, 900, 787]);
  for (let i = 0; i < 500; i += 1) sample(0xffffffff);
  expect(sample(0xffffffff)).toBe(2 ** 29 - 1);
});

test("the option is found where it usually is, and written there", () => {
  const { machine, random } = begin(TEXT, SEED);
  let found = 0;
  for (let i = 0; i < 500; i += 1) {
    const one = binding(random, CONNECTION);
    const { bytes, view } = segment(random, one);
    const tcp = 4 * (view.getUint8(0) & 15);
    const words = view.getUint8(tcp + 12) >> 4;
    const timed = words >= 8 && random.oneIn(2);
    if (timed) view.setUint32(tcp + 20, 0x0101080a);
    expect(machine.receive(bytes)).toBe(true);
    expect(machine.result("timed")).toBe(timed ? 1 : 0);
    if (!timed) continue;
    found += 1;
    expect(machine.result("tsval")).toBe(view.getUint32(tcp + 24));
    expect(machine.result("tsecr")).toBe(view.getUint32(tcp + 28));
    expect(machine.receive(bytes.subarray(0, tcp + 30))).toBe(false);
  }
  expect(found).toBeGreaterThan(100);
  machine.run({ now: 77, connection: CONNECTION });
  const header = new Uint8Array(32);
  machine.deparse("timestamps", header);
  const view = new DataView(header.buffer);
  const recent = machine.read("ts_recent", CONNECTION);
  expect([20, 24, 28].map((at) => view.getUint32(at))).toEqual([0x0101080a, 77, recent]);
});

describeTable51("Timely", (initial) => new MachineReceiver(loadText(TEXT), initial));
describeRobustness(
  "short streams: Timely",
  (initial) => new MachineReceiver(loadText(TEXT), initial),
  SHORT_SETTINGS.slice(0, 3),
  10,
);
