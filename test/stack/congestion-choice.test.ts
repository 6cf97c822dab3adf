/**
 * Goal: TCP_CONGESTION chooses per connection, before and after connect() and on listeners; a
 * change under load, from window to rate and back, loses nothing and lets nothing loose; `rate` is
 * constant within 1 %, `timely` fills a link and keeps its queue short. Two stacks, virtual time.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { counterOf } from "../../bench/stack-pair.ts";
import { CONGESTION_NAMES } from "../../host/libtoe/options.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { WorldLinkOptions } from "../../host/world.ts";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { GOODPUT, PACKET, PacedTransfer, PORT } from "./paced-transfer.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const MS = 1e6;
/** 10 Mbit/s in bytes per second. */
const RATE_DEFAULT = 1.25e6;

function choose(toe: LibToe, fd: number, name: string): void {
  expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, name)).toBe(0);
  expect(toe.getsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION)).toBe(name);
}

const chosen = (toe: LibToe, fd: number): unknown =>
  toe.getsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION);

test("a listener's choice is that of the connections that come later", () => {
  const pair = new WorldPair();
  const { serverToe } = pair;
  const before = serverToe.socket();
  expect(chosen(serverToe, before)).toBe("cubic");
  choose(serverToe, before, "dctcp");
  const listener = pair.listen(PORT, 16, before);
  const names = ["dctcp"];
  for (const name of [undefined, ...CONGESTION_NAMES]) {
    if (name !== undefined) choose(serverToe, listener, name);
    if (name !== undefined) names.push(name);
    const { server } = pair.establish(listener, PORT);
    expect(chosen(serverToe, server)).toBe(names.at(-1));
    const infos = serverToe.connections().filter(({ state }) => state === "ESTABLISHED");
    expect(infos.map(({ congestion }) => congestion)).toEqual(names);
  }
});

test.each(CONGESTION_NAMES)("%s: chosen before connect(), it is the connection's", (name) => {
  const pair = new WorldPair();
  const listener = pair.listen(PORT);
  const fd = pair.clientToe.socket();
  choose(pair.clientToe, fd, name);
  pair.connect(PORT, fd);
  expect(chosen(pair.clientToe, fd)).toBe(name);
  pair.accept(listener);
  expect(chosen(pair.clientToe, fd)).toBe(name);
});

/** A client that sends a known stream without end, and a server that compares it. */
class Stream {
  readonly pair: WorldPair;
  readonly fd: number;
  readonly server: number;
  received = 0;
  #sent = 0;
  #wrong = -1;
  #pause = false;
  readonly #pattern = new Random(1).bytes(65_521);

