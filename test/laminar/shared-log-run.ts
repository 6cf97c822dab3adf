/**
 * One seeded run of many connections into shared logs through everything that may go wrong:
 * segments are lost, doubled and reordered, sent again in other pieces and beyond the window,
 * merges come by late or never, roll-backs take their time. Each packet is also given to the
 * model, and what the application reads is compared with what was sent. Same setting, same seed,
 * same run.
 */
import type { ProgramMachine } from "../../host/rmt/program-machine.ts";
import { Random } from "../support/random.ts";
import { DelayLine } from "./delay-line.ts";
import { RECORD_HEAD, recordBytes, LogApplication } from "./shared-log-application.ts";
import { type LogStep, SharedLogModel } from "./shared-log-model.ts";
import { RecordSender, type RecordSegment } from "./record-sender.ts";

/** Shares are 0 to 1. */
export interface LogSetting {
  readonly name: string;
  readonly connections: number;
  readonly logs: number;
  /** Of each connection. */
  readonly records: number;
  /** Of a record, at most. */
  readonly recordMax: number;
  /** Of each connection; those of a log add up to `logBytes` at most, a power of two. */
  readonly window: number;
  readonly logBytes: number;
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  readonly mirrorLoss: number;
  /** Of segments, to be sent whether they fit or not. */
  readonly overrun: number;
}

export interface LogCounts {
  appends: number;
  gaps: number;
  redirected: number;
  filled: number;
  seen: number;
  rollbacks: number;
  merges: number;
}

export interface LogVerdict {
  readonly where: string;
  /** The first violations, in words; empty when all is well. */
  readonly findings: readonly string[];
  readonly counts: Readonly<LogCounts>;
}

const TICKS_MAX = 60_000;
const FINDINGS_MAX = 3;
const NETWORK_TICKS = 4;
const REORDERED_TICKS = 20;
const MIRROR_TICKS = 6;
const ROLLBACK_TICKS = 10;
const BASE = 0x10000;

interface Mirrored {
  readonly ack: number;
  readonly span: number;
  readonly window: number;
}

/** A connection: its client, and what is on its way. */
class Connection {
  readonly index: number;
  readonly origin: number;
  readonly stream: Uint8Array;
  readonly sender: RecordSender;
  readonly segments = new DelayLine<RecordSegment>();
  readonly mirrored = new DelayLine<Mirrored>();
  readonly acks = new DelayLine<Mirrored>();
  rollback: { at: number; next: number; avail: number } | undefined;
  consumed = 0;
  credited = 0;

  constructor(index: number, setting: LogSetting, random: Random) {
    this.index = index;
    this.origin = random.oneIn(2) ? random.u32() : 0xffffffff - random.below(4000);
    const records = Array.from({ length: setting.records }, (_, number) =>
      recordBytes(index, number, random.between(RECORD_HEAD, setting.recordMax)),
    );
    const bounds = [0];
    for (const { length } of records) bounds.push((bounds.at(-1) as number) + length);
    this.stream = new Uint8Array(bounds.at(-1) as number);
    for (const [i, bytes] of records.entries()) this.stream.set(bytes, bounds[i]);
    this.sender = new RecordSender(bounds, setting.window, setting.overrun, random);
  }

  /** A sequence number as a position of the stream. */
  position(seq: number): number {
    return (seq - this.origin) | 0;
  }

  get done(): boolean {
    return this.sender.acknowledged === this.stream.length && this.consumed === this.stream.length;
  }
}

interface Log {
  readonly row: number;
  readonly origin: number;
  readonly base: number;
  readonly model: SharedLogModel;
  readonly application: LogApplication;
}

