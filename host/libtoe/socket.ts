/**
 * Socket records and the descriptor table (4.3.1: libTOE's side of a connection). A record is one
 * plain object of one shape, found by descriptor from calls and by connection id from the queues.
 *
 * Invariants: a descriptor is slot | reuse << bits, so a stale one never names a later socket;
 * freed slots queue FIFO; descriptors stay below 2^30, where every engine keeps small integers.
 */
import { CAUSE_ANYTHING, CAUSE_READABLE, CAUSE_WRITABLE } from "../../bindings/abi/socket.ts";
import { QUEUED_DIRTY, SOCKET_QUEUED, SOCKET_RX_AVAIL } from "../../bindings/abi/socket.ts";
import { SOCKET_RX_CLOSED, SOCKET_RX_SHUT, SOCKET_STATE } from "../../bindings/abi/socket.ts";
import { SOCKET_TX_CLOSED, SOCKET_TX_FULL } from "../../bindings/abi/socket.ts";
import { ERRNO } from "../errors.ts";
import type { SocketOptions } from "./options.ts";
import { NOT_KNOWN, type KnownBuffer } from "./known-buffer.ts";
import type { EpollInstance } from "./epoll.ts";
import type { Endpoint } from "../control-plane/interface.ts";
import { POLLERR, POLLHUP, POLLRDHUP } from "./constants.ts";

// What a record is; a number, compared on every call.
export const SOCKET_IDLE = 0;
export const SOCKET_LISTENING = 1;
export const SOCKET_CONNECTING = 2;
export const SOCKET_CONNECTED = 3;
/** The connection is over; what it left is read from the record. */
export const SOCKET_CLOSED = 4;
export const SOCKET_EPOLL = 5;

/** Told of readiness: an epoll item or a waiting promise. Never runs the application's code. */
export interface Observer {
  /** `events` are the POLL* bits that hold and may be new; false: needs no further telling. */
  ready(socket: Socket, events: number): boolean;
  /** The descriptor was closed. */
  gone(): void;
}

/** The application's own hook, called from poll() with POLL* bits. */
export type Watcher = (fd: number, events: number) => void;

export const READABLE = CAUSE_READABLE;
export const WRITABLE = CAUSE_WRITABLE;
/** Every POLL* bit: for changes of a whole socket. */
export const ANYTHING = CAUSE_ANYTHING;

// Fields of a row, in words.
const STATE = SOCKET_STATE >>> 2;
const RX_AVAIL = SOCKET_RX_AVAIL >>> 2;
const QUEUED = SOCKET_QUEUED >>> 2;
const NO_ROWS = new Int32Array(0);

/** Of Socket.flags: a socket of AF_INET6. A bit, since 100,000 sockets have it or not. */
export const FLAG_IPV6 = 0x20000000;

/** What few sockets have; the others share one record of it, RARELY. */
class RareState {
  /** Something waits in the accept queue. */
  acceptable = false;
  softError = 0;
  /** Time in ns from which MSG_MORE holds bytes back; -1 = not held, -2 = since the next poll. */
  heldSince = -1;
  /** For how long, ns; and the free bytes beside those held: more of them is an ACK's doing. */
  heldFor = 0;
  heldRoom = 0;
  /** Unread bytes of a connection that is over, copied from its buffer; `tailAt` is next. */
  tail: Uint8Array | undefined = undefined;
  tailAt = 0;
  local: Endpoint | undefined = undefined;
  remote: Endpoint | undefined = undefined;
  /** SO_RCVTIMEO and SO_SNDTIMEO in ms for the awaitable forms; 0 = none. */
  receiveTimeout = 0;
  sendTimeout = 0;
  epoll: EpollInstance | undefined = undefined;
}

const RARELY: Readonly<RareState> = new RareState();

/**
 * One descriptor, or one connection that nobody has accepted yet (fd -1). What notifications and
 * descriptors change stands in the connection's row in linear memory (bindings/abi/socket.ts)
 * while there is one. A hundred thousand of these are open at once: eight bytes a field.
 */
