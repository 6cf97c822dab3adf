/**
 * The calls against POSIX and Linux semantics, over a loopback stack without TCP: life cycle,
 * end of stream, resets, shutdown, close and lingering, names, message flags, iovecs, options.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { CONGESTIONS } from "../../../host/control-plane/congestion/algorithm.ts";
import { CONGESTION_NAMES, settableOptions } from "../../../host/libtoe/options.ts";
import { Random } from "../../support/random.ts";
import { LoopbackStack } from "./loopback-stack.ts";

const PORT = 80;
const SERVER = { address: "10.0.0.2", port: PORT };
const BUFFER = 4096;

/** A stack with a listener and one connection: descriptors of its two ends. */
function pair(stack = new LoopbackStack()) {
  const { toe } = stack;
  const listener = toe.socket();
  expect(toe.bind(listener, { address: "0.0.0.0", port: PORT })).toBe(0);
  expect(toe.listen(listener, 8)).toBe(0);
  const client = toe.socket();
  expect(toe.connect(client, SERVER)).toBe(-ERRNO.EINPROGRESS);
  stack.settle();
  const server = toe.accept(listener);
  expect(server).toBeGreaterThan(0);
  return { stack, toe, listener, client, server };
}

const idOf = ({ toe }: LoopbackStack, fd: number): number =>
  toe.internals.table.get(fd)?.connection as number;

test("socket() gives small dense descriptors and refuses what is not TCP over IP", () => {
  const { toe } = new LoopbackStack();
  expect([toe.socket(), toe.socket(), toe.socket()]).toEqual([3, 4, 5]);
  const rows: [number, number, number, number][] = [
    [1, C.SOCK_STREAM, 0, -ERRNO.EAFNOSUPPORT],
    [C.AF_INET6, C.SOCK_DGRAM, 0, -ERRNO.ESOCKTNOSUPPORT],
    [C.AF_INET, C.SOCK_DGRAM, 0, -ERRNO.ESOCKTNOSUPPORT],
    [C.AF_INET, C.SOCK_STREAM, 17, -ERRNO.EPROTONOSUPPORT],
  ];
  for (const [domain, type, protocol, expected] of rows) {
    expect(toe.socket(domain, type, protocol)).toBe(expected);
  }
  const fd = toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, C.IPPROTO_TCP);
  expect(toe.fcntl(fd, C.F_GETFL)).toBe(C.O_RDWR | C.O_NONBLOCK);
  expect(toe.fcntl(fd, C.F_SETFL, 0)).toBe(0);
  expect(toe.fcntl(fd, C.F_GETFL)).toBe(C.O_RDWR);
  expect(toe.fcntl(fd, 99)).toBe(-ERRNO.EINVAL);
});

test("bytes cross in both directions, whole and in order", () => {
  const { stack, toe, client, server } = pair();
  const random = new Random(11);
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    const sent = random.bytes(50000);
    const got = new Uint8Array(sent.length);
    let out = 0;
    let back = 0;
    while (back < sent.length) {
      const asked = Math.min(random.between(1, 3000), sent.length - out);
      const count = toe.send(from, sent, out, asked);
      if (count > 0) out += count;
      stack.poll();
      const read = toe.recv(to, got, back, Math.min(random.between(1, 3000), got.length - back));
      if (read > 0) back += read;
    }
    expect(got).toEqual(sent);
  }
});

test("names: before and after bind, listen and connect", () => {
  const { toe, client, server, listener } = pair();
  const fresh = toe.socket();
  expect(toe.getsockname(fresh)).toEqual({ address: "0.0.0.0", port: 0 });
  expect(toe.getpeername(fresh)).toBe(-ERRNO.ENOTCONN);
  toe.bind(fresh, { address: "10.0.0.1", port: 7 });
  expect(toe.getsockname(fresh)).toEqual({ address: "10.0.0.1", port: 7 });
  expect(toe.getsockname(listener)).toEqual({ address: "0.0.0.0", port: PORT });
  expect(toe.getpeername(client)).toEqual(SERVER);
  expect(toe.getsockname(server)).toEqual(SERVER);
  expect(toe.getpeername(server)).toEqual(toe.getsockname(client));
  const chosen = toe.socket();
  toe.listen(chosen, 1);
  expect(toe.getsockname(chosen)).toMatchObject({ port: expect.any(Number) });
});

