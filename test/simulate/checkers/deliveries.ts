/**
 * I1 at the sockets: what recv() gives is what the peer's application wrote, in order, and has been
 * on the wire; the end of the stream comes behind its last byte; an error has a cause.
 */
import { ERRNO, errnoName } from "../../../host/errors.ts";
import type { Scene } from "./checker.ts";
import type { Side } from "./flow-book.ts";
import { patternDiffers } from "../stream-pattern.ts";

/** What a call may tell of a connection. */
const ALLOWED: readonly number[] = [
  ERRNO.ECONNRESET,
  ERRNO.ECONNREFUSED,
  ERRNO.ETIMEDOUT,
  ERRNO.EHOSTUNREACH,
  ERRNO.ECONNABORTED,
  ERRNO.EPIPE,
];
const CAUSED_BY_RESET: readonly number[] = [ERRNO.ECONNRESET, ERRNO.ECONNREFUSED, ERRNO.EPIPE];

export class Deliveries {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** recv() gave `count` bytes at `from` of the peer's stream. */
  received(side: Side, pattern: number, from: number, bytes: Uint8Array, count: number): void {
    const wrong = patternDiffers(pattern, from, bytes, 0, count);
    const end = from + count;
    if (wrong >= 0) this.#scene.report("I1", `${side.name}: byte ${wrong} that was read is wrong`);
    if (side.isUncertain) return;
    if (end > side.arrived.contiguous) {
      this.#scene.report("I1", `${side.name}: read ${end}, arrived ${side.arrived.contiguous}`);
    }
    const written = side.peer.ledger?.written ?? 0;
    if (end > written) this.#scene.report("I1", `${side.name}: read ${end}, written ${written}`);
  }

  /** recv() said that the stream is over after `count` bytes. */
  ended(side: Side, count: number): void {
    if (side.peerFin === count || side.isUncertain) return;
    this.#scene.report("I1", `${side.name}: end after ${count}, the FIN was at ${side.peerFin}`);
  }

  /** A call told errno `error`. */
  failed(side: Side | undefined, name: string, error: number): void {
    const { plan } = this.#scene;
    const text = `${name}: ${errnoName(error)}`;
    if (!ALLOWED.includes(error)) this.#scene.report("I7", text);
    if (plan.calm) this.#scene.report("I16", `${text} although nothing was wrong`);
    if (side === undefined || !CAUSED_BY_RESET.includes(error)) return;
    if (error === ERRNO.EPIPE ? false : side.resetsArrived === 0) {
      this.#scene.report("I7", `${text}, and no RST has arrived`);
    }
  }
}
