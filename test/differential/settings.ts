/** What both systems are set to, so that a difference is one of TCP and none of configuration. */
export const SETTINGS = {
  mtu: 1500,
  prefix: 16,
  /** Bytes: the middle and the last value of tcp_rmem; half of Linux's memory is window. */
  receiveBuffer: 131_072,
  receiveBufferMax: 6_291_456,
  /** The middle value of tcp_wmem. */
  sendBuffer: 1_048_576,
  /** Our SYN asks for ECN (tcp_ecn 1); Linux's default 2 only accepts. */
  ecn: false,
} as const;

/**
 * Linux's own that is no part of a comparison: caches of other connections, floors for floods (here
 * below ten challenges in a second), ACKs that wait for others of a burst. Two are defaults that
 * differ from ours everywhere: the first four SYNs of Linux are a second apart (RFC 6298, 5.5
 * doubles), and behind an answer it delays ACKs at once (pingpong), where profile `linux` has quick
 * ones first.
 */
export const SYSCTLS: Readonly<Record<string, string>> = {
  "net.ipv6.conf.all.disable_ipv6": "1",
  "net.ipv6.conf.default.disable_ipv6": "1",
  "net.ipv4.conf.all.rp_filter": "0",
  "net.ipv4.conf.default.rp_filter": "0",
  "net.ipv4.tcp_no_metrics_save": "1",
  "net.ipv4.tcp_invalid_ratelimit": "0",
  "net.ipv4.tcp_comp_sack_nr": "0",
  "net.ipv4.tcp_syn_linear_timeouts": "0",
  "net.ipv4.tcp_pingpong_thresh": "255",
  "net.ipv4.tcp_autocorking": "0",
  "net.ipv4.tcp_fastopen": "0",
  "net.ipv4.tcp_ecn": "2",
  "net.ipv4.tcp_rmem": `4096 ${SETTINGS.receiveBuffer} ${SETTINGS.receiveBufferMax}`,
  "net.ipv4.tcp_wmem": `4096 ${SETTINGS.sendBuffer} 4194304`,
};
