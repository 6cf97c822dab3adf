/**
 * Options of a connection as its row keeps them, and what a change means for a live connection.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { CongestionAlgorithm, FLOW_CORK, FLOW_NODELAY } from "../../bindings/abi/flow-state.ts";
import { FLOW_QUICK_ACK } from "../../bindings/abi/flow-state.ts";
import { WINDOW_SCALE_MAX } from "../../bindings/abi/limits.ts";
import { largestBufferShift } from "../../bindings/layout.ts";
import { congestionAt, congestionIndex } from "./congestion/algorithm.ts";
import { inlineChoice, optionFlags, segmentBytes } from "./install.ts";
import type { ConnectionOptions } from "./interface.ts";
import { restartKeepAlive } from "./keep-alive.ts";
import type { Plane } from "./plane.ts";
import { limitRate, startRate } from "./rate-control.ts";
import * as R from "./row-table.ts";

const MILLISECOND = 1e6;
/** RFC 9293 3.9.1.9 leaves the two ECN bits to the transport. */
const DSCP_MASK = 0xfc;
const LARGEST_MSS = 65495;

/** log2 of the buffer that `bytes` asks for: whole chunks, a power of two, within the limit. */
export function bufferShift(bytes: number, chunkBytes: number): number {
  if (!(bytes > chunkBytes)) return 31 - Math.clz32(chunkBytes);
  const most = largestBufferShift(chunkBytes);
  return bytes >= 1 << most ? most : 32 - Math.clz32(bytes - 1);
}

/** Smallest shift that brings a buffer of 2^`shift` bytes into 16 bits (RFC 7323, 2.3). */
export function windowScale(shift: number): number {
  return Math.min(WINDOW_SCALE_MAX, Math.max(0, shift - 15));
}

/** RFC 7323, 2.3: once and for all, so for the largest window that there may be. */
export function offeredScale(options: ConnectionOptions, chunkBytes: number): number {
  return windowScale(
    bufferShift(Math.max(options.receiveBuffer, options.receiveBufferMax), chunkBytes),
  );
}

function flagsOf(options: ConnectionOptions): number {
  return (
    (options.noDelay ? R.OPTION_NO_DELAY : 0) |
    (options.cork ? R.OPTION_CORK : 0) |
    (options.quickAck ? R.OPTION_QUICK_ACK : 0) |
    (options.keepAlive ? R.OPTION_KEEP_ALIVE : 0) |
    (options.linger === 0 ? R.OPTION_LINGER_RESET : 0)
  );
}

function writeLive(plane: Plane, id: number, options: ConnectionOptions): void {
  const { words, times } = plane.rows;
  const row = plane.rows.wordOf(id);
  words[row + R.ROW_OPTIONS] = flagsOf(options);
  words[row + R.ROW_KEEP_COUNT] = options.keepAliveCount;
  words[row + R.ROW_TTL] = options.ttl;
  words[row + R.ROW_TOS] = options.tos & DSCP_MASK;
  words[row + R.ROW_MAX_SEGMENT] = Math.min(LARGEST_MSS, options.maxSegment);
  words[row + R.ROW_CONGESTION] = congestionIndex(options.congestion, plane.profile.algorithm);
  const at = plane.rows.timeOf(id);
  times[at + R.TIME_KEEP_IDLE] = options.keepAliveIdle * MILLISECOND;
  times[at + R.TIME_KEEP_INTERVAL] = options.keepAliveInterval * MILLISECOND;
  times[at + R.TIME_USER_TIMEOUT] = options.userTimeout * MILLISECOND;
  times[at + R.TIME_LINGER2] = options.linger2 * MILLISECOND;
  times[at + R.RATE_PACING] = options.pacingRate;
}

/** log2 of the largest window that a SYN, whose field is not scaled, can announce. */
const SYN_WINDOW_SHIFT = 16;

/**
 * Writes the options of a new row, which is bound, and reserves its receive buffer as far as its
 * first window reaches; false when the arena has nothing left.
 */
export function writeOptions(plane: Plane, id: number, options: ConnectionOptions): boolean {
  const { rows, profile, core } = plane;
  const { chunkBytes } = core.map.options;
  const rxShift = bufferShift(options.receiveBuffer, chunkBytes);
  const most = bufferShift(options.receiveBufferMax, chunkBytes);
  const first = Math.min(rxShift, Math.max(SYN_WINDOW_SHIFT, 31 - Math.clz32(chunkBytes)));
  const granted = core.exports.reserve(core.address, id, first);
  const { words } = rows;
  const row = rows.wordOf(id);
  words[row + R.ROW_RX_SHIFT] = rxShift;
  words[row + R.ROW_RX_LIMIT] = Math.max(rxShift, most);
  words[row + R.ROW_TX_SHIFT] = bufferShift(options.sendBuffer, chunkBytes);
  words[row + R.ROW_LOCAL_SCALE] = offeredScale(options, chunkBytes);
  // Shifts: a power by ** is a call.
  words[row + R.ROW_ANNOUNCED] = granted < 16 ? 1 << granted : 65535;
  words[row + R.ROW_SYN_RETRIES] = options.synRetries > 0 ? options.synRetries : profile.synRetries;
  writeLive(plane, id, options);
  return granted > 0;
}

/** The bound that is to hold comes before the one that goes: neither command may find none. */
function changeCongestion(plane: Plane, id: number): void {
  const { rows, commands, profile } = plane;
  const congestion = congestionAt(rows.get(id, R.ROW_CONGESTION));
  const isRated = congestion.algorithm === CongestionAlgorithm.None;
  if (isRated) startRate(plane, id);
  const low = inlineChoice(congestion, profile);
  commands.push(id, rows.get(id, R.ROW_GENERATION), AtxOpcode.SetAlgorithm, low, 0);
  if (!isRated) startRate(plane, id);
}

/** Applies changed options; of a live connection the data path is told what it keeps. */
export function configureRow(plane: Plane, id: number, options: ConnectionOptions): void {
  const { rows, commands } = plane;
  const before = optionFlags(plane, id);
  const header = [rows.get(id, R.ROW_TTL), rows.get(id, R.ROW_TOS)];
  const congestion = rows.get(id, R.ROW_CONGESTION);
  const pacing = rows.time(id, R.RATE_PACING);
  const segment = rows.get(id, R.ROW_MAX_SEGMENT);
  writeLive(plane, id, options);
  if (!rows.has(id, R.ROW_IS_INSTALLED)) return;
  const generation = rows.get(id, R.ROW_GENERATION);
  const push = (opcode: AtxOpcode, low: number, high: number): void => {
    commands.push(id, generation, opcode, low, high);
  };
  const set = optionFlags(plane, id);
  if (set !== before) {
    const all = FLOW_NODELAY | FLOW_CORK | FLOW_QUICK_ACK;
    push(AtxOpcode.SetFlags, set, all & ~set);
  }
  if (header[0] !== rows.get(id, R.ROW_TTL) || header[1] !== rows.get(id, R.ROW_TOS)) {
    push(AtxOpcode.SetHeader, rows.get(id, R.ROW_TTL), rows.get(id, R.ROW_TOS));
  }
  if (segment !== rows.get(id, R.ROW_MAX_SEGMENT)) {
    push(AtxOpcode.SetMss, segmentBytes(plane, id), 0);
  }
  if (rows.get(id, R.ROW_CONGESTION) !== congestion) changeCongestion(plane, id);
  else if (pacing !== options.pacingRate) limitRate(plane, id);
  restartKeepAlive(plane, id);
}
