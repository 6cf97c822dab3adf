/**
 * Every world that two endpoints can reach, breadth first, as far as a limit: calls, timers and a
 * wire that loses, repeats and reorders. Each new world is checked, and at the end whether from
 * each the connection can still end as applications close it, without a reset or a timeout. Worlds
 * that the limit left unexplored count as such that can.
 */
import {
  ConnectionEvent,
  ConnectionState as S,
  TRANSITIONS,
} from "../../../host/control-plane/connection-state.ts";
import * as R from "./rules.ts";
import * as W from "./world.ts";

export interface Scenario {
  readonly name: string;
  start(context: R.Context): W.World;
  /** Segments of nobody are about: a reset may have no cause. */
  readonly hasStrangers: boolean;
}

export interface Violation {
  readonly scenario: string;
  readonly text: string;
  /** What was done, from the start. */
  readonly path: readonly string[];
}

export interface Found {
  readonly states: number;
  readonly transitions: number;
  /** False when the limit ended the search. */
  readonly isComplete: boolean;
  readonly violations: readonly Violation[];
  /** Rows of the connection machine that were used, of all. */
  readonly rows: number;
  readonly allRows: number;
}

/** The rules' context during one step. */
class Step implements R.Context {
  readonly fault: R.Fault;
  readonly rows = new Set<number>();
  wire: W.Packet[] = [];
  text = "";

  constructor(fault: R.Fault) {
    this.fault = fault;
  }

  /** A full wire loses it. */
  send(packet: W.Packet): void {
    if (this.wire.length < W.CHANNEL) this.wire.push(packet);
  }

  violation(text: string): void {
    this.text = text;
  }

  used(state: S, event: ConnectionEvent): void {
    this.rows.add(state * 32 + event);
  }
}

function active(context: R.Context, base: number): W.Endpoint {
  const end = W.endpoint(base);
  R.change(context, end, ConnectionEvent.ActiveOpen);
  end.nxt = 1;
  return end;
}

function listening(context: R.Context): W.Endpoint {
  const end = W.endpoint(W.SERVER, { isPassive: true });
  R.change(context, end, ConnectionEvent.PassiveOpen);
  return end;
}

/** An open end, that knows its peer's numbers. */
function open(base: number, peer: number): W.Endpoint {
  const edge = 1 + W.WINDOW;
  return W.endpoint(base, { state: S.Established, peer, una: 1, nxt: 1, rcv: 1, edge });
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "an open connection",
    hasStrangers: false,
    start: () => ({ ends: [open(W.CLIENT, W.SERVER), open(W.SERVER, W.CLIENT)], wires: [[], []] }),
  },
  {
    name: "a client and a listener",
    hasStrangers: false,
    start: (context) => ({
      ends: [active(context, W.CLIENT), listening(context)],
      wires: [[], []],
    }),
  },
  {
    name: "a simultaneous open",
    hasStrangers: false,
    start: (context) => ({
      ends: [active(context, W.CLIENT), active(context, W.SERVER)],
      wires: [[], []],
    }),
  },
  {
    // RFC 9293, 3.5, Figure 8.
    name: "an old duplicate SYN",
    hasStrangers: true,
    start: (context) => ({
      ends: [active(context, W.CLIENT), listening(context)],
      wires: [
        [],
        [{ flags: W.SYN, seq: W.numberOf(W.STRANGER, 0), ack: 0, length: 0, window: W.WINDOW }],
      ],
    }),
  },
];

/** One thing that can happen. */
interface Move {
  readonly name: string;
  readonly end: number;
  /** It is part of how a connection ends well. */
  readonly isGood: boolean;
  run(world: W.World, step: Step): void;
}

type Rule = (step: Step, end: W.Endpoint, world: W.World, i: number) => boolean;

/** A move of an end's application or timers: possible when `may` says so. */
interface EndMove {
  readonly name: string;
  readonly isGood: boolean;
  readonly may: Rule;
  run(step: Step, end: W.Endpoint): void;
}

const CLOSABLE: readonly S[] = [S.SynReceived, S.Established, S.CloseWait];

