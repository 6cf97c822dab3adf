/** Addresses, ports and numbers of the sessions: each has its own, so none meets another. */
import type { Endpoints } from "./peer.ts";

const NETWORK = (10 << 24) | (77 << 16);
/** Of both systems: 10.77.0.1. */
export const LOCAL = NETWORK | 1;
const FIRST_PORT = 10_000;
const REMOTE_PORT = 40_000;
/** Of the peer and of toeloop by turns: low, and so near the end that a session wraps. */
const ISNS = [0x0765_4321, 0xffff_fe00] as const;
/** The kernel's is its own choice. */
const TOELOOP_ISNS = [0xffff_fd00, 0x1234_5678, 0xffff_ff80] as const;

/** A number of a name, the same in every run. */
function hash(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0;
  return sum;
}

/** The places of session `index`, below 55,000; its numbers are its name's. */
export function endpointsOf(index: number, name: string): Endpoints {
  return {
    local: LOCAL,
    localPort: FIRST_PORT + index,
    // From 10.77.1.0 on.
    remote: NETWORK + 256 + index,
    remotePort: REMOTE_PORT,
    isn: ISNS[hash(name) % ISNS.length] as number,
  };
}

export function toeloopIsn(name: string): number {
  return TOELOOP_ISNS[hash(name) % TOELOOP_ISNS.length] as number;
}
