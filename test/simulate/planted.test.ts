/**
 * Every checker can fail: frames are tampered with between a stack and the checkers, as if the
 * stack had sent them so, and the invariant that this breaks is reported. What frames cannot break
 * is broken in the tables that the checkers read. The table of README.md is the index.
 */
import { describe, expect, test } from "vitest";
import {
  FLOW_OUT_OF_ORDER,
  PROTOCOL_FLAGS,
  PROTOCOL_SIZE,
  PROTOCOL_TX_MAX,
  RECOVERY_LOG,
  RECOVERY_RTO_DEADLINE,
  RECOVERY_RTTVAR,
  RECOVERY_SIZE,
} from "../../bindings/abi/flow-state.ts";
import {
  CORE_CHUNK_FREE_COUNT,
  CORE_SEQUENCE_FAULTS,
  GUARD_VALUE,
} from "../../bindings/abi/memory-map.ts";
import { LOG_SACKED } from "../../bindings/abi/send-log.ts";
import { TIMER_SIZE } from "../../bindings/abi/timer.ts";
import type { Stack } from "../../host/stack.ts";
import { loadModule } from "../support/load-core.ts";
import { dataPathUnderTest } from "../support/env.ts";
import type { Invariant } from "./checkers/checker.ts";
import { ACK, FIN, readFrame, RST, Segment, SYN } from "./checkers/reference-parser.ts";
import { mendChecksum, tcpAt } from "./middlebox.ts";
import type { Plan } from "./plan.ts";
import { broken, LOSSY, misreport, plainPlan } from "./plain-plan.ts";
import { simulateTwice } from "./simulation.ts";
import type { Plant } from "./watched-netif.ts";

interface Tampered {
  readonly view: DataView;
  readonly frame: Uint8Array;
  /** Where TCP begins. */
  readonly tcp: number;
  readonly segment: Segment;
  readonly host: number;
  /** Frames that suited so far, this one not counted. */
  readonly count: number;
}

/** Changes the frames that suit; the checksum is made right again. */
function tamper(
  suits: (segment: Segment, host: number) => boolean,
  change: (tampered: Tampered) => readonly Uint8Array[] | undefined,
): Plant {
  let count = 0;
  return (frame, host) => {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const segment = new Segment();
    readFrame(view, 0, frame.length, false, segment);
    if (!segment.isTcp || !suits(segment, host)) return [frame];
    const tcp = tcpAt(frame, false);
    const others = change({ view, frame, tcp, segment, host, count });
    count += 1;
    if (others !== undefined) return others;
    mendChecksum(frame, false);
    return [frame];
  };
}

const isData = (s: Segment): boolean => s.payloadBytes > 0;
const isPureAck = (s: Segment): boolean => s.flags === ACK && s.payloadBytes === 0;
const add = ({ view, tcp }: Tampered, at: number, by: number): undefined => {
  view.setUint32(tcp + at, (view.getUint32(tcp + at) + by) >>> 0);
};
/** Turns bits of a byte. */
const flip = (frame: Uint8Array, at: number, bits: number): undefined => {
  frame[at] = (frame[at] as number) ^ bits;
};
const SEQ = 4;
const ACK_NUMBER = 8;
const WINDOW = 14;

/** A RST with this segment's numbers, `by` further. */
function resetOf({ frame }: Tampered, by: number): Uint8Array {
  const copy = frame.slice(0, 40);
  const view = new DataView(copy.buffer);
  copy[0] = 0x45;
  view.setUint16(2, 40);
  view.setUint16(10, 0);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  copy[32] = 0x50;
  copy[33] = RST;
  view.setUint32(24, (view.getUint32(24) + by) >>> 0);
  mendChecksum(copy, false);
  return copy;
}

interface Planted {
  readonly invariant: Invariant;
  readonly what: string;
  readonly plan?: Partial<Plan>;
  readonly plant: () => Plant;
}

