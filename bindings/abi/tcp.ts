/** TCP (RFC 9293, 3.1): offsets from the start of the TCP header; fields are big-endian. */
export const TCP_SOURCE_PORT: u32 = 0; // u16
export const TCP_DESTINATION_PORT: u32 = 2; // u16
export const TCP_SEQ: u32 = 4; // u32
export const TCP_ACK: u32 = 8; // u32
export const TCP_DATA_OFFSET: u32 = 12; // u8: offset 4 (in words), reserved 4
export const TCP_FLAGS: u32 = 13; // u8
export const TCP_WINDOW: u32 = 14; // u16
export const TCP_CHECKSUM: u32 = 16; // u16
export const TCP_URGENT: u32 = 18; // u16
export const TCP_SIZE: u32 = 20;
export const TCP_HEADER_MAX: u32 = 60;

export const TCP_FIN: u32 = 0x01;
export const TCP_SYN: u32 = 0x02;
export const TCP_RST: u32 = 0x04;
export const TCP_PSH: u32 = 0x08;
export const TCP_ACK_FLAG: u32 = 0x10;
export const TCP_URG: u32 = 0x20;
export const TCP_ECE: u32 = 0x40;
export const TCP_CWR: u32 = 0x80;

/** Option kinds and their whole lengths (RFC 9293, 3.2; RFC 7323; RFC 2018). */
export const OPTION_END: u32 = 0;
export const OPTION_NOP: u32 = 1;
export const OPTION_MSS: u32 = 2;
export const OPTION_WINDOW_SCALE: u32 = 3;
export const OPTION_SACK_PERMITTED: u32 = 4;
export const OPTION_SACK: u32 = 5;
export const OPTION_TIMESTAMP: u32 = 8;
export const OPTION_MSS_LENGTH: u32 = 4;
export const OPTION_WINDOW_SCALE_LENGTH: u32 = 3;
export const OPTION_SACK_PERMITTED_LENGTH: u32 = 2;
export const OPTION_TIMESTAMP_LENGTH: u32 = 10;
/** Timestamps as sent: NOP, NOP, kind, length, TSval, TSecr (RFC 7323, appendix A). */
export const TIMESTAMP_OPTION_BYTES: u32 = 12;
export const TIMESTAMP_OPTION_PREFIX: u32 = 0x0101080a;
