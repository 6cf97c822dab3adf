/**
 * Reads captures as a stream: classic pcap and pcapng, of either byte order, told apart by their
 * first four bytes. Sans-IO: chunks of any length in, frames out. Invariants: memory is bounded,
 * whatever the file says and however long it is; a file that lies or ends early is a CaptureError
 * with the byte where it does; what came before it has been given out.
 *
 * ```ts
 * for await (const frame of captureFrames(fs.createReadStream("trace.pcapng"))) {
 *   console.log(frame.time, printableText(frame.interface.name), frame.bytes.length);
 * }
 * // or without promises:
 * const reader = new CaptureReader();
 * reader.push(chunk);
 * for (let frame = reader.next(); frame !== undefined; frame = reader.next()) use(frame);
 * reader.end();
 * ```
 */
import { CaptureChunks } from "./capture-chunks.ts";
import { CaptureError, hexWord, viewOf } from "./capture-format.ts";
import type { CaptureFormat, CaptureFrame } from "./capture-format.ts";
import { pcapFormat } from "./capture-pcap.ts";
import { BLOCK_BYTES_MAX, PcapngFormat, SECTION_HEADER } from "./capture-pcapng.ts";
import { CaptureClock } from "./capture-times.ts";

export { CAPTURE_FRAME_BYTES_MAX, CaptureError } from "./capture-format.ts";
export type { CaptureFrame, CaptureInterface } from "./capture-format.ts";

/** Of both formats the first four bytes say which it is. */
const MAGIC_BYTES = 4;

export class CaptureReader {
  readonly #chunks = new CaptureChunks(BLOCK_BYTES_MAX);
  readonly #clock = new CaptureClock();
  #format: CaptureFormat | undefined;
  #error: unknown;

  /** What the file is, "pcap, big-endian, ns", of pcapng its last section; "" at first. */
  get format(): string {
    return this.#format?.name ?? "";
  }

  /** Frames whose time is not their stamp's: it went backwards, jumped by a day, or was none. */
  get adjusted(): number {
    return this.#clock.adjusted;
  }

  /** Bytes kept of a piece that chunks cut: at most 524,288. */
  get held(): number {
    return this.#chunks.held;
  }

  /** The file's next bytes. Throws RangeError before next() has given all of the last ones. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  /** The next frame; undefined when a chunk is needed. Throws CaptureError, again and again. */
  next(): CaptureFrame | undefined {
    if (this.#error !== undefined) throw this.#error;
    try {
      return this.#next();
    } catch (error) {
      this.#error = error;
      throw error;
    }
  }

  /** The file is over. Throws CaptureError when it ends within something. */
  end(): void {
    if (this.#error !== undefined) throw this.#error;
    const format = this.#format;
    const isBetween = format?.isBetween === true && this.#chunks.held === 0;
    if (!isBetween) this.#chunks.end(format?.want ?? MAGIC_BYTES);
  }

  #next(): CaptureFrame | undefined {
    const chunks = this.#chunks;
    for (;;) {
      const piece = chunks.take(this.#format?.want ?? MAGIC_BYTES);
      if (piece === undefined) return undefined;
      const frame = this.#format?.read(piece, chunks.offset - piece.length);
      if (frame !== undefined) return frame;
      this.#format ??= this.#formatOf(viewOf(piece));
    }
  }

  #formatOf(magic: DataView): CaptureFormat {
    const format = pcapFormat(magic, this.#clock);
    if (format !== undefined) return format;
    const word = magic.getUint32(0);
    if (word === SECTION_HEADER) {
      return new PcapngFormat(this.#clock, (bytes) => this.#chunks.skip(bytes));
    }
    throw new CaptureError(0, "the magic of pcap or pcapng", hexWord(word));
  }
}

/** All frames of a file, whose chunks come from anywhere; each is valid until the next one. */
export async function* captureFrames(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  reader: CaptureReader = new CaptureReader(),
): AsyncGenerator<CaptureFrame, void, undefined> {
  for await (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) yield frame;
  }
  reader.end();
}
