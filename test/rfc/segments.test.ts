/** RFC 9293 3.1, 3.2, 3.4, 3.7.1: the header, its options, the size of segments. */
import { accepted, connected, rule } from "./wire.ts";

rule(
  "RFC 9293 MUST-1: windows of 0x8000 and more are large, not negative",
  ...[0x8000, 0x9c40, 0xffff].map((window) =>
    accepted(`
      +0.1 < . 1:1(0) ack 1 win 1000
      +0.1 < . 1:1(0) ack 1 win ${window}
      +0 %{ assert tcpi_snd_wnd == ${window} }%
      +0 write(4, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win ${window}`),
  ),
);

rule(
  "RFC 9293 REC-1: windows are 32 bits wide inside",
  accepted(
    `
      +0.1 < . 1:1(0) ack 1 win 65534
      +0 %{ assert tcpi_snd_wnd == 1073709056 }%
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`,
    { options: "mss 1000,nop,wscale 14" },
  ),
);

rule(
  "RFC 9293 MUST-4: end of list, no-operation and MSS are understood",
  ...["mss 700", "nop,nop,nop,mss 700,eol", "mss 700,eol,nop,nop,nop"].map((options) =>
    accepted(
      `
      +0 write(4, ..., 1000) = 1000
      +0 > . 1:701(700) ack 1
      +0.1 < . 1:1(0) ack 701 win 65535 <eol>
      +0 > P. 701:1001(300) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535 <nop,nop,eol>`,
      { options },
    ),
  ),
);

rule(
  "RFC 9293 MUST-5: options may stand on any segment",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535 <nop,nop,nop,nop>
      +0~+0.2 > . 1:1(0) ack 101
      +0 < P. 101:201(100) ack 1 win 65535 <nop,eol>
      +0~+0.2 > . 1:1(0) ack 201
      +0 read(4, ..., 1000) = 200
      +0 < F. 201:201(0) ack 1 win 65535 <nop,nop,mss 536>
      +0 > . 1:1(0) ack 202`),
);

rule(
  "RFC 9293 MUST-6: an unknown option with a length is passed over",
  accepted(
    `
      +0 write(4, ..., 1000) = 1000
      +0 > . 1:701(700) ack 1
      +0.1 < . 1:1(0) ack 701 win 65535 <0x63:010203040506>
      +0 > P. 701:1001(300) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`,
    { options: "0x4d:0102,nop,0xfd:aa,mss 700" },
  ),
);

rule(
  "RFC 9293 MUST-64: options need not stand on a word",
  ...["nop,mss 700", "nop,nop,mss 700", "nop,nop,nop,mss 700", "0x4d:01,mss 700"].map((options) =>
    accepted(
      `
      +0 write(4, ..., 700) = 700
      +0 > P. 1:701(700) ack 1
      +0.1 < . 1:1(0) ack 701 win 65535`,
      { options },
    ),
  ),
);

rule(
  "RFC 9293 MUST-65: MSS stands on SYNs only, and is ignored elsewhere",
  accepted(`
      +0 < . 1:1(0) ack 1 win 65535 <mss 500>
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535 <mss 500>
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535
      +0 close(4) = 0
      +0 > F. 2001:2001(0) ack 1
      +0.1 < . 1:1(0) ack 2002 win 65535`),
);

rule(
  "RFC 9293 MUST-14: MSS is sent, and the peer's is obeyed",
  accepted(
    `
      +0 write(4, ..., 1200) = 1200
      +0 > . 1:601(600) ack 1
      +0 > P. 601:1201(600) ack 1
      +0.1 < . 1:1(0) ack 1201 win 65535`,
    { options: "mss 600" },
  ),
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 600>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
);

rule(
  "RFC 9293 MUST-15: without the option a segment has 536 bytes at most",
  accepted(
    `
      +0 write(4, ..., 1000) = 1000
      +0 > . 1:537(536) ack 1
      +0.1 < . 1:1(0) ack 537 win 65535
      +0 > P. 537:1001(464) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`,
    { options: "" },
  ),
  connected(
    `
      +0 write(3, ..., 536) = 536
      +0 > P. 1:537(536) ack 1
      +0.1 < . 1:1(0) ack 537 win 65535
      +0 write(3, ..., 537) = 537
      +0 > . 537:1073(536) ack 1
      +0.1 < . 1:1(0) ack 1073 win 65535
      +0 > P. 1073:1074(1) ack 1
      +0.1 < . 1:1(0) ack 1074 win 65535`,
    { options: "" },
  ),
);

rule(
  "RFC 9293 MUST-16: a segment is no larger than the peer's MSS and our own link's",
  accepted(
    `
      +0 write(4, ..., 960) = 960
      +0 > P. 1:961(960) ack 1
      +0.1 < . 1:1(0) ack 961 win 65535
      +0 write(4, ..., 961) = 961
      +0 > . 961:1921(960) ack 1
      +0.1 < . 1:1(0) ack 1921 win 65535
      +0 > P. 1921:1922(1) ack 1
      +0.1 < . 1:1(0) ack 1922 win 65535`,
    { options: "mss 1460", before: "--mtu=1000" },
  ),
);

rule(
  "RFC 9293 MUST-16, MS-1: options are taken off the size of the segment that has them",
  accepted(
    `
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:989(988) ack 1 <nop,nop,TS val 100 ecr 300>
      +0 > . 989:1977(988) ack 1 <nop,nop,TS val 100 ecr 300>
      +0.1 < . 1:1(0) ack 1977 win 65535 <nop,nop,TS val 400 ecr 100>
      +0 > P. 1977:2001(24) ack 1 <nop,nop,TS val 200 ecr 400>
      +0.1 < . 1:1(0) ack 2001 win 65535 <nop,nop,TS val 500 ecr 200>`,
    { options: "mss 1000,TS val 200 ecr 0", ack: "nop,nop,TS val 300 ecr 100" },
  ),
);

rule(
  "RFC 9293 MUST-67, SHLD-5, SHLD-6, MAY-3: each SYN says what the interface can receive",
  `--mtu=1000
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535
   +0 > S. 0:0(0) ack 1 <mss 960>`,
  // 536 is what a peer assumes without the option: it is sent all the same.
  `--mtu=576
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1460>
   +0 > S. 0:0(0) ack 1 <mss 536>`,
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 setsockopt(3, IPPROTO_TCP, TCP_MAXSEG, [9000], 4) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
);

/** The peer fills a receive buffer of 8192 bytes that nobody reads. */
const FILLED = `
      +0 < . 1:1461(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 1461
      +0 < . 1461:2921(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 2921
      +0 < . 2921:4381(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 4381
      +0 < . 4381:5841(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 5841
      +0 < . 5841:7301(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 7301
      +0 < . 7301:8193(892) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 8193 win 0`;
const SMALL_BUFFER = { before: "+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [8192], 4) = 0" };

rule(
  "RFC 9293 MUST-66: RST counts while the receive window is closed; URG does no harm",
  ...["", "+0.1 < U. 8193:8193(0) ack 1 win 65535 urg 1"].map((between) =>
    accepted(
      `${FILLED}
      ${between}
      +0.1 < R 8193:8193(0) win 0
      +0 %{ assert tcpi_state == TCP_CLOSE }%`,
      SMALL_BUFFER,
    ),
  ),
);
