/** What the system sends: windows, Nagle, losses, probes, ECN, ICMP. */
import { PLAIN, SACK, SERVER } from "./openings.ts";

const TS = (value: number): string => `<nop,nop,TS val ${value} ecr *>`;
const opened = (options: string, window = 65535): string => `
listen
< S 0:0(0) win ${window} ${options}
+10
< . 1:1(0) ack 1 win ${window}
accept
`;

const NAGLE: Readonly<Record<string, string>> = {
  "nagle-small-writes": `${PLAIN} send 100; send 100; send 100; +10; < . 1:1(0) ack 101; +10; < . 1:1(0) ack *`,
  "nagle-large-tail": `${PLAIN} send 1500; send 100; +10; < . 1:1(0) ack 1001; +10; < . 1:1(0) ack *`,
  "nagle-fills-segment": `${PLAIN} send 100; send 500; send 500; +10; < . 1:1(0) ack 101; +10; < . 1:1(0) ack *`,
  "nodelay-small-writes": `${PLAIN} set nodelay 1; send 100; send 100; send 100; +10; < . 1:1(0) ack *`,
  "nodelay-set-later": `${PLAIN} send 100; send 100; set nodelay 1; +10; < . 1:1(0) ack *`,
  "cork-held": `${PLAIN} set cork 1; send 100; send 100; +50; set cork 0; +10; < . 1:1(0) ack *`,
  "cork-timeout": `${PLAIN} set cork 1; send 100; +400; < . 1:1(0) ack *; +20`,
  "cork-full-segments": `${PLAIN} set cork 1; send 2500; +10; < . 1:1(0) ack 2001; +10; set cork 0; +10; < . 1:1(0) ack *`,
  "more-held": `${PLAIN} send 100 more; +20; send 100; +10; < . 1:1(0) ack *`,
  "more-then-nothing": `${PLAIN} send 100 more; +400; < . 1:1(0) ack *`,
  "shutdown-flushes-cork": `${PLAIN} set cork 1; send 100; shutdown wr; +10; < . 1:1(0) ack *`,
  "maxseg": `set maxseg 500; ${PLAIN} send 2000; +10; < . 1:1(0) ack *`,
  "send-zero-bytes": `${PLAIN} send 0; +10; send 10`,
};

const WINDOWS: Readonly<Record<string, string>> = {
  "initial-window": `${PLAIN} send 20000; +10; < . 1:1(0) ack 2001; +10; < . 1:1(0) ack 6001; +10; < . 1:1(0) ack *; +10; < . 1:1(0) ack *`,
  "initial-window-small-mss": `${opened("<mss 536>")} send 10000; +10; < . 1:1(0) ack *; +10; < . 1:1(0) ack *`,
  "initial-window-full": `${SERVER} send 30000; +10; < . 1:1(0) ack 2897 win 512 ${TS(1030)}; +10; < . 1:1(0) ack * win 512 ${TS(1040)}; +10; < . 1:1(0) ack * win 512 ${TS(1050)}`,
  "peer-window-small": `${opened("<mss 1000>", 2500)} send 6000; +10; < . 1:1(0) ack 1001 win 2500; +10; < . 1:1(0) ack * win 2500; +10; < . 1:1(0) ack * win 2500; +10; < . 1:1(0) ack * win 2500`,
  "peer-window-below-mss": `${opened("<mss 1000>", 300)} send 1000; +10; < . 1:1(0) ack 301 win 300; +10; < . 1:1(0) ack * win 300`,
  "silly-window": `${PLAIN} send 500; +10; < . 1:1(0) ack 501 win 200; send 3000; +10; < . 1:1(0) ack * win 200; +300; < . 1:1(0) ack * win 65535`,
  "zero-window": `${PLAIN} < . 1:1(0) ack 1 win 0; send 1000; +900; < . 1:1(0) ack 1 win 0; +50; < . 1:1(0) ack 1 win 65535; +10; < . 1:1(0) ack *`,
  "zero-window-answered": `${PLAIN} < . 1:1(0) ack 1 win 0; send 1000; +300; < . 1:1(0) ack 1 win 0; +350; < . 1:1(0) ack 1 win 0; +10; < . 1:1(0) ack 1 win 65535; +10; < . 1:1(0) ack *`,
  "zero-window-after-data": `${PLAIN} send 3000; +10; < . 1:1(0) ack 1001 win 0; +100; < . 1:1(0) ack 3001 win 0; send 500; +300; < . 1:1(0) ack 3001 win 1000; +10; < . 1:1(0) ack *`,
  "zero-window-fin": `${PLAIN} < . 1:1(0) ack 1 win 0; send 100; shutdown wr; +100; < . 1:1(0) ack 1 win 65535; +10; < . 1:1(0) ack *`,
  "window-opens-a-little": `${PLAIN} < . 1:1(0) ack 1 win 0; send 3000; +50; < . 1:1(0) ack 1 win 100; +50; < . 1:1(0) ack 1 win 1000; +10; < . 1:1(0) ack * win 65535`,
  "window-shrunk": `${PLAIN} send 5000; +10; < . 1:1(0) ack 1001 win 1000; +50; < . 1:1(0) ack 5001 win 1000; send 3000; +10; < . 1:1(0) ack * win 1000`,
  "window-update-old": `${PLAIN} < P. 1:101(100) ack 1 win 500; < . 1:1(0) ack 1 win 65535; send 3000; +10; < . 101:101(0) ack * win 65535`,
  "window-scaled": `${opened("<mss 1000,nop,wscale 3>", 500)} send 8000; +10; < . 1:1(0) ack 1001 win 250; +10; < . 1:1(0) ack * win 500`,
  "idle-restart": `${PLAIN} send 10000; +10; < . 1:1(0) ack *; +700; send 20000; +10; < . 1:1(0) ack *`,
};

