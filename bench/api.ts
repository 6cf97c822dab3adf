/**
 * `npm run bench -- api`: what an application gets through each interface, both ends in this
 * thread: 64 bytes there and back, and a stream of bytes, through the POSIX-like calls (registered
 * buffers, watchers) and through web streams (default ones, byte streams, and byte streams whose
 * readers bring their buffers) on drivers of the event loop, beside Node's net over the kernel's
 * loopback.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CoreGroup } from "../bindings/core.ts";
import { platform } from "../bindings/node.ts";
import { Driver } from "../host/driver.ts";
import type { Connection } from "../host/libtoe/web-streams.ts";
import { directLink } from "../host/netif/direct-link.ts";
import { Stack } from "../host/stack.ts";
import { BulkRun } from "./bulk.ts";
import { loadModule, pairRatio, quartiles, formatQuartiles, table, WorkHash } from "./harness.ts";
import {
  Stopwatch,
  type Bar,
  type BenchReport,
  type BenchScale,
  type Quartiles,
} from "./harness.ts";
import { RpcRun } from "./rpc.ts";
import { assembleWordSum } from "./wasm-loops.ts";

const MESSAGE = 64;
const CHUNK = 65_536;
const PORT = 7;
const SERVER = "10.0.0.2";
/** Round trips and bytes of a round at full size, of the fast interface and of the others. */
const TRIPS = { posix: 200_000, other: 20_000 } as const;
const BYTES = { posix: 256 << 20, other: 128 << 20 } as const;
/** V8 goes on optimising for this many round trips, and bytes. */
const WARM_TRIPS = 5;
const WARM_BYTES = 3;

/** One way for an application to talk to itself. */
interface Interface {
  readonly name: string;
  readonly trips: number;
  readonly bytes: number;
  /** Round trips a second. */
  rpc(trips: number): Promise<number>;
  /** Gbit/s. */
  bulk(bytes: number): Promise<number>;
  close(): Promise<void>;
}

function perSecond(count: number, watch: Stopwatch): number {
  return count / watch.read().seconds;
}

function gbps(bytes: number, watch: Stopwatch): number {
  return (bytes * 8) / watch.read().seconds / 1e9;
}

/** send() and recv() in watchers; virtual time, as in bench/rpc.ts and bench/bulk.ts. */
class PosixInterface implements Interface {
  readonly name = "POSIX-like calls";
  readonly trips = TRIPS.posix;
  readonly bytes = BYTES.posix;
  readonly #rpc = new RpcRun(1);
  readonly #bulk = new BulkRun("on");

  async rpc(trips: number): Promise<number> {
    return this.#rpc.exchange(trips).roundTripsPerSecond;
  }

  async bulk(bytes: number): Promise<number> {
    return this.#bulk.transfer(bytes).gbps;
  }

  async close(): Promise<void> {}
}

function startStacks(): readonly [Stack, Stack] {
  const layout = { connections: 16 };
  const group = new CoreGroup(loadModule("flextoe.wasm"), [layout, layout]);
  const stacks = directLink({ medium: "ip" }).map((netif, i) => {
    const netifs = [{ netif, addresses: [`10.0.0.${i + 1}/24`] }];
    return new Stack({ module: group, entropy: platform.entropy, netifs });
  }) as [Stack, Stack];
  for (const stack of stacks) new Driver(stack, platform).start();
  return stacks;
}

type Reader = () => Promise<Uint8Array | undefined>;

/** What a stream's reader is. */
type Form = "default" | "bytes" | "byob";
const NAMES = {
  default: "default streams",
  bytes: "byte streams",
  byob: "byte streams, BYOB",
} as const;

/** Reads the next bytes of a stream; undefined at its end. */
function readerOf(connection: Connection, form: Form, size: number): Reader {
  if (form !== "byob") {
    const reader = connection.readable.getReader();
    return async () => (await reader.read()).value;
  }
  const reader = connection.readable.getReader({ mode: "byob" });
  let lent = new ArrayBuffer(size);
  return async () => {
    const { value, done } = await reader.read(new Uint8Array(lent));
    if (done || value === undefined) return undefined;
    lent = value.buffer;
    return value;
  };
}

