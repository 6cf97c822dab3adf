/**
 * One interface of `npm run bench -- api` in this process: web streams of two stacks on drivers of
 * the event loop, or Node's net over the kernel's loopback; the POSIX-like calls are those of
 * rpc-side.ts and bulk-side.ts.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CoreGroup } from "../bindings/core.ts";
import { platform } from "../bindings/node.ts";
import { Driver } from "../host/driver.ts";
import type { Connection } from "../host/libtoe/web-streams.ts";
import { directLink } from "../host/netif/direct-link.ts";
import { Stack } from "../host/stack.ts";
import { bulkSide } from "./bulk-side.ts";
import { loadModule, Stopwatch, warmParts } from "./harness.ts";
import { rpcSide } from "./rpc-side.ts";

/** Bytes of a request, and of an answer; and of each write of a stream of bytes. */
export const MESSAGE = 64;
export const CHUNK = 65_536;
const PORT = 7;
const SERVER = "10.0.0.2";

/** What a stream's reader is. */
type StreamForm = "default" | "bytes" | "byob";
export type Form = "posix" | StreamForm | "node";
export type Kind = "rpc" | "bulk";

/** What a run of this side is: round trips or bytes, and as many before the clock starts. */
export interface ApiSide {
  readonly form: Form;
  readonly kind: Kind;
  readonly count: number;
  readonly warm: number;
}

/** One way for an application to talk to itself. */
interface Interface {
  /** Round trips a second. */
  rpc(trips: number): Promise<number>;
  /** Gbit/s. */
  bulk(bytes: number): Promise<number>;
}

function perSecond(count: number, watch: Stopwatch): number {
  return count / watch.read().seconds;
}

function gbps(bytes: number, watch: Stopwatch): number {
  return (bytes * 8) / watch.read().seconds / 1e9;
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

/** Reads the next bytes of a stream; undefined at its end. */
function readerOf(connection: Connection, form: StreamForm, size: number): Reader {
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
  readonly #form: StreamForm;
  readonly #stacks = startStacks();

  constructor(form: StreamForm) {
    this.#form = form;
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
}

/** Node's net over the kernel's loopback. */
class NodeInterface implements Interface {
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
}

/** Round trips a second, or Gbit/s. */
export async function apiSide({ form, kind, count, warm }: ApiSide): Promise<number> {
  if (form === "posix" && kind === "rpc") {
    return rpcSide({ connections: 1, trips: count, warm }).roundTripsPerSecond;
  }
  if (form === "posix") {
    const side = { timestamps: "on", datapath: "flextoe", bytes: count, warm } as const;
    return (await bulkSide(side)).figures.gbps;
  }
  const each = form === "node" ? new NodeInterface() : new StreamInterface(form);
  for (const part of warmParts(warm)) await each[kind](part);
  return each[kind](count);
}
