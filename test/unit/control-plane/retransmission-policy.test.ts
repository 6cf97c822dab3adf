/**
 * Goal: who is given up and when (RFC 9293, 3.8.3, 3.8.4, 3.8.6.1; RFC 6298, 5). Method: a peer
 * that falls silent, or answers just enough; times of what is sent, and the events.
 */
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import { ACK } from "../../support/frames.ts";
import { Connected } from "./connected.ts";
import { OPTIONS, type Sent } from "./harness.ts";

const TICK = 100e6;

/** Lets time pass until something was told or `seconds` are over; times (s) of what was sent. */
function silence(c: Connected, seconds: number, answer?: (sent: Sent) => void): number[] {
  const start = c.host.now;
  const times: number[] = [];
  while (c.host.now - start < seconds * 1e9) {
    // Not what asks for the next hop.
    const sent = c.host.after(TICK).filter(({ kind }) => kind === "tcp");
    if (sent.length > 0) times.push((c.host.now - start) / 1e9);
    for (const segment of sent) answer?.(segment);
    if (c.host.events.some((event) => event.startsWith("closed"))) break;
  }
  return times;
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((at, i) => Math.round(at - (times[i] as number)));
}

describe("retransmission", () => {
  const MEANING = "MUST-18, MUST-20, SHLD-9 to SHLD-11: backoff, a word at R1, ETIMEDOUT at R2";
  test.each(["cubic", "none"])(`${MEANING}: %s`, (congestion) => {
    const c = new Connected({ limits: { userTimeout: 100e9 } }, { congestion });
    c.host.update(1, { append: 10 });
    c.host.poll();
    const times = silence(c, 300);
    expect(gaps(times).slice(0, 5)).toEqual([2, 4, 8, 16, 32]);
    expect(c.host.events).toEqual([
      `softError 1 ${ERRNO.ETIMEDOUT}`,
      `closed 1 ${ERRNO.ETIMEDOUT}`,
    ]);
    expect(times.at(-1)).toBeLessThan(100);
    expect(c.host.held()).toEqual([0, 0]);
  });

  test("default R2 is five minutes (3.9.1.1), above the 100 s of SHLD-11", () => {
    const c = new Connected();
    c.host.update(1, { append: 10 });
    const start = c.host.now;
    silence(c, 1000);
    expect((c.host.now - start) / 1e9).toBeGreaterThanOrEqual(299);
    expect((c.host.now - start) / 1e9).toBeLessThan(425);
  });

  test("MUST-21, UTO-1: TCP_USER_TIMEOUT ends it in time", () => {
    const c = new Connected({}, { userTimeout: 5000 });
    c.host.update(1, { append: 10 });
    const start = c.host.now;
    silence(c, 100);
    expect(c.host.events.at(-1)).toBe(`closed 1 ${ERRNO.ETIMEDOUT}`);
    expect(Math.round((c.host.now - start) / 1e9)).toBe(5);
  });

  test("progress starts the clock over", () => {
    const c = new Connected({}, { userTimeout: 5000 });
    c.host.update(1, { append: 100 });
    c.host.poll();
    for (let i = 0; i < 10; i += 1) {
      silence(c, 4);
      c.ack += 10;
      c.send({ flags: ACK });
    }
    expect(c.host.events).not.toContain(`closed 1 ${ERRNO.ETIMEDOUT}`);
    expect(c.state).toBe("ESTABLISHED");
  });

  test("an ACK of everything ends the user timeout's watch", () => {
    const c = new Connected({}, { userTimeout: 5000 });
    c.host.update(1, { append: 10 });
    silence(c, 2);
    c.ack += 10;
    c.send({ flags: ACK });
    silence(c, 60);
    expect(c.host.events).toEqual([]);
  });
});

describe("closed window", () => {
  test("MUST-36, MUST-37, SHLD-29, SHLD-30: probes back off, for ever while answered", () => {
    const c = new Connected({ limits: { userTimeout: 100e9 } });
    c.send({ flags: ACK, window: 0 });
    c.host.update(1, { append: 10 });
    c.host.poll();
    const times = silence(c, 3600, () => c.send({ flags: ACK, window: 0 }));
    expect(gaps(times).slice(0, 4)).toEqual([2, 4, 8, 16]);
    expect(times.length).toBeGreaterThan(20);
    expect(c.state).toBe("ESTABLISHED");
    expect(c.host.events).toEqual([]);
  });

  test("threats R09: probes that nobody answers end by R2", () => {
    const c = new Connected({ limits: { userTimeout: 100e9 } });
    c.send({ flags: ACK, window: 0 });
    c.host.update(1, { append: 10 });
    c.host.poll();
    silence(c, 3600);
    expect(c.host.events).toEqual([`closed 1 ${ERRNO.ETIMEDOUT}`]);
    c.host.control.release(1);
    expect([c.host.control.counters.connections, ...c.host.held()]).toEqual([0, 0, 0]);
  });

  test("threats R09: data that nobody acknowledges end by R2, and their memory is free", () => {
    const c = new Connected({ limits: { userTimeout: 100e9 } });
    c.host.update(1, { append: 2000 });
    expect(c.host.poll().length).toBeGreaterThan(0);
    silence(c, 3600);
    expect(c.host.events.at(-1)).toBe(`closed 1 ${ERRNO.ETIMEDOUT}`);
    c.host.control.release(1);
    expect([c.host.control.counters.connections, ...c.host.held()]).toEqual([0, 0, 0]);
  });
});

describe("keep-alive (RFC 9293, 3.8.4)", () => {
  const keepAlive = {
    keepAlive: true,
    keepAliveIdle: 10_000,
    keepAliveInterval: 2000,
    keepAliveCount: 3,
  };

  test("MUST-25: off by default", () => {
    const c = new Connected();
    expect(silence(c, 8000)).toEqual([]);
    expect(c.state).toBe("ESTABLISHED");
  });

  test("MUST-26, MUST-29, SHLD-12: probes when idle, gives up only after all of them", () => {
    const c = new Connected({}, keepAlive);
    let probe: Sent | undefined;
    const times = silence(c, 100, (sent) => {
      probe ??= sent;
    });
    expect(times.map(Math.round)).toEqual([10, 12, 14, 16]);
    expect(probe).toMatchObject({ flags: "A", seq: (c.ack - 1) >>> 0, ack: c.seq });
    expect(probe?.payload.length).toBe(0);
    expect(c.host.events).toEqual([`closed 1 ${ERRNO.ETIMEDOUT}`]);
  });

  test("an answer starts the idle time over", () => {
    const c = new Connected({}, keepAlive);
    const times = silence(c, 65, () => c.send({ flags: ACK }));
    expect(gaps(times)).toEqual([10, 10, 10, 10, 10]);
    expect(c.host.events).toEqual([]);
  });

  test("MUST-24, MUST-27: may be switched on and off in life", () => {
    const c = new Connected();
    c.host.control.configure(1, { ...OPTIONS, ...keepAlive, keepAliveIdle: 3000 });
    expect(silence(c, 4).map(Math.round)).toEqual([3]);
    c.host.control.configure(1, OPTIONS);
    expect(silence(c, 60)).toEqual([]);
    expect(c.state).toBe("ESTABLISHED");
  });
});
