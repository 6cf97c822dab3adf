/**
 * Threats T01 to T03, T05, T08 and T09: hosts whose time jumps, wraps or comes late, and rates. At
 * whole stacks, whose time is what the test says.
 */
import { expect, test } from "vitest";
import { IPPROTO_TCP, SHUT_WR, SO_KEEPALIVE, SOL_SOCKET } from "../../host/libtoe/constants.ts";
import { SO_MAX_PACING_RATE, TCP_KEEPIDLE, TCP_NODELAY } from "../../host/libtoe/constants.ts";
import { EVENT_CONNECTION, EVENT_GENERATION } from "../../bindings/abi/descriptor.ts";
import { EVENT_KIND, EventKind } from "../../bindings/abi/descriptor.ts";
import { CORE_EVENT_COUNT } from "../../bindings/abi/memory-map.ts";
import { ERRNO } from "../../host/errors.ts";
import { Connected } from "../unit/control-plane/connected.ts";
import { RawConnection } from "../rfc/raw-connection.ts";
import { ACK, FIN, RST, SYN, timestampOption } from "../support/frames.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const SECOND = 1e9;
const DAY = 86_400 * SECOND;
/** The timestamp clock, 1 ms a tick, is 2^32 here: 49 days. */
const CLOCK_WRAP = 2 ** 32 * 1e6;

function open(peer: ScriptedPeer, sourcePort: number, options: readonly number[] = []): number {
  const [answer] = peer.send({ sourcePort, seq: 7000, flags: SYN, options });
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  peer.send({ sourcePort, seq: 7001, ack, flags: ACK });
  return ack;
}

test("threats/T01: polled with times an hour back: nothing early, and then all in its time", () => {
  const c = new RawConnection(7000);
  c.pass(7200 * SECOND);
  c.write(100);
  const start = c.peer.now;
  const sent: number[] = [];
  const poll = (at: number): void => {
    c.peer.now = start + at * SECOND;
    for (const _ of c.peer.settle()) sent.push(at);
  };
  for (let at = -3600; at < -3575; at += 0.5) poll(at);
  expect(sent).toEqual([]);
  for (let at = 0.5; at <= 16; at += 0.5) poll(at);
  // A second, doubled each time, from when the segment was sent.
  expect(sent).toEqual([1, 3, 7, 15]);
  expect(c.state).toBe("ESTABLISHED");
});

test("threats/T02: a day passes between two polls: each timer once, and no storm", () => {
  const peer = watchPools(new ScriptedPeer());
  const { toe } = peer.stack;
  const listener = peer.listen(80);
  const before = poolCounts(peer.stack);
  const COUNT = 30;
  const fds = Array.from({ length: COUNT }, (_, i) => {
    const ack = open(peer, 40000 + i);
    const fd = toe.accept(listener);
    if (i % 3 === 0) toe.send(fd, new Uint8Array(5000));
    if (i % 3 === 1) {
      toe.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
      toe.setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    }
    if (i % 3 === 2) {
      toe.shutdown(fd, SHUT_WR);
      peer.settle();
      peer.send({ sourcePort: 40000 + i, seq: 7001, ack: ack + 1, flags: ACK | FIN });
    }
    return fd;
  });
  peer.settle();
  peer.now += DAY;
  // A retransmission or a probe each, at most, and TIME-WAIT is over.
  expect(peer.settleFrames().length).toBeLessThanOrEqual((2 * COUNT) / 3);
  expect(toe.connections().some(({ state }) => state === "TIME-WAIT")).toBe(false);
  // Nobody answers: a few more in their time, and then all of them end.
  let frames = 0;
  for (let i = 0; i < 4000; i += 1) {
    peer.now += SECOND;
    frames += peer.settleFrames().length;
  }
  expect(frames).toBeLessThanOrEqual(20 * COUNT);
  for (const fd of fds) toe.close(fd);
  peer.settle();
  peer.now += DAY;
  peer.settle();
  expect(poolCounts(peer.stack)).toEqual(before);
});

test("threats/T02: what a day made due comes in the order of its deadlines", () => {
  const peer = watchPools(new ScriptedPeer());
  const { toe } = peer.stack;
  const listener = peer.listen(80);
  const COUNT = 20;
  const fds = Array.from({ length: COUNT }, (_, i) => {
    open(peer, 40000 + i);
    return toe.accept(listener);
  });
  // Seven has no factor with twenty: another order than that of the rows.
  const order = fds.map((_, i) => (i * 7 + 3) % COUNT);
  for (const i of order) {
    toe.send(fds[i] as number, new Uint8Array(100));
    peer.settle();
    peer.now += SECOND / 25;
  }
  const portsOf = () =>
    peer.settleFrames().map((frame) => ((frame[22] as number) << 8) + (frame[23] as number));
  peer.now += DAY;
  expect(portsOf()).toEqual(order.map((i) => 40000 + i));
  // Ends, too: those of whom nothing is heard any more.
  const ends: number[] = [];
  for (let i = 0; i < 4000 && ends.length < COUNT; i += 1) {
    peer.now = peer.stack.nextDeadline();
    peer.settle();
    const alive = new Set(toe.connections().map(({ remote }) => remote.port - 40000));
    for (const one of order) if (!alive.has(one) && !ends.includes(one)) ends.push(one);
  }
  expect(ends).toEqual(order);
});

