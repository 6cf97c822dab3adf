/** TIME_STATE of a row is over: what that means in its state. */
import { ConnectionState } from "./connection-state.ts";
import { handshakeTimeout } from "./handshake.ts";
import { stateOf, type Plane } from "./plane.ts";
import { orphanExpired, timeWaitExpired } from "./teardown.ts";

export function stateExpired(plane: Plane, id: number): void {
  switch (stateOf(plane, id)) {
    case ConnectionState.SynSent:
    case ConnectionState.SynReceived:
      handshakeTimeout(plane, id);
      return;
    case ConnectionState.FinWait2:
      orphanExpired(plane, id);
      return;
    case ConnectionState.TimeWait:
      timeWaitExpired(plane, id);
      return;
    default:
  }
}
