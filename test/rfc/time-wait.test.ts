/**
 * RFC 9293 3.6.1 MAY-2 and RFC 6191: a SYN that reopens TIME-WAIT. The stack has closed first; the
 * peer's segments are the test's own.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { PROFILES } from "../../host/control-plane/profile.ts";
import { ACK, FIN, RST, streamBytes, SYN } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { RawConnection, type RawOptions, STARTS } from "./raw-connection.ts";

const SECOND = 1e9;
const TIME_WAIT = PROFILES.rfc.timeWait;

/** A connection in TIME-WAIT after 1000 bytes of ours; `seq` is behind the peer's FIN. */
function ended(start: number, options: RawOptions = {}): RawConnection {
  const c = new RawConnection(start, options);
  c.endFirst();
  expect(c.state).toBe("TIME-WAIT");
  return c;
}

/** A SYN above the peer's FIN, `ahead` of it: what answers. */
function reopen(c: RawConnection, ahead = 5): SentSegment {
  const [answer] = c.peer.send({ seq: (c.seq + ahead) >>> 0, flags: SYN });
  if (answer === undefined) throw new Error("reopen: expected an answer to the SYN");
  expect(answer.flags).toBe(SYN | ACK);
  expect(c.state).toBe("SYN-RECEIVED");
  return answer;
}

/** The old connection's numbers, as only its TIME-WAIT knows them: its FIN again has an answer. */
function expectOldTimeWait(c: RawConnection): void {
  expect(c.state).toBe("TIME-WAIT");
  expect(c.toe.connections().filter(({ remote }) => remote.port === 40000)).toHaveLength(1);
  const beside = c.send({ payload: new Uint8Array(3) });
  expect(beside).toMatchObject([{ flags: ACK, seq: c.ack, ack: c.seq }]);
}

const resetOf = ({ ack }: SentSegment) => ({ seq: ack, flags: RST });

describe.each(STARTS)("from ISN %d", (start) => {
  test("RFC 9293 MAY-2, TW-10: reopened from TIME-WAIT, our ISN is beyond all that we sent", () => {
    const c = ended(start);
    const answer = reopen(c, 0);
    const distance = (answer.seq - c.ack) >>> 0;
    expect(distance).toBeGreaterThan(0);
    expect(distance).toBeLessThan(0x80000000);
  });

  test("RFC 9293 MAY-2, TW-10: after a RST for our SYN-ACK it is TIME-WAIT again", () => {
    const c = ended(start);
    for (let i = 0; i < 3; i += 1) {
      const answer = reopen(c, 5 + i);
      expect(c.peer.send(resetOf(answer))).toEqual([]);
      expectOldTimeWait(c);
    }
    expect(c.peer.stack.control.counters).toMatchObject({ connections: 1, timeWait: 1 });
  });

  test("RFC 9293 MAY-2, TW-10: back in TIME-WAIT, the old deadline stands", () => {
    const c = ended(start);
    c.pass(TIME_WAIT / 2);
    c.peer.send(resetOf(reopen(c)));
    c.pass(TIME_WAIT / 2 - SECOND);
    expect(c.state).toBe("TIME-WAIT");
    c.pass(2 * SECOND);
    expect(c.state).toBe("CLOSED");
    expect(c.peer.stack.control.counters).toMatchObject({ connections: 0, timeWait: 0 });
  });

  test("RFC 9293 MAY-2, TW-10: a SYN-ACK that nobody answers is back in TIME-WAIT", () => {
    const c = ended(start, { limits: { synAckRetries: 2 } });
    reopen(c);
    // 1, 2 and 4 s.
    c.pass(6 * SECOND);
    expect(c.state).toBe("SYN-RECEIVED");
    c.pass(2 * SECOND);
    expectOldTimeWait(c);
  });

  test("RFC 9293 MAY-2, TW-10: back in TIME-WAIT, an older SYN than the FIN opens nothing", () => {
    const c = ended(start);
    c.peer.send(resetOf(reopen(c)));
    expect(c.peer.send({ seq: (c.seq - 1) >>> 0, flags: SYN })).toEqual([]);
    expectOldTimeWait(c);
  });

  test("RFC 9293 MAY-2: the handshake's ACK ends TIME-WAIT, and the stream is whole", () => {
    const c = ended(start);
    const old = { seq: c.seq, ack: c.ack };
    const answer = reopen(c);
    const [seq, ack] = [answer.ack, (answer.seq + 1) >>> 0];
    c.peer.send({ seq, ack, flags: ACK, payload: streamBytes(seq, 100) });
    expect(c.state).toBe("ESTABLISHED");
    expect(c.peer.stack.control.counters).toMatchObject({ connections: 1, timeWait: 0 });
    const fd = c.toe.accept(c.listener);
    const buffer = new Uint8Array(200);
    expect(c.toe.recv(fd, buffer)).toBe(100);
    expect([...buffer.subarray(0, 100)]).toEqual([...streamBytes(seq, 100)]);
    // A RST of it later does not bring back what was.
    c.peer.send({ seq: (seq + 100) >>> 0, flags: RST });
    c.toe.close(fd);
    expect(c.send(old)).toMatchObject([{ flags: RST, seq: old.ack }]);
    expect(c.peer.stack.control.counters).toMatchObject({ connections: 0, timeWait: 0 });
  });
});

