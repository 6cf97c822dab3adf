/**
 * What an expired timer means (4.3.4): most become events for the control plane; a delayed ACK, a
 * tail loss probe and RACK's reordering timer are the data path's own.
 */
import { preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { EventKind } from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { TIMERS_PER_CONNECTION, TimerKind } from "../../bindings/abi/timer.ts";
import { WorkKind } from "../../bindings/abi/work.ts";
import { pushEvent } from "./context-queue.ts";

/**
 * One expired timer; the connection whose delayed ACK or loss timer is due (stageTurn, expiryKind),
 * 0 for all others.
 */
export function timerExpired(core: usize, timer: u32): u32 {
  const connection = timer / TIMERS_PER_CONNECTION;
  const kind = timer % TIMERS_PER_CONNECTION;
  const pre = preOf(core, connection);
  const generation = load<u32>(pre, F.PRE_GENERATION);
  if (kind == TimerKind.Control) {
    pushEvent(core, EventKind.Timer, connection, generation, kind, 0, 0, 0);
    return 0;
  }
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Installed) return 0;
  const lossTimer: u32 = load<u8>(recoveryOf(core, connection), F.RECOVERY_TIMER);
  if (kind == TimerKind.Retransmit && lossTimer == F.LossTimer.Timeout) {
    tellRetransmit(core, connection, generation);
    return 0;
  }
  return connection;
}

/** WorkKind of the item that an expired timer of the data path's own becomes. */
// @ts-ignore: decorator
@inline
export function expiryKind(timer: u32): u32 {
  const lossTimer = timer % TIMERS_PER_CONNECTION == TimerKind.Retransmit;
  return lossTimer ? WorkKind.LossTimer : WorkKind.DelayedAck;
}

/** RTO or persist: whether and how to go on is the control plane's policy. */
function tellRetransmit(core: usize, connection: u32, generation: u32): void {
  const p = protocolOf(core, connection);
  const persist: u32 = (<u32>load<u16>(p, F.PROTOCOL_FLAGS) & F.FLOW_PERSIST) != 0 ? 1 : 0;
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  const kind = TimerKind.Retransmit;
  pushEvent(core, EventKind.Timer, connection, generation, kind, sent, avail, persist);
}
