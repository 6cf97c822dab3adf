/** How a connection ends: FINs in every order, half closes, resets, what comes afterwards. */
import { CLIENT, PLAIN, SACK, SERVER } from "./openings.ts";

const ACTIVE: Readonly<Record<string, string>> = {
  "close-active": `${PLAIN} close; +10; < . 1:1(0) ack 2; +10; < F. 1:1(0) ack 2; +10`,
  "close-active-client": `${CLIENT} close; +10; < . 1:1(0) ack 2; +10; < F. 1:1(0) ack 2; +10`,
  "close-active-fin-with-ack": `${PLAIN} close; +10; < F. 1:1(0) ack 2; +10`,
  "close-active-timestamps": `${SERVER} close; +10; < F. 1:1(0) ack 2 win 512 <nop,nop,TS val 1020 ecr *>; +10; < F. 1:1(0) ack 2 win 512 <nop,nop,TS val 1030 ecr *>; +10`,
  "close-simultaneous": `${PLAIN} close; +10; < F. 1:1(0) ack 1; +10; < . 2:2(0) ack 2; +10; < F. 1:1(0) ack 2`,
  "close-after-data": `${PLAIN} send 500; close; +10; < . 1:1(0) ack *; +10; < F. 1:1(0) ack *; +10`,
  "close-data-larger-than-window": `${PLAIN} send 15000; close; +10; < . 1:1(0) ack *; +10; < . 1:1(0) ack *; +10; < F. 1:1(0) ack *`,
  "close-fin-lost": `${PLAIN} close; +1000; < . 1:1(0) ack 2; +10`,
  "close-data-then-arrives": `${PLAIN} close; +10; < P. 1:101(100) ack 1; +10`,
  "close-data-after-ack": `${PLAIN} close; +10; < . 1:1(0) ack 2; +10; < P. 1:101(100) ack 2; +10; < . 101:101(0) ack 2`,
  "close-data-and-fin": `${PLAIN} close; +10; < FP. 1:101(100) ack 2; +10`,
  "close-unread": `${PLAIN} < P. 1:101(100) ack 1; close; +10; < . 101:101(0) ack 2`,
  "close-unread-part": `${PLAIN} < P. 1:101(100) ack 1; recv 50; close; +10`,
  "close-unread-fin": `${PLAIN} < FP. 1:101(100) ack 1; close; +10`,
  "close-unread-with-send": `${PLAIN} < P. 1:101(100) ack 1; send 100; close; +10`,
  "linger-zero": `${PLAIN} set linger 0; close; +10; < . 1:1(0) ack 1`,
  "linger-zero-with-data": `${PLAIN} send 3000; set linger 0; close; +10; < . 1:1(0) ack *`,
  "linger-zero-passive": `${PLAIN} < F. 1:1(0) ack 1; recv 10; set linger 0; close; +10`,
  "fin-wait-2-timeout": `${PLAIN} set linger2 1; close; < . 1:1(0) ack 2; +1400; < F. 1:1(0) ack 2; +10`,
};

const PASSIVE: Readonly<Record<string, string>> = {
  "close-passive": `${PLAIN} < F. 1:1(0) ack 1; +10; poll; recv 10; close; +10; < . 2:2(0) ack 2; +10`,
  "close-passive-with-data": `${PLAIN} < FP. 1:101(100) ack 1; +10; recv 50; recv 500; recv 10; close; +10; < . 102:102(0) ack 2`,
  "close-passive-sends-on": `${PLAIN} < F. 1:1(0) ack 1; +10; recv 10; send 500; +10; < . 2:2(0) ack 501; close; +10; < . 2:2(0) ack *`,
  "close-passive-fin-lost": `${PLAIN} < F. 1:1(0) ack 1; recv 10; close; +1000; < . 2:2(0) ack 2; +10; < . 2:2(0) ack 2`,
  "last-ack-data": `${PLAIN} < F. 1:1(0) ack 1; close; +10; < P. 2:102(100) ack 1; +10; < . 2:2(0) ack 2; +10`,
  "last-ack-fin-again": `${PLAIN} < F. 1:1(0) ack 1; close; +10; < F. 1:1(0) ack 1; +10; < . 2:2(0) ack 2; +10; < F. 1:1(0) ack 2`,
  "last-ack-reset": `${PLAIN} < F. 1:1(0) ack 1; close; +10; < R 2:2(0); +10; < . 2:2(0) ack 2`,
  "fin-again": `${PLAIN} < F. 1:1(0) ack 1; +10; < F. 1:1(0) ack 1; +10; recv 10`,
  "fin-with-more-data-again": `${PLAIN} < FP. 1:101(100) ack 1; +10; < FP. 1:201(200) ack 1; +10; recv 500; recv 10`,
  "fin-out-of-order": `${SACK} < F. 501:501(0) ack 1; +10; recv 10; < P. 1:501(500) ack 1; +10; recv 900; recv 10`,
  "fin-data-out-of-order": `${SACK} < FP. 501:601(100) ack 1; +10; < P. 1:501(500) ack 1; +10; recv 900; recv 10`,
  "fin-beyond-window": `${PLAIN} < F. 200001:200001(0) ack 1; +10; recv 10`,
  "data-after-fin": `${PLAIN} < F. 1:1(0) ack 1; +10; < P. 2:102(100) ack 1; +10; recv 200`,
  "data-before-fin-again": `${PLAIN} < FP. 1:101(100) ack 1; < P. 1:101(100) ack 1; +10; recv 200; recv 200`,
  "ack-after-fin": `${PLAIN} send 100; < F. 1:1(0) ack 1; +10; < . 2:2(0) ack 101; +10; close; < . 2:2(0) ack *`,
  "reset-after-fin": `${PLAIN} < F. 1:1(0) ack 1; +10; < R 2:2(0); +10; recv 10; error; send 10`,
  "reset-after-fin-read": `${PLAIN} < F. 1:1(0) ack 1; recv 10; < R. 2:2(0) ack 1; poll; error; recv 10`,
};

