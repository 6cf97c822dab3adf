/**
 * HyStart++ against RFC 9406, 4.2, written a second time (test/model/hystart-model.ts). Method: a
 * sender that fills its window, ACK by ACK, over round trips by table and by chance.
 */
import { describe, expect, test } from "vitest";
import {
  CONGESTION_CSS,
  CONGESTION_FLAGS,
  CONGESTION_HYSTART,
} from "../../../../bindings/abi/congestion.ts";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { HystartModel } from "../../../model/hystart-model.ts";
import { seedOf } from "../../../support/env.ts";
import { Random } from "../../../support/random.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const MSS = 1448;
const MS = 1e6;
const algorithm = CongestionAlgorithm.Cubic;

/** Both, side by side; numbers start at 0. */
class Pair {
  readonly flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS });
  readonly model = new HystartModel(MSS, 10 * MSS);
  una = 0;
  #next = 10 * MSS;

  /** One ACK of a full window's sender; the window is filled again behind it. */
  ack(acked: number, rtt: number | undefined): void {
    const { flow, model } = this;
    const before = this.#next - this.una;
    this.una += acked;
    flow.now += 10_000n;
    if (rtt !== undefined) flow.rtt(rtt);
    flow.ack(acked, before);
    model.ack(this.una, this.#next, acked, rtt);
    this.#next = Math.max(this.#next, this.una + flow.cwnd);
  }

  /** A round trip in ACKs of two segments, each with a sample. */
  round(rtt: number): void {
    const end = this.#next;
    while (this.una < end) this.ack(Math.min(2 * MSS, end - this.una), rtt);
  }

  get phase(): string {
    const flags = this.flow.recovery(CONGESTION_FLAGS);
    if ((flags & CONGESTION_HYSTART) === 0) return "avoidance";
    return (flags & CONGESTION_CSS) === 0 ? "slow start" : "CSS";
  }

  get state(): unknown[] {
    return [this.una, this.flow.cwnd, this.phase];
  }

  get expected(): unknown[] {
    return [this.una, this.model.cwnd, this.model.phase];
  }
}

//  RTTs in ms, a round each, and the phase behind the last
const PHASES: [name: string, rtts: readonly number[], phase: string][] = [
  ["even round trips", [50, 50, 50, 50, 50], "slow start"],
  ["a rise by less than an eighth", [50, 50, 56.2, 56.2], "slow start"],
  ["by an eighth", [50, 50, 56.25, 56.25], "CSS"],
  ["an eighth is below 4 ms", [10, 10, 13.9, 13.9], "slow start"],
  ["4 ms of a short round trip", [10, 10, 14, 14], "CSS"],
  ["an eighth is above 16 ms", [400, 400, 415.9, 415.9], "slow start"],
  ["16 ms of a long one", [400, 400, 416, 416], "CSS"],
  ["CSS ends when the rise was noise", [50, 50, 60, 60, 49], "slow start"],
  ["CSS goes on while there is no fall", [50, 50, 60, 60, 60], "CSS"],
  ["five rounds of CSS are the last", [50, 50, 60, 60, 60, 60, 60, 60, 60], "avoidance"],
];

describe("RFC 9406 4.2", () => {
  test.each(PHASES)("%s", (_, rtts, phase) => {
    const pair = new Pair();
    for (const rtt of rtts) {
      pair.round(rtt * MS);
      if (pair.model.phase !== "avoidance") expect(pair.state).toEqual(pair.expected);
    }
    expect([pair.phase, pair.model.phase]).toEqual([phase, phase]);
    if (phase === "avoidance") expect(pair.flow.ssthresh).toBe(pair.model.ssthresh);
  });

  test("random round trips, ACKs with and without samples", () => {
    const seed = seedOf(9406);
    const random = new Random(seed);
    const seen = new Set<string>();
    for (let run = 0; run < 60; run += 1) {
      const pair = new Pair();
      const base = (1 + random.below(200)) * MS;
      const sampled = 1 + random.below(4);
      for (let i = 0; i < 1500 && pair.model.phase !== "avoidance"; i += 1) {
        const filling = run % 2 === 0 ? 0 : (base * Math.min(i, 400)) / 800;
        const queue = Math.floor(filling) + random.below(1 + Math.floor(base / 3));
        const acked = 1 + random.below(10 * MSS);
        pair.ack(acked, i % sampled === 0 ? base + queue : undefined);
        seen.add(pair.phase);
        expect([seed, run, i, ...pair.state]).toEqual([seed, run, i, ...pair.expected]);
      }
      if (pair.model.phase === "avoidance") expect(pair.flow.ssthresh).toBe(pair.model.ssthresh);
    }
    expect([...seen].sort()).toEqual(["CSS", "avoidance", "slow start"]);
  });
});

test("RFC 9406 4.2: fewer than eight samples a round judge nothing", () => {
  const pair = new Pair();
  for (let round = 0; round < 8; round += 1) {
    const end = pair.una + pair.flow.cwnd;
    let samples = 0;
    while (pair.una < end) {
      pair.ack(2 * MSS, samples < 7 ? (50 + 20 * round) * MS : undefined);
      samples += 1;
    }
  }
  expect(pair.phase).toBe("slow start");
});

test("RFC 9406 4.3: loss, a timeout and a mark end it, and it does not come back", () => {
  for (const end of ["loss", "timeout", "ecn"] as const) {
    const pair = new Pair();
    for (const rtt of [50, 50, 60, 60]) pair.round(rtt * MS);
    expect(pair.phase).toBe("CSS");
    pair.flow[end](pair.flow.cwnd);
    expect([end, pair.phase]).toEqual([end, "avoidance"]);
    if (end === "loss") pair.flow.exit(0);
    pair.flow.idle();
    expect([end, pair.phase]).toEqual([end, "avoidance"]);
  }
});

test("RFC 9406 4.3: after idle time round trips of before are forgotten", () => {
  const pair = new Pair();
  for (const rtt of [50, 50, 60, 60]) pair.round(rtt * MS);
  pair.flow.idle();
  expect(pair.phase).toBe("slow start");
  expect(pair.flow.cwnd).toBe(10 * MSS);
});

test("RFC 9438 4.10: it is CUBIC's, in the initial slow start", () => {
  const flags = (algorithm: number, ssthresh?: number): number => {
    const start = { algorithm, mss: MSS, cwnd: 10 * MSS };
    const flow = new CongestionFlow(ssthresh === undefined ? start : { ...start, ssthresh });
    return flow.recovery(CONGESTION_FLAGS) & CONGESTION_HYSTART;
  };
  expect(flags(CongestionAlgorithm.Cubic)).toBe(CONGESTION_HYSTART);
  expect(flags(CongestionAlgorithm.Cubic, 100 * MSS)).toBe(0);
  expect(flags(CongestionAlgorithm.NewReno)).toBe(0);
  expect(flags(CongestionAlgorithm.Dctcp)).toBe(0);
});
