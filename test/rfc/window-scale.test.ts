/** RFC 7323 2: window scale, offered, used, and bounded. */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { windowScale } from "../../host/control-plane/connection-options.ts";
import { SYN } from "../support/frames.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";
import { accepted, connected, rule } from "./wire.ts";

const SCALED = { options: "mss 1000,nop,wscale 4" };

rule(
  "WS-1: window scale means nothing on a segment without SYN",
  accepted(
    `
      +0.1 < . 1:1(0) ack 1 win 100 <nop,wscale 9>
      +0 %{ assert tcpi_snd_wscale == 4 and tcpi_snd_wnd == 1600 }%`,
    SCALED,
  ),
  accepted(`
      +0.1 < . 1:1(0) ack 1 win 100 <nop,wscale 9>
      +0 %{ assert tcpi_snd_wscale == 0 and tcpi_snd_wnd == 100 }%`),
);

rule(
  "WS-2: scaling only if both SYNs have the option, else neither window is scaled",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 500
      +0~+0.2 > . 1:1(0) ack 101 win 65435
      +0 %{ assert tcpi_snd_wnd == 500 and tcpi_rcv_wscale == 0 }%`),
  connected(`
      +0 < P. 1:101(100) ack 1 win 500
      +0~+0.2 > . 1:1(0) ack 101 win 65435
      +0 %{ assert tcpi_snd_wnd == 500 and tcpi_snd_wscale == 0 and tcpi_rcv_wscale == 0 }%`),
);

rule(
  "WS-3: the window of a SYN or SYN-ACK is not scaled, neither way",
  connected(
    `
      +0 write(3, ..., 5000) = 5000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > . 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 65535
      +0 > . 3001:4001(1000) ack 1
      +0 > P. 4001:5001(1000) ack 1
      +0.1 < . 1:1(0) ack 5001 win 65535`,
    { options: "mss 1000,nop,wscale 10", window: 3000 },
  ),
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 3000 <mss 1000,nop,wscale 10>
   +0 > S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>`,
);

test("WS-4: a shift above 14 acts as 14, and is counted", () => {
  for (const shift of [15, 100, 255]) {
    const c = new RawConnection(7000, { syn: [2, 4, 5, 180, 3, 3, shift, 0] });
    c.send({ window: 2 });
    const [info] = c.toe.connections();
    expect([info?.peerScale, info?.peerWindow]).toEqual([14, 2 << 14]);
    expect(c.counter(Counter.WindowScaleClamped)).toBe(1);
  }
});

test("WS-5: our own shift is 14 at most, whatever the buffer", () => {
  expect([0, 16, 17, 29, 30, 31, 40].map(windowScale)).toEqual([0, 1, 2, 14, 14, 14, 14]);
});

rule(
  "WS-6: a right edge that moves left by any number of units does no harm",
  accepted(
    `
      +0 < . 1:1(0) ack 1 win 500
      +0 write(4, ..., 5000) = 5000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > . 2001:3001(1000) ack 1
      +0 > . 3001:4001(1000) ack 1
      +0 > P. 4001:5001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 10
      +0 write(4, ..., 1000) = 1000
      +0.1 < . 1:1(0) ack 5001 win 500
      +0 > P. 5001:6001(1000) ack 1
      +0.1 < . 1:1(0) ack 6001 win 500`,
    SCALED,
  ),
);

rule(
  "WS-10: what is sent for the first time stays inside the window of the newest ACK",
  accepted(
    `
      +0 < . 1:1(0) ack 1 win 125
      +0 write(4, ..., 4000) = 4000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 70
      +0.1 < . 1:1(0) ack 2001 win 63
      +0 > . 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 3001 win 500
      +0 > P. 3001:4001(1000) ack 1
      +0.1 < . 1:1(0) ack 4001 win 500`,
    SCALED,
  ),
);

rule(
  "WS-12: each window without SYN counts in units: of a pure ACK, with data, with a FIN",
  accepted(
    `
      +0 < P. 1:101(100) ack 1 win 1
      +0~+0.2 > . 1:1(0) ack 101 win 511
      +0 %{ assert tcpi_snd_wnd == 16 }%
      +0.1 < . 101:101(0) ack 1 win 4000
      +0 %{ assert tcpi_snd_wnd == 64000 }%
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 101 win 511
      +0.1 < F. 101:101(0) ack 101 win 3
      +0 %{ assert tcpi_snd_wnd == 48 }%
      +0 > . 101:101(0) ack 102
      +0 read(4, ..., 1000) = 100
      +0 close(4) = 0
      +0 > F. 101:101(0) ack 102 win 512
      +0.1 < . 102:102(0) ack 102 win 3`,
    SCALED,
  ),
);

rule(
  "WS-13: offered also with shift 0, answered when offered, and never unasked",
  `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [16384], 4) = 0
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 0>`,
  ...[
    ["mss 1000,nop,wscale 0", "mss 1460,nop,wscale 0"],
    ["mss 1000", "mss 1460"],
  ].map(
    ([offer, answer]) => `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [16384], 4) = 0
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <${offer}>
   +0 > S. 0:0(0) ack 1 <${answer}>`,
  ),
);

/** A SYN with a shift of 4, so that our own shift is used. */
const SCALED_SYN = [2, 4, 5, 180, 3, 3, 4, 0];

/** Announced right edges, from the peer's first byte on. */
function edges(c: RawConnection, sent: ReturnType<RawConnection["send"]>, shift: number): number[] {
  return sent
    .filter(({ flags }) => (flags & SYN) === 0)
    .map(({ ack, window }) => (ack + (window << shift) - c.start - 1) >>> 0);
}

for (const start of STARTS) {
  test(`WS-8, WS-9: what some ACK announced is taken, ISN ${start}`, () => {
    const c = new RawConnection(start, { syn: SCALED_SYN });
    const first = c.seq;
    const shift = c.toe.connections()[0]?.localScale ?? 0;
    expect(shift).toBeGreaterThan(0);
    // Odd sizes: no edge is a multiple of the unit.
    let edge = c.synAck.window;
    while (((c.seq - first) >>> 0) + 1447 <= edge) {
      const told = edges(c, [...c.data(1447), ...c.pass(3e8)], shift);
      edge = Math.max(edge, ...told);
      if (c.seq - first > 300000) break;
    }
    const rest = edge - ((c.seq - first) >>> 0);
    expect(rest).toBeGreaterThan(0);
    c.data(rest);
    expect(c.toe.connections()[0]?.bytesIn).toBe(edge);
  });

  test(`WS-7: below one unit the window is 0, above it an update goes out, ISN ${start}`, () => {
    const c = new RawConnection(start, { syn: SCALED_SYN });
    const shift = c.toe.connections()[0]?.localScale ?? 0;
    const unit = 1 << shift;
    for (let round = 0; round < 400; round += 1) {
      const free = c.toe.connections()[0]?.rxWindow ?? 0;
      if (free < unit) break;
      c.data(Math.min(1400, Math.max(1, free - unit + 1)));
      c.pass(3e8);
    }
    const free = c.toe.connections()[0]?.rxWindow ?? 0;
    expect(free).toBeLessThan(unit);
    const [told] = c.send({ seq: (c.seq - 1) >>> 0, payload: new Uint8Array(1) });
    expect(told?.window ?? 0).toBeLessThanOrEqual(1);
    c.read();
    const opened = c.pass(1e8);
    expect(opened.some(({ window }) => window << shift >= unit)).toBe(true);
  });
}
