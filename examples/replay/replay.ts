/**
 * A capture in front of a real stack, in virtual time: the stack is the host that most segments go
 * to, hears every packet of the capture when it was captured, and answers into the void. Its
 * sequence numbers and the amount of what it sends are the captured host's, so that the packets of
 * its peers fit. Link headers are taken off: the interface is raw IP, and nobody need be asked for
 * a hardware address.
 */
import { FRAME_BYTES_MAX } from "../../bindings/abi/limits.ts";
import { TCP_SYN } from "../../bindings/abi/tcp.ts";
import type { CaptureFrame } from "../../host/netif/capture-reader.ts";
import type { Burst, Netif } from "../../host/netif/netif.ts";
import { Prng } from "../../host/prng.ts";
import { Stack } from "../../host/stack.ts";
import { dropsOf } from "../demo-world.ts";
import { filledPacket, type Packet, packetOf, type TcpHeader } from "./packet.ts";
import { connectionName, ReplayServer } from "./server.ts";
import type { Survey, Target } from "./survey.ts";

/** A stack that nothing is captured for has an address of documentation (RFC 5737). */
const NOBODY = "192.0.2.1";
const CREDIT = 1024;
/** Drawn on as connections need it. */
const PAYLOAD_BYTES = 64 * 1024 * 1024;
/** Polls at one time before virtual time goes on all the same. */
const POLLS_MAX = 1000;

/** Takes one packet after the other, and counts what is sent. */
class ReplayNetif implements Netif {
  readonly name = "replay";
  readonly medium = "ip";
  readonly mtu = FRAME_BYTES_MAX;
  readonly hardwareAddress = new Uint8Array(6);
  sent = 0;
  #waiting: Uint8Array | undefined;
  #ingress: Burst | undefined;
  #index = 0;

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(): number {
    return CREDIT;
  }

  send(): void {
    this.sent += 1;
  }

  offer(packet: Uint8Array): void {
    this.#waiting = packet;
  }

  receive(): void {
    if (this.#waiting === undefined) return;
    if (this.#ingress?.push(this.#waiting, this.#index) === true) this.#waiting = undefined;
  }

  nextDeadline(): number {
    return this.#waiting === undefined ? Number.POSITIVE_INFINITY : 0;
  }
}

/** Frames that the stack was not given: no IP in them, longer than it takes, cut in its headers. */
export interface NotOffered {
  noIp: number;
  tooLong: number;
  headersCut: number;
}

export class Replay {
  /** Packets that the stack was given. */
  offered = 0;
  readonly notOffered: NotOffered = { noIp: 0, tooLong: 0, headersCut: 0 };
  readonly target: Target | undefined;
  readonly #survey: Survey;
  readonly #netif = new ReplayNetif();
  readonly #stack: Stack;
  readonly #server: ReplayServer | undefined;
  readonly #room = new Uint8Array(FRAME_BYTES_MAX);
  /** Of the SYN that the stack is being given. */
  #sequence: number | undefined;
  #now = 0;

  constructor(module: WebAssembly.Module, survey: Survey) {
    this.#survey = survey;
    this.target = survey.target;
    const prng = new Prng(1);
    this.#stack = new Stack({
      module,
      name: "replay",
      entropy: (bytes) => prng.fill(bytes),
      initialSequence: () => this.#sequence ?? prng.uint32(),
      // Everybody is near.
      netifs: [{ netif: this.#netif, addresses: [`${this.target?.address ?? NOBODY}/0`] }],
      layout: { frameBytes: FRAME_BYTES_MAX, payloadBytes: PAYLOAD_BYTES },
    });
    if (this.target) this.#server = new ReplayServer(this.#stack.toe, this.target);
  }

  get replies(): number {
    return this.#netif.sent;
  }

  get accepted(): number {
    return this.#server?.accepted ?? 0;
  }

  get received(): number {
    return this.#server?.received ?? 0;
  }

  /** Drops by reason, by the names of bindings/abi. */
  drops(): Record<string, number> {
    return dropsOf([this.#stack.core]);
  }

  /** The next frame, at `time` ns of virtual time. */
  frame(frame: CaptureFrame, time: number): void {
    this.#runUntil(time);
    const packet = packetOf(frame);
    if (packet === undefined) this.notOffered.noIp += 1;
    else if (packet.length > FRAME_BYTES_MAX) this.notOffered.tooLong += 1;
    else this.#packet(packet);
  }

  #packet(packet: Packet): void {
    const isCut = packet.bytes.length < packet.length;
    const { tcp } = packet;
    if (isCut && tcp === undefined) {
      this.notOffered.headersCut += 1;
      return;
    }
    this.#sequence = undefined;
    if (tcp !== undefined && this.target !== undefined) this.#listen(tcp, this.target);
    this.#netif.offer(isCut ? filledPacket(packet, this.#room) : packet.bytes);
    this.offered += 1;
    this.#settle();
  }

  /** What the capture knows of our own side of this segment's connection. */
  #listen(tcp: TcpHeader, { address }: Target): void {
    if ((tcp.flags & TCP_SYN) !== 0) {
      this.#sequence = this.#survey.firstSequence(tcp);
      return;
    }
    if (tcp.source !== address) return;
    const { source, sourcePort, destination, destinationPort } = tcp;
    const peer = { source: destination, sourcePort: destinationPort };
    const syn = { ...tcp, ...peer, destination: source, destinationPort: sourcePort };
    const first = this.#survey.firstSequence(syn);
    if (first === undefined) return;
    const name = connectionName(sourcePort, destination, destinationPort);
    this.#server?.said(name, (tcp.seq - first - 1 + tcp.payload) >>> 0, tcp.flags);
  }

  #runUntil(time: number): void {
    for (;;) {
      const next = this.#stack.nextDeadline();
      if (!(next <= time)) break;
      this.#now = Math.max(this.#now, next);
      const before = this.#now;
      this.#settle();
      // A deadline that stands still is no reason for time to do so.
      if (this.#stack.nextDeadline() <= before) break;
    }
    this.#now = Math.max(this.#now, time);
  }

  #settle(): void {
    for (let polls = 0; polls < POLLS_MAX; polls += 1) {
      const more = this.#stack.poll(this.#now);
      this.#server?.run();
      if (!more && this.#stack.nextDeadline() > this.#now) return;
    }
  }
}
