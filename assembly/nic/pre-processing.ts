/**
 * Pre-processing (4.3.1.3): Val, Id, Sum, Steer. Validates a received frame, finds its connection
 * and writes the header summary; what is not a segment of an installed connection goes to the
 * control plane. Reads frames and PRE records, writes only the work record.
 */
import { load16be, load32be } from "../base/bytes.ts";
import { fold, sumSmall, sumWords } from "../base/checksum.ts";
import { count, countDrop } from "../base/counter.ts";
import { findIpv4, findIpv6, hashIpv4 } from "../flow/connection-database.ts";
import { isConnection, preOf } from "../flow/flow-state.ts";
import { checkIpv4, ipv4HeaderLength, ipv4TotalLength } from "../wire/ipv4.ts";
import { addressSumIpv4, isInvalidIpv4Source } from "../wire/ipv4.ts";
import { checkIpv6, ipv6Ecn, ipv6PayloadLength, isInvalidIpv6Source } from "../wire/ipv6.ts";
import { parseOptions } from "../wire/tcp-options.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as E from "../../bindings/abi/ethernet.ts";
import { PRE_GENERATION, PRE_GROUP, PRE_STATE, PreState } from "../../bindings/abi/flow-state.ts";
import { ECN_CE, IPV4_DESTINATION, IPV4_PROTOCOL, IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { IPV4_SOURCE, IPV4_TOS, IPV6_NEXT_HEADER } from "../../bindings/abi/ip.ts";
import { IPV6_SIZE, IPV6_SOURCE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { CORE_VLAN } from "../../bindings/abi/memory-map.ts";
import * as T from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";

const TIMESTAMP_HEADER: u32 = T.TCP_SIZE + T.TIMESTAMP_OPTION_BYTES;
/** Source and destination address of IPv6. */
const ADDRESSES_BYTES: u32 = 32;
const CONTROL_FLAGS: u32 = T.TCP_FIN | T.TCP_SYN | T.TCP_RST | T.TCP_ACK_FLAG;

function drop(work: usize, reason: u32): void {
  store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
  store<u32>(work, reason, W.WORK_REASON);
}

/** Sends the frame to the control plane; `ip` is the IP header's address, 0 when there is none. */
function redirect(work: usize, ip: usize): void {
  store<u32>(work, W.ACTION_REDIRECT, W.WORK_ACTIONS);
  store<u32>(work, <u32>ip, W.WORK_PAYLOAD);
}

/** One received frame; `link` is the carrier's link header in bytes, 14 or 0. */
export function preProcessRx(core: usize, work: usize, link: u32): void {
  const ip = validateRx(core, work, link);
  if (ip != 0) identify(core, work, ip);
}

/**
 * Val and Sum of a received frame: the address of a valid TCP segment's IP header, 0 for all else,
 * whose verdict is in the work record then.
 */
export function validateRx(core: usize, work: usize, link: u32): usize {
  store<u32>(work, 0, W.WORK_CONNECTION);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_PAYLOAD);
  const ip = link == 0 ? rawPacket(work) : ethernetPayload(core, work);
  if (ip == 0) return 0;
  const end = <usize>load<u32>(work, W.WORK_FRAME) + load<u32>(work, W.WORK_FRAME_LENGTH);
  const remaining = <u32>(end - ip);
  if (isIpv6(ip)) return validateIpv6(core, work, ip, remaining);
  const reason = checkIpv4(ip, remaining);
  if (reason != DropReason.None) {
    drop(work, reason);
  } else if (<u32>load<u8>(ip, IPV4_PROTOCOL) != PROTOCOL_TCP) {
    redirect(work, ip);
  } else if (isInvalidIpv4Source(ip)) {
    drop(work, DropReason.IpSource);
  } else {
    const header = ipv4HeaderLength(ip);
    const length = ipv4TotalLength(ip) - header;
    const ecn = <u32>load<u8>(ip, IPV4_TOS) & 3;
    if (validateSegment(core, work, ip + header, length, addressSumIpv4(ip), ecn)) return ip;
  }
  return 0;
}

/** The first byte of a packet has been read. */
// @ts-ignore: decorator
@inline
export function isIpv6(ip: usize): bool {
  return <u32>load<u8>(ip) >> 4 == 6;
}

/** The same of an IPv6 packet; extension headers and other protocols are the control plane's. */
function validateIpv6(core: usize, work: usize, ip: usize, remaining: u32): usize {
  const reason = checkIpv6(ip, remaining);
  if (reason != DropReason.None) {
    drop(work, reason);
  } else if (<u32>load<u8>(ip, IPV6_NEXT_HEADER) != PROTOCOL_TCP) {
    redirect(work, ip);
  } else if (isInvalidIpv6Source(ip)) {
    drop(work, DropReason.IpSource);
  } else {
    const addresses = sumSmall(ip + IPV6_SOURCE, ADDRESSES_BYTES);
    const length = ipv6PayloadLength(ip);
    const ecn = ipv6Ecn(ip);
    if (validateSegment(core, work, ip + IPV6_SIZE, length, addresses, ecn)) return ip;
  }
  return 0;
}

/** A packet without link header: the version nibble decides. */
function rawPacket(work: usize): usize {
  const ip = <usize>load<u32>(work, W.WORK_FRAME);
  if (load<u32>(work, W.WORK_FRAME_LENGTH) < 1) {
    drop(work, DropReason.FrameTooShort);
    return 0;
  }
  const version = <u32>load<u8>(ip) >> 4;
  if (version == 4 || version == 6) return ip;
  drop(work, DropReason.IpVersion);
  return 0;
}

/** The IP packet of an Ethernet frame, or 0 when the verdict is in the work record. */
function ethernetPayload(core: usize, work: usize): usize {
  const frame = <usize>load<u32>(work, W.WORK_FRAME);
  const length = load<u32>(work, W.WORK_FRAME_LENGTH);
  let header = E.ETHERNET_SIZE;
  if (length < header) {
    drop(work, DropReason.FrameTooShort);
    return 0;
  }
  let type = load16be(frame, E.ETHERNET_TYPE);
  if (type == E.ETHER_TYPE_VLAN) {
    header += E.VLAN_SIZE;
    const vlan = length < header ? <u32>0 : load16be(frame, E.VLAN_TAG) & 0xfff;
    if (length < header || vlan != load<u32>(core, CORE_VLAN)) {
      drop(work, length < header ? DropReason.FrameTooShort : DropReason.VlanUnknown);
      return 0;
    }
    type = load16be(frame, E.VLAN_TYPE);
  }
  const ip = frame + header;
  if (type == E.ETHER_TYPE_IPV4 || type == E.ETHER_TYPE_IPV6) {
    const version: u32 = type == E.ETHER_TYPE_IPV4 ? 4 : 6;
    if (length > header && <u32>load<u8>(ip) >> 4 == version) return ip;
    drop(work, length > header ? DropReason.IpVersion : DropReason.FrameTooShort);
  } else if (type == E.ETHER_TYPE_ARP) {
    redirect(work, 0);
  } else {
    drop(work, DropReason.EtherTypeUnknown);
  }
  return 0;
}

/** Lengths and checksum of a TCP segment (RFC 9293 MUST-3); false, and dropped, when bad. */
function validateSegment(
  core: usize,
  work: usize,
  tcp: usize,
  length: u32,
  addresses: u64,
  ecn: u32,
): bool {
  const reason = checkSegment(tcp, length, addresses);
  if (reason != DropReason.None) {
    drop(work, reason);
    return false;
  }
  const offset = (<u32>load<u8>(tcp, T.TCP_DATA_OFFSET) >> 4) << 2;
  store<u32>(work, <u32>tcp, W.WORK_TCP);
  store<u32>(work, load<u8>(tcp, T.TCP_FLAGS), W.WORK_FLAGS);
  summarise(core, work, ecn, tcp, offset, length);
  return true;
}

// @ts-ignore: decorator
@inline
function checkSegment(tcp: usize, length: u32, addresses: u64): u32 {
  if (length < T.TCP_SIZE) return DropReason.IpTotalLength;
  const offset = (<u32>load<u8>(tcp, T.TCP_DATA_OFFSET) >> 4) << 2;
  if (offset < T.TCP_SIZE || offset > length) return DropReason.TcpHeaderLength;
  // The pseudo header (RFC 9293, 3.1; RFC 8200, 8.1).
  const pseudo = addresses + (PROTOCOL_TCP << 8) + bswap<u16>(<u16>length);
  const sum = sumWords(tcp, length) + pseudo;
  if (fold(sum) != 0xffff) return DropReason.TcpChecksum;
  const flags: u32 = load<u8>(tcp, T.TCP_FLAGS);
  return (flags & CONTROL_FLAGS) == 0 ? DropReason.TcpNoFlags : DropReason.None;
}

/** The connection with the 4-tuple of a validated segment, or 0. */
// @ts-ignore: decorator
@inline
function connectionOf(core: usize, work: usize, ip: usize): u32 {
  if (isIpv6(ip)) return findIpv6(core, ip);
  const remote = load<u32>(ip, IPV4_SOURCE);
  const local = load<u32>(ip, IPV4_DESTINATION);
  const ports = load<u32>(<usize>load<u32>(work, W.WORK_TCP));
  return findIpv4(core, hashIpv4(core, remote, local, ports), remote, local, ports);
}

/** Id: the connection by its 4-tuple; Steer: its flow group. */
export function identify(core: usize, work: usize, ip: usize): void {
  const connection = connectionOf(core, work, ip);
  store<u32>(work, connection, W.WORK_CONNECTION);
  const pre = preOf(core, connection);
  if (connection == 0 || load<u8>(pre, PRE_STATE) != <u8>PreState.Installed) {
    return redirect(work, ip);
  }
  store<u32>(work, load<u32>(pre, PRE_GENERATION), W.WORK_GENERATION);
  store<u32>(work, load<u8>(pre, PRE_GROUP), W.WORK_GROUP);
}

/** Sum: the header fields that later stages need. */
function summarise(
  core: usize,
  work: usize,
  ecn: u32,
  tcp: usize,
  offset: u32,
  length: u32,
): void {
  if (ecn == ECN_CE) count(core, Counter.EcnMarksIn);
  store<u32>(work, load32be(tcp, T.TCP_SEQ), W.WORK_SEQ);
  store<u32>(work, load32be(tcp, T.TCP_ACK), W.WORK_ACK);
  store<u32>(work, load16be(tcp, T.TCP_WINDOW), W.WORK_WINDOW);
  store<u32>(work, ecn, W.WORK_ECN);
  store<u32>(work, <u32>tcp + offset, W.WORK_PAYLOAD);
  store<u32>(work, length - offset, W.WORK_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_OPTIONS);
  if (offset == T.TCP_SIZE) return;
  // The layout that every stack sends: NOP, NOP, timestamps (RFC 7323, appendix A).
  if (offset == TIMESTAMP_HEADER && load32be(tcp, T.TCP_SIZE) == T.TIMESTAMP_OPTION_PREFIX) {
    store<u32>(work, W.OPTION_HAS_TIMESTAMP, W.WORK_OPTIONS);
    store<u32>(work, load32be(tcp, T.TCP_SIZE + 4), W.WORK_TS_VAL);
    store<u32>(work, load32be(tcp, T.TCP_SIZE + 8), W.WORK_TS_ECR);
  } else if (!parseOptions(work, tcp + T.TCP_SIZE, tcp + offset)) {
    countDrop(core, DropReason.TcpOptionLength);
  }
}

/** Steer for host control and timers: the connection, its generation and its owner. */
export function preProcessHostControl(
  core: usize,
  work: usize,
  connection: u32,
  generation: u32,
): bool {
  store<u32>(work, connection, W.WORK_CONNECTION);
  store<u32>(work, 0, W.WORK_ACTIONS);
  if (!isConnection(core, connection)) {
    drop(work, DropReason.DescriptorConnection);
    return false;
  }
  const pre = preOf(core, connection);
  if (load<u8>(pre, PRE_STATE) != <u8>PreState.Installed) {
    drop(work, DropReason.DescriptorConnection);
    return false;
  }
  if (load<u32>(pre, PRE_GENERATION) != generation) {
    drop(work, DropReason.DescriptorGeneration);
    return false;
  }
  store<u32>(work, generation, W.WORK_GENERATION);
  store<u32>(work, load<u8>(pre, PRE_GROUP), W.WORK_GROUP);
  return true;
}

/** Steer for transmission. */
// @ts-ignore: decorator
@inline
export function preProcessTx(core: usize, work: usize, connection: u32): void {
  const pre = preOf(core, connection);
  store<u32>(work, connection, W.WORK_CONNECTION);
  store<u32>(work, load<u32>(pre, PRE_GENERATION), W.WORK_GENERATION);
  store<u32>(work, load<u8>(pre, PRE_GROUP), W.WORK_GROUP);
  store<u32>(work, 0, W.WORK_ACTIONS);
}

if (IPV4_SIZE != 20) ERROR("IPv4 header without options");
