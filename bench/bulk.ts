/**
 * `npm run bench -- bulk`: one connection, one direction, through send() and recv(), beside lwIP in
 * Wasm and native, and beside the bare path: what the copies, checksums and link alone take.
 * Method: bench/README.md. The received stream is verified by a running sum over each period of the
 * sent pattern, and corrupted frames have to be dropped.
 */
import { Counter } from "../bindings/abi/counters.ts";
import { DropReason } from "../bindings/abi/drop-reason.ts";
import { formatQuartiles, interleave, pairRatio, quartiles, table } from "./harness.ts";
import { Stopwatch, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale, Quartiles } from "./harness.ts";
import { bulkFigures, lwipBuilt, lwipBulk, type BulkFigures } from "./peers/lwip.ts";
import { counterOf, dropsOf, StackPair } from "./stack-pair.ts";
import { assembleBarePath, barePath, type BarePath } from "./bare-path.ts";
import { assembleWordSum, type WordSum, wordSum } from "./wasm-loops.ts";

/** Payload bytes of a segment at MTU 1500, without and with timestamps. */
const SEGMENT = { off: 1460, on: 1448 } as const;
/** The sent pattern repeats after so many segments, as lwIP's harness does it. */
const PERIOD_SEGMENTS = 44;
/** V8 goes on optimising for this long; lwIP moves 16 MiB before its clock starts. */
const WARM_BYTES = 768 << 20;
const BYTES = 256 << 20;
/** What toeloop has to reach, times each peer. */
const BARS = { wasm: 1.5, native: 1 } as const;

type Timestamps = keyof typeof SEGMENT;

/** One connection that a transfer can be asked of again and again. */
export class BulkRun {
  readonly #pair: StackPair;
  readonly #sum: WordSum;
  readonly #period: number;
  readonly #expected: bigint;
  readonly #source: Uint8Array;
  readonly #sink: Uint8Array;
  #sent = 0;
  #received = 0;

