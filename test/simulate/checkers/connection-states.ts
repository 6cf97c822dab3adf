/**
 * I2, I4, I7, I8 by TCP_INFO: what a stack says of its connections is what the wire has shown,
 * states move along the edges of RFC 9293's figure 5, in flight is at most the congestion window,
 * and who waits for the peer has a timer.
 */
import { TIMER_DEADLINE, TIMER_SIZE, TIMERS_PER_CONNECTION } from "../../../bindings/abi/timer.ts";
import { CORE_EGRESS_COUNT } from "../../../bindings/abi/memory-map.ts";
import type { ConnectionInfo } from "../../../host/control-plane/interface.ts";
import { PROFILES } from "../../../host/control-plane/profile.ts";
import type { Stack } from "../../../host/stack.ts";
import { isHeldBack, isPaced, type Plan } from "../plan.ts";
import type { Checker, Scene } from "./checker.ts";
import type { Flights } from "./flights.ts";
import type { Side } from "./flow-book.ts";

/** RFC 9293, figure 5, and the SYN that reopens TIME-WAIT (MAY-2). */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  "SYN-SENT": ["SYN-RECEIVED", "ESTABLISHED"],
  "SYN-RECEIVED": ["ESTABLISHED", "FIN-WAIT-1", "CLOSE-WAIT"],
  ESTABLISHED: ["FIN-WAIT-1", "CLOSE-WAIT"],
  "FIN-WAIT-1": ["FIN-WAIT-2", "CLOSING", "TIME-WAIT"],
  "FIN-WAIT-2": ["TIME-WAIT"],
  "CLOSE-WAIT": ["LAST-ACK"],
  CLOSING: ["TIME-WAIT"],
  "LAST-ACK": [],
  "TIME-WAIT": ["SYN-RECEIVED"],
};
/** One poll may take several edges; the reopening is one of its own. */
const EDGES_A_POLL = 4;
const WAITING = ["SYN-SENT", "SYN-RECEIVED", "TIME-WAIT"];
/** States of who has closed first; the peer's FIN leads to TIME-WAIT. */
const CLOSED_FIRST = ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "TIME-WAIT"];
const ROWS_SPARE = 2;
const IN_FLIGHT_MAX = 2 ** 30;
const MS = 1e6;

interface Known {
  readonly key: string;
  state: string;
  /** Of the wire, once there is one. */
  side: Side | undefined;
  /** When it came into this state. */
  since: number;
  una: number;
}

/** States that are reached from one within a poll. */
function reachable(from: string): Set<string> {
  const found = new Set([from, "CLOSED"]);
  for (let step = 0; step < EDGES_A_POLL; step += 1) {
    for (const state of [...found]) {
      if (state === "TIME-WAIT" && from !== "TIME-WAIT") continue;
      for (const next of EDGES[state] ?? []) found.add(next);
    }
  }
  return found;
}

const REACHABLE = new Map(Object.keys(EDGES).map((state) => [state, reachable(state)]));

export class ConnectionStates implements Checker {
  readonly #scene: Scene;
  readonly #flights: Flights;
  readonly #known: Map<number, Known>[];
  readonly #heldBack: boolean;
  /** A FIN may wait for the link or for its turn, and no timer with it. */
  readonly #waitsInTurn: boolean;
  /** A clock that is set back moves deadlines. */
  readonly #goesBack: boolean;

  constructor(scene: Scene, flights: Flights) {
    this.#scene = scene;
    this.#flights = flights;
    this.#known = scene.plan.hosts.map(() => new Map());
    this.#heldBack = isHeldBack(scene.plan);
    this.#waitsInTurn = this.#heldBack || isPaced(scene.plan);
    this.#goesBack = scene.plan.timeline.some(({ event }) => event.what === "back");
  }

  polled(host: number, now: number): void {
    const stack = this.#scene.stacks[host] as Stack;
    const known = this.#known[host] as Map<number, Known>;
    const infos = stack.connections();
    const present = new Set<number>();
    for (const info of infos) {
      present.add(info.connection);
      this.#look(host, info, known, now);
    }
    for (const [id, last] of known) {
      if (present.has(id)) continue;
      this.#checkEnd(host, last, known.size, now);
      known.delete(id);
    }
  }

