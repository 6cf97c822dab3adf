/**
 * A whole stack with a scripted peer: a raw-IP netif that records what the stack sends and
 * injects what the test says, so that the stack meets a peer that keeps no rules. The stack is
 * 10.0.0.1, the peer 10.0.0.2; time moves only when the test says so.
 */
import type { LayoutOptions } from "../../bindings/layout.ts";
import type { ControlPlaneLimits } from "../../host/control-plane/plane.ts";
import type { ProfileName } from "../../host/control-plane/profile.ts";
import type { Burst, Netif } from "../../host/netif/netif.ts";
import { Stack } from "../../host/stack.ts";
import { buildFrame, type FrameFields } from "./frames.ts";
import { judgeSegment, type SentSegment } from "./judge-segment.ts";
import { loadModule, TEST_LAYOUT } from "./load-core.ts";
import { Random } from "./random.ts";

const SETTLE_MAX = 1000;

class ScriptedNetif implements Netif {
  readonly name = "peer";
  readonly medium = "ip";
  readonly mtu = 1500;
  readonly hardwareAddress = new Uint8Array(6);
  readonly waiting: Uint8Array[] = [];
  readonly sent: Uint8Array[] = [];
  #ingress: Burst | undefined;
  #index = 0;

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(): number {
    return 64;
  }

  send(burst: Burst, index: number): void {
    const at = burst.offset(index);
    this.sent.push(burst.bytes.slice(at, at + burst.length(index)));
  }

  receive(): void {
    while (this.waiting.length > 0) {
      if (this.#ingress?.push(this.waiting[0] as Uint8Array, this.#index) !== true) return;
      this.waiting.shift();
    }
  }

  nextDeadline(): number {
    return this.waiting.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
}

export interface PeerOptions {
  /** In place of the build under test. */
  readonly module?: WebAssembly.Module;
  readonly profile?: ProfileName;
  readonly layout?: Partial<LayoutOptions>;
  readonly seed?: number;
  /** Of the stack; 10.0.0.1/24 unless told otherwise. */
  readonly addresses?: readonly string[];
  /** Every ISN of the stack's. */
  readonly initialSequence?: () => number;
  readonly limits?: Partial<ControlPlaneLimits>;
  /** In place of the seed's bytes. */
  readonly entropy?: (bytes: Uint8Array) => void;
}

export class ScriptedPeer {
  readonly stack: Stack;
  /** ns. */
  now = 1e9;
  readonly #netif = new ScriptedNetif();

  constructor(options: PeerOptions = {}) {
    const random = new Random(options.seed ?? 1);
    const { initialSequence } = options;
    this.stack = new Stack({
      ...(initialSequence === undefined ? {} : { initialSequence }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      module: options.module ?? loadModule(),
      netifs: [{ netif: this.#netif, addresses: options.addresses ?? ["10.0.0.1/24"] }],
      entropy: options.entropy ?? ((bytes) => bytes.set(random.bytes(bytes.length))),
      profile: options.profile ?? "rfc",
      layout: { ...TEST_LAYOUT, ...options.layout },
    });
  }

  /** Lets the stack work until it rests; returns what it sent meanwhile. */
  settle(): SentSegment[] {
    return this.settleFrames().map((frame) => judgeSegment(frame, "ip"));
  }

  /** The same, as the packets' bytes. */
  settleFrames(): Uint8Array[] {
    let rounds = 0;
    while (this.stack.poll(this.now)) {
      rounds += 1;
      if (rounds > SETTLE_MAX) throw new Error("settle: expected the stack to come to rest");
    }
    return this.#netif.sent.splice(0);
  }

  /** Hands packets to the stack, which finds all of them at its next turn. */
  queue(...packets: readonly Partial<FrameFields>[]): void {
    for (const fields of packets) this.queuePacket(buildFrame({ medium: "ip", ...fields }));
  }

  /** The same, of a packet's bytes. */
  queuePacket(packet: Uint8Array): void {
    this.#netif.waiting.push(packet);
  }

  /** Sends one segment to the stack, peer port 40000 to port 80 unless told otherwise. */
  send(fields: Partial<FrameFields>): SentSegment[] {
    this.queue(fields);
    return this.settle();
  }

  /** RFC 9293 name of the state of the connection with this peer port; CLOSED when none. */
  state(peerPort: number): string {
    const row = this.stack.toe.connections().find(({ remote }) => remote.port === peerPort);
    return row?.state ?? "CLOSED";
  }

  listen(port: number, backlog = 1024): number {
    const { toe } = this.stack;
    const fd = toe.socket();
    if (toe.bind(fd, { address: "10.0.0.1", port }) < 0 || toe.listen(fd, backlog) < 0) {
      throw new Error(`listen: expected port ${port} to be free`);
    }
    return fd;
  }
}
