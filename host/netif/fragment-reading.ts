/**
 * Fragments as they stand in a burst, of both families. Invariant: only what is sound by itself is
 * read; of the rest the stack behind says why it drops it, and answers where an RFC asks for that.
 */
import * as I from "../../bindings/abi/ip.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumHolds } from "../wire/checksum.ts";
import * as W from "../wire/ipv4.ts";
import { ipv6Destination, ipv6Source } from "../wire/ipv6.ts";
import { walkExtensions } from "../wire/ipv6-extension.ts";
import { fragmentOffset, isLastFragment, judgeFragment, packetEnd } from "../wire/ipv6-fragment.ts";
import type { Fragment } from "./datagram-slot.ts";

/** A fragment with the name of its datagram. */
export interface NamedFragment extends Fragment {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly name: number;
}

function isIpv4Fragment(view: DataView, ip: number, end: number): boolean {
  const field = view.getUint16(ip + I.IPV4_FRAGMENT);
  if ((field & I.IPV4_MORE_FRAGMENTS_OR_OFFSET) === 0) return false;
  const header = W.ipv4HeaderLength(view, ip);
  const total = W.ipv4TotalLength(view, ip);
  if (header < I.IPV4_SIZE || header >= total || ip + total > end) return false;
  const isLast = (field & I.IPV4_MORE_FRAGMENTS) === 0;
  if (!isLast && (total - header) % 8 !== 0) return false;
  return checksumHolds(checksumAdd(0, view, ip, header));
}

/** RFC 791: source, destination, protocol and identification name a datagram. */
export function readIpv4(
  bytes: Uint8Array,
  view: DataView,
  frame: number,
  ip: number,
  end: number,
): NamedFragment | undefined {
  if (!isIpv4Fragment(view, ip, end)) return undefined;
  const field = view.getUint16(ip + I.IPV4_FRAGMENT);
  const header = W.ipv4HeaderLength(view, ip);
  return {
    bytes,
    frame,
    ip,
    header,
    payload: ip + header,
    from: (field & I.IPV4_OFFSET_MASK) * 8,
    length: W.ipv4TotalLength(view, ip) - header,
    isLast: (field & I.IPV4_MORE_FRAGMENTS) === 0,
    ecn: view.getUint8(ip + I.IPV4_TOS) & 3,
    nameAt: 0,
    protocol: 0,
    source: W.ipv4Source(view, ip),
    destination: W.ipv4Destination(view, ip),
    name: view.getUint16(ip + I.IPV4_IDENTIFICATION) * 65536 + W.ipv4Protocol(view, ip),
  };
}

/** RFC 8200, 4.5: source, destination and identification name one. */
export function readIpv6(
  bytes: Uint8Array,
  view: DataView,
  frame: number,
  ip: number,
  end: number,
): NamedFragment | undefined {
  if (ip + I.IPV6_SIZE > end || W.ipVersion(view, ip) !== 6) return undefined;
  const after = packetEnd(view, ip);
  if (after > end) return undefined;
  const walk = walkExtensions(view, ip, after);
  if (walk.problem !== 0 || walk.protocol !== I.PROTOCOL_FRAGMENT) return undefined;
  const { at, nameAt } = walk;
  if (judgeFragment(view, ip, at, after).reason !== 0) return undefined;
  const payload = at + I.FRAGMENT_SIZE;
  return {
    bytes,
    frame,
    ip,
    header: at - ip,
    payload,
    from: fragmentOffset(view, at),
    length: after - payload,
    isLast: isLastFragment(view, at),
    ecn: (view.getUint8(ip + 1) >>> 4) & 3,
    nameAt: nameAt - ip,
    protocol: view.getUint8(at + I.FRAGMENT_NEXT_HEADER),
    source: ipv6Source(view, ip),
    destination: ipv6Destination(view, ip),
    name: view.getUint32(at + I.FRAGMENT_IDENTIFICATION),
  };
}