test("RFC 9293 MAY-2: 2 MSL end while the new connection is half open: nothing is left", () => {
  const c = ended(7000);
  c.pass(TIME_WAIT - SECOND);
  const answer = reopen(c);
  c.pass(2 * SECOND);
  expect(c.peer.stack.control.counters).toMatchObject({ connections: 1, timeWait: 0 });
  c.peer.send(resetOf(answer));
  expect(c.state).toBe("CLOSED");
  expect(c.peer.stack.control.counters).toMatchObject({ connections: 0, timeWait: 0 });
});

test("RFC 9293 MAY-2: the listener goes with its half-open connection; TIME-WAIT does not", () => {
  const c = ended(7000);
  const answer = reopen(c);
  c.toe.close(c.listener);
  expect(c.peer.settle()).toMatchObject([{ flags: RST | ACK, seq: (answer.seq + 1) >>> 0 }]);
  expectOldTimeWait(c);
});

test("RFC 9293 MAY-2: the address goes: neither of the two is left", () => {
  const c = ended(7000);
  reopen(c);
  c.peer.stack.removeAddress(0, "10.0.0.1");
  c.peer.settle();
  expect(c.peer.stack.control.counters).toMatchObject({ connections: 0, timeWait: 0 });
});

/** The peer's handshake from a port of its own; the number that it expects next. */
function open(c: RawConnection, sourcePort: number): number {
  const [answer] = c.peer.send({ sourcePort, seq: 1, flags: SYN });
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  c.peer.send({ sourcePort, seq: 2, ack, flags: ACK });
  return ack;
}

/** Accepts what open() opened and closes it first: TIME-WAIT. */
function end(c: RawConnection, sourcePort: number, ack: number): void {
  c.toe.close(c.toe.accept(c.listener));
  c.peer.settle();
  c.peer.send({ sourcePort, seq: 2, ack: (ack + 1) >>> 0, flags: FIN | ACK });
  expect(c.peer.state(sourcePort)).toBe("TIME-WAIT");
}

test("RFC 9293 MAY-2: its row is another's TIME-WAIT by now, which goes on", () => {
  for (const isAnswered of [true, false]) {
    const c = ended(7000, { layout: { connections: 4 } });
    const answer = reopen(c);
    // Rows 3 and 4, then the first one's.
    for (const port of [41000, 41001, 41002]) end(c, port, open(c, port));
    const ack = (answer.seq + 1) >>> 0;
    c.peer.send(isAnswered ? { seq: answer.ack, ack, flags: ACK } : resetOf(answer));
    expect(c.state).toBe(isAnswered ? "ESTABLISHED" : "CLOSED");
    expect(c.peer.state(41002)).toBe("TIME-WAIT");
    expect(c.peer.stack.control.counters.timeWait).toBe(3);
  }
});

describe("RFC 9293 MAY-2: without room for one more", () => {
  test.each(["off", "on", "always"] as const)(
    "MAY-2: a full accept queue leaves TIME-WAIT alone, cookies %s",
    (synCookies) => {
      const c = ended(7000, { limits: { synCookies, backlog: 1 } });
      open(c, 41000);
      expect(c.peer.state(41000)).toBe("ESTABLISHED");
      expect(c.peer.send({ seq: c.seq + 5, flags: SYN })).toEqual([]);
      expect(c.drops(DropReason.BacklogFull)).toBe(1);
      expectOldTimeWait(c);
      // The SYN comes again when there is room.
      expect(c.toe.accept(c.listener)).toBeGreaterThan(0);
      reopen(c);
    },
  );

  test("MAY-2: as many half-open connections as may be: TIME-WAIT is left alone, no cookie", () => {
    const c = ended(7000, { limits: { backlog: 1 } });
    c.peer.send({ sourcePort: 41000, seq: 1, flags: SYN });
    expect(c.peer.send({ seq: c.seq + 5, flags: SYN })).toEqual([]);
    expectOldTimeWait(c);
  });

  test("MAY-2: rows run out: another TIME-WAIT gives way, its own only when it is alone", () => {
    for (const others of [1, 0]) {
      const c = ended(7000, { layout: { connections: 4 } });
      const filled = 3 - others;
      // What fills the table: `others` in TIME-WAIT that are younger, the rest stays open.
      for (let i = 0; i < 3; i += 1) {
        const sourcePort = 41000 + i;
        const ack = open(c, sourcePort);
        if (i < filled) c.toe.accept(c.listener);
        else end(c, sourcePort, ack);
      }
      expect(c.peer.stack.control.counters).toMatchObject({ connections: 4, timeWait: 1 + others });
      const answer = reopen(c);
      expect(c.peer.stack.control.counters).toMatchObject({ connections: 4, timeWait: others });
      c.peer.send(resetOf(answer));
      expect(c.state).toBe(others === 1 ? "TIME-WAIT" : "CLOSED");
      expect(c.peer.stack.control.counters.connections).toBe(3);
    }
  });
});

test("RFC 9293 MAY-2: the old handshake's cookie says nothing of the new connection", () => {
  const c = ended(7000, { limits: { synCookies: "always" } });
  const answer = reopen(c);
  const { seq } = c.synAck;
  const sent = c.peer.send({ seq: 7001, ack: (seq + 1) >>> 0, flags: ACK });
  expect(sent.every(({ flags }) => (flags & SYN) === 0)).toBe(true);
  expect(c.state).toBe("SYN-RECEIVED");
  c.peer.send({ seq: answer.ack, ack: (answer.seq + 1) >>> 0, flags: ACK });
  expect(c.state).toBe("ESTABLISHED");
});
