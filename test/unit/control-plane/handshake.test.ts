/**
 * Goal: every way into ESTABLISHED and every way out of a handshake (RFC 9293, 3.5, 3.10.7.2 to
 * 3.10.7.4). Method: hand-built segments of a peer, decoded answers, events, and the counts of the
 * connection database. ISNs of the peer include the ends of the number space.
 */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { ERRNO } from "../../../host/errors.ts";
import { ACK, CWR, ECE, FIN, RST, SYN, timestampOption } from "../../support/frames.ts";
import { arpFrame, Host, LOCAL, LOCAL_MAC, REMOTE, REMOTE_MAC, synOptions } from "./harness.ts";

const ISNS = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];

function passive(host: Host, isn = 1000): ReturnType<Host["feed"]> {
  return host.feed(host.segment({ flags: SYN, seq: isn, options: synOptions(77) }));
}

describe.each(ISNS)("peer ISN %d", (isn) => {
  test("passive open reaches ESTABLISHED and the accept queue", () => {
    const host = new Host();
    const listener = host.listen(80);
    const [answer] = passive(host, isn);
    expect(answer).toMatchObject({ flags: "SA", ack: (isn + 1) >>> 0, sourcePort: 80 });
    const iss = answer?.seq ?? 0;
    expect(host.events).toEqual([]);
    host.feed(
      host.segment({
        flags: ACK,
        seq: (isn + 1) >>> 0,
        ack: (iss + 1) >>> 0,
        options: timestampOption(78, 0),
      }),
    );
    expect(host.events).toEqual(["opened 1 1", `acceptReady ${listener}`]);
    expect(host.control.accept(listener)).toBe(1);
    expect(host.control.accept(listener)).toBe(-ERRNO.EAGAIN);
    expect(host.state(1)).toBe("ESTABLISHED");
    expect(host.control.info(1)).toMatchObject({
      rxNextSeq: (isn + 1) >>> 0,
      txUna: (iss + 1) >>> 0,
      mss: 1448,
      peerScale: 7,
      timestamps: true,
      sack: true,
      peerWindow: 65535 * 128,
    });
    expect(host.held()).toEqual([1, 1]);
  });

  test("active open reaches ESTABLISHED and acknowledges", () => {
    const host = new Host();
    host.teachNeighbor();
    const id = host.open(80);
    const [syn] = host.poll();
    expect(syn).toMatchObject({ flags: "S", destination: REMOTE, destinationPort: 80, ack: 0 });
    const answers = host.feed(
      host.segment({
        flags: SYN | ACK,
        sourcePort: 80,
        destinationPort: syn?.sourcePort ?? 0,
        seq: isn,
        ack: ((syn?.seq ?? 0) + 1) >>> 0,
        options: synOptions(5),
      }),
    );
    expect(host.events).toEqual([`opened ${id} 0`]);
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatchObject({
      flags: "A",
      seq: ((syn?.seq ?? 0) + 1) >>> 0,
      ack: (isn + 1) >>> 0,
    });
  });
});

test("RFC 9293 SHLD-5, MAY-3; RFC 7323 2.2: what a SYN offers", () => {
  const host = new Host();
  host.teachNeighbor();
  host.open(80, { receiveBuffer: 1 << 20 });
  const [syn] = host.poll();
  expect(syn?.options.get(2)).toEqual([1460 >>> 8, 1460 & 255]);
  expect(syn?.options.get(4)).toEqual([]);
  expect(syn?.options.get(3)).toEqual([5]);
  expect(syn?.options.has(8)).toBe(true);
  expect(syn?.window).toBe(65535);
  expect(syn?.destinationMac).toBe(REMOTE_MAC.join("."));
});

test("RFC 7323 2.2, 3.2; RFC 2018: a SYN-ACK repeats only what the SYN offered", () => {
  const host = new Host();
  host.listen(80);
  const [bare] = host.feed(host.segment({ flags: SYN, seq: 5 }));
  expect([...(bare?.options.keys() ?? [])]).toEqual([2]);
  const iss = bare?.seq ?? 0;
  host.feed(host.segment({ flags: ACK, seq: 6, ack: iss + 1, window: 1000 }));
  // RFC 9293 MUST-15: no MSS option means 536.
  expect(host.control.info(1)).toMatchObject({ mss: 536, peerScale: 0, localScale: 0 });
  expect(host.control.info(1).peerWindow).toBe(1000);
});

