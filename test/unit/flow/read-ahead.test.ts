/**
 * Reading ahead changes nothing: two cores of the same connections take the same bursts of sound,
 * changed and senseless frames, descriptors and time; one of them believes that its table is full
 * and reads ahead. All of memory agrees afterwards but the word that says so and scratch words.
 */
import { expect, test } from "vitest";
import {
  AtxOpcode,
  FRAME_LENGTH,
  FRAME_OFFSET,
  FRAME_SIZE,
} from "../../../bindings/abi/descriptor.ts";
import { BATCH_MAX } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { BOUND_PORT, generateFrame, INSTALLED_PORT } from "../../fuzz/targets/generate-frame.ts";
import { seedOf } from "../../support/env.ts";
import { ACK, buildFrame, streamBytes } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { RawCore } from "../../support/raw-core.ts";

const SEED = seedOf(9);
const CONNECTIONS = 40;
const TURNS = 120;
const PORT = 40_000;
/** More rows than from which on it is worth while. */
const MANY = 1 << 20;
const LAYOUT = { connections: 64, queueDescriptors: 64, payloadBytes: 64 * 65536 };
/** Written by reading ahead; of no meaning between two calls. */
const SCRATCH = ["scratch", "work"];

function makeCore(): RawCore {
  const raw = new RawCore(testCore(LAYOUT));
  for (let i = 1; i <= CONNECTIONS; i += 1) {
    raw.establish({ connection: i, localPort: INSTALLED_PORT, remotePort: PORT + i });
  }
  raw.bind({ connection: CONNECTIONS + 1, localPort: BOUND_PORT, remotePort: PORT });
  return raw;
}

function fillTable(raw: RawCore): void {
  const at = (raw.core.address + M.CORE_BOUND) >>> 2;
  raw.core.words[at] = (raw.core.words[at] as number) + MANY;
}

/** A segment that one of the connections expects, or something else. */
function makeFrame(random: Random, next: number[]): Uint8Array {
  const isIpv6 = random.oneIn(3);
  const aim = { medium: "ethernet", vlan: 0, isIpv6, rxNextSeq: 5000, txUna: 1000 } as const;
  if (random.oneIn(5)) return generateFrame(random, aim);
  const i = random.between(1, CONNECTIONS);
  const seq = next[i] as number;
  const payload = streamBytes(seq, random.pick([0, 1, 64, 300]));
  if (!random.oneIn(8)) next[i] = seq + payload.length;
  const [sourcePort, destinationPort] = [PORT + i, INSTALLED_PORT];
  const ports = { sourcePort, destinationPort };
  return buildFrame({ medium: "ethernet", ...ports, flags: ACK, seq, ack: 1000, payload });
}

function postSome(cores: readonly RawCore[], random: Random): void {
  for (let i = random.below(20); i > 0; i -= 1) {
    const fields = {
      // Descriptors are untrusted.
      connection: random.oneIn(10) ? random.u32() : random.between(1, CONNECTIONS),
      generation: 1,
      opcode: random.oneIn(20) ? random.below(256) : AtxOpcode.Update,
      txAppend: random.below(200),
      rxCredit: random.below(200),
    };
    for (const raw of cores) raw.post(1, fields);
  }
}

/** Rows of the ingress table that name no frame. */
function lie(raw: RawCore, row: number, offset: number, length: number): void {
  const table = raw.core.words[(raw.core.address + M.CORE_INGRESS_TABLE) >>> 2] as number;
  raw.core.view.setUint32(table + row * FRAME_SIZE + FRAME_OFFSET, offset, true);
  raw.core.view.setUint32(table + row * FRAME_SIZE + FRAME_LENGTH, length, true);
}

/** Names of the regions that differ. */
function differences(a: RawCore, b: RawCore): string[] {
  return a.core.map.regions
    .filter(({ name }) => !SCRATCH.includes(name))
    .filter(({ base, bytes }) => {
      const of = (raw: RawCore): Buffer => Buffer.from(raw.core.bytes.buffer, base, bytes);
      return !of(a).equals(of(b));
    })
    .map(({ name }) => name);
}

test(`a core that reads ahead does the same as one that does not, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const [plain, ahead] = [makeCore(), makeCore()];
  const cores = [plain, ahead];
  fillTable(ahead);
  const next: number[] = new Array(CONNECTIONS + 1).fill(5000);
  for (let turn = 0; turn < TURNS; turn += 1) {
    postSome(cores, random);
    const frames = Array.from({ length: random.below(BATCH_MAX) }, () => makeFrame(random, next));
    const step = random.pick([1e3, 1e6, 50e6]);
    const outcomes = cores.map((raw) => {
      raw.now += step;
      return raw.offer(frames);
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(ahead.notifications(1)).toEqual(plain.notifications(1));
  }
  const at = (ahead.core.address + M.CORE_BOUND) >>> 2;
  ahead.core.words[at] = (ahead.core.words[at] as number) - MANY;
  expect(differences(plain, ahead)).toEqual([]);
  expect(plain.freeChunks()).toBeLessThan(plain.core.map.chunks);
});

test("rows of the ingress table outside of the span are left alone", () => {
  const rows = [
    [0xfffffff0, 60],
    [0, 0xffffffff],
    [0x7fffffff, 0x7fffffff],
    [0, 33],
  ] as const;
  for (const [offset, length] of rows) {
    const raw = makeCore();
    fillTable(raw);
    raw.offer([]);
    for (let row = 0; row < BATCH_MAX; row += 1) lie(raw, row, offset, length);
    raw.core.words[(raw.core.address + M.CORE_INGRESS_COUNT) >>> 2] = BATCH_MAX;
    expect(() => raw.core.exports.step(raw.core.address, raw.now)).not.toThrow();
    expect(raw.guards()).toEqual([]);
  }
});
