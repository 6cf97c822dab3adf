/**
 * Two machines behind a switch, on virtual time: whole stacks over the release build of the data
 * path, the network of the robustness experiments (4.5.3). A machine may be given a cost for each
 * frame: its data path is then one server with that service time, and frames wait in front of it.
 * Invariant: everything that happens is a function of the options and the seed.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import type { Profile } from "../../host/control-plane/profile.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Link } from "../../host/netif/link.ts";
import { Switch } from "../../host/netif/switch.ts";
import { Stack } from "../../host/stack.ts";
import { type Host, World } from "../../host/world.ts";
import { loadModule } from "../harness.ts";
import { counterOf, must } from "../stack-pair.ts";

/** One machine's TCP. */
export interface Machine {
  readonly profile: Profile;
  /** TCP_CONGESTION; left out: the profile's. */
  readonly congestion?: string;
  /** Service time of the data path, a frame in or out; 0: it takes no time. */
  readonly nsPerFrame: number;
}

export interface NetworkOptions {
  readonly seed: number;
  readonly machine: Machine;
  readonly connections: number;
  /** Of both machines' NICs, bits/s. */
  readonly lineRate: number;
  /** Of the switch's port towards the server; default the line rate. */
  readonly portRate?: number;
  /** One way, ns. */
  readonly delay: number;
  /** Of the switch's port towards the server. */
  readonly portQueue: { readonly bytes: number; readonly markBytes?: number };
  /** Socket buffers, bytes. */
  readonly buffer: number;
}

const ADDRESSES = ["10.0.0.1", "10.0.0.2"] as const;
const PORT = 5001;
/** A NIC's own queue: a full one takes credit from the stack and drops nothing. */
export const NIC_QUEUE_BYTES = 32 * 1024;
/** Of the switch's port towards the client: only ACKs and short answers go there. */
const BACK_QUEUE_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 8192;
/** Beside those of a buffer's bytes: one that they begin within, and the list. */
const CHUNKS_MORE = 2;
/** A connection's first window takes at most half of what is free: with this much it gets all. */
const ARENA_SPARE = 2;
/** A handshake that takes longer has failed. */
const HANDSHAKE_NS = 1e9;

/** A stack whose data path is busy for a while after each poll. */
class SimulatedHost implements Host {
  readonly stack: Stack;
  readonly #nsPerFrame: number;
  #busyUntil = 0;
  #more = false;

  constructor(stack: Stack, nsPerFrame: number) {
    this.stack = stack;
    this.#nsPerFrame = nsPerFrame;
  }

  poll(now: number): boolean {
    if (now < this.#busyUntil) return false;
    const before = this.#frames();
    this.#more = this.stack.poll(now);
    this.#busyUntil = now + (this.#frames() - before) * this.#nsPerFrame;
    return this.#more && this.#busyUntil === now;
  }

  nextDeadline(): number {
    return this.#more ? this.#busyUntil : Math.max(this.#busyUntil, this.stack.nextDeadline());
  }

  #frames(): number {
    return counterOf(this.stack, Counter.FramesIn) + counterOf(this.stack, Counter.FramesOut);
  }
}

/** Both machines with their connections, established without loss. */
export class SimulatedNetwork {
  readonly world: World;
  readonly client: Stack;
  readonly server: Stack;
  /** Client to switch, and switch to server. */
  readonly up: Link;
  readonly down: Link;
  /** Index i of one is joined to index i of the other. */
  readonly clientFds: number[] = [];
  readonly serverFds: number[] = [];
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.world = new World({ seed: options.seed });
    const { lineRate, portQueue } = options;
    const portRate = options.portRate ?? lineRate;
    const nic = { rate: lineRate, queue: { bytes: NIC_QUEUE_BYTES }, backpressure: true };
    const common = { delay: options.delay / 2 };
    const back = { rate: lineRate, queue: { bytes: BACK_QUEUE_BYTES }, backpressure: false };
    // Links carry names that no host has: a busy host must not be polled at each arrival.
    this.up = this.world.addLink({
      a: "client NIC",
      b: "port 0",
      ...common,
      ...nic,
      reverse: { ...back, ...common },
    });
    this.down = this.world.addLink({
      a: "port 1",
      b: "server NIC",
      ...common,
      rate: portRate,
      queue: portQueue,
      reverse: { ...nic, ...common },
    });
    this.world.addHost("switch", new Switch([this.up.ends[1], this.down.ends[0]]));
    this.client = this.#machine(0);
    this.server = this.#machine(1);
    this.#connect();
  }

  #machine(side: 0 | 1): Stack {
    const { machine, connections, buffer } = this.#options;
    const name = side === 0 ? "client" : "server";
    const netif = side === 0 ? this.up.ends[0] : this.down.ends[1];
    const chunks = 2 * ARENA_SPARE * (Math.ceil(buffer / CHUNK_BYTES) + CHUNKS_MORE);
    const stack = new Stack({
      module: loadModule("flextoe.wasm"),
      name,
      profile: machine.profile,
      entropy: this.world.entropy(name),
      netifs: [{ netif, addresses: [`${ADDRESSES[side]}/24`] }],
      layout: {
        connections: connections + 16,
        chunkBytes: CHUNK_BYTES,
        payloadBytes: (connections + 16) * chunks * CHUNK_BYTES,
      },
    });
    this.world.addHost(name, new SimulatedHost(stack, machine.nsPerFrame));
    return stack;
  }

  #socket(toe: LibToe): number {
    const { buffer, machine } = this.#options;
    const fd = must(toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0), "socket");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, buffer), "SO_RCVBUF");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, buffer), "SO_SNDBUF");
    must(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, 1), "TCP_NODELAY");
    const { congestion } = machine;
    if (congestion !== undefined) {
      must(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, congestion), "TCP_CONGESTION");
    }
    return fd;
  }

  /** One after the other, so that index i meets index i. */
  #connect(): void {
    const { toe } = this.server;
    const listener = this.#socket(toe);
    const server = { address: ADDRESSES[1], port: PORT };
    must(toe.bind(listener, server), "bind");
    must(toe.listen(listener, 16), "listen");
    for (let i = 0; i < this.#options.connections; i += 1) {
      const fd = this.#socket(this.client.toe);
      // -EINPROGRESS: the handshake runs in virtual time.
      this.client.toe.connect(fd, server);
      this.clientFds.push(fd);
      this.serverFds.push(this.#accept(listener));
    }
  }

  #accept(listener: number): number {
    const end = this.world.now + HANDSHAKE_NS;
    for (;;) {
      const fd = this.server.toe.accept(listener);
      if (fd >= 0) return fd;
      if (this.world.now > end || !this.world.step()) {
        throw new Error(`lab: expected a handshake within ${HANDSHAKE_NS} ns, got none`);
      }
    }
  }

  /** From now on each frame is lost at the switch with this probability, in both directions. */
  lose(probability: number): void {
    this.down.setFaults(0, { loss: probability });
    this.down.setFaults(1, { loss: probability });
  }

  /** Runs for `ns` of virtual time. */
  pass(ns: number): void {
    this.world.run(this.world.now + ns);
  }

  /** A counter of both machines together. */
  count(counter: Counter): number {
    return counterOf(this.client, counter) + counterOf(this.server, counter);
  }
}
