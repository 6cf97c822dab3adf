/**
 * The echo benchmark of 5.5.1 over FlexTOE: clients with TAS, as the paper's, a switch that
 * forwards, the modelled NIC, and server cores that run sockets (Table 4.2).
 */
import type { EchoStack } from "../../host/modelled/laminar/echo.ts";
import { Lane } from "../../host/modelled/laminar/lane.ts";
import { StackClient } from "../../host/modelled/laminar/stack-client.ts";
import type { StackHost } from "../../host/modelled/laminar/stack-host.ts";
import { anchor } from "./anchors.ts";
import type { FlexToeHost } from "./flextoe-host.ts";
import { forwardNs, HOST_GHZ, type Testbed, WIRE_NS } from "./laminar-setting.ts";

/** From one end's cable to the other's: the switch only forwards. */
export function pathNs(): number {
  return forwardNs() + WIRE_NS;
}

/** Ns of a server core for a request: sockets and what is not the application (Table 4.2). */
export function flextoeSocketsNs(): number {
  const kilo = ["sockets", "other"].map((part) => anchor(`t4.2.flextoe.${part}.kcycles`).value);
  return (kilo.reduce((a, b) => a + b) * 1000) / HOST_GHZ;
}

/** An application that answers each request of `bytes` on one of its cores. */
export function flextoeServer(bed: Testbed, host: FlexToeHost, cores: number, bytes: number): void {
  const lanes = Array.from({ length: cores }, () => new Lane(bed.simulation));
  const ns = flextoeSocketsNs();
  const asked = new Map<number, number>();
  host.reader = (flow, readable) => {
    let left = (asked.get(flow) ?? 0) + readable;
    for (; left >= bytes; left -= bytes) {
      (lanes[flow % cores] as Lane).serve(ns, 0, () => host.update(flow, bytes, bytes));
    }
    asked.set(flow, left);
  };
}

/** Clients on flows 1 to `connections`; frames of other flows are `others`'. */
export function flextoeEcho(
  bed: Testbed,
  host: FlexToeHost,
  client: StackHost,
  connections: number,
  bytes: number,
): EchoStack {
  const echo = new StackClient(client, connections, bytes, (connection, offset, length, acked) => {
    host.receive({ flow: connection + 1, offset, length, acked, marked: false }, pathNs());
  });
  const others = host.out;
  host.out = (segment) => {
    const { flow, offset, length } = segment;
    if (flow > connections) others(segment);
    else if (length > 0) {
      bed.simulation.after(pathNs(), () => echo.response(flow - 1, offset + length));
    }
  };
  return echo;
}
