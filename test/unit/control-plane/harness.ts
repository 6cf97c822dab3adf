/**
 * A control plane over the core under test, and a peer made of hand-built frames. The harness plays
 * the stack: it offers frames, steps, hands the egress burst over and decodes it with a decoder of
 * its own (RFC 791, 826, 792, 9293), so that a mistake in host/wire shows.
 */
import * as D from "../../../bindings/abi/descriptor.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, FRAME_HEADROOM } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import type { Core } from "../../../bindings/core.ts";
import type { LayoutOptions } from "../../../bindings/layout.ts";
import { address, formatAddress } from "../../../host/address.ts";
import { ControlPlane } from "../../../host/control-plane/control-plane.ts";
import type { ConnectionEvents } from "../../../host/control-plane/interface.ts";
import type { ConnectionOptions } from "../../../host/control-plane/interface.ts";
import { type Profile, profile, type ProfileName } from "../../../host/control-plane/profile.ts";
import type { ControlPlaneLimits } from "../../../host/control-plane/plane.ts";
import { Burst, type Medium, type Netif } from "../../../host/netif/netif.ts";
import { buildFrame, onesSum, pseudoSum, type FrameFields } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";

export const LOCAL = "10.0.0.1";
export const REMOTE = "10.0.0.2";
export const LOCAL_MAC = [2, 0, 0, 0, 0, 1];
export const REMOTE_MAC = [2, 0, 0, 0, 0, 2];

export const OPTIONS: ConnectionOptions = {
  receiveBuffer: 65536,
  receiveBufferMax: 0,
  sendBuffer: 65536,
  noDelay: false,
  cork: false,
  quickAck: false,
  keepAlive: false,
  keepAliveIdle: 7_200_000,
  keepAliveInterval: 75_000,
  keepAliveCount: 9,
  userTimeout: 0,
  maxSegment: 0,
  synRetries: 0,
  linger: -1,
  ttl: 64,
  tos: 0,
  congestion: "",
  pacingRate: 0,
  reuseAddress: false,
  reusePort: false,
  ipv6Only: false,
  linger2: 60_000,
};

/** A decoded frame. */
export interface Sent {
  readonly kind: "tcp" | "arp" | "icmp";
  readonly frame: Uint8Array;
  readonly destinationMac: string;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** "SA" for SYN and ACK, and so on: letters of "FSRPAUEC". */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly tos: number;
  readonly ttl: number;
  readonly options: ReadonlyMap<number, readonly number[]>;
  readonly payload: Uint8Array;
  /** ARP: operation; ICMP: type. */
  readonly operation: number;
}

function dots(bytes: Uint8Array): string {
  return Array.from(bytes).join(".");
}

function optionsOf(bytes: Uint8Array): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at] as number;
    if (kind === 0) break;
    if (kind === 1) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] as number;
    found.set(kind, Array.from(bytes.subarray(at + 2, at + length)));
    at += length;
  }
  return found;
}

const NOTHING = {
  source: "",
  destination: "",
  sourcePort: 0,
  destinationPort: 0,
  flags: "",
  seq: 0,
  ack: 0,
  window: 0,
  tos: 0,
  ttl: 0,
  options: new Map<number, number[]>(),
  payload: new Uint8Array(0),
  operation: 0,
};

function decodeTcp(tcp: Uint8Array, addresses: Uint8Array): Partial<Sent> {
  const view = new DataView(tcp.buffer, tcp.byteOffset, tcp.byteLength);
  const sum = onesSum(tcp, pseudoSum(addresses, 6, tcp.length));
  if (sum !== 0xffff) throw new Error("decode: bad TCP checksum");
  const size = (view.getUint8(12) >>> 4) * 4;
  const bits = view.getUint8(13);
  return {
    kind: "tcp",
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags: Array.from("FSRPAUEC")
      .filter((_, i) => (bits & (1 << i)) !== 0)
      .join(""),
    window: view.getUint16(14),
    options: optionsOf(tcp.subarray(20, size)),
    payload: tcp.slice(size),
  };
}

