/** RFC 9293 3.8.6: windows that close, shrink and open; silly windows; delayed ACKs. */
import { accepted, rule } from "./wire.ts";

rule(
  "RFC 9293 MUST-34: a window that the peer takes back does no harm",
  // What is in flight is beyond the edge: the difference is not a huge window.
  accepted(`
      +0 write(4, ..., 5000) = 5000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > . 2001:3001(1000) ack 1
      +0 > . 3001:4001(1000) ack 1
      +0 > P. 4001:5001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 500
      +0 write(4, ..., 1000) = 1000
      +0.1 < . 1:1(0) ack 5001 win 65535
      +0 > P. 5001:6001(1000) ack 1
      +0.1 < . 1:1(0) ack 6001 win 65535`),
);

rule(
  "RFC 9293 SHLD-15, SHLD-16: beyond a shrunk edge nothing new leaves, below it what is lost does",
  accepted(`
      +0 write(4, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 1000
      +0 write(4, ..., 2000) = 2000
      +1 > . 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 1000
      +0 > . 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 2000
      +0 > . 3001:4001(1000) ack 1
      +0 > P. 4001:5001(1000) ack 1
      +0.1 < . 1:1(0) ack 5001 win 2000`),
);

rule(
  "RFC 9293 MUST-35, SHLD-17: a window shrunk to zero is probed, what is beyond does not time out",
  accepted(`
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:1001(1000) ack 1
      +0 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +2.8~+3.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +3.8~+4.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +7.8~+8.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +15.8~+16.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +31.8~+32.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +63.8~+64.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +119.8~+120.1 > . 1:2(1) ack 1
      +0.1 < . 1:1(0) ack 1 win 0
      +119.8~+120.1 > . 1:2(1) ack 1
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +0.1 < . 1:1(0) ack 2001 win 65535`),
);

const CLOSED = `
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 0
      +0 write(4, ..., 500) = 500`;

rule(
  "RFC 9293 MUST-36, SHLD-29, SHLD-30: a closed window is probed after an RTO, then twice as late",
  accepted(`${CLOSED}
      +1 > . 1001:1002(1) ack 1
      +0.1 < . 1:1(0) ack 1001 win 0
      +1.9 > . 1001:1002(1) ack 1
      +0.1 < . 1:1(0) ack 1001 win 0
      +3.9 > . 1001:1002(1) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0 > P. 1001:1501(500) ack 1
      +0.1 < . 1:1(0) ack 1501 win 65535`),
);

rule(
  "RFC 9293 MUST-37, MAY-8: it may be closed for ever, as long as probes are answered",
  accepted(`${CLOSED}
      +1 > . 1001:1002(1) ack 1
      ${[2, 4, 8, 16, 32, 64, 120, 120, 120, 120]
        .map(
          (wait) => `+0 < . 1:1(0) ack 1001 win 0
        +${wait} > . 1001:1002(1) ack 1`,
        )
        .join("\n")}
      +0 < . 1:1(0) ack 1001 win 0
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%`),
);

rule(
  "RFC 9293 MUST-38: no silly segment for a window that has opened by a little",
  accepted(
    `
      +0 write(4, ..., 4000) = 4000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 0
      +0.1 < . 1:1(0) ack 2001 win 100
      +0.1 < . 1:1(0) ack 2001 win 999
      +0.1 < . 1:1(0) ack 2001 win 1000
      +0 > . 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535
      +0 > P. 3001:4001(1000) ack 1
      +0.1 < . 1:1(0) ack 4001 win 65535`,
    { window: 2000 },
  ),
);

const SMALL = { before: "+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [8192], 4) = 0" };
const FULL = `
      +0 < . 1:1461(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 1461 win 6732
      +0 < . 1461:2921(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 2921 win 5272
      +0 < . 2921:4381(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 4381 win 3812
      +0 < . 4381:5841(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 5841 win 2352
      +0 < . 5841:7301(1460) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 7301 win 892
      +0 < . 7301:8193(892) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 8193 win 0`;

rule(
  "RFC 9293 MUST-39: the window opens by a segment or half the buffer, not by less",
  // 900 bytes more are no step: what the peer sends is told the old edge.
  accepted(
    `${FULL}
      +0 read(4, ..., 900) = 900
      +0.1 < . 8193:8194(1) ack 1 win 65535
      +0 > . 1:1(0) ack 8193 win 0
      +0 write(4, ..., 10) = 10
      +0 > P. 1:11(10) ack 8193 win 0
      +0.1 < . 8193:8193(0) ack 11 win 65535
      +0 read(4, ..., 3600) = 3600
      +0 > . 11:11(0) ack 8193 win 4500`,
    SMALL,
  ),
);