class Run {
  readonly #setting: LogSetting;
  readonly #random: Random;
  readonly #machine: ProgramMachine;
  readonly #connections: readonly Connection[];
  readonly #logs: readonly Log[];
  readonly #findings: string[] = [];
  readonly #notification = new Uint8Array(25);
  readonly #counts: LogCounts = {
    ...{ appends: 0, gaps: 0, redirected: 0, filled: 0 },
    ...{ seen: 0, rollbacks: 0, merges: 0 },
  };
  #tick = 0;

  constructor(machine: ProgramMachine, setting: LogSetting, seed: number) {
    this.#machine = machine;
    this.#setting = setting;
    const random = new Random(seed);
    this.#random = random;
    this.#connections = Array.from(
      { length: setting.connections },
      (_, i) => new Connection(i, setting, random),
    );
    const lengths = this.#connections.map(({ stream }) => stream.length);
    this.#logs = Array.from({ length: setting.logs }, (_, i) => ({
      row: i + 1,
      origin: 0xffffffff - random.below(3000),
      base: BASE * (i + 1),
      model: new SharedLogModel(lengths, setting.window),
      application: new LogApplication(setting.logBytes, (what) => this.#finding(what)),
    }));
    this.#begin();
  }

  #begin(): void {
    for (const connection of this.#connections) {
      this.#control(connection, "RX_NEXT_SEQ", connection.origin);
      this.#control(connection, "RX_AVAIL", this.#setting.window);
      this.#control(connection, "LOG_HI", connection.origin);
      this.#control(connection, "LOG_TAIL", this.#log(connection).origin);
    }
  }

  #finding(what: string): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(`tick ${this.#tick}: ${what}`);
  }

  #log({ index }: Connection): Log {
    return this.#logs[index % this.#logs.length] as Log;
  }

  #run(connection: Connection, kind: string, fields: Readonly<Record<string, number>>): void {
    const { row, base } = this.#log(connection);
    const log = { log: row, log_base: base, log_mask: this.#setting.logBytes - 1 };
    const whose = { kind: this.#machine.constant(kind), connection: connection.index + 1 };
    this.#machine.run({ ...whose, ...log, ...fields });
  }

  #control(connection: Connection, target: string, value: number): void {
    this.#run(connection, "CONTROL", { target: this.#machine.constant(target), value });
  }

  #result(field: string): number {
    return this.#machine.result(field);
  }

  toEnd(): LogVerdict {
    while (this.#tick < TICKS_MAX && this.#findings.length === 0) {
      if (this.#connections.every(({ done }) => done)) break;
      this.#tick += 1;
      for (const connection of this.#connections) this.#turn(connection);
      for (const log of this.#logs) this.#read(log);
    }
    this.#judge();
    const { name } = this.#setting;
    for (const { application } of this.#logs) this.#counts.filled += application.fills;
    return { where: name, findings: this.#findings, counts: this.#counts };
  }

  /** Every record once, nothing missing, and no byte more than was sent. */
  #judge(): void {
    if (this.#findings.length > 0) return;
    for (const { index, done, sender, stream, consumed } of this.#connections) {
      if (!done)
        this.#finding(
          `connection ${index}: ${sender.acknowledged}, ${consumed} of ${stream.length}`,
        );
      const { records } = this.#setting;
      const read = this.#logs.reduce((n, { application }) => n + application.records(index), 0);
      if (read !== records) this.#finding(`connection ${index}: ${read} of ${records} records`);
    }
    for (const { application, model, row, origin } of this.#logs) {
      const sent = this.#connections.filter((each) => this.#log(each).row === row);
      const bytes = sent.reduce((sum, { stream }) => sum + stream.length, 0);
      const tail = (this.#machine.read("log_tail", row) - origin) >>> 0;
      if (tail !== bytes || application.head !== bytes || model.tail !== bytes)
        this.#finding(`log ${row}: ${tail} bytes, ${application.head} read, ${bytes} sent`);
      if (application.open > 0) this.#finding(`log ${row}: ${application.open} gaps left`);
    }
  }

  #turn(connection: Connection): void {
    const tick = this.#tick;
    const segment = connection.sender.segment(tick);
    if (segment !== undefined) this.#send(connection, segment);
    for (let one = connection.segments.arrived(tick); one !== undefined; ) {
      this.#receive(connection, one);
      one = connection.segments.arrived(tick);
    }
    for (let one = connection.mirrored.arrived(tick); one !== undefined; ) {
      this.#merge(connection, one);
      one = connection.mirrored.arrived(tick);
    }
    for (let one = connection.acks.arrived(tick); one !== undefined; ) {
      const known = connection.sender.acknowledge(connection.position(one.ack), one.window, tick);
      if (!known) this.#finding(`connection ${connection.index}: ACK of ${one.ack}`);
      one = connection.acks.arrived(tick);
    }
    this.#restore(connection);
    this.#sync(connection);
  }

  #chance(share: number): boolean {
    return this.#random.below(1000) < share * 1000;
  }

  #send({ segments }: Connection, segment: RecordSegment): void {
    const { loss, duplication, reordering } = this.#setting;
    for (let copies = this.#chance(duplication) ? 2 : 1; copies > 0; copies -= 1) {
      if (this.#chance(loss)) continue;
      const late = this.#chance(reordering) ? this.#random.between(1, REORDERED_TICKS) : 0;
      segments.send(segment, this.#tick + NETWORK_TICKS + late);
    }
  }

  #receive(connection: Connection, { from, to }: RecordSegment): void {
    const seq = (connection.origin + from) >>> 0;
    const end = (connection.origin + to) >>> 0;
    const { model } = this.#log(connection);
    const expected = model.segment(connection.index, from, to);
    this.#run(connection, "RX", { seq, end, length: to - from });
    this.#compare(connection, expected);
    this.#act(connection, { from, to }, expected);
    if (this.#result("mirror") !== 1) return;
    const ack = this.#result("acknowledgment");
    const mirrored = { ack, span: this.#result("span"), window: this.#result("window") };
    if (this.#chance(this.#setting.mirrorLoss)) return;
    const late = this.#random.between(1, MIRROR_TICKS);
    connection.mirrored.send(mirrored, this.#tick + late);
  }

  /** What the program says in its notification, in the model's words. */
  #seen(connection: Connection): LogStep {
    const machine = this.#machine;
    machine.deparse("log_notification", this.#notification);
    const view = new DataView(this.#notification.buffer);
    const [whose, begin, end, entry, grown, gap] = [0, 4, 8, 12, 16, 20].map((at) =>
      view.getUint32(at),
    ) as [number, number, number, number, number, number];
    const done = view.getUint8(24);
    if (whose !== connection.index + 1 || end !== this.#result("end"))
      this.#finding(`connection ${connection.index}: told as ${whose}, up to ${end}`);
    const { model, origin } = this.#log(connection);
    const at = (entry - origin) >>> 0;
    if (done === machine.constant("APPEND")) return { kind: "append", at, grown, gap };
    const from = connection.position(begin);
    if (done === machine.constant("FILL"))
      return { kind: "fill", at: grown > 0 ? at : model.tail, grown, from };
    if (done === machine.constant("DROP")) return { kind: "seen" };
    const rollback = this.#result("reason") === machine.constant("OUT_OF_WINDOW");
    return { kind: "dropped", rollback: rollback && connection.rollback === undefined };
  }

  #compare(connection: Connection, expected: LogStep): void {
    const got = JSON.stringify(this.#seen(connection));
    const { model, row, origin, base } = this.#log(connection);
    const wanted = JSON.stringify(expected);
    const { index } = connection;
    if (got !== wanted) this.#finding(`connection ${index}: expected ${wanted}, got ${got}`);
    const high = connection.position(this.#machine.read("log_hi", index + 1));
    if (high !== model.state(index).highest) this.#finding(`connection ${index}: log_hi ${high}`);
    const tail = (this.#machine.read("log_tail", row) - origin) >>> 0;
    if (tail !== model.tail) this.#finding(`log ${row}: log_tail ${tail}`);
    const notify = this.#result("notify");
    const told = expected.kind === "append" || expected.kind === "fill" ? 1 : 0;
    if (notify !== told) this.#finding(`connection ${index}: notify ${notify} of ${wanted}`);
    if (expected.kind !== "append") return;
    const within = (origin + expected.at + expected.gap) & (this.#setting.logBytes - 1);
    const address = this.#result("address");
    if (address !== base + within) this.#finding(`connection ${index}: address ${address}`);
  }

  /** The DMA engine, libTOE and the control plane. */
  #act(connection: Connection, { from, to }: RecordSegment, step: LogStep): void {
    const { application } = this.#log(connection);
    const { index, stream } = connection;
    if (step.kind === "append") {
      const begin = to - (step.grown - step.gap);
      application.gap(index, begin - step.gap, begin, step.at);
      application.write(step.at + step.gap, stream.subarray(begin, to));
      this.#counts.appends += 1;
      if (step.gap > 0) this.#counts.gaps += 1;
    } else if (step.kind === "fill") {
      application.fill(index, Math.max(from, step.from), stream.subarray(step.from, to));
      application.write(step.at, stream.subarray(to - step.grown, to));
      this.#counts.redirected += 1;
    } else if (step.kind === "seen") this.#counts.seen += 1;
    else if (step.rollback) {
      const at = this.#tick + this.#random.below(ROLLBACK_TICKS);
      connection.rollback = { at, next: this.#result("before"), avail: this.#result("avail") };
    }
  }

  #merge(connection: Connection, mirrored: Mirrored): void {
    const { ack, span } = mirrored;
    if (span > 0) {
      const from = connection.position(ack);
      this.#log(connection).model.merge(connection.index, from, from + span);
      this.#run(connection, "PSEUDO", { seq: ack, end: (ack + span) >>> 0, length: span });
      if (this.#result("log_do") !== 0) this.#finding("a pseudo segment reached the log");
      this.#counts.merges += 1;
    }
    if (!this.#chance(this.#setting.loss))
      connection.acks.send(mirrored, this.#tick + NETWORK_TICKS);
  }

  /** Of a connection with a log the interval stays. */
  #restore(connection: Connection): void {
    const { rollback } = connection;
    if (rollback === undefined || rollback.at > this.#tick) return;
    this.#control(connection, "RX_NEXT_SEQ", rollback.next);
    this.#control(connection, "RX_AVAIL", rollback.avail);
    this.#log(connection).model.rollback(connection.index);
    connection.rollback = undefined;
    this.#counts.rollbacks += 1;
  }

  /** Only bytes that are in order are given back, and none while a roll-back is open. */
  #sync(connection: Connection): void {
    const { model } = this.#log(connection);
    const { next, closed } = model.state(connection.index);
    const freed = Math.min(connection.consumed, next) - connection.credited;
    if (closed || freed <= 0 || !this.#random.oneIn(6)) return;
    this.#run(connection, "SYNC", { value: freed });
    model.freed(connection.index, freed);
    connection.credited += freed;
  }

  #read({ application }: Log): void {
    if (!this.#random.oneIn(4)) return;
    for (let count = this.#random.below(8); count > 0; count -= 1) {
      const record = application.read();
      if (record === undefined) return;
      const connection = this.#connections[record.connection];
      if (connection === undefined) this.#finding(`a record of ${record.connection}`);
      else connection.consumed += record.bytes;
    }
  }
}

/** Runs to the end, to a finding or to a bound of ticks. `machine`: TCP with the extension. */
export function runSharedLog(
  machine: ProgramMachine,
  setting: LogSetting,
  seed: number,
): LogVerdict {
  const verdict = new Run(machine, setting, seed).toEnd();
  return { ...verdict, where: `${setting.name}, seed ${seed}` };
}
