/**
 * Threats D04, W9: a hostile context changes descriptors while the data path reads them. The build
 * under test runs over a shared memory (its import's declaration is rewritten, its code is not).
 * Another thread writes what a check refuses over what it lets pass, and back. Invariants: an
 * honest connection beside it is as without; the hostile one has no more than is its own.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { type Core, createCore } from "../../bindings/core.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { FLOW_NODELAY } from "../../bindings/abi/flow-state.ts";
import { SectionId, sectionsOf } from "../../host/modelled/wasm-format.ts";
import { buildUnderTest, dataPathUnderTest, ROOT } from "../support/env.ts";
import { ACK, buildFrame, PSH, streamBytes, toHex } from "../support/frames.ts";
import { TEST_HASH_KEY, TEST_LAYOUT } from "../support/load-core.ts";
import { type FlowFields, RawCore } from "../support/raw-core.ts";

const HONEST = 1;
const HOSTILE = 2;
const RING = 256;
const BUFFER = 16384;
const DESCRIPTORS = 100_000;
/** In an import's type: a memory with a maximum, and the same shared among threads. */
const [BOUNDED, SHARED] = [0x01, 0x03];

/** The build under test, to be instantiated over a shared memory. */
function sharedModule(): WebAssembly.Module {
  const suffix = buildUnderTest() === "debug" ? ".debug" : "";
  const binary = new Uint8Array(readFileSync(`${ROOT}build/${dataPathUnderTest()}${suffix}.wasm`));
  const imports = sectionsOf(binary).find(({ id }) => id === SectionId.Import);
  if (imports === undefined) throw new Error("double fetch: expected imports");
  // The import's name, its kind (2, a memory), its limits.
  const name = [..."memory"].map((letter) => letter.charCodeAt(0));
  const spelled = [name.length, ...name, 2, BOUNDED];
  const { bytes } = imports;
  const at = bytes.findIndex((_, i) => spelled.every((byte, k) => bytes[i + k] === byte));
  if (at < 0) throw new Error("double fetch: expected a memory with a maximum among the imports");
  const offset = bytes.byteOffset - binary.byteOffset + at + spelled.length - 1;
  binary[offset] = SHARED;
  return new WebAssembly.Module(binary);
}

/** A core whose memory other threads can write. */
function sharedCore(): Core {
  const own = WebAssembly.Memory;
  class Shared extends own {
    constructor(choice: WebAssembly.MemoryDescriptor) {
      super({ ...choice, shared: true });
    }
  }
  const layout = { ...TEST_LAYOUT, contexts: 2, connections: 8, queueDescriptors: RING };
  try {
    WebAssembly.Memory = Shared;
    return createCore({ module: sharedModule(), layout, hashKey: TEST_HASH_KEY });
  } finally {
    WebAssembly.Memory = own;
  }
}

interface Court {
  readonly raw: RawCore;
  readonly honest: FlowFields;
}

function court(): Court {
  const raw = new RawCore(sharedCore());
  const flags = FLOW_NODELAY;
  const honest = raw.establish({ connection: HONEST, flags });
  raw.establish({ connection: HOSTILE, flags, localPort: 81, context: HOSTILE });
  return { raw, honest };
}

/** Writes one field of each descriptor of a ring, wrong, then right, then the next field. */
const FLIP = `
  const { buffer, ring, words, control } = require("node:worker_threads").workerData;
  const ints = new Int32Array(buffer);
  for (let turn = 0; Atomics.load(control, 0) === 0; turn += 1) {
    const [word, right, wrong] = words[(turn >>> 1) % words.length];
    for (let i = 0; i < ${RING}; i += 1) {
      Atomics.store(ints, ring + i * ${D.ATX_SIZE / 4} + word, turn % 2 === 0 ? wrong : right);
    }
    Atomics.add(control, 1, 1);
  }
`;

/** Field, what is let pass, and what is not. */
const WORDS: readonly (readonly [word: number, right: number, wrong: number])[] = [
  [D.ATX_CONNECTION / 4, HOSTILE, HONEST],
  [D.ATX_TX_APPEND / 4, 1, BUFFER + 1],
  [D.ATX_CONNECTION / 4, HOSTILE, 0x00ffffff],
  [D.ATX_RX_CREDIT / 4, 0, BUFFER],
  [D.ATX_OPCODE / 4, D.AtxOpcode.Update, D.AtxOpcode.SetMss],
  [D.ATX_GENERATION / 4, 1, 2],
  [D.ATX_TX_APPEND / 4, 0, -1],
];

