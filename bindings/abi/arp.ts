/** ARP for IPv4 over Ethernet (RFC 826): offsets from the start of the ARP packet. */
export const ARP_HARDWARE_TYPE: u32 = 0; // u16, 1 = Ethernet
export const ARP_PROTOCOL_TYPE: u32 = 2; // u16, 0x0800
export const ARP_HARDWARE_SIZE: u32 = 4; // u8, 6
export const ARP_PROTOCOL_SIZE: u32 = 5; // u8, 4
export const ARP_OPERATION: u32 = 6; // u16
export const ARP_SENDER_HARDWARE: u32 = 8; // 6 bytes
export const ARP_SENDER_PROTOCOL: u32 = 14; // 4 bytes
export const ARP_TARGET_HARDWARE: u32 = 18; // 6 bytes
export const ARP_TARGET_PROTOCOL: u32 = 24; // 4 bytes
export const ARP_SIZE: u32 = 28;
export const ARP_REQUEST: u32 = 1;
export const ARP_REPLY: u32 = 2;
