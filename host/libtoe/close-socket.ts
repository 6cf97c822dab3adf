/**
 * close(): what it means in each state of a socket. Invariant: the descriptor is free afterwards,
 * and nobody waits for it any more.
 */
import type { Connections } from "./connections.ts";
import { SOCKET_CONNECTING, SOCKET_EPOLL, SOCKET_LISTENING, type Socket } from "./socket.ts";

/** Closes a descriptor in whatever state its socket is. */
export function closeSocket(toe: Connections, socket: Socket): void {
  const { observers } = socket;
  socket.observers = undefined;
  socket.watcher = undefined;
  if (socket.state === SOCKET_LISTENING) toe.unlisten(socket);
  else if (socket.state === SOCKET_CONNECTING) toe.abort(socket, 0);
  else if (socket.state === SOCKET_EPOLL) socket.rare.epoll?.close();
  else if (socket.connection !== 0) endConnection(toe, socket);
  if (observers !== undefined) for (const observer of observers) observer.gone();
  toe.table.close(socket);
}

function endConnection(toe: Connections, socket: Socket): void {
  // What arrived and was not looked at yet counts as unread.
  toe.take();
  // RFC 9293 SHLD-3: closing with unread data resets, so that the peer learns of the loss.
  const reset = socket.rxAvail > 0 || socket.options.linger === 0;
  if (reset) toe.abort(socket, 0);
  else toe.release(socket);
}
