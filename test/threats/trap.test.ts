/**
 * Threat W7: a trap ends the instance and not the host. Wherever it happens, the call that met it
 * throws it on once; from then on the data path is never entered again, every socket hears
 * ECONNRESET, nothing begins, and the stacks beside it go on. A trap is a bug of ours, so the test
 * makes one: a base in the core's header that points beyond its memory.
 */
import { expect, test } from "vitest";
import * as M from "../../bindings/abi/memory-map.ts";
import { CORE_EXPORT_NAMES, CoreGroup } from "../../bindings/core.ts";
import { Driver } from "../../host/driver.ts";
import { ERRNO } from "../../host/errors.ts";
import { directLink } from "../../host/netif/direct-link.ts";
import { Stack } from "../../host/stack.ts";
import { VirtualClock } from "../../host/virtual-clock.ts";
import { MINUTE, SECOND, WorldPair } from "../stack/world-pair.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";

const PORT = 80;
const TRAP = /out of bounds|unreachable|assertion failed/;

/** From here on each access by this base leaves the memory. */
function breakBase({ core }: Stack, base: number): void {
  core.words[(core.address + base) >>> 2] = 0xffff_f000;
}

/** One established connection, one in the accept queue, one that opens, and what they say. */
function openPair() {
  const pair = new WorldPair();
  const listener = pair.listen(PORT);
  const { client, server } = pair.establish(listener, PORT);
  const waiting = pair.connect(PORT);
  pair.pass(SECOND / 10);
  return { pair, listener, client, server, waiting };
}

