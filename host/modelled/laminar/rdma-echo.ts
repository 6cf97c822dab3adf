/** The echo benchmark over plain RDMA: the same NICs and cores, a switch that only forwards. */
import type { Simulation } from "../simulation.ts";
import type { EchoStack } from "./echo.ts";
import type { RdmaHost } from "./rdma-host.ts";

export class RdmaEcho implements EchoStack {
  readonly connections: number;
  readonly #simulation: Simulation;
  readonly #clients: readonly RdmaHost[];
  readonly #server: RdmaHost;
  readonly #forwardNs: number;
  readonly #bytes: number;

  constructor(
    simulation: Simulation,
    clients: readonly RdmaHost[],
    server: RdmaHost,
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

  #send(from: RdmaHost, to: RdmaHost, connection: number, share: number, read: () => void): void {
    const bytes = this.#bytes;
    from.post(bytes, () =>
      this.#simulation.after(this.#forwardNs, () =>
        to.take(bytes, () => to.work(connection, share, bytes, read)),
      ),
    );
  }

  request(connection: number, answered: () => void): void {
    const client = this.#clients[connection % this.#clients.length] as RdmaHost;
    client.work(connection, 0.5, this.#bytes, () =>
      this.#send(client, this.#server, connection, 1, () =>
        this.#send(this.#server, client, connection, 0.5, answered),
      ),
    );
  }
}
