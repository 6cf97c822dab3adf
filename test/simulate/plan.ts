/**
 * A simulation's plan: everything that a seed decides, as plain data that can be printed. Times
 * are ns of virtual time, sizes bytes. draw.ts makes one, simulation.ts carries it out.
 */
import type { DataPath, LayoutOptions } from "../../bindings/layout.ts";
import type { ProfileName } from "../../host/control-plane/profile.ts";
import { SO_MAX_PACING_RATE } from "../../host/libtoe/constants.ts";
import type { FaultOptions } from "../../host/netif/fault-injector.ts";
import type { LinkOptions } from "../../host/netif/link.ts";
import type { Medium } from "../../host/netif/netif.ts";

/** Faults without the one that is code. */
export type PlannedFaults = Omit<FaultOptions, "rule">;

export interface HostPlan {
  readonly name: string;
  readonly profile: ProfileName;
  readonly layout: Partial<LayoutOptions>;
  /** ISNs to begin with, in order; RFC 6528's after them, or at once when there are none. */
  readonly sequences: readonly number[];
  readonly port: number;
  readonly backlog: number;
  /** Options of the listener, which its connections inherit. */
  readonly options: readonly OptionPlan[];
  /** From when on the listener's application accepts. */
  readonly acceptAt: number;
}

/** Arguments of setsockopt() behind the descriptor. */
export interface OptionPlan {
  readonly level: number;
  readonly name: number;
  readonly value: number | string | { readonly onoff: number; readonly linger: number };
}

/** What is on the wire between a host and what it is connected to. */
export interface LinkPlan {
  readonly options: Omit<LinkOptions, "faults" | "seed" | "names" | "taps">;
  /** Of each direction, from the beginning on. */
  readonly faults: readonly [PlannedFaults, PlannedFaults];
  /** Kinds of TCP options that a middlebox takes out of SYNs, both ways. */
  readonly strip: readonly number[];
}

/**
 * How an end lets go: `close` after the peer's end; `early` as soon as all is written, whatever
 * comes; `abort` with RST at a time; `linger` by close() with SO_LINGER {1, 0}.
 */
export type EndMode = "close" | "early" | "abort" | "linger";

export interface EndPlan {
  readonly bytes: number;
  /** Bytes of one send() and of one recv(). */
  readonly write: number;
  readonly read: number;
  /** Pauses after each send() and recv(), until the faults stop. */
  readonly writePause: number;
  readonly readPause: number;
  /** Quiet time before the first byte. */
  readonly idle: number;
  /** MSG_MORE with each send() but the last. */
  readonly more: boolean;
  /** MSG_PEEK before each recv(). */
  readonly peek: boolean;
  readonly mode: EndMode;
  /** Of `abort` and `linger`: the time of it. */
  readonly endAt: number;
  readonly options: readonly OptionPlan[];
}

export interface ConnectionPlan {
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly client: EndPlan;
  readonly server: EndPlan;
}

/** What happens to the world meanwhile. */
export type TimelineEvent =
  | {
      readonly what: "faults";
      readonly link: number;
      readonly side: 0 | 1;
      readonly to: PlannedFaults;
    }
  | { readonly what: "down" | "up"; readonly link: number }
  /** The path drops what is longer, and says nothing: an MTU that lies. 0: no longer. */
  | { readonly what: "mtu"; readonly link: number; readonly bytes: number }
  /** Nobody runs for a while, then all are late. */
  | { readonly what: "jump"; readonly ns: number }
  /** A host is offered a time that is past. */
  | { readonly what: "back"; readonly host: number; readonly ns: number }
  | ({ readonly what: "option"; readonly connection: number; readonly client: boolean } & {
      readonly option: OptionPlan;
    });

/** For a while all that is free of a pool is taken: whoever asks is refused. */
export interface ShortagePlan {
  readonly at: number;
  /** ns; it ends with the first of its host's that does, and when the faults stop. */
  readonly lasts: number;
  readonly host: number;
  readonly pool: "chunks" | "logs" | "descriptors";
}

/** Two hosts connect to each other's ports at once (RFC 9293, 3.5): nobody listens there. */
export interface SimultaneousPlan extends ConnectionPlan {
  /** Of `from` and of `to`. */
  readonly ports: readonly [number, number];
}

export interface Plan {
  readonly seed: number;
  readonly datapath: DataPath;
  /** No faults, and room for everything: nothing may fail. */
  readonly calm: boolean;
  readonly medium: Medium;
  /** Of all hosts' addresses and connections. */
  readonly family: 4 | 6;
  readonly mtu: number;
  /** A switch joins the hosts, else they are two on one link. */
  readonly star: boolean;
  readonly hosts: readonly HostPlan[];
  readonly links: readonly LinkPlan[];
  readonly connections: readonly ConnectionPlan[];
  readonly timeline: readonly { readonly at: number; readonly event: TimelineEvent }[];
  readonly simultaneous: readonly SimultaneousPlan[];
  readonly shortages: readonly ShortagePlan[];
  /** Polls between two looks at pools, connections' memory and guards, in a host's first 256. */
  readonly lookEvery: number;
  /** When the faults stop: safety before it, liveness behind it. */
  readonly faultsEnd: number;
}

/** Address of a host: 10.0.0.n, in IPv6 the same four bytes behind fd00::/96. */
export function addressOf({ family }: Pick<Plan, "family">, host: number): string {
  return family === 4 ? `10.0.0.${host + 1}` : `fd00::a00:${(host + 1).toString(16)}`;
}

/** True when a link may keep a stack from sending: what it has made is not yet on the wire. */
export function isHeldBack({ links }: Plan): boolean {
  return links.some(({ options }) => {
    return options.backpressure === true || options.reverse?.backpressure === true;
  });
}

/** True when one of the options holds a connection to a rate. */
export function isRated(options: readonly OptionPlan[]): boolean {
  return options.some(({ name, value }) => {
    return name === SO_MAX_PACING_RATE || /rate|timely/.test(String(value));
  });
}

/** True when a host's own link may keep its stack from sending. */
export function isHeldBackAt({ links, star }: Plan, host: number): boolean {
  const { options } = links[star ? host : 0] as LinkPlan;
  const out = star || host === 0 ? options : { ...options, ...options.reverse };
  return out.backpressure === true;
}

/** True when a plan says that somebody is held to a rate. */
export function isPaced(plan: Plan): boolean {
  const ends = plan.connections.flatMap(({ client, server }) => [client, server]);
  const live = plan.timeline.flatMap(({ event }) =>
    event.what === "option" ? [event.option] : [],
  );
  return isRated(live) || [...ends, ...plan.hosts].some(({ options }) => isRated(options));
}
