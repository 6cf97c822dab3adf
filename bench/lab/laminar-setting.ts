/**
 * What the experiments of chapter 5 share: the testbed of 5.5 around the stage program, every
 * constant with its source. `fitted` says to which figure; nothing else is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Noise } from "../../host/modelled/laminar/lane.ts";
import { RdmaHost, type HostOptions } from "../../host/modelled/laminar/rdma-host.ts";
import type { RmtModuleCode } from "../../host/modelled/laminar/rmt-modules.ts";
import { RmtSwitch, type SwitchOptions } from "../../host/modelled/laminar/rmt-switch.ts";
import { StackHost, type StackOptions } from "../../host/modelled/laminar/stack-host.ts";
import { Simulation } from "../../host/modelled/simulation.ts";
import { Prng } from "../../host/prng.ts";
import { checkProgram } from "../../host/rmt/check-program.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import type { ProgramMachine } from "../../host/rmt/program-machine.ts";
import { readProgram } from "../../host/rmt/read-program.ts";
import { repositoryRoot } from "../harness.ts";
import { laminarOver, programText, RmtMachine } from "../rmt-machine.ts";
import { anchor } from "./anchors.ts";
import type { Given } from "./experiment.ts";

let module: WebAssembly.Module | undefined;

function rmtModule(): WebAssembly.Module {
  module ??= new WebAssembly.Module(readFileSync(join(repositoryRoot(), "build/rmt.wasm")));
  return module;
}

/** The modules around the stages, over a memory of their own. */
export function moduleCode(memory: WebAssembly.Memory): RmtModuleCode {
  return laminarOver(rmtModule(), memory) as unknown as RmtModuleCode;
}

/** TCP's program with so many rows. */
export function tcpMachine(rows: number): ProgramMachine {
  return new RmtMachine(rmtModule(), "fused", rows);
}

let passNs: number | undefined;

/** From MAC to MAC through our program: its stages and the clock, by the checker. */
export function ourPassNs(): number {
  passNs ??= checkProgram("tcp.rmt", readProgram("tcp.rmt", programText("tcp")), TOFINO2).latencyNs;
  return passNs;
}

export const HOST_GHZ = 2;
const cycles = (kcycles: number): number => (kcycles * 1000) / HOST_GHZ;
const kilo = (id: string): number => anchor(id).value;

/** Ns of a NIC's message in one direction: fitted to Figure 5.9's peak. */
function messageNs(): number {
  return 1000 / kilo("fig5.9.peak");
}

/** Ns of a core for an RPC: fitted to Figure 5.10, where 8 cores reach Figure 5.9's peak. */
function coreNs(): number {
  const copies = 2 * ECHO_BYTES * COPY_NS;
  return (1000 * kilo("fig5.10.knee")) / kilo("fig5.9.peak") - copies;
}

/** Ns of a core for a completion alone: fitted to Figure 5.15's packets a second. */
function completionNs(): number {
  return 1000 / kilo("fig5.15.laminar");
}

/** Of Figure 5.10. */
const ECHO_BYTES = 64;
/** NIC to wire, and wire to memory. */
export const SEND_NS = 600;
export const RECEIVE_NS = 600;
export const WIRE_NS = 25;
const GBPS = 100;
/** 10 bytes a ns. */
const COPY_NS = 0.1;
/** A poll that is interrupted: timer ticks and cache misses of a core of one's own. */
const POLLING: Noise = { share: 0.1, interrupted: 1e-3, interruptedNs: 1_000 };

export function hostOptions(changes: Partial<HostOptions> = {}): HostOptions {
  return {
    cores: 32,
    messageNs: messageNs(),
    gbps: GBPS,
    sendNs: SEND_NS,
    receiveNs: RECEIVE_NS,
    wireNs: WIRE_NS,
    coreNs: coreNs(),
    completionNs: completionNs(),
    copyNs: COPY_NS,
    pauseNs: 4_000,
    noise: POLLING,
    ...changes,
  };
}

/** Time of TAS's interruptions: fitted to the tail of Figure 5.8. */
const TAS_NOISE: Noise = { share: 0.5, interrupted: 2e-3, interruptedNs: 3_400 };
/** Linux's wake-up and interruptions: fitted to median and tail of Figure 5.8. */
const LINUX_WAKE_NS = 6_250;
const LINUX_NOISE: Noise = { share: 0.3, interrupted: 2e-3, interruptedNs: 20_400 };

/** Stack and application cores of TAS that go best together. */
export function tasCores(cores: number): readonly [stack: number, application: number] {
  const stackNs = tasStackNs();
  const socketsNs = tasSocketsNs();
  const least = (stack: number): number => Math.min(stack / stackNs, (cores - stack) / socketsNs);
  const all = Array.from({ length: Math.max(1, cores - 1) }, (_, i) => i + 1);
  const best = all.reduce((a, b) => (least(b) > least(a) ? b : a));
  return [best, Math.max(1, cores - best)];
}

function tasStackNs(): number {
  return cycles(kilo("t2.1.tas.nic_driver.kcycles") + kilo("t2.1.tas.tcpip.kcycles"));
}
function tasSocketsNs(): number {
  return cycles(kilo("t2.1.tas.sockets.kcycles") + kilo("t2.1.tas.other.kcycles"));
}

/** Copying 512 B is hidden, and 5 Mpps are what is left for a segment: Figure 5.15. */
const TAS_HIDDEN_BYTES = 512;

/** Ns of a TAS core for a segment that is copied; fitted to Figure 5.15's packets a second. */
export function tasSegmentNs(bytes: number): number {
  return 1000 / kilo("fig5.15.tas") + Math.max(0, bytes - TAS_HIDDEN_BYTES) * COPY_NS;
}

