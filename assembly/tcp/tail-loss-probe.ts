/**
 * Tail loss probes (RFC 8985, 7): when ACKs are overdue one more segment goes out, so that its ACK
 * tells what was lost, ahead of the retransmission timer.
 */
import { congestionOnLoss, congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { count } from "../base/counter.ts";
import { saysTwice, twiceEnd } from "./scoreboard.ts";
import { act, flagsOf, peerWindow, setFlags } from "./state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { seqAfter, seqAtOrBefore } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";

// @ts-ignore: decorator
@inline
export function probeState(r: usize): u32 {
  return load<u8>(r, F.RECOVERY_PROBE);
}

/** The PTO has expired (TLP-2): the connection's next turn sends the probe. */
export function probeDue(core: usize, work: usize, p: usize, r: usize): void {
  store<u8>(r, <u8>F.ProbeState.Due, F.RECOVERY_PROBE);
  store<u8>(r, 1, F.RECOVERY_PROBED);
  setFlags(p, flagsOf(p) | F.FLOW_RETRANSMIT);
  store<u8>(p, load<u8>(p, F.PROTOCOL_ECHO) | <u8>F.ECHO_LOSS, F.PROTOCOL_ECHO);
  count(core, Counter.TailLossProbes);
  act(work, W.ACTION_SCHEDULE);
}

/** Bytes of new data that the probe may carry, one segment beyond cwnd (TLP-7); 0 = none. */
export function freshProbeBytes(p: usize): u32 {
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const window = peerWindow(p);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const bytes = min(load<u32>(p, F.PROTOCOL_TX_AVAIL), mss);
  return window > sent ? min(bytes, window - sent) : 0;
}

/** The probe has left; `state`: ProbeState.Fresh or Again. */
export function probeSent(p: usize, r: usize, state: u32): void {
  const end = load<u32>(p, F.PROTOCOL_TX_UNA) + load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(r, end, F.RECOVERY_PROBE_END);
  store<u8>(r, <u8>state, F.RECOVERY_PROBE);
}

/** Nobody waits for it any longer (RFC 8985 7.1: recovery begins). */
// @ts-ignore: decorator
@inline
export function forgetProbe(r: usize): void {
  store<u8>(r, <u8>F.ProbeState.None, F.RECOVERY_PROBE);
}

/**
 * TLP_process_ack() (RFC 8985 7.4.2, TLP-3), una being up to date: a probe that was sent again and
 * of which no second copy has shown up repaired a loss, for which the window is cut.
 */
export function noteProbeAck(core: usize, work: usize, p: usize, r: usize, acked: u32): void {
  const state = probeState(r);
  if (state < <u32>F.ProbeState.Fresh) return;
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const end = load<u32>(r, F.RECOVERY_PROBE_END);
  if (seqAfter(end, una)) return;
  if (state == F.ProbeState.Fresh) return forgetProbe(r);
  if (saysTwice(work) && seqAtOrBefore(end, twiceEnd(work))) return forgetProbe(r);
  if (seqAfter(una, end)) {
    forgetProbe(r);
    if ((flagsOf(p) & F.FLOW_RECOVERY) == 0) cutWindow(core, p, r);
    return;
  }
  const plain = load<u32>(work, W.WORK_PAYLOAD_LENGTH) == 0;
  const hasSack = (load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_SACK) != 0;
  if (acked == 0 && plain && !hasSack) forgetProbe(r);
}

/** Equivalent to fast recovery of a loss that is repaired already. */
function cutWindow(core: usize, p: usize, r: usize): void {
  const now = load<u64>(core, CORE_NOW);
  congestionOnLoss(p, r, load<u32>(p, F.PROTOCOL_CWND), now);
  congestionOnRecoveryExit(p, r, load<u32>(r, F.RECOVERY_SSTHRESH), now);
}
