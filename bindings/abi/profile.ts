/**
 * Profiles: tables of constants that a stack starts from (day-one decision 18). Times are in
 * microseconds. A test and a benchmark name theirs; an option overrides a single value.
 */
// `internet`: the default.
export const INTERNET_RTO_MIN: u32 = 200000;
export const INTERNET_RTO_INITIAL: u32 = 1000000;
export const INTERNET_INITIAL_WINDOW: u32 = 10; // segments (RFC 6928)
export const INTERNET_SYN_RETRIES: u32 = 6;
export const INTERNET_DELAYED_ACK: u32 = 40000;
export const INTERNET_ACK_THRESHOLD: u32 = 2; // data segments per ACK
export const INTERNET_INTERVALS: u32 = 32;
export const INTERNET_ALGORITHM: u32 = 2; // CongestionAlgorithm.Cubic
export const INTERNET_GO_BACK_N: u32 = 0;
export const INTERNET_RACK: u32 = 1; // RACK-TLP (RFC 8985), not RFC 6675
export const INTERNET_ECN: u32 = 0; // 0 accept, 1 request
export const INTERNET_ABE: u32 = 1; // RFC 8511: 1 marks cut less than losses
export const INTERNET_MTU_PROBING: u32 = 1; // as Linux's tcp_mtu_probing
export const INTERNET_TIME_WAIT: u32 = 60000000; // 2 MSL
// `rfc`: what the RFC tests assume.
export const RFC_RTO_MIN: u32 = 1000000;
export const RFC_RTO_INITIAL: u32 = 1000000;
export const RFC_INITIAL_WINDOW: u32 = 10;
export const RFC_SYN_RETRIES: u32 = 8; // more than 3 minutes (RFC 9293 MUST-23)
export const RFC_DELAYED_ACK: u32 = 200000;
export const RFC_ACK_THRESHOLD: u32 = 2;
export const RFC_INTERVALS: u32 = 32;
export const RFC_ALGORITHM: u32 = 1; // NewReno
export const RFC_GO_BACK_N: u32 = 0;
export const RFC_RACK: u32 = 0;
export const RFC_ECN: u32 = 0;
export const RFC_ABE: u32 = 0; // it is Experimental; RFC 3168 halves
export const RFC_MTU_PROBING: u32 = 0;
export const RFC_TIME_WAIT: u32 = 240000000; // MSL of 2 minutes
// `linux`: what public packetdrill scripts assume.
export const LINUX_RTO_MIN: u32 = 200000;
export const LINUX_RTO_INITIAL: u32 = 1000000;
export const LINUX_INITIAL_WINDOW: u32 = 10;
export const LINUX_SYN_RETRIES: u32 = 6;
export const LINUX_DELAYED_ACK: u32 = 40000;
export const LINUX_ACK_THRESHOLD: u32 = 2;
export const LINUX_INTERVALS: u32 = 32;
export const LINUX_ALGORITHM: u32 = 2;
export const LINUX_GO_BACK_N: u32 = 0;
export const LINUX_RACK: u32 = 1;
export const LINUX_ECN: u32 = 0;
export const LINUX_ABE: u32 = 0;
export const LINUX_MTU_PROBING: u32 = 0;
export const LINUX_TIME_WAIT: u32 = 60000000;
// `datacenter`: DCTCP and a millisecond floor.
export const DATACENTER_RTO_MIN: u32 = 1000;
export const DATACENTER_RTO_INITIAL: u32 = 10000;
export const DATACENTER_INITIAL_WINDOW: u32 = 10;
export const DATACENTER_SYN_RETRIES: u32 = 6;
export const DATACENTER_DELAYED_ACK: u32 = 500;
export const DATACENTER_ACK_THRESHOLD: u32 = 2;
export const DATACENTER_INTERVALS: u32 = 32;
export const DATACENTER_ALGORITHM: u32 = 3;
export const DATACENTER_GO_BACK_N: u32 = 0;
export const DATACENTER_RACK: u32 = 1;
export const DATACENTER_ECN: u32 = 1;
export const DATACENTER_ABE: u32 = 0;
export const DATACENTER_MTU_PROBING: u32 = 0;
export const DATACENTER_TIME_WAIT: u32 = 1000000;
// `paper`: one interval, go-back-N, an ACK per segment (dissertation 4.3.1.3).
export const PAPER_RTO_MIN: u32 = 1000;
export const PAPER_RTO_INITIAL: u32 = 10000;
export const PAPER_INITIAL_WINDOW: u32 = 10;
export const PAPER_SYN_RETRIES: u32 = 10;
export const PAPER_DELAYED_ACK: u32 = 0;
export const PAPER_ACK_THRESHOLD: u32 = 1;
export const PAPER_INTERVALS: u32 = 1;
export const PAPER_ALGORITHM: u32 = 3;
export const PAPER_GO_BACK_N: u32 = 1;
export const PAPER_RACK: u32 = 0;
export const PAPER_ECN: u32 = 1;
export const PAPER_ABE: u32 = 0;
export const PAPER_MTU_PROBING: u32 = 0;
export const PAPER_TIME_WAIT: u32 = 10000;
