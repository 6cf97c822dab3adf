/**
 * Carries out a plan in virtual time (threats.md's fourth harness): a safety phase under faults,
 * then the faults stop and everything must come to its end. Checkers see every frame and look
 * after every poll; the first violation ends the run. Needs nothing of a runtime.
 */
import type { Link } from "../../host/netif/link.ts";
import type { FrameTap } from "../../host/netif/frame-tap.ts";
import { Switch } from "../../host/netif/switch.ts";
import { Stack } from "../../host/stack.ts";
import { World } from "../../host/world.ts";
import { Acknowledgments } from "./checkers/acknowledgments.ts";
import type { Checker, Frame, Invariant, Scene, Violation } from "./checkers/checker.ts";
import { ConnectionStates } from "./checkers/connection-states.ts";
import { Deliveries } from "./checkers/deliveries.ts";
import { FlowBook, noteArrived, noteSent, type Side } from "./checkers/flow-book.ts";
import { FlowRecords } from "./checkers/flow-records.ts";
import { Liveness, PATIENCE } from "./checkers/liveness.ts";
import { PaceOfSending } from "./checkers/pace-of-sending.ts";
import { readFrame, Segment } from "./checkers/reference-parser.ts";
import { Resets } from "./checkers/resets.ts";
import { Resources } from "./checkers/resources.ts";
import { SentSegments } from "./checkers/sent-segments.ts";
import type { ConnectionEnd } from "./connection-end.ts";
import { addressOf, type Plan, type TimelineEvent } from "./plan.ts";
import { SimulatedHost } from "./simulated-host.ts";
import { type Plant, WatchedNetif } from "./watched-netif.ts";

/** Virtual time between two looks at progress. */
const TICK = 10e9;
/** A segment every RTO of 120 s: nothing that a plan asks for takes so long. */
const LIVENESS_MAX = 30 * 24 * 3600e9;
/** Of the safety phase, and between two looks. */
const STEPS_MAX = 5_000_000;

export interface SimulationOptions {
  readonly capture?: (link: Link, names: readonly [string, string]) => FrameTap;
  /** Frames in place of those that a stack sends: a broken stack, for the checkers' own tests. */
  readonly plant?: Plant;
  /** Called before the checkers look at a host: breaks what frames cannot. */
  readonly meddle?: (stack: Stack, host: number) => void;
}

export interface Outcome {
  readonly hash: string;
  readonly violations: readonly Violation[];
  readonly frames: number;
  /** Bytes that applications have read. */
  readonly delivered: number;
  /** Ends of connections that were told an error. */
  readonly errors: number;
  /** ns of virtual time. */
  readonly virtualNs: number;
}

/** The two ends that belong together. */
interface Pair {
  client: ConnectionEnd | undefined;
  server: ConnectionEnd | undefined;
}

class Simulation {
  readonly violations: Violation[] = [];
  readonly world: World;
  readonly ends: ConnectionEnd[] = [];
  readonly #plan: Plan;
  readonly #options: SimulationOptions;
  readonly #links: Link[] = [];
  readonly #hosts: SimulatedHost[] = [];
  readonly #pairs: Pair[];
  /** Index of the plan by the client's address and port. */
  readonly #clients = new Map<number, number>();
  readonly #longest: number[];
  readonly #book = new FlowBook();
  readonly #calls: number[];
  readonly #stacks: Stack[] = [];
  readonly #deliveries: Deliveries;
  readonly #liveness: Liveness;
  readonly #checkers: readonly Checker[];
  readonly #segment = new Segment();
  frames = 0;