/** Web streams on two drivers. */
class StreamInterface implements Interface {
  readonly name: string;
  readonly trips = TRIPS.other;
  readonly bytes = BYTES.other;
  readonly #form: Form;
  readonly #stacks = startStacks();

  constructor(form: Form) {
    this.#form = form;
    this.name = NAMES[form];
  }

  /** A client's connection while `serve` has the server's. */
  async #with(
    serve: (connection: Connection) => Promise<void>,
    use: (connection: Connection) => Promise<number>,
  ): Promise<number> {
    const [left, right] = this.#stacks;
    const bytes = this.#form !== "default";
    const listener = right.listen({ port: PORT, bytes });
    const serving = listener.accept().then((each) => serve(each as Connection));
    const client = await left.connect({ address: SERVER, port: PORT, bytes });
    const figure = await use(client);
    await client.close();
    await serving;
    listener.close();
    return figure;
  }

  rpc(trips: number): Promise<number> {
    const echo = async (connection: Connection): Promise<void> => {
      const read = readerOf(connection, this.#form, MESSAGE);
      const writer = connection.writable.getWriter();
      for (let next = await read(); next !== undefined; next = await read()) {
        await writer.write(next);
      }
      await writer.close();
    };
    return this.#with(echo, async (connection) => {
      const read = readerOf(connection, this.#form, MESSAGE);
      const writer = connection.writable.getWriter();
      const request = new Uint8Array(MESSAGE).fill(7);
      const watch = new Stopwatch();
      for (let i = 0; i < trips; i += 1) {
        await writer.write(request);
        for (let got = 0; got < MESSAGE; ) got += (await read())?.length ?? MESSAGE + 1;
      }
      return perSecond(trips, watch);
    });
  }

  bulk(bytes: number): Promise<number> {
    let received = 0;
    const sink = async (connection: Connection): Promise<void> => {
      const read = readerOf(connection, this.#form, CHUNK);
      for (let next = await read(); next !== undefined; next = await read())
        received += next.length;
      await connection.close();
    };
    return this.#with(sink, async (connection) => {
      const writer = connection.writable.getWriter();
      const chunk = new Uint8Array(CHUNK).fill(7);
      const watch = new Stopwatch();
      for (let sent = 0; sent < bytes; sent += CHUNK) await writer.write(chunk);
      while (received < bytes) await platform.turn();
      const figure = gbps(bytes, watch);
      await writer.close();
      return figure;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#stacks.map((stack) => stack.close()));
  }
}

/** Node's net over the kernel's loopback. */
class NodeInterface implements Interface {
  readonly name = "Node's net, kernel loopback";
  readonly trips = TRIPS.other;
  readonly bytes = BYTES.other;

  async #with(
    serve: (socket: Socket) => void,
    use: (socket: Socket) => Promise<number>,
  ): Promise<number> {
    const server = createServer({ noDelay: true }, serve);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise<void>((resolve) => client.on("connect", resolve));
    const figure = await use(client);
    client.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return figure;
  }

  rpc(trips: number): Promise<number> {
    const echo = (socket: Socket): void => {
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("error", () => socket.destroy());
    };
    return this.#with(echo, (socket) => {
      const request = Buffer.alloc(MESSAGE, 7);
      const watch = new Stopwatch();
      return new Promise((resolve) => {
        let [done, got] = [0, 0];
        socket.on("data", (bytes) => {
          got += bytes.length;
          if (got < MESSAGE) return;
          got -= MESSAGE;
          done += 1;
          if (done === trips) resolve(perSecond(trips, watch));
          else socket.write(request);
        });
        socket.write(request);
      });
    });
  }

  bulk(bytes: number): Promise<number> {
    let received = 0;
    let arrived = (): void => {};
    const sink = (socket: Socket): void => {
      socket.on("data", (chunk) => {
        received += chunk.length;
        if (received >= bytes) arrived();
      });
      socket.on("error", () => socket.destroy());
    };
    return this.#with(sink, (socket) => {
      const chunk = Buffer.alloc(CHUNK, 7);
      const watch = new Stopwatch();
      let sent = 0;
      const more = (): void => {
        while (sent < bytes) {
          sent += CHUNK;
          if (!socket.write(chunk)) return;
        }
      };
      return new Promise((resolve) => {
        arrived = () => resolve(gbps(bytes, watch));
        socket.on("drain", more);
        more();
      });
    });
  }

  async close(): Promise<void> {}
}

