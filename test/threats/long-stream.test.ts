/**
 * Threats Q02: more bytes than there are sequence numbers, in one connection. Two stacks, a direct
 * link, frames of 9,000 bytes. Takes seconds on a release build; others move less. To the kernel:
 * examples/interop/long-stream.ts, in the night.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../host/errors.ts";
import { directLink } from "../../host/netif/direct-link.ts";
import { Stack } from "../../host/stack.ts";
import { buildUnderTest } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { Random } from "../support/random.ts";

const BLOCK = 1 << 18;
/** No power of two: the same bytes never stand at the same place of a buffer. */
const PERIOD = 65_521;
/** A debug build takes minutes for as much. */
const TOTAL = buildUnderTest() === "release" ? 2 ** 32 + 2 ** 25 : 2 ** 26;

test("threats/Q02: 2^32 bytes and more are the same at the other end", { timeout: 600_000 }, () => {
  const random = new Random(2);
  const links = directLink();
  const stacks = links.map((netif, side) => {
    const addresses = [`10.0.0.${side + 1}/24`];
    return new Stack({
      module: loadModule(),
      netifs: [{ netif, addresses }],
      entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
      layout: { connections: 8, payloadBytes: 1 << 23, frameBytes: 9216 },
    });
  });
  const [client, server] = stacks as [Stack, Stack];
  let now = 1e9;
  const turn = (): void => {
    now += 1000;
    for (let i = 0; i < 2; i += 1) for (const stack of stacks) stack.poll(now);
  };
  const listener = server.toe.socket();
  server.toe.bind(listener, { address: "10.0.0.2", port: 80 });
  server.toe.listen(listener, 1);
  const fd = client.toe.socket();
  client.toe.connect(fd, { address: "10.0.0.2", port: 80 });
  let other: number = -ERRNO.EAGAIN;
  for (let i = 0; i < 100 && other < 0; i += 1) {
    turn();
    other = server.toe.accept(listener);
  }
  expect(other).toBeGreaterThanOrEqual(0);
  const pattern = random.bytes(PERIOD);
  const stream = new Uint8Array(BLOCK + 2 * PERIOD);
  for (let at = 0; at < stream.length; at += 1) stream[at] = pattern[at % PERIOD] as number;
  const buffer = new Uint8Array(BLOCK);
  let sent = 0;
  let got = 0;
  for (let idle = 0; got < TOTAL && idle < 10_000; idle += 1) {
    const from = sent % PERIOD;
    const n = client.toe.send(fd, stream.subarray(from, from + Math.min(BLOCK, TOTAL - sent)));
    if (n > 0) sent += n;
    turn();
    const length = server.toe.recv(other, buffer);
    // The last bytes wait for an ACK, and that for its timer.
    if (length <= 0) now += 1e6;
    if (length <= 0) continue;
    const at = got % PERIOD;
    const same = Buffer.compare(buffer.subarray(0, length), stream.subarray(at, at + length));
    if (same !== 0) throw new Error(`stream: expected the sent bytes at ${got}`);
    got += length;
    idle = 0;
  }
  expect([sent, got]).toEqual([TOTAL, TOTAL]);
  const [info] = server.toe.connections().filter(({ state }) => state === "ESTABLISHED");
  expect(info?.bytesIn).toBe(TOTAL);
});
