/**
 * TIME-WAIT is bounded: rows that run out cost the oldest its row. What the tuple's next
 * incarnation, opened at once from either side, then meets of the old one (RFC 9293 3.4.3, RFC
 * 6528, RFC 7323 5.3) is nothing that it takes.
 */
import { describe, expect, test } from "vitest";
import { optionBytesUnderTest } from "../support/env.ts";
import { ACK, FIN, type FrameFields, PSH, RST, streamBytes, SYN } from "../support/frames.ts";
import { timestampOption } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { RawConnection } from "./raw-connection.ts";

const MSS = [2, 4, 5, 180];
/** Carried in no time: RFC 6528's clock does as many in 4 s. */
const BYTES = 1_000_000;
const ROWS = 2;
const OLD_ISN = 7000;
const OLD_TICK = 100;
const NEW_TICK = 5000;

const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0;

/** A connection that carried BYTES of ours at once, was in TIME-WAIT and has lost its row. */
class Evicted {
  readonly c: RawConnection;
  readonly isStamped: boolean;
  /** Segments that the network has kept. */
  readonly old: Partial<FrameFields>[] = [];

  constructor(isStamped: boolean) {
    this.isStamped = isStamped;
    const later = this.stamps(OLD_TICK);
    const syn = [...MSS, ...later];
    this.c = new RawConnection(OLD_ISN, { syn, later, layout: { connections: ROWS } });
    const { c } = this;
    const said = c.fields({ payload: streamBytes(1, 300), flags: ACK | PSH });
    this.old.push(c.fields({}), said);
    c.send(said);
    c.seq += 300;
    expect(c.read()).toHaveLength(300);
    this.#carry();
    c.toe.close(c.fd);
    c.send({});
    c.ack = (c.ack + 1) >>> 0;
    const fin = c.fields({ flags: FIN | ACK });
    this.old.push(fin);
    c.send(fin);
    c.seq += 1;
    expect(c.state).toBe("TIME-WAIT");
    for (let i = 0; i < ROWS; i += 1) this.#other(50000 + i);
    expect(c.state).toBe("CLOSED");
    c.pass(1e7, 1e6);
  }

  stamps(tick: number): number[] {
    return this.isStamped ? timestampOption(tick, 0) : [];
  }

  #carry(): void {
    const { c } = this;
    for (let left = BYTES; left > 0; ) {
      left -= Math.max(0, c.toe.send(c.fd, new Uint8Array(Math.min(20_000, left))));
      let sent = c.peer.settle();
      while (sent.length > 0) {
        for (const { seq, payloadLength } of sent) c.ack = (seq + payloadLength) >>> 0;
        this.old.push(c.fields({ window: 65535 }));
        sent = c.send({ window: 65535 });
      }
    }
  }

  /** Another peer's connection that ends in TIME-WAIT. */
  #other(sourcePort: number): void {
    const { peer, toe, listener } = this.c;
    const [answer] = peer.send({ sourcePort, seq: 1, flags: SYN });
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    peer.send({ sourcePort, seq: 2, ack, flags: ACK });
    toe.close(toe.accept(listener));
    peer.settle();
    peer.send({ sourcePort, seq: 2, ack: (ack + 1) >>> 0, flags: FIN | ACK });
  }

  /** Everything old arrives again; the state is what it was. */
  replay(state: string): void {
    for (const one of this.old) this.c.peer.send(one);
    expect(this.c.state).toBe(state);
  }

  /** The old SYN alone. */
  syn(): SentSegment[] {
    const options = [...MSS, ...this.stamps(OLD_TICK)];
    return this.c.peer.send({ seq: OLD_ISN, flags: SYN, options });
  }

  /** The peer's new ISN. With timestamps the old bytes lie in the new window. */
  get isn(): number {
    return this.isStamped ? OLD_ISN - 50 : this.c.seq + 1000;
  }

  /** The peer opens it again; what accepts it. */
  fromPeer(): { fd: number; iss: number } {
    const { peer, toe, listener } = this.c;
    const later = this.stamps(NEW_TICK);
    const [answer] = peer.send({ seq: this.isn, flags: SYN, options: [...MSS, ...later] });
    expect(answer?.flags).toBe(SYN | ACK);
    this.replay("SYN-RECEIVED");
    this.syn();
    expect(this.c.state).toBe("SYN-RECEIVED");
    const iss = answer?.seq ?? 0;
    peer.send({ seq: this.isn + 1, ack: (iss + 1) >>> 0, flags: ACK, options: later });
    return { fd: toe.accept(listener), iss };
  }

  /** The stack opens it again, from the port where it has listened. */
  fromStack(): { fd: number; iss: number } {
    const { peer, toe, listener } = this.c;
    toe.close(listener);
    const fd = toe.socket();
    expect(toe.bind(fd, { address: "10.0.0.1", port: 80 })).toBe(0);
    toe.connect(fd, { address: "10.0.0.2", port: 40000 });
    const [syn] = peer.settle();
    expect(syn?.flags).toBe(SYN);
    this.replay("SYN-SENT");
    const iss = syn?.seq ?? 0;
    const options = [...MSS, ...this.stamps(NEW_TICK)];
    peer.send({ seq: this.isn, ack: (iss + 1) >>> 0, flags: SYN | ACK, options });
    return { fd, iss };
  }
}

/** Without timestamps of our own there is no PAWS to lean on. */
const KINDS = optionBytesUnderTest() === 0 ? [false] : [false, true];

describe.each(KINDS)("timestamps %s", (isStamped) => {
  test.each(["fromPeer", "fromStack"] as const)(
    "ISN-3, PAWS-1: evicted from TIME-WAIT and opened again %s: nothing old is taken",
    (open) => {
      const e = new Evicted(isStamped);
      const { c } = e;
      // In LISTEN the old SYN is any SYN: the peer knows nothing of it.
      const [answer] = e.syn();
      expect(answer).toMatchObject({ flags: SYN | ACK, ack: OLD_ISN + 1 });
      c.peer.send({ seq: OLD_ISN + 1, flags: RST });
      expect(c.state).toBe("CLOSED");
      const { fd, iss } = e[open]();
      expect(c.state).toBe("ESTABLISHED");
      if (!isStamped) expect(isAfter(iss, c.ack)).toBe(true);
      const [seq, ack] = [e.isn + 1, (iss + 1) >>> 0];
      const options = e.stamps(NEW_TICK);
      c.toe.send(fd, new Uint8Array(500));
      expect(c.peer.settle()).toMatchObject([{ seq: ack, payloadLength: 500 }]);
      e.replay("ESTABLISHED");
      e.syn();
      for (const at of [400, 0]) {
        const payload = streamBytes(9000 + at, 400);
        c.peer.send({ seq: seq + at, ack, flags: ACK | PSH, options, payload });
        e.replay("ESTABLISHED");
      }
      const buffer = new Uint8Array(5000);
      expect(c.toe.recv(fd, buffer)).toBe(800);
      expect([...buffer.subarray(0, 800)]).toEqual([...streamBytes(9000, 800)]);
      // Nothing old has acknowledged ours, either.
      const info = c.toe.connections().find(({ remote }) => remote.port === 40000);
      expect(info).toMatchObject({ state: "ESTABLISHED", txUna: ack, txSent: 500 });
    },
  );
});
