/**
 * The DMA engine of a NIC (dissertation 4.1.1, 4.3.1: the DMA stage): queues of transactions that
 * become TLPs by priority as far as flow-control credits and the link allow. Sans-IO: time in ns
 * is an argument. submit() refuses or takes; nextDeadline() says when to call advance(), which
 * tells completions. Memory is taken at construction only.
 *
 * Order (PCIe Base Specification, 2.4.1): posted writes pass reads that wait; a read does not pass
 * an earlier write of its queue; writes become visible in the order in which they were sent, so an
 * interrupt is seen after the writes of its queue; reads complete in any order, and in a queue
 * with `inOrder` all completions are told in the order of submission.
 */
import { Access, type AddressSpace } from "./address-space.ts";
import { CREDIT_BYTES, type Credits, chooseDma, type DmaChoice } from "./dma-options.ts";
import { type DmaOptions, type DmaQueueOptions, PRIORITIES } from "./dma-options.ts";
import { EventHeap } from "./event-heap.ts";
import { LinkTiming } from "./link-timing.ts";
import { Direction, payloadOnWire, Tlp, TlpCounters, type Pcie } from "./tlp.ts";

/** An interrupt is a write of 4 bytes (MSI-X) to an address that no pool has. */
export const DmaKind = { Write: 0, Read: 1, Interrupt: 2 } as const;
export type DmaKind = (typeof DmaKind)[keyof typeof DmaKind];
export const INTERRUPT_BYTES = 4;

/** Answers of submit() below 0. */
export const DmaRefusal = { QueueFull: -1, BadAddress: -2, BadRequest: -3 } as const;

/** Called for each completion: what submit() was given and returned, and when it completed. */
export type OnComplete = (cookie: number, handle: number, at: number) => void;

const NONE = -1;
const POSTED = 0;
const NON_POSTED = 1;

/** Slots in the order of their coming, linked through an array; a slot is in one list at most. */
class SlotList {
  readonly #next: Int32Array;
  head = NONE;
  #tail = NONE;

  constructor(slots: number) {
    this.#next = new Int32Array(slots);
  }

  push(slot: number): void {
    if (this.head === NONE) this.head = slot;
    else this.#next[this.#tail] = slot;
    this.#tail = slot;
    this.#next[slot] = NONE;
  }

  shift(): number {
    const slot = this.head;
    if (slot !== NONE) this.head = this.#next[slot] as number;
    return slot;
  }
}

/** One queue: transactions not yet sent whole, by kind, and all that it holds by age. */
class Queue {
  readonly options: DmaQueueOptions;
  readonly waiting: readonly [SlotList, SlotList];
  readonly all: SlotList;
  held = 0;
  /** TLPs of other queues that were sent while something waited here. */
  passed = 0;

  constructor(options: DmaQueueOptions, slots: number) {
    this.options = options;
    this.waiting = [new SlotList(slots), new SlotList(slots)];
    this.all = new SlotList(slots);
  }
}

/** What the queue would send next: POSTED, NON_POSTED or NONE. */
function kindOf({ waiting }: Queue): number {
  if (waiting[POSTED].head !== NONE) return POSTED;
  return waiting[NON_POSTED].head === NONE ? NONE : NON_POSTED;
}

export class DmaEngine {
  readonly counters: TlpCounters;
  /** Refused for lack of room, refused for their address, told as complete. */
  refusedFull = 0;
  refusedAddress = 0;
  completed = 0;
  readonly #pcie: Pcie;
  readonly #choice: DmaChoice;
  readonly #link: LinkTiming;
  readonly #memory: AddressSpace | undefined;
  readonly #queues: readonly Queue[];
  // Transactions.
  readonly #free: SlotList;
  readonly #done: SlotList;
  readonly #kind: Uint8Array;
  readonly #queueOf: Int32Array;
  readonly #address: Float64Array;
  readonly #left: Float64Array;
  readonly #started: Uint8Array;
  readonly #flying: Int32Array;
  /** Bytes that a read has got so far. */
  readonly #stored: Float64Array;
  readonly #cookie: Float64Array;
  readonly #order: Float64Array;
  /** When all of it was there; below 0 before. */
  readonly #doneAt: Float64Array;
  // TLPs on their way: requests and writes, each with one event.
  readonly #freeTlps: SlotList;
  readonly #events: EventHeap;
  readonly #slotOf: Int32Array;
  readonly #tlpAddress: Float64Array;
  readonly #tlpBytes: Int32Array;
  /** A read whose data is on its way back. */
  readonly #answered: Uint8Array;
  // Credits left, posted and non-posted: of headers, and of data (a read's is its completions').
  readonly #headers: Int32Array;
  readonly #data: Int32Array;
  #outstanding = 0;
  #backlog = 0;
  /** Nothing that waits has the credits it needs: an event must come first. */
  #blocked = false;
  #visibleAt = 0;
  #sequence = 0;
  #now = 0;

