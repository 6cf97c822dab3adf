/**
 * The scripted peer of one connection: it builds the script's packets with the numbers of the wire,
 * and says what came from the system under test in the script's own numbers, without what the two
 * systems choose freely: ISNs, TSvals, sizes of windows, IP's ID and TTL.
 */
import { ICMP_SIZE } from "../../bindings/abi/icmp.ts";
import { IPV4_SIZE, PROTOCOL_ICMP, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { streamByte } from "../../host/packetdrill/flow.ts";
import { icmpNumbers } from "../../host/packetdrill/icmp-numbers.ts";
import { buildIcmp } from "../../host/packetdrill/icmp-packets.ts";
import { flagsText, optionsText } from "../../host/packetdrill/match.ts";
import { buildSegment, readSegment } from "../../host/packetdrill/packet-bytes.ts";
import type { Segment } from "../../host/packetdrill/packet-bytes.ts";
import { ECN_NAMES } from "../../host/packetdrill/parse-packet.ts";
import type { IcmpPattern, OptionPattern, TcpPattern } from "../../host/packetdrill/script.ts";
import { checksumAdd, checksumFinish } from "../../host/wire/checksum.ts";
import { ipv4Protocol } from "../../host/wire/ipv4.ts";
import { pseudoSum } from "../../host/wire/tcp.ts";
import { packetOf, type Step, type Tweaks } from "./script.ts";

/** Addresses (u32) and ports of a connection; local is the system under test. */
export interface Endpoints {
  readonly local: number;
  readonly localPort: number;
  readonly remote: number;
  readonly remotePort: number;
  /** The peer's ISN. */
  readonly isn: number;
}

const ECN_MASK = 3;
const QUOTED_TTL = 64;
const NO_OPTIONS: readonly OptionPattern[] = [];

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
}

/** `bytes` in place of the packet's options. */
function withOptions(packet: Uint8Array, bytes: readonly number[]): Uint8Array {
  const payloadAt =
    IPV4_SIZE + ((viewOf(packet).getUint8(IPV4_SIZE + T.TCP_DATA_OFFSET) >> 4) << 2);
  const header = packet.subarray(0, IPV4_SIZE + T.TCP_SIZE);
  const changed = Uint8Array.from([...header, ...bytes, ...packet.subarray(payloadAt)]);
  const view = viewOf(changed);
  view.setUint8(IPV4_SIZE + T.TCP_DATA_OFFSET, (T.TCP_SIZE + bytes.length) << 2);
  view.setUint16(2, changed.length);
  view.setUint16(10, 0);
  view.setUint16(10, checksumFinish(checksumAdd(0, view, 0, IPV4_SIZE)));
  return changed;
}

/** The packet with what the script wants changed about it. */
function tweaked(packet: Uint8Array, tweaks: Tweaks, ends: Endpoints): Uint8Array {
  const bytes = tweaks.options === undefined ? packet : withOptions(packet, tweaks.options);
  const view = viewOf(bytes);
  const at = IPV4_SIZE + T.TCP_DATA_OFFSET;
  const offset = tweaks.offset ?? view.getUint8(at) >>> 4;
  view.setUint8(at, (offset << 4) | tweaks.reserved);
  const checksumAt = IPV4_SIZE + T.TCP_CHECKSUM;
  view.setUint16(checksumAt, 0);
  const length = bytes.length - IPV4_SIZE;
  const sum = checksumAdd(pseudoSum(ends.remote, ends.local, length), view, IPV4_SIZE, length);
  view.setUint16(checksumAt, checksumFinish(sum) ^ (tweaks.checksum ? 0x5555 : 0));
  return bytes;
}

export class Peer {
  readonly #ends: Endpoints;
  /** ISN of the system under test; undefined before its SYN. */
  #localIsn: number | undefined;
  /** Its next number as far as it has come, relative; and its last TSval. */
  #seen = 0;
  #stamp = 0;
  /** Relative number of the peer's first byte. */
  #first = 1;
  /** Bytes that its application has written. */
  written = 0;

  constructor(ends: Endpoints) {
    this.#ends = ends;
  }

