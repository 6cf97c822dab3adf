/**
 * Packets of a script: `< [ect0] P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 1 ecr 2>`, ICMP
 * errors: `< [1:1461(1460)] icmp unreachable frag_needed mtu 1200`, and datagrams for a stack that
 * has no UDP: `< udp (100)`, `> [udp (100)] icmp unreachable port_unreachable`.
 */
import { TCP_ACK_FLAG, TCP_CWR, TCP_ECE, TCP_FIN, TCP_PSH } from "../../bindings/abi/tcp.ts";
import { TCP_RST, TCP_SYN, TCP_URG } from "../../bindings/abi/tcp.ts";
import type { Cursor } from "./cursor.ts";
import { ICMP_TYPES, UNREACHABLE_NAMES } from "./icmp-numbers.ts";
import type { EventTime, IcmpPattern, IpPattern, OptionPattern } from "./script.ts";
import type { PacketEvent, QuotedPattern, TcpPattern, UdpPattern } from "./script.ts";

/** Letters of the flags, as they are written and printed. */
export const FLAG_LETTERS: readonly (readonly [string, number])[] = [
  ["S", TCP_SYN],
  ["F", TCP_FIN],
  ["R", TCP_RST],
  ["P", TCP_PSH],
  [".", TCP_ACK_FLAG],
  ["U", TCP_URG],
  ["E", TCP_ECE],
  ["W", TCP_CWR],
];

/** Codepoints of ECN by name (RFC 3168, section 5). */
export const ECN_NAMES: readonly string[] = ["noecn", "ect1", "ect0", "ce"];

const U8 = 255;
const U16 = 65535;
const U32 = 0xffffffff;
const RANGE = /([0-9]+):([0-9]+)\(([0-9]+)\)/y;
const FLAGS = /([SFRP.UEW]+|-)(?=\s)/y;

function whole(cursor: Cursor, what: string, most: number): number {
  const found = cursor.expect(/0x[0-9a-fA-F]+|[0-9]+/y, what);
  const value = Number(found[0]);
  if (value > most) cursor.refuse(`expected ${what} up to ${most}, got ${found[0]}`);
  return value;
}

/** `1:1001(1000)`: start, end, payload bytes; they must agree. */
function parseRange(cursor: Cursor): { seq: number; length: number } {
  const found = cursor.expect(RANGE, "sequence numbers as 1:1001(1000)");
  const [seq, end, length] = [Number(found[1]), Number(found[2]), Number(found[3])] as const;
  if (seq > U32 || end > U32) cursor.refuse(`expected sequence numbers of 32 bits: ${found[0]}`);
  if ((seq + length) % (U32 + 1) !== end || length > U16) {
    cursor.refuse(`expected the end to be start plus length, got ${found[0]}`);
  }
  return { seq, length };
}

