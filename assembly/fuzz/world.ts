/**
 * Access to a world of the live target (bindings/abi/fuzz.ts): the input's bytes, the two sides,
 * what either stream has at a position, and the first fault of a case.
 */
import { copyBytes } from "../base/bytes.ts";
import { PROTOCOL_SIZE } from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import * as M from "../../bindings/abi/memory-map.ts";

/** The connection between the two cores, on both of them. */
export const LINKED: u32 = 1;
/** The connection of the hostile context, 2. */
export const HOSTILE: u32 = 2;

// @ts-ignore: decorator
@inline
export function sideOf(world: usize, index: u32): usize {
  return world + Z.WORLD_SIDES + index * Z.SIDE_SIZE;
}

/** The other end. */
// @ts-ignore: decorator
@inline
export function peerOf(world: usize, side: usize): usize {
  const first = world + Z.WORLD_SIDES;
  return side == first ? first + Z.SIDE_SIZE : first;
}

// @ts-ignore: decorator
@inline
export function coreOf(side: usize): usize {
  return <usize>load<u32>(side, Z.SIDE_CORE);
}

/** PROTOCOL record of the connection between the cores. */
// @ts-ignore: decorator
@inline
export function linkedOf(side: usize): usize {
  return <usize>load<u32>(coreOf(side), M.CORE_PROTOCOL) + LINKED * PROTOCOL_SIZE;
}

// @ts-ignore: decorator
@inline
export function isGone(side: usize): bool {
  return (load<u32>(side, Z.SIDE_STATE) & Z.SIDE_GONE) != 0;
}

// @ts-ignore: decorator
@inline
export function raise(side: usize, bits: u32): void {
  store<u32>(side, load<u32>(side, Z.SIDE_STATE) | bits, Z.SIDE_STATE);
}

/** Not one of the two applications did something: what is sent need not arrive. */
// @ts-ignore: decorator
@inline
export function forge(world: usize): void {
  store<u32>(world, 1, Z.WORLD_FORGED);
}

/** Keeps the first fault. */
export function fail(world: usize, fault: Z.FuzzFault, a: u32, b: u32, c: u32): void {
  if (load<u32>(world, Z.WORLD_FAULT) != 0) return;
  store<u32>(world, fault, Z.WORLD_FAULT);
  store<u32>(world, a, Z.WORLD_DETAIL);
  store<u32>(world, b, Z.WORLD_DETAIL + 4);
  store<u32>(world, c, Z.WORLD_DETAIL + 8);
}

// @ts-ignore: decorator
@inline
export function hasInput(world: usize): bool {
  return load<u32>(world, Z.WORLD_INPUT) < load<u32>(world, Z.WORLD_END);
}

/** The next byte; 0 behind the last. */
export function nextByte(world: usize): u32 {
  if (!hasInput(world)) return 0;
  const at = load<u32>(world, Z.WORLD_INPUT);
  store<u32>(world, at + 1, Z.WORLD_INPUT);
  return load<u8>(at);
}

/** A byte with its sign. */
// @ts-ignore: decorator
@inline
export function nextSigned(world: usize): i32 {
  return <i32><i8>nextByte(world);
}

export function nextHalf(world: usize): u32 {
  return (nextByte(world) << 8) | nextByte(world);
}

/** Most numbers that matter are near a limit: a byte chooses one, or how many bytes follow. */
export function nextNumber(world: usize): u32 {
  const choice = nextByte(world);
  if (choice < 128) return choice;
  const kind = choice & 15;
  if (kind < 4) return <u32>1 << (kind * 8 + 7);
  if (kind < 8) return ~(<u32>0) >> ((kind - 4) * 8);
  if (kind < 12) return nextHalf(world) << (kind - 8);
  if (kind == 12) return 0 - nextByte(world);
  return (nextHalf(world) << 16) | nextHalf(world);
}

/** Where in the table the bytes of what `side` sends stand, from `position` on: 1,024 of them. */
// @ts-ignore: decorator
@inline
function streamAt(world: usize, side: usize, position: u32): usize {
  const place = position + (load<u32>(side, Z.SIDE_TX_ORIGIN) >>> 20);
  return <usize>load<u32>(world, Z.WORLD_STREAM) + (place & (Z.STREAM_PERIOD - 1));
}

/** Writes `length` bytes of what `side` sends, from `position` on. */
// @ts-ignore: decorator
@inline
export function fillStream(
  world: usize, side: usize, position: u32, at: usize, length: u32,
): void {
  copyBytes(at, streamAt(world, side, position), length);
}

/** Compares `length` bytes with what `side` sends from `position` on; false after a fault. */
export function checkStream(
  world: usize, side: usize, position: u32, at: usize, length: u32, fault: Z.FuzzFault,
): bool {
  const from = streamAt(world, side, position);
  let i: u32 = 0;
  while (i + 8 <= length && load<u64>(at + i) == load<u64>(from + i)) i += 8;
  while (i < length && load<u8>(at + i) == load<u8>(from + i)) i++;
  if (i == length) return true;
  fail(world, fault, position + i, load<u8>(from + i), load<u8>(at + i));
  return false;
}
