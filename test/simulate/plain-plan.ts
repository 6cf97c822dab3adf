/** A plan that is well by itself, for the tests that break it, and how they break it. */
import type { ConnectionInfo } from "../../host/control-plane/interface.ts";
import type { Stack } from "../../host/stack.ts";
import { dataPathUnderTest } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { drawPlan } from "./draw.ts";
import type { EndPlan, Plan } from "./plan.ts";
import { simulate, type SimulationOptions } from "./simulation.ts";

export const END: EndPlan = {
  bytes: 60_000,
  write: 8000,
  read: 8000,
  writePause: 0,
  readPause: 0,
  idle: 0,
  more: false,
  peek: false,
  mode: "close",
  endAt: 0,
  options: [],
};

/** Two hosts, one connection, bytes both ways; `change` makes it another. */
export function plainPlan(change: Partial<Plan> = {}): Plan {
  const host = {
    profile: "internet" as const,
    layout: { connections: 8, payloadBytes: 4 << 20 },
    sequences: [0xfffffff0],
    port: 80,
    backlog: 4,
    options: [],
    acceptAt: 0,
  };
  return {
    ...drawPlan(1, dataPathUnderTest()),
    calm: false,
    medium: "ip",
    mtu: 1500,
    star: false,
    hosts: [
      { ...host, name: "host0" },
      { ...host, name: "host1" },
    ],
    links: [
      { options: { medium: "ip", mtu: 1500, rate: 1e8, delay: 1e6 }, faults: [{}, {}], strip: [] },
    ],
    connections: [{ from: 0, to: 1, at: 0, client: END, server: END }],
    timeline: [],
    simultaneous: [],
    shortages: [],
    lookEvery: 64,
    faultsEnd: 2e9,
    ...change,
  };
}

export const LOSSY: Partial<Plan> = {
  links: [
    {
      options: { medium: "ip", mtu: 1500, rate: 1e8, delay: 1e6 },
      faults: [{ loss: 0.05 }, { loss: 0.05 }],
      strip: [],
    },
  ],
};

/** Invariants that a run violates. */
export function broken(plan: Partial<Plan>, options: SimulationOptions): string[] {
  const { violations } = simulate(loadModule(), plainPlan(plan), options);
  return violations.map(({ invariant }) => invariant);
}

/** Every connection in other words. */
export function misreport(change: (info: ConnectionInfo) => Partial<ConnectionInfo>) {
  return (stack: Stack): void => {
    const { control } = stack;
    stack.connections = () => control.connections().map((info) => ({ ...info, ...change(info) }));
  };
}
