/**
 * What a packet says in the script's own language, and how it differs from what was expected.
 * Both sides are TcpPatterns with the script's numbers. What the script leaves out is not looked
 * at: window, `<...>`, IP header; flags, numbers, length and options are compared whole.
 */
import type { TcpPattern, OptionPattern } from "./script.ts";
import { ECN_NAMES, FLAG_LETTERS } from "./parse-packet.ts";

/** A packet that the stack has sent. */
export interface SentPacket extends TcpPattern {
  readonly ack: number;
  readonly window: number;
  readonly ip: { readonly ecn: number; readonly tos: number; readonly ttl: number };
  readonly options: readonly OptionPattern[];
}

export interface MatchRules {
  /** PSH of a segment with payload is not compared. */
  readonly ignorePush: boolean;
  /** Units by which a TSval may differ; Infinity: it is not compared. */
  readonly stampTolerance: number;
}

const ACK_FLAG = 0x10;
const PUSH_FLAG = 0x08;

export function flagsText(flags: number): string {
  const letters = FLAG_LETTERS.filter(([, bit]) => (flags & bit) !== 0).map(([letter]) => letter);
  return letters.join("") || "-";
}

function optionText(option: OptionPattern): string {
  if (option.kind === "mss" || option.kind === "wscale") return `${option.kind} ${option.value}`;
  if (option.kind === "TS") return `TS val ${option.value} ecr ${option.echo}`;
  if (option.kind === "sack") {
    return `sack ${option.blocks.map(([left, right]) => `${left}:${right}`).join(" ")}`;
  }
  const hex = (byte: number): string => byte.toString(16).padStart(2, "0");
  if (option.kind === "FO" || option.kind === "FOEXP") {
    return `${option.kind} ${option.cookie.map(hex).join("")}`.trim();
  }
  if (option.kind !== "raw") return option.kind;
  return `0x${hex(option.number)}:${option.bytes.map(hex).join("")}`;
}

export function optionsText(options: readonly OptionPattern[] | "any"): string {
  if (options === "any") return "<...>";
  return options.length === 0 ? "" : `<${options.map(optionText).join(",")}>`;
}

/** The packet as a script has it; its IP header where `expected` asks for it. */
export function packetText(packet: TcpPattern, expected: TcpPattern = packet): string {
  const { ecn, tos, ttl } = packet.ip;
  const ip: string[] = [];
  if (expected.ip.ecn !== undefined && ecn !== undefined) ip.push(ECN_NAMES[ecn] as string);
  if (expected.ip.tos !== undefined) ip.push(`tos ${tos}`);
  if (expected.ip.ttl !== undefined) ip.push(`ttl ${ttl}`);
  const words = [
    ip.length > 0 ? `[${ip.join(",")}]` : "",
    flagsText(packet.flags),
    `${packet.seq}:${(packet.seq + packet.length) >>> 0}(${packet.length})`,
    (packet.flags & ACK_FLAG) !== 0 && packet.ack !== undefined ? `ack ${packet.ack}` : "",
    packet.window === undefined ? "" : `win ${packet.window}`,
    packet.urgent === 0 ? "" : `urg ${packet.urgent}`,
    optionsText(packet.options),
  ];
  return words.filter((word) => word !== "").join(" ");
}

/** True when two options are the same, TSvals within the tolerance. */
function sameOption(expected: OptionPattern, actual: OptionPattern, rules: MatchRules): boolean {
  if (expected.kind !== "TS" || actual.kind !== "TS") {
    return optionText(expected) === optionText(actual);
  }
  // Distance on the circle of 32 bits (RFC 7323, 5.2).
  const distance = Math.abs((actual.value - expected.value) | 0);
  return expected.echo === actual.echo && distance <= rules.stampTolerance;
}

function sameOptions(expected: TcpPattern, actual: SentPacket, rules: MatchRules): boolean {
  const { options } = expected;
  if (options === "any") return true;
  if (options.length !== actual.options.length) return false;
  return options.every((one, i) => sameOption(one, actual.options[i] as OptionPattern, rules));
}

/** Differences as `flags: expected S., got S`; empty when the packet is the expected one. */
export function differences(expected: TcpPattern, actual: SentPacket, rules: MatchRules): string[] {
  const found: string[] = [];
  const compare = (name: string, wanted: number | string | undefined, got: number | string) => {
    if (wanted !== undefined && wanted !== got) {
      found.push(`${name}: expected ${wanted}, got ${got}`);
    }
  };
  const seen = rules.ignorePush && expected.length > 0 ? ~PUSH_FLAG : ~0;
  if ((expected.flags & seen) !== (actual.flags & seen)) {
    compare("flags", flagsText(expected.flags), flagsText(actual.flags));
  }
  compare("sequence", expected.seq, actual.seq);
  compare("payload length", expected.length, actual.length);
  if ((expected.flags & ACK_FLAG) !== 0) compare("ack", expected.ack, actual.ack);
  compare("window", expected.window, actual.window);
  compare("urgent pointer", expected.urgent, actual.urgent);
  const { ecn, tos, ttl } = expected.ip;
  if (ecn !== undefined) compare("ECN", ECN_NAMES[ecn], ECN_NAMES[actual.ip.ecn] as string);
  compare("TOS", tos, actual.ip.tos);
  compare("TTL", ttl, actual.ip.ttl);
  if (!sameOptions(expected, actual, rules)) {
    const wanted = optionsText(expected.options) || "none";
    found.push(`options: expected ${wanted}, got ${optionsText(actual.options) || "none"}`);
  }
  return found;
}
