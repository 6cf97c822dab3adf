/**
 * What assembly/libtoe has to do to the sockets' rows, in plain objects and lists, and the memory
 * that it must leave.
 */
import { Counter } from "../../../bindings/abi/counters.ts";
import * as D from "../../../bindings/abi/descriptor.ts";
import * as S from "../../../bindings/abi/socket.ts";
import type { Core } from "../../../bindings/core.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../host/libtoe/constants.ts";

export const CHUNK = 1024;
export const BUFFER = 4096;
export const REGISTERED = 8192;
export const READABLE = POLLIN | POLLRDNORM;
export const WRITABLE = POLLOUT | POLLWRNORM;

export const FIELDS = {
  ...{ state: S.SOCKET_STATE, generation: S.SOCKET_GENERATION, cause: S.SOCKET_CAUSE },
  ...{ queued: S.SOCKET_QUEUED, rxAvail: S.SOCKET_RX_AVAIL, rxCredit: S.SOCKET_RX_CREDIT },
  ...{ rxThreshold: S.SOCKET_RX_THRESHOLD, rxIndex: S.SOCKET_RX_INDEX, rxMask: S.SOCKET_RX_MASK },
  ...{ txFree: S.SOCKET_TX_FREE, txAppend: S.SOCKET_TX_APPEND, txIndex: S.SOCKET_TX_INDEX },
  txMask: S.SOCKET_TX_MASK,
};
const NAMES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
export type Row = Record<keyof typeof FIELDS, number>;
type Way = "rx" | "tx";

/** One context: its records' addresses; its lists and free-running indexes by the reference. */
function sideOf({ map }: Core, context: number, start: number) {
  const { base, options } = map;
  return {
    library: (base.libtoe as number) + context * S.LIBTOE_SIZE,
    record: (base.contextTable as number) + context * D.CONTEXT_SIZE,
    atx: (base.atx as number) + context * options.queueDescriptors * D.ATX_SIZE,
    arx: (base.arx as number) + context * options.queueDescriptors * D.ARX_SIZE,
    dirty: [] as number[],
    ready: [] as number[],
    /** Descriptors that the data path has not read: connection, credit, append, flags. */
    outbox: [] as number[][],
    /** Notifications that wait: connection, generation, rx, tx, flags. */
    inbox: [] as number[][],
    ...{ written: start, doorbell: start, fetched: start, posted: start, taken: start },
  };
}
export type Side = ReturnType<typeof sideOf>;

/** What assembly/libtoe has to do, in plain words; `image` is the memory that it must leave. */
export class Reference {
  readonly rows = new Map<number, Row>();
  readonly chunks = new Map<number, Record<Way, number[]>>();
  readonly sides: readonly Side[];
  readonly image: Uint8Array;
  readonly words: Uint32Array;
  readonly base: Readonly<Record<string, number>>;
  /** Stores of a producer index, and of a consumer index. */
  doorbells = 0;
  reads = 0;
  readonly queue: number;
  readonly connections: number;
  readonly transmit = this.#copy.bind(this, "tx");
  readonly receive = this.#copy.bind(this, "rx");

  constructor(core: Core, start: number) {
    this.base = core.map.base;
    this.queue = core.map.options.queueDescriptors;
    this.connections = core.map.options.connections;
    this.image = core.bytes.slice();
    this.words = new Uint32Array(this.image.buffer);
    this.sides = [0, 1, 2].map((context) => sideOf(core, context, start));
  }

  row(id: number): Row {
    const row = this.rows.get(id) ?? (Object.fromEntries(NAMES.map((name) => [name, 0])) as Row);
    this.rows.set(id, row);
    return row;
  }

  exists(id: number): boolean {
    return id > 0 && id <= this.connections;
  }

