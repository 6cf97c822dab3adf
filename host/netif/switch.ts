/**
 * A learning Ethernet switch as a host of a world: frames go out of the port behind which their
 * destination was last seen, and out of all others when it was not (IEEE 802.1D, 7.7 and 7.8). It
 * adds no delay; queues, rates, marks and faults are those of the links that it is one end of, so
 * that a port shaped to less than the others is where an incast meets. Ports form no loop: there
 * is no spanning tree.
 *
 * ```ts
 * const up = world.addLink({ a: "client", b: "switch", rate: 40e9 });
 * const down = world.addLink({ a: "switch", b: "server", rate: 10e9, queue: { bytes: 262144 } });
 * world.addHost("switch", new Switch([up.ends[1], down.ends[0]]));
 * ```
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import { Burst, type Netif } from "./netif.ts";

/** Frames taken from the ports at once. */
const BATCH = 64;
/** Addresses learned at most; beyond them frames are flooded. */
const ADDRESSES_MAX = 4096;
const ADDRESS_BYTES = 6;
/** The group bit of the first byte: broadcast and multicast (IEEE 802.3, 3.2.3). */
const GROUP = 1;

/** A 6-byte address as a number below 2^48. */
function addressAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < ADDRESS_BYTES; i += 1) value = value * 256 + (bytes[at + i] as number);
  return value;
}

/** Joins netifs of medium "ethernet". It is a `Host`: give it to `world.addHost()`. */
export class Switch {
  readonly ports: readonly Netif[];
  /** Frames that came in. */
  frames = 0;
  /** Of them, sent out of more than one port or of none. */
  flooded = 0;
  readonly #burst: Burst;
  readonly #table = new Map<number, number>();

  /** Throws RangeError on fewer than two ports, or one that carries IP packets. */
  constructor(ports: readonly Netif[]) {
    if (ports.length < 2) throw new RangeError(`Switch: expected 2 ports, got ${ports.length}`);
    for (const { medium, name } of ports) {
      if (medium !== "ethernet") {
        throw new RangeError(`Switch: expected port ${name} of medium ethernet, got ${medium}`);
      }
    }
    this.ports = [...ports];
    const largest = Math.max(...ports.map(({ mtu }) => mtu)) + ETHERNET_SIZE + VLAN_SIZE;
    const bytes = new Uint8Array(BATCH * ((largest + 15) & ~15));
    this.#burst = new Burst(bytes, new Uint32Array((BATCH * FRAME_SIZE) / 4));
    this.ports.forEach((port, index) => port.attach(this.#burst, index));
  }

  /** Forwards what has arrived; true when there may be more at this time. */
  poll(now: number): boolean {
    const burst = this.#burst;
    for (const port of this.ports) port.receive(now);
    for (let i = 0; i < burst.count; i += 1) this.#forward(i, now);
    const full = burst.room() === 0;
    burst.clear();
    return full;
  }

  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const port of this.ports) next = Math.min(next, port.nextDeadline());
    return next;
  }

  #forward(index: number, now: number): void {
    const burst = this.#burst;
    const at = burst.offset(index);
    if (burst.length(index) < ETHERNET_SIZE) return;
    this.frames += 1;
    const from = burst.netif(index);
    this.#learn(addressAt(burst.bytes, at + ADDRESS_BYTES), from);
    const group = ((burst.bytes[at] as number) & GROUP) !== 0;
    const to = group ? undefined : this.#table.get(addressAt(burst.bytes, at));
    // Back to where it came from: the destination has had it.
    if (to === from) return;
    if (to !== undefined) {
      (this.ports[to] as Netif).send(burst, index, now);
      return;
    }
    this.flooded += 1;
    this.ports.forEach((port, number) => {
      if (number !== from) port.send(burst, index, now);
    });
  }

  #learn(address: number, port: number): void {
    if (this.#table.size >= ADDRESSES_MAX && !this.#table.has(address)) return;
    this.#table.set(address, port);
  }
}
