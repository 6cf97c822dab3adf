/**
 * Goal: a window that overruns a queue does not cost a round trip for each segment: with SACK the
 * sender fills the holes and goes on (RFC 6675, RFC 6937). Method: bulk in virtual time over a link
 * with a queue of one bandwidth-delay product, which slow start overshoots, and over a lossy one.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import * as C from "../../host/libtoe/constants.ts";
import { counterOf } from "../../bench/stack-pair.ts";
import type { WorldLinkOptions } from "../../host/world.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const PORT = 80;
const RATE = 100e6;
const DELAY = 10e6;

interface Bulk {
  /** Bits a second that the application has read. */
  readonly goodput: number;
  readonly timeouts: number;
}

function bulk(congestion: string, link: Partial<WorldLinkOptions>, seconds: number): Bulk {
  const pair = new WorldPair({ link: { rate: RATE, delay: DELAY, ...link } });
  const listener = pair.listen(PORT);
  const fd = pair.clientToe.socket();
  pair.clientToe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 1 << 22);
  pair.clientToe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, congestion);
  const client = pair.connect(PORT, fd);
  const server = pair.accept(listener);
  const data = new Uint8Array(65_536);
  let bytes = 0;
  pair.client.applications.push(() => pair.clientToe.send(client, data) > 0);
  pair.server.applications.push(() => {
    const count = pair.serverToe.recv(server, data);
    if (count > 0) bytes += count;
    return count > 0;
  });
  pair.client.wakeAt = pair.world.now;
  pair.pass(seconds * SECOND);
  const timeouts = counterOf(pair.client.stack, Counter.Timeouts);
  return { goodput: (bytes * 8) / seconds, timeouts };
}

test.each(["cubic", "reno"])("%s: slow start overruns a queue of one BDP, and goes on", (name) => {
  const queue = { bytes: (RATE * 2 * DELAY) / 8e9 };
  const { goodput, timeouts } = bulk(name, { queue }, 4);
  // Start included 72 to 81 Mbit/s; NewReno alone, a hole a round trip, made 2 to 30.
  expect(goodput).toBeGreaterThan(0.6 * RATE);
  // Half of a window is gone, more holes than the scoreboard has room for.
  expect(timeouts).toBeLessThan(3);
});

test("1 % loss: what Reno's window allows (Mathis et al. 1997), not a timeout a loss", () => {
  const { goodput, timeouts } = bulk("reno", { faults: { loss: 0.01 } }, 20);
  // MSS / RTT * sqrt(3/2 / p) for data that loses, and half of the ACKs' round trips.
  const mathis = ((1448 * 8) / (2 * DELAY * 1e-9)) * Math.sqrt(1.5 / 0.01);
  expect(goodput / mathis).toBeGreaterThan(0.7);
  // Each lost retransmission was one before send times were kept.
  expect(timeouts).toBeLessThan(3);
});
