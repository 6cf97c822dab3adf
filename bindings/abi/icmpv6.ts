/** ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861): offsets from the start of the message. */
export const ICMPV6_TYPE: u32 = 0; // u8
export const ICMPV6_CODE: u32 = 1; // u8
export const ICMPV6_CHECKSUM: u32 = 2; // u16
/** Packet too big: next-hop MTU; parameter problem: pointer. */
export const ICMPV6_PARAMETER: u32 = 4; // u32
/** Errors quote the offending packet from here. */
export const ICMPV6_QUOTE: u32 = 8;
export const ICMPV6_SIZE: u32 = 8;

export const ICMPV6_UNREACHABLE: u32 = 1;
export const ICMPV6_PACKET_TOO_BIG: u32 = 2;
export const ICMPV6_TIME_EXCEEDED: u32 = 3;
export const ICMPV6_PARAMETER_PROBLEM: u32 = 4;
export const ICMPV6_ECHO_REQUEST: u32 = 128;
export const ICMPV6_ECHO_REPLY: u32 = 129;
export const ICMPV6_ROUTER_SOLICITATION: u32 = 133;
export const ICMPV6_ROUTER_ADVERTISEMENT: u32 = 134;
export const ICMPV6_NEIGHBOR_SOLICITATION: u32 = 135;
export const ICMPV6_NEIGHBOR_ADVERTISEMENT: u32 = 136;
export const ICMPV6_REDIRECT: u32 = 137;

export const UNREACHABLE6_NO_ROUTE: u32 = 0;
export const UNREACHABLE6_PROHIBITED: u32 = 1;
export const UNREACHABLE6_ADDRESS: u32 = 3;
export const UNREACHABLE6_PORT: u32 = 4;

export const PARAMETER_HEADER: u32 = 0;
export const PARAMETER_NEXT_HEADER: u32 = 1;
export const PARAMETER_OPTION: u32 = 2;
/** A first fragment without all of its headers (RFC 7112, 5). */
export const PARAMETER_INCOMPLETE: u32 = 3;
/** Time exceeded: of a datagram's pieces not all came in time. */
export const EXCEEDED_REASSEMBLY: u32 = 1;

/** Neighbour solicitation and advertisement; its options follow. */
export const NDP_FLAGS: u32 = 4; // u32 of an advertisement: NDP_*
export const NDP_TARGET: u32 = 8; // 16 bytes
export const NDP_SIZE: u32 = 24;
export const NDP_ROUTER: u32 = 0x80000000;
export const NDP_SOLICITED: u32 = 0x40000000;
export const NDP_OVERRIDE: u32 = 0x20000000;
/** Options: type, length in units of 8 bytes. */
export const NDP_OPTION_SOURCE: u32 = 1;
export const NDP_OPTION_TARGET: u32 = 2;
export const NDP_OPTION_PREFIX: u32 = 3;
export const NDP_OPTION_MTU: u32 = 5;
/** Router solicitation: reserved; advertisement: hop limit, flags, lifetime, two timers. */
export const RS_SIZE: u32 = 8;
export const RA_HOP_LIMIT: u32 = 4; // u8
export const RA_LIFETIME: u32 = 6; // u16: seconds
export const RA_SIZE: u32 = 16;
/** Prefix information, from the start of the option (RFC 4861, 4.6.2). */
export const PREFIX_LENGTH: u32 = 2; // u8
export const PREFIX_FLAGS: u32 = 3; // u8: on-link 0x80, autonomous 0x40
export const PREFIX_VALID: u32 = 4; // u32: seconds
export const PREFIX_PREFERRED: u32 = 8; // u32: seconds
export const PREFIX_PREFIX: u32 = 16; // 16 bytes
/** Of every neighbour discovery packet: who sent it is on the link (RFC 4861, 7.1). */
export const NDP_HOP_LIMIT: u32 = 255;
