/** What a control plane is bounded by unless it is told otherwise. */
import { PORT_RANGE_DEFAULT } from "./ephemeral-port.ts";
import { NEIGHBORS_DEFAULT } from "./neighbor.ts";
import type { ControlPlaneLimits } from "./plane.ts";

export const CONTROL_PLANE_LIMITS: ControlPlaneLimits = {
  neighbors: NEIGHBORS_DEFAULT,
  backlog: 65535,
  resetsPerSecond: 1000,
  resetBurst: 256,
  echoesPerSecond: 1000,
  echoBurst: 256,
  portLow: PORT_RANGE_DEFAULT.low,
  portHigh: PORT_RANGE_DEFAULT.high,
  synCookies: "on",
  synAckRetries: 5,
  userTimeout: 300e9,
  orphans: 0,
  ignoreResetInTimeWait: true,
};
