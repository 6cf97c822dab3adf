/** How a connection opens: options, order, answers that do not fit, SYNs again. */

/** A passive open with all options; the socket is accepted. */
export const SERVER = `
listen
< S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>
+10
< . 1:1(0) ack 1 win 512 <nop,nop,TS val 1010 ecr *>
accept
`;

/** The same without options: an MSS alone. */
export const PLAIN = `
listen
< S 0:0(0) win 65535 <mss 1000>
+10
< . 1:1(0) ack 1 win 65535
accept
`;

/** With SACK, without timestamps. */
export const SACK = `
listen
< S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>
+10
< . 1:1(0) ack 1 win 65535
accept
`;

export const HANDSHAKE: Readonly<Record<string, string>> = {
  "open-all-options": `${SERVER} send 1000; +10; < . 1:1(0) ack * <nop,nop,TS val 1020 ecr *>`,
  "open-mss-only": `${PLAIN} send 1000; +10; < . 1:1(0) ack *`,
  "open-sack": `${SACK} send 3000; +10; < . 1:1(0) ack *`,
  "open-syn-twice": "listen; < S 0:0(0) win 65535 <mss 1000>; +10; < S 0:0(0) win 65535 <mss 1000>",
  "syn-ack-lost": "listen; < S 0:0(0) win 65535 <mss 1000>; +3500",
  "rto-data": `${PLAIN} send 500; +1500; < . 1:1(0) ack *`,
  "challenge-syn": `${PLAIN} < S 1:1(0) win 1000; +10; < S 500:500(0) win 1000; +10; < . 1:1(0) ack 1`,
};
