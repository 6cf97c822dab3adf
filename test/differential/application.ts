/**
 * The application of a script: its calls on the system under test, which never wait. Sockets have
 * names: `listener`, and the connection, made by accept or connect. What is read is compared with
 * the peer's stream.
 */
import { errnoName } from "../../host/errors.ts";
import type { SocketAddress } from "../../host/libtoe/calls.ts";
import * as C from "../../host/libtoe/constants.ts";
import { streamByte } from "../../host/packetdrill/flow.ts";
import type { Endpoints } from "./peer.ts";

/** The calls of a system; a negative number is a negative errno. */
export interface SocketCalls {
  socket(domain: number, type: number): number;
  bind(fd: number, local: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number, flags: number): number;
  connect(fd: number, remote: SocketAddress): number;
  send(fd: number, bytes: Uint8Array, flags: number): number;
  recv(fd: number, bytes: Uint8Array, flags: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  setsockopt(fd: number, level: number, name: number, value: number): number;
  /** onoff and seconds. */
  setLinger(fd: number, seconds: number): number;
  /** What SO_ERROR holds, an errno; reading takes it away. */
  takeError(fd: number): number;
  /** Bits of POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP. */
  poll(fd: number): number;
}

interface Answer {
  readonly text: string;
  /** Bytes that a send has taken. */
  readonly wrote: number;
}

const HOW = ["rd", "wr", "rdwr"];
/** Names of options in scripts. */
const OPTIONS: Readonly<Record<string, readonly [level: number, name: number]>> = {
  nodelay: [C.IPPROTO_TCP, C.TCP_NODELAY],
  cork: [C.IPPROTO_TCP, C.TCP_CORK],
  maxseg: [C.IPPROTO_TCP, C.TCP_MAXSEG],
  quickack: [C.IPPROTO_TCP, C.TCP_QUICKACK],
  keepidle: [C.IPPROTO_TCP, C.TCP_KEEPIDLE],
  keepintvl: [C.IPPROTO_TCP, C.TCP_KEEPINTVL],
  keepcnt: [C.IPPROTO_TCP, C.TCP_KEEPCNT],
  syncnt: [C.IPPROTO_TCP, C.TCP_SYNCNT],
  linger2: [C.IPPROTO_TCP, C.TCP_LINGER2],
  usertimeout: [C.IPPROTO_TCP, C.TCP_USER_TIMEOUT],
  keepalive: [C.SOL_SOCKET, C.SO_KEEPALIVE],
  reuseaddr: [C.SOL_SOCKET, C.SO_REUSEADDR],
  rcvbuf: [C.SOL_SOCKET, C.SO_RCVBUF],
  sndbuf: [C.SOL_SOCKET, C.SO_SNDBUF],
};
const EVENTS: readonly (readonly [string, number])[] = [
  ["in", C.POLLIN],
  ["out", C.POLLOUT],
  ["err", C.POLLERR],
  ["hup", C.POLLHUP],
  ["rdhup", C.POLLRDHUP],
];
const BACKLOG = 8;

function resultText(result: number): string {
  return result < 0 ? errnoName(-result) : `${result}`;
}

/** A descriptor's number is the system's own affair. */
function descriptorText(result: number): string {
  return result < 0 ? errnoName(-result) : "a socket";
}

export class Application {
  readonly #calls: SocketCalls;
  readonly #ends: Endpoints;
  #listener = -1;
  #connection = -1;
  #written = 0;
  #read = 0;
  readonly #open = new Set<number>();

  constructor(calls: SocketCalls, ends: Endpoints) {
    this.#calls = calls;
    this.#ends = ends;
  }

  /** Makes the call of a step. */
  call(words: readonly string[]): Answer {
    const [name = "", ...args] = words;
    if (name === "send") return this.#send(args);
    const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
    if (rule === undefined) throw new RangeError(`expected a call, got ${words.join(" ")}`);
    return { text: rule(this, args), wrote: 0 };
  }

  /** Closes what is open, with a reset where there is a connection. */
  end(): void {
    for (const fd of [...this.#open]) {
      this.#calls.setLinger(fd, 0);
      this.#forget(fd);
    }
  }

  #forget(fd: number): number {
    this.#open.delete(fd);
    return this.#calls.close(fd);
  }

