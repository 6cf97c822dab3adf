/**
 * Connections from their beginning to their end: many of them, every order of closing (RFC 9293,
 * 3.6), simultaneous open, TIME-WAIT and the rows that come after it. Whatever happened, in the end
 * no table holds anything.
 */
import { expect, test } from "vitest";
import { SOCKET_GENERATION } from "../../bindings/abi/socket.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Stack } from "../../host/stack.ts";
import { MINUTE, SECOND, WorldPair, type WorldPairOptions } from "./world-pair.ts";

const PORT = 80;
const ROUND_TRIP = 2.1e6;
/** Buffers of one chunk each way, for tests with many connections. */
const SMALL = 16384;

interface Ends {
  readonly pair: WorldPair;
  readonly listener: number;
  readonly client: number;
  readonly server: number;
}

function open(options: WorldPairOptions = {}): Ends {
  const pair = new WorldPair(options);
  const listener = pair.listen(PORT);
  return { pair, listener, ...pair.establish(listener, PORT) };
}

/** Closes what is still open; -EBADF is fine. Then nothing may be left. */
function closeAll({ pair, listener, client, server }: Ends): void {
  pair.clientToe.close(client);
  pair.serverToe.close(server);
  pair.serverToe.close(listener);
  expect(pair.leftovers()).toEqual([]);
}

function small(toe: LibToe): number {
  const fd = toe.socket();
  toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, SMALL);
  toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, SMALL);
  return fd;
}

function drops({ core }: Stack, reason: DropReason): number {
  return core.words[((core.map.base.drops as number) >>> 2) + reason] as number;
}

/** Sends all of `bytes` and reads as many at the other end. */
function exchange(pair: WorldPair, from: LibToe, out: number, to: LibToe, into: number): void {
  const bytes = Uint8Array.from({ length: 700 }, (_, i) => (i * 31 + out) & 255);
  expect(from.send(out, bytes)).toBe(bytes.length);
  const got = new Uint8Array(bytes.length);
  let count = 0;
  pair.until(() => {
    const read = to.recv(into, got, count);
    if (read > 0) count += read;
    return count === bytes.length;
  }, "the bytes");
  expect(got).toEqual(bytes);
}

const state = (toe: LibToe): string => toe.connections()[0]?.state ?? "none";
const states = ({ pair }: Ends): string[] => [state(pair.clientToe), state(pair.serverToe)];

for (const rows of [8, 256]) {
  test(`200 connections in sequence over ${rows} rows`, () => {
    const pair = new WorldPair({ layout: { connections: rows } });
    const listener = pair.listen(PORT);
    const ports = new Set<number>();
    for (let i = 0; i < 200; i += 1) {
      const { client, server } = pair.establish(listener, PORT);
      const name = pair.clientToe.getsockname(client);
      if (typeof name === "object") ports.add(name.port);
      exchange(pair, pair.clientToe, client, pair.serverToe, server);
      exchange(pair, pair.serverToe, server, pair.clientToe, client);
      const closes = [() => pair.clientToe.close(client), () => pair.serverToe.close(server)];
      if (i % 2 === 1) closes.reverse();
      expect(closes[0]?.()).toBe(0);
      if (i % 3 !== 0) pair.pass(2 * ROUND_TRIP);
      expect(closes[1]?.()).toBe(0);
      pair.pass(2 * ROUND_TRIP);
    }
    expect(ports.size).toBeGreaterThan(100);
    expect(pair.serverToe.close(listener)).toBe(0);
    expect(pair.leftovers()).toEqual([]);
  });
}

