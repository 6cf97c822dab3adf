/**
 * RPCs against a modelled NIC: clients that cost nothing (a batch core with the same flows) on a
 * wire of the machine's rate, an application on modelled host cores, a closed loop of requests.
 * What the experiments of 4.5.1 and 4.5.2 share.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Counter } from "../../bindings/abi/counters.ts";
import {
  ARX_CONNECTION,
  ARX_RX_BUMP,
  ARX_SIZE,
  ARX_TX_BUMP,
} from "../../bindings/abi/descriptor.ts";
import { CONTEXT_ARX_BASE, CONTEXT_ARX_CONSUMER } from "../../bindings/abi/descriptor.ts";
import { CONTEXT_ARX_MASK, CONTEXT_ARX_PRODUCER } from "../../bindings/abi/descriptor.ts";
import {
  CONTEXT_SIZE,
  FRAME_LENGTH,
  FRAME_OFFSET,
  FRAME_SIZE,
} from "../../bindings/abi/descriptor.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { createCore } from "../../bindings/core.ts";
import { countedModule } from "../../host/modelled/counted-core.ts";
import type { Machine } from "../../host/modelled/machine.ts";
import { type Disturbance, ModelledCore } from "../../host/modelled/modelled-core.ts";
import type { Placement } from "../../host/modelled/placement.ts";
import { Simulation } from "../../host/modelled/simulation.ts";
import type { StageCost } from "../../host/modelled/stage-table.ts";
import { Prng } from "../../host/prng.ts";
import { loadModule, repositoryRoot } from "../harness.ts";
import { FlowCore, flowLayout, type FlowPlan, HASH_KEY } from "../flow-cores.ts";
import { NicPort } from "./nic-port.ts";

/** Builds of the data path: the clients' and the modelled one, already counted. */
export interface RpcModules {
  readonly batch: WebAssembly.Module;
  readonly counted: WebAssembly.Module;
}

export interface RpcPlan {
  readonly modules: RpcModules;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly flows: number;
  readonly requestBytes: number;
  /** 0: the server only takes; a request is done when its application has it. */
  readonly responseBytes: number;
  readonly mss: number;
  /** Requests of one connection at once. */
  readonly inFlight: number;
  /** Network and client, from the last bit of a response to the first of the next request. */
  readonly clientNs: number;
  /** The application's time for a request, on each of its cores. */
  readonly serverNs: number;
  /** Cores of the application; Infinity: every request has one. */
  readonly hostCores: number;
  /** Requests that are not measured, and those that are. */
  readonly warmUp: number;
  readonly rpcs: number;
  readonly seed: number;
  readonly jitter?: number;
  readonly bufferShift?: number;
  readonly disturbance?: Disturbance;
  /** Sees every frame that the NIC sends. */
  readonly onFrame?: (frame: Uint8Array) => void;
}

export interface RpcResult {
  readonly rpcsPerSecond: number;
  /** Of requests, or of responses when they are the longer: what the paper counts. */
  readonly megabits: number;
  /** ns from the request's descriptor to the response's last byte. */
  readonly latencies: Float64Array;
  readonly utilisation: ReadonlyMap<string, number>;
  readonly costs: readonly StageCost[];
  readonly overtaken: readonly number[];
  /** Segments that came out of order, at the server and at the clients. */
  readonly outOfOrder: readonly [server: number, clients: number];
  readonly retransmissions: number;
}

/** Builds as they stand in build/. Throws Error when there is none. */
export function loadModules(): RpcModules {
  const path = join(repositoryRoot(), "build/flextoe.modelled.wasm");
  return { batch: loadModule("flextoe.wasm"), counted: countedModule(readFileSync(path)) };
}

/** The application's context. */
export const CONTEXT = 1;
/** Room for transmission that never ends. */
const CREDIT = 64;

/** Takes the notifications of an end: bytes that became readable, by flow, and bytes freed. */
export function readArx(
  end: FlowCore,
  each: (flow: number, readable: number, freed: number) => void,
): void {
  const { words, map } = end.core;
  const record = ((map.base.contextTable as number) + CONTEXT * CONTEXT_SIZE) >>> 2;
  const at = (offset: number): number => words[record + (offset >>> 2)] as number;
  let consumer = at(CONTEXT_ARX_CONSUMER);
  const producer = at(CONTEXT_ARX_PRODUCER);
  for (; consumer !== producer; consumer = (consumer + 1) >>> 0) {
    const slot = (consumer & at(CONTEXT_ARX_MASK)) * ARX_SIZE;
    const entry = (at(CONTEXT_ARX_BASE) + slot) >>> 2;
    const word = (offset: number): number => words[entry + (offset >>> 2)] as number;
    each(word(ARX_CONNECTION), word(ARX_RX_BUMP), word(ARX_TX_BUMP));
  }
  words[record + (CONTEXT_ARX_CONSUMER >>> 2)] = consumer;
}

