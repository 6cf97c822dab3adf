/**
 * The checkers' own reading of a frame (RFC 9293, 3.1; RFC 791, 3.1; RFC 8200, 3): nothing of it
 * comes from the code under test. Invariant: never throws; what is wrong with it is said in words.
 */
const ETHERNET = 14;
const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_ARP = 0x0806;
const ETHER_TYPE_IPV6 = 0x86dd;
const PROTOCOL_ICMP = 1;
const PROTOCOL_TCP = 6;
const PROTOCOL_ICMPV6 = 58;
const IPV6_HEADER = 40;
/** fd00::/96: addresses of the simulation, whose last four bytes are those of IPv4. */
const PREFIX = [0xfd000000, 0, 0];

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

const LENGTHS: Readonly<Record<number, number>> = { 2: 4, 3: 3, 4: 2, 8: 10 };

/** A TCP segment as it stands on the wire; one object is used again and again. */
export class Segment {
  /** False: no TCP, and nothing below counts. */
  isTcp = false;
  /** Why the frame is no legal one; "" when it is. */
  wrong = "";
  /** Addresses; of an IPv6 one the last four bytes. */
  source = 0;
  destination = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  /** Of the IP packet. */
  totalBytes = 0;
  /** Of IPv6: 0 may arrive (RFC 8200, 3). 1 of IPv4, where 0 is wrong. */
  hopLimit = 1;
  payloadAt = 0;
  payloadBytes = 0;
  optionBytes = 0;
  /** Options: -1 or false when absent. */
  mss = -1;
  scale = -1;
  sackPermitted = false;
  timestamp = -1;
  timestampEcho = -1;
  /** Edges in pairs. */
  readonly sack: number[] = [];

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Sequence numbers that it takes, FIN and SYN included. */
  get span(): number {
    return this.payloadBytes + (this.has(FIN) ? 1 : 0) + (this.has(SYN) ? 1 : 0);
  }
}

/** Sum of big-endian 16-bit words in ones' complement, not folded. */
function sum(view: DataView, from: number, bytes: number): number {
  let total = 0;
  const end = from + (bytes & ~1);
  for (let at = from; at < end; at += 2) total += view.getUint16(at);
  return (bytes & 1) === 0 ? total : total + (view.getUint8(end) << 8);
}

function folded(total: number): number {
  let value = total;
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 0x10000);
  return value;
}

/** Where the IP header begins; -1 when there is none. */
function ipAt(view: DataView, at: number, bytes: number, isEthernet: boolean): number {
  const ip = isEthernet ? at + ETHERNET : at;
  if (at + bytes < ip + 20) return -1;
  const version = view.getUint8(ip) >>> 4;
  if (version !== 4 && version !== 6) return -1;
  if (version === 6 && at + bytes < ip + IPV6_HEADER) return -1;
  const type = version === 4 ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6;
  return isEthernet && view.getUint16(at + 12) !== type ? -1 : ip;
}

/** What the packet carries; -1 when there is none. */
function protocolAt(view: DataView, ip: number): number {
  if (ip < 0) return -1;
  return view.getUint8(ip + (view.getUint8(ip) >>> 4 === 4 ? 9 : 6));
}

