/**
 * SYNCs without the control plane (dissertation 5.3.2.1): every connection has a turn once a
 * period, spread over it, and is passed over when it has sent nothing for N periods ("Laminar
 * pauses SYNC workflows for inactive connections").
 */
import * as R from "../../bindings/abi/rmt.ts";

/** A connection has sent. */
export function generatorActive(generator: usize, connection: u32, now: u64): void {
  assert(connection < load<u32>(generator, R.GENERATOR_COUNT));
  store<u64>(<usize>load<u32>(generator, R.GENERATOR_ACTIVE) + connection * 8, max<u64>(1, now));
}

function isActive(generator: usize, connection: u32, now: u64): bool {
  const last = load<u64>(<usize>load<u32>(generator, R.GENERATOR_ACTIVE) + connection * 8);
  const step = <u64>load<u32>(generator, R.GENERATOR_STEP_PS);
  const period = step * load<u32>(generator, R.GENERATOR_COUNT);
  return last != 0 && now <= last + period * load<u32>(generator, R.GENERATOR_IDLE);
}

/**
 * The connection whose SYNC is due, plus one; 0 when none is. Looks at GENERATOR_SCAN turns at
 * most: with more idle ones it says 0, and the next turn is due at once.
 */
export function generated(generator: usize, now: u64): u32 {
  const connections = load<u32>(generator, R.GENERATOR_COUNT);
  for (let i: u32 = 0; i < R.GENERATOR_SCAN; i++) {
    const turn = load<u64>(generator, R.GENERATOR_NEXT);
    if (turn > now || connections == 0) return 0;
    const connection = load<u32>(generator, R.GENERATOR_CURSOR);
    const next = connection + 1 == connections ? 0 : connection + 1;
    store<u32>(generator, next, R.GENERATOR_CURSOR);
    store<u64>(generator, turn + load<u32>(generator, R.GENERATOR_STEP_PS), R.GENERATOR_NEXT);
    if (!isActive(generator, connection, turn)) continue;
    store<u32>(generator, load<u32>(generator, R.GENERATOR_SENT) + 1, R.GENERATOR_SENT);
    return connection + 1;
  }
  return 0;
}
