/**
 * Draws a plan from a seed. Invariant: only integer draws of forked streams, so that every runtime
 * draws the same plan; what is drawn later does not move what was drawn before.
 */
import type { DataPath } from "../../bindings/layout.ts";
import type { ProfileName } from "../../host/control-plane/profile.ts";
import { Prng } from "../../host/prng.ts";
import { drawConnections, listenerOptions } from "./draw-connections.ts";
import { drawLookEvery, drawSack, drawShortages, drawSimultaneous } from "./draw-later.ts";
import { drawTimeline } from "./draw-timeline.ts";
import { chance, drawFaults, moment, pick, type Shape } from "./draws.ts";
import type { HostPlan, LinkPlan, Plan } from "./plan.ts";

const SECOND = 1e9;
/** Sequence numbers between two incarnations at least, and half of all. */
const APART = 2 ** 20;
const HALF = 2 ** 31;
const PROFILES: readonly ProfileName[] = ["internet", "rfc", "linux", "datacenter", "paper"];
const PATIENT: readonly ProfileName[] = ["internet", "rfc", "linux"];
const FRAME_HEADER = 18;
const IPV6_MTU_MIN = 1280;
/** Kinds of TCP options that both ends must offer. */
const WINDOW_SCALE = 3;
const SACK_PERMITTED = 4;
const TIMESTAMPS = 8;

function drawShape(prng: Prng): Shape {
  const star = chance(prng, 3);
  const calm = chance(prng, 6);
  return {
    calm,
    tight: !calm && chance(prng, 3),
    star,
    hosts: star ? 2 + prng.below(4) : 2,
    medium: star ? "ethernet" : pick(prng, ["ip", "ethernet"]),
    mtu: chance(prng, 3) ? 576 + prng.below(8425) : pick(prng, [576, 1280, 1500, 1500, 9000]),
    faultsEnd: pick(prng, [2, 5, 20, 90]) * SECOND,
  };
}

/** The four numbers that a wrap is next to, or any. */
function drawSequence(prng: Prng): number {
  const near = pick(prng, [0, 0x7fffffff, 0x80000000, 0xffffffff]);
  return chance(prng, 2) ? near : (near - prng.below(100_000)) >>> 0;
}

function drawHost(prng: Prng, shape: Shape, index: number): HostPlan {
  const roomy = shape.calm;
  const isSmall = shape.tight && chance(prng, 2);
  return {
    name: `host${index}`,
    // SYNs of the others are given up within a second.
    profile: pick(prng, shape.calm ? PATIENT : PROFILES),
    layout: {
      connections: roomy ? 64 : pick(prng, [8, 16, 64]),
      queueDescriptors: pick(prng, [4, 64]),
      chunkBytes: pick(prng, [256, 1024, 8192, 16384]),
      // From an arena that is always short to one that never is.
      payloadBytes: roomy ? 8 << 20 : isSmall ? pick(prng, [4, 8, 32]) * 16384 : 4 << 20,
      frameBytes: shape.mtu + FRAME_HEADER,
    },
    sequences: chance(prng, 2) ? drawSequences(prng) : [],
    port: 1 + prng.below(1023),
    backlog: roomy ? 64 : pick(prng, [1, 4, 64]),
    options: listenerOptions(prng.fork("listener"), shape),
    acceptAt: roomy || chance(prng, 2) ? 0 : moment(prng, shape.faultsEnd),
  };
}

/**
 * Eight ISNs of one host. RFC 9293 MUST-8: those of incarnations that follow each other are far
 * apart; where they were not, what is old would fit what is new.
 */
function drawSequences(prng: Prng): number[] {
  const drawn: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const next = drawSequence(prng);
    const distance = (next - (drawn.at(-1) ?? next + 2 * APART) + APART) >>> 0;
    drawn.push(distance < 2 * APART ? (next + HALF) >>> 0 : next);
  }
  return drawn;
}

function drawLink(prng: Prng, shape: Shape): LinkPlan {
  const frame = shape.mtu + FRAME_HEADER;
  const direction = () => ({
    rate: pick(prng, [2e6, 1e7, 1e8, 1e9, 1e10, Number.POSITIVE_INFINITY]),
    delay: pick(prng, [0, 1e4, 1e6, 2e7, 1.5e8]),
    queue: {
      bytes: shape.calm ? 1 << 24 : pick(prng, [2, 8, 64, 256]) * frame,
      ...(chance(prng, 4) ? { markBytes: 8 * frame } : {}),
    },
    backpressure: chance(prng, 4),
  });
  const none = {};
  const clean = shape.calm || chance(prng, 4);
  const strip = [WINDOW_SCALE, SACK_PERMITTED, TIMESTAMPS].filter(() => chance(prng, 5));
  return {
    options: { medium: shape.medium, mtu: shape.mtu, ...direction(), reverse: direction() },
    faults: clean ? [none, none] : [drawFaults(prng), drawFaults(prng)],
    strip,
  };
}

/** RFC 8200, 5: no link of IPv6 takes less than 1280 bytes. */
function isIpv6(prng: Prng, { mtu }: Shape): boolean {
  return mtu >= IPV6_MTU_MIN && chance(prng, 3);
}

/** The plan of a seed. */
export function drawPlan(seed: number, datapath: DataPath): Plan {
  const prng = new Prng(seed);
  const shape = drawShape(prng.fork("shape"));
  const each = <T>(count: number, label: string, draw: (prng: Prng, index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => draw(prng.fork(`${label} ${index}`), index));
  const { hosts: count, tight: _, ...rest } = shape;
  const drawn = each(count, "host", (own, index) => drawHost(own, shape, index));
  const links = each(shape.star ? count : 1, "link", (own) => drawLink(own, shape));
  const connections = drawConnections(prng.fork("connections"), shape);
  const timeline = drawTimeline(prng.fork("timeline"), shape, links.length, connections.length);
  const family = isIpv6(prng.fork("family"), shape) ? 6 : 4;
  const later = prng.fork("later");
  const hosts = drawSack(later.fork("sack"), shape, drawn);
  return {
    ...{ seed, datapath, family, ...rest, hosts, links, connections, timeline },
    simultaneous: drawSimultaneous(later.fork("simultaneous"), shape),
    shortages: drawShortages(later.fork("shortages"), shape),
    lookEvery: drawLookEvery(later.fork("look")),
  };
}
