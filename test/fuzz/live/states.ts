/**
 * The states that a live case begins in: how the connection between the two cores was agreed on,
 * and what has happened to it. What has happened is a list of the target's own operations
 * (assembly/fuzz/operations.ts), so that a state is reached as a case would reach it.
 */
import { CongestionAlgorithm, FLOW_ECN, FLOW_NODELAY } from "../../../bindings/abi/flow-state.ts";
import { FLOW_SACK, FLOW_TIMESTAMPS, RACK_ENABLED } from "../../../bindings/abi/flow-state.ts";
import type { FlowFields } from "../../support/raw-core.ts";

export interface LiveState {
  readonly name: string;
  /** Of both ends, over FLOW_DEFAULTS. */
  readonly flow: Partial<FlowFields>;
  /** The operations that lead there. */
  readonly operations: readonly number[];
  /** True when all segments go through the stages, without header prediction. */
  readonly stagesOnly?: boolean;
}

// Operations by their bytes; 128 more is the other side. Side 0 is A, side 1 is B.
const B = 128;
const DROP = 5;
const DELAY = 7;
const SEND = 16;
const SEND_FULL = 17;
const READ_FULL = 19;
const DEADLINE = 21;
const SHUT = 23;
const EXCHANGE = 30;
const FIN = 0;

const ALL = FLOW_TIMESTAMPS | FLOW_SACK | FLOW_ECN;
const RACK = { flags: ALL | FLOW_NODELAY, rack: RACK_ENABLED, intervals: 8 };
const NEWRENO = { ...RACK, algorithm: CongestionAlgorithm.NewReno, cwnd: 1200 };
const CUBIC = { ...RACK, algorithm: CongestionAlgorithm.Cubic, cwnd: 1200 };

/** The window of B closed: A has sent until it was full, and B has not read. */
const FILLED = [SEND_FULL, EXCHANGE, SEND_FULL, EXCHANGE, SEND_FULL, EXCHANGE];

export const STATES: readonly LiveState[] = [
  { name: "established", flow: {}, operations: [] },
  { name: "established, all options", flow: RACK, operations: [] },
  { name: "in flight", flow: NEWRENO, operations: [SEND_FULL, SEND_FULL | B] },
  { name: "a hole", flow: NEWRENO, operations: [SEND_FULL, DROP | B, 0, 4 | B] },
  {
    name: "recovering from loss",
    flow: CUBIC,
    operations: [SEND_FULL, SEND_FULL, DROP | B, 0, 4 | B, 4, EXCHANGE],
  },
  {
    name: "recovering by counting",
    flow: { ...NEWRENO, rack: 0 },
    operations: [SEND_FULL, SEND_FULL, DROP | B, 0, 4 | B, 4],
  },
  { name: "a timeout", flow: NEWRENO, operations: [SEND, 90, DROP | B, 0, DEADLINE, DEADLINE] },
  { name: "zero window", flow: RACK, operations: FILLED },
  { name: "persist", flow: RACK, operations: [...FILLED, DEADLINE, DEADLINE] },
  { name: "reopened window", flow: RACK, operations: [...FILLED, READ_FULL | B] },
  { name: "half closed", flow: RACK, operations: [SEND, 9, SHUT, FIN, EXCHANGE, READ_FULL | B] },
  {
    name: "closing",
    flow: NEWRENO,
    operations: [SEND, 50, SHUT, FIN, SHUT | B, FIN],
  },
  {
    name: "a FIN before its data",
    flow: RACK,
    operations: [SEND, 99, SHUT, FIN, DELAY | B, 4, 0 | B],
  },
  {
    name: "without SACK",
    flow: { algorithm: CongestionAlgorithm.NewReno, cwnd: 1200, flags: FLOW_NODELAY },
    operations: [SEND_FULL, DROP | B, 0, 2 | B],
  },
  {
    name: "dctcp, marked",
    flow: { ...RACK, algorithm: CongestionAlgorithm.Dctcp, cwnd: 2400 },
    operations: [SEND_FULL, EXCHANGE],
  },
  { name: "by the stages alone", flow: CUBIC, operations: [SEND_FULL], stagesOnly: true },
];
