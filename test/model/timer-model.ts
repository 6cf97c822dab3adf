/**
 * One timer for three (RFC 6298, 5; RFC 8985, 6.2, 7.2 and 8): which is wanted and when it is due.
 * A part of the model of sender-model.ts.
 */
import type { SenderModel } from "./sender-model.ts";

/** The least PTO is the least RTO's 64th. */
const PROBE_FLOOR = 64;

/** (Re)starts the retransmission timer. */
export function restart(model: SenderModel): void {
  model.rtoDeadline = model.now + model.rtt.timeout;
  choose(model);
}

/** Data leaves. */
export function start(model: SenderModel): void {
  if (model.deadline === 0) restart(model);
  else if (model.timer !== "reorder" && mayProbe(model)) choose(model);
}

/** An ACK has not moved una: a probe's timer that is wanted as before keeps its time. */
export function review(model: SenderModel): void {
  if (model.deadline === 0) return;
  if (model.timer === "probe" && reorderingDue(model) === 0 && mayProbe(model)) return;
  choose(model);
}

/** What is due first of what is wanted; an RTO that is due at the same time is one. */
export function choose(model: SenderModel): void {
  const { rtoDeadline, now } = model;
  const reorder = reorderingDue(model);
  model.timer = "timeout";
  model.deadline = rtoDeadline;
  if (reorder > 0) {
    if (reorder >= rtoDeadline) return;
    model.timer = "reorder";
    model.deadline = reorder;
  } else if (rtoDeadline > now && mayProbe(model)) {
    model.timer = "probe";
    model.deadline = Math.min(rtoDeadline, now + probeTimeout(model));
  }
}

function reorderingDue({ book }: SenderModel): number {
  return book?.reorder ?? 0;
}

/** TLP_calc_PTO(); a FIN alone may have its ACK delayed. */
function probeTimeout({ rtt, settings, sent }: SenderModel): number {
  if (sent === 1) return 2 * rtt.srtt + settings.rtoMin;
  return Math.max(2 * rtt.srtt, Math.floor(settings.rtoMin / PROBE_FLOOR));
}

/**
 * More than one segment, or a FIN alone; nothing lost, told of or probed since the last sample.
 */
function mayProbe(model: SenderModel): boolean {
  const { settings, rtt, sent, book } = model;
  const isTail = sent > model.mss + 1 || (sent === 1 && model.finSent);
  const calm = !model.recovering && !model.persist && !settings.goBackN;
  const waits = rtt.probed || rtt.backoff > 0 || model.probe !== "none";
  const knows = settings.sack && settings.rack && rtt.srtt > 0;
  return isTail && calm && !waits && knows && (book?.count("sacked") ?? 0) === 0;
}
