/**
 * What goes wrong between hosts, on virtual time: nobody listens, nobody answers, a peer that
 * vanishes in every state, a reader that never reads. Each ends with the right errno after the
 * right time, or not at all where an RFC says so, and leaves no table with anything in it.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Stack } from "../../host/stack.ts";
import { MINUTE, SECOND, WorldPair, type WorldPairOptions } from "./world-pair.ts";

const PORT = 80;
const ROUND_TRIP = 2.1e6;
const BYTE = Uint8Array.of(7);
/** Without ARP: a link that is down is a black hole, not an unreachable neighbour. */
const RAW = { link: { medium: "ip" } } as const;

interface Ends {
  readonly pair: WorldPair;
  readonly listener: number;
  readonly client: number;
  readonly server: number;
}

function open(options: WorldPairOptions = RAW): Ends {
  const pair = new WorldPair(options);
  const listener = pair.listen(PORT);
  const ends = pair.establish(listener, PORT);
  pair.pass(ROUND_TRIP);
  return { pair, listener, ...ends };
}

function closeAll({ pair, listener, client, server }: Ends): void {
  pair.clientToe.close(client);
  pair.serverToe.close(server);
  pair.serverToe.close(listener);
  expect(pair.leftovers()).toEqual([]);
}

function counterOf({ core }: Stack, counter: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
}

function drops({ core }: Stack, reason: DropReason): number {
  return core.words[((core.map.base.drops as number) >>> 2) + reason] as number;
}

function errorOf(toe: LibToe, fd: number): number {
  return toe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR) as number;
}

/** Virtual seconds until the connection has failed, and the error; warnings do not count. */
function failure(pair: WorldPair, toe: LibToe, fd: number): [number, number] {
  const start = pair.world.now;
  const failed = (): boolean => {
    const entry = { fd, events: 0, revents: 0 };
    toe.pollFds([entry]);
    return (entry.revents & C.POLLERR) !== 0;
  };
  pair.until(failed, "an error", 60 * MINUTE);
  return [(pair.world.now - start) / SECOND, errorOf(toe, fd)];
}

const state = (toe: LibToe): string => toe.connections()[0]?.state ?? "none";

