/**
 * The convenience API: listeners as async iterables and connections as a pair of web streams.
 * Backpressure is TCP's: nothing is read ahead of the consumer, and a write resolves when its
 * bytes are in the transmit buffer.
 *
 * Invariant: a connection's descriptor is closed once, when both streams have ended or at
 * close(), abort() or an error.
 */
import { ERRNO, SocketError } from "../errors.ts";
import type { SocketAddress } from "./calls.ts";
import * as C from "./constants.ts";
import type { LibToe } from "./libtoe.ts";
import type { WaitOptions } from "./awaitable.ts";
import { addObserver, type Observer } from "./socket.ts";

/** Largest chunk that a readable stream gives. */
const CHUNK_BYTES = 65536;
/** Asks how much there is, as Linux's TCP answers it: nothing is copied or consumed. */
const LOOK = C.MSG_PEEK | C.MSG_TRUNC;
/** What LOOK is asked for; nothing is written to it. */
const ANY = new Uint8Array(CHUNK_BYTES);

export interface ListenOptions {
  /** 0 = chosen by the stack. */
  readonly port: number;
  /** Default: every local IPv4 address; "::" takes IPv6 and IPv4. */
  readonly address?: string;
  /** An address "::" takes IPv6 alone. */
  readonly ipv6Only?: boolean;
  readonly backlog?: number;
  /** Readable streams of type "bytes", for readers that bring their buffers (BYOB). */
  readonly bytes?: boolean;
}

export interface ConnectOptions extends SocketAddress, WaitOptions {
  readonly noDelay?: boolean;
  /** A readable stream of type "bytes", for readers that bring their buffers (BYOB). */
  readonly bytes?: boolean;
}

export interface CloseOptions {
  /** Wait until the peer has acknowledged everything that was written. */
  readonly drain?: boolean;
}

/**
 * A reader that waits for bytes: told within poll(), it puts them into the stream there, one
 * promise in place of the four of recvAsync().
 */
class Arrival implements Observer {
  readonly promise: Promise<void>;
  readonly #take: () => boolean;
  readonly #gone: () => Error;
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;
  /** An error closes the descriptor on its way, and is the one that counts. */
  #taking = false;

  /** `take` answers false while there is nothing, and throws what ends the stream. */
  constructor(take: () => boolean, gone: () => Error) {
    this.#take = take;
    this.#gone = gone;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  ready(): boolean {
    try {
      this.#taking = true;
      if (this.#take()) this.#resolve();
      else this.#taking = false;
    } catch (error) {
      this.#reject(error);
    }
    return !this.#taking;
  }

  gone(): void {
    if (!this.#taking) this.#reject(this.#gone());
  }
}

/** One TCP connection. Rejections are SocketError. */
export class Connection {
  /** Bytes from the peer, in chunks of up to 64 KiB; cancel() drops what comes later. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Bytes to the peer; close() sends FIN, abort() resets. */
  readonly writable: WritableStream<Uint8Array>;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #toe: LibToe;
  readonly #fd: number;
  #readEnded = false;
  #writeEnded = false;
  #closed = false;

  constructor(toe: LibToe, fd: number, bytes = false) {
    this.#toe = toe;
    this.#fd = fd;
    const local = toe.getsockname(fd);
    const remote = toe.getpeername(fd);
    if (typeof local === "number" || typeof remote === "number") {
      throw new SocketError("connection", ERRNO.ENOTCONN);
    }
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.readable = this.#createReadable(bytes);
    this.writable = new WritableStream<Uint8Array>({
      write: (chunk) => this.#write(chunk),
      close: () => this.#endWriting(),
      abort: () => this.abort(),
    });
  }

  /** The connection's descriptor, for the POSIX-like calls; -1 once closed. */
  get fd(): number {
    return this.#closed ? -1 : this.#fd;
  }

  /** Nothing is read ahead: the receive buffer is the queue, and its window the backpressure. */
  #createReadable(bytes: boolean): ReadableStream<Uint8Array> {
    const cancel = (): void => this.#cancel();
    const ahead = { highWaterMark: 0 };
    if (!bytes) return new ReadableStream({ pull: (into) => this.#pull(into), cancel }, ahead);
    return new ReadableStream({ type: "bytes", pull: (into) => this.#pull(into), cancel }, ahead);
  }

  /** Bytes that wait go at once, without a promise. */
  #pull(controller: ReadableStreamController<Uint8Array>): Promise<void> | undefined {
    if (this.#take(controller)) return undefined;
    const socket = this.#toe.internals.table.get(this.#fd);
    if (socket === undefined) throw new SocketError("recv", ERRNO.EBADF);
    // SO_RCVTIMEO, which somebody may have set by the descriptor, is recvAsync()'s.
    if (socket.rare.receiveTimeout !== 0) return this.#pullInTime(controller);
    const gone = (): Error => new SocketError("recv", ERRNO.EBADF);
    const arrival = new Arrival(() => this.#take(controller), gone);
    addObserver(socket, arrival);
    return arrival.promise;
  }

  async #pullInTime(controller: ReadableStreamController<Uint8Array>): Promise<void> {
    await this.#attempt(this.#toe.recvAsync(this.#fd, ANY, 0, CHUNK_BYTES, { flags: LOOK }));
    this.#take(controller);
  }

  /** What waits, or the end, into the stream; false when there is nothing. Throws SocketError. */
  #take(controller: ReadableStreamController<Uint8Array>): boolean {
    const waiting = this.#toe.recv(this.#fd, ANY, 0, CHUNK_BYTES, LOOK);
    if (waiting === -ERRNO.EAGAIN) return false;
    if (waiting < 0) {
      this.#closeDescriptor();
      throw new SocketError("recv", waiting);
    }
    if (waiting > 0) this.#give(controller, waiting);
    else this.#end(controller);
    return true;
  }

  #end(controller: ReadableStreamController<Uint8Array>): void {
    this.#readEnded = true;
    this.#closeWhenEnded();
    controller.close();
    // A reader's own buffer goes back to it, empty.
    if ("byobRequest" in controller) controller.byobRequest?.respond(0);
  }

  /** Into the reader's own buffer, or into one that fits. */
  #give(controller: ReadableStreamController<Uint8Array>, waiting: number): void {
    const request = "byobRequest" in controller ? controller.byobRequest : null;
    const view = request?.view;
    if (request === null || view === null || view === undefined) {
      const chunk = new Uint8Array(waiting);
      this.#toe.recv(this.#fd, chunk);
      controller.enqueue(chunk);
      return;
    }
    const target = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    request.respond(this.#toe.recv(this.#fd, target));
  }

  #cancel(): void {
    this.#readEnded = true;
    this.#toe.shutdown(this.#fd, C.SHUT_RD);
    this.#closeWhenEnded();
  }

  /** What fits the transmit buffer goes at once, without a promise. */
  #write(chunk: Uint8Array): Promise<void> | undefined {
    const sent = this.#toe.send(this.#fd, chunk);
    if (sent === chunk.length) return undefined;
    return this.#writeRest(chunk, Math.max(0, sent));
  }

  async #writeRest(chunk: Uint8Array, from: number): Promise<void> {
    await this.#attempt(this.#toe.sendAsync(this.#fd, chunk, from));
  }

