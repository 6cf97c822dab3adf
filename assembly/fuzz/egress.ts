/**
 * What leaves a core in the live target, judged frame by frame: sound headers and checksums (I6),
 * payload that is the stream's and no other memory's, no ACK of what was not received (I5), a
 * window whose right edge stays (I3). A frame that passes waits for the other side.
 */
import { copyBytes, load16be, load32be } from "../base/bytes.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { ETHER_TYPE_IPV4, ETHERNET_SIZE, ETHERNET_TYPE } from "../../bindings/abi/ethernet.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import { IPV4_SIZE, IPV4_TOTAL_LENGTH, IPV4_VERSION_IHL } from "../../bindings/abi/ip.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { headerSum, isFull, pushFrame, segmentSum } from "./network.ts";
import { checkStream, coreOf, fail, isGone, linkedOf, LINKED, peerOf } from "./world.ts";

/** 0, or the number of the check that a frame of IPv4 does not pass. */
function unsound(frame: usize, length: u32): u32 {
  if (length < ETHERNET_SIZE + IPV4_SIZE + T.TCP_SIZE || length > Z.FRAME_ROOM) return 1;
  if (load16be(frame, ETHERNET_TYPE) != ETHER_TYPE_IPV4) return 2;
  const ip = frame + ETHERNET_SIZE;
  if (load<u8>(ip, IPV4_VERSION_IHL) != 0x45) return 3;
  if (load16be(ip, IPV4_TOTAL_LENGTH) != length - ETHERNET_SIZE) return 4;
  if (headerSum(ip) != 0xffff) return 5;
  const segment = length - ETHERNET_SIZE - IPV4_SIZE;
  const header = headerBytes(ip + IPV4_SIZE);
  if (header < T.TCP_SIZE || header > segment) return 6;
  return segmentSum(ip, segment) == 0xffff ? 0 : 7;
}

// @ts-ignore: decorator
@inline
function headerBytes(tcp: usize): u32 {
  return <u32>(load<u8>(tcp, T.TCP_DATA_OFFSET) >> 4) * 4;
}

function checkPayload(world: usize, side: usize, tcp: usize, segment: u32): void {
  const header = headerBytes(tcp);
  const length = segment - header;
  const seq = load32be(tcp, T.TCP_SEQ);
  const position = seq - load<u32>(side, Z.SIDE_TX_ORIGIN);
  checkStream(world, side, position, tcp + header, length, Z.FuzzFault.Sent);
  if (length != 0 && <i32>(position + length - load<u32>(side, Z.SIDE_SENT)) > 0) {
    fail(world, Z.FuzzFault.Sent, seq, load<u32>(side, Z.SIDE_SENT), position + length);
  }
}

function checkWindow(world: usize, side: usize, tcp: usize): void {
  const p = linkedOf(side);
  const ack = load32be(tcp, T.TCP_ACK);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  if (<i32>(ack - next) > 0) fail(world, Z.FuzzFault.Acknowledged, ack, next, 0);
  const scale: u32 = load<u8>(p, F.PROTOCOL_LOCAL_SCALE);
  const edge = ack + (load16be(tcp, T.TCP_WINDOW) << scale);
  const before = load<u32>(side, Z.SIDE_EDGE);
  // What the field cannot say is less than a unit.
  if (<i32>(edge + (1 << scale) - 1 - before) < 0) fail(world, Z.FuzzFault.Window, before, edge, 0);
  if (<i32>(edge - before) > 0) store<u32>(side, edge, Z.SIDE_EDGE);
}

/** One frame that left `side`: judged, then on its way to the other. */
function leave(world: usize, side: usize, frame: usize, length: u32, connection: u32): void {
  // The hostile connection's headers are what its record says.
  if (connection != LINKED) return;
  const check = unsound(frame, length);
  if (check != 0) return fail(world, Z.FuzzFault.Egress, check, length, 0);
  if (isGone(side)) return;
  const tcp = frame + ETHERNET_SIZE + IPV4_SIZE;
  checkPayload(world, side, tcp, length - ETHERNET_SIZE - IPV4_SIZE);
  checkWindow(world, side, tcp);
  const peer = peerOf(world, side);
  if (!isFull(peer)) copyBytes(pushFrame(peer, length), frame, length);
}

/** Empties the egress burst of a side's core. */
export function takeEgress(world: usize, side: usize): void {
  const core = coreOf(side);
  const count = load<u32>(core, M.CORE_EGRESS_COUNT);
  const span = <usize>load<u32>(core, M.CORE_EGRESS);
  let entry = <usize>load<u32>(core, M.CORE_EGRESS_TABLE);
  for (let i: u32 = 0; i < count; i++) {
    const frame = span + load<u32>(entry, D.FRAME_OFFSET);
    const length = load<u32>(entry, D.FRAME_LENGTH);
    leave(world, side, frame, length, load<u32>(entry, D.FRAME_CONNECTION));
    entry += D.FRAME_SIZE;
  }
  store<u32>(side, load<u32>(side, Z.SIDE_FRAMES_OUT) + count, Z.SIDE_FRAMES_OUT);
  store<u64>(core, 0, M.CORE_EGRESS_COUNT);
}
