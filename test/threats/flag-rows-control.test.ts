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
  readonly state: string;
  /** Control flags of the one answer; unset: silence. */
  readonly sent?: number;
  /** Its sequence number less what the segment acknowledges; unset: ours to choose. */
  readonly seq?: number;
  /** What it acknowledges less the segment's sequence number; unset: it acknowledges nothing. */
  readonly ack?: number;
}

const silent = (state: string): Expected => ({ state });

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

/** RFC 9293 3.10.7.1; a SYN with FIN opens nothing anywhere (threats S04) and is not answered. */
function inClosed(flags: number): Expected {
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return silent("CLOSED");
  if ((flags & ACK) !== 0) return { state: "CLOSED", sent: RST, seq: 0 };
  if ((flags & SYN) !== 0 && (flags & FIN) !== 0) return silent("CLOSED");
  // The sequence number is zero, which knows of no acknowledgment.
  return { state: "CLOSED", sent: RST | ACK, seq: -STRANGE_ACK, ack: length(flags) };
}

/** RFC 9293 3.10.7.2; threats S04: a SYN with FIN opens nothing. */
function inListen(flags: number): Expected {
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return silent("CLOSED");
  if ((flags & ACK) !== 0) return { state: "CLOSED", sent: RST, seq: 0 };
  if ((flags & FIN) !== 0) return silent("CLOSED");
  return { state: "SYN-RECEIVED", sent: SYN | ACK, ack: 1 };
}

/**
 * RFC 9293 3.10.7.3. Of control beside the SYN the FIN of a SYN-ACK is processed; a SYN with FIN is
 * dropped (threats S04).
 */
function inSynSent(flags: number): Expected {
  const acked = (flags & ACK) !== 0;
  if ((flags & RST) !== 0) return silent(acked ? "CLOSED" : "SYN-SENT");
  if ((flags & SYN) === 0) return silent("SYN-SENT");
  const isFin = (flags & FIN) !== 0;
  if (acked) {
    const state = isFin ? "CLOSE-WAIT" : "ESTABLISHED";
    return { state, sent: ACK, seq: 0, ack: length(flags) };
  }
  // Simultaneous open: our SYN again, with an ACK.
  return isFin ? silent("SYN-SENT") : { state: "SYN-RECEIVED", sent: SYN | ACK, seq: -1, ack: 1 };
}

/** RFC 9293 3.10.7.4 after a passive open. */
function inSynReceived(flags: number): Expected {
  if ((flags & LIVE) === 0) return silent("SYN-RECEIVED");
  if ((flags & RST) !== 0) return silent("CLOSED");
  if ((flags & (SYN | FIN | ACK)) === (SYN | FIN)) return silent("SYN-RECEIVED");
  // Fourth: a SYN in the window goes back to LISTEN.
  if ((flags & SYN) !== 0) return silent("CLOSED");
  if ((flags & ACK) === 0) return silent("SYN-RECEIVED");
  if ((flags & FIN) === 0) return silent("ESTABLISHED");
  return { state: "CLOSE-WAIT", sent: ACK, seq: 0, ack: 1 };
}

/** RFC 9293 3.10.7.4; a reset is ignored (RFC 1337). */
function inTimeWait(flags: number): Expected {
  if ((flags & RST) !== 0) return silent("TIME-WAIT");
  // MAY-2: a new connection, whose ISN is beyond all that the old one can have sent.
  if ((flags & LIVE) === SYN) {
    return { state: "SYN-RECEIVED", sent: SYN | ACK, seq: 0x10000, ack: 1 };
  }
  if ((flags & ACK) === 0 || (flags & LIVE) === ACK) return silent("TIME-WAIT");
  // RFC 5961: a SYN is challenged. And a FIN is acknowledged, as the first was.
  return { state: "TIME-WAIT", sent: ACK, seq: 0, ack: 0 };
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

/** The answers to a segment of these fields, in the words of Expected. */
function outcomeOf(fields: Partial<FrameFields>, sent: readonly SentSegment[], state: string) {
  const [seq = 0, ack = 0] = [fields.seq, fields.ack];
  const answers = sent.map((one) => {
    const control = one.flags & LIVE;
    return { sent: control, seq: (one.seq - ack) | 0, ack: (one.ack - seq) | 0 };
  });
  return { state, answers };
}

function compare(
  row: Row,
  flags: number,
  { state, answers }: ReturnType<typeof outcomeOf>,
): string[] {
  const expected = row.expected(flags);
  const wrong: string[] = [];
  if (state !== expected.state) wrong.push(`${state}, not ${expected.state}`);
  const control = answers.map(({ sent }) => sent);
  if (`${control}` !== `${expected.sent ?? ""}`) wrong.push(`${control}, not ${expected.sent}`);
  const [first] = answers;
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
    wrong.push(...compare(row, flags, outcomeOf(fields, sent, peer.state(port))));
    // Resets where the connection may stand end what is left, so that no case disturbs the next.
    for (const more of [0, 1]) {
      peer.send({ ...fields, seq: (fields.seq ?? 0) + more, flags: RST | ACK });
    }
  }
  expect(wrong).toEqual([]);
});