rule(
  "RFC 9293 SHLD-14: the right edge does not go back, whatever is read or comes",
  accepted(
    `${FULL}
      +0.1 < . 8193:8194(1) ack 1 win 65535
      +0 > . 1:1(0) ack 8193 win 0
      +0 setsockopt(4, SOL_SOCKET, SO_RCVBUF, [4096], 4) = 0
      +0 read(4, ..., 4096) = 4096
      +0 > . 1:1(0) ack 8193 win 4096
      +0 setsockopt(4, SOL_SOCKET, SO_RCVBUF, [4096], 4) = 0
      +0 < P. 8193:8293(100) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 8293 win 3996`,
    SMALL,
  ),
);

rule(
  "RFC 9293 MUST-40: an ACK is delayed for less than half a second",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535
      +0~+0.49 > . 1:1(0) ack 101`),
);

rule(
  "RFC 9293 SHLD-18: and it is delayed, for data that may answer",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535
      +0.1 write(4, ..., 50) = 50
      +0 > P. 1:51(50) ack 101
      +0.1 < . 101:101(0) ack 51 win 65535`),
);

rule(
  "RFC 9293 SHLD-19: each second full-sized segment is acknowledged at once",
  accepted(`
      +0 < . 1:1461(1460) ack 1 win 65535
      +0 < . 1461:2921(1460) ack 1 win 65535
      +0 > . 1:1(0) ack 2921
      +0 < . 2921:4381(1460) ack 1 win 65535
      +0 < . 4381:5841(1460) ack 1 win 65535
      +0 > . 1:1(0) ack 5841`),
);

rule(
  "RFC 9293 MAY-7: beyond the window nothing is sent again but the byte of a probe",
  accepted(`
      +0 write(4, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 0
      +2~+4 > . 1001:1002(1) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535`),
);

rule(
  "RFC 9293 3.8.6.2.1 rule 4: what fits a small window is sent when the timer expires",
  ...["rfc", "linux"].map((profile) =>
    accepted(
      `
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 400
      +0 write(4, ..., 1000) = 1000
      +0.1~+3.1 > . 1001:1401(400) ack 1
      +0.1 < . 1:1(0) ack 1401 win 65535
      +0 > P. 1401:2001(600) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535`,
      { before: `--profile=${profile}` },
    ),
  ),
);

rule(
  "RFC 9293 MUST-39: all is announced again that was read, however small the buffer",
  // Read in pieces, of which each alone is not worth an update.
  accepted(
    `
      +0 < . 1:4001(4000) ack 1 win 65535
      +0~+0.5 > . 1:1(0) ack 4001 win 4192
      +0.1 < . 4001:6001(2000) ack 1 win 65535
      +0~+0.5 > . 1:1(0) ack 6001 win 2192
      +0 read(4, ..., 2500) = 2500
      +0 read(4, ..., 1500) = 1500
      +0 > . 1:1(0) ack 6001 win 6192`,
    {
      options: "mss 4000",
      before: "--mtu=9000\n+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [8192], 4) = 0",
    },
  ),
);

rule(
  "RFC 9293 SHLD-16: of a segment beyond a shrunk edge the bytes below it are sent again",
  // An older ACK overtaken by a window update takes the window back, and the segment is lost.
  accepted(`
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1 win 400
      +0.5~+3.1 > . 1:401(400) ack 1
      +0.1 < . 1:1(0) ack 401 win 400
      * > . 401:801(400) ack 1
      +0.1 < . 1:1(0) ack 801 win 65535
      * > P. 801:1001(200) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`),
  accepted(`
      +0 send(4, ..., 600, MSG_MORE) = 600
      +0 close(4) = 0
      +0 > FP. 1:601(600) ack 1
      +0.1 < F. 1:1(0) ack 1 win 400
      * > . 401:401(0) ack 2
      +0.5~+3.1 > . 1:401(400) ack 2
      +0.1 < . 2:2(0) ack 401 win 65535
      * > FP. 401:601(200) ack 2
      +0.1 < . 2:2(0) ack 602 win 65535`),
);

rule(
  "RFC 9293 SHLD-16: with SACK a segment beyond a shrunk edge is sent again whole",
  accepted(
    `
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1 win 400
      +0.5~+3.1 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 401 win 65535
      +0.5~+3.1 > P. 401:1001(600) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535`,
    { options: "mss 1000,nop,nop,sackOK" },
  ),
);
