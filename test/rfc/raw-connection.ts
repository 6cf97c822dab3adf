/** A connection of a whole stack with a scripted peer, for rules about single bits and bytes. */
import type { Counter } from "../../bindings/abi/counters.ts";
import type { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../../bindings/abi/memory-map.ts";
import { ACK, FIN, type FrameFields, SYN, streamBytes } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { watchPools } from "../support/returned-pools.ts";
import { type PeerOptions, ScriptedPeer } from "../support/scripted-peer.ts";

/** Sequence numbers of the peer's SYN: the second wraps within the first bytes. */
export const STARTS = [7000, 0xffffff00] as const;

export interface RawOptions extends PeerOptions {
  /** Options of the peer's SYN, as bytes; default MSS 1000. */
  readonly syn?: readonly number[];
  /** Options of each later segment. */
  readonly later?: readonly number[];
}

/**
 * The peer has opened it, 10.0.0.2:40000 to port 80, and the stack's application has accepted. When
 * the test has ended, all that the stack had must be back in its pools.
 */
export class RawConnection {
  readonly peer: ScriptedPeer;
  readonly fd: number;
  readonly listener: number;
  readonly synAck: SentSegment;
  readonly start: number;
  /** The peer's next number and the next one that it expects. */
  seq: number;
  ack: number;
  readonly #later: readonly number[];

  constructor(start: number, options: RawOptions = {}) {
    this.peer = watchPools(new ScriptedPeer(options));
    this.start = start;
    this.#later = options.later ?? [];
    this.listener = this.peer.listen(80);
    const syn = options.syn ?? [2, 4, 0x03, 0xe8];
    const [answer] = this.peer.send({ seq: start, flags: SYN, options: syn });
    if (answer === undefined) throw new Error("RawConnection: expected an answer to the SYN");
    this.synAck = answer;
    this.seq = (start + 1) >>> 0;
    this.ack = (answer.seq + 1) >>> 0;
    this.send({});
    this.fd = this.peer.stack.toe.accept(this.listener);
    if (this.fd < 0) throw new Error(`RawConnection: expected a connection, got ${this.fd}`);
  }

  get toe() {
    return this.peer.stack.toe;
  }

  /** One of the peer's segments, an ACK unless told otherwise; its numbers do not move. */
  fields(fields: Partial<FrameFields>): Partial<FrameFields> {
    const { seq, ack } = this;
    return { seq, ack, flags: ACK, options: this.#later, ...fields };
  }

  send(fields: Partial<FrameFields>): SentSegment[] {
    return this.peer.send(this.fields(fields));
  }

  /** `length` bytes from the peer; its number moves. */
  data(length: number, fields: Partial<FrameFields> = {}): SentSegment[] {
    const sent = this.send({ payload: streamBytes(this.seq, length), ...fields });
    this.seq = (this.seq + length) >>> 0;
    return sent;
  }

  /** The application writes; what leaves. */
  write(length: number): SentSegment[] {
    this.toe.send(this.fd, new Uint8Array(length));
    return this.peer.settle();
  }

  /** 1000 bytes of ours, then both sides end, ours first: TIME-WAIT; `seq` is behind the FIN. */
  endFirst(): void {
    this.write(1000);
    this.ack = (this.ack + 1000) >>> 0;
    this.toe.close(this.fd);
    this.send({});
    this.ack = (this.ack + 1) >>> 0;
    this.send({ flags: FIN | ACK });
    this.seq = (this.seq + 1) >>> 0;
  }

  /** Everything that the application can read now. */
  read(): Uint8Array {
    const buffer = new Uint8Array(1 << 17);
    const length = this.toe.recv(this.fd, buffer);
    return buffer.slice(0, Math.max(0, length));
  }

  /** Lets `ns` pass in steps; what the stack sent. */
  pass(ns: number, step = 1e8): SentSegment[] {
    const sent: SentSegment[] = [];
    for (const end = this.peer.now + ns; this.peer.now < end; ) {
      this.peer.now = Math.min(end, this.peer.now + step);
      sent.push(...this.peer.settle());
    }
    return sent;
  }

  /** Frames dropped for a reason so far. */
  drops(reason: DropReason): number {
    const { core } = this.peer.stack;
    return core.words[
      ((core.words[(core.address + CORE_DROPS) >>> 2] as number) >>> 2) + reason
    ] as number;
  }

  /** An event counter of the core. */
  counter(counter: Counter): number {
    const { core } = this.peer.stack;
    const base = core.words[(core.address + CORE_COUNTERS) >>> 2] as number;
    return core.words[(base >>> 2) + counter * 2] as number;
  }

  get state(): string {
    return this.peer.state(40000);
  }
}