test("200 connections at once", () => {
  const pair = new WorldPair({ layout: { connections: 256, payloadBytes: 16 * 2 ** 20 } });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 256, small(serverToe));
  const clients = Array.from({ length: 200 }, () => pair.connect(PORT, small(clientToe)));
  const servers: number[] = [];
  pair.until(() => {
    for (let fd = serverToe.accept(listener); fd >= 0; fd = serverToe.accept(listener)) {
      servers.push(fd);
    }
    return servers.length === clients.length;
  }, "all connections");
  pair.pass(ROUND_TRIP);
  expect(pair.states()[0]).toEqual(clients.map(() => "ESTABLISHED"));
  // A connection is known by its number, whatever order they were accepted in.
  const number = new Uint8Array(4);
  clients.forEach((fd, i) => {
    new DataView(number.buffer).setUint32(0, i);
    expect(clientToe.send(fd, number)).toBe(4);
  });
  pair.pass(ROUND_TRIP);
  for (const fd of servers) {
    expect(serverToe.recv(fd, number)).toBe(4);
    expect(serverToe.send(fd, number)).toBe(4);
  }
  pair.pass(ROUND_TRIP);
  clients.forEach((fd, i) => {
    expect(clientToe.recv(fd, number)).toBe(4);
    expect(new DataView(number.buffer).getUint32(0)).toBe(i);
  });
  for (const fd of clients) expect(clientToe.close(fd)).toBe(0);
  pair.pass(ROUND_TRIP);
  for (const fd of servers) expect(serverToe.close(fd)).toBe(0);
  expect(serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

test("more connections than chunks: a chunk for each while some last, others fail, no leak", () => {
  // 32 chunks, two of them for sending. With more rows than chunks no window takes more than one.
  const pair = new WorldPair({ layout: { connections: 64, payloadBytes: 32 * 8192 } });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 64, small(serverToe));
  const remote = { address: "10.0.0.2", port: PORT };
  const clients = Array.from({ length: 40 }, () => small(clientToe));
  const answers = clients.map((fd) => clientToe.connect(fd, remote));
  const opened = clients.filter((_, i) => answers[i] === -ERRNO.EINPROGRESS);
  expect(answers.filter((answer) => answer === -ERRNO.ENOBUFS).length).toBe(40 - opened.length);
  pair.pass(10 * MINUTE);
  const windows = opened.map((fd) => clientToe.getsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF));
  expect(windows).toEqual(Array(30).fill(8192));
  const outcomes = opened.map((fd) => clientToe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR));
  expect(outcomes).toEqual(opened.map(() => 0));
  for (const fd of clients) expect(clientToe.close(fd)).toBe(0);
  pair.pass(ROUND_TRIP);
  for (let fd = serverToe.accept(listener); fd !== -ERRNO.EAGAIN; fd = serverToe.accept(listener)) {
    if (fd > 0) expect(serverToe.close(fd)).toBe(0);
  }
  expect(serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

const BYTE = Uint8Array.of(7);

/** Name, what happens, and what the tables show some round trips later: client, server. */
const CLOSES: readonly (readonly [string, (ends: Ends) => void, readonly string[]])[] = [
  [
    "active: FIN-WAIT-2, then TIME-WAIT",
    (ends) => {
      const { pair, client, server } = ends;
      pair.clientToe.close(client);
      pair.pass(3 * ROUND_TRIP);
      expect(states(ends)).toEqual(["FIN-WAIT-2", "CLOSE-WAIT"]);
      expect(pair.serverToe.recv(server, BYTE)).toBe(0);
      pair.serverToe.close(server);
    },
    ["TIME-WAIT", "none"],
  ],
  [
    "passive: CLOSE-WAIT, LAST-ACK, then nothing",
    (ends) => {
      const { pair, client, server } = ends;
      pair.serverToe.close(server);
      pair.pass(3 * ROUND_TRIP);
      expect(states(ends)).toEqual(["CLOSE-WAIT", "FIN-WAIT-2"]);
      expect(pair.clientToe.recv(client, BYTE)).toBe(0);
      pair.clientToe.close(client);
    },
    ["none", "TIME-WAIT"],
  ],
  [
    "simultaneous: CLOSING on both sides, then TIME-WAIT on both",
    (ends) => {
      const { pair, client, server } = ends;
      pair.clientToe.close(client);
      pair.serverToe.close(server);
      pair.pass(0.75 * ROUND_TRIP);
      expect(states(ends)).toEqual(["CLOSING", "CLOSING"]);
    },
    ["TIME-WAIT", "TIME-WAIT"],
  ],
  [
    "half close by the client, then by the server",
    (ends) => {
      const { pair, client, server } = ends;
      expect(pair.clientToe.shutdown(client, C.SHUT_WR)).toBe(0);
      expect(pair.clientToe.send(client, BYTE)).toBe(-ERRNO.EPIPE);
      pair.pass(3 * ROUND_TRIP);
      expect(states(ends)).toEqual(["FIN-WAIT-2", "CLOSE-WAIT"]);
      expect(pair.serverToe.recv(server, BYTE)).toBe(0);
      exchange(pair, pair.serverToe, server, pair.clientToe, client);
      expect(pair.serverToe.shutdown(server, C.SHUT_WR)).toBe(0);
      pair.pass(3 * ROUND_TRIP);
      expect(pair.clientToe.recv(client, BYTE)).toBe(0);
    },
    ["TIME-WAIT", "none"],
  ],
  [
    "half close by the server, then by the client",
    (ends) => {
      const { pair, client, server } = ends;
      expect(pair.serverToe.shutdown(server, C.SHUT_WR)).toBe(0);
      pair.pass(3 * ROUND_TRIP);
      expect(pair.clientToe.recv(client, BYTE)).toBe(0);
      exchange(pair, pair.clientToe, client, pair.serverToe, server);
      expect(pair.clientToe.shutdown(client, C.SHUT_WR)).toBe(0);
    },
    ["none", "TIME-WAIT"],
  ],
  [
    "shutdown of both directions",
    ({ pair, client, server }) => {
      expect(pair.clientToe.shutdown(client, C.SHUT_RDWR)).toBe(0);
      pair.pass(3 * ROUND_TRIP);
      expect(pair.serverToe.recv(server, BYTE)).toBe(0);
      expect(pair.serverToe.shutdown(server, C.SHUT_RDWR)).toBe(0);
    },
    ["TIME-WAIT", "none"],
  ],
  [
    "what was appended before close() arrives before the end",
    ({ pair, client, server }) => {
      const bytes = new Uint8Array(30_000).fill(3);
      expect(pair.clientToe.send(client, bytes)).toBe(30_000);
      expect(pair.clientToe.close(client)).toBe(0);
      pair.pass(20 * ROUND_TRIP);
      const got = new Uint8Array(40_000);
      expect(pair.serverToe.recv(server, got)).toBe(30_000);
      expect(pair.serverToe.recv(server, got)).toBe(0);
      expect(pair.serverToe.close(server)).toBe(0);
    },
    ["TIME-WAIT", "none"],
  ],
  [
    "SO_LINGER {1, 0}: RST",
    ({ pair, client, server }) => {
      const linger = { onoff: 1, linger: 0 };
      expect(pair.clientToe.setsockopt(client, C.SOL_SOCKET, C.SO_LINGER, linger)).toBe(0);
      pair.clientToe.close(client);
      pair.pass(ROUND_TRIP);
      expect(pair.serverToe.recv(server, BYTE)).toBe(-ERRNO.ECONNRESET);
      expect(pair.serverToe.recv(server, BYTE)).toBe(0);
      expect(pair.serverToe.send(server, BYTE)).toBe(-ERRNO.EPIPE);
    },
    ["none", "none"],
  ],
  [
    "close() with bytes unread: RST (RFC 9293 SHLD-3)",
    ({ pair, client, server }) => {
      pair.serverToe.send(server, BYTE);
      pair.pass(ROUND_TRIP);
      pair.clientToe.close(client);
      pair.pass(ROUND_TRIP);
      expect(pair.serverToe.send(server, BYTE)).toBe(-ERRNO.ECONNRESET);
    },
    ["none", "none"],
  ],
  [
    "bytes after close(): RST (RFC 9293 SHLD-3)",
    ({ pair, client, server }) => {
      pair.clientToe.close(client);
      pair.serverToe.send(server, BYTE);
      pair.pass(3 * ROUND_TRIP);
      expect(pair.serverToe.recv(server, BYTE)).toBe(-ERRNO.ECONNRESET);
    },
    ["none", "none"],
  ],
  [
    "abort() with bytes under way: RST",
    ({ pair, client, server }) => {
      pair.clientToe.send(client, new Uint8Array(30_000));
      pair.pass(ROUND_TRIP);
      expect(pair.clientToe.abort(client)).toBe(0);
      pair.pass(ROUND_TRIP);
      let last = 1;
      while (last > 0) last = pair.serverToe.recv(server, new Uint8Array(4096));
      expect(last).toBe(-ERRNO.ECONNRESET);
    },
    ["none", "none"],
  ],
  [
    "abort() in FIN-WAIT-2",
    (ends) => {
      const { pair, client, server } = ends;
      pair.clientToe.shutdown(client, C.SHUT_WR);
      pair.pass(3 * ROUND_TRIP);
      expect(states(ends)).toEqual(["FIN-WAIT-2", "CLOSE-WAIT"]);
      expect(pair.clientToe.abort(client)).toBe(0);
      pair.pass(ROUND_TRIP);
      expect(pair.serverToe.send(server, BYTE)).toBe(-ERRNO.ECONNRESET);
    },
    ["none", "none"],
  ],
  [
    "abort() on both sides at once",
    ({ pair, client, server }) => {
      expect(pair.clientToe.abort(client)).toBe(0);
      expect(pair.serverToe.abort(server)).toBe(0);
    },
    ["none", "none"],
  ],
];

for (const [name, close, expected] of CLOSES) {
  test(`close: ${name}`, () => {
    const ends = open();
    exchange(ends.pair, ends.pair.clientToe, ends.client, ends.pair.serverToe, ends.server);
    close(ends);
    ends.pair.pass(5 * ROUND_TRIP);
    expect(states(ends)).toEqual(expected);
    closeAll(ends);
  });

  test(`close over a link that loses 20 %: ${name}`, () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const ends = open({ seed, link: { medium: "ip" } });
      const { pair, client, server } = ends;
      for (const side of [0, 1] as const) pair.link.setFaults(side, { loss: 0.2, duplicate: 0.05 });
      pair.clientToe.send(client, BYTE);
      pair.pass(seed * 1e5);
      if (seed % 2 === 0) pair.serverToe.close(server);
      pair.clientToe.close(client);
      pair.pass(seed * 3e5);
      closeAll(ends);
    }
  });
}

