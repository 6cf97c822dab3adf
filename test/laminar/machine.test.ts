/**
 * TCP's stage program, stage by stage and fused, through everything that the models pass: Table 5.1
 * row by row, the rules of single packets, random packets beside the models, and the robustness
 * runs (dissertation 5.3).
 */
import { FORMS } from "../support/rmt.ts";
import { machineOf, MachineReceiver, MachineTransmitter } from "./machine.ts";
import { describeBesideModel, describeReceiverRules } from "./receiver-suites.ts";
import { describeRobustness, describeTable51 } from "./receiver-suites.ts";
import { LONG_SETTINGS, OUT_OF_WINDOW_SETTINGS, SHORT_SETTINGS } from "./settings.ts";
import { describeBesideTransmitModel, describeTransmitRules } from "./transmitter-suites.ts";
import { describeTransmitRuns } from "./transmitter-suites.ts";
import type { ReceiverFactory } from "./receiver.ts";
import type { TransmitterFactory } from "./transmitter.ts";

/** Runs of each setting; the fused form is held to the other by test/unit/rmt/forms.test.ts. */
const RUNS = {
  stagewise: { short: 300, long: 19 },
  fused: { short: 30, long: 2 },
  emitted: { short: 30, long: 2 },
} as const;

for (const form of FORMS) {
  const runs = RUNS[form];
  const receiver: ReceiverFactory = (initial) => new MachineReceiver(machineOf(form), initial);
  const transmitter: TransmitterFactory = (start) => new MachineTransmitter(machineOf(form), start);
  describeTable51(form, receiver);
  describeReceiverRules(form, receiver);
  describeBesideModel(form, receiver, 100);
  describeRobustness(`short streams: ${form}`, receiver, SHORT_SETTINGS, runs.short);
  describeRobustness(
    `segments out of window: ${form}`,
    receiver,
    OUT_OF_WINDOW_SETTINGS,
    runs.short,
  );
  describeRobustness(`long streams: ${form}`, receiver, LONG_SETTINGS, runs.long);
  describeTransmitRules(form, transmitter);
  describeBesideTransmitModel(form, transmitter, 100);
  describeTransmitRuns(form, transmitter, 100);
}
