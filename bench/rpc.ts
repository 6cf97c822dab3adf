/**
 * `npm run bench -- rpc`: 64 bytes there and back through send() and recv(), over 1 and over 64
 * connections at once, beside lwIP in Wasm and native. Both applications run in the stack's
 * callbacks (setWatcher; lwIP's recv callback), and a client sends its next request when it has
 * the whole answer to the last one. Timestamps are off.
 */
import { AgainstPeers, OURS } from "./against-peers.ts";
import { formatQuartiles, interleave, table } from "./harness.ts";
import { WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale } from "./harness.ts";
import { lwipBuilt, lwipRpc, type RpcFigures } from "./peers/lwip.ts";
import { runSide } from "./run-side.ts";

const CONNECTIONS = [1, 64] as const;
const TRIPS = 200_000;
/** V8 goes on optimising for this long; lwIP runs 200,000 before its clock starts. */
const WARM_TRIPS = 400_000;
/** Least ratios, by connections; lwIP looks connections up in linear lists. */
const BARS = [
  [1, "wasm", 1.3],
  [64, "native", 2],
] as const;

const AGAINST = new AgainstPeers<RpcFigures>({
  rate: "roundTripsPerSecond",
  processor: "cpuNsPerRoundTrip",
});

interface Compared {
  readonly connections: number;
  readonly figures: ReadonlyMap<string, readonly RpcFigures[]>;
}

function compare(connections: number, scale: BenchScale): Compared {
  const trips = Math.max(connections, Math.round(TRIPS * scale.work));
  const warm = Math.round(WARM_TRIPS * Math.min(1, scale.work * 4));
  const toeloop = (): RpcFigures => runSide("rpc", { connections, trips, warm });
  const sides = new Map<string, () => RpcFigures>([[OURS, toeloop]]);
  for (const form of ["wasm", "native"] as const) {
    if (!scale.peers || !lwipBuilt(form, false)) continue;
    sides.set(`lwip-${form}`, () => lwipRpc(form, false, connections, trips));
  }
  scale.say(`rpc: ${connections} connections, ${scale.rounds} rounds of ${[...sides.keys()]}`);
  return { connections, figures: interleave(scale.rounds, sides) };
}

function rowsOf(compared: Compared): string[][] {
  return [...compared.figures].map(([side, runs]) => {
    const m = AGAINST.medians(runs);
    const against = side === OURS ? undefined : AGAINST.ratio(compared.figures, side);
    const byCpu = side === OURS ? undefined : AGAINST.cpuRatio(compared.figures, side);
    return [
      side,
      `${compared.connections}`,
      (m.roundTripsPerSecond / 1e3).toFixed(1),
      m.nsPerRoundTrip.toFixed(0),
      m.cpuNsPerRoundTrip.toFixed(0),
      m.segmentsPerRoundTrip.toFixed(2),
      against === undefined ? "" : formatQuartiles(against, 2),
      byCpu === undefined ? "" : formatQuartiles(byCpu, 2),
    ];
  });
}

/** 1 and 64 connections, timestamps off. */
export function rpc(scale: BenchScale): BenchReport {
  const all = CONNECTIONS.map((connections) => compare(connections, scale));
  const head = ["", "connections", "k rt/s", "ns/rt", "CPU ns/rt", "seg/rt"];
  head.push("toeloop / peer", "by CPU time");
  const hash = new WorkHash();
  hash.add(...CONNECTIONS, Math.round(TRIPS * scale.work));
  const bars: Bar[] = BARS.map(([connections, form, least]) => {
    const compared = all.find((each) => each.connections === connections) as Compared;
    const name = `rpc, ${connections} connections, toeloop / lwip-${form}`;
    return { name, least, ratio: AGAINST.ratio(compared.figures, `lwip-${form}`)?.median };
  });
  const byConnections = all.map((compared) => [
    compared.connections,
    AGAINST.values(compared.figures),
  ]);
  return {
    lines: [...table([head, ...all.flatMap(rowsOf)]), `work ${hash}`],
    values: {
      ...AGAINST.values((all[0] as Compared).figures),
      rounds: scale.rounds,
      connections: Object.fromEntries(byConnections),
      work: hash.toString(),
    },
    bars,
  };
}
