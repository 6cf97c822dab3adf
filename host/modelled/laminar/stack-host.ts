/**
 * The baseline: TCP run to completion on host cores (TAS: cores of its own; Linux: the
 * application's). A segment takes its core until it is done, and waits for nobody else.
 */
import type { Prng } from "../../prng.ts";
import type { Simulation } from "../simulation.ts";
import type { EchoStack } from "./echo.ts";
import { Lane, type Noise, noisy } from "./lane.ts";
import { tcpFrameBytes } from "./rmt-switch.ts";

export interface StackOptions {
  /** Cores of the stack; 0: the application's do its work too. */
  readonly stackCores: number;
  readonly applicationCores: number;
  /** Ns of the stack for a request in and a response out; of sockets for both. */
  readonly stackNs: number;
  readonly socketsNs: number;
  /** Ns of a byte that is copied between network buffer and application, each way. */
  readonly copyNs: number;
  /** From a frame in memory to the stack that sees it: polling, or an interrupt and a wake-up. */
  readonly wakeNs: number;
  readonly gbps: number;
  readonly sendNs: number;
  readonly receiveNs: number;
  readonly wireNs: number;
  readonly noise: Noise;
}

export class StackHost {
  readonly options: StackOptions;
  readonly #sending: Lane;
  readonly #receiving: Lane;
  readonly #stack: readonly Lane[];
  readonly #application: readonly Lane[];
  readonly #prng: Prng;

  constructor(simulation: Simulation, options: StackOptions, prng: Prng) {
    const lanes = (length: number): Lane[] => Array.from({ length }, () => new Lane(simulation));
    this.options = options;
    this.#sending = new Lane(simulation);
    this.#receiving = new Lane(simulation);
    this.#application = lanes(options.applicationCores);
    this.#stack = options.stackCores === 0 ? this.#application : lanes(options.stackCores);
    this.#prng = prng;
  }

  #noisy(ns: number): number {
    return noisy(ns, this.options.noise, this.#prng);
  }

  #core(lanes: readonly Lane[], connection: number): Lane {
    // Spread by a hash, as TAS does: connections do not fall on cores one by one.
    return lanes[(Math.imul(connection + 1, 0x9e3779b1) >>> 8) % lanes.length] as Lane;
  }

  /** Sockets and half of the stack's work, then the NIC. */
  transmit(connection: number, bytes: number, out: () => void): void {
    const { stackNs, socketsNs, copyNs } = this.options;
    const application = this.#core(this.#application, connection);
    application.serve(this.#noisy(socketsNs / 2 + bytes * copyNs), 0, () => {
      const stack = this.#core(this.#stack, connection);
      stack.serve(this.#noisy(stackNs / 2), 0, () => this.#frame(bytes, out));
    });
  }

  /** A segment of a stream: `segmentNs` of the stack's core, then the application reads it. */
  absorb(connection: number, bytes: number, segmentNs: number, done: () => void): void {
    const { gbps, receiveNs, wireNs, copyNs } = this.options;
    const serial = (tcpFrameBytes(bytes) * 8) / gbps;
    this.#receiving.serve(serial, wireNs + receiveNs, () => {
      this.#core(this.#stack, connection).serve(this.#noisy(segmentNs), 0, () => {
        const application = this.#core(this.#application, connection);
        application.serve(this.#noisy(bytes * copyNs), 0, done);
      });
    });
  }

  #frame(bytes: number, out: () => void): void {
    const { gbps, sendNs, wireNs } = this.options;
    this.#sending.serve((tcpFrameBytes(bytes) * 8) / gbps, sendNs + wireNs, out);
  }

  /** An ACK alone: its work is counted with the request's. */
  acknowledge(out: () => void): void {
    const { receiveNs, wakeNs } = this.options;
    this.#receiving.serve(0, receiveNs + wakeNs, () => this.#frame(0, out));
  }

  /** A segment out of the cable; `done` when the application has read it. */
  receive(connection: number, bytes: number, done: () => void): void {
    const { gbps, receiveNs, wireNs, wakeNs, stackNs, socketsNs, copyNs } = this.options;
    const serial = (tcpFrameBytes(bytes) * 8) / gbps;
    this.#receiving.serve(serial, wireNs + receiveNs + this.#noisy(wakeNs), () => {
      const stack = this.#core(this.#stack, connection);
      stack.serve(this.#noisy(stackNs / 2), 0, () => {
        const application = this.#core(this.#application, connection);
        application.serve(this.#noisy(socketsNs / 2 + bytes * copyNs), 0, done);
      });
    });
  }
}

/** Echoes between hosts of a stack, over a switch that only forwards. */
export class StackEcho implements EchoStack {
  readonly connections: number;
  readonly #clients: readonly StackHost[];
  readonly #server: StackHost;
  readonly #simulation: Simulation;
  readonly #forwardNs: number;
  readonly #bytes: number;

  constructor(
    simulation: Simulation,
    clients: readonly StackHost[],
    server: StackHost,
    forwardNs: number,
    connections: number,
    bytes: number,
  ) {
    this.connections = connections;
    this.#simulation = simulation;
    this.#clients = clients;
    this.#server = server;
    this.#forwardNs = forwardNs;
    this.#bytes = bytes;
  }

  request(connection: number, answered: () => void): void {
    const client = this.#clients[connection % this.#clients.length] as StackHost;
    const server = this.#server;
    const bytes = this.#bytes;
    const forward = (then: () => void): void => this.#simulation.after(this.#forwardNs, then);
    client.transmit(connection, bytes, () =>
      forward(() =>
        server.receive(connection, bytes, () =>
          server.transmit(connection, bytes, () =>
            forward(() => client.receive(connection, bytes, answered)),
          ),
        ),
      ),
    );
  }
}