test("SHUT_RD with bytes unread: 0 from now on, and the peer is not held up", () => {
  const { pair, client, server, listener } = open();
  pair.serverToe.send(server, new Uint8Array(100));
  pair.pass(ROUND_TRIP);
  expect(pair.clientToe.recv(client, BYTE)).toBe(1);
  expect(pair.clientToe.shutdown(client, C.SHUT_RD)).toBe(0);
  expect(pair.clientToe.recv(client, BYTE)).toBe(0);
  let sent = 0;
  pair.until(
    () => {
      sent += Math.max(0, pair.serverToe.send(server, new Uint8Array(5000)));
      return sent > 500_000;
    },
    "room to send",
    SECOND,
  );
  expect(pair.serverToe.shutdown(server, C.SHUT_WR)).toBe(0);
  pair.pass(20 * ROUND_TRIP);
  exchange(pair, pair.clientToe, client, pair.serverToe, server);
  expect(pair.clientToe.recv(client, BYTE)).toBe(0);
  pair.clientToe.shutdown(client, C.SHUT_WR);
  pair.pass(3 * ROUND_TRIP);
  // Orderly: neither side has lost anything that it wanted.
  expect(pair.clientToe.recv(client, BYTE)).toBe(0);
  expect(pair.states()).toEqual([[], ["TIME-WAIT"]]);
  closeAll({ pair, client, server, listener });
});

