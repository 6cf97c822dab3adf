/**
 * Duplicate address detection (RFC 4862, 5.4): IPv6 addresses on trial. Invariant: while an address
 * is on trial it is no interface's, so it answers nothing, receives nothing and is no source; it
 * becomes one when all probes and a second more stayed unanswered.
 *
 * Differs from RFC 4862, 5.4.2: no MLD tells the link of the group that is listened to, since there
 * is none in this stack, and the first probe has no random delay, which is for hosts that one power
 * cut starts at once.
 */
import { formatAddress, addressBytes } from "../address.ts";
import { solicitedNode } from "../wire/ipv6.ts";
import type { InterfaceAddress6 } from "./interface-address.ts";
import { interfaceIdentifier, linkLocalAddress } from "./interface-address.ts";
import { announceIpv6, probeAddress } from "./neighbor-discovery.ts";
import type { Plane, TrialOutcome } from "./plane.ts";
import type { Interface } from "./route.ts";

/** RFC 4861, 10: RETRANS_TIMER. */
const RETRANSMIT_NS = 1e9;

/** Who an address is tried for, and who hears of the outcome. */
export interface TrialOwner {
  won(plane: Plane, via: Interface, own: InterfaceAddress6): void;
  lost(plane: Plane, via: Interface, own: InterfaceAddress6): void;
}

interface Trial {
  readonly via: Interface;
  readonly own: InterfaceAddress6;
  readonly owner: TrialOwner;
  readonly probes: number;
  sent: number;
  /** Solicitations that came back as they were sent. */
  looped: number;
  /** When the next probe goes out, or the trial is over. */
  nextAt: number;
}

export class AddressTrials {
  /** Addresses that somebody else had. */
  duplicates = 0;
  #trials: Trial[] = [];

  /** When expire() has something to do; Infinity when never. A link that is down proves nothing. */
  get deadline(): number {
    let next = Infinity;
    for (const { via, nextAt } of this.#trials) if (via.up) next = Math.min(next, nextAt);
    return next;
  }

  begin(
    via: Interface,
    own: InterfaceAddress6,
    probes: number,
    owner: TrialOwner,
    now: number,
  ): void {
    this.#trials.push({ via, own, owner, probes, sent: 0, looped: 0, nextAt: now });
  }

  /** Addresses of an interface that are on trial. */
  of(via: Interface): InterfaceAddress6[] {
    return this.#trials.filter((trial) => trial.via === via).map(({ own }) => own);
  }

  /** True for the group of an address that is on trial: who else has it is heard there. */
  isListening(via: Interface, group: bigint): boolean {
    return this.#trials.some(
      (trial) => trial.via === via && solicitedNode(trial.own.address) === group,
    );
  }

  /** A link is up again: what was probed while it was down begins anew. */
  restart(via: Interface, now: number): void {
    for (const trial of this.#trials) {
      if (trial.via !== via) continue;
      trial.sent = 0;
      trial.looped = 0;
      trial.nextAt = now;
    }
  }

  /** Ends the trial of one address, or of all. */
  cancel(index: number, address?: bigint): void {
    this.#trials = this.#trials.filter(
      ({ via, own }) => via.index !== index || (address !== undefined && own.address !== address),
    );
  }

  /**
   * Somebody has `target` or wants it as we do; true when it was on trial and is lost. A netif that
   * sends our own frames back is no other host, as long as it sends no more back than went out
   * (RFC 4862, 5.4.3 and appendix A): `isOwnFrame` says that our hardware address sent it.
   */
  heard(plane: Plane, via: Interface, target: bigint, isOwnFrame: boolean): boolean {
    const trial = this.#trials.find((one) => one.via === via && one.own.address === target);
    if (trial === undefined) return false;
    if (isOwnFrame) {
      trial.looped += 1;
      if (trial.looped <= trial.sent) return false;
    }
    this.#remove(trial);
    this.duplicates += 1;
    trial.owner.lost(plane, via, trial.own);
    return true;
  }

  #remove(trial: Trial): void {
    this.#trials = this.#trials.filter((one) => one !== trial);
  }

  /** Sends what is due, and gives out what nobody else has. */
  expire(plane: Plane): void {
    for (const trial of [...this.#trials]) {
      const { via, own, owner, probes } = trial;
      if (!via.up || trial.nextAt > plane.now || !this.#trials.includes(trial)) continue;
      if (trial.sent < probes) {
        trial.sent += 1;
        trial.nextAt = plane.now + RETRANSMIT_NS;
        probeAddress(plane, via, own.address);
        continue;
      }
      this.#remove(trial);
      owner.won(plane, via, own);
    }
  }
}

/** The program hears what has become of an address. */
export function tellOutcome(
  plane: Plane,
  via: Interface,
  { address }: InterfaceAddress6,
  outcome: TrialOutcome,
): void {
  plane.tell(via.index, formatAddress(addressBytes(address)), outcome);
}

/** True for the address that the link layer gives (RFC 4291, appendix A). */
function isByHardware(via: Interface, address: bigint): boolean {
  const identifier = interfaceIdentifier(via.hardwareHigh, via.hardwareLow);
  return linkLocalAddress(identifier).address === address;
}

/**
 * RFC 4862, 5.4.5: two hosts of one hardware address cannot both be on a link. Nothing of IPv6 is
 * left on the interface; only adding it anew brings that back.
 */
function endIpv6(plane: Plane, via: Interface): void {
  for (const own of plane.trials.of(via)) tellOutcome(plane, via, own, "duplicate");
  plane.trials.cancel(via.index);
  plane.discovery.end(via.index);
  for (const { address } of via.addresses6) plane.lose(via.index, address);
  plane.routes.endIpv6(via);
}

function ownerOf(announces: boolean): TrialOwner {
  return {
    won(plane, via, own): void {
      plane.routes.admit(via, own);
      plane.discovery.refresh(plane, via);
      if (announces) announceIpv6(plane, via, own.address);
      tellOutcome(plane, via, own, "preferred");
    },
    lost(plane, via, own): void {
      plane.routes.refuse(via, own);
      tellOutcome(plane, via, own, "duplicate");
      if (isByHardware(via, own.address)) endIpv6(plane, via);
    },
  };
}

const QUIET = ownerOf(false);
const LOUD = ownerOf(true);

/** Puts an interface's new addresses on trial. `announces`: the link is told of those we get. */
export function tryAddresses(
  plane: Plane,
  via: Interface,
  addresses: readonly InterfaceAddress6[],
  announces: boolean,
): void {
  const owner = announces ? LOUD : QUIET;
  for (const own of addresses) plane.trials.begin(via, own, via.probes, owner, plane.now);
  if (addresses.length > 0) plane.attention.due = true;
}
