/**
 * Snapshots for the control plane (TCP_INFO): TypeScript reads INFO, never live protocol state
 * (day-one decision 10). Floating point appears only to hand nanoseconds over as f64.
 */
import { count } from "../base/counter.ts";
import { isConnection, postOf, preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { CONGESTION_FLAGS, CONGESTION_REDUCED_BY_ECN } from "../../bindings/abi/congestion.ts";
import { WINDOWLESS_RTT } from "../../bindings/abi/congestion.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import { seqDistance } from "../../bindings/abi/seq.ts";
import { LOG_AGAIN, LOG_LOST, RUN_AGAIN, RUN_LOST } from "../../bindings/abi/send-log.ts";
import { RUN_TWICE } from "../../bindings/abi/send-log.ts";
import { modeOf } from "../tcp/sack-recovery.ts";
import { logOf, runAt, runCount, runEnd, runFlags, runStart } from "../tcp/send-log.ts";
import { sackedBytes } from "../tcp/send-log.ts";
import { sizeProbeOf } from "../tcp/size-probe.ts";
import { flagsOf, peerWindow } from "../tcp/state.ts";

function isInstalled(core: usize, connection: u32): bool {
  if (!isConnection(core, connection)) return false;
  return load<u8>(preOf(core, connection), F.PRE_STATE) == <u8>F.PreState.Installed;
}

/** True when `seq` names a byte in flight (RFC 5927, section 4: quotations in ICMP errors). */
export function quotes(core: usize, connection: u32, seq: u32): bool {
  if (!isInstalled(core, connection)) return false;
  const p = protocolOf(core, connection);
  const from = load<u32>(p, F.PROTOCOL_TX_UNA);
  return seqDistance(from, seq) < max(load<u32>(p, F.PROTOCOL_TX_MAX), 1);
}

/** Writes INFO; false when the connection is not in the data path. */
export function inspect(core: usize, connection: u32): bool {
  if (!isInstalled(core, connection)) return false;
  const info = <usize>load<u32>(core, CORE_INFO);
  inspectProtocol(info, protocolOf(core, connection));
  const r = recoveryOf(core, connection);
  inspectRecovery(info, r);
  inspectLoss(info, protocolOf(core, connection), r);
  inspectPost(info, postOf(core, connection));
  count(core, Counter.Inspections);
  return true;
}

function inspectProtocol(info: usize, p: usize): void {
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(info, next, D.INFO_RX_NEXT_SEQ);
  store<u32>(info, load<u32>(p, F.PROTOCOL_RX_AVAIL), D.INFO_RX_WINDOW);
  store<u32>(info, load<u32>(p, F.PROTOCOL_TX_UNA), D.INFO_TX_UNA);
  store<u32>(info, load<u32>(p, F.PROTOCOL_TX_SENT), D.INFO_TX_SENT);
  store<u32>(info, load<u32>(p, F.PROTOCOL_TX_AVAIL), D.INFO_TX_AVAIL);
  store<u32>(info, load<u32>(p, F.PROTOCOL_TX_MAX), D.INFO_TX_MAX);
  store<u32>(info, peerWindow(p), D.INFO_PEER_WINDOW);
  store<u32>(info, load<u32>(p, F.PROTOCOL_CWND), D.INFO_CWND);
  store<u32>(info, load<u16>(p, F.PROTOCOL_MSS), D.INFO_MSS);
  store<u32>(info, flagsOf(p), D.INFO_FLAGS);
  store<u32>(info, <u32>1 << load<u8>(p, F.PROTOCOL_RX_SHIFT), D.INFO_RX_BUFFER);
  store<u32>(info, <u32>1 << load<u8>(p, F.PROTOCOL_TX_SHIFT), D.INFO_TX_BUFFER);
  store<u32>(info, load<u32>(p, F.PROTOCOL_TS_RECENT), D.INFO_TS_RECENT);
  store<u32>(info, load<u8>(p, F.PROTOCOL_PEER_SCALE), D.INFO_PEER_SCALE);
  store<u32>(info, load<u8>(p, F.PROTOCOL_LOCAL_SCALE), D.INFO_LOCAL_SCALE);
}

function inspectRecovery(info: usize, r: usize): void {
  store<u32>(info, load<u32>(r, F.RECOVERY_SSTHRESH), D.INFO_SSTHRESH);
  store<u32>(info, load<u8>(r, F.RECOVERY_INTERVAL_COUNT), D.INFO_INTERVAL_COUNT);
  store<u32>(info, load<u8>(r, F.RECOVERY_ALGORITHM), D.INFO_ALGORITHM);
  store<f64>(info, <f64>load<u64>(r, F.RECOVERY_SRTT), D.INFO_SRTT);
  store<f64>(info, <f64>load<u64>(r, F.RECOVERY_RTTVAR), D.INFO_RTTVAR);
  store<f64>(info, <f64>load<u64>(r, F.RECOVERY_RTO), D.INFO_RTO);
  store<f64>(info, <f64>load<u64>(r, F.RECOVERY_RTT_MIN), D.INFO_RTT_MIN);
  store<f64>(info, <f64>load<u64>(r, F.RECOVERY_LAST_SEND), D.INFO_LAST_SEND);
  const windowless = load<u8>(r, F.RECOVERY_ALGORITHM) == <u8>F.CongestionAlgorithm.None;
  store<f64>(info, windowless ? <f64>load<u64>(r, WINDOWLESS_RTT) : 0, D.INFO_RTT);
}

function inspectLoss(info: usize, p: usize, r: usize): void {
  const duplicates: u32 = load<u8>(p, F.PROTOCOL_DUP_ACKS);
  const backoff: u32 = load<u8>(r, F.RECOVERY_BACKOFF);
  const cut: u32 = (load<u32>(r, CONGESTION_FLAGS) & CONGESTION_REDUCED_BY_ECN) != 0 ? 1 : 0;
  const state = modeOf(r) | (duplicates << 8) | (backoff << 16) | ((cut | sizeProbeOf(r)) << 24);
  store<u32>(info, state, D.INFO_LOSS_STATE);
  store<u32>(info, sackedBytes(r), D.INFO_SACKED);
  store<u64>(info, 0, D.INFO_LOST);
  const log = logOf(r);
  if (log != 0 && (load<u32>(log, LOG_LOST) | load<u32>(log, LOG_AGAIN)) != 0) {
    inspectLog(info, log);
  }
}

/** Looked up in the runs when it is asked for: the log counts no runs that are both. */
function inspectLog(info: usize, log: usize): void {
  let lost: u32 = 0;
  let again: u32 = 0;
  for (let i: u32 = 0; i < runCount(log); i++) {
    const flags = runFlags(runAt(log, i));
    const bytes = seqDistance(runStart(log, i), runEnd(runAt(log, i)));
    const isAgain = (flags & (RUN_AGAIN | RUN_LOST)) == RUN_AGAIN;
    if (isAgain) again += bytes;
    // What is sent again stays lost until it is acknowledged, a probe of the tail was never lost.
    if ((flags & RUN_LOST) != 0 || (isAgain && (flags & RUN_TWICE) == 0)) lost += bytes;
  }
  store<u32>(info, lost, D.INFO_LOST);
  store<u32>(info, again, D.INFO_AGAIN);
}

function inspectPost(info: usize, post: usize): void {
  store<u32>(info, load<u32>(post, F.POST_SEGMENTS_IN), D.INFO_SEGMENTS_IN);
  store<u32>(info, load<u32>(post, F.POST_SEGMENTS_OUT), D.INFO_SEGMENTS_OUT);
  store<u32>(info, load<u32>(post, F.POST_RETRANSMITS), D.INFO_RETRANSMITS);
  store<u32>(info, load<u32>(post, F.POST_FAST_RETRANSMITS), D.INFO_FAST_RETRANSMITS);
  store<u32>(info, load<u32>(post, F.POST_TIMEOUTS), D.INFO_TIMEOUTS);
  store<u32>(info, load<u32>(post, F.POST_OUT_OF_ORDER), D.INFO_OUT_OF_ORDER);
  store<u32>(info, load<u32>(post, F.POST_DUP_ACKS), D.INFO_DUP_ACKS);
  store<u32>(info, load<u32>(post, F.POST_TS_OFFSET), D.INFO_TS_OFFSET);
  store<f64>(info, <f64>load<u64>(post, F.POST_LAST_RECEIVE), D.INFO_LAST_RECEIVE);
  store<f64>(info, <f64>load<u64>(post, F.POST_BYTES_IN), D.INFO_BYTES_IN);
  store<f64>(info, <f64>load<u64>(post, F.POST_BYTES_ACKED), D.INFO_BYTES_ACKED);
  store<u32>(info, load<u32>(post, F.POST_ACKED_BYTES), D.INFO_ACKED_BYTES);
  store<u32>(info, load<u32>(post, F.POST_ECN_BYTES), D.INFO_ECN_BYTES);
}
