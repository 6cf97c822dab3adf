/** Packets for TCP's stage program: header vectors for egress, segments for parser and ingress. */
import type { ProgramMachine } from "../../host/rmt/program-machine.ts";
import type { Random } from "./random.ts";

const CONNECTIONS = 4;

/** Writes packets into header vectors, near what the registers hold: every case is taken often. */
export class Packets {
  readonly #random: Random;
  readonly #of: ProgramMachine;
  readonly #at: (field: string) => number;

  constructor(random: Random, of: ProgramMachine) {
    this.#random = random;
    this.#of = of;
    const offsets = new Map(of.program.fields.map(({ name }) => [name, of.at(name)]));
    this.#at = (field) => offsets.get(field) as number;
  }

  write(): void {
    const random = this.#random;
    const { vector } = this.#of;
    vector.fill(0);
    const connection = random.below(CONNECTIONS + 1);
    const near = (register: string): number =>
      (this.#of.read(register, connection) + random.between(0, 40) * 10 - 150) >>> 0;
    const kind = random.between(1, 7);
    const seq = near(kind === 3 ? "tx_next_ack" : "rx_next_seq");
    const length = random.oneIn(2) ? 0 : random.between(1, 30) * 10;
    vector[this.#at("kind")] = kind;
    vector[this.#at("connection")] = connection;
    vector[this.#at("seq")] = seq;
    vector[this.#at("length")] = length;
    vector[this.#at("end")] = seq + length;
    // The same once more, often: duplicate acknowledgments.
    const una = this.#of.read("tx_next_ack", connection);
    vector[this.#at("ack")] = random.oneIn(2) ? una : near("tx_next_ack");
    vector[this.#at("edge")] = near("tx_next_ack") + random.between(0, 60) * 10;
    vector[this.#at("has_ack")] = random.oneIn(10) ? 0 : 1;
    vector[this.#at("target")] = random.between(0, 10);
    vector[this.#at("value")] = random.oneIn(4) ? random.u32() : random.between(0, 60) * 10;
    vector[this.#at("keep")] = random.between(0, 100) * 10;
  }
}

/** What a connection of the lookup table is bound to. */
export interface Binding {
  readonly key: readonly [remote: number, local: number, ports: number];
  readonly connection: number;
  readonly scale: number;
  readonly origin: number;
  readonly mask: number;
  readonly base: number;
}

export function binding(random: Random, connection: number): Binding {
  const key = [random.u32(), random.u32(), random.u32()] as const;
  const size = 2 ** random.between(10, 20);
  const [origin, base] = [random.u32(), random.below(2 ** 20) * 4096];
  return { key, connection, scale: random.between(0, 14), origin, mask: size - 1, base };
}

/** A segment of a connection, headers of any length. */
export function segment(random: Random, { key }: Binding): { bytes: Uint8Array; view: DataView } {
  const ip = 4 * random.between(5, 15);
  const tcp = 4 * random.between(5, 15);
  const bytes = random.bytes(ip + tcp + random.below(60));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x40 | (ip / 4));
  view.setUint16(2, bytes.length);
  view.setUint8(9, 6);
  view.setUint32(12, key[0]);
  view.setUint32(16, key[1]);
  view.setUint32(ip, key[2]);
  view.setUint8(ip + 12, (tcp / 4) << 4);
  return { bytes, view };
}