  constructor(module: WebAssembly.Module, plan: Plan, options: SimulationOptions) {
    this.#plan = plan;
    this.#options = options;
    const { capture } = options;
    this.world = new World({ seed: plan.seed, ...(capture === undefined ? {} : { capture }) });
    this.#calls = plan.hosts.map(() => 0);
    this.#longest = plan.links.map(() => Number.POSITIVE_INFINITY);
    this.#pairs = plan.connections.map(() => ({ client: undefined, server: undefined }));
    const scene: Scene = {
      plan,
      book: this.#book,
      stacks: this.#stacks,
      calls: this.#calls,
      report: (invariant, text) => this.report(invariant, text),
    };
    this.#deliveries = new Deliveries(scene);
    this.#addLinks();
    plan.hosts.forEach((_, index) => this.#addStack(module, index));
    this.#liveness = new Liveness(scene);
    this.#checkers = [
      new SentSegments(scene),
      new Acknowledgments(scene),
      new Resets(scene),
      new PaceOfSending(scene),
      new ConnectionStates(scene),
      new Resources(scene),
      new FlowRecords(scene),
    ];
    plan.hosts.forEach((_, index) => this.#addHost(index));
    this.#schedule();
  }

  report(invariant: Invariant, text: string): void {
    this.violations.push({ invariant, at: this.world.now, text });
  }

  #addLinks(): void {
    const { links, star, hosts } = this.#plan;
    links.forEach(({ options }, index) => {
      const [a, b] = [hosts[index]?.name ?? "", star ? "switch" : (hosts[1]?.name ?? "")];
      this.#links.push(this.world.addLink({ ...options, a, b }));
      for (const side of [0, 1] as const) this.#setFaults(index, side);
    });
    if (!star) return;
    const ports = this.#links.map(({ ends }) => ends[1]);
    this.world.addHost("switch", new Switch(ports));
  }

  #setFaults(index: number, side: 0 | 1, faults = this.#plan.links[index]?.faults[side]): void {
    const rule = (frame: Uint8Array): boolean => frame.length > (this.#longest[index] as number);
    // Two flipped bits may leave a checksum right: no frame may meet them on two links.
    const once = this.#plan.star && side === 1 ? { corrupt: 0 } : {};
    this.#links[index]?.setFaults(side, { ...faults, ...once, rule });
  }

