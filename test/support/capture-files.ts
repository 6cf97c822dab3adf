/** Captures made byte by byte, right ones and such as lie: classic pcap and pcapng. */
import { CaptureReader } from "../../host/netif/capture-reader.ts";
import type { CaptureFrame } from "../../host/netif/capture-reader.ts";

/** Numbers of a file in its byte order. */
class Order {
  readonly little: boolean;

  constructor(little: boolean) {
    this.little = little;
  }

  #bytes(value: number, count: number): number[] {
    const bytes = Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** i) & 255);
    return this.little ? bytes : bytes.reverse();
  }

  half(...values: number[]): number[] {
    return values.flatMap((value) => this.#bytes(value, 2));
  }

  word(...values: number[]): number[] {
    return values.flatMap((value) => this.#bytes(value >>> 0, 4));
  }
}

export interface PcapRecord {
  readonly seconds?: number;
  readonly fraction?: number;
  readonly bytes?: readonly number[];
  /** What the record says, when that is not how it is. */
  readonly captured?: number;
  readonly original?: number;
}

export interface PcapOptions {
  readonly little?: boolean;
  readonly ns?: boolean;
  readonly snapLength?: number;
  readonly linkType?: number;
  readonly version?: readonly [number, number];
}

export function pcapFile(records: readonly PcapRecord[], options: PcapOptions = {}): Uint8Array {
  const order = new Order(options.little ?? true);
  const magic = options.ns ? 0xa1b23c4d : 0xa1b2c3d4;
  const header = [
    ...order.word(magic),
    ...order.half(...(options.version ?? [2, 4])),
    ...order.word(0, 0, options.snapLength ?? 0, options.linkType ?? 1),
  ];
  const body = records.flatMap(({ seconds = 0, fraction = 0, bytes = [], ...said }) => {
    const captured = said.captured ?? bytes.length;
    const original = said.original ?? captured;
    return [...order.word(seconds, fraction, captured, original), ...bytes];
  });
  return Uint8Array.from([...header, ...body]);
}

/** Options of a block: code and value; of a number as the code says. */
export type BlockOption = readonly [code: number, value: readonly number[]];

export interface PacketFields {
  readonly interface?: number;
  /** Of the 64 bits. */
  readonly high?: number;
  readonly low?: number;
  readonly bytes?: readonly number[];
  readonly captured?: number;
  readonly original?: number;
  readonly options?: readonly BlockOption[];
}

/** Blocks of one byte order; each call returns one block's bytes. */
export class PcapngBlocks extends Order {
  /** `head` and `tail`: lengths that are not the block's. */
  block(type: number, body: readonly number[], head?: number, tail?: number): number[] {
    const padded = [...body, ...new Array<number>((4 - (body.length & 3)) & 3).fill(0)];
    const length = padded.length + 12;
    const lengths = [head ?? length, tail ?? head ?? length] as const;
    return [...this.word(type, lengths[0]), ...padded, ...this.word(lengths[1])];
  }

  section(options: readonly BlockOption[] = [], magic = 0x1a2b3c4d, major = 1): number[] {
    const body = [...this.word(magic), ...this.half(major, 0)];
    const unknown = this.word(0xffffffff, 0xffffffff);
    return this.block(0x0a0d0d0a, [...body, ...unknown, ...this.options(options)]);
  }

  interface(linkType = 1, snapLength = 0, options: readonly BlockOption[] = []): number[] {
    const body = [...this.half(linkType, 0), ...this.word(snapLength)];
    return this.block(1, [...body, ...this.options(options)]);
  }

  enhanced(fields: PacketFields = {}): number[] {
    const { bytes = [], high = 0, low = 0 } = fields;
    const captured = fields.captured ?? bytes.length;
    const original = fields.original ?? captured;
    const head = this.word(fields.interface ?? 0, high, low, captured, original);
    return this.block(6, [...head, ...this.padded(bytes), ...this.options(fields.options ?? [])]);
  }

  simple(original: number, bytes: readonly number[]): number[] {
    return this.block(3, [...this.word(original), ...bytes]);
  }

  options(list: readonly BlockOption[]): number[] {
    if (list.length === 0) return [];
    const one = ([code, value]: BlockOption): number[] => [
      ...this.half(code, value.length),
      ...this.padded(value),
    ];
    return [...list.flatMap(one), ...this.half(0, 0)];
  }

  padded(bytes: readonly number[]): number[] {
    return [...bytes, ...new Array<number>((4 - (bytes.length & 3)) & 3).fill(0)];
  }
}

export interface ReadCapture {
  readonly frames: readonly CaptureFrame[];
  readonly error: unknown;
  readonly reader: CaptureReader;
  /** Most that the reader held of what chunks cut. */
  readonly held: number;
}

/** A file in chunks of `step` bytes; frames are copies. */
export function readCapture(file: Uint8Array, step = file.length): ReadCapture {
  const reader = new CaptureReader();
  const frames: CaptureFrame[] = [];
  let held = 0;
  let error: unknown;
  try {
    for (let at = 0; at < file.length; at += step) {
      reader.push(file.subarray(at, at + step));
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        frames.push({ ...frame, bytes: frame.bytes.slice() });
      }
      held = Math.max(held, reader.held);
    }
    reader.end();
  } catch (caught) {
    error = caught;
  }
  return { frames, error, reader, held };
}
