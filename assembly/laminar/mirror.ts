/**
 * Copies of header vectors on their way back to the traffic manager (dissertation 5.1.1,
 * Mirroring): a delay line, since mirroring takes several hundred ns (5.1.2), that may be full or
 * lose a copy. Either is the loss of an ACK or of a merge to TCP (5.3.1.4).
 */
import { hasRoom, send } from "../base/delay-line.ts";
import * as R from "../../bindings/abi/rmt.ts";

/** Xorshift32 (Marsaglia 2003). */
function random(line: usize): u32 {
  let x = load<u32>(line, R.MIRROR_RANDOM);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  store<u32>(line, x, R.MIRROR_RANDOM);
  return x;
}

/** Sends a copy; false when it is lost. It arrives by the delay line's arrived(). */
export function mirror(line: usize, packet: u32, now: u64): bool {
  if (random(line) < load<u32>(line, R.MIRROR_LOSS)) {
    store<u32>(line, load<u32>(line, R.MIRROR_LOST) + 1, R.MIRROR_LOST);
    return false;
  }
  if (!hasRoom(line)) return false;
  send(line, packet, now);
  return true;
}
