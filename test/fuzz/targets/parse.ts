/**
 * Fuzz target `parse`: arbitrary frames into step(), in bursts, beside the reference parser. For
 * every burst the drop counters of pre-processing, the redirect events and the guard strips must
 * be what the parser says, and every frame that leaves must itself be sound.
 *
 * An input is one byte that names the set-up (CONFIGS) and then the frame.
 */
import { EventKind } from "../../../bindings/abi/descriptor.ts";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { FLOW_TIMESTAMPS } from "../../../bindings/abi/flow-state.ts";
import { BATCH_MAX } from "../../../bindings/abi/limits.ts";
import { parseFrame, type Owner, type Parsed, type Tuple } from "../../model/reference-parser.ts";
import { fixChecksums, type FrameMedium } from "../../support/frames.ts";
import type { Random } from "../../support/random.ts";
import { RawCore, type CoreEvent, type FlowFields, type Outcome } from "../../support/raw-core.ts";
import { EdgeMap } from "../edge-counters.ts";
import { mutate } from "../mutate.ts";
import type { Disagreement, FuzzBuild, FuzzSession, FuzzTarget } from "../registry.ts";
import { BOUND_PORT, generateFrame, INSTALLED_PORT } from "./generate-frame.ts";

interface Config {
  readonly medium: FrameMedium;
  readonly vlan: number;
}

const CONFIGS: readonly Config[] = [
  { medium: "ethernet", vlan: 0 },
  { medium: "ip", vlan: 0 },
  { medium: "ethernet", vlan: 42 },
];

/** The reasons that pre-processing counts, in the order of the enumeration. */
const REASONS: readonly (readonly [DropReason, string])[] = [
  [DropReason.FrameTooShort, "FrameTooShort"],
  [DropReason.EtherTypeUnknown, "EtherTypeUnknown"],
  [DropReason.VlanUnknown, "VlanUnknown"],
  [DropReason.IpVersion, "IpVersion"],
  [DropReason.IpHeaderLength, "IpHeaderLength"],
  [DropReason.IpTotalLength, "IpTotalLength"],
  [DropReason.IpChecksum, "IpChecksum"],
  [DropReason.IpFragment, "IpFragment"],
  [DropReason.IpSource, "IpSource"],
  [DropReason.TcpHeaderLength, "TcpHeaderLength"],
  [DropReason.TcpChecksum, "TcpChecksum"],
  [DropReason.TcpNoFlags, "TcpNoFlags"],
  [DropReason.TcpOptionLength, "TcpOptionLength"],
];

/** Later reasons: reached or not is worth knowing, but the parser has no opinion on them. */
const PROTOCOL_REASONS: readonly (readonly [DropReason, string])[] = [
  [DropReason.Paws, "Paws"],
  [DropReason.OutOfWindow, "OutOfWindow"],
  [DropReason.Duplicate, "Duplicate"],
  [DropReason.NoAck, "NoAck"],
  [DropReason.AckOutOfRange, "AckOutOfRange"],
  [DropReason.ResetOutOfWindow, "ResetOutOfWindow"],
  [DropReason.ResetChallenge, "ResetChallenge"],
  [DropReason.SynChallenge, "SynChallenge"],
  [DropReason.IntervalLimit, "IntervalLimit"],
  [DropReason.AfterFin, "AfterFin"],
];

const LAYOUT = { connections: 16, queueDescriptors: 64, payloadBytes: 1024 * 1024 };
const LARGEST = 1500;
const CORPUS_MAX = 4000;
const REMOTE = 0x0a000002;
const LOCAL = 0x0a000001;
const REMOTE_IPV6 = 0xfd000000000000000000000000000002n;
const LOCAL_IPV6 = 0xfd000000000000000000000000000001n;
const REMOTE_PORT = 40000;
const INSTALLED = 1;
const BOUND = 2;
const INSTALLED_IPV6 = 3;
const BOUND_IPV6 = 4;
const OVER_IPV6 = { remote: "fd00::2", local: "fd00::1" };

function owner(tuple: Tuple): Owner {
  const isIpv4 = tuple.source === REMOTE && tuple.destination === LOCAL;
  const isIpv6 = tuple.source === REMOTE_IPV6 && tuple.destination === LOCAL_IPV6;
  const known = (isIpv4 || isIpv6) && tuple.sourcePort === REMOTE_PORT;
  if (known && tuple.destinationPort === INSTALLED_PORT) {
    return { connection: isIpv4 ? INSTALLED : INSTALLED_IPV6, installed: true };
  }
  if (known && tuple.destinationPort === BOUND_PORT) {
    return { connection: isIpv4 ? BOUND : BOUND_IPV6, installed: false };
  }
  return { connection: 0, installed: false };
}

/** One core with one installed and one bound connection, which the bursts keep alive. */
class Subject {
  readonly raw: RawCore;
  readonly config: Config;
  /** Over IPv4, then over IPv6. */
  readonly #flows: FlowFields[];

