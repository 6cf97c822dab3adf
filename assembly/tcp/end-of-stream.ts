/** End of the peer's stream (RFC 9293, 3.10.7.4, eighth check). */
import { recoveryOf } from "../flow/flow-state.ts";
import { ARX_RX_CLOSED } from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as W from "../../bindings/abi/work.ts";
import { forgetIntervals } from "./ooo-interval.ts";
import { act, flagsOf, setFlags } from "./state.ts";

/** FIN, honoured in sequence; one that came early waits as a number. True when it was reached. */
export function receiveFin(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  fin: bool,
  finSeq: u32,
): bool {
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  if (!fin && (echo & F.ECHO_FIN_HELD) == 0) return false;
  const r = recoveryOf(core, connection);
  const stands = fin ? finSeq : load<u32>(r, F.RECOVERY_FIN_SEQ);
  if (stands != load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ)) {
    // A second, different FIN ahead of order does not replace the first (threats Q09).
    if (fin && (echo & F.ECHO_FIN_HELD) == 0) {
      store<u32>(r, finSeq, F.RECOVERY_FIN_SEQ);
      store<u8>(p, <u8>(echo | F.ECHO_FIN_HELD), F.PROTOCOL_ECHO);
    }
    return false;
  }
  // Whatever was placed beyond the end of the stream is not part of it (RFC 9293, 3.10.7.4).
  forgetIntervals(core, r);
  store<u8>(p, <u8>(echo & ~F.ECHO_FIN_HELD), F.PROTOCOL_ECHO);
  setFlags(p, (flagsOf(p) & ~F.FLOW_OUT_OF_ORDER) | F.FLOW_FIN_RECEIVED);
  store<u32>(p, stands + 1, F.PROTOCOL_RX_NEXT_SEQ);
  const bits = load<u32>(work, W.WORK_ARX_FLAGS) | ARX_RX_CLOSED;
  store<u32>(work, bits, W.WORK_ARX_FLAGS);
  act(work, W.ACTION_NOTIFY | W.ACTION_FIN_RECEIVED);
  return true;
}
