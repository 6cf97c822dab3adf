/**
 * Awaitable forms over a loopback stack: they resolve from poll(), all bytes go, timeouts pass
 * with poll(now) only, and every promise has one outcome.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { Attention } from "../../../host/libtoe/attention.ts";
import { Deadline, Deadlines } from "../../../host/libtoe/deadline.ts";
import { Random } from "../../support/random.ts";
import { LoopbackStack } from "./loopback-stack.ts";

const SERVER = { address: "10.0.0.2", port: 80 };
const MS = 1e6;

async function pair(stack = new LoopbackStack()) {
  const { toe } = stack;
  const listener = toe.socket();
  toe.bind(listener, { address: "0.0.0.0", port: 80 });
  toe.listen(listener);
  const client = toe.socket();
  const [server] = await stack.run(
    Promise.all([toe.acceptAsync(listener), toe.connectAsync(client, SERVER)]),
  );
  return { stack, toe, listener, client, server };
}

/** The code of the rejection, or what the promise resolved to. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
}

test("connect and accept resolve; a refused connect rejects", async () => {
  const { stack, toe, client, server } = await pair();
  expect(toe.getpeername(client)).toEqual(SERVER);
  expect(server).toBeGreaterThan(0);
  const other = toe.socket();
  const refused = toe.connectAsync(other, { address: "10.0.0.2", port: 81 });
  await expect(stack.run(refused)).rejects.toMatchObject({
    code: "ECONNREFUSED",
    errno: -ERRNO.ECONNREFUSED,
    syscall: "connect",
    message: "connect ECONNREFUSED",
  });
});

test("sendAsync sends all, recvAsync with MSG_WAITALL reads all", async () => {
  const { stack, toe, client, server } = await pair();
  const sent = new Random(3).bytes(100000);
  const got = new Uint8Array(sent.length);
  const flags = { flags: C.MSG_WAITALL };
  const both = Promise.all([
    toe.sendAsync(client, sent),
    toe.recvAsync(server, got, 0, got.length, flags),
  ]);
  expect(await stack.run(both)).toEqual([sent.length, sent.length]);
  expect(got).toEqual(sent);
  const rest = toe.recvAsync(server, got, 0, 10, flags);
  await stack.run(toe.sendAsync(client, sent, 0, 4));
  toe.close(client);
  expect(await stack.run(rest)).toBe(4);
  expect(await stack.run(toe.recvAsync(server, got))).toBe(0);
});

test("waiting reads are served in the order of their calls", async () => {
  const { stack, toe, client, server } = await pair();
  const buffers = [new Uint8Array(1), new Uint8Array(1), new Uint8Array(1)];
  const reads = Promise.all(buffers.map((buffer) => toe.recvAsync(server, buffer)));
  toe.send(client, Uint8Array.of(1, 2, 3));
  await stack.run(reads);
  expect(buffers.map(([byte]) => byte)).toEqual([1, 2, 3]);
});

test("MSG_DONTWAIT does not wait", async () => {
  const { toe, server } = await pair();
  const flags = { flags: C.MSG_DONTWAIT };
  expect(await outcome(toe.recvAsync(server, new Uint8Array(1), 0, 1, flags))).toBe("EAGAIN");
  expect(await outcome(toe.sendAsync(server, new Uint8Array(9000), 0, 9000, flags))).toBe(4096);
  expect(await outcome(toe.sendAsync(server, new Uint8Array(1), 0, 1, flags))).toBe("EAGAIN");
});

test("timeouts start with the next poll and end the wait", async () => {
  const { stack, toe, listener, server } = await pair();
  stack.now = 5000 * MS;
  toe.setsockopt(server, C.SOL_SOCKET, C.SO_RCVTIMEO, 20);
  const socket = await outcome(stack.run(advancing(stack, toe.recvAsync(server, ONE))));
  expect(socket).toBe("EAGAIN");
  const explicit = toe.acceptAsync(listener, { timeout: 20 });
  expect(await outcome(stack.run(advancing(stack, explicit)))).toBe("ETIMEDOUT");
  expect(toe.internals.deadlines.count).toBe(0);
});

const ONE = new Uint8Array(1);

/** Lets a millisecond pass with each look at the promise. */
function advancing<T>(stack: LoopbackStack, promise: Promise<T>): Promise<T> {
  const start = stack.now;
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  const tick = async (): Promise<T> => {
    while (!settled && stack.now < start + 1000 * MS) {
      stack.now += MS;
      await Promise.resolve();
    }
    return promise;
  };
  return tick();
}

