/**
 * `npm run bench -- bulk`: one connection, one direction, through send() and recv(), beside lwIP in
 * Wasm and native, and beside the bare path: what the copies, checksums and link alone take.
 * Method: bench/README.md. The received stream is verified by a running sum over each period of the
 * sent pattern, and corrupted frames have to be dropped.
 */
import type { DataPath } from "../bindings/layout.ts";
import { AgainstPeers, OURS } from "./against-peers.ts";
import { formatQuartiles, interleave, pairRatio, quartiles, table } from "./harness.ts";
import { WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale, Quartiles } from "./harness.ts";
import { lwipBuilt, lwipBulk, type BulkFigures } from "./peers/lwip.ts";
import { type BulkSideFigures, SEGMENT, type Timestamps } from "./bulk-side.ts";
import { runSide } from "./run-side.ts";

/** V8 goes on optimising for this long; lwIP moves 16 MiB before its clock starts. */
const WARM_BYTES = 768 << 20;
const BYTES = 256 << 20;
/** What toeloop has to reach, times each peer; a stage program is beside lwIP in Wasm alone. */
const BARS = {
  flextoe: { wasm: 1.5, native: 1 },
  laminar: { wasm: 1, native: 0 },
  "laminar-relaxed": { wasm: 1, native: 0 },
} as const;

const AGAINST = new AgainstPeers<BulkFigures>({
  rate: "gbps",
  processor: "cpuNsPerSegment",
  largest: ["corrupted"],
});

interface Compared {
  readonly timestamps: Timestamps;
  readonly figures: ReadonlyMap<string, readonly BulkFigures[]>;
  /** Nanoseconds a data segment of the bare path, round by round. */
  readonly bare: readonly number[];
}

function compare(timestamps: Timestamps, scale: BenchScale): Compared {
  const bytes = Math.max(1 << 16, Math.round(BYTES * scale.work));
  const warm = Math.min(WARM_BYTES, bytes * 3);
  const bare: number[] = [];
  const toeloop = (): BulkFigures => {
    const side: BulkSideFigures = runSide("bulk", {
      timestamps,
      bytes,
      warm,
      datapath: scale.datapath,
    });
    bare.push(side.bareNs);
    return side.figures;
  };
  const sides = new Map<string, () => BulkFigures>([[OURS, toeloop]]);
  for (const form of ["wasm", "native"] as const) {
    if (!scale.peers || !lwipBuilt(form, timestamps === "on")) continue;
    sides.set(`lwip-${form}`, () => lwipBulk(form, timestamps === "on", bytes));
  }
  scale.say(`bulk: timestamps ${timestamps}, ${scale.rounds} rounds of ${[...sides.keys()]}`);
  const figures = interleave(scale.rounds, sides);
  return { timestamps, figures, bare };
}

/** The bare path's time over ours, for the same data segments. */
function share(compared: Compared): Quartiles {
  const ours = compared.figures.get(OURS) as readonly BulkFigures[];
  const each = ours.map(({ gbps }) => (SEGMENT[compared.timestamps] * 8) / gbps);
  return pairRatio(compared.bare, each);
}

function bareLine(compared: Compared): string {
  const { median } = quartiles(compared.bare);
  const part = formatQuartiles(share(compared), 2);
  const timestamps = `timestamps ${compared.timestamps}`;
  return `bare path, ${timestamps}: ${median.toFixed(0)} ns a data segment; of ours ${part}`;
}

function rowsOf(compared: Compared): string[][] {
  return [...compared.figures].map(([side, runs]) => {
    const m = AGAINST.medians(runs);
    const against = side === OURS ? undefined : AGAINST.ratio(compared.figures, side);
    const byCpu = side === OURS ? undefined : AGAINST.cpuRatio(compared.figures, side);
    return [
      side,
      compared.timestamps,
      m.gbps.toFixed(2),
      (m.segmentsPerSecond / 1e6).toFixed(3),
      m.nsPerSegment.toFixed(1),
      m.cpuNsPerSegment.toFixed(1),
      m.dataPerAck.toFixed(2),
      against === undefined ? "" : formatQuartiles(against, 2),
      byCpu === undefined ? "" : formatQuartiles(byCpu, 2),
    ];
  });
}

function valuesOf(compared: Compared): Record<string, unknown> {
  return {
    ...AGAINST.values(compared.figures),
    segmentBytes: SEGMENT[compared.timestamps],
    barePath: { nsPerDataSegment: quartiles(compared.bare), share: share(compared) },
  };
}

function barsOf(compared: Compared, datapath: DataPath): Bar[] {
  const forms = (["wasm", "native"] as const).filter((form) => BARS[datapath][form] > 0);
  return forms.map((form) => ({
    name: `bulk, ${datapath}, timestamps ${compared.timestamps}, toeloop / lwip-${form}`,
    least: BARS[datapath][form],
    ratio: AGAINST.ratio(compared.figures, `lwip-${form}`)?.median,
  }));
}

/**
 * Timestamps off and, where the data path has them, on. The JSON's own figures are those with
 * timestamps off.
 */
export function bulk(scale: BenchScale): BenchReport {
  const kinds: Timestamps[] = scale.datapath === "laminar" ? ["off"] : ["off", "on"];
  const all = kinds.map((timestamps) => compare(timestamps, scale));
  const off = all[0] as Compared;
  const head = ["", "timestamps", "Gbit/s", "Mseg/s", "ns/seg", "CPU ns/seg", "data/ACK"];
  head.push("toeloop / peer", "by CPU time");
  const hash = new WorkHash();
  for (const { figures } of all) hash.add((figures.get(OURS) as BulkFigures[])[0]?.bytes ?? 0);
  return {
    lines: [...table([head, ...all.flatMap(rowsOf)]), ...all.map(bareLine), `work ${hash}`],
    values: {
      ...valuesOf(off),
      rounds: scale.rounds,
      datapath: scale.datapath,
      timestamps: Object.fromEntries(all.map((one) => [one.timestamps, valuesOf(one)])),
      work: hash.toString(),
    },
    bars: all.flatMap((one) => barsOf(one, scale.datapath)),
  };
}
