/**
 * What waits on the way out besides the dirty list in Wasm: bytes that MSG_MORE holds back, and
 * descriptors that end a side and found the ring full.
 */
import type { Attention } from "./attention.ts";
import { SOCKET_TX_APPEND, SOCKET_TX_FREE } from "../../bindings/abi/socket.ts";
import type { Socket } from "./socket.ts";

/** MSG_MORE holds bytes back for no longer than this and a round trip, as Linux's cork. */
export const HOLD_NS = 200e6;
/** RareState.heldSince: not held, and held since the next poll that knows the time. */
const NOT_HELD = -1;
const UNSTAMPED = -2;

const TX_APPEND = SOCKET_TX_APPEND >>> 2;
const TX_FREE = SOCKET_TX_FREE >>> 2;

/** Bytes that the data path has not been told of. */
export function waitingBytes(socket: Socket): number {
  return socket.row === 0 ? 0 : (socket.ints[socket.row + TX_APPEND] as number);
}

/** Stays as it is while bytes are appended, and grows when the peer acknowledges some. */
function roomOf(socket: Socket): number {
  return waitingBytes(socket) + (socket.ints[socket.row + TX_FREE] as number);
}

export class Outbox {
  /** Sockets whose ATX_* flags wait for room in the ring. */
  ending: Socket[] = [];
  /** False when no bytes are held back. */
  holding = false;
  #held: Socket[] = [];
  readonly #attention: Attention;

  constructor(attention: Attention) {
    this.#attention = attention;
  }

  /** What was appended may wait for more, for `limit` ns or until the peer acknowledges bytes. */
  hold(socket: Socket, limit: number): void {
    if (socket.dirty) return;
    const rare = socket.own();
    if (rare.heldSince !== NOT_HELD) {
      // What filled segments has left since.
      rare.heldRoom = Math.min(rare.heldRoom, roomOf(socket));
      return;
    }
    rare.heldSince = UNSTAMPED;
    rare.heldFor = limit;
    rare.heldRoom = roomOf(socket);
    this.holding = true;
    this.#attention.due = true;
    this.#held.push(socket);
  }

  /**
   * Lets go of what was held long enough, or had an ACK, as Linux does; without a time, of
   * everything.
   */
  releaseHeld(now: number | undefined, release: (socket: Socket) => void): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const socket of held) {
      const { heldSince: since, heldFor, heldRoom } = socket.rare;
      const waits = waitingBytes(socket) !== 0;
      const due = now === undefined || (since >= 0 && now - since >= heldFor);
      if (due || !waits || socket.dirty || roomOf(socket) > heldRoom) {
        socket.own().heldSince = NOT_HELD;
        if (waits) release(socket);
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
      const { heldSince, heldFor } = rare;
      next = Math.min(next, heldSince < 0 ? 0 : heldSince + heldFor);
    }
    return next;
  }
}
