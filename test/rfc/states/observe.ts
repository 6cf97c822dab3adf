/**
 * Sends a case's segment to a stack in the case's state and says all that can be seen of it: what
 * is answered at once and within half a second, the state, what the application is told.
 */
import { TCP_ACK_FLAG, TCP_FIN, TCP_RST } from "../../../bindings/abi/tcp.ts";
import { TCP_SYN, TCP_URG } from "../../../bindings/abi/tcp.ts";
import { PROFILES } from "../../../host/control-plane/profile.ts";
import { streamBytes } from "../../support/frames.ts";
import type { SentSegment } from "../../support/judge-segment.ts";
import { REST, Scene, type Setting } from "./scene.ts";
import { evaluate, type Values } from "./table/evaluate.ts";
import type { Case, Segment, Signal, Timer } from "./table/types.ts";

/** One segment that was sent; the acknowledgment number only beside an ACK flag that counts. */
export interface SeenReply {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number | undefined;
  readonly when: "now" | "soon";
}

export interface Observation {
  readonly next: string;
  readonly reply: readonly SeenReply[];
  readonly rcvNxt: number | undefined;
  readonly timer: Timer;
  readonly accepted: number;
  readonly signal: readonly Signal[];
  readonly urgent: boolean;
  /** The application had closed: it cannot be told anything. */
  readonly isOrphan: boolean;
  /** Values of the formulas' names, the segment's and those after it included. */
  readonly values: Values;
}

const LETTERS: readonly (readonly [string, number])[] = [
  ["S", TCP_SYN],
  ["F", TCP_FIN],
  ["R", TCP_RST],
  ["A", TCP_ACK_FLAG],
  ["U", TCP_URG],
];

const SECOND = 1e9;
/** A delayed ACK's longest time (RFC 9293 MUST-40), in steps. */
const SOON = [0.2e9, 0.2e9, 0.09e9];
/** How long a connection has been in TIME-WAIT when the segment comes. */
const IN_TIME_WAIT = 10 * SECOND;
const TIME_WAIT = PROFILES.rfc.timeWait;

function flagBits(letters: string): number {
  return LETTERS.reduce((bits, [name, bit]) => (letters.includes(name) ? bits | bit : bits), 0);
}

function flagLetters(bits: number): string {
  return LETTERS.filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join("");
}

function segmentValues(segment: Segment, before: Values): Values {
  return {
    ...before,
    "SEG.SEQ": evaluate(segment.seq, before),
    "SEG.ACK": segment.ack === undefined ? 0 : evaluate(segment.ack, before),
    "SEG.LEN": segment.len,
  };
}

function seen(when: "now" | "soon"): (segment: SentSegment) => SeenReply {
  return ({ flags, seq, ack, payloadLength }) => {
    if (payloadLength > 0) throw new Error(`answer: expected no payload, got ${payloadLength} B`);
    return {
      flags: flagLetters(flags),
      seq,
      ack: (flags & TCP_ACK_FLAG) === 0 ? undefined : ack,
      when,
    };
  };
}

function stateNow(scene: Scene): string {
  const state = scene.row()?.state ?? "CLOSED";
  if (state === "SYN-RECEIVED" && scene.state.startsWith("SYN-SENT")) return `${state}-ACTIVE`;
  if (state === "SYN-RECEIVED" && scene.state.endsWith("-ACTIVE")) return scene.state;
  const isPassive = scene.state === "LISTEN" || scene.state === "SYN-RECEIVED";
  if (state === "CLOSED" && isPassive && scene.application.isListening) return "LISTEN";
  return state;
}

/** What the 2 MSL timer did, by when the connection goes; `sent`: when the segment came. */
function timerOf(scene: Scene, sent: number): Timer {
  const { peer, state } = scene;
  const isGone = (at: number): boolean => {
    peer.now = at;
    peer.settle();
    return stateNow(scene) !== "TIME-WAIT";
  };
  if (stateNow(scene) !== "TIME-WAIT") return "-";
  const wasThere = state === "TIME-WAIT";
  if (wasThere && isGone(sent + TIME_WAIT - IN_TIME_WAIT + SECOND)) return "-";
  const isEarly = isGone(sent + TIME_WAIT - SECOND);
  if (isEarly || !isGone(sent + TIME_WAIT + SECOND)) {
    throw new Error("TIME-WAIT: expected it to last 2 MSL from the segment or from its begin");
  }
  return wasThere ? "2msl-restart" : "2msl-start";
}

/** Sends the segment; answers at once, then those within half a second. */
function exchange(scene: Scene, segment: Segment, values: Values): SeenReply[] {
  const { peer } = scene;
  const replies = scene
    .send({
      flags: flagBits(segment.flags),
      seq: values["SEG.SEQ"] ?? 0,
      ack: values["SEG.ACK"] ?? 0,
      urgent: segment.up ?? 0,
      payload: streamBytes(0, segment.data),
    })
    .map(seen("now"));
  for (const step of SOON) {
    peer.now += step;
    replies.push(...peer.settle().map(seen("soon")));
  }
  return replies;
}

/** Runs one case. */
export function observe({ state, segment }: Case, setting: Setting): Observation {
  const scene = new Scene(state, setting);
  if (state === "TIME-WAIT") {
    scene.peer.now += IN_TIME_WAIT - REST;
    scene.peer.settle();
  }
  const values = segmentValues(segment, scene.values);
  const sent = scene.peer.now;
  const reply = exchange(scene, segment, values);
  const told = scene.application.look();
  const next = stateNow(scene);
  const rcvNxt = next === "SYN-SENT" ? undefined : scene.row()?.rxNextSeq;
  return {
    ...told,
    next,
    reply,
    rcvNxt,
    timer: timerOf(scene, sent),
    isOrphan: scene.isOrphan,
    values: rcvNxt === undefined ? values : { ...values, "RCV.NXT'": rcvNxt },
  };
}