const NIC = {
  gbps: GBPS,
  sendNs: SEND_NS,
  receiveNs: RECEIVE_NS,
  wireNs: WIRE_NS,
  copyNs: COPY_NS,
} as const;

export function tasOptions(cores = 32, changes: Partial<StackOptions> = {}): StackOptions {
  const [stackCores, applicationCores] = tasCores(cores);
  return {
    ...NIC,
    stackCores,
    applicationCores,
    stackNs: tasStackNs(),
    socketsNs: tasSocketsNs(),
    wakeNs: 0,
    noise: TAS_NOISE,
    ...changes,
  };
}

export function linuxOptions(cores = 32, changes: Partial<StackOptions> = {}): StackOptions {
  const parts = ["nic_driver", "tcpip", "other"];
  const stack = parts.map((part) => kilo(`t2.1.linux.${part}.kcycles`));
  return {
    ...NIC,
    stackCores: 0,
    applicationCores: cores,
    stackNs: cycles(stack.reduce((a, b) => a + b)),
    socketsNs: cycles(kilo("t2.1.linux.sockets.kcycles")),
    wakeNs: LINUX_WAKE_NS,
    noise: LINUX_NOISE,
    ...changes,
  };
}

/** Ns that the switch forwards others' packets in: ingress alone (5.5.1.1). */
export function forwardNs(): number {
  return ourPassNs() / 2;
}

export function switchOptions(
  seed: number,
  hosts: number,
  connections: number,
  changes: Partial<SwitchOptions> = {},
): SwitchOptions {
  return {
    passNs: ourPassNs(),
    mpps: TOFINO2.clockMhz.value as number,
    mirrorNs: 300,
    mirrorLoss: 0,
    recirculationNs: 750,
    recirculationGbps: 300,
    recirculationBehindNs: 500,
    queueBytes: 16 << 20,
    queuePackets: 65_536,
    portGbps: 400,
    connections,
    hosts,
    grantNs: 1_000_000,
    grantIdle: 16,
    grantBytes: 1 << 20,
    creditsMost: 1 << 20,
    seed,
    ...changes,
  };
}

export interface Testbed {
  readonly simulation: Simulation;
  readonly prng: Prng;
}

export function testbed(seed: number): Testbed {
  return { simulation: new Simulation(), prng: new Prng(seed) };
}

export function newSwitch(
  { simulation }: Testbed,
  options: SwitchOptions,
  machine = tcpMachine(options.connections),
): RmtSwitch {
  const made = new RmtSwitch(simulation, machine, moduleCode, options);
  made.start();
  return made;
}

export function rdmaHosts({ simulation, prng }: Testbed, n: number, of: HostOptions): RdmaHost[] {
  return Array.from({ length: n }, (_, i) => new RdmaHost(simulation, of, prng.fork(`rdma ${i}`)));
}

export function stackHosts(
  { simulation, prng }: Testbed,
  n: number,
  of: StackOptions,
): StackHost[] {
  return Array.from(
    { length: n },
    (_, i) => new StackHost(simulation, of, prng.fork(`stack ${i}`)),
  );
}

const given = (name: string, value: string, source: string): Given => ({ name, value, source });

/** The switch. */
export function switchGiven(): Given[] {
  return [
    given("pipeline", `${TOFINO2.clockMhz.value} Mpps`, "paper: 5.5.1.3, 5.5.3"),
    given("pass", `${ourPassNs().toFixed(0)} ns`, "checker: our stages, half of it each pipe"),
    given("mirror", "300 ns", "assumed: several hundred ns (5.1.2)"),
    given("recirculation", "750 ns, 3 x 100 Gbit/s", "paper: 5.4"),
    given("frames", "TCP 54 B, RDMA write 78 B, FCS, preamble and gap", "Ethernet, RoCE v2"),
    given(
      "SYNC grants",
      "1 MiB each ms, pause after 16 idle",
      "assumed: reduced for RPCs (5.3.2.1)",
    ),
  ];
}

/** Hosts. */
export function hostsGiven(): Given[] {
  return [
    given("NIC message", `${messageNs()} ns a direction`, "fitted: Figure 5.9, 40 MOps/s"),
    given("core", `${coreNs()} ns an RPC`, "fitted: Figure 5.10, 8 cores reach the peak"),
    given("completion", `${completionNs()} ns`, "fitted: Figure 5.15, 25 Mpps a core"),
    given("NIC to memory", `${SEND_NS} and ${RECEIVE_NS} ns`, "assumed: 1.2 us for a short write"),
    given("copies", `${COPY_NS} ns a byte`, "assumed: 10 GB/s a core"),
    given("noise of a polling core", JSON.stringify(POLLING), "assumed"),
  ];
}

/** TAS and Linux. */
export function stacksGiven(): Given[] {
  const of = (noise: Noise): string => JSON.stringify(noise);
  return [
    given("TAS", `${tasStackNs()} + ${tasSocketsNs()} ns an RPC`, "paper: Table 2.1 at 2 GHz"),
    given("TAS noise", of(TAS_NOISE), "fitted: tail of Figure 5.8, 64 B"),
    given("Linux", `${linuxOptions().stackNs + linuxOptions().socketsNs} ns an RPC`, "Table 2.1"),
    given("Linux wake-up", `${LINUX_WAKE_NS} ns`, "fitted: median of Figure 5.8, 64 B"),
    given("Linux noise", of(LINUX_NOISE), "fitted: tail of Figure 5.8, 64 B"),
  ];
}
