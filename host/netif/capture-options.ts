/**
 * Options of pcapng's blocks (draft-ietf-opsawg-pcapng, 3.5): those that a replay wants, all others
 * passed over. Invariant: each option advances by four bytes at least and ends within its block, so
 * a list ends too; of a text 255 bytes are kept.
 */
import { CaptureError, type CaptureInterface, mediumOf, viewOf } from "./capture-format.ts";
import { CaptureUnits, RESOLUTION_DEFAULT } from "./capture-times.ts";
import type { CaptureDirection } from "./pcapng.ts";

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const INTERFACE_NAME = 2;
const INTERFACE_TIME_RESOLUTION = 9;
const INTERFACE_TIME_OFFSET = 14;
const PACKET_FLAGS = 2;
const DIRECTION_MASK = 3;
const INBOUND = 1;
const OUTBOUND = 2;

const TEXT_BYTES_MAX = 255;
/** In front of an interface's options: link type, reserved, snap length. */
const INTERFACE_BYTES = 8;

export interface PacketOptions {
  readonly direction?: CaptureDirection;
  readonly comment: string;
}

/** One list: where it stands, and what is done with each option's value. */
interface OptionList {
  readonly body: Uint8Array;
  readonly from: number;
  /** Of the body in the file. */
  readonly offset: number;
  readonly little: boolean;
}

const decoder = new TextDecoder();

function readOptions(
  { body, from, offset, little }: OptionList,
  found: (code: number, value: Uint8Array, at: number) => void,
): void {
  const view = viewOf(body);
  let at = from;
  while (at < body.length) {
    // A body is whole words, and so is what has been read of it.
    const left = body.length - at - 4;
    const code = view.getUint16(at, little);
    if (code === OPTION_END) return;
    const length = view.getUint16(at + 2, little);
    if (length > left) {
      throw new CaptureError(offset + at, `an option of at most ${left} bytes`, length);
    }
    found(code, body.subarray(at + 4, at + 4 + length), offset + at);
    at += 4 + ((length + 3) & ~3);
  }
}

function textOf(value: Uint8Array): string {
  return decoder.decode(value.subarray(0, TEXT_BYTES_MAX));
}

function fixed(value: Uint8Array, bytes: number, at: number): DataView {
  if (value.length === bytes) return viewOf(value);
  throw new CaptureError(at, `an option of ${bytes} bytes`, value.length);
}

/** The body of an interface description. Throws CaptureError. */
export function readInterface(
  body: Uint8Array,
  offset: number,
  number: number,
  little: boolean,
): CaptureInterface & { readonly units: CaptureUnits } {
  const view = viewOf(body);
  const linkType = view.getUint16(0, little);
  let [name, resolution, seconds] = ["", RESOLUTION_DEFAULT, 0n];
  readOptions({ body, from: INTERFACE_BYTES, offset, little }, (code, value, at) => {
    if (code === INTERFACE_NAME) name = textOf(value);
    if (code === INTERFACE_TIME_RESOLUTION) resolution = fixed(value, 1, at).getUint8(0);
    if (code === INTERFACE_TIME_OFFSET) seconds = fixed(value, 8, at).getBigInt64(0, little);
  });
  const units = new CaptureUnits(resolution, seconds);
  const snapLength = view.getUint32(4, little);
  return { number, linkType, medium: mediumOf(linkType), snapLength, name, units };
}

/** What stands behind a packet's bytes. Throws CaptureError. */
export function readPacketOptions(
  body: Uint8Array,
  from: number,
  offset: number,
  little: boolean,
): PacketOptions {
  let comment = "";
  let flags = 0;
  readOptions({ body, from, offset, little }, (code, value, at) => {
    if (code === OPTION_COMMENT) comment = textOf(value);
    if (code === PACKET_FLAGS) flags = fixed(value, 4, at).getUint32(0, little) & DIRECTION_MASK;
  });
  if (flags === INBOUND) return { comment, direction: "inbound" };
  return flags === OUTBOUND ? { comment, direction: "outbound" } : { comment };
}
