/**
 * Streams into a host with Laminar (dissertation 5.5.2.1, 5.5.4.1): every segment is reassembled by
 * the stage program, ACKs come back from the pipeline, libTOE returns the window when its core has
 * read.
 */
import type { LaminarHost } from "./rdma-host.ts";
import { type Packet, packetOf, type RmtSwitch } from "./rmt-switch.ts";
import { FIRST_SEQ, offsetOf, seqAt } from "./stream-offset.ts";

/** Bytes of a connection's receive buffer. */
export const STREAM_BUFFER = 524_288;

export class LaminarReceiver {
  readonly #switch: RmtSwitch;
  readonly #laminar: LaminarHost;
  readonly #window: number;
  readonly #away: number;
  /** Of each row that is a stream's. */
  readonly #ends = new Map<number, number>();
  readonly #answers: ((offset: number, marked: boolean) => void)[] = [];
  /** Bytes that the application has read. */
  read = 0;

  /** `window`: of a stream's receive buffer. Other rows stay with the host's reader. */
  constructor(to: RmtSwitch, laminar: LaminarHost, window: number) {
    this.#switch = to;
    this.#laminar = laminar;
    this.#window = window;
    this.#away = to.attach({ deliver: (packet) => this.#answer(packet) });
    const others = laminar.reader;
    laminar.reader = (connection, packet) => {
      if (!this.#ends.has(connection)) return others(connection, packet);
      laminar.host.complete(connection, packet.length, () => {
        this.read += packet.length;
        laminar.freed(connection, packet.length);
      });
    };
  }

  #answer({ connection, ack, marked }: Packet): void {
    const acked = this.#ends.get(connection) as number;
    const offset = offsetOf(ack, acked);
    this.#ends.set(connection, Math.max(acked, offset));
    (this.#answers[connection] as (offset: number, marked: boolean) => void)(offset, marked);
  }

  /** Opens a row; `answer` is called with each ACK as it leaves the switch. */
  open(row: number, answer: (offset: number, marked: boolean) => void): void {
    this.#switch.program.open(row, FIRST_SEQ, this.#window, 0, 0);
    this.#switch.connect(row, this.#laminar.port, 0, this.#away);
    this.#laminar.open(row, FIRST_SEQ);
    this.#ends.set(row, 0);
    this.#answers[row] = answer;
  }

  /** A segment as its last byte reaches the switch. */
  arrive(row: number, offset: number, length: number, marked: boolean): void {
    this.#switch.fromWire(packetOf(row, { seq: seqAt(offset), length, marked }));
  }
}
