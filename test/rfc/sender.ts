/**
 * A bare core that sends, the peer's acknowledgments written by hand: what leaves is told by
 * numbers of segments from the first on.
 */
import { expect } from "vitest";
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import {
  CongestionAlgorithm,
  FLOW_ECN,
  FLOW_NODELAY,
  FLOW_SACK,
  FLOW_TIMESTAMPS,
} from "../../bindings/abi/flow-state.ts";
import { ACK, buildFrame, type FrameFields, sackOption } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { type FlowFields, RawCore } from "../support/raw-core.ts";
import { watchCorePools } from "../support/returned-pools.ts";

export const MSS = 1000;

export type Block = readonly [from: number, to: number];

export interface SenderChoice {
  /** cwnd, segments. */
  readonly window?: number;
  /** What the application has written, segments. */
  readonly segments?: number;
  readonly algorithm?: number;
  readonly rack?: boolean;
  /** Others of RACK_AT_START. */
  readonly rules?: number;
  /** Default true. */
  readonly sack?: boolean;
  /** Bytes. */
  readonly ssthresh?: number;
  readonly ecn?: boolean;
  readonly timestamps?: boolean;
}

/** A connection with much to send; blocks and acknowledgments in segments. */
export class Sender {
  readonly raw: RawCore;
  readonly flow: FlowFields;
  /** Segments that left at the start. */
  readonly first: number[];

  constructor(origin: number, choice: SenderChoice = {}) {
    const { window = 10, segments = 40, algorithm = CongestionAlgorithm.NewReno } = choice;
    const rack = (choice.rack === true ? 1 : 0) | (choice.rules ?? 0);
    const sack = choice.sack === false ? 0 : FLOW_SACK;
    const stamps = choice.timestamps === true ? FLOW_TIMESTAMPS : 0;
    this.raw = watchCorePools(new RawCore(testCore()));
    this.flow = this.raw.establish({
      flags: sack | stamps | FLOW_NODELAY | (choice.ecn === true ? FLOW_ECN : 0),
      algorithm,
      rack,
      mss: MSS,
      txSeq: origin,
      txShift: 17,
      peerScale: 4,
      peerWindow: 0xffff0,
      cwnd: window * MSS,
      ssthresh: choice.ssthresh ?? 0x3fffffff,
    });
    this.raw.post(1, { txAppend: segments * MSS });
    this.first = this.#numbers(this.raw.step().frames);
  }

  #numbers(frames: readonly Uint8Array[]): number[] {
    return frames
      .map((frame) => judgeSegment(frame))
      .filter(({ payloadLength }) => payloadLength > 0)
      .map(({ seq, payloadLength }) => {
        expect(payloadLength).toBe(MSS);
        return ((seq - this.flow.txSeq) >>> 0) / MSS;
      });
  }

  at(segment: number): number {
    return (this.flow.txSeq + segment * MSS) >>> 0;
  }

  /** What leaves after an ACK. */
  ack(next: number, ...blocks: readonly Block[]): number[] {
    return this.blocks(next, ...blocks.map(([from, to]) => [this.at(from), this.at(to)] as const));
  }

  /** The same with sequence numbers as they are. */
  blocks(next: number, ...blocks: readonly Block[]): number[] {
    return this.segment({
      ack: this.at(next),
      options: blocks.length > 0 ? sackOption(blocks) : [],
    });
  }

  /** What leaves after any segment of the peer's: an ACK of nothing new unless said otherwise. */
  segment(fields: Partial<FrameFields>): number[] {
    const usual = { seq: this.flow.rxSeq, ack: this.at(0), flags: ACK, window: 0xffff };
    return this.#numbers(this.raw.offer([buildFrame({ ...usual, ...fields })]).frames);
  }

  /** What leaves for so many ACKs that repeat the number. */
  repeat(next: number, times: number): number[] {
    return Array.from({ length: times }, () => this.ack(next)).flat();
  }

  /** cwnd and ssthresh, segments. */
  get cwnd(): number {
    return this.raw.inspect().cwnd / MSS;
  }

  get ssthresh(): number {
    return this.raw.inspect().ssthresh / MSS;
  }

  /** What leaves when nothing arrives for so many ns. */
  wait(time: number): number[] {
    this.raw.now += time;
    return this.#numbers(this.raw.step().frames);
  }

  /** The retransmission timer has expired. */
  timeout(): number[] {
    this.raw.post(0, { opcode: AtxOpcode.Retransmit, low: 1 });
    return this.#numbers(this.raw.step().frames);
  }
}
