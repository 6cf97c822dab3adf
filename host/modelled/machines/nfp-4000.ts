/**
 * Netronome NFP-4000, as on the Agilio CX 40 (4.1.1, Figure 4.8, 4.4.1.1). Latencies are the
 * paper's upper bounds. One number is fitted: cycles for each counted instruction, to row 3 of
 * Table 4.4.
 */
import { PCIE_DEFAULTS, Pcie, Tlp } from "../../pcie/tlp.ts";
import type { Constant, Level, Machine } from "../machine.ts";

const paper = (value: number, source: string): Constant => ({ value, origin: "paper", source });
const fitted = (value: number, source: string): Constant => ({ value, origin: "fitted", source });
const assumed = (value: number, source: string): Constant => ({ value, origin: "assumed", source });

/** "16-entry fully-associative local memory caches that evict entries based on LRU". */
const CAM: Level = {
  name: "local memory",
  form: "lru",
  entries: 16,
  scope: "core",
  cycles: 0,
  source: "4.4.1.1: 16 entries, LRU; its few cycles are in the fitted factor",
};
const CLS: Level = {
  name: "CLS",
  form: "direct",
  entries: 512,
  scope: "island",
  cycles: 100,
  source: "4.4.1.1: 512 entries, direct-mapped; 4.1.1: up to 100 cycles",
};
const SRAM: Level = {
  name: "EMEM SRAM",
  form: "lines",
  entries: (3 * 1024 * 1024) / 64,
  scope: "machine",
  cycles: 250,
  source: "4.1.1: 3 MB cache; latency assumed to be that of the other SRAM, IMEM",
};
const EMEM: Level = {
  name: "EMEM",
  form: "home",
  entries: 0,
  scope: "machine",
  cycles: 500,
  source: "4.1.1: 2 GB of DRAM, up to 500 cycles",
};

export const NFP_4000: Machine = {
  name: "nfp-4000",
  title: "Netronome NFP-4000 (Agilio CX 40)",
  clockMhz: paper(800, "4.1.1"),
  cores: paper(60, "4.1.1"),
  threads: paper(8, "4.1.1"),
  islands: paper(5, "4.1.1: five general-purpose islands"),
  cyclesPerInstruction: fitted(0.755, "throughput of row 3 of Table 4.4"),
  wideInstructions: assumed(2, "a 32-bit core (4.1.1): two instructions for 64 bits"),
  vectorInstructions: assumed(4, "a 32-bit core (4.1.1): four instructions for 128 bits"),
  payloadHardware: true,
  lookupHardware: true,
  wheelHardware: true,
  hardwareSource: "4.4.1.1: lookup engine, hardware queues of the time wheel; 4.1.1: DMA engine",
  records: {
    lookup: [
      {
        name: "lookup cache",
        form: "direct",
        entries: 128,
        scope: "core",
        cycles: 0,
        source: "4.4.1.1: 128 entries in local memory, direct-mapped",
      },
      {
        name: "IMEM lookup engine",
        form: "home",
        entries: 0,
        scope: "machine",
        cycles: 250,
        source: "4.4.1.1: the database is in IMEM; 4.1.1: up to 250 cycles",
      },
    ],
    identification: [CAM, SRAM, EMEM],
    protocol: [CAM, CLS, SRAM, EMEM],
    application: [CAM, SRAM, EMEM],
    scheduler: [SRAM, EMEM],
    frame: [
      {
        name: "CTM",
        form: "home",
        entries: 0,
        scope: "island",
        cycles: 100,
        source: "4.1.1: up to 100 cycles",
      },
    ],
  },
  islandQueueCycles: paper(100, "4.4.1.1: CLS ring buffers within an island; 4.1.1"),
  machineQueueCycles: paper(250, "4.4.1.1: work queues in IMEM among islands; 4.1.1"),
  pcie: {
    latencyNs: assumed(1000, "a DMA read or write of this card; not in the paper"),
    gigabitsPerSecond: paper(63, "4.1.1: PCIe Gen3 x8, 8 GT/s a lane and 128b/130b"),
    headerBytes: assumed(new Pcie().header(Tlp.MWr), "host/pcie: a memory write with its framing"),
    payloadBytes: assumed(PCIE_DEFAULTS.maxPayload, "host/pcie: usual maximum payload"),
    inFlight: paper(256, "4.1.1"),
    queues: {
      atx: assumed(32, "FlexTOE's public code"),
      arx: assumed(64, "FlexTOE's public code"),
      tx: assumed(120, "FlexTOE's public code"),
      rx: assumed(120, "FlexTOE's public code"),
    },
  },
  lineGigabits: paper(40, "4.5: Agilio CX40, single port"),
  netifNs: assumed(500, "MAC and network block each way; not in the paper"),
  rxPackets: assumed(512, "packets in island memory, FlexTOE's public code"),
  txPackets: assumed(512, "as for reception"),
  descriptors: assumed(512, "descriptor pool, FlexTOE's public code"),
  turnsAtOnce: assumed(1, "FlexTOE's public code: one thread serves a list of waiting flows"),
  jitter: assumed(0.1, "contention of memories and bus; not in the paper"),
};