const END_MOVES: readonly EndMove[] = [
  {
    name: "writes",
    isGood: true,
    may: (_, e) => R.mayWrite(e),
    run: (_, e) => {
      e.written += 1;
    },
  },
  {
    name: "reads",
    isGood: true,
    may: (_, e) => e.unread > 0,
    run: (_, e) => {
      e.unread -= 1;
    },
  },
  {
    name: "closes",
    isGood: true,
    may: (_, e) => !e.hasClosed && CLOSABLE.includes(e.state),
    run: (step, e) => {
      e.hasClosed = true;
      R.change(step, e, ConnectionEvent.Close);
    },
  },
  {
    name: "sends",
    isGood: true,
    may: (step, e) => R.maySend(step, e),
    run: (step, e) => R.transmit(step, e, e.nxt),
  },
  {
    name: "probes",
    isGood: true,
    may: (_, e) => R.mayProbe(e),
    run: (step, e) => R.transmit(step, e, e.nxt),
  },
  {
    name: "retransmits",
    isGood: true,
    may: (_, e) => R.mayRetransmit(e),
    run: (step, e) => R.transmit(step, e, e.una),
  },
  {
    // 2 MSL: nothing is under way any more, and the peer has no reason to send.
    name: "ends TIME-WAIT",
    isGood: true,
    may: (_, e, { ends, wires }, i) => {
      const peer = ends[1 - i] as W.Endpoint;
      const isQuiet = (wires[0]?.length ?? 0) + (wires[1]?.length ?? 0) === 0;
      return e.state === S.TimeWait && isQuiet && !R.mayRetransmit(peer);
    },
    run: (step, e) => R.change(step, e, ConnectionEvent.TimeWaitExpired),
  },
  {
    // The limit of an orphan's FIN-WAIT-2: its peer is gone, and the reset that said so is lost.
    name: "waits for no FIN",
    isGood: true,
    may: (_, e, { ends }, i) =>
      e.state === S.FinWait2 && (ends[1 - i] as W.Endpoint).state <= S.SynSent,
    run: (step, e) => R.change(step, e, ConnectionEvent.UserTimeout),
  },
  {
    name: "aborts",
    isGood: false,
    may: (_, e) => e.state >= S.SynReceived && e.state !== S.TimeWait,
    run: (step, e) => {
      step.send({ flags: W.RST, seq: W.numberOf(e.base, e.nxt), ack: 0, length: 0, window: 0 });
      R.change(step, e, ConnectionEvent.Abort);
    },
  },
  {
    name: "gives up",
    isGood: false,
    may: (_, e) => e.state === S.SynSent || (e.state === S.SynReceived && e.base !== 3),
    run: (step, e) => {
      if (e.isPassive) R.returnToListen(step, e);
      else R.change(step, e, ConnectionEvent.UserTimeout);
    },
  },
];

function movesOf(world: W.World, step: Step): Move[] {
  const moves: Move[] = [];
  for (const i of [0, 1]) {
    const end = world.ends[i] as W.Endpoint;
    for (const move of END_MOVES) {
      if (!move.may(step, end, world, i)) continue;
      const { name, isGood } = move;
      const run = (w: W.World, s: Step): void => move.run(s, w.ends[i] as W.Endpoint);
      moves.push({ name: `end ${i} ${name}`, end: i, isGood, run });
    }
    const wire = world.wires[i] as W.Packet[];
    for (let k = 0; k < wire.length; k += 1) moves.push(...arrivals(i, k));
  }
  return moves;
}

/** What becomes of the `k`th segment on its way to end `i`. */
function arrivals(i: number, k: number): Move[] {
  const take = (w: W.World): W.Packet => (w.wires[i] as W.Packet[]).splice(k, 1)[0] as W.Packet;
  const arrive = (w: W.World, s: Step, p: W.Packet): void =>
    R.receive(s, w.ends[i] as W.Endpoint, p);
  return [
    {
      name: `to ${i}: segment ${k} arrives`,
      end: i,
      isGood: true,
      run: (w, s) => arrive(w, s, take(w)),
    },
    {
      name: `to ${i}: segment ${k} arrives, and will again`,
      end: i,
      isGood: false,
      run: (w, s) => arrive(w, s, (w.wires[i] as W.Packet[])[k] as W.Packet),
    },
    { name: `to ${i}: segment ${k} is lost`, end: i, isGood: true, run: (w) => void take(w) },
  ];
}

/** States in which the peer's FIN has come. */
const HAS_FIN: readonly S[] = [S.CloseWait, S.Closing, S.LastAck, S.TimeWait];

/** What is wrong with a world; "" = nothing. */
function judge({ ends }: W.World): string {
  for (const i of [0, 1]) {
    const own = ends[i] as W.Endpoint;
    const peer = ends[1 - i] as W.Endpoint;
    const knows = own.peer === peer.base && own.rcv > 0;
    const fin = HAS_FIN.includes(own.state) ? 1 : 0;
    if (own.state >= S.Established && own.rcv !== 1 + own.taken + fin) {
      return `end ${i} has acknowledged what it has not got`;
    }
    if (knows && peer.state > S.Listen && own.rcv > peer.nxt)
      return `end ${i} has what was not sent`;
    if (own.state > S.Listen && peer.peer === own.base && own.una > peer.rcv) {
      return `end ${i} takes for acknowledged what has not arrived`;
    }
    const isProbe = own.nxt === own.una + 1;
    if (own.state >= S.Established && Math.min(own.nxt, own.written + 1) > own.edge && !isProbe) {
      return `end ${i} has sent beyond the window`;
    }
  }
  return "";
}

