/**
 * TCP control segments (RFC 9293, 3.1): reading a received one into a reusable record, and writing
 * one without payload. The data path has validated what is read; still, nothing here trusts a
 * length, and options outside their form are ignored (threats O01-O07).
 */
import {
  OPTION_END,
  OPTION_MSS,
  OPTION_MSS_LENGTH,
  OPTION_NOP,
  OPTION_SACK_PERMITTED,
  OPTION_SACK_PERMITTED_LENGTH,
  OPTION_TIMESTAMP,
  OPTION_TIMESTAMP_LENGTH,
  OPTION_WINDOW_SCALE,
  OPTION_WINDOW_SCALE_LENGTH,
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_DESTINATION_PORT,
  TCP_FIN,
  TCP_FLAGS,
  TCP_SEQ,
  TCP_SIZE,
  TCP_SOURCE_PORT,
  TCP_SYN,
  TCP_URGENT,
  TCP_WINDOW,
  TIMESTAMP_OPTION_PREFIX,
} from "../../bindings/abi/tcp.ts";
import { OPTION_STEPS_MAX } from "../../bindings/abi/limits.ts";
import { IPV6_SIZE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish, checksumUpdate } from "./checksum.ts";
import { ipVersion, ipv4Destination, ipv4HeaderLength, ipv4Source } from "./ipv4.ts";
import { ipv4TotalLength } from "./ipv4.ts";
import { addressSum, ipv6Destination, ipv6PayloadLength, ipv6Source } from "./ipv6.ts";

/** RFC 5482, 3.3: granularity (1: minutes, 0: seconds) and 15 bits of time. */
const OPTION_USER_TIMEOUT = 28;
const OPTION_USER_TIMEOUT_LENGTH = 4;
const TIMEOUT_MINUTES = 0x8000;
const TIMEOUT_MAX = 0x7fff;
const SECOND_NS = 1e9;
const MINUTE_NS = 60e9;

/** The two bytes of a user timeout in ns: seconds if they fit, at least one. */
function timeoutField(ns: number): number {
  const seconds = Math.max(1, Math.round(ns / SECOND_NS));
  if (seconds <= TIMEOUT_MAX) return seconds;
  return TIMEOUT_MINUTES | Math.min(TIMEOUT_MAX, Math.round(ns / MINUTE_NS));
}

/** A received segment. One record is read into again and again; nothing keeps it. */
export class Segment {
  /** Address of the TCP header in the view. */
  at = 0;
  source: IpAddress = 0;
  destination: IpAddress = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** As in the header, not scaled. */
  window = 0;
  payloadLength = 0;
  /** 0 = no option. */
  mss = 0;
  /** -1 = no option; not clamped. */
  windowScale = -1;
  sackPermitted = false;
  timestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** Of a SYN, ns; 0 = no option, or a reserved value. */
  userTimeout = 0;

  /** Sequence numbers that the segment takes: payload, SYN and FIN (RFC 9293, 3.4). */
  get length(): number {
    const controls = ((this.flags & TCP_SYN) >>> 1) + (this.flags & TCP_FIN);
    return this.payloadLength + controls;
  }

  /**
   * Reads the segment in the packet at `ip`, behind an IPv6 header at once; false when lengths
   * contradict each other.
   */
  read(view: DataView, ip: number, end: number): boolean {
    const isIpv4 = ipVersion(view, ip) === 4;
    const at = ip + (isIpv4 ? ipv4HeaderLength(view, ip) : IPV6_SIZE);
    const last = isIpv4 ? ip + ipv4TotalLength(view, ip) : at + ipv6PayloadLength(view, ip);
    if (last > end || at + TCP_SIZE > last) return false;
    const header = (view.getUint8(at + TCP_DATA_OFFSET) >>> 4) * 4;
    if (header < TCP_SIZE || at + header > last) return false;
    this.at = at;
    if (isIpv4) {
      this.source = ipv4Source(view, ip);
      this.destination = ipv4Destination(view, ip);
    } else {
      this.source = ipv6Source(view, ip);
      this.destination = ipv6Destination(view, ip);
    }
    this.sourcePort = view.getUint16(at + TCP_SOURCE_PORT);
    this.destinationPort = view.getUint16(at + TCP_DESTINATION_PORT);
    this.seq = view.getUint32(at + TCP_SEQ);
    this.ack = view.getUint32(at + TCP_ACK);
    this.flags = view.getUint8(at + TCP_FLAGS);
    this.window = view.getUint16(at + TCP_WINDOW);
    this.payloadLength = last - at - header;
    this.#readOptions(view, at + TCP_SIZE, at + header);
    return true;
  }

