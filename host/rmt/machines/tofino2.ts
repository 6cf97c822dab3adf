/** Intel Tofino2 as far as its limits are public (dissertation 5.1.1, 5.5.3, Table 5.2). */
import type { Limit, RmtMachine } from "../machine.ts";

const known = (value: number, source: string): Limit => ({ value, source });
const unknown: Limit = { value: undefined, source: "no public source" };

export const TOFINO2: RmtMachine = {
  name: "tofino2",
  stages: known(20, "dissertation, Table 5.2: 14/20"),
  statefulAlus: known(4, "four meter ALUs a stage: Tofino Native Architecture, public edition"),
  comparators: known(4, "dissertation 5.1.1, stateful ALUs"),
  arithmetic: known(4, "dissertation 5.1.1, stateful ALUs"),
  statefulInputs: known(2, "Tofino Native Architecture, public edition: two inputs"),
  registerBits: known(32, "dissertation 5.1.1: 32-bit operators"),
  headerBits: known(4096, "Bosshart et al., Forwarding Metamorphosis, 2013: 4 Kb"),
  gateways: known(16, "Tofino: 16 gateways a stage, as P4 studies of it state"),
  sramBlocks: known(80, "Tofino: 80 SRAM blocks a stage, as P4 studies of it state"),
  sramBlockBits: known(131_072, "Tofino: 1024 x 128 bits a block"),
  tcamBlocks: known(24, "Tofino: 24 TCAM blocks a stage, as P4 studies of it state"),
  tcamBlockBits: known(22_528, "Tofino: 512 x 44 bits a block"),
  crossbarBytes: unknown,
  actions: unknown,
  clockMhz: known(1200, "dissertation 5.5.3: 1.2 Bpps"),
  stageCycles: known(22, "assumed: cycles of a stage"),
  fixedCycles: known(166, "fitted: 395 ns for 14 stages, Table 5.2"),
};
