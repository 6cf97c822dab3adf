/**
 * Goal: rate-based DCTCP on live connections (dissertation 4.2): it opens, counts marks once, cuts
 * once a recovery however much go-back-N repeats, and is told how long an interval really was.
 * Method: two stacks over a marking link in virtual time; the policy's inputs are listened to.
 */
import { afterEach, expect, test, vi } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { DCTCP_RATE } from "../../host/control-plane/congestion/dctcp-rate.ts";
import type { IntervalStatistics } from "../../host/control-plane/congestion/policy.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { WorldLinkOptions } from "../../host/world.ts";
import { WorldPair } from "./world-pair.ts";

const MS = 1e6;
const RATE = 100e6;
const CHUNK = new Uint8Array(65536);
/** Frames of so many bytes are full ones. */
const FULL = 1400;

afterEach(() => {
  vi.restoreAllMocks();
});

interface Interval extends IntervalStatistics {
  readonly at: number;
  readonly rate: number;
}

/** One connection, profile paper; `send` bytes from the client, those read by the server. */
class Transfer {
  readonly pair: WorldPair;
  received = 0;
  /** The client's, in order. */
  readonly intervals: Interval[] = [];
  #left: number;

  constructor(bytes: number, link: Partial<WorldLinkOptions>) {
    this.#left = bytes;
    this.pair = new WorldPair({ profile: "paper", link: { rate: RATE, delay: 50e3, ...link } });
    const { clientToe, serverToe } = this.pair;
    const [fd, peer] = this.#connect();
    this.#listen();
    clientToe.setWatcher(fd, () => {
      while (this.#left > 0) {
        const put = clientToe.send(fd, CHUNK, 0, Math.min(this.#left, CHUNK.length));
        if (put <= 0) return;
        this.#left -= put;
      }
    });
    serverToe.setWatcher(peer, () => {
      const got = serverToe.recv(peer, CHUNK, 0, CHUNK.length);
      if (got > 0) this.received += got;
    });
  }

  #connect(): [number, number] {
    const { clientToe, serverToe, world } = this.pair;
    const listener = serverToe.socket();
    serverToe.bind(listener, { address: "10.0.0.2", port: 80 });
    serverToe.listen(listener, 1);
    const fd = clientToe.socket();
    clientToe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, "dctcp-rate");
    serverToe.setsockopt(listener, C.IPPROTO_TCP, C.TCP_CONGESTION, "dctcp-rate");
    clientToe.connect(fd, { address: "10.0.0.2", port: 80 });
    let peer = -1;
    world.run(() => {
      peer = serverToe.accept(listener);
      return peer >= 0;
    });
    return [fd, peer];
  }

  #listen(): void {
    const body = DCTCP_RATE.onInterval;
    vi.spyOn(DCTCP_RATE, "onInterval").mockImplementation((state, statistics) => {
      body.call(DCTCP_RATE, state, statistics);
      // The server sends nothing.
      const client = statistics.limited || statistics.ackedBytes > 0;
      const at = this.pair.world.now;
      if (client) this.intervals.push({ ...statistics, at, rate: state.rate });
    });
  }

  counter(side: "client" | "server", counter: Counter): number {
    const { core } = this.pair[side].stack;
    return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
  }
}

test("it fills a link whose queue marks, and each mark is echoed once", () => {
  const transfer = new Transfer(1e9, { queue: { bytes: 200_000, markBytes: 15_000 } });
  transfer.pair.pass(60 * MS);
  const before = transfer.received;
  transfer.pair.pass(200 * MS);
  const goodput = ((transfer.received - before) * 8e9) / (200 * MS);
  expect(goodput).toBeGreaterThan(0.7 * RATE);
  const marks = transfer.counter("server", Counter.EcnMarksIn);
  const echoes = transfer.counter("client", Counter.EcnEchoesIn);
  expect(marks).toBeGreaterThan(50);
  expect(echoes).toBeLessThanOrEqual(marks);
  expect(echoes).toBeGreaterThan(0.9 * marks);
});

test("a connection that waits for its own pacing is not looked at as if it were idle", () => {
  // A segment takes 1.2 ms at the first rate and a round trip 0.2 ms; idle is looked at in 10 ms.
  const transfer = new Transfer(1e9, { queue: { bytes: 200_000, markBytes: 15_000 } });
  transfer.pair.pass(30 * MS);
  const [, ...rest] = transfer.intervals;
  expect(rest.length).toBeGreaterThan(10);
  for (const { elapsed } of rest) expect(elapsed).toBeLessThan(9 * MS);
});

test("intervals last as long as they are said to", () => {
  const transfer = new Transfer(400_000, {});
  transfer.pair.pass(200 * MS);
  expect(transfer.received).toBe(400_000);
  const [first, ...rest] = transfer.intervals;
  let at = first?.at ?? 0;
  expect(rest.length).toBeGreaterThan(20);
  for (const interval of rest) {
    expect(interval.elapsed).toBe(interval.at - at);
    at = interval.at;
  }
});

test("a recovery cuts the rate once, although go-back-N sends a window again", () => {
  let data = 0;
  const rule = (frame: Uint8Array): boolean => {
    if (frame.length < FULL) return false;
    data += 1;
    return data === 300;
  };
  const transfer = new Transfer(2e6, { faults: { rule } });
  transfer.pair.pass(400 * MS);
  expect(transfer.received).toBe(2e6);
  const recoveries = transfer.counter("client", Counter.FastRetransmits);
  const lost = transfer.intervals.filter((interval) => interval.lost).length;
  expect(lost).toBeGreaterThan(0);
  expect(lost).toBeLessThanOrEqual(recoveries);
  expect(transfer.counter("client", Counter.Timeouts)).toBe(0);
  expect(transfer.counter("client", Counter.Retransmissions)).toBeGreaterThan(5 * recoveries);
});
