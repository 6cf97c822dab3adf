/**
 * What the wire has shown of each connection, from the frames alone: a side for each end, with
 * what it sent and what reached it. Positions are places in the stream: byte 0 follows the SYN,
 * the FIN stands behind the last byte. Invariant: only whole frames are noted, and only what its
 * sender is known to have sent counts as arrived.
 */
import { ACK, FIN, RST, type Segment, SYN } from "./reference-parser.ts";
import { RangeSet } from "./range-set.ts";

/** RFC 9293 MUST-15: without the option. */
const MSS_DEFAULT = 536;

/** What an application has done at one end of a connection. */
export interface Ledger {
  /** Bytes that send() took, and that recv() gave. */
  written: number;
  delivered: number;
  /** shutdown(SHUT_WR), close() or more was called. */
  ended: boolean;
  /** abort() was called, or close() in a way that resets. */
  aborted: boolean;
  /** It is held to a rate, or once was. */
  rated: boolean;
  /** recv() said 0. */
  sawEnd: boolean;
  /** errno that a call has told, 0 = none. */
  error: number;
}

/** One end of a connection as the wire shows it. */
export class Side {
  readonly host: number;
  readonly name: string;
  peer!: Side;
  ledger: Ledger | undefined;
  /**
   * Of the other end: a listener that has answered by a cookie remembers nothing, and answers the
   * next SYN with other numbers. The SYN|ACK that arrives first decides.
   */
  readonly answers: Side[] = [];
  /** Of the numbers that are in the way: those of an earlier connection of the same ends. */
  isReborn = false;
  // Its SYN as it was sent; -1 = none.
  iss = -1;
  scale = -1;
  offersSack = false;
  offersTimestamps = false;
  // The peer's SYN as it arrived.
  irs = -1;
  peerMss = MSS_DEFAULT;
  peerScale = -1;
  peerSack = false;
  peerTimestamps = false;
  /** End of what was sent, and where the FIN was. */
  sentEnd = 0;
  finAt = -1;
  /** Highest acknowledgment and right edge that it has announced. */
  ackSent = -1;
  edgeSent = -1;
  /** It has sent something behind its SYN. */
  isOpen = false;
  /** A RST was sent. */
  resetSent = false;
  // What reached it: bytes of the peer, the peer's FIN, acknowledgments, right edges.
  readonly arrived = new RangeSet();
  /** What of it has come more than once. */
  readonly repeated = new RangeSet();
  peerFin = -1;
  acked = -1;
  edge = 0;
  /** Segments of this connection that reached it, when the last did, and RSTs among them. */
  arrivals = 0;
  arrivedAt = 0;
  resetsArrived = 0;
  /** Segments with SACK blocks, and acknowledgments that acknowledge nothing new. */
  disorder = 0;

  constructor(host: number, name: string) {
    this.host = host;
    this.name = name;
  }

  /** Frames of an earlier connection of the same ends may still be under way. */
  get isUncertain(): boolean {
    return this.isReborn || this.peer.isReborn;
  }

  /** False for an answer to a SYN in place of which the peer has taken another. */
  get counts(): boolean {
    return this.peer.peer === this;
  }

  /** Place in its own stream of a sequence number. */
  place(seq: number): number {
    return (seq - this.iss - 1) | 0;
  }

  /** Bits by which windows that it announces are shifted. */
  get shift(): number {
    return this.scale >= 0 && this.peerScale >= 0 ? Math.min(this.scale, 14) : 0;
  }

  /** Bits by which windows that its peer announces to it are shifted. */
  get peerShift(): number {
    return this.scale >= 0 && this.peerScale >= 0 ? Math.min(this.peerScale, 14) : 0;
  }

  get hasTimestamps(): boolean {
    return this.offersTimestamps && this.peerTimestamps;
  }

  get hasSack(): boolean {
    return this.offersSack && this.peerSack;
  }

  /** End of its stream as far as it was sent, FIN included. */
  get sentSpan(): number {
    return this.finAt >= 0 ? this.finAt + 1 : this.sentEnd;
  }

