/**
 * A metering unit (dissertation 5.4, Rate limiting): what exceeds a connection's rate is marked or
 * dropped, and takes no tokens. A packet conforms when its bucket is not overdrawn; the next ones
 * pay for what it takes too much.
 */
import { chargeClock, isAhead, isRated } from "../base/rate-clock.ts";
import * as R from "../../bindings/abi/rmt.ts";

/** A packet of `bytes`: R.Verdict.Taken, or what the meter says of an excess. */
export function measure(meter: usize, bytes: u32, now: u64): u32 {
  if (!isRated(meter)) return R.Verdict.Taken;
  if (isAhead(meter, now)) {
    store<u32>(meter, load<u32>(meter, R.METER_EXCEEDED) + 1, R.METER_EXCEEDED);
    return load<u32>(meter, R.METER_EXCESS);
  }
  chargeClock(meter, bytes, now, load<u32>(meter, R.METER_SAVED));
  return R.Verdict.Taken;
}
