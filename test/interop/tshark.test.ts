/**
 * Goal: the judge of interop's captures complains about what is wrong and about nothing else, and
 * captures of tshark's are read as it meant them. Method: one good ACK of this stack, and copies of
 * it with one thing broken each, in a capture; the same capture again in each format of tshark.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isInstalled, run } from "../../examples/interop/programs.ts";
import { judgeCapture } from "../../examples/interop/tshark.ts";
import { type CaptureDirection, PcapngWriter } from "../../host/netif/pcapng.ts";
import { readCapture } from "../support/capture-files.ts";
import { requireOrSkip } from "../support/requirement.ts";

const GOOD =
  "45000034e14b4000400644b00a6300010a630002ed44005005806a27db93c4018010003f682000000101080a" +
  "c0b58f24e591c757";

const TCP = 20;
const TCP_CHECKSUM = TCP + 16;

/** A copy with the bytes from `at` on replaced. */
function changed(at: number, ...bytes: number[]): Uint8Array {
  const frame = Uint8Array.from(Buffer.from(GOOD, "hex"));
  frame.set(bytes, at);
  return frame;
}

/** The checksum is left at 0 and the sequence number chosen so that it comes to 0. */
function otherZero(): Uint8Array {
  const checksum = 0x6820;
  const low = 0x6a27 + checksum;
  const carried = 0x0580 + (low >> 16);
  const words = [carried >> 8, carried & 255, (low >> 8) & 255, low & 255];
  const frame = changed(TCP + 4, ...words);
  frame.set([0xff, 0xff], TCP_CHECKSUM);
  return frame;
}

/** Data offset 15 instead of 8, and the checksum that goes with it. */
function longHeader(): Uint8Array {
  const frame = changed(TCP + 12, 0xf0);
  frame.set([0xf8, 0x1f], TCP_CHECKSUM);
  return frame;
}

const FRAMES: [
  what: string,
  frame: Uint8Array,
  from: CaptureDirection,
  bad: number,
  cut: number,
][] = [
  ["a good segment", changed(0), "outbound", 0, 0],
  ["a wrong TCP checksum", changed(TCP_CHECKSUM, 1), "outbound", 1, 0],
  ["a wrong TCP checksum of the kernel", changed(TCP_CHECKSUM, 1), "inbound", 1, 0],
  ["a wrong IP checksum", changed(8, 65), "outbound", 1, 0],
  ["the other zero from the kernel", otherZero(), "inbound", 0, 0],
  ["the other zero from us", otherZero(), "outbound", 1, 0],
  ["a TCP header that is longer than the packet", longHeader(), "outbound", 0, 1],
];

const noTshark = () => (isInstalled("tshark") ? undefined : "tshark is not installed");

const tshark = requireOrSkip("tshark judges each frame", noTshark);

test.skipIf(tshark.skip)(tshark.name, async () => {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-tshark-"));
  try {
    for (const [what, bytes, direction, badChecksums, malformed] of FRAMES) {
      const file = join(folder, `${what}.pcapng`);
      const sink = (block: Uint8Array): void => appendFileSync(file, block);
      const writer = new PcapngWriter({ snap: "full", sink });
      const number = writer.addInterface("toe0", "ip");
      const { length } = bytes;
      writer.packet({ interface: number, time: 1, direction, bytes, offset: 0, length });
      writer.flush();
      const verdict = await judgeCapture(file);
      expect({ what, ...verdict }).toMatchObject({ what, frames: 1, badChecksums, malformed });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** tshark's formats, and ours; the first keeps microseconds, no names, and one link type. */
const FORMATS = [
  ["pcap", "pcap, little-endian, us"],
  ["nsecpcap", "pcap, little-endian, ns"],
  ["pcapng", "pcapng, little-endian"],
] as const;

const written = requireOrSkip("what tshark writes is read as it was", noTshark);
test.skipIf(written.skip)(written.name, async () => {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-tshark-"));
  try {
    const file = join(folder, "ours.pcapng");
    const sink = (block: Uint8Array): void => appendFileSync(file, block);
    const writer = new PcapngWriter({ snap: "headers", sink });
    const number = writer.addInterface("toe0", "ip");
    for (const [i, [, bytes, direction]] of FRAMES.entries()) {
      const time = 1_700_000_000_000_000 + i * 123_456;
      const longer = new Uint8Array(bytes.length + 100);
      longer.set(bytes);
      const place = { bytes: longer, offset: 0, length: longer.length };
      writer.packet({ interface: number, time, direction, ...place });
    }
    writer.flush();
    const ours = readCapture(readFileSync(file)).frames;
    expect(ours.length).toBe(FRAMES.length);
    for (const [format, name] of FORMATS) {
      const again = join(folder, format);
      await run("tshark", ["-r", file, "-F", format, "-w", again], 60_000);
      const { frames, error, reader } = readCapture(readFileSync(again), 50);
      expect([error, reader.format]).toEqual([undefined, name]);
      const unit = format === "pcap" ? 1000n : 1n;
      for (const [i, frame] of frames.entries()) {
        const { timestamp, bytes, originalLength, direction } = ours[i] as (typeof ours)[number];
        expect(frame.timestamp).toBe((timestamp / unit) * unit);
        expect(frame).toMatchObject({ bytes, originalLength, interface: { medium: "ip" } });
        if (format === "pcapng") expect(frame.direction).toBe(direction);
      }
      expect(frames.length).toBe(FRAMES.length);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
