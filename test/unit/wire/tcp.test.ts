/**
 * Goal: reading and writing control segments (RFC 9293, 3.1, 3.2). Method: frames of an independent
 * builder are read, what is written is decoded by another; every option form that lies is survived.
 */
import { describe, expect, test } from "vitest";
import { ControlSegment, Segment, stripSyn } from "../../../host/wire/tcp.ts";
import { ACK, buildFrame, FIN, onesSum, pseudoSum, SYN } from "../../support/frames.ts";
import { timestampOption } from "../../support/frames.ts";

const IP = 14;

function read(fields: Parameters<typeof buildFrame>[0]): Segment {
  const frame = buildFrame(fields);
  const segment = new Segment();
  expect(segment.read(new DataView(frame.buffer), IP, frame.length)).toBe(true);
  return segment;
}

test("reads every field", () => {
  const segment = read({
    seq: 0xffffffff,
    ack: 0x80000000,
    flags: SYN | ACK | FIN,
    window: 0xffff,
    payload: new Uint8Array(3),
    options: [2, 4, 5, 180, 4, 2, ...timestampOption(7, 9), 1, 3, 3, 14],
  });
  expect(segment).toMatchObject({
    source: 0x0a000002,
    destination: 0x0a000001,
    sourcePort: 40000,
    destinationPort: 80,
    seq: 0xffffffff,
    ack: 0x80000000,
    window: 0xffff,
    payloadLength: 3,
    length: 5,
    mss: 1460,
    windowScale: 14,
    sackPermitted: true,
    timestamps: true,
    tsVal: 7,
    tsEcr: 9,
  });
});

const OPTIONS: [name: string, options: number[], expected: Partial<Segment>][] = [
  ["none", [], { mss: 0, windowScale: -1, sackPermitted: false, timestamps: false }],
  ["threats O01 length 0", [2, 0, 5, 180], { mss: 0 }],
  ["threats O02 length 1", [2, 1, 5, 180], { mss: 0 }],
  ["threats O03 past the end", [1, 1, 1, 2], { mss: 0 }],
  ["threats O03 length past the end", [2, 40, 5, 180], { mss: 0 }],
  ["threats O04 MSS of 3", [2, 3, 5, 1, 3, 3, 4, 1], { mss: 0, windowScale: 4 }],
  ["threats O04 scale of 2", [3, 2, 2, 4, 5, 180], { mss: 1460, windowScale: -1 }],
  ["threats O05 end, then more", [0, 2, 4, 5, 180, 0, 0, 0], { mss: 0 }],
  ["threats O05 40 NOPs", Array(40).fill(1), { mss: 0 }],
  [
    "threats O07 twice: the first",
    [2, 4, 5, 180, 2, 4, 0, 9, 3, 3, 5, 3, 3, 6],
    {
      mss: 1460,
      windowScale: 5,
    },
  ],
  ["threats O08 MSS 0 is an option", [2, 4, 0, 0], { mss: 1 }],
  ["threats O12 unknown kinds are skipped", [19, 4, 9, 9, 253, 4, 1, 1, 2, 4, 2, 24], { mss: 536 }],
];

test.each(OPTIONS)("options: %s", (_name, options, expected) => {
  expect(read({ flags: SYN, options })).toMatchObject(expected);
});

test("threats O06: every kind, length and alignment is survived, unknown ones are ignored", () => {
  const segment = new Segment();
  const none = { mss: 0, windowScale: -1, sackPermitted: false, timestamps: false };
  let cases = 0;
  for (let kind = 0; kind < 256; kind += 1) {
    for (let length = 0; length <= 40; length += 1) {
      for (let lead = 0; lead < 4; lead += 1) {
        const body = Array<number>(38 - lead).fill(kind);
        const options = [...Array<number>(lead).fill(1), kind, length, ...body];
        const frame = buildFrame({ flags: SYN, options });
        expect(segment.read(new DataView(frame.buffer), IP, frame.length)).toBe(true);
        // 1 is a NOP: what follows is read, a length of 2 to 8 as a kind.
        if (kind > 8) expect(segment, `kind ${kind}, length ${length}`).toMatchObject(none);
        cases += 1;
      }
    }
  }
  expect(cases).toBe(41_984);
});

test("MUST-65, threats O10: MSS, scale and SACK-permitted count on a SYN only", () => {
  const options = [2, 4, 5, 180, 4, 2, 3, 3, 7, 1];
  expect(read({ flags: ACK, options })).toMatchObject({
    mss: 0,
    windowScale: -1,
    sackPermitted: false,
  });
});

test("lengths that contradict each other are refused", () => {
  const segment = new Segment();
  for (const fields of [
    { dataOffset: 4 },
    { dataOffset: 15 },
    { totalLength: 30 },
    { totalLength: 1000 },
    { cut: 40 },
  ]) {
    const frame = buildFrame(fields);
    expect(segment.read(new DataView(frame.buffer), IP, frame.length)).toBe(false);
  }
});

describe("write", () => {
  const forms: [name: string, change: (out: ControlSegment) => void, length: number][] = [
    ["bare", () => undefined, 20],
    ["all options", (out) => Object.assign(out, ALL), 40],
    ["without timestamps", (out) => Object.assign(out, { ...ALL, timestamps: false }), 32],
    ["timestamps alone", (out) => Object.assign(out, { timestamps: true, tsVal: 5 }), 32],
  ];
  test.each(forms)("%s: length, checksum, and the same when read", (_name, change, length) => {
    const out = new ControlSegment();
    Object.assign(out, { source: 0x0a000001, destination: 0x0a000002, seq: 0xfffffffe, ack: 3 });
    Object.assign(out, { flags: SYN | ACK, window: 0xffff, sourcePort: 1, destinationPort: 65535 });
    change(out);
    expect(out.length).toBe(length);
    const packet = new Uint8Array(20 + length).fill(0xee);
    packet.set([0x45, 0, 0, 20 + length, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    const view = new DataView(packet.buffer);
    out.write(view, 20);
    const addresses = packet.subarray(12, 20);
    expect(onesSum(packet.subarray(20), pseudoSum(addresses, 6, length))).toBe(0xffff);
    const segment = new Segment();
    expect(segment.read(view, 0, packet.length)).toBe(true);
    const { tsVal, tsEcr, ...fields } = { ...out };
    expect(segment).toMatchObject(fields);
    if (out.timestamps) expect(segment).toMatchObject({ tsVal, tsEcr });
  });

  const ALL = {
    mss: 1460,
    windowScale: 7,
    sackPermitted: true,
    timestamps: true,
    tsVal: 0xffffffff,
    tsEcr: 1,
  };
});

test.each([0, 1, 0xffff, 0x7fffffff, 0xffffffff])("stripSyn at sequence number %d", (seq) => {
  const payload = Uint8Array.from([1, 2, 3]);
  const frame = buildFrame({ flags: SYN | ACK | FIN, seq, payload, options: [2, 4, 5, 180] });
  const view = new DataView(frame.buffer);
  stripSyn(view, IP + 20);
  const tcp = frame.subarray(IP + 20);
  expect(onesSum(tcp, pseudoSum(frame.subarray(IP + 12, IP + 20), 6, tcp.length))).toBe(0xffff);
  expect(view.getUint32(IP + 24)).toBe((seq + 1) >>> 0);
  expect(view.getUint8(IP + 33)).toBe(ACK | FIN);
});
