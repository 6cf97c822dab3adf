/**
 * The application at one end of a connection: writes its stream in its own steps, reads in others,
 * and lets go as its plan says. Everything that the sockets answer goes to the checkers.
 */
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Deliveries } from "./checkers/deliveries.ts";
import type { FlowBook, Ledger, Side } from "./checkers/flow-book.ts";
import { type EndPlan, isRated, type OptionPlan } from "./plan.ts";
import { patternBytes, patternOf } from "./stream-pattern.ts";

/** Calls of one run at most: others have their turn. */
const CALLS_MAX = 16;
const TARGET = new Uint8Array(65536);

/** The two ends by the last byte of their address, and ports. */
export interface Ends {
  readonly local: number;
  readonly localPort: number;
  readonly remote: number;
  readonly remotePort: number;
}

export interface EndContext {
  readonly toe: LibToe;
  readonly host: number;
  readonly book: FlowBook;
  readonly deliveries: Deliveries;
  /** Options of the host's listener. */
  readonly inherited: readonly OptionPlan[];
  /** Counts calls for the checkers. */
  called(): void;
}

const NETWORK = 0x0a000000;

export class ConnectionEnd {
  readonly name: string;
  readonly ends: Ends;
  readonly plan: EndPlan;
  readonly host: number;
  readonly ledger: Ledger = {
    written: 0,
    delivered: 0,
    ended: false,
    aborted: false,
    rated: false,
    sawEnd: false,
    error: 0,
  };
  finished = false;
  /** When it has something to do although nothing happens; ns. */
  wakeAt = 0;
  /** The faults are over: no more pauses. */
  hurry = false;
  readonly #context: EndContext;
  readonly #fd: number;
  readonly #own: number;
  readonly #theirs: number;
  readonly #startAt: number;
  #writeAt = 0;
  /** The last send() took nothing. */
  #refused = false;
  #readAt = 0;

  constructor(context: EndContext, fd: number, ends: Ends, plan: EndPlan, now: number) {
    this.#context = context;
    this.#fd = fd;
    this.ends = ends;
    this.plan = plan;
    this.host = context.host;
    this.#startAt = now + plan.idle;
    this.ledger.rated = isRated([...plan.options, ...context.inherited]);
    const { local, localPort, remote, remotePort } = ends;
    this.name = `10.0.0.${local}:${localPort} to 10.0.0.${remote}:${remotePort}`;
    const [from, to] = [NETWORK + local, NETWORK + remote];
    this.#own = patternOf(from, localPort, to, remotePort);
    this.#theirs = patternOf(to, remotePort, from, localPort);
    context.book.register(from, localPort, to, remotePort, this.ledger);
  }

  /** The wire's view of this end; undefined before its SYN. */
  get side(): Side | undefined {
    const { local, localPort, remote, remotePort } = this.ends;
    const { book } = this.#context;
    const side = book.side(NETWORK + local, localPort, NETWORK + remote, remotePort);
    return side?.ledger === this.ledger ? side : undefined;
  }

  /** It has nothing under way and may write, yet there is no memory to write to. */
  get isStarved(): boolean {
    return !this.finished && this.#refused && this.side?.acked === this.ledger.written;
  }

  /** Does what it can; true when it did anything. */
  run(now: number): boolean {
    if (this.finished) return false;
    const { mode, endAt } = this.plan;
    this.wakeAt = Number.POSITIVE_INFINITY;
    if ((mode === "abort" || mode === "linger") && !this.#due(endAt, now)) return this.#letGo(mode);
    const wrote = this.#write(now);
    const read = this.#read(now);
    return wrote || read;
  }

  /** Sets an option of the live socket. */
  option({ level, name, value }: OptionPlan): void {
    if (this.finished) return;
    this.#context.called();
    this.ledger.rated ||= isRated([{ level, name, value }]);
    this.#context.toe.setsockopt(this.#fd, level, name, value);
  }

  /** The application has waited long enough for a peer that is gone. */
  giveUp(): void {
    if (!this.finished) this.#close();
  }

  /** True while the time has not come; the host is asked to wake for it. */
  #due(at: number, now: number): boolean {
    if (now >= at) return false;
    this.wakeAt = Math.min(this.wakeAt, at);
    return true;
  }