test("connect, listen and bind in the wrong state", () => {
  const { stack, toe, client, listener } = pair();
  expect(toe.connect(client, SERVER)).toBe(-ERRNO.EISCONN);
  expect(toe.connect(listener, SERVER)).toBe(-ERRNO.EINVAL);
  expect(toe.listen(listener, 3)).toBe(0);
  expect(toe.listen(client)).toBe(-ERRNO.EINVAL);
  expect(toe.accept(client)).toBe(-ERRNO.EINVAL);
  expect(toe.accept(listener)).toBe(-ERRNO.EAGAIN);
  const second = toe.socket();
  expect(toe.bind(second, { address: "0.0.0.0", port: PORT })).toBe(0);
  expect(toe.bind(second, { address: "0.0.0.0", port: PORT })).toBe(-ERRNO.EINVAL);
  expect(toe.listen(second)).toBe(-ERRNO.EADDRINUSE);
  const third = toe.socket();
  expect(toe.send(third, new Uint8Array(1))).toBe(-ERRNO.ENOTCONN);
  expect(toe.recv(third, new Uint8Array(1))).toBe(-ERRNO.ENOTCONN);
  expect(toe.shutdown(third, C.SHUT_WR)).toBe(-ERRNO.ENOTCONN);
  expect(toe.connect(third, { address: "10.0.0.2", port: 81 })).toBe(-ERRNO.EINPROGRESS);
  expect(toe.send(third, new Uint8Array(1))).toBe(-ERRNO.EAGAIN);
  expect(toe.connect(third, SERVER)).toBe(-ERRNO.EALREADY);
  stack.settle();
  // The error is one outcome: connect() reports it once, then tries again.
  expect(toe.connect(third, SERVER)).toBe(-ERRNO.ECONNREFUSED);
  expect(toe.connect(third, SERVER)).toBe(-ERRNO.EINPROGRESS);
  stack.settle();
  expect(toe.connect(third, SERVER)).toBe(-ERRNO.EISCONN);
});

