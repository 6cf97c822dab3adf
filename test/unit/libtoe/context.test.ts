/**
 * Context queues against a played data path, after TAS's queue harness: poll empty; connect ok,
 * append, receive 32 B; connect fails; a full receive and a full transmit buffer twice around;
 * merged descriptors; a full ATX ring; free-running indexes over 2^32; the arming handshake.
 */
import { expect, test } from "vitest";
import { ARX_RX_CLOSED, ATX_FIN, ATX_RX_SHUT } from "../../../bindings/abi/descriptor.ts";
import { AtxOpcode, EventState } from "../../../bindings/abi/descriptor.ts";
import { address } from "../../../host/address.ts";
import type { ControlPlaneApi } from "../../../host/control-plane/interface.ts";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { LibToe } from "../../../host/libtoe/libtoe.ts";
import { Random } from "../../support/random.ts";
import { FakeDataPath } from "./fake-data-path.ts";

const SEED = 0x70e;
const REMOTE = { address: "10.0.0.2", port: 80 };
const BUFFER = 4096;
const FIRST = 3;

/** libTOE over a played data path; the control plane only gives out ids. */
function start(index = 0, queueDescriptors = 8) {
  const path = new FakeDataPath(SEED, { queueDescriptors });
  path.startIndexes(1, index);
  const log: string[] = [];
  let next = FIRST;
  const endpoint = { address: address("10.0.0.1"), port: 1 };
  const control: Partial<ControlPlaneApi> = {
    open: () => next++,
    local: () => endpoint,
    remote: () => endpoint,
    shutdownSend: (id) => log.push(`shutdownSend ${id}`),
    release: (id) => log.push(`release ${id}`),
    abort: (id) => log.push(`abort ${id}`),
  };
  const toe = new LibToe(path.core, 1, control as ControlPlaneApi);
  return { path, toe, log };
}

/** One open connection: its id is FIRST + the order of its opening. */
function connected(setup: ReturnType<typeof start>, rxSeq = 1, txSeq = 1): number {
  const { toe, path } = setup;
  const fd = toe.socket();
  expect(toe.connect(fd, REMOTE)).toBe(-ERRNO.EINPROGRESS);
  const id = toe.internals.table.get(fd)?.connection as number;
  path.install(id, BUFFER, BUFFER, rxSeq, txSeq);
  toe.opened(id, 7, 0);
  return fd;
}

test("polling an empty queue finds nothing and rings no doorbell", () => {
  const { toe, path } = start();
  expect([toe.poll(), toe.flush(), path.take()]).toEqual([0, 0, []]);
});

test("connect, append, receive 32 B", () => {
  const setup = start();
  const { toe, path } = setup;
  const fd = connected(setup);
  const sent = new Random(SEED).bytes(32);
  expect(toe.send(fd, sent)).toBe(32);
  expect(toe.flush()).toBe(1);
  expect(path.take()).toEqual([
    {
      connection: FIRST,
      generation: 7,
      opcode: AtxOpcode.Update,
      rxCredit: 0,
      txAppend: 32,
      flags: 0,
    },
  ]);
  expect(path.fetch(FIRST, 32)).toEqual(sent);
  path.place(FIRST, sent);
  path.notify(FIRST, 7, { rx: 32, tx: 32 });
  const got = new Uint8Array(64);
  expect(toe.recv(fd, got)).toBe(-ERRNO.EAGAIN);
  expect(toe.poll()).toBe(1);
  expect(toe.recv(fd, got)).toBe(32);
  expect(got.subarray(0, 32)).toEqual(sent);
  expect(toe.recv(fd, got)).toBe(-ERRNO.EAGAIN);
});

test("a failed connect is reported by SO_ERROR once, and the socket may try again", () => {
  const { toe } = start();
  const fd = toe.socket();
  toe.connect(fd, REMOTE);
  expect(toe.connect(fd, REMOTE)).toBe(-ERRNO.EALREADY);
  toe.closed(FIRST, ERRNO.ECONNREFUSED);
  toe.poll();
  expect(toe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(ERRNO.ECONNREFUSED);
  expect(toe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)).toBe(0);
  expect(toe.connect(fd, REMOTE)).toBe(-ERRNO.EINPROGRESS);
});

// Sequence numbers of the first byte: zero, a chunk's edge, just before the wrap, the sign bit.
const STARTS = [0, 1, 1023, 1024, 0xffffff00, 0xffffffff, 0x7fffffff, 0x80000000];

