/**
 * Goal: RFC 5681, 6928 and 3465 outside of fast recovery (ids CC-1 to CC-8, CC-18 to CC-22, CC-26
 * to CC-28, CC-33, CC-36, CC-37). Method: scripts for what begins with a handshake; for the rest a
 * bare core that sends with NewReno and no SACK, the peer's ACKs written by hand.
 */
import { describe, expect, test } from "vitest";
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { CongestionAlgorithm, FLOW_NODELAY } from "../../bindings/abi/flow-state.ts";
import { ACK, buildFrame } from "../support/frames.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore } from "../support/raw-core.ts";
import { MSS, Sender, type SenderChoice } from "./sender.ts";
import { accepted, connected, leaving, rule } from "./wire.ts";

const MS = 1e6;
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];
const cwndIs = (segments: number): string => {
  return `+0 %{ assert tcpi_snd_cwnd == ${segments}, tcpi_snd_cwnd }%`;
};

/** Segments of this MSS, of which so many leave at once and no more. */
const initial = (mss: number, count: number): string => {
  const lines = Array.from({ length: count }, (_, i) => {
    return `+0 > . ${1 + i * mss}:${1 + (i + 1) * mss}(${mss}) ack 1`;
  });
  return ["+0 write(4, ..., 43800) = 43800", ...lines, "+0.1 %{ assert tcpi_unacked > 0 }%"].join(
    "\n",
  );
};

rule(
  "CC-1, CC-19: the initial window is min(10 * MSS, max(2 * MSS, 14600)), the peer's at most",
  accepted(initial(1000, 10)),
  accepted(initial(1460, 10), { options: "mss 1460" }),
  accepted(initial(536, 10), { options: "" }),
  accepted(initial(2000, 7), { options: "mss 2000", before: "--mtu=9000" }),
  accepted(initial(8960, 2), { options: "mss 8960", before: "--mtu=9000" }),
  accepted(initial(1000, 3), { window: 3000 }),
);

/** An open whose SYN is sent again so many times. */
const retried = (times: number, script: string): string => `
  0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
  +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
  +0 > S 0:0(0) <...>
  ${Array.from({ length: times }, (_, i) => `+${2 ** i} > S 0:0(0) <...>`).join("\n")}
  +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
  +0 > . 1:1(0) ack 1
  +0 write(3, ..., 20000) = 20000
  ${script}
  +0.1 %{ assert tcpi_unacked > 0 }%`;

rule(
  "CC-2: a SYN lost once leaves the initial window as it is, one lost twice makes it one segment",
  retried(1, leaving(1, 10)),
  retried(2, leaving(1, 1)),
);

rule(
  "CC-3: neither the SYN-ACK nor the ACK of it makes the window grow",
  accepted(cwndIs(10)),
  connected(cwndIs(10)),
);

rule(
  "CC-36: after a loss in the initial window an idle time leaves four segments, not ten",
  accepted(`
      +0 write(4, ..., 10000) = 10000
      ${leaving(1, 10, "", true)}
      +1 > . 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 10001 win 65535
      +0 write(4, ..., 20000) = 20000
      ${leaving(10_001, 2)}
      +0.1 < . 1:1(0) ack 12001 win 65535
      ${leaving(12_001, 3)}
      +0.1 < . 1:1(0) ack 15001 win 65535
      ${leaving(15_001, 4)}
      +0.1 < . 1:1(0) ack 19001 win 65535
      ${leaving(19_001, 5)}
      +0.1 < . 1:1(0) ack 24001 win 65535
      ${leaving(24_001, 6, "", true)}
      +0.1 < . 1:1(0) ack 30001 win 65535
      +0 %{ assert tcpi_snd_cwnd > 4 and tcpi_total_retrans == 1 }%
      +5 write(4, ..., 20000) = 20000
      ${leaving(30_001, 4)}
      +0.1 %{ assert tcpi_snd_cwnd == 4 }%`),
);

const plain = (origin: number, choice: SenderChoice = {}): Sender =>
  new Sender(origin, { sack: false, segments: 100, ...choice });

/** In congestion avoidance, with a window of so many segments. */
const avoiding = (origin: number, window: number): Sender =>
  plain(origin, { window, ssthresh: 2 * MSS });