  #socket(): number {
    const fd = this.#calls.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK);
    if (fd < 0) throw new Error(`socket: expected a descriptor, got ${resultText(fd)}`);
    this.#open.add(fd);
    this.#calls.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
    const { local, localPort } = this.#ends;
    const bound = this.#calls.bind(fd, addressOf(local, localPort));
    if (bound < 0) throw new Error(`bind: expected 0, got ${resultText(bound)}`);
    return fd;
  }

  /** The socket that is not connected yet is the listener or the one to connect. */
  #current(): number {
    if (this.#connection >= 0) return this.#connection;
    if (this.#listener < 0) this.#listener = this.#socket();
    return this.#listener;
  }

  listen(): string {
    return resultText(this.#calls.listen(this.#current(), BACKLOG));
  }

  accept(): string {
    const fd = this.#calls.accept(this.#listener, C.SOCK_NONBLOCK);
    if (fd >= 0) {
      this.#open.add(fd);
      this.#connection = fd;
    }
    return descriptorText(fd);
  }

  connect(): string {
    if (this.#connection < 0) {
      this.#connection = this.#listener < 0 ? this.#socket() : this.#listener;
      this.#listener = -1;
    }
    const { remote, remotePort } = this.#ends;
    return resultText(this.#calls.connect(this.#connection, addressOf(remote, remotePort)));
  }

  #send(args: readonly string[]): Answer {
    const length = Number(args[0]);
    const from = this.#written;
    const bytes = Uint8Array.from({ length }, (_, i) => streamByte(from + i));
    const flags = C.MSG_NOSIGNAL | (args.includes("more") ? C.MSG_MORE : 0);
    const sent = this.#calls.send(this.#connection, bytes, flags);
    if (sent > 0) this.#written += sent;
    return { text: resultText(sent), wrote: Math.max(0, sent) };
  }

  recv(args: readonly string[]): string {
    const bytes = new Uint8Array(Number(args[0]));
    const isPeek = args.includes("peek");
    const got = this.#calls.recv(this.#connection, bytes, isPeek ? C.MSG_PEEK : 0);
    if (got <= 0) return resultText(got);
    const wrong = bytes.subarray(0, got).findIndex((byte, i) => {
      return byte !== streamByte(this.#read + i);
    });
    const at = this.#read + wrong;
    if (!isPeek) this.#read += got;
    return wrong < 0 ? `${got}` : `${got}, wrong from byte ${at}`;
  }

  shutdown(args: readonly string[]): string {
    return resultText(this.#calls.shutdown(this.#connection, HOW.indexOf(args[0] ?? "")));
  }

  close(args: readonly string[]): string {
    if (args[0] === "listener") return resultText(this.#forget(this.#listener));
    return resultText(this.#forget(this.#connection));
  }

  set(args: readonly string[]): string {
    const [name = "", value = ""] = args;
    if (name === "linger") {
      return resultText(this.#calls.setLinger(this.#current(), Number(value)));
    }
    const option = OPTIONS[name];
    if (option === undefined) throw new RangeError(`expected an option, got ${name}`);
    return resultText(this.#calls.setsockopt(this.#current(), ...option, Number(value)));
  }

  error(): string {
    const errno = this.#calls.takeError(this.#connection);
    return errno === 0 ? "0" : errnoName(errno);
  }

  poll(): string {
    const events = this.#calls.poll(this.#connection);
    const names = EVENTS.filter(([, bit]) => (events & bit) !== 0).map(([name]) => name);
    return names.join(" ") || "nothing";
  }
}

function addressOf(address: number, port: number): SocketAddress {
  return { address: addressText(address), port };
}

/** Dotted text of an address. */
export function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

const RULES: Readonly<Record<string, (a: Application, args: readonly string[]) => string>> = {
  listen: (a) => a.listen(),
  accept: (a) => a.accept(),
  connect: (a) => a.connect(),
  recv: (a, args) => a.recv(args),
  shutdown: (a, args) => a.shutdown(args),
  close: (a, args) => a.close(args),
  set: (a, args) => a.set(args),
  error: (a) => a.error(),
  poll: (a) => a.poll(),
};
