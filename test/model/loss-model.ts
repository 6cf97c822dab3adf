/**
 * What an acknowledgment says of losses: duplicates (RFC 5681, 2 and 3.2), blocks of SACK (RFC
 * 2018, 2883, 6675), time (RFC 8985, 6), probes (7.4) and recoveries that were for nothing (RFC
 * 3522, 4015). A part of the model of sender-model.ts.
 */
import * as doubt from "./doubt-model.ts";
import type { FlightBook, Span } from "./flight-book.ts";
import * as recovery from "./recovery-model.ts";
import type { SenderModel } from "./sender-model.ts";
import { type Ack, DUPLICATES } from "./sender-settings.ts";
import * as timers from "./timer-model.ts";

const TICK = 1e6;
const BLOCKS_MAX = 4;
/** RFC 8985 6.2, step 4. */
const PERSIST = 16;
const MORE_MAX = 255;

/** What an acknowledgment has moved: numbers, bytes of them, and what was in flight before. */
export interface Moved {
  readonly acked: number;
  readonly freed: number;
  readonly before: number;
  /** Bytes that duplicates had told of. */
  readonly told: number;
}

const blocksOf = ({ sack }: Ack): (readonly [number, number])[] =>
  (sack ?? []).slice(0, BLOCKS_MAX);

/** RFC 2883 5: the first block is below the ACK number, or within the second. */
function repeated(segment: Ack): readonly [number, number] | undefined {
  const [first, second] = blocksOf(segment);
  if (first === undefined || first[0] >= first[1]) return undefined;
  if (first[0] < segment.ack) return first;
  if (second === undefined) return undefined;
  return first[0] >= second[0] && first[1] <= second[1] ? first : undefined;
}

/** una has moved. */
export function acknowledged(model: SenderModel, segment: Ack, moved: Moved): void {
  const { acked, freed, before, told } = moved;
  const marked = model.settings.ecn && segment.marked === true;
  if (marked) {
    model.counts.echoes += 1;
    model.counts.marked += freed;
  }
  const grow = (): void => {
    model.policy.ack(freed, before, marked, model.now, told);
    if (marked) answerMark(model);
  };
  const isCalm =
    !model.recovering && segment.sack === undefined && !model.looks && model.doubt === "none";
  if (model.expected || (isCalm && model.book === undefined)) {
    grow();
    return;
  }
  const sacked = takeNews(model, segment, acked);
  const { doubt: asked } = model;
  if (asked === "tested" && doubt.settle(model, acked + sacked, marked)) {
    noteLooks(model);
    return;
  }
  if (!model.recovering) {
    grow();
    recoverLost(model);
  } else if (asked !== "none" || !wasForNothing(model, segment, acked, marked)) {
    recovery.advance(model, moved, sacked, marked);
  }
  if (asked === "asked") doubt.test(model, moved, marked);
  noteLooks(model);
}

/** RFC 3168, 6.1.2: like a loss, and the peer is told. */
function answerMark(model: SenderModel): void {
  const holds = model.policy.holds();
  if (!model.policy.mark(model.sent, model.now)) return;
  model.reduced = true;
  model.held ||= holds;
}

/** An ACK that has not moved una, with something in flight. */
export function duplicate(model: SenderModel, segment: Ack, windowMoved: boolean): void {
  if (model.sent === 0) return;
  const sacked = takeNews(model, segment, 0);
  if (sacked !== 0 || isDuplicate(model, segment, windowMoved)) countDuplicate(model, sacked);
  recoverLost(model);
  noteLooks(model);
  timers.review(model);
}

/** RFC 5681, 2; with a book only a block says something (RFC 6675, 2). */
function isDuplicate({ settings, book }: SenderModel, { sack }: Ack, moved: boolean): boolean {
  if (settings.duplicateBySack && settings.sack) return false;
  return !(book !== undefined && sack !== undefined) && !moved;
}

