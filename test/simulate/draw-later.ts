/**
 * Draws that came later than the others, from a stream of their own, so that what older seeds draw
 * stays: shortages, simultaneous opens, profile `paper-sack`, how often pools are looked at.
 */
import type { Prng } from "../../host/prng.ts";
import { drawEnd } from "./draw-connections.ts";
import { chance, moment, pick, type Shape } from "./draws.ts";
import type { HostPlan, ShortagePlan, SimultaneousPlan } from "./plan.ts";

/** Above all listeners' ports; ephemeral ports meet it only with other peers' ports. */
const FIRST_PORT = 1024;
const SHORTAGES_MAX = 3;
const END_BYTES_MAX = 100_000;

/** A host that nobody has to be patient with may have the sixth profile. */
export function drawSack(prng: Prng, shape: Shape, hosts: readonly HostPlan[]): HostPlan[] {
  return hosts.map((host, index) => {
    const has = chance(prng.fork(`${index}`), 8) && !shape.calm;
    return has ? { ...host, profile: "paper-sack" } : host;
  });
}

export function drawSimultaneous(prng: Prng, shape: Shape): SimultaneousPlan[] {
  if (!chance(prng, 4)) return [];
  const from = prng.below(shape.hosts);
  const to = (from + 1 + prng.below(shape.hosts - 1)) % shape.hosts;
  const [port, other] = [FIRST_PORT + prng.below(1000), FIRST_PORT + prng.below(1000)];
  const at = chance(prng, 2) ? 0 : moment(prng, shape.faultsEnd);
  const client = drawEnd(prng.fork("client"), shape, END_BYTES_MAX);
  const server = drawEnd(prng.fork("server"), shape, END_BYTES_MAX);
  return [{ from, to, at, client, server, ports: [port, other] }];
}

export function drawShortages(prng: Prng, shape: Shape): ShortagePlan[] {
  if (shape.calm || !chance(prng, 3)) return [];
  return Array.from({ length: 1 + prng.below(SHORTAGES_MAX) }, () => ({
    at: moment(prng, shape.faultsEnd),
    lasts: pick(prng, [1e6, 1e8, 1e9, 3e10]),
    host: prng.below(shape.hosts),
    pool: pick(prng, ["chunks", "logs", "descriptors"] as const),
  }));
}

/** What was at each 64th poll only would be known late: in some runs it is looked at each time. */
export function drawLookEvery(prng: Prng): number {
  return pick(prng, [1, 64, 64, 64, 64, 64, 64, 64]);
}
