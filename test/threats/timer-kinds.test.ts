/**
 * Threats T01, T03 and T07 with every kind of timer. What a timer does is written down as when
 * something left and when the connection ended; the same must come of it where clocks and wheel
 * wrap, and when the host's clock goes back meanwhile. Thirty timeouts in a row, of data and of
 * probes: up to the ceiling, and no further.
 */
import { describe, expect, test } from "vitest";
import * as C from "../../host/libtoe/constants.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { dataPathUnderTest, isNight } from "../support/env.ts";
import { ACK, FIN, PSH, SYN } from "../support/frames.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const SECOND = 1e9;
const HOUR = 3600 * SECOND;
const LAYOUT = { connections: 4, payloadBytes: 1 << 20 };

/** An established connection whose time begins somewhere. */
class Subject {
  readonly peer = watchPools(new ScriptedPeer({ layout: LAYOUT }));
  fd = -1;
  ack = 0;

  constructor(now: number) {
    this.peer.now = now;
  }

  open(): this {
    const listener = this.peer.listen(80);
    const [answer] = this.peer.send({ seq: 7000, flags: SYN, options: [2, 4, 3, 232] });
    this.ack = ((answer?.seq ?? 0) + 1) >>> 0;
    this.send({});
    this.fd = this.peer.stack.toe.accept(listener);
    return this;
  }

  send(fields: object): void {
    this.peer.send({ seq: 7001, ack: this.ack, flags: ACK, ...fields });
  }

  set(level: number, name: number, value: number): void {
    expect(this.peer.stack.toe.setsockopt(this.fd, level, name, value)).toBe(0);
  }

  write(length: number): void {
    expect(this.peer.stack.toe.send(this.fd, new Uint8Array(length))).toBe(length);
    this.peer.settle();
  }

  get isOver(): boolean {
    return this.peer.stack.toe.connections().length === 0;
  }
}

interface Kind {
  readonly name: string;
  /** Arms it. */
  readonly arm: (s: Subject) => void;
  /** Seconds of a step, and after how many all is over. */
  readonly step: number;
  readonly steps: number;
  /** When something leaves, a step's half late each; and when the connection is over, if it is. */
  readonly due: readonly number[];
  readonly over?: number;
}

/** Faithful Laminar acknowledges at once. */
const isDelaying = dataPathUnderTest() !== "laminar";

const KINDS: readonly Kind[] = [
  {
    name: "retransmission",
    arm: (s) => s.open().write(100),
    ...{ step: 0.1, steps: 80, due: [1, 3.1, 7.2] },
  },
  {
    name: "SYN",
    arm: ({ peer }) => {
      peer.stack.toe.connect(peer.stack.toe.socket(), { address: "10.0.0.2", port: 7 });
      peer.settle();
    },
    ...{ step: 0.1, steps: 80, due: [1, 3.1, 7.2] },
  },
  {
    name: "SYN-ACK",
    arm: ({ peer }) => {
      peer.listen(80);
      peer.send({ seq: 7000, flags: SYN });
    },
    ...{ step: 0.1, steps: 80, due: [1, 3.1, 7.2] },
  },
  {
    name: "persist",
    arm: (s) => {
      s.open().send({ window: 0 });
      s.write(100);
    },
    ...{ step: 0.1, steps: 80, due: [1, 3.1, 7.2] },
  },
  {
    name: "keep-alive",
    arm: (s) => {
      s.open().set(C.SOL_SOCKET, C.SO_KEEPALIVE, 1);
      s.set(C.IPPROTO_TCP, C.TCP_KEEPIDLE, 10);
      s.set(C.IPPROTO_TCP, C.TCP_KEEPINTVL, 3);
      s.set(C.IPPROTO_TCP, C.TCP_KEEPCNT, 2);
    },
    ...{ step: 0.5, steps: 60, due: [10, 13.5, 17], over: 17 },
  },
  {
    name: "delayed ACK",
    arm: (s) => s.open().send({ payload: new Uint8Array(10), flags: ACK | PSH }),
    ...{ step: 0.02, steps: 20, due: isDelaying ? [0.2] : [] },
  },
  {
    name: "TIME-WAIT",
    arm: (s) => {
      const { toe } = s.open().peer.stack;
      toe.shutdown(s.fd, C.SHUT_WR);
      s.peer.settle();
      s.send({ ack: (s.ack + 1) >>> 0, flags: ACK | FIN });
    },
    ...{ step: 10, steps: 30, due: [], over: 240 },
  },
  {
    name: "FIN-WAIT-2",
    arm: (s) => {
      s.open().peer.stack.toe.close(s.fd);
      s.peer.settle();
      s.send({ ack: (s.ack + 1) >>> 0 });
    },
    ...{ step: 2, steps: 40, due: [], over: 60 },
  },
  {
    name: "user timeout",
    arm: (s) => {
      s.open().set(C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, 5000);
      s.write(100);
    },
    ...{ step: 0.1, steps: 80, due: [1, 3.1], over: 5.1 },
  },
  {
    name: "pacing",
    arm: (s) => {
      s.open().set(C.SOL_SOCKET, C.SO_MAX_PACING_RATE, 10);
      s.set(C.IPPROTO_TCP, C.TCP_NODELAY, 1);
      s.write(10);
      s.write(10);
    },
    ...{ step: 0.1, steps: 70, due: [5] },
  },
];

