/**
 * DCTCP (RFC 8257): the sender's estimate of the marked share, on top of NewReno's growth and of
 * its response to loss. Invariant: alpha stays within 0 and 2^DCTCP_ALPHA_BITS, which is 1.
 */
import {
  DCTCP_ALPHA, DCTCP_ALPHA_BITS, DCTCP_BYTES_ACKED, DCTCP_BYTES_MARKED, DCTCP_GAIN_SHIFT,
} from "../../../bindings/abi/congestion.ts";
import { PROTOCOL_CWND } from "../../../bindings/abi/flow-state.ts";
import { setThreshold } from "./slow-start.ts";

/** RFC 8257 3.3: alpha starts at 1. */
export function dctcpInitialize(recovery: usize): void {
  store<u32>(recovery, 1 << DCTCP_ALPHA_BITS, DCTCP_ALPHA);
  store<u32>(recovery, 0, DCTCP_BYTES_ACKED);
  store<u32>(recovery, 0, DCTCP_BYTES_MARKED);
}

/** RFC 8257 3.3, steps 1 to 8. `ended`: this ACK ends the observation window. */
export function dctcpObserve(recovery: usize, acked: u32, ecnEcho: bool, ended: bool): void {
  const total = load<u32>(recovery, DCTCP_BYTES_ACKED) + acked;
  const marked = load<u32>(recovery, DCTCP_BYTES_MARKED) + (ecnEcho ? acked : 0);
  if (!ended) {
    store<u32>(recovery, total, DCTCP_BYTES_ACKED);
    store<u32>(recovery, marked, DCTCP_BYTES_MARKED);
    return;
  }
  const alpha = load<u32>(recovery, DCTCP_ALPHA);
  store<u32>(recovery, dctcpAlpha(alpha, marked, total), DCTCP_ALPHA);
  store<u32>(recovery, 0, DCTCP_BYTES_ACKED);
  store<u32>(recovery, 0, DCTCP_BYTES_MARKED);
}

/** RFC 8257 4.2: the next alpha; `marked` of `total` bytes met congestion. */
export function dctcpAlpha(alpha: u32, marked: u32, total: u32): u32 {
  if (total == 0) return alpha;
  const one: u32 = 1 << DCTCP_ALPHA_BITS;
  const share = <u32>((<u64>min<u32>(marked, total) << DCTCP_ALPHA_BITS) / total);
  const decay = alpha >>> DCTCP_GAIN_SHIFT;
  // Without this the last 15 units of alpha would never decay.
  const kept: u32 = decay == 0 ? 0 : alpha - decay;
  return min<u32>(kept + (share >>> DCTCP_GAIN_SHIFT), one);
}

/** RFC 8257 3.3, step 9: cwnd * (1 - alpha / 2). Returns the new cwnd. */
export function dctcpEcn(protocol: usize, recovery: usize): u32 {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const alpha = load<u32>(recovery, DCTCP_ALPHA);
  const reduced = cwnd - <u32>((<u64>cwnd * alpha) >> (DCTCP_ALPHA_BITS + 1));
  setThreshold(protocol, recovery, reduced);
  return reduced;
}
