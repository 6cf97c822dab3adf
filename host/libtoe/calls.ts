/**
 * The POSIX-like calls on integer descriptors. Every call answers at once with a non-negative
 * result or a negative errno and throws for no run-time condition; what Linux would wait for is
 * -EAGAIN here and has an awaitable form (awaitable.ts).
 *
 * Invariant: a descriptor that was closed, or never opened, answers -EBADF (threats U01-U03).
 */
import { AddressCache, formatAddress, formatMapped, isIpv4, parseAddress } from "../address.ts";
import type { Endpoint } from "../control-plane/interface.ts";
import { ERRNO } from "../errors.ts";
import { closeSocket } from "./close-socket.ts";
import type { Connections } from "./connections.ts";
import * as C from "./constants.ts";
import { type EpollEvent, EpollInstance } from "./epoll.ts";
import { getOption, type OptionResult, type OptionValue, setOption } from "./options.ts";
import { pollDescriptors, type PollEntry } from "./poll.ts";
import { shutdownReceive } from "./shutdown-receive.ts";
import { ANYTHING, type DescriptorTable, readiness, Socket } from "./socket.ts";
import { SOCKET_CONNECTED, SOCKET_CONNECTING, SOCKET_EPOLL, SOCKET_IDLE } from "./socket.ts";
import { FLAG_IPV6, SOCKET_LISTENING, type Watcher } from "./socket.ts";
import { isRange, rangeError, receive, receiveSpans, transmit, transmitSpans } from "./transfer.ts";

/**
 * struct sockaddr_in or sockaddr_in6: an address and a port in host order. IPv4 is dotted text on a
 * socket of AF_INET, `::ffff:a.b.c.d` on one of AF_INET6; IPv6 is any form of RFC 4291 in, that of
 * RFC 5952 out.
 */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** Linux's SOMAXCONN. */
const BACKLOG_MAX = 4096;
/** 0.0.0.0, port chosen by the control plane. */
const UNBOUND: Endpoint = { address: parseAddress("0.0.0.0") as Uint8Array, port: 0 };
/** The same of AF_INET6: "::". */
const UNBOUND_IPV6: Endpoint = { address: new Uint8Array(16), port: 0 };

function toEndpoint(from: SocketAddress, cache: AddressCache, socket: Socket): Endpoint | number {
  if (typeof from !== "object" || from === null) return -ERRNO.EFAULT;
  const { address, port } = from;
  if (typeof address !== "string" || !Number.isInteger(port)) return -ERRNO.EINVAL;
  if (port < 0 || port > 65535) return -ERRNO.EINVAL;
  const known = cache.parse(address);
  // A text of the other family: Linux looks at the sockaddr's family first.
  if (known === undefined) {
    return !socket.isIpv6 && address.includes(":") ? -ERRNO.EAFNOSUPPORT : -ERRNO.EINVAL;
  }
  return known.isIpv6 === socket.isIpv6 ? { address: known.bytes, port } : -ERRNO.EAFNOSUPPORT;
}

function toSocketAddress(from: Endpoint, socket: Socket): SocketAddress {
  const format = socket.isIpv6 ? formatMapped : formatAddress;
  return { address: format(from.address), port: from.port };
}

function unbound(socket: Socket): Endpoint {
  return socket.isIpv6 ? UNBOUND_IPV6 : UNBOUND;
}

/** IPv4 on a socket that IPV6_V6ONLY keeps from it. */
function isForeign(socket: Socket, endpoint: Endpoint): boolean {
  return socket.isIpv6 && socket.options.ipv6Only && isIpv4(endpoint.address);
}

export class SocketCalls {
  /** For the awaitable forms in this folder; not part of the API. */
  readonly internals: Connections;
  readonly #table: DescriptorTable;
  readonly #addresses = new AddressCache();

  constructor(internals: Connections) {
    this.internals = internals;
    this.#table = internals.table;
  }

