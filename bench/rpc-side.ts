/**
 * toeloop's side of `npm run bench -- rpc`: 64 bytes there and back in watchers, through registered
 * buffers, over one or many connections of two stacks in this process.
 */
import { IPPROTO_TCP, POLLIN, TCP_NODELAY } from "../host/libtoe/constants.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";
import type { Watcher } from "../host/libtoe/socket.ts";
import { Stopwatch, warmParts } from "./harness.ts";
import { rpcFigures, type RpcFigures } from "./peers/lwip.ts";
import { must, StackPair } from "./stack-pair.ts";

const MESSAGE = 64;

/** What a run of this side is. */
export interface RpcSide {
  readonly connections: number;
  readonly trips: number;
  /** Round trips before the clock starts. */
  readonly warm: number;
}

/** Connections that answer 64 bytes with 64 bytes, each with one request under way. */
export class RpcRun {
  readonly #pair: StackPair;
  readonly #request: Uint8Array;
  readonly #answer: Uint8Array;
  readonly #served: Uint8Array;
  #trips = 0;
  #target = 0;
  /** Requests under way. */
  #open = 0;

  constructor(connections: number) {
    this.#pair = new StackPair({ timestamps: false, connections });
    const { client, server, clientFds, serverFds } = this.#pair;
    this.#request = client.toe.allocate(MESSAGE);
    this.#answer = client.toe.allocate(MESSAGE);
    this.#served = server.toe.allocate(MESSAGE);
    for (let i = 0; i < MESSAGE; i += 1) this.#request[i] = (i * 7) & 255;
    for (const fd of serverFds) this.#watch(server.toe, fd, this.#serve);
    for (const fd of clientFds) this.#watch(client.toe, fd, this.#finish);
  }

  #watch(toe: LibToe, fd: number, watcher: Watcher): void {
    must(toe.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1), "setsockopt");
    must(toe.setWatcher(fd, watcher), "setWatcher");
  }

  readonly #serve: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const { toe } = this.#pair.server;
    const got = toe.recv(fd, this.#served, 0, MESSAGE);
    if (got <= 0) return;
    if (toe.send(fd, this.#served, 0, got) !== got) throw new Error("rpc: answer not taken");
  };

  readonly #finish: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const got = this.#pair.client.toe.recv(fd, this.#answer, 0, MESSAGE);
    if (got <= 0) return;
    // A message of 64 bytes is one segment: it arrives whole.
    if (got !== MESSAGE || this.#answer[MESSAGE - 1] !== this.#request[MESSAGE - 1]) {
      throw new Error(`rpc: expected an answer of ${MESSAGE} bytes, got ${got}`);
    }
    this.#trips += 1;
    this.#open -= 1;
    if (this.#trips < this.#target) this.#ask(fd);
  };

  #ask(fd: number): void {
    const put = this.#pair.client.toe.send(fd, this.#request, 0, MESSAGE);
    if (put !== MESSAGE) throw new Error(`rpc: expected send ${MESSAGE}, got ${put}`);
    this.#open += 1;
  }

  /** At least `trips` more round trips: each connection's last one is waited for. */
  exchange(trips: number): RpcFigures {
    const { clientLink, serverLink } = this.#pair;
    const segments = (): number => clientLink.frames + serverLink.frames;
    const before = this.#trips;
    const sent = segments();
    this.#target = before + trips;
    const watch = new Stopwatch();
    for (const fd of this.#pair.clientFds) this.#ask(fd);
    let progress = true;
    while (this.#open > 0) {
      const done = this.#trips;
      this.#pair.turn(progress);
      progress = this.#trips !== done;
    }
    const elapsed = watch.read();
    return rpcFigures({ ...elapsed, trips: this.#trips - before, segments: segments() - sent });
  }
}

/** One run, warm. */
export function rpcSide({ connections, trips, warm }: RpcSide): RpcFigures {
  const run = new RpcRun(connections);
  for (const part of warmParts(warm)) run.exchange(part);
  return run.exchange(trips);
}
