/**
 * Registered buffers: memory of the application that the data path's module can reach, as a NIC
 * reaches pages that were pinned for it. Invariant: no two buffers overlap.
 */
import { CORE_BUFFERS, CORE_BUFFERS_BYTES } from "../../bindings/abi/memory-map.ts";
import { CORE_BUFFERS_USED } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";
import { ERRNO, SocketError } from "../errors.ts";

/** A buffer of the core's region. Throws SocketError: EINVAL, ENOMEM. */
export function allocateRegistered(core: Core, bytes: number): Uint8Array {
  if (!Number.isInteger(bytes) || bytes < 1) throw new SocketError("allocate", ERRNO.EINVAL);
  const word = (offset: number): number => core.words[(core.address + offset) >>> 2] as number;
  const used = word(CORE_BUFFERS_USED);
  const size = word(CORE_BUFFERS_BYTES);
  if (bytes > size - used) throw new SocketError("allocate", ERRNO.ENOMEM);
  const from = word(CORE_BUFFERS) + used;
  // The next one begins on a vector's boundary.
  const next = Math.min((used + bytes + 15) & ~15, size);
  core.words[(core.address + CORE_BUFFERS_USED) >>> 2] = next;
  return core.bytes.subarray(from, from + bytes);
}
