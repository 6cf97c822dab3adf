/** How a connection opens: options, order, answers that do not fit, SYNs again. */
import { CLIENT, PLAIN, SERVER } from "./openings.ts";

const SYN = "< S 0:0(0) win 65535 <mss 1000>";
const SYN_RECEIVED = `listen; ${SYN}; +10`;

/** Options of the peer's SYN and what the answer offers; then data both ways. */
const offered = (options: string, ack = ""): string => `
listen
< S 0:0(0) win 65535 ${options}
+10
< . 1:1(0) ack 1 win 65535 ${ack}
accept
send 3000
`;

const PASSIVE: Readonly<Record<string, string>> = {
  "syn-no-options": offered(""),
  "syn-mss": offered("<mss 1200>"),
  "syn-mss-small": offered("<mss 100>"),
  "syn-mss-tiny": offered("<mss 48>"),
  "syn-mss-below-least": offered("<mss 20>"),
  "syn-mss-zero": offered("<mss 0>"),
  "syn-mss-large": offered("<mss 9000>"),
  "syn-mss-twice": offered("<mss 600,mss 1200>"),
  "syn-wscale": offered("<mss 1000,nop,wscale 7>"),
  "syn-wscale-zero": offered("<mss 1000,nop,wscale 0>"),
  "syn-wscale-14": offered("<mss 1000,nop,wscale 14>"),
  "syn-wscale-15": offered("<mss 1000,nop,wscale 15>"),
  "syn-wscale-255": offered("<mss 1000,nop,wscale 255>"),
  "syn-sack": offered("<mss 1000,nop,nop,sackOK>"),
  "syn-timestamps": offered("<mss 1000,nop,nop,TS val 1000 ecr 0>", "<nop,nop,TS val 1010 ecr *>"),
  "syn-timestamp-zero": offered("<mss 1000,nop,nop,TS val 0 ecr 0>", "<nop,nop,TS val 10 ecr *>"),
  "syn-timestamp-echo": offered("<mss 1000,nop,nop,TS val 9 ecr 77>", "<nop,nop,TS val 19 ecr *>"),
  "syn-timestamps-then-none": offered("<mss 1000,nop,nop,TS val 1000 ecr 0>"),
  "syn-sack-and-wscale": offered("<mss 1000,sackOK,nop,nop,nop,wscale 3>"),
  "syn-reversed": offered(
    "<nop,wscale 7,nop,nop,TS val 5 ecr 0,sackOK,mss 1000>",
    "<nop,nop,TS val 15 ecr *>",
  ),
  "syn-unknown-option": offered("<0xfd:0102,mss 1000,0x4c:01020304>"),
  "syn-nops": offered("<nop,nop,nop,nop,nop,nop,nop,nop,mss 1000>"),
  "syn-behind-end": offered("<eol,mss 500>"),
  "syn-options-zero-length": `listen; < {options 0200000003030700} S 0:0(0) win 65535; +10`,
  "syn-options-length-one": `listen; < {options 0201000003030700} S 0:0(0) win 65535; +10`,
  "syn-options-beyond": `listen; < {options 01010220} S 0:0(0) win 65535; +10`,
  "syn-mss-wrong-length": `listen; < {options 0203050001010101} S 0:0(0) win 65535; +10`,
  "syn-sack-wrong-length": `listen; < {options 020403e804030000} S 0:0(0) win 65535; +10`,
  "syn-with-window-zero": "listen; < S 0:0(0) win 0 <mss 1000>; +10; < . 1:1(0) ack 1 win 0; accept; send 500; +100; < . 1:1(0) ack 1 win 65535",
  "syn-with-data": "listen; < S 0:100(100) win 65535 <mss 1000>; +10; < . 101:101(0) ack 1; accept; recv 500",
  "syn-with-data-again": "listen; < S 0:100(100) win 65535 <mss 1000>; +10; < P. 1:101(100) ack 1; accept; recv 500",
  "syn-fin": "listen; < SF 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept",
  "syn-rst": "listen; < SR 0:0(0) win 65535 <mss 1000>; +10",
  "syn-urgent-push": "listen; < SPU 0:0(0) win 65535 urg 5 <mss 1000>; +10; < . 1:1(0) ack 1; accept",
  "syn-ack-at-listener": "listen; < S. 0:0(0) ack 5000 win 65535 <mss 1000>; +10",
  "ack-at-listener": "listen; < . 1:1(0) ack 5000 win 65535; +10",
  "rst-at-listener": "listen; < R 1:1(0) win 65535; +10",
  "fin-at-listener": "listen; < F 1:1(0) win 65535; +10",
  "fin-ack-at-listener": "listen; < F. 1:1(0) ack 7000 win 65535; +10",
  "no-flags-at-listener": "listen; < - 1:1(0) win 65535; +10",
  "syn-bad-checksum": `listen; < {checksum} S 0:0(0) win 65535 <mss 1000>; +10; ${SYN}`,
  "syn-reserved-bits": `listen; < {reserved 4} S 0:0(0) win 65535 <mss 1000>; +10; < {reserved 2} . 1:1(0) ack 1; accept`,
  "syn-bad-offset": "listen; < {offset 4} S 0:0(0) win 65535 <mss 1000>; +10",
  "syn-offset-beyond": "listen; < {offset 15} S 0:0(0) win 65535 <mss 1000>; +10",
};

