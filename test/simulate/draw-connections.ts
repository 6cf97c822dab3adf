/** Draws who connects to whom, what they write, how they read, and how they let go. */
import { CONGESTION_NAMES } from "../../host/libtoe/options.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { Prng } from "../../host/prng.ts";
import { chance, moment, pick, type Shape } from "./draws.ts";
import type { ConnectionPlan, EndMode, EndPlan, OptionPlan } from "./plan.ts";

const CONNECTIONS_MAX = 8;
/** Bytes of all streams of a run together: what a run costs. */
const TOTAL_BYTES = 2_000_000;

type Maker = (prng: Prng) => OptionPlan;

const tcp = (name: number, value: OptionPlan["value"]): OptionPlan => ({
  level: C.IPPROTO_TCP,
  name,
  value,
});
const socket = (name: number, value: OptionPlan["value"]): OptionPlan => ({
  level: C.SOL_SOCKET,
  name,
  value,
});

/** Options that are chosen before the connection, or at any time. */
const OPTIONS: readonly Maker[] = [
  (prng) => socket(C.SO_RCVBUF, pick(prng, [1, 1000, 5000, 16384, 65536, 262144])),
  (prng) => socket(C.SO_SNDBUF, pick(prng, [1, 1000, 5000, 16384, 65536, 262144])),
  (prng) => tcp(C.TCP_CONGESTION, pick(prng, CONGESTION_NAMES)),
  (prng) => tcp(C.TCP_MAXSEG, pick(prng, [88, 200, 536, 1000, 1460])),
  ...anytime(),
];

function anytime(): readonly Maker[] {
  return [
    () => tcp(C.TCP_NODELAY, 1),
    (prng) => tcp(C.TCP_CORK, prng.below(2)),
    () => tcp(C.TCP_QUICKACK, 1),
    (prng) => socket(C.SO_MAX_PACING_RATE, pick(prng, [50_000, 1_000_000, 20_000_000])),
    (prng) => ({ level: C.IPPROTO_IP, name: C.IP_TOS, value: 4 * prng.below(64) }),
    (prng) => ({ level: C.IPPROTO_IP, name: C.IP_TTL, value: 1 + prng.below(255) }),
    () => socket(C.SO_KEEPALIVE, 1),
    (prng) => tcp(C.TCP_KEEPIDLE, pick(prng, [1, 5])),
    (prng) => tcp(C.TCP_KEEPINTVL, pick(prng, [1, 3])),
    (prng) => tcp(C.TCP_LINGER2, pick(prng, [1, 30])),
  ];
}

/** What may end a connection although both applications are well. */
const HARSH: readonly Maker[] = [
  (prng) => tcp(C.TCP_USER_TIMEOUT, pick(prng, [1000, 10_000, 60_000])),
  (prng) => tcp(C.TCP_KEEPCNT, pick(prng, [1, 4])),
  (prng) => tcp(C.TCP_SYNCNT, pick(prng, [1, 3])),
];

/** What is corked waits for more, and where there are no chunks there will be no more. */
function isWise({ name, value }: OptionPlan, { tight }: Shape): boolean {
  return !tight || name !== C.TCP_CORK || value === 0;
}

/** Some of the options that may be chosen. */
function drawOptions(prng: Prng, shape: Shape, makers: readonly Maker[]): OptionPlan[] {
  const made = makers.filter(() => chance(prng, 7)).map((make) => make(prng));
  return made.filter((option) => isWise(option, shape));
}

/** Options of a listener. */
export function listenerOptions(prng: Prng, shape: Shape): OptionPlan[] {
  return drawOptions(prng, shape, OPTIONS);
}

/** Options for a live connection; mostly one. */
export function liveOptions(prng: Prng, shape: Shape): OptionPlan[] {
  return [pick(prng, anytime())(prng)].filter((option) => isWise(option, shape));
}

function drawMode(prng: Prng, shape: Shape): EndMode {
  if (shape.calm) return "close";
  return pick(prng, ["close", "close", "close", "close", "close", "early", "abort", "linger"]);
}

export function drawEnd(prng: Prng, shape: Shape, most: number): EndPlan {
  const { calm, faultsEnd } = shape;
  const bytes = pick(prng, [0, 1, 100, 3000, 20_000, 100_000, 1_000_000]);
  return {
    bytes: Math.min(bytes, most),
    write: pick(prng, [1 + prng.below(200), 1000, 1460, 8000, 65536]),
    read: pick(prng, [1 + prng.below(500), 1000, 16384, 65536]),
    writePause: chance(prng, 3) ? pick(prng, [1e4, 1e6, 3e7]) : 0,
    readPause: chance(prng, 3) ? pick(prng, [1e5, 1e7, 5e8]) : 0,
    idle: chance(prng, 4) ? moment(prng, faultsEnd) : 0,
    more: chance(prng, 8),
    peek: chance(prng, 8),
    mode: drawMode(prng, shape),
    endAt: moment(prng, faultsEnd),
    options: drawOptions(prng, shape, calm ? OPTIONS : [...OPTIONS, ...HARSH]),
  };
}

/** Connections of all hosts; in a star anybody's, on one link mostly one way. */
export function drawConnections(prng: Prng, shape: Shape): ConnectionPlan[] {
  const count = 1 + prng.below(CONNECTIONS_MAX);
  const most = Math.floor(TOTAL_BYTES / count);
  return Array.from({ length: count }, (_, index) => {
    const own = prng.fork(`${index}`);
    const from = own.below(shape.hosts);
    const to = (from + 1 + own.below(shape.hosts - 1)) % shape.hosts;
    return {
      from,
      to,
      at: chance(own, 2) ? 0 : moment(own, shape.faultsEnd),
      client: drawEnd(own.fork("client"), shape, most),
      server: drawEnd(own.fork("server"), shape, most),
    };
  });
}