const PLANTED: readonly Planted[] = [
  {
    invariant: "I1",
    what: "a payload byte is another",
    plant: () => tamper(isData, ({ frame, segment }) => flip(frame, segment.payloadAt, 1)),
  },
  {
    invariant: "I1",
    what: "bytes sent again are others",
    plant: () => {
      const seen = new Set<number>();
      return tamper(isData, (t) => {
        if (seen.has(t.segment.seq)) flip(t.frame, t.segment.payloadAt, 0x80);
        seen.add(t.segment.seq);
      });
    },
    plan: LOSSY,
  },
  {
    invariant: "I1",
    what: "a FIN before the application has ended",
    plant: () =>
      tamper(
        (s, host) => isData(s) && host === 0,
        ({ frame, tcp }) => flip(frame, tcp + 13, FIN),
      ),
  },
  {
    invariant: "I1",
    what: "bytes that nobody wrote",
    plant: () =>
      tamper(
        (s, host) => isData(s) && host === 1,
        (t) => add(t, SEQ, 0x10000),
      ),
  },
  {
    invariant: "I2",
    what: "a sequence number before the first",
    plant: () =>
      tamper(
        (s) => isData(s),
        (t) => (t.count === 3 ? add(t, SEQ, -0x10000) : undefined),
      ),
  },
  {
    invariant: "I2",
    what: "data behind the FIN",
    plant: () =>
      tamper(
        (s) => s.has(FIN),
        (t) => {
          const early = t.frame.slice();
          const view = new DataView(early.buffer);
          view.setUint32(t.tcp + SEQ, (t.segment.seq - 1) >>> 0);
          mendChecksum(early, false);
          return [t.frame, early];
        },
      ),
  },
  {
    invariant: "I3",
    what: "a right edge that is taken back",
    plant: () =>
      tamper(isPureAck, (t) => {
        if (t.count > 8) t.view.setUint16(t.tcp + WINDOW, 1);
      }),
  },
  {
    invariant: "I4",
    what: "bytes beyond the peer's window",
    plant: () =>
      tamper(
        (s, host) => !s.has(SYN) && host === 0 && isData(s),
        (t) => add(t, SEQ, 0x4000_0000),
      ),
  },
  {
    invariant: "I5",
    what: "an ACK for bytes that have not arrived",
    plant: () => tamper(isPureAck, (t) => (t.count > 4 ? add(t, ACK_NUMBER, 1) : undefined)),
  },
  {
    invariant: "I5",
    what: "an ACK that goes back",
    plant: () => tamper(isPureAck, (t) => (t.count > 8 ? add(t, ACK_NUMBER, -9000) : undefined)),
  },
  {
    invariant: "I6",
    what: "a TCP checksum",
    plant: () => (frame) => {
      frame[36] = (frame[36] as number) ^ 1;
      return [frame];
    },
  },
  {
    invariant: "I6",
    what: "an option of SYNs in a segment that is none",
    plant: () =>
      tamper(
        (s) => s.has(SYN),
        ({ frame, tcp }) => {
          const late = frame.slice();
          late[tcp + 13] = ACK;
          mendChecksum(late, false);
          return [frame, late];
        },
      ),
  },
  {
    invariant: "I7",
    what: "a segment before any SYN",
    plant: () =>
      tamper(
        (s) => s.flags === SYN,
        ({ frame, tcp }) => flip(frame, tcp + 13, SYN | ACK),
      ),
  },
  {
    invariant: "I9",
    what: "a SACK block that has not arrived",
    plan: LOSSY,
    plant: () =>
      tamper(
        (s) => s.sack.length > 0,
        ({ view, frame, tcp }) => {
          const end = tcp + ((frame[tcp + 12] as number) >>> 4) * 4;
          for (let at = tcp + 20; at < end; at += frame[at] === 1 ? 1 : (frame[at + 1] as number)) {
            if (frame[at] === 5) view.setUint32(at + 6, (view.getUint32(at + 6) + 1) >>> 0);
          }
        },
      ),
  },
  {
    invariant: "I9",
    what: "bytes told of as repeated that were not",
    plan: LOSSY,
    plant: () =>
      tamper(
        (s) => s.sack.length > 0,
        ({ segment, view, frame, tcp }) => {
          const end = tcp + ((frame[tcp + 12] as number) >>> 4) * 4;
          for (let at = tcp + 20; at < end; at += frame[at] === 1 ? 1 : (frame[at + 1] as number)) {
            if (frame[at] !== 5) continue;
            view.setUint32(at + 2, (segment.ack - 100) >>> 0);
            view.setUint32(at + 6, segment.ack);
          }
        },
      ),
  },
  {
    invariant: "I12",
    what: "a RST out of place",
    plant: () =>
      tamper(isData, (t) => (t.count === 5 ? [t.frame, resetOf(t, 0x100000)] : undefined)),
  },
  {
    invariant: "I12",
    what: "two RSTs for nothing",
    plant: () =>
      tamper(
        (s) => isData(s),
        (t) => {
          const reset = resetOf(t, t.segment.payloadBytes);
          return t.count === 5 ? [t.frame, reset, reset.slice()] : undefined;
        },
      ),
  },
  {
    invariant: "I13",
    what: "bytes sent twice",
    plant: () => tamper(isData, ({ frame }) => [frame, frame.slice()]),
  },
  {
    invariant: "I13",
    what: "ACKs that nothing has caused",
    plant: () =>
      tamper(isPureAck, ({ frame }) => [frame, frame.slice(), frame.slice(), frame.slice()]),
  },
];

