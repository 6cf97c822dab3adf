/** RFC 9293, what takes single bytes of a packet to say: checksums, lengths, IP, bursts. */
import { describe, expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as C from "../../host/libtoe/constants.ts";
import { ACK, FIN, onesSum, pseudoSum, PSH, RST, SYN, URG } from "../support/frames.ts";
import { type FrameFields, streamBytes } from "../support/frames.ts";
import type { SentSegment } from "../support/judge-segment.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { RawConnection, STARTS } from "./raw-connection.ts";

/** The parts of an IPv4 packet with TCP. */
function parts(packet: Uint8Array) {
  const header = ((packet[0] as number) & 15) * 4;
  const tcp = packet.slice(header);
  const offset = ((tcp[12] as number) >> 4) * 4;
  const view = new DataView(packet.buffer, packet.byteOffset);
  return {
    ip: packet.slice(0, header),
    id: view.getUint16(4),
    tcp,
    flags: tcp[13] as number,
    options: tcp.slice(20, offset),
  };
}

/** IP options that name 10.0.0.9 as the way. */
const LOOSE = [131, 7, 4, 10, 0, 0, 9];
const STRICT = [137, 7, 4, 10, 0, 0, 9];

/** Options as [kind, length] by a walk of its own; throws on what has no length. */
function walk(options: Uint8Array): { kinds: number[]; rest: Uint8Array } {
  const kinds: number[] = [];
  let at = 0;
  while (at < options.length) {
    const kind = options[at] as number;
    if (kind === 0) return { kinds, rest: options.slice(at) };
    kinds.push(kind);
    const length = kind === 1 ? 1 : (options[at + 1] ?? 0);
    if (kind !== 1 && length < 2) throw new Error(`option ${kind}: length ${length}`);
    at += length;
  }
  if (at !== options.length) throw new Error(`options of ${options.length} bytes end at ${at}`);
  return { kinds, rest: new Uint8Array(0) };
}

/** Everything that a connection's life sends: handshakes, data, ACKs, SACK, FIN, resets. */
function packetsOfALife(): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const syn of [
    [],
    [2, 4, 5, 180],
    [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 3, 3, 2],
  ]) {
    const later = syn.length > 8 ? [1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 0] : [];
    const peer = new ScriptedPeer();
    const listener = peer.listen(80);
    const one = (fields: Parameters<ScriptedPeer["send"]>[0]): Uint8Array[] => {
      peer.queue({ options: later, ...fields });
      const sent = peer.settleFrames();
      found.push(...sent);
      return sent;
    };
    const [answer] = one({ seq: 99, flags: SYN, options: syn });
    if (answer === undefined) throw new Error("expected a SYN-ACK");
    const iss = new DataView(answer.buffer, answer.byteOffset).getUint32(24);
    const ack = (iss + 1) >>> 0;
    one({ seq: 100, ack });
    const fd = peer.stack.toe.accept(listener);
    peer.stack.toe.send(fd, new Uint8Array(999));
    found.push(...peer.settleFrames());
    one({ seq: 1100, ack, payload: new Uint8Array(101) });
    one({ seq: 100, ack, payload: new Uint8Array(77) });
    one({ seq: 100, ack: ack + 999, flags: ACK | SYN });
    peer.stack.toe.recv(fd, new Uint8Array(1000));
    peer.stack.toe.close(fd);
    found.push(...peer.settleFrames());
    // TIME-WAIT: its ACKs are the control plane's.
    for (const seq of [177, 177]) one({ seq, ack: ack + 1000, flags: FIN | ACK });
    one({ seq: 1, ack: 5, sourcePort: 41000 });
    one({ seq: 1, flags: SYN, destinationPort: 81 });
    peer.stack.toe.connect(peer.stack.toe.socket(), { address: "10.0.0.2", port: 7 });
    found.push(...peer.settleFrames());
  }
  expect(found.length).toBeGreaterThan(18);
  return found;
}

