/**
 * What the data path says of an installed connection: the INFO record behind inspect(), read once
 * into one reused object (day-one decision 10: live protocol state is never read from TypeScript).
 */
import * as D from "../../bindings/abi/descriptor.ts";
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
  tsRecent: number;
  ackedBytes: number;
  ecnBytes: number;
  retransmits: number;
  srtt: number;
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
  tsRecent: 0,
  ackedBytes: 0,
  ecnBytes: 0,
  retransmits: 0,
  srtt: 0,
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
  const word = (offset: number): number => core.words[(at + offset) >>> 2] as number;
  SEEN.rxNextSeq = word(D.INFO_RX_NEXT_SEQ);
  SEEN.rxWindow = word(D.INFO_RX_WINDOW);
  SEEN.txUna = word(D.INFO_TX_UNA);
  SEEN.txSent = word(D.INFO_TX_SENT);
  SEEN.txAvail = word(D.INFO_TX_AVAIL);
  SEEN.txMax = word(D.INFO_TX_MAX);
  SEEN.tsRecent = word(D.INFO_TS_RECENT);
  SEEN.ackedBytes = word(D.INFO_ACKED_BYTES);
  SEEN.ecnBytes = word(D.INFO_ECN_BYTES);
  SEEN.retransmits = word(D.INFO_RETRANSMITS);
  SEEN.srtt = core.view.getFloat64(at + D.INFO_SRTT, true);
  SEEN.rto = core.view.getFloat64(at + D.INFO_RTO, true);
  SEEN.lastReceive = core.view.getFloat64(at + D.INFO_LAST_RECEIVE, true);
  return SEEN;
}

/** SND.NXT of an inspected connection. */
export function sendNext(seen: Inspection): number {
  return (seen.txUna + Math.max(seen.txSent, seen.txMax)) >>> 0;
}
