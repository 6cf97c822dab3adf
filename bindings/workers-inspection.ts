/** What a workers executor holds at a moment: for tests, and for who looks for a leak. */
import { ReorderPoint, Stage } from "./abi/stage.ts";
import * as X from "./abi/workers.ts";
import { NETIF_ITEMS, OWN_ITEMS, type Replica, type WorkersLayout } from "./workers-layout.ts";

/** Reorder points with numbers in flight, and sources with items in flight, in words. */
export function unreleased(words: Int32Array, layout: WorkersLayout): string[] {
  const found: string[] = [];
  const at = (address: number): number => Atomics.load(words, address >>> 2);
  const groups = layout.replicas.filter(({ kind }) => kind === Stage.Protocol);
  const netif = layout.replicas.find(({ kind }) => kind === Stage.Netif) as Replica;
  const queue = layout.replicas.find(({ kind }) => kind === Stage.ContextQueue) as Replica;
  const pointOf = (stage: Replica, which: number, group: number): number =>
    at(stage.address + X.STAGE_REORDER + (which * X.REPLICAS_MAX + group) * 4);
  for (const { address, index } of groups) {
    const group = { address } as Replica;
    const egress = pointOf(netif, ReorderPoint.Netif, index);
    // RP2 and RP3 share their numbers, which protocol gives out at RP2.
    const points: readonly (readonly [string, number, number])[] = [
      ["RP1", pointOf(group, ReorderPoint.Protocol, index), 0],
      ["RP2", egress, 0],
      ["RP3", pointOf(queue, ReorderPoint.Notification, index), egress],
      ["RP4", pointOf(group, ReorderPoint.HostControl, index), 0],
    ];
    for (const [name, point, numbered] of points) {
      const assigned = at((numbered === 0 ? point : numbered) + X.REORDER_ASSIGNED);
      const released = at(point + X.REORDER_NEXT);
      if (assigned === released) continue;
      found.push(`${name} of group ${index}: ${assigned} assigned, ${released} released`);
    }
  }
  const items = [netif, queue, ...groups].map(({ name, address }) => ({
    name,
    home: homeItems(at, address),
    all: name === "netif" ? NETIF_ITEMS : OWN_ITEMS,
  }));
  for (const { name, home, all } of items) {
    if (home !== all) found.push(`${name}: ${all} items, ${home} at home`);
  }
  return found;
}

/** Items on a source's stack, and those on their way back to it. */
function homeItems(at: (address: number) => number, stage: number): number {
  let items = at(at(stage + X.STAGE_FREE));
  for (const offset of [0, 4]) {
    const ring = at(stage + X.STAGE_FREE_RINGS + offset);
    items += at(ring + X.RING_TAIL) - at(ring + X.RING_HEAD);
  }
  return items;
}
