/**
 * libTOE between its context queue, the control plane and the sockets (4.3.1): what the
 * application did is merged to one descriptor per connection at flush(); what came is taken in
 * one batch at poll(), and only then is the application's code run.
 *
 * Invariants: the application's code never runs inside a batch or inside a control-plane event;
 * an event of an earlier generation changes nothing; a full ATX ring loses nothing.
 */
import { WorkList } from "../work-list.ts";
import {
  ARX_RX_CLOSED,
  ARX_TX_CLOSED,
  ATX_FIN,
  ATX_RX_SHUT,
} from "../../bindings/abi/descriptor.ts";
import { INFO_RX_NEXT_SEQ, INFO_TX_UNA } from "../../bindings/abi/descriptor.ts";
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";
import type { ConnectionEvents, ControlPlaneApi } from "../control-plane/interface.ts";
import { ERRNO } from "../errors.ts";
import { ContextQueue, type NotificationSink } from "./context.ts";
import { Deadlines } from "./deadline.ts";
import { dispatch } from "./dispatch.ts";
import { Outbox } from "./outbox.ts";
import type { SocketOptions } from "./options.ts";
import { type PayloadBuffer, payloadBuffers, PayloadMemory } from "./payload-buffer.ts";
import { pendingBytes } from "./payload-buffer.ts";
import { ANYTHING, DescriptorTable, READABLE, Socket, SOCKET_CLOSED } from "./socket.ts";
import { SOCKET_CONNECTED, SOCKET_CONNECTING, SOCKET_IDLE } from "./socket.ts";
import { SOCKET_LISTENING, WRITABLE } from "./socket.ts";

/** The application's hooks; all may be set at any time. */
export interface Hooks {
  /** Called once when work for the stack appears after a flush(). */
  onDoorbell: (() => void) | undefined;
  /** Told of what a watcher threw; the connection has been reset. */
  onCallbackError: ((fd: number, error: unknown) => void) | undefined;
}

export class Connections implements ConnectionEvents, NotificationSink {
  readonly context: ContextQueue;
  readonly contextIndex: number;
  readonly control: ControlPlaneApi;
  readonly table: DescriptorTable;
  readonly deadlines = new Deadlines();
  readonly defaults: SocketOptions;
  readonly core: Core;
  readonly #hooks: Hooks;
  readonly #memory: PayloadMemory;
  /** By connection id. */
  readonly #rows: (Socket | undefined)[] = [];
  readonly #listeners = new Map<number, Socket>();
  readonly #outbox = new Outbox();
  /** Connections that are over and not yet given back to the control plane. */
  #finished: number[] = [];
  readonly #touched = new WorkList<Socket>();
  #kicked = false;
  #polling = false;

  constructor(
    core: Core,
    context: number,
    control: ControlPlaneApi,
    defaults: SocketOptions,
    hooks: Hooks,
  ) {
    this.core = core;
    this.context = new ContextQueue(core, context);
    this.contextIndex = context;
    this.control = control;
    this.defaults = defaults;
    this.#hooks = hooks;
    this.#memory = new PayloadMemory(core);
    // Twice the connections: a closed connection may keep its descriptor, and listeners have one.
    this.table = new DescriptorTable(2 * core.map.options.connections + 64);
  }

  /** Times that the application was woken. */
  notifications = 0;

  /** Connections with something to flush (not empty after flush() only when the ring was full). */
  get unflushed(): number {
    return this.#outbox.dirty.count;
  }

  // The way out: ATX.