  /** Bytes of the packet that a step has the peer send. */
  build(step: Extract<Step, { kind: "packet" }>): Uint8Array {
    const pattern = packetOf(step, this.#seen, this.#stamp);
    if (pattern.protocol === "icmp") return this.#icmp(pattern);
    return tweaked(buildSegment(this.#inbound(pattern)), step.tweaks, this.#ends);
  }

  #icmp(pattern: IcmpPattern): Uint8Array {
    const { local, remote, localPort, remotePort } = this.#ends;
    const quoted: Segment = {
      source: local,
      destination: remote,
      tos: 0,
      ttl: QUOTED_TTL,
      sourcePort: localPort,
      destinationPort: remotePort,
      seq: ((pattern.quoted.seq ?? 0) + (this.#localIsn ?? 0)) >>> 0,
      ack: 0,
      flags: T.TCP_ACK_FLAG,
      window: 0,
      urgent: 0,
      options: [],
      payload: new Uint8Array(pattern.quoted.length),
    };
    const numbers = icmpNumbers(false, pattern.type, pattern.code);
    return buildIcmp({ source: remote, destination: local, ...numbers, mtu: pattern.mtu, quoted });
  }

  #inbound(pattern: TcpPattern): Segment {
    const { local, remote, localPort, remotePort, isn } = this.#ends;
    const { flags, seq, length, ip } = pattern;
    const isSyn = (flags & T.TCP_SYN) !== 0;
    if (isSyn && this.#localIsn === undefined) this.#first = seq + 1;
    const from = seq + (isSyn ? 1 : 0) - this.#first;
    const isAck = (flags & T.TCP_ACK_FLAG) !== 0;
    const options = pattern.options === "any" ? NO_OPTIONS : pattern.options;
    return {
      source: remote,
      destination: local,
      tos: ((ip.tos ?? 0) & ~ECN_MASK) | (ip.ecn ?? 0),
      ttl: ip.ttl ?? 64,
      sourcePort: remotePort,
      destinationPort: localPort,
      seq: (seq + isn) >>> 0,
      ack: isAck ? ((pattern.ack ?? 0) + (this.#localIsn ?? 0)) >>> 0 : 0,
      flags,
      window: pattern.window ?? 65535,
      urgent: pattern.urgent,
      options: options.map((option) => this.#shifted(option, this.#localIsn ?? 0)),
      payload: Uint8Array.from({ length }, (_, i) => streamByte(from + i)),
    };
  }

  #shifted(option: OptionPattern, by: number): OptionPattern {
    if (option.kind !== "sack") return option;
    const blocks = option.blocks.map(([left, right]): [number, number] => {
      return [(left + by) >>> 0, (right + by) >>> 0];
    });
    return { kind: "sack", blocks };
  }

  /** What a packet of the system under test says. */
  read(packet: Uint8Array): string {
    const protocol = ipv4Protocol(viewOf(packet), 0);
    if (protocol === PROTOCOL_ICMP && packet.length >= IPV4_SIZE + ICMP_SIZE) {
      return `> icmp type ${packet[IPV4_SIZE]} code ${packet[IPV4_SIZE + 1]}`;
    }
    if (protocol !== PROTOCOL_TCP) return `> IP protocol ${protocol}`;
    try {
      return this.#segment(readSegment(packet));
    } catch (error) {
      return `> unsound: ${(error as Error).message}`;
    }
  }

  #segment(segment: Segment): string {
    const { flags, payload, tos } = segment;
    const notes = this.#learn(segment);
    const isn = this.#localIsn ?? 0;
    // RFC 9293, 3.10.7.1: what answers a segment without ACK has the number zero, whatever the ISN.
    const isZero = (flags & T.TCP_RST) !== 0 && segment.seq === 0;
    const seq = isZero ? 0 : (segment.seq - isn) >>> 0;
    const length = payload.length;
    const options = segment.options
      .map((option) => this.#shifted(option, -this.#ends.isn))
      .map((option) => this.#plain(option, notes));
    const ecn = tos & ECN_MASK;
    if (this.#isWrong(seq, payload)) notes.push("wrong bytes");
    const words = [
      ">",
      ecn === 0 ? "" : `[${ECN_NAMES[ecn]}]`,
      flagsText(this.#isWithin(seq, length) ? flags & ~T.TCP_PSH : flags),
      `${seq}:${(seq + length) >>> 0}(${length})`,
      (flags & T.TCP_ACK_FLAG) === 0 ? "" : `ack ${(segment.ack - this.#ends.isn) >>> 0}`,
      segment.window === 0 && (flags & T.TCP_RST) === 0 ? "win 0" : "",
      (flags & T.TCP_URG) === 0 ? "" : `urg ${segment.urgent}`,
      options.length === 0 ? "" : `<${options.join(",")}>`,
      notes.length === 0 ? "" : `! ${notes.join(", ")}`,
    ];
    return words.filter((word) => word !== "").join(" ");
  }

  /** Takes in what a segment tells; what is odd about it. */
  #learn(segment: Segment): string[] {
    const notes: string[] = [];
    const { flags, seq, payload } = segment;
    const isSyn = (flags & T.TCP_SYN) !== 0;
    if (isSyn && seq !== this.#localIsn) {
      if (this.#localIsn !== undefined) notes.push("new ISN");
      this.#localIsn = seq;
      this.#seen = 0;
      this.written = 0;
    }
    const isLong = isSyn || (flags & T.TCP_FIN) !== 0;
    const end = (seq - (this.#localIsn ?? 0) + payload.length + (isLong ? 1 : 0)) >>> 0;
    if (this.#localIsn !== undefined && ((end - this.#seen) | 0) > 0) this.#seen = end;
    return notes;
  }

  #plain(option: OptionPattern, notes: string[]): string {
    if (option.kind !== "TS") return optionsText([option]).slice(1, -1);
    if (this.#stamp !== 0 && ((option.value - this.#stamp) | 0) < 0) notes.push("TSval went back");
    this.#stamp = option.value;
    return `TS ecr ${option.echo}`;
  }

  /** More follows of what is written: PSH is the sender's taste there (RFC 9293, 3.9.1.2). */
  #isWithin(seq: number, length: number): boolean {
    return length > 0 && ((seq + length - 1) | 0) < this.written;
  }

  /** A probe of an earlier number may carry anything (RFC 9293, 3.8.4). */
  #isWrong(seq: number, payload: Uint8Array): boolean {
    const from = (seq - 1) | 0;
    if (from < 0) return false;
    return payload.some((byte, i) => from + i >= this.written || byte !== streamByte(from + i));
  }
}
