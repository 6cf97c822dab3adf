/** Sockets that wait for chunks of the arena: send() found none for their bytes. */
import { SOCKET_TX_FULL } from "../../bindings/abi/socket.ts";
import type { SocketRows } from "./socket-rows.ts";
import { type Socket, WRITABLE } from "./socket.ts";

export class StarvedSockets {
  readonly #rows: SocketRows;
  readonly #waiting = new Set<Socket>();
  /** True while there are any: looked at every round. */
  any = false;

  constructor(rows: SocketRows) {
    this.#rows = rows;
  }

  add(socket: Socket): void {
    this.#waiting.add(socket);
    this.any = true;
  }

  /** True when chunks went back to the arena while somebody waits. */
  canFeed(): boolean {
    return this.any && this.#rows.spare() !== 0;
  }

  /** Whoever waited may try again; `touch` tells its application. */
  feed(touch: (socket: Socket, cause: number) => void): void {
    if (!this.canFeed()) return;
    for (const socket of this.#waiting) {
      this.#rows.change(socket.row, 0, SOCKET_TX_FULL);
      touch(socket, WRITABLE);
    }
    this.#waiting.clear();
    this.any = false;
    this.#rows.satisfied();
  }
}
