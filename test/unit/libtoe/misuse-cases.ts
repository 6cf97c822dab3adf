/**
 * Host misuse, threats.md rows U01-U06, U09, U12-U14, as cases over any stack that can make a
 * connection and come to rest. Each case leaves nothing behind: the caller compares the counts.
 */
import { expect } from "vitest";
import { ERRNO, SocketError } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { LibToe } from "../../../host/libtoe/libtoe.ts";
import { CHANGING_BUFFERS } from "./misuse-buffers.ts";
import { closeAll, connecting, type MisuseCase, type MisuseStack } from "./misuse-ends.ts";
import { type Pair, pair } from "./misuse-ends.ts";
import { OPTION_LIMITS } from "./misuse-options.ts";
import { RACING_CONNECT } from "./misuse-races.ts";

/** Every call that takes a descriptor first. */
export const CALLS: ((toe: LibToe, fd: number) => unknown)[] = [
  (toe, fd) => toe.bind(fd, { address: "0.0.0.0", port: 1 }),
  (toe, fd) => toe.listen(fd),
  (toe, fd) => toe.accept(fd),
  (toe, fd) => toe.connect(fd, { address: "10.0.0.2", port: 1 }),
  (toe, fd) => toe.send(fd, new Uint8Array(1)),
  (toe, fd) => toe.recv(fd, new Uint8Array(1)),
  (toe, fd) => toe.sendmsg(fd, [new Uint8Array(1)]),
  (toe, fd) => toe.recvmsg(fd, [new Uint8Array(1)]),
  (toe, fd) => toe.read(fd, new Uint8Array(1)),
  (toe, fd) => toe.write(fd, new Uint8Array(1)),
  (toe, fd) => toe.shutdown(fd, C.SHUT_RDWR),
  (toe, fd) => toe.close(fd),
  (toe, fd) => toe.abort(fd),
  (toe, fd) => toe.setsockopt(fd, C.SOL_SOCKET, C.SO_KEEPALIVE, 1),
  (toe, fd) => toe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR),
  (toe, fd) => toe.getsockname(fd),
  (toe, fd) => toe.getpeername(fd),
  (toe, fd) => toe.fcntl(fd, C.F_GETFL),
  (toe, fd) => toe.epollCtl(fd, C.EPOLL_CTL_ADD, fd, { events: C.EPOLLIN }),
  (toe, fd) => toe.epollWait(fd, []),
  (toe, fd) => toe.setWatcher(fd, () => undefined),
];

const BAD_HANDLES: unknown[] = [
  -1,
  0,
  2,
  NaN,
  Infinity,
  -Infinity,
  0.5,
  3.5,
  2 ** 30,
  2 ** 31,
  2 ** 32 + 3,
  Number.MAX_VALUE,
  "3",
  "",
  null,
  undefined,
  true,
  3n,
  Symbol("3"),
  {},
  { valueOf: () => 3 },
  [3],
  () => 3,
];

const badHandles: MisuseCase = {
  id: "U01",
  what: "bad handles are EBADF in every call",
  async run(stack) {
    const toe = stack.client;
    const real = toe.socket();
    for (const handle of [...BAD_HANDLES, real + 1]) {
      for (const call of CALLS) expect(call(toe, handle as number)).toBe(-ERRNO.EBADF);
      const awaited = toe.recvAsync(handle as number, new Uint8Array(1));
      await expect(awaited).rejects.toBeInstanceOf(SocketError);
    }
    expect(toe.close(real)).toBe(0);
    for (const call of CALLS) expect(call(toe, real)).toBe(-ERRNO.EBADF);
  },
};