  #endWriting(): void {
    this.#writeEnded = true;
    this.#toe.shutdown(this.#fd, C.SHUT_WR);
    this.#closeWhenEnded();
  }

  /** An error ends the connection for both streams. */
  async #attempt(result: Promise<number>): Promise<number> {
    try {
      return await result;
    } catch (error) {
      this.#closeDescriptor();
      throw error;
    }
  }

  #closeWhenEnded(): void {
    if (this.#readEnded && this.#writeEnded) this.#closeDescriptor();
  }

  #closeDescriptor(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#toe.close(this.#fd);
  }

  /**
   * Closes both directions: FIN after what was written, and what arrives is dropped. With `drain`
   * the promise resolves when the peer has acknowledged everything.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (options.drain === true) {
      await this.#toe.closeAsync(this.#fd);
      return;
    }
    this.#toe.close(this.#fd);
  }

  /** RST; both streams fail. */
  abort(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#toe.abort(this.#fd);
  }
}

/** Accepted connections, in order: `for await (const connection of listener)`. */
export class Listener implements AsyncIterable<Connection> {
  readonly address: string;
  readonly port: number;
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #bytes: boolean;
  #closed = false;

  constructor(toe: LibToe, fd: number, local: SocketAddress, bytes = false) {
    this.#toe = toe;
    this.#fd = fd;
    this.#bytes = bytes;
    this.address = local.address;
    this.port = local.port;
  }

  /** The next connection; undefined after close(). */
  async accept(): Promise<Connection | undefined> {
    while (!this.#closed) {
      try {
        return new Connection(this.#toe, await this.#toe.acceptAsync(this.#fd), this.#bytes);
      } catch (error) {
        // A peer that went away between its handshake and accept() is no error of the listener.
        const gone = error instanceof SocketError && error.errno === -ERRNO.ECONNABORTED;
        if (!gone && !this.#closed) throw error;
      }
    }
    return undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    for (;;) {
      const connection = await this.accept();
      if (connection === undefined) return;
      yield connection;
    }
  }

  /** Stops listening; connections that nobody accepted are reset. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#toe.close(this.#fd);
  }
}

/** Ends a descriptor whose set-up failed, and says why. */
function giveUp(toe: LibToe, fd: number, syscall: string, error: number): never {
  toe.close(fd);
  throw new SocketError(syscall, error);
}

function openSocket(toe: LibToe, address: string): number {
  const domain = address.includes(":") ? C.AF_INET6 : C.AF_INET;
  const fd = toe.socket(domain, C.SOCK_STREAM | C.SOCK_NONBLOCK);
  if (fd < 0) throw new SocketError("socket", fd);
  return fd;
}

/** Starts to listen. Throws SocketError (EADDRINUSE, EINVAL, ...). */
export function listen(toe: LibToe, options: ListenOptions): Listener {
  const { port, address = "0.0.0.0", backlog = 128 } = options;
  const fd = openSocket(toe, address);
  if (options.ipv6Only === true) toe.setsockopt(fd, C.IPPROTO_IPV6, C.IPV6_V6ONLY, true);
  // A restarted server takes its port although old connections are in TIME-WAIT.
  toe.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
  const bound = toe.bind(fd, { address, port });
  if (bound < 0) giveUp(toe, fd, "bind", bound);
  const listening = toe.listen(fd, backlog);
  if (listening < 0) giveUp(toe, fd, "listen", listening);
  return new Listener(toe, fd, toe.getsockname(fd) as SocketAddress, options.bytes);
}

/** Connects. Rejects with SocketError (ECONNREFUSED, ETIMEDOUT, ...) or the signal's reason. */
export async function connect(toe: LibToe, options: ConnectOptions): Promise<Connection> {
  const { address, port, noDelay = true, bytes = false, ...waiting } = options;
  const fd = openSocket(toe, address);
  toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, noDelay);
  try {
    await toe.connectAsync(fd, { address, port }, waiting);
    return new Connection(toe, fd, bytes);
  } catch (error) {
    toe.close(fd);
    throw error;
  }
}
