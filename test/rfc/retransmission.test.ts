/** RFC 9293 3.8.1 to 3.8.4: retransmission, giving up, keep-alive. */
import { accepted, leaving, rule } from "./wire.ts";

rule(
  "RFC 9293 MUST-18, RTO-6: a segment that was sent twice gives no sample (Karn)",
  // The ACK 1.2 s after the first copy is no round trip of 1.2 s: RTO stays backed off.
  accepted(`
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1
      +0.2 < . 1:1(0) ack 1001 win 65535
      +0 %{ assert tcpi_rtt == 100000 }%
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1001:2001(1000) ack 1
      +2 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535
      +0 write(4, ..., 1000) = 1000
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535
      +0 write(4, ..., 1000) = 1000
      +0 > P. 3001:4001(1000) ack 1
      +1 > P. 3001:4001(1000) ack 1`),
);

rule(
  "RFC 9293 MUST-19: slow start, a window of one segment after a timeout, and backing off",
  accepted(`
      +0 write(4, ..., 10000) = 10000
      ${leaving(1, 10, "", true)}
      +1 > . 1:1001(1000) ack 1
      +2 > . 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0 > . 1001:2001(1000) ack 1
      +0 > . 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 10001 win 65535
      +0 write(4, ..., 4000) = 4000
      +0 > . 10001:11001(1000) ack 1
      +0 > . 11001:12001(1000) ack 1
      +0 > . 12001:13001(1000) ack 1
      +0.1 < . 1:1(0) ack 13001 win 65535
      +0 > P. 13001:14001(1000) ack 1
      +0.1 < . 1:1(0) ack 14001 win 65535`),
);

rule(
  "RFC 9293 MUST-20, SHLD-9, SHLD-10, SHLD-11: told at R1 (three), over at R2 (five minutes)",
  accepted(`
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1
      +2 > P. 1:1001(1000) ack 1
      +0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
      +4 > P. 1:1001(1000) ack 1
      +0 getsockopt(4, SOL_SOCKET, SO_ERROR, [110], [4]) = 0
      +8 > P. 1:1001(1000) ack 1
      +16 > P. 1:1001(1000) ack 1
      +32 > P. 1:1001(1000) ack 1
      +64 > P. 1:1001(1000) ack 1
      +119 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +1 > P. 1:1001(1000) ack 1
      +119 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +2 %{ assert tcpi_state == TCP_CLOSE }%
      +0 read(4, ..., 1000) = -1 ETIMEDOUT (Connection timed out)`),
);

rule(
  "RFC 9293 MUST-21: R2 is the application's, per connection, and may be as good as infinite",
  accepted(`
      +0 setsockopt(4, IPPROTO_TCP, TCP_USER_TIMEOUT, [5000], 4) = 0
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1
      +2 > P. 1:1001(1000) ack 1
      +1.9 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +0.2 %{ assert tcpi_state == TCP_CLOSE }%`),
  accepted(`
      +0 setsockopt(4, IPPROTO_TCP, TCP_USER_TIMEOUT, [2147483647], 4) = 0
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1
      +2 > P. 1:1001(1000) ack 1
      +4 > P. 1:1001(1000) ack 1
      +8 > P. 1:1001(1000) ack 1
      +16 > P. 1:1001(1000) ack 1
      +32 > P. 1:1001(1000) ack 1
      +64 > P. 1:1001(1000) ack 1
      +120 > P. 1:1001(1000) ack 1
      +120 > P. 1:1001(1000) ack 1
      +120 > P. 1:1001(1000) ack 1
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%`),
);

const ON = "+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0";

rule(
  "RFC 9293 MUST-25: keep-alive is off by default",
  accepted("+86400 %{ assert tcpi_state == TCP_ESTABLISHED }%"),
);

rule(
  "RFC 9293 MUST-24, MUST-28, SHLD-12, MAY-5: on, it asks after two hours, without data",
  accepted(`${ON}
      +7199 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +1 > . 0:0(0) ack 1
      +0.1 < . 1:1(0) ack 1 win 65535
      +0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [0], 4) = 0
      +86400 %{ assert tcpi_state == TCP_ESTABLISHED }%`),
);

rule(
  "RFC 9293 MUST-26: never while data is on its way, nor when something came in the interval",
  accepted(`${ON}
      +0 setsockopt(4, IPPROTO_TCP, TCP_KEEPIDLE, [1], 4) = 0
      +0 setsockopt(4, IPPROTO_TCP, TCP_KEEPINTVL, [1], 4) = 0
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1
      +2 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0.9~+1.1 > . 1000:1000(0) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0.8 < . 1:1(0) ack 1001 win 65535
      +0.9~+1.1 > . 1000:1000(0) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`),
);

rule(
  "RFC 9293 MUST-27, MUST-29: the interval can be set; one probe without an answer ends nothing",
  accepted(`${ON}
      +0 setsockopt(4, IPPROTO_TCP, TCP_KEEPIDLE, [10], 4) = 0
      +0 setsockopt(4, IPPROTO_TCP, TCP_KEEPINTVL, [3], 4) = 0
      +0 setsockopt(4, IPPROTO_TCP, TCP_KEEPCNT, [2], 4) = 0
      +10 > . 0:0(0) ack 1
      +3 > . 0:0(0) ack 1
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +0.1 < . 1:1(0) ack 1 win 65535
      +9.8~+10.1 > . 0:0(0) ack 1
      +3 > . 0:0(0) ack 1
      +3 > R. 1:1(0) ack 1
      +0 read(4, ..., 1000) = -1 ETIMEDOUT (Connection timed out)`),
);

rule(
  "RFC 9293 MAY-6: a probe with a byte below the window is answered and not delivered",
  accepted(`
      +0.1 < . 0:1(1) ack 1 win 65535
      +0 > . 1:1(0) ack 1
      +0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
      +0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)`),
);
