/** Intel Tofino2 as far as its limits are public (dissertation 5.1.1, 5.5.3, Table 5.2). */
import type { Limit, RmtMachine } from "../machine.ts";

const known = (value: number, source: string): Limit => ({ value, source });
/** The open-source compiler's back end for this machine. */
const P4C = "p4c, backends/tofino/bf-asm";

export const TOFINO2: RmtMachine = {
  name: "tofino2",
  stages: known(20, "dissertation, Table 5.2: 14/20"),
  statefulAlus: known(4, `${P4C}/stage.h: 16 logical rows, a meter ALU for each four`),
  lowPassFilters: known(4, `${P4C}/meter.cpp: a kind of meter, so a meter ALU each`),
  filterBits: known(128, `${P4C}/meter.cpp: meters are always 128 bits wide`),
  comparators: known(4, "dissertation 5.1.1, stateful ALUs"),
  arithmetic: known(4, "dissertation 5.1.1, stateful ALUs"),
  statefulInputs: known(2, "assumed: a stateful ALU sees two words of the header vector"),
  registerBits: known(32, "dissertation 5.1.1: 32-bit operators"),
  headerBits: known(4096, "Bosshart et al., Forwarding Metamorphosis, 2013: 4 Kb"),
  gateways: known(16, `${P4C}/target.h: 8 rows, two in each`),
  sramBlocks: known(80, "p4c, backends/tofino/bf-p4c/mau/tofino/memories.h: 8 rows of 10"),
  sramBlockBits: known(131_072, `${P4C}/constants.h: 1024 x 128 bits`),
  mapRamBlocks: known(48, `${P4C}/constants.h: 8 rows of 6`),
  tcamBlocks: known(24, `${P4C}/constants.h: 12 rows of 2`),
  tcamBlockBits: known(22_528, `${P4C}/constants.h: groups of 44 bits, 512 entries`),
  crossbarBytes: known(194, `${P4C}/constants.h: 8 x 128 bits exact, 12 x 44 bits ternary`),
  actions: known(32, `${P4C}/constants.h: 32 instruction words`),
  clockMhz: known(1200, "dissertation 5.5.3: 1.2 Bpps"),
  stageCycles: known(23, `${P4C}/target.h: base delay of a stage`),
  fixedCycles: known(152, "fitted: 395 ns for 14 stages, Table 5.2"),
};
