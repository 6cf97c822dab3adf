/**
 * Waits for file descriptors to become readable, with one thread of the runtime's pool however
 * many there are: poll(2) over all of them and an eventfd that calls it back early. libuv cannot
 * poll a TUN descriptor itself. Invariants: a descriptor is reported once per watch(); no poll(2)
 * is under way on one that release() has reported free; a poll(2) lasts a quarter of a second at
 * most, so that it cannot hold up the end of the process.
 */

const POLL_IN = 1;
const POLL_TIMEOUT_MS = 250;
/** struct pollfd: int fd, short events, short revents. */
const POLLFD_BYTES = 8;
const EFD_NONBLOCK = 0o4000;

/** The calls of the C library that this file makes; numbers as C has them. */
export interface PollCalls {
  eventfd(count: number, flags: number): number;
  read(fd: number, bytes: Uint8Array, length: number): number;
  write(fd: number, bytes: Uint8Array, length: number): number;
  /** poll(2) on another thread. */
  pollAsync(fds: Uint8Array, count: number, timeoutMs: number, done: () => void): void;
}

export class ReadinessPoller {
  readonly #calls: PollCalls;
  readonly #eventFd: number;
  readonly #watched = new Map<number, () => void>();
  /** Run when the poll(2) under way has come back. */
  #afterPoll: (() => void)[] = [];
  #polling = false;
  #kicked = false;

  constructor(calls: PollCalls) {
    this.#calls = calls;
    this.#eventFd = calls.eventfd(0, EFD_NONBLOCK);
  }

  /** Calls `readable` once when `fd` has something to read or has failed. */
  watch(fd: number, readable: () => void): void {
    this.#watched.set(fd, readable);
    if (this.#polling) this.#kick();
    else this.#poll();
  }

  /** Forgets `fd`; calls `free` when nothing uses it any more and it may be closed. */
  release(fd: number, free: () => void): void {
    this.#watched.delete(fd);
    if (!this.#polling) {
      free();
      return;
    }
    this.#afterPoll.push(free);
    this.#kick();
  }

  #kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    this.#calls.write(this.#eventFd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8);
  }

  #poll(): void {
    if (this.#watched.size === 0) return;
    const fds = [this.#eventFd, ...this.#watched.keys()];
    const view = new DataView(new ArrayBuffer(fds.length * POLLFD_BYTES));
    for (const [i, fd] of fds.entries()) {
      view.setInt32(i * POLLFD_BYTES, fd, true);
      view.setInt16(i * POLLFD_BYTES + 4, POLL_IN, true);
    }
    this.#polling = true;
    const bytes = new Uint8Array(view.buffer);
    this.#calls.pollAsync(bytes, fds.length, POLL_TIMEOUT_MS, () => this.#polled(fds, view));
  }

  #polled(fds: readonly number[], view: DataView): void {
    this.#polling = false;
    if (this.#kicked) this.#calls.read(this.#eventFd, new Uint8Array(8), 8);
    this.#kicked = false;
    const free = this.#afterPoll;
    this.#afterPoll = [];
    for (const call of free) call();
    for (const [i, fd] of fds.entries()) {
      const readable = this.#watched.get(fd);
      if (readable === undefined || view.getInt16(i * POLLFD_BYTES + 6, true) === 0) continue;
      this.#watched.delete(fd);
      readable();
    }
    if (!this.#polling) this.#poll();
  }
}
