/**
 * What the modelled experiments share beside a machine: the workloads' constants with their
 * sources, and the `given` part of a report. One of them is calibrated: the time of network and
 * client, to the 20 us of Figure 4.12.
 */
import { constantsOf, type Machine } from "../../host/modelled/machine.ts";
import type { Given } from "./experiment.ts";
import type { RpcPlan, RpcModules } from "./modelled-rpc.ts";

/** Payload of a full segment with timestamps: MTU 1500 less 40 and 12 bytes. */
export const SEGMENT_BYTES = 1448;
/** Host clock in cycles a ns: Xeon Gold 6138 at 2 GHz (4.5). */
export const HOST_CYCLES_PER_NS = 2;
/** Sockets of one request: 0.74 kcycles (Table 4.2). */
export const SOCKETS_CYCLES = 740;
/** Network and client of one request; fitted so that Figure 4.12's median of 64 B is 20 us. */
export const CLIENT_NS = 4_400;

export const SETTING: readonly Given[] = [
  { name: "segment", value: `${SEGMENT_BYTES} B`, source: "MTU 1500, timestamps" },
  {
    name: "sockets of the server",
    value: `${SOCKETS_CYCLES} cycles at ${HOST_CYCLES_PER_NS} GHz a request`,
    source: "paper: Table 4.2, 4.5",
  },
  {
    name: "network and client",
    value: `${CLIENT_NS} ns a request`,
    source: "fitted: median of 64 B RPCs in Figure 4.12, 20 us",
  },
];

/** A machine's constants as a report prints them. */
export function machineGiven(machine: Machine): Given[] {
  return constantsOf(machine).map(([name, { value, origin, source }]) => ({
    name: `${machine.name} ${name}`,
    value: String(value),
    source: `${origin}: ${source}`,
  }));
}

/** The machine with all threads of the flow scheduler taking turns: how much hangs on that. */
export function manyTurns(machine: Machine): Machine {
  const { threads } = machine;
  const source = "to see how much hangs on turnsAtOnce";
  return { ...machine, turnsAtOnce: { value: threads.value, origin: "assumed", source } };
}

/** A closed loop of echoes; what an experiment varies is its own. */
export function echoPlan(
  modules: RpcModules,
  choice: Pick<RpcPlan, "machine" | "placement" | "flows" | "requestBytes" | "rpcs" | "seed"> &
    Partial<RpcPlan>,
): RpcPlan {
  return {
    modules,
    responseBytes: choice.requestBytes,
    mss: SEGMENT_BYTES,
    inFlight: 1,
    clientNs: CLIENT_NS,
    serverNs: SOCKETS_CYCLES / HOST_CYCLES_PER_NS,
    hostCores: Number.POSITIVE_INFINITY,
    warmUp: Math.min(2000, 8 * choice.flows),
    ...choice,
  };
}
