/** RFC 9293 3.7.4, 3.9.1, 3.10.7.4: what leaves in which segments, and what is answered when. */
import { accepted, rule } from "./wire.ts";

rule(
  "RFC 9293 SHLD-7: while data is on its way, a write that fills no segment waits (Nagle)",
  accepted(`
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0.01 write(4, ..., 100) = 100
      +0.1 < . 1:1(0) ack 101 win 65535
      +0 > P. 101:201(100) ack 1
      +0.1 < . 1:1(0) ack 201 win 65535`),
);

rule(
  "RFC 9293 MUST-17: Nagle's rule can be switched off for one connection",
  accepted(`
      +0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0.01 write(4, ..., 100) = 100
      +0 > P. 101:201(100) ack 1
      +0.1 < . 1:1(0) ack 201 win 65535`),
);

rule(
  "RFC 9293 MUST-60, MUST-61, MAY-15: without a push flag nothing stays, and the last has PSH",
  accepted(`
      +0 write(4, ..., 2500) = 2500
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535
      +0 > P. 2001:2501(500) ack 1
      +0.1 < . 1:1(0) ack 2501 win 65535
      +0 write(4, ..., 1) = 1
      +0 > P. 2501:2502(1) ack 1
      +0.1 < . 1:1(0) ack 2502 win 65535`),
);

rule(
  "RFC 9293 SHLD-27, SHLD-28, MAY-16: writes that wait share full-sized segments, PSH in the last",
  accepted(`
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0 write(4, ..., 400) = 400
      +0 write(4, ..., 300) = 300
      +0 write(4, ..., 299) = 299
      +0.1 < . 1:1(0) ack 101 win 65535
      +0 > P. 101:1100(999) ack 1
      +0 write(4, ..., 700) = 700
      +0 write(4, ..., 700) = 700
      +0 > . 1100:2100(1000) ack 1
      +0.1 < . 1:1(0) ack 2100 win 65535
      +0 > P. 2100:2500(400) ack 1
      +0.1 < . 1:1(0) ack 2500 win 65535`),
);

rule(
  "RFC 9293 MAY-17: PSH of the peer's is not told, and nothing waits for it",
  accepted(`
      +0 < . 1:101(100) ack 1 win 65535
      +0 read(4, ..., 1000) = 100
      +0~+0.2 > . 1:1(0) ack 101
      +0 < P. 101:201(100) ack 1 win 65535
      +0 read(4, ..., 1000) = 100
      +0~+0.2 > . 1:1(0) ack 201`),
);

rule(
  "RFC 9293 SHLD-31: what comes ahead of order is held, and not asked for again",
  accepted(`
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1
      +0.1 < . 1:1001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 2001
      +0 read(4, ..., 5000) = 2000`),
);

rule(
  "RFC 9293 MAY-13, CC-10: a segment ahead of order is acknowledged at once",
  accepted(`
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1
      +0.1 < . 3001:4001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1
      +0.1 < . 1:1001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1001`),
);

rule(
  "CC-11: a segment that fills a gap is acknowledged at once",
  accepted(`
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1
      +0.1 < . 1:1001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 2001
      +0.1 < . 3001:4001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 2001
      +0.1 < . 2001:2501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 2501`),
);

const DATA = `
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:1001(1000) ack 1
      +0 > P. 1001:2001(1000) ack 1`;

rule(
  "RFC 9293 MAY-12, threats/Q12, BA-5: an ACK below SND.UNA - MAX.SND.WND: its data dropped",
  accepted(
    `${DATA}
      +0.1 < . 1:1(0) ack 2001 win 2000
      +0.1 < P. 1:101(100) ack 2 win 2000
      +0~+0.2 > . 2001:2001(0) ack 101
      +0.1 < P. 101:201(100) ack 0 win 2000
      +0 > . 2001:2001(0) ack 101
      +0 read(4, ..., 1000) = 100`,
    { window: 2000 },
  ),
);

rule(
  "BA-5: an ACK of what was never sent is answered, and its data dropped",
  accepted(`
      +0.1 < P. 1:101(100) ack 2 win 65535
      +0 > . 1:1(0) ack 1
      +0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
      +0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)`),
);

rule(
  "RFC 9293 MUST-30, MUST-31, MUST-33, MUST-62: URG and its pointer change nothing of the stream",
  ...[0, 1, 2, 99, 100, 101, 65535].map((pointer) =>
    accepted(`
      +0 < PU. 1:101(100) ack 1 win 65535 urg ${pointer}
      +0~+0.2 > . 1:1(0) ack 101
      +0 < U. 101:101(0) ack 1 win 65535 urg ${pointer}
      +0 < . 101:201(100) ack 1 win 65535 urg ${pointer}
      +0~+0.2 > . 1:1(0) ack 201
      +0 ioctl(4, SIOCINQ, [200]) = 0
      +0 read(4, ..., 1000) = 200`),
  ),
);

rule(
  "RFC 9293 SHLD-8: ECN is negotiated, echoed, and taken as a loss would be",
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < SEW 0:0(0) win 65535 <mss 1000>
   +0 > SE. 0:0(0) ack 1 <mss 1460>
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 < [ce] P. 1:101(100) ack 1 win 65535
   +0~+0.2 > E. 1:1(0) ack 101
   +0.1 write(4, ..., 1000) = 1000
   +0 > [ect0] PE. 1:1001(1000) ack 101
   +0.1 < E. 101:101(0) ack 1001 win 65535
   +0 %{ assert tcpi_snd_cwnd < 10 }%`,
);
