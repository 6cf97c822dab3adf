/** RFC 5961, and RFC 9293 3.10.7 where it says the same: resets, SYNs and ACKs from nowhere. */
import { describe, expect, test } from "vitest";
import { ACK, FIN, PSH, RST, streamBytes, SYN } from "../support/frames.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";
import { accepted, leaving, rule } from "./wire.ts";

const ALIVE = "+0 %{ assert tcpi_state == TCP_ESTABLISHED }%";

rule(
  "BA-1: a RST outside of the window is dropped without an answer",
  accepted(`
      +0.1 < R 0:0(0) win 0
      +0.1 < R 70000:70000(0) win 0
      +0.1 < R. 2000000000:2000000000(0) ack 1 win 0
      ${ALIVE}`),
);

rule(
  "BA-2: a RST at RCV.NXT resets",
  accepted(`
      +0 < P. 1:101(100) ack 1 win 65535
      +0~+0.2 > . 1:1(0) ack 101
      +0.1 < R 101:101(0) win 0
      +0 %{ assert tcpi_state == TCP_CLOSE }%`),
);

rule(
  "BA-3, BA-13: elsewhere in the window it is answered with SND.NXT, RCV.NXT, ACK, and no data",
  ...[2, 1000, 65535].map((seq) =>
    accepted(`
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1
      +0.1 < R ${seq}:${seq}(0) win 0
      +0 > . 101:101(0) ack 1
      ${ALIVE}
      +0.1 < . 1:1(0) ack 101 win 65535`),
  ),
);

rule(
  "BA-4: a SYN on a connection is answered with a challenge ACK, wherever its number stands",
  ...[0, 1, 2, 70000, 3000000000].map((seq) =>
    accepted(`
      +0.1 < S ${seq}:${seq}(0) win 65535 <mss 1000>
      +0 > . 1:1(0) ack 1
      +0.1 < S. ${seq}:${seq}(0) ack 1 win 65535 <mss 1000>
      +0 > . 1:1(0) ack 1
      ${ALIVE}`),
  ),
);

const SYN_SENT = `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <...>`;

rule(
  "BA-8: in SYN-SENT only a RST that acknowledges our SYN counts",
  `${SYN_SENT}
   +0.1 < R 0:0(0) win 0
   +0.1 < R. 0:0(0) ack 0 win 0
   +0.1 < R. 0:0(0) ack 2 win 0
   +0.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   ${ALIVE}`,
  `${SYN_SENT}
   +0.1 < R. 0:0(0) ack 1 win 0
   +0 getsockopt(3, SOL_SOCKET, SO_ERROR, [111], [4]) = 0`,
);

const LISTENING = `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>`;
const NOBODY = "+0 accept(3, ..., ...) = -1 EAGAIN (Resource temporarily unavailable)";