  /** How much of the peer's stream may be acknowledged. */
  get acknowledgeable(): number {
    const { contiguous } = this.arrived;
    return this.peerFin === contiguous ? contiguous + 1 : contiguous;
  }
}

/** Key of an end: addresses of the simulation differ in their last byte. */
function keyOf(source: number, sourcePort: number, to: number, toPort: number): number {
  const ports = sourcePort * 65536 + toPort;
  return ((source & 255) * 256 + (to & 255)) * 0x1_0000_0000 + ports;
}

/** Every connection of a run. */
export class FlowBook {
  readonly #sides = new Map<number, Side>();
  readonly #ledgers = new Map<number, Ledger>();
  /** Of ends whose SYN nobody has seen. */
  readonly #unseen = new Set<Ledger>();

  /** All ends of the present connections. */
  sides(): Iterable<Side> {
    return this.#sides.values();
  }

  /** The present connection of two ends: the first's side. */
  side(source: number, sourcePort: number, to: number, toPort: number): Side | undefined {
    return this.#sides.get(keyOf(source, sourcePort, to, toPort));
  }

  /** An application has an end of a connection: before its SYN, or after accept(). */
  register(from: number, port: number, to: number, toPort: number, ledger: Ledger): void {
    const key = keyOf(from, port, to, toPort);
    this.#ledgers.set(key, ledger);
    const side = this.#sides.get(key);
    if (side === undefined) {
      this.#unseen.add(ledger);
      return;
    }
    if (side.ledger !== undefined && side.ledger !== ledger) reopen(side);
    side.ledger = ledger;
  }

  /** The sender's side of a segment that is being sent; undefined when it is of none. */
  sender(host: number, s: Segment): Side | undefined {
    const key = keyOf(s.source, s.sourcePort, s.destination, s.destinationPort);
    const side = this.#sides.get(key);
    if (!s.has(SYN)) return side;
    if (s.has(ACK)) return side === undefined ? undefined : this.#answer(key, side, s.seq);
    if (side !== undefined && (side.iss === s.seq || side.iss < 0)) {
      // A simultaneous open: an application has this end too before its SYN.
      side.ledger ??= this.#ledgers.get(key);
      return side;
    }
    return this.#begin(host, key, s, side !== undefined);
  }

  /** The receiver's side of a segment that arrives. */
  receiver(s: Segment): Side | undefined {
    const side = this.side(s.destination, s.destinationPort, s.source, s.sourcePort);
    if (side !== undefined && s.has(SYN) && s.has(ACK) && side.irs < 0) this.#choose(side, s);
    return side;
  }

  /** The SYN|ACK that arrives is the one that counts. */
  #choose(side: Side, s: Segment): void {
    const answer = side.answers.find((one) => one.iss === s.seq);
    if (answer === undefined || side.place(s.ack) !== 0) return;
    side.peer = answer;
    this.#sides.set(keyOf(s.source, s.sourcePort, s.destination, s.destinationPort), answer);
  }

  #begin(host: number, key: number, s: Segment, isReborn: boolean): Side {
    const { source, sourcePort, destination, destinationPort } = s;
    const back = keyOf(destination, destinationPort, source, sourcePort);
    const own = new Side(host, `10.0.0.${source & 255}:${sourcePort}`);
    const other = new Side(
      (destination & 255) - 1,
      `10.0.0.${destination & 255}:${destinationPort}`,
    );
    own.peer = other;
    other.peer = own;
    own.isReborn = isReborn;
    other.isReborn = isReborn;
    own.ledger = this.#take(key);
    // Two that connect to each other, of which one has not got its SYN out.
    if (this.#unseen.has(this.#ledgers.get(back) as Ledger)) other.ledger = this.#take(back);
    this.#sides.set(key, own);
    this.#sides.set(back, other);
    return own;
  }

  #take(key: number): Ledger | undefined {
    const ledger = this.#ledgers.get(key);
    if (ledger !== undefined) this.#unseen.delete(ledger);
    return ledger;
  }

  /** A SYN|ACK; with a number of its own when the listener has forgotten what it sent first. */
  #answer(key: number, side: Side, seq: number): Side {
    const { peer } = side;
    if (side.iss < 0 || side.iss === seq) {
      if (!peer.answers.includes(side)) peer.answers.push(side);
      return side;
    }
    const known = peer.answers.find((one) => one.iss === seq);
    if (known !== undefined) return known;
    const fresh = new Side(side.host, side.name);
    fresh.peer = peer;
    fresh.irs = side.irs;
    fresh.peerMss = side.peerMss;
    fresh.peerScale = side.peerScale;
    fresh.peerSack = side.peerSack;
    fresh.peerTimestamps = side.peerTimestamps;
    peer.answers.push(fresh);
    if (peer.irs >= 0) return fresh;
    peer.peer = fresh;
    this.#sides.set(key, fresh);
    return fresh;
  }
}