const HALF: Readonly<Record<string, string>> = {
  "shutdown-write": `${PLAIN} shutdown wr; +10; < . 1:1(0) ack 2; < P. 1:101(100) ack 2; +10; recv 200; send 10; < F. 101:101(0) ack 2; recv 10; close; +10`,
  "shutdown-write-twice": `${PLAIN} shutdown wr; shutdown wr; +10; < . 1:1(0) ack 2`,
  "shutdown-write-with-data": `${PLAIN} send 3000; shutdown wr; +10; < . 1:1(0) ack 1001; +10; < . 1:1(0) ack *`,
  "shutdown-read": `${PLAIN} shutdown rd; recv 10; < P. 1:101(100) ack 1; +10; recv 200; recv 10; close; +10`,
  "shutdown-both": `${PLAIN} shutdown rdwr; +10; poll; < . 1:1(0) ack 2; < P. 1:101(100) ack 2; +10; recv 200; close; +10`,
  "shutdown-write-then-reset": `${PLAIN} shutdown wr; +10; < . 1:1(0) ack 2; < R 1:1(0); +10; error; recv 10`,
  "shutdown-both-fins": `${PLAIN} shutdown wr; +10; < F. 1:1(0) ack 2; +10; poll; recv 10; shutdown wr; close; +10`,
  "shutdown-listener-state": `listen; shutdown wr; < S 0:0(0) win 65535 <mss 1000>; +10`,
  "fin-wait-1-ack-of-data": `${PLAIN} send 500; shutdown wr; +10; < . 1:1(0) ack 501; +10; < P. 1:101(100) ack 501; +10; recv 500; < . 101:101(0) ack 502; +10`,
  "fin-wait-1-future-ack": `${PLAIN} shutdown wr; +10; < . 1:1(0) ack 50; +10; < . 1:1(0) ack 2`,
  "fin-wait-2-syn": `${PLAIN} shutdown wr; +10; < . 1:1(0) ack 2; < S 1:1(0) win 1000; +10`,
  "closing-data": `${PLAIN} shutdown wr; +10; < F. 1:1(0) ack 1; +10; < P. 2:12(10) ack 2; +10; recv 10`,
};

const TIME_WAIT = `${PLAIN} close; +10; < F. 1:1(0) ack 2; +10`;

const AFTER: Readonly<Record<string, string>> = {
  "time-wait-fin": `${TIME_WAIT}; < F. 1:1(0) ack 2; +10; < F. 1:1(0) ack 2; +10`,
  "time-wait-ack": `${TIME_WAIT}; < . 2:2(0) ack 2; +10`,
  "time-wait-data": `${TIME_WAIT}; < P. 2:102(100) ack 2; +10`,
  "time-wait-old-data": `${TIME_WAIT}; < P. 1:101(100) ack 2; +10`,
  "time-wait-reset": `${TIME_WAIT}; < R 2:2(0); +10; < F. 1:1(0) ack 2; +10`,
  "time-wait-reset-in-window": `${TIME_WAIT}; < R 50:50(0); +10; < F. 1:1(0) ack 2; +10`,
  "time-wait-syn": `${TIME_WAIT}; < S 100000:100000(0) win 65535 <mss 1000>; +10`,
  "time-wait-syn-old": `${TIME_WAIT}; < S 0:0(0) win 65535 <mss 1000>; +10`,
  "time-wait-syn-ack": `${TIME_WAIT}; < S. 0:0(0) ack 1 win 65535 <mss 1000>; +10`,
  "closed-syn": "< S 0:0(0) win 65535 <mss 1000>; +10",
  "closed-syn-data": "< S 0:100(100) win 65535 <mss 1000>; +10",
  "closed-syn-fin": "< SF 0:0(0) win 65535 <mss 1000>; +10",
  "closed-ack": "< . 1:1(0) ack 5000 win 65535; +10",
  "closed-data": "< P. 1:101(100) ack 5000 win 65535; +10",
  "closed-fin": "< F. 1:1(0) ack 5000 win 65535; +10",
  "closed-fin-without-ack": "< F 1:1(0) win 65535; +10",
  "closed-reset": "< R 1:1(0); +10; < R. 1:1(0) ack 1; +10",
  "closed-no-flags": "< - 1:1(0) win 65535; +10; < - 1:101(100) win 65535; +10",
  "closed-bad-checksum": "< {checksum} S 0:0(0) win 65535; +10",
  "closed-after-reset": `${PLAIN} < R 1:1(0); close; +10; < P. 1:101(100) ack 1; +10; < . 1:1(0) ack 1; +10`,
};

const KEEP_ALIVE: Readonly<Record<string, string>> = {
  "keep-alive": `${PLAIN} set keepidle 1; set keepintvl 1; set keepcnt 2; set keepalive 1; +1200; < . 1:1(0) ack 1; +1300; < . 1:1(0) ack 1; +10`,
  "keep-alive-dead": `${PLAIN} set keepidle 1; set keepintvl 1; set keepcnt 2; set keepalive 1; +3500; error; recv 10`,
};

export const CLOSING: Readonly<Record<string, string>> = {
  ...ACTIVE,
  ...PASSIVE,
  ...HALF,
  ...AFTER,
  ...KEEP_ALIVE,
};
