/**
 * What an RMT machine has: the limits that a program is checked against. A machine is a data file
 * (machines/): every number says where it comes from, and one without a public source is unknown.
 */

/** A limit with its source; `undefined` has none that is public, and is not checked. */
export interface Limit {
  readonly value: number | undefined;
  readonly source: string;
}

export interface RmtMachine {
  readonly name: string;
  /** Match-action stages, shared by ingress and egress. */
  readonly stages: Limit;
  /** Of a stage. */
  readonly statefulAlus: Limit;
  /** Of a stage; each takes the place of a stateful ALU. */
  readonly lowPassFilters: Limit;
  /** Bits of memory that one average takes. */
  readonly filterBits: Limit;
  /** Of a stateful ALU: comparators, and arithmetic operations (updates and outputs). */
  readonly comparators: Limit;
  readonly arithmetic: Limit;
  /** Fields of the header vector that a stateful ALU sees in one case. */
  readonly statefulInputs: Limit;
  /** Bits of a register. */
  readonly registerBits: Limit;
  /** Bits of the header vector. */
  readonly headerBits: Limit;
  /** Of a stage, ingress and egress together: conditions, memory blocks, match key bytes. */
  readonly gateways: Limit;
  readonly sramBlocks: Limit;
  readonly sramBlockBits: Limit;
  readonly mapRamBlocks: Limit;
  readonly tcamBlocks: Limit;
  readonly tcamBlockBits: Limit;
  readonly crossbarBytes: Limit;
  /** Instruction words: what is done under one condition is one. */
  readonly actions: Limit;
  /** Packets a second, in millions: one a clock cycle. */
  readonly clockMhz: Limit;
  /** Cycles of a stage, and of everything that is no stage (parsers, deparsers). */
  readonly stageCycles: Limit;
  readonly fixedCycles: Limit;
}
