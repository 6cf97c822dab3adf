/**
 * The application of a replay: takes every connection, reads all of it, and sends as many bytes as
 * the captured server did, when it did. They are zeros: only their number matters to TCP.
 */
import { TCP_FIN, TCP_RST } from "../../bindings/abi/tcp.ts";
import type { EpollEvent } from "../../host/libtoe/epoll.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { SocketAddress } from "../../host/libtoe/calls.ts";
import { nameOf, type Target } from "./survey.ts";

interface Conversation {
  readonly fd: number;
  readonly name: string;
  /** Bytes the captured server has sent so far, and we. */
  wanted: number;
  sent: number;
  /** The captured server's FIN, and the peer's. */
  ends: boolean;
  ended: boolean;
}

const READ_BYTES = 65_536;
const BACKLOG = 1024;
const EVENTS = 64;
/** As large as servers have them. */
const BUFFER_BYTES = 1024 * 1024;
/** More than any window holds. */
const WINDOW_MAX = 2 ** 30;
const EDGES = C.EPOLLIN | C.EPOLLOUT | C.EPOLLET;

/** A connection of the host that the stack is. */
export const connectionName = (port: number, peer: string, peerPort: number): string =>
  `${port} ${nameOf(peer, peerPort)}`;

/** Bytes that a stream of `wanted` so far lacks of `offset`, which is modulo 2^32; 0: it is old. */
export function bytesAhead(offset: number, wanted: number): number {
  const more = (offset - wanted) >>> 0;
  return more < WINDOW_MAX ? more : 0;
}

export class ReplayServer {
  accepted = 0;
  /** Bytes of payload that the stack has handed over. */
  received = 0;
  readonly #toe: LibToe;
  readonly #listeners = new Set<number>();
  readonly #epoll: number;
  readonly #events: EpollEvent[] = [];
  readonly #conversations = new Map<number, Conversation>();
  readonly #byName = new Map<string, Conversation>();
  readonly #room = new Uint8Array(READ_BYTES);
  readonly #zeros = new Uint8Array(READ_BYTES);

  constructor(toe: LibToe, { address, ports }: Target) {
    this.#toe = toe;
    this.#epoll = must(toe.epollCreate(), "epollCreate");
    for (const port of ports) this.#listen(address, port);
  }

  #listen(address: string, port: number): void {
    const toe = this.#toe;
    const fd = must(toe.socket(address.includes(":") ? C.AF_INET6 : C.AF_INET), "socket");
    const set = (level: number, name: number, value: number | string): void => {
      must(toe.setsockopt(fd, level, name, value), "setsockopt");
    };
    // When and how much is sent the capture has decided, and what a window has room for.
    set(C.IPPROTO_TCP, C.TCP_CONGESTION, "none");
    set(C.IPPROTO_TCP, C.TCP_NODELAY, 1);
    set(C.SOL_SOCKET, C.SO_SNDBUF, BUFFER_BYTES);
    set(C.SOL_SOCKET, C.SO_RCVBUF, BUFFER_BYTES);
    must(toe.bind(fd, { address, port }), "bind");
    must(toe.listen(fd, BACKLOG), "listen");
    this.#listeners.add(fd);
    must(toe.epollCtl(this.#epoll, C.EPOLL_CTL_ADD, fd, { events: C.EPOLLIN }), "epollCtl");
  }

  /**
   * The captured server has sent a segment of a connection, which ends `offset` bytes behind the
   * first one in sequence numbers.
   */
  said(name: string, offset: number, flags: number): void {
    const one = this.#byName.get(name);
    if (one === undefined) return;
    if ((flags & TCP_RST) !== 0) {
      this.#toe.abort(one.fd);
      this.#forget(one);
      return;
    }
    one.wanted += bytesAhead(offset, one.wanted);
    one.ends ||= (flags & TCP_FIN) !== 0;
    this.#send(one);
  }

  /** What can be done now. */
  run(): void {
    const count = this.#toe.epollWait(this.#epoll, this.#events, EVENTS);
    for (let i = 0; i < count; i += 1) {
      const { data, events } = this.#events[i] as EpollEvent;
      const one = this.#conversations.get(data as number);
      if (one !== undefined) this.#read(one, events);
      else if (this.#listeners.has(data as number)) this.#accept(data as number);
    }
  }

  #accept(listener: number): void {
    for (;;) {
      const fd = this.#toe.accept(listener);
      if (fd < 0) return;
      this.accepted += 1;
      const { port } = this.#toe.getsockname(fd) as SocketAddress;
      const peer = this.#toe.getpeername(fd) as SocketAddress;
      const name = connectionName(port, peer.address, peer.port);
      const one = { fd, name, wanted: 0, sent: 0, ends: false, ended: false };
      this.#conversations.set(fd, one);
      this.#byName.set(name, one);
      this.#toe.epollCtl(this.#epoll, C.EPOLL_CTL_ADD, fd, { events: EDGES });
      // What came with the handshake.
      this.#read(one, 0);
    }
  }

  #read(one: Conversation, events: number): void {
    for (;;) {
      const bytes = this.#toe.recv(one.fd, this.#room);
      if (bytes <= 0) {
        one.ended ||= bytes === 0;
        break;
      }
      this.received += bytes;
    }
    if ((events & (C.EPOLLERR | C.EPOLLHUP)) !== 0) this.#close(one);
    else this.#send(one);
  }

  #send(one: Conversation): void {
    while (one.sent < one.wanted) {
      const bytes = Math.min(one.wanted - one.sent, READ_BYTES);
      const sent = this.#toe.send(one.fd, this.#zeros, 0, bytes);
      if (sent <= 0) return;
      one.sent += sent;
    }
    if (!one.ends) return;
    if (one.ended) this.#close(one);
    else this.#toe.shutdown(one.fd, C.SHUT_WR);
  }

  #close(one: Conversation): void {
    this.#toe.close(one.fd);
    this.#forget(one);
  }

  #forget(one: Conversation): void {
    this.#conversations.delete(one.fd);
    if (this.#byName.get(one.name) === one) this.#byName.delete(one.name);
  }
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`replay: expected ${what} to succeed, got errno ${-result}`);
  return result;
}
