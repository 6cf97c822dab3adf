/** RFC 9293 3.5.3, 3.6: closing in order, resets, TIME-WAIT. */
import { accepted, rule } from "./wire.ts";

rule(
  "RFC 9293 MUST-12: the application learns whether the end was orderly or a reset",
  accepted(`
      +0 < F. 1:1(0) ack 1 win 65535
      +0 > . 1:1(0) ack 2
      +0 read(4, ..., 1000) = 0`),
  accepted(`
      +0 < R 1:1(0) win 0
      +0 read(4, ..., 1000) = -1 ECONNRESET (Connection reset by peer)`),
);

/** We close first; TIME-WAIT begins. */
const CLOSED_FIRST = `
      +0 close(4) = 0
      +0 > F. 1:1(0) ack 1
      +0.1 < F. 1:1(0) ack 2 win 65535
      +0 > . 2:2(0) ack 2`;

rule(
  "RFC 9293 MUST-13: who closes first stays in TIME-WAIT for 2 MSL, four minutes",
  accepted(`${CLOSED_FIRST}
      +239.9 %{ assert tcpi_state == TCP_TIME_WAIT }%
      +0.2 %{ assert tcpi_state == TCP_CLOSE }%`),
);

rule(
  "TW-3: a FIN that comes again is acknowledged, and 2 MSL begin anew",
  accepted(`${CLOSED_FIRST}
      +200 < F. 1:1(0) ack 2 win 65535
      +0 > . 2:2(0) ack 2
      +239.9 %{ assert tcpi_state == TCP_TIME_WAIT }%
      +0.2 %{ assert tcpi_state == TCP_CLOSE }%`),
);

rule(
  "TW-2: what is unacceptable in TIME-WAIT is acknowledged; data is not delivered",
  accepted(`${CLOSED_FIRST}
      +1 < P. 2:102(100) ack 2 win 65535
      +0 > . 2:2(0) ack 2
      +1 < . 100000:100000(0) ack 2 win 65535
      +0 > . 2:2(0) ack 2
      +0 %{ assert tcpi_bytes_received == 0 }%
      +0 %{ assert tcpi_state == TCP_TIME_WAIT }%`),
);

rule(
  "RFC 9293 SHLD-2: a RST with data is a RST",
  accepted(`
      +0 < R 1:101(100) win 0
      +0 read(4, ..., 1000) = -1 ECONNRESET (Connection reset by peer)`),
);

rule(
  "RFC 9293 SHLD-3: bytes that nobody read, or that come after close(), are answered with RST",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 101
      +0 close(4) = 0
      +0 > R. 1:1(0) ack 101`),
  accepted(`
      +0 close(4) = 0
      +0 > F. 1:1(0) ack 1
      +0.1 < . 1:1(0) ack 2 win 65535
      +0.1 < P. 1:101(100) ack 2 win 65535
      +0 > R. 2:2(0) ack 1`),
);

rule(
  "RFC 9293 MAY-1: shutdown(SHUT_WR) closes one half; what the peer sends then is received",
  accepted(`
      +0 shutdown(4, SHUT_WR) = 0
      +0 > F. 1:1(0) ack 1
      +0.1 < . 1:1(0) ack 2 win 65535
      +0.1 < P. 1:101(100) ack 2 win 65535
      +0~+0.2 > . 2:2(0) ack 101
      +0 read(4, ..., 1000) = 100
      +0 write(4, ..., 100) = -1 EPIPE (Broken pipe)
      +0 < F. 101:101(0) ack 2 win 65535
      +0 > . 2:2(0) ack 102
      +0 read(4, ..., 1000) = 0
      +0 %{ assert tcpi_state == TCP_TIME_WAIT }%`),
);

rule(
  "RFC 9293 SHLD-4, TW-8: a SYN beyond the FIN reopens",
  accepted(`${CLOSED_FIRST}
      +1 < S 2:2(0) win 65535 <mss 1000>
      +0 > S. 0:0(0) ack 3 <mss 1460>
      +0.1 < . 3:3(0) ack 1 win 65535
      +0 accept(3, ..., ...) = 5`),
);

rule(
  "TW-9: any other SYN in TIME-WAIT is dropped in silence, and TIME-WAIT goes on",
  accepted(`${CLOSED_FIRST}
      +1 < S 1:1(0) win 65535 <mss 1000>
      +1 < S 0:0(0) win 65535 <mss 1000>
      +237.8 %{ assert tcpi_state == TCP_TIME_WAIT }%
      +0.3 %{ assert tcpi_state == TCP_CLOSE }%`),
);

rule(
  "TW-1: a RST does not end TIME-WAIT (RFC 1337, F1)",
  accepted(`${CLOSED_FIRST}
      +1 < R 2:2(0) win 0
      +1 < R. 2:2(0) ack 2 win 0
      +0 %{ assert tcpi_state == TCP_TIME_WAIT }%`),
);

const STAMPED = { options: "mss 1000,TS val 1000 ecr 0", ack: "nop,nop,TS val 1100 ecr 100" };
const CLOSED_STAMPED = `
      +0 close(4) = 0
      +0 > F. 1:1(0) ack 1 <...>
      +0.1 < F. 1:1(0) ack 2 win 65535 <nop,nop,TS val 1200 ecr 100>
      +0 > . 2:2(0) ack 2 <...>`;
const REOPENED = `
      +0 > S. 0:0(0) ack 3 <...>`;

rule(
  "TW-4: with timestamps a SYN with a newer TSval reopens, wherever its number stands",
  accepted(
    `${CLOSED_STAMPED}
      +1 < S 2:2(0) win 65535 <mss 1000,TS val 1201 ecr 0>${REOPENED}`,
    STAMPED,
  ),
  accepted(
    `${CLOSED_STAMPED}
      +1 < S 0:0(0) win 65535 <mss 1000,TS val 1201 ecr 0>
      +0 > S. 0:0(0) ack 1 <...>`,
    STAMPED,
  ),
);

rule(
  "TW-5: with an equal TSval the number decides",
  accepted(
    `${CLOSED_STAMPED}
      +1 < S 1:1(0) win 65535 <mss 1000,TS val 1200 ecr 0>
      +1 < S 2:2(0) win 65535 <mss 1000,TS val 1200 ecr 0>${REOPENED}`,
    STAMPED,
  ),
);

rule(
  "TW-6: a SYN without timestamps after a connection with them: the number decides",
  accepted(
    `${CLOSED_STAMPED}
      +1 < S 1:1(0) win 65535 <mss 1000>
      +1 < S 2:2(0) win 65535 <mss 1000>${REOPENED}`,
    STAMPED,
  ),
);

rule(
  "TW-7: a SYN with timestamps after a connection without them reopens",
  accepted(`${CLOSED_FIRST}
      +1 < S 0:0(0) win 65535 <mss 1000,TS val 5 ecr 0>
      +0 > S. 0:0(0) ack 1 <...>`),
);

rule(
  "TW-9: an older TSval does not reopen",
  accepted(
    `${CLOSED_STAMPED}
      +1 < S 2:2(0) win 65535 <mss 1000,TS val 1199 ecr 0>
      +0 %{ assert tcpi_state == TCP_TIME_WAIT }%`,
    STAMPED,
  ),
);
