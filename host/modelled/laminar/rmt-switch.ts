/**
 * The switch of the testbed (dissertation 5.4, 5.5): ingress, traffic manager, egress with the
 * real stage program, mirror, packet generator, and recirculation where both ends of a connection
 * hang on it. Time is fixed by the stages and the clock; everything else is waiting. Invariant: a
 * packet that left the traffic manager is never dropped by the machine, only by the program.
 */
import { Verdict } from "../../../bindings/abi/rmt.ts";
import type { ProgramMachine } from "../../rmt/program-machine.ts";
import type { Simulation } from "../simulation.ts";
import {
  Mirror,
  ModuleMemory,
  PacketGenerator,
  Recirculation,
  type RmtModuleLoader,
  TrafficManager,
} from "./rmt-modules.ts";
import { Program } from "./switch-program.ts";

/** A packet, header fields as the program knows them. */
export interface Packet {
  kind: number;
  /** Row of the registers. */
  connection: number;
  seq: number;
  length: number;
  ack: number;
  edge: number;
  hasAck: number;
  value: number;
  keep: number;
  /** Congestion experienced. */
  marked: boolean;
  /** When its RPC began; whatever the ends want to find again. */
  stamp: number;
}

export function packetOf(connection: number, fields: Partial<Packet>): Packet {
  const none = { seq: 0, length: 0, ack: 0, edge: 0, hasAck: 0, value: 0, keep: 0 };
  return { kind: 0, ...none, marked: false, stamp: 0, ...fields, connection };
}

export interface SwitchOptions {
  /** From MAC to MAC through both pipes, without waiting. */
  readonly passNs: number;
  /** Packets a second of the egress pipeline, in millions. */
  readonly mpps: number;
  readonly mirrorNs: number;
  readonly mirrorLoss: number;
  readonly recirculationNs: number;
  readonly recirculationGbps: number;
  /** How far the recirculation port may be behind before its queue in the manager waits. */
  readonly recirculationBehindNs: number;
  /** Bytes and packets of a queue of the traffic manager. */
  readonly queueBytes: number;
  readonly queuePackets: number;
  readonly portGbps: number;
  readonly connections: number;
  readonly hosts: number;
  /** Period and pause of the packet generator; the grant and the most that credits become. */
  readonly grantNs: number;
  readonly grantIdle: number;
  readonly grantBytes: number;
  readonly creditsMost: number;
  readonly seed: number;
}

/** Bytes of a frame on a channel, less payload: preamble, gap, FCS, least size. */
export function tcpFrameBytes(payload: number): number {
  return Math.max(64, 14 + 20 + 20 + payload + 4) + 20;
}
/** RDMA write with immediate: Ethernet, IP, UDP, BTH, RETH, immediate, ICRC, FCS. */
export function rdmaFrameBytes(payload: number): number {
  return Math.max(64, 14 + 20 + 8 + 12 + 16 + 4 + payload + 4 + 4) + 20;
}

/** What hangs on a port of the switch. */
export interface Port {
  /** A packet that the program let pass, when its last byte has left the switch. */
  deliver(packet: Packet, event: Delivery): void;
}
/** Payload for libTOE; a frame for a peer without Laminar; a SYNC; a call to send again. */
export type Delivery = "data" | "frame" | "sync" | "fast";

interface Waiting {
  readonly packet: Packet;
  readonly port: number;
}

const HIGH = 0;
const DATA = 1;
const LOW = 2;
/** Mirrored copies on their way. */
const MIRROR_PACKETS = 65_536;
const LOOP_PACKETS = 65_536;

export class RmtSwitch {
  readonly simulation: Simulation;
  readonly program: Program;
  readonly manager: TrafficManager;
  readonly mirror: Mirror;
  readonly recirculation: Recirculation;
  readonly generator: PacketGenerator;
  readonly #options: SwitchOptions;
  readonly #ports: Port[] = [];
  readonly #half: number;
  readonly #nowhere: number;
  readonly #around: number;
  readonly #packets: (Waiting | undefined)[] = [undefined];
  readonly #unused: number[] = [];
  /** Port of a connection's own host, its peer's row on this switch (0: none), its peer's port. */
  readonly #home: Uint8Array;
  readonly #peer: Uint32Array;
  readonly #away: Uint8Array;
  #armed = Number.POSITIVE_INFINITY;
  #blocked = false;
  #looping = false;
  /** Packets through the egress pipeline. */
  passes = 0;
  /** Bytes through it, as on the channels. */
  bytes = 0;
  /** Metrics for the control plane: bytes that an ACK takes off, whether it echoes a mark. */
  acknowledged: ((connection: number, bytes: number, marked: boolean) => void) | undefined;
  /** Packets that the program refused, by its reason. */
  readonly refused = new Uint32Array(16);