  /**
   * RFC 9293 MUST-13: who has closed first, and has acknowledged the peer's FIN, is in TIME-WAIT
   * for 2 MSL: nothing but a RST, an abort or a new connection in its place ends that sooner.
   */
  #checkEnd(host: number, last: Known, used: number, now: number): void {
    const { side, state, since, key } = last;
    const { profile, layout } = this.#scene.plan.hosts[host] as Plan["hosts"][number];
    // The oldest makes room when there is no row.
    const isFull = used + ROWS_SPARE >= (layout.connections ?? 0);
    if (side === undefined || isFull || this.#goesBack) return;
    if (side.isUncertain || !side.counts) return;
    const isReset = side.resetSent || side.resetsArrived > 0 || side.ledger?.aborted !== false;
    if (isReset || (side.ledger?.error ?? 0) !== 0) return;
    const hasEnded = side.finAt >= 0 && side.acked > side.finAt;
    const hasAcknowledged = side.peerFin >= 0 && side.ackSent > side.peerFin;
    if (!hasEnded || !hasAcknowledged) return;
    const stayed = state === "TIME-WAIT" ? now - since : 0;
    if (!CLOSED_FIRST.includes(state) || stayed >= PROFILES[profile].timeWait * 0.99) return;
    this.#scene.report("I7", `${key}: from ${state} to CLOSED, TIME-WAIT of ${stayed} ns`);
  }

  #look(host: number, info: ConnectionInfo, known: Map<number, Known>, now: number): void {
    const { local, remote, connection, state } = info;
    const key = `${host} ${connection} ${local.port} ${remote.address[15]}:${remote.port}`;
    let before = known.get(connection);
    if (before?.key === key) {
      if (!REACHABLE.get(before.state)?.has(state)) {
        this.#scene.report("I7", `${key}: ${before.state} to ${state}`);
      }
    } else {
      if (before !== undefined) this.#checkEnd(host, before, known.size, now);
      before = { key, state, side: undefined, since: now, una: -1 };
      known.set(connection, before);
    }
    const source = 0x0a000000 + (local.address[15] as number);
    const peer = 0x0a000000 + (remote.address[15] as number);
    const side = this.#scene.book.side(source, local.port, peer, remote.port);
    const isLive = info.mss > 0 && side !== undefined && side.iss >= 0 && !side.isReborn;
    if (state === "SYN-RECEIVED" && before.state === "TIME-WAIT") before.una = -1;
    if (isLive) this.#compare(info, side, before, now);
    const waitsForFin = isLive && side.finAt >= 0 && side.acked <= side.finAt;
    if (state !== "CLOSED") this.#checkTimers(host, info, key, now, waitsForFin);
    if (state === "CLOSED") this.#checkEnd(host, before, known.size, now);
    if (state !== before.state) before.since = now;
    before.side = side;
    before.state = state;
  }

  /** I2, I4: una <= nxt <= una + window, as the wire has it. */
  #compare(info: ConnectionInfo, side: Side, before: Known, now: number): void {
    const una = side.place(info.txUna);
    const nxt = una + info.txSent;
    const scene = this.#scene;
    if (una < before.una || una > Math.max(side.acked, 0)) {
      scene.report(
        "I2",
        `${before.key}: una ${una}, was ${before.una}, acknowledged ${side.acked}`,
      );
    }
    if (info.txSent > IN_FLIGHT_MAX || (nxt > side.sentSpan && !this.#heldBack)) {
      scene.report("I2", `${before.key}: nxt ${nxt}, sent ${side.sentSpan}`);
    }
    this.#flights.look(before.key, info, side, now);
    before.una = una;
  }

  #checkTimers(
    host: number,
    info: ConnectionInfo,
    key: string,
    now: number,
    waitsForFin: boolean,
  ): void {
    const scene = this.#scene;
    const stack = scene.stacks[host] as Stack;
    const { rtoMin, rtoMax } = PROFILES[scene.plan.hosts[host]?.profile ?? "internet"];
    const { rto, srtt } = info;
    if (srtt > 0 && (rto * MS < rtoMin * 0.99 || rto * MS > rtoMax * 1.01)) {
      scene.report("I8", `${key}: RTO ${rto} ms outside ${rtoMin / MS}..${rtoMax / MS}`);
    }
    const waits =
      info.txSent > 0 || (waitsForFin && !this.#waitsInTurn) || WAITING.includes(info.state);
    const { words, address } = stack.core;
    // Frames wait for the link: the poll has not come to its end.
    const isHeld = words[(address + CORE_EGRESS_COUNT) >>> 2] !== 0;
    if (!waits || isHeld || stack.nextDeadline() <= now) return;
    if (this.#isArmed(stack, info.connection)) return;
    scene.report("I8", `${key}: ${info.state} with ${info.txSent} bytes in flight has no timer`);
  }

  /** Any of its timers; row 0's is the neighbour cache's, for whom an address is asked. */
  #isArmed({ core }: Stack, connection: number): boolean {
    const base = core.map.base.timers as number;
    const armed = (row: number): boolean => {
      for (let kind = 0; kind < TIMERS_PER_CONNECTION; kind += 1) {
        const at = base + (row * TIMERS_PER_CONNECTION + kind) * TIMER_SIZE + TIMER_DEADLINE;
        if (core.view.getBigUint64(at, true) !== 0n) return true;
      }
      return false;
    };
    return armed(connection) || armed(0);
  }
}
