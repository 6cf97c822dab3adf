/**
 * Goal: RFC 3168, rule by rule (ids ECN-1 to ECN-20). Method: one host, NewReno, and a peer whose
 * segments are written by hand; what the host sends is read from its frames. What packets say of
 * ECN end to end is in test/packetdrill/ecn-*.pkt.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";
import { PROFILES } from "../../host/control-plane/profile.ts";
import { ACK, CWR, ECE, FIN, RST, SYN, streamBytes } from "../support/frames.ts";
import { Host, type Sent } from "../unit/control-plane/harness.ts";
import { CE, ECT0, MSS, Peer } from "./ecn-peer.ts";

const MS = 1e6;

const ecnOf = (sent: readonly Sent[]): number[] => sent.map(({ tos }) => tos & 3);
const flagsOf = (sent: readonly Sent[]): string[] => sent.map(({ flags }) => flags);
const echoes = (sent: readonly Sent[]): boolean[] => sent.map(({ flags }) => flags.includes("E"));

/** An open towards a peer, profile datacenter, which asks for ECN. */
function open(): { host: Host; syn: Sent; answer: (flags: number, ack?: number) => Sent[] } {
  const host = new Host({ profile: "datacenter", change: { ectControl: 0 }, medium: "ip" });
  host.open(80, {}, 5000);
  const [syn] = host.poll();
  const answer = (flags: number, ack = ((syn?.seq ?? 0) + 1) >>> 0): Sent[] => {
    return host.feed(host.segment({ flags, sourcePort: 80, destinationPort: 5000, ack }));
  };
  return { host, syn: syn as Sent, answer };
}

describe("negotiation (RFC 3168, 6.1.1)", () => {
  test("ECN-7: a SYN without answer goes a third time without the flags, and ECN is off", () => {
    const { host, syn, answer } = open();
    const again = [...host.after(11 * MS), ...host.after(21 * MS)];
    expect(flagsOf([syn, ...again])).toEqual(["SEC", "SEC", "S"]);
    expect(ecnOf([syn, ...again])).toEqual([0, 0, 0]);
    // ECN-11: a SYN-ACK with ECE answers the one before, and comes too late.
    answer(SYN | ACK | ECE);
    expect(host.control.info(1)).toMatchObject({ state: "ESTABLISHED", ecn: false });
  });

  test("ECN-7: after a reset once more without the flags; a second one is the answer", () => {
    const { host, answer } = open();
    expect(flagsOf(answer(RST | ACK))).toEqual(["S"]);
    expect(host.events).toEqual([]);
    answer(RST | ACK);
    expect(host.events).toEqual(["closed 1 111"]);
  });

  test("ECN-7: a reset for a SYN that did not ask is the answer at once", () => {
    const host = new Host({ medium: "ip" });
    host.open(80, {}, 5000);
    const [syn] = host.poll();
    const fields = { sourcePort: 80, destinationPort: 5000, ack: (syn?.seq ?? 0) + 1 };
    expect(host.feed(host.segment({ flags: RST | ACK, ...fields }))).toEqual([]);
    expect(host.events).toEqual(["closed 1 111"]);
  });

  test("ECN-10, ECN-11: a peer that asks again without the flags gets an answer without", () => {
    const host = new Host({ medium: "ip" });
    host.listen(80);
    const asked = host.feed(host.segment({ flags: SYN | ECE | CWR }));
    const again = host.feed(host.segment({ flags: SYN }));
    expect(flagsOf([...asked, ...again])).toEqual(["SAE", "SA"]);
    // And it stays off, whatever comes later.
    expect(flagsOf(host.feed(host.segment({ flags: SYN | ECE | CWR })))).toEqual(["SA"]);
    const ack = ((asked[0]?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 1, ack }));
    expect(host.control.info(1)).toMatchObject({ state: "ESTABLISHED", ecn: false });
  });

  test.each([
    ["rfc", "S", "SA", false],
    ["datacenter", "SEC", "SAE", true],
  ] as const)("ECN-11: simultaneous open, profile %s", (profile, syn, answer, on) => {
    const host = new Host({ profile, medium: "ip" });
    host.open(80, {}, 5000);
    const ports = { sourcePort: 80, destinationPort: 5000 };
    const first = host.poll();
    const second = host.feed(host.segment({ flags: SYN | ECE | CWR, seq: 9, ...ports }));
    expect(flagsOf([...first, ...second])).toEqual([syn, answer]);
    const ack = ((first[0]?.seq ?? 0) + 1) >>> 0;
    host.feed(host.segment({ flags: ACK, seq: 10, ack, ...ports }));
    expect(host.control.info(1)).toMatchObject({ state: "ESTABLISHED", ecn: on });
  });

  test("ECN-12: CE is echoed although we have nothing to send ourselves", () => {
    expect(echoes(new Peer().data({ tos: CE }))).toEqual([true]);
  });

  test("ECN-8, ECN-18: without ECN neither a mark nor an echo means anything", () => {
    const peer = new Peer(1000, SYN);
    expect(echoes(peer.data({ tos: CE }))).toEqual([false]);
    const before = peer.cwnd;
    expect(ecnOf(peer.write(MSS))).toEqual([0]);
    peer.acknowledge(1, ACK | ECE);
    expect(peer.cwnd).toBeGreaterThanOrEqual(before);
    expect(flagsOf(peer.write(MSS))).toEqual(["PA"]);
  });

  test("ECN-20: nothing of it outlives the connection", () => {
    const peer = new Peer();
    peer.data({ tos: CE });
    peer.send({ flags: RST });
    peer.host.control.release(1);
    const { host } = peer;
    const [answer] = host.feed(host.segment({ flags: SYN, seq: 7, sourcePort: 40001 }));
    expect(answer?.flags).toBe("SA");
  });
});