test("a port where nobody listens: ECONNREFUSED after one round trip", () => {
  const pair = new WorldPair(RAW);
  const fd = pair.connect(9);
  const [seconds, error] = failure(pair, pair.clientToe, fd);
  expect(error).toBe(ERRNO.ECONNREFUSED);
  expect(seconds).toBeLessThan(2 * ROUND_TRIP);
  // The descriptor is as new: it may try again.
  expect(pair.clientToe.connect(fd, { address: "10.0.0.2", port: 9 })).toBe(-ERRNO.EINPROGRESS);
  pair.pass(SECOND);
  expect(pair.clientToe.close(fd)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

// profile, TCP_SYNCNT, seconds: 1 s doubled at each try, 60 s at most; datacenter starts at 10 ms.
const BLACK_HOLES = [
  ["internet", 0, 1 + 2 + 4 + 8 + 16 + 32 + 60],
  ["internet", 2, 7],
  ["rfc", 0, 0],
  ["datacenter", 0, 1.27],
] as const;

for (const [profile, retries, expected] of BLACK_HOLES) {
  test(`a black hole: ETIMEDOUT, profile ${profile}, TCP_SYNCNT ${retries}`, () => {
    const pair = new WorldPair({ ...RAW, profile });
    pair.link.down = true;
    const fd = pair.clientToe.socket();
    if (retries > 0) {
      expect(pair.clientToe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_SYNCNT, retries)).toBe(0);
    }
    pair.connect(PORT, fd);
    const [seconds, error] = failure(pair, pair.clientToe, fd);
    expect(error).toBe(ERRNO.ETIMEDOUT);
    if (expected > 0) expect(seconds).toBeCloseTo(expected, 1);
    // RFC 9293 MUST-23: R2 for a SYN is at least 3 minutes.
    if (profile === "rfc") expect(seconds).toBeGreaterThan(180);
    expect(pair.clientToe.close(fd)).toBe(0);
    expect(pair.leftovers()).toEqual([]);
  });
}

test("no answer to ARP: EHOSTUNREACH; no route: ENETUNREACH at once", () => {
  const pair = new WorldPair();
  const { clientToe } = pair;
  const fds = [77, 78, 77].map((host) => {
    const fd = clientToe.socket();
    const remote = { address: `10.0.0.${host}`, port: PORT };
    expect(clientToe.connect(fd, remote)).toBe(-ERRNO.EINPROGRESS);
    return fd;
  });
  pair.pass(10 * SECOND);
  for (const fd of fds) {
    expect(errorOf(clientToe, fd)).toBe(ERRNO.EHOSTUNREACH);
    expect(clientToe.close(fd)).toBe(0);
  }
  const far = clientToe.socket();
  expect(clientToe.connect(far, { address: "192.0.2.1", port: PORT })).toBe(-ERRNO.ENETUNREACH);
  expect(clientToe.close(far)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

test("threats/R04: a full backlog, no cookies: SYNs wait until somebody accepts", () => {
  const pair = new WorldPair({ ...RAW, limits: { synCookies: "off" } });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 2);
  const clients = Array.from({ length: 6 }, () => pair.connect(PORT));
  pair.pass(SECOND / 2);
  const established = (): number =>
    pair.states()[0].filter((name) => name === "ESTABLISHED").length;
  expect(established()).toBe(2);
  expect(drops(pair.server.stack, DropReason.BacklogFull)).toBeGreaterThan(0);
  const servers: number[] = [];
  pair.until(
    () => {
      const fd = serverToe.accept(listener);
      if (fd >= 0) servers.push(fd);
      return servers.length === clients.length;
    },
    "the others",
    MINUTE,
  );
  expect(established()).toBe(6);
  for (const fd of clients) expect(errorOf(clientToe, fd)).toBe(0);
  for (const fd of clients) expect(clientToe.close(fd)).toBe(0);
  pair.pass(ROUND_TRIP);
  for (const fd of servers) expect(serverToe.close(fd)).toBe(0);
  expect(serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

test("threats/R03: a handshake that is never completed gives its row back", () => {
  const pair = new WorldPair(RAW);
  const listener = pair.listen(PORT, 4);
  // Only SYNs get through to the server.
  pair.link.setFaults(0, { rule: (frame) => (frame[33] as number) !== 2 });
  const clients = Array.from({ length: 8 }, () => pair.connect(PORT));
  pair.pass(SECOND / 2);
  expect(pair.states()[1]).toEqual(clients.slice(4).map(() => "SYN-RECEIVED"));
  for (const fd of clients) expect(pair.clientToe.abort(fd)).toBe(0);
  pair.pass(10 * MINUTE);
  expect(pair.states()).toEqual([[], []]);
  pair.link.setFaults(0, {});
  const ends = pair.establish(listener, PORT);
  closeAll({ pair, listener, ...ends });
});

/** Turns keep-alive on: first probe after 10 s, three of them, 2 s apart. */
function keepAlive(toe: LibToe, fd: number): void {
  expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_KEEPALIVE, 1)).toBe(0);
  expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_KEEPIDLE, 10)).toBe(0);
  expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_KEEPINTVL, 2)).toBe(0);
  expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_KEEPCNT, 3)).toBe(0);
}

test("keep-alive: a peer that is gone is ETIMEDOUT, one that is there stays", () => {
  const ends = open();
  const { pair, client, server } = ends;
  keepAlive(pair.clientToe, client);
  pair.pass(10 * MINUTE);
  expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
  const probes = pair.link.counters(0).frames;
  expect(probes).toBeGreaterThan(50);
  expect(probes).toBeLessThan(70);
  pair.link.down = true;
  const [seconds, error] = failure(pair, pair.clientToe, client);
  expect(error).toBe(ERRNO.ETIMEDOUT);
  expect(seconds).toBeGreaterThan(6);
  expect(seconds).toBeLessThan(10 + 4 * 2 + 0.1);
  // RFC 9293 MUST-25: off by default. The server still believes in the connection.
  pair.pass(60 * MINUTE);
  expect(pair.states()).toEqual([[], ["ESTABLISHED"]]);
  pair.link.down = false;
  // RFC 9293, 3.5.1: half open; what it sends is answered with a reset.
  pair.serverToe.send(server, BYTE);
  pair.pass(ROUND_TRIP);
  expect(errorOf(pair.serverToe, server)).toBe(ERRNO.ECONNRESET);
  closeAll(ends);
});

test("TCP_USER_TIMEOUT: bytes that nobody acknowledges end the connection (RFC 5482)", () => {
  for (const ms of [3000, 30_000]) {
    const ends = open();
    const { pair, client } = ends;
    expect(pair.clientToe.setsockopt(client, C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, ms)).toBe(0);
    pair.pass(MINUTE);
    expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
    pair.link.down = true;
    pair.clientToe.send(client, BYTE);
    const [seconds, error] = failure(pair, pair.clientToe, client);
    expect(error).toBe(ERRNO.ETIMEDOUT);
    expect(seconds).toBeGreaterThanOrEqual(ms / 1000 - 0.01);
    expect(seconds).toBeLessThan(ms / 1000 + 1.5);
    pair.link.down = false;
    closeAll(ends);
  }
});

