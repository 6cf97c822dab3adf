/**
 * A control plane and data path in one, for tests of libTOE: connections between sockets of one
 * instance over FakeDataPath, without TCP. Events come between bursts only, as the contract says,
 * and calls that break it (an id that was let go, a second release) throw.
 */
import { ARX_RX_CLOSED, ARX_TX_CLOSED } from "../../../bindings/abi/descriptor.ts";
import { ATX_FIN, ATX_RX_SHUT } from "../../../bindings/abi/descriptor.ts";
import type { LayoutOptions } from "../../../bindings/layout.ts";
import { address } from "../../../host/address.ts";
import type {
  ConnectionInfo,
  ConnectionOptions,
  ControlPlaneApi,
  Endpoint,
  ListenRequest,
  OpenRequest,
} from "../../../host/control-plane/interface.ts";
import { ERRNO } from "../../../host/errors.ts";
import { LibToe } from "../../../host/libtoe/libtoe.ts";
import { FakeDataPath, type Update } from "./fake-data-path.ts";

interface Flow {
  readonly id: number;
  readonly generation: number;
  readonly options: ConnectionOptions;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly context: number;
  peer: Flow | undefined;
  installed: boolean;
  rxSpace: number;
  txWaiting: number;
  finAsked: boolean;
  finSent: boolean;
  rxShut: boolean;
  released: boolean;
  reported: boolean;
  shutdowns: number;
  pendingRx: number;
  pendingTx: number;
  pendingFlags: number;
}

interface Listener {
  readonly request: ListenRequest;
  readonly port: number;
  readonly queue: number[];
}

export class LoopbackStack implements ControlPlaneApi {
  readonly path: FakeDataPath;
  readonly toe: LibToe;
  /** What the control plane was asked to do, in order. */
  readonly log: string[] = [];
  readonly flows = new Map<number, Flow>();
  readonly listeners = new Map<number, Listener>();
  /** Answers open() without an outcome while set. */
  stalled = false;
  now = 0;
  readonly #events: (() => void)[] = [];
  readonly #generations = new Map<number, number>();
  #nextListener = 1;
  #nextPort = 49152;

  constructor(seed = 1, layout: Partial<LayoutOptions> = {}, buffer = 4096) {
    this.path = new FakeDataPath(seed, layout);
    const sizes = { receiveBuffer: buffer, sendBuffer: buffer };
    this.toe = new LibToe(this.path.core, 1, this, sizes);
  }

  /** One turn of the stack; true when something happened. */
  poll(): boolean {
    let busy = this.toe.flush() > 0;
    const updates = this.path.take();
    for (const update of updates) this.#update(update);
    for (const flow of this.flows.values()) busy = this.#move(flow) || busy;
    for (const flow of this.flows.values()) busy = this.#finish(flow) || busy;
    for (const event of this.#events.splice(0)) {
      busy = true;
      event();
    }
    for (const flow of this.flows.values()) this.#notify(flow);
    return this.toe.poll(this.now) > 0 || busy || updates.length > 0 || this.toe.pending();
  }

  /** Turns until nothing happens any more; throws when that does not come. */
  settle(): void {
    for (let turn = 0; turn < 10000; turn += 1) if (!this.poll()) return;
    throw new Error("the loopback stack does not come to rest");
  }

  /** Turns and microtasks until the promise settles. */
  async run<T>(promise: Promise<T>, turns = 10000): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    for (let turn = 0; turn < turns && !done; turn += 1) {
      this.poll();
      for (let i = 0; i < 20; i += 1) await Promise.resolve();
      // Streams finish some of their steps in a later macrotask.
      if (turn % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    if (!done) throw new Error("the promise does not settle");
    return promise;
  }

  #update(update: Update): void {
    const flow = this.flows.get(update.connection);
    // As the data path: a descriptor of an earlier generation is counted and dropped.
    if (flow === undefined || flow.generation !== update.generation || !flow.installed) return;
    flow.rxSpace += update.rxCredit;
    flow.txWaiting += update.txAppend;
    if (flow.rxSpace > flow.options.receiveBuffer) throw new Error("credit beyond the buffer");
    if (flow.txWaiting > flow.options.sendBuffer) throw new Error("append beyond the buffer");
    if ((update.flags & ATX_FIN) !== 0) flow.finAsked = true;
    if ((update.flags & ATX_RX_SHUT) !== 0) flow.rxShut = true;
  }

