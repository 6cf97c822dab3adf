/**
 * threats.md U01-U06, U09, U12-U14 over the loopback stack. The cases themselves stand in
 * misuse-cases.ts, so that a stack with a real data path runs them too.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { LoopbackStack } from "./loopback-stack.ts";
import { MISUSE_CASES } from "./misuse-cases.ts";
import type { MisuseStack } from "./misuse-ends.ts";

function misuseStack(stack: LoopbackStack): MisuseStack {
  return {
    client: stack.toe,
    server: stack.toe,
    address: "10.0.0.2",
    settle: () => stack.settle(),
    run: (promise) => stack.run(promise),
    advance: (ms) => {
      stack.poll();
      stack.now += ms * 1e6;
      stack.poll();
    },
    counts: () => ({
      flows: stack.flows.size,
      listeners: stack.listeners.size,
      chunks: stack.path.freeChunks,
      descriptors: stack.toe.internals.table.count,
      deadlines: stack.toe.internals.deadlines.count,
    }),
  };
}

for (const { id, what, run } of MISUSE_CASES) {
  test(`threats/${id}: ${what}`, async () => {
    const stack = misuseStack(new LoopbackStack());
    const before = stack.counts();
    await run(stack);
    stack.settle();
    expect(stack.counts()).toEqual(before);
  });
}

test("threats/U13: two instances share nothing", () => {
  const one = new LoopbackStack(1);
  const two = new LoopbackStack(2);
  const fd = one.toe.socket();
  expect(two.toe.fcntl(fd, C.F_GETFL)).toBe(-ERRNO.EBADF);
  const both = [one, two].map(({ toe }) => {
    const listener = toe.socket();
    toe.bind(listener, { address: "0.0.0.0", port: 80 });
    return [toe.listen(listener), listener];
  });
  expect(both).toEqual([
    [0, fd + 1],
    [0, fd],
  ]);
  one.toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, 1);
  expect(two.toe.getsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY)).toBe(0);
});