test("RFC 9293 SHLD-11: without a user timeout R2 is at least 100 s", () => {
  const ends = open();
  const { pair, client } = ends;
  pair.link.down = true;
  pair.clientToe.send(client, BYTE);
  pair.pass(100 * SECOND);
  expect(state(pair.clientToe)).toBe("ESTABLISHED");
  pair.until(() => state(pair.clientToe) === "none", "R2", 20 * MINUTE);
  expect(pair.clientToe.recv(ends.client, BYTE)).toBe(-ERRNO.ETIMEDOUT);
  expect(counterOf(pair.client.stack, Counter.Timeouts)).toBeGreaterThan(5);
  pair.link.down = false;
  closeAll(ends);
});

test("the link comes back before R2: not a byte is lost", () => {
  const ends = open();
  const { pair, client, server } = ends;
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 13) & 255);
  pair.link.down = true;
  expect(pair.clientToe.send(client, bytes)).toBe(bytes.length);
  pair.pass(90 * SECOND);
  pair.link.down = false;
  const got = new Uint8Array(bytes.length);
  let count = 0;
  pair.until(
    () => {
      count += Math.max(0, pair.serverToe.recv(server, got, count));
      return count === bytes.length;
    },
    "the bytes",
    3 * MINUTE,
  );
  expect(got).toEqual(bytes);
  closeAll(ends);
});

/** Fills the peer's receive buffer and the sender's transmit buffer. */
function fill(pair: WorldPair, toe: LibToe, fd: number): number {
  let sent = 0;
  for (let idle = 0; idle < 5; idle += 1) {
    const count = toe.send(fd, new Uint8Array(65536));
    if (count > 0) {
      sent += count;
      idle = 0;
    }
    pair.pass(SECOND / 10);
  }
  return sent;
}

function drain(toe: LibToe, fd: number): number {
  let total = 0;
  for (;;) {
    const count = toe.recv(fd, new Uint8Array(65536));
    if (count <= 0) return total;
    total += count;
  }
}

for (const both of [false, true]) {
  const ways = both ? "both windows" : "a window";
  test(`RFC 9293 MUST-37: ${ways} closed for 10 minutes stays open, with few probes`, () => {
    const ends = open();
    const { pair, client, server } = ends;
    const sent = fill(pair, pair.clientToe, client);
    const back = both ? fill(pair, pair.serverToe, server) : 0;
    const before = pair.link.counters(0).frames + pair.link.counters(1).frames;
    pair.pass(10 * MINUTE);
    expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
    const probes = counterOf(pair.client.stack, Counter.Probes);
    expect(probes).toBeGreaterThan(5);
    expect(probes).toBeLessThan(40);
    // A probe and an answer each; two stacks that answer each other's answers would not stop.
    const frames = pair.link.counters(0).frames + pair.link.counters(1).frames - before;
    expect(frames).toBeLessThan(120);
    let got = 0;
    let returned = 0;
    pair.until(
      () => {
        got += drain(pair.serverToe, server);
        returned += drain(pair.clientToe, client);
        return got === sent && returned === back;
      },
      "the bytes that waited",
      3 * MINUTE,
    );
    closeAll(ends);
  });
}

test("a window is closed in one direction: the other is not slowed down", () => {
  const ends = open();
  const { pair, client, server } = ends;
  fill(pair, pair.serverToe, server);
  // The server has probed: what it acknowledges now stands beyond the client's closed window.
  pair.pass(5 * SECOND);
  const start = pair.world.now;
  let sent = 0;
  let got = 0;
  pair.client.applications.push(() => {
    const room = Math.min(65536, 500_000 - sent);
    const count = room > 0 ? pair.clientToe.send(client, new Uint8Array(room)) : 0;
    if (count > 0) sent += count;
    return count > 0;
  });
  pair.server.applications.push(() => {
    const count = drain(pair.serverToe, server);
    got += count;
    return count > 0;
  });
  pair.client.wakeAt = pair.world.now;
  pair.until(() => got === 500_000, "the bytes", MINUTE);
  expect(pair.world.now - start).toBeLessThan(SECOND / 2);
  expect(counterOf(pair.client.stack, Counter.Timeouts)).toBe(0);
  pair.client.applications.length = 0;
  pair.server.applications.length = 0;
  closeAll(ends);
});

