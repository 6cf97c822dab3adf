/**
 * Router discovery and stateless addresses (RFC 4861, 6.3; RFC 4862), for interfaces that ask for
 * it; others drop advertisements. Invariants: routers and prefixes of an interface are bounded; an
 * address is ours only after its trial (duplicate-address.ts); identifiers are stable for a prefix
 * and mean nothing elsewhere (RFC 7217), their key is entropy passed in.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as I from "../../bindings/abi/icmpv6.ts";
import { isGroupAddress } from "../wire/ethernet.ts";
import * as W from "../wire/ipv6.ts";
import { maskOfIpv6, type InterfaceAddress6 } from "./interface-address.ts";
import { putAddress, type KeyedHash } from "./keyed-hash.ts";
import { tellOutcome, type TrialOwner } from "./duplicate-address.ts";
import { findOption, isFromLink, solicitRouters } from "./neighbor-discovery.ts";
import { MTU_MIN_IPV6 } from "./path-mtu.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

/** Routers, and prefixes with an address, of one interface. */
const ROUTERS_MAX = 4;
const PREFIXES_MAX = 8;
/** RFC 4861, 10: MAX_RTR_SOLICITATIONS, RTR_SOLICITATION_INTERVAL. */
const SOLICITATIONS = 3;
const SOLICIT_NS = 4e9;
/** RFC 7217, 6: further tries after a duplicate. */
const TRIES_MAX = 3;
const FOREVER = 0xffffffff;
/** RFC 4862, 5.5.3 e: what nobody has proved cannot make a lifetime shorter than two hours. */
const TWO_HOURS_NS = 7200e9;
const SECOND_NS = 1e9;
const ON_LINK = 0x80;
const AUTONOMOUS = 0x40;

interface Router {
  readonly address: bigint;
  until: number;
}

/** A prefix, and the address made from it. */
interface Stateless {
  readonly prefix: bigint;
  address: InterfaceAddress6;
  until: number;
  /** "new" until its trial begins. */
  state: "new" | "trial" | "ours";
  tries: number;
}

interface Discovery {
  readonly via: Interface;
  routers: Router[];
  prefixes: Stateless[];
  asked: number;
  askAt: number;
}

export class RouterDiscovery implements TrialOwner {
  readonly #hash: KeyedHash;
  readonly #words = new Uint32Array(8);
  #links: Discovery[] = [];

  /** `hash`: keyed for nothing else. */
  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  /** When expire() has something to do; Infinity when never. */
  get deadline(): number {
    let next = Infinity;
    for (const { via, routers, prefixes, askAt } of this.#links) {
      if (via.up) next = Math.min(next, askAt);
      for (const { until } of routers) next = Math.min(next, until);
      for (const { until, state } of prefixes) next = Math.min(next, state === "new" ? 0 : until);
    }
    return next;
  }

  /** An interface listens to routers from now on, and asks for them. */
  begin(via: Interface, now: number): void {
    this.#links.push({ via, routers: [], prefixes: [], asked: 0, askAt: now });
  }

  /** A link is up again: its routers may be others (RFC 4861, 6.3.7). */
  restart(via: Interface, now: number): void {
    const link = this.#links.find((each) => each.via === via);
    if (link === undefined) return;
    link.asked = 0;
    link.askAt = now;
  }

  end(index: number): void {
    this.#links = this.#links.filter(({ via }) => via.index !== index);
  }

  /** Somebody has an address that was made here (RFC 4862, 5.4.5): another one is tried. */
  lost(plane: Plane, via: Interface, own: InterfaceAddress6): void {
    const link = this.#links.find((each) => each.via === via);
    const found = link?.prefixes.find(({ address }) => address === own);
    if (link === undefined || found === undefined) return;
    tellOutcome(plane, via, own, "duplicate");
    found.tries += 1;
    if (found.tries >= TRIES_MAX) link.prefixes = link.prefixes.filter((each) => each !== found);
    else {
      found.address = this.#choose(via, found.prefix, found.tries, found.address.mask);
      found.state = "new";
    }
  }

  won(plane: Plane, via: Interface, own: InterfaceAddress6): void {
    const link = this.#links.find((each) => each.via === via);
    const found = link?.prefixes.find(({ address }) => address === own);
    if (found === undefined || !plane.routes.mayAssign(via, own)) return;
    found.state = "ours";
    plane.routes.assign(via, own);
    this.refresh(plane, via);
    tellOutcome(plane, via, own, "preferred");
  }

  /** What leaves by an interface's routers may have a wider address now, or one less. */
  refresh(plane: Plane, via: Interface): void {
    const link = this.#links.find((each) => each.via === via);
    for (const { address } of link?.routers ?? []) plane.routes.setRouter(via, address);
  }

  /** Asks, takes what was probed, and drops what is over. */
  expire(plane: Plane): void {
    for (const link of this.#links) {
      this.#ask(plane, link);
      const gone = link.routers.filter(({ until }) => until <= plane.now);
      for (const { address } of gone) plane.routes.removeRouter(link.via, address);
      link.routers = link.routers.filter((each) => !gone.includes(each));
      for (const each of [...link.prefixes]) this.#step(plane, link, each);
    }
  }

