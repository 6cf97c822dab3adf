/**
 * What a bad link does to frames: uniform and bursty loss, reordering, duplication, corruption,
 * ECN marks and jitter, all from one seed. Invariant: each fault draws from a stream of its own,
 * once for each frame, so turning one on or off does not move the others.
 *
 * ```ts
 * createLink({ rate: 1e9, delay: 1e6, faults: { loss: 0.01, reorder: 0.005 }, seed: 42 });
 * ```
 */
import { ETHER_TYPE_IPV4, ETHER_TYPE_IPV6, ETHER_TYPE_VLAN } from "../../bindings/abi/ethernet.ts";
import { ETHERNET_SIZE, ETHERNET_TYPE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import { ECN_CE, ECN_NOT_ECT, IPV4_CHECKSUM, IPV4_SIZE, IPV4_TOS } from "../../bindings/abi/ip.ts";
import type { Prng } from "../prng.ts";
import type { DropCause } from "./frame-tap.ts";
import type { Medium } from "./netif.ts";

const REORDER_DELAY_DEFAULT = 200_000;
const MEAN_BURST_DEFAULT = 4;

/** Probabilities are 0 .. 1, times are ns; everything defaults to none. */
export interface FaultOptions {
  /** Share of frames lost, independently of each other. */
  readonly loss?: number;
  /** Share of frames lost in bursts in the long run, below 1 (Gilbert-Elliott). */
  readonly burstLoss?: number;
  /** Frames in such a burst on average, at least 1; default 4. */
  readonly meanBurst?: number;
  /**
   * ns without a frame after which a burst is over; default never: then a burst waits for the next
   * frame, and a sender whose timer backs off meets it again and again.
   */
  readonly burstSilence?: number;
  /** Share of frames held back by `reorderDelay`, so that later ones overtake them. */
  readonly reorder?: number;
  /** ns, default 200,000. */
  readonly reorderDelay?: number;
  /** Share of frames delivered twice. */
  readonly duplicate?: number;
  /** Share of frames in which one bit of one byte is flipped. */
  readonly corrupt?: number;
  /** Share of ECN-capable packets marked Congestion Experienced (RFC 3168, section 5). */
  readonly mark?: number;
  /** Delay added to each frame, uniform in 0 .. jitter; keeps the order of frames. */
  readonly jitter?: number;
  /** Drops the frames it returns true for; `count` numbers the direction's frames from 0. */
  readonly rule?: (frame: Uint8Array, count: number) => boolean;
}

/** Decides the fate of each frame of one direction. judge() leaves its verdict in the fields. */
export class FaultInjector {
  /** Set when the frame is to be lost. */
  drop: DropCause | undefined;
  duplicate = false;
  mark = false;
  /** Bit of the frame to flip, -1 for none. */
  corruptBit = -1;
  /** ns of delay that keep the order. */
  jitter = 0;
  /** ns of delay by which later frames overtake this one. */
  late = 0;

  readonly #options: FaultOptions;
  readonly #enterBurst: number;
  readonly #leaveBurst: number;
  readonly #loss: Prng;
  readonly #burst: Prng;
  readonly #reorder: Prng;
  readonly #duplicate: Prng;
  readonly #corrupt: Prng;
  readonly #mark: Prng;
  readonly #jitter: Prng;
  #inBurst = false;
  #lastFrame = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** Throws RangeError on a value outside its range. */
  constructor(options: FaultOptions, prng: Prng) {
    checkFaults(options);
    this.#options = options;
    const share = options.burstLoss ?? 0;
    this.#leaveBurst = 1 / (options.meanBurst ?? MEAN_BURST_DEFAULT);
    // Long-run share of the bad state is enter / (enter + leave).
    this.#enterBurst = Math.min(1, (this.#leaveBurst * share) / (1 - share));
    this.#loss = prng.fork("loss");
    this.#burst = prng.fork("burst");
    this.#reorder = prng.fork("reorder");
    this.#duplicate = prng.fork("duplicate");
    this.#corrupt = prng.fork("corrupt");
    this.#mark = prng.fork("mark");
    this.#jitter = prng.fork("jitter");
  }

  /** The longest delay that this injector can add, in ns. */
  get delayMax(): number {
    const reorders = (this.#options.reorder ?? 0) > 0;
    const late = reorders ? (this.#options.reorderDelay ?? REORDER_DELAY_DEFAULT) : 0;
    return (this.#options.jitter ?? 0) + late;
  }

  /** Draws the fate of one frame, which is sent at `now`. */
  judge(bytes: Uint8Array, offset: number, length: number, now: number): void {
    const options = this.#options;
    const silence = options.burstSilence ?? Number.POSITIVE_INFINITY;
    if (now - this.#lastFrame > silence) this.#inBurst = false;
    this.#lastFrame = now;
    this.drop = undefined;
    if (this.#drawBurst()) this.drop = "burst loss";
    if (drawn(this.#loss, options.loss)) this.drop = "loss";
    if (options.rule !== undefined) {
      const frame = bytes.subarray(offset, offset + length);
      if (options.rule(frame, this.#count)) this.drop = "rule";
    }
    this.#count += 1;
    this.late = drawn(this.#reorder, options.reorder)
      ? (options.reorderDelay ?? REORDER_DELAY_DEFAULT)
      : 0;
    this.duplicate = drawn(this.#duplicate, options.duplicate);
    this.mark = drawn(this.#mark, options.mark);
    // The position is drawn for every frame: a longer frame must not shift later draws.
    this.corruptBit = -1;
    if ((options.corrupt ?? 0) > 0) {
      const hit = this.#corrupt.float() < (options.corrupt as number);
      const where = this.#corrupt.float();
      if (hit) this.corruptBit = Math.floor(where * length * 8);
    }
    const jitter = options.jitter ?? 0;
    this.jitter = jitter > 0 ? Math.floor(this.#jitter.float() * jitter) : 0;
  }

  /** Moves the two-state chain on by one frame; true when the frame falls into a burst. */
  #drawBurst(): boolean {
    if (this.#enterBurst <= 0) return false;
    const draw = this.#burst.float();
    this.#inBurst = this.#inBurst ? draw >= this.#leaveBurst : draw < this.#enterBurst;
    return this.#inBurst;
  }
}

function drawn(prng: Prng, probability: number | undefined): boolean {
  return probability !== undefined && probability > 0 && prng.float() < probability;
}

function checkFaults(options: FaultOptions): void {
  for (const name of ["loss", "burstLoss", "reorder", "duplicate", "corrupt", "mark"] as const) {
    const value = options[name] ?? 0;
    const most = name === "burstLoss" ? 0.99 : 1;
    if (!(value >= 0 && value <= most)) {
      throw new RangeError(`faults.${name}: expected a probability 0..${most}, got ${value}`);
    }
  }
  for (const name of ["reorderDelay", "jitter"] as const) {
    const value = options[name] ?? 0;
    if (!(value >= 0 && Number.isFinite(value))) {
      throw new RangeError(`faults.${name}: expected ns >= 0, got ${value}`);
    }
  }
  const mean = options.meanBurst ?? MEAN_BURST_DEFAULT;
  if (!(mean >= 1 && Number.isFinite(mean))) {
    throw new RangeError(`faults.meanBurst: expected frames >= 1, got ${mean}`);
  }
}

/** Offset of the IP header from the start of a frame, or -1 when it carries none. */
export function ipOffset(
  bytes: Uint8Array,
  offset: number,
  length: number,
  medium: Medium,
): number {
  if (medium === "ip") return length >= IPV4_SIZE ? 0 : -1;
  let at: number = ETHERNET_TYPE;
  let type = read16(bytes, offset + at);
  if (type === ETHER_TYPE_VLAN) {
    at += VLAN_SIZE;
    type = read16(bytes, offset + at);
  }
  const header = at + ETHERNET_SIZE - ETHERNET_TYPE;
  if (type !== ETHER_TYPE_IPV4 && type !== ETHER_TYPE_IPV6) return -1;
  return header + IPV4_SIZE <= length ? header : -1;
}

function read16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/**
 * Sets Congestion Experienced on an ECN-capable packet and mends the IPv4 checksum (RFC 1624,
 * equation 3). False when the packet is no IP or not ECN-capable: such a packet is left alone.
 */
export function markCongestion(
  bytes: Uint8Array,
  offset: number,
  length: number,
  medium: Medium,
): boolean {
  const header = ipOffset(bytes, offset, length, medium);
  if (header < 0) return false;
  const ip = offset + header;
  const version = (bytes[ip] as number) >>> 4;
  if (version === 4) {
    const tos = bytes[ip + IPV4_TOS] as number;
    if ((tos & ECN_CE) === ECN_NOT_ECT) return false;
    const before = read16(bytes, ip);
    bytes[ip + IPV4_TOS] = tos | ECN_CE;
    const sum =
      (~read16(bytes, ip + IPV4_CHECKSUM) & 0xffff) + (~before & 0xffff) + read16(bytes, ip);
    const folded = (sum & 0xffff) + (sum >>> 16);
    const checksum = ~((folded & 0xffff) + (folded >>> 16)) & 0xffff;
    bytes[ip + IPV4_CHECKSUM] = checksum >>> 8;
    bytes[ip + IPV4_CHECKSUM + 1] = checksum;
    return true;
  }
  if (version !== 6) return false;
  // The traffic class straddles bytes 0 and 1; its ECN field is bits 5 and 4 of byte 1.
  const second = bytes[ip + 1] as number;
  if (((second >>> 4) & ECN_CE) === ECN_NOT_ECT) return false;
  bytes[ip + 1] = second | (ECN_CE << 4);
  return true;
}
