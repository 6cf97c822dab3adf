/**
 * The smallest HTTP/1.1 that is still useful, over toeloop's awaitable calls: a server of files
 * and a client. Enough for curl and for nginx, no more: GET and HEAD, Content-Length bodies,
 * keep-alive. Invariant: a message's head is bounded, and every descriptor opened is closed.
 */
import { MSG_WAITALL, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../host/libtoe/constants.ts";
import { IPPROTO_TCP, SO_REUSEADDR, TCP_NODELAY } from "../host/libtoe/constants.ts";
import { SocketError } from "../host/errors.ts";
import type { SocketAddress } from "../host/libtoe/calls.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";

const HEAD_BYTES_MAX = 16_384;
const SOCKET_BUFFER_DEFAULT = 65_536;
const ACCEPT_QUEUE = 256;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  500: "Internal Server Error",
};

export interface HttpResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Answers a path, its query included. */
export type HttpHandler = (path: string) => HttpResponse | Promise<HttpResponse>;

export interface HttpOptions {
  /** Bytes of each socket buffer; default 65,536. */
  readonly buffer?: number;
  /** A client's own address and port; default any. */
  readonly from?: SocketAddress;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
}

interface Head {
  readonly start: string;
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
}

/** The result of a call, or SocketError. */
function checked(syscall: string, result: number): number {
  if (result < 0) throw new SocketError(syscall, result);
  return result;
}

/** A socket with the options of this file. */
function openSocket(toe: LibToe, buffer: number): number {
  const fd = checked("socket", toe.socket());
  checked("setsockopt", toe.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, buffer));
  checked("setsockopt", toe.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, buffer));
  checked("setsockopt", toe.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, true));
  return fd;
}

function parseHead(text: string): Head {
  const [start = "", ...lines] = text.split("\r\n");
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { start, fields };
}

/** One connection as messages: heads and bodies of known length. */
class MessageStream {
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #signal: AbortSignal | undefined;
  readonly #bytes = new Uint8Array(HEAD_BYTES_MAX);
  #from = 0;
  #to = 0;

  constructor(toe: LibToe, fd: number, signal: AbortSignal | undefined) {
    this.#toe = toe;
    this.#fd = fd;
    this.#signal = signal;
  }

  get #wait(): { readonly signal?: AbortSignal } {
    return this.#signal === undefined ? {} : { signal: this.#signal };
  }

  /** The next head, undefined at the end of the stream. Throws Error when it is too long. */
  async head(): Promise<Head | undefined> {
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#bytes.subarray(this.#from, this.#to));
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#from += end + 4;
        return parseHead(text.slice(0, end));
      }
      this.#bytes.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
      if (this.#to === HEAD_BYTES_MAX) {
        throw new Error(`http: expected a head of at most ${HEAD_BYTES_MAX} bytes, got more`);
      }
      const room = HEAD_BYTES_MAX - this.#to;
      const count = await this.#toe.recvAsync(this.#fd, this.#bytes, this.#to, room, this.#wait);
      if (count === 0) return undefined;
      this.#to += count;
    }
  }

  /** Exactly `length` bytes. Throws Error when the stream ends before. */
  async body(length: number): Promise<Uint8Array> {
    const body = new Uint8Array(length);
    const held = Math.min(length, this.#to - this.#from);
    body.set(this.#bytes.subarray(this.#from, this.#from + held));
    this.#from += held;
    if (held === length) return body;
    const options = { ...this.#wait, flags: MSG_WAITALL };
    const count = await this.#toe.recvAsync(this.#fd, body, held, length - held, options);
    if (held + count < length) {
      throw new Error(`http: expected a body of ${length} bytes, got ${held + count}`);
    }
    return body;
  }

  async send(start: string, fields: readonly string[], body: Uint8Array): Promise<void> {
    const head = new TextEncoder().encode(`${[start, ...fields].join("\r\n")}\r\n\r\n`);
    await this.#toe.sendAsync(this.#fd, head, 0, head.length, this.#wait);
    if (body.length === 0) return;
    await this.#toe.sendAsync(this.#fd, body, 0, body.length, this.#wait);
  }
}

/** A server; start() returns at once, close() ends it. */
export class HttpServer {
  /** Connections open now, the most there have been, and requests answered. */
  open = 0;
  peak = 0;
  served = 0;
  /** What ended a connection before its time. */
  readonly failures: unknown[] = [];
  readonly #toe: LibToe;
  readonly #handler: HttpHandler;
  #listener = -1;

  constructor(toe: LibToe, handler: HttpHandler) {
    this.#toe = toe;
    this.#handler = handler;
  }

  /** Listens on every address. Throws SocketError, such as listen EADDRINUSE. */
  start(port: number, options: HttpOptions = {}): void {
    const toe = this.#toe;
    const fd = openSocket(toe, options.buffer ?? SOCKET_BUFFER_DEFAULT);
    this.#listener = fd;
    try {
      // A server that starts again does not wait for the TIME-WAIT of its last connections.
      checked("setsockopt", toe.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, true));
      checked("bind", toe.bind(fd, { address: "0.0.0.0", port }));
      checked("listen", toe.listen(fd, ACCEPT_QUEUE));
    } catch (error) {
      toe.close(fd);
      throw error;
    }
    void this.#acceptAll(fd, options.signal);
  }

  /** Stops listening; connections go on to their end. */
  close(): void {
    this.#toe.close(this.#listener);
  }

  async #acceptAll(listener: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      let fd: number;
      try {
        fd = await this.#toe.acceptAsync(listener);
      } catch {
        return; // The listener was closed.
      }
      this.open += 1;
      this.peak = Math.max(this.peak, this.open);
      void this.#serve(fd, signal);
    }
  }

  async #serve(fd: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      const stream = new MessageStream(this.#toe, fd, signal);
      let head = await stream.head();
      while (head !== undefined && (await this.#answer(stream, head))) head = await stream.head();
      await this.#toe.closeAsync(fd);
    } catch (error) {
      this.failures.push(error);
      this.#toe.abort(fd);
    } finally {
      this.open -= 1;
    }
  }

  /** Answers one request; true when the connection stays open. */
  async #answer(stream: MessageStream, head: Head): Promise<boolean> {
    const [method, path, version] = head.start.split(" ");
    const last = version !== "HTTP/1.1" || head.fields.get("connection")?.toLowerCase() === "close";
    const { status, body } = await this.#respond(method, path);
    const fields = [
      `Content-Length: ${body.length}`,
      "Content-Type: application/octet-stream",
      `Connection: ${last ? "close" : "keep-alive"}`,
    ];
    const reason = REASONS[status] ?? "Unknown";
    const payload = method === "HEAD" ? new Uint8Array(0) : body;
    await stream.send(`HTTP/1.1 ${status} ${reason}`, fields, payload);
    this.served += 1;
    return !last;
  }

  async #respond(method: string | undefined, path: string | undefined): Promise<HttpResponse> {
    const body = new Uint8Array(0);
    if (method !== "GET" && method !== "HEAD") return { status: 405, body };
    if (path === undefined || !path.startsWith("/")) return { status: 400, body };
    try {
      return await this.#handler(path);
    } catch (error) {
      this.failures.push(error);
      return { status: 500, body };
    }
  }
}

