/**
 * What the bounded search moves about: two endpoints of one connection and what is between them,
 * each value small enough to be packed. Sequence numbers on the wire are real, modulo 2^32: the
 * client's pass the wrap with their second byte. Invariant: pack() and unpack() are inverse, and
 * equal worlds have equal keys (what is under way is sorted, since it may arrive in any order).
 */
import { ConnectionState } from "../../../host/control-plane/connection-state.ts";

/** Bytes that each side's application sends, receive window, segments under way each way. */
export const BYTES = 3;
export const WINDOW = 2;
export const CHANNEL = 2;

/** First numbers: of nobody (an old duplicate's), the client's, and the server's twice. */
const BASES = [0x40000000, 0xfffffffe, 0x7ffffffd, 0xbffffff0] as const;
export const STRANGER = 0;
export const CLIENT = 1;
export const SERVER = 2;

/** A sequence number by its base and how far it is from there, 0..7. */
export function numberOf(base: number, offset: number): number {
  return ((BASES[base] as number) + offset) >>> 0;
}

function codeOf(number: number): number {
  for (let base = 0; base < BASES.length; base += 1) {
    const offset = (number - (BASES[base] as number)) >>> 0;
    if (offset < 8) return (base << 3) | offset;
  }
  throw new RangeError(`model: expected a number near a base, got ${number}`);
}

export const SYN = 1;
export const ACK = 2;
export const FIN = 4;
export const RST = 8;

export interface Packet {
  flags: number;
  seq: number;
  /** 0 without ACK. */
  ack: number;
  /** Payload bytes, 0 or 1. */
  length: number;
  window: number;
}

/** One end; sequence positions are counted from its own ISN or from the peer's. */
export interface Endpoint {
  state: ConnectionState;
  /** Bases of its own numbers and of the peer's; STRANGER before a SYN came. */
  base: number;
  peer: number;
  una: number;
  nxt: number;
  /** Positions of the peer that it has, SYN and FIN included. */
  rcv: number;
  /** The byte behind a missing one is there. */
  ahead: boolean;
  /** Bytes that the application has written, and has not read. */
  written: number;
  unread: number;
  /** Bytes of the peer that have come in order: for the comparison alone. */
  taken: number;
  /** Position of the peer's right edge. */
  edge: number;
  isPassive: boolean;
  /** The application has closed. */
  hasClosed: boolean;
  /** It ended otherwise than by closing: reset, refused or aborted. */
  isBroken: boolean;
}

export interface World {
  readonly ends: [Endpoint, Endpoint];
  /** To each end, sorted. */
  readonly wires: [Packet[], Packet[]];
}

export function endpoint(base: number, fields: Partial<Endpoint> = {}): Endpoint {
  return {
    state: ConnectionState.Closed,
    base,
    peer: STRANGER,
    una: 0,
    nxt: 0,
    rcv: 0,
    ahead: false,
    written: 0,
    unread: 0,
    taken: 0,
    edge: 0,
    isPassive: false,
    hasClosed: false,
    isBroken: false,
    ...fields,
  };
}

function packEnd(e: Endpoint): number {
  let bits = e.state | (e.base << 4) | (e.peer << 6) | (e.una << 8) | (e.nxt << 11) | (e.rcv << 14);
  bits |= (e.written << 17) | (e.unread << 19) | (e.edge << 21) | (Number(e.ahead) << 24);
  bits |= (Number(e.isPassive) << 25) | (Number(e.hasClosed) << 26) | (Number(e.isBroken) << 27);
  bits |= e.taken << 28;
  return bits;
}

function unpackEnd(bits: number): Endpoint {
  return {
    state: bits & 15,
    base: (bits >> 4) & 3,
    peer: (bits >> 6) & 3,
    una: (bits >> 8) & 7,
    nxt: (bits >> 11) & 7,
    rcv: (bits >> 14) & 7,
    written: (bits >> 17) & 3,
    unread: (bits >> 19) & 3,
    taken: (bits >> 28) & 3,
    edge: (bits >> 21) & 7,
    ahead: ((bits >> 24) & 1) !== 0,
    isPassive: ((bits >> 25) & 1) !== 0,
    hasClosed: ((bits >> 26) & 1) !== 0,
    isBroken: ((bits >> 27) & 1) !== 0,
  };
}

/** 1 + 17 bits; 0 = none. */
function packPacket(p: Packet | undefined): number {
  if (p === undefined) return 0;
  const ack = (p.flags & ACK) !== 0 ? codeOf(p.ack) : 0;
  return (
    p.flags | (codeOf(p.seq) << 4) | (ack << 9) | (p.length << 14) | (p.window << 15) | 0x20000
  );
}

function unpackPacket(bits: number): Packet {
  const number = (code: number): number => numberOf(code >> 3, code & 7);
  const flags = bits & 15;
  return {
    flags,
    seq: number((bits >> 4) & 31),
    ack: (flags & ACK) !== 0 ? number((bits >> 9) & 31) : 0,
    length: (bits >> 14) & 1,
    window: (bits >> 15) & 3,
  };
}

/** The world as a string: equal for equal worlds. */
export function pack({ ends, wires }: World): string {
  const words: number[] = ends.map(packEnd);
  for (const wire of wires) {
    const packets = Array.from({ length: CHANNEL }, (_, i) => packPacket(wire[i]));
    words.push(...packets.sort((a, b) => b - a));
  }
  return String.fromCharCode(...words.flatMap((word) => [word & 0xffff, word >>> 16]));
}

export function unpack(key: string): World {
  const word = (i: number): number => key.charCodeAt(2 * i) | (key.charCodeAt(2 * i + 1) << 16);
  const wire = (first: number): Packet[] => {
    const bits = Array.from({ length: CHANNEL }, (_, i) => word(first + i));
    return bits.filter((one) => one !== 0).map(unpackPacket);
  };
  return {
    ends: [unpackEnd(word(0)), unpackEnd(word(1))],
    wires: [wire(2), wire(2 + CHANNEL)],
  };
}