  constructor(build: FuzzBuild, config: Config) {
    this.config = config;
    this.raw = new RawCore(build.makeCore(LAYOUT), config.medium);
    this.raw.vlan = config.vlan;
    this.raw.bind({ connection: BOUND, localPort: BOUND_PORT });
    this.raw.bind({ connection: BOUND_IPV6, localPort: BOUND_PORT, ...OVER_IPV6 });
    const flags = FLOW_TIMESTAMPS;
    this.#flows = [
      this.raw.establish({ connection: INSTALLED, flags }),
      this.raw.establish({ connection: INSTALLED_IPV6, flags, ...OVER_IPV6 }),
    ];
  }

  aim(isIpv6: boolean): { rxNextSeq: number; txUna: number } {
    return this.raw.inspect(isIpv6 ? INSTALLED_IPV6 : INSTALLED);
  }

  /** Reads what was received and replaces a connection that has ended. */
  recover(events: readonly CoreEvent[]): void {
    const entries = this.raw.notifications(1);
    for (const [index, flow] of this.#flows.entries()) {
      const { connection, generation } = flow;
      const own = entries.filter((entry) => entry.connection === connection);
      const rxCredit = own.reduce((sum, { rxBump }) => sum + rxBump, 0);
      const ended = events.some(
        ({ kind, connection: id }) =>
          id === connection && (kind === EventKind.Reset || kind === EventKind.FinReceived),
      );
      if (ended) this.#flows[index] = this.#replace(flow);
      else if (rxCredit > 0) this.raw.post(1, { connection, generation, rxCredit });
    }
  }

  #replace(flow: FlowFields): FlowFields {
    const { core } = this.raw;
    core.exports.uninstall(core.address, flow.connection);
    core.exports.unbind(core.address, flow.connection);
    const generation = (flow.generation + 1) >>> 0;
    const rxSeq = (flow.rxSeq + 0x10000000) >>> 0;
    return this.raw.establish({ ...flow, generation, rxSeq });
  }
}

/** What the counters and events of a burst must be. */
function compare(subject: Subject, frames: readonly Uint8Array[], outcome: Outcome): string[] {
  const parsed = frames.map((frame) => parseFrame(frame, { ...subject.config, owner }));
  return [
    ...compareDrops(parsed, outcome),
    ...compareRedirects(frames, parsed, outcome),
    ...outcome.frames.flatMap((frame) => judgeEgress(subject, frame)),
    ...subject.raw.guards().map((name) => `guard strip after ${name} overwritten`),
  ];
}

function compareDrops(parsed: readonly Parsed[], outcome: Outcome): string[] {
  const expected = new Map<DropReason, number>();
  const count = (reason: DropReason): void => {
    expected.set(reason, (expected.get(reason) ?? 0) + 1);
  };
  for (const { verdict, optionError } of parsed) {
    if (verdict.kind === "drop") count(verdict.reason);
    if (optionError) count(DropReason.TcpOptionLength);
  }
  return REASONS.flatMap(([reason, name]) => {
    const want = expected.get(reason) ?? 0;
    const got = outcome.drops.get(reason) ?? 0;
    return want === got ? [] : [`drops ${name}: expected ${want}, got ${got}`];
  });
}

function compareRedirects(
  frames: readonly Uint8Array[],
  parsed: readonly Parsed[],
  outcome: Outcome,
): string[] {
  const expected = parsed.flatMap(({ verdict }, i) => {
    if (verdict.kind !== "redirect") return [];
    const length = (frames[i] as Uint8Array).length;
    const ip = verdict.ipOffset ?? 0xffff;
    return [`${outcome.offsets[i]}+${length} ip ${ip} connection ${verdict.connection}`];
  });
  const got = outcome.events
    .filter(({ kind }) => kind === EventKind.Redirect)
    .map((event) => `${event.a}+${event.b} ip ${event.d} connection ${event.connection}`);
  const missing = expected.filter((line) => !got.includes(line));
  const surplus = got.filter((line) => !expected.includes(line));
  return [
    ...missing.map((line) => `redirect expected: ${line}`),
    ...surplus.map((line) => `redirect not expected: ${line}`),
  ];
}

/** RFC 9293 MUST-2, MUST-68: what we send passes the reference parser. */
function judgeEgress(subject: Subject, frame: Uint8Array): string[] {
  const config = { ...subject.config, vlan: 0, owner };
  const { verdict, optionError } = parseFrame(frame, config);
  if (verdict.kind === "drop") return [`egress frame unsound: reason ${verdict.reason}`];
  return optionError ? ["egress frame with an illegal option length"] : [];
}

export class ParseSession implements FuzzSession {
  readonly #build: FuzzBuild;
  readonly #edges: EdgeMap;
  readonly #corpus: Uint8Array[] = [];
  readonly #subjects = new Map<Config, Subject>();
  readonly #coverage = new Map<string, number>();

  constructor(build: FuzzBuild) {
    this.#build = build;
    this.#edges = new EdgeMap(build.edges);
    for (const [, name] of [...REASONS, ...PROTOCOL_REASONS]) this.#coverage.set(name, 0);
    for (const name of ["redirected", "accepted"]) this.#coverage.set(name, 0);
  }

