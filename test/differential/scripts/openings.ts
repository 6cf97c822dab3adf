/** Openings that many scripts begin with. */

/** A passive open with every option; the socket is accepted. */
export const SERVER = `
listen
< S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>
+10
< . 1:1(0) ack 1 win 512 <nop,nop,TS val 1010 ecr *>
accept
`;

/** The same with an MSS alone. */
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

/** An active open, with SACK alone. */
export const CLIENT = `
connect
+10
< S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,sackOK>
connect
`;
