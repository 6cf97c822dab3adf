/**
 * Recovery: by partial acknowledgments (RFC 6582), by proportional rate reduction (RFC 6937) and
 * after a timeout by slow start (RFC 6675, 5.1). A part of the model of sender-model.ts. In the
 * latter two the policy's cwnd is what is in flight and what may leave now.
 */
import * as doubt from "./doubt-model.ts";
import { FlightBook } from "./flight-book.ts";
import { loseOld, type Moved, noteLooks } from "./loss-model.ts";
import type { SenderModel } from "./sender-model.ts";
import { WINDOWLESS } from "./sender-settings.ts";
import * as timers from "./timer-model.ts";

const TICK = 1e6;

/** The book of a flight, when there may be one: SACK, outside of recovery, nothing gone back. */
export function openBook(model: SenderModel, bytes: number = model.sent): void {
  const { settings, una, sent, max, lastSend, rtt } = model;
  if (model.book !== undefined || !settings.sack || settings.goBackN) return;
  if (model.recovering || bytes === 0 || una + sent !== max) return;
  model.book = new FlightBook(una, bytes, lastSend, rtt.srtt);
}

/** Bytes from `from` up to nxt leave; nothing is written down of what leaves at once and alone. */
export function noteSent(model: SenderModel, from: number): void {
  if (from === model.una) return;
  if (model.book === undefined) {
    if (model.lastSend === model.now) return;
    openBook(model, from - model.una);
  }
  model.book?.append(model.nxt, model.una, model.now);
}

/** cwnd as the policy means it. */
export function windowOf({ recovering, mode, window, policy }: SenderModel): number {
  if (recovering && mode === "timeout") return window;
  return recovering && mode === "reduction" ? policy.ssthresh : policy.cwnd;
}

function remember(model: SenderModel): void {
  const { ssthresh } = model.policy;
  model.prior = { cwnd: windowOf(model), ssthresh, tick: Math.floor(model.now / TICK) };
}

/** Fast retransmit (RFC 5681, 3.2; RFC 6675, 5). */
export function enter(model: SenderModel, threshold: number): void {
  const { policy, settings, una } = model;
  // RFC 6582, 3.2 step 2.
  if (una < model.recover) return;
  const flight = Math.min(model.sent, policy.cwnd);
  model.counts.recoveries += 1;
  remember(model);
  policy.loss(flight, model.now);
  model.reduced ||= settings.ecn;
  model.recover = model.max;
  model.rtt.timed = undefined;
  model.probe = "none";
  if (settings.goBackN) {
    policy.cwnd = policy.ssthresh;
    model.duplicates = 0;
    goBack(model);
    return;
  }
  openBook(model);
  const { book } = model;
  model.recovering = true;
  if (book !== undefined && book.count("sacked") + book.count("lost") > 0) {
    enterReduction(model, book);
    return;
  }
  policy.cwnd = policy.ssthresh + threshold * model.mss;
  boundInflation(model);
  model.again = true;
}

/** Everything in flight is unsent. */
export function goBack(model: SenderModel): void {
  model.nxt = model.una;
  model.finSent = false;
  model.again = false;
}

function boundInflation(model: SenderModel): void {
  model.window = model.sent + model.policy.ssthresh + 4 * model.mss;
}

const isWindowless = ({ policy }: SenderModel): boolean => policy.ssthresh >= WINDOWLESS;

/** RFC 6937, 2. */
function enterReduction(model: SenderModel, book: FlightBook): void {
  if (book.count("lost") === 0) loseFirst(model, book);
  model.mode = "reduction";
  model.flight = model.sent;
  model.delivered = 0;
  allow(model, book, 0, isWindowless(model) ? WINDOWLESS : model.mss);
}

/** Up to a segment at una is lost, whatever else is known. */
function loseFirst(model: SenderModel, book: FlightBook): void {
  if (!book.hasRoom()) {
    const only = book.spans[0]?.sent;
    if (only !== undefined) {
      Object.assign(only, { sacked: false, lost: true, again: false, twice: false });
    }
    return;
  }
  const start = book.start;
  const first = book.cut(start, Math.min(start + model.mss, book.end))[0];
  if (first !== undefined) Object.assign(first.sent, { sacked: false, lost: true, twice: false });
}

