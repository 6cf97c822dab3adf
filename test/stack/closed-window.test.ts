/**
 * Acknowledgments while a window is closed (RFC 9293, 3.8.6.1, 3.10.7.4): a persist probe puts a
 * byte beyond the peer's window, and what is sent after it must not stand there as well, or it is
 * dropped with the ACK that it carries. Peers that do so are understood all the same.
 */
import { expect, test } from "vitest";
import { IPPROTO_TCP, TCP_CORK } from "../../host/libtoe/constants.ts";
import { ACK, FIN, PSH, SYN } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const PORT = 40000;
const SECOND = 1e9;
/** Sequence numbers of the peer; the second wraps within its data. */
const STARTS = [7000, 0xffffff00] as const;

class Connection {
  readonly peer = new ScriptedPeer();
  readonly fd: number;
  /** Next numbers of the peer and of the stack. */
  seq: number;
  ack: number;

  constructor(start: number) {
    const listener = this.peer.listen(80);
    const [answer] = this.peer.send({ seq: start, flags: SYN, options: [2, 4, 5, 180] });
    if (answer === undefined) throw new Error("SYN: expected an answer");
    this.seq = (start + 1) >>> 0;
    this.ack = (answer.seq + 1) >>> 0;
    this.send(0, 0xffff);
    this.fd = this.peer.stack.toe.accept(listener);
    expect(this.fd).toBeGreaterThan(0);
  }

  /** `length` bytes from the peer, with what it acknowledges and the window it has. */
  send(length: number, window: number, seq: number = this.seq): SentSegment[] {
    const { ack } = this;
    const payload = new Uint8Array(length);
    const flags = length > 0 ? ACK | PSH : ACK;
    const answers = this.peer.send({ seq, ack, flags, window, payload });
    if (seq === this.seq) this.seq = (this.seq + length) >>> 0;
    return answers;
  }

  /** Lets time pass in steps of 100 ms; what the stack sent. */
  pass(ns: number): SentSegment[] {
    const sent: SentSegment[] = [];
    for (const end = this.peer.now + ns; this.peer.now < end; ) {
      this.peer.now += SECOND / 10;
      sent.push(...this.peer.settle());
    }
    return sent;
  }

  info() {
    const found = this.peer.stack.toe.connections().find(({ remote }) => remote.port === PORT);
    if (found === undefined) throw new Error("info: expected a connection");
    return found;
  }
}

for (const start of STARTS) {
  test(`RFC 9293 MUST-35: ACKs after a probe stay at the edge of the window, ISN ${start}`, () => {
    const connection = new Connection(start);
    const { peer, fd } = connection;
    connection.send(0, 0);
    peer.stack.toe.send(fd, new Uint8Array(5000));
    expect(peer.settle()).toEqual([]);
    const [probe] = connection.pass(5 * SECOND);
    expect([probe?.seq, probe?.payloadLength]).toEqual([connection.ack, 1]);
    // The byte is refused; then the peer has two segments to say, each acknowledged within reach.
    connection.send(0, 0);
    const answers = [...connection.send(1000, 0), ...connection.send(1000, 0)];
    answers.push(...connection.pass(SECOND / 5));
    expect(answers.length).toBeGreaterThan(0);
    for (const { seq, payloadLength } of answers) {
      expect([seq, payloadLength]).toEqual([connection.ack, 0]);
    }
    expect(answers.at(-1)?.ack).toBe(connection.seq);
    // The peer takes the byte of the probe after all.
    connection.ack = (connection.ack + 1) >>> 0;
    expect(connection.send(0, 0)).toEqual([]);
    expect(connection.info().txUna).toBe(connection.ack);
  });

  test(`a peer that answers from beyond our closed window is heard, ISN ${start}`, () => {
    const connection = new Connection(start);
    const { peer, fd } = connection;
    while (connection.info().rxWindow > 0) connection.send(1024, 0xffff);
    peer.settle();
    // The peer probes with one byte, which is refused, and counts it as sent ever after.
    const [refusal] = connection.send(1, 0xffff, connection.seq);
    connection.seq = (connection.seq - 1) >>> 0;
    expect([refusal?.ack, refusal?.window]).toEqual([connection.seq, 0]);
    expect(peer.stack.toe.send(fd, new Uint8Array(1460))).toBe(1460);
    const [segment] = peer.settle();
    expect(segment?.payloadLength).toBe(1460);
    connection.ack = (connection.ack + 1460) >>> 0;
    const beyond = (connection.seq + 1) >>> 0;
    // Its ACK is used and not answered: it would answer in turn.
    expect(connection.send(0, 3000, beyond)).toEqual([]);
    expect(connection.info()).toMatchObject({
      txUna: connection.ack,
      txSent: 0,
      peerWindow: 3000,
      rxNextSeq: connection.seq,
    });
    // Anything further off is not of this window, nor is any byte.
    for (const seq of [beyond + 1, beyond + 1000, beyond + 2 ** 31]) {
      const [answer] = connection.send(0, 100, seq >>> 0);
      expect(answer?.ack).toBe(connection.seq);
      expect(connection.info().peerWindow).toBe(3000);
    }
    const fin = { seq: beyond, ack: connection.ack, flags: ACK | FIN, window: 100 };
    expect(peer.send(fin).length).toBe(1);
    expect(peer.state(PORT)).toBe("ESTABLISHED");
  });

  test(`an ACK at the right edge counts when what fills the window was lost, ISN ${start}`, () => {
    const connection = new Connection(start);
    const { peer, fd } = connection;
    const { rxWindow } = connection.info();
    expect(peer.stack.toe.send(fd, new Uint8Array(1460))).toBe(1460);
    expect(peer.settle().length).toBe(1);
    connection.ack = (connection.ack + 1460) >>> 0;
    const edge = (connection.seq + rxWindow) >>> 0;
    expect(connection.send(0, 4000, edge)).toEqual([]);
    expect(connection.info()).toMatchObject({ txUna: connection.ack, peerWindow: 4000 });
  });

  test(`TCP_CORK does not wait for a window of a whole segment for ever, ISN ${start}`, () => {
    const connection = new Connection(start);
    const { peer, fd } = connection;
    expect(peer.stack.toe.setsockopt(fd, IPPROTO_TCP, TCP_CORK, 1)).toBe(0);
    connection.send(0, 300);
    // Less than a segment: cork holds it, however long.
    expect(peer.stack.toe.send(fd, new Uint8Array(200))).toBe(200);
    expect(connection.pass(5 * SECOND)).toEqual([]);
    // More than one: only the window is in the way, and the override timer runs (3.8.6.2.1).
    expect(peer.stack.toe.send(fd, new Uint8Array(5000))).toBe(5000);
    const [segment] = connection.pass(5 * SECOND);
    expect([segment?.seq, segment?.payloadLength]).toEqual([connection.ack, 300]);
  });
}