  constructor(
    simulation: Simulation,
    machine: ProgramMachine,
    load: RmtModuleLoader,
    options: SwitchOptions,
  ) {
    const ports = options.hosts + 2;
    const rings = ports * 3 * options.queuePackets * 8;
    const lines = (MIRROR_PACKETS + LOOP_PACKETS) * 16;
    const memory = new ModuleMemory(load, rings + lines + options.connections * 8 + 65_536);
    this.simulation = simulation;
    this.#options = options;
    this.program = new Program(machine);
    this.#half = options.passNs / 2;
    this.#nowhere = options.hosts;
    this.#around = options.hosts + 1;
    this.#home = new Uint8Array(options.connections);
    this.#peer = new Uint32Array(options.connections);
    this.#away = new Uint8Array(options.connections);
    this.manager = new TrafficManager(memory, 1000 / options.mpps, ports);
    for (let port = 0; port < ports; port += 1) this.#setPort(port);
    const { mirrorNs, mirrorLoss, seed, grantNs, grantIdle, connections } = options;
    this.mirror = new Mirror(memory, mirrorNs, MIRROR_PACKETS, mirrorLoss, seed);
    const { recirculationGbps, recirculationBehindNs } = options;
    // What going round adds is a pass more and the way between; a packet sets out from egress's
    // front, half a pass before its last bit is out.
    const way = Math.max(0, options.recirculationNs - options.passNs);
    this.recirculation = new Recirculation(
      memory,
      this.#half + way,
      LOOP_PACKETS,
      recirculationGbps,
      recirculationBehindNs,
    );
    this.generator = new PacketGenerator(memory, grantNs, connections, grantIdle);
  }

