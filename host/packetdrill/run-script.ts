/**
 * Runs a script over one stack in virtual time: injects its packets, makes its calls, and compares
 * what the stack sends with what the script expects, and when. Invariants: nothing happens between
 * two times that the stack does not ask for; the same script gives the same packets and times.
 *
 * ```ts
 * const module = new WebAssembly.Module(readFileSync("build/flextoe.wasm"));
 * const failure = runScript(parseScript("handshake.pkt", text), { module });
 * if (failure !== undefined) console.log(failure.message);
 * ```
 *
 * Beyond packetdrill: payload bytes are compared as streams, the stack's checksums are verified,
 * and a packet that the script does not mention is a failure even behind its last event.
 */
import { TCP_ACK_FLAG, TCP_SYN } from "../../bindings/abi/tcp.ts";
import type { ConnectionInfo } from "../control-plane/interface.ts";
import { address, type IpAddress, ipAddress } from "../address.ts";
import { errnoName } from "../errors.ts";
import type { PcapngWriter } from "../netif/pcapng.ts";
import { Prng } from "../prng.ts";
import { Stack } from "../stack.ts";
import type { StackOptions } from "../stack-options.ts";
import { runStatements } from "./assertion.ts";
import { Calls } from "./calls.ts";
import { applyCommand } from "./commands.ts";
import { Flow } from "./flow.ts";
import * as Icmp from "./icmp-packets.ts";
import { differences, packetText, type SentPacket } from "./match.ts";
import { buildSegment, readSegment, type Segment } from "./packet-bytes.ts";
import type { StartedCall } from "./readiness-calls.ts";
import type { AssertionEvent, CallEvent, CommandEvent, EventTime } from "./script.ts";
import type { IcmpPattern, PacketEvent, UdpPattern } from "./script.ts";
import { type Script, ScriptError, type ScriptEvent, type TcpPattern } from "./script.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { figure } from "./tcp-figures.ts";
import { type CapturedPacket, Wire } from "./wire.ts";

export interface RunOptions {
  /** A build of the data path. */
  readonly module: StackOptions["module"];
  readonly layout?: StackOptions["layout"];
  /** Script options (`tolerance_usecs`, `profile`, ...) over the script's own. */
  readonly options?: Readonly<Record<string, string>>;
  /** Gets every packet of both directions, times counted from the script's zero. */
  readonly capture?: PcapngWriter;
  /** Packets behind the last event are no failure, as in packetdrill; default false. */
  readonly ignoreRest?: boolean;
}

/** The stack's time at the script's zero, ns: no timer of a stack that has just started is near. */
const ORIGIN = 1e9;
const SECOND = 1e9;
/** Polls at one time, and times between two events, before the script is given up. */
const POLLS_MAX = 10_000;
const STEPS_MAX = 1_000_000;
/** The peer's first port. */
const REMOTE_PORT = 40_000;
/** A small map: one connection at a time. */
const LAYOUT = { connections: 64, queueDescriptors: 64, payloadBytes: 4 * 1024 * 1024 };

interface PendingCall {
  readonly event: CallEvent;
  readonly call: StartedCall;
  /** ns of the script: when it began, and when it must end. */
  readonly start: number;
  readonly end: number;
}

function seconds(ns: number): string {
  return `${(ns / SECOND).toFixed(6)} s`;
}

class Runner {
  readonly #script: Script;
  readonly #settings: Settings;
  readonly #ignoreRest: boolean;
  readonly #wire: Wire;
  readonly #stack: Stack;
  readonly #calls: Calls;
  readonly #local: IpAddress;
  readonly #remote: IpAddress;
  /** ns of the script. */
  #now = 0;
  /** Time of the event before, from which `+` counts. */
  #last = 0;
  #flow: Flow | undefined;
  readonly #flows: Flow[] = [];
  #pending: PendingCall | undefined;
  /** Names that assertions have given. */
  readonly #assigned = new Map<string, number>();
  #steps = 0;