describe("receiver (RFC 3168, 6.1.3)", () => {
  for (const isn of [1000, 0xfffffff0]) {
    test(`ECN-3, ECN-6: ECE on every ACK until CWR, and again after a new mark (${isn})`, () => {
      const peer = new Peer(isn);
      const marks: [tos: number, flags: number, echo: boolean][] = [
        [ECT0, ACK, false],
        [CE, ACK, true],
        [ECT0, ACK, true],
        [ECT0, ACK, true],
        [ECT0, ACK | CWR, false],
        [ECT0, ACK, false],
        // Both: CWR first, then the mark (8257 3.2 with Erratum 3639).
        [CE, ACK | CWR, true],
        [ECT0, ACK | CWR, false],
      ];
      const got = marks.map(([tos, flags]) => echoes(peer.data({ tos, flags })));
      expect(got).toEqual(marks.map(([, , echo]) => [echo]));
    });
  }

  test("ECN-3: a delayed ACK has it when any segment that it covers was marked", () => {
    const peer = new Peer();
    const first = peer.send({ tos: CE, payload: streamBytes(peer.seq, 100) });
    const payload = streamBytes(peer.seq + 100, 100);
    const second = peer.send({ tos: ECT0, seq: peer.seq + 100, payload });
    // Data paths without delayed ACKs answer each.
    const acks = [...first, ...second];
    expect(acks.length).toBeGreaterThan(0);
    expect(echoes(acks)).toEqual(acks.map(() => true));
  });

  test("ECN-16: CE outside the window is ignored", () => {
    const peer = new Peer();
    peer.data({});
    const payload = streamBytes(0, 100);
    const outside = [peer.seq - 100, peer.seq + 65536 + 10, peer.seq - 1000];
    for (const seq of outside) {
      const answer = peer.send({ tos: CE, seq: seq >>> 0, payload });
      expect(echoes(answer)).toEqual([false]);
    }
    expect(echoes(peer.data({ tos: ECT0 }))).toEqual([false]);
  });

  test("ECN-19: fragments are not put together: no mark is lost with one of them", () => {
    for (const [first, second] of [
      [CE, ECT0],
      [ECT0, CE],
      [CE, 0],
    ] as const) {
      const peer = new Peer();
      const payload = streamBytes(peer.seq, 100);
      const sent = [
        ...peer.send({ tos: first, payload, fragment: 0x2000 }),
        ...peer.send({ tos: second, payload, fragment: 15 }),
      ];
      expect(sent).toEqual([]);
      expect(peer.host.drops(DropReason.IpFragment)).toBe(2);
      expect(peer.data({}).at(-1)).toMatchObject({ ack: peer.seq, flags: "A" });
    }
  });

  test("ECN-17: CE on a probe of a closed window is echoed", () => {
    const peer = new Peer(1000, SYN | ECE | CWR, 8192);
    for (let left = 8192; left > 0; left -= 1024) peer.data({}, 1024);
    const [plain] = peer.send({ payload: streamBytes(peer.seq, 1) });
    expect([plain?.window, plain?.flags]).toEqual([0, "A"]);
    const [marked] = peer.send({ tos: CE, payload: streamBytes(peer.seq, 1) });
    expect([marked?.window, marked?.flags]).toEqual([0, "AE"]);
  });
});