  #addStack(module: WebAssembly.Module, index: number): void {
    const { hosts, star, links, family } = this.#plan;
    const prefix = family === 4 ? 24 : 64;
    const host = hosts[index] as Plan["hosts"][number];
    const link = star ? index : 0;
    const inner = (this.#links[link] as Link).ends[star || index === 0 ? 0 : 1];
    const netif = new WatchedNetif(inner, {
      host: index,
      watcher: {
        sent: (from, bytes, now) => this.#sent(from, bytes, now),
        arrived: (to, bytes, now) => this.#arrived(to, bytes, now),
      },
      strip: links[link]?.strip ?? [],
      plant: this.#options.plant,
    });
    const sequences = [...host.sequences];
    const random = this.world.prng.fork(`isn ${index}`);
    const next = (): number => sequences.shift() ?? random.uint32();
    this.#stacks.push(
      new Stack({
        module,
        name: host.name,
        // Applications connect from the first moment on: nothing is probed before.
        netifs: [
          {
            netif,
            addresses: [`${addressOf(this.#plan, index)}/${prefix}`],
            ipv6: { dadTransmits: 0 },
          },
        ],
        entropy: this.world.entropy(host.name),
        profile: host.profile,
        layout: host.layout,
        ...(sequences.length > 0 ? { initialSequence: next } : {}),
      }),
    );
  }

  #addHost(index: number): void {
    const stack = this.#stacks[index] as Stack;
    const plan = this.#plan.hosts[index] as Plan["hosts"][number];
    const called = (): void => {
      this.#calls[index] = (this.#calls[index] as number) + 1;
    };
    const { toe } = stack;
    const parts = { book: this.#book, deliveries: this.#deliveries };
    const host = new SimulatedHost({
      index,
      plan,
      stack,
      addressOf: (to) => addressOf(this.#plan, to),
      context: { toe, host: index, inherited: plan.options, ...parts, called },
      planOf: (remote, port) => {
        const connection = this.#clients.get(remote * 65536 + port);
        return connection === undefined ? undefined : this.#plan.connections[connection]?.server;
      },
      opened: (end) => this.#opened(end),
      polled: (which, now) => {
        this.#options.meddle?.(stack, which);
        for (const checker of this.#checkers) checker.polled?.(which, now);
      },
    });
    this.#hosts.push(this.world.addHost(plan.name, host));
  }

  #opened(end: ConnectionEnd): void {
    this.ends.push(end);
    const { remote, remotePort } = end.ends;
    const index = this.#clients.get(remote * 65536 + remotePort);
    const pair = index === undefined ? undefined : this.#pairs[index];
    if (pair !== undefined && pair.client?.host === remote - 1) pair.server ??= end;
  }

  #schedule(): void {
    const { connections, timeline } = this.#plan;
    connections.forEach(({ at }, index) => {
      this.world.clock.at(at, () => this.#connect(index));
    });
    for (const { at, event } of timeline) this.world.clock.at(at, () => this.#happen(event));
  }

  #connect(index: number): void {
    const { from, to, client } = this.#plan.connections[index] as Plan["connections"][number];
    const port = this.#plan.hosts[to]?.port ?? 1;
    const end = this.#hosts[from]?.connect(to, port, client, this.world.now);
    if (end === undefined) return;
    this.#clients.set(end.ends.local * 65536 + end.ends.localPort, index);
    (this.#pairs[index] as Pair).client = end;
  }

  #happen(event: TimelineEvent): void {
    const { clock } = this.world;
    if (event.what === "faults") this.#setFaults(event.link, event.side, event.to);
    else if (event.what === "mtu") this.#longest[event.link] = event.bytes || Infinity;
    else if (event.what === "jump") clock.moveTo(clock.now() + event.ns);
    else if (event.what === "back") this.#pollBehind(event.host, event.ns);
    else if (event.what === "option") this.#option(event);
    else (this.#links[event.link] as Link).down = event.what === "down";
  }

  #pollBehind(host: number, ns: number): void {
    this.#stacks[host]?.poll(this.world.clock.now() - ns);
    for (const checker of this.#checkers) checker.polledBehind?.(host);
  }

  #option(event: TimelineEvent & { readonly what: "option" }): void {
    const pair = this.#pairs[event.connection];
    (event.client ? pair?.client : pair?.server)?.option(event.option);
  }

  #read(host: number, bytes: Uint8Array, now: number, sends: boolean): Frame {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const segment = this.#segment;
    readFrame(view, 0, bytes.length, this.#plan.medium === "ethernet", segment);
    let side: Side | undefined;
    if (segment.isTcp && segment.wrong === "") {
      side = sends ? this.#book.sender(host, segment) : this.#book.receiver(segment);
    }
    return { host, now, bytes, segment, side };
  }

  #sent(host: number, bytes: Uint8Array, now: number): void {
    this.frames += 1;
    const frame = this.#read(host, bytes, now, true);
    for (const checker of this.#checkers) checker.sent?.(frame);
    if (frame.side !== undefined) noteSent(frame.side, frame.segment);
  }

  #arrived(host: number, bytes: Uint8Array, now: number): void {
    const frame = this.#read(host, bytes, now, false);
    // A switch floods: what is for others is not of this host's connections.
    const { side } = frame;
    const own = side !== undefined && side.host === host ? side : undefined;
    if (own !== undefined) noteArrived(own, frame.segment, now);
    for (const checker of this.#checkers) checker.arrived?.({ ...frame, side: own });
  }

  /** Steps until `time`, or until something is wrong. */
  #runUntil(time: number): void {
    const { world } = this;
    const most = world.steps + STEPS_MAX;
    while (world.nextDeadline() <= time && this.violations.length === 0) {
      world.step();
      if (world.steps > most) this.report("I13", `${STEPS_MAX} steps and no end`);
    }
    if (this.violations.length === 0) world.clock.moveTo(time);
  }

  #stopFaults(): void {
    this.#links.forEach((link, index) => {
      link.down = false;
      this.#longest[index] = Number.POSITIVE_INFINITY;
      for (const side of [0, 1] as const) this.#setFaults(index, side, {});
    });
    for (const host of this.#hosts) host.stopPauses();
  }

  #peerOf(end: ConnectionEnd): ConnectionEnd | undefined {
    const pair = this.#pairs.find(({ client, server }) => client === end || server === end);
    return pair?.client === end ? pair.server : pair?.client;
  }

  /** An end waits in vain when its peer has let go in another way than both have agreed to. */
  #isOrphan(end: ConnectionEnd): boolean {
    const peer = this.#peerOf(end);
    if (peer === undefined) return true;
    return peer.finished && (peer.plan.mode !== "close" || !this.#isThere(peer));
  }

  /** False when a stack has forgotten an end: it was told an error, or gave up (RFC 9293, R2). */
  #isThere({ host, ends }: ConnectionEnd): boolean {
    const listed = (this.#stacks[host] as Stack).connections();
    return listed.some(({ local, remote }) => {
      const isSame = local.port === ends.localPort && remote.port === ends.remotePort;
      return isSame && remote.address[15] === ends.remote;
    });
  }

  #tick(since: Map<ConnectionEnd, number>): void {
    const { now } = this.world;
    const watched = this.ends.map((end) => {
      const orphaned = !end.finished && this.#isOrphan(end);
      if (orphaned && !since.has(end)) since.set(end, now);
      if (orphaned && now - (since.get(end) as number) > PATIENCE) end.giveUp();
      const starved = end.isStarved || this.#peerOf(end)?.isStarved === true;
      return { name: end.name, ledger: end.ledger, finished: end.finished, orphaned, starved };
    });
    this.#liveness.tick(watched, now);
  }

  #live(): void {
    const end = this.world.now + LIVENESS_MAX;
    const since = new Map<ConnectionEnd, number>();
    let listening = true;
    while (this.violations.length === 0) {
      this.#runUntil(this.world.now + TICK);
      this.#tick(since);
      if (this.ends.every(({ finished }) => finished)) {
        if (listening) for (const host of this.#hosts) host.closeListener();
        listening = false;
        if (this.world.nextDeadline() === Number.POSITIVE_INFINITY) break;
      }
      if (this.world.now > end) this.report("I16", `no rest in thirty days: ${this.#left()}`);
    }
  }

  /** What every stack still has, and which ends have not finished. */
  #left(): string {
    const connections = this.#stacks.flatMap((stack) =>
      stack.connections().map(({ connection, state, txSent, txAvail, peerWindow }) => {
        return `${stack.name}.${connection} ${state} ${txSent}/${txAvail} window ${peerWindow}`;
      }),
    );
    const ends = this.ends.filter(({ finished }) => !finished).map(({ name }) => name);
    return [...connections, ...ends].join(", ");
  }

  run(): void {
    this.#runUntil(this.#plan.faultsEnd);
    this.#stopFaults();
    this.#live();
    if (this.violations.length > 0) return;
    for (const checker of this.#checkers) checker.atRest?.();
    this.#checkCalm();
  }

  /** Without faults every stream arrives whole. */
  #checkCalm(): void {
    for (const { name, ledger } of this.ends) {
      if (this.#plan.calm && !ledger.sawEnd) this.report("I16", `${name}: did not see the end`);
    }
    this.#pairs.forEach(({ client, server }) => {
      if (!this.#plan.calm || client === undefined) return;
      if (server === undefined) this.report("I16", `${client.name}: was never accepted`);
      else if (server.ledger.delivered !== client.plan.bytes) this.report("I1", client.name);
      else if (client.ledger.delivered !== server.plan.bytes) this.report("I1", server.name);
    });
  }
}

/** Runs a plan over a build of the data path. What the code under test throws is a violation. */
export function simulate(
  module: WebAssembly.Module,
  plan: Plan,
  options: SimulationOptions = {},
): Outcome {
  const simulation = new Simulation(module, plan, options);
  try {
    simulation.run();
  } catch (error) {
    simulation.report(
      "I11",
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  }
  const { world, violations, ends, frames } = simulation;
  return {
    hash: world.traceHash(),
    violations,
    frames,
    delivered: ends.reduce((sum, { ledger }) => sum + ledger.delivered, 0),
    errors: ends.filter(({ ledger }) => ledger.error !== 0).length,
    virtualNs: world.now,
  };
}

/** A plan and what came of it again: I14 when the frames are not the same at the same times. */
export function simulateTwice(
  module: WebAssembly.Module,
  plan: Plan,
  options: SimulationOptions = {},
): Outcome {
  const outcome = simulate(module, plan, options);
  if (outcome.violations.length > 0) return outcome;
  const { hash } = simulate(module, plan, options);
  if (hash === outcome.hash) return outcome;
  const text = `${outcome.hash}, then ${hash}`;
  return { ...outcome, violations: [{ invariant: "I14", at: outcome.virtualNs, text }] };
}
