/**
 * One connection of a script: its ports, and the way between the script's numbers and the wire's.
 * A side's sequence numbers count from its ISN, so a SYN is at 0. The stack's timestamps count
 * from the first one, as the script writes it; the peer's are taken as written.
 */
import { TCP_ACK_FLAG, TCP_SYN } from "../../bindings/abi/tcp.ts";
import type { SentPacket } from "./match.ts";
import type { Segment } from "./packet-bytes.ts";
import type { OptionPattern, TcpPattern } from "./script.ts";

const ECN_MASK = 3;

/** Payload byte at a position of either side's stream, so that a byte out of place shows. */
export function streamByte(position: number): number {
  return (Math.imul(position + 1, 0x9e3779b1) >>> 24) & 255;
}

/** Bytes that an application has written into a connection, in order. */
export class WrittenStream {
  #bytes = new Uint8Array(4096);
  length = 0;

  append(bytes: Uint8Array): void {
    while (this.length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Position of the first byte that is not the stream's; -1 when all are. */
  firstDifference(position: number, bytes: Uint8Array): number {
    for (let i = 0; i < bytes.length; i += 1) {
      const at = position + i;
      if (at >= this.length || this.#bytes[at] !== bytes[i]) return at;
    }
    return -1;
  }
}

export class Flow {
  readonly localPort: number;
  readonly remotePort: number;
  readonly remoteSequence: number;
  /** ISN of the stack; undefined before its SYN. */
  localSequence: number | undefined;
  written = new WrittenStream();
  /** The script's number of the peer's first byte: its SYN's and one. */
  #remoteFirst = 1;
  /** The next SYN of the stack may have another ISN. */
  #renewed = false;
  /** The stack's first TSval minus the script's; undefined before one was expected. */
  #stampOffset: number | undefined;
  /** The script's name for a TSval of the stack -> the TSval. */
  readonly #stamps = new Map<number, number>();

  constructor(localPort: number, remotePort: number, remoteSequence: number) {
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.remoteSequence = remoteSequence;
  }

  /** The peer opens the connection again (TIME-WAIT): the stack's next SYN begins a new stream. */
  renew(): void {
    this.#renewed = true;
  }

  #toLocal(option: OptionPattern): OptionPattern {
    const isn = this.localSequence ?? 0;
    if (option.kind === "sack") {
      const { blocks } = option;
      return {
        kind: "sack",
        blocks: blocks.map(([left, right]) => [(left + isn) >>> 0, (right + isn) >>> 0]),
      };
    }
    if (option.kind !== "TS") return option;
    const { value, echo } = option;
    // RFC 7323, 3.2: zero stands for no echo.
    if (echo === 0 && !this.#stamps.has(0)) return option;
    const known = this.#stamps.get(echo) ?? echo + (this.#stampOffset ?? 0);
    return { kind: "TS", value, echo: known >>> 0 };
  }

  /** The script's inbound packet with the numbers of the wire; the caller adds the addresses. */
  inbound(pattern: TcpPattern): Omit<Segment, "source" | "destination"> {
    const { ip, flags } = pattern;
    const isAck = (flags & TCP_ACK_FLAG) !== 0;
    const options = pattern.options === "any" ? [] : pattern.options;
    const isSyn = (flags & TCP_SYN) !== 0;
    // A SYN that the stack refuses changes nothing.
    if (isSyn && (this.localSequence === undefined || this.#renewed)) {
      this.#remoteFirst = pattern.seq + 1;
    }
    const from = pattern.seq + (isSyn ? 1 : 0) - this.#remoteFirst;
    const { length } = pattern;
    return {
      tos: ((ip.tos ?? 0) & ~ECN_MASK) | (ip.ecn ?? (ip.tos ?? 0) & ECN_MASK),
      ttl: ip.ttl ?? 64,
      sourcePort: this.remotePort,
      destinationPort: this.localPort,
      seq: (pattern.seq + this.remoteSequence) >>> 0,
      ack: isAck ? ((pattern.ack ?? 0) + (this.localSequence ?? 0)) >>> 0 : 0,
      flags,
      window: pattern.window ?? 65535,
      urgent: pattern.urgent,
      options: options.map((option) => this.#toLocal(option)),
      payload: Uint8Array.from({ length }, (_, i) => streamByte(from + i)),
    };
  }

  #fromLocal(option: OptionPattern): OptionPattern {
    const isn = this.remoteSequence;
    if (option.kind === "TS") {
      return { ...option, value: (option.value - (this.#stampOffset ?? 0)) >>> 0 };
    }
    if (option.kind !== "sack") return option;
    const { blocks } = option;
    return {
      kind: "sack",
      blocks: blocks.map(([left, right]) => [(left - isn) >>> 0, (right - isn) >>> 0]),
    };
  }

  /** Learns what the script calls the stack's TSval. */
  learnStamp(expected: TcpPattern, segment: Segment): void {
    if (expected.options === "any") return;
    const wanted = expected.options.find(({ kind }) => kind === "TS");
    const got = segment.options.find(({ kind }) => kind === "TS");
    if (wanted?.kind !== "TS" || got?.kind !== "TS") return;
    this.#stampOffset ??= (got.value - wanted.value) >>> 0;
    this.#stamps.set(wanted.value, got.value);
  }

  /** A segment of the stack's with the script's numbers. */
  outbound(segment: Segment): SentPacket {
    const { flags, tos, ttl } = segment;
    if ((flags & TCP_SYN) !== 0 && this.#renewed) {
      this.localSequence = segment.seq;
      this.written = new WrittenStream();
      this.#renewed = false;
    }
    if ((flags & TCP_SYN) !== 0) this.localSequence ??= segment.seq;
    const isAck = (flags & TCP_ACK_FLAG) !== 0;
    return {
      protocol: "tcp",
      ip: { ecn: tos & ECN_MASK, tos, ttl },
      flags,
      seq: (segment.seq - (this.localSequence ?? 0)) >>> 0,
      length: segment.payload.length,
      ack: isAck ? (segment.ack - this.remoteSequence) >>> 0 : segment.ack,
      window: segment.window,
      urgent: segment.urgent,
      options: segment.options.map((option) => this.#fromLocal(option)),
    };
  }

  /**
   * Position in the stream of the first payload byte that is not what was written; -1 when all
   * are. A probe of an earlier number may carry anything (RFC 9293, 3.8.4).
   */
  wrongPayload(packet: SentPacket, payload: Uint8Array): number {
    const position = (packet.seq - 1) | 0;
    return position < 0 ? -1 : this.written.firstDifference(position, payload);
  }
}
