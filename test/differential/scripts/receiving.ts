/** What arrives in an open connection: in order and not, twice, outside the window, odd flags. */
import { PLAIN, SACK, SERVER } from "./openings.ts";

const TS = (value: number): string => `<nop,nop,TS val ${value} ecr *>`;

const RESETS: Readonly<Record<string, string>> = {
  "reset-exact": `${PLAIN} < R 1:1(0); +10; poll; recv 100; error; send 10`,
  "reset-exact-with-ack": `${PLAIN} < R. 1:1(0) ack 1; +10; recv 100; error`,
  "reset-in-window": `${PLAIN} < R 100:100(0); +10; error; < R 1:1(0); +10; error`,
  "reset-window-edge": `${PLAIN} < R 60000:60000(0); +10; error`,
  "reset-outside": `${PLAIN} < R 500000:500000(0); +10; error`,
  "reset-old": `${PLAIN} < P. 1:101(100) ack 1; < R 1:1(0); +10; error; < R 101:101(0); error`,
  "reset-bad-ack": `${PLAIN} < R. 1:1(0) ack 5000; +10; error`,
  "reset-with-data": `${PLAIN} < R 1:11(10); +10; error`,
  "reset-after-data-unread": `${PLAIN} < P. 1:101(100) ack 1; +10; < R. 101:101(0) ack 1; recv 50; recv 500; recv 10`,
  "reset-while-sending": `${PLAIN} send 3000; +10; < R. 1:1(0) ack 1001; +10; send 10; send 10; recv 10`,
  "reset-at-hole": `${SACK} < P. 501:1001(500) ack 1; +10; < R 1001:1001(0); +10; error`,
  "reset-old-timestamp": `${SERVER} < R. 1:1(0) ack 1 <nop,nop,TS val 5 ecr *>; +10; error`,
};

const SYNS: Readonly<Record<string, string>> = {
  "syn-challenged-exact": `${PLAIN} < S 1:1(0) win 1000; +10; error`,
  "syn-challenged-in-window": `${PLAIN} < S 500:500(0) win 1000; +10; error`,
  "syn-challenged-outside": `${PLAIN} < S 900000:900000(0) win 1000; +10; error`,
  "syn-challenged-old": `${PLAIN} < S 0:0(0) win 1000 <mss 1000>; +10; error`,
  "syn-ack-challenged": `${PLAIN} < S. 0:0(0) ack 1 win 1000 <mss 1000>; +10; error`,
  "syn-with-rst-established": `${PLAIN} < SR 1:1(0) win 1000; +10; error`,
  "syn-with-fin-established": `${PLAIN} < SF 1:1(0) win 1000; +10; error; recv 10`,
};

const ACKS: Readonly<Record<string, string>> = {
  "ack-of-future": `${PLAIN} < . 1:1(0) ack 100; +10; send 100; < . 1:1(0) ack 5000; +10`,
  "ack-of-future-with-data": `${PLAIN} < P. 1:101(100) ack 100; +10; recv 200`,
  "ack-old": `${PLAIN} send 2000; < . 1:1(0) ack 2001; +10; < . 1:1(0) ack 1001; +10`,
  "ack-old-with-data": `${PLAIN} send 2000; < . 1:1(0) ack 2001; +10; < P. 1:101(100) ack 1001; recv 200; +10`,
  "ack-too-old": `${PLAIN} send 2000; < . 1:1(0) ack 2001; +10; < P. 1:101(100) ack 4294867296; recv 200; +10`,
  "ack-before-isn": `${PLAIN} < P. 1:101(100) ack 0; +10; recv 200`,
  "data-without-ack": `${PLAIN} < P 1:101(100); +10; recv 200`,
  "no-flags": `${PLAIN} < - 1:1(0); +10; < - 1:101(100); +10; recv 200`,
  "data-bad-checksum": `${PLAIN} < {checksum} P. 1:101(100) ack 1; +10; recv 200; < P. 1:101(100) ack 1; recv 200`,
  "data-reserved-bits": `${PLAIN} < {reserved 14} P. 1:101(100) ack 1; +10; recv 200`,
  "data-bad-offset": `${PLAIN} < {offset 4} P. 1:101(100) ack 1; +10; recv 200`,
  "data-unknown-option": `${PLAIN} < P. 1:101(100) ack 1 <0xfe:0102>; +10; recv 200`,
  "data-broken-options": `${PLAIN} < {options 01011e00} P. 1:101(100) ack 1; +10; recv 200`,
  "data-syn-options-later": `${PLAIN} < P. 1:101(100) ack 1 <mss 50,nop,wscale 9,sackOK>; +10; send 2000`,
  "keep-alive-probe": `${PLAIN} < . 0:0(0) ack 1; +10; < . 0:1(1) ack 1; +10; recv 10`,
  "keep-alive-probe-later": `${PLAIN} < P. 1:101(100) ack 1; < . 100:100(0) ack 1; +10; < . 100:101(1) ack 1; recv 300`,
  "window-probe": `${PLAIN} < . 0:0(0) ack 1; +10; < . 1:1(0) ack 1; +10; < . 2:2(0) ack 1; +10`,
};

