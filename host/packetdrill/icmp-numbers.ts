/**
 * ICMP errors by the names that scripts use, and their numbers in ICMP (RFC 792, RFC 1122, 3.2.2.1,
 * RFC 1812, 5.2.7.1) and in ICMPv6 (RFC 4443). A name that one of them has no number for is
 * refused when the script's IP version is known.
 */
import * as I from "../../bindings/abi/icmp.ts";
import * as I6 from "../../bindings/abi/icmpv6.ts";

/** ICMP's number, ICMPv6's; undefined: it has none. */
type Numbers = readonly [v4: number | undefined, v6: number | undefined];

const TYPES: ReadonlyMap<string, Numbers> = new Map<string, Numbers>([
  ["unreachable", [I.ICMP_UNREACHABLE, I6.ICMPV6_UNREACHABLE]],
  ["time_exceeded", [I.ICMP_TIME_EXCEEDED, I6.ICMPV6_TIME_EXCEEDED]],
  ["source_quench", [I.ICMP_SOURCE_QUENCH, undefined]],
  ["parameter_problem", [I.ICMP_PARAMETER_PROBLEM, I6.ICMPV6_PARAMETER_PROBLEM]],
  ["packet_too_big", [undefined, I6.ICMPV6_PACKET_TOO_BIG]],
]);

const CODES: ReadonlyMap<string, Numbers> = new Map<string, Numbers>([
  ["net_unreachable", [I.UNREACHABLE_NET, I6.UNREACHABLE6_NO_ROUTE]],
  ["host_unreachable", [I.UNREACHABLE_HOST, I6.UNREACHABLE6_ADDRESS]],
  ["protocol_unreachable", [I.UNREACHABLE_PROTOCOL, undefined]],
  ["port_unreachable", [I.UNREACHABLE_PORT, I6.UNREACHABLE6_PORT]],
  ["frag_needed", [I.UNREACHABLE_FRAGMENTATION_NEEDED, undefined]],
  ["source_route_failed", [I.UNREACHABLE_SOURCE_ROUTE, undefined]],
  ["net_unknown", [6, undefined]],
  ["host_unknown", [7, undefined]],
  ["source_host_isolated", [8, undefined]],
  ["net_prohibited", [9, undefined]],
  ["host_prohibited", [10, undefined]],
  ["net_unreachable_for_tos", [11, undefined]],
  ["host_unreachable_for_tos", [12, undefined]],
  ["admin_prohibited", [13, I6.UNREACHABLE6_PROHIBITED]],
  ["noroute", [undefined, I6.UNREACHABLE6_NO_ROUTE]],
  ["addr_unreachable", [undefined, I6.UNREACHABLE6_ADDRESS]],
]);

/** Names of types. */
export const ICMP_TYPES: readonly string[] = [...TYPES.keys()];

/** Names of Destination Unreachable's codes. */
export const UNREACHABLE_NAMES: readonly string[] = [...CODES.keys()];

/** Type and code of an error; throws RangeError when the protocol does not have it. */
export function icmpNumbers(
  isIpv6: boolean,
  type: string,
  code: string,
): { type: number; code: number } {
  const at = isIpv6 ? 1 : 0;
  const number = TYPES.get(type)?.[at];
  const within = code === "" ? 0 : CODES.get(code)?.[at];
  if (number !== undefined && within !== undefined) return { type: number, code: within };
  const name = `icmp ${type} ${code}`.trim();
  throw new RangeError(`${name}: expected an error of ICMP${isIpv6 ? "v6" : " for IPv4"}`);
}

function nameOf(numbers: ReadonlyMap<string, Numbers>, at: 0 | 1, number: number): string {
  for (const [name, one] of numbers) if (one[at] === number) return name;
  return `${number}`;
}

/** The names of an error as a script has them; a number that has none stands for itself. */
export function icmpNames(isIpv6: boolean, type: number, code: number): string {
  const at = isIpv6 ? 1 : 0;
  const name = nameOf(TYPES, at, type);
  if (name === "unreachable") return `${name} ${nameOf(CODES, at, code)}`;
  return code === 0 ? name : `${name} ${code}`;
}
