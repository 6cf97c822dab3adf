/**
 * Threats H17, second half: all 256 flag bytes in the states that the control plane answers for,
 * over a whole stack. The segment is otherwise what is expected: in CLOSED and LISTEN there is
 * nothing to expect; in SYN-SENT it acknowledges our SYN; in SYN-RECEIVED and TIME-WAIT it stands
 * at RCV.NXT and acknowledges all. Expected results: RFC 9293 3.10.7.1 to 3.10.7.4.
 */
import { expect, test } from "vitest";
import { O_NONBLOCK } from "../../host/libtoe/constants.ts";
import { ACK, FIN, RST, SYN, type FrameFields } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const LIVE = FIN | SYN | RST | ACK;
const SEQ = 7000;
const STRANGE_ACK = 9000;
const FIRST_PORT = 40000;
const F_SETFL = 4;

/** What must come of one segment. */
interface Expected {
  /** States that are right afterwards. */
  readonly states: readonly string[];
  /** Control flags of the answers; unset = answers that neither open, close nor reset. */
  readonly sent?: readonly number[];
  readonly seq?: number;
  readonly ack?: number;
  /** No answer is right as well. */
  readonly orSilent?: boolean;
}

const silent = (state: string): Expected => ({ states: [state], sent: [] });

interface Row {
  readonly name: string;
  readonly prepare?: (peer: ScriptedPeer) => void;
  /** Brings the connection with this peer port there; the segment's fields but its flags. */
  readonly reach: (peer: ScriptedPeer, port: number) => Partial<FrameFields>;
  readonly expected: (flags: number) => Expected;
}

const stranger = (): Partial<FrameFields> => ({ seq: SEQ, ack: STRANGE_ACK });

/** SEG.LEN of a segment without text. */
function length(flags: number): number {
  return ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1);
}

/** RFC 9293 3.10.7.1. */
function inClosed(flags: number): Expected {
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return silent("CLOSED");
  if ((flags & ACK) !== 0) return { states: ["CLOSED"], sent: [RST], seq: STRANGE_ACK };
  const reset = { states: ["CLOSED"], sent: [RST | ACK], seq: 0, ack: SEQ + length(flags) };
  // A SYN with FIN opens nothing anywhere (threats S04): silence is as good as the reset.
  return (flags & SYN) !== 0 && (flags & FIN) !== 0 ? { ...reset, orSilent: true } : reset;
}

/** RFC 9293 3.10.7.2; threats S04: a SYN with FIN opens nothing. */
function inListen(flags: number): Expected {
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return silent("CLOSED");
  if ((flags & ACK) !== 0) return { states: ["CLOSED"], sent: [RST], seq: STRANGE_ACK };
  if ((flags & FIN) !== 0) return silent("CLOSED");
  return { states: ["SYN-RECEIVED"], sent: [SYN | ACK], ack: SEQ + 1 };
}

/** RFC 9293 3.10.7.3. */
function inSynSent(flags: number): Expected {
  const acked = (flags & ACK) !== 0;
  if ((flags & RST) !== 0) return silent(acked ? "CLOSED" : "SYN-SENT");
  if ((flags & SYN) === 0) return silent("SYN-SENT");
  const state = acked ? "ESTABLISHED" : "SYN-RECEIVED";
  const sent = [acked ? ACK : SYN | ACK];
  if ((flags & FIN) === 0) return { states: [state], sent, ack: SEQ + 1 };
  // Control beside the SYN may be processed, dropped, or take the SYN with it (threats S04).
  if (acked) return { states: ["ESTABLISHED", "CLOSE-WAIT", "SYN-SENT"] };
  return { states: ["SYN-RECEIVED", "SYN-SENT"] };
}

/** RFC 9293 3.10.7.4 after a passive open. */
function inSynReceived(flags: number): Expected {
  if ((flags & LIVE) === 0) return silent("SYN-RECEIVED");
  if ((flags & RST) !== 0) return silent("CLOSED");
  // Back to LISTEN, or the challenge ACK of RFC 5961; never further.
  if ((flags & SYN) !== 0) return { states: ["SYN-RECEIVED", "CLOSED"] };
  if ((flags & ACK) === 0) return silent("SYN-RECEIVED");
  if ((flags & FIN) === 0) return { states: ["ESTABLISHED"] };
  return { states: ["CLOSE-WAIT"], sent: [ACK], ack: SEQ + 2 };
}

/** RFC 9293 3.10.7.4; RFC 1337 would rather ignore the reset. */
function inTimeWait(flags: number): Expected {
  if ((flags & LIVE) === 0) return silent("TIME-WAIT");
  if ((flags & RST) !== 0) return { states: ["CLOSED", "TIME-WAIT"], sent: [] };
  // A challenge ACK, or MAY-2: a new connection.
  if ((flags & (SYN | ACK)) === SYN) return { states: ["TIME-WAIT", "SYN-RECEIVED"] };
  if ((flags & ACK) === 0) return silent("TIME-WAIT");
  return { states: ["TIME-WAIT"] };
}

