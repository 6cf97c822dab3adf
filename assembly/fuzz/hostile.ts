/**
 * The hostile half of the live target (threats D rows): a context of its own on each core whose
 * descriptors, ring indexes and libTOE calls are whatever the input says, and a control plane that
 * installs that context's connection from a record with wrong fields. The linked connection, in
 * another context, must not notice.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { TIMERS_PER_CONNECTION } from "../../bindings/abi/timer.ts";
import * as core from "./core-imports.ts";
import { command } from "./step.ts";
import { coreOf, HOSTILE, LINKED, nextByte, nextNumber, nextSigned } from "./world.ts";

// @ts-ignore: decorator
@inline
function contextOf(side: usize): usize {
  return <usize>load<u32>(coreOf(side), M.CORE_CONTEXT_TABLE) + HOSTILE * D.CONTEXT_SIZE;
}

// @ts-ignore: decorator
@inline
function libraryOf(side: usize): usize {
  return <usize>load<u32>(side, Z.SIDE_LIBRARY) + S.LIBTOE_SIZE;
}

/** Eight words into the hostile ring, and its doorbell. */
export function postHostile(world: usize, side: usize): void {
  const record = contextOf(side);
  const producer = load<u32>(record, D.CONTEXT_ATX_PRODUCER);
  const place = producer & load<u32>(record, D.CONTEXT_ATX_MASK);
  const entry = <usize>load<u32>(record, D.CONTEXT_ATX_BASE) + place * D.ATX_SIZE;
  const shape = nextByte(world);
  const pre = <usize>load<u32>(coreOf(side), M.CORE_PRE) + HOSTILE * F.PRE_SIZE;
  // A bit of the shape: the field is as an honest application would write it.
  store<u32>(entry, (shape & 1) == 0 ? HOSTILE : nextNumber(world), D.ATX_CONNECTION);
  const generation = load<u32>(pre, F.PRE_GENERATION);
  store<u32>(entry, (shape & 2) == 0 ? generation : nextNumber(world), D.ATX_GENERATION);
  store<u32>(entry, (shape & 4) == 0 ? D.AtxOpcode.Update : nextNumber(world), D.ATX_OPCODE);
  store<u32>(entry, (shape & 8) == 0 ? 0 : nextNumber(world), D.ATX_RX_CREDIT);
  store<u32>(entry, (shape & 16) == 0 ? 0 : nextNumber(world), D.ATX_TX_APPEND);
  store<u32>(entry, (shape & 32) == 0 ? 0 : nextNumber(world), D.ATX_FLAGS);
  store<u32>(entry, (shape & 64) == 0 ? 0 : nextNumber(world), D.ATX_ARGUMENT);
  store<u32>(entry, (shape & 128) == 0 ? 0 : nextNumber(world), D.ATX_ARGUMENT + 4);
  store<u32>(record, producer + 1, D.CONTEXT_ATX_PRODUCER);
}

/** The words that the hostile host may write jump (threats D05, D10). */
export function jump(world: usize, side: usize): void {
  const record = contextOf(side);
  const choice = nextByte(world);
  const distance = (choice & 8) != 0 ? nextNumber(world) : <u32>nextSigned(world);
  const field: usize = (choice & 1) == 0 ? D.CONTEXT_ATX_PRODUCER : D.CONTEXT_ARX_CONSUMER;
  if ((choice & 6) == 6) store<u32>(record, nextByte(world), D.CONTEXT_EVENT_STATE);
  else store<u32>(record + field, load<u32>(record + field) + distance);
}

/** Any connection but the honest one, whose row is its own library's. */
function anyConnection(world: usize): u32 {
  const choice = nextByte(world);
  if ((choice & 3) != 0) return HOSTILE;
  const connection = nextNumber(world);
  return connection == LINKED ? 0 : connection;
}

// @ts-ignore: decorator
@inline
function rowOf(side: usize): usize {
  return <usize>load<u32>(coreOf(side), M.CORE_SOCKETS) + HOSTILE * S.SOCKET_SIZE;
}

