/**
 * Goal: a stack that counts what crosses its interconnect counts what the traffic implies, and
 * sends and delivers exactly what it does without. Method: two stacks on virtual time; numbers
 * from the messages themselves, from the link's own counters, and from the headers of the
 * specification.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { contextQueuePairs } from "../../host/pcie/context-queue-pairs.ts";
import type { InterconnectCounters } from "../../host/pcie/interconnect.ts";
import type { Stack } from "../../host/stack.ts";
import { optionBytesUnderTest } from "../support/env.ts";
import { StreamEnd } from "./stream-end.ts";
import { MINUTE, WorldPair, type WorldPairOptions } from "./world-pair.ts";

const PORT = 80;
const interconnect = contextQueuePairs();

function counterOf({ core }: Stack, counter: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
}

function countersOf(stack: Stack): InterconnectCounters {
  if (stack.interconnect === undefined) throw new Error("expected an interconnect");
  return stack.interconnect.counters();
}

/** What has been counted since `before`, by operation, and in TLPs and bytes. */
function since(stack: Stack, before: InterconnectCounters): InterconnectCounters {
  const minus = (now: object, then: object): object =>
    Object.fromEntries(
      Object.entries(now).map(([name, value]) => {
        const old = (then as Record<string, unknown>)[name];
        if (typeof value === "object") return [name, minus(value as object, old as object)];
        return [name, (value as number) - (old as number)];
      }),
    );
  return minus(countersOf(stack), before) as InterconnectCounters;
}

/** `count` messages of `bytes` to the server and back, one at a time. */
function echo(
  pair: WorldPair,
  fds: { client: number; server: number },
  count: number,
  bytes: number,
): void {
  const message = new Uint8Array(bytes).fill(7);
  const room = new Uint8Array(bytes);
  const take = (toe: WorldPair["clientToe"], fd: number): void => {
    let got = 0;
    pair.until(() => {
      got += Math.max(0, toe.recv(fd, room.subarray(got)));
      return got === bytes;
    }, "the message");
    expect(room).toEqual(message);
    room.fill(0);
  };
  for (let i = 0; i < count; i += 1) {
    expect(pair.clientToe.send(fds.client, message)).toBe(bytes);
    take(pair.serverToe, fds.server);
    expect(pair.serverToe.send(fds.server, message)).toBe(bytes);
    take(pair.clientToe, fds.client);
  }
}

/** Wire bytes of FlexTOE's operations, from the paper and the specification. */
const STORE = 24 + 4;
const FETCH = 24 + (20 + 32) + (24 + 32);
const NOTIFY = 24 + 32;

