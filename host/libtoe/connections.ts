/**
 * libTOE between its context queue, the control plane and the sockets (4.3.1): what the
 * application did is merged to one descriptor per connection at flush(); what came is taken in
 * one batch at poll(), and only then is the application's code run.
 *
 * Invariants: the application's code never runs inside a batch or inside a control-plane event;
 * an event of an earlier generation changes nothing; a full ATX ring loses nothing.
 */
import { WorkList } from "../work-list.ts";
import { ATX_FIN, ATX_RX_SHUT, INFO_SRTT } from "../../bindings/abi/descriptor.ts";
import { SOCKET_SENDABLE } from "../../bindings/abi/socket.ts";
import type { Core } from "../../bindings/core.ts";
import type { ConnectionEvents, ControlPlaneApi } from "../control-plane/interface.ts";
import { ERRNO } from "../errors.ts";
import { Attention } from "./attention.ts";
import { ContextQueue } from "./context.ts";
import { Deadlines } from "./deadline.ts";
import { dispatch, type Hooks } from "./dispatch.ts";
import { liveTime } from "./live-figures.ts";
import { HOLD_NS, Outbox, waitingBytes } from "./outbox.ts";
import type { SocketOptions } from "./options.ts";
import { PayloadMemory, pendingBytes } from "./payload-buffer.ts";
import { PushedSockets } from "./pushed-sockets.ts";
import { NEWS_MIN, readAhead } from "./read-ahead.ts";
import { SocketRows } from "./socket-rows.ts";
import { ANYTHING, DescriptorTable, READABLE, Socket, SOCKET_LISTENING } from "./socket.ts";
import { SOCKET_CLOSED, SOCKET_CONNECTED, SOCKET_CONNECTING, SOCKET_IDLE } from "./socket.ts";
import { StarvedSockets } from "./starved.ts";

