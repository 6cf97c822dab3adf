/** What the data path says of a socket's connection at this moment (INFO); 0 without one. */
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";
import type { Socket } from "./socket.ts";

/** Address of the connection's INFO record, 0 when the data path does not have it. */
function infoOf(core: Core, socket: Socket): number {
  if (socket.row === 0) return 0;
  try {
    if (core.exports.inspect(core.address, socket.connection) === 0) return 0;
  } catch (error) {
    throw core.fence === undefined ? error : core.fence.trapped(error);
  }
  return core.words[(core.address + CORE_INFO) >>> 2] as number;
}

/** A field of 32 bits. */
export function liveWord(core: Core, socket: Socket, field: number): number {
  const info = infoOf(core, socket);
  return info === 0 ? 0 : (core.words[(info + field) >>> 2] as number);
}

/** A field that is a time, in ns. */
export function liveTime(core: Core, socket: Socket, field: number): number {
  const info = infoOf(core, socket);
  return info === 0 ? 0 : core.view.getFloat64(info + field, true);
}
