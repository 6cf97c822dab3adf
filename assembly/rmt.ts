/**
 * Exports of the build with the stage programs alone: TCP's, its parts one by one for tests and
 * own programs, whole passes over a burst, and what surrounds the stages of an RMT machine.
 */
import { clearVectors } from "./base/bytes.ts";
import { arrived, due, NEVER } from "./base/delay-line.ts";
import {
  CONNECTION, deparse_acknowledgment, EDGE, egressFused, egressStagewise, END, GROUP_0, HAS_ACK,
  HEADER_BYTES, ingressFused, ingressStagewise, KIND, LENGTH, MIRROR, parse, ROW_0,
} from "./laminar/generated/tcp.ts";
import { exactSlot, match } from "./laminar/match.ts";
import { measure } from "./laminar/meter.ts";
import { mirror } from "./laminar/mirror.ts";
import { generated, generatorActive } from "./laminar/packet-generator.ts";
import { recirculate, recirculationOpen } from "./laminar/recirculation.ts";
import { dequeue, dequeueDue, enqueue, pausePort } from "./laminar/traffic-manager.ts";
import { rowOf } from "./laminar/state.ts";
import { interpret } from "./laminar/interpreter.ts";
import { TCP_SIZE } from "../bindings/abi/tcp.ts";
export { egressFused, egressStagewise, exactSlot, ingressFused, ingressStagewise, match, parse };
export { deparse_acknowledgment as deparseAcknowledgment, interpret };
export { enqueue as managerEnqueue, pausePort as managerPause };

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
    clearVectors(phv, HEADER_BYTES);
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

/** What is never due. */
function picoseconds(time: u64): f64 {
  return time == NEVER ? <f64>Infinity : <f64>time;
}

/** The next packet of the egress pipeline at `now`, in ps as all times here; 0: none may leave. */
export function managerDequeue(manager: usize, now: f64): u32 {
  return dequeue(manager, <u64>now);
}

/** When there is one; Infinity when none waits for a port that is not paused. */
export function managerDue(manager: usize): f64 {
  return picoseconds(dequeueDue(manager));
}

/** Sends a copy of a header vector; 0 when it is lost. */
export function mirrorSend(line: usize, packet: u32, now: f64): bool {
  return mirror(line, packet, <u64>now);
}

/** Sends a packet round; 0 when the port takes no more. */
export function recirculationSend(line: usize, packet: u32, bytes: u32, now: f64): bool {
  return recirculate(line, packet, bytes, <u64>now);
}

/** When the port takes the next packet. */
export function recirculationRoom(line: usize, now: f64): f64 {
  return picoseconds(recirculationOpen(line, <u64>now));
}

/** The next packet that a mirror or recirculation brings back, or 0. */
export function lineArrived(line: usize, now: f64): u32 {
  return arrived(line, <u64>now);
}

/** When it arrives. */
export function lineDue(line: usize): f64 {
  return picoseconds(due(line));
}

/** A connection has sent. */
export function generatorTouch(generator: usize, connection: u32, now: f64): void {
  generatorActive(generator, connection, <u64>now);
}

/** The connection whose SYNC is due, plus one; 0 when none is. */
export function generatorNext(generator: usize, now: f64): u32 {
  return generated(generator, <u64>now);
}

/** A packet's verdict by its meter. */
export function meterPass(meter: usize, bytes: u32, now: f64): u32 {
  return measure(meter, bytes, <u64>now);
}
