/**
 * toeloop's side of `npm run bench -- bulk`: one connection, one direction, between two stacks of
 * this process, and the bare path beside it. The received stream is verified by a running sum over
 * each period of the sent pattern, and corrupted frames have to be dropped.
 */
import type { DataPath } from "../bindings/layout.ts";
import { Counter } from "../bindings/abi/counters.ts";
import { DropReason } from "../bindings/abi/drop-reason.ts";
import { assembleBarePath, barePath, type BarePath } from "./bare-path.ts";
import { Stopwatch, warmParts } from "./harness.ts";
import { bulkFigures, type BulkFigures } from "./peers/lwip.ts";
import { counterOf, dropsOf, StackPair } from "./stack-pair.ts";
import { type WordSum, wordSum } from "./wasm-loops.ts";

/** Payload bytes of a segment at MTU 1500, without and with timestamps. */
export const SEGMENT = { off: 1460, on: 1448 } as const;
/** The sent pattern repeats after so many segments, as lwIP's harness does it. */
const PERIOD_SEGMENTS = 44;

export type Timestamps = keyof typeof SEGMENT;

/** What a run of this side is. */
export interface BulkSide {
  readonly datapath: DataPath;
  readonly timestamps: Timestamps;
  readonly bytes: number;
  /** Bytes before the clock starts. */
  readonly warm: number;
}

export interface BulkSideFigures {
  readonly figures: BulkFigures;
  /** Nanoseconds a data segment of the bare path. */
  readonly bareNs: number;
}

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

  constructor(timestamps: Timestamps, datapath: DataPath) {
    this.#pair = new StackPair({ timestamps: timestamps === "on", connections: 1, datapath });
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

/** Nanoseconds a data segment of the bare path, about as much of it as `bytes` are. */
function timeBare(path: BarePath, bytes: number): number {
  const periods = Math.max(1, Math.round(bytes / path.period));
  const watch = new Stopwatch();
  path.run(periods);
  return (watch.read().seconds * 1e9) / (periods * PERIOD_SEGMENTS);
}

/** One transfer, warm, and as much of the bare path. */
export async function bulkSide(side: BulkSide): Promise<BulkSideFigures> {
  const { timestamps, bytes, warm, datapath } = side;
  await assembleBarePath();
  const path = barePath(SEGMENT[timestamps], PERIOD_SEGMENTS);
  const run = new BulkRun(timestamps, datapath);
  for (const part of warmParts(warm)) run.transfer(part);
  const figures = run.transfer(bytes);
  run.finish();
  timeBare(path, Math.round(bytes / 8));
  return { figures, bareNs: timeBare(path, bytes) };
}