const SYN_RECEIVED_CASES: Readonly<Record<string, string>> = {
  "syn-received-syn-again": `${SYN_RECEIVED}; ${SYN}; +10; ${SYN}; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-other-syn": `${SYN_RECEIVED}; < S 5000:5000(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-ack-too-high": `${SYN_RECEIVED}; < . 1:1(0) ack 2; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-ack-too-low": `${SYN_RECEIVED}; < . 1:1(0) ack 0; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-no-ack": `${SYN_RECEIVED}; < P 1:101(100); +10; < . 1:1(0) ack 1; accept`,
  "syn-received-old-sequence": `${SYN_RECEIVED}; < . 0:0(0) ack 1; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-future-sequence": `${SYN_RECEIVED}; < . 5000:5000(0) ack 1; accept; +10`,
  "syn-received-outside": `${SYN_RECEIVED}; < . 500000:500000(0) ack 1; accept; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-rst": `${SYN_RECEIVED}; < R 1:1(0); +10; < . 1:1(0) ack 1; accept`,
  "syn-received-rst-in-window": `${SYN_RECEIVED}; < R 100:100(0); +10; < . 1:1(0) ack 1; accept`,
  "syn-received-rst-outside": `${SYN_RECEIVED}; < R 500000:500000(0); +10; < . 1:1(0) ack 1; accept`,
  "syn-received-rst-with-ack": `${SYN_RECEIVED}; < R. 1:1(0) ack 1; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-fin": `${SYN_RECEIVED}; < F. 1:1(0) ack 1; accept; +10; recv 100; close`,
  "syn-received-data": `${SYN_RECEIVED}; < P. 1:501(500) ack 1; accept; recv 1000`,
  "syn-received-data-first-lost-ack": `${SYN_RECEIVED}; < P. 501:1001(500) ack 1; accept; +10; < P. 1:501(500) ack 1; recv 2000`,
  "syn-received-syn-ack": `${SYN_RECEIVED}; < S. 0:0(0) ack 1 win 65535; +10; < . 1:1(0) ack 1; accept`,
  "syn-received-unanswered": `listen; ${SYN}; +3500; < . 1:1(0) ack 1; accept`,
  "syn-received-listener-closed": `${SYN_RECEIVED}; close listener; < . 1:1(0) ack 1; +10`,
  "accepted-later": `${SYN_RECEIVED}; < . 1:1(0) ack 1; < P. 1:101(100) ack 1; +10; accept; recv 200`,
  "accept-queue-closed": `${SYN_RECEIVED}; < . 1:1(0) ack 1; < P. 1:101(100) ack 1; +10; close listener; +10`,
};

const ACTIVE: Readonly<Record<string, string>> = {
  "connect-all-options": "connect; poll; +10; < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 7 ecr *,nop,wscale 7>; poll; error; connect",
  "connect-no-options": "connect; +10; < S. 0:0(0) ack 1 win 65535; send 2000",
  "connect-mss": "connect; +10; < S. 0:0(0) ack 1 win 65535 <mss 700>; send 2000",
  "connect-wscale": "connect; +10; < S. 0:0(0) ack 1 win 1000 <mss 1000,nop,wscale 2>; send 8000",
  "connect-sack": `${CLIENT} send 500; +10; < . 1:1(0) ack *`,
  "connect-refused": "connect; +10; < R. 0:0(0) ack 1; +10; poll; error; connect",
  "connect-rst-wrong-ack": "connect; +10; < R. 0:0(0) ack 9; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-rst-without-ack": "connect; +10; < R 0:0(0); +10; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-rst-ack-zero": "connect; +10; < R. 0:0(0) ack 0; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-wrong-ack": "connect; +10; < S. 0:0(0) ack 5 win 65535 <mss 1000>; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-wrong-ack-low": "connect; +10; < S. 0:0(0) ack 0 win 65535 <mss 1000>; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-ack-only": "connect; +10; < . 0:0(0) ack 1 win 65535; +10; error; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-ack-only-wrong": "connect; +10; < . 0:0(0) ack 8 win 65535; +10; error",
  "connect-fin": "connect; +10; < F 0:0(0) win 65535; +10; < F. 0:0(0) ack 1 win 65535; +10; error",
  "connect-syn-ack-twice": `${CLIENT} < S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,sackOK>; +10`,
  "connect-syn-ack-with-data": "connect; +10; < S. 0:100(100) ack 1 win 65535 <mss 1000>; +10; recv 500; < P. 1:101(100) ack 1; recv 500",
  "connect-syn-ack-with-fin": "connect; +10; < SF. 0:0(0) ack 1 win 65535 <mss 1000>; +10; recv 500; error",
  "connect-bad-timestamp-echo": "connect; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,TS val 5 ecr 1>; +10; error",
  "connect-zero-window": "connect; +10; < S. 0:0(0) ack 1 win 0 <mss 1000>; send 500; +150; < . 1:1(0) ack 1 win 65535",
  "connect-unanswered": "connect; +3500; < S. 0:0(0) ack 1 win 65535 <mss 1000>; error",
  "connect-gives-up": "set syncnt 1; connect; +4500; poll; error",
  "connect-bad-checksum": "connect; +10; < {checksum} S. 0:0(0) ack 1 win 65535 <mss 1000>; +10; error",
  "connect-closed-early": "connect; +10; close; < S. 0:0(0) ack 1 win 65535 <mss 1000>; +10",
  "connect-unreachable-port": "connect; +10; < [0:0(0)] icmp unreachable port_unreachable; +10; poll; error",
  "connect-unreachable-host": "connect; +10; < [0:0(0)] icmp unreachable host_unreachable; +10; poll; error",
  "connect-unreachable-protocol": "connect; +10; < [0:0(0)] icmp unreachable protocol_unreachable; +10; poll; error",
  "connect-unreachable-other-number": "connect; +10; < [99:99(0)] icmp unreachable port_unreachable; +10; error",
  "connect-time-exceeded": "connect; +10; < [0:0(0)] icmp time_exceeded; +10; poll; error",
  "simultaneous-open": "connect; +10; < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>; +10; < S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,sackOK>; +10; error; send 500; < P. 1:101(100) ack 1; recv 200",
  "simultaneous-open-ack": "connect; +10; < S 0:0(0) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1 win 65535; +10; error; send 500",
  "simultaneous-open-unanswered": "connect; +10; < S 0:0(0) win 65535 <mss 1000>; +3500; < . 1:1(0) ack 1 win 65535; error",
  "simultaneous-open-rst": "connect; +10; < S 0:0(0) win 65535 <mss 1000>; +10; < R. 1:1(0) ack 1; +10; error",
  "simultaneous-open-data": "connect; +10; < S 0:50(50) win 65535 <mss 1000>; +10; < . 1:1(0) ack 1 win 65535; recv 100",
};

export const HANDSHAKE: Readonly<Record<string, string>> = {
  ...PASSIVE,
  ...SYN_RECEIVED_CASES,
  ...ACTIVE,
  "open-all-options": `${SERVER} send 1000; +10; < . 1:1(0) ack * win 512 <nop,nop,TS val 1020 ecr *>`,
  "open-mss-only": `${PLAIN} send 1000; +10; < . 1:1(0) ack *`,
};
