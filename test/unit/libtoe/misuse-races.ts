/**
 * Threat U12: what ends a connect() races with what makes it, at each of the first turns. The
 * promise, the descriptor, the watcher and the other side must all say the same.
 */
import { expect } from "vitest";
import { ERRNO, SocketError } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { closeAll, type MisuseCase, type MisuseStack, PORT, pair } from "./misuse-ends.ts";

/** Who ends the attempt, and what the promise may say of it. */
const WAYS = {
  signal: ["connected", "aborted"],
  timeout: ["connected", "ETIMEDOUT"],
  close: ["connected", "EBADF"],
  both: ["connected", "aborted", "ETIMEDOUT"],
  refused: ["aborted", "ECONNREFUSED"],
  reset: ["connected", "aborted", "ECONNRESET"],
} as const;

/** What the watcher is told, once each, by what the promise says. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  connected: ["writable"],
  aborted: ["over"],
  ETIMEDOUT: ["over"],
  EBADF: [],
  ECONNREFUSED: ["error"],
  ECONNRESET: ["writable", "error"],
};

type Way = keyof typeof WAYS;

/** Nobody listens here: the answer is a RST. */
const CLOSED_PORT = PORT + 1;
const TURNS = 8;

/** Connections of both sides that are not over. */
function rows({ client, server }: MisuseStack): string[] {
  return [client, server].flatMap((toe) =>
    toe
      .connections()
      .filter(({ state }) => state !== "TIME-WAIT")
      .map(({ local, remote, state }) => `${local.port} ${remote.port} ${state}`),
  );
}

/** Takes all that wait at the listener. */
function acceptAll({ server }: MisuseStack, listener: number): number[] {
  const accepted: number[] = [];
  for (;;) {
    const fd = server.accept(listener);
    if (fd === -ERRNO.EAGAIN) return accepted;
    expect(fd).toBeGreaterThan(0);
    accepted.push(fd);
  }
}

function wordOf(events: number): string {
  if ((events & C.POLLERR) !== 0) return "error";
  return (events & C.POLLHUP) !== 0 ? "over" : "writable";
}

interface Race {
  readonly outcomes: string[];
  readonly accepted: number[];
  readonly told: string[];
}

/** Runs the race to its end; nothing is closed but by the way that closes. */
async function race(
  stack: MisuseStack,
  listener: number,
  fd: number,
  way: Way,
  turns: number,
): Promise<Race> {
  const { client: toe } = stack;
  const [outcomes, told]: [string[], string[]] = [[], []];
  const accepted: number[] = [];
  const controller = new AbortController();
  const timeout = way === "timeout" || way === "both" ? 1 : 60_000;
  const remote = { address: stack.address, port: way === "refused" ? CLOSED_PORT : PORT };
  const settled = toe.connectAsync(fd, remote, { signal: controller.signal, timeout }).then(
    () => void outcomes.push("connected"),
    (error: unknown) => void outcomes.push(error instanceof SocketError ? error.code : "aborted"),
  );
  toe.setWatcher(fd, (_fd, events) => void told.push(wordOf(events)));
  for (let i = 0; i < turns; i += 1) {
    stack.advance(0);
    if (way !== "reset") continue;
    accepted.push(...acceptAll(stack, listener));
    for (const one of accepted) stack.server.abort(one);
  }
  if (way === "close") toe.close(fd);
  else if (way !== "timeout") controller.abort();
  if (way === "timeout" || way === "both") stack.advance(20);
  await stack.run(settled);
  // Whatever lost the race comes too late.
  controller.abort();
  stack.advance(20);
  for (let i = 0; i < 4; i += 1) await Promise.resolve();
  stack.settle();
  accepted.push(...acceptAll(stack, listener));
  return { outcomes, accepted, told };
}

/** All that can be asked says the same. */
function agree(stack: MisuseStack, fd: number, way: Way, race: Race, before: string[]): void {
  const { client, server } = stack;
  const [outcome = ""] = race.outcomes;
  const isOpen = outcome === "connected" && way !== "close" && way !== "reset";
  expect(WAYS[way]).toContain(outcome);
  const told = outcome === "connected" && way === "reset" ? TOLD.ECONNRESET : TOLD[outcome];
  expect(race.told).toEqual(told);
  expect(race.accepted.length).toBe(outcome === "connected" || outcome === "ECONNRESET" ? 1 : 0);
  if (isOpen) {
    const [other = -1] = race.accepted;
    expect(client.getpeername(fd)).toEqual({ address: stack.address, port: PORT });
    expect(server.getpeername(other)).toEqual(client.getsockname(fd));
    expect(client.send(fd, new Uint8Array(3))).toBe(3);
    stack.settle();
    expect(server.recv(other, new Uint8Array(9))).toBe(3);
    return;
  }
  // A reset connection remembers whose it was.
  if (way !== "reset") expect(client.getpeername(fd)).toBeTypeOf("number");
  for (const one of race.accepted) server.close(one);
  stack.settle();
  expect(rows(stack)).toEqual(before);
}

export const RACING_CONNECT: MisuseCase = {
  id: "U12",
  what: "what ends a connect() races with what makes it: one outcome, and all say the same",
  async run(stack) {
    const ends = pair(stack);
    const before = rows(stack);
    for (const way of Object.keys(WAYS) as Way[]) {
      const seen = new Set<string>();
      for (let turns = 0; turns < TURNS; turns += 1) {
        const fd = stack.client.socket();
        const result = await race(stack, ends.listener, fd, way, turns);
        expect([way, turns, result.outcomes]).toEqual([way, turns, [expect.any(String)]]);
        agree(stack, fd, way, result, before);
        result.outcomes.forEach((outcome) => void seen.add(outcome));
        stack.client.close(fd);
        for (const one of result.accepted) stack.server.close(one);
        stack.settle();
        expect(rows(stack)).toEqual(before);
      }
      // Each side of the race has won.
      if (way !== "timeout") expect([way, seen.size > 1]).toEqual([way, true]);
    }
    closeAll(stack, ends);
  },
};