/** True for a frame that a stack may send beside TCP: ARP, ICMP, ICMPv6. */
function isOther(view: DataView, at: number, ip: number, isEthernet: boolean): boolean {
  const protocol = protocolAt(view, ip);
  if (ip < 0) return isEthernet && view.getUint16(at + 12) === ETHER_TYPE_ARP;
  return protocol === (view.getUint8(ip) >>> 4 === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
}

function readOptions(view: DataView, from: number, to: number, out: Segment): void {
  for (let at = from; at < to; ) {
    const kind = view.getUint8(at);
    if (kind === 0) return;
    if (kind === 1) {
      at += 1;
      continue;
    }
    const bytes = at + 1 < to ? view.getUint8(at + 1) : 0;
    if (bytes < 2 || at + bytes > to) {
      out.wrong ||= `option ${kind} has length ${bytes}`;
      return;
    }
    readOption(view, at, kind, bytes, out);
    at += bytes;
  }
}

function readOption(view: DataView, at: number, kind: number, bytes: number, out: Segment): void {
  const fixed = LENGTHS[kind];
  const isSack = kind === 5 && bytes > 2 && (bytes - 2) % 8 === 0;
  if (fixed !== undefined ? fixed !== bytes : !isSack) {
    out.wrong ||= `option ${kind} has length ${bytes}`;
  } else if (kind === 2) {
    out.mss = view.getUint16(at + 2);
  } else if (kind === 3) {
    out.scale = view.getUint8(at + 2);
  } else if (kind === 4) {
    out.sackPermitted = true;
  } else if (kind === 8) {
    out.timestamp = view.getUint32(at + 2);
    out.timestampEcho = view.getUint32(at + 6);
  } else {
    for (let edge = at + 2; edge < at + bytes; edge += 4) out.sack.push(view.getUint32(edge));
  }
}

function clear(out: Segment): void {
  out.isTcp = false;
  out.wrong = "";
  out.hopLimit = 1;
  out.mss = -1;
  out.scale = -1;
  out.sackPermitted = false;
  out.timestamp = -1;
  out.timestampEcho = -1;
  out.sack.length = 0;
}

/** Checks IPv4's header; its length, or 0 when the packet is no legal one. */
function readIpv4(view: DataView, ip: number, room: number, out: Segment): number {
  const header = (view.getUint8(ip) & 15) * 4;
  out.totalBytes = view.getUint16(ip + 2);
  if (header < 20 || out.totalBytes < header || out.totalBytes > room) {
    out.wrong = `IP lengths ${header}, ${out.totalBytes} of ${room} bytes`;
    return 0;
  }
  if (folded(sum(view, ip, header)) !== 0xffff) out.wrong = "IP checksum";
  if ((view.getUint16(ip + 6) & 0x3fff) !== 0) out.wrong ||= "IP fragment";
  if (view.getUint8(ip + 8) === 0) out.wrong ||= "TTL 0";
  out.source = view.getUint32(ip + 12);
  out.destination = view.getUint32(ip + 16);
  return header;
}

/** The same of IPv6's, which has no checksum. */
function readIpv6(view: DataView, ip: number, room: number, out: Segment): number {
  out.totalBytes = IPV6_HEADER + view.getUint16(ip + 4);
  if (out.totalBytes > room) {
    out.wrong = `IP length ${out.totalBytes} of ${room} bytes`;
    return 0;
  }
  out.hopLimit = view.getUint8(ip + 7);
  for (const address of [ip + 8, ip + 24]) {
    const isOurs = PREFIX.every((word, i) => view.getUint32(address + 4 * i) === word);
    if (!isOurs) out.wrong ||= "an address of no host";
  }
  out.source = view.getUint32(ip + 20);
  out.destination = view.getUint32(ip + 36);
  return IPV6_HEADER;
}

/** Sum of the addresses' words, for the pseudo-header. */
function addressSum(view: DataView, ip: number): number {
  const isIpv4 = view.getUint8(ip) >>> 4 === 4;
  return isIpv4 ? sum(view, ip + 12, 8) : sum(view, ip + 8, 32);
}

function readTcp(view: DataView, ip: number, length: number, out: Segment): void {
  const tcp = ip + length;
  const bytes = out.totalBytes - length;
  const header = bytes < 20 ? 0 : (view.getUint8(tcp + 12) >>> 4) * 4;
  if (header < 20 || header > bytes) {
    out.wrong ||= `TCP header of ${header} in ${bytes} bytes`;
    return;
  }
  out.isTcp = true;
  out.sourcePort = view.getUint16(tcp);
  out.destinationPort = view.getUint16(tcp + 2);
  out.seq = view.getUint32(tcp + 4);
  out.ack = view.getUint32(tcp + 8);
  out.flags = view.getUint8(tcp + 13);
  out.window = view.getUint16(tcp + 14);
  out.optionBytes = header - 20;
  out.payloadAt = tcp + header;
  out.payloadBytes = bytes - header;
  const pseudo = PROTOCOL_TCP + bytes + addressSum(view, ip);
  if (folded(pseudo + sum(view, tcp, bytes)) !== 0xffff) out.wrong ||= "TCP checksum";
  readOptions(view, tcp + 20, tcp + header, out);
}

/** Reads the frame of `bytes` bytes at `at` into `out`; one of neither IP nor ARP is "unknown". */
export function readFrame(
  view: DataView,
  at: number,
  bytes: number,
  isEthernet: boolean,
  out: Segment,
): void {
  clear(out);
  const ip = ipAt(view, at, bytes, isEthernet);
  if (protocolAt(view, ip) !== PROTOCOL_TCP) {
    if (bytes < ETHERNET || !isOther(view, at, ip, isEthernet)) out.wrong = "unknown frame";
    return;
  }
  const read = view.getUint8(ip) >>> 4 === 4 ? readIpv4 : readIpv6;
  const header = read(view, ip, at + bytes - ip, out);
  if (header > 0) readTcp(view, ip, header, out);
}
