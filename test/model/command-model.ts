/** What the control plane asks of a sender: a part of the model of sender-model.ts. */
import * as doubt from "./doubt-model.ts";
import * as recovery from "./recovery-model.ts";
import type { SenderModel } from "./sender-model.ts";
import { WINDOWLESS } from "./sender-settings.ts";
import * as timers from "./timer-model.ts";

/** Window and threshold; 0 leaves either as it is. In a reduction both are the same. */
export function setWindow(model: SenderModel, window: number, threshold: number): void {
  const { policy, mss } = model;
  if (threshold > 0) policy.ssthresh = Math.max(2 * mss, threshold);
  if (window > 0) become(model, Math.max(mss, Math.min(window, WINDOWLESS)));
  model.noteSendable();
}

/** Where the window is kept depends on how a recovery goes on. */
function become(model: SenderModel, window: number): void {
  if (model.recovering && model.mode === "timeout") model.window = window;
  else if (model.recovering && model.mode === "reduction") model.policy.ssthresh = window;
  else model.policy.cwnd = window;
}

/** RFC 5681 3.1, RFC 4821 4: with smaller segments the window is as many as before. */
export function setMss(model: SenderModel, mss: number): void {
  const window = recovery.windowOf(model);
  if (mss < model.mss && window < WINDOWLESS) {
    become(model, Math.max(mss, Math.floor((window * mss) / model.mss)));
  }
  model.mss = mss;
  model.policy.mss = mss;
  // RFC 8985, 7.2: a flight that is one segment now is left to the RTO.
  if (model.timer === "probe") timers.review(model);
  model.noteSendable();
}

/** From a window to a rate, or back. */
export function setWindowed(model: SenderModel, hasWindow: boolean): void {
  const had = !model.policy.isWindowless;
  doubt.end(model);
  model.policy.choose(hasWindow, model.now);
  if (!hasWindow) model.window = model.policy.cwnd;
  else if (!had) recovery.beginWindow(model);
  model.held = false;
  model.noteSendable();
}

/** RFC 9293, 3.8.4: the last number that was sent, and no data. */
export function keepAlive(model: SenderModel): void {
  model.answerWith(model.max - 1);
}
