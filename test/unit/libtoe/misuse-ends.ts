/** What a case of host misuse is, what it needs of a stack, and a connection to begin with. */
import { expect } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { LibToe } from "../../../host/libtoe/libtoe.ts";

/** What a case needs of a stack; two hosts or one with itself. */
export interface MisuseStack {
  /** Of the client's and of the server's host; may be the same. */
  readonly client: LibToe;
  readonly server: LibToe;
  readonly address: string;
  /** Turns until nothing happens any more. */
  settle(): void;
  /** Turns and microtasks until the promise settles. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Lets this many ms pass for timeouts. */
  advance(ms: number): void;
  /** What must be as before when all descriptors are closed: connections, chunks, ... */
  counts(): unknown;
}

export interface MisuseCase {
  readonly id: string;
  readonly what: string;
  run(stack: MisuseStack): void | Promise<void>;
}

export const PORT = 4000;

export interface Pair {
  readonly listener: number;
  readonly client: number;
  readonly server: number;
}

export function pair(stack: MisuseStack): Pair {
  const listener = stack.server.socket();
  // The case before left connections in TIME-WAIT at this port.
  expect(stack.server.setsockopt(listener, C.SOL_SOCKET, C.SO_REUSEADDR, 1)).toBe(0);
  expect(stack.server.bind(listener, { address: "0.0.0.0", port: PORT })).toBe(0);
  expect(stack.server.listen(listener)).toBe(0);
  const client = connecting(stack);
  stack.settle();
  const server = stack.server.accept(listener);
  expect(server).toBeGreaterThan(0);
  return { listener, client, server };
}

export function connecting(stack: MisuseStack): number {
  const fd = stack.client.socket();
  const started = stack.client.connect(fd, { address: stack.address, port: PORT });
  expect(started).toBe(-ERRNO.EINPROGRESS);
  return fd;
}

export function closeAll(stack: MisuseStack, { listener, client, server }: Pair): void {
  stack.client.close(client);
  stack.server.close(server);
  stack.server.close(listener);
  stack.settle();
}
