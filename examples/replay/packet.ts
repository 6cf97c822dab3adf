/**
 * What a replay wants to know of a frame: where its IP and TCP headers are, between whom. It judges
 * nothing, that is for the stack; what is cut within these headers is no packet.
 */
import {
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_DESTINATION_PORT,
} from "../../bindings/abi/tcp.ts";
import { TCP_FLAGS, TCP_SEQ, TCP_SIZE } from "../../bindings/abi/tcp.ts";
import * as IP from "../../bindings/abi/ip.ts";
import { formatAddress } from "../../host/address.ts";
import type { CaptureFrame } from "../../host/netif/capture-reader.ts";
import { ipOffset } from "../../host/netif/fault-injector.ts";
import { checksumAdd, checksumFinish } from "../../host/wire/checksum.ts";

export interface TcpHeader {
  /** From the start of the IP header. */
  readonly at: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Bytes of payload as IP's length has it. */
  readonly payload: number;
}

export interface Packet {
  /** From the IP header on, as far as it was captured. */
  readonly bytes: Uint8Array;
  /** Bytes that it had on its link, what pads it included. */
  readonly length: number;
  /** Undefined when it carries none, or another fragment than the first. */
  readonly tcp: TcpHeader | undefined;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The packet in a frame; undefined when it has none, or ends before its headers do. */
export function packetOf(frame: CaptureFrame): Packet | undefined {
  const { medium } = frame.interface;
  if (medium === undefined) return undefined;
  const at = ipOffset(frame.bytes, 0, frame.bytes.length, medium);
  if (at < 0) return undefined;
  const bytes = frame.bytes.subarray(at);
  const length = frame.originalLength - at;
  return { bytes, length, tcp: tcpOf(bytes) };
}

interface Shape {
  /** Where TCP begins, and where the packet ends by its own word. */
  readonly tcp: number;
  readonly end: number;
  readonly addresses: number;
  readonly addressBytes: number;
}

function shapeOf(view: DataView): Shape | undefined {
  if (view.getUint8(0) >>> 4 === 4) {
    const isTcp = view.getUint8(IP.IPV4_PROTOCOL) === IP.PROTOCOL_TCP;
    const offset = view.getUint16(IP.IPV4_FRAGMENT) & IP.IPV4_OFFSET_MASK;
    if (!isTcp || offset !== 0) return undefined;
    const tcp = (view.getUint8(0) & 15) * 4;
    const end = view.getUint16(IP.IPV4_TOTAL_LENGTH);
    return { tcp, end, addresses: IP.IPV4_SOURCE, addressBytes: 4 };
  }
  if (view.byteLength < IP.IPV6_SIZE || view.getUint8(0) >>> 4 !== 6) return undefined;
  if (view.getUint8(IP.IPV6_NEXT_HEADER) !== IP.PROTOCOL_TCP) return undefined;
  const end = IP.IPV6_SIZE + view.getUint16(IP.IPV6_PAYLOAD_LENGTH);
  return { tcp: IP.IPV6_SIZE, end, addresses: IP.IPV6_SOURCE, addressBytes: 16 };
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  return formatAddress(bytes);
}

function tcpOf(bytes: Uint8Array): TcpHeader | undefined {
  const view = viewOf(bytes);
  const shape = shapeOf(view);
  if (shape === undefined || shape.tcp + TCP_SIZE > bytes.length) return undefined;
  const { tcp: at, addresses, addressBytes } = shape;
  const header = (view.getUint8(at + TCP_DATA_OFFSET) >>> 4) * 4;
  const middle = addresses + addressBytes;
  return {
    at,
    source: addressText(bytes.subarray(addresses, middle)),
    sourcePort: view.getUint16(at),
    destination: addressText(bytes.subarray(middle, middle + addressBytes)),
    destinationPort: view.getUint16(at + TCP_DESTINATION_PORT),
    seq: view.getUint32(at + TCP_SEQ),
    ack: view.getUint32(at + TCP_ACK),
    flags: view.getUint8(at + TCP_FLAGS),
    payload: Math.max(0, shape.end - at - header),
  };
}

/**
 * A packet that its capture cut, with zeros to its length; of TCP with the checksum that they have,
 * since nobody can say any more whether its own was right. `room` is long enough for it.
 */
export function filledPacket({ bytes, length, tcp }: Packet, room: Uint8Array): Uint8Array {
  const filled = room.subarray(0, length).fill(0);
  filled.set(bytes);
  const view = viewOf(filled);
  const shape = tcp === undefined ? undefined : shapeOf(view);
  if (shape === undefined || shape.end > length) return filled;
  const { tcp: at, end, addresses, addressBytes } = shape;
  view.setUint16(at + TCP_CHECKSUM, 0);
  const pseudo = checksumAdd(IP.PROTOCOL_TCP + end - at, view, addresses, 2 * addressBytes);
  view.setUint16(at + TCP_CHECKSUM, checksumFinish(checksumAdd(pseudo, view, at, end - at)));
  return filled;
}
