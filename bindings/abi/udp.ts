/** UDP (RFC 768): offsets from the start of the UDP header. */
export const UDP_SOURCE_PORT: u32 = 0; // u16
export const UDP_DESTINATION_PORT: u32 = 2; // u16
export const UDP_LENGTH: u32 = 4; // u16
export const UDP_CHECKSUM: u32 = 6; // u16
export const UDP_SIZE: u32 = 8;
