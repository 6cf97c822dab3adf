/**
 * Read-ahead of the records that are dispatched next: of many thousand sockets most are in no
 * cache, and these reads do not wait for each other as the calls in a dispatch do. The rows in
 * linear memory are assembly/flow/read-ahead.ts's.
 */
import type { SocketRows } from "./socket-rows.ts";
import type { Socket } from "./socket.ts";

/** Sockets with news, and records in all, from which on reading ahead is worth its turns. */
export const NEWS_MIN = 4;
const RECORDS_MIN = 2048;

/** A word of each; the result has no meaning but that the reads are made. */
export function readAhead(rows: SocketRows, sockets: readonly (Socket | undefined)[]): number {
  const count = rows.ready;
  if (sockets.length < RECORDS_MIN) return 0;
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    const socket = sockets[rows.readyAt(i)];
    if (socket !== undefined) sum = (sum + socket.row + socket.error) | 0;
  }
  return sum;
}