for (const seq of STARTS) {
  test(`a full receive buffer twice around, from sequence number ${seq}`, () => {
    const setup = start();
    const { toe, path } = setup;
    const random = new Random(SEED + seq);
    const fd = connected(setup, seq, 1);
    for (let round = 0; round < 3; round += 1) {
      const bytes = random.bytes(BUFFER);
      path.place(FIRST, bytes);
      path.notify(FIRST, 7, { rx: BUFFER });
      toe.poll();
      const got = new Uint8Array(BUFFER);
      let at = 0;
      while (at < BUFFER)
        at += toe.recv(fd, got, at, Math.min(random.between(1, 700), BUFFER - at));
      expect(got).toEqual(bytes);
      toe.flush();
    }
    const credit = path.take().reduce((sum, update) => sum + update.rxCredit, 0);
    expect(credit).toBeGreaterThan(3 * BUFFER - BUFFER / 4 - 1);
  });

  test(`a full transmit buffer twice around, from sequence number ${seq}`, () => {
    const setup = start();
    const { toe, path } = setup;
    const random = new Random(SEED + seq);
    const fd = connected(setup, 1, seq);
    const poll = [{ fd, events: C.POLLOUT, revents: 0 }];
    for (let round = 0; round < 3; round += 1) {
      const bytes = random.bytes(BUFFER + 100);
      let at = 0;
      while (at < BUFFER) {
        const count = toe.send(fd, bytes, at, Math.min(random.between(1, 700), bytes.length - at));
        expect(count).toBeGreaterThan(0);
        at += count;
      }
      expect(at).toBe(BUFFER);
      expect(toe.send(fd, bytes)).toBe(-ERRNO.EAGAIN);
      // A full buffer takes POLLOUT away; a quarter freed gives it back.
      expect(toe.pollFds(poll)).toBe(0);
      expect(toe.flush()).toBe(1);
      expect(path.take()[0]?.txAppend).toBe(BUFFER);
      expect(path.fetch(FIRST, BUFFER)).toEqual(bytes.subarray(0, BUFFER));
      path.notify(FIRST, 7, { tx: BUFFER / 4 - 1 });
      toe.poll();
      expect(toe.pollFds(poll)).toBe(0);
      path.notify(FIRST, 7, { tx: (BUFFER * 3) / 4 + 1 });
      toe.poll();
      expect(toe.pollFds(poll)).toBe(1);
    }
  });
}

test("appends and credit of a connection leave as one descriptor", () => {
  const setup = start();
  const { toe, path } = setup;
  const fd = connected(setup);
  path.place(FIRST, new Uint8Array(64));
  path.notify(FIRST, 7, { rx: 64 });
  toe.poll();
  toe.recv(fd, new Uint8Array(64));
  expect(toe.flush()).toBe(0); // 64 B are far from a quarter of the buffer
  for (let i = 0; i < 5; i += 1) toe.send(fd, new Uint8Array(10));
  expect(toe.flush()).toBe(1);
  expect(path.take()).toMatchObject([{ rxCredit: 64, txAppend: 50, flags: 0 }]);
});

test("a full ATX ring loses nothing", () => {
  const setup = start();
  const { toe, path } = setup;
  const fds = Array.from({ length: 12 }, () => connected(setup));
  for (const fd of fds) toe.send(fd, new Uint8Array(fd));
  expect(toe.flush()).toBe(8);
  expect(toe.pending()).toBe(true);
  for (const fd of fds) toe.send(fd, new Uint8Array(1000));
  expect(toe.flush()).toBe(0);
  const sums = new Map<number, number>();
  const collect = (): void => {
    for (const { connection, txAppend } of path.take(1, 3)) {
      sums.set(connection, (sums.get(connection) ?? 0) + txAppend);
    }
  };
  for (let i = 0; i < 12; i += 1) {
    collect();
    toe.flush();
  }
  expect(fds.map((fd, i) => [fd, sums.get(FIRST + i)])).toEqual(fds.map((fd) => [fd, fd + 1000]));
  expect(toe.internals.unflushed).toBe(0);
});

test("close with a full ATX ring waits for room, then tells the control plane", () => {
  const setup = start(0, 2);
  const { toe, path, log } = setup;
  const fds = [connected(setup), connected(setup), connected(setup)];
  for (const fd of fds) toe.send(fd, new Uint8Array(5));
  expect(fds.map((fd) => toe.close(fd))).toEqual([0, 0, 0]);
  expect(log).toEqual(["shutdownSend 3", "release 3", "shutdownSend 4", "release 4"]);
  toe.flush();
  expect(log.length).toBe(4);
  path.take();
  toe.flush();
  expect(log.slice(4)).toEqual(["shutdownSend 5", "release 5"]);
  expect(path.take()).toMatchObject([{ connection: 5, txAppend: 5, flags: ATX_FIN | ATX_RX_SHUT }]);
});