/** RFC 8200, 3; RFC 4443, 2.3. */
function decodeIpv6(ip: Uint8Array): Partial<Sent> & { kind: Sent["kind"] } {
  const addresses = ip.subarray(8, 40);
  const network = {
    source: formatAddress(addresses.subarray(0, 16)),
    destination: formatAddress(addresses.subarray(16)),
    tos: (((ip[0] as number) & 15) << 4) | ((ip[1] as number) >>> 4),
    ttl: ip[7] as number,
  };
  const message = ip.subarray(40);
  if (message.length !== (ip[4] as number) * 256 + (ip[5] as number))
    throw new Error("decode: length");
  if (ip[6] === 6) return { kind: "tcp", ...network, ...decodeTcp(message, addresses) };
  if (onesSum(message, pseudoSum(addresses, 58, message.length)) !== 0xffff) {
    throw new Error("decode: bad ICMPv6 checksum");
  }
  return { kind: "icmp", ...network, operation: message[0] as number, payload: message.slice(4) };
}

/** Decodes a frame; throws when a checksum is wrong. */
export function decode(frame: Uint8Array, medium: Medium): Sent {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const destinationMac = medium === "ip" ? "" : dots(frame.subarray(0, 6));
  const base = { ...NOTHING, frame, destinationMac };
  if (medium === "ethernet" && view.getUint16(12) === 0x0806) {
    const arp = frame.subarray(14, 42);
    const source = dots(arp.subarray(14, 18));
    const operation = arp[7] as number;
    return { ...base, kind: "arp", source, destination: dots(arp.subarray(24, 28)), operation };
  }
  const ip = frame.subarray(medium === "ip" ? 0 : 14);
  if ((ip[0] as number) >>> 4 === 6) return { ...base, ...decodeIpv6(ip) };
  const header = ((ip[0] as number) & 15) * 4;
  if (onesSum(ip.subarray(0, header)) !== 0xffff) throw new Error("decode: bad IP checksum");
  const network = {
    source: dots(ip.subarray(12, 16)),
    destination: dots(ip.subarray(16, 20)),
    tos: ip[1] as number,
    ttl: ip[8] as number,
  };
  const tcp = ip.subarray(header, (ip[2] as number) * 256 + (ip[3] as number));
  if (ip[9] === 6)
    return { ...base, kind: "tcp", ...network, ...decodeTcp(tcp, ip.subarray(12, 20)) };
  const message = ip.subarray(header);
  if (onesSum(message) !== 0xffff) throw new Error("decode: bad ICMP checksum");
  const operation = message[0] as number;
  return { ...base, kind: "icmp", ...network, operation, payload: message.slice(8) };
}

export interface HostOptions {
  readonly medium?: Medium;
  readonly profile?: ProfileName;
  /** Values in place of the profile's. */
  readonly change?: Partial<Profile>;
  readonly layout?: Partial<LayoutOptions>;
  readonly limits?: Partial<ControlPlaneLimits>;
  readonly mtu?: number;
  readonly gateway?: string;
  readonly addresses?: readonly string[];
  readonly seed?: number;
  /** Router advertisements are heeded. */
  readonly accept?: boolean;
  readonly announce?: boolean;
  /** Probes of IPv6 addresses; none unless a test is about them. "profile": as that has it. */
  readonly dadTransmits?: number | "profile";
}

/** One control plane with its core; the test is its network. */
export class Host {
  readonly core: Core;
  readonly control: ControlPlane;
  readonly medium: Medium;
  /** "opened 1 0", "closed 1 111", ... in order. */
  readonly events: string[] = [];
  now = 1e6;
  readonly #ingress: Burst;
  readonly #egress: Burst;

