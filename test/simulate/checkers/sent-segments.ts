/**
 * I2, I4, I6 and the wire's half of I1: what a stack sends is legal, within the peer's window and
 * MSS, and of the bytes that its application wrote, each at its place, then and when sent again.
 */
import { patternDiffers, patternOf } from "../stream-pattern.ts";
import type { Checker, Frame, Scene } from "./checker.ts";
import type { Side } from "./flow-book.ts";
import { ACK, FIN, RST, SYN } from "./reference-parser.ts";

const ETHERNET = 14;
/** RFC 9293 MUST-35: a probe is one byte beyond a closed window. */
const PROBE = 1;
const IP_AND_TCP = 40;

export class SentSegments implements Checker {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  sent(frame: Frame): void {
    const { segment: s, side, host } = frame;
    this.#checkForm(frame);
    if (!s.isTcp) return;
    if (s.source !== 0x0a000001 + host) this.#scene.report("I6", `source ${s.source.toString(16)}`);
    if (s.has(RST)) return;
    if (side === undefined || (side.iss < 0 && !s.has(SYN))) {
      // What an earlier connection of these ends still says is not of this one.
      if (side?.isReborn !== true) this.#scene.report("I7", `${describe(frame)}: before any SYN`);
      return;
    }
    if (s.has(SYN)) {
      const isOpen = s.has(ACK) ? side.sentSpan > 0 : side.isOpen;
      if (isOpen) this.#scene.report("I7", `${describe(frame)}: a SYN, and it was open`);
      return;
    }
    this.#checkOptions(frame, side);
    if (s.payloadBytes > 0 || s.has(FIN)) this.#checkPlace(frame, side);
    if (s.payloadBytes > 0) this.#checkPayload(frame, side);
  }

  #checkForm({ segment: s, bytes }: Frame): void {
    const { plan } = this.#scene;
    const most = plan.mtu + (plan.medium === "ethernet" ? ETHERNET : 0);
    if (s.wrong !== "") this.#scene.report("I6", `sent a frame with ${s.wrong}`);
    if (bytes.length > most) this.#scene.report("I6", `${bytes.length} bytes with MTU ${plan.mtu}`);
    if (s.hopLimit === 0) this.#scene.report("I6", "sent with a hop limit of 0");
    if (s.isTcp && s.has(SYN) && s.has(FIN)) this.#scene.report("I6", "SYN and FIN at once");
  }

  /** Timestamps on all segments or on none (RFC 7323, 3.2); SACK only where both said so. */
  #checkOptions(frame: Frame, side: Side): void {
    const { segment: s } = frame;
    if (s.timestamp >= 0 !== side.hasTimestamps) {
      this.#scene.report("I6", `${describe(frame)}: timestamp against what was negotiated`);
    }
    if (s.sack.length > 0 && !side.hasSack) {
      this.#scene.report("I6", `${describe(frame)}: SACK that was not negotiated`);
    }
    if (s.mss >= 0 || s.scale >= 0 || s.sackPermitted) {
      this.#scene.report("I6", `${describe(frame)}: an option of SYNs`);
    }
    const most = Math.max(side.peerMss, 1);
    // RFC 9293 MUST-16: options count.
    if (s.payloadBytes > 0 && s.payloadBytes + s.optionBytes > Math.max(most, IP_AND_TCP + 48)) {
      this.#scene.report("I6", `${describe(frame)}: above the peer's MSS ${side.peerMss}`);
    }
  }

  #checkPlace(frame: Frame, side: Side): void {
    const { segment: s } = frame;
    const at = side.place(s.seq);
    const end = at + s.payloadBytes;
    const scene = this.#scene;
    if (at < 0) scene.report("I2", `${describe(frame)}: place ${at}`);
    if (end + (s.has(FIN) ? 1 : 0) > side.edge + PROBE) {
      scene.report("I4", `${describe(frame)}: ends at ${end}, the peer's edge is ${side.edge}`);
    }
    if (side.finAt >= 0 && end > side.finAt) {
      scene.report("I2", `${describe(frame)}: ends at ${end}, behind the FIN at ${side.finAt}`);
    }
    if (!s.has(FIN)) return;
    const { ledger } = side;
    if (end < side.sentEnd || (side.finAt >= 0 && end !== side.finAt)) {
      scene.report("I2", `${describe(frame)}: FIN at ${end}, was ${side.finAt} or later`);
    }
    if (ledger === undefined ? end !== 0 : !ledger.ended || end !== ledger.written) {
      scene.report("I1", `${describe(frame)}: FIN at ${end}, written ${ledger?.written}`);
    }
  }

  #checkPayload(frame: Frame, side: Side): void {
    const { segment: s, bytes } = frame;
    const at = side.place(s.seq);
    const end = at + s.payloadBytes;
    const written = side.ledger?.written ?? 0;
    if (end > written) {
      this.#scene.report("I1", `${describe(frame)}: ends at ${end}, only ${written} were written`);
      return;
    }
    if (at < 0) return;
    const from = patternOf(s.source, s.sourcePort, s.destination, s.destinationPort);
    const wrong = patternDiffers(from, at, bytes, s.payloadAt, s.payloadBytes);
    if (wrong >= 0)
      this.#scene.report("I1", `${describe(frame)}: byte ${wrong} is not what was written`);
  }
}

/** A segment in words, with places relative to its connection where that is known. */
export function describe({ segment: s, side }: Frame): string {
  const letters = ["F", "S", "R", "P", "A"]
    .filter((_, bit) => (s.flags & (1 << bit)) !== 0)
    .join("");
  const at = side !== undefined && side.iss >= 0 ? side.place(s.seq) : s.seq;
  const ack = side !== undefined && side.peer.iss >= 0 ? side.peer.place(s.ack) : s.ack;
  const from = `10.0.0.${s.source & 255}:${s.sourcePort}`;
  const to = `10.0.0.${s.destination & 255}:${s.destinationPort}`;
  return `${from} to ${to} ${letters} ${at}+${s.payloadBytes} ack ${ack} win ${s.window}`;
}
