/** RFC 6298: the retransmission timer. A handshake takes 0.1 s unless said otherwise. */
import { expect, test } from "vitest";
import { RawConnection, STARTS } from "./raw-connection.ts";
import { accepted, rule } from "./wire.ts";

/** Active open over a path with a round trip of 0.8 s. */
function slow(script: string): string {
  return `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
    +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
    +0 > S 0:0(0) <...>
    +0.8 < S. 0:0(0) ack 1 win 65535 <mss 1000>
    +0 > . 1:1(0) ack 1
    ${script}`;
}

rule(
  "RTO-2: after the first sample R: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR",
  slow(`
      +0 %{ assert tcpi_rtt == 800000 and tcpi_rttvar == 400000 and tcpi_rto == 2400000 }%
      +0 write(3, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +2.4 > P. 1:1001(1000) ack 1`),
);

rule(
  "RTO-3: a later sample: RTTVAR with the old SRTT (1/4), then SRTT (1/8), then RTO",
  slow(`
      +0 write(3, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.4 < . 1:1(0) ack 1001 win 65535
      +0 %{ assert tcpi_rttvar == 400000 and tcpi_rtt == 750000 and tcpi_rto == 2350000 }%
      +0 write(3, ..., 1000) = 1000
      +0 > P. 1001:2001(1000) ack 1
      +1.55 < . 1:1(0) ack 2001 win 65535
      +0 %{ assert tcpi_rttvar == 500000 and tcpi_rtt == 850000 and tcpi_rto == 2850000 }%`),
);

rule(
  "RTO-4: an RTO below 1 s is raised to 1 s",
  accepted(`
      +0 %{ assert tcpi_rtt == 100000 and tcpi_rto == 1000000 }%
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1`),
);

/** The first segment, sent again at each of these waits. */
const backingOff = (...waits: number[]): string => `
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      ${waits.map((wait) => `+${wait} > P. 1:1001(1000) ack 1`).join("\n")}`;

rule(
  "RTO-12, RTO-13, RTO-16: each expiry doubles the RTO, and the timer runs for the doubled one",
  accepted(backingOff(1, 2, 4, 8, 16, 32)),
);

rule(
  "RTO-5: the ceiling is 120 s, above the 60 s that it must have",
  accepted(backingOff(1, 2, 4, 8, 16, 32, 64, 120)),
);

rule(
  "RTO-7: each round trip is measured",
  accepted(`
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.9 < . 1:1(0) ack 1001 win 65535
      +0 %{ assert tcpi_rtt == 200000 }%
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1001:2001(1000) ack 1
      +1 < . 1:1(0) ack 2001 win 65535
      +0 %{ assert tcpi_rtt == 300000 }%`),
);

rule(
  "RTO-8: sending starts the timer when it is off",
  accepted(`
      +100 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +1 > P. 1:1001(1000) ack 1`),
);

rule(
  "RTO-9: the timer is off when all is acknowledged",
  accepted(`
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0.85 write(4, ..., 2000) = 2000
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535
      +1000 %{ assert tcpi_total_retrans == 0 and tcpi_state == TCP_ESTABLISHED }%`),
);

rule(
  "RTO-10: an ACK of new data starts it anew",
  accepted(`
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:1001(1000) ack 1
      +0 > P. 1001:2001(1000) ack 1
      +0.9 < . 1:1(0) ack 1001 win 65535
      +0 %{ assert tcpi_rto == 1150000 }%
      +1.15 > P. 1001:2001(1000) ack 1`),
);

rule(
  "RTO-11: what is sent again is the earliest segment that is not acknowledged",
  accepted(`
      +0 write(4, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +1 > . 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535`),
);

const RETRIED = `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <...>
   +1 > S 0:0(0) <...>`;