  constructor(options: HostOptions = {}) {
    this.medium = options.medium ?? "ethernet";
    this.core = testCore(options.layout);
    this.#ingress = this.#burst("ingress", "ingressTable", BATCH_MAX);
    this.#egress = this.#burst("egress", "egressTable", EGRESS_FRAMES_MAX);
    const random = new Random(options.seed ?? 1);
    this.control = new ControlPlane(this.core, {
      profile: { ...profile(options.profile ?? "rfc"), ...options.change },
      entropy: (bytes) => bytes.set(random.bytes(bytes.length)),
      ingress: this.#ingress,
      egress: this.#egress,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    this.control.attach(this.#listener());
    const { accept = false, dadTransmits = 0 } = options;
    this.control.addNetif({
      netif: fakeNetif(this.medium, options.mtu ?? 1500),
      index: 0,
      addresses: options.addresses ?? [`${LOCAL}/24`],
      announce: options.announce ?? false,
      ipv6: { accept, ...(dadTransmits === "profile" ? {} : { dadTransmits }) },
      ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    });
    this.core.words[(this.core.address + M.CORE_NETIF_CREDIT) >>> 2] = 1000;
    this.control.setNow(this.now);
  }

  #listener(): ConnectionEvents {
    return {
      opened: (id, _generation, listener) => this.events.push(`opened ${id} ${listener}`),
      acceptReady: (listener) => this.events.push(`acceptReady ${listener}`),
      closed: (id, error) => this.events.push(`closed ${id} ${error}`),
      softError: (id, error) => this.events.push(`softError ${id} ${error}`),
    };
  }

  #burst(span: string, table: string, frames: number): Burst {
    const { core } = this;
    const bytes = core.map.regions.find(({ name }) => name === span)?.bytes ?? 0;
    const from = core.map.base[span] as number;
    const rows = (core.map.base[table] as number) >>> 2;
    return new Burst(
      core.bytes.subarray(from, from + bytes - FRAME_HEADROOM),
      core.words.subarray(rows, rows + frames * 4),
    );
  }

