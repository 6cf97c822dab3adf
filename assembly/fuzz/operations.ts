/**
 * The operations of target `live`: a byte names one and its side, the bytes behind it are its
 * arguments. What the honest control plane and the two applications do keeps the streams whole;
 * what a stranger does is noted (forge), so that only missing bytes are then excused.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { nextDeadline, put, receive, transmit } from "./core-imports.ts";
import { callLibrary, commandHostile, hostileTimer, jump, postHostile } from "./hostile.ts";
import { reinstall } from "./hostile.ts";
import { changeFrame, cutFrame, delayFrame, doubleFrame, dropFrame } from "./network.ts";
import { queued } from "./network.ts";
import { makeSegment } from "./segment.ts";
import { command, deliver, exchange, offer, step } from "./step.ts";
import { checkStream, coreOf, fail, fillStream, forge, isGone, LINKED } from "./world.ts";
import { nextByte, nextHalf, nextNumber, peerOf, raise, sideOf } from "./world.ts";

/** Bytes of the registered buffer that a call uses. */
const CALL_BYTES: u32 = 1024;
/** Time moves by a day at most, in all by less than 2^53 ns. */
const LATEST: f64 = 4e15;

/** The application appends up to `wanted` bytes. */
export function send(world: usize, side: usize, wanted: u32): void {
  const state = load<u32>(side, Z.SIDE_STATE);
  if ((state & (Z.SIDE_GONE | Z.SIDE_FINISHED)) != 0) return;
  const buffer = <usize>load<u32>(side, Z.SIDE_BUFFER);
  const sent = load<u32>(side, Z.SIDE_SENT);
  const length = min(wanted, CALL_BYTES);
  fillStream(world, side, sent, buffer, length);
  const library = <usize>load<u32>(side, Z.SIDE_LIBRARY);
  store<u32>(side, sent + transmit(library, LINKED, buffer, length), Z.SIDE_SENT);
  step(world, side);
}

/** The application reads up to `wanted` bytes; each must be the stream's (I1). */
export function read(world: usize, side: usize, wanted: u32): void {
  if ((load<u32>(side, Z.SIDE_STATE) & (Z.SIDE_GONE | Z.SIDE_DEAF)) != 0) return;
  const buffer = <usize>load<u32>(side, Z.SIDE_BUFFER);
  const library = <usize>load<u32>(side, Z.SIDE_LIBRARY);
  const count = receive(library, LINKED, buffer, min(wanted, CALL_BYTES));
  const peer = peerOf(world, side);
  const received = load<u32>(side, Z.SIDE_RECEIVED);
  if (!checkStream(world, peer, received, buffer, count, Z.FuzzFault.Delivered)) return;
  store<u32>(side, received + count, Z.SIDE_RECEIVED);
  store<u32>(world, load<u32>(world, Z.WORLD_STREAM_CHECKED) + count, Z.WORLD_STREAM_CHECKED);
  const sent = load<u32>(peer, Z.SIDE_SENT);
  if (load<u32>(world, Z.WORLD_FORGED) == 0 && received + count > sent) {
    fail(world, Z.FuzzFault.Invented, received + count, sent, 0);
  }
  if (count != 0) step(world, side);
}

/** Shuts a direction down. */
function shut(world: usize, side: usize, flags: u32): void {
  if (isGone(side)) return;
  if (put(<usize>load<u32>(side, Z.SIDE_LIBRARY), LINKED, flags) == 0) return;
  raise(side, (flags & D.ATX_FIN) != 0 ? Z.SIDE_FINISHED : Z.SIDE_DEAF);
  // Its host resets the connection when data arrives.
  if ((flags & D.ATX_RX_SHUT) != 0) forge(world);
  step(world, side);
}

function advance(world: usize, ns: f64): void {
  const now = min(<f64>load<u64>(world, Z.WORLD_NOW) + ns, LATEST);
  store<u64>(world, <u64>now, Z.WORLD_NOW);
  step(world, sideOf(world, 0));
  step(world, sideOf(world, 1));
}

/** To the next time at which either core has something to do; false when there is none. */
export function advanceToDeadline(world: usize): bool {
  const first = nextDeadline(coreOf(sideOf(world, 0)));
  const at = min(first, nextDeadline(coreOf(sideOf(world, 1))));
  if (!(at < LATEST)) return false;
  advance(world, max(at - <f64>load<u64>(world, Z.WORLD_NOW), 0));
  return true;
}

/** Time passes: 2^0 to 2^40 ns and a little more. */
function pass(world: usize): void {
  const byte = nextByte(world);
  advance(world, <f64>(<u64>(4 + (byte & 3)) << <u64>((byte >>> 2) % 40)));
}

const FLAGS: u32 = F.FLOW_NODELAY | F.FLOW_CORK | F.FLOW_QUICK_ACK;

