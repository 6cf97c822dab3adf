/**
 * Expired timers: a delayed ACK or a loss timer goes through protocol. Part of every executor of
 * FlexTOE.
 */
import { actionsOf, SCHEDULES, SENDS, stageTurn } from "../nic/stages.ts";
import { expiryKind, timerExpired } from "../nic/timer-events.ts";
import { stageProtocol } from "./protocol.ts";

/** One expired timer; true when the work record holds an item that has been through protocol. */
export function expire(core: usize, timer: u32, work: usize): bool {
  const connection = timerExpired(core, timer);
  if (connection == 0) return false;
  stageTurn(core, work, connection, expiryKind(timer));
  stageProtocol(core, work);
  return (actionsOf(work) & (SENDS | SCHEDULES)) != 0;
}