  #word(offset: number): number {
    return (this.core.address + offset) >>> 2;
  }

  drops(reason: number): number {
    return this.core.words[((this.core.map.base.drops as number) >>> 2) + reason] as number;
  }

  /** Connections in the database, and in the data path. */
  held(): [bound: number, installed: number] {
    const { words } = this.core;
    return [
      words[this.#word(M.CORE_BOUND)] as number,
      words[this.#word(M.CORE_INSTALLED)] as number,
    ];
  }

  /** Offers frames (in one burst), lets everything settle, and returns what was sent. */
  feed(...frames: Uint8Array[]): Sent[] {
    for (const frame of frames) this.#ingress.push(frame, 0);
    return this.poll();
  }

  /** Moves time on and returns what was sent. */
  after(ns: number): Sent[] {
    this.now += ns;
    return this.poll();
  }

  poll(): Sent[] {
    const { words } = this.core;
    const sent: Sent[] = [];
    this.control.setNow(this.now);
    for (let round = 0; round < 32; round += 1) {
      words[this.#word(M.CORE_INGRESS_COUNT)] = this.#ingress.count;
      words[this.#word(M.CORE_NETIF_CREDIT)] = 1000;
      const more = (this.core.exports.step(this.core.address, this.now) & M.STEP_MORE) !== 0;
      const again = this.#control();
      this.#collect(sent);
      if (!more && !again && this.#commandsTaken()) break;
    }
    return sent;
  }

  #control(): boolean {
    const { words } = this.core;
    this.#egress.count = words[this.#word(M.CORE_EGRESS_COUNT)] as number;
    this.#egress.used = words[this.#word(M.CORE_EGRESS_BYTES)] as number;
    const replays = this.control.handleEvents(this.now);
    this.#ingress.clear();
    this.#ingress.table.set(this.control.replays.table.subarray(0, replays * 4));
    this.#ingress.count = replays;
    return replays > 0 || this.control.pending;
  }

  #commandsTaken(): boolean {
    const context = (this.core.map.base.contextTable as number) >>> 2;
    const { words } = this.core;
    return words[context + D.CONTEXT_ATX_PRODUCER / 4] === words[context + 2];
  }

  #collect(sent: Sent[]): void {
    for (let i = 0; i < this.#egress.count; i += 1) {
      const at = this.#egress.offset(i);
      const frame = this.#egress.bytes.slice(at, at + this.#egress.length(i));
      sent.push(decode(frame, this.medium));
    }
    this.#egress.clear();
    this.core.words[this.#word(M.CORE_EGRESS_COUNT)] = 0;
    this.core.words[this.#word(M.CORE_EGRESS_BYTES)] = 0;
  }

  /** What libTOE does on context 1: append bytes, FIN. */
  update(id: number, fields: { append?: number; fin?: boolean; flags?: number }): void {
    const { words, map } = this.core;
    const context = ((map.base.contextTable as number) + D.CONTEXT_SIZE) >>> 2;
    const producer = words[context + D.CONTEXT_ATX_PRODUCER / 4] as number;
    const mask = words[context + D.CONTEXT_ATX_MASK / 4] as number;
    const base = words[context + D.CONTEXT_ATX_BASE / 4] as number;
    const at = (base + (producer & mask) * D.ATX_SIZE) >>> 2;
    words[at + D.ATX_CONNECTION / 4] = id;
    words[at + D.ATX_GENERATION / 4] = this.generation(id);
    words[at + D.ATX_OPCODE / 4] = D.AtxOpcode.Update;
    words[at + D.ATX_RX_CREDIT / 4] = 0;
    words[at + D.ATX_TX_APPEND / 4] = fields.append ?? 0;
    words[at + D.ATX_FLAGS / 4] = (fields.fin === true ? D.ATX_FIN : 0) | (fields.flags ?? 0);
    words[at + D.ATX_ARGUMENT / 4] = 0;
    words[at + D.ATX_ARGUMENT / 4 + 1] = 0;
    words[context + D.CONTEXT_ATX_PRODUCER / 4] = producer + 1;
  }

  /** As the data path has it. */
  generation(id: number): number {
    const { words, map } = this.core;
    return words[((map.base.pre as number) + id * 128 + 36) >>> 2] as number;
  }

  state(id: number): string {
    return this.control.info(id).state;
  }

  /** A segment of the peer. */
  segment(fields: Partial<FrameFields>): Uint8Array {
    return buildFrame({ medium: this.medium, ...fields });
  }

  listen(port: number, backlog = 16, options: Partial<ConnectionOptions> = {}): number {
    const local = { address: new Uint8Array(16), port };
    return this.control.listen({ local, backlog, context: 1, options: { ...OPTIONS, ...options } });
  }

  open(port: number, options: Partial<ConnectionOptions> = {}, local?: number): number {
    const remote = { address: address(REMOTE), port };
    const request = { remote, options: { ...OPTIONS, ...options }, context: 1 };
    if (local === undefined) return this.control.open(request);
    return this.control.open({ ...request, local: { address: new Uint8Array(16), port: local } });
  }

  /** Tells the host the peer's hardware address. */
  teachNeighbor(): void {
    this.feed(arpFrame(1, REMOTE_MAC, REMOTE, LOCAL));
  }
}

function fakeNetif(medium: Medium, mtu: number): Netif {
  return {
    name: "test",
    medium,
    mtu,
    hardwareAddress: Uint8Array.from(medium === "ip" ? [0, 0, 0, 0, 0, 0] : LOCAL_MAC),
    attach: () => undefined,
    credit: () => 1000,
    send: () => undefined,
    receive: () => undefined,
    nextDeadline: () => Infinity,
  };
}

const BROADCAST_MAC = [255, 255, 255, 255, 255, 255];

/** An ARP frame from the peer; requests are broadcast. */
export function arpFrame(
  operation: number,
  senderMac: readonly number[],
  sender: string,
  target: string,
): Uint8Array {
  const octets = (text: string): number[] => text.split(".").map(Number);
  const destination = operation === 1 ? BROADCAST_MAC : LOCAL_MAC;
  return Uint8Array.from([
    ...destination,
    ...senderMac,
    ...[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation],
    ...senderMac,
    ...octets(sender),
    ...(operation === 1 ? [0, 0, 0, 0, 0, 0] : LOCAL_MAC),
    ...octets(target),
  ]);
}

/** MSS 1460, SACK-permitted, timestamps, scale 7: what Linux offers. */
export function synOptions(tsVal: number, tsEcr = 0): number[] {
  const word = (value: number): number[] => [
    value >>> 24,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  ];
  return [2, 4, 5, 180, 4, 2, 8, 10, ...word(tsVal), ...word(tsEcr), 1, 3, 3, 7];
}
