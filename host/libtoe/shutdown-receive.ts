/** shutdown(SHUT_RD): what becomes of bytes that nobody is to read. */
import { SOCKET_RX_SHUT } from "../../bindings/abi/socket.ts";
import type { Connections } from "./connections.ts";
import { ANYTHING, type Socket } from "./socket.ts";

/**
 * The application reads no more, and lets what arrives go by. What waits goes first, as on BSD:
 * credit is given back in the order of the stream. Profile `linux` keeps both: a read says 0 only
 * when there is nothing.
 */
export function shutdownReceive(toe: Connections, socket: Socket): void {
  socket.rxShut = true;
  if (!toe.readsOn) dropUnread(toe, socket);
  toe.touch(socket, ANYTHING);
}

function dropUnread(toe: Connections, socket: Socket): void {
  if (socket.rare.tail !== undefined) socket.own().tail = undefined;
  if (socket.row === 0) return;
  const unread = socket.rxAvail;
  toe.rows.change(socket.row, SOCKET_RX_SHUT, 0);
  if (unread === 0) return;
  toe.rows.consume(socket.connection, unread);
  toe.markDirty(socket);
}