/** Puts a descriptor in each state of its life; says which. */
const STATES: Record<string, (stack: MisuseStack, ends: Pair) => number> = {
  fresh: (stack) => stack.client.socket(),
  bound: (stack) => {
    const fd = stack.client.socket();
    stack.client.bind(fd, { address: "0.0.0.0", port: 9 });
    return fd;
  },
  listening: (stack) => {
    const fd = stack.client.socket();
    stack.client.listen(fd);
    return fd;
  },
  connecting: (stack) => connecting(stack),
  connected: (_stack, { client }) => client,
  "with data to send": (stack, { client }) => {
    stack.client.send(client, new Uint8Array(100));
    return client;
  },
  "with data to read": (stack, { client, server }) => {
    stack.server.send(server, new Uint8Array(100));
    stack.settle();
    return client;
  },
  "half closed": (stack, { client }) => {
    stack.client.shutdown(client, C.SHUT_WR);
    stack.settle();
    return client;
  },
  "closed by the peer": (stack, { client, server }) => {
    stack.server.close(server);
    stack.settle();
    return client;
  },
  reset: (stack, { client, server }) => {
    stack.server.abort(server);
    stack.settle();
    return client;
  },
  epoll: (stack) => stack.client.epollCreate(),
};

const closeEverywhere: MisuseCase = {
  id: "U02",
  what: "close works once in every state, and nothing works after it",
  run(stack) {
    for (const [state, prepare] of Object.entries(STATES)) {
      const ends = pair(stack);
      const fd = prepare(stack, ends);
      expect([state, stack.client.close(fd)]).toEqual([state, 0]);
      expect([state, stack.client.close(fd)]).toEqual([state, -ERRNO.EBADF]);
      stack.settle();
      for (const call of CALLS) expect([state, call(stack.client, fd)]).toEqual([state, -9]);
      closeAll(stack, ends);
    }
  },
};

const reuse: MisuseCase = {
  id: "U03",
  what: "a stale descriptor never names the socket that took its slot",
  run(stack) {
    const toe = stack.client;
    const stale = new Set<number>();
    for (let i = 0; i < 5000; i += 1) {
      const fd = toe.socket();
      expect(fd).toBeGreaterThan(0);
      expect(fd).toBeLessThan(2 ** 30);
      expect(stale.has(fd)).toBe(false);
      stale.add(fd);
      if (i % 7 === 0) toe.bind(fd, { address: "0.0.0.0", port: 5 });
      toe.close(fd);
    }
    const live = toe.socket();
    for (const fd of stale) expect(toe.fcntl(fd, C.F_GETFL)).toBe(-ERRNO.EBADF);
    toe.close(live);
  },
};

