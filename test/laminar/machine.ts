/**
 * TCP's stage program behind the interfaces of the models: header vectors in, result fields out.
 * What the traffic manager, mirror and control plane do around it is the harness's.
 */
import { laminarOver } from "../../bench/rmt-machine.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { loadProgram, type ProgramMachine } from "../../host/rmt/program-machine.ts";
import { loadRmtModule } from "../support/load-core.ts";
import { type Form, RmtTcp } from "../support/rmt.ts";
import type { Drop, Outcome, PseudoSegment, Receiver, ReceiveWindow } from "./receiver.ts";
import { seqMinus, seqPlus } from "./receiver.ts";
import type { Registers } from "./receiver.ts";
import type { AckOutcome, AckSegment, Transmitter, TransmitOutcome } from "./transmitter.ts";
import type { TransmitRegisters, TransmitStart } from "./transmitter.ts";

const CONNECTION = 1;

type Fields = Readonly<Record<string, number>>;

/** TCP's program in one of its forms, or another text in its place. */
export function machineOf(form: Form): ProgramMachine {
  return new RmtTcp(form, 2);
}

/** As machineOf(), from a text. */
export function machineFrom(text: string, most = 2): ProgramMachine {
  const module = loadRmtModule();
  const match = (memory: WebAssembly.Memory) => laminarOver(module, memory);
  return loadProgram("tcp.rmt", text, TOFINO2, { match, most });
}

/** A connection of a machine. */
class Machine {
  readonly tcp: ProgramMachine;

  constructor(tcp: ProgramMachine) {
    this.tcp = tcp;
  }

  run(kind: string, fields: Fields): void {
    this.tcp.run({ ...fields, kind: this.tcp.constant(kind), connection: CONNECTION });
  }

  /** A field of the last packet. */
  result(field: string): number {
    return this.tcp.result(field);
  }

  /** The control plane writes one register a packet. */
  write(target: string, value: number): void {
    this.run("CONTROL", { target: this.tcp.constant(target), value: value >>> 0 });
  }

  read(register: string): number {
    return this.tcp.read(register, CONNECTION);
  }

  is(value: number, constant: string): boolean {
    return value === this.tcp.constant(constant);
  }
}

/** R1 to R4. */
export class MachineReceiver implements Receiver {
  readonly #machine: Machine;

  constructor(machine: ProgramMachine, initial: ReceiveWindow) {
    this.#machine = new Machine(machine);
    this.#machine.write("RX_NEXT_SEQ", initial.rxNextSeq);
    this.#machine.write("RX_AVAIL", initial.rxAvail);
  }

  data(seq: number, length: number): Outcome {
    this.#segment("RX", seq, length);
    return this.#outcome(seq, length);
  }

  pseudo(segment: PseudoSegment): Outcome {
    // Without a merge it is an ACK that leaves.
    const length = segment.merge ? segment.length : 0;
    this.#segment("PSEUDO", segment.seq, length);
    const { placed: _, ...outcome } = this.#outcome(segment.seq, length);
    const inOrder = this.#machine.is(this.#machine.result("class"), "IN_ORDER");
    if (length === 0 || inOrder || outcome.drop !== undefined) return outcome;
    return { drop: "out-of-order" };
  }

  sync(freed: number): void {
    this.#machine.run("SYNC", { value: freed });
  }

  rollback(to: ReceiveWindow): void {
    this.#machine.write("RX_NEXT_SEQ", to.rxNextSeq);
    this.#machine.write("RX_AVAIL", to.rxAvail);
    this.#machine.write("RX_OOO_TAIL", 0);
    this.#machine.write("RX_OOO_HEAD", 0);
  }

  registers(): Registers {
    return {
      rxNextSeq: this.#machine.read("rx_next_seq"),
      rxAvail: this.#window(this.#machine.read("rx_avail")),
      rxOooTail: this.#machine.read("rx_ooo_tail"),
      rxOooHead: this.#machine.read("rx_ooo_head"),
    };
  }

