/** What a control plane is bounded by unless it is told otherwise. */
import { PORT_RANGE_DEFAULT } from "./ephemeral-port.ts";
import { NEIGHBORS_DEFAULT } from "./neighbor.ts";
import type { ControlPlaneLimits, SynCookieMode } from "./plane.ts";

const COOKIE_MODES: readonly SynCookieMode[] = ["off", "on", "always"];

const DEFAULTS: ControlPlaneLimits = {
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
  userTimeoutOption: false,
  orphans: 0,
  ignoreResetInTimeWait: true,
};

/** The defaults with what was chosen in their place. Throws RangeError on a mode that is none. */
export function limitsOf(chosen: Partial<ControlPlaneLimits> = {}): ControlPlaneLimits {
  const limits = { ...DEFAULTS, ...chosen };
  const { synCookies } = limits;
  if (COOKIE_MODES.includes(synCookies)) return limits;
  const expected = COOKIE_MODES.join("|");
  throw new RangeError(
    `limits: expected synCookies ${expected}, got ${JSON.stringify(synCookies)}`,
  );
}
