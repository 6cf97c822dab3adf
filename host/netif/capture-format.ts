/**
 * What the readers of both capture formats share: the frame they give, its bounds, their errors.
 * Invariant: a length of the file is judged against a bound here before anything is done with it.
 */
import type { Medium } from "./netif.ts";
import type { CaptureDirection } from "./pcapng.ts";

/** Longest frame: what tcpdump and Wireshark write at most. */
export const CAPTURE_FRAME_BYTES_MAX = 262_144;

/** Link types (draft-ietf-opsawg-pcaplinktype): Ethernet, and IP without a link header. */
const ETHERNET = 1;
const RAW_IP = [101, 228, 229];

/** An interface of a capture; a classic pcap has one. */
export interface CaptureInterface {
  /** Its number in its section. */
  readonly number: number;
  /** What frames begin with. */
  readonly linkType: number;
  /** The link type as a netif's medium; undefined when it is neither Ethernet nor raw IP. */
  readonly medium: Medium | undefined;
  /** Bytes of a frame that were kept at most; 0: all. */
  readonly snapLength: number;
  /** As the file has it: for `printableText()` before it is shown. */
  readonly name: string;
}

/** One frame of a capture. */
export interface CaptureFrame {
  readonly interface: CaptureInterface;
  /** ns since the capture's first frame; never less than the frame before's (CaptureClock). */
  readonly time: number;
  /** ns since 1970, as the file says, however absurd. */
  readonly timestamp: bigint;
  /** What was captured; valid until the reader is called again. */
  readonly bytes: Uint8Array;
  /** Bytes of the frame on its link: more than `bytes` has when the capture cut it. */
  readonly originalLength: number;
  readonly direction?: CaptureDirection;
  /** As the file has it, "" when there is none: for `printableText()` before it is shown. */
  readonly comment: string;
}

/** A reader of one format: is given one piece of `want` bytes after the other. */
export interface CaptureFormat {
  /** As it is shown: "pcap, big-endian, ns". */
  readonly name: string;
  /** Bytes of the next piece. */
  readonly want: number;
  /** A file may end here. */
  readonly isBetween: boolean;
  /** The piece that stands at `offset` in the file; a frame when it was a frame's last. */
  read(piece: Uint8Array, offset: number): CaptureFrame | undefined;
}

/** A capture that is none, or lies about itself. */
export class CaptureError extends Error {
  /** Where in the file: bytes from its start. */
  readonly offset: number;

  constructor(offset: number, expected: string, got: string | number) {
    super(`capture byte ${offset}: expected ${expected}, got ${got}`);
    this.name = "CaptureError";
    this.offset = offset;
  }
}

export function mediumOf(linkType: number): Medium | undefined {
  if (linkType === ETHERNET) return "ethernet";
  return RAW_IP.includes(linkType) ? "ip" : undefined;
}

/** Judges what a record says of its frame. Throws CaptureError when it cannot be so. */
export function judgeLengths(
  at: number,
  captured: number,
  original: number,
  { snapLength }: CaptureInterface,
): void {
  const most = (bytes: number, what: string): void => {
    if (captured > bytes) throw new CaptureError(at, `at most ${bytes} bytes (${what})`, captured);
  };
  most(CAPTURE_FRAME_BYTES_MAX, "of any frame");
  if (snapLength !== 0) most(snapLength, "the snap length");
  most(original, "the frame's length");
}

export function viewOf(piece: Uint8Array): DataView {
  return new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
}

/** A number as a file's magic is written. */
export function hexWord(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
}
