/**
 * Goal: the OPEN calls refuse what they must, listeners share ports by the rules, backlog bounds
 * what strangers can take. Method: tables of requests and their errno; segments for the queues.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { address } from "../../../host/address.ts";
import { ERRNO } from "../../../host/errors.ts";
import { ACK, RST, SYN } from "../../support/frames.ts";
import { Connected } from "./connected.ts";
import { Host, LOCAL, OPTIONS, REMOTE } from "./harness.ts";

const REFUSED: [name: string, remote: string, port: number, errno: number][] = [
  ["no route", "192.168.1.1", 80, ERRNO.ENETUNREACH],
  ["MUST-46 broadcast", "255.255.255.255", 80, ERRNO.ENETUNREACH],
  ["MUST-46 directed broadcast", "10.0.0.255", 80, ERRNO.ENETUNREACH],
  ["MUST-46 multicast", "224.0.0.1", 80, ERRNO.ENETUNREACH],
  ["MUST-46 unspecified", "0.0.0.0", 80, ERRNO.ENETUNREACH],
  ["our own address", LOCAL, 80, ERRNO.ENETUNREACH],
  ["port 0", REMOTE, 0, ERRNO.EADDRNOTAVAIL],
  ["port 65536", REMOTE, 65536, ERRNO.EADDRNOTAVAIL],
  ["port NaN", REMOTE, Number.NaN, ERRNO.EADDRNOTAVAIL],
];

test.each(REFUSED)("connect refuses %s", (_name, remote, port, errno) => {
  const host = new Host();
  const request = { remote: { address: address(remote), port }, options: OPTIONS, context: 1 };
  expect(host.control.open(request)).toBe(-errno);
  expect(host.control.counters.connections).toBe(0);
});

test("connect refuses a foreign local address, IPv6, and a duplicate tuple", () => {
  const host = new Host();
  const remote = { address: address(REMOTE), port: 80 };
  const open = (local: Uint8Array, port: number): number => {
    const own = { address: local, port };
    return host.control.open({ remote, local: own, options: OPTIONS, context: 1 });
  };
  expect(open(address("10.0.0.9"), 5000)).toBe(-ERRNO.EADDRNOTAVAIL);
  expect(open(address(LOCAL), 5000)).toBe(1);
  expect(open(address(LOCAL), 5000)).toBe(-ERRNO.EADDRINUSE);
  const six = { address: new Uint8Array(16).fill(1), port: 80 };
  expect(host.control.open({ remote: six, options: OPTIONS, context: 1 })).toBe(-ERRNO.ENETUNREACH);
  const mixed = { remote: six, local: { address: address(LOCAL), port: 0 } };
  expect(host.control.open({ ...mixed, options: OPTIONS, context: 1 })).toBe(-ERRNO.ENETUNREACH);
  expect(host.control.counters.connections).toBe(1);
});

test("threats R14: when every ephemeral port is taken, EADDRNOTAVAIL; no pair twice", () => {
  const host = new Host({ limits: { portLow: 50000, portHigh: 50009 } });
  host.listen(50004);
  const ports = new Set<number>();
  for (let i = 0; i < 9; i += 1) {
    const id = host.open(80);
    expect(id).toBeGreaterThan(0);
    ports.add(host.control.local(id).port);
  }
  expect(ports.size).toBe(9);
  expect(ports.has(50004)).toBe(false);
  expect(host.open(80)).toBe(-ERRNO.EADDRNOTAVAIL);
  // Another remote port is another pair.
  expect(host.open(81)).toBeGreaterThan(0);
});

test("ENOBUFS when all rows are in use", () => {
  const host = new Host({ layout: { connections: 2 } });
  expect(host.open(80)).toBe(1);
  expect(host.open(80)).toBe(2);
  expect(host.open(80)).toBe(-ERRNO.ENOBUFS);
});

describe("listen", () => {
  test("port 0 chooses one; a used port is refused; reusePort shares", () => {
    const host = new Host();
    const chosen = host.listen(0);
    expect(host.control.listenerPort(chosen)).toBeGreaterThanOrEqual(1024);
    expect(host.listen(80)).toBeGreaterThan(0);
    expect(host.listen(80)).toBe(-ERRNO.EADDRINUSE);
    expect(host.listen(80, 1, { reuseAddress: true })).toBe(-ERRNO.EADDRINUSE);
    expect(host.listen(81, 1, { reusePort: true })).toBeGreaterThan(0);
    expect(host.listen(81, 1, { reusePort: true })).toBeGreaterThan(0);
    expect(host.listen(81, 1)).toBe(-ERRNO.EADDRINUSE);
    for (const port of [-1, 65536, 1.5, Number.NaN]) {
      expect(host.listen(port)).toBe(-ERRNO.EINVAL);
    }
  });

  test("a foreign address is refused; the exact one wins over any", () => {
    const host = new Host({ addresses: ["10.0.0.1/24", "10.0.0.5/24"] });
    const listen = (local: string, port: number): number => {
      const where = { address: address(local), port };
      return host.control.listen({ local: where, backlog: 4, context: 1, options: OPTIONS });
    };
    expect(listen("10.0.0.9", 80)).toBe(-ERRNO.EADDRNOTAVAIL);
    const exact = listen("10.0.0.5", 80);
    expect(exact).toBeGreaterThan(0);
    expect(host.listen(80)).toBe(-ERRNO.EADDRINUSE);
    const [refused] = host.feed(host.segment({ flags: SYN }));
    expect(refused?.flags).toBe("RA");
    const [answer] = host.feed(host.segment({ flags: SYN, destination: "10.0.0.5" }));
    expect(answer).toMatchObject({ flags: "SA", source: "10.0.0.5" });
  });

  test("a synchronized connection keeps its port unless SO_REUSEADDR says otherwise", () => {
    const c = new Connected();
    c.host.control.unlisten(c.listener);
    expect(c.host.listen(80)).toBe(-ERRNO.EADDRINUSE);
    expect(c.host.listen(80, 4, { reuseAddress: true })).toBeGreaterThan(0);
  });

  test("MUST-42: LISTEN is possible on a port with a SYN-SENT connection", () => {
    const host = new Host();
    expect(host.open(80, {}, 7000)).toBeGreaterThan(0);
    expect(host.listen(7000)).toBeGreaterThan(0);
  });

  test("SO_REUSEPORT spreads connections over the listeners", () => {
    const host = new Host();
    const ids = [0, 1, 2].map(() => {
      return host.listen(80, 64, { reusePort: true, receiveBuffer: 1, sendBuffer: 1 });
    });
    for (let i = 0; i < 60; i += 1) {
      const sourcePort = 30000 + i;
      const [answer] = host.feed(host.segment({ flags: SYN, sourcePort }));
      const ack = ((answer?.seq ?? 0) + 1) >>> 0;
      host.feed(host.segment({ flags: ACK, seq: 1, ack, sourcePort }));
    }
    const shares = ids.map((id) => host.control.acceptable(id));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(60);
    for (const share of shares) expect(share).toBeGreaterThan(5);
  });
});

describe("backlog", () => {
  test("beyond it, without cookies, a SYN is dropped in silence and counted", () => {
    const host = new Host({ limits: { synCookies: "off" } });
    host.listen(80, 3);
    let answers = 0;
    for (let i = 0; i < 100; i += 1) {
      answers += host.feed(host.segment({ flags: SYN, sourcePort: 1000 + i })).length;
    }
    expect(answers).toBe(3);
    expect(host.drops(DropReason.BacklogFull)).toBe(97);
    expect(host.control.counters.connections).toBe(3);
  });

  test("an ACK that finds the accept queue full is lost; the next SYN-ACK repairs it", () => {
    const host = new Host();
    const listener = host.listen(80, 2);
    const acks = [1, 2].map((sourcePort) => {
      const [answer] = host.feed(host.segment({ flags: SYN, sourcePort }));
      return { sourcePort, ack: ((answer?.seq ?? 0) + 1) >>> 0 };
    });
    host.feed(host.segment({ flags: ACK, seq: 1, ...acks[0] }));
    const [third] = host.feed(host.segment({ flags: SYN, sourcePort: 3 }));
    host.feed(host.segment({ flags: ACK, seq: 1, ...acks[1] }));
    const late = { sourcePort: 3, ack: ((third?.seq ?? 0) + 1) >>> 0 };
    host.feed(host.segment({ flags: ACK, seq: 1, ...late }));
    expect(host.control.acceptable(listener)).toBe(2);
    expect(host.drops(DropReason.BacklogFull)).toBe(1);
    host.control.accept(listener);
    const [again] = host.after(1.1e9);
    expect(again).toMatchObject({ flags: "SA", destinationPort: 3 });
    host.feed(host.segment({ flags: ACK, seq: 1, ...late }));
    expect(host.control.acceptable(listener)).toBe(2);
  });

  test("no chunk to promise: a SYN is dropped, counted, and answered when there is one", () => {
    // Two chunks are left for sending.
    const host = new Host({ layout: { payloadBytes: 3 * 16384, chunkBytes: 16384 } });
    host.listen(80, 4, { receiveBuffer: 65536, sendBuffer: 1 });
    const [first] = host.feed(host.segment({ flags: SYN, sourcePort: 1 }));
    // RFC 7323, 2.2: the window of a SYN is not scaled; one chunk, not the 64 KiB asked for.
    expect(first).toMatchObject({ flags: "SA", window: 16384 });
    expect(host.feed(host.segment({ flags: SYN, sourcePort: 2 }))).toEqual([]);
    expect(host.drops(DropReason.BacklogFull)).toBe(1);
    const seq = host.segment({ flags: RST, seq: 1, sourcePort: 1 });
    host.feed(seq);
    const [second] = host.feed(host.segment({ flags: SYN, sourcePort: 2 }));
    expect(second).toMatchObject({ flags: "SA", destinationPort: 2 });
  });

  test("threats tcp_noaccept_close_rst: unlisten resets what nobody accepted", () => {
    const host = new Host();
    const listener = host.listen(80);
    const [answer] = host.feed(host.segment({ flags: SYN }));
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 1, ack }));
    host.feed(host.segment({ flags: SYN, sourcePort: 2 }));
    host.control.unlisten(listener);
    expect(host.poll().map(({ flags }) => flags)).toEqual(["RA", "RA"]);
    expect(host.control.counters).toMatchObject({ connections: 0, listeners: 0 });
    expect(host.held()).toEqual([0, 0]);
    expect(host.control.accept(listener)).toBe(-ERRNO.EINVAL);
    expect(host.feed(host.segment({ flags: SYN }))[0]?.flags).toBe("RA");
  });

  test("a connection reset before accept() is still accepted, closed", () => {
    const host = new Host();
    const listener = host.listen(80);
    const [answer] = host.feed(host.segment({ flags: SYN }));
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 1, ack }));
    host.feed(host.segment({ flags: RST, seq: 1 }));
    expect(host.events.at(-1)).toBe(`closed 1 ${ERRNO.ECONNRESET}`);
    expect(host.control.accept(listener)).toBe(1);
    host.control.release(1);
    expect(host.control.counters.connections).toBe(0);
  });
});

test("configure reaches the data path", () => {
  const c = new Connected();
  const options = {
    ...OPTIONS,
    ttl: 9,
    tos: 0xb8,
    maxSegment: 200,
    noDelay: true,
    pacingRate: 1e6,
  };
  c.host.control.configure(1, { ...options, congestion: "dctcp" });
  c.host.poll();
  expect(c.host.control.info(1)).toMatchObject({ mss: 200, congestion: "dctcp" });
  c.host.update(1, { append: 300 });
  const [first] = c.host.poll();
  expect(first).toMatchObject({ ttl: 9, tos: 0xb8 });
  expect(first?.payload.length).toBe(200);
});
