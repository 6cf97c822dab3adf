/**
 * Exports of the build with the stage programs alone: TCP's, its parts one by one for tests and
 * own programs, and whole passes over a burst.
 */
import {
  CONNECTION, deparse_acknowledgment, EDGE, egressFused, egressStagewise, END, GROUP_0, HAS_ACK,
  HEADER_BYTES, ingressFused, ingressStagewise, KIND, LENGTH, MIRROR, parse, ROW_0,
} from "./laminar/generated/tcp.ts";
import { exactSlot, match } from "./laminar/match.ts";
import { rowOf } from "./laminar/state.ts";
import { interpret } from "./laminar/interpreter.ts";
import { TCP_SIZE } from "../bindings/abi/tcp.ts";
export { egressFused, egressStagewise, exactSlot, ingressFused, ingressStagewise, match, parse };
export { deparse_acknowledgment as deparseAcknowledgment, interpret };

/** Bytes of a header vector. */
export function headerBytes(): u32 {
  return HEADER_BYTES;
}

/** What ingress hands to egress beside the packet, a word each: fields in this order. */
const BRIDGED_WORDS: u32 = 6;

// @ts-ignore: decorator
@inline
function bridge(phv: usize, metadata: usize): void {
  store<u32>(phv, load<u32>(metadata), KIND);
  store<u32>(phv, load<u32>(metadata, 4), HAS_ACK);
  store<u32>(phv, load<u32>(metadata, 8), CONNECTION);
  store<u32>(phv, load<u32>(metadata, 12), END);
  store<u32>(phv, load<u32>(metadata, 16), LENGTH);
  store<u32>(phv, load<u32>(metadata, 20), EDGE);
}

/** Fields that nobody fills are 0. By vectors: memory.fill() is a call outside of the module. */
// @ts-ignore: decorator
@inline
function clearVector(phv: usize): void {
  const zero = i64x2.splat(0);
  for (let at: u32 = 0; at < HEADER_BYTES; at += 32) {
    v128.store(phv + at, zero);
    v128.store(phv + at, zero, 16);
  }
}

/**
 * Reads a word of each packet's row of registers: nothing waits for another, so the misses of a
 * burst are under way at once. Returns a number without meaning.
 */
// @ts-ignore: decorator
@inline
function readAhead(state: usize, metadata: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const connection = load<u32>(metadata + i * BRIDGED_WORDS * 4, 8);
    sum += load<u32>(rowOf(state, GROUP_0, ROW_0, connection));
  }
  return sum;
}

/**
 * Egress passes of `count` packets, parser to deparser, without payload: headers of `size` bytes
 * each from `packets` on, what ingress found of each from `metadata` on, one header vector at `phv`
 * for all. Returns how many were mirrored.
 */
export function passes(
  phv: usize,
  state: usize,
  packets: usize,
  size: u32,
  metadata: usize,
  count: u32,
  fused: bool,
): u32 {
  let mirrored: u32 = 0;
  store<u32>(phv, readAhead(state, metadata, count));
  for (let i: u32 = 0; i < count; i++) {
    const packet = packets + i * size;
    clearVector(phv);
    if (!parse(phv, packet, size)) continue;
    bridge(phv, metadata + i * BRIDGED_WORDS * 4);
    if (fused) egressFused(phv, state);
    else egressStagewise(phv, state);
    if (load<u32>(phv, MIRROR) == 0) continue;
    deparse_acknowledgment(phv, packet + size - TCP_SIZE);
    mirrored++;
  }
  return mirrored;
}