/** What a control plane and an application may say of a live connection. */
function control(world: usize, side: usize): void {
  if (isGone(side)) return;
  const number = nextByte(world);
  switch (number & 15) {
    case 0: command(side, LINKED, D.AtxOpcode.Retransmit, 1, 0); break;
    case 1: command(side, LINKED, D.AtxOpcode.Probe, number >>> 7, 0); break;
    case 2: command(side, LINKED, D.AtxOpcode.KeepAlive, 0, 0); break;
    case 3: command(side, LINKED, D.AtxOpcode.Acknowledge, 0, 0); break;
    case 4: {
      const interval = nextNumber(world);
      command(side, LINKED, D.AtxOpcode.SetInterval, interval, nextByte(world));
      break;
    }
    case 5: command(side, LINKED, D.AtxOpcode.SetFlags, nextHalf(world) & FLAGS, 0); break;
    case 6: command(side, LINKED, D.AtxOpcode.SetFlags, 0, FLAGS); break;
    case 7: {
      const window = nextNumber(world);
      command(side, LINKED, D.AtxOpcode.SetWindow, window, nextNumber(world));
      break;
    }
    case 8: {
      const byte = nextByte(world);
      const mss: u32 = MSS_MIN + byte % 152;
      // Some try the largest that a slot of the network has room for (RFC 4821, 7.5).
      command(side, LINKED, D.AtxOpcode.SetMss, mss, byte < 96 ? 0 : MSS_MIN + 151);
      break;
    }
    case 9: command(side, LINKED, D.AtxOpcode.SetAlgorithm, nextByte(world), 0); break;
    case 10: command(side, LINKED, D.AtxOpcode.Retransmit, 0, 0); break;
    case 11: command(side, LINKED, D.AtxOpcode.SetInterval, 0, 0); break;
    default: store<u32>(side, number >>> 4 == 0 ? 64 : number >>> 4, Z.SIDE_CREDIT);
  }
  step(world, side);
}

/** A frame that the input gives byte by byte. */
function raw(world: usize, side: usize): void {
  const scratch = <usize>load<u32>(world, Z.WORLD_SCRATCH);
  const length = nextByte(world) & 127;
  for (let i: u32 = 0; i < length; i++) store<u8>(scratch + i, <u8>nextByte(world));
  offer(side, scratch, length);
  forge(world);
  step(world, side);
}

/** One to three segments in one burst. */
function inject(world: usize, side: usize): void {
  if (isGone(side)) return;
  const scratch = <usize>load<u32>(world, Z.WORLD_SCRATCH);
  offer(side, scratch, makeSegment(world, side, scratch));
  step(world, side);
}

/** What the network does to the oldest frame on its way to `side`. */
function disturb(world: usize, side: usize, operation: u32): void {
  if (queued(side) == 0) return;
  const argument = nextByte(world);
  switch (operation) {
    case 0: dropFrame(side, 0); break;
    case 1: doubleFrame(side); break;
    case 2: delayFrame(side, argument & 15); break;
    case 3: dropFrame(side, argument % queued(side)); break;
    case 4: {
      if (changeFrame(world, side, argument, nextByte(world), true)) forge(world);
      break;
    }
    case 5: {
      if (changeFrame(world, side, argument * 3, nextByte(world), false)) forge(world);
      break;
    }
    default: {
      cutFrame(world, side, argument * 2, (argument & 1) == 0);
      if ((argument & 1) == 0) forge(world);
    }
  }
}

function hostile(world: usize, side: usize, operation: u32): void {
  switch (operation) {
    case 0: return jump(world, side);
    case 1: return callLibrary(world, side);
    case 2: return hostileTimer(world, side);
    case 3: return reinstall(world, side);
    case 4: return commandHostile(world, side);
    default: return postHostile(world, side);
  }
}

/** One operation of the input. */
export function operate(world: usize): void {
  const byte = nextByte(world);
  const side = sideOf(world, byte >>> 7);
  const operation = byte & 31;
  if (operation < 5) return deliver(world, side, 1 + operation * 2);
  if (operation < 12) return disturb(world, side, operation - 5);
  if (operation < 16) return inject(world, side);
  if (operation >= 24) {
    if (operation >= 30) return exchange(world, side, 8);
    hostile(world, side, operation - 24);
    if ((byte & 64) == 0) step(world, side);
    return;
  }
  switch (operation) {
    case 16: return send(world, side, nextByte(world) * 4 + 1);
    case 17: return send(world, side, CALL_BYTES);
    case 18: return read(world, side, nextByte(world) * 4 + 1);
    case 19: return read(world, side, CALL_BYTES);
    case 20: return pass(world);
    case 21: {
      advanceToDeadline(world);
      return;
    }
    case 22: return control(world, side);
    default: {
      const choice = nextByte(world);
      if (choice < 64) return shut(world, side, D.ATX_FIN);
      return choice < 80 ? shut(world, side, D.ATX_RX_SHUT) : raw(world, side);
    }
  }
}
