/**
 * The demo's applications over POSIX-like calls: a bulk stream both ways on one connection, an
 * RPC server and clients. Each does what it can in run() and says whether it did anything.
 */
import type { Hasher } from "../bindings/platform.ts";
import { Prng } from "../host/prng.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";
import type { SocketAddress } from "../host/libtoe/calls.ts";
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../host/libtoe/constants.ts";

export interface Application {
  run(): boolean;
}

interface BulkOptions {
  readonly bytes: number;
  /** Socket buffers. */
  readonly buffer: number;
  readonly seed: number;
  readonly hasher: () => Hasher;
}

const CHUNK = 65536;
const NOT_READY = -11;

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`demo: expected ${what} to succeed, got errno ${-result}`);
  return result;
}

/** Sends `bytes` pseudo-random bytes and receives as many, hashing both streams. */
export class BulkFlow implements Application {
  received = 0;
  /** Digests, once the flow has finished. */
  sent: Promise<string> = Promise.resolve("");
  got: Promise<string> = Promise.resolve("");
  finished = false;
  readonly #toe: LibToe;
  readonly #options: BulkOptions;
  readonly #random: Prng;
  readonly #hashOut: Hasher;
  readonly #hashIn: Hasher;
  readonly #out = new Uint8Array(CHUNK);
  readonly #in = new Uint8Array(CHUNK);
  readonly #listener: number;
  #fd = -1;
  #generated = 0;
  #at = CHUNK;
  #closed = false;

  private constructor(toe: LibToe, options: BulkOptions, port?: number) {
    this.#toe = toe;
    this.#options = options;
    this.#random = new Prng(options.seed);
    this.#hashOut = options.hasher();
    this.#hashIn = options.hasher();
    this.#listener = port === undefined ? -1 : this.#listen(port);
  }

