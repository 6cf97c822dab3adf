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
import { ScriptedPeer } from "../support/scripted-peer.ts";

const LIVE = FIN | SYN | RST | ACK;
const CONTROL = LIVE;
const SEQ = 7000;
const STRANGE_ACK = 9000;
const FIRST_PORT = 40000;

/** What came of one segment. */
interface Result {
  readonly sent: readonly SentSegment[];
  readonly state: string;
}

interface Row {
  readonly name: string;
  /** Brings the connection with this peer port there; the segment's fields but its flags. */
  readonly reach: (peer: ScriptedPeer, port: number) => Partial<FrameFields>;
  readonly prepare?: (peer: ScriptedPeer) => void;
  readonly judge: (result: Result, flags: number, fields: Partial<FrameFields>) => void;
}

function expectNothing({ sent, state }: Result, stays: string, what: string): void {
  expect(sent, what).toEqual([]);
  expect(state, what).toBe(stays);
}

function expectOne(result: Result, flags: number, what: string): SentSegment {
  expect(
    result.sent.map((segment) => segment.flags & CONTROL),
    what,
  ).toEqual([flags]);
  return result.sent[0] as SentSegment;
}

/** SEG.LEN of a segment without text. */
function length(flags: number): number {
  return ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1);
}

function name(state: string, flags: number): string {
  return `${state}, flags 0x${flags.toString(16)}`;
}

const stranger = (): Partial<FrameFields> => ({ seq: SEQ, ack: STRANGE_ACK });

/** RFC 9293 3.10.7.1. */
function judgeClosed(result: Result, flags: number): void {
  const what = name("CLOSED", flags);
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return expectNothing(result, "CLOSED", what);
  expect(result.state, what).toBe("CLOSED");
  if ((flags & ACK) !== 0) {
    expect(expectOne(result, RST, what).seq, what).toBe(STRANGE_ACK);
  } else {
    const reset = expectOne(result, RST | ACK, what);
    expect([reset.seq, reset.ack], what).toEqual([0, SEQ + length(flags)]);
  }
}

/** RFC 9293 3.10.7.2; threats S04: SYN with FIN or RST opens nothing. */
function judgeListen(result: Result, flags: number): void {
  const what = name("LISTEN", flags);
  if ((flags & LIVE) === 0 || (flags & RST) !== 0) return expectNothing(result, "CLOSED", what);
  if ((flags & ACK) !== 0) {
    expect(expectOne(result, RST, what).seq, what).toBe(STRANGE_ACK);
    expect(result.state, what).toBe("CLOSED");
  } else if ((flags & FIN) !== 0) {
    expectNothing(result, "CLOSED", what);
  } else {
    expect(expectOne(result, SYN | ACK, what).ack, what).toBe(SEQ + 1);
    expect(result.state, what).toBe("SYN-RECEIVED");
  }
}

function reachSynSent(peer: ScriptedPeer, port: number): Partial<FrameFields> {
  const { toe } = peer.stack;
  const fd = toe.socket();
  toe.fcntl(fd, 4, O_NONBLOCK);
  toe.connect(fd, { address: "10.0.0.2", port });
  const [syn] = peer.settle().filter(({ tuple }) => tuple.destinationPort === port);
  expect(syn?.flags).toBe(SYN);
  const { tuple, seq } = syn as SentSegment;
  return { seq: SEQ, ack: seq + 1, destinationPort: tuple.sourcePort };
}

/** RFC 9293 3.10.7.3. */
function judgeSynSent(result: Result, flags: number): void {
  const what = name("SYN-SENT", flags);
  const opens = (flags & SYN) !== 0 && (flags & RST) === 0;
  if ((flags & RST) !== 0 && (flags & ACK) !== 0) return expectNothing(result, "CLOSED", what);
  if (!opens) return expectNothing(result, "SYN-SENT", what);
  const acked = (flags & ACK) !== 0;
  if ((flags & FIN) !== 0) {
    // Control beside the SYN may be kept for later or refused with it (threats S04).
    const after = acked ? ["ESTABLISHED", "CLOSE-WAIT", "SYN-SENT"] : ["SYN-RECEIVED", "SYN-SENT"];
    return expect(after, what).toContain(result.state);
  }
  expect(result.state, what).toBe(acked ? "ESTABLISHED" : "SYN-RECEIVED");
  const answer = expectOne(result, acked ? ACK : SYN | ACK, what);
  expect(answer.ack, what).toBe(SEQ + 1);
}

function reachSynReceived(peer: ScriptedPeer, port: number): Partial<FrameFields> {
  const answers = peer.send({ sourcePort: port, seq: SEQ, flags: SYN });
  const answer = answers.find(({ tuple }) => tuple.destinationPort === port);
  expect((answer?.flags ?? 0) & CONTROL).toBe(SYN | ACK);
  return { seq: SEQ + 1, ack: (answer as SentSegment).seq + 1 };
}