export class Connections implements ConnectionEvents {
  readonly context: ContextQueue;
  readonly rows: SocketRows;
  readonly contextIndex: number;
  readonly control: ControlPlaneApi;
  readonly table: DescriptorTable;
  readonly #attention = new Attention();
  readonly deadlines = new Deadlines(this.#attention);
  readonly defaults: SocketOptions;
  readonly core: Core;
  readonly #hooks: Hooks;
  readonly memory: PayloadMemory;
  /** By connection id. */
  readonly #sockets: (Socket | undefined)[] = [];
  readonly #listeners = new Map<number, Socket>();
  readonly #outbox = new Outbox(this.#attention);
  readonly #pushed: PushedSockets;
  readonly #starved: StarvedSockets;
  /** Connections that are over and not yet given back to the control plane. */
  readonly #finished: number[] = [];
  readonly #touched = new WorkList<Socket>();
  /** What arrives after SHUT_RD can be read (Profile.readsOn). */
  readonly readsOn: boolean;
  /** Of no meaning: no compiler takes the reads for nothing. */
  readAhead = 0;
  #kicked = false;
  #polling = false;

  constructor(
    core: Core,
    context: number,
    control: ControlPlaneApi,
    defaults: SocketOptions,
    hooks: Hooks,
    readsOn: boolean,
  ) {
    this.core = core;
    this.readsOn = readsOn;
    this.context = new ContextQueue(core, context);
    this.rows = new SocketRows(core, this.context.library);
    this.#starved = new StarvedSockets(this.rows, this.#attention);
    this.contextIndex = context;
    this.control = control;
    this.#pushed = new PushedSockets(control, this.#attention);
    this.defaults = defaults;
    this.#hooks = hooks;
    this.memory = new PayloadMemory(core);
    // Twice the connections: a closed connection may keep its descriptor, and listeners have one.
    this.table = new DescriptorTable(2 * core.map.options.connections + 64);
  }

  /** Times that the application was woken. */
  notifications = 0;

  /** Connections with something to flush (not empty after flush() only when the ring was full). */
  get unflushed(): number {
    return this.rows.dirty + this.#outbox.ending.length;
  }

  /** Tells the driver, once between two flushes, of what was appended. */
  ring(): void {
    if (this.#kicked === false) this.kick();
  }

  /** The same after bytes were read, which matters only when their credit is given back. */
  ringForCredit(): void {
    if (this.#kicked === false && this.rows.dirty !== 0) this.kick();
  }

  /** Puts the connection in the next flush. */
  markDirty(socket: Socket): void {
    this.rows.release(socket.connection);
    this.ring();
  }

  /** MSG_MORE: what was appended may wait for more, for a bounded time. */
  hold(socket: Socket): void {
    this.#outbox.hold(socket, HOLD_NS + liveTime(this.core, socket, INFO_SRTT));
    if (!this.#kicked) this.kick();
  }

  /** send() found no chunk for its bytes: -EAGAIN, and writable again when there are some. */
  starve(socket: Socket): number {
    this.#starved.add(socket);
    return -ERRNO.EAGAIN;
  }

  /** Tells the driver, once between two flushes, that the stack has work. */
  kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    this.#hooks.onDoorbell?.();
  }

  /** True when flush() or poll() has something to do; after a kick a descriptor may wait. */
  hasWork(): boolean {
    if (this.#kicked === true || this.#touched.count !== 0) return true;
    return this.rows.busy() && this.#isStirred();
  }

  #isStirred(): boolean {
    if (this.rows.ready !== 0 || this.#starved.canFeed()) return true;
    // A fenced ring takes nothing more: what is dirty stays so (threats D05).
    return this.rows.dirty !== 0 && !this.context.fenced();
  }

  /**
   * One merged descriptor for each dirty connection, then one doorbell; how many were put. What a
   * full ring did not take stays for the next flush: nothing is lost.
   */
  flush(): number {
    return this.beforeTurn() + this.rows.flush();
  }

  /** What of flush() is not Wasm's: descriptors that end a side and wait for room. */
  beforeTurn(): number {
    this.#kicked = false;
    const { ending } = this.#outbox;
    return ending.length === 0 ? 0 : this.#putEnds(ending);
  }

  #putEnds(ending: readonly Socket[]): number {
    this.#outbox.ending = [];
    for (const socket of ending) this.#putEnd(socket);
    return ending.length - this.#outbox.ending.length;
  }

  /** The data path is fenced (threats W7): none of it has news or takes any. */
  fenced(): void {
    this.rows.clear();
  }

  /** Puts the descriptor with the socket's ATX_* flags now, or leaves it for flush(). */
  putNow(socket: Socket): void {
    this.#putEnd(socket);
    this.kick();
  }

  #putEnd(socket: Socket): void {
    const { connection, atxFlags } = socket;
    // Its connection may be over by now.
    if (connection === 0 || atxFlags === 0) return;
    if (this.rows.put(connection, atxFlags)) this.#ended(socket, atxFlags);
    else this.#outbox.ending.push(socket);
  }

  /** The descriptor that ends a side is in the ring: the control plane follows. */
  #ended(socket: Socket, flags: number): void {
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
    this.rows.change(socket.row, 0, SOCKET_SENDABLE);
    socket.atxFlags |= ATX_FIN;
    this.putNow(socket);
    this.touch(socket, ANYTHING);
  }

  /** Lets go of an established connection in order. */
  release(socket: Socket): void {
    socket.atxFlags |= ATX_RX_SHUT | (socket.txShut ? 0 : ATX_FIN);
    socket.sendable = false;
    socket.txShut = true;
    socket.releasing = true;
    // What is notified from now on is nobody's; what was appended still goes with the FIN.
    this.rows.change(socket.row, 0, -1);
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
    this.#sockets[socket.connection] = undefined;
    // The control plane may forget the connection while the descriptor is still open.
    if (socket.row !== 0 && !socket.releasing) {
      const rare = socket.own();
      rare.local = this.control.local(socket.connection);
      rare.remote = this.control.remote(socket.connection);
    }
    if (socket.row !== 0) this.rows.forget(socket.connection);
    socket.row = 0;
    socket.connection = 0;
  }

  #over(socket: Socket, error: number): void {
    const failedOpen = socket.state === SOCKET_CONNECTING;
    // A failed connect() leaves a socket that may connect again (Linux).
    socket.state = failedOpen ? SOCKET_IDLE : SOCKET_CLOSED;
    socket.sendable = false;
    socket.txShut = !failedOpen;
    socket.atxFlags = 0;
    if (error !== 0) socket.error = error;
    this.touch(socket, ANYTHING);
  }

  // The way in: ARX and the control plane's events.

  /** Takes all that the data path notified, without running the application's code. */
  take(): number {
    let count = this.rows.take();
    while (this.context.waiting() !== 0) {
      this.#touchReady();
      count += this.rows.take();
    }
    return count;
  }

