/** RFC 7323 3 to 5 and 7: timestamps, and protection against wrapped sequence numbers. */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { InitialSequence } from "../../host/control-plane/initial-sequence.ts";
import { KeyedHash } from "../../host/control-plane/keyed-hash.ts";
import { ACK, FIN, RST, streamBytes, SYN, timestampOption } from "../support/frames.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";
import { accepted, connected, rule } from "./wire.ts";

const STAMPED = {
  options: "mss 1000,nop,nop,TS val 5000 ecr 0",
  ack: "nop,nop,TS val 5100 ecr 100",
};

rule(
  "TS-1: timestamps only if both SYNs have them, and no SYN-ACK has them unasked",
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > P. 1:101(100) ack 1
   +0.1 < . 1:1(0) ack 101 win 65535`,
  // We offered them, the peer did not.
  connected(`
      +0 write(3, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0.1 < . 1:1(0) ack 101 win 65535`),
);

rule(
  "TS-2: from then on each segment has them: data, ACK, FIN, and what is sent again",
  accepted(
    `
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1 <nop,nop,TS val 200 ecr 5100>
      +1 > P. 1:101(100) ack 1 <nop,nop,TS val 300 ecr 5100>
      +0.1 < P. 1:101(100) ack 101 win 65535 <nop,nop,TS val 5200 ecr 300>
      +0~+0.2 > . 101:101(0) ack 101 <nop,nop,TS val 400 ecr 5200>
      +0 read(4, ..., 1000) = 100
      +0 close(4) = 0
      +0 > F. 101:101(0) ack 101 <nop,nop,TS val 500 ecr 5200>
      +0.1 < F. 101:101(0) ack 102 win 65535 <nop,nop,TS val 5300 ecr 500>
      +0 > . 102:102(0) ack 102 <nop,nop,TS val 600 ecr 5300>
      +0.1 < F. 101:101(0) ack 102 win 65535 <nop,nop,TS val 5400 ecr 500>
      +0 > . 102:102(0) ack 102 <nop,nop,TS val 700 ecr 5300>`,
    STAMPED,
  ),
);

rule(
  "TS-3: a segment without them is no reason to end a connection that has them",
  accepted(
    `
      +0 < P. 1:101(100) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 101 <nop,nop,TS val 200 ecr 5100>
      +0 read(4, ..., 1000) = 100
      +0 %{ assert tcpi_state == TCP_ESTABLISHED }%`,
    STAMPED,
  ),
);

rule(
  "TS-4: TSecr is 0 in a SYN and what came in all else; without ACK it is not looked at",
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,TS val 7000 ecr 100>
   +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 7000>`,
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000,nop,nop,TS val 5000 ecr 4294967295>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 100 ecr 5000>
   +0.1 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 5100 ecr 100>
   +0 accept(3, ..., ...) = 4
   +0 %{ assert tcpi_rtt == 100000 }%`,
);

rule(
  "TS-5: TS.Recent follows what stands at the last ACK or before it, inside the window",
  accepted(
    `
      +0 < . 2001:3001(1000) ack 1 win 65535 <nop,nop,TS val 5300 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0.1 < P. 100001:100101(100) ack 1 win 65535 <nop,nop,TS val 5400 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 300 ecr 5100>
      +0.1 < . 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 5350 ecr 100>
      +0 > . 1:1(0) ack 1001 <nop,nop,TS val 400 ecr 5350>
      +0.1 < . 0:500(500) ack 1 win 65535 <nop,nop,TS val 5500 ecr 100>
      +0 > . 1:1(0) ack 1001 <nop,nop,TS val 500 ecr 5350>`,
    STAMPED,
  ),
);

rule(
  "TS-6: only an ACK that moves SND.UNA measures a round trip",
  accepted(
    `
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:989(988) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0 > . 989:1977(988) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0.5 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 5600 ecr 200>
      +0 %{ assert tcpi_rtt == 100000 }%
      +0.1 < . 1:1(0) ack 1977 win 65535 <nop,nop,TS val 5800 ecr 200>
      +0 %{ assert tcpi_rtt == 162500 }%
      +0 > P. 1977:2001(24) ack 1 <nop,nop,TS val 300 ecr 5800>
      +0.1 < . 1:1(0) ack 2001 win 65535 <nop,nop,TS val 5900 ecr 300>`,
    STAMPED,
  ),
);

rule(
  "TS-7: a window of segments acknowledged one by one is one sample, not many",
  accepted(
    `
      +0 write(4, ..., 3952) = 3952
      +0 > . 1:989(988) ack 1 <...>
      +0 > . 989:1977(988) ack 1 <...>
      +0 > . 1977:2965(988) ack 1 <...>
      +0 > P. 2965:3953(988) ack 1 <...>
      +0.5 < . 1:1(0) ack 989 win 65535 <nop,nop,TS val 5600 ecr 200>
      +0 < . 1:1(0) ack 1977 win 65535 <nop,nop,TS val 5600 ecr 200>
      +0 < . 1:1(0) ack 2965 win 65535 <nop,nop,TS val 5600 ecr 200>
      +0 < . 1:1(0) ack 3953 win 65535 <nop,nop,TS val 5600 ecr 200>
      +0 %{ assert tcpi_rtt == 150000 }%`,
    STAMPED,
  ),
);

rule(
  "TS-10: the option on a connection without them is ignored, and its segment is not",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 5000 ecr 77>
      +0~+0.2 > . 1:1(0) ack 101
      +0.1 < P. 101:201(100) ack 1 win 65535 <nop,nop,TS val 4000 ecr 77>
      +0~+0.2 > . 1:1(0) ack 201
      +0 read(4, ..., 1000) = 200`),
);

