/**
 * Threat U04 with buffers whose size or place changes: while a call waits, and between uses that
 * made libTOE remember them (known-buffer.ts). An errno, nothing read or written beyond, no byte of
 * the stream lost.
 */
import { expect } from "vitest";
import { ERRNO, type SocketError } from "../../../host/errors.ts";
import { closeAll, type MisuseCase, type MisuseStack, pair } from "./misuse-ends.ts";

interface Resizable extends ArrayBuffer {
  resize(size: number): void;
}

interface Growable extends SharedArrayBuffer {
  grow(size: number): void;
}

type Make<T> = new (size: number, options: { maxByteLength: number }) => T;

const resizable = (size: number): Resizable =>
  new (ArrayBuffer as unknown as Make<Resizable>)(size, { maxByteLength: 4096 });
const growable = (size: number): Growable =>
  new (SharedArrayBuffer as unknown as Make<Growable>)(size, { maxByteLength: 4096 });

const detach = (bytes: Uint8Array): void =>
  void structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });

/** All that the server can read now. */
function readAll({ server }: MisuseStack, fd: number): number[] {
  const buffer = new Uint8Array(1 << 17);
  const count = server.recv(fd, buffer);
  return [...buffer.subarray(0, Math.max(0, count))];
}

/** Used again and again, then smaller, then larger once more. */
function usedAgain(stack: MisuseStack, client: number, server: number): void {
  const buffer = resizable(128);
  const fixed = new Uint8Array(buffer, 8, 64).fill(1);
  const tracking = new Uint8Array(buffer);
  // In a row: remembered from the second time on, if at all.
  for (let i = 0; i < 4; i += 1) expect(stack.client.send(client, fixed, 0, 8)).toBe(8);
  for (let i = 0; i < 4; i += 1) expect(stack.client.send(client, tracking, 8, 8)).toBe(8);
  buffer.resize(16);
  expect(stack.client.send(client, fixed, 0, 8)).toBe(-ERRNO.EFAULT);
  expect(stack.client.send(client, tracking, 8, 9)).toBe(-ERRNO.EFAULT);
  expect(stack.client.send(client, tracking, 8, 8)).toBe(8);
  buffer.resize(128);
  // What came back is zeroes.
  expect(stack.client.send(client, fixed, 60, 4)).toBe(4);
  stack.settle();
  expect(readAll(stack, server)).toEqual([...new Array(72).fill(1), 0, 0, 0, 0]);
}

/** Of threads: it can be lent out, and grow, and not shrink. */
function shared(stack: MisuseStack, client: number, server: number): void {
  const buffer = growable(16);
  const tracking = new Uint8Array(buffer).fill(2);
  const fixed = new Uint8Array(buffer, 4, 8);
  for (let i = 0; i < 4; i += 1) expect(stack.client.send(client, fixed)).toBe(8);
  expect(stack.client.send(client, tracking, 0, 17)).toBe(-ERRNO.EFAULT);
  buffer.grow(64);
  expect(stack.client.send(client, tracking, 15, 2)).toBe(2);
  stack.settle();
  const into = new Uint8Array(growable(64));
  for (let i = 0; i < 4; i += 1) expect(stack.server.recv(server, into, 8 * i, 8)).toBe(8);
  expect(stack.server.recv(server, into, 32)).toBe(2);
  expect([...into.slice(0, 36)]).toEqual([...new Array(33).fill(2), 0, 0, 0]);
}

/** What a promise was rejected with, as an errno. */
async function refused(stack: MisuseStack, promise: Promise<unknown>): Promise<unknown> {
  return stack.run(promise.catch((error: unknown) => (error as SocketError).code));
}

/** Taken away while recvAsync() and sendAsync() wait. */
async function meanwhile(stack: MisuseStack, client: number, server: number): Promise<void> {
  const takers: readonly ((bytes: Uint8Array) => void)[] = [
    (bytes) => (bytes.buffer as Resizable).resize(8),
    detach,
  ];
  for (const take of takers) {
    const bytes = new Uint8Array(resizable(64), 0, 64);
    const waiting = stack.server.recvAsync(server, bytes, 0, 64);
    take(bytes);
    expect(stack.client.send(client, Uint8Array.of(7, 8, 9))).toBe(3);
    expect(await refused(stack, waiting)).toBe("EFAULT");
    stack.settle();
    expect(readAll(stack, server)).toEqual([7, 8, 9]);
    // More than fits: it waits for room.
    while (stack.client.send(client, new Uint8Array(65_536)) > 0);
    const more = new Uint8Array(resizable(64), 0, 64).fill(5);
    const sending = stack.client.sendAsync(client, more, 0, 64);
    take(more);
    let last = 0;
    const settled = refused(stack, sending);
    for (let i = 0; i < 1000; i += 1) {
      const got = readAll(stack, server);
      if (got.length === 0 && i > 100) break;
      last = got.findLast((byte) => byte !== 0) ?? last;
      // A closed window is probed without end: no rest before it is read.
      stack.advance(50);
    }
    expect(await settled).toBe("EFAULT");
    // None of its bytes, or of anybody's.
    expect(last).toBe(0);
  }
}

export const CHANGING_BUFFERS: MisuseCase = {
  id: "U04",
  what: "buffers that shrink, grow or go meanwhile: an errno, and the stream is whole",
  async run(stack) {
    const ends = pair(stack);
    usedAgain(stack, ends.client, ends.server);
    shared(stack, ends.client, ends.server);
    await meanwhile(stack, ends.client, ends.server);
    closeAll(stack, ends);
  },
};
