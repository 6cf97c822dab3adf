/**
 * Goal: every way out of ESTABLISHED (RFC 9293, 3.6, 3.10.4, 3.10.5, 3.10.7.4): both closes,
 * simultaneous close, half close, TIME-WAIT with its rules, resets, aborts, orphans. Method: a
 * hand-driven peer; after each case nothing may be left in any table.
 */
import { describe, expect, test } from "vitest";
import { ATX_RX_SHUT } from "../../../bindings/abi/descriptor.ts";
import { ERRNO } from "../../../host/errors.ts";
import { ACK, FIN, RST, SYN, timestampOption } from "../../support/frames.ts";
import { Connected } from "./connected.ts";
import { Host, synOptions } from "./harness.ts";

const TIME_WAIT = 240e9;

/** Nothing of a connection is left. */
function expectEmpty(host: Host): void {
  expect(host.control.counters).toMatchObject({ connections: 0, timeWait: 0 });
  expect(host.held()).toEqual([0, 0]);
}

test("active close: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, CLOSED", () => {
  const c = new Connected();
  const [fin] = c.close();
  expect(fin).toMatchObject({ flags: "FA", seq: c.ack, ack: c.seq });
  expect(c.state).toBe("FIN-WAIT-1");
  c.ack += 1;
  c.send({ flags: ACK });
  expect(c.state).toBe("FIN-WAIT-2");
  const [answer] = c.send({ flags: FIN | ACK });
  expect(answer).toMatchObject({ flags: "A", seq: c.ack, ack: c.seq + 1 });
  expect(c.state).toBe("TIME-WAIT");
  expect(c.host.held()).toEqual([1, 0]);
  c.host.after(TIME_WAIT - 1e9);
  expect(c.state).toBe("TIME-WAIT");
  c.host.after(1.1e9);
  expectEmpty(c.host);
  expect(c.host.events).toEqual([]);
});

test("passive close: CLOSE-WAIT, LAST-ACK, CLOSED; closed() is told and release() frees", () => {
  const c = new Connected();
  c.send({ flags: FIN | ACK });
  c.seq += 1;
  expect(c.state).toBe("CLOSE-WAIT");
  c.shutdown();
  expect(c.state).toBe("LAST-ACK");
  c.ack += 1;
  c.send({ flags: ACK });
  expect(c.host.events).toEqual([`closed 1 0`]);
  c.host.control.release(1);
  expectEmpty(c.host);
});

test("an orphan in LAST-ACK frees itself", () => {
  const c = new Connected();
  c.send({ flags: FIN | ACK });
  c.seq += 1;
  c.close();
  c.ack += 1;
  c.send({ flags: ACK });
  expectEmpty(c.host);
  expect(c.host.events).toEqual([]);
});

test("simultaneous close: CLOSING, TIME-WAIT", () => {
  const c = new Connected();
  c.close();
  c.send({ flags: FIN | ACK });
  expect(c.state).toBe("CLOSING");
  c.seq += 1;
  c.ack += 1;
  c.send({ flags: ACK });
  expect(c.state).toBe("TIME-WAIT");
});

test("FIN and the ACK of our FIN in one segment: TIME-WAIT", () => {
  const c = new Connected();
  c.close();
  c.ack += 1;
  c.send({ flags: FIN | ACK });
  expect(c.state).toBe("TIME-WAIT");
});

test("MAY-1 half close: data still arrives after shutdown()", () => {
  const c = new Connected();
  c.shutdown();
  c.ack += 1;
  c.send({ flags: ACK, payload: new Uint8Array(500) });
  expect(c.state).toBe("FIN-WAIT-2");
  expect(c.host.control.info(1).bytesIn).toBe(500);
  expect(c.host.events).toEqual([]);
});

test("a held socket in TIME-WAIT keeps its buffers until release()", () => {
  const c = new Connected();
  c.shutdown();
  c.ack += 1;
  c.send({ flags: FIN | ACK });
  expect(c.host.events).toEqual(["closed 1 0"]);
  expect(c.host.held()).toEqual([1, 1]);
  c.host.control.release(1);
  expect(c.host.held()).toEqual([1, 0]);
  expect(c.state).toBe("TIME-WAIT");
  c.host.after(TIME_WAIT + 1e9);
  expectEmpty(c.host);
});

test("a held socket outlives TIME-WAIT", () => {
  const c = new Connected();
  c.shutdown();
  c.ack += 1;
  c.send({ flags: FIN | ACK });
  c.host.after(TIME_WAIT + 1e9);
  expect(c.state).toBe("CLOSED");
  c.host.control.release(1);
  expectEmpty(c.host);
  expect(c.host.events).toEqual(["closed 1 0"]);
});