test("half close: what was sent before the FIN is read, then 0; the other side goes on", () => {
  const { stack, toe, client, server } = pair();
  toe.send(client, Uint8Array.of(1, 2, 3));
  expect(toe.shutdown(client, C.SHUT_WR)).toBe(0);
  expect(toe.send(client, Uint8Array.of(4))).toBe(-ERRNO.EPIPE);
  expect(toe.shutdown(client, C.SHUT_WR)).toBe(0);
  stack.settle();
  const got = new Uint8Array(8);
  expect([toe.recv(server, got), toe.recv(server, got), toe.recv(server, got)]).toEqual([3, 0, 0]);
  expect(toe.send(server, Uint8Array.of(9))).toBe(1);
  stack.settle();
  expect([toe.recv(client, got), got[0]]).toEqual([1, 9]);
  toe.close(server);
  stack.settle();
  expect(toe.recv(client, got)).toBe(0);
  toe.close(client);
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("bytes that nobody read survive the orderly end of the connection", () => {
  const { stack, toe, client, server } = pair();
  const sent = new Random(5).bytes(3000);
  toe.shutdown(client, C.SHUT_WR);
  toe.send(server, sent);
  toe.shutdown(server, C.SHUT_WR);
  stack.settle();
  expect(stack.flows.size).toBe(0); // the buffers have gone back, and are spoilt
  const got = new Uint8Array(3000);
  expect(toe.recv(client, got, 0, 1000, C.MSG_PEEK)).toBe(1000);
  expect(toe.recv(client, got, 0, 1000)).toBe(1000);
  expect(toe.recv(client, got, 1000)).toBe(2000);
  expect(got).toEqual(sent);
  expect(toe.recv(client, got)).toBe(0);
  expect(toe.send(client, got)).toBe(-ERRNO.EPIPE);
  expect(toe.getpeername(client)).toEqual(SERVER);
  expect(toe.close(client)).toBe(0);
});

test("after a reset: ECONNRESET once, then 0 and EPIPE", () => {
  for (const first of ["recv", "send", "SO_ERROR"] as const) {
    const { stack, toe, client, server } = pair();
    stack.fail(idOf(stack, client), ERRNO.ECONNRESET);
    stack.settle();
    const one = new Uint8Array(1);
    if (first === "SO_ERROR") {
      expect(toe.getsockopt(client, C.SOL_SOCKET, C.SO_ERROR)).toBe(ERRNO.ECONNRESET);
    } else {
      expect(toe[first](client, one)).toBe(-ERRNO.ECONNRESET);
    }
    expect(toe.recv(client, one)).toBe(0);
    expect(toe.send(client, one)).toBe(-ERRNO.EPIPE);
    expect(toe.getsockopt(client, C.SOL_SOCKET, C.SO_ERROR)).toBe(0);
    toe.close(client);
    toe.close(server);
    stack.settle();
    expect(stack.log.filter((line) => line.startsWith("abort"))).toEqual([]);
  }
});

test("soft errors are read by SO_ERROR and end nothing (RFC 9293 MUST-47)", () => {
  const { stack, toe, client, server } = pair();
  toe.softError(idOf(stack, client), ERRNO.EHOSTUNREACH);
  expect(toe.send(client, new Uint8Array(1))).toBe(1);
  expect(toe.getsockopt(client, C.SOL_SOCKET, C.SO_ERROR)).toBe(ERRNO.EHOSTUNREACH);
  expect(toe.getsockopt(client, C.SOL_SOCKET, C.SO_ERROR)).toBe(0);
  stack.settle();
  expect(toe.recv(server, new Uint8Array(2))).toBe(1);
});

test("close with unread bytes resets (RFC 9293 SHLD-3), read or not yet notified", () => {
  for (const settle of [true, false]) {
    const { stack, toe, client, server } = pair();
    toe.send(client, new Uint8Array(10));
    if (settle) stack.settle();
    else {
      toe.flush();
      stack.path.take();
      stack.path.place(idOf(stack, server), new Uint8Array(10));
      const flow = stack.flows.get(idOf(stack, server));
      stack.path.notify(idOf(stack, server), flow?.generation as number, { rx: 10 });
    }
    const id = idOf(stack, server);
    expect(toe.close(server)).toBe(0);
    expect(stack.log).toContain(`abort ${id}`);
    stack.settle();
    expect(toe.recv(client, new Uint8Array(1))).toBe(-ERRNO.ECONNRESET);
  }
});

test("close after everything was read ends in order, and appended bytes arrive", () => {
  const { stack, toe, client, server } = pair();
  const id = idOf(stack, client);
  toe.send(client, new Uint8Array(10));
  expect(toe.close(client)).toBe(0);
  expect(stack.log).toEqual([`shutdownSend ${id}`, `release ${id}`]);
  stack.settle();
  const got = new Uint8Array(20);
  expect([toe.recv(server, got), toe.recv(server, got)]).toEqual([10, 0]);
  toe.close(server);
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("SO_LINGER {1, 0}: close resets", () => {
  const { stack, toe, client, server } = pair();
  const id = idOf(stack, client);
  expect(toe.setsockopt(client, C.SOL_SOCKET, C.SO_LINGER, { onoff: 1, linger: 0 })).toBe(0);
  toe.close(client);
  expect(stack.log).toContain(`abort ${id}`);
  stack.settle();
  expect(toe.recv(server, new Uint8Array(1))).toBe(-ERRNO.ECONNRESET);
});

test("SHUT_RD: 0 from now on, and what arrives is dropped without blocking the peer", () => {
  const { stack, toe, client, server } = pair();
  toe.shutdown(server, C.SHUT_RD);
  expect(toe.recv(server, new Uint8Array(1))).toBe(0);
  let sent = 0;
  for (let i = 0; i < 20; i += 1) {
    sent += Math.max(0, toe.send(client, new Uint8Array(BUFFER)));
    stack.settle();
  }
  expect(sent).toBe(20 * BUFFER);
  toe.close(server);
  expect(stack.log.some((line) => line.startsWith("abort"))).toBe(false);
});

test("a listener's close resets what nobody accepted", () => {
  const { stack, toe, listener } = pair();
  const client = toe.socket();
  toe.connect(client, SERVER);
  stack.settle();
  expect(toe.close(listener)).toBe(0);
  stack.settle();
  expect(toe.recv(client, new Uint8Array(1))).toBe(-ERRNO.ECONNRESET);
});

test("data that comes before accept() is kept", () => {
  const { stack, toe, listener } = pair();
  const client = toe.socket();
  toe.connect(client, SERVER);
  stack.settle();
  toe.send(client, Uint8Array.of(42));
  stack.settle();
  const server = toe.accept(listener);
  const got = new Uint8Array(4);
  expect([toe.recv(server, got), got[0]]).toEqual([1, 42]);
});

test("a connection that was reset before accept() is ECONNABORTED", () => {
  const { stack, toe, listener } = pair();
  const client = toe.socket();
  toe.connect(client, SERVER);
  stack.settle();
  toe.abort(client);
  stack.settle();
  expect(toe.accept(listener)).toBe(-ERRNO.ECONNABORTED);
});

test("recv flags: MSG_PEEK leaves bytes, MSG_TRUNC drops them uncopied", () => {
  const { stack, toe, client, server } = pair();
  toe.send(client, Uint8Array.of(1, 2, 3, 4, 5, 6));
  stack.settle();
  const got = new Uint8Array(3);
  expect([toe.recv(server, got, 0, 3, C.MSG_PEEK), [...got]]).toEqual([3, [1, 2, 3]]);
  got.fill(0);
  expect([toe.recv(server, got, 0, 2, C.MSG_TRUNC), [...got]]).toEqual([2, [0, 0, 0]]);
  expect([toe.recv(server, got, 0, 3, C.MSG_DONTWAIT), [...got]]).toEqual([3, [3, 4, 5]]);
  expect(toe.recv(server, got, 0, 0)).toBe(0);
  expect([toe.read(server, got), got[0]]).toEqual([1, 6]);
});

test("sendmsg gathers and recvmsg scatters, stopping where there is no more", () => {
  const { stack, toe, client, server } = pair();
  const spans = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3), Uint8Array.of(4, 5, 6)];
  expect(toe.sendmsg(client, spans, C.MSG_NOSIGNAL)).toBe(6);
  stack.settle();
  const into = [new Uint8Array(1), new Uint8Array(4), new Uint8Array(4)];
  expect(toe.recvmsg(server, into)).toBe(6);
  expect(into.map((span) => [...span])).toEqual([[1], [2, 3, 4, 5], [6, 0, 0, 0]]);
  expect(toe.readv(server, into)).toBe(-ERRNO.EAGAIN);
  expect(toe.writev(client, [new Uint8Array(3000), new Uint8Array(3000)])).toBe(BUFFER);
  expect(toe.writev(client, [])).toBe(0);
});

test("options are read back, reach a live connection and pass to accepted sockets", () => {
  const stack = new LoopbackStack();
  const { toe } = stack;
  const listener = toe.socket();
  toe.bind(listener, { address: "0.0.0.0", port: PORT });
  toe.listen(listener);
  expect(toe.setsockopt(listener, C.IPPROTO_TCP, C.TCP_NODELAY, 1)).toBe(0);
  expect(toe.getsockopt(listener, C.SOL_SOCKET, C.SO_ACCEPTCONN)).toBe(1);
  const client = toe.socket();
  toe.connect(client, SERVER);
  stack.settle();
  const server = toe.accept(listener);
  expect(toe.getsockopt(server, C.IPPROTO_TCP, C.TCP_NODELAY)).toBe(1);
  expect(toe.setsockopt(server, C.IPPROTO_TCP, C.TCP_NODELAY, false)).toBe(0);
  expect(stack.log).toEqual(["configureListener 1", `configure ${idOf(stack, server)} false`]);
  expect(toe.getsockopt(listener, C.IPPROTO_TCP, C.TCP_NODELAY)).toBe(1);
  expect(toe.getsockopt(server, C.IPPROTO_TCP, C.TCP_INFO)).toMatchObject({ mss: 1448 });
  expect(toe.getsockopt(listener, C.IPPROTO_TCP, C.TCP_INFO)).toBe(-ERRNO.ENOTCONN);
});

// level, name, value set, value read
const OPTIONS: [number, number, number | boolean | string, unknown][] = [
  [C.SOL_SOCKET, C.SO_REUSEADDR, 1, 1],
  [C.SOL_SOCKET, C.SO_REUSEPORT, true, 1],
  [C.SOL_SOCKET, C.SO_SNDBUF, 5000, 8192],
  [C.SOL_SOCKET, C.SO_RCVBUF, 1, 1024],
  [C.SOL_SOCKET, C.SO_RCVBUF, 2 ** 31 - 1, 128 * 1024],
  [C.SOL_SOCKET, C.SO_KEEPALIVE, 7, 1],
  [C.SOL_SOCKET, C.SO_RCVTIMEO, 250, 250],
  [C.SOL_SOCKET, C.SO_SNDTIMEO, 0, 0],
  [C.SOL_SOCKET, C.SO_MAX_PACING_RATE, 125000, 125000],
  [C.SOL_SOCKET, C.SO_MAX_PACING_RATE, 0xffffffff, 0],
  [C.IPPROTO_IP, C.IP_TOS, 0xb8, 0xb8],
  [C.IPPROTO_IP, C.IP_TTL, 1, 1],
  [C.IPPROTO_IP, C.IP_TTL, -1, 64],
  [C.IPPROTO_TCP, C.TCP_NODELAY, 0, 0],
  [C.IPPROTO_TCP, C.TCP_MAXSEG, 536, 536],
  [C.IPPROTO_TCP, C.TCP_CORK, 1, 1],
  [C.IPPROTO_TCP, C.TCP_KEEPIDLE, 60, 60],
  [C.IPPROTO_TCP, C.TCP_KEEPINTVL, 5, 5],
  [C.IPPROTO_TCP, C.TCP_KEEPCNT, 127, 127],
  [C.IPPROTO_TCP, C.TCP_SYNCNT, 3, 3],
  [C.IPPROTO_TCP, C.TCP_LINGER2, 10, 10],
  [C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, 30000, 30000],
  [C.IPPROTO_TCP, C.TCP_QUICKACK, 1, 1],
  [C.IPPROTO_TCP, C.TCP_CONGESTION, "cubic", "cubic"],
  [C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS, 9, 9],
  [C.IPPROTO_IPV6, C.IPV6_TCLASS, 8, 8],
  [C.IPPROTO_IPV6, C.IPV6_V6ONLY, 1, 1],
];

test("every option that can be set is read back", () => {
  const { toe } = new LoopbackStack();
  const fd = toe.socket(C.AF_INET6);
  for (const [level, name, set, read] of OPTIONS) {
    expect([level, name, toe.setsockopt(fd, level, name, set)]).toEqual([level, name, 0]);
    expect([level, name, toe.getsockopt(fd, level, name)]).toEqual([level, name, read]);
  }
  const linger = { onoff: 1, linger: 30 };
  expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_LINGER, linger)).toBe(0);
  expect(toe.getsockopt(fd, C.SOL_SOCKET, C.SO_LINGER)).toEqual(linger);
  const covered = new Set(OPTIONS.map(([level, name]) => level * 256 + name));
  covered.add(C.SOL_SOCKET * 256 + C.SO_LINGER);

  expect(settableOptions().filter(([l, n]) => !covered.has(l * 256 + n))).toEqual([]);
});