  /** Puts the connection in the next flush. */
  markDirty(socket: Socket): void {
    this.#outbox.add(socket);
    if (this.#kicked === false) this.kick();
  }

  /** MSG_MORE: what was appended may wait for more, for a bounded time. */
  hold(socket: Socket): void {
    this.#outbox.hold(socket);
    if (!this.#kicked) this.kick();
  }

  /** Tells the driver, once between two flushes, that the stack has work. */
  kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    this.#hooks.onDoorbell?.();
  }

  /** True when flush() or poll() has something to do; after a kick a descriptor may wait. */
  hasWork(): boolean {
    return this.#kicked || this.#touched.count !== 0;
  }

  /**
   * One merged descriptor for each dirty connection, then one doorbell; how many were put. What a
   * full ring did not take stays for the next flush: nothing is lost.
   */
  flush(): number {
    this.#kicked = false;
    const { dirty } = this.#outbox;
    const total = dirty.count;
    if (total === 0) return 0;
    let taken = 0;
    let put = 0;
    while (taken < total) {
      const socket = dirty.at(taken);
      // Its connection may be over by now.
      if (socket.connection !== 0) {
        if (this.#putDescriptor(socket) === false) break;
        put += 1;
      }
      socket.dirty = false;
      taken += 1;
    }
    dirty.drop(taken);
    if (taken < total) this.#kicked = true;
    if (put > 0) this.context.ring();
    return put;
  }

  /** Puts one connection's descriptor now, or leaves it for flush() when the ring is full. */
  putNow(socket: Socket): void {
    if (this.#putDescriptor(socket)) this.context.ring();
    else this.markDirty(socket);
    this.kick();
  }

  #putDescriptor(socket: Socket): boolean {
    if (this.context.update(socket) === false) return false;
    const flags = socket.atxFlags;
    socket.rxCredit = 0;
    socket.txAppend = 0;
    if (flags !== 0) this.#ended(socket, flags);
    return true;
  }

  /** The descriptor that ends a side is in the ring: the control plane follows. */
  #ended(socket: Socket, flags: number): void {
    this.context.ring();
    socket.atxFlags = 0;
    const { connection, releasing } = socket;
    if (releasing) this.#forget(socket);
    if ((flags & ATX_FIN) !== 0) this.control.shutdownSend(connection);
    if (releasing) this.control.release(connection);
  }

  /** The application ends its sending side: FIN after what it appended. */
  shutdownSend(socket: Socket): void {
    if (socket.txShut) return;
    socket.txShut = true;
    socket.sendable = false;
    socket.atxFlags |= ATX_FIN;
    this.putNow(socket);
    this.touch(socket, ANYTHING);
  }

  /**
   * The application reads no more, and lets what arrives go by. What waits goes first, as on BSD:
   * credit is given back in the order of the stream.
   */
  shutdownReceive(socket: Socket): void {
    const unread = socket.rxAvail;
    socket.rxShut = true;
    socket.rxAvail = 0;
    if (unread > 0) this.#letGoBy(socket, unread);
    this.touch(socket, ANYTHING);
  }

  #letGoBy(socket: Socket, bytes: number): void {
    (socket.rx as PayloadBuffer).skip(bytes);
    socket.rxCredit += bytes;
    this.markDirty(socket);
  }

  /** Lets go of an established connection in order. */
  release(socket: Socket): void {
    socket.atxFlags |= ATX_RX_SHUT | (socket.txShut ? 0 : ATX_FIN);
    socket.sendable = false;
    socket.txShut = true;
    socket.releasing = true;
    this.putNow(socket);
  }

  /** RST; the record keeps `error` for the application (0 = none). */
  abort(socket: Socket, error: number): void {
    const { connection } = socket;
    if (connection === 0) return;
    this.#forget(socket);
    this.#over(socket, error);
    this.control.abort(connection);
    this.kick();
  }

