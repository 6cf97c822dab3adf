/**
 * A client of the echo benchmark with a stack on its cores, whatever the server is: what it has
 * sent and received of each connection. Offsets count from the start of each direction.
 */
import type { EchoStack } from "./echo.ts";
import type { StackHost } from "./stack-host.ts";

/** A segment of the client as its last bit leaves the cable; `acked`: of the responses. */
export type ClientSegment = (
  connection: number,
  offset: number,
  length: number,
  acked: number,
) => void;

export class StackClient implements EchoStack {
  readonly connections: number;
  readonly #host: StackHost;
  readonly #bytes: number;
  readonly #send: ClientSegment;
  readonly #next: Float64Array;
  readonly #received: Float64Array;
  readonly #answered: (() => void)[] = [];

  constructor(host: StackHost, connections: number, bytes: number, send: ClientSegment) {
    this.connections = connections;
    this.#host = host;
    this.#bytes = bytes;
    this.#send = send;
    this.#next = new Float64Array(connections);
    this.#received = new Float64Array(connections);
  }

  request(connection: number, answered: () => void): void {
    this.#answered[connection] = answered;
    const offset = this.#next[connection] as number;
    this.#next[connection] = offset + this.#bytes;
    this.#host.request(connection, this.#bytes, () => {
      this.#send(connection, offset, this.#bytes, this.#received[connection] as number);
    });
  }

  /** What of the server's stream a connection has. */
  received(connection: number): number {
    return this.#received[connection] as number;
  }

  /** A response up to `end`; its ACK goes back at once, ACKs of requests are nobody's work. */
  response(connection: number, end: number): void {
    this.#received[connection] = end;
    this.#host.response(connection, this.#bytes, () =>
      (this.#answered[connection] as () => void)(),
    );
    this.#host.acknowledge(() => {
      const acked = this.#received[connection] as number;
      this.#send(connection, this.#next[connection] as number, 0, acked);
    });
  }
}
