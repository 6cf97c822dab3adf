/**
 * TCP options of a segment on the data path (RFC 9293, 3.1; RFC 7323; RFC 2018). Only timestamps
 * and SACK matter after the handshake; MSS, window scale and SACK-permitted are ignored here
 * (RFC 9293 MUST-65, RFC 7323 2.2). The first of duplicate options wins.
 */
import { load32be } from "../base/bytes.ts";
import { OPTION_STEPS_MAX, SACK_BLOCKS_MAX } from "../../bindings/abi/limits.ts";
import { OPTION_END, OPTION_NOP, OPTION_SACK, OPTION_TIMESTAMP } from "../../bindings/abi/tcp.ts";
import { OPTION_TIMESTAMP_LENGTH } from "../../bindings/abi/tcp.ts";
import { OPTION_HAS_SACK, OPTION_HAS_TIMESTAMP, WORK_OPTIONS } from "../../bindings/abi/work.ts";
import { WORK_SACK, WORK_SACK_COUNT, WORK_TS_ECR, WORK_TS_VAL } from "../../bindings/abi/work.ts";

/**
 * Reads the options in [at, end) into the work record's summary. False when an option's length is
 * illegal (below 2 or past the end, RFC 9293 MUST-7): what was read so far stands, the rest is
 * ignored and the caller counts it.
 */
export function parseOptions(work: usize, at: usize, end: usize): bool {
  let cursor = at;
  for (let step: u32 = 0; step < OPTION_STEPS_MAX && cursor < end; step++) {
    const kind: u32 = load<u8>(cursor);
    if (kind == OPTION_END) return true;
    if (kind == OPTION_NOP) {
      cursor++;
      continue;
    }
    if (cursor + 1 >= end) return false;
    const length: u32 = load<u8>(cursor, 1);
    if (length < 2 || cursor + length > end) return false;
    if (kind == OPTION_TIMESTAMP) parseTimestamp(work, cursor, length);
    else if (kind == OPTION_SACK) parseSack(work, cursor, length);
    cursor += length;
  }
  return true;
}

function parseTimestamp(work: usize, option: usize, length: u32): void {
  const seen = load<u32>(work, WORK_OPTIONS);
  if (length != OPTION_TIMESTAMP_LENGTH || (seen & OPTION_HAS_TIMESTAMP) != 0) return;
  store<u32>(work, seen | OPTION_HAS_TIMESTAMP, WORK_OPTIONS);
  store<u32>(work, load32be(option, 2), WORK_TS_VAL);
  store<u32>(work, load32be(option, 6), WORK_TS_ECR);
}

function parseSack(work: usize, option: usize, length: u32): void {
  const seen = load<u32>(work, WORK_OPTIONS);
  const blocks = (length - 2) >> 3;
  if ((length - 2) % 8 != 0 || blocks < 1 || blocks > SACK_BLOCKS_MAX) return;
  if ((seen & OPTION_HAS_SACK) != 0) return;
  store<u32>(work, seen | OPTION_HAS_SACK, WORK_OPTIONS);
  store<u32>(work, blocks, WORK_SACK_COUNT);
  for (let i: u32 = 0; i < blocks; i++) {
    store<u32>(work + WORK_SACK + i * 8, load32be(option + 2 + i * 8));
    store<u32>(work + WORK_SACK + i * 8 + 4, load32be(option + 6 + i * 8));
  }
}