test("64 B echoes: a segment, a write and a read for each, and the queues around them", () => {
  const pair = new WorldPair({ interconnect });
  const fds = pair.establish(pair.listen(PORT), PORT);
  pair.pass(MINUTE);
  const rounds = 50;
  const stacks = [pair.client.stack, pair.server.stack];
  const before = stacks.map(countersOf);
  const descriptors = stacks.map((stack) => counterOf(stack, Counter.Descriptors));
  const notifications = stacks.map((stack) => counterOf(stack, Counter.Notifications));
  echo(pair, fds, rounds, 64);
  pair.pass(MINUTE);
  stacks.forEach((stack, side) => {
    const delta = since(stack, before[side] as InterconnectCounters);
    const { operations: did } = delta;
    expect([did.payloadIn, did.payloadOut]).toEqual([rounds, rounds]);
    expect([delta.payloadBytesIn, delta.payloadBytesOut]).toEqual([rounds * 64, rounds * 64]);
    // Nothing of the control plane's, no interrupt, and no read of a register.
    const { command, event, frameIn, frameOut, install, interrupt } = did;
    expect([command, event, frameIn, frameOut, install, interrupt]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([delta.mmioReads, did.inspect]).toEqual([0, 0]);
    expect(did.fetch).toBe(counterOf(stack, Counter.Descriptors) - (descriptors[side] as number));
    expect(did.notify).toBe(
      counterOf(stack, Counter.Notifications) - (notifications[side] as number),
    );
    // One descriptor sends a message; one of credit may follow. Each message is told once.
    expect(did.fetch).toBeGreaterThanOrEqual(rounds);
    expect(did.fetch).toBeLessThanOrEqual(2 * rounds);
    expect(did.notify).toBeGreaterThanOrEqual(rounds);
    expect(did.doorbell).toBe(did.fetch);
    expect(did.consume).toBe(did.notify);
    expect(delta.tlps).toEqual({
      MWr: did.doorbell + did.consume + did.notify + did.fetch + rounds,
      MRd: did.fetch + rounds,
      CplD: did.fetch + rounds,
      Cpl: 0,
      Msg: 0,
    });
    const queues = STORE * (did.doorbell + did.consume) + FETCH * did.fetch + NOTIFY * did.notify;
    const payload = rounds * (24 + 64 + 24 + 20 + 64);
    expect(delta.wireBytesToDevice + delta.wireBytesToHost).toBe(queues + payload);
  });
});

test("every frame on the link is the data path's or the control plane's, and counted once", () => {
  const pair = new WorldPair({ interconnect });
  const fds = pair.establish(pair.listen(PORT), PORT);
  echo(pair, fds, 3, 100);
  expect([pair.clientToe.close(fds.client), pair.serverToe.close(fds.server)]).toEqual([0, 0]);
  pair.pass(MINUTE);
  for (const [side, { stack }] of [pair.client, pair.server].entries()) {
    const { operations: did } = countersOf(stack);
    const sent = pair.link.counters(side as 0 | 1);
    expect(did.frameOut + counterOf(stack, Counter.FramesOut)).toBe(sent.frames);
    const control = counterOf(stack, Counter.ControlBytesOut);
    expect(control + counterOf(stack, Counter.BytesOut)).toBe(sent.bytes);
    // ARP and the handshake at least, each way; one connection was installed.
    expect(did.frameOut).toBeGreaterThanOrEqual(2);
    expect(did.frameIn).toBeGreaterThanOrEqual(2);
    expect([did.install, did.frameIn]).toEqual([1, counterOf(stack, Counter.Redirects)]);
    expect(counterOf(stack, Counter.RedirectedBytes)).toBeGreaterThanOrEqual(40 * did.frameIn);
    expect(did.event).toBeGreaterThan(0);
    expect(did.fetch + did.command).toBe(counterOf(stack, Counter.Descriptors));
  }
});

test("the control plane's descriptors are commands", () => {
  const pair = new WorldPair({ interconnect });
  pair.establish(pair.listen(PORT), PORT);
  pair.pass(MINUTE);
  // It acknowledges the handshake through the data path; the application has sent nothing.
  const { operations: did } = countersOf(pair.client.stack);
  expect([did.command > 0, did.fetch]).toEqual([true, 0]);
});

test("bulk payload: MSS by MSS in pieces of 256 B, read and written once", () => {
  const bytes = 1 << 20;
  const run = streams({ interconnect }, bytes);
  const [client, server] = [run.pair.client.stack, run.pair.server.stack].map(countersOf) as [
    InterconnectCounters,
    InterconnectCounters,
  ];
  expect(client.payloadBytesOut).toBe(bytes);
  expect(server.payloadBytesIn).toBe(bytes);
  const segments = client.operations.payloadOut;
  expect(server.operations.payloadIn).toBe(segments);
  expect(segments).toBe(Math.ceil(bytes / (1460 - optionBytesUnderTest())));
  // A segment is 6 pieces, one more where a page ends inside; MRRS 512 makes 3 or 4 requests.
  const { MWr } = server.tlps;
  const own = MWr - writesAround(server);
  expect(own).toBeGreaterThanOrEqual(segments * 6 - 5);
  expect(own).toBeLessThanOrEqual(segments * 6 + bytes / 4096 + 1);
  const { fetch, frameOut, command, inspect } = client.operations;
  const reads = client.tlps.MRd - fetch - command - 2 * frameOut - 4 * inspect;
  expect(reads).toBeGreaterThanOrEqual(segments * 3 - 5);
  expect(reads).toBeLessThanOrEqual(segments * 3 + bytes / 4096 + 1);
});

/** Writes of a receiver that are not its payload. */
function writesAround({ operations: did }: InterconnectCounters): number {
  const stores = did.doorbell + did.consume + did.command + did.frameOut + 3 * did.install;
  return stores + did.fetch + did.notify + did.command + did.event + 2 * did.frameIn;
}

interface Streams {
  readonly pair: WorldPair;
  readonly ends: readonly StreamEnd[];
}

/** `bytes` from client to server, one way. */
function streams(options: WorldPairOptions, bytes: number): Streams {
  const pair = new WorldPair(options);
  const fds = pair.establish(pair.listen(PORT), PORT);
  const ends = [
    new StreamEnd(pair.clientToe, fds.client, { bytes, expect: 0, seed: 1, expectSeed: 2 }),
    new StreamEnd(pair.serverToe, fds.server, { bytes: 0, expect: bytes, seed: 2, expectSeed: 1 }),
  ];
  [pair.client, pair.server].forEach((host, side) => {
    host.applications.push(() => (ends[side] as StreamEnd).run(pair.world.now));
  });
  pair.until(() => ends.every(({ finished }) => finished), "the end of both streams");
  pair.pass(MINUTE);
  return { pair, ends };
}

test("counting changes nothing: same frames, same bytes, same time", () => {
  const faults = { loss: 0.02, reorder: 0.05, duplicate: 0.01 };
  const runs = [{}, { interconnect }].map((over) => {
    const { pair, ends } = streams({ seed: 5, link: { faults }, ...over }, 1 << 18);
    const frames = [0, 1].map((side) => pair.link.counters(side as 0 | 1));
    const delivered = ends.map(({ sent, received, wrongAt, error }) => [
      sent,
      received,
      wrongAt,
      error,
    ]);
    return { frames, delivered, traceHash: pair.world.traceHash() };
  });
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[0]?.delivered).toEqual([
    [1 << 18, 0, -1, 0],
    [0, 1 << 18, -1, 0],
  ]);
});

test("an application that sleeps costs one interrupt; one that polls costs none", () => {
  const pair = new WorldPair({ interconnect });
  const fds = pair.establish(pair.listen(PORT), PORT);
  pair.pass(MINUTE);
  const { stack } = pair.server;
  const before = countersOf(stack);
  expect(pair.serverToe.arm()).toBe(true);
  pair.clientToe.send(fds.client, new Uint8Array(64));
  pair.pass(MINUTE);
  pair.clientToe.send(fds.client, new Uint8Array(64));
  pair.pass(MINUTE);
  const { operations: did, interrupts } = since(stack, before);
  expect([interrupts, did.interrupt, did.notify]).toEqual([1, 1, 2]);
});

test("without the option there is none", () => {
  expect(new WorldPair().client.stack.interconnect).toBeUndefined();
});