  #letGo(mode: "abort" | "linger"): boolean {
    const { toe } = this.#context;
    this.ledger.aborted = true;
    if (mode === "abort") {
      this.ledger.ended = true;
      this.finished = true;
      this.#context.called();
      toe.abort(this.#fd);
      return true;
    }
    toe.setsockopt(this.#fd, C.SOL_SOCKET, C.SO_LINGER, { onoff: 1, linger: 0 });
    return this.#close();
  }

  #close(): boolean {
    this.ledger.ended = true;
    this.finished = true;
    this.#context.called();
    this.#context.toe.close(this.#fd);
    return true;
  }

  #write(now: number): boolean {
    const { plan, ledger } = this;
    if (ledger.ended || this.#due(this.hurry ? 0 : this.#startAt, now)) return false;
    let worked = false;
    for (let i = 0; i < CALLS_MAX && ledger.written < plan.bytes; i += 1) {
      if (this.#due(this.hurry ? 0 : this.#writeAt, now)) return worked;
      if (!this.#send()) return worked || this.finished;
      this.#writeAt = now + plan.writePause;
      worked = true;
    }
    if (ledger.written < plan.bytes || this.finished) return worked;
    return plan.mode === "early" ? this.#close() : this.#shutdown() || worked;
  }

  #send(): boolean {
    const { plan, ledger } = this;
    const length = Math.min(plan.write, plan.bytes - ledger.written);
    const bytes = patternBytes(this.#own, ledger.written, length);
    const last = ledger.written + length === plan.bytes;
    this.#context.called();
    const flags = plan.more && !last ? C.MSG_MORE : 0;
    const before = ledger.written;
    // Noted first: with MSG_MORE what fills segments may leave within the call.
    ledger.written = before + length;
    const count = this.#context.toe.send(this.#fd, bytes, 0, length, flags);
    ledger.written = before + Math.max(0, count);
    this.#refused = count < 0;
    if (count < 0 && count !== -ERRNO.EAGAIN) this.#fail(-count);
    return count > 0;
  }

  /** False while the connection is not open yet. */
  #shutdown(): boolean {
    if (this.plan.mode !== "close") return false;
    this.#context.called();
    // Noted first: the FIN leaves within the call at the earliest.
    this.ledger.ended = true;
    const answer = this.#context.toe.shutdown(this.#fd, C.SHUT_WR);
    if (answer === 0) return true;
    this.ledger.ended = false;
    return false;
  }

  #read(now: number): boolean {
    let worked = false;
    for (let i = 0; i < CALLS_MAX && !this.finished && !this.ledger.sawEnd; i += 1) {
      if (this.#due(this.hurry ? 0 : this.#readAt, now) || !this.#receive()) break;
      this.#readAt = now + this.plan.readPause;
      worked = true;
    }
    if (this.finished || !this.ledger.sawEnd || !this.ledger.ended) return worked;
    return this.#close();
  }

  #receive(): boolean {
    const { plan, ledger } = this;
    const { toe } = this.#context;
    if (plan.peek) {
      const seen = toe.recv(this.#fd, TARGET, 0, plan.read, C.MSG_PEEK);
      if (seen > 0) this.#compare(seen);
      if (seen < 0 && seen !== -ERRNO.EAGAIN) {
        this.#fail(-seen);
        return false;
      }
    }
    this.#context.called();
    const count = toe.recv(this.#fd, TARGET, 0, plan.read);
    if (count > 0) {
      this.#compare(count);
      ledger.delivered += count;
    } else if (count === 0) {
      ledger.sawEnd = true;
      const { side } = this;
      if (side !== undefined) this.#context.deliveries.ended(side, ledger.delivered);
    } else if (count !== -ERRNO.EAGAIN) {
      this.#fail(-count);
    }
    return count > 0;
  }

  #compare(count: number): void {
    const { side, ledger } = this;
    if (side === undefined) return;
    this.#context.deliveries.received(side, this.#theirs, ledger.delivered, TARGET, count);
  }

  #fail(error: number): void {
    this.ledger.error = error;
    this.#context.deliveries.failed(this.side, this.name, error);
    if (!this.finished) this.#close();
  }
}
