/**
 * Corked connections that TCP_NODELAY let go of, once, as on Linux: uncorked for one turn of the
 * data path, which sends what may go, and corked again at the next poll.
 */
import type { ControlPlaneApi } from "../control-plane/interface.ts";
import { SocketOptions } from "./options.ts";
import type { Socket } from "./socket.ts";

export class PushedSockets {
  readonly #control: ControlPlaneApi;
  /** False when nobody waits to be corked again: looked at in every poll. */
  any = false;
  #sockets: Socket[] = [];

  constructor(control: ControlPlaneApi) {
    this.#control = control;
  }

  push(socket: Socket): void {
    const open = new SocketOptions(socket.options);
    open.cork = false;
    this.#control.configure(socket.connection, open);
    this.#sockets.push(socket);
    this.any = true;
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
