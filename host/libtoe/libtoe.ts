/**
 * libTOE (dissertation 4.3.1): the application's end of the context queues. The stack calls
 * flush() before the data path's step and poll() after it; the application calls POSIX-like
 * functions on descriptors (calls.ts) or their awaitable forms.
 *
 * Invariant: the application's code runs inside poll() or its own calls, never inside an event of
 * the control plane or between two descriptors of a batch.
 */
import type { Core } from "../../bindings/core.ts";
import type { ConnectionEvents, ConnectionInfo } from "../control-plane/interface.ts";
import type { ConnectionOptions, ControlPlaneApi } from "../control-plane/interface.ts";
import * as A from "./awaitable.ts";
import { type SocketAddress, SocketCalls } from "./calls.ts";
import { Connections } from "./connections.ts";
import type { Hooks } from "./dispatch.ts";
import type { EpollEvent } from "./epoll.ts";
import { SocketOptions } from "./options.ts";
import type { PollEntry } from "./poll.ts";
import { allocateRegistered } from "./registered-memory.ts";

export class LibToe extends SocketCalls implements ConnectionEvents {
  readonly #hooks: Hooks;

  /**
   * `context` is the application's (>= 1), `defaults` the options of new sockets; `readsOn`: what
   * arrives after SHUT_RD can be read. Throws RangeError when the core has no such context.
   */
  constructor(
    core: Core,
    context: number,
    control: ControlPlaneApi,
    defaults: Partial<ConnectionOptions> = {},
    readsOn = false,
  ) {
    const hooks: Hooks = { onDoorbell: undefined, onCallbackError: undefined };
    super(new Connections(core, context, control, new SocketOptions(defaults), hooks, readsOn));
    this.#hooks = hooks;
  }

  /** Called once when work for the stack appears after a flush(), to schedule a poll. */
  get onDoorbell(): (() => void) | undefined {
    return this.#hooks.onDoorbell;
  }

  set onDoorbell(hook: (() => void) | undefined) {
    this.#hooks.onDoorbell = hook;
  }

  /** Told of what a watcher threw; its connection has been reset. */
  get onCallbackError(): ((fd: number, error: unknown) => void) | undefined {
    return this.#hooks.onCallbackError;
  }

  set onCallbackError(hook: ((fd: number, error: unknown) => void) | undefined) {
    this.#hooks.onCallbackError = hook;
  }

  /**
   * A registered buffer: `bytes` of the core's own memory, zeroed, 16-byte aligned, for as long as
   * the stack lives. send() and recv() with it are copied inside the data path's module, which
   * costs less than half of what a copy by JavaScript does when messages are small; every other
   * call takes it like any Uint8Array. Throws SocketError ENOMEM beyond `layout.bufferBytes`,
   * EINVAL when `bytes` is not a positive integer.
   */
  allocate(bytes: number): Uint8Array {
    return allocateRegistered(this.internals.core, bytes);
  }

  // The stack's side.

  /** Merged descriptors to the data path, one doorbell; how many descriptors. */
  flush(): number {
    return this.internals.flush();
  }

  /** Takes notifications and runs what waits for them; `now` in ns lets timeouts pass. */
  poll(now?: number): number {
    return this.internals.poll(now);
  }

  /** True when flush() or poll() has something to do without input from the data path. */
  pending(): boolean {
    return this.internals.hasWork();
  }

  #waiting(): boolean {
    return this.internals.unflushed > 0 || this.internals.undispatched > 0;
  }

  /** Time in ns at which poll(now) is due by itself; Infinity when never. */
  nextDeadline(): number {
    return this.internals.nextDeadline();
  }

  /** Arming handshake: true when the caller may sleep until the context fires. */
  arm(): boolean {
    return !this.#waiting() && this.internals.context.arm();
  }

  /** Ends the handshake; true when the context had fired. */
  disarm(): boolean {
    return this.internals.context.disarm();
  }

  /** Closes every descriptor: in order, or with a reset. */
  closeAll(graceful: boolean): void {
    for (const fd of this.internals.table.list()) {
      if (graceful) this.close(fd);
      else if (this.abort(fd) < 0) this.close(fd);
    }
  }

  /** Counts what the application has been told: watchers, epoll instances and promises woken. */
  get notifications(): number {
    return this.internals.notifications;
  }

  opened(connection: number, generation: number, listener: number): void {
    this.internals.opened(connection, generation, listener);
  }

  acceptReady(listener: number): void {
    this.internals.acceptReady(listener);
  }

  closed(connection: number, error: number): void {
    this.internals.closed(connection, error);
  }

  softError(connection: number, error: number): void {
    this.internals.softError(connection, error);
  }

  // Awaitable forms; they reject with SocketError.

  /** Resolves when the connection is established; ends the attempt when the wait ends early. */
  connectAsync(fd: number, remote: SocketAddress, options?: A.WaitOptions): Promise<void> {
    return A.connectAsync(this, fd, remote, options);
  }

  /** Resolves with the descriptor of the next connection. */
  acceptAsync(fd: number, options?: A.TransferOptions): Promise<number> {
    return A.acceptAsync(this, fd, options);
  }

  /** Resolves with the bytes read, 0 at the end of the stream; MSG_WAITALL waits for all. */
  recvAsync(
    fd: number,
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    options?: A.TransferOptions,
  ): Promise<number> {
    return A.recvAsync(this, fd, buffer, offset, length, options);
  }

  /** Resolves when all bytes are in the transmit buffer; they must not change meanwhile. */
  sendAsync(
    fd: number,
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    options?: A.TransferOptions,
  ): Promise<number> {
    return A.sendAsync(this, fd, buffer, offset, length, options);
  }

  /** Resolves with the number of entries that have `revents`; -1 ms waits for ever. */
  pollAsync(entries: PollEntry[], timeoutMs?: number, options?: A.WaitOptions): Promise<number> {
    return A.pollAsync(this, entries, timeoutMs, options);
  }

  /** Resolves with the number of events; -1 ms waits for ever. */
  epollWaitAsync(
    epfd: number,
    events: EpollEvent[],
    most?: number,
    timeoutMs?: number,
    options?: A.WaitOptions,
  ): Promise<number> {
    return A.epollWaitAsync(this, epfd, events, most, timeoutMs, options);
  }

  /** Resolves when the peer has acknowledged everything and the descriptor is closed. */
  closeAsync(fd: number, options?: A.WaitOptions): Promise<void> {
    return A.closeAsync(this, fd, options);
  }

  /** Every connection as ss shows them, TIME-WAIT included. */
  connections(): ConnectionInfo[] {
    return this.internals.control.connections();
  }
}
