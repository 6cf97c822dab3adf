/**
 * RFC 1191, 8201, 4821, 5927: path MTU of IPv4 connections, on the wire (ids PM-*). Those of IPv6
 * are in test/unit/control-plane/ipv6.test.ts, searches without any ICMP in
 * test/stack/path-changes.test.ts.
 */
import { expect, test } from "vitest";
import { ACK, SYN } from "../support/frames.ts";
import { Host, type Sent } from "../unit/control-plane/harness.ts";
import { icmp, quote } from "../unit/control-plane/icmp-frames.ts";
import { accepted, leaving, rule, withSack } from "./wire.ts";

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

/** A probe from `from` on, and segments of 1,000 that make its loss show. */
function probed(from: number, bytes: number = 1400, count: number = 3): string {
  return `+0 write(4, ..., ${bytes + 1000 * count}) = ${bytes + 1000 * count}
      +0 > . ${from}:${from + bytes}(${bytes}) ack 1
      ${leaving(from + bytes, count, "", true)}`;
}
/** The window grows: so many segments of 1,000 from `from` on, and an ACK of all. */
function grown(from: number, counts: readonly number[]): string {
  let next = from;
  const rounds = counts.map((count) => {
    const first = next;
    next += count * 1000;
    return `+0 write(4, ..., ${count * 1000}) = ${count * 1000}
      ${leaving(first, count, "", true)}
      +0.1 < . 1:1(0) ack ${next} win 65535`;
  });
  return rounds.join("\n");
}
const told = (ack: number, blocks: string): string =>
  `< . 1:1(0) ack ${ack} win 65535 <nop,nop,sack ${blocks}>`;

rule(
  "PM-10: no larger size within five minutes of a message; ten pass",
  accepted(
    `${NARROWED}
      ${ACKED}
      +594 write(4, ..., 5000) = 5000
      ${leaving(2801, 5, "", true)}
      +0.1 < . 1:1(0) ack 7801 win 65535
      +7 ${mss(1000).slice(3)}
      ${probed(7801)}
      ${mss(1000)}
      +0.1 < . 1:1(0) ack 12201 win 65535
      ${mss(1400)}`,
    WIDE,
  ),
);

/** A connection whose MTU a message has lowered to 1,040; its trial of 1,500 has begun. */
const TRIED = `${NARROWED}
      ${ACKED}
      +603 ${mss(1000).slice(3)}`;
const INTERNET = { ...WIDE, before: "--profile=internet" };
const INTERNET_SACK = { options: "mss 1400,nop,nop,sackOK", before: "--profile=internet" };
/** The probe of TRIED alone is lost, which blocks of SACK tell, and goes again. */
const ALONE = `${TRIED}
      ${probed(2801)}
      +0.1 ${told(2801, "4201:5201")}
      +0 ${told(2801, "4201:6201")}
      +0 ${told(2801, "4201:7201")}
      +0 > . 2801:3801(1000) ack 1
      +0 > . 3801:4201(400) ack 1
      +0 %{ assert tcpi_ca_state == TCP_CA_Disorder, tcpi_ca_state }%
      ${mss(1000)}`;