rule(
  "TS-11: a RST that a segment with them causes has its TSval as TSecr; so has one of an abort",
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < . 5:5(0) ack 9 win 65535 <nop,nop,TS val 4711 ecr 3>
   +0 > R 9:9(0) <nop,nop,TS val 0 ecr 4711>`,
  accepted(
    `
      +0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
      +0 close(4) = 0
      +0 > R. 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>`,
    STAMPED,
  ),
);

rule(
  "TS-12: a delayed ACK echoes the earliest segment that it acknowledges",
  accepted(
    `
      +0 < . 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 5200 ecr 100>
      +0.01 < . 1001:2001(1000) ack 1 win 65535 <nop,nop,TS val 5210 ecr 100>
      +0 > . 1:1(0) ack 2001 <nop,nop,TS val 200 ecr 5200>`,
    STAMPED,
  ),
);

rule(
  "TS-13: the ACK of what came ahead of order echoes the last segment in order",
  accepted(
    `
      +0 < . 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 5200 ecr 100>
      +0~+0.2 > . 1:1(0) ack 1001 <nop,nop,TS val 200 ecr 5200>
      +0.01 < . 2001:3001(1000) ack 1 win 65535 <nop,nop,TS val 5210 ecr 100>
      +0 > . 1:1(0) ack 1001 <nop,nop,TS val 300 ecr 5200>`,
    STAMPED,
  ),
);

rule(
  "TS-14: the ACK of what fills a hole echoes the segment that filled it",
  accepted(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535 <nop,nop,TS val 5200 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0.01 < . 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 5210 ecr 100>
      +0 > . 1:1(0) ack 2001 <nop,nop,TS val 300 ecr 5210>`,
    STAMPED,
  ),
);

rule(
  "PAWS-1: an older TSval is dropped, and answered with an ACK (threats Q13)",
  accepted(
    `
      +0 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 5099 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0 < F. 1:1(0) ack 1 win 65535 <nop,nop,TS val 4000 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0 %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_bytes_received == 0 }%`,
    STAMPED,
  ),
);

rule(
  "PAWS-1: old and new are told apart where timestamps wrap (threats Q13)",
  accepted(
    `
      +0 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 2147488000 ecr 100>
      +0~+0.2 > . 1:1(0) ack 101 <nop,nop,TS val 200 ecr 2147488000>
      +0.1 < P. 101:201(100) ack 1 win 65535 <nop,nop,TS val 4294967295 ecr 100>
      +0~+0.2 > . 1:1(0) ack 201 <nop,nop,TS val 300 ecr 4294967295>
      +0.1 < P. 201:301(100) ack 1 win 65535 <nop,nop,TS val 3 ecr 100>
      +0~+0.2 > . 1:1(0) ack 301 <nop,nop,TS val 400 ecr 3>
      +0.1 < P. 301:401(100) ack 1 win 65535 <nop,nop,TS val 4294967295 ecr 100>
      +0 > . 1:1(0) ack 301 <nop,nop,TS val 500 ecr 3>
      +0.1 < P. 301:401(100) ack 1 win 65535 <nop,nop,TS val 4 ecr 100>
      +0~+0.2 > . 1:1(0) ack 401 <nop,nop,TS val 600 ecr 4>`,
    STAMPED,
  ),
);

rule(
  "PAWS-2: a RST is not held to it, and its option changes nothing",
  accepted(
    `
      +0 < R 1:1(0) win 0 <nop,nop,TS val 1 ecr 100>
      +0 %{ assert tcpi_state == TCP_CLOSE }%`,
    STAMPED,
  ),
  accepted(
    `
      +0 < R 2:2(0) win 0 <nop,nop,TS val 9000 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 5200 ecr 100>
      +0~+0.2 > . 1:1(0) ack 101 <nop,nop,TS val 300 ecr 5200>`,
    STAMPED,
  ),
);