function isOver({ ends }: W.World): boolean {
  return ends.every(({ state }) => state === S.Closed || state === S.Listen);
}

/** One search from one start. */
class Search {
  readonly keys: string[] = [];
  readonly violations: Violation[] = [];
  readonly #scenario: Scenario;
  readonly #step: Step;
  readonly #index = new Map<string, number>();
  /** The world from which each was found first, and how; good moves as pairs. */
  readonly #parents: number[] = [];
  readonly #names: string[] = [];
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  transitions = 0;
  expanded = 0;

  constructor(scenario: Scenario, fault: R.Fault) {
    this.#scenario = scenario;
    this.#step = new Step(fault);
    this.#visit(scenario.start(this.#step), -1, "start");
  }

  get rows(): ReadonlySet<number> {
    return this.#step.rows;
  }

  run(limit: number): void {
    while (this.expanded < this.keys.length && this.violations.length === 0) {
      if (this.keys.length >= limit) break;
      this.#expand(this.expanded);
      this.expanded += 1;
    }
    if (this.violations.length === 0) this.#checkEnds();
  }

  #expand(index: number): void {
    const key = this.keys[index] as string;
    for (const { name, end, isGood, run } of movesOf(W.unpack(key), this.#step)) {
      const world = W.unpack(key);
      const wasBroken = world.ends[end]?.isBroken;
      this.#step.wire = world.wires[1 - end] as W.Packet[];
      this.#step.text = "";
      run(world, this.#step);
      this.transitions += 1;
      if (this.#step.text === "" && isGood && wasBroken === false) this.#checkReset(world, end);
      const next = this.#visit(world, index, name);
      if (!isGood) continue;
      this.#from.push(index);
      this.#to.push(next);
    }
  }

  /** A reset has a cause: the other end is broken too, or has forgotten. */
  #checkReset({ ends }: W.World, end: number): void {
    const own = ends[end] as W.Endpoint;
    const peer = ends[1 - end] as W.Endpoint;
    if (!own.isBroken || this.#scenario.hasStrangers) return;
    if (peer.isBroken || peer.state === S.Listen || peer.base === 3 || own.base === 3) return;
    this.#step.violation(`end ${end} is reset, and nobody had a reason`);
  }

  #visit(world: W.World, parent: number, name: string): number {
    const key = W.pack(world);
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    const index = this.keys.length;
    this.#index.set(key, index);
    this.keys.push(key);
    this.#parents.push(parent);
    this.#names.push(name);
    const wrong = this.#step.text || judge(world);
    if (wrong !== "") this.#report(wrong, index);
    return index;
  }

  #report(text: string, index: number): void {
    const path: string[] = [];
    for (let at = index; at >= 0; at = this.#parents[at] as number) {
      path.unshift(this.#names[at] as string);
    }
    this.violations.push({ scenario: this.#scenario.name, text, path });
  }

  /** From every world, good moves lead to the end, or to where the search did not get. */
  #checkEnds(): void {
    const ends = new Uint8Array(this.keys.length).fill(1, this.expanded);
    for (let i = 0; i < this.expanded; i += 1) {
      if (isOver(W.unpack(this.keys[i] as string))) ends[i] = 1;
    }
    let changed = true;
    while (changed) {
      changed = false;
      for (let k = this.#from.length - 1; k >= 0; k -= 1) {
        const from = this.#from[k] as number;
        if (ends[from] === 1 || ends[this.#to[k] as number] === 0) continue;
        ends[from] = 1;
        changed = true;
      }
    }
    const stuck = ends.indexOf(0);
    if (stuck >= 0) this.#report("from here the connection never ends", stuck);
  }
}

/** Scenarios, each to its part of `limit` worlds; `fault` is planted. Stops at a violation. */
export function search(
  limit: number,
  fault: R.Fault = "none",
  scenarios: readonly Scenario[] = SCENARIOS,
): Found {
  const rows = new Set<number>();
  const found = { states: 0, transitions: 0, isComplete: true, violations: [] as Violation[] };
  for (const [at, scenario] of scenarios.entries()) {
    const one = new Search(scenario, fault);
    // What the ones before did not need is for the others.
    one.run(Math.floor((limit - found.states) / (scenarios.length - at)));
    found.states += one.keys.length;
    found.transitions += one.transitions;
    found.isComplete &&= one.expanded === one.keys.length;
    found.violations.push(...one.violations);
    for (const row of one.rows) rows.add(row);
  }
  return { ...found, rows: rows.size, allRows: TRANSITIONS.length };
}