/** `more` bytes may leave beyond `out`, which have. */
function allow(model: SenderModel, book: FlightBook, out: number, more: number): void {
  model.policy.cwnd = model.sent + more;
  model.allowed = out + more;
  chooseLost(model, book);
}

/** RFC 6675 4, NextSeg(), rules 1 and 3: whether what is lost first may go. */
function chooseLost(model: SenderModel, book: FlightBook): void {
  const { settings, policy } = model;
  if (model.avail === 0 && !settings.rack && book.count("lost") === 0) loseHole(book);
  const lost = book.firstLost;
  const length = lost === undefined ? 0 : Math.min(model.mss, lost.end - lost.start);
  model.again = length > 0 && policy.cwnd - model.sent >= length;
}

/** Rule 3: the first hole below what the peer has, if it was not sent again. */
function loseHole(book: FlightBook): void {
  const { spans } = book;
  const top = spans.findLastIndex(({ sent }) => sent.sacked);
  const hole = spans.slice(0, Math.max(0, top)).find(({ sent }) => !sent.sacked && !sent.again);
  if (hole !== undefined) hole.sent.lost = true;
}

/** In recovery una has moved, and `sacked` bytes more have arrived above it. */
export function advance(model: SenderModel, moved: Moved, sacked: number, marked: boolean): void {
  const { acked, freed, before } = moved;
  if (model.mode === "newreno") {
    partial(model, freed);
    return;
  }
  const { book } = model;
  if (book === undefined) throw new Error("recovery-model: expected a book in this recovery");
  if (model.mode === "reduction") {
    reduce(model, book, acked, acked + sacked);
    return;
  }
  const { policy, now } = model;
  policy.cwnd = model.window;
  policy.ack(freed, before, marked, now, 0);
  if (model.una >= model.recover) {
    end(model);
    return;
  }
  model.window = policy.cwnd;
  partlyLost(model, book, freed);
  allow(model, book, 0, room(model, book));
}

/** RFC 6582, 3.2 step 3. */
function partial(model: SenderModel, acked: number): void {
  const { policy } = model;
  if (model.una >= model.recover) {
    model.recovering = false;
    model.again = false;
    policy.exit(model.sent, model.now);
    return;
  }
  const deflated = Math.max(policy.cwnd - acked, model.mss);
  policy.cwnd = deflated + (acked >= model.mss ? model.mss : 0);
  boundInflation(model);
  model.again = true;
}

/** RFC 6937 3: sndcnt. */
function reduce(model: SenderModel, book: FlightBook, acked: number, delivered: number): void {
  const { policy } = model;
  if (model.una >= model.recover) {
    end(model);
    policy.exit(policy.ssthresh, model.now);
    return;
  }
  partlyLost(model, book, acked);
  const unused = policy.cwnd - (model.sent + acked);
  const out = model.allowed - unused;
  model.delivered += delivered;
  allow(model, book, out, allowance(model, book, out, delivered, model.mss));
}

function allowance(
  model: SenderModel,
  book: FlightBook,
  out: number,
  delivered: number,
  mss: number,
): number {
  if (isWindowless(model)) return WINDOWLESS;
  const { ssthresh } = model.policy;
  const pipe = book.pipe(model.sent);
  if (pipe > ssthresh) {
    const due = Math.ceil((model.delivered * ssthresh) / model.flight);
    return Math.max(0, due - out);
  }
  const limit = Math.max(model.delivered - out, delivered, 0) + mss;
  return Math.min(ssthresh - pipe, limit);
}

/** What the window leaves beside what is in the network. */
function room(model: SenderModel, book: FlightBook): number {
  return Math.max(0, model.window - book.pipe(model.sent));
}

/** A partial ACK behind which nothing is known: what is at una was lost too. RACK tells by time. */
function partlyLost(model: SenderModel, book: FlightBook, acked: number): void {
  if (acked === 0 || model.settings.rack) return;
  if (book.count("sacked") + book.count("lost") > 0) return;
  if (book.spans[0]?.sent.again !== true) loseFirst(model, book);
}

/** More is known, and una has not moved. */
export function refresh(model: SenderModel, delivered: number): void {
  const { book } = model;
  if (book === undefined) throw new Error("recovery-model: expected a book in this recovery");
  if (model.mode === "timeout") allow(model, book, 0, room(model, book));
  else reduce(model, book, 0, delivered);
}