describe("sender (RFC 3168, 6.1.2)", () => {
  test("ECN-2, ECN-13: data is ECT(0), pure ACKs and what is sent again are not", () => {
    const peer = new Peer();
    expect(ecnOf(peer.write(2 * MSS))).toEqual([ECT0, ECT0]);
    expect(ecnOf(peer.data({}))).toEqual([0]);
    const again = peer.host.after(2000 * MS);
    expect(again[0]?.payload.length).toBe(MSS);
    expect(ecnOf(again)).toEqual(again.map(() => 0));
    peer.host.update(1, { fin: true });
    expect(ecnOf(peer.acknowledge(2)).every((ecn) => ecn === 0)).toBe(true);
    expect(ecnOf(peer.send({ flags: FIN | ACK }))).toEqual([0]);
  });

  test("ECN-4, ECN-15: one cut a window, by half, never below one segment; no growth", () => {
    const peer = new Peer();
    peer.write(10 * MSS);
    const before = peer.cwnd;
    peer.acknowledge(1, ACK | ECE);
    expect([peer.cwnd, peer.ssthresh]).toEqual([before / 2, before / 2]);
    for (let left = 9; left > 0; left -= 1) peer.acknowledge(1, ACK | ECE);
    expect(peer.cwnd).toBe(before / 2);
    peer.write(5 * MSS);
    peer.acknowledge(5, ACK | ECE);
    expect(peer.cwnd).toBeLessThan(before / 2);
  });

  test("ECN-5: after ECE the first new segment has CWR, and no other", () => {
    const peer = new Peer();
    peer.write(4 * MSS);
    peer.acknowledge(4, ACK | ECE);
    const sent = peer.write(3 * MSS);
    expect(sent.map(({ flags }) => flags.includes("C"))).toEqual([true, false, false]);
  });

  test("ECN-5: after fast retransmit too, and not on what is sent again", () => {
    const peer = new Peer();
    peer.write(8 * MSS);
    const again: Sent[] = [];
    for (let i = 0; i < 3; i += 1) again.push(...peer.send({ window: 65535 }));
    expect(again.filter(({ payload }) => payload.length > 0)).not.toEqual([]);
    expect(again.filter(({ flags }) => flags.includes("C"))).toEqual([]);
    const after = [...peer.acknowledge(8), ...peer.write(2 * MSS)];
    const cwr = after.filter(({ flags }) => flags.includes("C"));
    expect(cwr).toHaveLength(1);
    expect([(cwr[0]?.seq ?? 0) >>> 0, ecnOf(cwr)]).toEqual([peer.ack, [ECT0]]);
  });

  test("ECN-5: after a timeout too", () => {
    const peer = new Peer();
    peer.write(3 * MSS);
    const again = peer.host.after(1500 * MS);
    expect(flagsOf(again).some((flags) => flags.includes("C"))).toBe(false);
    const after = [...peer.acknowledge(3), ...peer.write(MSS)];
    expect(after.map(({ flags, tos }) => [flags, tos & 3])).toEqual([["PAC", ECT0]]);
  });

  test("ECN-9: ECE on an ACK that is not acceptable has no effect", () => {
    const peer = new Peer();
    peer.write(10 * MSS);
    const before = peer.cwnd;
    peer.send({ flags: ACK | ECE, ack: (peer.ack + 11 * MSS) >>> 0 });
    peer.send({ flags: ACK | ECE, ack: (peer.ack - 70000) >>> 0 });
    const inFlight = (peer.ack + MSS) >>> 0;
    peer.send({ flags: ACK | ECE, seq: (peer.seq + 70000) >>> 0, ack: inFlight });
    expect(peer.cwnd).toBe(before);
    expect(flagsOf(peer.acknowledge(10)).join()).not.toContain("C");
    expect(flagsOf(peer.write(MSS))).toEqual(["PA"]);
  });

  test("ECN-14: at one segment ECE stops new data until the timer expires", () => {
    const peer = new Peer();
    // Echo after echo: 10, 5, 2.5, 1.25, 1.
    let cuts = 0;
    while (peer.cwnd > 1) {
      const before = peer.cwnd;
      const [sent] = peer.write(MSS);
      expect(sent?.payload.length).toBe(MSS);
      peer.acknowledge(1, ACK | ECE);
      if (peer.cwnd < before) cuts += 1;
      expect(cuts).toBeLessThan(10);
    }
    // One more window, then the echo that finds one segment.
    for (let i = 0; i < 2; i += 1) {
      if (peer.write(MSS).length === 1) peer.acknowledge(1, ACK | ECE);
    }
    expect(peer.host.after(MS)).toEqual([]);
    expect(peer.write(MSS)).toEqual([]);
    const { rto } = peer.host.control.info(1);
    expect(rto).toBe(PROFILES.rfc.rtoMin / MS);
    expect(peer.host.after((rto - 10) * MS)).toEqual([]);
    const [first, ...rest] = peer.host.after(20 * MS);
    expect([first?.payload.length, (first?.tos ?? 0) & 3, first?.flags]).toEqual([MSS, ECT0, "AC"]);
    expect(rest).toEqual([]);
    expect(peer.host.control.info(1)).toMatchObject({ retransmits: 0, timeouts: 0 });
    // The rest of what was written in vain.
    expect(peer.acknowledge(1)).not.toEqual([]);
    expect(peer.cwnd).toBeGreaterThan(1);
  });

  test("DC-8: DCTCP without ECN is NewReno", () => {
    expect(PROFILES.rfc.algorithm).toBe(CongestionAlgorithm.NewReno);
    const [reno, dctcp] = ["newreno", "dctcp"].map((congestion) => {
      const host = new Host({ medium: "ip" });
      const listener = host.listen(80, 16, { congestion, noDelay: true });
      const [answer] = host.feed(host.segment({ flags: SYN, seq: 1 }));
      const ack = ((answer?.seq ?? 0) + 1) >>> 0;
      host.feed(host.segment({ flags: ACK, seq: 2, ack }));
      host.control.accept(listener);
      host.update(1, { append: 10 * MSS });
      host.poll();
      host.after(1500 * MS);
      host.feed(host.segment({ flags: ACK | ECE, seq: 2, ack: (ack + 10 * MSS) >>> 0 }));
      const { cwnd, ssthresh } = host.control.info(1);
      return [cwnd, ssthresh];
    });
    expect(dctcp).toEqual(reno);
  });
});
