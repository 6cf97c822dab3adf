/**
 * A probe of the path's MTU (RFC 4821, 7.4 to 7.6): one segment that is larger than the others,
 * which go on as they were. The control plane arms its size and hears what became of it; when it
 * has arrived all segments are of its size.
 *
 * Invariant: it is Armed or Sent outside of FLOW_RECOVERY alone, whose words it uses; a recovery
 * that begins ends it.
 */
import { noteLossState } from "./loss.ts";
import { logOf, runAt, runEnd, runFlags } from "./send-log.ts";
import { flagsOf } from "./state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../bindings/abi/limits.ts";
import { LOG_AGAIN, LOG_LOST, LOG_SACKED, RUN_LOST } from "../../bindings/abi/send-log.ts";
import { RUN_SACKED } from "../../bindings/abi/send-log.ts";
import { seqBefore } from "../../bindings/abi/seq.ts";

const BYTES_MAX: u32 = 0xffff;

/** SizeProbe. */
// @ts-ignore: decorator
@inline
export function sizeProbeOf(r: usize): u32 {
  return <u32>load<u8>(r, F.RECOVERY_RACK) & F.SIZE_PROBE_MASK;
}

function setSizeProbe(r: usize, state: u32): void {
  const others = <u32>load<u8>(r, F.RECOVERY_RACK) & ~F.SIZE_PROBE_MASK;
  store<u8>(r, <u8>(others | state), F.RECOVERY_RACK);
}

// @ts-ignore: decorator
@inline
function bytesOf(r: usize): u32 {
  return load<u32>(r, F.SIZE_PROBE_BYTES);
}

// @ts-ignore: decorator
@inline
function startOf(r: usize): u32 {
  return load<u32>(r, F.SIZE_PROBE_START);
}

/** AtxOpcode.SetMss, the MSS being set: `bytes` are tried, or nothing is. */
export function armSizeProbe(p: usize, r: usize, bytes: u32): void {
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const recovers = (flagsOf(p) & F.FLOW_RECOVERY) != 0;
  const arms = bytes > mss && bytes <= BYTES_MAX && !recovers;
  if (arms) store<u32>(r, bytes, F.SIZE_PROBE_BYTES);
  setSizeProbe(r, arms ? F.SizeProbe.Armed : F.SizeProbe.None);
  // The stages alone know of it: nothing is predicted until it is over.
  noteLossState(p, r);
}

/**
 * RFC 4821 7.4 (PM-17): the next new bytes are the probe's. Nothing is lost or probed for, and of
 * the `most` bytes that may be in flight, and of those that wait, there are enough for it and for
 * what makes its loss show.
 */
// @ts-ignore: decorator
@inline
export function isSizeProbeDue(p: usize, r: usize, most: u32): bool {
  if ((load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_LOSS) == 0) return false;
  if (sizeProbeOf(r) != <u32>F.SizeProbe.Armed) return false;
  return mayProbeSize(p, r, most);
}

function mayProbeSize(p: usize, r: usize, most: u32): bool {
  const again = load<u32>(p, F.PROTOCOL_TX_SENT) ^ load<u32>(p, F.PROTOCOL_TX_MAX);
  const probes = <u32>load<u8>(r, F.RECOVERY_PROBE) | load<u8>(p, F.PROTOCOL_DUP_ACKS);
  const timedOut = <u32>load<u8>(p, F.PROTOCOL_ECHO) & F.ECHO_TIMED_OUT;
  if ((again | probes | timedOut) != 0) return false;
  const log = logOf(r);
  if (log != 0) {
    const gone = load<u32>(log, LOG_SACKED) | load<u32>(log, LOG_LOST) | load<u32>(log, LOG_AGAIN);
    if (gone != 0) return false;
  }
  const need = bytesOf(r) + DUP_ACK_THRESHOLD * <u32>load<u16>(p, F.PROTOCOL_MSS);
  return most >= need && load<u32>(p, F.PROTOCOL_TX_AVAIL) >= need;
}

