/**
 * Threats C02, C03, C05 to C07: receivers that would have more sent than the network takes, and
 * paths that forge marks. C01 and C04 are beside the code that keeps them, C08 is there and with
 * O11.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { Sender } from "../rfc/sender.ts";
import { ACK, CWR, ECE, sackOption, SYN } from "../support/frames.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const MSS = 1000;
const RTT = 40e6;

const cwnd = (c: RawConnection): number => c.toe.connections()[0]?.cwnd ?? 0;
/** How far the stack has sent, in bytes from the connection's first. */
const furthest = (c: RawConnection, sent: readonly { seq: number; payloadLength: number }[]) =>
  Math.max(0, ...sent.map(({ seq, payloadLength }) => ((seq - c.ack) >>> 0) + payloadLength));

describe.each(STARTS)("from ISN %d", (start) => {
  test("threats/C02: duplicate ACKs draw no more than what they could stand for", () => {
    const c = new RawConnection(start);
    const flight = furthest(c, c.write(60_000));
    expect(flight).toBe(10 * MSS);
    let far = flight;
    // One after another until all is out that they can draw, then in bursts.
    for (let i = 0, burst = 1; i < 10_000; i += burst) {
      burst = i < 40 ? 1 : 64;
      c.peer.queue(...Array.from({ length: burst }, () => c.fields({})));
      far = Math.max(far, furthest(c, c.peer.settle()));
      // RFC 5681, 3.2: inflated by what has left the network, of what is outstanding.
      const { cwnd = 0, ssthresh = 0, txSent = 0 } = c.toe.connections()[0] ?? {};
      expect(cwnd, `${i}`).toBeLessThanOrEqual(i < 3 ? flight : ssthresh + txSent);
    }
    expect(c.toe.connections()[0]?.ssthresh).toBeLessThanOrEqual(flight);
    // Limited transmit, and one new segment for each that can have left the network.
    expect(far).toBeLessThanOrEqual(2 * flight + 2 * MSS);
  });

  test("threats/C03: ACKs ahead of data earn what was sent, of unsent data nothing", () => {
    const c = new RawConnection(start);
    let sent = furthest(c, c.write(60_000));
    for (let round = 0; round < 4; round += 1) {
      const before = cwnd(c);
      for (let i = 0; i < 50; i += 1) c.send({ ack: (c.ack + sent + 1 + i * MSS) >>> 0 });
      expect(cwnd(c)).toBe(before);
      // At once, as if all had arrived: slow start's share of it, and no more.
      const answers = c.send({ ack: (c.ack + sent) >>> 0 });
      expect(cwnd(c) - before).toBeLessThanOrEqual(sent);
      c.ack = (c.ack + sent) >>> 0;
      sent = furthest(c, answers);
      expect(sent).toBeLessThanOrEqual(cwnd(c));
    }
  });

  // Marks erased; and forged: an echo that never ends, and packets to us that are all marked.
  test.each([
    ["erased", ACK, 0],
    ["forged", ACK | ECE, 3],
  ])("threats/C05: where a path has %s marks, losses still reduce", (_what, flags, tos) => {
    const peer = watchPools(new ScriptedPeer());
    const listener = peer.listen(80);
    const options = [2, 4, 3, 232];
    const [answer] = peer.send({ seq: start, flags: SYN | ECE | CWR, options });
    expect((answer?.flags ?? 0) & ECE).toBe(ECE);
    const seq = (start + 1) >>> 0;
    const ack = ((answer?.seq ?? 0) + 1) >>> 0;
    peer.send({ seq, ack, flags: ACK });
    const { toe } = peer.stack;
    toe.send(toe.accept(listener), new Uint8Array(60_000));
    expect(peer.settle()).toHaveLength(10);
    const before = toe.connections()[0]?.cwnd ?? 0;
    const again: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      again.push(...peer.send({ seq, ack, flags, tos }).map((segment) => segment.seq));
    }
    // What is lost is sent again, whatever the marks say.
    expect(again).toContain(ack);
    peer.send({ seq, ack: (ack + 10_000) >>> 0, flags, tos });
    const after = toe.connections()[0]?.cwnd ?? 0;
    expect(after).toBeLessThanOrEqual(before * 0.7 + MSS);
    expect(after).toBeGreaterThanOrEqual(MSS);
  });

  test("threats/C07: forged blocks of what arrived twice delay no repair for ever", () => {
    const one = new Sender(start, { rack: true, segments: 40 });
    one.raw.now += RTT;
    one.ack(2);
    one.raw.now += RTT;
    one.ack(4);
    for (let i = 0; i < 200; i += 1) {
      one.raw.now += RTT / 8;
      one.blocks(4, [one.at(2), one.at(3)]);
    }
    one.raw.now += RTT;
    const sent = [...one.ack(4, [5, 9])];
    // The window of reordering ends at one round trip, however much was forged.
    const { srtt } = one.raw.inspect();
    sent.push(...one.wait(srtt + 2e6));
    expect(sent).toContain(4);
  });

  // With SACK and without: a data path that knows no blocks sees ACKs that repeat themselves.
  test("threats/C07: whatever is forged, what is missing is sent again in 2 s", () => {
    const c = new RawConnection(start, { syn: [2, 4, 3, 232, 4, 2] });
    const flight = furthest(c, c.write(60_000));
    expect(flight).toBe(10 * MSS);
    c.pass(RTT, RTT);
    c.ack = (c.ack + 4 * MSS) >>> 0;
    c.send({});
    for (let i = 0; i < 200; i += 1) {
      c.pass(RTT / 8, RTT / 8);
      const from = (c.ack - (1 + (i % 4)) * MSS) >>> 0;
      c.send({ options: sackOption([[from, (from + MSS) >>> 0]]) });
    }
    const again = c.pass(2e9, 1e7).filter(({ seq }) => seq === c.ack);
    expect(again.length).toBeGreaterThan(0);
    expect(c.state).toBe("ESTABLISHED");
    expect(cwnd(c)).toBeGreaterThanOrEqual(MSS);
  });

  // RFC 9293, 3.8.6.2.1: whole segments, or what a timer lets go; RFC 1122, 4.2.3.4: of 0.1 s.
  test.each([1, 10, 50])("threats/C06: a window that opens by %d in 10 ms", (step) => {
    const c = new RawConnection(start);
    c.send({ window: 0 });
    const sent = c.write(60_000).filter(({ payloadLength }) => payloadLength > 0);
    expect(sent).toEqual([]);
    let taken = 0;
    const small: number[] = [];
    const sizes: number[] = [];
    for (let edge = step; edge <= 1000 * step; edge += step) {
      sent.push(...c.pass(1e7, 1e7));
      sent.push(...c.send({ ack: (c.ack + taken) >>> 0, window: edge - taken }));
      for (const { seq, payloadLength } of sent.splice(0)) {
        sizes.push(payloadLength);
        if (payloadLength < MSS) small.push(c.peer.now);
        const from = (seq - c.ack) >>> 0;
        if (from <= taken) taken = Math.max(taken, Math.min(edge, from + payloadLength));
      }
    }
    const what = `${sizes}`;
    // The timer's: each after another 0.1 s at least, and each counted.
    small.slice(1).forEach((at, i) => {
      expect(at - (small[i] as number), what).toBeGreaterThanOrEqual(1e8);
    });
    const expiries = c.counter(Counter.Probes);
    expect(small.length, what).toBeLessThanOrEqual(expiries);
    expect(sizes.length, what).toBeLessThanOrEqual(taken / MSS + expiries);
    expect(taken, what).toBeGreaterThan(800 * step);
  });
});
