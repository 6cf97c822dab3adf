/**
 * Goal: one seed, one trace; virtual time moves only when nobody has anything to do now; a job
 * that can never end is an error. Method: hosts of a few lines that count, echo and time out.
 */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { Burst, type Netif } from "../../host/netif/netif.ts";
import { type Host, World } from "../../host/world.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sends numbered frames on request, hands arrivals to a listener; answers when told to echo. */
class Talker implements Host {
  readonly arrivals: [number, number][] = [];
  notifications = 0;
  readonly #netif: Netif;
  readonly #echo: boolean;
  readonly #ingress = new Burst(new Uint8Array(65_536), new Uint32Array(32 * (FRAME_SIZE / 4)));
  readonly #egress = new Burst(new Uint8Array(65_536), new Uint32Array(32 * (FRAME_SIZE / 4)));
  readonly #waiting = new Map<number, (time: number) => void>();
  #wake: () => void = () => {};

  constructor(netif: Netif, echo: boolean) {
    this.#netif = netif;
    this.#echo = echo;
    netif.attach(this.#ingress, 0);
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  /** Sends a frame and resolves with the virtual time of its echo. */
  ping(number: number): Promise<number> {
    this.#queue(number, 200);
    this.#wake();
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  poll(now: number): boolean {
    this.#netif.receive(now);
    for (let i = 0; i < this.#ingress.count; i += 1) {
      const at = this.#ingress.offset(i);
      const number = new DataView(this.#ingress.bytes.buffer).getUint32(at);
      this.arrivals.push([number, now]);
      if (this.#echo) this.#queue(number, this.#ingress.length(i));
      const waiting = this.#waiting.get(number);
      if (waiting) this.notifications += 1;
      waiting?.(now);
    }
    this.#ingress.clear();
    for (let i = 0; i < this.#egress.count; i += 1) this.#netif.send(this.#egress, i, now);
    this.#egress.clear();
    return false;
  }

  nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  #queue(number: number, length: number): void {
    const frame = new Uint8Array(length);
    new DataView(frame.buffer).setUint32(0, number);
    this.#egress.push(frame, 0);
  }
}

function pair(seed: number, loss = 0): { world: World; client: Talker; server: Talker } {
  const world = new World({ seed, turn });
  const link = world.addLink({
    a: "client",
    b: "server",
    medium: "ip",
    rate: 8e9,
    delay: 1e6,
    faults: { loss, jitter: 500 },
  });
  const client = world.addHost("client", new Talker(link.ends[0], false));
  const server = world.addHost("server", new Talker(link.ends[1], true));
  return { world, client, server };
}

test("a round trip takes two delays and two serializations of virtual time", async () => {
  const world = new World({ turn });
  const link = world.addLink({ a: "c", b: "s", medium: "ip", rate: 8e9, delay: 1e6 });
  const client = world.addHost("c", new Talker(link.ends[0], false));
  world.addHost("s", new Talker(link.ends[1], true));
  const times = await world.run(async () => {
    const first = await client.ping(1);
    await world.sleep(10e6);
    return [first, await client.ping(2)];
  });
  expect(times).toEqual([2_000_400, 14_000_800]);
  expect(world.now).toBe(14_000_800);
  expect([link.ends[0].name, link.ends[1].name]).toEqual(["c.0", "s.0"]);
});

test("the same seed gives the same trace hash and times, another seed does not", async () => {
  const run = async (seed: number): Promise<string> => {
    const { world, client } = pair(seed);
    for (let round = 0; round < 20; round += 1) {
      await world.run(async () => {
        await Promise.all([client.ping(round), client.ping(1000 + round)]);
        await new Promise((resolve) => setImmediate(resolve));
        await client.ping(2000 + round);
      });
    }
    return `${world.traceHash()} ${world.now} ${world.steps}`;
  };
  const [first, second, other] = [await run(42), await run(42), await run(43)];
  expect(first).toMatch(/^[0-9a-f]{16} [0-9]+ [0-9]+$/);
  expect(second).toBe(first);
  expect(other).not.toBe(first);
});

test("the hash tells time, direction, length, bytes and order apart", () => {
  const hash = (frames: [number, number, number, number][]): string => {
    const world = new World();
    const link = world.addLink({ a: "a", b: "b", medium: "ip" });
    for (const [time, side, value, length] of frames) {
      const out = new Burst(new Uint8Array(512), new Uint32Array(FRAME_SIZE / 4));
      out.push(new Uint8Array(length).fill(value), 0);
      (link.ends[side] as Netif).send(out, 0, time);
    }
    return world.traceHash();
  };
  const rows: [number, number, number, number][][] = [
    [],
    [[0, 0, 1, 60]],
    [[1, 0, 1, 60]],
    [[2 ** 32, 0, 1, 60]],
    [[0, 1, 1, 60]],
    [[0, 0, 2, 60]],
    [[0, 0, 1, 61]],
    [[0, 0, 1, 200]],
    [[0, 0, 1, 201]],
    [
      [0, 0, 1, 60],
      [0, 0, 2, 60],
    ],
    [
      [0, 0, 2, 60],
      [0, 0, 1, 60],
    ],
  ];
  expect(new Set(rows.map(hash)).size).toBe(rows.length);
  expect(hash([[5, 0, 1, 100]])).toBe(hash([[5, 0, 1, 100]]));
});

test("a job that waits for nothing is a clear error", async () => {
  const { world, client } = pair(1, 1);
  await expect(world.run(() => client.ping(1))).rejects.toThrow(
    "world.run: expected an event, got none at 0 ns: the job still waits, " +
      "and no host has a timer or a frame on its way (hosts: client, server)",
  );
  expect(() => world.run(() => false)).toThrow("the condition is false");
});

test("a job that fails, fails with its own error", async () => {
  const { world } = pair(1);
  const failing = world.run(async () => {
    await world.sleep(1e6);
    throw new Error("my own");
  });
  await expect(failing).rejects.toThrow("my own");
});

test("run(until) stops at that time, run(predicate) as soon as it is true", () => {
  const { world, client, server } = pair(1);
  void client.ping(5);
  world.run(500_000);
  expect(world.now).toBe(500_000);
  expect(server.arrivals).toEqual([]);
  world.run(() => server.arrivals.length > 0);
  expect(server.arrivals[0]?.[0]).toBe(5);
  expect(client.arrivals).toEqual([]);
  world.run(1e9);
  expect(world.now).toBe(1e9);
  expect(client.arrivals.length).toBe(1);
});

test("time does not move while a hold is on; macrotasks are waited for", async () => {
  const { world, client } = pair(3);
  const { held, after } = await world.run(async () => {
    await client.ping(1);
    const before = world.now;
    // A timer of the world is pending, yet it may not fire while the work is under way.
    const timer = world.sleep(1);
    const release = world.hold();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const held = world.now - before;
    release();
    await timer;
    return { held, after: world.now - before };
  });
  expect(held).toBe(0);
  expect(after).toBe(1);
});

test("equal times: the host polled longest ago goes first, and none is starved", () => {
  const world = new World();
  const log: string[] = [];
  for (const name of ["a", "b", "c"]) {
    let left = 3;
    world.addHost(name, {
      poll: () => {
        log.push(name);
        left -= 1;
        return left > 0;
      },
      nextDeadline: () => Number.POSITIVE_INFINITY,
    });
  }
  while (world.step());
  expect(log.join("")).toBe("abcabcabc");
});

test("a host that asks for ever at one instant is an error that names it", () => {
  const world = new World();
  world.addHost("spinner", { poll: () => true, nextDeadline: () => 0 });
  expect(() => world.run(() => false)).toThrow(
    'world: time stands still at 0 ns after 1000000 steps; the next one is of host "spinner"',
  );
});

test("a removed host is polled no more; a name is taken once", () => {
  const { world, client, server } = pair(1);
  expect(() => world.addHost("client", server)).toThrow('got "client" again');
  void client.ping(1);
  world.removeHost("server");
  world.run(1e9);
  expect(server.arrivals).toEqual([]);
});

test("entropy repeats with the seed and differs between labels", () => {
  const draw = (seed: number, label: string): string => {
    const bytes = new Uint8Array(16);
    new World({ seed }).entropy(label)(bytes);
    return bytes.join();
  };
  expect(draw(1, "a")).toBe(draw(1, "a"));
  expect(draw(1, "a")).not.toBe(draw(1, "b"));
  expect(draw(1, "a")).not.toBe(draw(2, "a"));
});
