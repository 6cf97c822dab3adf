/**
 * FlexTOE as a host of chapter 5's testbed, a baseline: our data path on
 * its modelled NIC (or run to completion on a host's core), segments of any peer into it and out of
 * it, and an application on lanes of its own. Nothing of it is fitted to chapter 5.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import { FLOW_ECN, FLOW_GO_BACK_N } from "../../bindings/abi/flow-state.ts";
import type { Machine } from "../../host/modelled/machine.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { ModelledCore } from "../../host/modelled/modelled-core.ts";
import { FLEXTOE, type Placement } from "../../host/modelled/placement.ts";
import { FlowCore, HASH_KEY } from "../flow-cores.ts";
import type { Given } from "./experiment.ts";
import type { Testbed } from "./laminar-setting.ts";
import { CONTEXT, loadModules, queueLayout, readArx, type RpcModules } from "./modelled-rpc.ts";
import { machineGiven } from "./modelled-setting.ts";
import { NicPort } from "./nic-port.ts";
import { ClientFrames, type StreamSegment } from "./tcp-frames.ts";

/** Payload of a full segment with timestamps: MTU 1500. */
export const FLEXTOE_MSS = 1448;

export interface FlexToeOptions {
  /** Flows are 1 to this. */
  readonly flows: number;
  readonly seed: number;
  readonly machine?: Machine;
  readonly placement?: Placement;
  readonly mss?: number;
  /** log2 of a flow's buffers. */
  readonly bufferShift?: number;
}

/** The paper's recovery; ECN for its control plane's DCTCP (profile `paper`). */
const FLAGS = FLOW_GO_BACK_N | FLOW_ECN;

let modules: RpcModules | undefined;

export class FlexToeHost {
  readonly nic: ModelledCore;
  readonly core: FlowCore;
  readonly #bed: Testbed;
  readonly #frames: ClientFrames;
  readonly #port: NicPort;
  /** Of each flow: bytes read whose credit the ring had no room for. */
  readonly #owed: Float64Array;
  /** The application: bytes of a flow that became readable, and sent ones that were freed. */
  reader: (flow: number, readable: number, freed: number) => void = () => {};
  /** A segment whose last bit is on the NIC's wire. */
  out: (segment: StreamSegment) => void = () => {};

  constructor(bed: Testbed, options: FlexToeOptions) {
    const { flows, seed, machine = NFP_4000, placement = FLEXTOE, bufferShift = 13 } = options;
    const { mss = FLEXTOE_MSS } = options;
    modules ??= loadModules();
    const { batch: module } = modules;
    const plan = { module, flows, payload: mss, bufferShift, intervals: 1, flags: FLAGS };
    this.#bed = bed;
    this.nic = new ModelledCore({
      simulation: bed.simulation,
      module: modules.counted,
      hashKey: HASH_KEY,
      layout: queueLayout(plan),
      ...{ machine, placement, seed },
      ports: { frame: (bytes) => this.#sent(bytes), told: () => this.#told() },
    });
    this.#port = new NicPort(bed.simulation, this.nic);
    this.core = new FlowCore(plan, false, this.nic.nic.counted.core);
    this.#frames = new ClientFrames(flows, bufferShift);
    this.#owed = new Float64Array(flows + 1);
  }

  /** Frames that the data path has taken in and sent. */
  get packets(): number {
    return this.core.counter(Counter.FramesIn) + this.core.counter(Counter.FramesOut);
  }

  /** A segment of the peer, `delayNs` before it is at the NIC's end of the wire. */
  receive(segment: StreamSegment, delayNs: number): void {
    this.#port.send(this.#frames.write(segment, this.#bed.simulation.now), delayNs);
  }

  /** What the application has read and what it has to send; one descriptor and its doorbell. */
  update(flow: number, read: number, append: number): void {
    const credit = (this.#owed[flow] as number) + read;
    // A ring without room: libTOE gives the credit back with its next descriptor.
    if (append === 0 && this.core.room === 0) {
      this.#owed[flow] = credit;
      return;
    }
    this.#owed[flow] = 0;
    this.core.describe(flow, credit, append);
    this.core.ring();
    this.nic.doorbell(CONTEXT);
  }

  #sent(bytes: Uint8Array): void {
    this.out(this.#frames.read(bytes));
  }

  #told(): void {
    readArx(this.core, (flow, readable, freed) => this.reader(flow, readable, freed));
  }
}

/** What a figure with FlexTOE was given. */
export function flextoeGiven(machine: Machine = NFP_4000): Given[] {
  return machineGiven(machine);
}
