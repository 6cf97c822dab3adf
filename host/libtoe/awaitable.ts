/**
 * Awaitable forms: a call that would wait on Linux becomes a promise that is settled by a later
 * poll(). They try the plain call, wait for readiness, and try again; errors are SocketError.
 *
 * Invariants: one outcome per promise (threats U12); a waiter is told from poll() only, so the
 * application's code runs after the batch; a closed descriptor rejects its waiters with EBADF.
 */
import { ERRNO, SocketError } from "../errors.ts";
import type { SocketAddress, SocketCalls } from "./calls.ts";
import * as C from "./constants.ts";
import { Deadline } from "./deadline.ts";
import type { EpollEvent } from "./epoll.ts";
import type { PollEntry } from "./poll.ts";
import { addObserver, type Observer, removeObserver, type Socket } from "./socket.ts";
import { SOCKET_CONNECTED, SOCKET_CONNECTING } from "./socket.ts";

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds; then the call rejects with ETIMEDOUT. Needs poll(now). */
  readonly timeout?: number;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Flags of send and recv beside how long to wait. */
export interface TransferOptions extends WaitOptions {
  readonly flags?: number;
}

type Condition = (socket: Socket, events: number) => boolean;

/** What ends a wait when readiness does not. */
interface Limits {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds; 0 or less = none. */
  readonly timeout: number;
  /** Errno of the rejection when the time has passed. */
  readonly timeoutError: number;
  /**
   * Asked when either would end the wait, and takes back what was begun: at once, for the promise's
   * own code may run some polls later. False: what is waited for has come, and is told next.
   */
  readonly givesUp?: () => boolean;
}

/** One promise over one or several sockets. */
class Waiter implements Observer {
  readonly promise: Promise<void>;
  readonly #calls: SocketCalls;
  readonly #sockets: readonly Socket[];
  readonly #condition: Condition;
  readonly #syscall: string;
  readonly #signal: AbortSignal | undefined;
  #deadline: Deadline | undefined;
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;
  #done = false;
  readonly #givesUp: (() => boolean) | undefined;
  readonly #onAbort = (): void => this.#giveUp(this.#signal?.reason);

  constructor(
    calls: SocketCalls,
    syscall: string,
    sockets: readonly Socket[],
    condition: Condition,
    limits: Limits,
  ) {
    this.#calls = calls;
    this.#syscall = syscall;
    this.#sockets = sockets;
    this.#condition = condition;
    this.#signal = limits.signal;
    this.#givesUp = limits.givesUp;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    for (const socket of sockets) addObserver(socket, this);
    limits.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (limits.timeout > 0) this.#limit(limits);
  }

