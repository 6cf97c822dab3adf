/**
 * Two stacks in wall time over a direct link, for what virtual time cannot show: an executor whose
 * turns do not wait for its threads.
 */
import type { CoreSource } from "../../bindings/core.ts";
import { ERRNO } from "../../host/errors.ts";
import { directLink } from "../../host/netif/direct-link.ts";
import { Prng } from "../../host/prng.ts";
import { Stack } from "../../host/stack.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";

const ADDRESSES = ["10.0.0.1", "10.0.0.2"] as const;
/** Polls between two turns of the event loop: a dead thread is told of there. */
const POLLS = 50;
/** Turns of the event loop after which a wait has failed. */
const TURNS_MAX = 20000;

const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class LivePair {
  readonly client: Stack;
  readonly server: Stack;
  readonly applications: (() => boolean)[] = [];
  readonly #began = process.hrtime.bigint();

  constructor(client: CoreSource | undefined, server: CoreSource | undefined, seed: number) {
    const ends = directLink({ medium: "ip" });
    const stack = (side: 0 | 1, executor: CoreSource | undefined): Stack => {
      const random = new Prng(seed + side);
      return new Stack({
        module: executor ?? loadModule(),
        name: ADDRESSES[side],
        netifs: [{ netif: ends[side], addresses: [`${ADDRESSES[side]}/24`] }],
        entropy: (bytes) => random.fill(bytes),
        ...(executor === undefined ? { layout: TEST_LAYOUT } : {}),
      });
    };
    this.client = stack(0, client);
    this.server = stack(1, server);
  }

  /** Nanoseconds since the pair began. */
  get now(): number {
    return 1 + Number(process.hrtime.bigint() - this.#began);
  }

  /** Polls both stacks and the applications once. */
  poll(): void {
    this.client.poll(this.now);
    this.server.poll(this.now);
    for (const application of this.applications) application();
  }

  /** Polls until `done`. Throws Error when that never comes. */
  async until(done: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      for (let i = 0; i < POLLS; i += 1) {
        if (done()) return;
        this.poll();
      }
      await macrotask();
    }
    throw new Error(`${what}: never came`);
  }

  /** Connected descriptors. */
  async connect(port: number, count: number): Promise<{ client: number; server: number }[]> {
    const { toe } = this.server;
    const listener = toe.socket();
    const address = ADDRESSES[1];
    if (toe.bind(listener, { address, port }) < 0) throw new Error("bind");
    if (toe.listen(listener, count) < 0) throw new Error("listen");
    const fds: { client: number; server: number }[] = [];
    for (let i = 0; i < count; i += 1) {
      const client = this.client.toe.socket();
      const started = this.client.toe.connect(client, { address, port });
      if (started !== -ERRNO.EINPROGRESS) throw new Error(`connect: ${started}`);
      let server = -1;
      await this.until(() => {
        server = toe.accept(listener);
        return server >= 0;
      }, "accept");
      fds.push({ client, server });
    }
    return fds;
  }
}
