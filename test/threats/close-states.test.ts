/**
 * Threat U02 in each state of RFC 9293 that a descriptor can be held in: close() works once, a
 * second one and every other call say EBADF, and so they do when the connection has ended.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../host/errors.ts";
import { SHUT_WR } from "../../host/libtoe/constants.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { ACK, FIN, RST, SYN } from "../support/frames.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { CALLS } from "../unit/libtoe/misuse-cases.ts";

interface Held {
  readonly peer: ScriptedPeer;
  readonly fd: number;
}

/** The peer's FIN; ours; ours acknowledged. */
function finish(c: RawConnection): void {
  c.send({ flags: ACK | FIN });
  c.seq = (c.seq + 1) >>> 0;
}

function shut(c: RawConnection): void {
  c.toe.shutdown(c.fd, SHUT_WR);
  c.peer.settle();
}

function acknowledge(c: RawConnection): void {
  c.ack = (c.ack + 1) >>> 0;
  c.send({});
}

/** A connect() whose SYN nobody answers, or that a SYN meets. */
function connecting(start: number, crossed: boolean): Held {
  const peer = watchPools(new ScriptedPeer());
  const { toe } = peer.stack;
  const fd = toe.socket();
  toe.connect(fd, { address: "10.0.0.2", port: 40_000 });
  const destinationPort = peer.settle()[0]?.tuple.sourcePort ?? 0;
  if (crossed) peer.send({ destinationPort, seq: start, flags: SYN });
  return { peer, fd };
}

const opened = (start: number, ...steps: ((c: RawConnection) => void)[]): Held => {
  const c = new RawConnection(start);
  for (const step of steps) step(c);
  return c;
};

const STATES: readonly (readonly [state: string, reach: (start: number) => Held])[] = [
  ["SYN-SENT", (start) => connecting(start, false)],
  ["SYN-RECEIVED", (start) => connecting(start, true)],
  ["ESTABLISHED", (start) => opened(start)],
  ["FIN-WAIT-1", (start) => opened(start, shut)],
  ["FIN-WAIT-2", (start) => opened(start, shut, acknowledge)],
  ["CLOSE-WAIT", (start) => opened(start, finish)],
  ["CLOSING", (start) => opened(start, shut, finish)],
  ["LAST-ACK", (start) => opened(start, finish, shut)],
  ["TIME-WAIT", (start) => opened(start, shut, acknowledge, finish)],
  ["CLOSED", (start) => opened(start, (c) => void c.send({ flags: RST }))],
];

test.each(STATES)("threats/U02: close() in %s works once, and nothing after it", (state, reach) => {
  for (const start of STARTS) {
    const { peer, fd } = reach(start);
    const { toe } = peer.stack;
    expect(peer.state(40_000)).toBe(state);
    expect(toe.close(fd)).toBe(0);
    for (let turn = 0; turn < 2; turn += 1) {
      for (const call of CALLS) expect(call(toe, fd), `${call}`).toBe(-ERRNO.EBADF);
      // At once, and when whatever was left of it is over.
      for (let i = 0; i < 40; i += 1) {
        peer.now += 30e9;
        peer.settle();
      }
      expect(peer.state(40_000)).toBe("CLOSED");
    }
  }
});
