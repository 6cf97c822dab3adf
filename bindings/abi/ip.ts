/** IPv4 (RFC 791) and IPv6 (RFC 8200): offsets from the start of the packet. */
export const IPV4_VERSION_IHL: u32 = 0; // u8
export const IPV4_TOS: u32 = 1; // u8: DSCP 6, ECN 2
export const IPV4_TOTAL_LENGTH: u32 = 2; // u16
export const IPV4_IDENTIFICATION: u32 = 4; // u16
export const IPV4_FRAGMENT: u32 = 6; // u16: reserved 1, DF 1, MF 1, offset 13
export const IPV4_TTL: u32 = 8; // u8
export const IPV4_PROTOCOL: u32 = 9; // u8
export const IPV4_CHECKSUM: u32 = 10; // u16
export const IPV4_SOURCE: u32 = 12; // 4 bytes
export const IPV4_DESTINATION: u32 = 16; // 4 bytes
export const IPV4_SIZE: u32 = 20;
export const IPV4_DONT_FRAGMENT: u32 = 0x4000;
export const IPV4_MORE_FRAGMENTS_OR_OFFSET: u32 = 0x3fff;
export const IPV4_MORE_FRAGMENTS: u32 = 0x2000;
/** In blocks of eight bytes. */
export const IPV4_OFFSET_MASK: u32 = 0x1fff;

export const IPV6_VERSION_CLASS: u32 = 0; // u32: version 4, traffic class 8, flow label 20
export const IPV6_PAYLOAD_LENGTH: u32 = 4; // u16
export const IPV6_NEXT_HEADER: u32 = 6; // u8
export const IPV6_HOP_LIMIT: u32 = 7; // u8
export const IPV6_SOURCE: u32 = 8; // 16 bytes
export const IPV6_DESTINATION: u32 = 24; // 16 bytes
export const IPV6_SIZE: u32 = 40;

/** A fragment header (RFC 8200, 4.5), from its start. */
export const FRAGMENT_NEXT_HEADER: u32 = 0; // u8
export const FRAGMENT_FIELD: u32 = 2; // u16: offset 13 in blocks of eight bytes, reserved 2, M 1
export const FRAGMENT_IDENTIFICATION: u32 = 4; // u32
export const FRAGMENT_SIZE: u32 = 8;
export const FRAGMENT_OFFSET_MASK: u32 = 0xfff8;
export const FRAGMENT_MORE: u32 = 1;

export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_ICMPV6: u32 = 58;
/** IPv6's extension headers and "nothing follows" (RFC 8200, 4). */
export const PROTOCOL_HOP_BY_HOP: u32 = 0;
export const PROTOCOL_ROUTING: u32 = 43;
export const PROTOCOL_FRAGMENT: u32 = 44;
export const PROTOCOL_NO_NEXT: u32 = 59;
export const PROTOCOL_DESTINATION_OPTIONS: u32 = 60;

/** ECN codepoints, the low two bits of the TOS or traffic class (RFC 3168, section 5). */
export const ECN_NOT_ECT: u32 = 0;
export const ECN_ECT1: u32 = 1;
export const ECN_ECT0: u32 = 2;
export const ECN_CE: u32 = 3;

/** An address is 16 bytes everywhere; IPv4 stands in ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
export const ADDRESS_SIZE: u32 = 16;
/** Bytes 8..11 of an IPv4-mapped address (RFC 4291, 2.5.5.2) as a little-endian load sees them. */
export const MAPPED_PREFIX: u32 = 0xffff0000;
/** Offset of the four IPv4 bytes within a mapped address. */
export const ADDRESS_IPV4: u32 = 12;
