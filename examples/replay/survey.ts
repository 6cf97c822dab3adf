/**
 * The first reading of a capture: which host to be, and how that host began its connections.
 * Invariant: tables are bounded; what finds no room in them is as if it had not been there.
 */
import { TCP_ACK_FLAG, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { ipAddress, parseAddress } from "../../host/address.ts";
import { isUnicast, isUnicastIpv6 } from "../../host/control-plane/interface-address.ts";
import type { TcpHeader } from "./packet.ts";

/** Connections whose first sequence number is kept. */
const ENTRIES_MAX = 65_536;
const DESTINATIONS_MAX = 1024;
/** Of one host. */
const PORTS_MAX = 64;

/** Who a stack is to be. */
export interface Target {
  readonly address: string;
  /** Where it listens. */
  readonly ports: readonly number[];
}

interface Destination {
  readonly address: string;
  segments: number;
  /** Connections asked for, by port; how often any other was meant. */
  readonly asked: Map<number, number>;
  readonly others: Map<number, number>;
}

/** May a stack have it? Loopback and multicast are no interface's. */
function isHost(text: string): boolean {
  const bytes = parseAddress(text);
  if (bytes === undefined) return false;
  const address = ipAddress(bytes);
  return typeof address === "number" ? isUnicast(address) : isUnicastIpv6(address);
}

/** The ports met most often. */
function mostFrequent(ports: ReadonlyMap<number, number>, most: number): number[] {
  const rows = [...ports].sort(([, a], [, b]) => b - a);
  return rows.slice(0, most).map(([port]) => port);
}

export const nameOf = (address: string, port: number): string => `${address} ${port}`;

export class Survey {
  readonly #destinations = new Map<string, Destination>();
  readonly #first = new Map<string, number>();

  segment(tcp: TcpHeader): void {
    const { destination: address, destinationPort: port, flags } = tcp;
    const isSyn = (flags & TCP_SYN) !== 0;
    const isAnswer = isSyn && (flags & TCP_ACK_FLAG) !== 0;
    if (isAnswer && this.#first.size < ENTRIES_MAX) {
      this.#first.set(`${nameOf(tcp.source, tcp.sourcePort)} ${nameOf(address, port)}`, tcp.seq);
    }
    let known = this.#destinations.get(address);
    if (known === undefined) {
      if (this.#destinations.size >= DESTINATIONS_MAX || !isHost(address)) return;
      known = { address, segments: 0, asked: new Map(), others: new Map() };
      this.#destinations.set(address, known);
    }
    known.segments += 1;
    const ports = isSyn && !isAnswer ? known.asked : known.others;
    const times = ports.get(port);
    if (times !== undefined || ports.size < PORTS_MAX) ports.set(port, (times ?? 0) + 1);
  }

  /**
   * Who most segments go to of those that connections were asked of, or of all when the capture
   * has no beginning; undefined without TCP. It listens where it was asked, or where most went.
   */
  get target(): Target | undefined {
    let best: Destination | undefined;
    for (const one of this.#destinations.values()) {
      const wasAsked = (best?.asked.size ?? 0) > 0;
      const isAsked = one.asked.size > 0;
      const isMore = one.segments > (best?.segments ?? 0);
      if (isAsked === wasAsked ? isMore : isAsked) best = one;
    }
    if (best === undefined) return undefined;
    const { address, asked, others } = best;
    const ports = asked.size > 0 ? mostFrequent(asked, PORTS_MAX) : mostFrequent(others, 1);
    return { address, ports };
  }

  /** The number with which `address` answered this SYN in the capture. */
  firstSequence(syn: TcpHeader): number | undefined {
    const client = nameOf(syn.source, syn.sourcePort);
    return this.#first.get(`${nameOf(syn.destination, syn.destinationPort)} ${client}`);
  }
}