/** The clients: one batch core, stepped as frames and requests come. */
class Clients {
  readonly end: FlowCore;
  readonly #simulation: Simulation;
  readonly #send: (frame: Uint8Array) => void;

  constructor(plan: RpcPlan, simulation: Simulation, send: (frame: Uint8Array) => void) {
    const flowPlan = flowPlanOf(plan);
    const core = createCore({
      module: plan.modules.batch,
      hashKey: HASH_KEY,
      layout: queueLayout(flowPlan),
    });
    this.end = new FlowCore(flowPlan, true, core);
    this.#simulation = simulation;
    this.#send = send;
  }

  receive(frame: Uint8Array): void {
    const { core } = this.end;
    core.bytes.set(frame, core.map.base.ingress as number);
    const row = (core.map.base.ingressTable as number) >>> 2;
    core.words[row + (FRAME_OFFSET >>> 2)] = 0;
    core.words[row + (FRAME_LENGTH >>> 2)] = frame.length;
    core.words[(core.address + M.CORE_INGRESS_COUNT) >>> 2] = 1;
    this.step();
  }

  step(): void {
    const { end } = this;
    const { core } = end;
    end.step(this.#simulation.now, CREDIT);
    const rows = (core.map.base.egressTable as number) >>> 2;
    for (let i = 0; i < end.word(M.CORE_EGRESS_COUNT); i += 1) {
      const row = rows + (i * FRAME_SIZE) / 4;
      const at = (core.map.base.egress as number) + (core.words[row] as number);
      this.#send(core.bytes.slice(at, at + (core.words[row + 1] as number)));
    }
    for (const offset of [M.CORE_EGRESS_COUNT, M.CORE_EGRESS_BYTES, M.CORE_EVENT_COUNT]) {
      core.words[(core.address + offset) >>> 2] = 0;
    }
  }
}

function flowPlanOf(plan: RpcPlan): FlowPlan {
  const { flows, mss, bufferShift } = plan;
  const shift = bufferShift === undefined ? {} : { bufferShift };
  return { module: plan.modules.batch, flows, payload: mss, ...shift };
}

/** A layout for a plan's flows, with queues for two descriptors of each. */
export function queueLayout(plan: FlowPlan): ReturnType<typeof flowLayout> {
  let queueDescriptors = 1024;
  while (queueDescriptors < plan.flows * 2 && queueDescriptors < 65536) queueDescriptors *= 2;
  return { ...flowLayout(plan), queueDescriptors };
}

/** One run: the server's NIC, its application, the clients and the wire between them. */
class RpcRun {
  readonly plan: RpcPlan;
  readonly simulation = new Simulation();
  readonly nic: ModelledCore;
  readonly #server: FlowCore;
  readonly #clients: Clients;
  readonly #sent: number[][];
  readonly #answered: Float64Array;
  readonly #asked: Float64Array;
  /** Bytes read whose credit the ring had no room for. */
  readonly #owed: Float64Array;
  readonly latencies: number[] = [];
  done = 0;
  readonly #port: NicPort;
  readonly #hostFree: number[];