test("the plan that is tampered with is well when it is not", () => {
  expect(broken({}, {})).toEqual([]);
  expect(broken(LOSSY, {})).toEqual([]);
});

/** Laminar as the paper has it sends no SACK blocks that could be wrong. */
const POSSIBLE = PLANTED.filter(({ invariant }) => {
  return invariant !== "I9" || dataPathUnderTest() !== "laminar";
});

describe.each(POSSIBLE)("$invariant is reported:", ({ invariant, what, plan, plant }) => {
  test(what, () => {
    expect(broken(plan ?? {}, { plant: plant() })).toContain(invariant);
  });
});

interface Meddled {
  readonly invariant: Invariant;
  readonly what: string;
  readonly meddle: (stack: Stack, host: number) => void;
}

const MEDDLED: readonly Meddled[] = [
  {
    invariant: "I1",
    what: "recv() gives another byte",
    meddle: ({ toe }) => {
      const inner = Object.getPrototypeOf(toe).recv as typeof toe.recv;
      toe.recv = (fd, buffer, ...rest) => {
        const count = inner.call(toe, fd, buffer, ...rest);
        if (count > 100) flip(buffer, 100, 1);
        return count;
      };
    },
  },
  {
    invariant: "I2",
    what: "una runs ahead",
    meddle: misreport(({ txUna }) => ({ txUna: txUna + 9 })),
  },
  { invariant: "I4", what: "a window of one byte", meddle: misreport(() => ({ cwnd: 1 })) },
  {
    invariant: "I7",
    what: "a state that no edge leads to",
    meddle: misreport(({ state }) => (state === "FIN-WAIT-2" ? { state: "ESTABLISHED" } : {})),
  },
  {
    invariant: "I7",
    what: "a TIME-WAIT that is over at once",
    meddle: (stack) => {
      const { control } = stack;
      stack.connections = () => control.connections().filter(({ state }) => state !== "TIME-WAIT");
    },
  },
  {
    invariant: "I8",
    what: "an RTO below the least",
    meddle: misreport(() => ({ rto: 100, srtt: 1 })),
  },
  {
    invariant: "I8",
    what: "timers that are not armed",
    meddle: ({ core }) => {
      const from = core.map.base.timers as number;
      core.words.fill(0, from >>> 2, (from + 64 * TIMER_SIZE) >>> 2);
    },
  },
  {
    invariant: "I10",
    what: "chunks that are gone",
    meddle: ({ core }, host) => {
      const at = (core.address + CORE_CHUNK_FREE_COUNT) >>> 2;
      if (host === 0 && core.words[at] === 512) core.words[at] = 511;
    },
  },
  {
    invariant: "I11",
    what: "a guard strip that was written to",
    meddle: ({ core }) => {
      core.words[core.words.indexOf(GUARD_VALUE)] = 0;
    },
  },
  {
    invariant: "I16",
    what: "a stack that stands still",
    meddle: (stack, host) => {
      if (host !== 0 || !stack.connections().some(({ txSent }) => txSent > 5000)) return;
      stack.poll = () => false;
      stack.nextDeadline = () => Number.POSITIVE_INFINITY;
    },
  },
  {
    invariant: "I15",
    what: "a number that was released out of turn",
    meddle: ({ core }) => {
      core.words[(core.address + CORE_SEQUENCE_FAULTS) >>> 2] = 1;
    },
  },
];