test("close() before the handshake is over leaves nothing on either side", () => {
  for (let step = 0; step < 8; step += 1) {
    const pair = new WorldPair({ seed: step });
    const listener = pair.listen(PORT);
    const client = pair.connect(PORT);
    pair.pass(step * 0.7e6);
    expect(pair.clientToe.close(client)).toBe(0);
    pair.pass(5 * ROUND_TRIP);
    expect(state(pair.clientToe)).not.toBe("SYN-SENT");
    expect(pair.serverToe.close(listener)).toBe(0);
    expect(pair.leftovers()).toEqual([]);
  }
});

test("a listener's close() resets what nobody accepted", () => {
  const pair = new WorldPair();
  const listener = pair.listen(PORT);
  const clients = [1, 2, 3].map(() => pair.connect(PORT));
  pair.pass(3 * ROUND_TRIP);
  expect(pair.serverToe.close(listener)).toBe(0);
  pair.pass(ROUND_TRIP);
  for (const fd of clients) {
    expect(pair.clientToe.recv(fd, BYTE)).toBe(-ERRNO.ECONNRESET);
    expect(pair.clientToe.close(fd)).toBe(0);
  }
  expect(pair.leftovers()).toEqual([]);
});

/** Both ends open at the same instant, between fixed ports; no one listens. */
function openBoth(pair: WorldPair): [number, number] {
  const [client, server] = [pair.clientToe.socket(), pair.serverToe.socket()];
  expect(pair.clientToe.bind(client, { address: "10.0.0.1", port: 5000 })).toBe(0);
  expect(pair.serverToe.bind(server, { address: "10.0.0.2", port: 5001 })).toBe(0);
  const [started, also] = [
    pair.clientToe.connect(client, { address: "10.0.0.2", port: 5001 }),
    pair.serverToe.connect(server, { address: "10.0.0.1", port: 5000 }),
  ];
  expect([started, also]).toEqual([-ERRNO.EINPROGRESS, -ERRNO.EINPROGRESS]);
  return [client, server];
}