/**
 * The ACK of a SYN cookie that is good for some time has opened the same ends once more, after they
 * were over here: the same numbers, and the stream from its beginning.
 */
function reopen(side: Side): void {
  side.isReborn = true;
  side.sentEnd = 0;
  side.finAt = -1;
}

/** Notes a segment that `side` has sent, after it was checked. */
export function noteSent(side: Side, s: Segment): void {
  if (s.has(SYN)) {
    side.iss = s.seq;
    side.scale = s.scale;
    side.offersSack = s.sackPermitted;
    side.offersTimestamps = s.timestamp >= 0;
  }
  if (s.has(RST)) {
    side.resetSent = true;
    // What it has promised is over; the ACK of a cookie may open the same ends once more.
    side.edgeSent = 0;
    return;
  }
  if (!s.has(SYN)) side.isOpen = true;
  const at = s.has(SYN) ? 0 : side.place(s.seq);
  if (s.payloadBytes > 0) side.sentEnd = Math.max(side.sentEnd, at + s.payloadBytes);
  if (s.has(FIN)) side.finAt = at + s.payloadBytes;
  if (!s.has(ACK) || side.irs < 0) return;
  const ack = side.peer.place(s.ack);
  side.ackSent = Math.max(side.ackSent, ack);
  const shift = s.has(SYN) ? 0 : side.shift;
  side.edgeSent = Math.max(side.edgeSent, ack + s.window * 2 ** shift);
}

function noteSynArrived(side: Side, s: Segment): void {
  side.irs = s.seq;
  side.peerMss = s.mss >= 0 ? s.mss : MSS_DEFAULT;
  side.peerScale = s.scale;
  side.peerSack = s.sackPermitted;
  side.peerTimestamps = s.timestamp >= 0;
}

/** Notes a segment that has reached `side`, if it is one of this connection. */
export function noteArrived(side: Side, s: Segment, now: number): void {
  const { peer } = side;
  // From whatever incarnation: it may end the connection.
  if (s.has(RST)) side.resetsArrived += 1;
  const stranger = s.has(SYN) ? s.seq !== peer.iss : peer.iss < 0;
  if (stranger) return;
  const at = s.has(SYN) ? 0 : peer.place(s.seq);
  if (at < -1 || at + s.payloadBytes > peer.sentSpan) return;
  side.arrivals += 1;
  side.arrivedAt = now;
  if (s.has(RST)) return;
  if (s.has(SYN)) noteSynArrived(side, s);
  for (const [from, to] of side.arrived.common(at, at + s.payloadBytes))
    side.repeated.add(from, to);
  side.arrived.add(at, at + s.payloadBytes);
  if (s.has(FIN)) side.peerFin = at + s.payloadBytes;
  if (s.has(ACK)) noteAcknowledgment(side, s);
}

function noteAcknowledgment(side: Side, s: Segment): void {
  const ack = side.place(s.ack);
  if (side.iss < 0 || ack > side.sentSpan) return;
  if (s.sack.length > 0 || (ack === side.acked && s.span === 0)) side.disorder += 1;
  side.acked = Math.max(side.acked, ack);
  const shift = s.has(SYN) ? 0 : side.peerShift;
  side.edge = Math.max(side.edge, ack + s.window * 2 ** shift);
}