  // Of repeated options the first counts (threats O07).
  #readOptions(view: DataView, from: number, end: number): void {
    this.mss = 0;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.timestamps = false;
    this.userTimeout = 0;
    let at = from;
    for (let step = 0; step < OPTION_STEPS_MAX && at < end; step += 1) {
      const kind = view.getUint8(at);
      if (kind === OPTION_END) return;
      if (kind === OPTION_NOP) {
        at += 1;
        continue;
      }
      // RFC 9293 MUST-7: an illegal length ends the options, it does not end us.
      if (at + 1 >= end) return;
      const length = view.getUint8(at + 1);
      if (length < 2 || at + length > end) return;
      this.#readOption(view, at, kind, length);
      at += length;
    }
  }

  #readOption(view: DataView, at: number, kind: number, length: number): void {
    if (kind === OPTION_TIMESTAMP && length === OPTION_TIMESTAMP_LENGTH && !this.timestamps) {
      this.timestamps = true;
      this.tsVal = view.getUint32(at + 2);
      this.tsEcr = view.getUint32(at + 6);
      return;
    }
    // RFC 9293 MUST-65, RFC 7323 2.2: the others mean something on a SYN only.
    if ((this.flags & TCP_SYN) === 0) return;
    if (kind === OPTION_MSS && length === OPTION_MSS_LENGTH && this.mss === 0) {
      // A zero would read as "no option"; it is raised to the floor like any other small value.
      this.mss = Math.max(1, view.getUint16(at + 2));
    } else if (kind === OPTION_WINDOW_SCALE && length === OPTION_WINDOW_SCALE_LENGTH) {
      if (this.windowScale < 0) this.windowScale = view.getUint8(at + 2);
    } else if (kind === OPTION_SACK_PERMITTED && length === OPTION_SACK_PERMITTED_LENGTH) {
      this.sackPermitted = true;
    } else if (kind === OPTION_USER_TIMEOUT && length === OPTION_USER_TIMEOUT_LENGTH) {
      // RFC 5482, 3.3 (UTO-10).
      const field = view.getUint16(at + 2);
      const unit = (field & TIMEOUT_MINUTES) === 0 ? SECOND_NS : MINUTE_NS;
      if (this.userTimeout === 0) this.userTimeout = (field & TIMEOUT_MAX) * unit;
    }
  }
}

/** A segment without payload to be written. One record is filled again and again. */
export class ControlSegment {
  source: IpAddress = 0;
  destination: IpAddress = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  /** 0 = no option. */
  mss = 0;
  /** -1 = no option. */
  windowScale = -1;
  sackPermitted = false;
  timestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** ns; 0 = no option. */
  userTimeout = 0;

  /** Back to no options. */
  clearOptions(): void {
    this.mss = 0;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.timestamps = false;
    this.userTimeout = 0;
  }

  /** Bytes of header and options: a multiple of four. */
  get length(): number {
    const sack = this.sackPermitted && !this.timestamps ? 4 : 0;
    const stamps = this.timestamps ? 12 : 0;
    const timeout = this.userTimeout > 0 ? OPTION_USER_TIMEOUT_LENGTH : 0;
    const scale = this.windowScale >= 0 ? 4 : 0;
    return TCP_SIZE + (this.mss > 0 ? 4 : 0) + sack + stamps + scale + timeout;
  }

