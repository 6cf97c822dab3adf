/**
 * A stream out of a host with FlexTOE (5.5.4.2): the data path on its modelled NIC sends and
 * recovers, its control plane's own rate-based DCTCP (4.2) sets the flow scheduler's rate every two
 * round trips. The application always has something to send.
 */
import {
  AtxOpcode,
  INFO_ACKED_BYTES,
  INFO_ECN_BYTES,
  INFO_FAST_RETRANSMITS,
  INFO_SRTT,
  INFO_TX_AVAIL,
} from "../../bindings/abi/descriptor.ts";
import { CORE_INFO } from "../../bindings/abi/memory-map.ts";
import { CommandQueue } from "../../host/control-plane/command-queue.ts";
import { DCTCP_RATE } from "../../host/control-plane/congestion/dctcp-rate.ts";
import { freshRate, intervalWords } from "../../host/control-plane/congestion/policy.ts";
import type { Simulation } from "../../host/modelled/simulation.ts";
import { GENERATION } from "../flow-cores.ts";
import type { FlexToeHost } from "./flextoe-host.ts";

const FLOW = 1;
const CONTROL = 0;
/** host/control-plane/rate-control.ts: between two decisions, at least and while nothing goes. */
const INTERVAL_MIN = 50e3;
const INTERVAL_IDLE = 10e6;

export class FlexToeStream {
  readonly #simulation: Simulation;
  readonly #host: FlexToeHost;
  readonly #commands: CommandQueue;
  readonly #segment: number;
  readonly #timeoutNs: number;
  readonly #state = freshRate();
  #since = 0;
  #ackedBytes = 0;
  #ecnBytes = 0;
  #recoveries = 0;
  #timedOut = false;
  #acked = 0;
  #progress = 0;
  timeouts = 0;

  constructor(simulation: Simulation, host: FlexToeHost, segment: number, timeoutNs: number) {
    this.#simulation = simulation;
    this.#host = host;
    this.#segment = segment;
    this.#timeoutNs = timeoutNs;
    this.#commands = new CommandQueue(host.core.core, { due: false });
    host.reader = (_, __, freed) => {
      if (freed > 0) host.update(FLOW, 0, freed);
    };
  }

  /** `bufferBytes`: of the transmit buffer; without `congestion` nothing paces the flow. */
  start(bufferBytes: number, congestion: boolean): void {
    if (congestion) {
      DCTCP_RATE.start(this.#state);
      this.#pace();
      this.#simulation.after(INTERVAL_MIN, () => this.#decide());
    }
    this.#host.update(FLOW, 0, bufferBytes);
    this.#watch();
  }

  /** An ACK has reached the host: for the timer alone, the rest is the data path's. */
  acknowledged(offset: number): void {
    if (offset <= this.#acked) return;
    this.#acked = offset;
    this.#progress = this.#simulation.now;
  }

  #command(opcode: AtxOpcode, low: number, high: number): void {
    if (!this.#commands.push(FLOW, GENERATION, opcode, low, high)) {
      throw new Error("flextoe stream: expected room for a command, got none");
    }
    this.#host.nic.doorbell(CONTROL);
  }

  #pace(): void {
    const { low, high } = intervalWords(this.#state.rate);
    this.#command(AtxOpcode.SetInterval, low, high);
  }

  #decide(): void {
    const { now } = this.#simulation;
    const { counted } = this.#host.nic.nic;
    const { core } = counted;
    if (core.exports.inspect(core.address, FLOW) === 0) throw new Error("flextoe stream: no flow");
    const at = counted.word(CORE_INFO);
    const word = (offset: number): number => core.words[(at + offset) >>> 2] as number;
    const srtt = core.view.getFloat64(at + INFO_SRTT, true);
    const recoveries = word(INFO_FAST_RETRANSMITS);
    const ackedBytes = word(INFO_ACKED_BYTES);
    const ecnBytes = word(INFO_ECN_BYTES);
    DCTCP_RATE.onInterval(this.#state, {
      elapsed: now - this.#since,
      ackedBytes: (ackedBytes - this.#ackedBytes) >>> 0,
      ecnBytes: (ecnBytes - this.#ecnBytes) >>> 0,
      lost: this.#timedOut || recoveries !== this.#recoveries,
      limited: word(INFO_TX_AVAIL) > 0,
      rtt: srtt,
    });
    this.#since = now;
    this.#ackedBytes = ackedBytes;
    this.#ecnBytes = ecnBytes;
    this.#recoveries = recoveries;
    this.#timedOut = false;
    this.#pace();
    const segment = (this.#segment * 1e9) / this.#state.rate;
    const next = Math.max(INTERVAL_MIN, 2 * srtt, Math.min(segment, INTERVAL_IDLE));
    this.#simulation.after(next, () => this.#decide());
  }

  /** The control plane's retransmission timer. */
  #watch(): void {
    const timeoutNs = this.#timeoutNs;
    this.#simulation.after(timeoutNs, () => {
      if (this.#simulation.now - this.#progress >= timeoutNs) {
        this.timeouts += 1;
        this.#timedOut = true;
        this.#command(AtxOpcode.Retransmit, 1, 0);
      }
      this.#watch();
    });
  }
}