test("threats/W7: a trap in poll() is thrown once, then every socket hears ECONNRESET", () => {
  const { pair, listener, client, server, waiting } = openPair();
  const { clientToe, serverToe } = pair;
  const opening = clientToe.socket();
  clientToe.connect(opening, { address: "10.0.0.2", port: PORT + 1 });
  serverToe.send(server, new Uint8Array(100));
  breakBase(pair.client.stack, M.CORE_PROTOCOL);
  expect(() => pair.pass(SECOND)).toThrow(TRAP);
  expect(pair.client.stack.fenced).toMatch(TRAP);
  pair.pass(SECOND);
  const buffer = new Uint8Array(10);
  for (const fd of [client, waiting, opening]) {
    expect(clientToe.recv(fd, buffer)).toBe(-ERRNO.ECONNRESET);
    expect(clientToe.send(fd, buffer)).toBe(fd === opening ? -ERRNO.ENOTCONN : -ERRNO.EPIPE);
  }
  expect(clientToe.connections()).toEqual([]);
  expect(pair.client.stack.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  expect(clientToe.connect(clientToe.socket(), { address: "10.0.0.2", port: PORT })).toBe(
    -ERRNO.ENETDOWN,
  );
  // The peer keeps its half until its own timers pass, and its listener takes others.
  expect(pair.server.stack.fenced).toBeUndefined();
  expect(serverToe.recv(server, buffer)).toBe(-ERRNO.EAGAIN);
  expect(serverToe.accept(listener)).toBeGreaterThan(0);
  pair.pass(30 * MINUTE);
  expect(serverToe.recv(server, buffer)).toBe(-ERRNO.ETIMEDOUT);
});

test("threats/W7: what had arrived before the trap can still be read", () => {
  const { pair, client, server } = openPair();
  pair.serverToe.send(server, new Uint8Array(100).fill(7));
  pair.pass(SECOND / 10);
  breakBase(pair.client.stack, M.CORE_RECOVERY);
  pair.clientToe.send(client, new Uint8Array(10));
  expect(() => pair.pass(SECOND)).toThrow(TRAP);
  pair.pass(SECOND);
  const buffer = new Uint8Array(200);
  expect(pair.clientToe.recv(client, buffer)).toBe(100);
  expect(buffer[99]).toBe(7);
  expect(pair.clientToe.recv(client, buffer)).toBe(-ERRNO.ECONNRESET);
});

test("threats/W7: a trap within send() or connect() fences too", () => {
  for (const call of ["send", "connect"] as const) {
    const { pair, client, waiting } = openPair();
    const { clientToe } = pair;
    breakBase(pair.client.stack, call === "send" ? M.CORE_SOCKETS : M.CORE_HASH);
    const run = (): unknown => {
      if (call === "send") return clientToe.send(client, new Uint8Array(10));
      return clientToe.connect(clientToe.socket(), { address: "10.0.0.2", port: PORT });
    };
    expect(run, call).toThrow(TRAP);
    expect(pair.client.stack.fenced, call).toMatch(TRAP);
    pair.pass(SECOND);
    for (const fd of [client, waiting]) {
      expect(clientToe.recv(fd, new Uint8Array(10)), call).toBe(-ERRNO.ECONNRESET);
    }
  }
});

test("threats/W7: no export enters a fenced instance", () => {
  const { pair } = openPair();
  const { stack } = pair.client;
  breakBase(stack, M.CORE_PROTOCOL);
  const exports = stack.core.exports as unknown as Record<string, (...all: number[]) => number>;
  expect(() => stack.connections()).toThrow(TRAP);
  expect(stack.fenced).toMatch(TRAP);
  // Each of them with nonsense: in a running instance most would trap.
  for (const name of CORE_EXPORT_NAMES) {
    const answer = exports[name]?.(0xffff_f000, 0xffff_f000, 0xffff_f000, 0xffff_f000);
    const [down, never] = [name === "bind" || name === "install", name === "nextDeadline"];
    if (never) expect(answer, name).toBe(Number.POSITIVE_INFINITY);
    else expect(answer === 0, name).toBe(!down);
  }
});

test("threats/W7: stacks of one instance are fenced together, and each of them is told", () => {
  const layout = { ...TEST_LAYOUT };
  const group = new CoreGroup(loadModule(), [layout, layout]);
  const link = directLink();
  const entropy = (bytes: Uint8Array): void => void bytes.fill(5);
  const [a, b] = [0, 1].map((side) => {
    const netif = link[side as 0 | 1];
    const netifs = [{ netif, addresses: [`10.0.0.${side + 1}/24`] }];
    return new Stack({ module: group, netifs, entropy });
  }) as [Stack, Stack];
  let now = 1e9;
  const poll = (): void => {
    now += 1e6;
    for (const stack of [a, b]) while (stack.poll(now));
  };
  const listener = b.toe.socket();
  b.toe.bind(listener, { address: "10.0.0.2", port: PORT });
  b.toe.listen(listener, 4);
  const fd = a.toe.socket();
  a.toe.connect(fd, { address: "10.0.0.2", port: PORT });
  for (let i = 0; i < 10; i += 1) poll();
  const accepted = b.toe.accept(listener);
  let woken = 0;
  b.onWake(() => {
    woken += 1;
  });
  breakBase(a, M.CORE_PROTOCOL);
  a.toe.send(fd, new Uint8Array(10));
  expect(poll).toThrow(TRAP);
  expect(woken).toBe(1);
  poll();
  expect(a.toe.recv(fd, new Uint8Array(10))).toBe(-ERRNO.ECONNRESET);
  expect(b.toe.recv(accepted, new Uint8Array(10))).toBe(-ERRNO.ECONNRESET);
});

test("threats/W7: a driver goes on, tells of the trap, and promises are rejected", async () => {
  const { pair, client } = openPair();
  const { stack } = pair.client;
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const driver = new Driver(
    stack,
    { ...clock, now: clock.now, setTimer: clock.setTimer },
    { onError },
  );
  driver.start();
  breakBase(stack, M.CORE_PROTOCOL);
  pair.clientToe.send(client, new Uint8Array(10));
  clock.advance(SECOND);
  expect(errors.map((error) => TRAP.test(`${error}`))).toEqual([true]);
  expect(driver.running).toBe(true);
  expect(pair.clientToe.recv(client, new Uint8Array(10))).toBe(-ERRNO.ECONNRESET);
  await expect(stack.connect({ address: "10.0.0.2", port: PORT })).rejects.toThrow("ENETDOWN");
});
