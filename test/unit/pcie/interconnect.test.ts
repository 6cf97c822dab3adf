/**
 * One interface for different interconnects: an echo of 64 B over FlexTOE's context queues, a
 * simple NIC, and a pipe of DMA only, with the numbers of TLPs and bytes that each is known for.
 */
import { expect, test } from "vitest";
import { contextQueuePairs } from "../../../host/pcie/context-queue-pairs.ts";
import { DMA_STEPS, OPERATIONS } from "../../../host/pcie/interconnect.ts";
import { CountedInterconnect, type Operation, type Step } from "../../../host/pcie/interconnect.ts";
import { DmaKind } from "../../../host/pcie/dma-engine.ts";
import { FLEXTOE_QUEUES } from "../../../host/pcie/dma-options.ts";

type Table = Partial<Record<Operation, readonly Step[]>>;

function over(name: string, table: Table, lineNs = 0): CountedInterconnect {
  const none = Object.fromEntries(OPERATIONS.map((operation) => [operation, []]));
  const steps = { ...none, ...table } as Record<Operation, readonly Step[]>;
  return new CountedInterconnect({ name, steps, lineNs });
}

/** A request of 64 B arrives and its answer of 64 B leaves. */
function echo(interconnect: CountedInterconnect): CountedInterconnect {
  interconnect.count("payloadIn", 1, 64);
  interconnect.count("notify", 1);
  interconnect.count("doorbell", 1);
  interconnect.count("fetch", 1);
  interconnect.count("payloadOut", 1, 64);
  return interconnect;
}

const PAYLOAD_IN: Step = { by: "dma-write", bytes: "payload" };
const PAYLOAD_OUT: Step = { by: "dma-read", bytes: "payload" };

/** pcie-bench's NIC without reads of registers: 16 B descriptors, written back; both ways. */
const SIMPLE_NIC: Table = {
  payloadIn: [PAYLOAD_IN],
  payloadOut: [PAYLOAD_OUT],
  notify: [
    { by: "mmio-write", bytes: 4 },
    { by: "dma-read", bytes: 16 },
    { by: "dma-write", bytes: 16 },
    { by: "interrupt", bytes: 4 },
  ],
  doorbell: [{ by: "mmio-write", bytes: 4 }],
  fetch: [
    { by: "dma-read", bytes: 16 },
    { by: "dma-write", bytes: 16 },
  ],
};

/** Entries of 64 B that only DMA moves: a request for each way, a completion for each. */
const DMA_PIPE: Table = {
  payloadIn: [PAYLOAD_IN],
  payloadOut: [PAYLOAD_OUT],
  notify: [{ by: "dma-write", bytes: 64 }],
  fetch: [
    { by: "dma-read", bytes: 64 },
    { by: "dma-write", bytes: 64 },
  ],
};

/** The same with the payload in the entry. */
const INLINE_PIPE: Table = {
  notify: [{ by: "dma-write", bytes: 128 }],
  fetch: [{ by: "dma-read", bytes: 128 }],
};

/** Lines that a coherent NIC moves: one for the request, one for the answer. */
const LINES: Table = {
  notify: [{ by: "line", bytes: 64 }],
  fetch: [{ by: "line", bytes: 64 }],
};

/** TLPs, wire bytes, MMIO writes, interrupts, lines. */
const ROWS = [
  ["simple NIC", over("simple NIC", SIMPLE_NIC), 12, 480, 2, 1, 0],
  ["FlexTOE", new CountedInterconnect(contextQueuePairs()), 8, 412, 1, 0, 0],
  ["DMA pipe", over("DMA pipe", DMA_PIPE), 7, 480, 0, 0, 0],
  ["DMA pipe, inline", over("inline", INLINE_PIPE), 3, 324, 0, 0, 0],
  ["coherent lines", over("lines", LINES, 400), 0, 0, 0, 0, 2],
] as const;

