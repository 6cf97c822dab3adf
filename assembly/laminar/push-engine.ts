/**
 * Push engine (5.3.2): libTOE's half of transmission. It keeps the head of the transmission, pushes
 * segments into the pipeline, and asks the packet generator for the credits that its congestion
 * policy allows; T1 to T5 have the last word on each segment. What to send next is assembly/tcp's
 * to say, as it is for FlexTOE's protocol stage.
 */
import { countDrop } from "../base/counter.ts";
import { isRated } from "../base/rate-clock.ts";
import { packetBytes } from "../nic/post-processing.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { Verdict } from "../../bindings/abi/rmt.ts";
import { TCP_FIN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import * as T from "./generated/tcp.ts";
import { grant, meterOf } from "./grants.ts";
import { measure } from "./meter.ts";
import { register, result, segmentPass } from "./passes.ts";

/** The segment of this item, if it has one, through the pipeline; `kind`: C_TX or C_PROBE. */
export function pushSegment(core: usize, work: usize, kind: u32): void {
  const actions = load<u32>(work, W.WORK_ACTIONS);
  if ((actions & W.ACTION_SEND) == 0) return;
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const length = load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  const fin: u32 = (load<u32>(work, W.WORK_OUT_FLAGS) & TCP_FIN) != 0 ? 1 : 0;
  if (register(core, connection, T.R_TX_CREDITS) < length + fin) {
    grant(core, connection, length + fin);
  }
  segmentPass(core, kind, connection, load<u32>(work, W.WORK_OUT_SEQ), length + fin, length);
  let reason = reasonOf(result(core, T.REASON));
  if (reason == DropReason.None && kind == T.C_TX && exceeds(core, work, connection)) {
    reason = DropReason.PushRate;
  }
  if (reason == DropReason.None) return;
  store<u32>(work, actions & ~W.ACTION_SEND, W.WORK_ACTIONS);
  countDrop(core, reason);
}

/** The meter has the last word, as IP bytes (5.4). */
// @ts-ignore: decorator
@inline
function exceeds(core: usize, work: usize, connection: u32): bool {
  const meter = meterOf(core, connection);
  if (!isRated(meter)) return false;
  return measure(meter, packetBytes(core, work), load<u64>(core, CORE_NOW)) == Verdict.Dropped;
}

function reasonOf(reason: u32): u32 {
  if (reason == 0) return DropReason.None;
  if (reason == T.C_STALE) return DropReason.PushStale;
  return reason == T.C_NO_CREDIT ? DropReason.PushCredit : DropReason.PushWindow;
}