  constructor(timestamps: Timestamps) {
    this.#pair = new StackPair({ timestamps: timestamps === "on", connections: 1 });
    const { client, server } = this.#pair;
    // Both stacks' cores share one memory.
    this.#sum = wordSum(server.core.memory);
    this.#period = SEGMENT[timestamps] * PERIOD_SEGMENTS;
    this.#source = client.toe.allocate(this.#period);
    this.#sink = server.toe.allocate(this.#period);
    for (let i = 0; i < this.#period; i += 1) this.#source[i] = (i * 7 + (i >> 8)) & 255;
    this.#expected = this.#sum(this.#source.byteOffset, this.#period);
  }

  /** Sends and receives `bytes` more; figures of this transfer alone. */
  transfer(bytes: number): BulkFigures {
    const { client, server } = this.#pair;
    const data = counterOf(client, Counter.DataSegmentsOut);
    const acks = counterOf(server, Counter.AcksOut);
    const target = this.#received + bytes;
    const watch = new Stopwatch();
    let progress = true;
    while (this.#received < target) {
      const written = this.#write(target);
      this.#pair.turn(progress);
      const read = this.#read();
      progress = written + read > 0;
    }
    const elapsed = watch.read();
    return bulkFigures({
      ...elapsed,
      bytes,
      data: counterOf(client, Counter.DataSegmentsOut) - data,
      acks: counterOf(server, Counter.AcksOut) - acks,
      corrupted: this.#pair.serverLink.corrupted,
    });
  }

  #write(target: number): number {
    const { toe } = this.#pair.client;
    const fd = this.#pair.clientFds[0] as number;
    const before = this.#sent;
    while (this.#sent < target) {
      const at = this.#sent % this.#period;
      const room = Math.min(this.#period - at, target - this.#sent);
      const put = toe.send(fd, this.#source, at, room);
      if (put < 0) break;
      this.#sent += put;
      if (put < room) break;
    }
    return this.#sent - before;
  }

  #read(): number {
    const { toe } = this.#pair.server;
    const fd = this.#pair.serverFds[0] as number;
    const before = this.#received;
    for (;;) {
      const at = this.#received % this.#period;
      const got = toe.recv(fd, this.#sink, at, this.#period - at);
      if (got <= 0) break;
      this.#received += got;
      if (at + got < this.#period) break;
      this.#check();
    }
    return this.#received - before;
  }

  #check(): void {
    const sum = this.#sum(this.#sink.byteOffset, this.#period);
    if (sum !== this.#expected) {
      throw new Error(`bulk: expected payload sum ${this.#expected}, got ${sum}`);
    }
  }

  /** Throws Error unless every corrupted frame was dropped for its checksum. */
  finish(): void {
    const { server, serverLink } = this.#pair;
    const dropped = dropsOf(server, DropReason.TcpChecksum);
    if (dropped !== serverLink.corrupted) {
      throw new Error(`bulk: expected ${serverLink.corrupted} checksum drops, got ${dropped}`);
    }
  }
}

interface Compared {
  readonly timestamps: Timestamps;
  readonly figures: ReadonlyMap<string, readonly BulkFigures[]>;
  /** Nanoseconds a data segment of the bare path, round by round. */
  readonly bare: readonly number[];
}

function compare(timestamps: Timestamps, scale: BenchScale): Compared {
  const bytes = Math.max(1 << 16, Math.round(BYTES * scale.work));
  const run = new BulkRun(timestamps);
  const path = barePath(SEGMENT[timestamps], PERIOD_SEGMENTS);
  const bare: number[] = [];
  run.transfer(Math.min(WARM_BYTES, bytes * 3));
  const toeloop = (): BulkFigures => {
    bare.push(timeBare(path, bytes));
    return run.transfer(bytes);
  };
  const sides = new Map<string, () => BulkFigures>([["toeloop", toeloop]]);
  for (const form of ["wasm", "native"] as const) {
    if (!scale.peers || !lwipBuilt(form, timestamps === "on")) continue;
    sides.set(`lwip-${form}`, () => lwipBulk(form, timestamps === "on", bytes));
  }
  scale.say(`bulk: timestamps ${timestamps}, ${scale.rounds} rounds of ${[...sides.keys()]}`);
  const figures = interleave(scale.rounds, sides);
  run.finish();
  return { timestamps, figures, bare };
}

/** Nanoseconds a data segment of the bare path, about as much of it as `bytes` are. */
function timeBare(path: BarePath, bytes: number): number {
  const periods = Math.max(1, Math.round(bytes / path.period));
  const watch = new Stopwatch();
  path.run(periods);
  return (watch.read().seconds * 1e9) / (periods * PERIOD_SEGMENTS);
}

/** The bare path's time over ours, for the same data segments. */
function share(compared: Compared): Quartiles {
  const ours = compared.figures.get("toeloop") as readonly BulkFigures[];
  const each = ours.map(({ gbps }) => (SEGMENT[compared.timestamps] * 8) / gbps);
  return pairRatio(compared.bare, each);
}

function bareLine(compared: Compared): string {
  const { median } = quartiles(compared.bare);
  const part = formatQuartiles(share(compared), 2);
  const timestamps = `timestamps ${compared.timestamps}`;
  return `bare path, ${timestamps}: ${median.toFixed(0)} ns a data segment; of ours ${part}`;
}

function medians(runs: readonly BulkFigures[]): BulkFigures {
  const median = (of: (f: BulkFigures) => number): number => quartiles(runs.map(of)).median;
  return {
    gbps: median((f) => f.gbps),
    segmentsPerSecond: median((f) => f.segmentsPerSecond),
    nsPerSegment: median((f) => f.nsPerSegment),
    cpuNsPerSegment: median((f) => f.cpuNsPerSegment),
    dataPerAck: median((f) => f.dataPerAck),
    bytes: median((f) => f.bytes),
    corrupted: Math.max(...runs.map((f) => f.corrupted)),
  };
}

/** toeloop's gbps over a peer's, pair by pair; undefined without the peer. */
function ratio(compared: Compared, peer: string): Quartiles | undefined {
  const theirs = compared.figures.get(peer)?.map((f) => f.gbps);
  const ours = compared.figures.get("toeloop")?.map((f) => f.gbps);
  return ours === undefined || theirs === undefined ? undefined : pairRatio(ours, theirs);
}

/** The same by processor time a segment. */
function cpuRatio(compared: Compared, peer: string): Quartiles | undefined {
  const theirs = compared.figures.get(peer)?.map((f) => f.cpuNsPerSegment);
  const ours = compared.figures.get("toeloop")?.map((f) => f.cpuNsPerSegment);
  return ours === undefined || theirs === undefined ? undefined : pairRatio(theirs, ours);
}

function rowsOf(compared: Compared): string[][] {
  return [...compared.figures].map(([side, runs]) => {
    const m = medians(runs);
    const against = side === "toeloop" ? undefined : ratio(compared, side);
    const byCpu = side === "toeloop" ? undefined : cpuRatio(compared, side);
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
  const peers = [...compared.figures].filter(([side]) => side !== "toeloop");
  return {
    ...medians(compared.figures.get("toeloop") as readonly BulkFigures[]),
    segmentBytes: SEGMENT[compared.timestamps],
    barePath: { nsPerDataSegment: quartiles(compared.bare), share: share(compared) },
    peers: Object.fromEntries(
      peers.map(([side, runs]) => [
        side,
        { ...medians(runs), ratio: ratio(compared, side), cpuRatio: cpuRatio(compared, side) },
      ]),
    ),
  };
}

function barsOf(compared: Compared): Bar[] {
  return (["wasm", "native"] as const).map((form) => ({
    name: `bulk, timestamps ${compared.timestamps}, toeloop / lwip-${form}`,
    least: BARS[form],
    ratio: ratio(compared, `lwip-${form}`)?.median,
  }));
}

/** Timestamps off and on. The JSON's own figures are those with timestamps off. */
export async function bulk(scale: BenchScale): Promise<BenchReport> {
  await assembleWordSum();
  await assembleBarePath();
  const all = (["off", "on"] as const).map((timestamps) => compare(timestamps, scale));
  const [off, on] = all as [Compared, Compared];
  const head = ["", "timestamps", "Gbit/s", "Mseg/s", "ns/seg", "CPU ns/seg", "data/ACK"];
  head.push("toeloop / peer", "by CPU time");
  const hash = new WorkHash();
  for (const { figures } of all) hash.add((figures.get("toeloop") as BulkFigures[])[0]?.bytes ?? 0);
  return {
    lines: [...table([head, ...all.flatMap(rowsOf)]), ...all.map(bareLine), `work ${hash}`],
    values: {
      ...valuesOf(off),
      rounds: scale.rounds,
      timestamps: { off: valuesOf(off), on: valuesOf(on) },
      work: hash.toString(),
    },
    bars: all.flatMap(barsOf),
  };
}
