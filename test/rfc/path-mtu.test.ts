/**
 * RFC 1191, 8201, 4821, 5927: path MTU of IPv4 connections, on the wire (ids PM-*). Those of IPv6
 * are in test/unit/control-plane/ipv6.test.ts, searches without any ICMP in
 * test/stack/path-changes.test.ts.
 */
import { expect, test } from "vitest";
import { ACK, SYN } from "../support/frames.ts";
import { Host, type Sent } from "../unit/control-plane/harness.ts";
import { icmp, quote } from "../unit/control-plane/icmp-frames.ts";
import { accepted, rule } from "./wire.ts";

/** The peer takes segments of 1,400 bytes; two of them are on their way. */
const WIDE = { options: "mss 1400" };
const TWO = `
      +0 write(4, ..., 2800) = 2800
      +0 > . 1:1401(1400) ack 1
      +0 > P. 1401:2801(1400) ack 1`;
const mss = (bytes: number): string => {
  return `+0 %{ assert tcpi_snd_mss == ${bytes}, tcpi_snd_mss }%`;
};
/** A router says that a packet with this sequence range was too big. */
const tooBig = (range: string, mtu: number): string =>
  `+0.1 < [${range}] icmp unreachable frag_needed mtu ${mtu}`;
const NARROWED = `${TWO}
      ${tooBig("1:1401(1400)", 1040)}
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:2801(800) ack 1
      ${mss(1000)}`;
const ACKED = "+0.1 < . 1:1(0) ack 2801 win 65535";

rule(
  "PM-1, PM-12: too big: what is in flight is cut anew and goes again, and the window is as it was",
  accepted(
    `${NARROWED}
      +0 %{ assert tcpi_snd_cwnd == 10 and tcpi_snd_ssthresh > 1000000, tcpi_snd_cwnd }%
      ${ACKED}`,
    WIDE,
  ),
);

rule(
  "PM-2: a quotation of what is not in flight is dropped: below SND.UNA, at SND.NXT, beyond",
  accepted(
    `${TWO}
      +0.1 < . 1:1(0) ack 1401 win 65535
      ${["1:1401(1400)", "1400:1401(1)", "2801:2802(1)", "9000:9001(1)"]
        .map((range) => tooBig(range, 1040))
        .join("\n")}
      ${mss(1400)}
      +0.1 < . 1:1(0) ack 2801 win 65535
      ${tooBig("2800:2801(1)", 1040)}
      ${mss(1400)}`,
    WIDE,
  ),
);

rule(
  "PM-3: the estimate never goes below 68 bytes",
  ...[68, 67, 1].map((mtu) =>
    accepted(
      `+0 write(4, ..., 40) = 40
      +0 > P. 1:41(40) ack 1
      ${tooBig("1:41(40)", mtu)}
      +0 > P. 1:41(40) ack 1
      ${mss(48)}
      +0.1 < . 1:1(0) ack 41 win 65535`,
      WIDE,
    ),
  ),
);

rule(
  "PM-5: three timeouts and no reason make a black hole: 1,024 bytes, then half of it, and so on",
  accepted(
    `+0 write(4, ..., 1400) = 1400
      +0 > P. 1:1401(1400) ack 1
      +0.3 > P. 1:1401(1400) ack 1
      +0.6 > P. 1:1401(1400) ack 1
      +1.2 > . 1:1025(1024) ack 1
      ${mss(1024)}
      +2.4 > . 1:493(492) ack 1
      ${mss(492)}`,
    { ...WIDE, before: "--profile=internet" },
  ),
);

rule(
  "PM-8: no message raises it, before and after it was lowered",
  accepted(`${TWO}\n${tooBig("1:1401(1400)", 9000)}\n${mss(1400)}\n${ACKED}`, WIDE),
  accepted(
    `${NARROWED}
      ${tooBig("1:1001(1000)", 1400)}
      ${tooBig("1:1001(1000)", 1040)}
      ${tooBig("1:1001(1000)", 65_535)}
      ${mss(1000)}
      ${ACKED}`,
    WIDE,
  ),
);

rule(
  "PM-9: a router that reports no MTU: the plateau below what was sent",
  accepted(
    `${TWO}
      ${tooBig("1:1401(1400)", 0)}
      +0 > . 1:967(966) ack 1
      +0 > . 967:1933(966) ack 1
      +0 > P. 1933:2801(868) ack 1
      ${ACKED}`,
    WIDE,
  ),
);

rule(
  "PM-10: no larger size within five minutes of a message; ten pass",
  accepted(
    `${NARROWED}
      ${ACKED}
      +598 %{ assert tcpi_snd_mss == 1000 }%
      +3 write(4, ..., 1400) = 1400
      +0 > P. 2801:4201(1400) ack 1
      +0.1 < . 1:1(0) ack 4201 win 65535`,
    WIDE,
  ),
);

/** A connection whose MTU a message has lowered to 1,040; its trial of 1,500 has begun. */
const TRIED = `${NARROWED}
      ${ACKED}
      +603 ${mss(1400).slice(3)}`;
/** So many bytes are written from `from` on, and leave in one segment. */
const sent = (from: number, bytes: number): string => `+0 write(4, ..., ${bytes}) = ${bytes}
      +0 > P. ${from}:${from + bytes}(${bytes}) ack 1`;
const INTERNET = { ...WIDE, before: "--profile=internet" };

