/** Congestion marks as the receiver echoes them (RFC 3168, RFC 8257). */
import { CONGESTION_EXACT, CONGESTION_FLAGS } from "../../bindings/abi/congestion.ts";
import { recoveryOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ECN_CE } from "../../bindings/abi/ip.ts";
import { TCP_CWR } from "../../bindings/abi/tcp.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge } from "./acknowledge.ts";
import { armTimer, flagsOf } from "./state.ts";

/** With one segment more, above every threshold of PROTOCOL_UNACKED. */
const DUE: u8 = 255;

/**
 * A data segment outside the window: its mark is ignored (RFC 3168, 6.1.5, ECN-16), but for a probe
 * of a closed window, whose number nobody guesses (6.1.6, ECN-17).
 */
export function noteProbeMark(
  core: usize, work: usize, connection: u32, p: usize, next: u32, window: u32,
): void {
  if (window != 0 || load<u32>(work, W.WORK_SEQ) != next) return;
  noteMark(core, work, connection, p, load<u32>(work, W.WORK_FLAGS));
}

/**
 * Congestion marks (RFC 3168, 6.1.3): CE sets the echo, CWR clears it. DCTCP echoes each change
 * of CE exactly (RFC 8257, 3.2), and so does a connection whose policy counts marked bytes. True
 * when the ACK that was pending has been sent with the state before, as 3.2 allows; that of this
 * segment, with the state that it begins, follows at once (DC-1).
 */
export function noteMark(core: usize, work: usize, connection: u32, p: usize, tcpFlags: u32): bool {
  if ((flagsOf(p) & F.FLOW_ECN) == 0) return false;
  const ce = load<u32>(work, W.WORK_ECN) == ECN_CE;
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  const known = load<u32>(recoveryOf(core, connection), CONGESTION_FLAGS);
  if ((known & CONGESTION_EXACT) == 0) {
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
  // DC-1: at once, whatever the threshold.
  store<u8>(p, pending ? 1 : DUE, F.PROTOCOL_UNACKED);
  if (pending) armTimer(core, connection, TimerKind.DelayedAck, load<u64>(core, CORE_NOW));
  return pending;
}
