/**
 * Path MTU, interface MTU, links and addresses that change under live connections, of both
 * families, on virtual time (RFC 1191, RFC 8201, RFC 4821).
 */
import { describe, expect, test } from "vitest";
import { PROFILES } from "../../host/control-plane/profile.ts";
import type { ConnectionInfo } from "../../host/control-plane/interface.ts";
import * as C from "../../host/libtoe/constants.ts";
import { ERRNO } from "../../host/errors.ts";
import { dataPathUnderTest, seedOf } from "../support/env.ts";
import { StreamEnd } from "./stream-end.ts";
import { MINUTE, SECOND, WorldPair, type WorldPairOptions } from "./world-pair.ts";

const SEED = seedOf(9);
const FAMILIES: [name: string, ipv6: boolean][] = [
  ["IPv4", false],
  ["IPv6", true],
];

/** Where packets of more than `most` bytes vanish, and nobody says so. */
class Hole {
  most = Infinity;
  lost = 0;
  readonly faults = {
    rule: (frame: Uint8Array): boolean => {
      const vanishes = frame.length - 14 > this.most;
      if (vanishes) this.lost += 1;
      return vanishes;
    },
  };
}

interface Upload {
  readonly pair: WorldPair;
  readonly ends: readonly StreamEnd[];
  readonly fds: { client: number; server: number };
}

/** A connection on which nobody does anything. */
function open(options: WorldPairOptions): Upload {
  const pair = new WorldPair({ seed: SEED, ...options, link: { rate: 1e8, ...options.link } });
  return { pair, fds: pair.establish(pair.listen(80), 80), ends: [] };
}

/** A connection on which the client sends `bytes`. */
function upload(bytes: number, options: WorldPairOptions): Upload {
  const { pair, fds } = open(options);
  const end = (fd: number, isClient: boolean): StreamEnd => {
    const toe = isClient ? pair.clientToe : pair.serverToe;
    const [own, other] = isClient ? [bytes, 0] : [0, bytes];
    const host = isClient ? pair.client : pair.server;
    const made = new StreamEnd(toe, fd, { bytes: own, expect: other, seed: 1, expectSeed: 1 });
    host.applications.push(() => made.run(pair.world.now));
    return made;
  };
  return { pair, fds, ends: [end(fds.client, true), end(fds.server, false)] };
}

function finish({ pair, ends }: Upload, bytes: number): void {
  pair.until(() => ends.every(({ finished }) => finished), "the end of both streams");
  expect(ends[1]).toMatchObject({ received: bytes, wrongAt: -1, error: 0 });
}

const mss = ({ pair, fds }: Upload): unknown =>
  pair.clientToe.getsockopt(fds.client, C.IPPROTO_TCP, C.TCP_MAXSEG);

/** Timestamps where the data path has them: 12 bytes of each segment. */
function expectMss(run: Upload, bytes: number): void {
  expect([bytes, bytes - 12]).toContain(mss(run));
}

/** What a search leaves between what passes and what does not (RFC 4821, 7.3). */
const CLOSE = 32;
/** As long as one takes: over IPv4 a minute after each size that passes (RFC 1191, 6.3). */
const SEARCH = 6 * MINUTE;

/** Sends windows' worth every second, all of which has to arrive. */
function talk({ pair, fds }: Upload, time: number): void {
  for (let passed = 0; passed < time; passed += SECOND) {
    pair.clientToe.send(fds.client, new Uint8Array(40_000));
    pair.pass(SECOND);
    while (pair.serverToe.recv(fds.server, TAKEN) > 0);
  }
}
const TAKEN = new Uint8Array(32_768);

/** A search has ended a little below the `most` bytes that packets may have. */
function expectFound(run: Upload, most: number, headers: number): void {
  const found = Number(mss(run)) + headers;
  expect(found).toBeLessThanOrEqual(most);
  expect(found).toBeGreaterThan(most - CLOSE - 12);
}