  static client(toe: LibToe, server: SocketAddress, options: BulkOptions): BulkFlow {
    const flow = new BulkFlow(toe, options);
    flow.#fd = flow.#socket();
    toe.connect(flow.#fd, server);
    return flow;
  }

  static server(toe: LibToe, port: number, options: BulkOptions): BulkFlow {
    return new BulkFlow(toe, options, port);
  }

  #listen(port: number): number {
    const fd = this.#socket();
    must(this.#toe.bind(fd, { address: "0.0.0.0", port }), "bind");
    must(this.#toe.listen(fd, 1), "listen");
    return fd;
  }

  #socket(): number {
    const fd = must(this.#toe.socket(), "socket");
    must(this.#toe.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, this.#options.buffer), "SO_RCVBUF");
    must(this.#toe.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, this.#options.buffer), "SO_SNDBUF");
    return fd;
  }

  run(): boolean {
    if (this.finished) return false;
    if (this.#fd < 0) this.#fd = this.#toe.accept(this.#listener);
    if (this.#fd < 0) return false;
    const sent = this.#send();
    const got = this.#receive();
    return sent || got;
  }

  #send(): boolean {
    let worked = false;
    while (!this.#closed) {
      if (this.#at === CHUNK && !this.#generate()) break;
      const left = Math.min(CHUNK, this.#generated) - this.#at;
      const n = this.#toe.send(this.#fd, this.#out, this.#at, left);
      if (n <= 0) break;
      this.#at += n;
      worked = true;
    }
    return worked;
  }

  /** The next chunk; false, and the sending side closes, at the end. */
  #generate(): boolean {
    if (this.#generated >= this.#options.bytes) {
      this.#toe.shutdown(this.#fd, 1);
      this.#closed = true;
      return false;
    }
    this.#random.fill(this.#out);
    // Sixteen printable bytes: no analyser takes them for a protocol of its own.
    for (let i = 0; i < CHUNK; i += 1) this.#out[i] = 0x30 | ((this.#out[i] as number) & 15);
    this.#hashOut.update(this.#out);
    this.#generated += CHUNK;
    this.#at = 0;
    return true;
  }

  #receive(): boolean {
    let worked = false;
    for (;;) {
      const n = this.#toe.recv(this.#fd, this.#in, 0, CHUNK);
      if (n < 0 || (n === 0 && !this.#closed)) return worked;
      if (n === 0) break;
      this.#hashIn.update(this.#in.subarray(0, n));
      this.received += n;
      worked = true;
    }
    // End of both streams: ours was closed and the peer's has been read to its end.
    this.#toe.close(this.#fd);
    this.sent = this.#hashOut.digestHex();
    this.got = this.#hashIn.digestHex();
    this.finished = true;
    return true;
  }
}

/** Echoes every byte of every connection. */
export class RpcServer implements Application {
  readonly #toe: LibToe;
  readonly #listener: number;
  readonly #ready: number[] = [];
  readonly #buffer: Uint8Array;
  /** Bytes received and not yet sent back, per descriptor. */
  readonly #held = new Map<number, { bytes: Uint8Array; from: number; to: number }>();

  constructor(toe: LibToe, port: number, bytes: number) {
    this.#toe = toe;
    this.#buffer = new Uint8Array(bytes);
    this.#listener = must(toe.socket(), "socket");
    must(toe.bind(this.#listener, { address: "0.0.0.0", port }), "bind");
    must(toe.listen(this.#listener, 128), "listen");
  }

  run(): boolean {
    this.#accept();
    const ready = this.#ready.splice(0);
    for (const fd of ready) this.#serve(fd);
    return ready.length > 0;
  }

  #accept(): void {
    for (;;) {
      const fd = this.#toe.accept(this.#listener);
      if (fd < 0) return;
      this.#held.set(fd, { bytes: new Uint8Array(this.#buffer.length), from: 0, to: 0 });
      must(
        this.#toe.setWatcher(fd, (ready) => this.#ready.push(ready)),
        "setWatcher",
      );
      this.#ready.push(fd);
    }
  }

  #serve(fd: number): void {
    const held = this.#held.get(fd);
    if (held === undefined) return;
    for (;;) {
      if (held.from < held.to) {
        const n = this.#toe.send(fd, held.bytes, held.from, held.to - held.from);
        if (n <= 0) return;
        held.from += n;
        continue;
      }
      const n = this.#toe.recv(fd, held.bytes, 0, held.bytes.length);
      if (n === NOT_READY) return;
      if (n <= 0) {
        this.#toe.close(fd);
        this.#held.delete(fd);
        return;
      }
      held.from = 0;
      held.to = n;
    }
  }
}

interface RpcOptions {
  readonly connections: number;
  readonly bytes: number;
  readonly rounds: number;
}

interface Call {
  readonly fd: number;
  sent: number;
  got: number;
  rounds: number;
}

/** Sends a request on each connection and waits for its echo, `rounds` times. */
export class RpcClient implements Application {
  completed = 0;
  /** False once a reply differed from its request. */
  intact = true;
  readonly #toe: LibToe;
  readonly #options: RpcOptions;
  readonly #request: Uint8Array;
  readonly #reply: Uint8Array;
  readonly #calls = new Map<number, Call>();
  readonly #ready: number[] = [];
  #open: number;

  constructor(toe: LibToe, server: SocketAddress, options: RpcOptions) {
    this.#toe = toe;
    this.#options = options;
    this.#open = options.connections;
    this.#request = new Uint8Array(options.bytes).map((_, i) => (i * 7) & 255);
    this.#reply = new Uint8Array(options.bytes);
    for (let i = 0; i < options.connections; i += 1) {
      const fd = must(toe.socket(), "socket");
      this.#calls.set(fd, { fd, sent: 0, got: 0, rounds: 0 });
      toe.connect(fd, server);
      must(
        toe.setWatcher(fd, (ready) => this.#ready.push(ready)),
        "setWatcher",
      );
    }
  }

  get finished(): boolean {
    return this.#open === 0;
  }

  run(): boolean {
    const ready = this.#ready.splice(0);
    for (const fd of ready) {
      const call = this.#calls.get(fd);
      if (call !== undefined) this.#drive(call);
    }
    return ready.length > 0;
  }

  #drive(call: Call): void {
    const { bytes, rounds } = this.#options;
    for (;;) {
      if (call.sent < bytes) {
        const n = this.#toe.send(call.fd, this.#request, call.sent, bytes - call.sent);
        if (n > 0) call.sent += n;
      }
      const n = this.#toe.recv(call.fd, this.#reply, 0, bytes - call.got);
      if (n <= 0) return;
      this.#check(call.got, n);
      call.got += n;
      if (call.got < bytes) continue;
      call.sent = 0;
      call.got = 0;
      call.rounds += 1;
      this.completed += 1;
      if (call.rounds < rounds) continue;
      this.#toe.close(call.fd);
      this.#calls.delete(call.fd);
      this.#open -= 1;
      return;
    }
  }

  #check(at: number, length: number): void {
    for (let i = 0; i < length; i += 1) {
      if (this.#reply[i] !== this.#request[at + i]) this.intact = false;
    }
  }
}