  #setPort(port: number): void {
    const { hosts, portGbps, queueBytes, queuePackets } = this.#options;
    this.manager.setRate(port, port < hosts ? portGbps : Number.POSITIVE_INFINITY);
    for (const priority of [HIGH, DATA, LOW]) {
      this.manager.setQueue(port, priority, { packets: queuePackets, bytes: queueBytes });
    }
  }

  /** Hangs a host on the next port; its number. */
  attach(port: Port): number {
    return this.#ports.push(port) - 1;
  }

  /** A connection whose libTOE is on port `home`; `peer`: its row here, or its port with 0. */
  connect(connection: number, home: number, peer: number, away: number): void {
    this.#home[connection] = home;
    this.#peer[connection] = peer;
    this.#away[connection] = away;
  }

  /** What the next SYNC of a connection grants: the control plane's tables. */
  grants: (connection: number, value: number, most: number) => Pick<Packet, "value" | "keep"> = (
    _connection,
    value,
    most,
  ) => ({ value, keep: most - value });

  /** A pass that the control plane asks for. */
  fromControl(packet: Packet): void {
    this.simulation.after(this.#half, () => this.#enqueue(packet, this.#nowhere, HIGH, 0));
  }

  /** Starts the packet generator. */
  start(): void {
    this.simulation.at(Math.max(this.simulation.now, this.generator.due), () => this.#generate());
  }

  #generate(): void {
    const { now } = this.simulation;
    const { grantBytes, creditsMost } = this.#options;
    for (let c = this.generator.next(now); c !== undefined; c = this.generator.next(now)) {
      const value = grantBytes;
      const grant = { kind: this.program.kinds.GRANT, ...this.grants(c, value, creditsMost) };
      this.#enqueue(packetOf(c, grant), this.#home[c] as number, LOW, rdmaFrameBytes(0));
    }
    this.start();
  }

  /** Backpressure of a port's channel (PFC). */
  pause(port: number, paused: boolean): void {
    this.manager.pause(port, paused);
    if (!paused) this.#pump();
  }

  /** A segment or a SYNC out of a host's libTOE, as its last byte arrives by DMA. */
  fromHost(packet: Packet): void {
    if (packet.kind !== this.program.kinds.SYNC) {
      this.generator.touch(packet.connection, this.simulation.now);
    }
    this.simulation.after(this.#half, () => {
      if (packet.kind === this.program.kinds.SYNC) this.#enqueue(packet, this.#nowhere, DATA, 0);
      else this.#enqueue(packet, this.#exit(packet), DATA, tcpFrameBytes(packet.length));
    });
  }

  /** A TCP segment from the network, as its last byte arrives. */
  fromWire(packet: Packet): void {
    this.simulation.after(this.#half, () => {
      packet.kind = this.program.kinds.RX;
      const payload = packet.length > 0;
      const port = payload ? (this.#home[packet.connection] as number) : this.#nowhere;
      this.#enqueue(packet, port, DATA, payload ? rdmaFrameBytes(packet.length) : 0);
    });
  }

  /** Where a connection's segments go. */
  #exit({ connection }: Packet): number {
    const around = (this.#peer[connection] as number) !== 0;
    return around ? this.#around : (this.#away[connection] as number);
  }

  #enqueue(packet: Packet, port: number, priority: number, bytes: number): void {
    const handle = this.#hold({ packet, port });
    const verdict = this.manager.enqueue(port, priority, handle, bytes);
    if (verdict === Verdict.Dropped || verdict === Verdict.Refused) this.#forget(handle);
    else this.#pump();
  }

  /** A packet's handle: not 0. */
  #hold(waiting: Waiting): number {
    const handle = this.#unused.pop() ?? this.#packets.length;
    this.#packets[handle] = waiting;
    return handle;
  }

  #forget(handle: number): Waiting {
    const waiting = this.#packets[handle] as Waiting;
    this.#packets[handle] = undefined;
    this.#unused.push(handle);
    return waiting;
  }

  /** Lets packets into egress while slots and channels are free, then waits for the next. */
  #pump(): void {
    const { now } = this.simulation;
    this.#watchLoop();
    for (let h = this.manager.dequeue(now); h !== 0; h = this.manager.dequeue(now)) {
      this.#egress(this.#forget(h));
      this.#watchLoop();
    }
    const { due } = this.manager;
    if (due >= this.#armed || due === Number.POSITIVE_INFINITY) return;
    this.#armed = due;
    this.simulation.at(Math.max(now, due), () => {
      if (this.#armed === due) this.#armed = Number.POSITIVE_INFINITY;
      this.#pump();
    });
  }

  /** Nothing is let into egress for a recirculation port that takes nothing. */
  #watchLoop(): void {
    if (this.#blocked) return;
    const room = this.recirculation.room(this.simulation.now);
    if (room <= this.simulation.now) return;
    this.#blocked = true;
    this.manager.pause(this.#around, true);
    this.simulation.at(room, () => {
      this.#blocked = false;
      this.pause(this.#around, false);
    });
  }

  #egress({ packet, port }: Waiting): void {
    this.passes += 1;
    this.program.run(packet);
    const { reason } = this.program;
    if (reason !== 0) this.refused[reason] = (this.refused[reason] as number) + 1;
    if (this.program.mirrors) this.#mirrored(packet);
    const { kinds } = this.program;
    if (packet.kind === kinds.RX) this.#received(packet, port);
    else if (packet.kind === kinds.GRANT) this.#granted(packet, port);
    else if (port !== this.#nowhere && reason === 0) this.#segment(packet, port);
  }

  /** The copy that becomes an ACK and carries a merge (5.3.1.4, 5.3.1.5). */
  #mirrored(packet: Packet): void {
    const pseudo = this.program.pseudo(packet);
    const handle = this.#hold({ packet: pseudo, port: this.#exit(packet) });
    if (!this.mirror.send(handle, this.simulation.now)) {
      this.#forget(handle);
      return;
    }
    this.simulation.at(this.simulation.now + this.#options.mirrorNs, () => this.#reinject());
  }

  #reinject(): void {
    const { now } = this.simulation;
    for (let h = this.mirror.arrived(now); h !== 0; h = this.mirror.arrived(now)) {
      const { packet, port } = this.#forget(h);
      this.#enqueue(packet, port, HIGH, tcpFrameBytes(0));
    }
  }

  /** What SYNC says to libTOE: what is acknowledged, what may be sent (5.3.2.1). */
  #granted(packet: Packet, port: number): void {
    packet.ack = this.program.una;
    packet.value = this.program.result("credits");
    this.#leave(packet, port, "sync", rdmaFrameBytes(0));
  }

  #received(packet: Packet, port: number): void {
    const acked = this.program.result("acked") | 0;
    if (acked > 0) this.acknowledged?.(packet.connection, acked, packet.marked);
    if (this.program.fast) {
      packet.ack = this.program.una;
      this.#leave(packet, this.#home[packet.connection] as number, "fast", rdmaFrameBytes(0));
    }
    if (packet.length === 0) return;
    this.program.placed(packet);
    if (packet.length > 0) this.#leave(packet, port, "data", rdmaFrameBytes(packet.length));
  }

  /** A TX segment or a pseudo segment's ACK leaves for the peer. */
  #segment(packet: Packet, port: number): void {
    this.program.acknowledge(packet);
    const length = packet.kind === this.program.kinds.PSEUDO ? 0 : packet.length;
    const bytes = tcpFrameBytes(length);
    if (port !== this.#around) {
      this.#leave(packet, port, "frame", bytes);
      return;
    }
    this.bytes += bytes;
    const round = packetOf(this.#peer[packet.connection] as number, { ...packet, length });
    const handle = this.#hold({ packet: round, port });
    const { now } = this.simulation;
    // #watchLoop() let it in only with room: egress drops nothing.
    if (!this.recirculation.send(handle, bytes, now)) throw new Error("egress dropped a packet");
    this.#awaitLoop();
  }

  /** One event for the first that comes round. */
  #awaitLoop(): void {
    const { due } = this.recirculation;
    if (this.#looping || due === Number.POSITIVE_INFINITY) return;
    this.#looping = true;
    this.simulation.at(due, () => {
      this.#looping = false;
      const { recirculation, simulation } = this;
      for (let h = recirculation.arrived(simulation.now); h !== 0; ) {
        this.fromWire(this.#forget(h).packet);
        h = recirculation.arrived(simulation.now);
      }
      this.#awaitLoop();
    });
  }

  /** Out of the egress pipeline to a port. */
  #leave(packet: Packet, port: number, event: Delivery, bytes: number): void {
    this.bytes += bytes;
    const channel = (bytes * 8) / this.#options.portGbps;
    const to = this.#ports[port] as Port;
    this.simulation.after(this.#half + channel, () => to.deliver(packet, event));
  }
}
