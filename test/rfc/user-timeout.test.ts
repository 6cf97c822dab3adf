/**
 * Goal: RFC 5482 where the user timeout option is switched on (ids UTO-*). Method: one host, a peer
 * whose SYN has the option and which then falls silent; how long the host waits. What the option
 * does where it is off is in numbers-and-ports.test.ts.
 */
import { describe, expect, test } from "vitest";
import type { ConnectionOptions } from "../../host/control-plane/interface.ts";
import { ACK, SYN } from "../support/frames.ts";
import { Host, type HostOptions, type Sent } from "../unit/control-plane/harness.ts";

const SECOND = 1e9;
/** RFC 5482, 3.3. */
const option = (value: number, inMinutes = false): number[] => [
  28,
  4,
  (inMinutes ? 0x80 : 0) | (value >>> 8),
  value & 255,
];

interface Choice {
  readonly connection?: Partial<ConnectionOptions>;
  readonly host?: HostOptions;
  /** limits.userTimeout, ns. */
  readonly own?: number;
}

/** A connection that the peer has opened with these options. */
class Peer {
  readonly host: Host;
  readonly answer: Sent;
  readonly ack: number;

  constructor(options: readonly number[], { connection = {}, host = {}, own = 10e9 }: Choice = {}) {
    const limits = { userTimeout: own, userTimeoutOption: true };
    this.host = new Host({ medium: "ip", limits, ...host });
    const listener = this.host.listen(80, 16, { noDelay: true, ...connection });
    [this.answer] = this.host.feed(this.host.segment({ flags: SYN, seq: 1000, options })) as [Sent];
    this.ack = (this.answer.seq + 1) >>> 0;
    this.host.feed(this.host.segment({ flags: ACK, seq: 1001, ack: this.ack }));
    this.host.control.accept(listener);
  }

  /** Seconds until a write that nobody acknowledges ends the connection. */
  lives(most = 5000): number {
    this.host.update(1, { append: 100 });
    this.host.poll();
    for (let passed = 1; passed <= most; passed += 1) {
      this.host.after(SECOND);
      if (this.host.events.at(-1) === "closed 1 110") return passed;
    }
    return Infinity;
  }
}

/** It is looked at when the retransmission timer goes off, which is every two minutes at most. */
function expectAbout(seconds: number, lower: number): void {
  expect(seconds).toBeGreaterThanOrEqual(lower);
  expect(seconds).toBeLessThanOrEqual(2 * lower + 121);
}

describe("RFC 5482", () => {
  test("UTO-2, UTO-6: what is adopted is 100 s at least, and an hour at most", () => {
    expectAbout(new Peer(option(1)).lives(), 100);
    const most = new Peer(option(0x7fff, true)).lives();
    expect(most).toBeGreaterThanOrEqual(3600);
    expect(most).toBeLessThanOrEqual(3721);
  });

  test("UTO-5: the longer of the two, and of the lower limit", () => {
    expectAbout(new Peer(option(500)).lives(), 500);
    expectAbout(new Peer(option(150), { own: 700e9 }).lives(), 700);
  });

  test("UTO-6: above the RTO that the connection has", () => {
    const change = { rtoMin: 115e9, rtoInitial: 115e9, rtoMax: 120e9 };
    const peer = new Peer(option(1), { host: { medium: "ip", change, limits: ON } });
    // At the first timeout nothing is over.
    expect(peer.lives()).toBeGreaterThan(117);
  });

  test("UTO-7: zero is reserved: it is ignored, and never sent", () => {
    for (const inMinutes of [false, true]) {
      expect(new Peer(option(0, inMinutes)).lives()).toBeLessThan(100);
      const sent = new Peer([], { own: 1 }).answer.options.get(28);
      expect(sent).toEqual([0, 1]);
    }
  });

  test("UTO-8: a handshake has the defaults, whatever was adopted", () => {
    const tries = [[], option(2000), option(1)].map((options) => {
      // Eight minutes and a half, more than is adopted.
      const host = new Host({ medium: "ip", limits: { ...ON, synAckRetries: 8 } });
      host.listen(80, 16, { synRetries: 8 });
      host.feed(host.segment({ flags: SYN, seq: 1, options }));
      const sent: Sent[] = [];
      for (let passed = 0; passed < 2000; passed += 1) sent.push(...host.after(SECOND));
      expect(host.control.counters.connections).toBe(0);
      return sent.length;
    });
    expect(tries).toEqual([8, 8, 8]);
  });

  test("UTO-9: the keep-alive time is longer than what was adopted", () => {
    const connection = { keepAlive: true, keepAliveIdle: 10_000 };
    const probed = [option(300), []].map((options) => {
      const peer = new Peer(options, { connection });
      for (let passed = 1; passed < 1000; passed += 1) {
        if (peer.host.after(SECOND).length > 0) return passed;
      }
      return Infinity;
    });
    expect(probed[0]).toBeGreaterThan(300);
    expect(probed[1]).toBeLessThan(13);
  });

  test("UTO-10: kind 28, length 4, a bit for minutes, 15 bits of time", () => {
    const sent = [1e9, 300e9, 0x7fff * SECOND, 0x8000 * SECOND, 1e15].map((own) => {
      return new Peer([], { own }).answer.options.get(28);
    });
    expect(sent).toEqual([
      [0, 1],
      [1, 44],
      [0x7f, 0xff],
      // 546 minutes; 16,667.
      [0x82, 0x22],
      [0xc1, 0x1b],
    ]);
    expectAbout(new Peer(option(5, true)).lives(), 300);
    // Another length is no such option.
    expect(new Peer([28, 3, 200, 1]).lives()).toBeLessThan(100);
    expect(new Peer([28, 6, 4, 0, 0, 0]).lives()).toBeLessThan(100);
  });

  test("UTO-11: it goes with SYN and SYN-ACK, and the peer need not have one", () => {
    const host = new Host({ medium: "ip", limits: ON });
    host.open(80, { userTimeout: 150_000 }, 5000);
    expect(host.poll()[0]?.options.get(28)).toEqual([0, 150]);
    expect(new Peer([]).answer.options.get(28)).toEqual([0, 10]);
    expect(new Peer([]).lives()).toBeLessThan(100);
  });

  test("UTO-4: what the application has chosen stands", () => {
    const lives = new Peer(option(2000), { connection: { userTimeout: 20_000 } }).lives();
    expect(lives).toBeGreaterThanOrEqual(20);
    expect(lives).toBeLessThan(25);
  });
});

const ON = { userTimeout: 10e9, userTimeoutOption: true };