test("free-running indexes pass 2^32", () => {
  const setup = start(0xfffffffc);
  const { toe, path } = setup;
  const fd = connected(setup);
  for (let i = 0; i < 20; i += 1) {
    expect(toe.send(fd, Uint8Array.of(i))).toBe(1);
    expect(toe.flush()).toBe(1);
    expect(path.take()).toMatchObject([{ txAppend: 1 }]);
    path.place(FIRST, Uint8Array.of(i + 1));
    expect(path.notify(FIRST, 7, { rx: 1, tx: 1 })).toBe(true);
    expect(toe.poll()).toBe(1);
    const got = new Uint8Array(2);
    expect([toe.recv(fd, got), got[0]]).toEqual([1, i + 1]);
  }
});

test("a full ARX ring is taken as one batch", () => {
  const setup = start();
  const { toe, path } = setup;
  const fd = connected(setup);
  path.place(FIRST, new Uint8Array(8));
  for (let i = 0; i < 8; i += 1) expect(path.notify(FIRST, 7, { rx: 1 })).toBe(true);
  expect(path.notify(FIRST, 7, { rx: 1 })).toBe(false);
  expect([toe.poll(), path.room(), toe.recv(fd, new Uint8Array(100))]).toEqual([8, 8, 8]);
});

test("at the end of a connection, bytes behind a full ARX ring are not lost", () => {
  const setup = start();
  const { toe, path } = setup;
  const fd = connected(setup);
  const sent = new Random(SEED).bytes(100);
  path.place(FIRST, sent);
  for (let i = 0; i < 8; i += 1) path.notify(FIRST, 7, { rx: 10 });
  path.setPending(FIRST, 20);
  toe.closed(FIRST, 0);
  path.uninstall(FIRST);
  toe.poll();
  expect(setup.log).toEqual([`release ${FIRST}`]);
  const got = new Uint8Array(200);
  expect(toe.recv(fd, got)).toBe(100);
  expect(got.subarray(0, 100)).toEqual(sent);
  expect(toe.recv(fd, got)).toBe(0);
});

test("events of another generation or of a closed socket change nothing", () => {
  const setup = start();
  const { toe, path } = setup;
  const fd = connected(setup);
  path.notify(FIRST, 6, { rx: 100, flags: ARX_RX_CLOSED });
  path.notify(FIRST + 1, 7, { rx: 100 });
  path.notify(0xffffffff, 7, { rx: 100 });
  toe.poll();
  expect(toe.recv(fd, new Uint8Array(10))).toBe(-ERRNO.EAGAIN);
  toe.close(fd);
  path.notify(FIRST, 7, { rx: 100 });
  toe.poll();
  expect(toe.recv(fd, new Uint8Array(10))).toBe(-ERRNO.EBADF);
});

test("the doorbell hook is called once between two flushes", () => {
  const setup = start();
  const { toe } = setup;
  const fd = connected(setup);
  toe.flush();
  let calls = 0;
  toe.onDoorbell = () => {
    calls += 1;
  };
  for (let i = 0; i < 3; i += 1) toe.send(fd, new Uint8Array(3));
  expect(calls).toBe(1);
  toe.flush();
  toe.send(fd, new Uint8Array(3));
  expect(calls).toBe(2);
});

test("arming: what came between looking and arming is not slept over", () => {
  const setup = start();
  const { toe, path } = setup;
  connected(setup);
  toe.poll();
  path.notify(FIRST, 7, { tx: 0, rx: 0 });
  expect([toe.arm(), path.eventState(1)]).toEqual([false, EventState.Polling]);
  toe.poll();
  expect([toe.arm(), path.eventState(1)]).toEqual([true, EventState.Armed]);
  path.fire(1);
  expect([toe.disarm(), path.eventState(1)]).toEqual([true, EventState.Polling]);
  expect(toe.disarm()).toBe(false);
});

test("a context that the core does not have is refused", () => {
  const { path } = start();
  for (const context of [0, -1, 3, 1.5, NaN]) {
    expect(() => new LibToe(path.core, context, {} as ControlPlaneApi)).toThrow(
      `libtoe: expected context 1..2, got ${context}`,
    );
  }
});

// MSG_MORE: held until something else is sent, or 200 ms.
test("MSG_MORE holds bytes back for a bounded time", () => {
  const setup = start();
  const { toe } = setup;
  const fd = connected(setup);
  toe.poll(0);
  expect(toe.send(fd, new Uint8Array(10), 0, 10, C.MSG_MORE)).toBe(10);
  expect(toe.flush()).toBe(0);
  toe.poll(1e6);
  expect([toe.flush(), toe.nextDeadline()]).toEqual([0, 201e6]);
  toe.poll(201e6);
  expect(toe.flush()).toBe(1);
  toe.send(fd, new Uint8Array(10), 0, 10, C.MSG_MORE);
  toe.send(fd, new Uint8Array(10));
  expect(toe.flush()).toBe(1);
  toe.poll(500e6);
  expect([toe.flush(), toe.nextDeadline()]).toEqual([0, Infinity]);
});