describe.each(FAMILIES)("%s: an interface's MTU", (_name, ipv6) => {
  const headers = ipv6 ? 60 : 40;

  test("lowered and raised, and the stream is whole", () => {
    const run = upload(4e6, { ipv6 });
    run.pair.pass(0.1 * SECOND);
    expectMss(run, 1500 - headers);
    run.pair.client.stack.setMtu(0, 1300);
    run.pair.pass(0.1 * SECOND);
    expectMss(run, 1300 - headers);
    run.pair.client.stack.setMtu(0, 1500);
    run.pair.pass(0.02 * SECOND);
    expectMss(run, 1500 - headers);
    finish(run, 4e6);
  });

  test("refused below the floor and above the carrier's", () => {
    const pair = new WorldPair({ seed: SEED, ipv6 });
    const least = ipv6 ? 1280 : 68;
    expect(() => pair.client.stack.setMtu(0, least - 1)).toThrow(/setMtu: expected mtu/);
    expect(() => pair.client.stack.setMtu(0, 1501)).toThrow(
      /setMtu: expected at most 1500, got 1501/,
    );
    expect(() => pair.client.stack.setMtu(7, 1500)).toThrow(/setMtu: expected an interface, got 7/);
  });
});

describe.each(FAMILIES)("%s: a black hole", (_name, ipv6) => {
  const headers = ipv6 ? 60 : 40;
  const base = ipv6 ? 1280 - headers : 1024;

  test("PM-7, RFC 4821, 7.7: with all ICMP lost the transfer completes", () => {
    const hole = new Hole();
    const run = upload(400_000, { ipv6, link: { faults: hole.faults } });
    hole.most = 1290;
    finish(run, 400_000);
    expect(hole.lost).toBeGreaterThan(0);
    expectMss(run, base);
  });

  test("without probing it does not", () => {
    const hole = new Hole();
    const profile = { ...PROFILES.internet, mtuProbing: 0 };
    const run = upload(400_000, { ipv6, profile, link: { faults: hole.faults } });
    hole.most = 1290;
    run.pair.pass(MINUTE);
    expect(run.ends[1]?.received).toBe(0);
  });

  test("PM-6, RFC 1191, 6.3; RFC 8201, 4: after ten minutes a larger size is tried", () => {
    const hole = new Hole();
    const run = open({ ipv6, link: { faults: hole.faults } });
    hole.most = 1400;
    talk(run, SEARCH);
    expectFound(run, 1400, headers);
    hole.most = Infinity;
    talk(run, 3 * MINUTE);
    expectFound(run, 1400, headers);
    talk(run, 8 * MINUTE);
    expectMss(run, 1500 - headers);
  });

  test("PM-15: a probe that vanishes costs neither window nor time", () => {
    const hole = new Hole();
    const run = open({ ipv6, link: { faults: hole.faults } });
    const { pair, fds } = run;
    hole.most = 1290;
    pair.clientToe.send(fds.client, new Uint8Array(20_000));
    // Three timeouts and the window's data; a second later a trial begins, with nothing to send.
    pair.pass(10 * SECOND);
    expectMss(run, base);
    const before = hole.lost;
    const state = (): ConnectionInfo => pair.clientToe.connections()[0] as ConnectionInfo;
    const { cwnd, timeouts } = state();
    pair.clientToe.send(fds.client, new Uint8Array(20_000));
    // Long before any timeout.
    pair.pass(0.15 * SECOND);
    expect(hole.lost).toBe(before + 1);
    expectMss(run, base);
    expect(state()).toMatchObject({ txSent: 0, timeouts });
    // Faithful Laminar knows no SACK, and so not that the rest has arrived (RFC 4821, 7.6.3).
    if (dataPathUnderTest() !== "laminar") expect(state().cwnd).toBeGreaterThanOrEqual(cwnd);
  });

  const WIDTHS = [1290, 1400, 1492, 1499];
  test.each(WIDTHS)("PM-6, RFC 4821, 7.3: a path of %i bytes is found and kept", (most) => {
    const hole = new Hole();
    const run = open({ ipv6, link: { faults: hole.faults } });
    hole.most = most;
    talk(run, SEARCH);
    expectFound(run, most, headers);
    const before = hole.lost;
    talk(run, 4 * MINUTE);
    expect(hole.lost).toBe(before);
    expectFound(run, most, headers);
    expect(run.pair.clientToe.connections()[0]?.txSent).toBe(0);
  });

  test("PM-6: who comes later begins with what was found, and tries more as well", () => {
    const hole = new Hole();
    const run = open({ ipv6, link: { faults: hole.faults } });
    hole.most = 1400;
    talk(run, SEARCH);
    const fds = run.pair.establish(run.pair.listen(81), 81);
    const later = { ...run, fds };
    expectFound(later, 1400, headers);
    const before = hole.lost;
    hole.most = Infinity;
    talk(later, MINUTE);
    expect(hole.lost).toBe(before);
    talk(later, 10 * MINUTE);
    expectMss(later, 1500 - headers);
  });

  test("profile value 2 starts small and goes up after a second", () => {
    const run = open({ ipv6, profile: { ...PROFILES.internet, mtuProbing: 2 } });
    run.pair.clientToe.send(run.fds.client, new Uint8Array(20_000));
    expectMss(run, base);
    run.pair.pass(2 * SECOND);
    expectMss(run, base);
    run.pair.clientToe.send(run.fds.client, new Uint8Array(20_000));
    run.pair.pass(0.1 * SECOND);
    expectMss(run, 1500 - headers);
  });

  test("a trial that waits for data stops header prediction for some seconds of a minute", () => {
    const run = open({ ipv6, profile: { ...PROFILES.internet, mtuProbing: 2 } });
    const sendWindow = (): void => {
      run.pair.clientToe.send(run.fds.client, new Uint8Array(20_000));
      run.pair.pass(0.1 * SECOND);
    };
    // It begins after a second, is looked at after another, and ten later.
    run.pair.pass(13 * SECOND);
    sendWindow();
    expectMss(run, base);
    run.pair.pass(MINUTE);
    sendWindow();
    expectMss(run, 1500 - headers);
  });

  test("PM-6, PM-17: a probe leaves in the middle of a bulk transfer, whose window is full", () => {
    const bytes = 30e6;
    const run = upload(bytes, { ipv6, profile: { ...PROFILES.internet, mtuProbing: 2 } });
    run.pair.pass(0.9 * SECOND);
    expectMss(run, base);
    run.pair.pass(0.3 * SECOND);
    expectMss(run, 1500 - headers);
    finish(run, bytes);
  });
});

