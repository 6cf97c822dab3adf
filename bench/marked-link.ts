/**
 * The link that the stacks are measured over: the direct link (one copy for each burst) behind an
 * end that corrupts one data frame in 65,536, so that a stack which does not verify checksums
 * cannot finish the run. The frame is marked in the receiver's ingress burst: no copy is added.
 * During the handshakes it can also take the timestamp option out of a SYN, as some middleboxes
 * do: that is how the bench measures without timestamps, whatever a stack's options are.
 */
import { FRAME_CONNECTION, FRAME_SIZE } from "../bindings/abi/descriptor.ts";
import { OPTION_END, OPTION_NOP, OPTION_TIMESTAMP, TCP_CHECKSUM } from "../bindings/abi/tcp.ts";
import { TCP_DATA_OFFSET, TCP_FLAGS, TCP_SIZE, TCP_SYN } from "../bindings/abi/tcp.ts";
import { DirectNetif } from "../host/netif/direct-link.ts";
import type { Burst } from "../host/netif/netif.ts";

/** One data frame of so many is corrupted; lwIP's harness does the same (bench.c). */
export const CORRUPT_EVERY = 65_536;
/** Frames until the next look, when it was time and no frame carried enough payload. */
const LOOK_AGAIN = 1024;
/** The first one falls into the warm-up. */
const CORRUPT_FIRST = 4096;
/** A frame of at least this length carries payload at CORRUPT_AT. */
const DATA_BYTES = 600;
const CORRUPT_AT = 500;

const IPV4_HEADER = 20;

/**
 * Overwrites the timestamp option of a SYN with NOPs (RFC 7323, 3.2: it is then off for the
 * connection); the checksum is brought up to date (RFC 1624, equation 3). IPv4 without options.
 */
export function stripTimestamps(bytes: Uint8Array, frame: number): void {
  const tcp = frame + IPV4_HEADER;
  if (((bytes[tcp + TCP_FLAGS] as number) & TCP_SYN) === 0) return;
  const end = tcp + ((bytes[tcp + TCP_DATA_OFFSET] as number) >>> 4) * 4;
  let at = tcp + TCP_SIZE;
  while (at < end && bytes[at] !== OPTION_END) {
    const length = bytes[at] === OPTION_NOP ? 1 : Math.max(2, bytes[at + 1] as number);
    if (bytes[at] === OPTION_TIMESTAMP) {
      for (let i = at; i < at + length; i += 1) replace(bytes, tcp, i, OPTION_NOP);
    }
    at += length;
  }
}

/** Stores one byte of a TCP segment and adds the difference to its checksum. */
function replace(bytes: Uint8Array, tcp: number, at: number, value: number): void {
  const shift = ((at - tcp) & 1) === 0 ? 8 : 0;
  const old = (bytes[at] as number) << shift;
  const check = tcp + TCP_CHECKSUM;
  const stored = ((bytes[check] as number) << 8) | (bytes[check + 1] as number);
  let sum = (~stored & 0xffff) + (~old & 0xffff) + (value << shift);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  bytes[at] = value;
  bytes[check] = sum >>> 8;
  bytes[check + 1] = sum & 255;
}

/** An end of a direct link that corrupts what has arrived, before its stack looks at it. */
export class MarkedNetif extends DirectNetif {
  /** Frames that were corrupted. */
  corrupted = 0;
  /** Takes timestamps out of SYNs while set: during the handshakes. */
  stripping = false;
  #burst: Burst | undefined;
  /** Frames until the next one is corrupted; those that a stack holds count again. */
  #left = CORRUPT_FIRST;

  override attach(ingress: Burst, index: number): void {
    super.attach(ingress, index);
    this.#burst = ingress;
  }

  override receive(): void {
    super.receive();
    const burst = this.#burst as Burst;
    const count = burst.count | 0;
    this.#left = (this.#left - count) | 0;
    if (this.#left <= 0 || this.stripping === true) this.#look(burst, count);
  }

  #look(burst: Burst, count: number): void {
    if (this.stripping) {
      for (let i = 0; i < count; i += 1) stripTimestamps(burst.bytes, burst.offset(i));
    }
    if (this.#left > 0) return;
    this.#left = LOOK_AGAIN;
    for (let i = 0; i < count; i += 1) {
      // A column of the table that arriving frames do not use: a held frame is changed once.
      const done = i * (FRAME_SIZE / 4) + FRAME_CONNECTION / 4;
      if (burst.length(i) < DATA_BYTES || burst.table[done] !== 0) continue;
      const at = burst.offset(i) + CORRUPT_AT;
      burst.bytes[at] = (burst.bytes[at] as number) ^ 0x10;
      burst.table[done] = 1;
      this.corrupted += 1;
      this.#left = CORRUPT_EVERY;
      return;
    }
  }
}