  /** Throws RangeError when an option is out of range. */
  constructor(options: DmaOptions) {
    const choice = chooseDma(options);
    const { credits, queues } = choice;
    this.#choice = choice;
    this.#pcie = options.pcie;
    this.#memory = options.memory;
    this.#link = options.link ?? new LinkTiming(options.pcie);
    this.counters = options.counters ?? new TlpCounters(options.pcie);
    const slots = queues.reduce((sum, { cap }) => sum + cap, 0);
    this.#queues = queues.map((queue) => new Queue(queue, slots));
    this.#free = new SlotList(slots);
    this.#done = new SlotList(slots);
    this.#kind = new Uint8Array(slots);
    this.#queueOf = new Int32Array(slots);
    this.#address = new Float64Array(slots);
    this.#left = new Float64Array(slots);
    this.#started = new Uint8Array(slots);
    this.#flying = new Int32Array(slots);
    this.#stored = new Float64Array(slots);
    this.#cookie = new Float64Array(slots);
    this.#order = new Float64Array(slots);
    this.#doneAt = new Float64Array(slots);
    // A read's header credit is free before its data is back: completion data bounds those.
    const tlps = credits.postedHeaders + credits.nonPostedHeaders + credits.completionData;
    this.#freeTlps = new SlotList(tlps);
    this.#events = new EventHeap(tlps);
    this.#slotOf = new Int32Array(tlps);
    this.#tlpAddress = new Float64Array(tlps);
    this.#tlpBytes = new Int32Array(tlps);
    this.#answered = new Uint8Array(tlps);
    for (let slot = 0; slot < slots; slot += 1) this.#free.push(slot);
    for (let tlp = 0; tlp < tlps; tlp += 1) this.#freeTlps.push(tlp);
    this.#headers = Int32Array.of(credits.postedHeaders, credits.nonPostedHeaders);
    this.#data = Int32Array.of(credits.postedData, credits.completionData);
  }

  /** Credits that are left, for tests and gauges. */
  get credits(): Credits {
    const [postedHeaders = 0, nonPostedHeaders = 0] = this.#headers;
    const [postedData = 0, completionData = 0] = this.#data;
    return { postedHeaders, postedData, nonPostedHeaders, completionData };
  }

  /** Transactions that have sent a TLP and are not complete. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Transactions of a queue from submit() to the telling of their completion. */
  held(queue: number): number {
    return this.#queues[queue]?.held ?? 0;
  }

