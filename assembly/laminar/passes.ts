/**
 * Passes of packets through TCP's stage program (dissertation 5.2): each kind fills its own fields
 * of the header vector; what a pass leaves there is read until the next one.
 */
import * as T from "./generated/tcp.ts";
import { rowOf } from "./state.ts";
import { clearVectors, load16be, load32be } from "../base/bytes.ts";
import { IPV6_PAYLOAD_LENGTH, IPV6_SIZE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_ACK, TCP_DATA_OFFSET, TCP_FLAGS, TCP_SEQ } from "../../bindings/abi/tcp.ts";
import { TCP_WINDOW } from "../../bindings/abi/tcp.ts";
import { CORE_RMT_STATE, CORE_RMT_VECTOR } from "../../bindings/abi/memory-map.ts";
import { TCP_ROW_BYTES, TCP_VECTOR_MAX } from "../../bindings/abi/rmt.ts";

if (T.HEADER_BYTES > TCP_VECTOR_MAX) ERROR("TCP_VECTOR_MAX: the program has more fields");
if (T.ROW_0 != TCP_ROW_BYTES) ERROR("TCP_ROW_BYTES: the program has more registers");

// @ts-ignore: decorator
@inline
export function stateOf(core: usize): usize {
  return <usize>load<u32>(core, CORE_RMT_STATE);
}

// @ts-ignore: decorator
@inline
function vectorOf(core: usize): usize {
  return <usize>load<u32>(core, CORE_RMT_VECTOR);
}

/** A field of the header vector as the last pass left it; `offset`: a constant of the program. */
// @ts-ignore: decorator
@inline
export function result(core: usize, offset: usize): u32 {
  return load<u32>(vectorOf(core) + offset);
}

/** A register of a connection: what the control plane may read; `offset`: R_* of the program. */
// @ts-ignore: decorator
@inline
export function register(core: usize, connection: u32, offset: usize): u32 {
  return load<u32>(rowOf(stateOf(core), T.GROUP_0, T.ROW_0, connection) + offset);
}

/**
 * True in the build of relaxed mode (extensions/relaxed.rmt): the window is an edge, segments are
 * trimmed, and the options and the loss recovery are those of FlexTOE.
 */
// @ts-ignore: decorator
@inline
export function isRelaxed(): bool {
  return isDefined(T.R_RX_EDGE);
}

/** Bytes that the receive buffer has room for, from rx_next_seq on, as the registers have it. */
// @ts-ignore: decorator
@inline
export function receiveRoom(core: usize, connection: u32): u32 {
  if (isDefined(T.R_RX_EDGE)) {
    const next = register(core, connection, T.R_RX_NEXT_SEQ);
    return register(core, connection, T.R_RX_EDGE) - next;
  } else {
    return register(core, connection, T.R_RX_AVAIL);
  }
}

/** The control plane writes it, rx_next_seq being `next`. */
// @ts-ignore: decorator
@inline
export function writeRoom(core: usize, connection: u32, next: u32, room: u32): void {
  const value = isDefined(T.R_RX_EDGE) ? next + room : room;
  controlPass(core, connection, T.C_RX_AVAIL, value);
}

/**
 * Parser and ingress of a packet of `bytes` bytes: the connection that table `connections` has for
 * it, 0 for none.
 */
export function ingressPass(core: usize, packet: usize, bytes: u32): u32 {
  const vector = vectorOf(core);
  clearVectors(vector, T.HEADER_BYTES);
  if (!T.parse(vector, packet, bytes)) return 0;
  T.ingressFused(vector, stateOf(core));
  return load<u32>(vector, T.CONNECTION);
}

/**
 * Ingress of an IPv6 segment of a connection that is known. Differs from the paper, which has IPv4
 * alone: table `connections` has keys of three words, so the connection's number stands where the
 * addresses would (see connection.ts), and the parser's fields are filled in here; its
 * program is left as it is.
 */
export function ingressPassIpv6(core: usize, connection: u32, ip: usize): void {
  const vector = vectorOf(core);
  const tcp = ip + IPV6_SIZE;
  clearVectors(vector, T.HEADER_BYTES);
  store<u32>(vector, 6, T.VERSION);
  store<u32>(vector, IPV6_SIZE >> 2, T.IHL);
  store<u32>(vector, load16be(ip, IPV6_PAYLOAD_LENGTH) + IPV6_SIZE, T.TOTAL);
  store<u32>(vector, PROTOCOL_TCP, T.PROTOCOL);
  store<u32>(vector, connection, T.REMOTE);
  store<u32>(vector, load32be(tcp, 0), T.PORTS);
  store<u32>(vector, load32be(tcp, TCP_SEQ), T.SEQ);
  store<u32>(vector, load32be(tcp, TCP_ACK), T.ACK);
  store<u32>(vector, <u32>load<u8>(tcp, TCP_DATA_OFFSET) >> 4, T.WORDS);
  store<u32>(vector, load<u8>(tcp, TCP_FLAGS), T.FLAGS);
  store<u32>(vector, load16be(tcp, TCP_WINDOW), T.ADVERTISED);
  T.ingressFused(vector, stateOf(core));
  assert(load<u32>(vector, T.CONNECTION) == connection, "table connections has what is installed");
}

// @ts-ignore: decorator
@inline
function egress(core: usize, vector: usize, kind: u32): void {
  store<u32>(vector, kind, T.KIND);
  T.egressFused(vector, stateOf(core));
}

/** Egress of the received segment that ingressPass() has left in the header vector. */
export function receivePass(core: usize): void {
  egress(core, vectorOf(core), T.C_RX);
}

/** The received segment becomes one that ends at `end`: a repetition of what was there. */
export function moveSegment(core: usize, end: u32): void {
  const vector = vectorOf(core);
  store<u32>(vector, end - load<u32>(vector, T.LENGTH), T.SEQ);
  store<u32>(vector, end, T.END);
}

/** A segment that `kind` says: PSEUDO, TX or PROBE. `span` counts a FIN, `length` does not. */
export function segmentPass(
  core: usize,
  kind: u32,
  connection: u32,
  seq: u32,
  span: u32,
  length: u32,
): void {
  const vector = vectorOf(core);
  clearVectors(vector, T.HEADER_BYTES);
  store<u32>(vector, connection, T.CONNECTION);
  store<u32>(vector, seq, T.SEQ);
  store<u32>(vector, seq + span, T.END);
  store<u32>(vector, length, T.LENGTH);
  egress(core, vector, kind);
}

/** SYNC (bytes freed), GRANT or TIMEOUT (credits): a packet with one value. */
export function valuePass(core: usize, kind: u32, connection: u32, value: u32, keep: u32): void {
  const vector = vectorOf(core);
  clearVectors(vector, T.HEADER_BYTES);
  store<u32>(vector, connection, T.CONNECTION);
  store<u32>(vector, value, T.VALUE);
  store<u32>(vector, keep, T.KEEP);
  egress(core, vector, kind);
}

/** The control plane writes one register; `target`: C_* of its name. */
export function controlPass(core: usize, connection: u32, target: u32, value: u32): void {
  const vector = vectorOf(core);
  clearVectors(vector, T.HEADER_BYTES);
  store<u32>(vector, connection, T.CONNECTION);
  store<u32>(vector, target, T.TARGET);
  store<u32>(vector, value, T.VALUE);
  egress(core, vector, T.C_CONTROL);
}
