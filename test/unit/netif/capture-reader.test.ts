/**
 * Goal: what a capture says comes out, of either format and byte order, however its chunks fall.
 * Method: PcapngWriter's own files, and files made byte by byte. Files that lie: threats P01 to P06
 * (test/threats/capture-rows.test.ts).
 */
import { expect, test } from "vitest";
import { CaptureError, CaptureReader, captureFrames } from "../../../host/netif/capture-reader.ts";
import { CaptureClock, CaptureUnits } from "../../../host/netif/capture-times.ts";
import { PcapngWriter, type SnapMode } from "../../../host/netif/pcapng.ts";
import { printableText } from "../../../host/netif/printable-text.ts";
import { PcapngBlocks, pcapFile, readCapture } from "../../support/capture-files.ts";

const STEPS = [1, 3, 7, 64, 100_000];

function written(snap: SnapMode): { file: Uint8Array; frame: Uint8Array } {
  const bytes: number[] = [];
  const writer = new PcapngWriter({ snap, sink: (block) => void bytes.push(...block) });
  const eth = writer.addInterface("client.0", "ethernet");
  const raw = writer.addInterface("tun-\u00e9", "ip");
  const frame = Uint8Array.from({ length: 300 }, (_, i) => i);
  const place = { bytes: frame, offset: 3 };
  const times = [0, 999, 2 ** 32 - 1, 2 ** 32, 1.7e18 / 1000];
  for (const [i, time] of times.entries()) {
    const direction = i % 2 === 0 ? "inbound" : "outbound";
    const comment = i === 1 ? "dropped: loss" : "";
    const number = i % 2 === 0 ? eth : raw;
    writer.packet({ interface: number, time, direction, comment, length: 200 + i, ...place });
  }
  writer.flush();
  return { file: Uint8Array.from(bytes), frame };
}

test("what PcapngWriter writes is read back, however the file is cut into chunks", () => {
  for (const snap of ["full", "headers"] as const) {
    const { file, frame } = written(snap);
    for (const step of STEPS) {
      const { frames, error, reader } = readCapture(file, step);
      expect([error, reader.format]).toEqual([undefined, "pcapng, little-endian"]);
      expect(frames.map((one) => one.timestamp)).toEqual([
        0n,
        999n,
        2n ** 32n - 1n,
        2n ** 32n,
        1_700_000_000_000_000n,
      ]);
      const names = ["client.0", "tun-\u00e9"];
      for (const [i, one] of frames.entries()) {
        const kept = snap === "full" ? 200 + i : 128;
        expect([...one.bytes]).toEqual([...frame.subarray(3, 3 + kept)]);
        expect(one).toMatchObject({
          originalLength: 200 + i,
          direction: i % 2 === 0 ? "inbound" : "outbound",
          comment: i === 1 ? "dropped: loss" : "",
          interface: { number: i % 2, name: names[i % 2], medium: i % 2 === 0 ? "ethernet" : "ip" },
        });
      }
    }
  }
});

test("classic pcap: both byte orders, microseconds and nanoseconds", () => {
  const records = [
    { seconds: 1_700_000_000, fraction: 999_999, bytes: [1, 2, 3], original: 1500 },
    { seconds: 1_700_000_001, fraction: 5, bytes: [], original: 60 },
    { seconds: 1_700_000_001, fraction: 6, bytes: [4] },
  ];
  for (const little of [true, false]) {
    for (const ns of [true, false]) {
      const file = pcapFile(records, { little, ns, snapLength: 3, linkType: 101 });
      for (const step of STEPS) {
        const { frames, error, reader } = readCapture(file, step);
        const unit = ns ? 1n : 1000n;
        const start = 1_700_000_000n * 1_000_000_000n;
        expect([error, reader.format, reader.adjusted]).toEqual([
          undefined,
          `pcap, ${little ? "little" : "big"}-endian, ${ns ? "ns" : "us"}`,
          0,
        ]);
        expect(frames.map(({ timestamp }) => timestamp - start)).toEqual([
          999_999n * unit,
          1_000_000_000n + 5n * unit,
          1_000_000_000n + 6n * unit,
        ]);
        const late = 1e9 - 999_994 * Number(unit);
        expect(frames.map(({ time }) => time)).toEqual([0, late, late + Number(unit)]);
        expect(frames.map(({ bytes }) => [...bytes])).toEqual([[1, 2, 3], [], [4]]);
        expect(frames.map(({ originalLength }) => originalLength)).toEqual([1500, 60, 1]);
        expect(frames[0]?.interface).toMatchObject({ linkType: 101, medium: "ip", snapLength: 3 });
      }
    }
  }
});

