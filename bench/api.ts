/**
 * `npm run bench -- api`: what an application gets through each interface, both ends in one thread:
 * 64 bytes there and back, and a stream of bytes, through the POSIX-like calls (registered buffers,
 * watchers) and through web streams (default ones, byte streams, and byte streams whose readers
 * bring their buffers) on drivers of the event loop, beside Node's net over the kernel's loopback.
 */
import { type ApiSide, CHUNK, type Form, type Kind, MESSAGE } from "./api-side.ts";
import { pairRatio, quartiles, formatQuartiles, table, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale, Quartiles } from "./harness.ts";
import { runSide } from "./run-side.ts";

/** In the order of the table; the last is what the others are set against. */
const NAMES = {
  posix: "POSIX-like calls",
  default: "default streams",
  bytes: "byte streams",
  byob: "byte streams, BYOB",
  node: "Node's net, kernel loopback",
} as const;
/** Round trips and bytes of a round at full size, of the fast interface and of the others. */
const COUNTS = {
  posix: { rpc: 200_000, bulk: 256 << 20 },
  other: { rpc: 30_000, bulk: 128 << 20 },
} as const;
/** V8 goes on optimising for so many rounds' worth. */
const WARM = 3;

interface Figures {
  readonly rpc: number[];
  readonly bulk: number[];
}

/** Whole chunks, one at least. */
function chunks(bytes: number): number {
  return Math.max(1, Math.round(bytes / CHUNK)) * CHUNK;
}

/** One run of one interface. A small scale warms up no less than a quarter of the full one. */
function measure(form: Form, kind: Kind, scale: BenchScale): number {
  const full = COUNTS[form === "posix" ? "posix" : "other"][kind];
  const whole = (n: number): number => (kind === "bulk" ? chunks(n) : Math.max(1, Math.round(n)));
  const warm = whole(full * WARM * Math.min(1, scale.work * 4));
  const args: ApiSide = { form, kind, count: whole(full * scale.work), warm };
  return runSide("api", args);
}

/** Least ratios to Node's net. */
const BARS = [
  [NAMES.posix, "rpc", 15],
  [NAMES.posix, "bulk", 2],
  [NAMES.default, "rpc", 1.5],
  [NAMES.bytes, "rpc", 1],
] as const;

function barsOf(figures: ReadonlyMap<string, Figures>): Bar[] {
  const node = [...figures.values()].at(-1) as Figures;
  return BARS.map(([name, kind, least]) => ({
    name: `api, ${kind}, ${name} / Node's net`,
    least,
    ratio: pairRatio((figures.get(name) as Figures)[kind], node[kind]).median,
  }));
}

function ratioTo(figures: Figures, node: Figures): { rpc: Quartiles; bulk: Quartiles } {
  return { rpc: pairRatio(figures.rpc, node.rpc), bulk: pairRatio(figures.bulk, node.bulk) };
}

function report(figures: ReadonlyMap<string, Figures>, scale: BenchScale): BenchReport {
  const node = [...figures.values()].at(-1) as Figures;
  const rows = [...figures].map(([name, each]) => {
    const ratio = ratioTo(each, node);
    const own = [
      (quartiles(each.rpc).median / 1e3).toFixed(1),
      quartiles(each.bulk).median.toFixed(2),
    ];
    if (each === node) return [name, own[0] as string, "", own[1] as string, ""];
    const [rpc, bulk] = [formatQuartiles(ratio.rpc, 2), formatQuartiles(ratio.bulk, 2)];
    return [name, own[0] as string, rpc, own[1] as string, bulk];
  });
  const hash = new WorkHash();
  hash.add(MESSAGE, CHUNK, ...Object.values(COUNTS.posix), ...Object.values(COUNTS.other));
  const values = [...figures].map(([name, each]) => [
    name,
    {
      roundTripsPerSecond: quartiles(each.rpc).median,
      gbps: quartiles(each.bulk).median,
      ratio: ratioTo(each, node),
    },
  ]);
  return {
    lines: [
      ...table([["", "k rt/s", "/ Node's net", "Gbit/s", "/ Node's net"], ...rows]),
      `work ${hash}`,
    ],
    values: { interfaces: Object.fromEntries(values), rounds: scale.rounds, work: hash.toString() },
    bars: barsOf(figures),
  };
}

/** Each interface in turn, round by round. */
export function api(scale: BenchScale): BenchReport {
  const forms = Object.keys(NAMES) as Form[];
  const all = forms.map((form) => [NAMES[form], { rpc: [], bulk: [] } as Figures] as const);
  const figures = new Map<string, Figures>(all);
  for (let round = 0; round < scale.rounds; round += 1) {
    for (let i = 0; i < forms.length; i += 1) {
      const form = forms[(round + i) % forms.length] as Form;
      const into = figures.get(NAMES[form]) as Figures;
      into.rpc.push(measure(form, "rpc", scale));
      into.bulk.push(measure(form, "bulk", scale));
    }
    scale.say(`api: round ${round + 1}`);
  }
  return report(figures, scale);
}