/** The hostile socket has its connection, or has none: what a host does around install(). */
function openRow(side: usize, installed: bool): void {
  core.forget(libraryOf(side), HOSTILE);
  const row = rowOf(side);
  memory.fill(row, 0, S.SOCKET_SIZE);
  if (!installed) return;
  const p = <usize>load<u32>(coreOf(side), M.CORE_PROTOCOL) + HOSTILE * F.PROTOCOL_SIZE;
  const bytes = (<u32>1) << load<u8>(p, F.PROTOCOL_TX_SHIFT);
  store<u32>(row, load<u32>(side, Z.SIDE_GENERATION), S.SOCKET_GENERATION);
  store<u32>(row, bytes, S.SOCKET_TX_BYTES);
  store<u32>(row, bytes, S.SOCKET_TX_FREE);
  store<u32>(row, <u32>libraryOf(side), S.SOCKET_OWNER);
  store<u32>(row, S.SOCKET_OPEN | S.SOCKET_SENDABLE, S.SOCKET_STATE);
}

/** A call of libTOE's exports with any arguments (threats U01, U04). */
export function callLibrary(world: usize, side: usize): void {
  const library = libraryOf(side);
  const call = nextByte(world);
  const connection = anyConnection(world);
  const length = nextNumber(world);
  const buffer = load<u32>(side, Z.SIDE_BUFFER);
  const address = (call & 16) == 0 ? buffer : buffer + nextNumber(world);
  switch (call & 15) {
    case 0: core.transmit(library, connection, address, length); break;
    case 1: core.receive(library, connection, address, length); break;
    case 2: {
      // append() has no look at the state: a host asks it for sockets that are open.
      if (connection != HOSTILE || load<u32>(rowOf(side), S.SOCKET_STATE) == 0) break;
      core.append(library, connection, length, call >>> 7);
      break;
    }
    case 3: core.consume(library, connection, length); break;
    case 4: core.put(library, connection, nextByte(world)); break;
    case 5: core.spare(library, connection); break;
    case 6: core.release(library, connection); break;
    case 7: openRow(side, false); break;
    case 8: core.inspect(coreOf(side), connection); break;
    case 9: core.quotes(coreOf(side), connection, length); break;
    case 10: core.lookup(coreOf(side)); break;
    case 11: {
      openRow(side, false);
      core.uninstall(coreOf(side), connection);
      break;
    }
    case 12: core.reserve(coreOf(side), connection, length); break;
    default: core.take(library);
  }
  core.nextReady(library);
}

/** Timers of the hostile row alone: which timers there are is the control plane's to know. */
export function hostileTimer(world: usize, side: usize): void {
  const kind = nextByte(world);
  const timer = HOSTILE * TIMERS_PER_CONNECTION + (kind & 3);
  if ((kind & 4) != 0) core.cancelTimer(coreOf(side), timer);
  else core.armTimer(coreOf(side), timer, <f64>load<u64>(world) + <f64>nextNumber(world));
}

/** The hostile row is bound and installed anew, some bytes of its record being others. */
export function reinstall(world: usize, side: usize): void {
  const address = coreOf(side);
  const record = <usize>load<u32>(address, M.CORE_INSTALL);
  openRow(side, false);
  core.unbind(address, HOSTILE);
  const changes = nextByte(world) & 7;
  for (let i: u32 = 0; i < changes; i++) {
    const at = nextByte(world);
    store<u8>(record + at, <u8>nextNumber(world));
  }
  const generation = load<u32>(side, Z.SIDE_GENERATION) + 1;
  store<u32>(side, generation, Z.SIDE_GENERATION);
  store<u32>(record, HOSTILE, D.INSTALL_CONNECTION);
  store<u32>(record, generation, D.INSTALL_GENERATION);
  core.bind(address);
  if (changes == 7) core.reserve(address, HOSTILE, nextByte(world));
  openRow(side, core.install(address) == D.InstallStatus.Ok);
}

/** A command of the control plane for the hostile connection, with any argument. */
export function commandHostile(world: usize, side: usize): void {
  const opcode = nextByte(world) & 15;
  const low = nextNumber(world);
  command(side, HOSTILE, opcode, low, nextNumber(world));
}
