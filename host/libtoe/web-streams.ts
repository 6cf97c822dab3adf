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

/** Largest chunk that a readable stream gives. */
const CHUNK_BYTES = 65536;

export interface ListenOptions {
  /** 0 = chosen by the stack. */
  readonly port: number;
  /** Default: every local address. */
  readonly address?: string;
  readonly backlog?: number;
}

export interface ConnectOptions extends SocketAddress, WaitOptions {
  readonly noDelay?: boolean;
}

export interface CloseOptions {
  /** Wait until the peer has acknowledged everything that was written. */
  readonly drain?: boolean;
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
  #chunkBytes = 16384;

  constructor(toe: LibToe, fd: number) {
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
    this.readable = new ReadableStream<Uint8Array>(
      { pull: (controller) => this.#pull(controller), cancel: () => this.#cancel() },
      // Nothing is read ahead: the receive buffer is the queue, and its window the backpressure.
      { highWaterMark: 0 },
    );
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

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const chunk = new Uint8Array(this.#chunkBytes);
    const count = await this.#attempt(this.#toe.recvAsync(this.#fd, chunk));
    if (count === 0) {
      this.#readEnded = true;
      this.#closeWhenEnded();
      controller.close();
      return;
    }
    // A reader that fills its chunks gets larger ones; a slow one does not pin 64 KiB for 10 B.
    if (count === chunk.length) this.#chunkBytes = Math.min(CHUNK_BYTES, this.#chunkBytes * 2);
    controller.enqueue(count * 2 < chunk.length ? chunk.slice(0, count) : chunk.subarray(0, count));
  }

  #cancel(): void {
    this.#readEnded = true;
    this.#toe.shutdown(this.#fd, C.SHUT_RD);
    this.#closeWhenEnded();
  }

  async #write(chunk: Uint8Array): Promise<void> {
    await this.#attempt(this.#toe.sendAsync(this.#fd, chunk));
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
  #closed = false;

  constructor(toe: LibToe, fd: number, local: SocketAddress) {
    this.#toe = toe;
    this.#fd = fd;
    this.address = local.address;
    this.port = local.port;
  }

  /** The next connection; undefined after close(). */
  async accept(): Promise<Connection | undefined> {
    while (!this.#closed) {
      try {
        return new Connection(this.#toe, await this.#toe.acceptAsync(this.#fd));
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

function openSocket(toe: LibToe): number {
  const fd = toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK);
  if (fd < 0) throw new SocketError("socket", fd);
  return fd;
}

/** Starts to listen. Throws SocketError (EADDRINUSE, EINVAL, ...). */
export function listen(toe: LibToe, options: ListenOptions): Listener {
  const { port, address = "0.0.0.0", backlog = 128 } = options;
  const fd = openSocket(toe);
  // A restarted server takes its port although old connections are in TIME-WAIT.
  toe.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
  const bound = toe.bind(fd, { address, port });
  if (bound < 0) giveUp(toe, fd, "bind", bound);
  const listening = toe.listen(fd, backlog);
  if (listening < 0) giveUp(toe, fd, "listen", listening);
  return new Listener(toe, fd, toe.getsockname(fd) as SocketAddress);
}

/** Connects. Rejects with SocketError (ECONNREFUSED, ETIMEDOUT, ...) or the signal's reason. */
export async function connect(toe: LibToe, options: ConnectOptions): Promise<Connection> {
  const { address, port, noDelay = true, ...waiting } = options;
  const fd = openSocket(toe);
  toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, noDelay);
  try {
    await toe.connectAsync(fd, { address, port }, waiting);
    return new Connection(toe, fd);
  } catch (error) {
    toe.close(fd);
    throw error;
  }
}
