/**
 * The program over the stack in a case of the matrix: one socket, opened one way or the other, and
 * what it has been told. Calls never wait.
 */
import { ERRNO } from "../../../host/errors.ts";
import type { SocketAddress } from "../../../host/libtoe/calls.ts";
import * as C from "../../../host/libtoe/constants.ts";
import type { LibToe } from "../../../host/libtoe/libtoe.ts";
import type { Signal } from "./table/types.ts";

/** What the calls say that they have not said before. */
export interface Told {
  readonly signal: readonly Signal[];
  /** Bytes received. */
  readonly accepted: number;
  readonly urgent: boolean;
}

const NONE = -1;
/** No news: nothing there, or not connected (yet, or any more). */
const NO_NEWS: readonly number[] = [-ERRNO.EAGAIN, -ERRNO.ENOTCONN];

export class Application {
  readonly #toe: LibToe;
  readonly #buffer = new Uint8Array(4096);
  #listener = NONE;
  #fd = NONE;
  #isConnecting = false;
  #isEnded = false;
  #isGone = false;

  constructor(toe: LibToe) {
    this.#toe = toe;
  }

  /** The program has closed its descriptor. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get isListening(): boolean {
    if (this.#listener === NONE) return false;
    return this.#toe.getsockopt(this.#listener, C.SOL_SOCKET, C.SO_ACCEPTCONN) === 1;
  }

  listen(port: number): void {
    this.#listener = this.#socket(port);
    this.#must("listen", this.#toe.listen(this.#listener));
  }

  connect(port: number, remote: SocketAddress): void {
    this.#fd = this.#socket(port);
    const result = this.#toe.connect(this.#fd, remote);
    if (result !== -ERRNO.EINPROGRESS)
      throw new Error(`connect: expected EINPROGRESS, got ${result}`);
    this.#isConnecting = true;
  }

  accept(): void {
    this.#fd = this.#must("accept", this.#toe.accept(this.#listener, C.SOCK_NONBLOCK));
  }

  send(bytes: Uint8Array): void {
    const sent = this.#must("send", this.#toe.send(this.#fd, bytes));
    if (sent !== bytes.length) throw new Error(`send: expected ${bytes.length}, got ${sent}`);
  }

  leave(how: "shutdown" | "close"): void {
    if (how === "shutdown") {
      this.#must("shutdown", this.#toe.shutdown(this.#fd, C.SHUT_WR));
      return;
    }
    this.#must("close", this.#toe.close(this.#fd));
    this.#isGone = true;
  }

  /** Asks for everything there is to be told. */
  look(): Told {
    if (this.#isGone) return { signal: [], accepted: 0, urgent: false };
    const signal: Signal[] = [];
    if (this.#opened()) signal.push("open");
    const failed = this.#fd === NONE ? 0 : this.#error();
    const accepted = failed === 0 ? this.#receive(signal) : 0;
    if (failed !== 0) signal.push(named(failed));
    return { signal, accepted, urgent: (this.#ready() & C.POLLPRI) !== 0 };
  }

  #socket(port: number): number {
    const fd = this.#must("socket", this.#toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK));
    this.#must("bind", this.#toe.bind(fd, { address: "10.0.0.1", port }));
    return fd;
  }

  #must(call: string, result: number): number {
    if (result < 0) throw new Error(`${call}: expected success, got ${result}`);
    return result;
  }

  #ready(): number {
    const entry = { fd: this.#fd, events: C.POLLIN | C.POLLOUT | C.POLLPRI, revents: 0 };
    this.#toe.pollFds([entry]);
    return entry.revents;
  }

  #opened(): boolean {
    if (this.#isConnecting) {
      const isOpen = (this.#ready() & (C.POLLOUT | C.POLLERR)) === C.POLLOUT;
      if (isOpen) this.#isConnecting = false;
      return isOpen;
    }
    if (this.#fd !== NONE || this.#listener === NONE) return false;
    const fd = this.#toe.accept(this.#listener, C.SOCK_NONBLOCK);
    if (fd < 0) return false;
    this.#fd = fd;
    return true;
  }

  #error(): number {
    const value = this.#toe.getsockopt(this.#fd, C.SOL_SOCKET, C.SO_ERROR);
    if (typeof value !== "number") throw new Error("SO_ERROR: expected a number");
    return value;
  }

  #receive(signal: Signal[]): number {
    let accepted = 0;
    while (this.#fd !== NONE && !this.#isConnecting) {
      const result = this.#toe.recv(this.#fd, this.#buffer);
      if (result > 0) {
        accepted += result;
        continue;
      }
      if (result === 0 && !this.#isEnded) signal.push("connection closing");
      if (result === 0) this.#isEnded = true;
      else if (!NO_NEWS.includes(result)) signal.push(named(-result));
      break;
    }
    return accepted;
  }
}

function named(error: number): Signal {
  if (error === ERRNO.ECONNREFUSED) return "connection refused";
  if (error === ERRNO.ECONNRESET) return "connection reset";
  throw new Error(`error: expected ECONNREFUSED or ECONNRESET, got ${error}`);
}
