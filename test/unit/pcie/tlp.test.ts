/**
 * TLP accounting against an oracle that goes through a transfer byte by byte and knows only the
 * rules of the specification, and against figures that others published.
 */
import { expect, test } from "vitest";
import { Direction, Pcie, type PcieOptions, Tlp, TlpCounters } from "../../../host/pcie/tlp.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(419);
const { ToHost, ToDevice } = Direction;

interface Totals {
  readonly tlps: number;
  readonly wire: number;
}

/** Cuts [address, address + bytes) before each byte that `cut` names; header + double words. */
function walk(
  address: number,
  bytes: number,
  header: number,
  cut: (first: number, at: number) => boolean,
): Totals & { pieces: (readonly [number, number])[] } {
  let first = address;
  let tlps = 0;
  let wire = 0;
  const pieces: (readonly [number, number])[] = [];
  for (let at = address + 1; at <= address + bytes; at += 1) {
    if (at < address + bytes && !cut(first, at)) continue;
    const words = new Set<number>();
    for (let byte = first; byte < at; byte += 1) words.add(Math.floor(byte / 4));
    tlps += 1;
    wire += header + 4 * words.size;
    pieces.push([first, at - first]);
    first = at;
  }
  return { tlps, wire, pieces };
}

/** Double words of a TLP that begins at `first` and holds the byte `at` too. */
function wordsThrough(first: number, at: number): number {
  return Math.floor(at / 4) - Math.floor(first / 4) + 1;
}

function request(
  address: number,
  bytes: number,
  header: number,
  most: number,
): ReturnType<typeof walk> {
  return walk(address, bytes, header, (first, at) => {
    return at % 4096 === 0 || 4 * wordsThrough(first, at) > most;
  });
}

/** A completion holds as much as fits, and ends on a boundary unless it ends the read. */
function completions(address: number, bytes: number, o: PcieOptions, header: number): Totals {
  const end = address + bytes;
  const fits = (first: number, to: number): boolean =>
    4 * wordsThrough(first, to - 1) <= o.completionBytes;
  return walk(address, bytes, header, (first, at) => {
    if (fits(first, end)) return false;
    if (at % o.readCompletionBoundary !== 0) return false;
    return !fits(first, Math.min(end, at + o.readCompletionBoundary));
  });
}

function expectSame(pcie: Pcie, address: number, bytes: number): void {
  const { options: o } = pcie;
  const where = `seed ${SEED}: ${bytes} bytes at ${address}, ${JSON.stringify(o)}`;
  const write = new TlpCounters(pcie);
  const header = pcie.header(Tlp.MWr);
  const expected = request(address, bytes, header, o.maxPayload);
  expect(write.write(ToHost, address, bytes), where).toBe(expected.wire);
  expect([write.tlps(Tlp.MWr), write.wireBytes(ToHost), write.wireBytes(ToDevice)], where).toEqual([
    expected.tlps,
    expected.wire,
    0,
  ]);
  const read = new TlpCounters(pcie);
  const back = read.read(ToHost, address, bytes);
  let tlps = 0;
  let wire = 0;
  const asked = request(address, bytes, 0, o.maxReadRequest);
  for (const [from, length] of asked.pieces) {
    const answer = completions(from, length, o, pcie.header(Tlp.CplD));
    tlps += answer.tlps;
    wire += answer.wire;
  }
  expect([read.tlps(Tlp.MRd), read.tlps(Tlp.CplD), back], where).toEqual([asked.tlps, tlps, wire]);
  expect(read.wireBytes(ToDevice), where).toBe(wire);
  expect(read.wireBytes(ToHost), where).toBe(asked.tlps * pcie.header(Tlp.MRd));
}

const LENGTHS = [
  1, 3, 4, 5, 32, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1448, 4097,
];
const STARTS = [0, 1, 2, 3, 4, 60, 63, 64, 100, 255, 256, 4092, 4093, 4095, 2 ** 32 + 4064];

test("every start and length near a limit is cut as byte by byte", () => {
  const pcie = new Pcie();
  for (const address of STARTS) for (const bytes of LENGTHS) expectSame(pcie, address, bytes);
});

