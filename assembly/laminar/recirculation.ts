/**
 * The way from egress back to ingress (dissertation 5.1.1, Recirculation; 5.4: 3 x 100G, 750 ns):
 * a port of its own bandwidth, then the time of the loop. A port that is too far behind takes no
 * more, and the traffic manager's queue in front of it waits: nothing is lost here.
 */
import { hasRoom, send } from "../base/delay-line.ts";
import * as R from "../../bindings/abi/rmt.ts";

/** When the port takes the next packet: now or later. */
export function recirculationOpen(line: usize, now: u64): u64 {
  const free = load<u64>(line, R.RECIRCULATION_FREE);
  const behind = <u64>load<u32>(line, R.RECIRCULATION_BEHIND_PS);
  return free > now + behind ? free - behind : now;
}

/** Sends a packet round; false when the port takes no more. It arrives by arrived(). */
export function recirculate(line: usize, packet: u32, bytes: u32, now: u64): bool {
  if (!hasRoom(line)) return false;
  if (recirculationOpen(line, now) > now) {
    store<u32>(line, load<u32>(line, R.LINE_FULL) + 1, R.LINE_FULL);
    return false;
  }
  const start = max(now, load<u64>(line, R.RECIRCULATION_FREE));
  const end = start + (<u64>bytes * load<u32>(line, R.RECIRCULATION_FS_PER_BYTE)) / 1000;
  store<u64>(line, end, R.RECIRCULATION_FREE);
  send(line, packet, end);
  return true;
}