function reachSynSent(peer: ScriptedPeer, port: number): Partial<FrameFields> {
  const { toe } = peer.stack;
  const fd = toe.socket();
  toe.fcntl(fd, F_SETFL, O_NONBLOCK);
  toe.connect(fd, { address: "10.0.0.2", port });
  const syn = peer.settle().find(({ tuple }) => tuple.destinationPort === port);
  if (syn?.flags !== SYN) throw new Error("connect: expected a SYN");
  return { seq: SEQ, ack: syn.seq + 1, destinationPort: syn.tuple.sourcePort };
}

function reachSynReceived(peer: ScriptedPeer, port: number): { seq: number; ack: number } {
  const answer = own(peer.send({ sourcePort: port, seq: SEQ, flags: SYN }), port)[0];
  if (answer === undefined) throw new Error("SYN: expected an answer");
  expect(answer.flags & LIVE).toBe(SYN | ACK);
  return { seq: SEQ + 1, ack: answer.seq + 1 };
}

const listeners = new WeakMap<ScriptedPeer, number>();

function listening(peer: ScriptedPeer): void {
  listeners.set(peer, peer.listen(80));
}

function reachTimeWait(peer: ScriptedPeer, port: number): Partial<FrameFields> {
  const { toe } = peer.stack;
  const { ack } = reachSynReceived(peer, port);
  peer.send({ sourcePort: port, seq: SEQ + 1, ack, flags: ACK });
  const fd = toe.accept(listeners.get(peer) ?? -1);
  expect(fd).toBeGreaterThanOrEqual(0);
  toe.close(fd);
  const fins = own(peer.settle(), port).map(({ flags }) => flags & LIVE);
  expect(fins).toEqual([FIN | ACK]);
  peer.send({ sourcePort: port, seq: SEQ + 1, ack: ack + 1, flags: FIN | ACK });
  expect(peer.state(port)).toBe("TIME-WAIT");
  return { seq: SEQ + 2, ack: ack + 1 };
}

/** Segments to this port of the peer. */
function own(sent: readonly SentSegment[], port: number): SentSegment[] {
  return sent.filter(({ tuple }) => tuple.destinationPort === port);
}

const ROWS: readonly Row[] = [
  { name: "CLOSED", reach: stranger, expected: inClosed },
  { name: "LISTEN", prepare: listening, reach: stranger, expected: inListen },
  { name: "SYN-SENT", reach: reachSynSent, expected: inSynSent },
  {
    name: "SYN-RECEIVED",
    prepare: listening,
    reach: reachSynReceived,
    expected: inSynReceived,
  },
  { name: "TIME-WAIT", prepare: listening, reach: reachTimeWait, expected: inTimeWait },
];

function compare(row: Row, flags: number, sent: readonly SentSegment[], state: string): string[] {
  const expected = row.expected(flags);
  const control = sent.map((segment) => segment.flags & LIVE);
  if (expected.orSilent === true && sent.length === 0 && expected.states.includes(state)) return [];
  const wrong: string[] = [];
  if (!expected.states.includes(state)) wrong.push(`${state}, not ${expected.states}`);
  const plain = expected.sent ?? control.filter((one) => (one & ~SYN) === ACK);
  if (`${control}` !== `${plain}`) wrong.push(`sent ${control}, not ${plain}`);
  const first = sent[0];
  if (expected.seq !== undefined && first?.seq !== expected.seq) wrong.push(`seq ${first?.seq}`);
  if (expected.ack !== undefined && first?.ack !== expected.ack) wrong.push(`ack ${first?.ack}`);
  return wrong.map((text) => `flags 0x${flags.toString(16)}: ${text}`);
}

test.each(ROWS)("threats/H17 all 256 flag bytes in $name, judged", (row) => {
  const layout = { connections: 600, payloadBytes: 64 * 1024 * 1024 };
  const peer = watchPools(new ScriptedPeer({ layout }));
  row.prepare?.(peer);
  const wrong: string[] = [];
  for (let flags = 0; flags < 256; flags += 1) {
    // Answers to strangers and challenges are limited by rate; each case has its own second.
    peer.now += 1e9;
    peer.settle();
    const port = FIRST_PORT + flags;
    const fields = { sourcePort: port, ...row.reach(peer, port) };
    const sent = own(peer.send({ ...fields, flags }), port);
    wrong.push(...compare(row, flags, sent, peer.state(port)));
    // Resets where the connection may stand end what is left, so that no case disturbs the next.
    for (const more of [0, 1]) {
      peer.send({ ...fields, seq: (fields.seq ?? 0) + more, flags: RST | ACK });
    }
  }
  expect(wrong).toEqual([]);
});