test("pcapng: sections of both byte orders, each with interfaces of its own", () => {
  const [little, big] = [new PcapngBlocks(true), new PcapngBlocks(false)];
  const name = (text: string) => [[2, [...new TextEncoder().encode(text)]]] as const;
  const file = Uint8Array.from([
    ...little.section([[4, [65]]]),
    ...little.interface(1, 0, name("a")),
    ...little.interface(228, 0, name("bcd")),
    ...little.enhanced({ interface: 1, low: 1, bytes: [1, 2, 3, 4, 5] }),
    ...big.section(),
    ...big.interface(229, 9, name("e")),
    // Unknown, obsolete and custom blocks, name resolution, statistics.
    ...[2, 4, 5, 0xbad, 0x40000bad].flatMap((type) => big.block(type, [1, 2, 3, 4])),
    ...big.enhanced({ low: 2, bytes: [6], original: 70, options: [[2, [0, 0, 0, 2]]] }),
  ]);
  for (const step of STEPS) {
    const { frames, error, reader } = readCapture(file, step);
    expect([error, reader.format]).toEqual([undefined, "pcapng, big-endian"]);
    const rows = frames.map((one) => [one.interface.name, one.interface.linkType, [...one.bytes]]);
    expect(rows).toEqual([
      ["bcd", 228, [1, 2, 3, 4, 5]],
      ["e", 229, [6]],
    ]);
    expect(frames.map(({ direction, originalLength }) => [direction, originalLength])).toEqual([
      [undefined, 5],
      ["outbound", 70],
    ]);
  }
});

test("simple packets: as long as the first interface lets them, at the last stamp", () => {
  const blocks = new PcapngBlocks(true);
  for (const [snap, kept] of [
    [0, 6],
    [4, 4],
    [6, 6],
    [7, 6],
  ] as const) {
    const body = [1, 2, 3, 4, 5, 6].slice(0, kept);
    const parts = [blocks.section(), blocks.interface(1, snap), blocks.enhanced({ low: 77 })];
    const file = Uint8Array.from([...parts, blocks.simple(6, body)].flat());
    const { frames, error } = readCapture(file, 5);
    expect(error).toBe(undefined);
    expect(frames[1]).toMatchObject({ timestamp: 77_000n, originalLength: 6 });
    expect([...(frames[1]?.bytes ?? [])]).toEqual(body);
  }
});

test("time resolutions are powers of ten and of two, offsets are seconds", () => {
  const rows: [resolution: number | undefined, offset: bigint, count: bigint, ns: bigint][] = [
    [undefined, 0n, 7n, 7000n],
    [6, 0n, 2n ** 64n - 1n, (2n ** 64n - 1n) * 1000n],
    [0, 0n, 3n, 3_000_000_000n],
    [3, 0n, 3n, 3_000_000n],
    [9, 0n, 0xffffff00n, 0xffffff00n],
    [12, 0n, 1999n, 1n],
    [127, 0n, 2n ** 64n - 1n, 0n],
    [0x80, 0n, 3n, 3_000_000_000n],
    [0x80 | 10, 0n, 1n, 976_562n],
    [0x80 | 32, 0n, 2n ** 31n, 500_000_000n],
    [9, 5n, 1n, 5_000_000_001n],
    [9, -5n, 1n, -4_999_999_999n],
  ];
  const blocks = new PcapngBlocks(true);
  for (const [resolution, offset, count, ns] of rows) {
    const [high, low] = [Number(count >> 32n), Number(count & 0xffffffffn)];
    expect(new CaptureUnits(resolution, offset).ns(high, low)).toBe(ns);
    const seconds = new Uint8Array(new BigInt64Array([offset]).buffer);
    const options: [number, number[]][] = [[14, [...seconds]]];
    if (resolution !== undefined) options.push([9, [resolution]]);
    const parts = [
      blocks.section(),
      blocks.interface(1, 0, options),
      blocks.enhanced({ high, low }),
    ];
    const { frames, error } = readCapture(Uint8Array.from(parts.flat()));
    expect([error, frames[0]?.timestamp]).toEqual([undefined, ns]);
  }
});

