/**
 * What the data path says of an installed connection: the INFO record behind inspect(), read once
 * into one reused object (day-one decision 10: live protocol state is never read from TypeScript).
 */
import * as D from "../../bindings/abi/descriptor.ts";
import { SIZE_PROBE_MASK, type SizeProbe } from "../../bindings/abi/flow-state.ts";
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import type { Plane } from "./plane.ts";
import { ROW_IS_INSTALLED } from "./row-table.ts";

/** The fields that decisions need. Times in ns. */
export interface Inspection {
  rxNextSeq: number;
  rxWindow: number;
  txUna: number;
  txSent: number;
  txAvail: number;
  /** Highest ever sent, from una: SND.NXT also after going back. */
  txMax: number;
  /** Payload bytes per segment. */
  mss: number;
  sizeProbe: SizeProbe;
  /** Bytes; in a recovery an allowance. */
  cwnd: number;
  tsRecent: number;
  /** FLOW_* bits. */
  flags: number;
  /** Modulo 2^32, and of those with ECN-echo. */
  ackedBytes: number;
  ecnBytes: number;
  /** Times recovery began by duplicate ACKs (Table 4.1: cnt_fretx). */
  fastRetransmits: number;
  srtt: number;
  /** Average of the last round trips; 0 = none, or a window rules the connection. */
  rtt: number;
  rto: number;
  lastReceive: number;
}

const SEEN: Inspection = {
  rxNextSeq: 0,
  rxWindow: 0,
  txUna: 0,
  txSent: 0,
  txAvail: 0,
  txMax: 0,
  mss: 0,
  sizeProbe: 0,
  cwnd: 0,
  tsRecent: 0,
  flags: 0,
  ackedBytes: 0,
  ecnBytes: 0,
  fastRetransmits: 0,
  srtt: 0,
  rtt: 0,
  rto: 0,
  lastReceive: 0,
};

/** Address of the INFO record. */
export function infoAddress(plane: Plane): number {
  return plane.core.words[(plane.core.address + CORE_INFO) >>> 2] as number;
}

/** Looks at a connection; undefined when the data path does not have it. Valid until the next. */
export function inspect(plane: Plane, id: number): Inspection | undefined {
  const { core } = plane;
  if (!plane.rows.has(id, ROW_IS_INSTALLED)) return undefined;
  if (core.exports.inspect(core.address, id) === 0) return undefined;
  const at = infoAddress(plane);
  const { words, view } = core;
  SEEN.rxNextSeq = words[(at + D.INFO_RX_NEXT_SEQ) >>> 2] as number;
  SEEN.rxWindow = words[(at + D.INFO_RX_WINDOW) >>> 2] as number;
  SEEN.txUna = words[(at + D.INFO_TX_UNA) >>> 2] as number;
  SEEN.txSent = words[(at + D.INFO_TX_SENT) >>> 2] as number;
  SEEN.txAvail = words[(at + D.INFO_TX_AVAIL) >>> 2] as number;
  SEEN.txMax = words[(at + D.INFO_TX_MAX) >>> 2] as number;
  SEEN.mss = words[(at + D.INFO_MSS) >>> 2] as number;
  SEEN.sizeProbe = ((words[(at + D.INFO_LOSS_STATE) >>> 2] as number) >>> 24) & SIZE_PROBE_MASK;
  SEEN.cwnd = words[(at + D.INFO_CWND) >>> 2] as number;
  SEEN.tsRecent = words[(at + D.INFO_TS_RECENT) >>> 2] as number;
  SEEN.flags = words[(at + D.INFO_FLAGS) >>> 2] as number;
  SEEN.ackedBytes = words[(at + D.INFO_ACKED_BYTES) >>> 2] as number;
  SEEN.ecnBytes = words[(at + D.INFO_ECN_BYTES) >>> 2] as number;
  SEEN.fastRetransmits = words[(at + D.INFO_FAST_RETRANSMITS) >>> 2] as number;
  SEEN.srtt = view.getFloat64(at + D.INFO_SRTT, true);
  SEEN.rtt = view.getFloat64(at + D.INFO_RTT, true);
  SEEN.rto = view.getFloat64(at + D.INFO_RTO, true);
  SEEN.lastReceive = view.getFloat64(at + D.INFO_LAST_RECEIVE, true);
  return SEEN;
}

/** SND.NXT of an inspected connection. */
export function sendNext(seen: Inspection): number {
  return (seen.txUna + Math.max(seen.txSent, seen.txMax)) >>> 0;
}
