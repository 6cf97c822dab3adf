/**
 * toeloop's side of `loss`: two whole stacks at the ends of one lossy link, in virtual time, and a
 * stream from one to the other. Invariant: what it answers is a function of its arguments.
 */
import { Counter } from "../bindings/abi/counters.ts";
import { PROFILES } from "../host/control-plane/profile.ts";
import { POLLIN, POLLOUT } from "../host/libtoe/constants.ts";
import * as C from "../host/libtoe/constants.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";
import { Stack } from "../host/stack.ts";
import { World } from "../host/world.ts";
import { loadModule } from "./harness.ts";
import { type LossyWire, linkOptions } from "./lossy-wire.ts";
import { counterOf, must } from "./stack-pair.ts";

const ADDRESSES = ["10.0.0.1", "10.0.0.2"] as const;
const PORT = 5001;
const CHUNK = 65_536;
/** A SYN that is lost comes again; many of them are a mistake of ours. */
const HANDSHAKE_NS = 60e9;

/** Times of one run of one cell. */
export interface StacksRun {
  readonly wire: LossyWire;
  readonly seconds: number;
  readonly seed: number;
}

export interface StacksResult {
  /** Payload that the receiving application has read, bits/s. */
  readonly goodput: number;
  readonly timeouts: number;
  readonly retransmits: number;
}

const payload = new Uint8Array(CHUNK);
const scratch = new Uint8Array(CHUNK);

/** Both stacks, connected. */
class StacksOnWire {
  readonly world: World;
  readonly sender: Stack;
  readonly receiver: Stack;
  readonly #buffer: number;
  received = 0;

  constructor({ wire, seed }: StacksRun) {
    this.world = new World({ seed });
    this.#buffer = wire.buffer;
    const link = this.world.addLink({ a: "sender", b: "receiver", ...linkOptions(wire) });
    const [sender, receiver] = link.ends.map((netif, side) => {
      const name = side === 0 ? "sender" : "receiver";
      const stack = new Stack({
        module: loadModule("flextoe.wasm"),
        name,
        profile: PROFILES.internet,
        entropy: this.world.entropy(name),
        netifs: [{ netif, addresses: [`${ADDRESSES[side] as string}/24`] }],
        layout: { connections: 16, payloadBytes: 8 * wire.buffer },
      });
      return this.world.addHost(name, stack);
    }) as [Stack, Stack];
    this.sender = sender;
    this.receiver = receiver;
  }

  #socket(toe: LibToe): number {
    const fd = must(toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0), "socket");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, this.#buffer), "SO_RCVBUF");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, this.#buffer), "SO_SNDBUF");
    must(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, "cubic"), "TCP_CONGESTION");
    return fd;
  }

  /** Opens the connection and starts the stream. */
  start(): void {
    const listener = this.#socket(this.receiver.toe);
    const server = { address: ADDRESSES[1], port: PORT };
    must(this.receiver.toe.bind(listener, server), "bind");
    must(this.receiver.toe.listen(listener, 16), "listen");
    const fd = this.#socket(this.sender.toe);
    this.sender.toe.connect(fd, server);
    this.#drain(this.#accept(listener));
    this.#fill(fd);
  }

  #accept(listener: number): number {
    for (;;) {
      const fd = this.receiver.toe.accept(listener);
      if (fd >= 0) return fd;
      if (this.world.now > HANDSHAKE_NS || !this.world.step()) {
        throw new Error(`loss: expected a handshake within ${HANDSHAKE_NS} ns, got none`);
      }
    }
  }

  #drain(fd: number): void {
    const { toe } = this.receiver;
    const drain = (_: number, ready: number): void => {
      if ((ready & POLLIN) === 0) return;
      for (let got = CHUNK; got === CHUNK; ) {
        got = toe.recv(fd, scratch, 0, CHUNK);
        if (got > 0) this.received += got;
      }
    };
    must(toe.setWatcher(fd, drain), "setWatcher");
  }

  #fill(fd: number): void {
    const { toe } = this.sender;
    const fill = (_: number, ready: number): void => {
      if ((ready & POLLOUT) === 0) return;
      while (toe.send(fd, payload, 0, CHUNK) === CHUNK);
    };
    must(toe.setWatcher(fd, fill), "setWatcher");
  }
}

/** One run. */
export function runStacks(run: StacksRun): StacksResult {
  const network = new StacksOnWire(run);
  network.start();
  const { received } = network;
  network.world.run(network.world.now + run.seconds * 1e9);
  return {
    goodput: ((network.received - received) * 8) / run.seconds,
    timeouts: counterOf(network.sender, Counter.Timeouts),
    retransmits: counterOf(network.sender, Counter.Retransmissions),
  };
}