/** A client's connection. */
export class HttpConnection {
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #host: string;
  readonly #stream: MessageStream;

  private constructor(toe: LibToe, fd: number, host: string, signal: AbortSignal | undefined) {
    this.#toe = toe;
    this.#fd = fd;
    this.#host = host;
    this.#stream = new MessageStream(toe, fd, signal);
  }

  /** Resolves when the connection is established; rejects with SocketError. */
  static async connect(
    toe: LibToe,
    server: SocketAddress,
    options: HttpOptions = {},
  ): Promise<HttpConnection> {
    const { buffer, from, signal } = options;
    const fd = openSocket(toe, buffer ?? SOCKET_BUFFER_DEFAULT);
    try {
      if (from !== undefined) checked("bind", toe.bind(fd, from));
      await toe.connectAsync(fd, server, signal === undefined ? {} : { signal });
    } catch (error) {
      toe.close(fd);
      throw error;
    }
    return new HttpConnection(toe, fd, server.address, signal);
  }

  /** One request and its response. With `last` the server is asked to close afterwards. */
  async get(path: string, last = false): Promise<HttpResponse> {
    const connection = last ? "Connection: close" : "Connection: keep-alive";
    const fields = [`Host: ${this.#host}`, connection];
    await this.#stream.send(`GET ${path} HTTP/1.1`, fields, new Uint8Array(0));
    const head = await this.#stream.head();
    const status = Number(head?.start.split(" ")[1]);
    const length = Number(head?.fields.get("content-length"));
    if (head === undefined || !Number.isInteger(status) || !Number.isInteger(length)) {
      throw new Error(`http: expected a status and Content-Length, got "${head?.start ?? "end"}"`);
    }
    return { status, body: await this.#stream.body(length) };
  }

  /** Waits for the server's end of the stream: then it was the server that closed first. */
  async ended(): Promise<void> {
    if ((await this.#stream.head()) !== undefined) throw new Error("http: expected the end");
  }

  async close(): Promise<void> {
    await this.#toe.closeAsync(this.#fd);
  }
}

/** Fetches one file over a connection of its own. */
export async function httpGet(
  toe: LibToe,
  server: SocketAddress,
  path: string,
  options: HttpOptions = {},
): Promise<HttpResponse> {
  const connection = await HttpConnection.connect(toe, server, options);
  try {
    return await connection.get(path, true);
  } finally {
    await connection.close();
  }
}
