/**
 * Goal: a row that its socket let go of is in no list, so that the connection's next owner, of any
 * context, is heard and told. Method: two libTOE instances of one core over a played data path.
 */
import { expect, test } from "vitest";
import { address } from "../../../host/address.ts";
import type { ControlPlaneApi } from "../../../host/control-plane/interface.ts";
import { POLLIN } from "../../../host/libtoe/constants.ts";
import { LibToe } from "../../../host/libtoe/libtoe.ts";
import { FakeDataPath } from "./fake-data-path.ts";

const BUFFER = 4096;
const REMOTE = { address: "10.0.0.2", port: 80 };

/** Two applications on contexts 1 and 2; `next` is the id that the control plane gives out. */
function start(queueDescriptors: number) {
  const path = new FakeDataPath(1, { queueDescriptors });
  const given = { next: 1 };
  const endpoint = { address: address("10.0.0.1"), port: 1 };
  const control: Partial<ControlPlaneApi> = {
    open: () => given.next++,
    local: () => endpoint,
    remote: () => endpoint,
    shutdownSend: () => undefined,
    release: () => undefined,
    abort: () => undefined,
  };
  const toes = [1, 2].map((context) => {
    return new LibToe(path.core, context, control as ControlPlaneApi);
  }) as [LibToe, LibToe];
  const connect = (toe: LibToe, id: number, generation: number): number => {
    given.next = id;
    const fd = toe.socket();
    toe.connect(fd, REMOTE);
    path.install(id, BUFFER, BUFFER);
    toe.opened(id, generation, 0);
    return fd;
  };
  const end = (toe: LibToe, id: number): void => {
    toe.closed(id, 0);
    path.uninstall(id);
  };
  return { path, toes, connect, end };
}

test("a connection that ended in one context's full ring is heard from the next context", () => {
  const { path, toes, connect, end } = start(2);
  const [first, second] = toes;
  const fds = [1, 2, 3, 4].map((id) => connect(first, id, 7));
  for (const fd of fds) first.send(fd, new Uint8Array(10));
  // The ring takes two; 3 and 4 wait in the list.
  expect(first.flush()).toBe(2);
  end(first, 3);
  const fd = connect(second, 3, 8);
  expect(second.send(fd, new Uint8Array(9))).toBe(9);
  expect(second.flush()).toBe(1);
  expect(path.take(2)).toMatchObject([{ connection: 3, generation: 8, txAppend: 9 }]);
  path.take(1);
  first.flush();
  expect(path.take(1)).toMatchObject([{ connection: 4, generation: 7, txAppend: 10 }]);
  expect([first.internals.unflushed, second.internals.unflushed]).toEqual([0, 0]);
});

test("the first, the middle and the last of the list may end: the others keep their order", () => {
  for (const gone of [[1], [3], [5], [1, 2], [4, 5], [2, 4], [1, 3, 5], [1, 2, 3, 4, 5]]) {
    const { path, toes, connect, end } = start(8);
    const [toe] = toes;
    const fds = [1, 2, 3, 4, 5].map((id) => connect(toe, id, 7));
    for (const [i, fd] of fds.entries()) toe.send(fd, new Uint8Array(i + 1));
    for (const id of gone) end(toe, id);
    const left = [1, 2, 3, 4, 5].filter((id) => !gone.includes(id));
    expect(toe.flush()).toBe(left.length);
    const put = path.take();
    expect(put.map(({ connection, txAppend }) => [connection, txAppend])).toEqual(
      left.map((id) => [id, id]),
    );
    // The list is whole: another round finds its sockets again.
    for (const id of left) toe.send(fds[id - 1] as number, new Uint8Array(1));
    expect([toe.flush(), path.take().length]).toEqual([left.length, left.length]);
  }
});

test("closing puts everything in one descriptor and leaves nothing in the list", () => {
  const { path, toes, connect } = start(8);
  const [toe] = toes;
  const fds = [1, 2, 3].map((id) => connect(toe, id, 7));
  for (const fd of fds) toe.send(fd, new Uint8Array(5));
  toe.close(fds[1] as number);
  expect(toe.internals.unflushed).toBe(2);
  expect(path.take()).toMatchObject([{ connection: 2, txAppend: 5 }]);
  expect(toe.flush()).toBe(2);
  expect(path.take().map(({ connection }) => connection)).toEqual([1, 3]);
});

test("news of an ended connection do not hide those of the next owner", () => {
  const { path, toes, connect, end } = start(8);
  const [first, second] = toes;
  connect(first, 1, 7);
  first.poll();
  path.place(1, new Uint8Array(5));
  path.notify(1, 7, { rx: 5 }, 1);
  // Taken, and not yet told.
  first.internals.take();
  end(first, 1);
  const fd = connect(second, 1, 8);
  const told: number[] = [];
  second.poll();
  second.setWatcher(fd, (_fd, events) => told.push(events & POLLIN));
  second.poll();
  path.place(1, new Uint8Array(6));
  path.notify(1, 8, { rx: 6 }, 2);
  second.internals.take();
  first.poll();
  told.length = 0;
  second.poll();
  expect(told).toEqual([POLLIN]);
  expect(second.recv(fd, new Uint8Array(10))).toBe(6);
});
