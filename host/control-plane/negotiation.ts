/**
 * What the two SYNs settle (RFC 9293, 3.7.1; RFC 7323, 2 and 3; RFC 2018, 2; RFC 3168, 6.1.1), read
 * from the segment at hand into the row. Invariant: an option is on only when both sides sent it.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import { FLOW_SACK, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { MSS_DEFAULT_IPV4, MSS_DEFAULT_IPV6 } from "../../bindings/abi/limits.ts";
import { MSS_MIN, WINDOW_SCALE_MAX } from "../../bindings/abi/limits.ts";
import { TCP_CWR, TCP_ECE, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { ConnectionState } from "./connection-state.ts";
import { countEvent, type Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { adoptTimeout } from "./user-timeout.ts";

/** Takes over what the peer's SYN, or as an answer its SYN-ACK, offers. */
export function negotiate(plane: Plane, id: number, isAnswer: boolean): void {
  const { rows, segment, core } = plane;
  rows.set(id, R.ROW_IRS, segment.seq);
  rows.set(id, R.ROW_RCV_NXT, (segment.seq + 1) >>> 0);
  // RFC 9293 MUST-15; threats O08: a tiny MSS is raised to the floor.
  const assumed = rows.has(id, R.ROW_IS_IPV6) ? MSS_DEFAULT_IPV6 : MSS_DEFAULT_IPV4;
  const mss = segment.mss === 0 ? assumed : Math.max(MSS_MIN, segment.mss);
  rows.set(id, R.ROW_PEER_MSS, mss);
  if (segment.windowScale >= 0) {
    if (segment.windowScale > WINDOW_SCALE_MAX) countEvent(core, Counter.WindowScaleClamped);
    rows.raise(id, R.ROW_HAS_SCALE);
    rows.set(id, R.ROW_PEER_SCALE, Math.min(WINDOW_SCALE_MAX, segment.windowScale));
  } else {
    // RFC 7323, 2.2: both or none.
    rows.set(id, R.ROW_PEER_SCALE, 0);
    rows.set(id, R.ROW_LOCAL_SCALE, 0);
  }
  if (segment.sackPermitted && (plane.features & FLOW_SACK) !== 0) rows.raise(id, R.ROW_HAS_SACK);
  if (segment.timestamps && (plane.features & FLOW_TIMESTAMPS) !== 0) {
    rows.raise(id, R.ROW_HAS_TIMESTAMPS);
    rows.set(id, R.ROW_TS_RECENT, segment.tsVal);
  }
  adoptTimeout(plane, id);
  negotiateEcn(plane, id, isAnswer);
}

/**
 * RFC 3168, 6.1.1 (ECN-1, ECN-8): ECN-setup SYN has ECE and CWR, ECN-setup SYN-ACK has ECE alone.
 * Of every SYN: what a peer asked for once and no longer does is over, and the other way round it
 * is not for us who sent a SYN without (ECN-10, ECN-11).
 */
export function negotiateEcn(plane: Plane, id: number, isAnswer: boolean): void {
  const { rows, segment } = plane;
  const bits = segment.flags & (TCP_ECE | TCP_CWR);
  const isSetup = isAnswer ? bits === TCP_ECE : bits === (TCP_ECE | TCP_CWR);
  const isFirst = rows.get(id, R.ROW_STATE) === ConnectionState.Closed;
  if (!isSetup) rows.lower(id, R.ROW_HAS_ECN);
  else if (isFirst) rows.raise(id, R.ROW_HAS_ECN);
}

/** Notes the peer's window as the segment at hand states it. */
export function noteWindow(plane: Plane, id: number): void {
  const { rows, segment } = plane;
  // RFC 7323, 2.2: the window of a SYN is not scaled.
  const shift = (segment.flags & TCP_SYN) !== 0 ? 0 : rows.get(id, R.ROW_PEER_SCALE);
  rows.set(id, R.ROW_PEER_WINDOW, segment.window * (1 << shift));
  rows.set(id, R.ROW_WL1, segment.seq);
}
