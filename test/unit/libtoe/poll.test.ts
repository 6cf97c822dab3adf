/**
 * poll and epoll: readiness of every state as Linux has it; level, edge and one-shot triggering;
 * EPOLLOUT goes when the buffer is full; a wait costs what is ready; watchers.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { EpollEvent } from "../../../host/libtoe/epoll.ts";
import { LoopbackStack } from "./loopback-stack.ts";

const SERVER = { address: "10.0.0.2", port: 80 };
const ALL = C.POLLIN | C.POLLOUT | C.POLLRDHUP;

function pair() {
  const stack = new LoopbackStack();
  const { toe } = stack;
  const listener = toe.socket();
  toe.bind(listener, { address: "0.0.0.0", port: 80 });
  toe.listen(listener);
  const client = toe.socket();
  toe.connect(client, SERVER);
  stack.settle();
  const server = toe.accept(listener);
  const ready = (fd: number): number => {
    const entry = { fd, events: ALL, revents: 0 };
    toe.pollFds([entry]);
    return entry.revents;
  };
  return { stack, toe, listener, client, server, ready };
}

test("readiness in each state of a socket's life", () => {
  const { stack, toe, listener, client, server, ready } = pair();
  expect(ready(toe.socket())).toBe(C.POLLOUT | C.POLLHUP);
  expect(ready(listener)).toBe(0);
  const late = toe.socket();
  toe.connect(late, SERVER);
  expect(ready(late)).toBe(0);
  stack.settle();
  expect([ready(late), ready(listener)]).toEqual([C.POLLOUT, C.POLLIN]);
  toe.accept(listener);
  expect(ready(listener)).toBe(0);
  toe.send(client, new Uint8Array(3));
  expect(ready(server)).toBe(C.POLLOUT);
  stack.settle();
  expect(ready(server)).toBe(C.POLLIN | C.POLLOUT);
  toe.recv(server, new Uint8Array(3));
  expect(ready(server)).toBe(C.POLLOUT);
  toe.shutdown(client, C.SHUT_WR);
  stack.settle();
  expect(ready(server)).toBe(ALL);
  toe.shutdown(server, C.SHUT_WR);
  stack.settle();
  expect(ready(server)).toBe(ALL | C.POLLHUP);
  stack.fail(toe.internals.table.get(late)?.connection as number, ERRNO.ETIMEDOUT);
  stack.settle();
  expect(ready(late)).toBe(ALL | C.POLLHUP | C.POLLERR);
  toe.getsockopt(late, C.SOL_SOCKET, C.SO_ERROR);
  expect(ready(late)).toBe(ALL | C.POLLHUP);
});

test("poll counts entries, passes over negative descriptors and flags closed ones", () => {
  const { toe, client } = pair();
  const entries = [
    { fd: -1, events: ALL, revents: 9 },
    { fd: client, events: C.POLLIN, revents: 9 },
    { fd: client, events: C.POLLOUT, revents: 9 },
    { fd: 999, events: 0, revents: 9 },
  ];
  expect(toe.pollFds(entries)).toBe(2);
  expect(entries.map(({ revents }) => revents)).toEqual([0, 0, C.POLLOUT, C.POLLNVAL]);
});

function watching(events: number) {
  const setup = pair();
  const epfd = setup.toe.epollCreate();
  expect(setup.toe.epollCtl(epfd, C.EPOLL_CTL_ADD, setup.server, { events, data: "s" })).toBe(0);
  const list: EpollEvent[] = [];
  const wait = (): number[] => {
    const count = setup.toe.epollWait(epfd, list);
    return list.slice(0, count).map((event) => event.events);
  };
  const send = (): void => {
    setup.toe.send(setup.client, new Uint8Array(10));
    setup.stack.settle();
  };
  return { ...setup, epfd, list, wait, send };
}

test("level: reported until it is no longer so", () => {
  const { toe, server, wait, send, list } = watching(C.EPOLLIN);
  expect(wait()).toEqual([]);
  send();
  expect([wait(), wait()]).toEqual([[C.EPOLLIN], [C.EPOLLIN]]);
  expect(list[0]?.data).toBe("s");
  toe.recv(server, new Uint8Array(4));
  expect(wait()).toEqual([C.EPOLLIN]);
  toe.recv(server, new Uint8Array(100));
  expect(wait()).toEqual([]);
  send();
  expect(wait()).toEqual([C.EPOLLIN]);
});

test("edge: reported once for each arrival", () => {
  const { wait, send, stack } = watching(C.EPOLLIN | C.EPOLLET);
  send();
  expect([wait(), wait()]).toEqual([[C.EPOLLIN], []]);
  stack.settle();
  expect(wait()).toEqual([]);
  send();
  expect([wait(), wait()]).toEqual([[C.EPOLLIN], []]);
});

test("edge: an arrival is no news of POLLOUT", () => {
  const { wait, send } = watching(C.EPOLLOUT | C.EPOLLET);
  expect([wait(), wait()]).toEqual([[C.EPOLLOUT], []]);
  send();
  expect(wait()).toEqual([]);
});

test("one-shot: once until it is armed again", () => {
  const { toe, wait, send, epfd, server } = watching(C.EPOLLIN | C.EPOLLONESHOT);
  send();
  expect([wait(), wait()]).toEqual([[C.EPOLLIN], []]);
  send();
  expect(wait()).toEqual([]);
  const again = { events: C.EPOLLIN | C.EPOLLONESHOT };
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_MOD, server, again)).toBe(0);
  expect([wait(), wait()]).toEqual([[C.EPOLLIN], []]);
});

test("EPOLLOUT goes when the transmit buffer is full and comes back", () => {
  const { stack, toe, server, client, wait } = watching(C.EPOLLOUT);
  expect(wait()).toEqual([C.EPOLLOUT]);
  while (toe.send(server, new Uint8Array(1000)) > 0);
  expect(wait()).toEqual([]);
  stack.settle(); // the peer's receive buffer takes all of it
  expect(wait()).toEqual([C.EPOLLOUT]);
  while (toe.send(server, new Uint8Array(1000)) > 0);
  stack.settle(); // the peer's window is closed
  expect(wait()).toEqual([]);
  while (toe.recv(client, new Uint8Array(1000)) > 0);
  stack.settle();
  expect(wait()).toEqual([C.EPOLLOUT]);
});

test("EPOLLRDHUP and the end of the stream, then recv 0", () => {
  const { stack, toe, client, server, wait } = watching(C.EPOLLIN | C.EPOLLRDHUP);
  toe.close(client);
  stack.settle();
  expect(wait()).toEqual([C.EPOLLIN | C.EPOLLRDHUP]);
  expect(toe.recv(server, new Uint8Array(1))).toBe(0);
});

test("a closed descriptor leaves every interest list; its number comes back as another", () => {
  const { stack, toe, epfd, server, wait, send } = watching(C.EPOLLIN);
  send();
  toe.close(server);
  expect(wait()).toEqual([]);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_DEL, server)).toBe(-ERRNO.EBADF);
  stack.settle();
});

test("epollCtl and epollWait refuse what is wrong", () => {
  const { toe, epfd, server, client, list } = watching(C.EPOLLIN);
  const event = { events: C.EPOLLIN };
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_ADD, server, event)).toBe(-ERRNO.EEXIST);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_MOD, client, event)).toBe(-ERRNO.ENOENT);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_DEL, client)).toBe(-ERRNO.ENOENT);
  expect(toe.epollCtl(epfd, 9, client, event)).toBe(-ERRNO.EINVAL);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_ADD, epfd, event)).toBe(-ERRNO.EINVAL);
  expect(toe.epollCtl(client, C.EPOLL_CTL_ADD, server, event)).toBe(-ERRNO.EINVAL);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_ADD, client)).toBe(-ERRNO.EFAULT);
  expect(toe.epollWait(client, list)).toBe(-ERRNO.EINVAL);
  expect(toe.epollWait(epfd, list, 0)).toBe(-ERRNO.EINVAL);
  expect(toe.epollCtl(epfd, C.EPOLL_CTL_DEL, server)).toBe(0);
  expect(toe.close(epfd)).toBe(0);
});

test("a bounded wait serves all ready descriptors in turn", () => {
  const stack = new LoopbackStack();
  const { toe } = stack;
  const listener = toe.socket();
  toe.bind(listener, { address: "0.0.0.0", port: 80 });
  toe.listen(listener);
  const epfd = toe.epollCreate();
  const clients = Array.from({ length: 10 }, () => toe.socket());
  for (const client of clients) toe.connect(client, SERVER);
  stack.settle();
  for (let fd = toe.accept(listener); fd >= 0; fd = toe.accept(listener)) {
    toe.epollCtl(epfd, C.EPOLL_CTL_ADD, fd, { events: C.EPOLLIN, data: fd });
  }
  for (const client of clients) toe.send(client, new Uint8Array(1));
  stack.settle();
  const seen = new Set<unknown>();
  const list: EpollEvent[] = [];
  for (let i = 0; i < 4; i += 1) {
    const count = toe.epollWait(epfd, list, 3);
    expect(count).toBe(3);
    for (const event of list.slice(0, count)) seen.add(event.data);
  }
  expect(seen.size).toBe(10);
});

test("a watcher is called from poll() with what holds, and not after close", () => {
  const { stack, toe, client, server } = pair();
  const calls: [number, number][] = [];
  toe.setWatcher(server, (fd, events) => {
    calls.push([fd, events & ALL]);
    if (toe.recv(fd, new Uint8Array(100)) === 0) toe.close(fd);
  });
  stack.settle();
  calls.length = 0;
  toe.send(client, new Uint8Array(5));
  expect(calls).toEqual([]);
  stack.settle();
  expect(calls).toEqual([[server, C.POLLIN | C.POLLOUT]]);
  toe.close(client);
  stack.settle();
  expect(calls[1]).toEqual([server, ALL]);
  expect(calls.length).toBe(2);
});