  #subject(config: Config): Subject {
    let subject = this.#subjects.get(config);
    if (subject === undefined) {
      subject = new Subject(this.#build, config);
      this.#subjects.set(config, subject);
    }
    return subject;
  }

  /** Where the connection of the first set-up stands. */
  protected aim(): { rxNextSeq: number; txUna: number } {
    return this.#subject(CONFIGS[0] as Config).aim(false);
  }

  generate(random: Random, limit: number): Uint8Array[] {
    const index = random.below(CONFIGS.length);
    const config = CONFIGS[index] as Config;
    const subject = this.#subject(config);
    const four = { ...config, isIpv6: false, ...subject.aim(false) };
    const six = { ...config, isIpv6: true, ...subject.aim(true) };
    return Array.from({ length: Math.min(limit, BATCH_MAX) }, () => {
      const aim = random.oneIn(3) ? six : four;
      const frame = this.#mutant(random, index) ?? generateFrame(random, aim);
      const input = new Uint8Array(frame.length + 1);
      input[0] = index;
      input.set(frame, 1);
      return input;
    });
  }

  /** Another form of a frame of the corpus that is of this set-up; its checksums mostly fit. */
  #mutant(random: Random, index: number): Uint8Array | undefined {
    if (this.#corpus.length === 0 || random.oneIn(2)) return undefined;
    const input = random.pick(this.#corpus);
    if (input[0] !== index) return undefined;
    const changed = mutate(random, input, random.pick(this.#corpus), LARGEST, 1).subarray(1);
    if (!random.oneIn(5)) fixChecksums(changed, (CONFIGS[index] as Config).medium);
    return changed;
  }

  /** All inputs of a group are of one set-up, that of the first. */
  check(inputs: readonly Uint8Array[]): Disagreement | undefined {
    const config = configOf(inputs[0]);
    const subject = this.#subject(config);
    const frames = inputs.map((input) => input.subarray(1));
    const complaint = this.#run(subject, frames, true);
    if (complaint === undefined) {
      if (this.#isNovel(subject)) this.#keep(subject, inputs);
      return undefined;
    }
    const input = inputs.find((one) => this.#alone(one) !== undefined);
    const message = input === undefined ? complaint : (this.#alone(input) as string);
    return { message, input };
  }

  #isNovel({ raw }: Subject): boolean {
    return this.#build.edges !== 0 && this.#edges.novel(raw.core.memory);
  }

  /** A burst took an edge first: each of its inputs again, alone, says which of them to keep. */
  #keep(subject: Subject, inputs: readonly Uint8Array[]): void {
    this.#corpus.push(...inputs.slice(0, 1));
    for (const input of inputs) {
      this.#run(subject, [input.subarray(1)], false);
      if (this.#isNovel(subject) && this.#corpus.length < CORPUS_MAX) this.#corpus.push(input);
    }
  }

  corpus(): readonly Uint8Array[] {
    return this.#corpus;
  }

  learn(inputs: readonly Uint8Array[]): void {
    for (const input of inputs) this.check([input]);
  }

  /** The complaint about one input on a fresh core. */
  #alone(input: Uint8Array): string | undefined {
    const subject = new Subject(this.#build, configOf(input));
    return this.#run(subject, [input.subarray(1)], false);
  }

  #run(subject: Subject, frames: readonly Uint8Array[], count: boolean): string | undefined {
    subject.raw.now += 1e6;
    let outcome: Outcome;
    try {
      outcome = subject.raw.offer(frames);
    } catch (error) {
      return `step() trapped: ${String(error)}`;
    }
    if (count) this.#count(frames.length, outcome);
    const complaints = compare(subject, frames, outcome);
    subject.recover(outcome.events);
    return complaints.length === 0 ? undefined : complaints.join("; ");
  }

  #count(frames: number, outcome: Outcome): void {
    const add = (name: string, times: number): void => {
      this.#coverage.set(name, (this.#coverage.get(name) as number) + times);
    };
    let stopped = 0;
    for (const [reason, name] of REASONS) {
      const times = outcome.drops.get(reason) ?? 0;
      add(name, times);
      if (reason !== DropReason.TcpOptionLength) stopped += times;
    }
    for (const [reason, name] of PROTOCOL_REASONS) add(name, outcome.drops.get(reason) ?? 0);
    const redirects = outcome.events.filter(({ kind }) => kind === EventKind.Redirect).length;
    add("redirected", redirects);
    add("accepted", frames - stopped - redirects);
  }

  coverage(): ReadonlyMap<string, number> {
    if (this.#build.edges === 0) return this.#coverage;
    const { taken } = this.#edges;
    return new Map([
      ...this.#coverage,
      ["edges", this.#build.edges],
      ["edges taken", taken],
      ["corpus", this.#corpus.length],
    ]);
  }
}

function configOf(input: Uint8Array | undefined): Config {
  return CONFIGS[(input?.[0] ?? 0) % CONFIGS.length] as Config;
}

export const parseTarget: FuzzTarget = {
  name: "parse",
  required: REASONS.length,
  description: "frames into the Wasm core, beside the reference parser",
  grouped: true,
  shortRun: 20000,
  start: (build): FuzzSession => new ParseSession(build),
};
