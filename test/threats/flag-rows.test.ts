/**
 * Threats H17: all 256 flag bytes in all 11 states, each segment otherwise exactly what is
 * expected (sequence number RCV.NXT, acknowledgment SND.UNA, no payload). Expected results are
 * those of RFC 9293 3.10.7 with the mitigations of RFC 5961. CLOSED and LISTEN are a 4-tuple that
 * nobody has; SYN-SENT, SYN-RECEIVED and TIME-WAIT are the control plane's, so that the data path
 * must hand the segment over unjudged.
 */
import { expect, test } from "vitest";
import { ATX_FIN, EventKind } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, FIN, RST, SYN, type FrameFields } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore, type FlowFields, type Outcome } from "../support/raw-core.ts";

const LIVE = FIN | SYN | RST | ACK;

/** What happened on our side and on the peer's before the segment arrives. */
interface InstalledState {
  readonly name: string;
  readonly steps: readonly ("close" | "acked" | "fin")[];
  /** True when a FIN of the peer is still possible. */
  readonly takesFin: boolean;
}

const INSTALLED: readonly InstalledState[] = [
  { name: "ESTABLISHED", steps: [], takesFin: true },
  { name: "FIN-WAIT-1", steps: ["close"], takesFin: true },
  { name: "FIN-WAIT-2", steps: ["close", "acked"], takesFin: true },
  { name: "CLOSE-WAIT", steps: ["fin"], takesFin: false },
  { name: "CLOSING", steps: ["close", "fin"], takesFin: false },
  { name: "LAST-ACK", steps: ["fin", "close"], takesFin: false },
];

class Machine {
  readonly raw: RawCore;
  flow: FlowFields;

  constructor(raw: RawCore) {
    this.raw = raw;
    this.flow = raw.establish();
  }

  segment(fields: Partial<FrameFields>): Uint8Array {
    const { rxNextSeq, txUna } = this.raw.inspect();
    return buildFrame({ seq: rxNextSeq, ack: txUna, ...fields });
  }

  /** Forgets the connection and brings a new one into the state. */
  renew(state: InstalledState): void {
    const { core } = this.raw;
    core.exports.uninstall(core.address, 1);
    core.exports.unbind(core.address, 1);
    this.flow = this.raw.establish({ generation: this.flow.generation + 1 });
    this.raw.now += 1e9;
    for (const step of state.steps) {
      if (step === "close") this.raw.post(1, { generation: this.flow.generation, flags: ATX_FIN });
      if (step === "acked") this.raw.offer([this.segment({ ack: this.flow.txSeq + 1 })]);
      if (step === "fin") this.raw.offer([this.segment({ flags: FIN | ACK })]);
      this.raw.step();
    }
    this.raw.notifications(1);
  }
}

/** The one frame that left is an ACK of ours and nothing more (RFC 5961, 3.2 and 4.2). */
function expectAck(machine: Machine, outcome: Outcome, what: string): void {
  const { rxNextSeq, txUna, txSent } = machine.raw.inspect();
  const sent = outcome.frames.map((frame) => {
    const { flags, seq, ack, payloadLength } = judgeSegment(frame);
    return [flags, seq, ack, payloadLength];
  });
  expect(sent, what).toEqual([[ACK, (txUna + txSent) >>> 0, rxNextSeq, 0]]);
}

/** Refused, and nothing comes of it. */
function expectSilence(outcome: Outcome, reason: DropReason, what: string): void {
  expect([[...outcome.drops], outcome.frames, outcome.events], what).toEqual([
    [[reason, 1]],
    [],
    [],
  ]);
}

function expectInstalled(machine: Machine, state: InstalledState, flags: number): void {
  const what = `${state.name}, flags 0x${flags.toString(16)}`;
  const before = machine.raw.inspect();
  const outcome = machine.raw.offer([machine.segment({ flags })]);
  const kinds = outcome.events.map(({ kind }) => kind);
  const fin = (flags & (ACK | FIN | RST | SYN)) === (ACK | FIN) && state.takesFin;
  if ((flags & LIVE) === 0) {
    expectSilence(outcome, DropReason.TcpNoFlags, what);
  } else if ((flags & RST) !== 0) {
    // RFC 9293 3.10.7.4, second: the sequence number is RCV.NXT. Nothing answers a reset.
    expect([kinds, outcome.frames], what).toEqual([[EventKind.Reset], []]);
  } else if ((flags & SYN) !== 0) {
    expect(kinds, what).toEqual([]);
    expectAck(machine, outcome, what);
  } else if ((flags & ACK) === 0) {
    expectSilence(outcome, DropReason.NoAck, what);
  } else {
    expect(kinds, what).toEqual(fin ? [EventKind.FinReceived] : []);
    // A FIN is acknowledged, and one behind the peer's FIN, where nothing can be, is told so.
    if ((flags & FIN) !== 0) expectAck(machine, outcome, what);
    else expect(outcome.frames, what).toEqual([]);
  }
  const { rxNextSeq } = before;
  expect(machine.raw.inspect(), what).toMatchObject({
    rxNextSeq: (rxNextSeq + (fin ? 1 : 0)) >>> 0,
    txUna: before.txUna,
    txSent: before.txSent,
    txAvail: before.txAvail,
  });
  expect(machine.raw.guards(), what).toEqual([]);
}

for (const state of INSTALLED) {
  test(`threats/H17 all 256 flag bytes in ${state.name}`, () => {
    const machine = new Machine(new RawCore(testCore()));
    for (let flags = 0; flags < 256; flags += 1) {
      machine.renew(state);
      expectInstalled(machine, state, flags);
    }
  });
}

const HANDED_OVER: readonly (readonly [string, number])[] = [
  ["CLOSED", 0],
  ["LISTEN", 0],
  ["SYN-SENT", 7],
  ["SYN-RECEIVED", 7],
  ["TIME-WAIT", 7],
];

for (const [name, connection] of HANDED_OVER) {
  test(`threats/H17 all 256 flag bytes in ${name} reach the control plane`, () => {
    const raw = new RawCore(testCore());
    if (connection !== 0) raw.bind({ connection });
    for (let flags = 0; flags < 256; flags += 1) {
      const outcome = raw.offer([buildFrame({ flags })]);
      const dead = (flags & LIVE) === 0;
      const seen = outcome.events.map((event) => [event.kind, event.connection]);
      expect(seen, `flags ${flags}`).toEqual(dead ? [] : [[EventKind.Redirect, connection]]);
      expect([...outcome.drops], `flags ${flags}`).toEqual(
        dead ? [[DropReason.TcpNoFlags, 1]] : [],
      );
      expect(outcome.frames).toEqual([]);
    }
  });
}