/** `[ect0]`, `[ttl 64,tos 0x10]`. */
function parseIp(cursor: Cursor): IpPattern {
  let ip: IpPattern = {};
  if (!cursor.sees(/\[\s*(?!tcp|udp)[a-z]/y)) return ip;
  cursor.take(/\[/y);
  do {
    const name = cursor.expect(/[a-z]+[01]?/y, "noecn, ect0, ect1, ce, tos or ttl")[0];
    const ecn = ECN_NAMES.indexOf(name);
    if (ecn >= 0) ip = { ...ip, ecn };
    else if (name === "tos") ip = { ...ip, tos: whole(cursor, "tos", U8) };
    else if (name === "ttl") ip = { ...ip, ttl: whole(cursor, "ttl", U8) };
    else cursor.refuse(`expected noecn, ect0, ect1, ce, tos or ttl, got ${name}`);
  } while (cursor.take(/,/y) !== undefined);
  cursor.expect(/\]/y, "]");
  return ip;
}

function parseSack(cursor: Cursor): OptionPattern {
  const blocks: [number, number][] = [];
  for (;;) {
    const found = cursor.take(/([0-9]+):([0-9]+)/y);
    if (found === undefined) break;
    blocks.push([Number(found[1]), Number(found[2])]);
  }
  if (blocks.length === 0) cursor.fail("SACK blocks as 1:1001 2001:3001");
  return { kind: "sack", blocks };
}

function parseStamps(cursor: Cursor): OptionPattern {
  cursor.expect(/val\b/y, "val");
  const value = whole(cursor, "TSval", U32);
  cursor.expect(/ecr\b/y, "ecr");
  return { kind: "TS", value, echo: whole(cursor, "TSecr", U32) };
}

/** `0xfe:0102`: an option by number, and its bytes in hex; an addition to the language. */
function parseRaw(cursor: Cursor): OptionPattern | undefined {
  const found = cursor.take(/0x([0-9a-f]{2}):((?:[0-9a-f]{2})*)/y);
  if (found === undefined) return undefined;
  const pairs = (found[2] as string).match(/../g) ?? [];
  const bytes = pairs.map((pair) => Number.parseInt(pair, 16));
  return { kind: "raw", number: Number.parseInt(found[1] as string, 16), bytes };
}

/** Bytes in hex; none is a request for a cookie (RFC 7413, 4.1.1). */
function parseCookie(cursor: Cursor): number[] {
  const pairs = cursor.take(/(?:[0-9a-fA-F]{2})+\b/y)?.[0].match(/../g) ?? [];
  return pairs.map((pair) => Number.parseInt(pair, 16));
}

function parseOption(cursor: Cursor): OptionPattern {
  const raw = parseRaw(cursor);
  if (raw !== undefined) return raw;
  const name = cursor.expect(/[A-Za-z0-9]+/y, "the name of an option")[0];
  if (name === "mss") return { kind: "mss", value: whole(cursor, "mss", U16) };
  if (name === "wscale") return { kind: "wscale", value: whole(cursor, "wscale", U8) };
  if (name === "TS") return parseStamps(cursor);
  if (name === "sack") return parseSack(cursor);
  if (name === "FO" || name === "FOEXP") return { kind: name, cookie: parseCookie(cursor) };
  if (name === "nop" || name === "eol" || name === "sackOK" || name === "md5") {
    return { kind: name };
  }
  const known = "mss, nop, eol, sackOK, wscale, TS, sack, FO, FOEXP or md5";
  return cursor.refuse(`expected ${known}, got ${name}`);
}

function parseOptions(cursor: Cursor): OptionPattern[] | "any" {
  if (cursor.take(/</y) === undefined) return [];
  if (cursor.take(/\.\.\.\s*>/y) !== undefined) return "any";
  const options = [parseOption(cursor)];
  while (cursor.take(/,/y) !== undefined) options.push(parseOption(cursor));
  cursor.expect(/>/y, "> behind the options");
  return options;
}

function flagBits(letters: string): number {
  let flags = 0;
  for (const [letter, bit] of FLAG_LETTERS) if (letters.includes(letter)) flags |= bit;
  return flags;
}

function parseTcp(cursor: Cursor, ip: IpPattern): TcpPattern {
  const letters = cursor.expect(FLAGS, "flags of SFRP.UEW, or -")[1] as string;
  const flags = flagBits(letters);
  const range = parseRange(cursor);
  const hasAck = cursor.take(/ack\b/y) !== undefined;
  const ack = hasAck ? whole(cursor, "ack", U32) : undefined;
  const window = cursor.take(/win\b/y) === undefined ? undefined : whole(cursor, "win", U16);
  const urgent = cursor.take(/urg\b/y) === undefined ? 0 : whole(cursor, "urg", U16);
  const options = parseOptions(cursor);
  if (hasAck && (flags & TCP_ACK_FLAG) === 0) {
    cursor.refuse(`expected the flag . beside ack ${ack}, got ${letters}`);
  }
  return { protocol: "tcp", ip, flags, ...range, ack, window, urgent, options };
}

function parseIcmp(cursor: Cursor, ip: IpPattern): IcmpPattern {
  const before = cursor.take(/\[/y) === undefined ? undefined : parseQuoted(cursor);
  cursor.expect(/icmp\b/y, "icmp");
  const type = cursor.expect(/[a-z_]+/y, "unreachable, time_exceeded or source_quench")[0];
  if (!ICMP_TYPES.includes(type)) {
    cursor.refuse(`expected ${ICMP_TYPES.join(", ")}, got ${type}`);
  }
  const code = type === "unreachable" ? parseCode(cursor) : "";
  const mtu = cursor.take(/mtu\b/y) === undefined ? 0 : whole(cursor, "mtu", U16);
  const behind = cursor.take(/\[/y) === undefined ? undefined : parseQuoted(cursor);
  const quoted = before ?? behind ?? cursor.fail("the quoted segment as [1:1461(1460)]");
  return { protocol: "icmp", ip, type, code, mtu, quoted };
}

function parseBytes(cursor: Cursor): number {
  cursor.expect(/\(/y, "payload bytes as (100)");
  const length = whole(cursor, "payload bytes", U16);
  cursor.expect(/\)/y, ")");
  return length;
}

function parseQuoted(cursor: Cursor): QuotedPattern {
  if (cursor.take(/udp\b/y) !== undefined) {
    const length = parseBytes(cursor);
    cursor.expect(/\]/y, "]");
    return { seq: undefined, length };
  }
  cursor.take(/tcp\b/y);
  const range = parseRange(cursor);
  cursor.expect(/\]/y, "]");
  return range;
}

function parseCode(cursor: Cursor): string {
  const name = cursor.expect(/[a-z_]+/y, "a code of unreachable")[0];
  if (UNREACHABLE_NAMES.includes(name)) return name;
  const known = UNREACHABLE_NAMES.join(", ");
  return cursor.refuse(`expected a code of unreachable (${known}), got ${name}`);
}

function parseUdp(cursor: Cursor, ip: IpPattern, direction: string): UdpPattern {
  if (direction === "outbound") cursor.refuse("udp: expected it with < only, the stack has none");
  cursor.expect(/udp\b/y, "udp");
  return { protocol: "udp", ip, length: parseBytes(cursor) };
}

export function parsePacket(cursor: Cursor, line: number, time: EventTime): PacketEvent {
  const direction = cursor.expect(/[<>]/y, "< or >")[0] === "<" ? "inbound" : "outbound";
  const ip = parseIp(cursor);
  const isIcmp = cursor.sees(/icmp\b|\[\s*(udp\b|(tcp\s*)?[0-9])/y);
  for (const other of ["gre", "mpls", "ipv4", "ipv6"]) {
    if (cursor.sees(new RegExp(`${other}\\b`, "y"))) {
      cursor.refuse(`${other}: the stack has TCP and ICMP only`);
    }
  }
  const event = { kind: "packet", line, time, direction } as const;
  if (isIcmp) return { ...event, packet: parseIcmp(cursor, ip) };
  if (cursor.sees(/udp\b/y)) return { ...event, packet: parseUdp(cursor, ip, direction) };
  return { ...event, packet: parseTcp(cursor, ip) };
}
