/**
 * Threats D04, W9: a ring each of whose words says the truth once (test/support/lying-module.ts).
 * Whatever way a descriptor goes, header prediction or stages, what it asked for at first happens
 * as over an honest ring, or it is refused; no lie is ever worked with. A twin over an honest ring
 * says what is due.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { FLOW_NODELAY } from "../../bindings/abi/flow-state.ts";
import { CORE_STAGES_ONLY } from "../../bindings/abi/memory-map.ts";
import { type Core, createCore } from "../../bindings/core.ts";
import { dataPathUnderTest } from "../support/env.ts";
import { ACK, buildFrame, PSH, streamBytes, toHex } from "../support/frames.ts";
import { loadModule, TEST_HASH_KEY, TEST_LAYOUT } from "../support/load-core.ts";
import { LIE, lyingModule, tellTruth } from "../support/lying-module.ts";
import { type AtxFields, RawCore } from "../support/raw-core.ts";

const [HONEST, HOSTILE] = [1, 2];
const LAYOUT = { ...TEST_LAYOUT, contexts: 2, connections: 8, payloadBytes: 256 * 1024 };
const BUFFER = 16384;

class Court {
  readonly raw: RawCore;

  constructor(core: Core, stagesOnly: boolean) {
    this.raw = new RawCore(core);
    core.view.setUint32(core.address + CORE_STAGES_ONLY, stagesOnly ? 1 : 0, true);
    const flags = FLOW_NODELAY;
    this.raw.establish({ connection: HONEST, flags });
    const hostile = this.raw.establish({
      ...{ connection: HOSTILE, context: HOSTILE, flags, localPort: 81 },
    });
    this.raw.fill(hostile, hostile.txSeq, streamBytes(hostile.txSeq, BUFFER));
    // Bytes to give back.
    const payload = streamBytes(hostile.rxSeq, 500);
    const segment = { destinationPort: 81, seq: hostile.rxSeq, ack: hostile.txSeq, payload };
    this.raw.offer([buildFrame({ ...segment, flags: ACK | PSH })]);
    this.raw.notifications(HOSTILE);
  }

  /** Posts, crosses, and says everything that came of it. */
  ask(...list: readonly Partial<AtxFields>[]): unknown {
    for (const fields of list) this.raw.post(HOSTILE, { connection: HOSTILE, ...fields });
    const { frames, events, drops } = this.raw.step();
    const { raw } = this;
    return {
      frames: frames.map(toHex),
      events,
      drops: [...drops],
      rows: [raw.inspect(HONEST), raw.inspect(HOSTILE)],
      errors: [HONEST, HOSTILE].map((context) => raw.contextWord(context, D.CONTEXT_ERRORS)),
      fenced: raw.contextWord(HOSTILE, D.CONTEXT_FENCED),
      predicted: raw.counter(Counter.PredictedOut),
      guards: raw.guards(),
      faults: raw.sequenceFaults(),
    };
  }
}

const create = (module: WebAssembly.Module): Core =>
  createCore({ module, layout: LAYOUT, hashKey: TEST_HASH_KEY });

/** Where the hostile context's ring stands in every core of this layout. */
const probe = new RawCore(create(loadModule()));
const RING = {
  base: probe.contextWord(HOSTILE, D.CONTEXT_ATX_BASE),
  bytes: (probe.contextWord(HOSTILE, D.CONTEXT_ATX_MASK) + 1) * D.ATX_SIZE,
};
const LYING = lyingModule(RING);

function twins(stagesOnly: boolean): readonly [lying: Court, honest: Court] {
  const lying = new Court(create(LYING), stagesOnly);
  tellTruth(lying.raw.core.exports);
  return [lying, new Court(create(loadModule()), stagesOnly)];
}

const isFlextoe = dataPathUnderTest() === "flextoe";

/** What header prediction takes, all of it at its first reading. */
const PLAIN: readonly (readonly [what: string, list: readonly Partial<AtxFields>[]])[] = [
  ["ten bytes", [{ txAppend: 10 }]],
  ["a full segment and credit", [{ txAppend: 1000, rxCredit: 500 }]],
  ["three in one step", [{ txAppend: 10 }, { txAppend: 20, rxCredit: 100 }, { txAppend: 30 }]],
];

test.each(PLAIN)("threats/D04, W9: %s: predicted, of each word the first reading", (_, list) => {
  const [lying, honest] = twins(false);
  const due = honest.ask(...list);
  expect(lying.ask(...list)).toEqual(due);
  expect(due).toMatchObject({ drops: [], predicted: isFlextoe ? list.length : 0 });
  // The ring lies by now: all but the word that was read last.
  const first = lying.raw.core.words.subarray(RING.base >>> 2, (RING.base >>> 2) + 6);
  expect(first.filter((word) => word === LIE).length).toBeGreaterThanOrEqual(5);
});

const ASKED: typeof PLAIN = [
  ...PLAIN,
  ["more than a segment", [{ txAppend: 3000 }]],
  ["credit alone", [{ rxCredit: 500 }]],
  ["a FIN behind data", [{ txAppend: 10, flags: D.ATX_FIN }]],
  ["more than the buffer holds", [{ txAppend: BUFFER + 1 }]],
  ["another's connection", [{ connection: HONEST, txAppend: 10 }]],
  ["an opcode of the control plane's", [{ opcode: D.AtxOpcode.SetMss, low: 100 }]],
];

test.each(ASKED)("threats/D04, W9: %s: by the stages, of each word the first reading", (_, l) => {
  const [lying, honest] = twins(true);
  expect(lying.ask(...l)).toEqual(honest.ask(...l));
});

test.each(ASKED.slice(PLAIN.length))(
  "threats/D04, W9: %s: looked at in vain by prediction, then refused or taken as it was",
  (_what, list) => {
    const [lying, honest] = twins(false);
    const before = lying.raw.inspect(HOSTILE);
    const due = honest.ask(...list);
    const got = lying.ask(...list) as { rows: unknown[]; frames: string[]; errors: number[] };
    // Read a second time it is all lies: nobody's.
    if (isFlextoe) {
      expect(got).toMatchObject({ frames: [], fenced: 0, errors: [0, 1], guards: [], faults: 0 });
      expect(got.rows).toEqual([lying.raw.inspect(HONEST), before]);
    } else expect(got).toEqual(due);
    // What is written again is true once more.
    tellTruth(lying.raw.core.exports);
    const once = isFlextoe ? { txAppend: 10 } : {};
    expect(lying.ask(once)).toMatchObject({ drops: [], errors: got.errors });
  },
);
