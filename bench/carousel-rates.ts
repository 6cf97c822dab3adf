/**
 * Rate conformance on virtual time: one connection of a bare core with always enough to send, all
 * acknowledged at once, paced by AtxOpcode.SetInterval as the control plane computes it. Counted
 * are the bytes of IP packets from after the second departure to the last one.
 *
 * Beside it FlexTOE's own wheel as arithmetic: 512 slots of 256 cycles at 800 MHz (320 ns), rates
 * as cycles per byte x 1024 in 32 bits, later deadlines cut to the last slot. Its clock and its
 * deficits are taken as ideal, so this is the best that it can do.
 */
import { createCore } from "../bindings/core.ts";
import { AtxOpcode } from "../bindings/abi/descriptor.ts";
import { FLOW_NODELAY } from "../bindings/abi/flow-state.ts";
import { STEP_MORE } from "../bindings/abi/memory-map.ts";
import { intervalWords } from "../host/control-plane/congestion/policy.ts";
import { Prng } from "../host/prng.ts";
import { buildFrame } from "../test/support/frames.ts";
import { RawCore } from "../test/support/raw-core.ts";

/** Payload and IP packet of a full segment without options. */
export const PAYLOAD = 1448;
export const PACKET = PAYLOAD + 40;
/** log2 of the send buffer: the most that one connection may have. */
const TX_SHIFT = 22;
const CHUNK = 65536;
const FIRST_SEQ = 1000;
const PEER_SEQ = 5000;
/** Bit/s: 8 Kbit/s to 400 Gbit/s. */
export const RATES: readonly number[] = [
  8e3, 64e3, 1e6, 10e6, 70e6, 100e6, 1e9, 10e9, 40e9, 100e9, 200e9, 400e9,
];

/** How the host polls: exactly when asked to, or late by up to `ns`, always or at random. */
export interface Polling {
  readonly late: number;
  readonly random: boolean;
}

export interface RateRun {
  readonly segments: number;
  /** Virtual time measured, ns. */
  readonly elapsed: number;
  /** Measured rate / asked rate - 1. */
  readonly error: number;
}

/** The connection: 4 MiB to send, and a host that acknowledges everything at once. */
class PacedConnection {
  readonly raw: RawCore;
  #acked = FIRST_SEQ;

  constructor(module: WebAssembly.Module, bitsPerSecond: number) {
    const layout = { connections: 1, chunkBytes: CHUNK, payloadBytes: 2 ** TX_SHIFT + CHUNK };
    const core = createCore({ module, layout, hashKey: [1n, 2n] });
    this.raw = new RawCore(core, "ip");
    const window = { peerScale: 14, peerWindow: 0x3fff0000, cwnd: 0x3fff0000 };
    const buffers = { rxShift: 16, txShift: TX_SHIFT, mss: PAYLOAD };
    this.raw.establish({ ...window, ...buffers, flags: FLOW_NODELAY, txSeq: FIRST_SEQ });
    this.raw.post(0, { opcode: AtxOpcode.SetInterval, ...intervalWords(bitsPerSecond / 8) });
    this.raw.step();
    this.raw.post(1, { txAppend: 2 ** TX_SHIFT });
  }

  /** Sends what is due now: bytes of IP packets. */
  send(): number {
    let bytes = 0;
    let payload = 0;
    for (let more = true; more; ) {
      const { frames, status } = this.raw.step();
      for (const frame of frames) bytes += frame.length;
      payload += frames.length * PAYLOAD;
      more = (status & STEP_MORE) !== 0;
      if (payload > 2 ** (TX_SHIFT - 1) || (!more && payload > 0)) {
        this.#acknowledge(payload);
        payload = 0;
      }
    }
    return bytes;
  }

  #acknowledge(bytes: number): void {
    this.#acked = (this.#acked + bytes) >>> 0;
    const ack = { seq: PEER_SEQ, ack: this.#acked, window: 0xffff };
    const out = this.raw.offer([buildFrame({ medium: "ip", ...ack })], 0);
    if (out.frames.length > 0) throw new Error("carousel: a frame left without credit");
    this.raw.notifications(1);
    this.raw.post(1, { txAppend: bytes });
    this.raw.step(0);
  }
}

/** Runs one rate until `elapsed` ns and `segments` are over, whichever is later. */
export function runRate(
  module: WebAssembly.Module,
  bitsPerSecond: number,
  polling: Polling,
  goal: { readonly elapsed: number; readonly segments: number },
): RateRun {
  const connection = new PacedConnection(module, bitsPerSecond);
  const { raw } = connection;
  const jitter = new Prng(7);
  let from = 0;
  let last = 0;
  let bytes = 0;
  for (let sends = 0; sends < 2 || last - from < goal.elapsed || bytes < goal.segments * PACKET; ) {
    const sent = connection.send();
    if (sent > 0) {
      sends += 1;
      last = raw.now;
      if (sends > 2) bytes += sent;
      else from = raw.now;
    }
    const next = raw.core.exports.nextDeadline(raw.core.address);
    if (next === Infinity) throw new Error("carousel: expected a deadline, got none");
    const late = polling.random ? jitter.below(polling.late + 1) : polling.late;
    raw.now = Math.max(raw.now, next) + late;
  }
  const elapsed = last - from;
  const error = (bytes * 8e9) / elapsed / bitsPerSecond - 1;
  return { segments: bytes / PACKET, elapsed, error };
}

const CYCLE_NS = 1.25;
const FLEXTOE_SLOT_CYCLES = 256;
const FLEXTOE_SLOTS = 512;

/** FlexTOE's wheel at a rate: what it really sends / asked - 1. Infinite: not held back at all. */
export function flextoeError(bitsPerSecond: number): number {
  // The host programs cycles per byte x 1024, at most 2^28; the product has 32 bits.
  const perByte = Math.min(2 ** 28, Math.floor(6.5536e9 / (bitsPerSecond / 1000)));
  const cycles = Number((BigInt(perByte) * BigInt(PAYLOAD)) & 0xffffffffn) / 1024;
  const held = Math.min(cycles, (FLEXTOE_SLOTS - 1) * FLEXTOE_SLOT_CYCLES);
  return (PAYLOAD * 8e9) / (held * CYCLE_NS) / bitsPerSecond - 1;
}
