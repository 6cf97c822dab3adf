/**
 * Tells the application that a socket has news: observers (epoll, promises), then its watcher.
 * Invariant: application code that throws fails its own connection, and no other.
 */
import { ERRNO } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { readiness, type Socket, wakeObservers } from "./socket.ts";

/** The application's hooks; all may be set at any time. */
export interface Hooks {
  /** Called once when work for the stack appears after a flush(). */
  onDoorbell: (() => void) | undefined;
  /** Told of what a watcher threw; the connection has been reset. */
  onCallbackError: ((fd: number, error: unknown) => void) | undefined;
}

/** Called by poll() for each socket with news; `cause` are the POLL* bits that may be new. */
export function dispatch(toe: Connections, socket: Socket, cause: number, hooks: Hooks): void {
  const { observers, watcher } = socket;
  if (observers === undefined && watcher === undefined) return;
  toe.notifications = (toe.notifications + 1) | 0;
  const events = readiness(socket);
  if (observers !== undefined) wakeObservers(socket, events & cause);
  if (watcher === undefined || socket.fd < 0) return;
  try {
    watcher(socket.fd, events);
  } catch (error) {
    failed(toe, socket, hooks, error);
  }
}

function failed(toe: Connections, socket: Socket, hooks: Hooks, error: unknown): void {
  const { fd } = socket;
  // A listener keeps its watcher: it has no connection to lose.
  if (socket.connection !== 0) socket.watcher = undefined;
  toe.abort(socket, ERRNO.ECONNABORTED);
  try {
    hooks.onCallbackError?.(fd, error);
  } catch {
    // The hook has had its turn; the loop goes on.
  }
}