describe.each(FAMILIES)("%s: links and addresses", (_name, ipv6) => {
  test("an address that goes takes its connections along, and nothing else", () => {
    const run = upload(40e6, { ipv6 });
    const { pair, fds } = run;
    pair.pass(0.1 * SECOND);
    const listener = pair.serverToe.socket(pair.domain);
    expect(pair.serverToe.bind(listener, { address: ipv6 ? "::" : "0.0.0.0", port: 81 })).toBe(0);
    expect(pair.serverToe.listen(listener)).toBe(0);
    expect(pair.server.stack.removeAddress(0, pair.addresses[1])).toBe(true);
    expect(pair.server.stack.removeAddress(0, pair.addresses[1])).toBe(false);
    pair.pass(0.1 * SECOND);
    const error = run.ends[1]?.error;
    expect([error, -(error ?? 0)]).toContain(ERRNO.EADDRNOTAVAIL);
    expect(pair.clientToe.getsockopt(fds.client, C.SOL_SOCKET, C.SO_ERROR)).toBe(0);
    const prefix = ipv6 ? 64 : 24;
    pair.server.stack.addAddress(0, `${pair.addresses[1]}/${prefix}`);
    pair.connect(81);
    expect(pair.accept(listener)).toBeGreaterThan(0);
  });

  test("a link that was down goes on at once when it is up", () => {
    const hole = new Hole();
    const run = upload(400_000, { ipv6, link: { faults: hole.faults } });
    hole.most = 0;
    run.pair.pass(20 * SECOND);
    run.pair.client.stack.setLinkUp(0, false);
    const fd = run.pair.clientToe.socket(run.pair.domain);
    const to = { address: run.pair.addresses[1], port: 80 };
    expect(run.pair.clientToe.connect(fd, to)).toBe(-ERRNO.ENETDOWN);
    hole.most = Infinity;
    run.pair.client.stack.setLinkUp(0, true);
    run.pair.pass(0.5 * SECOND);
    expect(run.ends[1]?.received).toBe(400_000);
    finish(run, 400_000);
  });
});
