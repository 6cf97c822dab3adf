/**
 * Frames on their way to one side: a row of slots in the order in which they were sent, which the
 * input drops, doubles, delays, cuts and changes. Checksums of a changed frame are made right again
 * from RFC 1071 alone, and its payload is what the stream has at its new place: a mutant gets deep,
 * and no byte that is delivered may be wrong.
 */
import { load16be, load32be, store16be } from "../base/bytes.ts";
import { ETHERNET_SIZE } from "../../bindings/abi/ethernet.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import { IPV4_CHECKSUM, IPV4_SIZE, IPV4_SOURCE, IPV4_TOTAL_LENGTH } from "../../bindings/abi/ip.ts";
import { PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_CHECKSUM, TCP_DATA_OFFSET, TCP_FLAGS, TCP_SEQ } from "../../bindings/abi/tcp.ts";
import { TCP_SIZE, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { fillStream, peerOf } from "./world.ts";

/** Sum of the 16-bit words as they stand, two at a time; what is left over is zero-filled. */
function sum(at: usize, length: u32, start: u64): u64 {
  let total = start;
  let i: u32 = 0;
  for (; i + 4 <= length; i += 4) total += <u64>load<u32>(at + i);
  if ((length & 2) != 0) total += <u64>load<u16>(at + i);
  if ((length & 1) != 0) total += <u64>load<u8>(at + length - 1);
  return total;
}

// @ts-ignore: decorator
@inline
function folded(total: u64): u32 {
  const once = (total & 0xffffffff) + (total >>> 32);
  const twice = <u32>((once & 0xffff) + (once >>> 16));
  const thrice = (twice & 0xffff) + (twice >>> 16);
  return (thrice & 0xffff) + (thrice >>> 16);
}

/** Of a header with its checksum: 0xffff when it is right (RFC 1071, 1). */
export function headerSum(ip: usize): u32 {
  return folded(sum(ip, IPV4_SIZE, 0));
}

/** Of pseudo header and segment, checksum included. */
export function segmentSum(ip: usize, length: u32): u32 {
  const words = (PROTOCOL_TCP << 8) + <u32>bswap<u16>(<u16>length);
  return folded(sum(ip + IPV4_SIZE, length, sum(ip + IPV4_SOURCE, 8, words)));
}

/** Both checksums of a frame of IPv4 without options, if its lengths allow. */
export function fixChecksums(frame: usize, length: u32): void {
  if (length < ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE) return;
  const ip = frame + ETHERNET_SIZE;
  store<u16>(ip, 0, IPV4_CHECKSUM);
  store<u16>(ip, <u16>~headerSum(ip), IPV4_CHECKSUM);
  const total = load16be(ip, IPV4_TOTAL_LENGTH);
  if (total < IPV4_SIZE + TCP_SIZE || total > length - ETHERNET_SIZE) return;
  const tcp = ip + IPV4_SIZE;
  store<u16>(tcp, 0, TCP_CHECKSUM);
  store<u16>(tcp, <u16>~segmentSum(ip, total - IPV4_SIZE), TCP_CHECKSUM);
}

/** Puts the stream's bytes into a frame for `side`, wherever its header now says they stand. */
export function fixPayload(world: usize, side: usize, frame: usize, length: u32): void {
  if (length < ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE) return;
  const ip = frame + ETHERNET_SIZE;
  const tcp = ip + IPV4_SIZE;
  const total = load16be(ip, IPV4_TOTAL_LENGTH);
  const header = <u32>(load<u8>(tcp, TCP_DATA_OFFSET) >> 4) * 4;
  if (total > length - ETHERNET_SIZE || header < TCP_SIZE || IPV4_SIZE + header >= total) return;
  const sender = peerOf(world, side);
  const first = load32be(tcp, TCP_SEQ) + ((load<u8>(tcp, TCP_FLAGS) & TCP_SYN) != 0 ? 1 : 0);
  const position = first - load<u32>(sender, Z.SIDE_TX_ORIGIN);
  fillStream(world, sender, position, tcp + header, total - IPV4_SIZE - header);
}

// @ts-ignore: decorator
@inline
export function queued(side: usize): u32 {
  return load<u32>(side, Z.SIDE_QUEUED);
}

/** Slot of the frame that is `place` frames behind the oldest. */
// @ts-ignore: decorator
@inline
export function slotAt(side: usize, place: u32): u32 {
  return load<u8>(side + place, Z.SIDE_ORDER);
}

// @ts-ignore: decorator
@inline
export function frameOf(side: usize, slot: u32): usize {
  return <usize>load<u32>(side, Z.SIDE_SLOTS) + slot * Z.FRAME_ROOM;
}

// @ts-ignore: decorator
@inline
export function lengthOf(side: usize, slot: u32): u32 {
  return load<u16>(side + slot * 2, Z.SIDE_LENGTHS);
}

// @ts-ignore: decorator
@inline
export function setLength(side: usize, slot: u32, length: u32): void {
  store<u16>(side + slot * 2, <u16>length, Z.SIDE_LENGTHS);
}

/** True when no frame fits any more: what is sent then is lost, as behind a full queue. */
// @ts-ignore: decorator
@inline
export function isFull(side: usize): bool {
  return queued(side) == Z.FRAMES_MAX;
}

/** A slot for one more frame, the last in order; there is one. */
export function pushFrame(side: usize, length: u32): usize {
  const place = queued(side);
  const slot = freeSlot(side);
  store<u8>(side + place, <u8>slot, Z.SIDE_ORDER);
  store<u32>(side, place + 1, Z.SIDE_QUEUED);
  setLength(side, slot, length);
  return frameOf(side, slot);
}

/** The first slot that no frame is in; there is one. */
function freeSlot(side: usize): u32 {
  let taken: u32 = 0;
  for (let place: u32 = 0; place < queued(side); place++) taken |= 1 << slotAt(side, place);
  return ctz<u32>(~taken);
}

// @ts-ignore: decorator
@inline
function closeUp(side: usize, place: u32): void {
  store<u8>(side + place, load<u8>(side + place + 1, Z.SIDE_ORDER), Z.SIDE_ORDER);
}

/** Takes the frame at `place` out; the order of the others stays. */
export function dropFrame(side: usize, place: u32): void {
  const last = queued(side) - 1;
  for (let i = place; i < last; i++) closeUp(side, i);
  store<u32>(side, last, Z.SIDE_QUEUED);
}

/** The oldest frame goes behind `places` others. */
export function delayFrame(side: usize, places: u32): void {
  const most = min(places, queued(side) - 1);
  const slot = slotAt(side, 0);
  for (let i: u32 = 0; i < most; i++) closeUp(side, i);
  store<u8>(side + most, <u8>slot, Z.SIDE_ORDER);
}

/** A second copy of the oldest frame, behind the others. */
export function doubleFrame(side: usize): void {
  if (isFull(side)) return;
  const slot = slotAt(side, 0);
  const length = lengthOf(side, slot);
  const from = frameOf(side, slot);
  memory.copy(pushFrame(side, length), from, length);
}

/** The oldest frame ends earlier; with `honest` its headers say so. */
export function cutFrame(world: usize, side: usize, length: u32, honest: bool): void {
  const slot = slotAt(side, 0);
  const kept = min(length, lengthOf(side, slot));
  setLength(side, slot, kept);
  if (!honest || kept < ETHERNET_SIZE + IPV4_SIZE) return;
  const frame = frameOf(side, slot);
  store16be(frame + ETHERNET_SIZE, kept - ETHERNET_SIZE, IPV4_TOTAL_LENGTH);
  // A byte may have been changed before.
  fixPayload(world, side, frame, kept);
  fixChecksums(frame, kept);
}

/** True when both checksums are right as the header has the lengths. */
function isSound(frame: usize, length: u32): bool {
  if (length < ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE) return false;
  const ip = frame + ETHERNET_SIZE;
  const total = load16be(ip, IPV4_TOTAL_LENGTH);
  if (total < IPV4_SIZE + TCP_SIZE || total > length - ETHERNET_SIZE) return false;
  return headerSum(ip) == 0xffff && segmentSum(ip, total - IPV4_SIZE) == 0xffff;
}

/**
 * Changes one byte of the oldest frame; with `honest` payload and checksums fit again. True when
 * they fit in the end: what was changed more than once may have kept its sum (RFC 1071).
 */
export function changeFrame(
  world: usize, side: usize, at: u32, value: u32, honest: bool,
): bool {
  const slot = slotAt(side, 0);
  const frame = frameOf(side, slot);
  const length = lengthOf(side, slot);
  if (length == 0) return false;
  const place = frame + at % length;
  store<u8>(place, load<u8>(place) ^ <u8>value);
  if (!honest && !isSound(frame, length)) return false;
  fixPayload(world, side, frame, length);
  fixChecksums(frame, length);
  return true;
}
