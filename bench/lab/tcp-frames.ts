/**
 * Segments of a modelled peer as frames for our data path, and the data path's frames as segments:
 * raw IPv4 with timestamps, flows and first numbers of flow-cores.ts. Payload is zeros: what is
 * checked is its amount.
 */
import { IPV4_SIZE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_ACK_FLAG, TCP_CHECKSUM, TCP_ECE } from "../../bindings/abi/tcp.ts";
import { offsetOf, seqAt } from "../../host/modelled/laminar/stream-offset.ts";
import { checksumUpdate } from "../../host/wire/checksum.ts";
import { writeIpv4Header } from "../../host/wire/ipv4.ts";
import { ControlSegment, Segment } from "../../host/wire/tcp.ts";
import {
  CLIENT,
  CLIENT_SEQ,
  FIRST_PORT,
  SERVER,
  SERVER_PORT,
  SERVER_SEQ,
  windowScale,
} from "../flow-cores.ts";

/** A segment between peer and data path; offsets count from the start of each direction. */
export interface StreamSegment {
  /** From 1 on. */
  readonly flow: number;
  readonly offset: number;
  readonly length: number;
  /** Of the other direction: everything before it is there. */
  readonly acked: number;
  /** ECN-echo. */
  readonly marked: boolean;
}

const word = ([a, b, c, d]: readonly [number, number, number, number]): number =>
  ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
/** ns of a timestamp's tick, as the data path's own. */
const TICK_NS = 1e6;

/** The client's side of flows that FlowCore installed for a server. */
export class ClientFrames {
  readonly #control = new ControlSegment();
  readonly #segment = new Segment();
  readonly #window: number;
  /** Of each flow: the last timestamp of the server, and the ends of both streams. */
  readonly #echo: Uint32Array;
  readonly #sent: Float64Array;
  readonly #received: Float64Array;

  /** `shift`: log2 of the client's receive buffer, which it always announces whole. */
  constructor(flows: number, shift: number) {
    this.#window = Math.min(0xffff, 2 ** (shift - windowScale(shift)));
    this.#echo = new Uint32Array(flows + 1);
    this.#sent = new Float64Array(flows + 1);
    this.#received = new Float64Array(flows + 1);
    const control = this.#control;
    control.source = word(CLIENT);
    control.destination = word(SERVER);
    control.destinationPort = SERVER_PORT;
    control.window = this.#window;
    control.timestamps = true;
  }

  /** A segment as a frame of its own, checksums right. */
  write({ flow, offset, length, acked, marked }: StreamSegment, now: number): Uint8Array {
    const control = this.#control;
    this.#sent[flow] = Math.max(this.#sent[flow] as number, offset + length);
    control.sourcePort = FIRST_PORT + flow;
    control.seq = seqAt(offset, CLIENT_SEQ);
    control.ack = seqAt(acked, SERVER_SEQ);
    control.flags = TCP_ACK_FLAG | (marked ? TCP_ECE : 0);
    control.tsVal = Math.floor(now / TICK_NS) + 1;
    control.tsEcr = this.#echo[flow] as number;
    const header = control.length;
    const frame = new Uint8Array(IPV4_SIZE + header + length);
    const view = new DataView(frame.buffer);
    const [source, destination] = [word(CLIENT), word(SERVER)];
    const ip = { length: frame.length, tos: 0, ttl: 64, protocol: PROTOCOL_TCP };
    writeIpv4Header(view, 0, { ...ip, source, destination });
    control.write(view, IPV4_SIZE);
    // Zeros add nothing to the sum; the length in the pseudo-header does.
    const at = IPV4_SIZE + TCP_CHECKSUM;
    view.setUint16(at, checksumUpdate(view.getUint16(at), header, header + length));
    return frame;
  }

  /** A frame of the server. Throws Error when it is no segment of one of the flows. */
  read(frame: Uint8Array): StreamSegment {
    const segment = this.#segment;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    if (!segment.read(view, 0, frame.length)) throw new Error("frames: expected a segment");
    const flow = segment.destinationPort - FIRST_PORT;
    const [received, sent] = [this.#received[flow], this.#sent[flow]];
    if (received === undefined || sent === undefined) {
      throw new Error(`frames: expected a known flow, got ${flow}`);
    }
    this.#echo[flow] = segment.tsVal;
    const { payloadLength: length, seq, ack, flags } = segment;
    const offset = offsetOf(seq, received, SERVER_SEQ);
    this.#received[flow] = Math.max(received, offset + length);
    const acked = offsetOf(ack, sent, CLIENT_SEQ);
    return { flow, offset, length, acked, marked: (flags & TCP_ECE) !== 0 };
  }
}