  #ask(plane: Plane, link: Discovery): void {
    if (!link.via.up || plane.now < link.askAt) return;
    link.asked += 1;
    link.askAt = link.asked < SOLICITATIONS ? plane.now + SOLICIT_NS : Infinity;
    solicitRouters(plane, link.via);
  }

  #step(plane: Plane, link: Discovery, each: Stateless): void {
    const { via } = link;
    if (each.until <= plane.now) {
      link.prefixes = link.prefixes.filter((other) => other !== each);
      if (each.state === "ours") plane.lose(via.index, each.address.address);
      else plane.trials.cancel(via.index, each.address.address);
    } else if (each.state === "new") {
      each.state = "trial";
      // What a router can make a host do is probed even where nothing else is.
      plane.trials.begin(via, each.address, Math.max(1, via.probes), this, plane.now);
    }
  }

  /** RFC 7217, 5: of prefix, interface, tries and a secret. */
  #choose(via: Interface, prefix: bigint, tries: number, mask: bigint): InterfaceAddress6 {
    const words = this.#words;
    const next = putAddress(words, 0, prefix);
    words[next] = via.hardwareHigh;
    words[next + 1] = via.hardwareLow;
    words[next + 2] = tries;
    this.#hash.hash(words, next + 3);
    const identifier = (BigInt(this.#hash.high) << 32n) | BigInt(this.#hash.low);
    return { address: prefix | identifier, mask };
  }

  /** A router advertisement between `at` and `end` (RFC 4861, 6.1.2, 6.3.4). */
  receive(plane: Plane, via: Interface, at: number, end: number): void {
    const { ingress, frame, core } = plane;
    const link = this.#links.find((each) => each.via === via);
    const source = W.ipv6Source(ingress, frame.ip);
    const isWhole = at + I.RA_SIZE <= end && isFromLink(plane, via, at);
    const { valid, found } = findOption(ingress, at + I.RA_SIZE, end, I.NDP_OPTION_MTU);
    if (link === undefined || !isWhole || !valid || !W.isLinkLocal(source)) {
      countDrop(core, DropReason.NdpIgnored);
      return;
    }
    link.askAt = Infinity;
    const options = findOption(ingress, at + I.RA_SIZE, end, I.NDP_OPTION_SOURCE);
    this.#learnLink(plane, via, source, options.found);
    this.#takeRouter(plane, link, source, ingress.getUint16(at + I.RA_LIFETIME));
    if (found !== 0) this.#takeMtu(plane, via, ingress.getUint32(found + 4));
    for (let option = at + I.RA_SIZE; option < end; ) {
      const length = ingress.getUint8(option + 1) * 8;
      const isPrefix = ingress.getUint8(option) === I.NDP_OPTION_PREFIX && length === 32;
      if (isPrefix) this.#takePrefix(plane, link, option);
      option += length;
    }
  }

  // RFC 4861, 6.3.4: the option is the router's word; the frame's source is taken without one.
  #learnLink(plane: Plane, via: Interface, source: bigint, option: number): void {
    const { ingress, frame, neighbors, now } = plane;
    const from = option === 0 ? frame.offset + 6 : option + 2;
    const high = ingress.getUint16(from);
    if (isGroupAddress(high)) return;
    const low = ingress.getUint32(from + 2);
    neighbors.learn(via.index, source, high, low, now, true, true);
  }

  #takeRouter(plane: Plane, link: Discovery, address: bigint, seconds: number): void {
    const known = link.routers.find((each) => each.address === address);
    const until = plane.now + seconds * SECOND_NS;
    if (known !== undefined) {
      known.until = until;
    } else if (seconds > 0 && link.routers.length < ROUTERS_MAX) {
      link.routers.push({ address, until });
      plane.routes.setRouter(link.via, address);
    }
  }

  // RFC 4861, 6.3.4: between what IPv6 needs and what the carrier takes.
  #takeMtu(plane: Plane, via: Interface, mtu: number): void {
    const isPossible = mtu >= MTU_MIN_IPV6 && mtu <= via.netif.mtu;
    if (isPossible && mtu !== via.mtu) plane.changeMtu(via.index, mtu);
  }

  // RFC 4862, 5.5.3.
  #takePrefix(plane: Plane, link: Discovery, at: number): void {
    const { ingress, now } = plane;
    const valid = ingress.getUint32(at + I.PREFIX_VALID);
    const flags = ingress.getUint8(at + I.PREFIX_FLAGS);
    const isUsable =
      (flags & AUTONOMOUS) !== 0 &&
      ingress.getUint8(at + I.PREFIX_LENGTH) === 64 &&
      ingress.getUint32(at + I.PREFIX_PREFERRED) <= valid;
    const prefix = W.readAddress(ingress, at + I.PREFIX_PREFIX) & maskOfIpv6(64);
    if (!isUsable || W.isLinkLocal(prefix) || W.isMulticastIpv6(prefix)) return;
    const until = valid === FOREVER ? Infinity : now + valid * SECOND_NS;
    const known = link.prefixes.find((each) => each.prefix === prefix);
    // RFC 4861, 6.3.4: who is not said to be on the link is sent to over a router.
    const mask = maskOfIpv6((flags & ON_LINK) !== 0 ? 64 : 128);
    if (known !== undefined) {
      const rest = known.until - now;
      if (until - now > TWO_HOURS_NS || until > known.until) known.until = until;
      else if (rest > TWO_HOURS_NS) known.until = now + TWO_HOURS_NS;
      if (mask < known.address.mask) this.#widen(plane, link.via, known, mask);
    } else if (valid > 0 && link.prefixes.length < PREFIXES_MAX) {
      const address = this.#choose(link.via, prefix, 0, mask);
      link.prefixes.push({ prefix, address, until, state: "new", tries: 0 });
    }
  }

  // A later advertisement says that the prefix is on the link; without the flag none says anything.
  #widen(plane: Plane, via: Interface, known: Stateless, mask: bigint): void {
    // Its trial knows it by what it is; the next advertisement comes when that is over.
    if (known.state === "trial") return;
    const own = known.address;
    known.address = { address: own.address, mask };
    plane.routes.widen(via, own, known.address);
  }
}