/** The same exchange on both cores: what the honest connection and its application see. */
function exchange({ raw, honest }: Court, round: number): string[] {
  const { rxNextSeq, txUna } = raw.inspect(HONEST);
  const length = 1 + ((round * 37) % 1000);
  const payload = streamBytes(rxNextSeq, length);
  const seen: Uint8Array[] = [];
  const honestly = (frames: readonly Uint8Array[]): void => {
    seen.push(...frames.filter((frame) => frame[34] === 0 && frame[35] === 80));
  };
  honestly(
    raw.offer([buildFrame({ seq: rxNextSeq, ack: txUna, payload, flags: ACK | PSH })]).frames,
  );
  raw.fill(honest, txUna, streamBytes(txUna, length));
  raw.post(1, { connection: HONEST, rxCredit: length, txAppend: length });
  for (let i = 0; i < 4; i += 1) honestly(raw.step().frames);
  const end = { seq: rxNextSeq + length, ack: txUna + length };
  honestly(raw.offer([buildFrame(end)]).frames);
  seen.push(raw.received(honest, rxNextSeq, length));
  seen.push(Uint8Array.from(raw.notifications(1).map(({ txBump }) => txBump & 255)));
  return [...seen.map(toHex), JSON.stringify(raw.inspect(HONEST))];
}

/** Publishes what is free of the hostile ring, whatever stands there just now. */
function publish({ raw }: Court): number {
  const producer = raw.contextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER);
  const room = RING - (producer - raw.contextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER));
  raw.setContextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER, producer + room);
  raw.step();
  raw.notifications(HOSTILE);
  const { txUna, txSent, txAvail, rxNextSeq, rxWindow } = raw.inspect(HOSTILE);
  expect(txSent + txAvail).toBeLessThanOrEqual(BUFFER);
  expect(rxWindow).toBeLessThanOrEqual(BUFFER);
  // Its peer acknowledges, so that there is always room for a little more.
  raw.offer([buildFrame({ destinationPort: 81, seq: rxNextSeq, ack: txUna + txSent })]);
  return room;
}

test("threats/D04: what another thread changes meanwhile is judged as it is used", async () => {
  const [attacked, quiet] = [court(), court()];
  const { raw } = attacked;
  const ring = raw.contextWord(HOSTILE, D.CONTEXT_ATX_BASE) / 4;
  for (let at = ring; at < ring + RING * 8; at += 8) {
    for (const [word, right] of WORDS) raw.core.words[at + word] = right;
  }
  // Stop; how often a field of the whole ring was written.
  const control = new Int32Array(new SharedArrayBuffer(8));
  const workerData = { buffer: raw.core.memory.buffer, ring, words: WORDS, control };
  const worker = new Worker(FLIP, { eval: true, workerData });
  try {
    await new Promise((resolve) => worker.once("online", resolve));
    let taken = 0;
    for (let round = 0; taken < DESCRIPTORS; round += 1) {
      const written = Atomics.load(control, 1);
      taken += publish(attacked);
      if (round % 8 === 0) expect(exchange(attacked, round)).toEqual(exchange(quiet, round));
      // On a machine with one free core the other thread has its turn now.
      for (let i = 0; i < 1000 && Atomics.load(control, 1) === written; i += 1) {
        Atomics.wait(control, 0, 0, 1);
      }
    }
  } finally {
    Atomics.store(control, 0, 1);
    await worker.terminate();
  }
  expect(Atomics.load(control, 1)).toBeGreaterThan(DESCRIPTORS / RING / 2);
  // Some were taken as they should not be, and refused; the ring is none the worse.
  expect(raw.contextWord(HOSTILE, D.CONTEXT_ERRORS)).toBeGreaterThan(100);
  expect(raw.contextWord(HOSTILE, D.CONTEXT_FENCED)).toBe(0);
  expect(raw.contextWord(1, D.CONTEXT_ERRORS)).toBe(0);
  expect(raw.guards()).toEqual([]);
}, 120_000);