  constructor(script: Script, options: RunOptions) {
    this.#script = script;
    this.#settings = settingsOf(script, options.options);
    // Behind the profile, of which they change single values.
    for (const command of script.setup) applyCommand(this.#settings, script.file, command);
    this.#ignoreRest = options.ignoreRest ?? false;
    const { localAddress, remoteAddress, prefix, gateway, mtu, profile } = this.#settings;
    this.#local = ipAddress(address(localAddress));
    this.#remote = ipAddress(address(remoteAddress));
    this.#wire = new Wire(mtu, ORIGIN, options.capture);
    const prng = new Prng(1);
    this.#stack = new Stack({
      module: options.module,
      netifs: [{ netif: this.#wire, addresses: [`${localAddress}/${prefix}`], gateway }],
      entropy: (bytes) => prng.fill(bytes),
      profile,
      layout: { ...LAYOUT, ...options.layout },
      initialSequence: () => this.#settings.localSequence,
    });
    this.#calls = new Calls(script.file, this.#stack, this.#settings, (local, remote) =>
      this.#flows.find(({ localPort, remotePort }) => {
        return localPort === local && remotePort === remote;
      }),
    );
  }

  run(): void {
    this.#settle();
    for (const event of this.#script.events) this.#runEvent(event);
    this.#finish();
  }

  #fail(line: number, reason: string): never {
    throw new ScriptError(this.#script.file, line, reason);
  }

  // Time.

  #settle(): void {
    let polls = 0;
    do {
      polls += 1;
      if (polls > POLLS_MAX) throw new Error(`expected rest at ${seconds(this.#now)}`);
      this.#tryPending(false);
    } while (this.#stack.poll(ORIGIN + this.#now));
    this.#tryPending(false);
  }

  /** When something happens by itself. */
  #deadline(): number {
    const pending = this.#pending;
    const expiry = pending === undefined ? Infinity : pending.start + pending.call.timeout;
    return Math.min(this.#stack.nextDeadline() - ORIGIN, expiry);
  }

  /** Goes to the next thing that happens by itself, if it does not come after `until`. */
  #step(until: number): boolean {
    const next = this.#deadline();
    if (next > until) return false;
    this.#steps += 1;
    if (this.#steps > STEPS_MAX) throw new Error(`expected fewer than ${STEPS_MAX} steps`);
    this.#now = Math.max(this.#now, next);
    const pending = this.#pending;
    if (pending !== undefined && this.#now >= pending.start + pending.call.timeout) {
      this.#tryPending(true);
    }
    this.#settle();
    return true;
  }

  #advance(to: number): void {
    while (this.#step(to));
    this.#now = Math.max(this.#now, to);
  }

  /** Start and end of an event's time, ns of the script. */
  #due(time: EventTime): { from: number; to: number } {
    if (time.form === "any") return { from: this.#last, to: Number.POSITIVE_INFINITY };
    const base = time.relative ? this.#last : 0;
    return { from: base + time.from, to: base + time.to };
  }

  // Events.

  #runEvent(event: ScriptEvent): void {
    const { from } = this.#due(event.time);
    if (event.kind === "packet" && event.direction === "outbound") {
      this.#expectPacket(event);
      return;
    }
    // A packet of the stack's may have come somewhat later than its line says.
    if (from < this.#now - this.#settings.tolerance) {
      const late = `${seconds(from)}, got ${seconds(this.#now)}`;
      this.#fail(event.line, `expected an event no earlier than the one before: ${late}`);
    }
    this.#advance(from);
    this.#last = from;
    if (event.kind === "packet") this.#inject(event);
    else if (event.kind === "call") this.#call(event);
    else if (event.kind === "assertions") this.#assert(event);
    else this.#command(event);
  }

  /** While the stack runs, its profile stands. */
  #command(event: CommandEvent): void {
    const { profile } = this.#settings;
    applyCommand(this.#settings, this.#script.file, event);
    if (this.#settings.profile === profile) return;
    this.#fail(event.line, "expected the command before the first event, got it behind one");
  }

  #assert(event: AssertionEvent): void {
    // Ages count to now.
    this.#settle();
    const info = this.#infoOf(this.#flow);
    const { file } = this.#script;
    runStatements(file, event.statements, this.#assigned, (name) => figure(info, name));
  }

  #call(event: CallEvent): void {
    if (this.#pending !== undefined) {
      const { line } = this.#pending.event;
      this.#fail(event.line, `expected the call of line ${line} to have returned`);
    }
    const end = this.#last + event.time.to - event.time.from;
    const call = this.#calls.start(event);
    this.#pending = { event, call, start: this.#now, end };
    this.#settle();
    if (event.time.form === "span" || this.#pending === undefined) return;
    const hint = "give its time as START...END";
    this.#fail(event.line, `${event.name}: expected a result at once, but it waits: ${hint}`);
  }

  /** Ends the call under way if it can, and compares its result and its time. */
  #tryPending(expired: boolean): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    const result = pending.call.attempt(expired);
    if (result === undefined) return;
    this.#pending = undefined;
    const { event, end } = pending;
    this.#checkResult(event, result);
    const { tolerance } = this.#settings;
    if (event.time.form === "span" && Math.abs(this.#now - end) > tolerance) {
      const times = `expected its return at ${seconds(end)}, got ${seconds(this.#now)}`;
      this.#fail(event.line, `${event.name}: ${times}`);
    }
  }

  #checkResult(event: CallEvent, result: number): void {
    const { name, line, errno } = event;
    if (event.result === undefined) return;
    const got = result < 0 ? `-1 ${errnoName(-result)}` : `${result}`;
    const wanted = errno === undefined ? `${event.result}` : `-1 ${errno}`;
    // EWOULDBLOCK is EAGAIN's other name.
    const same = wanted.replace("EWOULDBLOCK", "EAGAIN") === got;
    if (!same) this.#fail(line, `${name}: expected result ${wanted}, got ${got}`);
  }

  // Packets to the stack.

  /** Opens a new connection of the peer's when its SYN is not for the one at hand. */
  #flowFor(pattern: TcpPattern): Flow {
    const isSyn = (pattern.flags & (TCP_SYN | TCP_ACK_FLAG)) === TCP_SYN;
    const flow = this.#flow;
    const state = flow === undefined ? "CLOSED" : this.#stateOf(flow);
    // RFC 9293 MAY-2: the stack may begin anew, from another ISN.
    if (isSyn && state === "TIME-WAIT") flow?.renew();
    if (flow !== undefined && (!isSyn || state !== "CLOSED")) return flow;
    const port = REMOTE_PORT + this.#flows.length;
    return this.#begin(new Flow(this.#settings.bindPort, port, this.#settings.remoteSequence));
  }

  #stateOf(flow: Flow): string {
    return this.#infoOf(flow)?.state ?? "CLOSED";
  }

  #infoOf(flow: Flow | undefined): ConnectionInfo | undefined {
    return this.#stack.connections().find(({ local, remote }) => {
      return local.port === flow?.localPort && remote.port === flow.remotePort;
    });
  }

  #begin(flow: Flow): Flow {
    this.#flows.push(flow);
    this.#flow = flow;
    return flow;
  }

  #inject(event: PacketEvent): void {
    const { packet, line } = event;
    try {
      if (packet.protocol === "tcp") this.#wire.inject(this.#tcp(packet));
      else if (packet.protocol === "udp") this.#wire.inject(this.#udp(packet));
      else this.#wire.inject(this.#icmp(packet, line));
    } catch (error) {
      if (error instanceof RangeError) this.#fail(line, error.message);
      throw error;
    }
    this.#settle();
  }

  #tcp(pattern: TcpPattern): Uint8Array {
    const flow = this.#flowFor(pattern);
    const segment = flow.inbound(pattern);
    return buildSegment({ ...segment, source: this.#remote, destination: this.#local });
  }

  #udp({ ip, length }: UdpPattern): Uint8Array {
    const [source, destination] = [this.#remote, this.#local];
    const header = { source, destination, tos: ip.tos ?? ip.ecn ?? 0, ttl: ip.ttl ?? 64 };
    return Icmp.buildDatagram(header, REMOTE_PORT, this.#settings.bindPort, length);
  }

  #icmp(pattern: IcmpPattern, line: number): Uint8Array {
    const flow = this.#flow ?? this.#fail(line, "expected a connection before an ICMP error");
    return Icmp.errorFor(pattern, { source: this.#local, destination: this.#remote, ...flow });
  }

  // Packets of the stack.

  #expectPacket(event: PacketEvent): void {
    const { line, packet: expected } = event;
    // The parser knows no outbound datagram.
    if (expected.protocol === "udp") return;
    const { from, to } = this.#due(event.time);
    const { tolerance } = this.#settings;
    const shown = expected.protocol === "tcp" ? packetText(expected) : Icmp.patternText(expected);
    if (!this.#awaitPacket(to + tolerance)) {
      const when = event.time.form === "any" ? "ever" : `until ${seconds(to + tolerance)}`;
      this.#fail(line, `expected a packet ${when}, got none\n  expected > ${shown}`);
    }
    const captured = this.#wire.take() as CapturedPacket;
    const { time } = captured;
    const { found, got } = this.#compare(captured, expected, to + tolerance, line);
    if (time < from - tolerance || time > to + tolerance) {
      const wanted = from === to ? seconds(from) : `${seconds(from)} to ${seconds(to)}`;
      found.push(`time: expected ${wanted}, got ${seconds(time)}`);
    }
    if (found.length > 0) {
      const pair = `  expected > ${shown}\n  actual   > ${got} at ${seconds(time)}`;
      this.#fail(line, `outbound packet: ${found.join("; ")}\n${pair}`);
    }
    this.#last = event.time.form === "at" ? from : time;
  }

  /** How what the stack sent differs from what was expected, and how a script would have it. */
  #compare(
    captured: CapturedPacket,
    expected: TcpPattern | IcmpPattern,
    until: number,
    line: number,
  ): { found: string[]; got: string } {
    if (Icmp.isIcmp(captured.bytes)) {
      return Icmp.compareIcmp(captured.bytes, expected, this.#settings.remoteSequence);
    }
    if (expected.protocol === "icmp") {
      const found = ["expected an ICMP error, got a segment"];
      return { found, got: this.#textOf(captured, line) };
    }
    const first = this.#read(captured, line, expected);
    const merges = this.#settings.mergeSegments;
    const actual = merges ? this.#merged(first, expected, until, line) : first;
    const tick = this.#settings.stampTick;
    const stampTolerance = tick === 0 ? Infinity : Math.ceil(this.#settings.tolerance / tick);
    const found = differences(expected, actual, { stampTolerance, ignorePush: merges });
    return { found, got: packetText(actual, expected) };
  }

  /** True when the stack has sent something that nobody has taken, or does so until then. */
  #awaitPacket(until: number): boolean {
    while (this.#wire.count === 0) if (!this.#step(until)) return false;
    return true;
  }

  /** One segment of the script may be several here, where the script's host has TSO. */
  #merged(first: SentPacket, expected: TcpPattern, until: number, line: number): SentPacket {
    let packet = first;
    const isShort = (): boolean => packet.length > 0 && packet.length < expected.length;
    while (isShort() && this.#awaitPacket(until)) {
      const next = this.#read(this.#wire.first as CapturedPacket, line);
      const follows = next.seq === (packet.seq + packet.length) >>> 0 && next.ack === packet.ack;
      if (!follows || next.length === 0) break;
      this.#wire.take();
      const { seq } = packet;
      const length = packet.length + next.length;
      packet = { ...next, seq, length, flags: packet.flags | next.flags };
    }
    return packet;
  }

  #read(captured: CapturedPacket, line: number, expected?: TcpPattern): SentPacket {
    let segment: Segment;
    try {
      segment = readSegment(captured.bytes);
    } catch (error) {
      return this.#fail(line, `outbound packet: ${(error as Error).message}`);
    }
    const flow = this.#flowOf(segment, line);
    if (expected !== undefined) flow.learnStamp(expected, segment);
    const packet = flow.outbound(segment);
    const wrong = flow.wrongPayload(packet, segment.payload);
    if (wrong >= 0) {
      this.#fail(line, `outbound packet: expected byte ${wrong} of what was written, got another`);
    }
    return packet;
  }

  /** A packet that nobody expected, as a script would have it. */
  #textOf(captured: CapturedPacket, line: number): string {
    const { remoteSequence } = this.#settings;
    if (Icmp.isIcmp(captured.bytes)) return Icmp.icmpText(captured.bytes, remoteSequence);
    const packet = this.#read(captured, line);
    return packetText(packet, { ...packet, ip: {} });
  }

  /** The connection that a packet of the stack's belongs to; its SYN opens one. */
  #flowOf(segment: Segment, line: number): Flow {
    const { sourcePort, destinationPort } = segment;
    const known = this.#flows.find(({ localPort, remotePort }) => {
      return localPort === sourcePort && remotePort === destinationPort;
    });
    if (segment.source !== this.#local || segment.destination !== this.#remote) {
      this.#fail(line, "outbound packet: expected the script's addresses, got others");
    }
    if (known !== undefined) return known;
    return this.#begin(new Flow(sourcePort, destinationPort, this.#settings.remoteSequence));
  }

  // The end.

  #finish(): void {
    const last = this.#script.events.at(-1)?.line ?? 1;
    if (this.#pending !== undefined) this.#advance(this.#pending.end + this.#settings.tolerance);
    if (this.#pending !== undefined) {
      const { line, name } = this.#pending.event;
      this.#fail(line, `${name}: expected its return, but it still waits`);
    }
    const rest = this.#ignoreRest ? undefined : this.#wire.take();
    if (rest === undefined) return;
    const shown = `${this.#textOf(rest, last)} at ${seconds(rest.time)}`;
    this.#fail(last, `expected no packet behind the last event, got one\n  actual   > ${shown}`);
  }
}

/** Runs a script; undefined when it passes, else where and why not. Throws on our own mistakes. */
export function runScript(script: Script, options: RunOptions): ScriptError | undefined {
  try {
    new Runner(script, options).run();
    return undefined;
  } catch (error) {
    if (error instanceof ScriptError) return error;
    throw error;
  }
}