/** A connection in TIME-WAIT with timestamps, TS.Recent 100, the peer's FIN at 1001. */
function timeWait(): Connected {
  const host = new Host();
  const c: Connected = Object.create(Connected.prototype) as Connected;
  const listener = host.listen(80);
  const [answer] = host.feed(host.segment({ flags: SYN, seq: 1000, options: synOptions(99) }));
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  Object.assign(c, { host, listener, id: 1, seq: 1001, ack });
  c.send({ flags: ACK, options: timestampOption(100, 0) });
  host.control.accept(listener);
  host.events.length = 0;
  c.close();
  c.ack += 1;
  c.send({ flags: FIN | ACK, options: timestampOption(100, 0) });
  c.seq += 1;
  return c;
}

describe("TIME-WAIT", () => {
  test("a repeated FIN is acknowledged and restarts 2 MSL (RFC 9293, 3.10.7.4)", () => {
    const c = timeWait();
    c.host.after(200e9);
    const [answer] = c.send({ flags: FIN | ACK, seq: 1001, options: timestampOption(101, 0) });
    expect(answer).toMatchObject({ flags: "A", seq: c.ack, ack: 1002 });
    expect(answer?.options.has(8)).toBe(true);
    c.host.after(200e9);
    expect(c.state).toBe("TIME-WAIT");
    c.host.after(41e9);
    expectEmpty(c.host);
  });

  test("RFC 1337: a RST does not end it; with the limit off it does", () => {
    const c = timeWait();
    expect(c.send({ flags: RST })).toEqual([]);
    expect(c.state).toBe("TIME-WAIT");
    const other = new Connected({ limits: { ignoreResetInTimeWait: false } });
    other.close();
    other.ack += 1;
    other.send({ flags: FIN | ACK });
    other.seq += 1;
    other.send({ flags: RST, seq: other.seq + 5 });
    expect(other.state).toBe("TIME-WAIT");
    other.send({ flags: RST });
    expectEmpty(other.host);
  });

  test("data is answered and not delivered; an exact ACK is not answered", () => {
    const c = timeWait();
    const options = timestampOption(102, 0);
    const [answer] = c.send({ flags: ACK, payload: new Uint8Array(9), options });
    expect(answer).toMatchObject({ flags: "A", ack: 1002 });
    expect(c.send({ flags: ACK, options })).toEqual([]);
  });

  const rows: [name: string, seq: number, options: number[], accepted: boolean][] = [
    ["TW-4 newer timestamp, older number", 5, timestampOption(101, 0), true],
    ["TW-5 equal timestamp, number above", 1002, timestampOption(100, 0), true],
    ["TW-5 equal timestamp, number at the FIN", 1001, timestampOption(100, 0), false],
    ["TW-9 older timestamp, number above", 5000, timestampOption(99, 0), false],
    ["TW-6 no timestamp, number above", 1002, [], true],
    ["TW-9 no timestamp, number at the FIN", 1001, [], false],
    ["TW-4 newer timestamp across the wrap", 5, timestampOption(0x7fffffff, 0), true],
  ];
  test.each(rows)("SHLD-4, MAY-2 SYN: %s", (_name, seq, options, accepted) => {
    const c = timeWait();
    const sent = c.host.feed(c.host.segment({ flags: SYN, seq, options }));
    expect(sent.map(({ flags }) => flags)).toEqual(accepted ? ["SA"] : []);
    expect(c.host.control.counters.timeWait).toBe(1);
    if (!accepted) return;
    // Our ISN is above every number that the old connection used.
    const distance = ((sent[0]?.seq ?? 0) - c.ack) >>> 0;
    expect(distance).toBeLessThan(0x80000000);
    expect(distance).toBeGreaterThan(0);
    // Until then TIME-WAIT may come back.
    const ack = ((sent[0]?.seq ?? 0) + 1) >>> 0;
    c.host.feed(c.host.segment({ flags: ACK, seq: seq + 1, ack, options }));
    expect(c.host.control.counters).toMatchObject({ connections: 1, timeWait: 0 });
  });

  test("TW-7, TW-8: without timestamps in the old connection", () => {
    for (const [seq, options, accepted] of [
      [5, timestampOption(1, 0), true],
      [1002, [], true],
      [1001, [], false],
    ] as const) {
      const c = new Connected();
      c.close();
      c.ack += 1;
      c.send({ flags: FIN | ACK });
      const sent = c.host.feed(c.host.segment({ flags: SYN, seq, options }));
      expect(sent.length).toBe(accepted ? 1 : 0);
    }
  });

  test("threats R13: the oldest gives way when rows run out", () => {
    const host = new Host({ layout: { connections: 4 } });
    host.listen(80);
    for (let i = 0; i < 40; i += 1) {
      const sourcePort = 20000 + i;
      const [answer] = host.feed(host.segment({ flags: SYN, sourcePort, seq: 7 }));
      expect(answer?.flags).toBe("SA");
      const ack = ((answer?.seq ?? 0) + 1) >>> 0;
      host.feed(host.segment({ flags: ACK, sourcePort, seq: 8, ack }));
      const id = host.control.accept(1);
      host.update(id, { fin: true });
      host.control.shutdownSend(id);
      host.control.release(id);
      host.poll();
      host.feed(host.segment({ flags: FIN | ACK, sourcePort, seq: 8, ack: ack + 1 }));
    }
    expect(host.control.counters.timeWait).toBe(4);
    host.after(TIME_WAIT + 1e9);
    expectEmpty(host);
  });
});