const MSS_ROWS: [name: string, mss: number, mtu: number, maxSegment: number, mss: number][] = [
  ["peer smaller", 1000, 1500, 0, 988],
  ["route smaller", 9000, 1400, 0, 1348],
  ["option smaller", 9000, 1500, 600, 588],
  ["threats O08: 0", 0, 1500, 0, 36],
  ["threats O08: 1", 1, 1500, 0, 36],
  ["threats O08: 48, options of each segment counted", 48, 1500, 0, 36],
  ["threats O08: 65535", 65535, 1500, 0, 1448],
];

test.each(MSS_ROWS)("MUST-16 effective MSS, %s", (_name, mss, mtu, maxSegment, effective) => {
  const host = new Host({ mtu });
  host.listen(80, 16, { maxSegment });
  const options = [2, 4, mss >>> 8, mss & 255, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
  const [answer] = host.feed(host.segment({ flags: SYN, options }));
  host.feed(
    host.segment({
      flags: ACK,
      seq: 1,
      ack: ((answer?.seq ?? 0) + 1) >>> 0,
      options: timestampOption(2, 0),
    }),
  );
  expect(host.control.info(1).mss).toBe(effective);
});

test("RFC 7323 2.3: a shift above 14 acts as 14", () => {
  const host = new Host();
  host.listen(80);
  const [answer] = host.feed(host.segment({ flags: SYN, options: [3, 3, 200, 0] }));
  host.feed(host.segment({ flags: ACK, seq: 1, ack: (answer?.seq ?? 0) + 1, window: 1 }));
  expect(host.control.info(1)).toMatchObject({ peerScale: 14, peerWindow: 16384 });
});

const ECN_ROWS: [profile: "rfc" | "datacenter", flags: number, answer: string, on: boolean][] = [
  ["rfc", SYN | ECE | CWR, "SAE", true],
  ["rfc", SYN | ECE, "SA", false],
  ["rfc", SYN, "SA", false],
];

test.each(ECN_ROWS)(
  "ECN-1, ECN-10, ECN-18: RFC 3168 6.1.1 passive (%s, flags %d)",
  (profile, flags, answer, on) => {
    const host = new Host({ profile });
    host.listen(80);
    const [got] = host.feed(host.segment({ flags }));
    expect(got?.flags).toBe(answer);
    host.feed(host.segment({ flags: ACK, seq: 1, ack: (got?.seq ?? 0) + 1 }));
    expect(host.control.info(1).ecn).toBe(on);
  },
);

test.each([
  ["ECN-setup", SYN | ACK | ECE, true],
  ["refused", SYN | ACK, false],
  ["ECN-8: both flags back", SYN | ACK | ECE | CWR, false],
] as const)("ECN-1: RFC 3168 6.1.1 active, %s", (_name, flags, on) => {
  const host = new Host({ profile: "datacenter" });
  host.teachNeighbor();
  host.open(80, {}, 5000);
  const [syn] = host.poll();
  expect(syn?.flags).toBe("SEC");
  host.feed(
    host.segment({ flags, sourcePort: 80, destinationPort: 5000, ack: (syn?.seq ?? 0) + 1 }),
  );
  expect(host.control.info(1).ecn).toBe(on);
});

test("MUST-22, MUST-23: SYN retransmission doubles, is told at R1, ends with ETIMEDOUT", () => {
  const host = new Host();
  host.teachNeighbor();
  const id = host.open(80, { synRetries: 3 });
  const times: number[] = [];
  for (let tick = 0; tick < 200; tick += 1) {
    const sent = host.after(100e6).filter(({ kind }) => kind === "tcp");
    if (sent.length > 0) times.push(tick / 10);
    if (host.events.some((event) => event.startsWith("closed"))) break;
  }
  expect(times.map((at) => Math.round(at - (times[0] as number)))).toEqual([0, 1, 3, 7]);
  const told = [`softError ${id} ${ERRNO.ETIMEDOUT}`, `closed ${id} ${ERRNO.ETIMEDOUT}`];
  expect(host.events).toEqual(told);
  expect(host.held()).toEqual([0, 0]);
  host.control.release(id);
  expect(host.control.counters.connections).toBe(0);
});

test("profile rfc: SYN gives up after more than three minutes (MUST-23)", () => {
  const host = new Host({ profile: "rfc", medium: "ip" });
  host.open(80);
  const start = host.now;
  while (!host.events.some((event) => event.startsWith("closed"))) host.after(1e9);
  expect((host.now - start) / 1e9).toBeGreaterThan(180);
});

test("threats R03: SYN-ACK is repeated a bounded number of times, then the row is free", () => {
  const host = new Host();
  host.listen(80);
  passive(host);
  let repeated = 0;
  for (let second = 0; second < 200; second += 1) repeated += host.after(1e9).length;
  expect(repeated).toBe(5);
  expect(host.events).toEqual([]);
  expect(host.control.counters.connections).toBe(0);
  expect(host.held()).toEqual([0, 0]);
});

test("a repeated SYN gets the same SYN-ACK and no second connection", () => {
  const host = new Host();
  host.listen(80);
  const [first] = passive(host);
  const [second] = passive(host);
  expect(second?.seq).toBe(first?.seq);
  expect(host.control.counters.connections).toBe(1);
});

test("two SYNs of one tuple in one burst make one connection", () => {
  const host = new Host();
  host.listen(80);
  const syn = host.segment({ flags: SYN, seq: 9, options: synOptions(1) });
  const answers = host.feed(syn, syn);
  expect(answers.map(({ flags }) => flags)).toEqual(["SA", "SA"]);
  expect(host.control.counters.connections).toBe(1);
});

test("the segment that ends the handshake delivers its data and FIN (threats S06)", () => {
  const host = new Host();
  host.listen(80);
  const [answer] = host.feed(host.segment({ flags: SYN, seq: 10 }));
  const ack = (answer?.seq ?? 0) + 1;
  const payload = Uint8Array.from([1, 2, 3]);
  host.feed(host.segment({ flags: ACK | FIN, seq: 11, ack, payload }));
  expect(host.state(1)).toBe("CLOSE-WAIT");
  expect(host.control.info(1)).toMatchObject({ rxNextSeq: 15, bytesIn: 3 });
});

test("segments behind the handshake in the same burst are not lost", () => {
  const host = new Host();
  host.listen(80);
  const [answer] = host.feed(host.segment({ flags: SYN, seq: 10 }));
  const ack = (answer?.seq ?? 0) + 1;
  host.feed(
    host.segment({ flags: ACK, seq: 11, ack }),
    host.segment({ flags: ACK, seq: 11, ack, payload: new Uint8Array(100) }),
    host.segment({ flags: ACK, seq: 111, ack, payload: new Uint8Array(50) }),
  );
  expect(host.control.info(1).bytesIn).toBe(150);
});

test("a SYN-ACK with data and FIN delivers them after ESTABLISHED", () => {
  const host = new Host();
  host.teachNeighbor();
  host.open(80, {}, 5000);
  const [syn] = host.poll();
  const answers = host.feed(
    host.segment({
      flags: SYN | ACK | FIN,
      sourcePort: 80,
      destinationPort: 5000,
      seq: 0xffffffff,
      ack: (syn?.seq ?? 0) + 1,
      payload: new Uint8Array(7),
    }),
  );
  expect(host.control.info(1)).toMatchObject({ state: "CLOSE-WAIT", bytesIn: 7, rxNextSeq: 8 });
  expect(answers.at(-1)).toMatchObject({ flags: "A", ack: 8 });
});

test("RFC 9293 MUST-10: simultaneous open, SYN then SYN-ACK", () => {
  const host = new Host();
  host.teachNeighbor();
  const id = host.open(80, {}, 5000);
  const [syn] = host.poll();
  const iss = syn?.seq ?? 0;
  const peer = { sourcePort: 80, destinationPort: 5000, seq: 300, options: synOptions(1) };
  const [answer] = host.feed(host.segment({ ...peer, flags: SYN }));
  expect(answer).toMatchObject({ flags: "SA", seq: iss, ack: 301 });
  expect(host.state(id)).toBe("SYN-RECEIVED");
  host.feed(host.segment({ ...peer, flags: SYN | ACK, ack: iss + 1 }));
  expect(host.state(id)).toBe("ESTABLISHED");
  expect(host.events).toEqual([`opened ${id} 0`]);
});

test("RFC 9293 MUST-10: simultaneous open, SYN then ACK (threats S02)", () => {
  const host = new Host();
  host.teachNeighbor();
  const id = host.open(80, {}, 5000);
  const iss = host.poll()[0]?.seq ?? 0;
  const peer = { sourcePort: 80, destinationPort: 5000 };
  host.feed(host.segment({ ...peer, flags: SYN, seq: 300 }));
  host.feed(host.segment({ ...peer, flags: ACK, seq: 301, ack: iss + 1 }));
  expect(host.state(id)).toBe("ESTABLISHED");
});

describe("SYN-SENT (RFC 9293, 3.10.7.3)", () => {
  const REFUSED = `closed 1 ${ERRNO.ECONNREFUSED}`;
  const rows: [name: string, flags: number, ack: number, answer: string, event: string][] = [
    ["bad ACK gets RST", ACK, 77, "R", ""],
    ["SYN with a bad ACK gets RST", SYN | ACK, 0, "R", ""],
    ["RST with a bad ACK: nothing", RST | ACK, 77, "", ""],
    ["RST without ACK: nothing", RST, 0, "", ""],
    ["RST with a good ACK: refused", RST | ACK, 1, "", REFUSED],
    ["a good ACK without SYN: nothing", ACK, 1, "", ""],
    ["SYN with FIN: nothing", SYN | FIN, 0, "", ""],
    ["RST with SYN and a good ACK: refused", SYN | RST | ACK, 1, "", REFUSED],
    ["RST with SYN and without ACK: nothing", SYN | RST, 0, "", ""],
  ];
  test.each(rows)("%s", (_name, flags, ack, answer, event) => {
    const host = new Host();
    host.teachNeighbor();
    host.open(80, {}, 5000);
    const iss = host.poll()[0]?.seq ?? 0;
    const number = (ack === 1 ? iss + 1 : iss - ack) >>> 0;
    const peer = { sourcePort: 80, destinationPort: 5000, seq: 900 };
    const sent = host.feed(host.segment({ ...peer, flags, ack: number }));
    expect(sent.map((segment) => segment.flags).join()).toBe(answer);
    if (answer === "R") expect(sent[0]?.seq).toBe(number);
    expect(host.events.join()).toBe(event);
    if (event === "") expect(host.state(1)).toBe("SYN-SENT");
    else expect(host.held()).toEqual([0, 0]);
  });
});

describe("SYN-RECEIVED (RFC 9293, 3.10.7.4)", () => {
  type Row = [name: string, flags: number, seq: number, ack: number, answer: string, left: number];
  const rows: Row[] = [
    ["a bad ACK gets RST", ACK, 1001, 7, "R", 1],
    ["no ACK: dropped", FIN, 1001, 1, "", 1],
    ["below the window: an ACK", ACK, 900, 1, "A", 1],
    ["RST below the window: nothing", RST, 900, 1, "", 1],
    ["RST exactly: back to LISTEN", RST, 1001, 1, "", 0],
    ["RST with SYN exactly: back to LISTEN", RST | SYN, 1001, 1, "", 0],
    ["RST with SYN where the SYN stood: nothing", RST | SYN, 1000, 1, "", 1],
    ["RST within the window: challenge ACK", RST, 1002, 1, "A", 1],
    ["a new SYN in the window: back to LISTEN", SYN, 1002, 1, "", 0],
    ["beyond the window: an ACK", ACK, 1001 + 65536, 1, "A", 1],
  ];
  test.each(rows)("%s", (_name, flags, seq, ack, answer, left) => {
    const host = new Host();
    const listener = host.listen(80);
    const iss = host.feed(host.segment({ flags: SYN, seq: 1000 }))[0]?.seq ?? 0;
    const sent = host.feed(host.segment({ flags, seq, ack: (iss + ack) >>> 0 }));
    expect(sent.map((segment) => segment.flags).join()).toBe(answer);
    expect(host.control.counters.connections).toBe(left);
    expect(host.held()).toEqual([left, 0]);
    expect(host.events).toEqual([]);
    expect(host.control.acceptable(listener)).toBe(0);
  });

  test("an old timestamp is answered and does not open (RFC 7323, 5.3)", () => {
    const host = new Host();
    host.listen(80);
    const iss = passive(host)[0]?.seq ?? 0;
    const options = timestampOption(76, 0);
    const sent = host.feed(host.segment({ flags: ACK, seq: 1001, ack: iss + 1, options }));
    expect(sent.map(({ flags }) => flags)).toEqual(["A"]);
    expect(host.state(1)).toBe("SYN-RECEIVED");
    expect(host.drops(DropReason.Paws)).toBe(1);
  });

  test("threats S07: a third ACK without the negotiated timestamps opens", () => {
    const host = new Host();
    host.listen(80);
    const iss = passive(host)[0]?.seq ?? 0;
    host.feed(host.segment({ flags: ACK, seq: 1001, ack: iss + 1 }));
    expect(host.state(1)).toBe("ESTABLISHED");
  });

  test("MUST-11: RST after a simultaneous open refuses the active open", () => {
    const host = new Host();
    host.teachNeighbor();
    const id = host.open(80, {}, 5000);
    host.poll();
    const peer = { sourcePort: 80, destinationPort: 5000 };
    host.feed(host.segment({ ...peer, flags: SYN, seq: 300 }));
    host.feed(host.segment({ ...peer, flags: RST, seq: 301 }));
    expect(host.events).toEqual([`closed ${id} ${ERRNO.ECONNREFUSED}`]);
  });
});

describe("LISTEN and CLOSED (RFC 9293, 3.10.7.1, 3.10.7.2)", () => {
  const rows: [name: string, port: number, flags: number, answer: string, ack: number][] = [
    ["SYN to a closed port", 81, SYN, "RA", 101],
    ["SYN with data to a closed port", 81, SYN, "RA", 104],
    ["ACK to a closed port", 81, ACK, "R", 0],
    ["FIN without ACK to a closed port", 81, FIN, "RA", 101],
    ["RST to a closed port", 81, RST, "", 0],
    ["RST to a listener", 80, RST, "", 0],
    ["FIN without ACK to a listener", 80, FIN, "", 0],
    ["ACK to a listener", 80, ACK, "R", 0],
    ["SYN and ACK to a listener", 80, SYN | ACK, "R", 0],
    ["threats S04: SYN and FIN", 80, SYN | FIN, "", 0],
    ["threats S04: SYN and RST", 80, SYN | RST, "", 0],
  ];
  test.each(rows)("%s", (_name, destinationPort, flags, answer, ack) => {
    const host = new Host();
    host.listen(80);
    const payload = new Uint8Array(ack === 104 ? 3 : 0);
    const sent = host.feed(host.segment({ flags, destinationPort, seq: 100, ack: 5555, payload }));
    expect(sent.map((segment) => segment.flags).join()).toBe(answer);
    if (answer === "R") expect(sent[0]?.seq).toBe(5555);
    if (answer === "RA") expect(sent[0]).toMatchObject({ seq: 0, ack });
    expect(host.control.counters.connections).toBe(0);
  });
});

describe("addresses (RFC 9293 MUST-57, MUST-63; threats S05)", () => {
  const rows: [name: string, source: string, destination: string, mac: number[]][] = [
    ["to the limited broadcast", REMOTE, "255.255.255.255", LOCAL_MAC],
    ["to the directed broadcast", REMOTE, "10.0.0.255", LOCAL_MAC],
    ["to a multicast address", REMOTE, "224.0.0.1", LOCAL_MAC],
    ["to somebody else", REMOTE, "10.0.0.9", LOCAL_MAC],
    ["from the broadcast address", "10.0.0.255", LOCAL, LOCAL_MAC],
    ["from a multicast address", "224.0.0.5", LOCAL, LOCAL_MAC],
    ["from loopback", "127.0.0.1", LOCAL, LOCAL_MAC],
    ["from our own address", LOCAL, LOCAL, LOCAL_MAC],
    ["in a broadcast frame", REMOTE, LOCAL, [255, 255, 255, 255, 255, 255]],
  ];
  test.each(rows)("SYN, ACK, RST %s: silence", (_name, source, destination, mac) => {
    const host = new Host();
    host.listen(80);
    for (const flags of [SYN, ACK, RST]) {
      const frame = { flags, source, destination, hardwareDestination: mac };
      expect(host.feed(host.segment(frame))).toEqual([]);
    }
    expect(host.control.counters.connections).toBe(0);
  });
});

test("threats R02: resets to a closed port are rate limited", () => {
  const host = new Host({ limits: { resetsPerSecond: 10, resetBurst: 4 } });
  let sent = 0;
  for (let i = 0; i < 50; i += 1) sent += host.feed(host.segment({ flags: SYN, seq: i })).length;
  expect(sent).toBe(4);
  expect(host.drops(DropReason.RateLimited)).toBe(46);
  expect([host.control.counters.connections, ...host.held()]).toEqual([0, 0, 0]);
  host.now += 1e9;
  expect(host.feed(host.segment({ flags: SYN })).length).toBe(1);
});

test("medium ip: no link header, no ARP", () => {
  const host = new Host({ medium: "ip" });
  host.open(80, {}, 5000);
  const [syn] = host.poll();
  expect(syn).toMatchObject({ flags: "S", sourcePort: 5000 });
  const sent = host.feed(
    host.segment({
      flags: SYN | ACK,
      sourcePort: 80,
      destinationPort: 5000,
      ack: (syn?.seq ?? 0) + 1,
    }),
  );
  expect(sent.map(({ flags }) => flags)).toEqual(["A"]);
});

test("the RTT sample comes from the handshake, and not after a repeated SYN (Karn)", () => {
  for (const [wait, srtt] of [
    [0.03e9, 30],
    [1.5e9, 0],
  ] as const) {
    const host = new Host();
    host.teachNeighbor();
    host.open(80, {}, 5000);
    const iss = host.poll()[0]?.seq ?? 0;
    host.after(wait);
    const peer = { sourcePort: 80, destinationPort: 5000, ack: iss + 1 };
    host.feed(host.segment({ ...peer, flags: SYN | ACK, seq: 4 }));
    const info = host.control.info(1);
    expect(Math.round(info.srtt)).toBe(srtt);
    // RFC 6298, 5.7: three seconds after a lost SYN.
    if (srtt === 0) expect(info.rto).toBe(3000);
  }
});

test("connect() waits for ARP, then sends", () => {
  const host = new Host();
  const id = host.open(80);
  const [request] = host.poll();
  expect(request).toMatchObject({ kind: "arp", operation: 1, destination: REMOTE });
  const [syn] = host.feed(arpFrame(2, REMOTE_MAC, REMOTE, LOCAL));
  expect(syn).toMatchObject({ flags: "S", destinationMac: REMOTE_MAC.join(".") });
  expect(host.state(id)).toBe("SYN-SENT");
});

test("connect() fails with EHOSTUNREACH after three unanswered ARP requests", () => {
  const host = new Host();
  const id = host.open(80);
  let requests = host.poll().length;
  for (let tick = 0; tick < 40; tick += 1) requests += host.after(100e6).length;
  expect(requests).toBe(3);
  expect(host.events).toEqual([`closed ${id} ${ERRNO.EHOSTUNREACH}`]);
  expect(host.held()).toEqual([0, 0]);
});
