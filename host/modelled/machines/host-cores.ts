/**
 * The machines of the ports (4.4.2): cores with caches in hardware, no engines, queues in shared
 * memory. Clocks and core counts are the paper's where it prints them; nothing is fitted.
 */
import type { Constant, Level, Machine } from "../machine.ts";

const paper = (value: number, source: string): Constant => ({ value, origin: "paper", source });
const assumed = (value: number, source: string): Constant => ({ value, origin: "assumed", source });

/** Lines of a private cache, then the shared one. */
function path(lines: number, shared: number): Level[] {
  return [
    {
      name: "private cache",
      form: "lines",
      entries: lines,
      scope: "core",
      cycles: 0,
      source: "assumed: hits are in the cycles of an instruction",
    },
    {
      name: "shared cache",
      form: "home",
      entries: 0,
      scope: "machine",
      cycles: shared,
      source: "assumed: another core's line by way of the shared cache",
    },
  ];
}

function records(lines: number, shared: number): Machine["records"] {
  const all = path(lines, shared);
  return {
    lookup: all,
    identification: all,
    protocol: all,
    application: all,
    scheduler: all,
    frame: all,
  };
}

/** Context queues in memory of the same machine: no bus. */
const SHARED_MEMORY: Machine["pcie"] = {
  latencyNs: assumed(100, "a line from another core; the ports use no DMA (4.4.2)"),
  gigabitsPerSecond: assumed(400, "memory; copies are the DMA stage's instructions"),
  headerBytes: assumed(0, "no bus"),
  payloadBytes: assumed(4096, "no bus"),
  inFlight: assumed(1024, "no bus"),
  queues: {
    atx: assumed(1024, "no bus"),
    arx: assumed(1024, "no bus"),
    tx: assumed(1024, "no bus"),
    rx: assumed(1024, "no bus"),
  },
};

/** What both ports share. */
const PORT = {
  threads: assumed(1, "no hardware threads are used"),
  islands: paper(1, "4.4.2: symmetric, no flow-group islands"),
  wideInstructions: assumed(1, "64-bit cores"),
  payloadHardware: false,
  lookupHardware: false,
  wheelHardware: false,
  hardwareSource: "4.4.2: lookup, copies and queues are software",
  pcie: SHARED_MEMORY,
  netifNs: assumed(500, "NIC and driver each way"),
  rxPackets: assumed(512, "receive ring"),
  txPackets: assumed(512, "transmit ring"),
  descriptors: assumed(512, "context queue"),
  turnsAtOnce: assumed(1, "one core, one thread"),
  jitter: assumed(0.1, "as on the NFP-4000"),
} as const;

export const X86: Machine = {
  ...PORT,
  name: "x86",
  title: "32-core AMD 7452, 100 Gbit/s",
  clockMhz: paper(2350, "4.5.2: 32-core AMD 7452 at 2.35 GHz"),
  cores: paper(32, "4.5.2"),
  cyclesPerInstruction: paper(1 / 1.75, "Table 4.2: IPC 1.75"),
  vectorInstructions: assumed(1, "128-bit vectors"),
  records: records(8192, 100),
  islandQueueCycles: assumed(150, "a line from another core, twice (ring index and entry)"),
  machineQueueCycles: assumed(150, "as within an island"),
  lineGigabits: paper(100, "4.5.2: ConnectX-5"),
};

export const BLUEFIELD: Machine = {
  ...PORT,
  name: "bluefield",
  title: "Mellanox BlueField, 25 Gbit/s",
  clockMhz: assumed(800, "not printed; the card's Arm cores"),
  cores: paper(9, "4.4.2: FlexTOE-2x uses 9 cores; how many there are is not printed"),
  cyclesPerInstruction: assumed(1, "one instruction a cycle on a small core"),
  vectorInstructions: assumed(2, "64-bit vector units"),
  records: records(4096, 60),
  islandQueueCycles: assumed(120, "a line from another core, twice"),
  machineQueueCycles: assumed(120, "as within an island"),
  lineGigabits: paper(25, "4.5.2: 25 Gbps SmartNIC"),
};