for (const [name, interconnect, tlps, bytes, writes, interrupts, lines] of ROWS) {
  test(`64 B echo over ${name}: ${tlps} TLPs, ${bytes} B`, () => {
    const counters = echo(interconnect).counters();
    const wire = counters.wireBytesToDevice + counters.wireBytesToHost;
    const found = [counters.tlpTotal, wire, counters.mmioWrites, counters.interrupts];
    expect([...found, counters.lineTransfers]).toEqual([tlps, bytes, writes, interrupts, lines]);
    expect(counters.mmioReads).toBe(0);
    const { MWr, MRd, CplD } = counters.tlps;
    expect(MWr + MRd + CplD).toBe(tlps);
    expect(24 * (MWr + MRd) + 20 * CplD).toBeLessThanOrEqual(wire);
  });
}

test("FlexTOE's echo by type, direction, and time", () => {
  const counters = echo(new CountedInterconnect(contextQueuePairs())).counters();
  expect(counters.tlps).toEqual({ MWr: 4, MRd: 2, Cpl: 0, CplD: 2, Msg: 0 });
  // Doorbell 28, descriptor 52, payload 84; requests 48, notification 56, clearing 56, payload 88.
  expect(counters.wireBytesToDevice).toBe(28 + 52 + 84);
  expect(counters.wireBytesToHost).toBe(48 + 56 + 56 + 88);
  expect([counters.payloadBytesIn, counters.payloadBytesOut]).toEqual([64, 64]);
  // Four ways for writes, two reads; the rest is bytes.
  expect(counters.modelledNs).toBeCloseTo(4 * 180 + 2 * 536 + 96 * 0.13 + (412 * 8) / 57.885, 1);
  expect(echo(over("lines", LINES, 400)).counters().modelledNs).toBe(800);
});

test("payload is cut where its stream stands", () => {
  const interconnect = new CountedInterconnect(contextQueuePairs());
  const writes = (): number => interconnect.counters().tlps.MWr;
  // 1000 B are four pieces of 256 B at most; [4000, 5000) is cut at 4096 too: 96, 904.
  interconnect.count("payloadIn", 5, 5000);
  expect(writes()).toBe(4 * 4 + 1 + 4);
  interconnect.count("payloadIn", 3, 3000);
  interconnect.count("payloadIn", 1, 1000);
  // [8000, 9000) crosses 8192.
  expect(writes()).toBe(21 + 3 * 4 + 1 + 4);
  interconnect.count("payloadIn", 3, 0);
  interconnect.count("payloadIn", 0, 0);
  expect([writes(), interconnect.counters().operations.payloadIn]).toEqual([38, 12]);
});

test("the control plane's work: state in lines of 64 B, statistics by loads", () => {
  const interconnect = new CountedInterconnect(contextQueuePairs());
  interconnect.count("install", 1);
  interconnect.count("inspect", 2);
  const counters = interconnect.counters();
  expect([counters.mmioWrites, counters.mmioReads, counters.tlps.MWr]).toEqual([3, 8, 3]);
  expect(counters.modelledNs).toBeGreaterThan(8 * 1292);
});

test("every step of FlexTOE's is one that an engine with its queues can take", () => {
  const interconnect = new CountedInterconnect(contextQueuePairs());
  for (const operation of OPERATIONS) {
    expect(interconnect.steps(operation).length).toBeGreaterThan(0);
    for (const { by, queue } of interconnect.steps(operation)) {
      const isDma = DMA_STEPS[by] !== undefined;
      expect(isDma).toBe(!by.startsWith("mmio"));
      expect(queue === undefined ? !isDma : FLEXTOE_QUEUES[queue] !== undefined).toBe(true);
    }
  }
  expect(DMA_STEPS).toEqual({
    "dma-write": DmaKind.Write,
    "dma-read": DmaKind.Read,
    interrupt: DmaKind.Interrupt,
  });
});