/**
 * Of a probe that is due: its bytes, or 0 until so many fit the window beside what is in flight.
 * RFC 4821 7.4: a full window falls by a probe at most, and what is in flight then, three segments
 * and more, is acknowledged without a delay.
 */
// @ts-ignore: decorator
@inline
export function sizeProbeBytes(r: usize, usable: u32): u32 {
  const bytes = bytesOf(r);
  // Signed: a window that was lowered may be smaller than what is in flight.
  return <i32>usable >= <i32>bytes ? bytes : 0;
}

/** It leaves, behind all that was sent before. */
export function sizeProbeSent(p: usize, r: usize): void {
  const next = load<u32>(p, F.PROTOCOL_TX_UNA) + load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(r, next, F.SIZE_PROBE_START);
  setSizeProbe(r, F.SizeProbe.Sent);
}

/**
 * RFC 4821 7.6.1: una has passed all of it, which nothing but the probe itself has brought there:
 * what goes again in its place is not so long, and ends it. PM-16: the window is as it was.
 */
export function noteSizeProbeAck(p: usize, r: usize): void {
  if (sizeProbeOf(r) != <u32>F.SizeProbe.Sent) return;
  const bytes = bytesOf(r);
  if (seqBefore(load<u32>(p, F.PROTOCOL_TX_UNA), startOf(r) + bytes)) return;
  store<u16>(p, <u16>bytes, F.PROTOCOL_MSS);
  setSizeProbe(r, F.SizeProbe.None);
}

/** Something else was lost: it says nothing of its size (RFC 4821, 7.6.4). */
// @ts-ignore: decorator
@inline
export function forgetSizeProbe(r: usize): void {
  setSizeProbe(r, F.SizeProbe.None);
}

/**
 * Everything goes again. RFC 4821 7.6.3: a timer that has `expired` with the probe first in flight
 * says that it was too large, and not that nothing else was lost.
 */
export function endSizeProbe(p: usize, r: usize, expired: bool): void {
  const state = sizeProbeOf(r);
  if (state == <u32>F.SizeProbe.None || state == <u32>F.SizeProbe.Failed) return;
  setSizeProbe(r, expired && isFirst(p, r) ? F.SizeProbe.Failed : F.SizeProbe.None);
}

/** Everything in front of it has arrived. */
// @ts-ignore: decorator
@inline
function isFirst(p: usize, r: usize): bool {
  return sizeProbeOf(r) == F.SizeProbe.Sent && load<u32>(p, F.PROTOCOL_TX_UNA) == startOf(r);
}

/**
 * A loss was found, outside of recovery: true when it is the probe's alone, which is no sign of
 * congestion (RFC 4821 7.6.2, PM-15). Without blocks of SACK nobody knows what became of the rest:
 * it was too large, and the loss is answered like any other (7.6.3).
 */
export function isSizeProbeLost(p: usize, r: usize): bool {
  const state = sizeProbeOf(r);
  if (state == <u32>F.SizeProbe.None || state == <u32>F.SizeProbe.Failed) return false;
  const first = isFirst(p, r);
  const log = logOf(r);
  const told = log != 0 && load<u32>(log, LOG_SACKED) != 0;
  const alone = first && told && isHole(p, r, log);
  setSizeProbe(r, alone || (first && !told) ? F.SizeProbe.Failed : F.SizeProbe.None);
  return alone;
}

/** The log's first run is the probe, and nothing behind it is lost. */
function isHole(p: usize, r: usize, log: usize): bool {
  const run = runAt(log, 0);
  const end = startOf(r) + bytesOf(r);
  if (runEnd(run) != end || (runFlags(run) & RUN_SACKED) != 0) return false;
  const own = (runFlags(run) & RUN_LOST) != 0 ? end - load<u32>(p, F.PROTOCOL_TX_UNA) : 0;
  return load<u32>(log, LOG_LOST) == own;
}
