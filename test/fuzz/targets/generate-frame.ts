/**
 * Makes frames for the parse target: sound ones, sound ones with one structural lie, sound ones
 * with bytes changed, and noise. Checksums are made right again most of the time, because a
 * mutant with a wrong checksum dies before it reaches anything interesting.
 */
import { ACK, buildFrame, fixChecksums, FRAME_DEFAULTS, sackOption } from "../../support/frames.ts";
import { timestampOption, type FrameFields, type FrameMedium } from "../../support/frames.ts";
import type { Random } from "../../support/random.ts";

/** Where the installed connection stands, so that some frames fall into its window. */
export interface Aim {
  readonly medium: FrameMedium;
  readonly vlan: number;
  readonly isIpv6: boolean;
  readonly rxNextSeq: number;
  readonly txUna: number;
}

/** The local ports of the target's connections, and one that nobody has. */
export const INSTALLED_PORT = 80;
export const BOUND_PORT = 81;
const UNKNOWN_PORT = 82;

const LARGEST = 1500;
const SHIFTS = [0, 0, 0, 1, 999, 1000, -1, -1000, 15000, 40000, 0x7fffffff];
const BYTES = [0, 1, 2, 4, 5, 6, 0x45, 0x46, 0x40, 0x60, 0x7f, 0x80, 0x81, 0xff];
const SOURCES = ["0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "239.255.255.255"];
/** Unspecified, loopback, IPv4-mapped of the IPv4 connection, multicast, and others. */
const SOURCES_IPV6 = [
  "::",
  "::1",
  "::2",
  "::ffff:a00:2",
  "ff02::1",
  "fe80::2",
  "fd00::1",
  "::a00:2",
];
/** Extension headers whole and not: hop-by-hop, routing, fragment, destination options. */
const NEXT_HEADERS = [0, 43, 44, 60, 59, 58, 6, 17, 255];
const MORE_SOURCES = ["223.255.255.255", "240.0.0.1", "126.255.255.255", "128.0.0.1", "10.0.0.2"];
const ETHER_TYPES = [0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x05dc, 0x0000, 0xffff];

type Fields = { -readonly [K in keyof FrameFields]?: FrameFields[K] };
type Mutation = (random: Random, fields: Fields, aim: Aim) => void;

/** Option bytes: a list of mostly sound options, or up to 40 bytes of nonsense. */
function randomOptions(random: Random): number[] {
  if (random.oneIn(4)) return [...random.bytes(random.between(0, 40))];
  const makers: (() => number[])[] = [
    () => [1],
    () => [0],
    () => timestampOption(random.u32(), random.u32()),
    () => [8, 10, ...random.bytes(8)],
    () => sackOption(Array.from({ length: random.between(1, 4) }, () => block(random))),
    () => [2, 4, ...random.bytes(2)],
    () => [3, 3, random.below(256)],
    () => [4, 2],
    () => [random.below(256), random.between(0, 12), ...random.bytes(random.below(10))],
  ];
  const options: number[] = [];
  for (let i = random.below(5); i > 0; i -= 1) options.push(...random.pick(makers)());
  return options.slice(0, 40);
}

function block(random: Random): [number, number] {
  return [random.u32(), random.u32()];
}

/** Each changes one thing; the parser must notice exactly that. */
const MUTATIONS: readonly Mutation[] = [
  (r, f) => (f.version = r.below(16)),
  (r, f) => (f.ihl = r.below(16)),
  (r, f) => (f.ipOptions = [...r.bytes(r.between(1, 40))]),
  (r, f) => (f.totalLength = r.pick([0, 19, 20, 39, 40, 60, 1500, 0xffff, r.below(0x10000)])),
  (r, f) => (f.ipChecksum = r.below(0x10000)),
  (r, f) => (f.fragment = r.pick([0x2000, 1, 0x1fff, 0x8000, 0xc000, 0x6000, r.below(0x10000)])),
  (r, f) => (f.protocol = r.pick([0, 1, 2, 17, 41, 47, 255, r.below(256)])),
  (r, f) => (f.source = r.pick(SOURCES)),
  (r, f) => (f.source = r.pick(MORE_SOURCES)),
  (r, f) => (f.dataOffset = r.below(16)),
  (r, f) => (f.tcpChecksum = r.pick([0, 0xffff, r.below(0x10000)])),
  (r, f) => (f.flags = r.below(256)),
  (r, f) => (f.flags = r.pick([0, 0x08, 0x20, 0x40, 0x80, 0xe8])),
  (r, f) => (f.options = randomOptions(r)),
  (r, f) => (f.options = randomOptions(r)),
  (r, f) => (f.reserved = r.below(16)),
  (r, f) => (f.padding = r.between(1, 60)),
  (r, f) => (f.etherType = r.pick(ETHER_TYPES)),
  (r, f, aim) => (f.tag = r.pick([0, 0, aim.vlan, 1, 0xfff]) | (r.below(16) << 12)),
  (r, f) => (f.cut = r.below(80)),
  (r, f) => (f.seq = r.u32()),
  (r, f) => (f.ack = r.u32()),
  (r, f) => (f.window = r.below(0x10000)),
  (r, f) => (f.urgent = r.below(0x10000)),
];

/** What only IPv6 has. */
const MUTATIONS_IPV6: readonly Mutation[] = [
  (r, f) => (f.nextHeader = r.pick(NEXT_HEADERS)),
  (r, f) => extend(r, f),
  (r, f) => (f.source = r.pick(SOURCES_IPV6)),
  (r, f) => (f.totalLength = r.pick([0, 19, 20, 39, 40, 1460, 0xffff, r.below(0x10000)])),
  (r, f) => (f.version = r.below(16)),
];

/** Up to three extension headers in front of TCP, the last one's next header mostly right. */
function extend(random: Random, fields: Fields): void {
  const kinds = Array.from({ length: random.between(1, 3) }, () => random.pick([0, 43, 44, 60]));
  fields.nextHeader = kinds[0] as number;
  fields.extensions = kinds.flatMap((_kind, i) => {
    const length = random.oneIn(6) ? random.below(4) : 0;
    const next = random.oneIn(8) ? random.below(256) : (kinds[i + 1] ?? 6);
    return [next, length, ...random.bytes(6)];
  });
}

function soundFields(random: Random, aim: Aim): Fields {
  const ports = [INSTALLED_PORT, INSTALLED_PORT, INSTALLED_PORT, BOUND_PORT, UNKNOWN_PORT];
  const fields: Fields = {
    medium: aim.medium,
    destinationPort: random.pick(ports),
    seq: aim.rxNextSeq + random.pick(SHIFTS),
    ack: aim.txUna + random.pick([0, 0, 0, 1, 500, -1, 0x7fffffff]),
    payload: random.bytes(random.pick([0, 0, 1, 2, 3, 64, 537, 1000])),
    flags: random.pick([ACK, ACK, ACK, 0x18, 0x11, 0x02, 0x12, 0x04, 0x14]),
  };
  if (aim.isIpv6) {
    fields.source = "fd00::2";
    fields.destination = "fd00::1";
  }
  if (random.oneIn(4)) fields.options = timestampOption(random.u32(), random.u32());
  if (aim.medium === "ethernet" && aim.vlan !== 0) fields.tag = aim.vlan;
  return fields;
}

/** Overwrites, inserts or removes a few bytes, mostly in the headers. */
function changeBytes(random: Random, frame: Uint8Array): Uint8Array {
  let changed = frame;
  for (let i = random.between(1, 4); i > 0; i -= 1) {
    const at = random.below(Math.min(changed.length, random.oneIn(4) ? LARGEST : 64) + 1);
    const kind = random.below(6);
    if (kind === 0) changed = changed.slice(0, at);
    else if (kind === 1) changed = splice(changed, at, random.bytes(random.between(1, 8)));
    else if (kind === 2) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
    else changed[at] = random.oneIn(2) ? random.pick(BYTES) : random.below(256);
  }
  return changed.slice(0, LARGEST);
}

function splice(frame: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(frame.length + bytes.length);
  longer.set(frame.subarray(0, at));
  longer.set(bytes, at);
  longer.set(frame.subarray(at), at + bytes.length);
  return longer;
}

/** The next frame for a core of this medium. */
export function generateFrame(random: Random, aim: Aim): Uint8Array {
  if (random.oneIn(16)) return noise(random, aim);
  const fields = { ...FRAME_DEFAULTS, ...soundFields(random, aim) };
  const mutations = random.pick([0, 1, 1, 1, 2, 3]);
  for (let i = 0; i < mutations; i += 1) {
    const isOwn = aim.isIpv6 && random.oneIn(2);
    const mutation = random.pick(isOwn ? MUTATIONS_IPV6 : MUTATIONS);
    mutation(random, fields, aim);
  }
  // One that put an IPv4 source into it.
  if (aim.isIpv6 && !fields.source.includes(":")) fields.source = random.pick(SOURCES_IPV6);
  const frame = buildFrame(fields).slice(0, LARGEST);
  if (!random.oneIn(3)) return frame;
  const changed = changeBytes(random, frame);
  if (!random.oneIn(5)) fixChecksums(changed, aim.medium);
  return changed;
}

/** Random bytes, now and then behind a link header that leads into the IP code. */
function noise(random: Random, aim: Aim): Uint8Array {
  const bytes = random.bytes(random.oneIn(8) ? random.below(LARGEST) : random.below(80));
  if (aim.medium === "ethernet" && bytes.length >= 14 && !random.oneIn(4)) {
    const type = random.pick(ETHER_TYPES);
    bytes[12] = type >>> 8;
    bytes[13] = type & 255;
  }
  return bytes;
}
