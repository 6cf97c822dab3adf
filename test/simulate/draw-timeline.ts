/** Draws what happens to the world while the hosts talk: other faults, partitions, clock jumps. */
import type { Prng } from "../../host/prng.ts";
import { liveOptions } from "./draw-connections.ts";
import { chance, drawFaults, moment, pick, type Shape } from "./draws.ts";
import type { Plan, TimelineEvent } from "./plan.ts";

const EVENTS_MAX = 10;

type Timeline = { at: number; event: TimelineEvent }[];

/** A link that fails comes back, sometimes soon. */
function drawOutage(prng: Prng, at: number, link: number, faultsEnd: number): Timeline {
  const ends = at + pick(prng, [1e6, 1e8, 1e9, 3e10]);
  return [
    { at, event: { what: "down", link } },
    { at: Math.min(ends, faultsEnd), event: { what: "up", link } },
  ];
}

function drawEvent(prng: Prng, shape: Shape, links: number, connections: number): Timeline {
  const at = moment(prng, shape.faultsEnd);
  const link = prng.below(links);
  const only = (event: TimelineEvent): Timeline => [{ at, event }];
  const jump = (): Timeline =>
    only({ what: "jump", ns: pick(prng, [1e6, 1e8, 1e9, 1e9, 6e10, 8.64e13]) });
  const back = (): Timeline => {
    return only({ what: "back", host: prng.below(shape.hosts), ns: pick(prng, [1, 1e6, 3.6e12]) });
  };
  const option = (): Timeline => {
    const [connection, client] = [prng.below(connections), chance(prng, 2)];
    return liveOptions(prng, shape).flatMap((chosen) =>
      only({ what: "option", connection, client, option: chosen }),
    );
  };
  if (shape.calm) return chance(prng, 2) ? back() : option();
  const side = prng.below(2) as 0 | 1;
  return pick(prng, [
    () => only({ what: "faults", link, side, to: drawFaults(prng) }),
    () => drawOutage(prng, at, link, shape.faultsEnd),
    () => only({ what: "mtu", link, bytes: pick(prng, [0, 296, 576, 1400]) }),
    jump,
    back,
    option,
  ])();
}

/** Events in the order of their times. */
export function drawTimeline(
  prng: Prng,
  shape: Shape,
  links: number,
  connections: number,
): Plan["timeline"] {
  const count = prng.below(EVENTS_MAX);
  const drawn = Array.from({ length: count }, (_, index) =>
    drawEvent(prng.fork(`${index}`), shape, links, connections),
  );
  return drawn.flat().sort((a, b) => a.at - b.at);
}