/** RFC 9293 3.10.7.4 for SYN-RECEIVED after a passive open. */
function judgeSynReceived(result: Result, flags: number): void {
  const what = name("SYN-RECEIVED", flags);
  if ((flags & LIVE) === 0) return expectNothing(result, "SYN-RECEIVED", what);
  if ((flags & RST) !== 0) return expectNothing(result, "CLOSED", what);
  if ((flags & SYN) !== 0) {
    // Back to LISTEN, or the challenge ACK of RFC 5961; never further.
    return expect(["SYN-RECEIVED", "CLOSED"], what).toContain(result.state);
  }
  if ((flags & ACK) === 0) return expectNothing(result, "SYN-RECEIVED", what);
  const fin = (flags & FIN) !== 0;
  expect(result.state, what).toBe(fin ? "CLOSE-WAIT" : "ESTABLISHED");
  if (fin) expect(result.sent.at(-1)?.ack, what).toBe(SEQ + 2);
  else expect(result.sent.filter((one) => (one.flags & (SYN | RST | FIN)) !== 0)).toEqual([]);
}

const listeners = new WeakMap<ScriptedPeer, number>();

function reachTimeWait(peer: ScriptedPeer, port: number): Partial<FrameFields> {
  const { toe } = peer.stack;
  const { ack } = reachSynReceived(peer, port) as { ack: number };
  peer.send({ sourcePort: port, seq: SEQ + 1, ack, flags: ACK });
  const fd = toe.accept(listeners.get(peer) as number);
  expect(fd).toBeGreaterThanOrEqual(0);
  toe.close(fd);
  const [fin] = peer.settle().filter(({ tuple }) => tuple.destinationPort === port);
  expect((fin?.flags ?? 0) & CONTROL).toBe(FIN | ACK);
  peer.send({ sourcePort: port, seq: SEQ + 1, ack: ack + 1, flags: FIN | ACK });
  expect(peer.state(port)).toBe("TIME-WAIT");
  return { seq: SEQ + 2, ack: ack + 1 };
}

/** RFC 9293 3.10.7.4 for TIME-WAIT; RFC 1337 would rather ignore the reset. */
function judgeTimeWait(result: Result, flags: number): void {
  const what = name("TIME-WAIT", flags);
  if ((flags & LIVE) === 0) return expectNothing(result, "TIME-WAIT", what);
  if ((flags & RST) !== 0) {
    expect(result.sent, what).toEqual([]);
    return expect(["CLOSED", "TIME-WAIT"], what).toContain(result.state);
  }
  if ((flags & SYN) !== 0) {
    // A challenge ACK, or MAY-2: a new connection.
    return expect(["TIME-WAIT", "SYN-RECEIVED"], what).toContain(result.state);
  }
  if ((flags & ACK) === 0) return expectNothing(result, "TIME-WAIT", what);
  expect(result.state, what).toBe("TIME-WAIT");
  for (const { flags: sent } of result.sent) expect(sent & CONTROL, what).toBe(ACK);
}

const listening = (peer: ScriptedPeer): void => void listeners.set(peer, peer.listen(80));

const ROWS: readonly Row[] = [
  { name: "CLOSED", reach: stranger, judge: judgeClosed },
  { name: "LISTEN", reach: stranger, prepare: listening, judge: judgeListen },
  { name: "SYN-SENT", reach: reachSynSent, judge: judgeSynSent },
  { name: "SYN-RECEIVED", reach: reachSynReceived, prepare: listening, judge: judgeSynReceived },
  { name: "TIME-WAIT", reach: reachTimeWait, prepare: listening, judge: judgeTimeWait },
];

test.each(ROWS)("threats/H17 all 256 flag bytes in $name, judged", (row) => {
  const layout = { connections: 600, payloadBytes: 64 * 1024 * 1024 };
  const peer = new ScriptedPeer({ layout });
  row.prepare?.(peer);
  for (let flags = 0; flags < 256; flags += 1) {
    // Answers to strangers and challenges are limited by rate; each case has its own second.
    peer.now += 1e9;
    peer.settle();
    const port = FIRST_PORT + flags;
    const fields = row.reach(peer, port);
    const answers = peer.send({ sourcePort: port, ...fields, flags });
    const sent = answers.filter(({ tuple }) => tuple.destinationPort === port);
    row.judge({ sent, state: peer.state(port) }, flags, fields);
    // A reset at the right place ends what is left, so that no case disturbs the next.
    const { seq = SEQ, ack = 0, destinationPort } = fields;
    for (const at of [seq, seq + 1]) {
      peer.send({ sourcePort: port, destinationPort, seq: at, ack, flags: RST | ACK });
    }
  }
  expect(peer.stack.core.bytes.length).toBeGreaterThan(0);
});
