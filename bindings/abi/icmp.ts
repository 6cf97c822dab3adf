/** ICMP for IPv4 (RFC 792): offsets from the start of the ICMP message. */
export const ICMP_TYPE: u32 = 0; // u8
export const ICMP_CODE: u32 = 1; // u8
export const ICMP_CHECKSUM: u32 = 2; // u16
/** Echo: identifier and sequence. Fragmentation needed: unused, next-hop MTU (RFC 1191). */
export const ICMP_IDENTIFIER: u32 = 4; // u16
export const ICMP_SEQUENCE: u32 = 6; // u16
export const ICMP_NEXT_HOP_MTU: u32 = 6; // u16
/** Errors quote the offending packet from here. */
export const ICMP_QUOTE: u32 = 8;
export const ICMP_SIZE: u32 = 8;

export const ICMP_ECHO_REPLY: u32 = 0;
export const ICMP_UNREACHABLE: u32 = 3;
export const ICMP_SOURCE_QUENCH: u32 = 4;
export const ICMP_REDIRECT: u32 = 5;
export const ICMP_ECHO_REQUEST: u32 = 8;
export const ICMP_TIME_EXCEEDED: u32 = 11;
export const ICMP_PARAMETER_PROBLEM: u32 = 12;

export const UNREACHABLE_NET: u32 = 0;
export const UNREACHABLE_HOST: u32 = 1;
export const UNREACHABLE_PROTOCOL: u32 = 2;
export const UNREACHABLE_PORT: u32 = 3;
export const UNREACHABLE_FRAGMENTATION_NEEDED: u32 = 4;
export const UNREACHABLE_SOURCE_ROUTE: u32 = 5;
