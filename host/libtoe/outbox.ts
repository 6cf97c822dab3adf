/**
 * What waits on the way out besides the dirty list in Wasm: bytes that MSG_MORE holds back, and
 * descriptors that end a side and found the ring full.
 */
import { SOCKET_TX_APPEND } from "../../bindings/abi/socket.ts";
import type { Socket } from "./socket.ts";

/** MSG_MORE holds bytes back for no longer than this, as Linux's cork. */
export const HOLD_NS = 200e6;
/** RareState.heldSince: not held, and held since the next poll that knows the time. */
const NOT_HELD = -1;
const UNSTAMPED = -2;

const TX_APPEND = SOCKET_TX_APPEND >>> 2;

function appended(socket: Socket): boolean {
  return socket.row !== 0 && socket.ints[socket.row + TX_APPEND] !== 0;
}

export class Outbox {
  /** Sockets whose ATX_* flags wait for room in the ring. */
  ending: Socket[] = [];
  /** False when no bytes are held back: looked at in every poll. */
  holding = false;
  #held: Socket[] = [];

  /** What was appended may wait for more, for a bounded time. */
  hold(socket: Socket): void {
    if (socket.rare.heldSince !== NOT_HELD || socket.dirty) return;
    socket.own().heldSince = UNSTAMPED;
    this.holding = true;
    this.#held.push(socket);
  }

  /** Lets go of what was held long enough; without a time, of everything. */
  releaseHeld(now: number | undefined, release: (socket: Socket) => void): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const socket of held) {
      const since = socket.rare.heldSince;
      const due = now === undefined || (since >= 0 && now - since >= HOLD_NS);
      if (due || !appended(socket) || socket.dirty) {
        socket.own().heldSince = NOT_HELD;
        if (appended(socket)) release(socket);
        continue;
      }
      if (since < 0) socket.own().heldSince = now;
      this.#held.push(socket);
    }
    this.holding = this.#held.length > 0;
  }

  /** Time in ns at which held bytes are due; Infinity when none are. */
  nextDeadline(): number {
    let next = Infinity;
    if (this.#held.length === 0) return next;
    for (const { rare } of this.#held) {
      const { heldSince } = rare;
      next = Math.min(next, heldSince < 0 ? 0 : heldSince + HOLD_NS);
    }
    return next;
  }
}
