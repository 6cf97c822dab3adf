/**
 * Applications of the robustness experiments (4.5.3) over POSIX-like calls, driven by watchers:
 * bulk streams, large requests with a short response, and an echo with requests pipelined. Payload
 * is zeros: what is checked is its amount. Counts are per connection, in order of the descriptors.
 */
import { POLLIN, POLLOUT } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { must } from "../stack-pair.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";

const CHUNK = 65_536;
const payload = new Uint8Array(CHUNK);
const scratch = new Uint8Array(CHUNK);

/** Reads all there is; bytes. */
function readAll(toe: LibToe, fd: number): number {
  let total = 0;
  for (;;) {
    const got = toe.recv(fd, scratch, 0, CHUNK);
    if (got <= 0) return total;
    total += got;
    if (got < CHUNK) return total;
  }
}

/** Calls `body(index)` whenever the descriptor is readable or, with `events`, writable. */
function watch(
  toe: LibToe,
  fds: readonly number[],
  events: number,
  body: (index: number, fd: number) => void,
): void {
  fds.forEach((fd, index) => {
    must(
      toe.setWatcher(fd, (_, ready) => {
        if ((ready & events) !== 0) body(index, fd);
      }),
      "setWatcher",
    );
  });
}

/** Streams from the client to the server that never end. */
export class BulkStreams {
  /** Bytes that the server's application has read. */
  readonly received: Float64Array;

  constructor(network: SimulatedNetwork) {
    const { clientFds, serverFds } = network;
    this.received = new Float64Array(clientFds.length);
    watch(network.server.toe, serverFds, POLLIN, (index, fd) => {
      this.received[index] = (this.received[index] as number) + readAll(network.server.toe, fd);
    });
    watch(network.client.toe, clientFds, POLLOUT, (_, fd) => {
      // Until the buffer is full: POLLOUT comes again when it has emptied.
      while (network.client.toe.send(fd, payload, 0, CHUNK) === CHUNK);
    });
  }
}

/** One request under way on each connection; the next one follows the answer. */
export class LargeRequests {
  /** Requests answered. */
  readonly completed: Float64Array;
  /** Of those answered since `clear()`, ns from the call of send() to the whole answer. */
  readonly times: number[] = [];
  readonly #network: SimulatedNetwork;
  readonly #request: number;
  readonly #answer: number;
  /** Per connection: bytes of the request not sent, received of it, received of the answer. */
  readonly #unsent: Float64Array;
  readonly #served: Float64Array;
  readonly #answered: Float64Array;
  readonly #started: Float64Array;

  constructor(network: SimulatedNetwork, requestBytes: number, answerBytes: number) {
    const { clientFds, serverFds, client, server } = network;
    const count = clientFds.length;
    this.#network = network;
    this.#request = requestBytes;
    this.#answer = answerBytes;
    this.completed = new Float64Array(count);
    this.#unsent = new Float64Array(count);
    this.#served = new Float64Array(count);
    this.#answered = new Float64Array(count);
    this.#started = new Float64Array(count);
    watch(server.toe, serverFds, POLLIN, (index, fd) => this.#serve(index, fd));
    watch(client.toe, clientFds, POLLIN | POLLOUT, (index, fd) => this.#ask(index, fd));
    clientFds.forEach((_, index) => this.#start(index));
  }

  /** Forgets the times so far; counts go on. */
  clear(): void {
    this.times.length = 0;
  }

  #start(index: number): void {
    this.#unsent[index] = this.#request;
    this.#answered[index] = 0;
    this.#started[index] = this.#network.world.now;
  }

  #serve(index: number, fd: number): void {
    const { toe } = this.#network.server;
    const total = (this.#served[index] as number) + readAll(toe, fd);
    this.#served[index] = total % this.#request;
    if (total < this.#request) return;
    must(toe.send(fd, payload, 0, this.#answer), "send of an answer");
  }

  #ask(index: number, fd: number): void {
    const { toe } = this.#network.client;
    const got = (this.#answered[index] as number) + readAll(toe, fd);
    this.#answered[index] = got;
    if (got === this.#answer) {
      this.times.push(this.#network.world.now - (this.#started[index] as number));
      this.completed[index] = (this.completed[index] as number) + 1;
      this.#start(index);
    }
    const left = this.#unsent[index] as number;
    if (left === 0) return;
    const put = toe.send(fd, payload, 0, Math.min(left, CHUNK));
    if (put > 0) this.#unsent[index] = left - put;
  }
}

/** Application cores of one machine; a connection belongs to one of them. */
class ApplicationCores {
  readonly #network: SimulatedNetwork;
  readonly #freeAt: Float64Array;
  readonly #nsPerMessage: number;

  constructor(network: SimulatedNetwork, cores: number, nsPerMessage: number) {
    this.#network = network;
    this.#freeAt = new Float64Array(cores);
    this.#nsPerMessage = nsPerMessage;
  }

  /** Runs `body` when the connection's core has done a message's work for it. */
  after(index: number, body: () => void): void {
    const core = index % this.#freeAt.length;
    const { world } = this.#network;
    const done = Math.max(world.now, this.#freeAt[core] as number) + this.#nsPerMessage;
    this.#freeAt[core] = done;
    world.clock.at(done, body);
  }
}

export interface EchoOptions {
  readonly messageBytes: number;
  /** Requests under way on a connection. */
  readonly pipelined: number;
  readonly cores: number;
  readonly nsPerMessage: number;
}

/** Short requests echoed; both applications take time for each message, so that they spread. */
export class PipelinedEcho {
  /** Responses received. */
  readonly completed: Float64Array;
  readonly #options: EchoOptions;

  constructor(network: SimulatedNetwork, options: EchoOptions) {
    const { clientFds, serverFds, client, server } = network;
    this.#options = options;
    this.completed = new Float64Array(clientFds.length);
    const sides = [
      { toe: server.toe, fds: serverFds, done: undefined },
      { toe: client.toe, fds: clientFds, done: this.completed },
    ];
    for (const side of sides) {
      const cores = new ApplicationCores(network, options.cores, options.nsPerMessage);
      this.#answer(side.toe, side.fds, cores, side.done);
      if (side.done === undefined) continue;
      for (let turn = 0; turn < options.pipelined; turn += 1) {
        side.fds.forEach((fd, index) => cores.after(index, () => this.#send(side.toe, fd)));
      }
    }
  }

  #send(toe: LibToe, fd: number): void {
    const bytes = this.#options.messageBytes;
    const put = toe.send(fd, payload, 0, bytes);
    if (put !== bytes) throw new Error(`echo: expected send ${bytes}, got ${put}`);
  }

  /** Sends a message for each message received, and counts it in `done`. */
  #answer(
    toe: LibToe,
    fds: readonly number[],
    cores: ApplicationCores,
    done: Float64Array | undefined,
  ): void {
    const partial = new Float64Array(fds.length);
    const { messageBytes } = this.#options;
    watch(toe, fds, POLLIN, (index, fd) => {
      let bytes = (partial[index] as number) + readAll(toe, fd);
      for (; bytes >= messageBytes; bytes -= messageBytes) {
        if (done !== undefined) done[index] = (done[index] as number) + 1;
        cores.after(index, () => this.#send(toe, fd));
      }
      partial[index] = bytes;
    });
  }
}
