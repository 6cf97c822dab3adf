/**
 * Reads classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 bytes and a
 * frame; either byte order, microseconds or nanoseconds. Invariant: the frame's bytes are asked for
 * only after its lengths were judged.
 */
import * as F from "./capture-format.ts";
import type { CaptureFormat, CaptureFrame, CaptureInterface } from "./capture-format.ts";
import type { CaptureClock } from "./capture-times.ts";

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;

const HEADER_BYTES = 20;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
const SNAP_LENGTH = 12;
const LINK_TYPE = 16;
/** The upper half says how long a frame check sequence is: IP's own length leaves it out. */
const LINK_TYPE_MASK = 0xffff;

const RECORD_BYTES = 16;
const FRACTION = 4;
const CAPTURED = 8;
const ORIGINAL = 12;

/** What the magic of a classic pcap says; undefined of anything else. */
export function pcapFormat(magic: DataView, clock: CaptureClock): PcapFormat | undefined {
  for (const little of [true, false]) {
    const word = magic.getUint32(0, little);
    if (word === MICROSECONDS) return new PcapFormat(little, 1000, clock);
    if (word === NANOSECONDS) return new PcapFormat(little, 1, clock);
  }
  return undefined;
}

export class PcapFormat implements CaptureFormat {
  readonly name: string;
  want = HEADER_BYTES;
  isBetween = false;
  readonly #little: boolean;
  /** ns of the fraction's unit. */
  readonly #unit: number;
  readonly #clock: CaptureClock;
  #interface: CaptureInterface | undefined;
  /** Of the record whose frame is to come. */
  #timestamp = 0n;
  #originalLength = 0;

  constructor(little: boolean, unit: number, clock: CaptureClock) {
    this.name = `pcap, ${little ? "little" : "big"}-endian, ${unit === 1 ? "ns" : "us"}`;
    this.#little = little;
    this.#unit = unit;
    this.#clock = clock;
  }

  read(piece: Uint8Array, offset: number): CaptureFrame | undefined {
    const known = this.#interface;
    if (known === undefined) this.#readHeader(F.viewOf(piece), offset);
    else if (this.isBetween) this.#readRecord(F.viewOf(piece), offset, known);
    else return this.#frame(piece, known);
    return undefined;
  }

  #readHeader(header: DataView, offset: number): void {
    const version = [header.getUint16(0, this.#little), header.getUint16(2, this.#little)];
    if (version[0] !== VERSION_MAJOR || version[1] !== VERSION_MINOR) {
      throw new F.CaptureError(offset, "pcap version 2.4", version.join("."));
    }
    const linkType = header.getUint32(LINK_TYPE, this.#little) & LINK_TYPE_MASK;
    const snapLength = header.getUint32(SNAP_LENGTH, this.#little);
    const medium = F.mediumOf(linkType);
    this.#interface = { number: 0, linkType, medium, snapLength, name: "" };
    this.#begin();
  }

  #begin(): void {
    this.want = RECORD_BYTES;
    this.isBetween = true;
  }

  #readRecord(record: DataView, offset: number, known: CaptureInterface): void {
    const little = this.#little;
    const captured = record.getUint32(CAPTURED, little);
    this.#originalLength = record.getUint32(ORIGINAL, little);
    F.judgeLengths(offset + CAPTURED, captured, this.#originalLength, known);
    const fraction = record.getUint32(FRACTION, little) * this.#unit;
    // A fraction of a second or more is no fraction: the second's last ns.
    const ns = BigInt(Math.min(fraction, 999_999_999));
    if (fraction > 999_999_999) this.#clock.adjusted += 1;
    this.#timestamp = BigInt(record.getUint32(0, little)) * 1_000_000_000n + ns;
    this.want = captured;
    this.isBetween = false;
  }

  #frame(bytes: Uint8Array, known: CaptureInterface): CaptureFrame {
    this.#begin();
    const timestamp = this.#timestamp;
    const time = this.#clock.time(timestamp);
    const originalLength = this.#originalLength;
    return { interface: known, time, timestamp, bytes, originalLength, comment: "" };
  }
}