test("RFC 9293 MUST-2: every segment sent has a right checksum, pseudo header included", () => {
  for (const packet of packetsOfALife()) {
    const { ip, tcp } = parts(packet);
    expect(onesSum(tcp, pseudoSum(ip.slice(12, 20), 6, tcp.length))).toBe(0xffff);
    expect(onesSum(ip)).toBe(0xffff);
  }
});

test("RFC 9293 MUST-65, MUST-68, WS-1, SK-1: each option has a length", () => {
  for (const packet of packetsOfALife()) {
    const { flags, options } = parts(packet);
    const { kinds } = walk(options);
    const onSynOnly = kinds.filter((kind) => kind === 2 || kind === 3 || kind === 4);
    if ((flags & SYN) === 0) expect(onSynOnly).toEqual([]);
    else expect(kinds).toContain(2);
  }
});

test("RFC 9293 MUST-69: behind the end of the list is nothing", () => {
  for (const packet of packetsOfALife()) {
    expect([...walk(parts(packet).options).rest].filter((byte) => byte !== 0)).toEqual([]);
  }
  // Behind the end stands an MSS of 500, for those who go on.
  for (const syn of [
    [0, 2, 2, 4, 1, 244],
    [1, 0, 2, 2, 4, 1, 244],
  ]) {
    const c = new RawConnection(7000, { syn });
    expect(c.write(1000)[0]?.payloadLength).toBe(536);
  }
});