interface Figures {
  readonly rpc: number[];
  readonly bulk: number[];
}

/** Whole chunks, one at least. */
function chunks(bytes: number): number {
  return Math.max(1, Math.round(bytes / CHUNK)) * CHUNK;
}

async function measure(each: Interface, scale: BenchScale, into: Figures): Promise<void> {
  into.rpc.push(await each.rpc(Math.max(1, Math.round(each.trips * scale.work))));
  into.bulk.push(await each.bulk(chunks(each.bytes * scale.work)));
}

/** Least ratios to Node's net. */
const BARS = [
  ["POSIX-like calls", "rpc", 15],
  ["POSIX-like calls", "bulk", 2],
  [NAMES.default, "rpc", 1.5],
  [NAMES.bytes, "rpc", 1],
] as const;

function barsOf(figures: ReadonlyMap<string, Figures>): Bar[] {
  const node = [...figures.values()].at(-1) as Figures;
  return BARS.map(([name, kind, least]) => ({
    name: `api, ${kind}, ${name} / Node's net`,
    least,
    ratio: pairRatio((figures.get(name) as Figures)[kind], node[kind]).median,
  }));
}

function ratioTo(figures: Figures, node: Figures): { rpc: Quartiles; bulk: Quartiles } {
  return { rpc: pairRatio(figures.rpc, node.rpc), bulk: pairRatio(figures.bulk, node.bulk) };
}

function report(figures: ReadonlyMap<string, Figures>, scale: BenchScale): BenchReport {
  const node = [...figures.values()].at(-1) as Figures;
  const rows = [...figures].map(([name, each]) => {
    const ratio = ratioTo(each, node);
    const own = [
      (quartiles(each.rpc).median / 1e3).toFixed(1),
      quartiles(each.bulk).median.toFixed(2),
    ];
    if (each === node) return [name, own[0] as string, "", own[1] as string, ""];
    const [rpc, bulk] = [formatQuartiles(ratio.rpc, 2), formatQuartiles(ratio.bulk, 2)];
    return [name, own[0] as string, rpc, own[1] as string, bulk];
  });
  const hash = new WorkHash();
  hash.add(MESSAGE, CHUNK, ...Object.values(TRIPS), ...Object.values(BYTES));
  const values = [...figures].map(([name, each]) => [
    name,
    {
      roundTripsPerSecond: quartiles(each.rpc).median,
      gbps: quartiles(each.bulk).median,
      ratio: ratioTo(each, node),
    },
  ]);
  return {
    lines: [
      ...table([["", "k rt/s", "/ Node's net", "Gbit/s", "/ Node's net"], ...rows]),
      `work ${hash}`,
    ],
    values: { interfaces: Object.fromEntries(values), rounds: scale.rounds, work: hash.toString() },
    bars: barsOf(figures),
  };
}

async function warmUp(each: Interface, scale: BenchScale): Promise<void> {
  const share = Math.min(1, scale.work * 4);
  await each.rpc(Math.max(1, Math.round(each.trips * WARM_TRIPS * share)));
  await each.bulk(chunks(each.bytes * WARM_BYTES * share));
}

/** Each interface in turn, round by round. */
export async function api(scale: BenchScale): Promise<BenchReport> {
  await assembleWordSum();
  const all = [
    new PosixInterface(),
    new StreamInterface("default"),
    new StreamInterface("bytes"),
    new StreamInterface("byob"),
    new NodeInterface(),
  ];
  const figures = new Map(all.map(({ name }) => [name, { rpc: [], bulk: [] } as Figures]));
  for (const each of all) await warmUp(each, scale);
  for (let round = 0; round < scale.rounds; round += 1) {
    for (let i = 0; i < all.length; i += 1) {
      const each = all[(round + i) % all.length] as Interface;
      await measure(each, scale, figures.get(each.name) as Figures);
    }
    scale.say(`api: round ${round + 1}`);
  }
  await Promise.all(all.map((each) => each.close()));
  return report(figures, scale);
}
