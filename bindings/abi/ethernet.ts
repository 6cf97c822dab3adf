/** Ethernet II and one 802.1Q tag: offsets from the start of the frame; fields are big-endian. */
export const ETHERNET_DESTINATION: u32 = 0; // 6 bytes
export const ETHERNET_SOURCE: u32 = 6; // 6 bytes
export const ETHERNET_TYPE: u32 = 12; // u16
export const ETHERNET_SIZE: u32 = 14;
/** 802.1Q: the tag stands where the type would, the type follows it. */
export const VLAN_TAG: u32 = 14; // u16: priority 3, DEI 1, VLAN id 12
export const VLAN_TYPE: u32 = 16; // u16
export const VLAN_SIZE: u32 = 4;
export const ETHER_TYPE_IPV4: u32 = 0x0800;
export const ETHER_TYPE_ARP: u32 = 0x0806;
export const ETHER_TYPE_VLAN: u32 = 0x8100;
export const ETHER_TYPE_IPV6: u32 = 0x86dd;