describe.each(STARTS)("from ISN %d", (start) => {
  test("RFC 9293 MUST-3: a segment with a wrong checksum changes nothing at all", () => {
    const c = new RawConnection(start);
    const payload = streamBytes(c.seq, 100);
    for (const flags of [ACK | PSH, ACK | FIN, RST, SYN]) {
      expect(c.send({ flags, payload, tcpChecksum: 0x1234 })).toEqual([]);
      expect(c.pass(1e9)).toEqual([]);
      expect(c.read()).toHaveLength(0);
      expect(c.state).toBe("ESTABLISHED");
    }
    c.data(100);
    expect(c.read()).toHaveLength(100);
  });

  test("RFC 9293 MUST-7: an illegal option length is survived and counted", () => {
    for (const options of [
      [77, 0],
      [77, 1],
      [77, 30],
      [1, 1, 1, 77],
    ]) {
      const c = new RawConnection(start);
      c.data(100, { options });
      expect(c.read()).toHaveLength(100);
      expect(c.drops(DropReason.TcpOptionLength)).toBe(1);
    }
    for (const options of [
      [2, 0],
      [2, 1],
      [2, 40],
      [1, 1, 1, 2],
    ]) {
      const c = new RawConnection(start, { syn: options });
      // No MSS could be read.
      expect(c.write(1000)[0]?.payloadLength).toBe(536);
    }
  });

  test("RFC 9293 MUST-50, MAY-10, MAY-11: IP options are passed over, none is acted upon", () => {
    const RECORD_ROUTE = [7, 7, 4, 0, 0, 0, 0];
    const STAMP = [68, 8, 5, 0, 0, 0, 0, 0];
    for (const ipOptions of [[1], [0xde, 4, 9, 9], RECORD_ROUTE, STAMP]) {
      const c = new RawConnection(start);
      c.peer.queue(c.fields({ ipOptions, payload: streamBytes(c.seq, 100), flags: ACK | PSH }));
      const [answer] = [...c.peer.settleFrames(), ...framesAfter(c.peer, 5e8)];
      expect(parts(answer as Uint8Array).ip).toHaveLength(20);
      expect([...c.read()]).toEqual([...streamBytes(c.seq, 100)]);
    }
  });

  /** Where packets go; none has an option. */
  const targets = (packets: readonly Uint8Array[]): string[] =>
    packets.map((packet) => {
      const { ip } = parts(packet);
      expect(ip).toHaveLength(20);
      return ip.slice(16, 20).join(".");
    });

  test("RFC 9293 MUST-51: no application can give a source route", () => {
    const { toe } = new ScriptedPeer().stack;
    const IP_OPTIONS = 4;
    const fd = toe.socket();
    expect(toe.setsockopt(fd, C.IPPROTO_IP, IP_OPTIONS, 1)).toBeLessThan(0);
  });

  test("RFC 9293 MUST-53: a passive open saves no route: the SYN's source is answered", () => {
    for (const ipOptions of [LOOSE, STRICT]) {
      const peer = new ScriptedPeer();
      peer.listen(80);
      peer.queue({ seq: start, flags: SYN, ipOptions });
      expect(targets(peer.settleFrames())).toEqual(["10.0.0.2"]);
      // And when it is sent again.
      expect(targets(framesAfter(peer, 1.2e9))).toEqual(["10.0.0.2"]);
    }
  });

  test("RFC 9293 MUST-52: the application's destination stands, whatever route is received", () => {
    for (const ipOptions of [LOOSE, STRICT]) {
      const peer = new ScriptedPeer({ initialSequence: () => start });
      const { toe } = peer.stack;
      const fd = toe.socket();
      toe.connect(fd, { address: "10.0.0.2", port: 7 });
      const [syn] = peer.settleFrames();
      const port = new DataView((syn as Uint8Array).slice(20, 22).buffer).getUint16(0);
      const ends = { sourcePort: 7, destinationPort: port, ipOptions };
      peer.queue({ ...ends, seq: 99, ack: (start + 1) >>> 0, flags: SYN | ACK });
      expect(targets(peer.settleFrames())).toEqual(["10.0.0.2"]);
      toe.send(fd, new Uint8Array(100));
      expect(targets(peer.settleFrames())).toEqual(["10.0.0.2"]);
    }
  });

  test("RFC 9293 SHLD-24: nor does a later segment's route override anything", () => {
    const c = new RawConnection(start);
    for (const ipOptions of [LOOSE, STRICT, LOOSE]) {
      const payload = streamBytes(c.seq, 1000);
      c.peer.queue(c.fields({ ipOptions, payload, flags: ACK | PSH }));
      c.seq = (c.seq + 1000) >>> 0;
      const answers = targets([...c.peer.settleFrames(), ...framesAfter(c.peer, 5e8)]);
      expect(answers).toEqual(["10.0.0.2"]);
      expect(c.read()).toHaveLength(1000);
      c.toe.send(c.fd, new Uint8Array(10));
      expect(targets(c.peer.settleFrames())).toEqual(["10.0.0.2"]);
      c.ack = (c.ack + 10) >>> 0;
      c.send({});
    }
  });

  test("RFC 9293 MUST-57: what is sent to broadcast or multicast is met with silence", () => {
    const c = new RawConnection(start);
    for (const destination of ["255.255.255.255", "10.0.0.255", "224.0.0.1"]) {
      for (const flags of [SYN, ACK, RST, FIN | ACK]) {
        expect(c.send({ destination, flags, payload: new Uint8Array(3) })).toEqual([]);
      }
    }
    expect(c.pass(1e9)).toEqual([]);
    expect(c.state).toBe("ESTABLISHED");
  });

  test("RFC 9293 MUST-63: what comes from an address that is nobody's is ignored", () => {
    const c = new RawConnection(start);
    const sources = ["255.255.255.255", "10.0.0.255", "224.0.0.1", "127.0.0.1", "0.0.0.0"];
    for (const source of [...sources, "10.0.0.1"]) {
      for (const flags of [SYN, ACK, RST, FIN | ACK]) {
        expect(c.send({ source, flags, payload: new Uint8Array(3) })).toEqual([]);
      }
    }
    expect(c.pass(1e9)).toEqual([]);
    expect(c.peer.stack.toe.connections()).toHaveLength(1);
  });

  test("RFC 9293 MUST-58, MUST-59: a burst is processed before one ACK answers it", () => {
    const c = new RawConnection(start);
    const burst = [0, 1, 2].map((i) => {
      const seq = (c.seq + i * 10) >>> 0;
      return c.fields({ seq, payload: streamBytes(seq, 10), flags: ACK });
    });
    c.peer.queue(...burst);
    const answers = [...c.peer.settle(), ...c.pass(5e8)];
    // None tells of less than all; at most one a second segment, and one for the rest.
    expect(answers.at(-1)?.ack).toBe((c.seq + 30) >>> 0);
    expect(answers.length).toBeLessThanOrEqual(2);
  });

  test("CC-30: one ACK at most for each segment, now or later", () => {
    const bytes = (seq: number, length = 1000) => ({ seq, payload: streamBytes(seq, length) });
    type Make = (c: RawConnection) => Partial<FrameFields>[];
    const at = (c: RawConnection, offset: number) => bytes((c.seq + offset) >>> 0);
    const kinds: Record<string, Make> = {
      "in order": (c) => [at(c, 0)],
      "two in order": (c) => [at(c, 0), at(c, 1000)],
      "three in order": (c) => [at(c, 0), at(c, 1000), at(c, 2000)],
      "ahead of order": (c) => [at(c, 2000)],
      "a hole, filled": (c) => [at(c, 1000), at(c, 0)],
      "two holes, filled": (c) => [at(c, 1000), at(c, 3000), at(c, 0), at(c, 2000)],
      "the same again": (c) => [at(c, 0), at(c, 0)],
      "half of it again": (c) => [at(c, 0), at(c, 500)],
      "below the window": (c) => [bytes((c.seq - 1000) >>> 0)],
      "beyond the window": (c) => [bytes((c.seq + 0x400000) >>> 0)],
      "a FIN": (c) => [{ ...at(c, 0), flags: FIN | ACK }],
      "a FIN ahead": (c) => [{ ...at(c, 1000), flags: FIN | ACK }, at(c, 0)],
      "a SYN": () => [{ flags: SYN }],
      "a RST": (c) => [{ flags: RST, seq: (c.seq + 10) >>> 0 }],
      "an ACK of the unsent": (c) => [{ ack: (c.ack + 1000) >>> 0 }],
      "an old ACK": (c) => [{ ack: (c.ack - 0x20000) >>> 0 }],
      "an ACK": () => [{}],
    };
    for (const [kind, make] of Object.entries(kinds)) {
      for (const together of [true, false]) {
        const c = new RawConnection(start);
        const segments = make(c).map((fields) => c.fields({ flags: ACK, ...fields }));
        const answers: SentSegment[] = [];
        let arrived = 0;
        for (const burst of together ? [segments] : segments.map((one) => [one])) {
          c.peer.queue(...burst);
          answers.push(...c.peer.settle());
          arrived += burst.length;
          expect(answers.length, kind).toBeLessThanOrEqual(arrived);
        }
        answers.push(...c.pass(2e9, 5e7));
        expect(answers.length, kind).toBeLessThanOrEqual(arrived);
      }
    }
  });

  test("RFC 9293 MUST-32, SHLD-13: urgent data is counted nowhere, told nobody, never sent", () => {
    const c = new RawConnection(start);
    const flags = ACK | URG | PSH;
    c.data(100, { flags, urgent: 50 });
    expect(c.read()).toHaveLength(100);
    const MSG_OOB = 1;
    c.toe.send(c.fd, new Uint8Array(10), 0, 10, MSG_OOB);
    c.peer.queue();
    const sent = [...c.peer.settle(), ...c.write(20), ...c.pass(1e9)];
    expect(sent.filter((segment) => (segment.flags & URG) !== 0)).toEqual([]);
  });

  test("RFC 9293 MUST-31: urgent data of 1 byte to 64 KiB is ordinary data", () => {
    for (const length of [1, 2, 1000, 65536]) {
      const c = new RawConnection(start);
      const first = c.seq;
      for (let at = 0; at < length; at += 1000) {
        const urgent = Math.min(65535, length - at);
        c.data(Math.min(1000, length - at), { flags: ACK | URG, urgent });
        if (at % 32000 === 31000) c.pass(5e8);
      }
      expect([...c.read()]).toEqual([...streamBytes(first, length)]);
    }
  });

  test("RFC 9293 MAY-4: a segment sent again is a packet with a new IP id", () => {
    const c = new RawConnection(start);
    c.toe.send(c.fd, new Uint8Array(500));
    const first = c.peer.settleFrames();
    const again = framesAfter(c.peer, 1.5e9);
    expect(again).toHaveLength(1);
    const one = parts(first[0] as Uint8Array);
    const other = parts(again[0] as Uint8Array);
    expect(other.id).not.toBe(one.id);
    expect([...other.tcp.slice(4, 8)]).toEqual([...one.tcp.slice(4, 8)]);
  });

  test("RFC 9293 MAY-14: FLUSH is not offered; only an abort discards what waits", () => {
    const waiting = (): RawConnection => {
      const c = new RawConnection(start);
      c.send({ window: 0 });
      c.toe.send(c.fd, streamBytes(c.ack, 500));
      expect(c.peer.settle()).toEqual([]);
      return c;
    };
    const { IPPROTO_TCP, SOL_SOCKET } = C;
    const calls: ((c: RawConnection) => unknown)[] = [
      ...[1, 0].map((on) => (c: RawConnection) => {
        c.toe.setsockopt(c.fd, IPPROTO_TCP, C.TCP_CORK, on);
      }),
      (c) => c.toe.setsockopt(c.fd, IPPROTO_TCP, C.TCP_NODELAY, 1),
      (c) => c.toe.setsockopt(c.fd, SOL_SOCKET, C.SO_SNDBUF, 4096),
      (c) => c.toe.send(c.fd, new Uint8Array(0)),
      (c) => c.toe.recv(c.fd, new Uint8Array(10)),
      (c) => c.toe.shutdown(c.fd, C.SHUT_RD),
    ];
    const c = waiting();
    for (const call of calls) {
      call(c);
      c.peer.settle();
    }
    const sent = c.peer.stack.toe.connections()[0];
    expect(sent?.state).toBe("ESTABLISHED");
    c.peer.queue(c.fields({ window: 1000 }));
    const [packet] = c.peer.settleFrames();
    expect([...parts(packet as Uint8Array).tcp.slice(20)]).toEqual([...streamBytes(c.ack, 500)]);
    const other = waiting();
    other.toe.setsockopt(other.fd, SOL_SOCKET, C.SO_LINGER, { onoff: 1, linger: 0 });
    other.toe.close(other.fd);
    expect(other.peer.settle().map(({ flags }) => flags & RST)).toEqual([RST]);
    expect([...other.send({ window: 1000 }), ...other.pass(5e9)].filter(hasPayload)).toEqual([]);
  });

  test("RFC 9293 MAY-18: CUBIC may be chosen for a connection", () => {
    const c = new RawConnection(start);
    const get = () => c.toe.getsockopt(c.fd, C.IPPROTO_TCP, C.TCP_CONGESTION);
    for (const name of ["newreno", "cubic"]) {
      expect(c.toe.setsockopt(c.fd, C.IPPROTO_TCP, C.TCP_CONGESTION, name)).toBe(0);
      expect(get()).toBe(name);
    }
    expect(c.toe.setsockopt(c.fd, C.IPPROTO_TCP, C.TCP_CONGESTION, "bbr")).toBeLessThan(0);
  });
});

const hasPayload = ({ payloadLength }: SentSegment): boolean => payloadLength > 0;

function framesAfter(peer: ScriptedPeer, ns: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const end = peer.now + ns; peer.now < end; ) {
    peer.now += 1e8;
    found.push(...peer.settleFrames());
  }
  return found;
}
