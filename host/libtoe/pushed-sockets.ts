/**
 * Corked connections that TCP_NODELAY let go of, once, as on Linux: uncorked for one turn of the
 * data path, which sends what may go, and corked again at the next poll.
 */
import type { ControlPlaneApi } from "../control-plane/interface.ts";
import type { Attention } from "./attention.ts";
import { SocketOptions } from "./options.ts";
import type { Socket } from "./socket.ts";

export class PushedSockets {
  readonly #control: ControlPlaneApi;
  readonly #attention: Attention;
  /** False when nobody waits to be corked again. */
  any = false;
  #sockets: Socket[] = [];

  constructor(control: ControlPlaneApi, attention: Attention) {
    this.#control = control;
    this.#attention = attention;
  }

  push(socket: Socket): void {
    const open = new SocketOptions(socket.options);
    open.cork = false;
    this.#control.configure(socket.connection, open);
    this.#sockets.push(socket);
    this.any = true;
    this.#attention.due = true;
  }

  /** The data path has had its turn. */
  corkAgain(): void {
    const pushed = this.#sockets;
    this.#sockets = [];
    this.any = false;
    for (const socket of pushed) {
      const isLive = socket.connection !== 0 && !socket.releasing;
      if (isLive) this.#control.configure(socket.connection, socket.options);
    }
  }
}
