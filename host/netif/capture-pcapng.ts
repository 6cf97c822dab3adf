/**
 * Reads pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces, enhanced and
 * simple packets; all other blocks are passed over. A section's own length is not used, the blocks
 * say where it ends. Invariants: a block's length is judged before a byte of it is asked for, and
 * stands at both of its ends; blocks that are passed over are never held.
 */
import * as F from "./capture-format.ts";
import type { CaptureFormat, CaptureFrame, CaptureInterface } from "./capture-format.ts";
import { type PacketOptions, readInterface, readPacketOptions } from "./capture-options.ts";
import type { CaptureClock, CaptureUnits } from "./capture-times.ts";

export const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const VERSION_MAJOR = 1;

/** A block that is read whole: the longest frame, and as much again for what is said of it. */
export const BLOCK_BYTES_MAX = 2 * F.CAPTURE_FRAME_BYTES_MAX;
/** A block that is passed over: Wireshark's limit too. */
export const SKIPPED_BYTES_MAX = 16 * 1024 * 1024;
/** Interfaces of a section. */
export const INTERFACES_MAX = 1024;

/** Type and length in front of a block's body, the length again behind it. */
const HEAD_BYTES = 8;
const TAIL_BYTES = 4;
const SECTION_BYTES_MIN = 28;
/** Bytes of a body in front of what is variable, and the type's name in errors. */
const BODIES: Readonly<Record<number, readonly [bytes: number, name: string]>> = {
  [INTERFACE_DESCRIPTION]: [8, "an interface description"],
  [SIMPLE_PACKET]: [4, "a simple packet"],
  [ENHANCED_PACKET]: [20, "an enhanced packet"],
};

/** The piece that comes next. */
type Part = "magic" | "version" | "head" | "body" | "tail";

interface Known extends CaptureInterface {
  readonly units: CaptureUnits;
}

export class PcapngFormat implements CaptureFormat {
  want = 4;
  isBetween = false;
  readonly #skip: (bytes: number) => void;
  readonly #clock: CaptureClock;
  #part: Part = "head";
  #little = true;
  #type = SECTION_HEADER;
  #length = 0;
  /** The section's length, which cannot be read before its byte order is known. */
  readonly #rawLength = new DataView(new ArrayBuffer(4));
  #interfaces: Known[] = [];
  /** A simple packet has no stamp: it is the last one's. */
  #timestamp = 0n;

  /** The first section's type has been read. `skip` passes over bytes of the file. */
  constructor(clock: CaptureClock, skip: (bytes: number) => void) {
    this.#clock = clock;
    this.#skip = skip;
  }

  get name(): string {
    return `pcapng, ${this.#little ? "little" : "big"}-endian`;
  }

  read(piece: Uint8Array, offset: number): CaptureFrame | undefined {
    const view = F.viewOf(piece);
    switch (this.#part) {
      case "head":
        this.#readHead(view, offset);
        return undefined;
      case "magic":
        this.#readMagic(view, offset);
        return undefined;
      case "version":
        this.#readVersion(view, offset);
        return undefined;
      case "tail":
        this.#readTail(view.getUint32(0, this.#little), offset);
        return undefined;
      case "body": {
        const end = piece.length - TAIL_BYTES;
        this.#readTail(view.getUint32(end, this.#little), offset + end);
        return this.#readBody(piece.subarray(0, end), offset);
      }
    }
  }