/** Ten segments are in flight; the first is lost. */
const TEN = `${SACK} send 10000; +20`;

const LOSSES: Readonly<Record<string, string>> = {
  "timeout-backoff": `${PLAIN} send 500; +1000; < . 1:1(0) ack *; +10; send 100`,
  "timeout-two-segments": `${PLAIN} send 2000; +1000; < . 1:1(0) ack *; +10`,
  "timeout-after-sample": `${PLAIN} send 500; +100; < . 1:1(0) ack *; send 500; +800; < . 1:1(0) ack *`,
  "timeout-sack": `${SACK} send 500; +1000; < . 1:1(0) ack *; +10; send 100`,
  "tail-probe": `${SACK} send 3000; +20; < . 1:1(0) ack 2001; +330; < . 1:1(0) ack *`,
  "tail-probe-all": `${SACK} send 5000; +50; < . 1:1(0) ack 1001; +250; < . 1:1(0) ack 1001 <nop,nop,sack 4001:5001>; +20; < . 1:1(0) ack *`,
  "fast-retransmit": `${PLAIN} send 10000; +20; < . 1:1(0) ack 1; < . 1:1(0) ack 1; < . 1:1(0) ack 1; +20; < . 1:1(0) ack 10001`,
  "fast-retransmit-two": `${PLAIN} send 10000; +20; < . 1:1(0) ack 1; < . 1:1(0) ack 1; +20; < . 1:1(0) ack 10001`,
  "fast-retransmit-partial": `${PLAIN} send 10000; +20; < . 1:1(0) ack 1; < . 1:1(0) ack 1; < . 1:1(0) ack 1; +20; < . 1:1(0) ack 4001; +20; < . 1:1(0) ack 10001`,
  "fast-retransmit-sack": `${TEN}; < . 1:1(0) ack 1 <nop,nop,sack 1001:2001>; < . 1:1(0) ack 1 <nop,nop,sack 1001:3001>; < . 1:1(0) ack 1 <nop,nop,sack 1001:4001>; +20; < . 1:1(0) ack 10001`,
  "sack-all-but-first": `${TEN}; < . 1:1(0) ack 1 <nop,nop,sack 1001:10001>; +20; < . 1:1(0) ack 10001`,
  "sack-two-holes": `${TEN}; < . 1:1(0) ack 1 <nop,nop,sack 1001:3001>; < . 1:1(0) ack 1 <nop,nop,sack 4001:7001 1001:3001>; +20; < . 1:1(0) ack 3001 <nop,nop,sack 4001:7001>; +20; < . 1:1(0) ack 10001`,
  "sack-reordered": `${TEN}; < . 1:1(0) ack 1 <nop,nop,sack 1001:2001>; < . 1:1(0) ack 3001; +20; < . 1:1(0) ack 10001`,
  "sack-last-one": `${TEN}; < . 1:1(0) ack 9001; +20; < . 1:1(0) ack 10001`,
  "sack-nonsense": `${TEN}; < . 1:1(0) ack 1 <nop,nop,sack 20001:30001>; < . 1:1(0) ack 1 <nop,nop,sack 3001:2001>; < . 1:1(0) ack 1 <nop,nop,sack 0:1>; +20; < . 1:1(0) ack 10001`,
  "sack-unasked": `${PLAIN} send 10000; +20; < . 1:1(0) ack 1 <nop,nop,sack 1001:10001>; +20; < . 1:1(0) ack 10001`,
  "limited-transmit": `${SACK} send 20000; +20; < . 1:1(0) ack 1 <nop,nop,sack 1001:2001>; +5; < . 1:1(0) ack 1 <nop,nop,sack 1001:3001>; +5; < . 1:1(0) ack *`,
  "duplicate-acks-with-data": `${PLAIN} send 10000; +20; < P. 1:101(100) ack 1; < P. 101:201(100) ack 1; < P. 201:301(100) ack 1; +20; < . 301:301(0) ack *`,
  "duplicate-acks-other-window": `${PLAIN} send 10000; +20; < . 1:1(0) ack 1 win 60000; < . 1:1(0) ack 1 win 60001; < . 1:1(0) ack 1 win 60002; +20; < . 1:1(0) ack *`,
  "dsack-after-timeout": `${SACK} send 1000; +300; < . 1:1(0) ack 1001 <nop,nop,sack 1:1001>; +10; send 3000; +10; < . 1:1(0) ack *`,
  "acks-each-byte": `${PLAIN} send 20000; +10; < . 1:1(0) ack 101; < . 1:1(0) ack 201; < . 1:1(0) ack 301; < . 1:1(0) ack 401; +10; < . 1:1(0) ack *`,
  "gives-up": `${PLAIN} set usertimeout 700; send 500; +1500; error; send 10`,
};

