/**
 * Jitter 0 and no stage replicated: the modelled executor puts the same frames on the wire as the
 * batch executor, byte for byte, whatever comes in. One random script drives both: frames of a
 * client, lost, doubled and swapped, and an application that reads and writes.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { BUFFER_SHIFT, FlowCore, flowLayout, HASH_KEY } from "../../../bench/flow-cores.ts";
import * as D from "../../../bindings/abi/descriptor.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { Counter } from "../../../bindings/abi/counters.ts";
import { readArx } from "../../../bench/lab/modelled-rpc.ts";
import { countedModule } from "../../../host/modelled/counted-core.ts";
import { NFP_4000 } from "../../../host/modelled/machines/nfp-4000.ts";
import { ModelledCore } from "../../../host/modelled/modelled-core.ts";
import { type Placement, REORDER_OFF, TABLE_4_4_ROWS } from "../../../host/modelled/placement.ts";
import { Simulation } from "../../../host/modelled/simulation.ts";
import { Prng } from "../../../host/prng.ts";
import { loadModule } from "../../support/load-core.ts";
import { ROOT, seedOf } from "../../support/env.ts";

const SEED = seedOf(90210);
const FLOWS = 4;
const STEPS = 600;
/** A tick of the timestamp clock: all of a step falls into one. */
const TICK = 1e6;
const counted = countedModule(readFileSync(`${ROOT}build/flextoe.modelled.wasm`));
const plan = { module: loadModule(), flows: FLOWS, payload: 1000 };

const row = TABLE_4_4_ROWS.pipelining as Placement;
const SINGLE: Placement = { ...row, cores: { ...row.cores, dma: 1 } };

/** The application's account of one end: what it may credit and append. */
class Account {
  readonly readable = new Float64Array(FLOWS + 1);
  readonly room = new Float64Array(FLOWS + 1).fill(1 << BUFFER_SHIFT);

  read(end: FlowCore): void {
    readArx(end, (flow, readable, freed) => {
      this.readable[flow] = (this.readable[flow] as number) + readable;
      this.room[flow] = (this.room[flow] as number) + freed;
    });
  }

  /** [credit, append] for a descriptor, as much of `bytes` as there is room for. */
  take(flow: number, bytes: number): [number, number] {
    const credit = this.readable[flow] as number;
    const append = Math.min(bytes, this.room[flow] as number);
    this.readable[flow] = 0;
    this.room[flow] = (this.room[flow] as number) - append;
    return [credit, append];
  }
}

/** Frames of a core's egress burst; the burst is empty afterwards. */
function takeFrames(end: FlowCore, account: Account): string[] {
  const { core } = end;
  const frames = Array.from({ length: end.word(M.CORE_EGRESS_COUNT) }, (_, i) => {
    const at = ((core.map.base.egressTable as number) + i * D.FRAME_SIZE) >>> 2;
    const from = (core.map.base.egress as number) + (core.words[at] as number);
    return hex(core.bytes.subarray(from, from + (core.words[at + 1] as number)));
  });
  account.read(end);
  end.settle();
  return frames;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (frame: string): Uint8Array => Uint8Array.from(Buffer.from(frame, "hex"));

function offer(end: FlowCore, frame: string): void {
  const { core } = end;
  core.bytes.set(bytesOf(frame), core.map.base.ingress as number);
  const at = (core.map.base.ingressTable as number) >>> 2;
  core.words.set([0, frame.length / 2, 0, 0], at);
  core.words[(core.address + M.CORE_INGRESS_COUNT) >>> 2] = 1;
}

class Modelled {
  readonly simulation = new Simulation();
  readonly model: ModelledCore;
  readonly end: FlowCore;
  readonly account = new Account();
  frames: string[] = [];

  constructor(placement: Placement, jitter: number) {
    this.model = new ModelledCore({
      simulation: this.simulation,
      module: counted,
      machine: NFP_4000,
      placement,
      jitter,
      hashKey: HASH_KEY,
      layout: flowLayout(plan),
      ports: { frame: (bytes) => void this.frames.push(hex(bytes)) },
    });
    this.end = new FlowCore(plan, false, this.model.nic.counted.core);
  }

  /** Until nothing moves; what was sent. */
  run(now: number, act: () => void): string[] {
    this.simulation.runTo(now);
    act();
    this.simulation.runTo(now + TICK - 1);
    expect(this.model.isIdle).toBe(true);
    this.account.read(this.end);
    return this.frames.splice(0);
  }
}

/** Client, the batch executor and the modelled one; each step compares what both sent. */
function play(modelled: Modelled, seed: number): { frames: number; differences: number } {
  const prng = new Prng(seed);
  const client = new FlowCore(plan, true);
  const batch = new FlowCore(plan, false);
  for (const end of [client, batch, modelled.end]) {
    for (let flow = 1; flow <= FLOWS; flow += 1) new Prng(flow).fill(end.buffer(flow, true));
  }
  const accounts = { client: new Account(), batch: new Account() };
  let now = TICK * 1000;
  const wire: string[] = [];
  const result = { frames: 0, differences: 0 };
  const compare = (act: () => void, same: () => void): void => {
    now += TICK;
    act();
    batch.step(now, 64);
    const expected = takeFrames(batch, accounts.batch);
    const got = modelled.run(now, same);
    result.frames += expected.length;
    if (JSON.stringify(got) !== JSON.stringify(expected)) result.differences += 1;
    for (const frame of expected) {
      offer(client, frame);
      client.step(now, 64);
      wire.push(...takeFrames(client, accounts.client));
    }
  };
  for (let step = 0; step < STEPS; step += 1) {
    const flow = 1 + prng.below(FLOWS);
    const bytes = 1 + prng.below(3000);
    if (wire.length > 0 && prng.float() < 0.8) {
      const at = prng.float() < 0.15 ? prng.below(wire.length) : 0;
      const [frame = ""] = prng.float() < 0.03 ? [wire[at]] : wire.splice(at, 1);
      if (prng.float() < 0.03) continue;
      compare(
        () => offer(batch, frame),
        () => modelled.model.receive(bytesOf(frame)),
      );
    } else if (prng.float() < 0.5) {
      client.describe(flow, ...accounts.client.take(flow, bytes));
      client.ring();
      client.step(now, 64);
      wire.push(...takeFrames(client, accounts.client));
    } else {
      compare(
        () => {
          batch.describe(flow, ...accounts.batch.take(flow, bytes));
          batch.ring();
        },
        () => {
          modelled.end.describe(flow, ...modelled.account.take(flow, bytes));
          modelled.end.ring();
          modelled.model.doorbell(1);
        },
      );
    }
  }
  return result;
}

test.each([0, 1, 2, 3])("the same frames as batch, seed +%i", (offset) => {
  const seed = SEED + offset;
  const modelled = new Modelled(SINGLE, 0);
  const { frames, differences } = play(modelled, seed);
  expect({ seed, differences }).toEqual({ seed, differences: 0 });
  expect(frames).toBeGreaterThan(200);
  // The script is not a quiet one.
  expect(modelled.end.counter(Counter.OutOfOrderPlaced)).toBeGreaterThan(5);
});

test("the comparison sees a pipeline without reorder points and with replicas", () => {
  const loose = { ...(TABLE_4_4_ROWS.flow_group_islands as Placement), reorder: REORDER_OFF };
  expect(play(new Modelled(loose, 4), SEED).differences).toBeGreaterThan(0);
});
