/**
 * The echo benchmark (dissertation 5.5.1): closed loops, one RPC in flight on each connection, over
 * Laminar, plain RDMA and stacks on host cores. A round trip is measured by the client's
 * application: from its request to its reading of the response.
 */
import type { Prng } from "../../prng.ts";
import type { Simulation } from "../simulation.ts";

/** The ends of connections over some stack. */
export interface EchoStack {
  readonly connections: number;
  /** Sends a request; `answered` runs when the client's application has read the response. */
  request(connection: number, answered: () => void): void;
}

export interface EchoResult {
  /** RPCs a second. */
  readonly rate: number;
  /** Round trips, ns, sorted. */
  readonly trips: Float64Array;
}

export interface EchoLoad {
  readonly warmUpNs: number;
  /** Ends after so much time, or so many RPCs. */
  readonly ns: number;
  readonly rpcs: number;
  /** Mean ns from a response to the next request of a connection; even from half to 1.5 of it. */
  readonly pauseNs: number;
}

/** Runs closed loops on all connections. Throws Error when no RPC ends. */
export function runEcho(
  simulation: Simulation,
  stack: EchoStack,
  load: EchoLoad,
  prng: Prng,
): EchoResult {
  const from = simulation.now + load.warmUpNs;
  const until = from + load.ns;
  const trips: number[] = [];
  let last = from;
  const next = (connection: number): void => {
    const begun = simulation.now;
    stack.request(connection, () => {
      const { now } = simulation;
      const pause = load.pauseNs * (0.5 + prng.float());
      if (now >= from) {
        trips.push(now - begun);
        last = now;
      }
      if (pause === 0) next(connection);
      else simulation.after(pause, () => next(connection));
    });
  };
  const spread = Math.min(load.warmUpNs / 2, 20_000);
  for (let c = 0; c < stack.connections; c += 1) {
    simulation.after(prng.float() * spread, () => next(c));
  }
  while (simulation.next <= until && trips.length < load.rpcs) simulation.step();
  if (trips.length === 0) throw new Error(`echo: expected a response in ${load.ns} ns, got none`);
  const elapsed = trips.length < load.rpcs ? load.ns : last - from;
  return { rate: (trips.length * 1e9) / elapsed, trips: Float64Array.from(trips).sort() };
}