/** Probe, D-SACK, blocks, losses; bytes more that the peer selectively has. */
function takeNews(model: SenderModel, segment: Ack, acked: number): number {
  noteProbe(model, segment, acked);
  if (repeated(segment) !== undefined) noteTwice(model);
  if (model.book === undefined && segment.sack !== undefined) recovery.openBook(model);
  const { book, una } = model;
  if (book === undefined) return 0;
  const before = book.count("sacked");
  book.forget(una - acked);
  if (acked > 0) {
    const below = book.cut(book.start, Math.min(una, book.end));
    for (const span of below) if (!span.sent.sacked) arrived(model, book, segment, span);
    book.forget(una);
  }
  for (const [start, end] of blocksOf(segment)) {
    if (start <= una || end <= start || end > book.end) continue;
    // A block for which there is no room says nothing.
    for (const span of book.hasRoom() ? book.cut(start, end) : []) {
      if (span.sent.sacked) continue;
      arrived(model, book, segment, span);
      Object.assign(span.sent, { sacked: true, lost: false, again: false, twice: false });
    }
  }
  if (blocksOf(segment).length > 0) book.joinSacked();
  findLost(model, book);
  return book.count("sacked") - before;
}

/** RFC 8985 6.2, steps 1 to 3. */
function arrived(model: SenderModel, book: FlightBook, segment: Ack, span: Span): void {
  const { end, sent } = span;
  if (end >= book.fack) book.fack = end;
  else if (!sent.again) model.reordered = true;
  const rtt = model.now - sent.time;
  // The ACK may be that of an earlier transmission.
  if (sent.again && (model.echoesOlder(segment, sent.time) || rtt < model.rtt.least)) return;
  book.rackRtt = rtt;
  if (!isLater(sent.time, end, book.rackTime, book.rackEnd)) return;
  book.rackTime = sent.time;
  book.rackEnd = end;
}

/** RACK_sent_after(). */
function isLater(time: number, end: number, otherTime: number, otherEnd: number): boolean {
  return time === otherTime ? end > otherEnd : time > otherTime;
}

export function findLost(model: SenderModel, book: FlightBook): void {
  if (model.settings.rack) findLostByTime(model, book);
  else findLostByCount(model, book);
}

/** RFC 8985 6.2, step 5. */
function findLostByTime(model: SenderModel, book: FlightBook): void {
  const wait = book.rackRtt + reorderWindow(model, book);
  book.reorder = 0;
  for (const { end, sent } of book.spans) {
    if (sent.sacked || sent.lost || !isLater(book.rackTime, book.rackEnd, sent.time, end)) continue;
    if (sent.time + wait <= model.now) Object.assign(sent, { lost: true, twice: false });
    else book.reorder = Math.max(book.reorder, sent.time + wait);
  }
}

/** RFC 8985 6.2, step 4. */
function reorderWindow(model: SenderModel, book: FlightBook): number {
  const { rtt } = model;
  const enough = book.count("sacked") > (DUPLICATES - 1) * model.mss;
  const none = model.recovering || model.duplicates >= DUPLICATES || enough;
  if (!model.reordered && none) return 0;
  return Math.min(Math.floor(((model.reorderMore + 1) * rtt.least) / 4), rtt.srtt);
}

/** RFC 8985 6.3: a timeout; what is not older than that is still under way. */
export function loseOld(model: SenderModel, book: FlightBook): void {
  const wait = book.rackRtt + reorderWindow(model, book);
  for (const { sent } of book.spans) {
    if (sent.time + wait <= model.now) Object.assign(sent, { lost: true, twice: false });
  }
  book.reorder = 0;
}

/** DupThresh where losses are counted. */
const threshold = ({ settings }: SenderModel): number => (settings.lossAtFirst ? 1 : DUPLICATES);

/** RFC 6675 4, IsLost(): as many runs above, or more than so many segments' bytes. */
function findLostByCount(model: SenderModel, book: FlightBook): void {
  const needed = threshold(model);
  const spans = book.spans;
  spans.forEach(({ sent }, index) => {
    const above = spans.slice(index + 1).filter((span) => span.sent.sacked);
    const bytes = above.reduce((sum, { start, end }) => sum + end - start, 0);
    const isLost = above.length >= needed || bytes > (needed - 1) * model.mss;
    if (isLost && !sent.sacked && !sent.again) sent.lost = true;
  });
}

