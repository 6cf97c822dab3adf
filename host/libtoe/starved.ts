/** Sockets that wait for chunks of the arena: send() found none for their bytes. */
import { SOCKET_TX_FULL } from "../../bindings/abi/socket.ts";
import type { Attention } from "./attention.ts";
import type { SocketRows } from "./socket-rows.ts";
import { type Socket, WRITABLE } from "./socket.ts";

export class StarvedSockets {
  readonly #rows: SocketRows;
  readonly #waiting = new Set<Socket>();
  readonly #attention: Attention;
  /** True while there are any. */
  any = false;

  constructor(rows: SocketRows, attention: Attention) {
    this.#rows = rows;
    this.#attention = attention;
  }

  add(socket: Socket): void {
    this.#waiting.add(socket);
    this.any = true;
    this.#attention.due = true;
  }

  /** True when chunks went back to the arena and one who waits could append to them. */
  canFeed(): boolean {
    if (!this.any) return false;
    const spare = this.#rows.spare(0);
    // A first chunk needs a second for the list: looked at one by one when there is but one.
    if (spare !== 1) return spare !== 0;
    for (const { connection } of this.#waiting) {
      if (this.#rows.spare(connection) !== 0) return true;
    }
    return false;
  }

  /** Whoever waited and has room may try again; `touch` tells its application. */
  feed(touch: (socket: Socket, cause: number) => void): void {
    if (!this.canFeed()) return;
    for (const socket of this.#waiting) {
      if (this.#rows.spare(socket.connection) === 0) continue;
      this.#rows.change(socket.row, 0, SOCKET_TX_FULL);
      touch(socket, WRITABLE);
      this.#waiting.delete(socket);
    }
    this.any = this.#waiting.size > 0;
    if (!this.any) this.#rows.satisfied();
  }
}
