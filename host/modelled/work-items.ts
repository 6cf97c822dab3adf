/**
 * Items of work and the NIC's memory for them: a work record, a buffer for the frame that came and
 * one for the frame that leaves. Pools are bounded, as the NIC's are (4.3.1.1: "the limited pool
 * size flow-controls host interactions").
 */
import { FRAME_HEADROOM } from "../../bindings/abi/limits.ts";
import { WORK_SIZE } from "../../bindings/abi/work.ts";

/** One item on its way through the pipeline. */
export interface Item {
  readonly pool: Pool;
  /** Address of the work record. */
  readonly work: number;
  /** Address of its row of an ingress or egress table. */
  readonly entry: number;
  readonly ingress: number;
  readonly egress: number;
  /** RP1's or RP4's number. */
  ingressNumber: number;
  /** RP2's and RP3's. */
  egressNumber: number;
  group: number;
  /** Context of a descriptor; connection of a turn. */
  source: number;
  /** The last of its flow's turn: it says whether the flow wants another. */
  last: boolean;
  /** RP2 and RP3 have yet to let it go. */
  holds: number;
  /** Bytes that cross PCIe to and from the host. */
  placed: number;
  fetched: number;
}

/** Items of one kind. */
export class Pool {
  readonly name: string;
  readonly #free: Item[] = [];
  readonly size: number;

  constructor(name: string, size: number) {
    this.name = name;
    this.size = size;
  }

  get free(): number {
    return this.#free.length;
  }

  add(item: Item): void {
    this.#free.push(item);
  }

  take(): Item | undefined {
    return this.#free.pop();
  }
}

/** Bytes of a frame's buffer. */
function bufferBytes(frameBytes: number): number {
  return (frameBytes + FRAME_HEADROOM + 127) & ~127;
}

const RECORD_BYTES = WORK_SIZE + 128;

/** Bytes that pools of these sizes need. */
export function itemBytes(items: number, frameBytes: number): number {
  return items * (RECORD_BYTES + 2 * bufferBytes(frameBytes));
}

/** Where the frames' buffers are: [first byte, last byte]. */
export function frameSpan(at: number, items: number, frameBytes: number): [number, number] {
  const from = at + items * RECORD_BYTES;
  return [from, from + items * 2 * bufferBytes(frameBytes)];
}

/** Lays the items of all pools out from `at` on: records first, then buffers. */
export function fillPools(pools: readonly Pool[], at: number, frameBytes: number): void {
  const items = pools.reduce((sum, { size }) => sum + size, 0);
  const [frames] = frameSpan(at, items, frameBytes);
  const bytes = bufferBytes(frameBytes);
  let index = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.size; i += 1, index += 1) {
      const work = at + index * RECORD_BYTES;
      const ingress = frames + index * 2 * bytes;
      pool.add({
        pool,
        work,
        entry: work + WORK_SIZE,
        ingress,
        egress: ingress + bytes,
        ingressNumber: -1,
        egressNumber: -1,
        group: 0,
        source: 0,
        last: true,
        holds: 0,
        placed: 0,
        fetched: 0,
      });
    }
  }
}
