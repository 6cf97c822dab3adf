/**
 * One case of the matrix on a real stack: brings our end into the state of the case by segments
 * of a scripted peer and by calls, with the numbers that the case's formulas are about.
 */
import type { SentSegment } from "../../support/judge-segment.ts";
import type { FrameFields } from "../../support/frames.ts";
import { ACK, FIN, streamBytes, SYN } from "../../support/frames.ts";
import { ScriptedPeer } from "../../support/scripted-peer.ts";
import { Application } from "./application.ts";
import { evaluate, type Values } from "./table/evaluate.ts";
import { receiveWindow, setups } from "./table/setups.ts";
import type { Formula, State } from "./table/types.ts";

/** What a run of the whole matrix differs in from another one. */
export interface Setting {
  readonly name: string;
  /** ISS and IRS of the formulas: the ISNs, plus what was exchanged. */
  readonly iss: number;
  readonly irs: number;
  /** Bytes sent each way, received and acknowledged, before ESTABLISHED is left. */
  readonly exchanged: number;
  /** CLOSE: with shutdown() the descriptor stays, after close() nobody is left to be told. */
  readonly leaving: "shutdown" | "close";
}

/** What passes before the case's segment comes, ns: a delayed ACK has left, no timer has fired. */
export const REST = 0.4e9;

/** Small: each case has a stack of its own. */
const LAYOUT = { connections: 8, queueDescriptors: 16, payloadBytes: 256 * 1024 };
const PEER_PORT = 40000;
const OUR_PORT = 80;

const HANDSHAKE: readonly State[] = [
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "SYN-RECEIVED-ACTIVE",
];
const ACTIVE: readonly State[] = ["SYN-SENT", "SYN-RECEIVED-ACTIVE"];

export class Scene {
  readonly peer: ScriptedPeer;
  readonly application: Application;
  readonly state: State;
  /** Names of the formulas before the event. */
  readonly values: Values;
  readonly #setting: Setting;
  /** The peer's ISN. */
  readonly #isn: number;
  readonly #exchanged: number;
  /** Our first number and the peer's behind what was exchanged. */
  #ours: number;
  #theirs: number;

  constructor(state: State, setting: Setting) {
    this.state = state;
    this.#setting = setting;
    this.#exchanged = HANDSHAKE.includes(state) ? 0 : setting.exchanged;
    const isn = (setting.iss - this.#exchanged) >>> 0;
    this.#isn = (setting.irs - this.#exchanged) >>> 0;
    this.peer = new ScriptedPeer({ initialSequence: () => isn, layout: LAYOUT });
    this.application = new Application(this.peer.stack.toe);
    this.#ours = (isn + 1) >>> 0;
    this.#theirs = (this.#isn + 1) >>> 0;
    this.#reach();
    this.peer.now += REST;
    this.peer.settle();
    this.values = this.#valuesNow();
    const row = this.row();
    if (row !== undefined && row.state !== state.replace("-ACTIVE", "")) {
      throw new Error(`${state}: expected the stack to be there, got ${row.state}`);
    }
  }

  /** The connection of the case as `ss` shows it; one that is over only if there is no other. */
  row(): ReturnType<ScriptedPeer["stack"]["connections"]>[number] | undefined {
    const rows = this.peer.stack.connections().filter(({ remote }) => remote.port === PEER_PORT);
    return rows.find(({ state }) => state !== "CLOSED") ?? rows[0];
  }

  /** Nobody is left to be told anything. */
  get isOrphan(): boolean {
    return this.application.isGone;
  }

  /** Hands over one segment of the peer's; what the stack answers at once. */
  send(fields: Partial<FrameFields>): SentSegment[] {
    return this.peer.send({ sourcePort: PEER_PORT, destinationPort: OUR_PORT, ...fields });
  }

  #valuesNow(): Values {
    const setup = setups[this.state];
    // Behind what was exchanged the connection stands as if it had begun with these numbers.
    const first = { ISS: (this.#ours - 1) >>> 0, IRS: (this.#theirs - 1) >>> 0 };
    const value = (formula: Formula | "-", otherwise: number): number =>
      formula === "-" ? otherwise : evaluate(formula, first);
    return {
      ...first,
      "SND.UNA": value(setup.sndUna, first.ISS),
      "SND.NXT": value(setup.sndNxt, (first.ISS + 1) >>> 0),
      "RCV.NXT": value(setup.rcvNxt, (first.IRS + 1) >>> 0),
      "RCV.WND": setup.rcvNxt === "-" ? receiveWindow : (this.row()?.rxWindow ?? 0),
    };
  }

  #reach(): void {
    const { state, application } = this;
    if (state === "CLOSED") return;
    if (ACTIVE.includes(state)) this.#open();
    else application.listen(OUR_PORT);
    if (state === "SYN-RECEIVED") this.send({ seq: this.#isn, flags: SYN });
    if (HANDSHAKE.includes(state)) return;
    this.#establish();
    this.#close();
  }

  #open(): void {
    this.application.connect(OUR_PORT, { address: "10.0.0.2", port: PEER_PORT });
    this.peer.settle();
    if (this.state === "SYN-SENT") return;
    this.send({ seq: this.#isn, flags: SYN });
  }

  #establish(): void {
    this.send({ seq: this.#isn, flags: SYN });
    this.#acknowledge(this.#ours);
    this.application.accept();
    const exchanged = this.#exchanged;
    if (exchanged === 0) return;
    const payload = streamBytes(0, exchanged);
    this.application.send(payload);
    this.peer.settle();
    this.#ours = (this.#ours + exchanged) >>> 0;
    this.send({ seq: this.#theirs, ack: this.#ours, flags: ACK, payload });
    this.#theirs = (this.#theirs + exchanged) >>> 0;
    this.application.look();
    this.peer.now += REST;
    this.peer.settle();
  }

  #acknowledge(ack: number, seq = this.#theirs): void {
    this.send({ seq, ack, flags: ACK });
  }

  /** The peer's FIN, and whether it acknowledges ours. */
  #finish(ack: number): void {
    this.send({ seq: this.#theirs, ack, flags: FIN | ACK });
    this.application.look();
  }

  #leave(): void {
    this.application.leave(this.#setting.leaving);
    this.peer.settle();
  }

  #close(): void {
    const unacknowledged = this.#ours;
    const acknowledged = (this.#ours + 1) >>> 0;
    switch (this.state) {
      case "FIN-WAIT-1":
        this.#leave();
        return;
      case "FIN-WAIT-2":
        this.#leave();
        this.#acknowledge(acknowledged);
        return;
      case "CLOSE-WAIT":
        this.#finish(unacknowledged);
        return;
      case "CLOSING":
        this.#leave();
        this.#finish(unacknowledged);
        return;
      case "LAST-ACK":
        this.#finish(unacknowledged);
        this.#leave();
        return;
      case "TIME-WAIT":
        this.#leave();
        this.#finish(acknowledged);
        return;
      default:
    }
  }
}
