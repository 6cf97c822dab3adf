/** A control plane that answers and does nothing: for tests of libTOE over a played data path. */
import { address } from "../../../host/address.ts";
import type { ControlPlaneApi } from "../../../host/control-plane/interface.ts";

/** Every open gives connection `id`. */
export function idleControlPlane(id: number): ControlPlaneApi {
  return {
    open: () => id,
    local: () => ({ address: address("10.0.0.1"), port: 1 }),
    remote: () => ({ address: address("10.0.0.2"), port: 80 }),
    shutdownSend: () => undefined,
    release: () => undefined,
    abort: () => undefined,
  } as unknown as ControlPlaneApi;
}
