/**
 * Streams into a host with Laminar (dissertation 5.5.2.1, 5.5.4.1): every segment is reassembled by
 * the stage program, ACKs come back from the pipeline, libTOE returns the window when its core has
 * read. Connections are rows from 1 on.
 */
import { LaminarHost, type RdmaHost } from "./rdma-host.ts";
import { packetOf, type Port, type RmtSwitch } from "./rmt-switch.ts";
import { FIRST_SEQ, offsetOf, seqAt } from "./stream-offset.ts";

/** Bytes of a connection's receive buffer. */
export const STREAM_BUFFER = 524_288;

export class LaminarReceiver {
  readonly #switch: RmtSwitch;
  readonly #away: number;
  readonly #ends: number[] = [];
  readonly #answers: ((offset: number, marked: boolean) => void)[] = [];
  readonly laminar: LaminarHost;
  /** Bytes that the application has read. */
  read = 0;

  constructor(to: RmtSwitch, host: RdmaHost) {
    this.#switch = to;
    this.laminar = new LaminarHost(to, host, STREAM_BUFFER);
    const port: Port = {
      deliver: (packet) => {
        const row = packet.connection;
        const acked = this.#ends[row] as number;
        const offset = offsetOf(packet.ack, acked);
        this.#ends[row] = Math.max(acked, offset);
        (this.#answers[row] as (offset: number, marked: boolean) => void)(offset, packet.marked);
      },
    };
    this.#away = to.attach(port);
    this.laminar.reader = (connection, { length }) => {
      host.complete(connection, length, () => {
        this.read += length;
        this.laminar.freed(connection, length);
      });
    };
  }

  /** Opens a row; `answer` is called with each ACK as it leaves the switch. */
  open(row: number, answer: (offset: number, marked: boolean) => void): void {
    this.#switch.program.open(row, FIRST_SEQ, STREAM_BUFFER, 0, 0);
    this.#switch.connect(row, this.laminar.port, 0, this.#away);
    this.laminar.open(row, FIRST_SEQ);
    this.#ends[row] = 0;
    this.#answers[row] = answer;
  }

  /** A segment as its last byte reaches the switch. */
  arrive(row: number, offset: number, length: number, marked: boolean): void {
    this.#switch.fromWire(packetOf(row, { seq: seqAt(offset), length, marked }));
  }
}