const ECN: Readonly<Record<string, string>> = {
  "ecn-accepted": "listen; < SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 1000; +10; < . 1:1(0) ack *",
  "ecn-half-asked": "listen; < SE 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 1000",
  "ecn-half-asked-cwr": "listen; < SW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 1000",
  "ecn-syn-marked": "listen; < [ect0] SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 1000",
  "ecn-echoed": "listen; < SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; < [ce] P. 1:101(100) ack 1; +10; < [ect0] P. 101:201(100) ack 1; +10; < [ect0] PW. 201:301(100) ack 1; +10; < [ect0] P. 301:401(100) ack 1; +10",
  "ecn-answered": "listen; < SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 20000; +10; < E. 1:1(0) ack 2001; +10; < . 1:1(0) ack *; +10; < . 1:1(0) ack *",
  "ecn-not-negotiated-marks": `${PLAIN} < [ce] P. 1:101(100) ack 1; +10; < E. 101:101(0) ack 1; send 500; +10`,
  "ecn-retransmission": "listen; < SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; send 1000; +300; < . 1:1(0) ack *",
  "ecn-pure-ack-and-fin": "listen; < SEW 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept; < [ect0] P. 1:101(100) ack 1; shutdown wr; +10; < . 101:101(0) ack *",
};

const ICMP: Readonly<Record<string, string>> = {
  "icmp-host-unreachable": `${PLAIN} send 1000; +10; < [1:1001(1000)] icmp unreachable host_unreachable; error; poll; +10; < . 1:1(0) ack *; error`,
  "icmp-port-unreachable": `${PLAIN} send 1000; +10; < [1:1001(1000)] icmp unreachable port_unreachable; error; +10; < . 1:1(0) ack *; error; send 10`,
  "icmp-outside": `${PLAIN} send 1000; +10; < [5001:6001(1000)] icmp unreachable port_unreachable; error; +10`,
  "icmp-source-quench": `${PLAIN} send 1000; +10; < [1:1001(1000)] icmp source_quench; error; +10`,
  "icmp-too-big": `${opened("<mss 1460>")} send 5000; +10; < [1:1461(1460)] icmp unreachable frag_needed mtu 1200; +20; < . 1:1(0) ack *; +10; < . 1:1(0) ack *`,
  "icmp-too-big-outside": `${opened("<mss 1460>")} send 5000; +10; < [900001:901461(1460)] icmp unreachable frag_needed mtu 1200; +20; < . 1:1(0) ack *; send 2000`,
};

export const SENDING: Readonly<Record<string, string>> = {
  ...NAGLE,
  ...WINDOWS,
  ...LOSSES,
  ...ECN,
  ...ICMP,
};
