/**
 * Push engine (5.3.2): libTOE's half of transmission. It keeps the head of the transmission, pushes
 * segments into the pipeline, and asks the packet generator for the credits that its congestion
 * policy allows; T1 to T5 have the last word on each segment. What to send next is assembly/tcp's
 * to say, as it is for FlexTOE's protocol stage.
 */
import { countDrop } from "../base/counter.ts";
import { protocolOf } from "../flow/flow-state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { PROTOCOL_MSS } from "../../bindings/abi/flow-state.ts";
import { TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import { TCP_FIN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import * as T from "./generated/tcp.ts";
import { register, result, segmentPass, valuePass } from "./passes.ts";

/** The segment of this item, if it has one, through the pipeline; `kind`: C_TX or C_PROBE. */
export function pushSegment(core: usize, work: usize, kind: u32): void {
  const actions = load<u32>(work, W.WORK_ACTIONS);
  if ((actions & W.ACTION_SEND) == 0) return;
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const length = load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  const fin: u32 = (load<u32>(work, W.WORK_OUT_FLAGS) & TCP_FIN) != 0 ? 1 : 0;
  if (register(core, connection, T.R_TX_CREDITS) < length + fin) grant(core, connection);
  segmentPass(core, kind, connection, load<u32>(work, W.WORK_OUT_SEQ), length + fin, length);
  const reason = result(core, T.REASON);
  if (reason == 0) return;
  store<u32>(work, actions & ~W.ACTION_SEND, W.WORK_ACTIONS);
  countDrop(core, reasonOf(reason));
}

function reasonOf(reason: u32): u32 {
  if (reason == T.C_STALE) return DropReason.PushStale;
  return reason == T.C_NO_CREDIT ? DropReason.PushCredit : DropReason.PushWindow;
}

/** SYNC of the packet generator: credits for a turn (5.3.2.1). */
function grant(core: usize, connection: u32): void {
  const mss: u32 = load<u16>(protocolOf(core, connection), PROTOCOL_MSS);
  const held = register(core, connection, T.R_TX_CREDITS);
  const full = TURN_SEGMENTS_MAX * mss;
  if (held < full) valuePass(core, T.C_GRANT, connection, full - held, held);
}
