/**
 * Echoes between hosts that all have Laminar on one switch (recirculation), and from clients with
 * a stack on their cores. Every packet goes through the stage program.
 */
import type { Prng } from "../../prng.ts";
import type { EchoStack } from "./echo.ts";
import { LaminarHost, RdmaHost, type HostOptions } from "./rdma-host.ts";
import { type Packet, packetOf, type RmtSwitch } from "./rmt-switch.ts";
import { StackClient } from "./stack-client.ts";
import type { StackHost } from "./stack-host.ts";
import { offsetOf, seqAt } from "./stream-offset.ts";

/** Bytes of a connection's buffers. */
const BUFFER = 65_536;
/** Credits of a connection when it begins. */
const CREDITS = 1 << 20;
/** Sequence numbers begin anywhere: here shortly before they wrap. */
const FIRST = 0xffffff00;

export interface EchoPair {
  readonly client: LaminarHost;
  readonly server: LaminarHost;
}

/** Opens rows `connection` of the switch's program. */
function open(to: RmtSwitch, host: LaminarHost, connection: number): void {
  to.program.open(connection, FIRST, BUFFER, CREDITS, BUFFER);
  host.open(connection, FIRST);
}

/** Hosts of one kind on a switch. */
export function laminarHosts(
  to: RmtSwitch,
  count: number,
  options: HostOptions,
  prng: Prng,
): LaminarHost[] {
  return Array.from({ length: count }, (_, i) => {
    const host = new RdmaHost(to.simulation, options, prng.fork(`host ${i}`));
    return new LaminarHost(to, host, BUFFER);
  });
}

/** The server: reads a request, answers it. */
export function echoServer(host: LaminarHost): void {
  host.reader = (connection, { length, stamp }) => {
    host.host.work(connection, 1, 2 * length, () => {
      host.freed(connection, length);
      host.push(connection, length, stamp);
    });
  };
}

/** Laminar on both ends: connection i has the rows 2 i + 1 and 2 i + 2. */
export class LaminarEcho implements EchoStack {
  readonly connections: number;
  readonly #pairs: readonly EchoPair[];
  readonly #bytes: number;
  readonly #answered = new Map<number, () => void>();

  constructor(to: RmtSwitch, pairs: readonly EchoPair[], connections: number, bytes: number) {
    this.connections = connections;
    this.#pairs = pairs;
    this.#bytes = bytes;
    for (let i = 0; i < connections; i += 1) {
      const { client, server } = this.#pair(i);
      const [near, far] = [2 * i + 1, 2 * i + 2];
      open(to, client, near);
      open(to, server, far);
      to.connect(near, client.port, far, 0);
      to.connect(far, server.port, near, 0);
    }
    for (const { client, server } of pairs) {
      this.#serve(server);
      this.#serve(client);
    }
  }

  #pair(i: number): EchoPair {
    return this.#pairs[i % this.#pairs.length] as EchoPair;
  }

  /** A host may be client and server: rows with a request under way are clients' ends. */
  #serve(host: LaminarHost): void {
    echoServer(host);
    const serve = host.reader;
    host.reader = (connection, packet) => {
      if (this.#answered.has(connection)) this.#response(host, connection, packet);
      else serve(connection, packet);
    };
    host.control = ({ connection }) => host.host.complete(connection, 0, () => {});
  }

  #response(host: LaminarHost, connection: number, { length }: Packet): void {
    host.host.work(connection, 0.5, length, () => {
      host.freed(connection, length);
      (this.#answered.get(connection) as () => void)();
    });
  }

  request(connection: number, answered: () => void): void {
    const { client } = this.#pair(connection);
    const near = 2 * connection + 1;
    this.#answered.set(near, answered);
    client.host.work(near, 0.5, this.#bytes, () => client.push(near, this.#bytes, 0));
  }
}

/** A client with a stack on its cores, servers with Laminar: rows from `first` on. */
export function hybridEcho(
  to: RmtSwitch,
  host: StackHost,
  servers: readonly LaminarHost[],
  connections: number,
  bytes: number,
  first: number,
): EchoStack {
  const client = new StackClient(host, connections, bytes, (connection, offset, length, acked) => {
    const ack = seqAt(acked, FIRST);
    const edge = (ack + BUFFER) >>> 0;
    const fields = { seq: seqAt(offset, FIRST), length, ack, edge, hasAck: 1 };
    to.fromWire(packetOf(first + connection, fields));
  });
  const deliver = ({ connection, seq, length, kind }: Packet): void => {
    const i = connection - first;
    if (kind !== to.program.kinds.TX) return;
    client.response(i, offsetOf(seq, client.received(i), FIRST) + length);
  };
  const at = to.attach({ deliver });
  for (let i = 0; i < connections; i += 1) {
    const server = servers[i % servers.length] as LaminarHost;
    open(to, server, first + i);
    to.connect(first + i, server.port, 0, at);
  }
  return client;
}
