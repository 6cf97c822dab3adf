/**
 * The row of a socket whose connection was installed just now: from here on notifications and calls
 * change it. Here, as the host would need a whole INFO record and a dozen stores for it.
 */
import { isConnection, postOf, preOf, protocolOf } from "../flow/flow-state.ts";
import { creditThreshold } from "../tcp/window.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as S from "../../bindings/abi/socket.ts";
import { coreOf, rowOf } from "./socket.ts";

/** False, and nothing is written, when the data path does not have the connection. */
export function open(library: usize, connection: u32, generation: u32): bool {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return false;
  if (load<u8>(preOf(core, connection), F.PRE_STATE) != <u8>F.PreState.Installed) return false;
  const p = protocolOf(core, connection);
  const post = postOf(core, connection);
  const row = rowOf(core, connection);
  const rxShift = <u32>load<u8>(p, F.PROTOCOL_RX_SHIFT);
  const txBuffer: u32 = <u32>1 << load<u8>(p, F.PROTOCOL_TX_SHIFT);
  const rxNext = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const txUna = load<u32>(p, F.PROTOCOL_TX_UNA);
  store<u32>(row, 0, S.SOCKET_RX_AVAIL);
  store<u32>(row, 0, S.SOCKET_RX_CREDIT);
  store<u32>(row, creditThreshold(rxShift, load<u16>(p, F.PROTOCOL_MSS)), S.SOCKET_RX_THRESHOLD);
  store<u32>(row, rxNext - load<u32>(post, F.POST_RX_ORIGIN), S.SOCKET_RX_OFFSET);
  store<u32>(row, txBuffer, S.SOCKET_TX_BYTES);
  store<u32>(row, txBuffer, S.SOCKET_TX_FREE);
  store<u32>(row, 0, S.SOCKET_TX_APPEND);
  store<u32>(row, txUna - load<u32>(post, F.POST_TX_ORIGIN), S.SOCKET_TX_OFFSET);
  store<u32>(row, <u32>library, S.SOCKET_OWNER);
  store<u32>(row, generation, S.SOCKET_GENERATION);
  store<u32>(row, 0, S.SOCKET_CAUSE);
  store<u32>(row, S.SOCKET_OPEN | S.SOCKET_SENDABLE, S.SOCKET_STATE);
  return true;
}
