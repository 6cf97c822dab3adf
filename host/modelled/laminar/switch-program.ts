/**
 * TCP's stage program as the switch uses it: fields of a packet into the header vector, one pass,
 * and what the result fields say. Decisions are the program's alone.
 */
import type { ProgramMachine } from "../../rmt/program-machine.ts";
import { type Packet, packetOf } from "./rmt-switch.ts";

const KINDS = ["RX", "PSEUDO", "TX", "SYNC", "GRANT", "TIMEOUT", "PROBE"] as const;
type Kind = (typeof KINDS)[number];

export class Program {
  readonly machine: ProgramMachine;
  readonly kinds: Readonly<Record<Kind, number>>;
  readonly #vector: Uint32Array;
  readonly #at: ReadonlyMap<string, number>;
  readonly #fields: readonly number[];
  readonly #reason: number;
  readonly #mirror: number;
  /** Packets of each kind. */
  readonly passes = new Uint32Array(16);

  constructor(machine: ProgramMachine) {
    const at = (name: string): number => machine.at(name);
    this.machine = machine;
    this.#vector = machine.vector;
    const entries = KINDS.map((kind) => [kind, machine.constant(kind)] as const);
    this.kinds = Object.fromEntries(entries) as Record<Kind, number>;
    this.#at = new Map(machine.program.fields.map(({ name }, i) => [name, i]));
    const inputs = ["kind", "connection", "seq", "end", "length", "ack", "edge", "has_ack"];
    this.#fields = [...inputs, "value", "keep"].map(at);
    this.#reason = at("reason");
    this.#mirror = at("mirror");
  }

  /** One pass through egress. */
  run(packet: Packet): void {
    const vector = this.#vector;
    const [kind, connection, seq, end, length, ack, edge, hasAck, value, keep] = this
      .#fields as readonly [
      ...[number, number, number, number, number],
      ...[number, number, number, number, number],
    ];
    vector.fill(0);
    vector[kind] = packet.kind;
    vector[connection] = packet.connection;
    vector[seq] = packet.seq;
    vector[end] = packet.seq + packet.length;
    vector[length] = packet.length;
    vector[ack] = packet.ack;
    vector[edge] = packet.edge;
    vector[hasAck] = packet.hasAck;
    vector[value] = packet.value;
    vector[keep] = packet.keep;
    this.passes[packet.kind] = (this.passes[packet.kind] as number) + 1;
    this.machine.pass();
  }

  result(field: string): number {
    return this.#vector[this.#at.get(field) as number] as number;
  }

  get reason(): number {
    return this.#vector[this.#reason] as number;
  }

  get mirrors(): boolean {
    return this.#vector[this.#mirror] === 1;
  }

  get fast(): boolean {
    return this.result("fast") === 1;
  }

  get una(): number {
    return this.result("una");
  }

  /** The pseudo segment that the last packet was mirrored to. */
  pseudo(packet: Packet): Packet {
    const seq = this.result("acknowledgment");
    return packetOf(packet.connection, {
      kind: this.kinds.PSEUDO,
      seq,
      length: this.result("span"),
      ack: seq,
      edge: (seq + this.result("window")) >>> 0,
      marked: packet.marked,
    });
  }

  /** The received segment as far as its bytes are placed: length 0 when none is. */
  placed(packet: Packet): void {
    if (this.result("placed") === 0) packet.length = 0;
    packet.value = this.result("notify") === 1 ? this.result("ready") : 0;
    packet.hasAck = this.result("notify");
  }

  /** What a segment that leaves says of the other direction (piggybacked). */
  acknowledge(packet: Packet): void {
    packet.hasAck = 1;
    if (packet.kind === this.kinds.PSEUDO) return;
    packet.ack = this.result("snap");
    packet.edge = (packet.ack + this.result("avail")) >>> 0;
  }

  /** Opens a connection at sequence number `first` in both directions. */
  open(connection: number, first: number, window: number, credits: number, room: number): void {
    const write = (name: string, value: number): void => {
      this.machine.write(name, connection, value >>> 0);
    };
    write("rx_next_seq", first);
    write("rx_avail", window);
    write("rx_ooo_tail", 0);
    write("rx_ooo_head", 0);
    write("tx_next_ack", first);
    write("tx_dupack_cnt", 0);
    write("tx_avail", 0);
    write("tx_credits", credits);
    write("tx_remote_avail", first + room);
  }
}