  constructor(link: Partial<WorldLinkOptions>, buffer = 1 << 20, seed = 1) {
    const pair = new WorldPair({ seed, link: { rate: 100e6, delay: 1e6, ...link } });
    this.pair = pair;
    const listener = pair.serverToe.socket();
    pair.serverToe.setsockopt(listener, C.SOL_SOCKET, C.SO_RCVBUF, 1 << 18);
    pair.listen(PORT, 16, listener);
    this.fd = pair.clientToe.socket();
    pair.clientToe.setsockopt(this.fd, C.SOL_SOCKET, C.SO_SNDBUF, buffer);
    pair.connect(PORT, this.fd);
    const server = pair.accept(listener);
    this.server = server;
    pair.client.applications.push(() => this.#send());
    const data = new Uint8Array(65_536);
    pair.server.applications.push(() => {
      const count = pair.serverToe.recv(server, data);
      if (count > 0) this.#compare(data, count);
      return count > 0;
    });
    pair.client.wakeAt = pair.world.now;
  }

  #send(): boolean {
    const at = this.#sent % this.#pattern.length;
    const length = this.#pattern.length - at;
    if (this.#pause) return false;
    const put = this.pair.clientToe.send(this.fd, this.#pattern, at, length);
    if (put > 0) this.#sent += put;
    return put > 0;
  }

  #compare(data: Uint8Array, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const expected = this.#pattern[(this.received + i) % this.#pattern.length];
      if (data[i] !== expected && this.#wrong < 0) this.#wrong = this.received + i;
    }
    this.received += count;
  }

  get info(): { cwnd: number; txSent: number; mss: number; srtt: number } {
    const [info] = this.pair.clientToe.connections();
    if (info === undefined) throw new Error("expected a connection, got none");
    return info;
  }

  /** Bytes received in `ns`. */
  pass(ns: number): number {
    const before = this.received;
    this.pair.pass(ns);
    return this.received - before;
  }

  /** Everything that was sent arrives as it was sent. */
  finish(): void {
    this.#pause = true;
    this.pair.until(() => this.received === this.#sent, "the rest of the stream");
    expect(this.#wrong).toBe(-1);
  }
}

test("from window to rate: what is in flight drains, and nothing leaves above the rate", () => {
  const stream = new Stream({ rate: 1e9 });
  choose(stream.pair.clientToe, stream.fd, "cubic");
  stream.pass(200 * MS);
  const { txSent } = stream.info;
  choose(stream.pair.clientToe, stream.fd, "rate");
  const bytes = stream.pass(200 * MS);
  const most = RATE_DEFAULT * GOODPUT * 0.2;
  expect(bytes).toBeLessThanOrEqual(txSent + most + 3 * PACKET);
  expect(Math.abs(stream.pass(SECOND) / (RATE_DEFAULT * GOODPUT) - 1)).toBeLessThan(0.01);
  stream.finish();
});

test.each(["newreno", "cubic", "dctcp"])("from rate to %s: a window as of a new one", (name) => {
  const stream = new Stream({ rate: 1e9, delay: 5e6 });
  choose(stream.pair.clientToe, stream.fd, "rate");
  stream.pass(500 * MS);
  choose(stream.pair.clientToe, stream.fd, name);
  stream.pair.world.step();
  const { cwnd, mss } = stream.info;
  // Ten segments, and what the round trips since have earned.
  expect(cwnd).toBeLessThanOrEqual(10 * mss + 2 * RATE_DEFAULT * 0.02);
  expect(stream.pass(SECOND)).toBeGreaterThan(4 * RATE_DEFAULT);
  stream.finish();
});

test.each([
  ["none", "newreno"],
  ["none", "cubic"],
  ["rate", "cubic"],
  ["cubic", "none"],
  ["newreno", "rate"],
  ["cubic", "newreno"],
  ["newreno", "cubic"],
])("from %s to %s in the middle of a recovery", (from, to) => {
  let data = 0;
  // Losses in a row, so that recovery lasts.
  const rule = (frame: Uint8Array): boolean => {
    if (frame.length < 1400) return false;
    data += 1;
    return data % 400 < 3;
  };
  const stream = new Stream({ faults: { rule }, queue: { bytes: 1 << 20 } }, 1 << 17);
  const { clientToe } = stream.pair;
  let changes = 0;
  for (let i = 0; i < 300 && changes < 20; i += 1) {
    choose(clientToe, stream.fd, from);
    const before = counterOf(stream.pair.client.stack, Counter.FastRetransmits);
    const begun = (): boolean =>
      counterOf(stream.pair.client.stack, Counter.FastRetransmits) > before;
    for (let turn = 0; turn < 2000 && !begun(); turn += 1) stream.pair.world.step();
    if (!begun()) continue;
    changes += 1;
    choose(clientToe, stream.fd, to);
    expect(stream.pass(50 * MS)).toBeGreaterThan(0);
  }
  expect(changes).toBe(20);
  stream.finish();
});

test("changes at any time, over loss and reordering: the stream goes on, and is whole", () => {
  const seed = seedOf(5681);
  const random = new Random(seed);
  for (let run = 0; run < 4; run += 1) {
    const faults = { loss: 0.02, reorder: 0.05 };
    const stream = new Stream({ rate: 20e6, faults }, 1 << 17, seed + run);
    const seen = new Set<string>();
    for (let i = 0; i < 60; i += 1) {
      const name = CONGESTION_NAMES[random.below(CONGESTION_NAMES.length)] as string;
      choose(stream.pair.clientToe, stream.fd, name);
      seen.add(name);
      stream.pair.pass(random.below(60 * MS));
    }
    expect([seed, run, seen.size]).toEqual([seed, run, CONGESTION_NAMES.length]);
    expect(stream.received).toBeGreaterThan(200_000);
    stream.finish();
  }
});

test.each([
  [0, RATE_DEFAULT],
  [8_000, 8_000],
  [500_000, 500_000],
  [40_000_000, 40_000_000],
])("rate: SO_MAX_PACING_RATE %d is %d bytes per second within 1 %%", (limit, rate) => {
  const pair = new WorldPair({ link: { rate: 10e9, delay: 20_000 } });
  const paced = new PacedTransfer(pair, pair.listen(PORT), limit);
  choose(pair.clientToe, paced.client, "rate");
  pair.pass(50 * MS);
  const segments = Math.min(1000, Math.max(20, rate / 2000));
  expect(paced.goodput(segments) / (rate * GOODPUT)).toBeCloseTo(1, 2);
});

test("timely fills a link whose queue it keeps short", () => {
  const queue = { bytes: 1 << 20 };
  const [timely, none] = ["timely", "none"].map((name) => {
    const stream = new Stream({ rate: 1e9, delay: 20_000, queue });
    choose(stream.pair.clientToe, stream.fd, name);
    choose(stream.pair.serverToe, stream.server, name);
    stream.pass(100 * MS);
    const bytes = stream.pass(200 * MS);
    stream.finish();
    return { goodput: (bytes * 8) / 0.2, rtt: stream.info.srtt };
  });
  expect(timely?.goodput).toBeGreaterThan(0.7e9);
  // T_high is 0.5 ms; the receiver's window alone would be 2 ms.
  expect(timely?.rtt).toBeLessThan(0.5);
  expect(none?.rtt).toBeGreaterThan(1);
});