const ORDER: Readonly<Record<string, string>> = {
  "data-in-order": `${PLAIN} < P. 1:501(500) ack 1; < P. 501:1001(500) ack 1; recv 2000; recv 10`,
  "data-each-read": `${PLAIN} < P. 1:501(500) ack 1; recv 1000; < P. 501:1001(500) ack 1; recv 1000`,
  "data-one-byte": `${PLAIN} < P. 1:2(1) ack 1; < P. 2:3(1) ack 1; < P. 3:4(1) ack 1; recv 10`,
  "data-peeked": `${PLAIN} < P. 1:501(500) ack 1; recv 100 peek; recv 1000 peek; recv 300; recv 300; recv 1`,
  "data-quick-acks": `${PLAIN} ${Array.from({ length: 14 }, (_, i) => `< P. ${1 + 100 * i}:${101 + 100 * i}(100) ack 1`).join("; +5; ")}; +60; recv 5000`,
  "data-delayed-acks": `${PLAIN} ${Array.from({ length: 24 }, (_, i) => `< P. ${1 + 1000 * i}:${1001 + 1000 * i}(1000) ack 1`).join("; ")}; +100; recv 50000; +20; < P. 24001:24101(100) ack 1; +100`,
  "data-ack-with-answer": `${PLAIN} < P. 1:101(100) ack 1; recv 200; send 50; +10; < P. 101:201(100) ack 51; recv 200; send 50; +100; < . 201:201(0) ack 101`,
  "data-interactive": `${PLAIN} send 50; +10; < P. 1:101(100) ack 51; recv 200; +100; < P. 101:201(100) ack 51; recv 200; +100`,
  "data-duplicate": `${PLAIN} < P. 1:501(500) ack 1; < P. 1:501(500) ack 1; +10; recv 2000`,
  "data-duplicate-sack": `${SACK} < P. 1:501(500) ack 1; < P. 1:501(500) ack 1; +10; recv 2000; < P. 501:601(100) ack 1`,
  "data-part-duplicate": `${SACK} < P. 1:501(500) ack 1; < P. 251:751(500) ack 1; +10; recv 2000`,
  "data-part-old-sack": `${SACK} < P. 1:501(500) ack 1; < P. 101:301(200) ack 1; +10; recv 2000`,
  "hole-filled": `${PLAIN} < P. 501:1001(500) ack 1; +10; < P. 1:501(500) ack 1; +10; recv 2000`,
  "hole-filled-sack": `${SACK} < P. 501:1001(500) ack 1; +10; < P. 1:501(500) ack 1; +10; recv 2000`,
  "hole-timestamps": `${SERVER} < P. 501:1001(500) ack 1 win 512 ${TS(1020)}; +10; < P. 1:501(500) ack 1 win 512 ${TS(1030)}; +10; recv 2000; < P. 1001:1101(100) ack 1 win 512 ${TS(1040)}; +10`,
  "holes-two": `${SACK} < P. 501:1001(500) ack 1; < P. 1501:2001(500) ack 1; +10; < P. 1:501(500) ack 1; +10; < P. 1001:1501(500) ack 1; recv 5000`,
  "holes-five": `${SACK} < P. 1001:1101(100) ack 1; < P. 2001:2101(100) ack 1; < P. 3001:3101(100) ack 1; < P. 4001:4101(100) ack 1; < P. 5001:5101(100) ack 1; +10; < P. 1:1001(1000) ack 1; +10`,
  "holes-reversed": `${SACK} < P. 2001:2501(500) ack 1; < P. 1501:2001(500) ack 1; < P. 1001:1501(500) ack 1; < P. 501:1001(500) ack 1; < P. 1:501(500) ack 1; recv 5000`,
  "hole-duplicate": `${SACK} < P. 501:1001(500) ack 1; < P. 501:1001(500) ack 1; +10; < P. 1:501(500) ack 1; recv 2000`,
  "hole-overlap": `${SACK} < P. 501:1001(500) ack 1; < P. 801:1301(500) ack 1; +10; < P. 1:501(500) ack 1; recv 2000`,
  "hole-covered": `${SACK} < P. 501:801(300) ack 1; < P. 401:1001(600) ack 1; +10; < P. 1:401(400) ack 1; recv 2000`,
  "hole-bridge": `${SACK} < P. 501:801(300) ack 1; < P. 1001:1301(300) ack 1; < P. 701:1101(400) ack 1; +10; < P. 1:501(500) ack 1; recv 3000`,
  "hole-filled-too-much": `${SACK} < P. 501:1001(500) ack 1; < P. 1:801(800) ack 1; +10; recv 3000`,
  "hole-filled-beyond": `${SACK} < P. 501:1001(500) ack 1; < P. 1:1201(1200) ack 1; +10; recv 3000`,
  "hole-then-old": `${SACK} < P. 1:501(500) ack 1; < P. 1001:1501(500) ack 1; < P. 1:501(500) ack 1; +10; recv 3000`,
  "beyond-window": `${PLAIN} < P. 200001:200101(100) ack 1; +10; recv 100; < P. 1:101(100) ack 1; recv 200`,
  "before-window": `${PLAIN} < P. 1:101(100) ack 1; +10; < P. 1:51(50) ack 1; +10; < . 50:50(0) ack 1; +10`,
  "empty-beyond-window": `${PLAIN} < . 200001:200001(0) ack 1; +10; < . 100:100(0) ack 1; +10`,
};

