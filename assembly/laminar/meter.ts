/**
 * A metering unit (dissertation 5.4, Rate limiting): what exceeds a connection's rate is marked or
 * dropped. The token bucket is kept as the time at which it is full again, so that nothing has to
 * fill it meanwhile; what does not conform takes no tokens.
 */
import * as R from "../../bindings/abi/rmt.ts";

/** A packet of `bytes`: R.Verdict.Taken, or what the meter says of an excess. */
export function measure(meter: usize, bytes: u32, now: u64): u32 {
  const fs = load<u32>(meter, R.METER_FS_PER_BYTE);
  const full = max(now, load<u64>(meter, R.METER_FULL));
  if (fs == 0) return R.Verdict.Taken;
  const after = full + (<u64>bytes * fs) / 1000;
  if (after - now > <u64>load<u32>(meter, R.METER_BURST_PS)) {
    store<u32>(meter, load<u32>(meter, R.METER_EXCEEDED) + 1, R.METER_EXCEEDED);
    return load<u32>(meter, R.METER_EXCESS);
  }
  store<u64>(meter, after, R.METER_FULL);
  return R.Verdict.Taken;
}
