/**
 * IPv6 extension headers (RFC 8200, 4): a walk from the IPv6 header to what is behind them, bounded
 * in headers, bytes and options. It decides nothing but what RFC 8200 leaves no choice in; a header
 * that lies about its length ends it.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as ICMP from "../../bindings/abi/icmpv6.ts";
import * as I from "../../bindings/abi/ip.ts";
import { EXTENSION_BYTES_MAX, EXTENSION_HEADERS_MAX } from "../../bindings/abi/limits.ts";
import { IPV6_OPTIONS_MAX } from "../../bindings/abi/limits.ts";

/** What a walk found. One record is filled again and again. */
export interface ExtensionWalk {
  /** What follows the headers that were read: a transport, or PROTOCOL_FRAGMENT at `at`. */
  protocol: number;
  /** Offset of that in the view. */
  at: number;
  /** Offset of the byte that names `protocol`. */
  nameAt: number;
  /** A DropReason; 0 = none. */
  problem: number;
  /** Code of the parameter problem that answers it and the offset it points at; -1 = silence. */
  code: number;
  pointAt: number;
  /** The answer is sent to a multicast destination as well (RFC 8200, 4.2, option type 10). */
  toMulticast: boolean;
  /** A fragment header was among them. */
  isAtomic: boolean;
}

const WALK: ExtensionWalk = {
  protocol: 0,
  at: 0,
  nameAt: 0,
  problem: 0,
  code: -1,
  pointAt: 0,
  toMulticast: false,
  isAtomic: false,
};

const PAD1 = 0;
const PADN = 1;

function refuse(problem: number, code = -1, pointAt = 0, toMulticast = false): void {
  WALK.problem = problem;
  WALK.code = code;
  WALK.pointAt = pointAt;
  WALK.toMulticast = toMulticast;
}

/** What to do about an option that we do not know: its type's upper two bits (RFC 8200, 4.2). */
function refuseOption(type: number, at: number): boolean {
  const action = type >>> 6;
  if (action === 0) return false;
  if (action === 1) refuse(DropReason.ExtensionOption);
  else refuse(DropReason.ExtensionOption, ICMP.PARAMETER_OPTION, at, action === 2);
  return true;
}

/** Options of a hop-by-hop or destination header; true when they let the packet pass. */
function readOptions(view: DataView, from: number, end: number): boolean {
  let at = from;
  for (let count = 0; at < end; count += 1) {
    const type = view.getUint8(at);
    if (type === PAD1) {
      at += 1;
      continue;
    }
    if (count >= IPV6_OPTIONS_MAX) {
      refuse(DropReason.ExtensionLimit);
      return false;
    }
    const length = at + 1 < end ? view.getUint8(at + 1) + 2 : 256;
    if (at + length > end) {
      refuse(DropReason.ExtensionLength, ICMP.PARAMETER_HEADER, at + 1);
      return false;
    }
    if (type !== PADN && refuseOption(type, at)) return false;
    at += length;
  }
  return true;
}

/** RFC 5095: type 0 is refused; RFC 8200, 4.4: so is any with segments left that we do not know. */
function readRouting(view: DataView, at: number): boolean {
  if (view.getUint8(at + 3) === 0) return true;
  refuse(DropReason.RoutingHeader, ICMP.PARAMETER_HEADER, at + 2);
  return false;
}

function readHeader(view: DataView, at: number, end: number, isOptions: boolean): boolean {
  return isOptions ? readOptions(view, at + 2, end) : readRouting(view, at);
}

/** A packet that was not fragmented and says so (RFC 6946): it waits for no others. */
function isAtomicFragment(view: DataView, at: number, end: number): boolean {
  return at + 8 <= end && (view.getUint16(at + 2) & 0xfff9) === 0;
}

/**
 * Walks the headers of the packet at `ip`, which ends before `end`; both within the view. Stops at
 * a fragment header and at anything that is no extension header. The result is overwritten by the
 * next walk.
 */
export function walkExtensions(view: DataView, ip: number, end: number): ExtensionWalk {
  return walkHeaders(view, ip + I.IPV6_NEXT_HEADER, ip + I.IPV6_SIZE, end, true);
}

/**
 * The same from the byte that names the header at `from`. `leads`: that one is the first of its
 * packet's.
 */
export function walkHeaders(
  view: DataView,
  nameAt: number,
  from: number,
  end: number,
  leads: boolean,
): ExtensionWalk {
  const walk = WALK;
  walk.protocol = view.getUint8(nameAt);
  walk.at = from;
  walk.nameAt = nameAt;
  walk.isAtomic = false;
  refuse(0);
  for (let count = 0; ; count += 1) {
    const { protocol, at } = walk;
    const isOptions =
      protocol === I.PROTOCOL_HOP_BY_HOP || protocol === I.PROTOCOL_DESTINATION_OPTIONS;
    const isAtomic = protocol === I.PROTOCOL_FRAGMENT && isAtomicFragment(view, at, end);
    if (!isOptions && !isAtomic && protocol !== I.PROTOCOL_ROUTING) return walk;
    const length = isAtomic || at + 8 > end ? 8 : (view.getUint8(at + 1) + 1) * 8;
    if (protocol === I.PROTOCOL_HOP_BY_HOP && (count > 0 || !leads)) {
      // RFC 8200, 4.1: only behind the IPv6 header.
      refuse(DropReason.ExtensionLength, ICMP.PARAMETER_NEXT_HEADER, walk.nameAt);
    } else if (at + length > end) {
      refuse(DropReason.ExtensionLength);
    } else if (count >= EXTENSION_HEADERS_MAX || at + length - from > EXTENSION_BYTES_MAX) {
      refuse(DropReason.ExtensionLimit);
    } else if (isAtomic || readHeader(view, at, at + length, isOptions)) {
      walk.isAtomic = walk.isAtomic || isAtomic;
      walk.protocol = view.getUint8(at);
      walk.nameAt = at;
      walk.at = at + length;
      continue;
    }
    return walk;
  }
}
