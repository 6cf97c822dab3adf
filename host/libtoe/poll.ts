/** poll(): readiness of a list of descriptors, as Linux's tcp_poll reports it. Never waits. */
import { ERRNO } from "../errors.ts";
import { POLLERR, POLLHUP, POLLNVAL } from "./constants.ts";
import { type DescriptorTable, readiness } from "./socket.ts";

/** struct pollfd. A negative `fd` is passed over. */
export interface PollEntry {
  fd: number;
  /** POLL* bits asked for; POLLERR, POLLHUP and POLLNVAL always count. */
  events: number;
  /** POLL* bits that hold. */
  revents: number;
}

/** Sets each `revents`; how many are not 0, or -EFAULT when `entries` is not a list of records. */
export function pollDescriptors(table: DescriptorTable, entries: PollEntry[]): number {
  if (!Array.isArray(entries)) return -ERRNO.EFAULT;
  let count = 0;
  for (const entry of entries) {
    if (typeof entry !== "object" || entry === null) return -ERRNO.EFAULT;
    const socket = table.get(entry.fd);
    if (socket !== undefined) {
      entry.revents = readiness(socket) & (entry.events | POLLERR | POLLHUP);
    } else {
      entry.revents = typeof entry.fd === "number" && entry.fd < 0 ? 0 : POLLNVAL;
    }
    if (entry.revents !== 0) count += 1;
  }
  return count;
}