rule(
  "PM-6, PM-10, PM-15: half of the range at each trial, and a while after one that failed",
  accepted(
    `${TRIED}
      ${sent(2801, 1400)}
      +0.3~+2 > . 2801:3801(1000) ack 1
      +0 > P. 3801:4201(400) ack 1
      +0 %{ assert tcpi_snd_mss == 1000 and tcpi_snd_cwnd >= 7, tcpi_snd_cwnd }%
      +0.1 < . 1:1(0) ack 4201 win 65535
      +2.5 ${mss(1000).slice(3)}
      +8 ${mss(1230).slice(3)}
      ${sent(4201, 1230)}
      +0.1 < . 1:1(0) ack 5431 win 65535
      +59 ${mss(1230).slice(3)}
      +12 ${mss(1345).slice(3)}`,
    INTERNET,
  ),
);

rule(
  "RFC 4821, 7.6.4: what left before a trial is lost too: congestion, and the same size again",
  accepted(
    `${NARROWED}
      ${ACKED}
      +599.85 write(4, ..., 1000) = 1000
      +0 > P. 2801:3801(1000) ack 1
      +0.1 ${mss(1400).slice(3)}
      ${sent(3801, 1400)}
      +0~+2 > . 2801:3801(1000) ack 1
      ${mss(1000)}
      +0 %{ assert tcpi_snd_cwnd == 1, tcpi_snd_cwnd }%
      +0.1 < . 1:1(0) ack 3801 win 65535
      +0 > . 3801:4801(1000) ack 1
      +0 > P. 4801:5201(400) ack 1
      +0.1 < . 1:1(0) ack 5201 win 65535
      +2 ${mss(1400).slice(3)}`,
    INTERNET,
  ),
);

rule(
  "PM-13: no segment is larger than the peer's MSS, whatever the path takes",
  accepted(
    `+0 write(4, ..., 1200) = 1200
      +0 > . 1:601(600) ack 1
      +0 > P. 601:1201(600) ack 1
      ${tooBig("1:601(600)", 1400)}
      ${mss(600)}
      +0.1 < . 1:1(0) ack 1201 win 65535`,
    { options: "mss 600" },
  ),
);

rule(
  "PM-16: a larger size does not make the window larger, in bytes",
  accepted(
    `${NARROWED}
      ${ACKED}
      +0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
      +603 %{ assert tcpi_snd_mss == 1400 and tcpi_snd_cwnd == 7, tcpi_snd_cwnd }%`,
    WIDE,
  ),
);

rule(
  "PM-17: no larger size while something is lost: once it has arrived",
  accepted(
    `${NARROWED}
      ${ACKED}
      +598 write(4, ..., 1000) = 1000
      +0 > P. 2801:3801(1000) ack 1
      +1 > P. 2801:3801(1000) ack 1
      +1.5 ${mss(1000).slice(3)}
      +0.5 > P. 2801:3801(1000) ack 1
      ${mss(1000)}
      +1 %{ assert tcpi_snd_mss == 1000 }%
      +0 < . 1:1(0) ack 3801 win 65535
      +2 %{ assert tcpi_snd_mss == 1400 }%`,
    WIDE,
  ),
);

rule(
  "PM-17: a segment of the larger size leaves when there is so much to send, and room for it",
  accepted(
    `${NARROWED}
      ${ACKED}
      +603 write(4, ..., 1000) = 1000
      +0 > P. 2801:3801(1000) ack 1
      +0.1 < . 1:1(0) ack 3801 win 1200
      +0 write(4, ..., 1400) = 1400
      +0.1 %{ assert tcpi_unacked == 0 and tcpi_notsent_bytes == 1400 }%
      +0 < . 1:1(0) ack 3801 win 65535
      +0 > P. 3801:5201(1400) ack 1
      +0.1 < . 1:1(0) ack 5201 win 65535`,
    WIDE,
  ),
);

rule(
  "PM-18: a claim that is not below what the connection sends is dropped",
  accepted(
    `${TWO}
      ${tooBig("1:1401(1400)", 1440)}
      ${tooBig("1:1401(1400)", 1500)}
      ${mss(1400)}
      ${ACKED}`,
    WIDE,
  ),
);

test("PM-14: the MSS that is announced is the interface's, whatever is known of the path", () => {
  const host = new Host();
  host.listen(80);
  const open = (sourcePort: number): { id: number; announced: readonly number[] | undefined } => {
    const options = [2, 4, 5, 180];
    const [answer] = host.feed(host.segment({ flags: SYN, seq: 1, sourcePort, options }));
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 2, ack, sourcePort }));
    return { id: host.control.accept(1), announced: answer?.options.get(2) };
  };
  const first = open(40_000);
  host.update(first.id, { append: 1460 });
  const [data] = host.poll() as [Sent];
  host.feed(icmp(3, 4, 1000, quote(data)));
  const second = open(40_001);
  expect(host.control.info(second.id).mss).toBe(960);
  expect([first.announced, second.announced]).toEqual([
    [5, 180],
    [5, 180],
  ]);
});

test("PM-20: whatever leaves over IPv4 carries DF", () => {
  const host = new Host({ medium: "ip" });
  host.listen(80);
  const [answer] = host.feed(host.segment({ flags: SYN, seq: 1 }));
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  host.feed(host.segment({ flags: ACK, seq: 2, ack }));
  host.update(1, { append: 1000 });
  const data = host.poll();
  const reset = host.feed(host.segment({ flags: ACK, seq: 2, ack, destinationPort: 81 }));
  const sent = [answer, ...data, ...reset];
  expect(sent.map((one) => one?.flags)).toEqual(["SA", "A", "R"]);
  expect(sent.map((one) => (one?.frame[6] ?? 0) & 0x40)).toEqual([0x40, 0x40, 0x40]);
});