test("a deadline in time does not fire; cancelled ones are swept", () => {
  const deadlines = new Deadlines(new Attention());
  const fired: number[] = [];
  const all = Array.from({ length: 200 }, (_, i) => new Deadline(i, () => fired.push(i)));
  for (const deadline of all) deadlines.add(deadline);
  expect(deadlines.next()).toBe(0);
  deadlines.expire(0);
  for (const deadline of all.slice(3)) deadlines.cancel(deadline);
  deadlines.cancel(all[3] as Deadline);
  expect(deadlines.count).toBe(2);
  expect(deadlines.next()).toBe(1 * MS);
  deadlines.expire(1 * MS);
  expect([fired, deadlines.count, deadlines.next()]).toEqual([[0, 1], 1, 2 * MS]);
  deadlines.expire(1000 * MS);
  expect([fired, deadlines.count, deadlines.next()]).toEqual([[0, 1, 2], 0, Infinity]);
});

test("pollAsync and epollWaitAsync: the first event, or 0 at their timeout", async () => {
  const { stack, toe, client, server } = await pair();
  const entries = [
    { fd: client, events: C.POLLIN, revents: 0 },
    { fd: server, events: C.POLLIN, revents: 0 },
  ];
  expect(await stack.run(toe.pollAsync(entries, 0))).toBe(0);
  expect(await stack.run(advancing(stack, toe.pollAsync(entries, 10)))).toBe(0);
  const polled = toe.pollAsync(entries);
  const epfd = toe.epollCreate();
  toe.epollCtl(epfd, C.EPOLL_CTL_ADD, server, { events: C.EPOLLIN | C.EPOLLET });
  const list: { events: number; data?: unknown }[] = [];
  const waited = toe.epollWaitAsync(epfd, list);
  toe.send(client, ONE);
  expect(await stack.run(Promise.all([polled, waited]))).toEqual([1, 1]);
  expect(entries.map(({ revents }) => revents)).toEqual([0, C.POLLIN]);
  expect(list).toEqual([{ events: C.EPOLLIN, data: server }]);
  expect(await stack.run(advancing(stack, toe.epollWaitAsync(epfd, list, 8, 10)))).toBe(0);
  for (const fd of [client, server]) {
    const observers = toe.internals.table.get(fd)?.observers ?? [];
    expect(observers.length).toBe(fd === server ? 1 : 0);
  }
});

test("closing a descriptor rejects what waits on it", async () => {
  const { toe, listener, client, server } = await pair();
  const epfd = toe.epollCreate();
  const waits = [
    toe.recvAsync(client, ONE),
    toe.acceptAsync(listener),
    toe.epollWaitAsync(epfd, []),
    toe.pollAsync([{ fd: server, events: C.POLLIN, revents: 0 }]),
  ];
  const outcomes = Promise.all(waits.map(outcome));
  for (const fd of [client, listener, epfd, server]) toe.close(fd);
  expect(await outcomes).toEqual(["EBADF", "EBADF", "EBADF", "EBADF"]);
});

test("closeAsync resolves when everything was acknowledged", async () => {
  const { stack, toe, client, server } = await pair();
  while (toe.send(client, new Uint8Array(1000)) > 0);
  stack.settle();
  while (toe.send(client, new Uint8Array(1000)) > 0);
  let closed = false;
  const closing = toe.closeAsync(client).then(() => {
    closed = true;
  });
  for (let i = 0; i < 5; i += 1) {
    stack.settle();
    await Promise.resolve();
  }
  expect(closed).toBe(false);
  let total = 0;
  const sink = new Uint8Array(5000);
  for (let count = 1; count > 0; ) {
    count = await stack.run(toe.recvAsync(server, sink));
    total += count;
  }
  await stack.run(closing);
  expect([total, toe.close(client)]).toEqual([8192, -ERRNO.EBADF]);
});

test("closeAsync gives up at SO_LINGER's second, not before, and closes", async () => {
  const { stack, toe, client } = await pair();
  toe.setsockopt(client, C.SOL_SOCKET, C.SO_LINGER, { onoff: 1, linger: 1 });
  while (toe.send(client, new Uint8Array(1000)) > 0);
  stack.settle();
  while (toe.send(client, new Uint8Array(1000)) > 0);
  let closed = false;
  const closing = toe.closeAsync(client).then(() => {
    closed = true;
  });
  const pass = async (ms: number): Promise<void> => {
    stack.now += ms * MS;
    stack.poll();
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
  };
  // A timeout starts with the next poll.
  await pass(0);
  for (let i = 0; i < 9; i += 1) await pass(100);
  await pass(99);
  expect(closed).toBe(false);
  await pass(1);
  expect(closed).toBe(true);
  await closing;
  expect(toe.close(client)).toBe(-ERRNO.EBADF);
});

test("arguments that are not bytes reject with EFAULT", async () => {
  const { toe, client } = await pair();
  expect(await outcome(toe.recvAsync(client, "x" as unknown as Uint8Array))).toBe("EFAULT");
  expect(await outcome(toe.sendAsync(client, null as unknown as Uint8Array))).toBe("EFAULT");
});