/** All up to the recovery point has arrived; a wider reordering window is kept for sixteen. */
function end(model: SenderModel): void {
  leave(model);
  model.reorderPersist = Math.max(0, model.reorderPersist - 1);
  if (model.reorderPersist === 0) model.reorderMore = 0;
}

export function leave(model: SenderModel): void {
  model.recovering = false;
  model.again = false;
  model.mode = "newreno";
  model.prior = { ...model.prior, cwnd: 0 };
}

/** [seq, end) has left again, `length` bytes of it. */
export function sentAgain(model: SenderModel, seq: number, to: number, length: number): void {
  const { book, policy } = model;
  if (book === undefined) return;
  const whole = book.hasRoom() ? undefined : book.spanOf(seq);
  for (const { sent } of whole === undefined ? book.cut(seq, to) : [whole]) {
    if (sent.sacked) continue;
    Object.assign(sent, { twice: !sent.lost, lost: false, again: true, time: model.now });
  }
  if (model.mode === "newreno") return;
  policy.cwnd = Math.max(policy.cwnd - length, model.sent);
  chooseLost(model, book);
}

/** The retransmission timer has `expired`, or the segments were too large for the path. */
export function timeout(model: SenderModel, expired: boolean): void {
  if (expired) model.held = false;
  if (model.sent === 0) return;
  const calm = model.una >= model.recover;
  const repeats = expired && model.timedOut;
  if (expired) collapse(model);
  else endReductions(model);
  model.recover = model.max;
  model.rtt.timed = undefined;
  model.probe = "none";
  model.duplicates = 0;
  openBook(model);
  const { book } = model;
  // RFC 5682 2.2: for the same segment once more.
  if (!repeats) doubt.begin(model, calm && expired);
  if (book === undefined) {
    goBack(model);
    model.recovering = false;
    return;
  }
  sendAllAgain(model, book, expired);
  noteLooks(model);
  timers.restart(model);
}

/** RFC 6298, 5.5; RFC 5681, 3.1: only the first timeout of a segment lowers ssthresh. */
function collapse(model: SenderModel): void {
  const { policy, rtt } = model;
  const first = !model.timedOut;
  model.counts.timeouts += 1;
  if (first) remember(model);
  policy.cwnd = windowOf(model);
  policy.timeout(model.sent, first, model.now);
  model.timedOut = true;
  model.reduced ||= model.settings.ecn;
  rtt.backoff = Math.min(rtt.backoff + 1, 63);
}

/** RFC 1191, 6.4: no sign of congestion, but what inflated the window is over. */
function endReductions(model: SenderModel): void {
  if (!model.recovering) return;
  model.policy.cwnd = windowOf(model);
  if (model.mode !== "timeout") model.policy.exit(model.sent, model.now);
}

/** RFC 2018 5.1: after a timeout nothing that was selectively acknowledged counts. */
function sendAllAgain(model: SenderModel, book: FlightBook, expired: boolean): void {
  book.forget(model.una);
  if (expired) {
    for (const { sent } of book.spans) {
      Object.assign(sent, { sacked: false, lost: false, twice: false });
    }
  }
  model.mode = "timeout";
  model.recovering = true;
  loseFirst(model, book);
  if (expired && model.settings.rack) loseOld(model, book);
  else {
    for (const { sent } of book.spans) {
      if (!sent.sacked) Object.assign(sent, { lost: true, twice: false });
    }
    book.reorder = 0;
  }
  model.window = model.policy.cwnd;
  allow(model, book, 0, Math.max(room(model, book), model.mss));
}

/** A rate has given way to a window in the middle of recovery: the loss is answered now. */
export function beginWindow(model: SenderModel): void {
  if (!model.recovering) return;
  const { policy, book } = model;
  policy.cwnd = model.sent;
  policy.loss(model.sent, model.now);
  model.reduced ||= model.settings.ecn;
  if (book === undefined || model.mode === "newreno") {
    policy.cwnd = policy.ssthresh;
    boundInflation(model);
    return;
  }
  model.window = policy.ssthresh;
  model.flight = model.sent;
  model.delivered = 0;
  allow(model, book, 0, model.mode === "timeout" ? room(model, book) : 0);
}
