/**
 * Echoes between hosts of one kind over a switch that only forwards: plain RDMA and stacks on host
 * cores. What a host does for a message is its own.
 */
import type { Simulation } from "../simulation.ts";
import type { EchoStack } from "./echo.ts";

/** A host of the echo benchmark; `out` runs as the frame leaves its cable. */
export interface EchoHost {
  /** The client's application sends. */
  request(connection: number, bytes: number, out: () => void): void;
  /** A request out of the cable: the server reads it and answers. */
  serve(connection: number, bytes: number, out: () => void): void;
  /** A response out of the cable: `done` when the client's application has read it. */
  response(connection: number, bytes: number, done: () => void): void;
}

export class ForwardedEcho implements EchoStack {
  readonly connections: number;
  readonly #simulation: Simulation;
  readonly #clients: readonly EchoHost[];
  readonly #server: EchoHost;
  readonly #forwardNs: number;
  readonly #bytes: number;

  constructor(
    simulation: Simulation,
    clients: readonly EchoHost[],
    server: EchoHost,
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
    const client = this.#clients[connection % this.#clients.length] as EchoHost;
    const bytes = this.#bytes;
    const forward = (then: () => void): void => this.#simulation.after(this.#forwardNs, then);
    const back = (): void => client.response(connection, bytes, answered);
    const serve = (): void => this.#server.serve(connection, bytes, () => forward(back));
    client.request(connection, bytes, () => forward(serve));
  }
}
