/**
 * Pacing in the workers executor: each flow group has a scheduler and a wheel of its own in its
 * private header; rates hold, a change reaches a flow that waits, and a connection that is closed
 * while it waits leaves its group's queues.
 */
import { afterEach, expect, test } from "vitest";
import type { WorkersExecutor } from "../../bindings/workers.ts";
import { GOODPUT, PacedTransfer, PORT } from "../stack/paced-transfer.ts";
import { WorldPair } from "../stack/world-pair.ts";
import { startWorkers } from "./start-workers.ts";

const open: WorkersExecutor[] = [];
const RATES = [125_000, 500_000, 1_250_000, 2_000_000];

afterEach(() => {
  for (const executor of open.splice(0)) executor.close();
});

test("four paced connections over two flow groups: goodput within 1 %, changes, ends", async () => {
  open.push(await startWorkers({ groups: 2 }));
  const executors = [open[0], undefined] as const;
  const pair = new WorldPair({ executors, link: { rate: 1e9, delay: 20_000 } });
  const listener = pair.listen(PORT);
  const transfers = RATES.map((rate) => new PacedTransfer(pair, listener, rate));
  pair.pass(50e6);
  const before = transfers.map(({ bytes }) => bytes);
  pair.pass(1e9);
  transfers.forEach(({ bytes }, i) => {
    const goodput = bytes - (before[i] as number);
    expect(goodput / ((RATES[i] as number) * GOODPUT)).toBeCloseTo(1, 1.7);
  });
  const [slow] = transfers as [PacedTransfer];
  slow.limit(slow.client, 1000);
  expect(slow.goodput(4) / (1000 * GOODPUT)).toBeCloseTo(1, 2);
  slow.limit(slow.client, 1_250_000);
  expect(slow.goodput(40) / (1_250_000 * GOODPUT)).toBeCloseTo(1, 1.7);
  // All four wait in the wheels of their groups when they end.
  pair.client.applications.length = 0;
  for (const { client } of transfers) pair.clientToe.abort(client);
  pair.pass(1e9);
  expect(open[0]?.unreleased()).toEqual([]);
  const again = new PacedTransfer(pair, listener, 0);
  pair.pass(20e6);
  expect(again.bytes).toBeGreaterThan(500_000);
}, 300_000);