  /**
   * Hands a transaction over: its handle, or a DmaRefusal. `cookie` is the caller's. Throws
   * RangeError when time goes back.
   */
  submit(
    now: number,
    queue: number,
    kind: DmaKind,
    address: number,
    bytes: number,
    cookie: number,
  ): number {
    this.#run(now);
    const own = this.#queues[queue];
    const length = kind === DmaKind.Interrupt ? INTERRUPT_BYTES : bytes;
    if (own === undefined || !(length > 0)) return DmaRefusal.BadRequest;
    if (own.held >= own.options.cap) {
      this.refusedFull += 1;
      return DmaRefusal.QueueFull;
    }
    if (kind !== DmaKind.Interrupt && !this.#isMapped(kind, address, length)) {
      this.refusedAddress += 1;
      return DmaRefusal.BadAddress;
    }
    const slot = this.#free.shift();
    this.#kind[slot] = kind;
    this.#queueOf[slot] = queue;
    this.#address[slot] = address;
    this.#left[slot] = length;
    this.#started[slot] = 0;
    this.#flying[slot] = 0;
    this.#stored[slot] = 0;
    this.#cookie[slot] = cookie;
    this.#order[slot] = this.#sequence;
    this.#doneAt[slot] = -1;
    this.#sequence += 1;
    own.held += 1;
    own.waiting[this.#sideOf(slot)].push(slot);
    if (own.options.inOrder === true) own.all.push(slot);
    this.#backlog += 1;
    this.#blocked = false;
    return slot;
  }

  #isMapped(kind: DmaKind, address: number, bytes: number): boolean {
    if (this.#memory === undefined) return true;
    const access = kind === DmaKind.Read ? Access.Read : Access.Write;
    return this.#memory.translate(address, bytes, access) >= 0;
  }

  /** When advance() has something to do: ns; Infinity when all is quiet. */
  nextDeadline(): number {
    if (this.#done.head !== NONE) return this.#now;
    return Math.min(this.#events.next, this.#nextIssue());
  }

  #nextIssue(): number {
    if (this.#backlog === 0 || this.#blocked) return Number.POSITIVE_INFINITY;
    return Math.max(this.#now, this.#link.freeAt(Direction.ToHost));
  }

  /** Does all that is due up to `now`, then tells completions; a callback may submit. */
  advance(now: number, onComplete: OnComplete): void {
    this.#run(now);
    for (let slot = this.#done.shift(); slot !== NONE; slot = this.#done.shift()) {
      const at = this.#doneAt[slot] as number;
      (this.#queues[this.#queueOf[slot] as number] as Queue).held -= 1;
      this.#free.push(slot);
      this.completed += 1;
      onComplete(this.#cookie[slot] as number, slot, at);
    }
  }

  #run(now: number): void {
    if (!(now >= this.#now)) {
      throw new RangeError(`pcie: expected time ${this.#now} or later, got ${now}`);
    }
    for (;;) {
      const issue = this.#nextIssue();
      const event = this.#events.next;
      if (Math.min(issue, event) > now) break;
      this.#now = Math.min(issue, event);
      // Credits come back before they are asked for.
      if (event <= issue) this.#arrive(this.#events.pop());
      else if (!this.#issueNext()) this.#blocked = true;
    }
    this.#now = now;
  }

  /**
   * Sends one TLP: of the most urgent queue that can, among equals of the one passed over most
   * often. A queue out of patience goes first; while it lacks credits nobody else begins what
   * takes their kind, so that it gets them. False when none can.
   */
  #issueNext(): boolean {
    const hungry = this.#hungry();
    let barred = NONE;
    let chosen = hungry;
    if (hungry !== undefined && this.#candidate(hungry, NONE) === NONE) {
      barred = kindOf(hungry);
      chosen = undefined;
    }
    chosen ??= this.#urgent(barred);
    if (chosen === undefined) return false;
    const slot = this.#candidate(chosen, barred);
    for (const queue of this.#queues) if (kindOf(queue) !== NONE) queue.passed += 1;
    chosen.passed = 0;
    this.#issue(chosen, slot);
    return true;
  }

  #hungry(): Queue | undefined {
    let found: Queue | undefined;
    for (const queue of this.#queues) {
      if (queue.passed < Math.max(this.#choice.patience, (found?.passed ?? 0) + 1)) continue;
      if (kindOf(queue) !== NONE) found = queue;
    }
    return found;
  }

  #urgent(barred: number): Queue | undefined {
    let found: Queue | undefined;
    for (const queue of this.#queues) {
      const less = queue.options.priority - (found?.options.priority ?? PRIORITIES);
      const isBetter = less < 0 || (less === 0 && queue.passed > (found?.passed ?? 0));
      if (isBetter && this.#candidate(queue, barred) !== NONE) found = queue;
    }
    return found;
  }

  /** Writes first: they pass reads, and no read passes an earlier write. */
  #candidate(queue: Queue, barred: number): number {
    const write = queue.waiting[POSTED].head;
    if (write !== NONE && this.#maySend(write, barred === POSTED)) return write;
    const read = queue.waiting[NON_POSTED].head;
    if (read === NONE || !this.#maySend(read, barred === NON_POSTED)) return NONE;
    const isFirst =
      write === NONE || (this.#order[read] as number) < (this.#order[write] as number);
    return isFirst ? read : NONE;
  }

  /** What has begun may always go on: others wait for its place among the outstanding. */
  #maySend(slot: number, isBarred: boolean): boolean {
    const isNew = this.#started[slot] === 0;
    if (isNew && (isBarred || this.#outstanding >= this.#choice.outstanding)) return false;
    return this.#hasCredits(slot);
  }

  #sideOf(slot: number): typeof POSTED | typeof NON_POSTED {
    return this.#kind[slot] === DmaKind.Read ? NON_POSTED : POSTED;
  }

  /** Bytes of a slot's next TLP, or of what it asks for. */
  #piece(slot: number): number {
    const address = this.#address[slot] as number;
    const left = this.#left[slot] as number;
    if (this.#sideOf(slot) === NON_POSTED) return this.#pcie.readPiece(address, left);
    return this.#pcie.writePiece(address, left);
  }

  #hasCredits(slot: number): boolean {
    const side = this.#sideOf(slot);
    const units = unitsOf(this.#address[slot] as number, this.#piece(slot));
    return (this.#headers[side] as number) > 0 && (this.#data[side] as number) >= units;
  }

  #issue(queue: Queue, slot: number): void {
    const side = this.#sideOf(slot);
    const address = this.#address[slot] as number;
    const bytes = this.#piece(slot);
    if (this.#started[slot] === 0) this.#outstanding += 1;
    this.#started[slot] = 1;
    this.#address[slot] = address + bytes;
    this.#left[slot] = (this.#left[slot] as number) - bytes;
    this.#flying[slot] = (this.#flying[slot] as number) + 1;
    if (this.#left[slot] === 0) {
      queue.waiting[side].shift();
      this.#backlog -= 1;
    }
    this.#headers[side] = (this.#headers[side] as number) - 1;
    this.#data[side] = (this.#data[side] as number) - unitsOf(address, bytes);
    const tlp = this.#freeTlps.shift();
    this.#slotOf[tlp] = slot;
    this.#tlpAddress[tlp] = address;
    this.#tlpBytes[tlp] = bytes;
    this.#answered[tlp] = 0;
    this.#events.push(this.#send(slot, address, bytes), tlp);
  }

  /** Puts a TLP on the link; when the host has dealt with it. */
  #send(slot: number, address: number, bytes: number): number {
    const { oneWayNs, hostReadNs } = this.#choice.latencies;
    const isRead = this.#sideOf(slot) === NON_POSTED;
    const payload = isRead ? 0 : payloadOnWire(address, bytes);
    const wire = this.counters.add(isRead ? Tlp.MRd : Tlp.MWr, Direction.ToHost, payload);
    const arrived = this.#link.send(Direction.ToHost, this.#now, wire) + oneWayNs;
    const walked = arrived + this.#walk(slot, address);
    if (isRead) return walked + hostReadNs;
    this.#visibleAt = Math.max(this.#visibleAt, walked);
    return this.#visibleAt;
  }

  #walk(slot: number, address: number): number {
    if (this.#memory === undefined || this.#kind[slot] === DmaKind.Interrupt) return 0;
    return this.#memory.look(address) ? 0 : this.#choice.latencies.walkNs;
  }

  /** A write is visible, a read's data is ready, or it is here. */
  #arrive(tlp: number): void {
    const slot = this.#slotOf[tlp] as number;
    const side = this.#sideOf(slot);
    const units = unitsOf(this.#tlpAddress[tlp] as number, this.#tlpBytes[tlp] as number);
    const isAnswered = this.#answered[tlp] === 1;
    this.#blocked = false;
    // A read's header is free once the host has taken it up, its room here once it is filled.
    if (!isAnswered) this.#headers[side] = (this.#headers[side] as number) + 1;
    if (side === NON_POSTED && !isAnswered) {
      this.#answer(tlp, slot);
      return;
    }
    this.#data[side] = (this.#data[side] as number) + units;
    this.#freeTlps.push(tlp);
    this.#flying[slot] = (this.#flying[slot] as number) - 1;
    if (this.#flying[slot] === 0 && this.#left[slot] === 0) this.#finish(slot);
  }

  /** The host has read: its completions go out in the order in which their data was ready. */
  #answer(tlp: number, slot: number): void {
    const { oneWayNs, deviceNsPerByte } = this.#choice.latencies;
    const bytes = this.#tlpBytes[tlp] as number;
    const address = this.#tlpAddress[tlp] as number;
    this.#answered[tlp] = 1;
    this.#stored[slot] = (this.#stored[slot] as number) + bytes;
    const wire = this.counters.complete(Direction.ToHost, address, bytes);
    const sent = this.#link.send(Direction.ToDevice, this.#now, wire);
    const storeNs = (this.#stored[slot] as number) * deviceNsPerByte;
    this.#events.push(sent + oneWayNs + storeNs, tlp);
  }

  #finish(slot: number): void {
    this.#outstanding -= 1;
    this.#doneAt[slot] = this.#now;
    const queue = this.#queues[this.#queueOf[slot] as number] as Queue;
    if (queue.options.inOrder !== true) this.#done.push(slot);
    for (let first = queue.all.head; first !== NONE; first = queue.all.head) {
      if ((this.#doneAt[first] as number) < 0) return;
      this.#doneAt[first] = this.#now;
      this.#done.push(queue.all.shift());
    }
  }
}

/** Credits of data, 16 bytes each, for the double words of a TLP. */
function unitsOf(address: number, bytes: number): number {
  return Math.ceil(payloadOnWire(address, bytes) / CREDIT_BYTES);
}