test(`any link cuts as byte by byte, seed ${SEED}`, () => {
  const random = new Random(SEED);
  for (let run = 0; run < 300; run += 1) {
    const maxPayload = 128 << random.below(4);
    const readCompletionBoundary = random.pick([64, 128]);
    const pcie = new Pcie({
      maxPayload,
      maxReadRequest: 128 << random.below(6),
      readCompletionBoundary,
      completionBytes: random.pick([readCompletionBoundary, maxPayload]),
      addressBits: random.pick([32, 64]),
      ecrc: random.oneIn(2),
    });
    expectSame(pcie, random.below(9000), random.between(1, 6000));
  }
});

test("headers are those of pcie-bench: 24 B for 64-bit requests, 20 B otherwise, 4 B ECRC", () => {
  const headers = (options: Partial<PcieOptions>): number[] => {
    const pcie = new Pcie(options);
    return [Tlp.MWr, Tlp.MRd, Tlp.Cpl, Tlp.CplD, Tlp.Msg].map((type) => pcie.header(type));
  };
  expect(headers({})).toEqual([24, 24, 20, 20, 24]);
  expect(headers({ addressBits: 32 })).toEqual([20, 20, 20, 20, 24]);
  expect(headers({ ecrc: true })).toEqual([28, 28, 24, 24, 28]);
});

/** The model's tables of ACK and UpdateFC limits, PCIe 5.0 tables 3-7 to 3-9: some of each. */
const TLP_RATES = [
  [1, 1, 128, 237],
  [1, 8, 256, 107],
  [2, 4, 512, 205],
  [2, 16, 128, 99],
  [3, 1, 128, 333],
  [3, 2, 256, 313],
  [3, 4, 1024, 378],
  [3, 8, 128, 163],
  [3, 8, 256, 203],
  [3, 8, 512, 182],
  [3, 16, 256, 168],
  [3, 16, 4096, 630],
  [4, 8, 256, 203],
] as const;
const RAW = { 1: 2, 2: 4, 3: 8 * (128 / 130), 4: 16 * (128 / 130) };

test("the rate for TLPs is the raw one less ACKs, flow control and SKP", () => {
  for (const [generation, lanes, maxPayload, symbols] of TLP_RATES) {
    const raw = RAW[generation] * lanes;
    const pcie = new Pcie({ generation, lanes, maxPayload });
    expect(pcie.rawGbps).toBeCloseTo(raw, 9);
    expect(pcie.tlpGbps).toBeCloseTo(raw * (1 - 16 / symbols - 4 / 1538), 9);
  }
});

test("generation 3 x8: 62.96 Gb/s with lanes rounded to 7.87, 57.88 Gb/s for TLPs", () => {
  const pcie = new Pcie({ generation: 3, lanes: 8 });
  const lane = Math.floor(new Pcie({ generation: 3, lanes: 1 }).rawGbps * 100) / 100;
  expect(lane * 8).toBeCloseTo(62.96, 9);
  expect(pcie.rawGbps).toBeCloseTo(63.015, 3);
  expect(pcie.tlpGbps).toBeCloseTo(57.88, 2);
});

test("the saw-tooth of effective bandwidth: 64 B, and both sides of the payload size", () => {
  const pcie = new Pcie();
  expect(pcie.effectiveGbps("write", 0, 64)).toBeCloseTo((pcie.tlpGbps * 64) / 88, 9);
  expect(pcie.effectiveGbps("write", 0, 256)).toBeCloseTo((pcie.tlpGbps * 256) / 280, 9);
  expect(pcie.effectiveGbps("write", 0, 257)).toBeCloseTo((pcie.tlpGbps * 257) / (280 + 28), 9);
  expect(pcie.effectiveGbps("read", 0, 64)).toBeCloseTo((pcie.tlpGbps * 64) / 84, 9);
});

const BAD: readonly (readonly [Partial<PcieOptions>, RegExp])[] = [
  [{ generation: 0 }, /pcie: expected generation 1, 2, 3, 4, 5, got 0/],
  [{ generation: 6 }, /got 6/],
  [{ lanes: 3 }, /pcie: expected lanes 1, 2, 4, 8, 16, 32, got 3/],
  [{ maxPayload: 64 }, /expected maxPayload 128,/],
  [{ maxReadRequest: 8192 }, /expected maxReadRequest 128,.* got 8192/],
  [{ readCompletionBoundary: 32 }, /expected readCompletionBoundary 64, 128, got 32/],
  [{ completionBytes: 512 }, /expected completionBytes 64, 128, 256, got 512/],
];

test("a link that cannot be is refused", () => {
  for (const [options, message] of BAD) expect(() => new Pcie(options)).toThrow(message);
});