/** Each begins before one of these and is due behind it: digits of the wheel, the clock of 1 ms. */
const WRAPS = [...(isNight() ? [2 ** 38, 2 ** 40, 2 ** 48] : []), 2 ** 42, 2 ** 32 * 1e6];

/** What leaves and when it ends, by steps; `between` is called in front of each. */
function watch(
  s: Subject,
  { steps, step }: Kind,
  between: (at: number) => void = () => undefined,
): { due: number[]; over: number | undefined } {
  const start = s.peer.now;
  const due: number[] = [];
  let over: number | undefined;
  for (let i = 0; i < steps; i += 1) {
    between(i);
    // Not where anything is due.
    s.peer.now = start + (i + 0.5) * step * SECOND;
    const at = Number((i * step).toFixed(2));
    for (const _ of s.peer.settleFrames()) due.push(at);
    if (over === undefined && s.isOver) over = at;
  }
  return { due, over };
}

function armed(now: number, { arm }: Kind): Subject {
  const s = new Subject(now);
  arm(s);
  return s;
}

describe.each(KINDS)("$name", (kind) => {
  const first = Math.min(...kind.due, kind.over ?? kind.steps * kind.step);
  const due = { due: kind.due, over: kind.over };

  test("threats/T03: in its time, and the same where clock and wheel wrap meanwhile", () => {
    expect(watch(armed(SECOND, kind), kind)).toEqual(due);
    for (const wrap of WRAPS) {
      const subject = armed(wrap - (first / 2) * SECOND, kind);
      expect(watch(subject, kind), `2^${Math.log2(wrap)}`).toEqual(due);
    }
  });

  test("threats/T01: nothing early and all in its time when the clock goes back an hour", () => {
    const s = armed(2 * HOUR, kind);
    const half = Math.floor(first / 2 / kind.step);
    const seen = watch(s, kind, (i) => {
      if (i !== 0 && i !== half) return;
      const { now } = s.peer;
      for (let k = 0; k < 10; k += 1) {
        s.peer.now = now - HOUR + k * kind.step * SECOND;
        expect([s.peer.settleFrames(), s.isOver]).toEqual([[], false]);
      }
    });
    expect(seen).toEqual(due);
  });
});

/** Milliseconds: longer than thirty timeouts. */
const PATIENCE = 20_000_000;
/** RFC 6298, 5.5: doubled, up to the profile's ceiling. */
const BACKED_OFF = Array.from({ length: 30 }, (_, i) => Math.min(2 ** i, 120));

describe.each(STARTS)("from ISN %d", (start) => {
  test.each([
    ["of data", 0xffff],
    ["of probes", 0],
  ])(
    "threats/T07: thirty timeouts %s in a row: up to the ceiling, and no end of it",
    (_, window) => {
      const c = new RawConnection(start);
      const { toe, peer } = c;
      toe.setsockopt(c.fd, C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, PATIENCE);
      c.send({ window });
      c.write(100);
      const gaps: number[] = [];
      let last = peer.now;
      for (let polls = 0; polls < 1000 && gaps.length < 30; polls += 1) {
        peer.now = Math.max(peer.stack.nextDeadline(), peer.now + 1);
        if (peer.settleFrames().length === 0) continue;
        gaps.push(Math.round((peer.now - last) / SECOND));
        last = peer.now;
      }
      expect(gaps).toEqual(BACKED_OFF);
      // Whoever comes back after an hour finds the connection, and all of its bytes.
      expect(c.state).toBe("ESTABLISHED");
      const sent = window === 0 ? c.send({}) : [];
      expect(sent.map(({ seq, payloadLength }) => [seq, payloadLength])).toEqual(
        window === 0 ? [[c.ack, 100]] : [],
      );
      c.ack = (c.ack + 100) >>> 0;
      c.send({});
      expect(c.write(100).map(({ seq }) => seq)).toEqual([c.ack]);
    },
  );
});