export class Socket {
  // In this order: what every call reads stands in the record's first cache line, then what most
  // calls read.
  fd = -1;
  state = SOCKET_IDLE;
  /** Connection id while the data path or the control plane has it for us; otherwise 0. */
  connection = 0;
  /** Word index of the connection's row in `ints`; 0 without one. */
  row = 0;
  ints: Int32Array = NO_ROWS;
  watcher: Watcher | undefined = undefined;
  observers: Observer[] | undefined = undefined;
  /** Buffers of the application that recv() and send() meet again and again. */
  rxKnown: KnownBuffer = NOT_KNOWN;
  txKnown: KnownBuffer = NOT_KNOWN;
  /** In the list of sockets that the next dispatch looks at. */
  touched = false;
  /** POLL* bits that may have become true since the last dispatch, besides the row's. */
  cause = 0;
  /** Connected, and the application has not shut its sending side. */
  sendable = false;
  /** Positive errno, read and cleared by SO_ERROR or by the next call. */
  error = 0;
  /** The application shut its sending or receiving side. */
  txShut = false;
  rxShut = false;
  /** Closed by the application; the descriptor with the FIN is still to be put. */
  releasing = false;
  /** ATX_* flags for the next descriptor. */
  atxFlags = 0;
  /** F_GETFL flags, and FLAG_IPV6. */
  flags = 0;
  /** Listening: the listener's id. Not yet accepted: of the listener that it came to. */
  listener = 0;
  /** What bind() asked for, until there is a connection. */
  bound: Endpoint | undefined = undefined;
  options: SocketOptions;
  /** Read-only while it is RARELY: own() gives the socket one that may be changed. */
  rare: Readonly<RareState> = RARELY;

  constructor(options: SocketOptions) {
    this.options = options;
  }

  /** The socket's own record of what few have, for changing it. */
  own(): RareState {
    if (this.rare === RARELY) this.rare = new RareState();
    return this.rare;
  }

  /** Bytes readable. */
  get rxAvail(): number {
    if (this.row !== 0) return this.ints[this.row + RX_AVAIL] as number;
    return this.rare.tail === undefined ? 0 : this.rare.tail.length - this.rare.tailAt;
  }

  /** The peer's FIN was reached, or the connection is over. */
  get rxClosed(): boolean {
    return this.row === 0 ? this.state === SOCKET_CLOSED : this.has(SOCKET_RX_CLOSED);
  }

  /** Our FIN was acknowledged, or the connection is over. */
  get txClosed(): boolean {
    return this.row === 0 ? this.state === SOCKET_CLOSED : this.has(SOCKET_TX_CLOSED);
  }

  /** Waits for a descriptor; flush() takes it out. */
  get dirty(): boolean {
    return this.row !== 0 && ((this.ints[this.row + QUEUED] as number) & QUEUED_DIRTY) !== 0;
  }

  /** A SOCKET_STATE bit of the row; false without one. */
  has(bit: number): boolean {
    return this.row !== 0 && ((this.ints[this.row + STATE] as number) & bit) !== 0;
  }

  /** True for AF_INET6. */
  get isIpv6(): boolean {
    return (this.flags & FLAG_IPV6) !== 0;
  }

  /** Takes the pending error: its positive errno, or 0. */
  takeError(): number {
    const error = this.error;
    this.error = 0;
    return error;
  }
}

/** SOCKET_STATE bits that make a socket anything but readable and writable as its bytes say. */
const UNUSUAL = SOCKET_TX_FULL | SOCKET_RX_CLOSED | SOCKET_RX_SHUT;

function connectedReadiness(socket: Socket): number {
  const { ints, row } = socket;
  const bits = ints[(row + STATE) | 0] as number;
  const readable = ints[(row + RX_AVAIL) | 0] !== 0;
  if ((bits & UNUSUAL) === 0 && socket.txShut === false && socket.rxShut === false) {
    return readable ? READABLE | WRITABLE : WRITABLE;
  }
  const ended = socket.rxShut || (bits & (SOCKET_RX_CLOSED | SOCKET_RX_SHUT)) !== 0;
  let events = 0;
  if (readable || ended) events |= READABLE;
  if (ended) events |= POLLRDHUP;
  if ((bits & SOCKET_TX_FULL) === 0 || socket.txShut) events |= WRITABLE;
  if (ended && socket.txShut) events |= POLLHUP;
  return events;
}

