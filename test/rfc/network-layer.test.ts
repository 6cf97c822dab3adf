/** RFC 9293 3.9.1.8, 3.9.1.9, 3.9.2: errors from below, DSCP, TTL. */
import { accepted, connected, rule } from "./wire.ts";

const SENT = `
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1`;
const ACKED = "+0.1 < . 1:1(0) ack 1001 win 65535";
const errno = (value: number): string =>
  `+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [${value}], [4]) = 0`;

rule(
  "RFC 9293 MUST-47, SHLD-25: ICMP errors and R1 are told to who asks",
  accepted(`${SENT}
      +0.1 < [1:1001(1000)] icmp unreachable host_unreachable
      ${errno(113)}
      ${errno(0)}
      +0.1 < [1:1001(1000)] icmp time_exceeded
      ${errno(113)}
      +0.1 < [1:1001(1000)] icmp unreachable net_unreachable
      ${errno(101)}
      ${ACKED}`),
  accepted(`${SENT}
      +1 > P. 1:1001(1000) ack 1
      +2 > P. 1:1001(1000) ack 1
      +4 > P. 1:1001(1000) ack 1
      ${errno(110)}
      ${ACKED}`),
);

rule(
  "RFC 9293 SHLD-20: who does not ask is not interrupted by them",
  accepted(`${SENT}
      +0.1 < [1:1001(1000)] icmp unreachable host_unreachable
      +0 < P. 1:101(100) ack 1 win 65535
      +0 read(4, ..., 1000) = 100
      +0~+0.2 > . 1001:1001(0) ack 101
      +0 write(4, ..., 10) = 10
      +0.1 < . 101:101(0) ack 1001 win 65535
      +0 > P. 1001:1011(10) ack 101`),
);

const SOFT = ["net_unreachable", "host_unreachable", "source_route_failed"];

rule(
  "RFC 9293 MUST-54, MUST-56: soft errors find their connection and end it in no state",
  ...[...SOFT.map((code) => `unreachable ${code}`), "time_exceeded", "parameter_problem"].flatMap(
    (error) => [
      accepted(`${SENT}
      +0.1 < [1:1001(1000)] icmp ${error}
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
      ${ACKED}`),
      `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
       +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
       +0 > S 0:0(0) <...>
       +0.1 < [0:0(0)] icmp ${error}
       +0 getsockopt(3, SOL_SOCKET, SO_ERROR, [${error.includes("net") ? 101 : 113}], [4]) = 0
       +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
       +0 > . 1:1(0) ack 1
       +0 %{ assert tcpi_state == TCP_ESTABLISHED }%`,
    ],
  ),
);

rule(
  "RFC 9293 SHLD-26, PM-19: hard errors end an open, and no connection that is synchronized",
  ...[
    ["protocol_unreachable", "ENOPROTOOPT"],
    ["port_unreachable", "ECONNREFUSED"],
  ].flatMap(([code, error]) => [
    `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
     +0...0.1 connect(3, ..., ...) = -1 ${error}
     +0 > S 0:0(0) <...>
     +0.1 < [0:0(0)] icmp unreachable ${code}`,
    accepted(`${SENT}
      +0.1 < [1:1001(1000)] icmp unreachable ${code}
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
      ${ACKED}`),
  ]),
);

rule(
  "RFC 9293 MUST-55: Source Quench is dropped in silence",
  accepted(`${SENT}
      +0.1 < [1:1001(1000)] icmp source_quench
      ${errno(0)}
      +0 %{ assert tcpi_snd_cwnd == 10 }%
      ${ACKED}`),
);

const TOS = (value: number): string => `+0 setsockopt(4, IPPROTO_IP, IP_TOS, [${value}], 4) = 0`;

rule(
  "RFC 9293 MUST-48, SHLD-21, SHLD-22: the application's DSCP goes to IP as it is, also later",
  accepted(`
      ${TOS(0xb8)}
      +0 write(4, ..., 100) = 100
      +0 > [tos 0xb8] P. 1:101(100) ack 1
      +0.1 < . 1:1(0) ack 101 win 65535
      ${TOS(0x28)}
      +0 write(4, ..., 100) = 100
      +0 > [tos 0x28] P. 101:201(100) ack 1
      +0.1 < P. 1:101(100) ack 201 win 65535
      +0~+0.2 > [tos 0x28] . 201:201(0) ack 101`),
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 setsockopt(3, IPPROTO_IP, IP_TOS, [0xb8], 4) = 0
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > [tos 0xb8] S 0:0(0) <...>`,
);

rule(
  "RFC 9293 SHLD-23: what nobody asks for does not change: one DSCP for the whole connection",
  connected(`
      +0 write(3, ..., 100) = 100
      +0 > [tos 0] P. 1:101(100) ack 1
      +0.1 < [tos 0xb8] . 1:1(0) ack 101 win 65535
      +0 write(3, ..., 100) = 100
      +0 > [tos 0] P. 101:201(100) ack 1
      +0.1 < . 1:1(0) ack 201 win 65535`),
);

rule(
  "RFC 9293 MAY-9: a received DSCP is not passed up",
  accepted(`
      +0 < [tos 0xb8] P. 1:101(100) ack 1 win 65535
      +0 getsockopt(4, IPPROTO_IP, IP_TOS, [0], [4]) = 0
      +0~+0.2 > [tos 0] . 1:1(0) ack 101`),
);

rule(
  "RFC 9293 MUST-49: TTL is 64 unless the application says otherwise",
  accepted(`
      +0 write(4, ..., 100) = 100
      +0 > [ttl 64] P. 1:101(100) ack 1
      +0.1 < . 1:1(0) ack 101 win 65535
      +0 setsockopt(4, IPPROTO_IP, IP_TTL, [7], 4) = 0
      +0 write(4, ..., 100) = 100
      +0 > [ttl 7] P. 101:201(100) ack 1
      +0.1 < [ttl 1] . 1:1(0) ack 201 win 65535`),
);
