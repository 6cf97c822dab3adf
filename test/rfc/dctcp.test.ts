/**
 * Goal: RFC 8257, rule by rule (ids DC-*). Method: the receiver is one host, a peer's segments
 * written by hand; the sender is a bare core whose cuts are compared with alpha as section 3.3
 * computes it, here in floating point and over sequence numbers.
 */
import { describe, expect, test } from "vitest";
import { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";
import { PROFILES } from "../../host/control-plane/profile.ts";
import { seedOf } from "../support/env.ts";
import { ACK, CWR, ECE, RST, SYN, sackOption, streamBytes } from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { Host, type Sent } from "../unit/control-plane/harness.ts";
import { CE, ECT0, MSS as PEER_MSS, Peer } from "./ecn-peer.ts";
import { MSS, Sender, type SenderChoice } from "./sender.ts";

const SEED = seedOf(8257);
const MS = 1e6;
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];

const ecnOf = (sent: readonly Sent[]): number[] => sent.map(({ tos }) => tos & 3);
const echo = (sent: Sent | undefined): boolean | undefined => sent?.flags.includes("E");
const dctcp = (isn = 1000): Peer => new Peer(isn, SYN | ECE | CWR, 65536, "dctcp");

/** RFC 8257 3.3: alpha, and what a cut leaves. */
class Model {
  alpha = 1;
  #acked = 0;
  #marked = 0;
  #windowEnd = 0;

