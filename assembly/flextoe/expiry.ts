/** Expired timers: a delayed ACK goes through protocol. Part of every executor of FlexTOE. */
import { actionsOf, SENDS, stageTurn } from "../nic/stages.ts";
import { timerExpired } from "../nic/timer-events.ts";
import { WorkKind } from "../../bindings/abi/work.ts";
import { stageProtocol } from "./protocol.ts";

/** One expired timer; true when the work record holds an item that has been through protocol. */
export function expire(core: usize, timer: u32, work: usize): bool {
  const connection = timerExpired(core, timer);
  if (connection == 0) return false;
  stageTurn(core, work, connection, WorkKind.DelayedAck);
  stageProtocol(core, work);
  return (actionsOf(work) & SENDS) != 0;
}
