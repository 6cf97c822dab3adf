/**
 * A relay in JavaScript between the kernel and a stack: frames of the TUN device cross a link with
 * delay and faults both ways (host/netif/link.ts). The stack and the relay make one host, polled
 * together, because a frame that one of them puts on the link sets the other's next deadline.
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { Burst, type Netif } from "../../host/netif/netif.ts";
import type { Stack } from "../../host/stack.ts";
import type { Host } from "../../host/world.ts";

const FRAMES = 256;
const FRAME_BYTES = 2048;

function ownBurst(): Burst {
  return new Burst(
    new Uint8Array(FRAMES * FRAME_BYTES),
    new Uint32Array((FRAMES * FRAME_SIZE) / 4),
  );
}

/** Moves frames between two netifs; one that is full keeps the other from being read. */
export class Relay implements Host {
  readonly #ends: readonly [Netif, Netif];
  /** What came in from each end and has not been sent; `#sent` counts frames of it. */
  readonly #bursts = [ownBurst(), ownBurst()] as const;
  readonly #sent: [number, number] = [0, 0];

  constructor(ends: readonly [Netif, Netif]) {
    this.#ends = ends;
    for (const side of [0, 1] as const) ends[side].attach(this.#bursts[side], 0);
  }

  poll(now: number): boolean {
    this.#move(0, 1, now);
    this.#move(1, 0, now);
    return false;
  }

  #move(from: 0 | 1, to: 0 | 1, now: number): void {
    const burst = this.#bursts[from];
    const out = this.#ends[to];
    if (burst.count === 0) this.#ends[from].receive(now);
    while (this.#sent[from] < burst.count && out.credit(now) > 0) {
      out.send(burst, this.#sent[from], now);
      this.#sent[from] += 1;
    }
    if (this.#sent[from] < burst.count) return;
    this.#sent[from] = 0;
    burst.clear();
  }

  nextDeadline(): number {
    return Math.min(this.#ends[0].nextDeadline(), this.#ends[1].nextDeadline());
  }

  onWake(wake: () => void): void {
    for (const end of this.#ends) end.onReadable?.(wake);
  }
}

/** A stack behind a relay. */
export class RelayedHost implements Host {
  readonly #relay: Relay;
  readonly #stack: Stack;

  constructor(relay: Relay, stack: Stack) {
    this.#relay = relay;
    this.#stack = stack;
  }

  poll(now: number): boolean {
    this.#relay.poll(now);
    return this.#stack.poll(now);
  }

  nextDeadline(): number {
    return Math.min(this.#relay.nextDeadline(), this.#stack.nextDeadline());
  }

  onWake(wake: () => void): void {
    this.#relay.onWake(wake);
    this.#stack.onWake(wake);
  }
}