/** POLL* bits that hold now, as Linux's tcp_poll has them. */
export function readiness(socket: Socket): number {
  const error = socket.error !== 0 ? POLLERR | READABLE | WRITABLE : 0;
  switch (socket.state) {
    case SOCKET_CONNECTED:
      return error | connectedReadiness(socket);
    case SOCKET_LISTENING:
      return error | (socket.rare.acceptable ? READABLE : 0);
    case SOCKET_CONNECTING:
      return error;
    case SOCKET_EPOLL:
      return socket.rare.epoll?.pending() === true ? READABLE : 0;
    case SOCKET_CLOSED:
      return error | READABLE | WRITABLE | POLLHUP | POLLRDHUP;
    default:
      // An open that failed has ended both ways.
      return error | WRITABLE | POLLHUP | (error === 0 ? 0 : POLLRDHUP);
  }
}

/** Tells the observers, and drops those that are done. */
export function wakeObservers(socket: Socket, events: number): void {
  const { observers } = socket;
  if (observers === undefined) return;
  let kept = 0;
  for (let i = 0; i < observers.length; i += 1) {
    const observer = observers[i] as Observer;
    if (observer.ready(socket, events)) observers[kept++] = observer;
  }
  observers.length = kept;
}

export function addObserver(socket: Socket, observer: Observer): void {
  if (socket.observers === undefined) socket.observers = [observer];
  else socket.observers.push(observer);
}

export function removeObserver(socket: Socket, observer: Observer): void {
  const at = socket.observers?.indexOf(observer) ?? -1;
  if (at >= 0) socket.observers?.splice(at, 1);
}

const DESCRIPTOR_BITS = 30;
/** Slots of the three standard streams, never given out. */
const FIRST_SLOT = 3;

/** Descriptors of one libTOE instance. */
export class DescriptorTable {
  readonly #slots: (Socket | undefined)[] = [undefined, undefined, undefined];
  /** Descriptor that each slot gives out next. */
  readonly #next: number[] = [0, 1, 2];
  readonly #mask: number;
  #free: number[] = [];
  #freeHead = 0;
  #open = 0;

  /** Room for at least `descriptors` at once. */
  constructor(descriptors: number) {
    let slots = 64;
    while (slots < descriptors + FIRST_SLOT && slots < 1 << 21) slots *= 2;
    this.#mask = slots - 1;
  }

  /** Descriptors open. */
  get count(): number {
    return this.#open;
  }

  /** The socket of a descriptor; undefined for anything that is not one now. */
  get(fd: number): Socket | undefined {
    if (typeof fd !== "number") return undefined;
    const socket = this.#slots[fd & this.#mask];
    return socket !== undefined && socket.fd === fd ? socket : undefined;
  }

  /** Every open descriptor. */
  list(): number[] {
    return this.#slots.flatMap((socket) => (socket === undefined ? [] : [socket.fd]));
  }

  /** True when open() would find no slot. */
  full(): boolean {
    return this.#freeHead === this.#free.length && this.#slots.length > this.#mask;
  }

  /** Gives the socket a descriptor, or -EMFILE. */
  open(socket: Socket): number {
    if (this.full()) return -ERRNO.EMFILE;
    const slot = this.#takeSlot();
    socket.fd = this.#next[slot] as number;
    this.#slots[slot] = socket;
    this.#open += 1;
    return socket.fd;
  }

  /** Frees the socket's descriptor; the next user of the slot gets another number. */
  close(socket: Socket): void {
    const slot = socket.fd & this.#mask;
    this.#slots[slot] = undefined;
    const next = socket.fd + this.#mask + 1;
    this.#next[slot] = next < 2 ** DESCRIPTOR_BITS ? next : slot;
    this.#free.push(slot);
    socket.fd = -1;
    this.#open -= 1;
  }

  #takeSlot(): number {
    if (this.#freeHead === this.#free.length) {
      this.#slots.push(undefined);
      this.#next.push(this.#slots.length - 1);
      return this.#slots.length - 1;
    }
    const slot = this.#free[this.#freeHead] as number;
    this.#freeHead += 1;
    if (this.#freeHead > 1024 && this.#freeHead * 2 > this.#free.length) {
      this.#free = this.#free.slice(this.#freeHead);
      this.#freeHead = 0;
    }
    return slot;
  }
}