  /** A descriptor, or -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EMFILE. */
  socket(domain = C.AF_INET, type = C.SOCK_STREAM, protocol = 0): number {
    if (domain !== C.AF_INET && domain !== C.AF_INET6) return -ERRNO.EAFNOSUPPORT;
    const kind = type & ~(C.SOCK_NONBLOCK | C.SOCK_CLOEXEC);
    if (kind !== C.SOCK_STREAM) return -ERRNO.ESOCKTNOSUPPORT;
    if (protocol !== 0 && protocol !== C.IPPROTO_TCP) return -ERRNO.EPROTONOSUPPORT;
    const socket = new Socket(this.internals.defaults.share());
    socket.flags = (type & C.SOCK_NONBLOCK) | (domain === C.AF_INET6 ? FLAG_IPV6 : 0);
    return this.#table.open(socket);
  }

  /** 0 or a negative errno. The port is taken by listen() or connect(), which say EADDRINUSE. */
  bind(fd: number, local: SocketAddress): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    const endpoint = toEndpoint(local, this.#addresses, socket);
    if (typeof endpoint === "number") return endpoint;
    if (isForeign(socket, endpoint)) return -ERRNO.EINVAL;
    if (socket.state !== SOCKET_IDLE || socket.bound !== undefined) return -ERRNO.EINVAL;
    socket.bound = endpoint;
    return 0;
  }