rule(
  "PAWS-4: after more than 24 days without a segment TS.Recent is not valid any more",
  accepted(
    `
      +2160000 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 2200000000 ecr 100>
      +0~+0.2 > . 1:1(0) ack 101 <nop,nop,TS val 200 ecr 2200000000>`,
    STAMPED,
  ),
  accepted(
    `
      +1987200 < P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 2200000000 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>`,
    STAMPED,
  ),
);

rule(
  "PAWS-5: what waits for a hole to be filled is not tested again",
  accepted(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535 <nop,nop,TS val 5200 ecr 100>
      +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0.01 < . 1:1001(1000) ack 1 win 65535 <nop,nop,TS val 5300 ecr 100>
      +0 > . 1:1(0) ack 2001 <nop,nop,TS val 300 ecr 5300>
      +0 read(4, ..., 5000) = 2000`,
    STAMPED,
  ),
);

rule(
  "PAWS-6: a stack with it discovers the path's MTU",
  accepted(
    `
      +0 write(4, ..., 988) = 988
      +0 > P. 1:989(988) ack 1 <nop,nop,TS val 200 ecr 5100>
      +0.1 < [1:989(988)] icmp unreachable frag_needed mtu 552
      +0 > . 1:501(500) ack 1 <nop,nop,TS val 300 ecr 5100>
      +0 > P. 501:989(488) ack 1 <nop,nop,TS val 300 ecr 5100>
      +0.1 < . 1:1(0) ack 989 win 65535 <nop,nop,TS val 5300 ecr 300>`,
    STAMPED,
  ),
);

const stampedSyn = (value: number): number[] => [2, 4, 3, 232, ...timestampOption(value, 0)];

describe.each(STARTS)("from ISN %d", (start) => {
  const open = (value: number): RawConnection => {
    const later = timestampOption(value, 0);
    return new RawConnection(start, { syn: stampedSyn(value), later });
  };

  test("PAWS-3: the timestamp is tested before the sequence number", () => {
    const c = open(1000);
    c.send({ seq: (c.seq + 2_000_000) >>> 0, options: timestampOption(999, 0) });
    c.send({ flags: SYN, options: timestampOption(999, 0) });
    expect(c.drops(DropReason.Paws)).toBe(2);
    expect(c.drops(DropReason.OutOfWindow)).toBe(0);
  });

  test("PAWS-7: TSvals compare modulo 2^32, and half the range away is not older", () => {
    for (const recent of [10, 0x7fffffff, 0x80000000, 0xfffffff0]) {
      const rows: [value: number, taken: boolean][] = [
        [recent, true],
        [recent + 1, true],
        [recent + 0x7fffffff, true],
        [recent + 0x80000000, true],
        [recent + 0x80000001, false],
        [recent - 1, false],
      ];
      for (const [value, taken] of rows) {
        const c = open(recent);
        c.data(10, { options: timestampOption(value >>> 0, 0) });
        expect(c.read().length, `${recent} ${value}`).toBe(taken ? 10 : 0);
      }
    }
  });

  test("PAWS-8: the predicted path tests the timestamp too", () => {
    const c = open(1000);
    for (let i = 1; i <= 4; i += 1) {
      c.data(10, { options: timestampOption(1000 + i, 0) });
      c.data(10, { options: timestampOption(1000 + i, 0) });
    }
    const before = c.read().length;
    const payload = streamBytes(c.seq, 10);
    const [answer] = c.send({ payload, options: timestampOption(1003, 0) });
    expect([before, answer?.ack, c.read().length]).toEqual([80, c.seq, 0]);
    expect(c.drops(DropReason.Paws)).toBe(1);
  });

  test("TS-8: the clock goes evenly, a tick is 1 ms", () => {
    const c = open(1000);
    const at = (): number =>
      c.data(1, { flags: ACK | FIN, seq: c.seq - 1 })[0]?.timestamp?.value ?? 0;
    const first = at();
    c.peer.now += 10_000 * 1e6;
    const second = at();
    expect((second - first) >>> 0).toBe(10_000);
  });
});

test("TS-9: each tuple has an offset of its own, the same over its incarnations", () => {
  const sequence = new InitialSequence(new KeyedHash(new Uint8Array(16).fill(7)));
  const offset = (port: number, now: number): number => {
    sequence.choose(1, 2, port, now);
    return sequence.timestampOffset;
  };
  const offsets = new Set(Array.from({ length: 100 }, (_, port) => offset(port, 0)));
  expect(offsets.size).toBe(100);
  expect(offset(5, 0)).toBe(offset(5, 1e15));
});

test("TS-1: a RST needs none", () => {
  const c = new RawConnection(7000, { syn: stampedSyn(1), later: timestampOption(1, 0) });
  c.send({ flags: RST, options: [] });
  expect(c.state).toBe("CLOSED");
});
