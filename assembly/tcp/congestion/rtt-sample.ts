/**
 * What congestion control takes from a measured round trip: HyStart++ its samples, and rate
 * policies, which have no window, an average. One test of two flags for everybody else.
 */
import {
  CONGESTION_FLAGS, CONGESTION_HYSTART, CONGESTION_WINDOWLESS, WINDOWLESS_RTT,
} from "../../../bindings/abi/congestion.ts";
import { hystartSample } from "./hystart.ts";

/** True when more samples than one a round trip are of use. */
// @ts-ignore: decorator
@inline
export function wantsSamples(recovery: usize): bool {
  return (load<u32>(recovery, CONGESTION_FLAGS) & CONGESTION_HYSTART) != 0;
}

/** A segment that was sent once was acknowledged `rtt` ns later. */
// @ts-ignore: decorator
@inline
export function congestionOnRttSample(recovery: usize, rtt: u64): void {
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if ((flags & (CONGESTION_HYSTART | CONGESTION_WINDOWLESS)) != 0) {
    takeSample(recovery, rtt, flags);
  }
}

function takeSample(recovery: usize, rtt: u64, flags: u32): void {
  if ((flags & CONGESTION_HYSTART) != 0) return hystartSample(recovery, rtt);
  const average = load<u64>(recovery, WINDOWLESS_RTT);
  // Gain 1/2: a policy looks every two round trips, and one sample a round trip is the rule.
  store<u64>(recovery, average == 0 ? rtt : (average + rtt) >> 1, WINDOWLESS_RTT);
}