  #forget(socket: Socket): void {
    this.#rows[socket.connection] = undefined;
    socket.connection = 0;
  }

  #over(socket: Socket, error: number): void {
    const failedOpen = socket.state === SOCKET_CONNECTING;
    // A failed connect() leaves a socket that may connect again (Linux).
    socket.state = failedOpen ? SOCKET_IDLE : SOCKET_CLOSED;
    socket.sendable = false;
    socket.txShut = !failedOpen;
    socket.rxClosed = !failedOpen;
    socket.txClosed = !failedOpen;
    socket.txAppend = 0;
    socket.rxCredit = 0;
    socket.atxFlags = 0;
    if (error !== 0) socket.error = error;
    this.touch(socket, ANYTHING);
  }

  // The way in: ARX and the control plane's events.

  /** Takes what the data path notified, without running the application's code. */
  take(): number {
    return this.context.take(this);
  }

  notified(connection: number, generation: number, rx: number, tx: number, flags: number): void {
    const socket = this.#rows[connection];
    if (socket === undefined || socket.generation !== generation) return;
    if (socket.state !== SOCKET_CONNECTED || socket.releasing === true) return;
    if (rx !== 0) this.#arrived(socket, rx);
    if (tx !== 0) {
      const free = (socket.txFree + tx) | 0;
      socket.txFree = free < socket.txSize ? free : socket.txSize;
      if (socket.txFull === true && free >= socket.txSize >>> 2) {
        socket.txFull = false;
        this.touch(socket, WRITABLE);
      }
    }
    if (flags !== 0) this.#sideClosed(socket, flags);
  }

  #arrived(socket: Socket, bytes: number): void {
    if (socket.rxShut === true) {
      this.#letGoBy(socket, bytes);
      return;
    }
    socket.rxAvail = (socket.rxAvail + bytes) | 0;
    this.touch(socket, READABLE);
  }

  #sideClosed(socket: Socket, flags: number): void {
    if ((flags & ARX_RX_CLOSED) !== 0) socket.rxClosed = true;
    if ((flags & ARX_TX_CLOSED) !== 0) socket.txClosed = true;
    this.touch(socket, ANYTHING);
  }

  /** Registers an active open. */
  opening(socket: Socket, connection: number): void {
    socket.state = SOCKET_CONNECTING;
    this.#enter(socket, connection);
  }

  /** Registers a listener by the control plane's id. */
  listening(socket: Socket, listener: number): void {
    socket.state = SOCKET_LISTENING;
    socket.listener = listener;
    this.#listeners.set(listener, socket);
  }

  /** Ends a listener and the records of what nobody accepted. */
  unlisten(socket: Socket): void {
    const { listener } = socket;
    this.#listeners.delete(listener);
    for (let id = 0; id < this.#rows.length; id += 1) {
      const row = this.#rows[id];
      if (row !== undefined && row.fd < 0 && row.listener === listener) this.#rows[id] = undefined;
    }
    this.control.unlisten(listener);
    this.kick();
  }

  /** The record of a connection that accept() returned. */
  accepted(connection: number): Socket | undefined {
    return this.#rows[connection];
  }

  #enter(socket: Socket, connection: number): void {
    while (this.#rows.length <= connection) this.#rows.push(undefined);
    this.#rows[connection] = socket;
    socket.connection = connection;
  }

  opened(connection: number, generation: number, listener: number): void {
    let socket = this.#rows[connection];
    if (listener !== 0) {
      const parent = this.#listeners.get(listener);
      if (parent === undefined) return;
      socket = new Socket(parent.options);
      socket.domain = parent.domain;
      socket.listener = listener;
      this.#enter(socket, connection);
    }
    if (socket === undefined) return;
    this.#connected(socket, generation);
  }

  #connected(socket: Socket, generation: number): void {
    const { core } = this;
    const { connection } = socket;
    if (core.exports.inspect(core.address, connection) === 0) {
      this.abort(socket, ERRNO.ECONNABORTED);
      return;
    }
    const info = core.words[(core.address + CORE_INFO) >>> 2] as number;
    const rxSeq = core.words[(info + INFO_RX_NEXT_SEQ) >>> 2] as number;
    const txSeq = core.words[(info + INFO_TX_UNA) >>> 2] as number;
    const { rx, tx } = payloadBuffers(this.#memory, connection, rxSeq, txSeq);
    socket.rx = rx;
    socket.tx = tx;
    socket.rxThreshold = rx.size >>> 2;
    socket.txSize = tx.size;
    socket.txFree = tx.size;
    socket.generation = generation | 0;
    socket.state = SOCKET_CONNECTED;
    socket.sendable = true;
    // The control plane may forget the row while the descriptor is still open.
    socket.local = this.control.local(connection);
    socket.remote = this.control.remote(connection);
    this.touch(socket, ANYTHING);
  }

  acceptReady(listener: number): void {
    const socket = this.#listeners.get(listener);
    if (socket === undefined) return;
    socket.acceptable = true;
    this.touch(socket, READABLE);
  }

  closed(connection: number, error: number): void {
    const known = this.#rows[connection];
    // Not within its event: the control plane is in the middle of a step.
    this.#finished.push(connection);
    if (known === undefined) return;
    // What was notified before the end belongs to the application.
    this.take();
    if (this.#rows[connection] !== known) return;
    this.#saveUnread(known);
    this.#forget(known);
    this.#over(known, error);
  }

  softError(connection: number, error: number): void {
    const socket = this.#rows[connection];
    if (socket !== undefined) socket.softError = error;
  }

  /** The buffer goes back to the arena with the connection; unread bytes stay readable. */
  #saveUnread(socket: Socket): void {
    if (socket.rx === undefined || socket.releasing || socket.rxShut) return;
    socket.rxAvail += pendingBytes(this.core, socket.connection);
    if (socket.rxAvail === 0) return;
    socket.tail = new Uint8Array(socket.rxAvail);
    socket.tailAt = 0;
    socket.rx.read(socket.tail, 0, socket.rxAvail);
  }

  // Dispatch.

  /** Puts the socket in the next dispatch; `cause` are the POLL* bits that may be new. */
  touch(socket: Socket, cause: number): void {
    socket.cause |= cause;
    if (socket.touched === true) return;
    socket.touched = true;
    this.#touched.push(socket);
  }

  /**
   * Takes the waiting notifications, then wakes watchers, epoll instances and promises; how many
   * notifications there were. `now` in ns serves timeouts; without it they do not pass.
   */
  poll(now?: number): number {
    // A callback that polls would run the others inside itself.
    if (this.#polling === true) return 0;
    this.#polling = true;
    const count = this.context.take(this);
    if (this.#outbox.holding || this.deadlines.active) this.#passTime(now);
    if (this.#finished.length > 0) this.#giveBack();
    // Sockets that callbacks touch wait for the next poll, so that one of them cannot loop here.
    const touched = this.#touched;
    const total = touched.count;
    if (total > 0) {
      for (let i = 0; i < total; i = (i + 1) | 0) dispatch(this, touched.at(i), this.#hooks);
      touched.drop(total);
      if (touched.count > 0) this.kick();
    }
    this.#polling = false;
    return count;
  }

  #passTime(now: number | undefined): void {
    this.#outbox.releaseHeld(now);
    if (now !== undefined) this.notifications += this.deadlines.expire(now);
  }

  /** Sockets that the next poll() will look at even if nothing arrives. */
  get undispatched(): number {
    return this.#touched.count;
  }

  /** Time in ns at which poll(now) has something to do by itself; Infinity when never. */
  nextDeadline(): number {
    return Math.min(this.deadlines.next(), this.#outbox.nextDeadline());
  }

  /** The application's records are complete: the control plane may reuse the ids. */
  #giveBack(): void {
    const finished = this.#finished;
    this.#finished = [];
    for (const connection of finished) this.control.release(connection);
  }
}