function detached(): Uint8Array {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function shrunk(): Uint8Array {
  const options = { maxByteLength: 128 };
  const make = ArrayBuffer as unknown as new (size: number, o: object) => ArrayBuffer;
  const buffer = new make(128, options) as ArrayBuffer & { resize(size: number): void };
  const bytes = new Uint8Array(buffer, 0, 64);
  buffer.resize(16);
  return bytes;
}

const badBuffers: MisuseCase = {
  id: "U04",
  what: "buffers and lengths that lie: an errno, and no byte outside is read or written",
  run(stack) {
    const ends = pair(stack);
    const bytes = new Uint8Array(8);
    const rows: [unknown, unknown, unknown, number][] = [
      [bytes, 0, 9, -ERRNO.EFAULT],
      [bytes, 8, 1, -ERRNO.EFAULT],
      [bytes, 9, undefined, -ERRNO.EFAULT],
      [bytes, 0, 2 ** 31, -ERRNO.EFAULT],
      [bytes, 2 ** 31, 2 ** 31, -ERRNO.EFAULT],
      [bytes, 0, 2 ** 32, -ERRNO.EINVAL],
      [bytes, 0, -1, -ERRNO.EINVAL],
      [bytes, -1, 1, -ERRNO.EINVAL],
      [bytes, 0.5, 1, -ERRNO.EINVAL],
      [bytes, 0, NaN, -ERRNO.EINVAL],
      [bytes, NaN, undefined, -ERRNO.EINVAL],
      [bytes, "0", 1, -ERRNO.EINVAL],
      [bytes, 0, "1", -ERRNO.EINVAL],
      [detached(), 0, 1, -ERRNO.EFAULT],
      [detached(), 0, undefined, 0],
      [shrunk(), 0, 1, -ERRNO.EFAULT],
      ["text", 0, 1, -ERRNO.EFAULT],
      [null, 0, 1, -ERRNO.EFAULT],
      [undefined, 0, undefined, -ERRNO.EFAULT],
      [new ArrayBuffer(8), 0, 1, -ERRNO.EFAULT],
      [new Uint16Array(8), 0, 1, -ERRNO.EFAULT],
      [{ length: 8 }, 0, 8, -ERRNO.EFAULT],
    ];
    const { client, server } = ends;
    for (const [buffer, offset, length, expected] of rows) {
      const row = [buffer, offset, length] as [Uint8Array, number, number];
      expect(stack.client.send(client, ...row)).toBe(expected);
      expect(stack.server.recv(server, ...row)).toBe(expected);
    }
    expect(stack.client.send(client, bytes, 0, 0)).toBe(0);
    expect(stack.client.sendmsg(client, [bytes, "x" as unknown as Uint8Array])).toBe(-14);
    expect(stack.client.sendmsg(client, null as unknown as Uint8Array[])).toBe(-14);
    expect(stack.client.recvmsg(client, new Array(2000).fill(bytes))).toBe(-ERRNO.EMSGSIZE);
    // A buffer that was used again and again, then taken away.
    for (let i = 0; i < 4; i += 1) expect(stack.client.send(client, bytes)).toBe(8);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(stack.client.send(client, bytes, 0, 8)).toBe(-ERRNO.EFAULT);
    stack.settle();
    const got = new Uint8Array(100).fill(7);
    expect(stack.server.recv(server, got, 10, 80)).toBe(32);
    expect([got[9], got[10], got[41], got[42]]).toEqual([7, 0, 0, 7]);
    closeAll(stack, ends);
  },
};

const reentrant: MisuseCase = {
  id: "U05",
  what: "a callback may send, close, connect and listen, on its own and other sockets",
  run(stack) {
    const ends = pair(stack);
    const { client, server, listener } = ends;
    const opened: number[] = [];
    let depth = 0;
    let deepest = 0;
    let calls = 0;
    const within =
      (work: () => void) =>
      (_fd: number, events: number): void => {
        // A watcher is told at once of what holds already: that the socket is writable.
        if ((events & C.POLLIN) === 0) return;
        depth += 1;
        calls += 1;
        deepest = Math.max(deepest, depth);
        work();
        // A poll inside a callback runs no other callback.
        stack.server.poll();
        stack.server.flush();
        depth -= 1;
      };
    const toe = stack.server;
    toe.setWatcher(
      listener,
      within(() => opened.push(toe.accept(listener))),
    );
    toe.setWatcher(
      server,
      within(() => {
        const fresh = toe.socket();
        expect(toe.listen(fresh)).toBe(0);
        expect(toe.close(fresh)).toBe(0);
        toe.setWatcher(server, undefined);
        toe.send(server, new Uint8Array(10));
        expect(toe.recv(server, new Uint8Array(10))).toBe(5);
        expect(toe.close(server)).toBe(0);
        expect(toe.close(server)).toBe(-ERRNO.EBADF);
        opened.push(connecting(stack));
      }),
    );
    stack.settle();
    calls = 0;
    stack.client.send(client, new Uint8Array(5));
    stack.settle();
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(deepest).toBe(1);
    const got = new Uint8Array(20);
    expect([stack.client.recv(client, got), stack.client.recv(client, got)]).toEqual([10, 0]);
    // The connection opened in the callback, then its accepted end.
    expect(opened.length).toBe(2);
    stack.client.close(opened[0] as number);
    stack.server.close(opened[1] as number);
    closeAll(stack, ends);
  },
};

const closesAnother: MisuseCase = {
  id: "U05",
  what: "a callback may close another socket that has news: that one is not called any more",
  run(stack) {
    const first = pair(stack);
    const second = connecting(stack);
    stack.settle();
    const other = stack.server.accept(first.listener);
    const servers = [first.server, other];
    const called: number[] = [];
    servers.forEach((fd, i) => {
      stack.server.setWatcher(fd, (_fd, events) => {
        if ((events & C.POLLIN) === 0) return;
        called.push(i);
        expect(stack.server.close(servers[1 - i] as number)).toBe(0);
      });
    });
    stack.settle();
    // Both have bytes to read in the same poll.
    stack.client.send(first.client, new Uint8Array(5));
    stack.client.send(second, new Uint8Array(5));
    stack.settle();
    expect(called).toHaveLength(1);
    const [kept = -1] = called;
    expect(stack.server.recv(servers[kept] as number, new Uint8Array(9))).toBe(5);
    expect(stack.server.recv(servers[1 - kept] as number, new Uint8Array(9))).toBe(-ERRNO.EBADF);
    stack.client.close(second);
    stack.server.close(other);
    closeAll(stack, first);
  },
};

const throwing: MisuseCase = {
  id: "U06",
  what: "a callback that throws loses its own connection, and the loop goes on",
  run(stack) {
    const ends = pair(stack);
    const second = connecting(stack);
    stack.settle();
    const other = stack.server.accept(ends.listener);
    const errors: [number, unknown][] = [];
    stack.server.onCallbackError = (fd, error) => {
      errors.push([fd, error]);
      throw new Error("and so does the hook");
    };
    const boom = new Error("boom");
    stack.server.setWatcher(ends.server, (_fd, events) => {
      if ((events & C.POLLIN) !== 0) throw boom;
    });
    let calls = 0;
    stack.server.setWatcher(other, () => {
      calls += 1;
    });
    stack.settle();
    calls = 0;
    stack.client.send(ends.client, new Uint8Array(1));
    stack.client.send(second, new Uint8Array(1));
    stack.settle();
    stack.server.onCallbackError = undefined;
    expect(errors).toEqual([[ends.server, boom]]);
    expect(calls).toBe(1);
    expect(stack.client.recv(ends.client, new Uint8Array(1))).toBe(-ERRNO.ECONNRESET);
    expect(stack.server.recv(other, new Uint8Array(1))).toBe(1);
    stack.client.close(second);
    stack.server.close(other);
    closeAll(stack, ends);
  },
};

const aborting: MisuseCase = {
  id: "U09",
  what: "an abort after each of N steps of a transfer: the peer sees the reset",
  run(stack) {
    for (let step = 0; step < 20; step += 1) {
      const ends = pair(stack);
      const chunk = new Uint8Array(3000);
      for (let i = 0; i < step; i += 1) {
        stack.client.send(ends.client, chunk);
        if (i % 3 !== 0) stack.client.flush();
        if (i % 2 !== 0) stack.settle();
        if (i % 4 === 1) stack.server.recv(ends.server, chunk);
      }
      expect(stack.client.abort(ends.client)).toBe(0);
      stack.settle();
      let answer = 1;
      while (answer > 0) answer = stack.server.recv(ends.server, chunk);
      expect([step, answer]).toEqual([step, -ERRNO.ECONNRESET]);
      expect(stack.server.send(ends.server, chunk)).toBe(-ERRNO.EPIPE);
      closeAll(stack, ends);
    }
  },
};

/** The cases that need one stack. U13 needs two, and stands beside them. */
export const MISUSE_CASES: readonly MisuseCase[] = [
  badHandles,
  closeEverywhere,
  reuse,
  badBuffers,
  CHANGING_BUFFERS,
  reentrant,
  closesAnother,
  throwing,
  aborting,
  RACING_CONNECT,
  OPTION_LIMITS,
];
