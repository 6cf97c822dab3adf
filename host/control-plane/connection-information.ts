/**
 * A connection as `ss` and TCP_INFO show it: the row, and what inspect() adds while the data path
 * has it.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import { FLOW_RECOVERY, RecoveryMode } from "../../bindings/abi/flow-state.ts";
import { addressBytes } from "../address.ts";
import { congestionAt } from "./congestion/algorithm.ts";
import { STATE_NAMES } from "./connection-state.ts";
import { infoAddress, inspect } from "./inspection.ts";
import type { ConnectionInfo, Endpoint } from "./interface.ts";
import { stateOf, type Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { announcedMss } from "./transmit.ts";

const MILLISECOND = 1e6;

export function localEndpoint(plane: Plane, id: number): Endpoint {
  const { rows } = plane;
  const address = addressBytes(rows.address(id, R.ROW_LOCAL));
  return { address, port: rows.get(id, R.ROW_LOCAL_PORT) };
}

export function remoteEndpoint(plane: Plane, id: number): Endpoint {
  const { rows } = plane;
  const address = addressBytes(rows.address(id, R.ROW_REMOTE));
  return { address, port: rows.get(id, R.ROW_REMOTE_PORT) };
}

/** Name of the congestion control of a connection; of none: what the profile starts with. */
export function congestionName({ rows, profile }: Plane, id: number): string {
  const isUsed = rows.isUsed(id);
  return congestionAt(isUsed ? rows.get(id, R.ROW_CONGESTION) : profile.algorithm).name;
}

function lossState(word: (offset: number) => number): ConnectionInfo["lossState"] {
  const state = word(D.INFO_LOSS_STATE);
  const [mode, duplicates, backoff] = [0, 8, 16].map((at) => (state >>> at) & 255);
  const cut = (state >>> 24) & 1;
  if ((word(D.INFO_FLAGS) & FLOW_RECOVERY) !== 0) {
    // RFC 4821 7.6.2: a probe that was too large is no loss, and the window is as it was.
    if (mode === RecoveryMode.SizeProbe) return "disorder";
    return mode === RecoveryMode.Timeout ? "timeout" : "recovery";
  }
  if (backoff !== 0 && word(D.INFO_TX_SENT) !== 0) return "timeout";
  if (cut !== 0) return "reduced";
  return duplicates !== 0 || word(D.INFO_SACKED) !== 0 ? "disorder" : "open";
}

/** Everything about one connection; zeros for what only the data path knows and has no more. */
export function connectionInfo(plane: Plane, id: number): ConnectionInfo {
  const { rows, core } = plane;
  const via = plane.routes.at(rows.get(id, R.ROW_NETIF));
  const isLive = inspect(plane, id) !== undefined;
  const at = infoAddress(plane);
  const word = (offset: number): number => {
    return isLive ? (core.words[(at + offset) >>> 2] as number) : 0;
  };
  const time = (offset: number): number => {
    return isLive ? core.view.getFloat64(at + offset, true) / MILLISECOND : 0;
  };
  const total = (offset: number): number => {
    return isLive ? core.view.getFloat64(at + offset, true) : 0;
  };
  return {
    connection: id,
    state: STATE_NAMES[stateOf(plane, id)] ?? "CLOSED",
    local: localEndpoint(plane, id),
    remote: remoteEndpoint(plane, id),
    congestion: congestionName(plane, id),
    rxNextSeq: isLive ? word(D.INFO_RX_NEXT_SEQ) : rows.get(id, R.ROW_RCV_NXT),
    rxWindow: isLive ? word(D.INFO_RX_WINDOW) : rows.get(id, R.ROW_ANNOUNCED),
    txUna: isLive ? word(D.INFO_TX_UNA) : rows.get(id, R.ROW_SND_NXT),
    txSent: word(D.INFO_TX_SENT),
    txAvail: word(D.INFO_TX_AVAIL),
    peerWindow: isLive ? word(D.INFO_PEER_WINDOW) : rows.get(id, R.ROW_PEER_WINDOW),
    cwnd: word(D.INFO_CWND),
    ssthresh: word(D.INFO_SSTHRESH),
    mss: isLive ? word(D.INFO_MSS) : 0,
    srtt: time(D.INFO_SRTT),
    rttvar: time(D.INFO_RTTVAR),
    rto: time(D.INFO_RTO),
    rttMin: time(D.INFO_RTT_MIN),
    segmentsIn: word(D.INFO_SEGMENTS_IN),
    segmentsOut: word(D.INFO_SEGMENTS_OUT),
    retransmits: word(D.INFO_RETRANSMITS),
    fastRetransmits: word(D.INFO_FAST_RETRANSMITS),
    timeouts: word(D.INFO_TIMEOUTS),
    backoff: (word(D.INFO_LOSS_STATE) >>> 16) & 255,
    lossState: lossState(word),
    sacked: word(D.INFO_SACKED),
    lost: word(D.INFO_LOST),
    sentAgain: word(D.INFO_AGAIN),
    outOfOrder: word(D.INFO_OUT_OF_ORDER),
    sinceReceive: isLive ? plane.now / MILLISECOND - time(D.INFO_LAST_RECEIVE) : 0,
    announcedMss:
      via === undefined
        ? 0
        : announcedMss(plane, via, rows.has(id, R.ROW_IS_IPV6), rows.get(id, R.ROW_MAX_SEGMENT)),
    bytesIn: total(D.INFO_BYTES_IN),
    bytesAcked: total(D.INFO_BYTES_ACKED),
    timestamps: rows.has(id, R.ROW_HAS_TIMESTAMPS),
    sack: rows.has(id, R.ROW_HAS_SACK),
    ecn: rows.has(id, R.ROW_HAS_ECN),
    peerScale: rows.get(id, R.ROW_PEER_SCALE),
    localScale: rows.get(id, R.ROW_LOCAL_SCALE),
  };
}
