/**
 * IPv6 fragments one at a time (RFC 8200, 4.5; RFC 7112): what a piece says of itself, and what is
 * wrong with it whatever the others are. What takes several pieces to know is the reassembler's.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as ICMP from "../../bindings/abi/icmpv6.ts";
import * as I from "../../bindings/abi/ip.ts";
import { TCP_DATA_OFFSET, TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { UDP_SIZE } from "../../bindings/abi/udp.ts";
import { walkHeaders } from "./ipv6-extension.ts";
import { ipv6PayloadLength } from "./ipv6.ts";

/** Why a piece is dropped, and what answers it. One record is filled again and again. */
export interface FragmentFault {
  /** A DropReason; 0 = none. */
  reason: number;
  /** Code of the parameter problem, and the offset from the IPv6 header; -1 = silence. */
  code: number;
  pointer: number;
}

const FAULT: FragmentFault = { reason: 0, code: -1, pointer: 0 };
const PAYLOAD_MAX = 0xffff;

function fault(reason: number, code = -1, pointer = 0): FragmentFault {
  FAULT.reason = reason;
  FAULT.code = code;
  FAULT.pointer = pointer;
  return FAULT;
}

/** Bytes in front of a piece's payload in the datagram's. `at`: its fragment header. */
export function fragmentOffset(view: DataView, at: number): number {
  return view.getUint16(at + I.FRAGMENT_FIELD) & I.FRAGMENT_OFFSET_MASK;
}

export function isLastFragment(view: DataView, at: number): boolean {
  return (view.getUint16(at + I.FRAGMENT_FIELD) & I.FRAGMENT_MORE) === 0;
}

/** Bytes that a header behind all extension headers has; 0 where we know none. */
function upperBytes(view: DataView, protocol: number, at: number, end: number): number {
  if (protocol === I.PROTOCOL_TCP) {
    const isShort = at + TCP_SIZE > end;
    return isShort ? TCP_SIZE : Math.max(5, view.getUint8(at + TCP_DATA_OFFSET) >>> 4) * 4;
  }
  if (protocol === I.PROTOCOL_UDP) return UDP_SIZE;
  return protocol === I.PROTOCOL_ICMPV6 ? ICMP.ICMPV6_SIZE : 0;
}

/** True for neighbour discovery, which may not come in fragments (RFC 6980, 5). */
export function isDiscovery(view: DataView, at: number): boolean {
  const type = view.getUint8(at + ICMP.ICMPV6_TYPE);
  return type >= ICMP.ICMPV6_ROUTER_SOLICITATION && type <= ICMP.ICMPV6_REDIRECT;
}

/** RFC 8200, 4.5; RFC 7112, 5: all headers are in the first piece, for those who filter. */
function judgeFirst(view: DataView, at: number, end: number): FragmentFault {
  const from = at + I.FRAGMENT_SIZE;
  const inner = walkHeaders(view, at + I.FRAGMENT_NEXT_HEADER, from, end, false);
  const isCut = inner.problem === DropReason.ExtensionLength && inner.code < 0;
  const { protocol } = inner;
  const bytes = upperBytes(view, protocol, inner.at, end);
  if (isCut || (inner.problem === 0 && inner.at + bytes > end)) {
    return fault(DropReason.FragmentHeaders, ICMP.PARAMETER_INCOMPLETE);
  }
  const isIcmp = inner.problem === 0 && protocol === I.PROTOCOL_ICMPV6;
  if (isIcmp && isDiscovery(view, inner.at)) return fault(DropReason.FragmentNdp);
  return fault(0);
}

/**
 * Judges the piece whose fragment header is at `at`, behind the IPv6 header at `ip`, in a packet
 * that ends before `end`. The result is overwritten by the next.
 */
export function judgeFragment(view: DataView, ip: number, at: number, end: number): FragmentFault {
  const from = at + I.FRAGMENT_SIZE;
  if (from > end) return fault(DropReason.ExtensionLength);
  const length = end - from;
  const offset = fragmentOffset(view, at);
  if (length === 0) return fault(DropReason.FragmentLength);
  // RFC 8200, 4.5: each but the last one has whole blocks.
  if (!isLastFragment(view, at) && length % 8 !== 0) {
    return fault(DropReason.FragmentLength, ICMP.PARAMETER_HEADER, I.IPV6_PAYLOAD_LENGTH);
  }
  // What stands in front of the fragment header is the whole packet's payload too.
  const front = at - ip - I.IPV6_SIZE;
  if (front + offset + length > PAYLOAD_MAX) {
    return fault(DropReason.FragmentBeyond, ICMP.PARAMETER_HEADER, at + I.FRAGMENT_FIELD - ip);
  }
  return offset === 0 ? judgeFirst(view, at, end) : fault(0);
}

/** The end of the packet at `ip` as its header has it. */
export function packetEnd(view: DataView, ip: number): number {
  return ip + I.IPV6_SIZE + ipv6PayloadLength(view, ip);
}
