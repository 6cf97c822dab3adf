/**
 * Some thousand connections at once: as many as it takes for rows and records to be read ahead.
 * Rates are the benchmark's (`npm run bench -- connections`); here every answer is looked at, and
 * the bytes that are laid out for each of 100,000.
 */
import { expect, test } from "vitest";
import { ConnectionsRun } from "../../bench/connections.ts";
import { layout } from "../../bindings/layout.ts";
import { ROW_BYTES } from "../../host/control-plane/row-table.ts";

const COUNT = 3000;
const MANY = 100_000;
const CHUNK = 1024;

test(`${COUNT} connections open, and answer in the order of opening and in a random one`, () => {
  const run = new ConnectionsRun(COUNT);
  run.connectTo(COUNT);
  for (const random of [false, true]) {
    run.arrange(random);
    // Throws when an answer is not whole or a connection is lost.
    run.exchange(2 * COUNT);
  }
  expect(run.answered).toBe(4 * COUNT);
});

test(`${MANY} connections, a window of ${CHUNK} bytes each: laid out within limits`, () => {
  const chunks = Math.ceil((MANY * 16) / 15) + 64;
  const map = layout({ connections: MANY, chunkBytes: CHUNK, payloadBytes: chunks * CHUNK });
  const last = map.regions.at(-1);
  const linear = (last?.base ?? 0) + (last?.bytes ?? 0) - map.core;
  // The JavaScript heap, 234 bytes a connection (`npm run bench -- connections`), comes to that.
  expect((linear + MANY * ROW_BYTES) / MANY).toBeLessThan(2560 - 235);
});