  flush(side: Side): number {
    let count = 0;
    for (const id of [...side.dirty]) {
      const row = this.row(id);
      if ((row.state & S.SOCKET_OPEN) !== 0 && row.rxCredit + row.txAppend > 0) {
        if (this.#write(side, id, 0) === 0) break;
        count += 1;
      }
      row.queued &= ~S.QUEUED_DIRTY;
      side.dirty.shift();
    }
    if (count > 0) this.doorbells += 1;
    return count;
  }

  put(side: Side, id: number, flags: number): number {
    const done = this.#write(side, id, flags);
    if (done === 0) return 0;
    this.#clean(side, id);
    this.doorbells += 1;
    return done;
  }

  #clean(side: Side, id: number): void {
    if ((this.row(id).queued & S.QUEUED_DIRTY) === 0) return;
    this.row(id).queued &= ~S.QUEUED_DIRTY;
    side.dirty.splice(side.dirty.indexOf(id), 1);
  }

  forget(side: Side, id: number): number {
    if (!this.exists(id)) return 0;
    this.#clean(side, id);
    Object.assign(this.row(id), { state: 0, cause: 0, queued: 0 });
    return 0;
  }

  #write(side: Side, id: number, flags: number): number {
    if (!this.exists(id) || side.outbox.length === this.queue) return 0;
    const row = this.row(id);
    const { generation, rxCredit, txAppend } = row;
    const at = (side.atx + (side.written % this.queue) * D.ATX_SIZE) >>> 2;
    this.words.set([id, generation, D.AtxOpcode.Update, rxCredit, txAppend, flags], at);
    side.outbox.push([id, rxCredit, txAppend, flags]);
    row.rxCredit = 0;
    row.txAppend = 0;
    side.written = (side.written + 1) >>> 0;
    side.doorbell = side.written;
    return 1;
  }

  take(side: Side): number {
    const count = Math.min(side.inbox.length, this.queue, S.READY_MAX - side.ready.length);
    for (const notice of side.inbox.splice(0, count)) this.#notified(side, notice);
    side.taken = (side.taken + count) >>> 0;
    this.reads += 1;
    return count;
  }

  #notified(side: Side, [id = 0, generation, rx = 0, tx = 0, flags = 0]: number[]): void {
    if (!this.exists(id)) return;
    const row = this.row(id);
    if ((row.state & S.SOCKET_OPEN) === 0 || row.generation !== generation) return;
    let cause = flags === 0 ? 0 : S.CAUSE_ANYTHING;
    if (rx !== 0 && (row.state & S.SOCKET_RX_SHUT) !== 0) {
      this.#passOver(side, id, rx);
      this.release(side, id);
    } else if (rx !== 0) {
      row.rxAvail = (row.rxAvail + rx) >>> 0;
      cause |= READABLE;
    }
    row.txFree = Math.min(row.txFree + tx, row.txMask + 1);
    if (tx !== 0 && (row.state & S.SOCKET_TX_FULL) !== 0 && row.txFree * 4 > row.txMask) {
      row.state &= ~S.SOCKET_TX_FULL;
      cause |= WRITABLE;
    }
    if ((flags & D.ARX_RX_CLOSED) !== 0) row.state |= S.SOCKET_RX_CLOSED;
    if ((flags & D.ARX_TX_CLOSED) !== 0) row.state |= S.SOCKET_TX_CLOSED;
    row.cause |= cause;
    if (cause === 0 || (row.queued & S.QUEUED_READY) !== 0) return;
    row.queued |= S.QUEUED_READY;
    side.ready.push(id);
  }

  release(side: Side, id: number): number {
    if (!this.exists(id) || (this.row(id).queued & S.QUEUED_DIRTY) !== 0) return 0;
    this.row(id).queued |= S.QUEUED_DIRTY;
    side.dirty.push(id);
    return 0;
  }

  #passOver(side: Side, id: number, length: number): void {
    const row = this.row(id);
    row.rxIndex = (row.rxIndex + length) % (row.rxMask + 1);
    row.rxCredit = (row.rxCredit + length) >>> 0;
    if (row.rxCredit > row.rxThreshold) this.release(side, id);
  }

  /** Where byte `index` of a ring stands. */
  at(id: number, way: Way, index: number): number {
    const position = index % (this.row(id)[`${way}Mask`] + 1);
    const chunk = this.chunks.get(id)?.[way][Math.floor(position / CHUNK)] ?? 0;
    return chunk + (position % CHUNK);
  }

  #span(id: number, way: Way, index: number, length: number): number {
    return (index % CHUNK) + length > CHUNK ? 0 : this.at(id, way, index);
  }

  append(side: Side, id: number, length: number, held: number): number {
    const row = this.row(this.exists(id) ? id : 1);
    if (!this.exists(id) || length > row.txFree) return 0;
    const index = row.txIndex;
    row.txIndex = (index + length) % (row.txMask + 1);
    row.txFree -= length;
    row.txAppend = (row.txAppend + length) >>> 0;
    if (row.txFree === 0) row.state |= S.SOCKET_TX_FULL;
    if (held === 0 || row.txFree === 0) this.release(side, id);
    return this.#span(id, "tx", index, length);
  }

  consume(side: Side, id: number, length: number, _held = 0): number {
    const row = this.row(this.exists(id) ? id : 1);
    if (!this.exists(id) || length > row.rxAvail) return 0;
    const index = row.rxIndex;
    row.rxAvail -= length;
    this.#passOver(side, id, length);
    return this.#span(id, "rx", index, length);
  }

  #copy(way: Way, side: Side, id: number, address: number, length: number): number {
    const first = this.base.buffers as number;
    if (!this.exists(id) || address < first || address + length > first + REGISTERED) return 0;
    const { state, txFree, rxAvail, [`${way}Index` as const]: index } = this.row(id);
    if ((state & (way === "tx" ? S.SOCKET_SENDABLE : S.SOCKET_OPEN)) === 0) return 0;
    const count = Math.min(length, way === "tx" ? txFree : rxAvail);
    if (count > 0) this[way === "tx" ? "append" : "consume"](side, id, count, 0);
    for (let i = 0; i < count; i += 1) {
      const [to, from] = [this.at(id, way, index + i), address + i];
      if (way === "tx") this.image[to] = this.image[from] as number;
      else this.image[from] = this.image[to] as number;
    }
    return count;
  }

  /** Rows and lists into the image; list words that mean nothing now are taken from `now`. */
  render(now: Uint32Array): void {
    const put = (address: number, value = now[address >>> 2] as number): void => {
      this.words[address >>> 2] = value;
    };
    put((this.base.counters as number) + 8 * Counter.Doorbells, this.doorbells);
    put((this.base.counters as number) + 8 * Counter.NotificationReads, this.reads);
    const rowAt = (id: number): number => (this.base.sockets as number) + id * S.SOCKET_SIZE;
    for (const [id, row] of this.rows) {
      for (const name of NAMES) put(rowAt(id) + FIELDS[name], row[name]);
      put(rowAt(id) + S.SOCKET_NEXT_DIRTY);
      put(rowAt(id) + S.SOCKET_PREVIOUS_DIRTY);
    }
    for (const { library, record, dirty, ready, ...side } of this.sides) {
      put(library + S.LIBTOE_ATX_PRODUCER, side.written);
      put(library + S.LIBTOE_ARX_CONSUMER, side.taken);
      put(library + S.LIBTOE_DIRTY_HEAD, dirty[0]);
      put(library + S.LIBTOE_DIRTY_TAIL, dirty.at(-1));
      put(library + S.LIBTOE_DIRTY_COUNT, dirty.length);
      put(library + S.LIBTOE_READY_COUNT, ready.length);
      put(record + D.CONTEXT_ATX_PRODUCER, side.doorbell);
      put(record + D.CONTEXT_ATX_CONSUMER, side.fetched);
      put(record + D.CONTEXT_ARX_PRODUCER, side.posted);
      put(record + D.CONTEXT_ARX_CONSUMER, side.taken);
      ready.forEach((id, i) => put(library + S.LIBTOE_READY + i * 4, id));
      dirty.forEach((id, i) => put(rowAt(id) + S.SOCKET_NEXT_DIRTY, dirty[i + 1]));
      dirty.forEach((id, i) => put(rowAt(id) + S.SOCKET_PREVIOUS_DIRTY, dirty[i - 1]));
    }
  }
}
