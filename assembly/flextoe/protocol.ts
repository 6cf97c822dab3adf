/**
 * FlexTOE's protocol stage (4.3.1): TCP as one stage that sees the items of a connection one by
 * one and in order; the other stages are every data path's (assembly/nic/stages.ts).
 */
import { actionsOf, LEAVES, stageHostControl } from "../nic/stages.ts";
import { protocolDelayedAck } from "../tcp/host-control.ts";
import { protocolLossTimer } from "../tcp/loss.ts";
import { protocolTx } from "../tcp/transmit.ts";
import * as W from "../../bindings/abi/work.ts";
import { protocolRx } from "./protocol-receive.ts";

/** One item of any kind. */
// @ts-ignore: decorator
@inline
export function stageProtocol(core: usize, work: usize): void {
  if ((actionsOf(work) & LEAVES) != 0) return;
  const kind = load<u32>(work, W.WORK_KIND);
  if (kind == W.WorkKind.Rx) protocolRx(core, work);
  else if (kind == W.WorkKind.Tx) protocolTx(core, work);
  else if (kind == W.WorkKind.DelayedAck) protocolDelayedAck(core, work);
  else if (kind == W.WorkKind.LossTimer) protocolLossTimer(core, work);
  else stageHostControl(core, work);
}