  #move(flow: Flow): boolean {
    const { peer } = flow;
    if (peer === undefined || !flow.installed || flow.txWaiting === 0) return false;
    if (peer.rxShut) {
      this.#reset(flow, ERRNO.ECONNRESET);
      this.#end(peer);
      return true;
    }
    const count = Math.min(flow.txWaiting, peer.rxSpace);
    if (count === 0) return false;
    this.path.place(peer.id, this.path.fetch(flow.id, count));
    flow.txWaiting -= count;
    peer.rxSpace -= count;
    peer.pendingRx += count;
    flow.pendingTx += count;
    return true;
  }

  #finish(flow: Flow): boolean {
    const { peer } = flow;
    if (peer === undefined || !flow.finAsked || flow.finSent || flow.txWaiting > 0) return false;
    flow.finSent = true;
    flow.pendingFlags |= ARX_TX_CLOSED;
    peer.pendingFlags |= ARX_RX_CLOSED;
    if (!peer.finSent) return true;
    for (const side of [flow, peer]) this.#events.push(() => this.#over(side, 0));
    return true;
  }

  #notify(flow: Flow): void {
    const { pendingRx: rx, pendingTx: tx, pendingFlags: flags } = flow;
    if ((rx | tx | flags) === 0 || flow.released || !flow.installed) return;
    if (!this.path.notify(flow.id, flow.generation, { rx, tx, flags }, flow.context)) return;
    flow.pendingRx = 0;
    flow.pendingTx = 0;
    flow.pendingFlags = 0;
  }

  #reset(flow: Flow, error: number): void {
    this.#events.push(() => this.#over(flow, error));
  }

  /** The connection ends here; the row stays until libTOE lets it go. */
  #over(flow: Flow, error: number): void {
    if (flow.reported) return;
    while (this.path.room(flow.context) === 0) this.toe.internals.take();
    this.#notify(flow);
    flow.reported = true;
    if (!flow.released) this.toe.closed(flow.id, error);
    this.#end(flow);
  }

  #end(flow: Flow): void {
    if (flow.installed) this.path.uninstall(flow.id);
    flow.installed = false;
    flow.reported = true;
    if (flow.peer !== undefined) flow.peer.peer = undefined;
    flow.peer = undefined;
    if (flow.released) this.flows.delete(flow.id);
  }

  #allocate(request: { options: ConnectionOptions; context: number }, l: Endpoint, r: Endpoint) {
    let id = 1;
    while (this.flows.has(id)) id += 1;
    if (id > this.path.core.map.options.connections) return undefined;
    const generation = ((this.#generations.get(id) ?? 0xfffffff0) + 1) >>> 0;
    this.#generations.set(id, generation);
    const flow: Flow = {
      id,
      generation,
      options: request.options,
      local: l,
      remote: r,
      context: request.context,
      peer: undefined,
      installed: false,
      rxSpace: 0,
      txWaiting: 0,
      finAsked: false,
      finSent: false,
      rxShut: false,
      released: false,
      reported: false,
      shutdowns: 0,
      pendingRx: 0,
      pendingTx: 0,
      pendingFlags: 0,
    };
    this.flows.set(id, flow);
    return flow;
  }

  #install(flow: Flow, rxSeq: number, txSeq: number): void {
    const { receiveBuffer, sendBuffer } = flow.options;
    this.path.install(flow.id, receiveBuffer, sendBuffer, rxSeq, txSeq);
    flow.installed = true;
    flow.rxSpace = receiveBuffer;
  }

  listen(request: ListenRequest): number {
    const taken = [...this.listeners.values()].some(({ port }) => port === request.local.port);
    if (taken) return -ERRNO.EADDRINUSE;
    const id = this.#nextListener;
    this.#nextListener += 1;
    const port = request.local.port === 0 ? this.#nextPort++ : request.local.port;
    this.listeners.set(id, { request, port, queue: [] });
    return id;
  }

  unlisten(id: number): void {
    for (const flow of this.listeners.get(id)?.queue ?? []) this.abort(flow);
    this.listeners.delete(id);
    this.log.push(`unlisten ${id}`);
  }

  listenerPort(id: number): number {
    return this.listeners.get(id)?.port ?? 0;
  }

  accept(id: number): number {
    return this.listeners.get(id)?.queue.shift() ?? -ERRNO.EAGAIN;
  }

  acceptable(id: number): number {
    return this.listeners.get(id)?.queue.length ?? 0;
  }

  open(request: OpenRequest): number {
    const local = request.local ?? { address: address("10.0.0.1"), port: this.#nextPort++ };
    const flow = this.#allocate(request, local, request.remote);
    if (flow === undefined) return -ERRNO.ENOBUFS;
    if (!this.stalled) this.#events.push(() => this.#establish(flow, request));
    return flow.id;
  }

  #establish(client: Flow, request: OpenRequest): void {
    if (!this.flows.has(client.id)) return;
    const found = [...this.listeners].find(([, { port }]) => port === request.remote.port);
    const room = found !== undefined && found[1].queue.length < found[1].request.backlog;
    if (found === undefined || !room) {
      this.#over(client, ERRNO.ECONNREFUSED);
      return;
    }
    const [id, listener] = found;
    const server = this.#allocate(listener.request, client.remote, client.local);
    if (server === undefined) {
      this.#over(client, ERRNO.ECONNREFUSED);
      return;
    }
    client.peer = server;
    server.peer = client;
    // One side's sequence numbers wrap within the first bytes.
    this.#install(client, 0xffffff00, 0x7fffff01);
    this.#install(server, 0x7fffff01, 0xffffff00);
    this.toe.opened(client.id, client.generation, 0);
    this.toe.opened(server.id, server.generation, id);
    listener.queue.push(server.id);
    this.toe.acceptReady(id);
  }

  #flow(id: number, call: string): Flow {
    const flow = this.flows.get(id);
    if (flow === undefined || flow.released) throw new Error(`${call}: ${id} was let go`);
    return flow;
  }

  shutdownSend(id: number): void {
    const flow = this.#flow(id, "shutdownSend");
    flow.shutdowns += 1;
    if (flow.shutdowns > 1) throw new Error("shutdownSend twice");
    this.log.push(`shutdownSend ${id}`);
  }

  release(id: number): void {
    const flow = this.#flow(id, "release");
    flow.released = true;
    this.log.push(`release ${id}`);
    if (flow.reported) this.#end(flow);
  }

  abort(id: number): void {
    const flow = this.#flow(id, "abort");
    const { peer } = flow;
    flow.released = true;
    this.log.push(`abort ${id}`);
    if (peer !== undefined) this.#reset(peer, ERRNO.ECONNRESET);
    this.#end(flow);
  }

  /** The peer's host vanishes: the connection of `id` ends with `error`. */
  fail(id: number, error: number): void {
    this.#reset(this.#flow(id, "fail"), error);
  }

  local(id: number): Endpoint {
    return this.#flow(id, "local").local;
  }

  remote(id: number): Endpoint {
    return this.#flow(id, "remote").remote;
  }

  configureListener(listener: number, options: ConnectionOptions): void {
    this.log.push(`configureListener ${listener}`);
    const found = this.listeners.get(listener);
    if (found !== undefined) Object.assign(found.request.options, options);
  }

  congestion(connection: number): string {
    return this.flows.get(connection)?.options.congestion || "cubic";
  }

  configure(id: number, options: ConnectionOptions): void {
    this.#flow(id, "configure");
    this.log.push(`configure ${id} ${options.noDelay}`);
  }

  info(id: number): ConnectionInfo {
    const flow = this.#flow(id, "info");
    const { local, remote } = flow;
    return { connection: id, state: "ESTABLISHED", local, remote, mss: 1448 } as ConnectionInfo;
  }

  connections(): ConnectionInfo[] {
    const open = [...this.flows.values()].filter(({ released }) => !released);
    return open.map(({ id }) => this.info(id));
  }
}