  #limit({ timeout, timeoutError }: Limits): void {
    const fire = (): void => this.#giveUp(new SocketError(this.#syscall, timeoutError));
    this.#deadline = new Deadline(timeout, fire);
    this.#calls.internals.deadlines.add(this.#deadline);
    // The time starts with the next poll: ask for one.
    this.#calls.internals.kick();
  }

  ready(socket: Socket, events: number): boolean {
    if (this.#done) return false;
    if (!this.#condition(socket, events)) return true;
    this.#finish(socket);
    this.#resolve();
    return false;
  }

  gone(): void {
    this.#fail(new SocketError(this.#syscall, ERRNO.EBADF));
  }

  #giveUp(reason: unknown): void {
    if (!this.#done && this.#givesUp?.() !== false) this.#fail(reason);
  }

  #fail(reason: unknown): void {
    if (this.#done) return;
    this.#finish(undefined);
    this.#reject(reason);
  }

  /** `within` is the socket whose observers are being told; it drops this one itself. */
  #finish(within: Socket | undefined): void {
    this.#done = true;
    for (const socket of this.#sockets) if (socket !== within) removeObserver(socket, this);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#deadline !== undefined) this.#calls.internals.deadlines.cancel(this.#deadline);
  }
}

function limitsOf(options: WaitOptions, ownTimeout = 0): Limits {
  const { signal, timeout } = options;
  // SO_RCVTIMEO and SO_SNDTIMEO end as a call without waiting would: EAGAIN.
  if (timeout === undefined) return { signal, timeout: ownTimeout, timeoutError: ERRNO.EAGAIN };
  return { signal, timeout, timeoutError: ERRNO.ETIMEDOUT };
}

function wait(
  calls: SocketCalls,
  syscall: string,
  socket: Socket,
  condition: Condition,
  limits: Limits,
): Promise<void> {
  limits.signal?.throwIfAborted();
  return new Waiter(calls, syscall, [socket], condition, limits).promise;
}

const readable: Condition = (_socket, events) =>
  (events & (C.POLLIN | C.POLLERR | C.POLLHUP)) !== 0;
const writable: Condition = (_socket, events) =>
  (events & (C.POLLOUT | C.POLLERR | C.POLLHUP)) !== 0;

function socketOf(calls: SocketCalls, syscall: string, fd: number): Socket {
  const socket = calls.internals.table.get(fd);
  if (socket === undefined) throw new SocketError(syscall, ERRNO.EBADF);
  return socket;
}

/** Tries, and waits while the answer is -EAGAIN. */
async function retry(
  calls: SocketCalls,
  syscall: string,
  fd: number,
  attempt: () => number,
  condition: Condition,
  options: WaitOptions,
  timeoutOf: (socket: Socket) => number,
): Promise<number> {
  options.signal?.throwIfAborted();
  for (;;) {
    const result = attempt();
    if (result >= 0) return result;
    if (result !== -ERRNO.EAGAIN) throw new SocketError(syscall, result);
    const socket = socketOf(calls, syscall, fd);
    await wait(calls, syscall, socket, condition, limitsOf(options, timeoutOf(socket)));
  }
}

/** Resolves when the connection is established. A wait that ends early ends the attempt. */
export async function connectAsync(
  calls: SocketCalls,
  fd: number,
  remote: SocketAddress,
  options: WaitOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  const started = calls.connect(fd, remote);
  if (started !== -ERRNO.EINPROGRESS) throw new SocketError("connect", started);
  const socket = socketOf(calls, "connect", fd);
  const over: Condition = ({ state }) => state !== SOCKET_CONNECTING;
  const givesUp = (): boolean => {
    if (socket.state !== SOCKET_CONNECTING) return false;
    calls.internals.abort(socket, 0);
    return true;
  };
  const limits = { ...limitsOf(options, socket.rare.sendTimeout), givesUp };
  await wait(calls, "connect", socket, over, limits);
  const error = socket.takeError();
  if (error !== 0) throw new SocketError("connect", error);
}

/** Resolves with the descriptor of the next connection. */
export function acceptAsync(
  calls: SocketCalls,
  fd: number,
  options: TransferOptions = {},
): Promise<number> {
  const attempt = (): number => calls.accept(fd, options.flags ?? 0);
  return retry(calls, "accept", fd, attempt, readable, options, (s) => s.rare.receiveTimeout);
}

/**
 * Resolves with the bytes read: at least one, 0 at the end of the stream. MSG_WAITALL: all that
 * were asked for, or fewer at the end of the stream.
 */
export async function recvAsync(
  calls: SocketCalls,
  fd: number,
  buffer: Uint8Array,
  offset = 0,
  length: number | undefined = undefined,
  options: TransferOptions = {},
): Promise<number> {
  const flags = options.flags ?? 0;
  const whole = length ?? rest(buffer, offset);
  const patience: WaitOptions = options;
  if ((flags & C.MSG_DONTWAIT) !== 0) {
    const result = calls.recv(fd, buffer, offset, whole, flags);
    if (result < 0) throw new SocketError("recv", result);
    return result;
  }
  let total = 0;
  do {
    const attempt = (): number => calls.recv(fd, buffer, offset + total, whole - total, flags);
    const count = await retry(calls, "recv", fd, attempt, readable, patience, receiveTimeout);
    if (count === 0) return total;
    total += count;
  } while ((flags & C.MSG_WAITALL) !== 0 && (flags & C.MSG_PEEK) === 0 && total < whole);
  return total;
}

/** From `offset` to the end; the plain call refuses what is not bytes. */
function rest(buffer: Uint8Array, offset: number): number {
  return buffer instanceof Uint8Array ? buffer.length - offset : 0;
}

const receiveTimeout = (socket: Socket): number => socket.rare.receiveTimeout;
const sendTimeout = (socket: Socket): number => socket.rare.sendTimeout;

/**
 * Resolves with `length` when all bytes are in the transmit buffer. The bytes must not change
 * meanwhile; two at once on one descriptor may mix their bytes.
 */
export async function sendAsync(
  calls: SocketCalls,
  fd: number,
  buffer: Uint8Array,
  offset = 0,
  length: number | undefined = undefined,
  options: TransferOptions = {},
): Promise<number> {
  const flags = options.flags ?? 0;
  const whole = length ?? rest(buffer, offset);
  if ((flags & C.MSG_DONTWAIT) !== 0) {
    const result = calls.send(fd, buffer, offset, whole, flags);
    if (result < 0) throw new SocketError("send", result);
    return result;
  }
  let total = 0;
  do {
    const attempt = (): number => calls.send(fd, buffer, offset + total, whole - total, flags);
    total += await retry(calls, "send", fd, attempt, writable, options, sendTimeout);
  } while (total < whole);
  return total;
}

/** Resolves with the number of entries that have `revents`; 0 when the time has passed. */
export async function pollAsync(
  calls: SocketCalls,
  entries: PollEntry[],
  timeoutMs = -1,
  options: WaitOptions = {},
): Promise<number> {
  options.signal?.throwIfAborted();
  const ready = calls.pollFds(entries);
  if (ready < 0) throw new SocketError("poll", ready);
  if (ready > 0 || timeoutMs === 0) return ready;
  const found = entries.map((entry) => calls.internals.table.get(entry.fd));
  const sockets = [...new Set(found.filter((socket) => socket !== undefined))];
  const any: Condition = () => calls.pollFds(entries) > 0;
  return expiring(calls, "poll", sockets, any, timeoutMs, options, () => calls.pollFds(entries));
}

/** Resolves with the number of events; 0 when the time has passed. */
export async function epollWaitAsync(
  calls: SocketCalls,
  epfd: number,
  events: EpollEvent[],
  most = 64,
  timeoutMs = -1,
  options: WaitOptions = {},
): Promise<number> {
  options.signal?.throwIfAborted();
  for (;;) {
    const ready = calls.epollWait(epfd, events, most);
    if (ready < 0) throw new SocketError("epoll_wait", ready);
    if (ready > 0 || timeoutMs === 0) return ready;
    const sockets = [socketOf(calls, "epoll_wait", epfd)];
    const again = (): number => calls.epollWait(epfd, events, most);
    const count = await expiring(calls, "epoll_wait", sockets, readable, timeoutMs, options, again);
    if (count !== 0 || timeoutMs > 0) return count;
  }
}

/** Waits with poll's own timeout, which is an answer and no error. */
async function expiring(
  calls: SocketCalls,
  syscall: string,
  sockets: readonly Socket[],
  condition: Condition,
  timeoutMs: number,
  options: WaitOptions,
  answer: () => number,
): Promise<number> {
  const own = timeoutMs > 0;
  const timeout = own ? timeoutMs : (options.timeout ?? 0);
  const limits = { signal: options.signal, timeout, timeoutError: ERRNO.ETIMEDOUT };
  try {
    await new Waiter(calls, syscall, sockets, condition, limits).promise;
  } catch (reason) {
    const expired = reason instanceof SocketError && reason.errno === -ERRNO.ETIMEDOUT;
    if (own && expired) return 0;
    throw reason;
  }
  const count = answer();
  if (count < 0) throw new SocketError(syscall, count);
  return count;
}

/**
 * Ends the sending side, waits until the peer has acknowledged everything, FIN included, and
 * closes. SO_LINGER bounds the wait in seconds (POSIX). Then the descriptor is closed all the
 * same, without an error, and the connection goes on by itself: an orphan that delivers what was
 * written, as Linux has it. BSD drops the rest. What arrives meanwhile is dropped.
 */
export async function closeAsync(
  calls: SocketCalls,
  fd: number,
  options: WaitOptions = {},
): Promise<void> {
  const socket = socketOf(calls, "close", fd);
  const { linger } = socket.options;
  if (socket.state === SOCKET_CONNECTED && linger !== 0 && socket.rxAvail === 0) {
    calls.shutdown(fd, C.SHUT_RDWR);
    const acknowledged: Condition = ({ txClosed }) => txClosed;
    const own = linger > 0 ? linger * 1000 : 0;
    try {
      if (!socket.txClosed) {
        await wait(calls, "close", socket, acknowledged, limitsOf(options, own));
      }
    } catch (reason) {
      const expired = reason instanceof SocketError && reason.errno === -ERRNO.EAGAIN;
      if (!expired) {
        calls.close(fd);
        throw reason;
      }
    }
  }
  const result = calls.close(fd);
  if (result < 0) throw new SocketError("close", result);
}