test("a clock that goes back stands still, one that jumps by more than a day goes on", () => {
  const day = 86_400_000_000_000n;
  const rows: [stamps: bigint[], times: number[], adjusted: number][] = [
    [[5n, 5n, 6n], [0, 0, 1], 0],
    [[100n, 110n, 105n, 111n], [0, 10, 10, 11], 1],
    [[0n, day], [0, Number(day)], 0],
    [[0n, day + 1n, day + 2n], [0, 0, 1], 1],
    // One absurd stamp, and all is as before.
    [[10n, 20n, 2n ** 64n, 30n, 35n], [0, 10, 10, 10, 15], 2],
    [[-(2n ** 90n), 0n, 1n], [0, 0, 1], 1],
  ];
  for (const [stamps, times, adjusted] of rows) {
    const clock = new CaptureClock();
    expect(stamps.map((stamp) => clock.time(stamp))).toEqual(times);
    expect(clock.adjusted).toBe(adjusted);
  }
  // 60 days, one after the other: it stops where a number is not exact any more.
  const clock = new CaptureClock();
  const times = Array.from({ length: 61 }, (_, i) => clock.time(BigInt(i) * day));
  expect(times[52]).toBe(52 * 86_400e9);
  expect(times[60]).toBe(52 * 86_400e9);
  expect(clock.adjusted).toBe(8);
});

test("link types: Ethernet and raw IP have a medium, others come without", () => {
  const mediums = [0, 1, 12, 101, 113, 228, 229, 230, 0xffff].map((linkType) => {
    const { frames } = readCapture(pcapFile([{ bytes: [1] }], { linkType }));
    return frames[0]?.interface.medium;
  });
  const none = undefined;
  expect(mediums).toEqual([none, "ethernet", none, "ip", none, "ip", "ip", none, none]);
  // What stands above says how long a frame check sequence is.
  const { frames } = readCapture(pcapFile([{ bytes: [1] }], { linkType: 0x5400_0001 }));
  expect(frames[0]?.interface.linkType).toBe(1);
});

test("captureFrames takes chunks from anywhere; a frame is valid until the next", async () => {
  const file = pcapFile([{ bytes: [1, 2] }, { bytes: [3] }]);
  const chunks = [file.subarray(0, 30), new Uint8Array(0), Buffer.from(file.subarray(30))];
  const seen: number[][] = [];
  for await (const { bytes } of captureFrames(chunks)) {
    // Not a Buffer, of which slice() is no copy.
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    seen.push([...bytes]);
  }
  expect(seen).toEqual([[1, 2], [3]]);
  await expect(async () => {
    for await (const frame of captureFrames([file.subarray(0, 41)])) seen.push([...frame.bytes]);
  }).rejects.toThrow("capture byte 40: expected 2 bytes, got 1 and the end");
});

test("calls out of order are refused, and an error stays", () => {
  const reader = new CaptureReader();
  reader.push(pcapFile([]));
  expect(() => reader.push(new Uint8Array(1))).toThrow(
    "capture push: expected next() to have used all, got 24 bytes left",
  );
  const bad = new CaptureReader();
  bad.push(Uint8Array.of(1, 2, 3, 4, 5));
  for (const call of [() => bad.next(), () => bad.next(), () => bad.end()]) {
    expect(call).toThrow(CaptureError);
    expect(call).toThrow("capture byte 0: expected the magic of pcap or pcapng, got 0x01020304");
  }
});

test("printableText leaves what is seen, and escapes what is not", () => {
  const rows: [text: string, shown: string][] = [
    ["", ""],
    ["eth0 \u00e9 \u4e2d \u{1f600} (a/b)", "eth0 \u00e9 \u4e2d \u{1f600} (a/b)"],
    ["\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"],
    ["a\r\n\tb\x00\x7f\x9b", "a\\u{d}\\u{a}\\u{9}b\\u{0}\\u{7f}\\u{9b}"],
    [
      "\u202egnp.exe\u2066\u200f\u200b\ufeff",
      "\\u{202e}gnp.exe\\u{2066}\\u{200f}\\u{200b}\\u{feff}",
    ],
    ["\u2028\u2029\ud800x\u{e0041}", "\\u{2028}\\u{2029}\\u{d800}x\\u{e0041}"],
    ["C:\\x", "C:\\\\x"],
    ["y".repeat(255), "y".repeat(255)],
    ["y".repeat(256), `${"y".repeat(255)}...`],
    ["\u{1f600}".repeat(256), `${"\u{1f600}".repeat(255)}...`],
  ];
  for (const [text, shown] of rows) expect(printableText(text)).toBe(shown);
});