test("TCP_CONGESTION takes the control plane's names and no others", () => {
  expect(CONGESTION_NAMES).toEqual(CONGESTIONS.map(({ name }) => name));
  const { toe } = new LoopbackStack();
  const fd = toe.socket();
  expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, "reno")).toBe(0);
  expect(toe.getsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION)).toBe("newreno");
  for (const name of CONGESTION_NAMES) {
    expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, name)).toBe(0);
    // As on Linux: a name that is not there is ENOENT, and changes nothing.
    for (const other of ["vegas", "CUBIC", "", " rate", "none\0"]) {
      expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, other)).toBe(-ERRNO.ENOENT);
    }
    expect(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, 2)).toBe(-ERRNO.EINVAL);
    expect(toe.getsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION)).toBe(name);
  }
});

test("options that are only read", () => {
  const { toe } = new LoopbackStack();
  const fd = toe.socket();
  const rows: [number, number, number][] = [
    [C.SOL_SOCKET, C.SO_TYPE, C.SOCK_STREAM],
    [C.SOL_SOCKET, C.SO_DOMAIN, C.AF_INET],
    [C.SOL_SOCKET, C.SO_PROTOCOL, C.IPPROTO_TCP],
    [C.SOL_SOCKET, C.SO_ACCEPTCONN, 0],
    [C.SOL_SOCKET, C.SO_ERROR, 0],
  ];
  for (const [level, name, value] of rows) {
    expect(toe.getsockopt(fd, level, name)).toBe(value);
    expect(toe.setsockopt(fd, level, name, 1)).toBe(-ERRNO.ENOPROTOOPT);
  }
});

test("the descriptor table ends with EMFILE and goes on after a close", () => {
  const stack = new LoopbackStack(1, { connections: 1 });
  const { toe } = stack;
  const fds: number[] = [];
  for (let fd = toe.socket(); fd >= 0; fd = toe.socket()) fds.push(fd);
  expect(toe.socket()).toBe(-ERRNO.EMFILE);
  expect(toe.epollCreate()).toBe(-ERRNO.EMFILE);
  expect(toe.close(fds[5] as number)).toBe(0);
  const again = toe.socket();
  expect(again).toBeGreaterThan(0);
  expect(again).not.toBe(fds[5]);
  expect(new Set(fds).size).toBe(fds.length);
});
