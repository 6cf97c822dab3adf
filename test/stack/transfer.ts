/**
 * A transfer in both directions between the two stacks of a WorldPair, and what must hold after it.
 */
import { expect } from "vitest";
import { StreamEnd, type StreamOptions } from "./stream-end.ts";
import type { WorldPair } from "./world-pair.ts";

export const TRANSFER_PORT = 80;

export interface Transfer {
  readonly up: number;
  readonly down: number;
  readonly client?: Partial<StreamOptions>;
  readonly server?: Partial<StreamOptions>;
}

/** Transfers both ways at once; each end closes its half when it has sent all. */
export function transfer(pair: WorldPair, what: Transfer): StreamEnd[] {
  return run(pair, 1, what);
}

/** The same over several connections at once, checked as a whole. */
export function transfers(pair: WorldPair, connections: number, what: Transfer): void {
  const ends = run(pair, connections, what);
  for (let i = 0; i < ends.length; i += 2) expectStreams(pair, ends.slice(i, i + 2), what);
  expect(pair.leftovers()).toEqual([]);
}

function run(pair: WorldPair, connections: number, what: Transfer): StreamEnd[] {
  const { up, down, client, server } = what;
  const listener = pair.listen(TRANSFER_PORT);
  const fds = Array.from({ length: connections }, () => pair.establish(listener, TRANSFER_PORT));
  const ends = fds.flatMap((fd) => [
    new StreamEnd(pair.clientToe, fd.client, {
      bytes: up,
      expect: down,
      seed: 1,
      expectSeed: 2,
      ...client,
    }),
    new StreamEnd(pair.serverToe, fd.server, {
      bytes: down,
      expect: up,
      seed: 2,
      expectSeed: 1,
      ...server,
    }),
  ]);
  ends.forEach((end, index) => {
    const host = index % 2 === 0 ? pair.client : pair.server;
    host.applications.push(() => {
      const { now } = pair.world;
      const worked = end.run(now);
      if (end.pausedUntil > now) host.wakeAt = end.pausedUntil;
      return worked;
    });
  });
  pair.until(() => ends.every(({ finished }) => finished), "the end of all streams");
  for (const fd of fds) {
    expect(pair.clientToe.close(fd.client)).toBe(0);
    expect(pair.serverToe.close(fd.server)).toBe(0);
  }
  expect(pair.serverToe.close(listener)).toBe(0);
  return ends;
}

/** Each end got all that the other sent, unharmed, and nothing is left of it. */
export function expectWhole(
  pair: WorldPair,
  ends: readonly StreamEnd[],
  up: number,
  down: number,
): void {
  expectStreams(pair, ends, { up, down });
  expect(pair.leftovers()).toEqual([]);
}

function expectStreams(
  pair: WorldPair,
  ends: readonly StreamEnd[],
  { up, down }: { readonly up: number; readonly down: number },
): void {
  const summary = ends.map(({ sent, received, wrongAt, error }) => ({
    sent,
    received,
    wrongAt,
    error,
  }));
  expect([pair.seed, summary]).toEqual([
    pair.seed,
    [
      { sent: up, received: down, wrongAt: -1, error: 0 },
      { sent: down, received: up, wrongAt: -1, error: 0 },
    ],
  ]);
}