/** RFC 8985 6.2, step 4: once a round trip of D-SACKs the reordering window grows. */
function noteTwice(model: SenderModel): void {
  if (model.round !== undefined && model.una < model.round) return;
  model.reorderMore = Math.min(model.reorderMore + 1, MORE_MAX);
  model.reorderPersist = PERSIST;
  model.round = model.nxt;
}

/** RFC 8985 7.4.2, TLP_process_ack(). */
function noteProbe(model: SenderModel, segment: Ack, acked: number): void {
  const { probe, probeEnd, una } = model;
  if ((probe !== "fresh" && probe !== "again") || una < probeEnd) return;
  const twice = repeated(segment);
  const wasSecond = twice !== undefined && twice[1] >= probeEnd;
  const wasLoss = probe === "again" && !wasSecond && una > probeEnd;
  const isPlain = acked === 0 && segment.sack === undefined;
  if (probe === "again" && !wasSecond && !wasLoss && !isPlain) return;
  model.probe = "none";
  if (!wasLoss || model.recovering) return;
  model.policy.loss(model.policy.cwnd, model.now);
  model.policy.exit(model.policy.ssthresh, model.now);
}

function countDuplicate(model: SenderModel, sacked: number): void {
  const { policy, settings } = model;
  model.counts.duplicates += 1;
  if (model.doubt === "tested") {
    doubt.settleByDuplicate(model, sacked);
    return;
  }
  // RFC 5682 2.1, step 2 a); 3.1 waits for what moves una.
  if (model.book === undefined) doubt.end(model);
  if (model.recovering) {
    if (model.mode !== "newreno") {
      recovery.refresh(model, sacked);
      return;
    }
    if (policy.cwnd + model.mss <= model.window) policy.cwnd += model.mss;
    return;
  }
  const count = model.duplicates + 1;
  model.duplicates = Math.min(count, DUPLICATES);
  // RACK: neither three duplicates nor three runs say anything by themselves.
  const counts = sacked === 0 || !settings.rack;
  if (counts && count === threshold(model)) recovery.enter(model, threshold(model));
}

/** RFC 6675 5, (2); RFC 8985, 6.2: the book alone may say so. */
export function recoverLost(model: SenderModel): void {
  if (model.recovering || (model.book?.count("lost") ?? 0) === 0) return;
  recovery.enter(model, threshold(model));
}

/** Acknowledgments are looked at closely while there is something to learn. */
export function noteLooks(model: SenderModel): void {
  const { book, probe } = model;
  const has = book?.spans.some(({ sent }) => sent.sacked || sent.lost || sent.again) ?? false;
  model.looks = has || probe !== "none" || (book?.reorder ?? 0) > 0;
}

/** RFC 8985, 6.2: the reordering window has passed. */
export function reorderExpired(model: SenderModel): void {
  const { book, counts } = model;
  const { recoveries } = counts;
  if (book !== undefined) {
    const wasRecovering = model.recovering;
    findLost(model, book);
    if (!wasRecovering) recoverLost(model);
    else if (model.mode !== "newreno" && model.doubt !== "tested") recovery.refresh(model, 0);
  }
  // Counted of segments alone.
  counts.recoveries = recoveries;
  noteLooks(model);
}

/** RFC 3522, RFC 4015: the first ACK of a recovery answers what left before it. */
function wasForNothing(model: SenderModel, segment: Ack, acked: number, marked: boolean): boolean {
  const { prior, book } = model;
  if (acked === 0 || prior.cwnd === 0 || book === undefined) return false;
  model.prior = { ...prior, cwnd: 0 };
  if (marked || !model.echoesOlder(segment, prior.tick * TICK)) return false;
  doubt.spurious(model);
  doubt.takeBack(model, prior, acked);
  return true;
}