describe("resets and aborts", () => {
  test("RFC 9293, 3.10.5: abort sends RST with SND.NXT and RCV.NXT", () => {
    const c = new Connected();
    c.host.update(1, { append: 100 });
    const [data] = c.host.poll();
    expect(data?.payload.length).toBe(100);
    c.host.control.abort(1);
    const [reset] = c.host.poll();
    expect(reset).toMatchObject({ flags: "RA", seq: c.ack + 100, ack: c.seq, window: 0 });
    expectEmpty(c.host);
    expect(c.host.events).toEqual([]);
    expect(c.send({ flags: ACK }).map(({ flags }) => flags)).toEqual(["R"]);
  });

  test("the peer's RST closes with ECONNRESET; release() frees the row", () => {
    const c = new Connected();
    c.send({ flags: RST });
    expect(c.host.events).toEqual([`closed 1 ${ERRNO.ECONNRESET}`]);
    expect(c.host.held()).toEqual([0, 0]);
    expect(c.host.control.counters.connections).toBe(1);
    c.host.control.release(1);
    expectEmpty(c.host);
  });

  test("RFC 5961: a RST elsewhere in the window closes nothing", () => {
    const c = new Connected();
    c.send({ flags: RST, seq: c.seq + 1 });
    expect(c.state).toBe("ESTABLISHED");
  });

  test("SHLD-3: data after a close that ended reading resets", () => {
    const c = new Connected();
    c.host.update(1, { fin: true, flags: ATX_RX_SHUT });
    c.host.control.shutdownSend(1);
    c.host.control.release(1);
    c.host.poll();
    const sent = c.send({ flags: ACK, ack: c.ack + 1, payload: new Uint8Array(10) });
    expect(sent.map(({ flags }) => flags)).toContain("RA");
    expectEmpty(c.host);
  });

  test("release() without FIN aborts; linger 0 aborts in FIN-WAIT", () => {
    const c = new Connected();
    c.host.control.release(1);
    expect(c.host.poll().map(({ flags }) => flags)).toEqual(["RA"]);
    expectEmpty(c.host);
    const linger = new Connected({}, { linger: 0 });
    const sent = linger.close();
    expect(sent.at(-1)?.flags).toBe("RA");
    expectEmpty(linger.host);
  });

  test("release() in SYN-SENT deletes the row in silence (3.10.4)", () => {
    const host = new Host();
    host.teachNeighbor();
    const id = host.open(80);
    host.poll();
    host.control.release(id);
    expect(host.poll()).toEqual([]);
    expectEmpty(host);
    const other = host.open(80);
    host.control.abort(other);
    expect(host.poll()).toEqual([]);
    expectEmpty(host);
  });

  test("ids that do not exist do nothing (threats U01, U02)", () => {
    const { control } = new Connected().host;
    for (const id of [-1, 0, 2, 1e9, Number.NaN, 1.5]) {
      control.abort(id);
      control.release(id);
      control.shutdownSend(id);
    }
    control.release(1);
    control.release(1);
    control.abort(1);
  });
});

describe("orphans", () => {
  test("threats R11: FIN-WAIT-2 ends after linger2", () => {
    const c = new Connected({}, { linger2: 5000 });
    c.close();
    c.ack += 1;
    c.send({ flags: ACK });
    expect(c.state).toBe("FIN-WAIT-2");
    c.host.after(4.9e9);
    expect(c.state).toBe("FIN-WAIT-2");
    c.host.after(0.2e9);
    expectEmpty(c.host);
    expect(c.send({ flags: FIN | ACK }).map(({ flags }) => flags)).toEqual(["R"]);
  });

  test("a held socket stays in FIN-WAIT-2", () => {
    const c = new Connected({}, { linger2: 5000 });
    c.shutdown();
    c.ack += 1;
    c.send({ flags: ACK });
    c.host.after(60e9);
    expect(c.state).toBe("FIN-WAIT-2");
    c.host.control.release(1);
    c.host.after(5.1e9);
    expectEmpty(c.host);
  });

  test("threats R12: LAST-ACK with a lost peer ends by R2", () => {
    const c = new Connected({ limits: { userTimeout: 100e9 } });
    c.send({ flags: FIN | ACK });
    c.close();
    for (let second = 0; second < 200; second += 1) c.host.after(1e9);
    expectEmpty(c.host);
  });
});

test("removeNetif ends its connections with ENETDOWN", () => {
  const c = new Connected();
  c.host.control.removeNetif(0);
  expect(c.host.events).toEqual([`closed 1 ${ERRNO.ENETDOWN}`]);
  c.host.control.release(1);
  expectEmpty(c.host);
  expect(c.host.open(80)).toBe(-ERRNO.ENETUNREACH);
});