test("threats/R06: a window closed for a day is probed; of a vanished peer it ends by R2", () => {
  const ends = open();
  const { pair, client } = ends;
  fill(pair, pair.clientToe, client);
  // RFC 9293 MUST-37: as long as somebody answers.
  pair.pass(24 * 60 * MINUTE);
  expect(pair.states()[0]).toEqual(["ESTABLISHED"]);
  expect(counterOf(pair.client.stack, Counter.Probes)).toBeGreaterThan(100);
  pair.link.down = true;
  const [seconds, error] = failure(pair, pair.clientToe, client);
  expect(error).toBe(ERRNO.ETIMEDOUT);
  expect(seconds).toBeGreaterThan(100);
  pair.link.down = false;
  closeAll(ends);
});

// TCP_LINGER2 in s; 0 = the default of 60
for (const linger of [0, 5]) {
  test(`threats/R11: FIN-WAIT-2 of an orphan is bounded, TCP_LINGER2 ${linger}`, () => {
    const ends = open();
    const { pair, client } = ends;
    if (linger > 0) {
      expect(pair.clientToe.setsockopt(client, C.IPPROTO_TCP, C.TCP_LINGER2, linger)).toBe(0);
    }
    const expected = (linger === 0 ? 60 : linger) * SECOND;
    expect(pair.clientToe.close(client)).toBe(0);
    pair.pass(expected - SECOND);
    expect(pair.states()).toEqual([["FIN-WAIT-2"], ["CLOSE-WAIT"]]);
    pair.pass(2 * SECOND);
    expect(pair.states()).toEqual([[], ["CLOSE-WAIT"]]);
    closeAll(ends);
  });
}

test("FIN-WAIT-2 of a connection that is still held lasts as long as it is held", () => {
  const ends = open();
  const { pair, client, server } = ends;
  expect(pair.clientToe.shutdown(client, C.SHUT_WR)).toBe(0);
  pair.pass(60 * MINUTE);
  expect(pair.states()).toEqual([["FIN-WAIT-2"], ["CLOSE-WAIT"]]);
  expect(pair.serverToe.send(server, BYTE)).toBe(1);
  pair.pass(ROUND_TRIP);
  expect(pair.clientToe.recv(client, BYTE)).toBe(1);
  closeAll(ends);
});

/** State in which the peer vanishes, and how the client gets there. */
const VANISHING: readonly (readonly [string, (ends: Ends) => void])[] = [
  [
    "FIN-WAIT-1",
    ({ pair, client }) => {
      pair.link.down = true;
      pair.clientToe.close(client);
    },
  ],
  [
    "FIN-WAIT-2",
    ({ pair, client }) => {
      pair.clientToe.close(client);
      pair.pass(3 * ROUND_TRIP);
    },
  ],
  [
    "CLOSING",
    ({ pair, client, server }) => {
      pair.clientToe.close(client);
      pair.serverToe.close(server);
      // Both FINs are on their way, and arrive; nothing after them does.
      pair.pass(0.25 * ROUND_TRIP);
    },
  ],
  [
    "LAST-ACK",
    ({ pair, client, server }) => {
      pair.serverToe.close(server);
      pair.pass(3 * ROUND_TRIP);
      pair.link.down = true;
      pair.clientToe.close(client);
    },
  ],
  [
    "TIME-WAIT",
    ({ pair, client, server }) => {
      pair.clientToe.close(client);
      pair.pass(3 * ROUND_TRIP);
      pair.serverToe.close(server);
      pair.pass(3 * ROUND_TRIP);
    },
  ],
];

for (const [name, prepare] of VANISHING) {
  test(`threats/R12: the peer vanishes in ${name}: the row is freed`, () => {
    const ends = open();
    const { pair, client, server } = ends;
    prepare(ends);
    pair.link.down = true;
    pair.pass(SECOND / 10);
    expect(state(pair.clientToe)).toBe(name);
    pair.until(() => state(pair.clientToe) === "none", `the end of ${name}`, 20 * MINUTE);
    pair.link.down = false;
    pair.serverToe.abort(server);
    closeAll({ ...ends, client, server });
  });
}

test("a peer that lost its memory: RST, ECONNRESET", () => {
  const ends = open();
  const { pair, client, server } = ends;
  pair.link.down = true;
  // Its RST gets lost, as after a crash.
  pair.serverToe.abort(server);
  pair.pass(SECOND);
  pair.link.down = false;
  expect(pair.states()).toEqual([["ESTABLISHED"], []]);
  pair.clientToe.send(client, BYTE);
  pair.pass(ROUND_TRIP);
  expect(pair.clientToe.recv(client, BYTE)).toBe(-ERRNO.ECONNRESET);
  closeAll(ends);
});
