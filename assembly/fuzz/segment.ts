/**
 * Segments that the input makes up, beside the live sequence numbers of the side that gets them
 * (threats Q, B and O rows): a number is a base that matters and a distance from it. Checksums are
 * right, and what data they bring is the stream's.
 */
import { store16be, store32be } from "../base/bytes.ts";
import { ETHER_TYPE_IPV4, ETHERNET_SIZE, ETHERNET_TYPE } from "../../bindings/abi/ethernet.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as I from "../../bindings/abi/ip.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { fixChecksums, fixPayload } from "./network.ts";
import { coreOf, forge, linkedOf, LINKED, nextByte, nextHalf, nextNumber } from "./world.ts";
import { nextSigned } from "./world.ts";

const OPTIONS_MAX: u32 = 40;

/** A sequence number of the peer's: near the window's edges, or any. */
function peerNumber(world: usize, side: usize, choice: u32): u32 {
  const p = linkedOf(side);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const kind = choice & 7;
  if (kind == 7) return nextNumber(world);
  const distance = nextSigned(world);
  if (kind == 4) return load<u32>(p, F.PROTOCOL_RX_EDGE) + distance;
  if (kind == 5) return next + distance * 100;
  if (kind == 6) return load<u32>(p, F.PROTOCOL_LAST_ACK_SENT) + distance;
  return next + distance;
}

/** A sequence number of the side's own: what may be acknowledged, or not. */
function ownNumber(world: usize, side: usize, choice: u32): u32 {
  const p = linkedOf(side);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const kind = choice & 7;
  if (kind == 7) return nextNumber(world);
  if (kind == 0) return una;
  const distance = nextSigned(world);
  if (kind == 1) return una + distance;
  if (kind == 2) return una + load<u32>(p, F.PROTOCOL_TX_SENT) + distance;
  if (kind == 3) return una + load<u32>(p, F.PROTOCOL_TX_MAX) + distance;
  if (kind == 4) return una + (load<u32>(p, F.PROTOCOL_TX_SENT) >>> 1) + distance;
  return una + distance * 100;
}

function putTimestamp(world: usize, side: usize, at: usize): u32 {
  const recent = load<u32>(linkedOf(side), F.PROTOCOL_TS_RECENT);
  const ticks = load<u32>(coreOf(side), M.CORE_NOW_TICKS);
  store32be(at, T.TIMESTAMP_OPTION_PREFIX);
  store32be(at, recent + nextSigned(world), 4);
  store32be(at, ticks + nextSigned(world), 8);
  return T.TIMESTAMP_OPTION_BYTES;
}

/** One to three blocks; three fit beside timestamps. */
function putSack(world: usize, side: usize, at: usize): u32 {
  const blocks: u32 = 1 + (nextByte(world) % 3);
  store<u8>(at, <u8>T.OPTION_NOP);
  store<u8>(at, <u8>T.OPTION_NOP, 1);
  store<u8>(at, <u8>T.OPTION_SACK, 2);
  store<u8>(at, <u8>(2 + blocks * 8), 3);
  for (let i: u32 = 0; i < blocks; i++) {
    const start = ownNumber(world, side, nextByte(world));
    store32be(at + 4 + i * 8, start);
    store32be(at + 8 + i * 8, start + nextSigned(world) * 8);
  }
  return 4 + blocks * 8;
}

/** Options that `choice` asks for, filled up to a word with zeros; how many bytes. */
function putOptions(world: usize, side: usize, at: usize, choice: u32): u32 {
  memory.fill(at, 0, OPTIONS_MAX);
  let length: u32 = 0;
  const flags: u32 = load<u16>(linkedOf(side), F.PROTOCOL_FLAGS);
  // Without timestamps where they were agreed on only if the input says so.
  const stamped = (flags & F.FLOW_TIMESTAMPS) != 0 ? (choice & 1) == 0 : (choice & 3) == 3;
  if (stamped) length += putTimestamp(world, side, at);
  if ((choice & 4) != 0) length += putSack(world, side, at + length);
  if ((choice & 8) == 0) return length;
  const noise = min(nextByte(world) & 31, OPTIONS_MAX - length);
  for (let i: u32 = 0; i < noise; i++) store<u8>(at + length + i, <u8>nextByte(world));
  return (length + noise + 3) & ~3;
}

/** Link and IP header as the peer of connection 1 writes them. */
function putHeaders(side: usize, frame: usize, total: u32): void {
  const pre = <usize>load<u32>(coreOf(side), M.CORE_PRE) + LINKED * F.PRE_SIZE;
  const ip = frame + ETHERNET_SIZE;
  memory.fill(frame, 0, ETHERNET_SIZE + I.IPV4_SIZE + T.TCP_SIZE);
  store16be(frame, ETHER_TYPE_IPV4, ETHERNET_TYPE);
  store<u8>(ip, 0x45, I.IPV4_VERSION_IHL);
  store16be(ip, total, I.IPV4_TOTAL_LENGTH);
  store16be(ip, I.IPV4_DONT_FRAGMENT, I.IPV4_FRAGMENT);
  store<u8>(ip, 64, I.IPV4_TTL);
  store<u8>(ip, <u8>I.PROTOCOL_TCP, I.IPV4_PROTOCOL);
  store<u32>(ip, load<u32>(pre + F.PRE_REMOTE_ADDRESS + I.ADDRESS_IPV4), I.IPV4_SOURCE);
  store<u32>(ip, load<u32>(pre + F.PRE_LOCAL_ADDRESS + I.ADDRESS_IPV4), I.IPV4_DESTINATION);
  store<u32>(ip + I.IPV4_SIZE, load<u32>(pre, F.PRE_PORTS), T.TCP_SOURCE_PORT);
}

/** Writes the segment that the input describes for `side` to `frame`; its length. */
export function makeSegment(world: usize, side: usize, frame: usize): u32 {
  const tcp = frame + ETHERNET_SIZE + I.IPV4_SIZE;
  const flags = nextByte(world);
  const choice = nextByte(world);
  const kind = nextByte(world);
  const payload = (kind & 0x10) != 0 ? nextByte(world) * 2 : 0;
  const options = putOptions(world, side, tcp + T.TCP_SIZE, kind & 15);
  const total = I.IPV4_SIZE + T.TCP_SIZE + options + payload;
  putHeaders(side, frame, total);
  store32be(tcp, peerNumber(world, side, choice), T.TCP_SEQ);
  store32be(tcp, ownNumber(world, side, choice >>> 3), T.TCP_ACK);
  store<u8>(tcp, <u8>((T.TCP_SIZE + options) << 2), T.TCP_DATA_OFFSET);
  // Most segments have an ACK; what has none is dropped at once.
  store<u8>(tcp, <u8>((kind & 0x20) != 0 ? flags : (flags & 0xcb) | T.TCP_ACK_FLAG), T.TCP_FLAGS);
  store16be(tcp, (kind & 0x40) != 0 ? nextHalf(world) : 0x800, T.TCP_WINDOW);
  fixPayload(world, side, frame, ETHERNET_SIZE + total);
  fixChecksums(frame, ETHERNET_SIZE + total);
  forge(world);
  return ETHERNET_SIZE + total;
}
