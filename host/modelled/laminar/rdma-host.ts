/**
 * A host of the testbed (dissertation 5.4, 5.5): a 100G RDMA NIC, a lane for each direction, and
 * application cores. With Laminar the switch's port is at its other end; with plain RDMA a peer is.
 */
import type { Prng } from "../../prng.ts";
import type { Simulation } from "../simulation.ts";
import type { EchoHost } from "./forwarded-echo.ts";
import { Lane, type Noise, noisy } from "./lane.ts";
import {
  type Delivery,
  type Packet,
  packetOf,
  type Port,
  rdmaFrameBytes,
  type RmtSwitch,
} from "./rmt-switch.ts";

export interface HostOptions {
  readonly cores: number;
  /** Of the NIC, a message in one direction. */
  readonly messageNs: number;
  readonly gbps: number;
  /** From the doorbell to the wire, and from the wire to a completion that the core sees. */
  readonly sendNs: number;
  readonly receiveNs: number;
  /** Cable and MACs. */
  readonly wireNs: number;
  /** A core's work for a message in and the one that answers it; for a completion alone. */
  readonly coreNs: number;
  readonly completionNs: number;
  /** Ns of a copied byte; 0 with the zero-copy interface. */
  readonly copyNs: number;
  /** The NIC pauses the switch when it is so far behind (PFC), until half of it. */
  readonly pauseNs: number;
  readonly noise: Noise;
}

/** NIC and cores. */
export class RdmaHost implements EchoHost {
  readonly simulation: Simulation;
  readonly options: HostOptions;
  readonly sending: Lane;
  readonly receiving: Lane;
  readonly cores: readonly Lane[];
  readonly #prng: Prng;
  /** A context each (5.4): connections are given to cores in turn. */
  readonly #owners = new Map<number, Lane>();

  constructor(simulation: Simulation, options: HostOptions, prng: Prng) {
    this.simulation = simulation;
    this.options = options;
    this.sending = new Lane(simulation);
    this.receiving = new Lane(simulation);
    this.cores = Array.from({ length: options.cores }, () => new Lane(simulation));
    this.#prng = prng;
  }

  #message(bytes: number): number {
    const { messageNs, gbps } = this.options;
    return Math.max(messageNs, (rdmaFrameBytes(bytes) * 8) / gbps);
  }

  /** A message through the NIC and over the cable. */
  post(bytes: number, out: () => void): void {
    const { sendNs, wireNs } = this.options;
    this.sending.serve(this.#message(bytes), sendNs + wireNs, out);
  }

  /** A message out of the cable: `done` when a core may see it. */
  take(bytes: number, done: () => void): void {
    const { receiveNs, wireNs } = this.options;
    this.receiving.serve(this.#message(bytes), wireNs + receiveNs, done);
  }

  request(connection: number, bytes: number, out: () => void): void {
    this.work(connection, 0.5, bytes, () => this.post(bytes, out));
  }

  serve(connection: number, bytes: number, out: () => void): void {
    this.take(bytes, () => this.work(connection, 1, bytes, () => this.post(bytes, out)));
  }

  response(connection: number, bytes: number, done: () => void): void {
    this.take(bytes, () => this.work(connection, 0.5, bytes, done));
  }

  /** Work of the core that owns the connection, with copies of `bytes`. */
  work(connection: number, share: number, bytes: number, done: () => void): void {
    this.#serve(connection, this.options.coreNs * share, bytes, done);
  }

  /** A completion alone, with copies of `bytes`. */
  complete(connection: number, bytes: number, done: () => void): void {
    this.#serve(connection, this.options.completionNs, bytes, done);
  }

  #serve(connection: number, ns: number, bytes: number, done: () => void): void {
    const { copyNs, noise } = this.options;
    const whole = noisy(ns + bytes * copyNs, noise, this.#prng);
    this.#owner(connection).serve(whole, 0, done);
  }

  #owner(connection: number): Lane {
    const known = this.#owners.get(connection);
    if (known !== undefined) return known;
    const core = this.cores[this.#owners.size % this.cores.length] as Lane;
    this.#owners.set(connection, core);
    return core;
  }
}

/** What the application of a host does with payload. */
export type Reader = (connection: number, packet: Packet) => void;

/** libTOE over that host: what it has sent, what was read, SYNC at a quarter of the buffer. */
export class LaminarHost implements Port {
  readonly host: RdmaHost;
  readonly port: number;
  readonly #switch: RmtSwitch;
  readonly #window: number;
  readonly #next = new Map<number, number>();
  readonly #read = new Map<number, number>();
  #paused = false;
  /** Called with payload for libTOE. */
  reader: Reader = () => {};
  /** SYNC and fast retransmission. */
  control: (packet: Packet, event: Delivery) => void = () => {};

  constructor(to: RmtSwitch, host: RdmaHost, window: number) {
    this.#switch = to;
    this.host = host;
    this.#window = window;
    this.port = to.attach(this);
  }

  open(connection: number, first: number): void {
    this.#next.set(connection, first);
    this.#read.set(connection, 0);
  }

  /** Pushes `length` bytes at libTOE's head (5.3.2.2). */
  push(connection: number, length: number, stamp: number): void {
    const seq = this.#next.get(connection) as number;
    this.#next.set(connection, (seq + length) >>> 0);
    this.pushAt(connection, seq, length, stamp);
  }

  /** Pushes a segment that begins at `seq`. */
  pushAt(connection: number, seq: number, length: number, stamp: number): void {
    const kind = this.#switch.program.kinds.TX;
    const packet = packetOf(connection, { kind, seq, length, stamp });
    this.host.post(length, () => this.#switch.fromHost(packet));
  }

  deliver(packet: Packet, event: Delivery): void {
    this.host.take(packet.length, () => {
      if (event === "data") this.reader(packet.connection, packet);
      else this.control(packet, event);
    });
    this.#backpressure();
  }

  #backpressure(): void {
    const { pauseNs } = this.host.options;
    if (this.#paused || this.host.receiving.behind < pauseNs) return;
    this.#paused = true;
    this.#switch.pause(this.port, true);
    this.host.simulation.after(this.host.receiving.behind - pauseNs / 2, () => {
      this.#paused = false;
      this.#switch.pause(this.port, false);
    });
  }

  /** The application has read: window is given back by the quarter (5.3.1.7). */
  freed(connection: number, length: number): void {
    const read = (this.#read.get(connection) as number) + length;
    if (read < this.#window / 4) {
      this.#read.set(connection, read);
      return;
    }
    this.#read.set(connection, 0);
    const packet = packetOf(connection, { kind: this.#switch.program.kinds.SYNC, value: read });
    this.host.post(0, () => this.#switch.fromHost(packet));
  }
}
