/**
 * epoll: interest lists with level, edge and one-shot triggering. Waiting costs what is ready,
 * not what is watched.
 *
 * Invariants: an item is in the ready list at most once; readiness is looked at again when the
 * item is reported, so nothing stale is; a full transmit buffer takes EPOLLOUT away.
 */
import { ERRNO } from "../errors.ts";
import * as C from "./constants.ts";
import { addObserver, type Observer, readiness, removeObserver, type Socket } from "./socket.ts";
import { wakeObservers } from "./socket.ts";

/** struct epoll_event. */
export interface EpollEvent {
  /** EPOLL* bits. */
  events: number;
  /** The application's own, returned as it was given; the descriptor when left out. */
  data?: unknown;
}

const READINESS = C.EPOLLIN | C.EPOLLPRI | C.EPOLLOUT | C.EPOLLRDNORM | C.EPOLLWRNORM;
const ALWAYS = C.EPOLLERR | C.EPOLLHUP;

class EpollItem implements Observer {
  readonly #epoll: EpollInstance;
  readonly socket: Socket;
  readonly fd: number;
  /** Bits to report; 0 while a one-shot item is spent. */
  mask = 0;
  edge = false;
  oneShot = false;
  data: unknown = undefined;
  /** In the ready list. */
  queued = false;
  next: EpollItem | undefined = undefined;

  constructor(epoll: EpollInstance, socket: Socket) {
    this.#epoll = epoll;
    this.socket = socket;
    this.fd = socket.fd;
  }

  configure(event: EpollEvent): void {
    const { events } = event;
    this.mask = (events & (READINESS | C.EPOLLRDHUP)) | ALWAYS;
    this.edge = (events & C.EPOLLET) !== 0;
    this.oneShot = (events & C.EPOLLONESHOT) !== 0;
    this.data = event.data === undefined ? this.fd : event.data;
  }

  /** `events` became true just now; an edge item counts no others. */
  ready(_socket: Socket, events: number): boolean {
    if ((events & this.mask) !== 0 && !this.queued) this.#epoll.enqueue(this);
    return true;
  }

  gone(): void {
    this.mask = 0;
    this.#epoll.forget(this.fd);
  }
}

/** One epoll descriptor. */
export class EpollInstance {
  /** The record of the epoll descriptor itself. */
  readonly #record: Socket;
  readonly #items = new Map<number, EpollItem>();
  #head: EpollItem | undefined = undefined;
  #tail: EpollItem | undefined = undefined;

  constructor(record: Socket) {
    this.#record = record;
  }

  /** Descriptors watched. */
  get size(): number {
    return this.#items.size;
  }

  /** True when wait() would report something. */
  pending(): boolean {
    for (let item = this.#head; item !== undefined; item = item.next) {
      if ((readiness(item.socket) & item.mask) !== 0) return true;
    }
    return false;
  }

  /** epoll_ctl: 0 or a negative errno. */
  control(operation: number, socket: Socket, event: EpollEvent | undefined): number {
    const item = this.#items.get(socket.fd);
    if (operation === C.EPOLL_CTL_DEL) {
      if (item === undefined) return -ERRNO.ENOENT;
      item.mask = 0;
      removeObserver(socket, item);
      this.#items.delete(socket.fd);
      return 0;
    }
    if (operation !== C.EPOLL_CTL_ADD && operation !== C.EPOLL_CTL_MOD) return -ERRNO.EINVAL;
    if (typeof event !== "object" || event === null) return -ERRNO.EFAULT;
    if (!Number.isInteger(event.events)) return -ERRNO.EINVAL;
    if (operation === C.EPOLL_CTL_MOD) {
      if (item === undefined) return -ERRNO.ENOENT;
      this.#arm(item, event);
      return 0;
    }
    if (item !== undefined) return -ERRNO.EEXIST;
    const added = new EpollItem(this, socket);
    this.#items.set(socket.fd, added);
    addObserver(socket, added);
    this.#arm(added, event);
    return 0;
  }

  #arm(item: EpollItem, event: EpollEvent): void {
    item.configure(event);
    item.ready(item.socket, readiness(item.socket));
  }

  /** Called by an item that became ready. */
  enqueue(item: EpollItem): void {
    item.queued = true;
    item.next = undefined;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    wakeObservers(this.#record, C.POLLIN);
  }

  /** Called by an item whose descriptor was closed; close() takes a socket out of every epoll. */
  forget(fd: number): void {
    this.#items.delete(fd);
  }

  /** Fills `events` from its start, at most `most`; how many. */
  wait(events: EpollEvent[], most: number): number {
    let count = 0;
    let again: EpollItem | undefined;
    let item = this.#head;
    while (item !== undefined && count < most) {
      this.#head = item.next;
      if (this.#head === undefined) this.#tail = undefined;
      item.queued = false;
      const ready = readiness(item.socket) & item.mask;
      if (ready !== 0) {
        report(events, count, ready, item.data);
        count += 1;
        if (item.oneShot) item.mask = 0;
        // Level: looked at again by the next wait, behind those that wait already.
        else if (!item.edge) {
          item.next = again;
          again = item;
        }
      }
      item = this.#head;
    }
    this.#requeue(again);
    return count;
  }

  /** Puts reported level items back, in the order of their reports. */
  #requeue(reversed: EpollItem | undefined): void {
    let first: EpollItem | undefined;
    for (let item = reversed; item !== undefined; ) {
      const { next } = item;
      item.next = first;
      first = item;
      item = next;
    }
    for (let item = first; item !== undefined; ) {
      const { next } = item;
      item.queued = true;
      item.next = undefined;
      if (this.#tail === undefined) this.#head = item;
      else this.#tail.next = item;
      this.#tail = item;
      item = next;
    }
  }

  /** The epoll descriptor was closed: the watched sockets forget it. */
  close(): void {
    for (const item of this.#items.values()) {
      item.mask = 0;
      removeObserver(item.socket, item);
    }
    this.#items.clear();
    this.#head = undefined;
    this.#tail = undefined;
  }
}

function report(events: EpollEvent[], index: number, ready: number, data: unknown): void {
  const slot = events[index];
  if (slot === undefined) {
    events[index] = { events: ready, data };
    return;
  }
  slot.events = ready;
  slot.data = data;
}
