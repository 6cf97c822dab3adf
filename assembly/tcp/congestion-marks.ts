/** Congestion marks as the receiver echoes them (RFC 3168, RFC 8257). */
import { recoveryOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ECN_CE } from "../../bindings/abi/ip.ts";
import { TCP_CWR } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge } from "./acknowledge.ts";
import { flagsOf, startDelayedAck } from "./state.ts";

/**
 * Congestion marks (RFC 3168, 6.1.3): CE sets the echo, CWR clears it. DCTCP echoes each change
 * of CE at once and exactly (RFC 8257, 3.2), and so does a connection whose rate the control plane
 * sets, since its policy counts marked bytes: true when the pending ACK was sent for it.
 */
export function noteMark(core: usize, work: usize, connection: u32, p: usize, tcpFlags: u32): bool {
  if ((flagsOf(p) & F.FLOW_ECN) == 0) return false;
  const ce = load<u32>(work, W.WORK_ECN) == ECN_CE;
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  const algorithm = load<u8>(recoveryOf(core, connection), F.RECOVERY_ALGORITHM);
  const exact =
    algorithm == <u8>F.CongestionAlgorithm.Dctcp || algorithm == <u8>F.CongestionAlgorithm.None;
  if (!exact) {
    let bits = echo;
    if ((tcpFlags & TCP_CWR) != 0) bits &= ~F.ECHO_ECE;
    if (ce) bits |= F.ECHO_ECE;
    store<u8>(p, <u8>bits, F.PROTOCOL_ECHO);
    return false;
  }
  if (ce == ((echo & F.ECHO_CE_STATE) != 0)) return false;
  const pending = load<u8>(p, F.PROTOCOL_UNACKED) != 0;
  if (pending) acknowledge(core, work, connection, p);
  const cleared = echo & ~(F.ECHO_CE_STATE | F.ECHO_ECE);
  store<u8>(p, <u8>(ce ? cleared | F.ECHO_CE_STATE | F.ECHO_ECE : cleared), F.PROTOCOL_ECHO);
  if (pending) {
    store<u8>(p, 1, F.PROTOCOL_UNACKED);
    startDelayedAck(core, connection);
  }
  return pending;
}