  #segment(kind: string, seq: number, length: number): void {
    this.#machine.run(kind, { seq, length, end: seqPlus(seq, length) });
  }

  #window(avail: number): number {
    return this.#machine.is(avail, "CLOSED") ? 0 : avail;
  }

  #outcome(seq: number, length: number): Outcome {
    const machine = this.#machine;
    const drop = this.#drop();
    const first = machine.result("before");
    const inOrder = machine.is(machine.result("class"), "IN_ORDER");
    const bytes = inOrder ? { seq: first, length: machine.result("hi") } : { seq, length };
    const rollback = { rxNextSeq: first, rxAvail: this.#window(machine.result("avail")) };
    return {
      ...(drop === undefined ? {} : { drop }),
      ...(machine.result("placed") === 1 ? { placed: bytes } : {}),
      ...(machine.result("notify") === 1 ? { notify: machine.result("ready") } : {}),
      ...(machine.result("mirror") === 1 ? { pseudo: this.#mirrored() } : {}),
      ...(drop === "out-of-window" ? { rollback } : {}),
    };
  }

  #mirrored(): PseudoSegment {
    const ack = this.#machine.result("acknowledgment");
    const length = this.#machine.result("span");
    const window = this.#machine.result("window");
    return { seq: ack, length, ack, window, merge: this.#machine.result("merge") === 1 };
  }

  #drop(): Drop | undefined {
    const reason = this.#machine.result("reason");
    if (this.#machine.is(reason, "OUT_OF_WINDOW")) return "out-of-window";
    if (this.#machine.is(reason, "BEYOND_WINDOW")) return "beyond-window";
    if (this.#machine.is(reason, "NO_INTERVAL")) return "out-of-order";
    const duplicate = this.#machine.is(this.#machine.result("class"), "DUPLICATE");
    return duplicate ? "duplicate" : undefined;
  }
}

const SEQ = 1000;
const WINDOW = 10_000;
/** Where a segment of that kind begins for a receiver that expects SEQ. */
const BEGINS = {
  "in-order": SEQ,
  duplicate: SEQ - 5000,
  "out-of-order": SEQ + 2000,
  "out-of-window": SEQ + 2 * WINDOW,
} as const;

/** T1 to T5. */
export class MachineTransmitter implements Transmitter {
  readonly #machine: Machine;

  constructor(machine: ProgramMachine, start: TransmitStart) {
    this.#machine = new Machine(machine);
    this.#machine.write("TX_NEXT_ACK", start.txNextAck);
    this.#machine.write("TX_CREDITS", start.txCredits);
    this.#machine.write("TX_REMOTE_AVAIL", start.txRemoteEdge);
  }

  acknowledge({ ack, window, length, order }: AckSegment): AckOutcome {
    // Each finds the receiver as its order says.
    this.#machine.write("RX_NEXT_SEQ", SEQ);
    this.#machine.write("RX_AVAIL", WINDOW);
    this.#machine.write("RX_OOO_TAIL", 0);
    this.#machine.write("RX_OOO_HEAD", 0);
    const before = this.#machine.read("tx_next_ack");
    const seq = BEGINS[order] >>> 0;
    const end = seqPlus(seq, length);
    const edge = seqPlus(ack, window);
    this.#machine.run("RX", { seq, end, length, ack, edge, has_ack: 1 });
    const una = this.#machine.read("tx_next_ack");
    return {
      acknowledged: seqMinus(una, before),
      ...(this.#machine.result("fast") === 1 ? { fastRetransmit: una } : {}),
      ...(this.#machine.result("unsent") === 1 ? { reset: true as const } : {}),
    };
  }

  transmit(seq: number, length: number): TransmitOutcome {
    this.#machine.run("TX", { seq, length, end: seqPlus(seq, length) });
    const reason = this.#machine.result("reason");
    if (this.#machine.is(reason, "STALE")) return "stale";
    if (this.#machine.is(reason, "NO_CREDIT")) return "no-credit";
    return this.#machine.is(reason, "REMOTE_WINDOW") ? "beyond-window" : "sent";
  }

  grant(bytes: number, cap: number): void {
    this.#machine.run("GRANT", { value: bytes, keep: cap - bytes });
  }

  timeout(credits: number): number {
    this.#machine.run("TIMEOUT", { value: credits });
    return this.#machine.result("una");
  }

  registers(): TransmitRegisters {
    return {
      txNextAck: this.#machine.read("tx_next_ack"),
      txDupackCnt: this.#machine.read("tx_dupack_cnt"),
      txAvail: this.#machine.read("tx_avail"),
      txCredits: this.#machine.read("tx_credits"),
      txRemoteEdge: this.#machine.read("tx_remote_avail"),
    };
  }
}