rule(
  "RTO-14: after a SYN or SYN-ACK that was sent again the RTO is 3 s when data begins",
  `${RETRIED}
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0 write(3, ..., 1000) = 1000
   +0 > P. 1:1001(1000) ack 1
   +3 > P. 1:1001(1000) ack 1`,
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +1 > S. 0:0(0) ack 1 <mss 1460>
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 1000) = 1000
   +0 > P. 1:1001(1000) ack 1
   +3 > P. 1:1001(1000) ack 1`,
);

rule(
  "RTO-15: SRTT is kept over backoffs (a MAY that is not used)",
  accepted(`${backingOff(1, 2, 4, 8)}
      +0 %{ assert tcpi_rtt == 100000 }%`),
);

rule(
  "RTO-17: whatever else the peer sends, the timer is no earlier than SRTT + 4 RTTVAR says",
  // Connected at 0.8 s, RTO 2.4 s.
  slow(`
      +0 write(3, ..., 1000) = 1000
      +0 > P. 1:1001(1000) ack 1
      1.1 < P. 1:101(100) ack 1 win 65535
      +0~+0.2 > . 1001:1001(0) ack 101
      1.6 < . 101:101(0) ack 1 win 65535
      1.7 < . 101:101(0) ack 1 win 60000
      3.2 > P. 1:1001(1000) ack 101
      +0 %{ assert tcpi_total_retrans == 1 }%
      3.5 < . 101:101(0) ack 1 win 60000
      8 > P. 1:1001(1000) ack 101`),
  // RTTVAR 3/4 of 0.4 s and 1/4 of 0.3 s, SRTT 7/8 of 0.8 s and 1/8 of 0.5 s: RTO 2.2625 s.
  slow(`
      +0 write(3, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      1.3 < . 1:1(0) ack 1001 win 65535
      1.5 < . 1:1(0) ack 1001 win 65535
      1.6 < . 1:1(0) ack 1001 win 60000
      3.5625 > . 1001:2001(1000) ack 1
      3.6 < . 1:1(0) ack 3001 win 65535
      +0 write(3, ..., 1000) = 1000
      +0 > P. 3001:4001(1000) ack 1
      8.125 > P. 3001:4001(1000) ack 1`),
);

rule(
  "RTO-19: a backed-off RTO stays until new data gives a sample, then it falls",
  accepted(`${backingOff(1, 2)}
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0 write(4, ..., 1000) = 1000
      +0 > P. 1001:2001(1000) ack 1
      +4 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535
      +0 write(4, ..., 1000) = 1000
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535
      +0 write(4, ..., 1000) = 1000
      +0 > P. 3001:4001(1000) ack 1
      +1 > P. 3001:4001(1000) ack 1`),
);

rule(
  "RTO-18: with round trips that do not vary the RTO stays above SRTT, by the clock's step",
  slow(
    Array.from({ length: 150 }, (_, i) => {
      const from = i * 1000 + 1;
      return `+0 write(3, ..., 1000) = 1000
        +0 > P. ${from}:${from + 1000}(1000) ack 1
        +1.5 < . 1:1(0) ack ${from + 1000} win 65535`;
    }).join("\n") + "\n+0 %{ assert tcpi_rto > tcpi_rtt and tcpi_rttvar == 0 }%",
  ),
);

for (const start of STARTS) {
  test(`RTO-16: no segment goes again within an RTO of its last transmission, ISN ${start}`, () => {
    const c = new RawConnection(start);
    const last = new Map<number, number>();
    c.toe.send(c.fd, new Uint8Array(20000));
    let rto = 0;
    for (let step = 0; step < 4000; step += 1) {
      c.peer.now += 1e7;
      rto = c.toe.connections()[0]?.rto ?? rto;
      for (const { seq, payloadLength } of c.peer.settle()) {
        if (payloadLength === 0) continue;
        const before = last.get(seq);
        // In milliseconds; a poll comes each 10 ms.
        if (before !== undefined) expect((c.peer.now - before) / 1e6).toBeGreaterThan(rto - 11);
        last.set(seq, c.peer.now);
        // The peer acknowledges now and then, and only what is next.
        if (step % 3 === 0 && seq === c.ack) c.ack = (c.ack + payloadLength) >>> 0;
      }
      if (step % 3 === 0) c.send({});
    }
    expect(last.size).toBeGreaterThan(10);
  });
}
