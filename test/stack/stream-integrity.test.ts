/**
 * Streams over bad links (threats Q01, Q03): every pair of extreme initial sequence numbers, so
 * that both streams wrap at once, with loss, reordering, duplication and corruption, half close
 * and a reader that pauses. What is delivered equals what was sent, to the byte.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { PROFILE_NAMES } from "../../host/control-plane/profile.ts";
import type { FaultOptions } from "../../host/netif/fault-injector.ts";
import type { Stack } from "../../host/stack.ts";
import { seedOf } from "../support/env.ts";
import { expectWhole, transfer } from "./transfer.ts";
import { SECOND, WorldPair, type WorldPairOptions } from "./world-pair.ts";

const KIB = 1024;
const SEED = seedOf(20260);
const FAULTS: FaultOptions = { loss: 0.02, reorder: 0.05, duplicate: 0.01, corrupt: 0.005 };
const SEQUENCES = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1] as const;
const PAIRS = SEQUENCES.flatMap((client) => SEQUENCES.map((server) => [client, server] as const));

function counterOf({ core }: Stack, counter: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
}

function pairOf(options: WorldPairOptions): WorldPair {
  return new WorldPair({ seed: SEED, ...options, link: { faults: FAULTS, ...options.link } });
}

for (const [client, server] of PAIRS) {
  test(`threats/Q01: ISN ${client} and ${server}, profile internet, seed ${SEED}`, () => {
    const pair = pairOf({ sequences: [client, server], profile: "internet" });
    const ends = transfer(pair, { up: 1024 * KIB, down: 1024 * KIB });
    expectWhole(pair, ends, 1024 * KIB, 1024 * KIB);
    const retransmits = [pair.client, pair.server].map(({ stack }) =>
      counterOf(stack, Counter.Retransmissions),
    );
    for (const count of retransmits) expect(count).toBeGreaterThan(0);
  });
}

/** Bytes of the client and of the server, when one has little or nothing to say. */
const HALVES = [
  [1, 512 * KIB],
  [0, 256 * KIB],
  [256 * KIB, 0],
  [512 * KIB, 1],
] as const;
/** The streams pass 2^32 (client's) and 2^31 (server's) halfway, in the middle of a segment. */
const HALFWAY = [2 ** 32 - 128 * KIB - 77, 2 ** 31 - 128 * KIB - 77] as const;

for (const profile of PROFILE_NAMES) {
  test(`threats/Q03: wrap while bytes are retransmitted, profile ${profile}, seed ${SEED}`, () => {
    for (let seed = SEED; seed < SEED + 4; seed += 1) {
      const pair = pairOf({ seed, sequences: HALFWAY, profile });
      const ends = transfer(pair, { up: 256 * KIB, down: 256 * KIB });
      expectWhole(pair, ends, 256 * KIB, 256 * KIB);
    }
  });

  test(`threats/Q03: zero window at the wrap, profile ${profile}, seed ${SEED}`, () => {
    const pair = pairOf({ sequences: HALFWAY, profile });
    // Half of a 64 KiB buffer beyond 2^32 when the window closes.
    const pause = { pauseAt: 96 * KIB, pauseNs: 20 * SECOND };
    const ends = transfer(pair, {
      up: 256 * KIB,
      down: 256 * KIB,
      client: pause,
      server: pause,
    });
    expectWhole(pair, ends, 256 * KIB, 256 * KIB);
    expect(pair.world.now).toBeGreaterThan(20 * SECOND);
    const probes = [pair.client, pair.server].map(({ stack }) => counterOf(stack, Counter.Probes));
    for (const count of probes) expect(count).toBeGreaterThan(0);
  });

  test(`half close: the other half goes on, profile ${profile}, seed ${SEED}`, () => {
    for (const [up, down] of HALVES) {
      const pair = pairOf({ profile, sequences: [2 ** 32 - 1, 2 ** 32 - 1] });
      expectWhole(pair, transfer(pair, { up, down }), up, down);
    }
  });
}

const SYN_BIT = 2;

/** TCP of an IPv4 packet: its number and payload bytes. */
function textOf(frame: Uint8Array): [seq: number, length: number] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const header = 20 + ((view.getUint8(32) >>> 4) << 2);
  if ((view.getUint8(33) & SYN_BIT) !== 0) return [0, 0];
  return [view.getUint32(24), view.getUint16(2) - header];
}

/** Loses the segment that holds byte 0 of the number space, and its neighbour but one, once. */
function losesTheWrap(): (frame: Uint8Array) => boolean {
  let lost = 0;
  return (frame) => {
    const [seq, length] = textOf(frame);
    if (length <= 0 || lost > 1) return false;
    const isWrap = seq + length > 2 ** 32;
    const isAfter = lost === 1 && seq > 1000 && seq < 2 ** 31;
    if (!(lost === 0 ? isWrap : isAfter)) return false;
    lost += 1;
    return true;
  };
}

// With SACK and without it.
for (const profile of ["linux", "paper"] as const) {
  test(`threats/Q03: fast retransmit of the segment that wraps, profile ${profile}`, () => {
    const sequence = 2 ** 32 - 128 * KIB - 77;
    const faults = { rule: losesTheWrap() };
    const link = { medium: "ip" as const, faults: {} };
    const pair = new WorldPair({ seed: SEED, sequences: [sequence, 1], profile, link });
    pair.link.setFaults(0, faults);
    const ends = transfer(pair, { up: 256 * KIB, down: 0 });
    expectWhole(pair, ends, 256 * KIB, 0);
    const { stack } = pair.client;
    expect(counterOf(stack, Counter.Retransmissions)).toBeGreaterThan(0);
    expect(counterOf(stack, Counter.Timeouts)).toBe(0);
    expect(counterOf(stack, Counter.FastRetransmits)).toBeGreaterThan(0);
  });
}

/** Bytes before the FIN: its sequence number is 2^32 - 2 .. 1. */
for (const fin of [-2, -1, 0, 1]) {
  test(`threats/Q03: FIN at 2^32 ${fin < 0 ? "-" : "+"} ${Math.abs(fin)}, seed ${SEED}`, () => {
    for (let seed = SEED; seed < SEED + 8; seed += 1) {
      const sequence = (2 ** 32 + fin - 30_000 - 1) >>> 0;
      const faults = { loss: 0.1, reorder: 0.05, duplicate: 0.05, corrupt: 0.005 };
      // Without ARP, which gives up after three losses.
      const link = { faults, medium: "ip" } as const;
      const pair = pairOf({ seed, sequences: [sequence, sequence], link });
      expectWhole(pair, transfer(pair, { up: 30_000, down: 30_000 }), 30_000, 30_000);
    }
  });
}
