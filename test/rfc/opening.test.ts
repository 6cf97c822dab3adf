/** RFC 9293 3.5, 3.9.1.1, 3.10.1: opening connections, and who may be spoken to. */
import { accepted, connected, rule } from "./wire.ts";

const endpoint = (address: string, port: number): string =>
  `{sa_family = AF_INET, sin_port = htons(${port}), sin_addr = inet_addr("${address}")}`;

rule(
  "RFC 9293 MUST-10: a SYN that meets our SYN makes one connection and no RST",
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <...>
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <...>
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
   +0 write(3, ..., 100) = 100
   +0 > P. 1:101(100) ack 1
   +0.1 < . 1:1(0) ack 101 win 65535`,
);

rule(
  "RFC 9293 MUST-11: SYN-RECEIVED knows whether the open was passive or active",
  // Passive: back to LISTEN, and nobody is told.
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +0.1 < R 1:1(0) win 0
   +0 accept(3, ..., ...) = -1 EAGAIN (Resource temporarily unavailable)
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4`,
  // Passive: the handshake's ACK makes a connection to accept.
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4`,
  // Active: the open fails, and the application hears of it.
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0...0.2 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)
   +0 > S 0:0(0) <...>
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <...>
   +0.1 < R 1:1(0) win 0`,
);

rule(
  "RFC 9293 MUST-41: a passive open changes no connection that there is",
  accepted(`
      +0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
      +0 setsockopt(5, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
      +0 bind(5, ${endpoint("0.0.0.0", 81)}, 16) = 0
      +0 listen(5, 1) = 0
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%
      +0 < P. 1:101(100) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 101
      +0 read(4, ..., 1000) = 100
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 101
      +0.1 < . 101:101(0) ack 101 win 65535`),
);

rule(
  "RFC 9293 MUST-43, MUST-45: OPEN takes a local address and keeps it",
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ${endpoint("192.168.0.1", 5000)}, 16) = 0
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <...>
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0 write(3, ..., 100) = 100
   +0 > P. 1:101(100) ack 1
   +0.1 < . 1:1(0) ack 101 win 65535`,
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ${endpoint("10.9.8.7", 5000)}, 16) = 0
   +0 connect(3, ..., ...) = -1 EADDRNOTAVAIL (Cannot assign requested address)`,
);

rule(
  "RFC 9293 MUST-44: without one it is the route's before the first SYN",
  connected(`
      +0 write(3, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0.1 < . 1:1(0) ack 101 win 65535`),
);

rule(
  "RFC 9293 MUST-46: OPEN to broadcast, multicast or nobody is refused here",
  ...["255.255.255.255", "192.168.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0"].map(
    (address) => `
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 connect(3, ${endpoint(address, 80)}, 16) = -1 ENETUNREACH (Network is unreachable)`,
  ),
);

rule(
  "RFC 9293 MUST-18, MUST-22, RTO-20, RTO-1: a SYN goes again after 1 s, 2 s, 4 s",
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <...>
   +1 > S 0:0(0) <...>
   +2 > S 0:0(0) <...>
   +4 > S 0:0(0) <...>
   +0 getsockopt(3, SOL_SOCKET, SO_ERROR, [110], [4]) = 0
   +8 > S 0:0(0) <...>
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0 %{ assert tcpi_state == TCP_ESTABLISHED }%`,
);

rule(
  "RFC 9293 MUST-23: an open is given up after three minutes at the earliest",
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0...243 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)
   +0 > S 0:0(0) <...>
   +1 > S 0:0(0) <...>
   +2 > S 0:0(0) <...>
   +4 > S 0:0(0) <...>
   +8 > S 0:0(0) <...>
   +16 > S 0:0(0) <...>
   +32 > S 0:0(0) <...>
   +60 > S 0:0(0) <...>
   +60 > S 0:0(0) <...>`,
);