const STAMPS: Readonly<Record<string, string>> = {
  "paws-old": `${SERVER} < P. 1:101(100) ack 1 win 512 ${TS(1100)}; < P. 101:201(100) ack 1 win 512 ${TS(900)}; +10; recv 500; < P. 101:201(100) ack 1 win 512 ${TS(1101)}; recv 500`,
  "paws-equal": `${SERVER} < P. 1:101(100) ack 1 win 512 ${TS(1100)}; < P. 101:201(100) ack 1 win 512 ${TS(1100)}; +10; recv 500`,
  "paws-one-less": `${SERVER} < P. 1:101(100) ack 1 win 512 ${TS(1100)}; < P. 101:201(100) ack 1 win 512 ${TS(1099)}; +10; recv 500`,
  "paws-pure-ack": `${SERVER} send 1000; +10; < . 1:1(0) ack 1001 win 512 ${TS(500)}; +300; < . 1:1(0) ack 1001 win 512 ${TS(1400)}`,
  "paws-wrapped": `listen; < S 0:0(0) win 65535 <mss 1000,nop,nop,TS val 4294967290 ecr 0>; +10; < . 1:1(0) ack 1 ${TS(5)}; accept; < P. 1:101(100) ack 1 ${TS(10)}; recv 200; < P. 101:201(100) ack 1 ${TS(4294967295)}; +10; recv 200`,
  "timestamp-missing-data": `${SERVER} < P. 1:101(100) ack 1 win 512; +10; recv 500`,
  "timestamp-missing-ack": `${SERVER} send 1000; +10; < . 1:1(0) ack 1001 win 512; +300`,
  "timestamp-missing-fin": `${SERVER} < F. 1:1(0) ack 1 win 512; +10; recv 100`,
  "timestamp-missing-rst": `${SERVER} < R. 1:1(0) ack 1; +10; error`,
  "timestamp-echo-delayed": `${SERVER} < P. 1:1461(1460) ack 1 win 512 ${TS(1100)}; < P. 1461:2921(1460) ack 1 win 512 ${TS(1200)}; +60; recv 5000`,
  "timestamp-echo-hole": `${SERVER} < P. 101:201(100) ack 1 win 512 ${TS(1200)}; +10; < P. 1:101(100) ack 1 win 512 ${TS(1100)}; +10; < P. 201:301(100) ack 1 win 512 ${TS(1300)}; recv 1000; send 10`,
  "timestamp-unasked": `${PLAIN} < P. 1:101(100) ack 1 <nop,nop,TS val 77 ecr 0>; +10; recv 500; send 100`,
};

const URGENT: Readonly<Record<string, string>> = {
  "urgent-at-end": `${PLAIN} < PU. 1:101(100) ack 1 urg 100; +10; recv 99; recv 500`,
  "urgent-pointer-zero": `${PLAIN} < PU. 1:101(100) ack 1 urg 0; +10; recv 500; recv 500`,
  "urgent-beyond": `${PLAIN} < PU. 1:101(100) ack 1 urg 500; +10; recv 500; recv 500`,
  "urgent-flag-alone": `${PLAIN} < U. 1:1(0) ack 1 urg 10; +10; recv 100; < P. 1:101(100) ack 1; recv 500`,
  "urgent-pointer-without-flag": `${PLAIN} < P. 1:101(100) ack 1 urg 50; +10; recv 500`,
};

export const RECEIVING: Readonly<Record<string, string>> = {
  ...RESETS,
  ...SYNS,
  ...ACKS,
  ...ORDER,
  ...STAMPS,
  ...URGENT,
};