  constructor(plan: RpcPlan) {
    this.plan = plan;
    const { simulation } = this;
    this.nic = new ModelledCore({
      simulation,
      module: plan.modules.counted,
      machine: plan.machine,
      placement: plan.placement,
      hashKey: HASH_KEY,
      layout: queueLayout(flowPlanOf(plan)),
      seed: plan.seed,
      ...(plan.jitter === undefined ? {} : { jitter: plan.jitter }),
      ...(plan.disturbance === undefined ? {} : { disturbance: plan.disturbance }),
      ports: { frame: (bytes) => this.#toClients(bytes), told: () => this.#serve() },
    });
    this.#port = new NicPort(simulation, this.nic);
    this.#server = new FlowCore(flowPlanOf(plan), false, this.nic.nic.counted.core);
    const half = plan.clientNs / 2;
    this.#clients = new Clients(plan, simulation, (frame) => this.#port.send(frame, half));
    this.#sent = Array.from({ length: plan.flows + 1 }, () => []);
    this.#answered = new Float64Array(plan.flows + 1);
    this.#asked = new Float64Array(plan.flows + 1);
    this.#owed = new Float64Array(plan.flows + 1);
    this.#hostFree = Number.isFinite(plan.hostCores)
      ? new Array<number>(plan.hostCores).fill(0)
      : [];
  }

  /** What reordering did to TCP. */
  disorder(): Pick<RpcResult, "outOfOrder" | "retransmissions"> {
    const ends = [this.#server, this.#clients.end] as const;
    const [server, clients] = ends.map((end) => end.counter(Counter.OutOfOrderPlaced));
    const again = ends.map((end) => end.counter(Counter.Retransmissions));
    return {
      outOfOrder: [server as number, clients as number],
      retransmissions: (again[0] as number) + (again[1] as number),
    };
  }

  /** Requests start within the first microseconds, not all at once. */
  start(): void {
    const prng = new Prng(this.plan.seed).fork("start");
    for (let flow = 1; flow <= this.plan.flows; flow += 1) {
      for (let i = 0; i < this.plan.inFlight; i += 1) {
        this.simulation.after(prng.float() * 20_000, () => this.#request(flow, 0));
      }
    }
  }

  #request(flow: number, credit: number): void {
    (this.#sent[flow] as number[]).push(this.simulation.now);
    this.#clients.end.describe(flow, credit, this.plan.requestBytes);
    this.#clients.end.ring();
    this.#clients.step();
  }

  #toClients(bytes: Uint8Array): void {
    const frame = bytes.slice();
    this.plan.onFrame?.(frame);
    this.simulation.after(this.plan.clientNs / 2, () => {
      this.#clients.receive(frame);
      readArx(this.#clients.end, (flow, readable) => this.#answer(flow, readable));
    });
  }

  #answer(flow: number, readable: number): void {
    const { responseBytes } = this.plan;
    this.#answered[flow] = (this.#answered[flow] as number) + readable;
    while (responseBytes > 0 && (this.#answered[flow] as number) >= responseBytes) {
      this.#answered[flow] = (this.#answered[flow] as number) - responseBytes;
      this.#finish(flow, responseBytes);
    }
  }

  /** The application: whole requests, each a while on one of its cores. */
  #serve(): void {
    readArx(this.#server, (flow, readable) => {
      this.#asked[flow] = (this.#asked[flow] as number) + readable;
      while ((this.#asked[flow] as number) >= this.plan.requestBytes) {
        this.#asked[flow] = (this.#asked[flow] as number) - this.plan.requestBytes;
        this.simulation.at(this.#hostTime(flow), () => this.#respond(flow));
      }
    });
  }

  /** When the flow's core has done with the request. */
  #hostTime(flow: number): number {
    const { serverNs } = this.plan;
    if (this.#hostFree.length === 0) return this.simulation.now + serverNs;
    const core = flow % this.#hostFree.length;
    const end = Math.max(this.simulation.now, this.#hostFree[core] as number) + serverNs;
    this.#hostFree[core] = end;
    return end;
  }

  #respond(flow: number): void {
    const { requestBytes, responseBytes } = this.plan;
    const credit = (this.#owed[flow] as number) + requestBytes;
    // A NIC that is behind leaves the ring full: what was read then goes with the next descriptor,
    // as libTOE merges it.
    const full = responseBytes === 0 && this.#server.room === 0;
    this.#owed[flow] = full ? credit : 0;
    if (!full) {
      this.#server.describe(flow, credit, responseBytes);
      this.#server.ring();
      this.nic.doorbell(CONTEXT);
    }
    if (responseBytes > 0) return;
    // A sink: the request is done when the application has it.
    this.#finish(flow, 0);
  }

  #finish(flow: number, credit: number): void {
    const sent = (this.#sent[flow] as number[]).shift() as number;
    this.latencies.push(this.simulation.now - sent);
    this.done += 1;
    this.#request(flow, credit);
  }
}

/** Virtual time after which a run that has not ended is stuck; ns. */
const LIMIT_NS = 60e9;

/** Runs a plan to its end. Throws Error when it gets stuck. */
export function runRpcs(plan: RpcPlan): RpcResult {
  const run = new RpcRun(plan);
  run.start();
  run.simulation.runUntil(() => run.done >= plan.warmUp, LIMIT_NS);
  const since = run.simulation.now;
  const first = run.latencies.length;
  const busy = run.nic.nic.busy();
  run.nic.nic.meter.table.clear();
  run.simulation.runUntil(() => run.done >= plan.warmUp + plan.rpcs, LIMIT_NS);
  const seconds = (run.simulation.now - since) / 1e9;
  const rpcsPerSecond = (run.done - plan.warmUp) / seconds;
  const bytes = Math.max(plan.requestBytes, plan.responseBytes);
  return {
    rpcsPerSecond,
    megabits: (rpcsPerSecond * bytes * 8) / 1e6,
    latencies: Float64Array.from(run.latencies.slice(first)),
    utilisation: run.nic.nic.utilisation(since, busy),
    costs: run.nic.nic.meter.table.costs(),
    overtaken: run.nic.overtaken(),
    ...run.disorder(),
  };
}