test("RFC 9293 MUST-10: simultaneous open makes one connection", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const loss = seed === 1 ? 0 : 0.3;
    const pair = new WorldPair({ seed, link: { medium: "ip", faults: { loss } } });
    const [client, server] = openBoth(pair);
    pair.pass(MINUTE);
    expect([seed, ...pair.states()]).toEqual([seed, ["ESTABLISHED"], ["ESTABLISHED"]]);
    if (loss === 0) expect(pair.link.counters(0).frames).toBeLessThanOrEqual(3);
    exchange(pair, pair.clientToe, client, pair.serverToe, server);
    exchange(pair, pair.serverToe, server, pair.clientToe, client);
    closeAll({ pair, listener: -1, client, server });
  }
});

test("threats/S02: simultaneous open whose crossing SYN-ACKs are lost makes one connection", () => {
  const SYN_ACK = 0x12;
  for (const sides of [[0], [1], [0, 1]] as const) {
    for (const most of [1, 2]) {
      const pair = new WorldPair({ seed: most, link: { medium: "ip" } });
      const lost = [0, 0];
      for (const side of sides) {
        const rule = (frame: Uint8Array): boolean => {
          const isAnswer = ((frame[33] as number) & SYN_ACK) === SYN_ACK;
          if (!isAnswer || (lost[side] as number) >= most) return false;
          lost[side] = (lost[side] as number) + 1;
          return true;
        };
        pair.link.setFaults(side, { rule });
      }
      const [client, server] = openBoth(pair);
      pair.pass(MINUTE);
      expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
      expect(sides.map((side) => (lost[side] as number) > 0)).toEqual(sides.map(() => true));
      exchange(pair, pair.clientToe, client, pair.serverToe, server);
      exchange(pair, pair.serverToe, server, pair.clientToe, client);
      closeAll({ pair, listener: -1, client, server });
    }
  }
});

test("RFC 9293 MUST-13: TIME-WAIT lasts 2 MSL; its row comes back with a new generation", () => {
  const pair = new WorldPair({ layout: { connections: 1 } });
  const listener = pair.listen(PORT);
  const generations: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const { client, server } = pair.establish(listener, PORT);
    const socket = pair.clientToe.internals.table.get(client);
    expect(socket?.connection).toBe(1);
    const row = socket?.row as number;
    generations.push(socket?.ints[row + SOCKET_GENERATION / 4] as number);
    pair.clientToe.close(client);
    pair.pass(3 * ROUND_TRIP);
    pair.serverToe.close(server);
    pair.pass(59.9 * SECOND);
    expect(pair.states()).toEqual([["TIME-WAIT"], []]);
    pair.pass(0.2 * SECOND);
    expect(pair.states()).toEqual([[], []]);
  }
  const [first] = generations as [number];
  expect(generations).toEqual([0, 1, 2, 3, 4].map((i) => first + i));
  pair.serverToe.close(listener);
  expect(pair.leftovers()).toEqual([]);
});

test("TIME-WAIT answers a FIN that comes again when the last ACK was lost", () => {
  const { pair, client, server, listener } = open();
  pair.clientToe.close(client);
  pair.pass(3 * ROUND_TRIP);
  pair.link.setFaults(0, { rule: (_frame, count) => count < 2 });
  pair.serverToe.close(server);
  pair.pass(ROUND_TRIP);
  expect(pair.states()).toEqual([["TIME-WAIT"], ["LAST-ACK"]]);
  pair.pass(10 * SECOND);
  expect(pair.states()).toEqual([["TIME-WAIT"], []]);
  expect(pair.link.counters(0).dropped.rule).toBeGreaterThan(0);
  closeAll({ pair, client, server, listener });
});

test("RFC 9293 SHLD-4: a SYN reopens a tuple in TIME-WAIT, and old duplicates do no harm", () => {
  const pair = new WorldPair();
  const listener = pair.listen(PORT);
  for (let i = 0; i < 5; i += 1) {
    const client = pair.clientToe.socket();
    expect(pair.clientToe.bind(client, { address: "10.0.0.1", port: 6000 })).toBe(0);
    pair.connect(PORT, client);
    const server = pair.accept(listener, SECOND);
    exchange(pair, pair.clientToe, client, pair.serverToe, server);
    // The server is the one that waits; the client is free to call again.
    pair.serverToe.close(server);
    pair.pass(3 * ROUND_TRIP);
    pair.clientToe.close(client);
    pair.pass(3 * ROUND_TRIP);
    expect(pair.states()).toEqual([[], ["TIME-WAIT"]]);
  }
  expect(drops(pair.server.stack, DropReason.SynChallenge)).toBe(0);
  pair.serverToe.close(listener);
  expect(pair.leftovers()).toEqual([]);
});