  #expect(part: Part, want: number): void {
    this.#part = part;
    this.want = want;
    this.isBetween = part === "head";
  }

  #readHead(head: DataView, offset: number): void {
    // The file's first type was read as its magic.
    const isFirst = head.byteLength < HEAD_BYTES;
    if (!isFirst) this.#type = head.getUint32(0, this.#little);
    const at = isFirst ? 0 : 4;
    if (this.#type === SECTION_HEADER) {
      this.#rawLength.setUint32(0, head.getUint32(at));
      this.#expect("magic", 4);
      return;
    }
    this.#length = head.getUint32(at, this.#little);
    const body = BODIES[this.#type];
    if (body === undefined) {
      this.#judge(offset + at, HEAD_BYTES + TAIL_BYTES, SKIPPED_BYTES_MAX, "a block");
      this.#passOver(HEAD_BYTES);
      return;
    }
    const [bytes, name] = body;
    this.#judge(offset + at, HEAD_BYTES + bytes + TAIL_BYTES, BLOCK_BYTES_MAX, name);
    this.#expect("body", this.#length - HEAD_BYTES);
  }

  #judge(at: number, least: number, most: number, name: string): void {
    const length = this.#length;
    if (length >= least && length <= most && length % 4 === 0) return;
    const range = `a length of ${least} to ${most} bytes, a multiple of 4`;
    throw new F.CaptureError(at, `${name} with ${range}`, length);
  }

  /** Of the block's length `done` bytes have been read. */
  #passOver(done: number): void {
    this.#skip(this.#length - done - TAIL_BYTES);
    this.#expect("tail", TAIL_BYTES);
  }

  #readTail(length: number, offset: number): void {
    if (length !== this.#length) {
      throw new F.CaptureError(offset, `the block's length again, ${this.#length}`, length);
    }
    this.#expect("head", HEAD_BYTES);
  }

  #readMagic(magic: DataView, offset: number): void {
    const word = magic.getUint32(0);
    this.#little = magic.getUint32(0, true) === BYTE_ORDER_MAGIC;
    if (!this.#little && word !== BYTE_ORDER_MAGIC) {
      const either = `byte order ${F.hexWord(BYTE_ORDER_MAGIC)} in either order`;
      throw new F.CaptureError(offset, either, F.hexWord(word));
    }
    this.#length = this.#rawLength.getUint32(0, this.#little);
    this.#judge(offset - 4, SECTION_BYTES_MIN, SKIPPED_BYTES_MAX, "a section header");
    this.#expect("version", 4);
  }

  #readVersion(version: DataView, offset: number): void {
    const major = version.getUint16(0, this.#little);
    if (major !== VERSION_MAJOR) {
      throw new F.CaptureError(offset, `pcapng version ${VERSION_MAJOR}`, major);
    }
    this.#interfaces = [];
    this.#passOver(HEAD_BYTES + 8);
  }

  /** `offset` is the body's. */
  #readBody(body: Uint8Array, offset: number): CaptureFrame | undefined {
    if (this.#type === ENHANCED_PACKET) return this.#enhanced(body, offset);
    if (this.#type === SIMPLE_PACKET) return this.#simple(body, offset);
    const number = this.#interfaces.length;
    if (number >= INTERFACES_MAX) {
      const most = `at most ${INTERFACES_MAX} interfaces in a section`;
      throw new F.CaptureError(offset, most, "one more");
    }
    this.#interfaces.push(readInterface(body, offset, number, this.#little));
    return undefined;
  }

  #known(number: number, offset: number): Known {
    const known = this.#interfaces[number];
    if (known !== undefined) return known;
    const described = `an interface below ${this.#interfaces.length}, as described`;
    throw new F.CaptureError(offset, described, number);
  }

  #enhanced(body: Uint8Array, offset: number): CaptureFrame {
    const view = F.viewOf(body);
    const word = (at: number): number => view.getUint32(at, this.#little);
    const known = this.#known(word(0), offset);
    const [captured, original] = [word(12), word(16)];
    const at = 20;
    F.judgeLengths(offset + 12, captured, original, known);
    if (captured > body.length - at) {
      throw new F.CaptureError(offset + 12, `at most the block's ${body.length - at}`, captured);
    }
    this.#timestamp = known.units.ns(word(4), word(8));
    const after = at + ((captured + 3) & ~3);
    const options = readPacketOptions(body, after, offset, this.#little);
    return this.#frame(known, body.subarray(at, at + captured), original, options);
  }

  /** Cut by interface 0's snap length alone, and as long as its block says. */
  #simple(body: Uint8Array, offset: number): CaptureFrame {
    const known = this.#known(0, offset);
    const original = F.viewOf(body).getUint32(0, this.#little);
    const captured = known.snapLength === 0 ? original : Math.min(original, known.snapLength);
    F.judgeLengths(offset, captured, original, known);
    const room = body.length - 4;
    if (captured > room) throw new F.CaptureError(offset, `at most the block's ${room}`, captured);
    return this.#frame(known, body.subarray(4, 4 + captured), original, { comment: "" });
  }

  #frame(
    known: Known,
    bytes: Uint8Array,
    originalLength: number,
    options: PacketOptions,
  ): CaptureFrame {
    const timestamp = this.#timestamp;
    const time = this.#clock.time(timestamp);
    return { interface: known, time, timestamp, bytes, originalLength, ...options };
  }
}