describe.each(ORIGINS)("from sequence number %d", (origin) => {
  const ackBytes = (one: Sender, bytes: number): number[] => {
    return one.segment({ ack: (one.at(0) + bytes) >>> 0 });
  };

  test("CC-4: slow start adds the acknowledged bytes, two segments at most for an ACK", () => {
    const one = plain(origin);
    ackBytes(one, 300);
    ackBytes(one, 999);
    expect(one.cwnd).toBe(10.999);
    one.ack(2);
    expect(one.cwnd).toBe(12);
    one.ack(8);
    expect(one.cwnd).toBe(14);
  });

  test("CC-33: L is two segments, and one in the slow start behind a timeout", () => {
    // Nothing new is left, which would go first (RFC 5682).
    const one = plain(origin, { segments: 22 });
    one.ack(10);
    expect(one.cwnd).toBe(12);
    one.timeout();
    one.ack(20);
    expect(one.cwnd).toBe(2);
  });

  test("CC-5: avoidance adds a segment for a window of bytes, however many ACKs tell them", () => {
    const few = avoiding(origin, 10);
    few.ack(10);
    expect(few.cwnd).toBe(11);
    few.ack(20);
    expect(few.cwnd).toBe(11);
    few.ack(21);
    expect(few.cwnd).toBe(12);
    const many = avoiding(origin, 10);
    for (let bytes = 10; bytes < 10 * MSS; bytes += 10) ackBytes(many, bytes);
    expect(many.cwnd).toBe(10);
    many.ack(10);
    expect(many.cwnd).toBe(11);
  });

  test("CC-5: an ACK of more than a window adds no more than a segment", () => {
    const one = avoiding(origin, 10);
    one.ack(9);
    one.ack(19);
    expect(one.cwnd).toBe(11);
  });

  test("CC-27: however large the window, it grows", () => {
    // Equation 3 rounds to 0 above MSS * MSS bytes.
    const raw = new RawCore(testCore());
    const [mss, window] = [100, 20_000];
    const algorithm = CongestionAlgorithm.NewReno;
    const sizes = { mss, cwnd: window, ssthresh: 2 * mss, txShift: 17, peerScale: 4 };
    const flow = raw.establish({ ...sizes, algorithm, flags: FLOW_NODELAY, txSeq: origin });
    raw.post(1, { txAppend: 100_000 });
    while (raw.step().frames.length > 0) expect(raw.inspect().txSent).toBeLessThanOrEqual(window);
    const ack = (bytes: number): number => {
      const fields = { seq: flow.rxSeq, ack: (flow.txSeq + bytes) >>> 0, flags: ACK };
      raw.offer([buildFrame({ ...fields, window: 0xffff })]);
      return raw.inspect().cwnd;
    };
    expect(ack(window / 2)).toBe(window);
    expect(ack(window)).toBe(window + mss);
  });

  test("CC-6, CC-7: a timeout: ssthresh of half of the flight, a window of a segment", () => {
    for (const [window, segments, ssthresh] of [
      [10, 40, 5],
      [40, 8, 4],
      [40, 3, 2],
      [40, 1, 2],
    ] as const) {
      const one = plain(origin, { window, segments });
      expect(one.timeout()).toEqual([0]);
      expect([one.cwnd, one.ssthresh]).toEqual([1, ssthresh]);
    }
  });

  test("CC-8: a further timeout of the same segment leaves ssthresh as it is", () => {
    const one = plain(origin, { window: 20, segments: 20 });
    for (let times = 0; times < 4; times += 1) {
      expect(one.timeout()).toEqual([0]);
      expect([one.cwnd, one.ssthresh]).toEqual([1, 10]);
    }
    // One of what comes later does not.
    one.ack(4);
    expect(one.timeout()).toEqual([4]);
    expect(one.ssthresh).toBe(2);
  });

  test("CC-32: a loss in the window that follows is another reduction", () => {
    const one = plain(origin, { window: 20 });
    one.timeout();
    one.ack(20);
    expect([one.cwnd, one.ssthresh]).toEqual([2, 10]);
    for (let next = 21; one.cwnd < 8; next += 1) one.ack(next);
    const flight = one.raw.inspect().txSent / MSS;
    one.timeout();
    expect([one.cwnd, one.ssthresh]).toEqual([1, flight / 2]);
  });

  test("CC-18: more than an RTO without sending: the window is the initial one at most", () => {
    const one = plain(origin, { segments: 40 });
    for (let next = 1; next <= 40; next += 1) one.ack(next);
    expect(one.cwnd).toBeGreaterThan(20);
    const idle = (time: number): number[] => {
      one.raw.now += time;
      one.raw.post(1, { txAppend: 40 * MSS });
      return one.wait(0);
    };
    expect(idle(2000 * MS)).toHaveLength(10);
    expect(one.cwnd).toBe(10);
  });

  test("CC-18: a smaller one stays as it is", () => {
    const one = plain(origin, { segments: 40 });
    for (let next = 1; next <= 30; next += 1) one.ack(next);
    one.timeout();
    one.ack(40);
    one.raw.now += 5000 * MS;
    one.raw.post(1, { txAppend: 40 * MSS });
    expect(one.wait(0)).toHaveLength(2);
    expect(one.cwnd).toBe(2);
  });

  test("CC-19: nothing leaves beyond the highest ACK and the smaller of the two windows", () => {
    const one = plain(origin, { window: 6 });
    expect(one.first).toEqual([0, 1, 2, 3, 4, 5]);
    // 0x40 * 2^4 bytes: one segment.
    expect(one.segment({ ack: one.at(6), window: 0x40 })).toEqual([6]);
    expect(one.segment({ ack: one.at(7), window: 0xc0 })).toEqual([7, 8, 9]);
    expect(one.segment({ ack: one.at(10), window: 0xffff })).toHaveLength(Math.floor(one.cwnd));
  });

  test("CC-20: the window is a segment at least, and never overflows", () => {
    const small = plain(origin, { ecn: true, window: 2 });
    for (let times = 0; times < 6; times += 1) {
      small.segment({ ack: small.at(times), flags: 0x50 });
      expect(small.cwnd).toBeGreaterThanOrEqual(1);
      small.timeout();
      expect(small.cwnd).toBe(1);
    }
    // Half of one segment is one.
    const least = plain(origin, { ecn: true, window: 1 });
    least.segment({ ack: least.at(1), flags: 0x50 });
    expect(least.cwnd).toBe(1);
    const most = 0x3fffffff;
    for (const ssthresh of [2 * MSS, 0x7fffffff]) {
      const large = plain(origin, { window: most / MSS, ssthresh });
      for (let next = 1; next <= 40; next += 1) large.ack(next);
      expect(large.raw.inspect().cwnd).toBe(most);
    }
  });

  test("CC-21: a window that the application does not use does not grow", () => {
    for (const algorithm of [CongestionAlgorithm.NewReno, CongestionAlgorithm.Cubic]) {
      const one = plain(origin, { algorithm, segments: 1 });
      for (let next = 1; next < 30; next += 1) {
        one.raw.now += 10 * MS;
        one.raw.post(1, { txAppend: MSS });
        one.ack(next);
        expect(one.raw.inspect().txSent).toBe(MSS);
      }
      expect(one.cwnd).toBeLessThanOrEqual(12);
    }
  });

  test("CC-22: an ACK of what is acknowledged, or was never sent, moves no window", () => {
    const one = plain(origin);
    one.ack(4);
    const before = [one.cwnd, one.ssthresh];
    for (const next of [0, 3, 4, 40, 4000]) {
      one.ack(next);
      expect([one.cwnd, one.ssthresh]).toEqual(before);
    }
    one.segment({ ack: (one.at(0) + 2 ** 31) >>> 0 });
    expect([one.cwnd, one.ssthresh]).toEqual(before);
  });

  test("CC-28, PM-16: smaller segments are as many as before, larger ones as many bytes", () => {
    const one = plain(origin, { segments: 10 });
    const resize = (bytes: number): number => {
      one.raw.post(0, { opcode: AtxOpcode.SetMss, low: bytes });
      one.raw.step();
      return one.raw.inspect().cwnd;
    };
    expect(resize(500)).toBe(5000);
    expect(resize(400)).toBe(4000);
    expect(resize(1000)).toBe(4000);
  });
});

rule(
  "CC-26: ssthresh begins as high as any window, and falls with congestion",
  accepted(`
      +0 %{ assert tcpi_snd_ssthresh > 1000000 }%
      +0 write(4, ..., 20000) = 20000
      ${leaving(1, 10)}
      +1 > . 1:1001(1000) ack 1
      +0 %{ assert tcpi_snd_ssthresh == 5 }%`),
);

rule(
  "CC-37: each ACK of new data restarts the timer",
  // The last one is due 1 s after the second ACK (RTO is 1 s), and nothing before.
  accepted(`
      +0 write(4, ..., 3000) = 3000
      ${leaving(1, 3, "", true)}
      +0.5 < . 1:1(0) ack 1001 win 65535
      +0.7 < . 1:1(0) ack 2001 win 65535
      +0 %{ assert tcpi_total_retrans == 0, tcpi_rto }%
      +0.9 %{ assert tcpi_total_retrans == 0, tcpi_rto }%`),
);