rule(
  "PM-15: a probe that alone was lost goes again in smaller segments, and the window is as it was",
  withSack(
    `${ALONE}
      +0 %{ assert tcpi_snd_cwnd >= 10 and tcpi_snd_ssthresh > 1000000, tcpi_snd_cwnd }%
      +0 write(4, ..., 1000) = 1000
      +0 > P. 7201:8201(1000) ack 1
      +0.1 < . 1:1(0) ack 7201 win 65535
      +0 %{ assert tcpi_snd_cwnd >= 10 and tcpi_snd_ssthresh > 1000000, tcpi_snd_cwnd }%
      +0 < . 1:1(0) ack 8201 win 65535`,
    INTERNET_SACK,
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
  "RFC 4821, 7.6.4: a probe that was lost beside another: congestion, and the same size again",
  withSack(
    `${TRIED}
      ${probed(2801, 1400, 8)}
      +0.1 ${told(2801, "5201:6201")}
      +0 ${told(2801, "5201:7201")}
      +0 ${told(2801, "5201:12201")}
      +0 > . 2801:3801(1000) ack 1
      +0 %{ assert tcpi_snd_ssthresh < 10, tcpi_snd_ssthresh }%
      +0.1 ${told(3801, "5201:12201")}
      +0 > . 3801:4801(1000) ack 1
      +0 > . 4801:5201(400) ack 1
      +0.1 < . 1:1(0) ack 12201 win 65535
      +11 ${grown(12_201, [4]).slice(3)}
      ${probed(16_201)}
      +0.1 < . 1:1(0) ack 20601 win 65535
      ${mss(1400)}`,
    INTERNET_SACK,
  ),
);

rule(
  "RFC 4821, 7.6.4: another loss that shows later is answered like any other",
  withSack(
    `${TRIED}
      ${probed(2801, 1400, 8)}
      +0.1 ${told(2801, "4201:5201")}
      +0 ${told(2801, "4201:6201")}
      +0 ${told(2801, "4201:7201")}
      +0 > . 2801:3801(1000) ack 1
      +0 > . 3801:4201(400) ack 1
      +0 %{ assert tcpi_snd_ssthresh > 1000000, tcpi_snd_ssthresh }%
      +0 ${told(2801, "8201:12201 4201:7201")}
      +0~+0.1 > . 7201:8201(1000) ack 1
      +0 %{ assert tcpi_snd_ssthresh < 12, tcpi_snd_ssthresh }%
      +0.1 < . 1:1(0) ack 12201 win 65535
      +11 ${grown(12_201, [4]).slice(3)}
      ${probed(16_201)}
      +0.1 < . 1:1(0) ack 20601 win 65535`,
    INTERNET_SACK,
  ),
);

rule(
  "PM-6, PM-15: half of the range at each trial, and a while after one that failed",
  accepted(
    `${TRIED}
      ${probed(2801, 1400, 8)}
      +0.1 < . 1:1(0) ack 2801 win 65535
      +0 < . 1:1(0) ack 2801 win 65535
      +0 < . 1:1(0) ack 2801 win 65535
      +0 > . 2801:3801(1000) ack 1
      +0.1 < . 1:1(0) ack 3801 win 65535
      +0~+1 > . 3801:4801(1000) ack 1
      +0.1 < . 1:1(0) ack 12201 win 65535
      ${grown(12_201, [2, 3, 4, 5])}
      +9.5 ${grown(26_201, [4, 5]).slice(3)}
      +10 ${grown(35_201, [4]).slice(3)}
      ${probed(39_201, 1230)}
      +0.1 < . 1:1(0) ack 43431 win 65535
      ${mss(1230)}`,
    INTERNET,
  ),
);

rule(
  "RFC 4821, 7.6.3: a timeout with the probe first in flight: too large, and congestion",
  accepted(
    `${TRIED}
      ${probed(2801, 1400, 8)}
      +0.2~+2 > . 2801:3801(1000) ack 1
      +0 %{ assert tcpi_snd_cwnd == 1 and tcpi_snd_mss == 1000, tcpi_snd_cwnd }%
      +0 < . 1:1(0) ack 12201 win 65535
      ${grown(12_201, [2, 3, 4, 5])}
      +20 ${grown(26_201, [4]).slice(3)}
      ${probed(30_201, 1230)}
      +0.1 < . 1:1(0) ack 34431 win 65535
      ${mss(1230)}`,
    INTERNET,
  ),
);

rule(
  "RFC 4821, 7.6.4: a timeout with other data in front of the probe: the same size again",
  accepted(
    `${TRIED}
      +0 write(4, ..., 1000) = 1000
      +0 > P. 2801:3801(1000) ack 1
      ${probed(3801, 1400, 7)}
      +0.2~+2 > . 2801:3801(1000) ack 1
      ${mss(1000)}
      +0 < . 1:1(0) ack 12201 win 65535
      ${grown(12_201, [2, 3, 4, 5])}
      +11 ${grown(26_201, [4]).slice(3)}
      ${probed(30_201)}
      +0.1 < . 1:1(0) ack 34601 win 65535
      ${mss(1400)}`,
    INTERNET,
  ),
);

rule(
  "RFC 4821, 7.4: what tests a timeout (RFC 5682, 2.1) is of the size that passes",
  accepted(
    `${TRIED}
      +0 write(4, ..., 3000) = 3000
      ${leaving(2801, 3, "", true)}
      +0 write(4, ..., 3000) = 3000
      ${leaving(5801, 3, "", true)}
      +0.2~+2 > . 2801:3801(1000) ack 1
      +0 write(4, ..., 20000) = 20000
      +0.4~+4 > . 2801:3801(1000) ack 1
      +0.8~+8 > . 2801:3801(1000) ack 1
      +1.6~+16 > . 2801:3801(1000) ack 1
      +3.2~+32 > . 2801:3801(1000) ack 1
      +6.4~+64 > . 2801:3801(1000) ack 1
      +30 < . 1:1(0) ack 3801 win 65535
      ${leaving(8801, 2)}
      +0.1 < . 1:1(0) ack 10801 win 0`,
    WIDE,
  ),
);

rule(
  "PM-16: a larger size does not make the window larger, in bytes",
  accepted(
    `${TRIED}
      +0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
      ${probed(2801)}
      +0.1 < . 1:1(0) ack 7201 win 65535
      +0 %{ assert tcpi_snd_mss == 1400 and tcpi_snd_cwnd == 7, tcpi_snd_cwnd }%`,
    WIDE,
  ),
);

rule(
  "PM-17: no probe while a duplicate ACK tells of a loss: once it has arrived",
  accepted(
    `${TRIED}
      +0 write(4, ..., 2000) = 2000
      ${leaving(2801, 2, "", true)}
      +0.1 < . 1:1(0) ack 2801 win 65535
      +0 write(4, ..., 5000) = 5000
      ${leaving(4801, 5, "", true)}
      +0.1 < . 1:1(0) ack 9801 win 65535
      ${probed(9801)}
      +0.1 < . 1:1(0) ack 14201 win 65535`,
    WIDE,
  ),
);

rule(
  "PM-17: no second probe beside one: segments of the smaller size until it has arrived",
  accepted(
    `${TRIED}
      ${probed(2801)}
      +0 write(4, ..., 5000) = 5000
      ${leaving(7201, 5, "", true)}
      ${mss(1000)}
      +0.1 < . 1:1(0) ack 4201 win 65535
      ${mss(1400)}
      +0 < . 1:1(0) ack 12201 win 65535`,
    WIDE,
  ),
);

rule(
  "PM-17: no probe without enough to send behind it, and nothing waits for more",
  accepted(
    `${TRIED}
      +0 write(4, ..., 4399) = 4399
      ${leaving(2801, 4)}
      +0.1 < . 1:1(0) ack 6801 win 65535
      +0 > P. 6801:7200(399) ack 1
      +0.1 < . 1:1(0) ack 7200 win 65535
      ${probed(7200)}
      +0.1 < . 1:1(0) ack 11600 win 65535`,
    WIDE,
  ),
);

rule(
  "PM-17: no probe without a window for what follows it",
  accepted(
    `${TRIED}
      +0 write(4, ..., 1000) = 1000
      +0 > P. 2801:3801(1000) ack 1
      +0.1 < . 1:1(0) ack 3801 win 4399
      +0 write(4, ..., 4400) = 4400
      ${leaving(3801, 4)}
      +0.1 < . 1:1(0) ack 7801 win 4400
      +0 > P. 7801:8201(400) ack 1
      +0.1 < . 1:1(0) ack 8201 win 4400
      ${probed(8201)}
      +0.1 < . 1:1(0) ack 12601 win 65535`,
    WIDE,
  ),
);

rule(
  "PM-17: a connection that is closed meanwhile sends what it has, and its FIN",
  accepted(
    `${TRIED}
      ${probed(2801)}
      +0 close(4) = 0
      +0 > F. 7201:7201(0) ack 1
      +0.1 < . 1:1(0) ack 7202 win 65535`,
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