test("threats/T03: timers are right where the timestamp clock and the wheel wrap", () => {
  for (const start of [CLOCK_WRAP - 2.5 * SECOND, 2 ** 32 - 2e9, 2 ** 42 - 2e9]) {
    const peer = watchPools(new ScriptedPeer());
    peer.now = start;
    const { toe } = peer.stack;
    const listener = peer.listen(80);
    const options = [2, 4, 3, 232, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0];
    const [answer] = peer.send({ seq: 7000, flags: SYN, options });
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    const echo = answer?.timestamp?.value ?? 0;
    const stamped = timestampOption(10, echo);
    peer.send({ seq: 7001, ack, flags: ACK, options: answer?.timestamp ? stamped : [] });
    toe.send(toe.accept(listener), new Uint8Array(100));
    expect(peer.settle()).toHaveLength(1);
    const sent = peer.now;
    const at: number[] = [];
    const clocks: number[] = [];
    while (peer.now < sent + 16 * SECOND) {
      peer.now += SECOND / 100;
      for (const { timestamp } of peer.settle()) {
        at.push(Math.round((peer.now - sent) / SECOND));
        if (timestamp !== undefined) clocks.push(timestamp.value);
      }
    }
    expect(at, `${start}`).toEqual([1, 3, 7, 15]);
    const steps = clocks.slice(1).map((clock, i) => (clock - (clocks[i] as number)) >>> 0);
    // 2, 4 and 8 s in ticks of 1 ms.
    steps.forEach((step, i) => {
      expect(Math.abs(step - 2 ** (i + 1) * 1000)).toBeLessThan(30);
    });
  }
});

test("threats/T05: polled five seconds late, the timeout doubles once", () => {
  const c = new RawConnection(7000);
  c.write(100);
  c.peer.now += 5 * SECOND;
  expect(c.peer.settle()).toHaveLength(1);
  expect(c.pass(1.9 * SECOND)).toHaveLength(0);
  expect(c.pass(0.2 * SECOND)).toHaveLength(1);
});

test("threats/T08: timers of a connection that is gone leave the next one alone", () => {
  const peer = watchPools(new ScriptedPeer({ layout: { connections: 1 } }));
  const { toe } = peer.stack;
  const listener = peer.listen(80);
  open(peer, 40000);
  const first = toe.accept(listener);
  toe.setsockopt(first, SOL_SOCKET, SO_KEEPALIVE, 1);
  toe.setsockopt(first, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  toe.send(first, new Uint8Array(100));
  expect(peer.settle()).toHaveLength(1);
  peer.now += SECOND / 2;
  peer.send({ seq: 7001, flags: RST });
  toe.close(first);
  open(peer, 40001);
  expect(toe.accept(listener)).toBeGreaterThanOrEqual(0);
  for (let i = 0; i < 100; i += 1) {
    peer.now += SECOND / 10;
    expect(peer.settle()).toEqual([]);
  }
  expect(peer.state(40001)).toBe("ESTABLISHED");
});

test("threats/T08: what the data path tells of an earlier incarnation is ignored", () => {
  const c = new Connected({ layout: { connections: 1 } });
  const { core, control } = c.host;
  const at = core.map.base.events as number;
  const tell = (kind: EventKind, generation: number): void => {
    core.view.setUint32(at + EVENT_KIND, kind, true);
    core.view.setUint32(at + EVENT_CONNECTION, c.id, true);
    core.view.setUint32(at + EVENT_GENERATION, generation, true);
    core.view.setUint32(core.address + CORE_EVENT_COUNT, 1, true);
    control.handleEvents(c.host.now);
  };
  const current = c.host.generation(c.id);
  const kinds = [EventKind.Timer, EventKind.Reset, EventKind.FinReceived, EventKind.LateData];
  for (const kind of kinds) {
    tell(kind, current - 1);
    tell(kind, current + 1);
  }
  expect([c.state, c.host.events]).toEqual(["ESTABLISHED", []]);
  tell(EventKind.Reset, current);
  expect(c.host.events).toEqual([`closed ${c.id} ${ERRNO.ECONNRESET}`]);
});

test("threats/T09: paced at 1 byte a second, at the largest rate and at none: no busy loop", () => {
  for (const rate of [1, 0xfffffffe, Number.MAX_SAFE_INTEGER, 0]) {
    const c = new RawConnection(7000);
    c.toe.setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
    expect(c.toe.setsockopt(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, rate)).toBe(0);
    const start = c.peer.now;
    let sent = c.write(10).length + c.write(10).length;
    let polls = 0;
    for (; sent < 2; polls += 1) {
      c.peer.now = c.peer.stack.nextDeadline();
      sent += c.peer.settle().length;
    }
    // A packet of 50 bytes; timers that fall in between are a few.
    expect(Math.round((c.peer.now - start) / SECOND), `rate ${rate}`).toBe(rate === 1 ? 50 : 0);
    expect(polls, `rate ${rate}`).toBeLessThan(20);
    expect(c.peer.stack.nextDeadline(), `rate ${rate}`).toBeGreaterThan(c.peer.now);
  }
});