/** Breaks a record of the first host's connections that have more than 5000 bytes in flight. */
function misrecord(change: (view: DataView, protocol: number, recovery: number) => void) {
  return (stack: Stack, host: number): void => {
    const { view, map } = stack.core;
    for (const { connection, txSent } of stack.connections()) {
      if (host !== 0 || txSent <= 5000) continue;
      const protocol = (map.base.protocol as number) + connection * PROTOCOL_SIZE;
      const recovery = (map.base.recovery as number) + connection * RECOVERY_SIZE;
      change(view, protocol, recovery);
    }
  };
}

/** FlexTOE's alone: Laminar keeps others. */
const RECORDS: readonly Pick<Meddled, "what" | "meddle">[] = [
  {
    what: "a sum of the send log",
    meddle: misrecord((view, _, recovery) => {
      const log = view.getUint32(recovery + RECOVERY_LOG, true);
      if (log !== 0) view.setUint32(log + LOG_SACKED, 3, true);
    }),
  },
  {
    what: "the RTO's deadline",
    meddle: misrecord((view, _, recovery) => view.setUint32(recovery + RECOVERY_RTO_DEADLINE, 0)),
  },
  {
    what: "an RTO of other estimators",
    meddle: misrecord((view, _, recovery) => view.setUint32(recovery + RECOVERY_RTTVAR + 4, 9)),
  },
  {
    what: "more in flight than ever",
    meddle: misrecord((view, protocol) => view.setUint32(protocol + PROTOCOL_TX_MAX, 0)),
  },
  {
    what: "intervals that are not there",
    meddle: misrecord((view, protocol) => {
      view.setUint8(
        protocol + PROTOCOL_FLAGS,
        view.getUint8(protocol + PROTOCOL_FLAGS) ^ FLOW_OUT_OF_ORDER,
      );
    }),
  },
];

const KEPT = dataPathUnderTest() === "flextoe" ? RECORDS : [];

test.each(KEPT)("I17 is reported: $what", ({ meddle }) => {
  expect(broken(LOSSY, { meddle })).toContain("I17");
});

describe.each(MEDDLED)("$invariant is reported:", ({ invariant, what, meddle }) => {
  test(what, () => {
    expect(broken(LOSSY, { meddle })).toContain(invariant);
  });
});

test("I11 is reported: an exception", () => {
  const meddle = (): never => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  expect(broken({}, { meddle })).toContain("I11");
});

test("I14 is reported: a second run that differs", () => {
  let frames = 0;
  // The urgent pointer of a segment that is not urgent.
  const plant = tamper(isData, ({ frame, tcp }) => {
    frames += 1;
    if (frames === 5) frame[tcp + 19] = 1;
  });
  const { violations } = simulateTwice(loadModule(), plainPlan(), { plant });
  expect(violations).toMatchObject([{ invariant: "I14" }]);
});
