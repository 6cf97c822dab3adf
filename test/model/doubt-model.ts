/**
 * Whether a timeout was for something, by what the second ACK after it tells (RFC 5682, 2.1, and
 * 3.1 where there is a book of the flight), and what is taken back when it was not (RFC 4015). A
 * part of the model of sender-model.ts.
 */
import type { Moved } from "./loss-model.ts";
import * as recovery from "./recovery-model.ts";
import type { SenderModel } from "./sender-model.ts";
import { WINDOWLESS } from "./sender-settings.ts";

/** Step 1; `calm`: una had reached "recover". */
export function begin(model: SenderModel, calm: boolean): void {
  const { settings, book, policy } = model;
  // RFC 3522 tells by the first ACK; without a window all of the flight goes again at once.
  const echoes = book !== undefined && settings.timestamps;
  const asks = calm && !settings.goBackN && !echoes && policy.cwnd < WINDOWLESS;
  model.doubt = asks ? "asked" : "none";
}

/** Step 2, una having moved and the window having grown as it does. */
export function test(model: SenderModel, { acked, before }: Moved, marked: boolean): void {
  const { book, una, recover, recovering, policy, nxt, max, again } = model;
  model.doubt = "none";
  // 2 a): it covers all, or not all of what has gone again; a mark is congestion.
  if (marked || una >= recover || (book !== undefined) !== recovering) return;
  if (book === undefined ? acked < before : book.count("again") > 0) return;
  if (model.written <= max) return;
  const { cwnd } = policy;
  model.nxt = max;
  policy.cwnd = model.sent + 2 * model.mss;
  model.recovering = true;
  model.again = false;
  if (model.hasSendable) {
    model.doubt = "tested";
    return;
  }
  // 2 b): nothing new may go.
  model.nxt = nxt;
  policy.cwnd = cwnd;
  model.recovering = recovering;
  model.again = again;
}

/** Step 3: bytes that are acknowledged for the first time, in one way or the other. */
export function settle(model: SenderModel, arrived: number, marked: boolean): boolean {
  const { prior, book, recover, policy } = model;
  model.doubt = "none";
  // 3.1, 3 a): something has arrived that was sent since.
  if (book !== undefined && book.fack > recover) return false;
  // What was taken for the ACK of what went again was not.
  if (book !== undefined) book.rackTime = 0;
  spurious(model);
  if (marked) policy.cwnd = 3 * model.mss;
  else takeBack(model, prior, arrived);
  return true;
}

/** Step 3 with a duplicate. */
export function settleByDuplicate(model: SenderModel, sacked: number): void {
  if (sacked > 0 && settle(model, sacked, false)) return;
  model.doubt = "none";
  resend(model);
}

/** The question is dropped. */
export function end(model: SenderModel): void {
  const { doubt } = model;
  model.doubt = "none";
  if (doubt === "tested") resend(model);
}

/** 3 a): as after any timeout, two round trips on. */
function resend(model: SenderModel): void {
  if (model.book !== undefined) {
    model.window = 3 * model.mss;
    recovery.refresh(model, 0);
    return;
  }
  model.recover = model.max;
  model.policy.cwnd = 3 * model.mss;
  model.duplicates = 0;
  model.recovering = false;
  recovery.goBack(model);
}

/** What was taken for lost is under way, and the next loss is one (RFC 6582, 3.2 step 2). */
export function spurious(model: SenderModel): void {
  model.counts.spurious += 1;
  for (const { sent } of model.book?.spans ?? []) sent.lost = false;
  recovery.leave(model);
  model.recover = model.una;
}

/** RFC 4015, 3.1 (9): what is in flight and what has arrived, an initial window of it at most. */
export function takeBack(
  model: SenderModel,
  { cwnd, ssthresh }: { readonly cwnd: number; readonly ssthresh: number },
  arrived: number,
): void {
  const room = model.sent + Math.min(arrived, model.settings.initialWindow);
  model.policy.undo(Math.min(cwnd, room), Math.max(cwnd, ssthresh));
}
