/**
 * The netif of a script: what the stack sends is kept with its time until the script asks for it,
 * what the script injects is handed over at once. Both go into the capture. Medium "ip": a script
 * knows no Ethernet.
 */
import type { Burst, Netif } from "../netif/netif.ts";
import type { PcapngWriter } from "../netif/pcapng.ts";

/** A packet that the stack has sent. */
export interface CapturedPacket {
  readonly bytes: Uint8Array;
  /** ns of the script. */
  readonly time: number;
}

const CREDIT = 64;
/** A script that sends more than so many packets unasked has gone wrong. */
const SENT_MAX = 100_000;

export class Wire implements Netif {
  readonly name = "script";
  readonly medium = "ip";
  readonly mtu: number;
  readonly hardwareAddress = new Uint8Array(6);
  readonly #sent: CapturedPacket[] = [];
  #taken = 0;
  readonly #waiting: Uint8Array[] = [];
  readonly #origin: number;
  readonly #writer: PcapngWriter | undefined;
  readonly #interface: number;
  #ingress: Burst | undefined;
  #index = 0;

  /** `origin` is the stack's time at the script's zero, ns. */
  constructor(mtu: number, origin: number, writer?: PcapngWriter) {
    this.mtu = mtu;
    this.#origin = origin;
    this.#writer = writer;
    this.#interface = writer?.addInterface("script", "ip") ?? 0;
  }

  /** Packets that nobody has taken yet. */
  get count(): number {
    return this.#sent.length - this.#taken;
  }

  /** The packet that take() would give. */
  get first(): CapturedPacket | undefined {
    return this.#sent[this.#taken];
  }

  /** The next packet of the stack's, oldest first; undefined when there is none. */
  take(): CapturedPacket | undefined {
    const packet = this.#sent[this.#taken];
    if (packet !== undefined) this.#taken += 1;
    return packet;
  }

  /** Hands a packet to the stack at its next poll. */
  inject(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(): number {
    return this.#sent.length < SENT_MAX ? CREDIT : 0;
  }

  send(burst: Burst, index: number, now: number): void {
    const at = burst.offset(index);
    const bytes = burst.bytes.slice(at, at + burst.length(index));
    this.#sent.push({ bytes, time: now - this.#origin });
    this.#record(bytes, now, "outbound");
  }

  receive(now: number): void {
    for (;;) {
      const bytes = this.#waiting[0];
      if (bytes === undefined || this.#ingress?.push(bytes, this.#index) !== true) return;
      this.#waiting.shift();
      this.#record(bytes, now, "inbound");
    }
  }

  nextDeadline(): number {
    return this.#waiting.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  #record(bytes: Uint8Array, now: number, direction: "inbound" | "outbound"): void {
    const frame = { bytes, offset: 0, length: bytes.length, direction };
    this.#writer?.packet({ ...frame, interface: this.#interface, time: now - this.#origin });
  }
}