rule(
  "BA-9: a RST in SYN-RECEIVED of a passive open goes back to LISTEN, and nobody is told",
  `${LISTENING}
   +0.1 < R 1:1(0) win 0
   ${NOBODY}
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 > R 1:1(0)
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
);

rule(
  "BA-15: a SYN inside the window in SYN-RECEIVED: back to LISTEN, or after an active open an ACK",
  `${LISTENING}
   +0.1 < S 10:10(0) win 65535 <mss 1000>
   ${NOBODY}
   +0.1 < . 1:1(0) ack 1 win 65535
   +0 > R 1:1(0)`,
  `${SYN_SENT}
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <...>
   +0.1 < S 10:10(0) win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0.1 < . 1:1(0) ack 1 win 65535
   ${ALIVE}`,
);

rule(
  "BA-10: of a segment that is challenged nothing counts: no data, no FIN, no window",
  accepted(`
      +0.1 < S. 1:101(100) ack 1 win 10
      +0 > . 1:1(0) ack 1
      +0.1 < SF. 1:1(0) ack 1 win 10
      +0 > . 1:1(0) ack 1
      +0.1 < R. 5:105(100) ack 1 win 10
      +0 > . 1:1(0) ack 1
      +0 %{ assert tcpi_snd_wnd == 65535 and tcpi_bytes_received == 0 }%
      ${ALIVE}`),
);

rule(
  "BA-11: the RST that answers a challenge ACK ends the connection, and the next SYN begins one",
  accepted(`
      +0.1 < S 5000:5000(0) win 65535 <mss 1000>
      +0 > . 1:1(0) ack 1
      +0 < R 1:1(0) win 0
      +0 %{ assert tcpi_state == TCP_CLOSE }%
      +1 < S 5000:5000(0) win 65535 <mss 1000>
      +0 > S. 0:0(0) ack 5001 <mss 1460>`),
);

rule(
  "BA-14: MAX.SND.WND is the largest window that ever came, after scaling",
  // 500 * 16 bytes; then 10 * 16. An ACK that is 8000 behind is of this peer, 8001 is not.
  accepted(
    `
      +0 < . 1:1(0) ack 1 win 500
      +0 write(4, ..., 8000) = 8000
      ${leaving(1, 8, "", true)}
      +0.1 < . 1:1(0) ack 8001 win 10
      +0.1 < P. 1:101(100) ack 1 win 10
      +0~+0.2 > . 8001:8001(0) ack 101
      +0.1 < P. 101:201(100) ack 0 win 10
      +0 > . 8001:8001(0) ack 101
      +0 %{ assert tcpi_bytes_received == 100 }%`,
    { options: "mss 1000,nop,wscale 4", window: 500 },
  ),
);

describe.each(STARTS)("from ISN %d", (start) => {
  const challenge = (c: RawConnection): number =>
    c.send({ flags: RST, seq: (c.seq + 50) >>> 0 }).length;

  test("BA-6: challenge ACKs are throttled", () => {
    const c = new RawConnection(start);
    let answered = 0;
    for (let i = 0; i < 200; i += 1) answered += challenge(c);
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(100);
    c.pass(6e9);
    expect(challenge(c)).toBe(1);
  });

  test("BA-6: in every interval of the clock, as many as in the first", () => {
    const c = new RawConnection(start);
    for (let interval = 0; interval < 40; interval += 1) {
      let answered = 0;
      for (let i = 0; i < 12; i += 1) answered += challenge(c);
      expect(answered).toBe(10);
      c.pass(1024e6, 1024e6);
    }
  });

  test("BA-6: also before the connection is established", () => {
    const peer = new ScriptedPeer();
    peer.listen(80);
    peer.send({ seq: start, flags: SYN });
    const seq = (start + 50) >>> 0;
    let answered = 0;
    for (let i = 0; i < 200; i += 1) answered += peer.send({ seq, flags: RST }).length;
    expect(answered).toBe(10);
    expect(peer.state(40000)).toBe("SYN-RECEIVED");
    peer.now += 2e9;
    expect(peer.send({ seq, flags: RST }).map(({ flags }) => flags)).toContain(ACK);
  });

  test("BA-12: count and interval of the throttle are the user's", () => {
    for (const [challengeAcks, challengeIntervalMs] of [
      [0, 1024],
      [3, 1024],
      [15, 4096],
    ] as const) {
      const c = new RawConnection(start, { layout: { challengeAcks, challengeIntervalMs } });
      const count = (): number => {
        let answered = 0;
        for (let i = 0; i < 30; i += 1) answered += challenge(c);
        return answered;
      };
      expect(count()).toBe(challengeAcks);
      expect(count()).toBe(0);
      c.pass(challengeIntervalMs * 1e6, challengeIntervalMs * 1e6);
      expect(count()).toBe(challengeAcks);
    }
    const layout = { challengeAcks: 16 };
    expect(() => new RawConnection(start, { layout })).toThrow(
      "expected challengeAcks 0..15, got 16",
    );
  });

  test("BA-6: by a count of each connection's own (CVE-2016-5696)", () => {
    const c = new RawConnection(start);
    const other = { sourcePort: 40001 };
    const [answer] = c.peer.send({ ...other, seq: start, flags: SYN, options: [] });
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    const seq = (start + 1) >>> 0;
    c.peer.send({ ...other, seq, ack });
    for (let i = 0; i < 200; i += 1) challenge(c);
    expect(challenge(c)).toBe(0);
    const sent = c.peer.send({ ...other, seq: (seq + 50) >>> 0, ack, flags: RST });
    expect(sent).toHaveLength(1);
  });

  test("BA-7: the ACK that an unacceptable segment is owed is not throttled", () => {
    const c = new RawConnection(start);
    for (let i = 0; i < 200; i += 1) challenge(c);
    for (const flags of [ACK, ACK | PSH, ACK | FIN]) {
      const seq = (c.seq + 100_000) >>> 0;
      const [answer] = c.send({ seq, flags, payload: streamBytes(seq, 10) });
      expect([answer?.flags, answer?.ack]).toEqual([ACK, c.seq]);
    }
  });
});