  /** 0 or a negative errno; -EADDRINUSE when the port is another listener's. */
  listen(fd: number, backlog = 128): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    if (!Number.isInteger(backlog)) return -ERRNO.EINVAL;
    if (socket.state === SOCKET_LISTENING) return 0;
    if (socket.state !== SOCKET_IDLE) return -ERRNO.EINVAL;
    const { internals } = this;
    const listener = internals.control.listen({
      local: socket.bound ?? unbound(socket),
      backlog: Math.min(Math.max(backlog, 1), BACKLOG_MAX),
      options: socket.options,
      context: internals.contextIndex,
    });
    if (listener <= 0) return listener === 0 ? -ERRNO.EADDRINUSE : listener;
    internals.listening(socket, listener);
    return 0;
  }

  /** The descriptor of an established connection, -EAGAIN when none waits, or another errno. */
  accept(fd: number, flags = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    if (socket.state !== SOCKET_LISTENING) return -ERRNO.EINVAL;
    if ((flags & ~(C.SOCK_NONBLOCK | C.SOCK_CLOEXEC)) !== 0) return -ERRNO.EINVAL;
    if (this.#table.full()) return -ERRNO.EMFILE;
    const { control } = this.internals;
    const connection = control.accept(socket.listener);
    socket.own().acceptable = connection > 0 && control.acceptable(socket.listener) > 0;
    if (connection <= 0) return connection === 0 ? -ERRNO.EAGAIN : connection;
    const child = this.internals.accepted(connection);
    if (child === undefined) return -ERRNO.ECONNABORTED;
    child.options = socket.options.share();
    child.flags = (flags & C.SOCK_NONBLOCK) | (socket.flags & FLAG_IPV6);
    return this.#table.open(child);
  }

  /**
   * Starts an active open: -EINPROGRESS; then writable, and SO_ERROR says how it went. Called
   * again: -EALREADY while it lasts, then -EISCONN or, once, its error.
   */
  connect(fd: number, remote: SocketAddress): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    const endpoint = toEndpoint(remote, this.#addresses, socket);
    if (typeof endpoint === "number") return endpoint;
    if (isForeign(socket, endpoint)) return -ERRNO.ENETUNREACH;
    if (endpoint.port === 0) return -ERRNO.EINVAL;
    if (socket.state === SOCKET_CONNECTING) return -ERRNO.EALREADY;
    if (socket.state === SOCKET_LISTENING) return -ERRNO.EINVAL;
    if (socket.state !== SOCKET_IDLE) return -ERRNO.EISCONN;
    if (socket.error !== 0) return -socket.takeError();
    return this.#open(socket, endpoint);
  }

  #open(socket: Socket, remote: Endpoint): number {
    const { internals } = this;
    const { bound, options } = socket;
    const context = internals.contextIndex;
    const connection = internals.control.open({ local: bound, remote, options, context });
    if (connection <= 0) return connection === 0 ? -ERRNO.EADDRNOTAVAIL : connection;
    internals.opening(socket, connection);
    internals.kick();
    return -ERRNO.EINPROGRESS;
  }

  /**
   * Appends bytes to the stream: how many, possibly fewer than asked; -EAGAIN when the buffer is
   * full, -EPIPE after the end, -ECONNRESET once after a reset. MSG_MORE holds them back.
   */
  send(fd: number, buffer: Uint8Array, offset = 0, length?: number, flags = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (!(buffer instanceof Uint8Array)) return -ERRNO.EFAULT;
    const count = length === undefined ? buffer.length - offset : length;
    if (!isRange(buffer, offset, count)) return rangeError(buffer, offset, count);
    return transmit(this.internals, socket, buffer, offset, count, flags);
  }

  /**
   * Reads bytes: how many; 0 at the end of the stream; -EAGAIN when there are none, -ECONNRESET
   * once after a reset. MSG_PEEK leaves them, MSG_TRUNC drops them uncopied.
   */
  recv(fd: number, buffer: Uint8Array, offset = 0, length?: number, flags = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (!(buffer instanceof Uint8Array)) return -ERRNO.EFAULT;
    const count = length === undefined ? buffer.length - offset : length;
    if (!isRange(buffer, offset, count)) return rangeError(buffer, offset, count);
    return receive(this.internals, socket, buffer, offset, count, flags);
  }

  /** send() without flags. */
  write(fd: number, buffer: Uint8Array): number {
    return this.send(fd, buffer);
  }

  /** recv() without flags. */
  read(fd: number, buffer: Uint8Array): number {
    return this.recv(fd, buffer);
  }

  /** Gathers up to 1,024 spans: bytes appended, as send(). */
  sendmsg(fd: number, spans: readonly Uint8Array[], flags = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    return transmitSpans(this.internals, socket, spans, flags);
  }

  /** Scatters over up to 1,024 spans: bytes read, as recv(). */
  recvmsg(fd: number, spans: readonly Uint8Array[], flags = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    return receiveSpans(this.internals, socket, spans, flags);
  }

  /** sendmsg() without flags. */
  writev(fd: number, spans: readonly Uint8Array[]): number {
    return this.sendmsg(fd, spans);
  }

  /** recvmsg() without flags. */
  readv(fd: number, spans: readonly Uint8Array[]): number {
    return this.recvmsg(fd, spans);
  }

  /** 0, -ENOTCONN or -EINVAL. SHUT_WR sends FIN; SHUT_RD drops what waits and what arrives. */
  shutdown(fd: number, how: number): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    if (how !== C.SHUT_RD && how !== C.SHUT_WR && how !== C.SHUT_RDWR) return -ERRNO.EINVAL;
    if (socket.state !== SOCKET_CONNECTED) return -ERRNO.ENOTCONN;
    if (how !== C.SHUT_WR) shutdownReceive(this.internals, socket);
    if (how !== C.SHUT_RD) this.internals.shutdownSend(socket);
    return 0;
  }

  /**
   * 0 or -EBADF. FIN after what was appended; RST instead when bytes were left unread (RFC 9293
   * SHLD-3) or SO_LINGER is {1, 0}. The control plane brings the connection to its end.
   *
   * SO_LINGER {1, n > 0} changes nothing here: no call of these ever waits, as if O_NONBLOCK were
   * set on every descriptor, and what was written is delivered by the orphan. Differs from Linux,
   * whose close() lingers with O_NONBLOCK too; who wants to wait has closeAsync().
   */
  close(fd: number): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    closeSocket(this.internals, socket);
    return 0;
  }

  /** Closes with RST in any state: 0 or -EBADF. */
  abort(fd: number): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    this.internals.abort(socket, 0);
    closeSocket(this.internals, socket);
    return 0;
  }

  /** 0, -ENOPROTOOPT, -EINVAL or -ENOENT. Units are Linux's; SO_RCVTIMEO and SO_SNDTIMEO in ms. */
  setsockopt(fd: number, level: number, name: number, value: OptionValue): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    return setOption(this.internals, socket, level, name, value);
  }

  /** The value (SO_LINGER and TCP_INFO: an object, TCP_CONGESTION: text), or -ENOPROTOOPT. */
  getsockopt(fd: number, level: number, name: number): OptionResult {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    return getOption(this.internals, socket, level, name);
  }

  /** The local address, 0.0.0.0 and 0 where nothing is chosen yet, or a negative errno. */
  getsockname(fd: number): SocketAddress | number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    const { control } = this.internals;
    const { local } = socket.rare;
    if (local !== undefined) return toSocketAddress(local, socket);
    if (socket.connection !== 0) return toSocketAddress(control.local(socket.connection), socket);
    const bound = socket.bound ?? unbound(socket);
    if (socket.state !== SOCKET_LISTENING) return toSocketAddress(bound, socket);
    const port = control.listenerPort(socket.listener);
    return toSocketAddress({ address: bound.address, port }, socket);
  }

  /** The remote address, or -ENOTCONN. */
  getpeername(fd: number): SocketAddress | number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    const { control } = this.internals;
    if (socket.row !== 0) return toSocketAddress(control.remote(socket.connection), socket);
    const { remote } = socket.rare;
    return remote === undefined ? -ERRNO.ENOTCONN : toSocketAddress(remote, socket);
  }

  /** F_GETFL and F_SETFL (O_NONBLOCK is kept and changes nothing: no call waits). */
  fcntl(fd: number, command: number, argument = 0): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (command === C.F_GETFL) return C.O_RDWR | (socket.flags & C.O_NONBLOCK);
    if (command !== C.F_SETFL || !Number.isInteger(argument)) return -ERRNO.EINVAL;
    socket.flags = (argument & C.O_NONBLOCK) | (socket.flags & FLAG_IPV6);
    return 0;
  }

  /** Sets each entry's `revents`; how many entries have one. */
  pollFds(entries: PollEntry[]): number {
    return pollDescriptors(this.#table, entries);
  }

  /** An epoll descriptor, or -EMFILE. */
  epollCreate(flags = 0): number {
    if ((flags & ~C.SOCK_CLOEXEC) !== 0) return -ERRNO.EINVAL;
    const socket = new Socket(this.internals.defaults.share());
    socket.state = SOCKET_EPOLL;
    socket.own().epoll = new EpollInstance(socket);
    return this.#table.open(socket);
  }

  /** 0, -EBADF, -EINVAL (not an epoll descriptor, or one to watch), -EEXIST, -ENOENT. */
  epollCtl(epfd: number, operation: number, fd: number, event?: EpollEvent): number {
    const epoll = this.#table.get(epfd);
    const socket = this.#table.get(fd);
    if (epoll === undefined || socket === undefined) return -ERRNO.EBADF;
    const instance = epoll.rare.epoll;
    if (instance === undefined || socket.state === SOCKET_EPOLL) return -ERRNO.EINVAL;
    return instance.control(operation, socket, event);
  }

  /** Fills `events` with what is ready now, at most `most`; how many. */
  epollWait(epfd: number, events: EpollEvent[], most = 64): number {
    const epoll = this.#table.get(epfd);
    if (epoll === undefined) return -ERRNO.EBADF;
    const instance = epoll.rare.epoll;
    if (instance === undefined) return -ERRNO.EINVAL;
    if (!Array.isArray(events)) return -ERRNO.EFAULT;
    if (!Number.isInteger(most) || most < 1) return -ERRNO.EINVAL;
    return instance.wait(events, most);
  }

  /**
   * A hook that poll() calls with the POLL* bits that hold, after each change of the descriptor;
   * undefined takes it away. It may use any call; one that throws resets its connection. One that
   * does not return cannot be ended: its stack stands still meanwhile, but for stages on threads,
   * which go on with what was flushed.
   */
  setWatcher(fd: number, watcher: Watcher | undefined): number {
    const socket = this.#table.get(fd);
    if (socket === undefined) return -ERRNO.EBADF;
    if (socket.state === SOCKET_EPOLL) return -C.ENOTSOCK;
    if (watcher !== undefined && typeof watcher !== "function") return -ERRNO.EFAULT;
    socket.watcher = watcher;
    if (watcher !== undefined && readiness(socket) !== 0) {
      this.internals.touch(socket, ANYTHING);
      this.internals.kick();
    }
    return 0;
  }
}