  /** The ACK number is at `una` bytes now, `next` have been sent. */
  ack(una: number, acked: number, marked: boolean, next: number): void {
    this.#acked += acked;
    if (marked) this.#marked += acked;
    if (una <= this.#windowEnd) return;
    const share = this.#acked === 0 ? 0 : this.#marked / this.#acked;
    this.alpha = (this.alpha * 15) / 16 + share / 16;
    [this.#acked, this.#marked, this.#windowEnd] = [0, 0, next];
  }
}

/** A sender with much to send, in congestion avoidance, and its model. */
class Pair {
  readonly one: Sender;
  readonly model = new Model();
  /** Segments acknowledged. */
  una = 0;
  /** Bytes sent when the last cut came. */
  #cutAt = -1;
  cuts = 0;

  constructor(origin: number, choice: SenderChoice = {}) {
    const algorithm = CongestionAlgorithm.Dctcp;
    const fields = { algorithm, ecn: true, sack: false, window: 20, segments: 100 };
    this.one = new Sender(origin, { ...fields, ssthresh: 2 * MSS, ...choice });
  }

  get #sent(): number {
    return this.una * MSS + this.one.raw.inspect().txSent;
  }

  /** Acknowledges one segment more; the cut is what the model says, once a window. */
  ack(marked: boolean): void {
    const { one, model } = this;
    const [before, sent] = [one.cwnd, this.#sent];
    this.una += 1;
    one.raw.post(1, { txAppend: MSS });
    one.segment({ ack: one.at(this.una), flags: marked ? ACK | ECE : ACK });
    model.ack(this.una * MSS, MSS, marked, sent);
    // DC-3, DC-4: never a second time before what was in flight is acknowledged.
    const answers = marked && this.una * MSS > this.#cutAt;
    if (!answers) expect(one.cwnd).toBeGreaterThanOrEqual(before);
    if (!answers) return;
    this.#cutAt = sent;
    this.cuts += 1;
    const expected = Math.max(1, before * (1 - model.alpha / 2));
    expect(Math.abs(one.cwnd - expected)).toBeLessThan(0.02);
  }

  /** So many windows of ACKs. */
  windows(count: number, marked: boolean): void {
    for (let left = count; left > 0; left -= 1) {
      for (let acks = this.one.raw.inspect().txSent / MSS; acks > 0; acks -= 1) this.ack(marked);
    }
  }
}

describe.each(ORIGINS)("sender from sequence number %d", (origin) => {
  test("DC-2, DC-3: the first mark halves: alpha is 1", () => {
    const { one } = new Pair(origin);
    one.segment({ ack: one.at(1), flags: ACK | ECE });
    expect(one.cwnd).toBe(10);
  });

  test("DC-2, DC-3: without marks alpha falls by a sixteenth a window, and cuts with it", () => {
    for (const windows of [1, 4, 10, 30]) {
      const pair = new Pair(origin);
      pair.windows(windows, false);
      const before = pair.one.cwnd;
      pair.ack(true);
      const share = 1 - pair.one.cwnd / before;
      // A window more or less, and the mark itself.
      expect(share).toBeGreaterThan(0.5 * (15 / 16) ** (windows + 2) - 0.01);
      expect(share).toBeLessThan(0.5 * (15 / 16) ** (windows - 1) + 0.04);
    }
  });

  test(`DC-2, DC-3, DC-4, DC-13: as the model says, whatever is marked (seed ${SEED})`, () => {
    const random = new Random(SEED);
    for (const share of [0.01, 0.1, 0.5]) {
      const pair = new Pair(origin);
      for (let acks = 0; acks < 1500; acks += 1) pair.ack(random.below(1000) < share * 1000);
      expect(pair.cuts).toBeGreaterThan(5);
    }
  });

  test("DC-6: alpha is 1 at most, and reaches 0", () => {
    const all = new Pair(origin);
    all.windows(20, true);
    expect(all.model.alpha).toBe(1);
    expect(all.one.cwnd).toBeLessThanOrEqual(2);
    // Four in flight, whatever the window is.
    const none = new Pair(origin, { window: 4, segments: 4 });
    none.windows(270, false);
    const before = none.one.cwnd;
    // In the middle of a window: nothing of it is in alpha yet.
    none.ack(false);
    none.ack(true);
    expect(none.one.cwnd).toBeGreaterThan(0.96 * before);
  });

  test("DC-6, DC-13: an ACK of nothing counts nothing, marked or not, with SACK or not", () => {
    const pair = new Pair(origin, { sack: true });
    pair.windows(12, false);
    const { one } = pair;
    const from = one.at(pair.una + 1);
    for (let held = 2; held <= 3; held += 1) {
      const options = sackOption([[from, one.at(pair.una + held)]]);
      one.segment({ ack: one.at(pair.una), flags: ACK | ECE, options });
    }
    // The hole arrives; the model has heard of none of these.
    const before = one.cwnd;
    pair.ack(true);
    expect(one.cwnd).toBeGreaterThan(before * (1 - 0.5 * (15 / 16) ** 11) - 1);
  });

  test("DC-5: a loss halves what is in flight, whatever alpha is", () => {
    const pair = new Pair(origin);
    pair.windows(20, false);
    const flight = pair.one.raw.inspect().txSent / MSS;
    pair.one.repeat(pair.una, 3);
    expect(pair.one.ssthresh).toBe(flight / 2);
  });

  test("DC-5: also in a window that a mark has reduced", () => {
    const pair = new Pair(origin);
    pair.windows(20, false);
    pair.ack(true);
    const { one } = pair;
    const before = one.cwnd;
    expect(before).toBeGreaterThan(15);
    one.repeat(pair.una, 3);
    expect(one.ssthresh).toBeLessThanOrEqual(before / 2 + 1);
  });

  test("DC-12: a timeout leaves one segment, whatever was cut in that window", () => {
    for (const marked of [false, true]) {
      const pair = new Pair(origin);
      pair.ack(marked);
      pair.one.timeout();
      expect(pair.one.cwnd).toBe(1);
    }
  });
});

describe("receiver (RFC 8257 3.2)", () => {
  const one = (peer: Peer, tos: number, flags = ACK): Sent[] => {
    const { seq } = peer;
    const sent = peer.send({ tos, flags, payload: streamBytes(seq, 100) });
    peer.seq = (seq + 100) >>> 0;
    return sent;
  };

  test.each([1000, 0xffffff80])("DC-1: a change is acknowledged at once, as it is (%d)", (isn) => {
    const peer = dctcp(isn);
    // With nothing held back, and the ACK delayed otherwise.
    const first = one(peer, CE);
    expect(first.map((ack) => [echo(ack), ack.ack])).toEqual([[true, peer.seq]]);
    one(peer, CE);
    // Two ACKs do not leave for one segment in one turn: the second in the next tick of timers.
    const second = [...one(peer, ECT0), ...peer.host.after(2 * MS)];
    expect([echo(second.at(-1)), second.at(-1)?.ack]).toEqual([false, peer.seq]);
    // What was held back may be told before, in the state that was.
    if (second.length === 2) expect(echo(second[0])).toBe(true);
  });

  test("DC-10: ECE says whether the last segment was marked; CWR says nothing", () => {
    const peer = dctcp();
    const marks: [tos: number, flags: number][] = [
      [ECT0, ACK],
      [CE, ACK],
      [CE, ACK | CWR],
      [CE, ACK],
      [ECT0, ACK],
      [ECT0, ACK | CWR],
      [CE, ACK],
    ];
    for (const [tos, flags] of marks) {
      const sent = [...one(peer, tos, flags), ...peer.host.after(250 * MS)];
      expect(sent.length).toBeGreaterThan(0);
      expect(echo(sent.at(-1))).toBe(tos === CE);
      expect(sent.at(-1)?.ack).toBe(peer.seq);
    }
  });

  test("DC-11: with both in a segment CWR is handled first", () => {
    const peer = dctcp();
    const sent = [...one(peer, CE, ACK | CWR), ...peer.host.after(250 * MS)];
    expect(echo(sent.at(-1))).toBe(true);
  });
});

describe("where it is used", () => {
  test("DC-7, DC-14: nowhere, unless the application or the profile of a datacenter asks", () => {
    const chosen = (["internet", "rfc", "linux"] as const).map((name) => PROFILES[name].algorithm);
    expect(chosen).not.toContain(CongestionAlgorithm.Dctcp);
    for (const profile of ["internet", "rfc", "linux"] as const) {
      const peer = new Peer(1000, SYN | ECE | CWR, 65536, "", { profile });
      expect(peer.host.control.info(1).congestion).not.toBe("dctcp");
      // RFC 3168's receiver: until CWR.
      expect(echo(peer.data({ tos: CE }).at(-1))).toBe(true);
      expect(echo(peer.data({ tos: ECT0 }).at(-1))).toBe(true);
    }
  });

  /** An open in profile datacenter; the peer's answer has these fields. */
  const open = (change: object = {}): { host: Host; syn: Sent } => {
    const host = new Host({ profile: "datacenter", medium: "ip", change });
    host.open(80, {}, 5000);
    return { host, syn: host.poll()[0] as Sent };
  };

  test("DC-9: SYN, SYN-ACK and RST are ECN-capable", () => {
    const { host, syn } = open();
    expect([syn.flags, syn.tos & 3]).toEqual(["SEC", ECT0]);
    const ports = { sourcePort: 80, destinationPort: 5000 };
    host.feed(host.segment({ flags: SYN | ACK | ECE, seq: 9, ack: syn.seq + 1, ...ports }));
    expect(host.control.info(1)).toMatchObject({ state: "ESTABLISHED", ecn: true });
    host.control.abort(1);
    const [reset] = host.poll();
    expect([reset?.flags, (reset?.tos ?? 0) & 3]).toEqual(["RA", ECT0]);
    const peer = new Peer(1000, SYN | ECE | CWR, 65536, "", { profile: "datacenter" });
    expect([peer.answer?.flags, (peer.answer?.tos ?? 0) & 3]).toEqual(["SAE", ECT0]);
  });

  test("DC-9: but not when the peer has no ECN, or another algorithm runs, or by default", () => {
    const plain = new Peer(1000, SYN, 65536, "", { profile: "datacenter" });
    const reno = new Peer(1000, SYN | ECE | CWR, 65536, "newreno", { profile: "datacenter" });
    for (const { answer } of [plain, reno, dctcp()]) expect((answer?.tos ?? 1) & 3).toBe(0);
  });

  test("DC-9: CE on SYN, SYN-ACK and RST is ignored", () => {
    const host = new Host({ profile: "datacenter", medium: "ip" });
    const listener = host.listen(80);
    const [answer] = host.feed(host.segment({ flags: SYN | ECE | CWR, seq: 9, tos: CE }));
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 10, ack }));
    host.control.accept(listener);
    const data = host.segment({ flags: ACK, seq: 10, ack, tos: ECT0, payload: streamBytes(0, 9) });
    const acks = [...host.feed(data), ...host.after(MS)];
    expect(acks.map(echo)).toEqual(acks.map(() => false));
    const { host: opener, syn } = open();
    const ports = { sourcePort: 80, destinationPort: 5000, tos: CE };
    const fields = { flags: SYN | ACK | ECE, seq: 9, ack: syn.seq + 1, ...ports };
    expect(opener.feed(opener.segment(fields)).map(echo)).toEqual([false]);
    opener.feed(opener.segment({ flags: RST, seq: 10, ...ports }));
    expect(opener.events.at(-1)).toBe("closed 1 104");
  });

  test("DC-15: a switch of the profile makes every control segment ECN-capable", () => {
    const found = [0, 2].map((ectControl) => {
      const peer = new Peer(1000, SYN | ECE | CWR, 65536, "dctcp", { change: { ectControl } });
      const acks = peer.data({ tos: ECT0 });
      const sent = peer.write(2 * PEER_MSS);
      const again = peer.host.after(1500 * MS);
      expect([acks.length, sent.length, again.length > 0]).toEqual([1, 2, true]);
      expect(ecnOf(sent)).toEqual([ECT0, ECT0]);
      return [...ecnOf(acks), ...ecnOf(again), (peer.answer?.tos ?? 0) & 3];
    });
    expect(new Set(found[0])).toEqual(new Set([0]));
    expect(new Set(found[1])).toEqual(new Set([ECT0]));
  });
});