  /** Makes room in LIBTOE_READY: what it names waits in the list of touched sockets. */
  #touchReady(): void {
    const { rows } = this;
    while (rows.ready !== 0) {
      const socket = this.#sockets[rows.nextReady()];
      if (socket !== undefined) this.touch(socket, rows.cause);
    }
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
    for (let id = 0; id < this.#sockets.length; id += 1) {
      const row = this.#sockets[id];
      if (row !== undefined && row.fd < 0 && row.listener === listener)
        this.#sockets[id] = undefined;
    }
    this.control.unlisten(listener);
    this.kick();
  }

  /** The record of a connection that accept() returned. */
  accepted(connection: number): Socket | undefined {
    return this.#sockets[connection];
  }

  #enter(socket: Socket, connection: number): void {
    while (this.#sockets.length <= connection) this.#sockets.push(undefined);
    this.#sockets[connection] = socket;
    socket.connection = connection;
  }

  opened(connection: number, generation: number, listener: number): void {
    let socket = this.#sockets[connection];
    if (listener !== 0) {
      const parent = this.#listeners.get(listener);
      if (parent === undefined) return;
      socket = new Socket(parent.options.share());
      socket.listener = listener;
      this.#enter(socket, connection);
    }
    if (socket === undefined) return;
    this.#connected(socket, generation);
  }

  #connected(socket: Socket, generation: number): void {
    const { connection } = socket;
    if (!this.rows.open(connection, generation)) {
      this.abort(socket, ERRNO.ECONNABORTED);
      return;
    }
    socket.ints = this.rows.ints;
    socket.row = this.rows.row(connection);
    socket.bound = undefined;
    socket.state = SOCKET_CONNECTED;
    socket.sendable = true;
    this.touch(socket, ANYTHING);
  }

  acceptReady(listener: number): void {
    const socket = this.#listeners.get(listener);
    if (socket === undefined) return;
    socket.own().acceptable = true;
    this.touch(socket, READABLE);
  }

  closed(connection: number, error: number): void {
    const known = this.#sockets[connection];
    // Not within its event: the control plane is in the middle of a step.
    this.#finished.push(connection);
    this.#attention.due = true;
    if (known === undefined) return;
    // What was notified before the end belongs to the application.
    this.take();
    if (this.#sockets[connection] !== known) return;
    this.#saveUnread(known);
    this.#forget(known);
    this.#over(known, error);
  }

  softError(connection: number, error: number): void {
    const socket = this.#sockets[connection];
    if (socket !== undefined) socket.own().softError = error;
  }

  /** The buffer goes back to the arena with the connection; unread bytes stay readable. */
  #saveUnread(socket: Socket): void {
    if (socket.row === 0 || socket.releasing || (socket.rxShut && !this.readsOn)) return;
    const unread = socket.rxAvail + pendingBytes(this.core, socket.connection);
    if (unread === 0) return;
    const rare = socket.own();
    rare.tail = new Uint8Array(unread);
    rare.tailAt = 0;
    this.memory.peek(socket, rare.tail, 0, unread);
  }

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
    const count = this.rows.take();
    this.afterTurn(now);
    // The next poll takes what LIBTOE_READY had no room for.
    if (this.context.waiting() !== 0) this.kick();
    return count;
  }

  /** poll() behind a turn(), which has taken the notifications. */
  afterTurn(now: number | undefined): void {
    if (this.#polling === true) return;
    this.#polling = true;
    if (this.#attention.due === true) this.#attend(now);
    if (this.rows.ready !== 0) this.#dispatchReady();
    if (this.#touched.count !== 0) this.#dispatchTouched();
    this.#polling = false;
  }

  #dispatchReady(): void {
    const { rows } = this;
    if (rows.ready >= NEWS_MIN) this.readAhead = readAhead(rows, this.#sockets);
    // A callback that takes notifications adds to them, or makes them touched sockets.
    while (rows.ready !== 0) {
      const socket = this.#sockets[rows.nextReady()];
      const cause = rows.cause | 0;
      // One that is over, or that is dispatched below.
      if (socket === undefined || cause === 0) continue;
      if (socket.touched === true) socket.cause |= cause;
      else dispatch(this, socket, cause, this.#hooks);
    }
  }

  /** Sockets that callbacks touch wait for the next poll, so that one of them cannot loop here. */
  #dispatchTouched(): void {
    const touched = this.#touched;
    const total = touched.count;
    for (let i = 0; i < total; i += 1) {
      const socket = touched.at(i);
      const { cause } = socket;
      socket.touched = false;
      socket.cause = 0;
      dispatch(this, socket, cause, this.#hooks);
    }
    touched.drop(total);
    if (touched.count > 0) this.kick();
  }

  /** Lets go of what is held back, now; what is written later waits again as its options say. */
  push(socket: Socket): void {
    if (waitingBytes(socket) !== 0) this.markDirty(socket);
    if (socket.options.cork) this.#pushed.push(socket);
  }

  #attend(now: number | undefined): void {
    this.#outbox.releaseHeld(now, (socket) => this.markDirty(socket));
    if (now !== undefined) this.notifications += this.deadlines.expire(now);
    if (this.#pushed.any) this.#pushed.corkAgain();
    // The application's records are complete: the control plane may reuse the ids.
    for (const connection of this.#finished.splice(0)) this.control.release(connection);
    if (this.#starved.any) this.#starved.feed((one, cause) => this.touch(one, cause));
    const waits = this.#outbox.holding || this.deadlines.active || this.#pushed.any;
    this.#attention.due = waits || this.#finished.length > 0 || this.#starved.any;
  }

  /** Sockets that the next poll() will look at even if nothing arrives. */
  get undispatched(): number {
    return this.#touched.count + this.rows.ready;
  }

  /** Time in ns at which poll(now) has something to do by itself; Infinity when never. */
  nextDeadline(): number {
    return Math.min(this.deadlines.next(), this.#outbox.nextDeadline());
  }
}
