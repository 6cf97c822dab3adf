/**
 * I16: after the faults have stopped every connection ends or makes progress within twice the
 * longest RTO. Progress is a byte delivered or acknowledged, or an end that is told how it went.
 */
import type { Scene } from "./checker.ts";
import type { Ledger } from "./flow-book.ts";

const RTO_MAX = 120e9;
/** Twice the longest RTO, and what delayed ACKs and the widest link add to it. */
export const PATIENCE = 2 * RTO_MAX + 10e9;

/** What an end of a connection has left to do, as its application knows it. */
export interface Watched {
  readonly name: string;
  readonly ledger: Ledger;
  /** Nothing more is expected of it. */
  readonly finished: boolean;
  /** It waits for a peer that is gone: TCP has nothing to say to it. */
  readonly orphaned: boolean;
  /** It, or its peer, waits for memory that the host's other connections have. */
  readonly starved: boolean;
}

interface Progress {
  figure: string;
  at: number;
}

export class Liveness {
  readonly #scene: Scene;
  readonly #progress = new Map<Ledger, Progress>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Looks at all ends; called again and again after the faults have stopped. */
  tick(ends: readonly Watched[], now: number): void {
    // Memory comes back as others get on: where nobody does, nobody waits with good reason.
    const all = ends.map(({ ledger }) => `${ledger.delivered} ${ledger.ended}`).join(" ");
    const acked = [...this.#scene.book.sides()].reduce((sum, side) => sum + side.acked, 0);
    for (const end of ends) {
      if (end.finished || end.orphaned) {
        this.#progress.delete(end.ledger);
        continue;
      }
      const { written, delivered, ended } = end.ledger;
      const others = end.starved ? ` ${all} ${acked}` : "";
      const figure = `${written} ${delivered} ${ended} ${this.#wire(end)}${others}`;
      const last = this.#progress.get(end.ledger);
      if (last?.figure !== figure) {
        this.#progress.set(end.ledger, { figure, at: now });
      } else if (now - last.at > PATIENCE) {
        this.#scene.report("I16", `${end.name}: nothing since ${last.at} ns: ${figure}`);
      }
    }
  }

  /** What the peer has acknowledged, and what has come from it. */
  #wire(end: Watched): string {
    for (const side of this.#scene.book.sides()) {
      if (side.ledger !== end.ledger) continue;
      const { acked, arrived, peer } = side;
      return `${acked} ${arrived.contiguous} ${side.peerFin} ${peer.acked}`;
    }
    return "";
  }
}