  /** Writes `length` bytes with their checksum (RFC 9293 MUST-2); all reserved bits are zero. */
  write(view: DataView, at: number): void {
    const length = this.length;
    view.setUint16(at + TCP_SOURCE_PORT, this.sourcePort);
    view.setUint16(at + TCP_DESTINATION_PORT, this.destinationPort);
    view.setUint32(at + TCP_SEQ, this.seq);
    view.setUint32(at + TCP_ACK, this.ack);
    view.setUint8(at + TCP_DATA_OFFSET, length << 2);
    view.setUint8(at + TCP_FLAGS, this.flags);
    view.setUint16(at + TCP_WINDOW, this.window);
    view.setUint16(at + TCP_CHECKSUM, 0);
    view.setUint16(at + TCP_URGENT, 0);
    this.#writeOptions(view, at + TCP_SIZE);
    const sum = pseudoSum(this.source, this.destination, length);
    view.setUint16(at + TCP_CHECKSUM, checksumFinish(checksumAdd(sum, view, at, length)));
  }

  // Aligned as common stacks send them: MSS; SACK-permitted and timestamps in one; NOP, scale.
  #writeOptions(view: DataView, from: number): void {
    let at = from;
    if (this.mss > 0) {
      view.setUint32(at, ((OPTION_MSS << 24) | (OPTION_MSS_LENGTH << 16) | this.mss) >>> 0);
      at += 4;
    }
    const sack = (OPTION_SACK_PERMITTED << 8) | OPTION_SACK_PERMITTED_LENGTH;
    if (this.timestamps) {
      const stamp = (OPTION_TIMESTAMP << 8) | OPTION_TIMESTAMP_LENGTH;
      const word = this.sackPermitted ? ((sack << 16) | stamp) >>> 0 : TIMESTAMP_OPTION_PREFIX;
      view.setUint32(at, word);
      view.setUint32(at + 4, this.tsVal);
      view.setUint32(at + 8, this.tsEcr);
      at += 12;
    } else if (this.sackPermitted) {
      view.setUint32(at, ((OPTION_NOP << 24) | (OPTION_NOP << 16) | sack) >>> 0);
      at += 4;
    }
    if (this.windowScale >= 0) {
      const scale = (OPTION_WINDOW_SCALE << 16) | (OPTION_WINDOW_SCALE_LENGTH << 8);
      view.setUint32(at, ((OPTION_NOP << 24) | scale | this.windowScale) >>> 0);
      at += 4;
    }
    if (this.userTimeout > 0) {
      const head = (OPTION_USER_TIMEOUT << 24) | (OPTION_USER_TIMEOUT_LENGTH << 16);
      view.setUint32(at, (head | timeoutField(this.userTimeout)) >>> 0);
    }
  }
}

function sumOf(address: IpAddress): number {
  if (typeof address === "bigint") return addressSum(address);
  return (address >>> 16) + (address & 0xffff);
}

/**
 * Unfolded sum of the pseudo header for a TCP segment of `length` bytes (RFC 9293, 3.1; RFC 8200,
 * 8.1).
 */
export function pseudoSum(source: IpAddress, destination: IpAddress, length: number): number {
  return sumOf(source) + sumOf(destination) + PROTOCOL_TCP + length;
}

/**
 * Turns a SYN-ACK that carries payload or FIN into the segment that follows its SYN: one sequence
 * number on, without SYN. RFC 9293, 3.10.7.3: such a segment goes on at the sixth step.
 */
export function stripSyn(view: DataView, at: number): void {
  const seq = view.getUint32(at + TCP_SEQ);
  const next = (seq + 1) >>> 0;
  const word = view.getUint16(at + TCP_DATA_OFFSET);
  let checksum = view.getUint16(at + TCP_CHECKSUM);
  checksum = checksumUpdate(checksum, seq >>> 16, next >>> 16);
  checksum = checksumUpdate(checksum, seq & 0xffff, next & 0xffff);
  checksum = checksumUpdate(checksum, word, word & ~TCP_SYN);
  view.setUint32(at + TCP_SEQ, next);
  view.setUint16(at + TCP_DATA_OFFSET, word & ~TCP_SYN);
  view.setUint16(at + TCP_CHECKSUM, checksum);
}
