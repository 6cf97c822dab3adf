/**
 * The reference parser and the frame builders against vectors printed in public documents and
 * against a property that needs neither: a ones-complement checksum notices every single wrong bit.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, fixChecksums, fromHex, onesSum, PSH } from "../support/frames.ts";
import { sackOption, streamBytes, timestampOption, toHex } from "../support/frames.ts";
import { parseFrame, type ParserConfig } from "./reference-parser.ts";

const ETHERNET: ParserConfig = {
  medium: "ethernet",
  vlan: 0,
  owner: () => ({ connection: 1, installed: true }),
};

test("RFC 1071 3 the worked example sums to 0xddf2", () => {
  expect(onesSum(fromHex("0001f203f4f5f6f7"))).toBe(0xddf2);
});

test("RFC 791 a header with a known checksum verifies", () => {
  // The example of the article "Internet checksum": checksum b861.
  const header = fromHex("45000073000040004011b861c0a80001c0a800c7");
  expect(onesSum(header)).toBe(0xffff);
  const frame = new Uint8Array(0x73);
  frame.set(header);
  expect(parseFrame(frame, { ...ETHERNET, medium: "ip" }).verdict).toEqual({
    kind: "redirect",
    connection: 0,
    ipOffset: 0,
  });
});

test("fields and options come out as they were put in", () => {
  const payload = streamBytes(0, 5);
  const options = [...timestampOption(0xfffffffe, 3), ...sackOption([[0xfffffff0, 5]])];
  const fields = { seq: 0xffffffff, ack: 7, window: 9, flags: ACK | PSH, payload, options };
  const frame = buildFrame({ ...fields, padding: 11 });
  const { verdict, optionError } = parseFrame(frame, ETHERNET);
  expect(optionError).toBe(false);
  expect(verdict).toEqual({
    kind: "accept",
    connection: 1,
    segment: {
      tuple: {
        source: 0x0a000002,
        destination: 0x0a000001,
        sourcePort: 40000,
        destinationPort: 80,
      },
      seq: 0xffffffff,
      ack: 7,
      flags: ACK | PSH,
      window: 9,
      payloadOffset: 14 + 20 + 20 + 24,
      payloadLength: 5,
      timestamp: { value: 0xfffffffe, echo: 3 },
      sack: [[0xfffffff0, 5]],
    },
  });
});

test("every single wrong bit behind the Ethernet header is noticed", () => {
  const right = buildFrame({ payload: streamBytes(0, 33), options: timestampOption(1, 2) });
  for (let bit = 14 * 8; bit < right.length * 8; bit += 1) {
    const wrong = Uint8Array.from(right);
    wrong[bit >>> 3] = (wrong[bit >>> 3] as number) ^ (1 << (bit & 7));
    expect(parseFrame(wrong, ETHERNET).verdict.kind, `bit ${bit}`).toBe("drop");
  }
});

test("fixChecksums makes a changed frame sound again", () => {
  for (const medium of ["ethernet", "ip"] as const) {
    const frame = buildFrame({ medium, payload: streamBytes(0, 33) });
    const before = toHex(frame);
    fixChecksums(frame, medium);
    expect(toHex(frame)).toBe(before);
    const at = medium === "ip" ? 4 : 18;
    frame[at] = 0xee;
    frame[at + 40] = 0xdd;
    expect(parseFrame(frame, { ...ETHERNET, medium }).verdict.kind).toBe("drop");
    fixChecksums(frame, medium);
    expect(parseFrame(frame, { ...ETHERNET, medium }).verdict.kind).toBe("accept");
  }
});

test("one frame counts for the first reason that applies", () => {
  const rows: [object, DropReason][] = [
    [{ version: 5, ihl: 0 }, DropReason.IpVersion],
    [{ ihl: 4, totalLength: 0 }, DropReason.IpHeaderLength],
    [{ totalLength: 0xffff, ipChecksum: 0 }, DropReason.IpTotalLength],
    [{ ipChecksum: 0, fragment: 1 }, DropReason.IpChecksum],
    [{ fragment: 1, source: "127.0.0.1" }, DropReason.IpFragment],
    [{ source: "127.0.0.1", dataOffset: 0 }, DropReason.IpSource],
    [{ dataOffset: 0, tcpChecksum: 0 }, DropReason.TcpHeaderLength],
    [{ tcpChecksum: 1, flags: 0 }, DropReason.TcpChecksum],
    [{ flags: 0 }, DropReason.TcpNoFlags],
  ];
  for (const [fields, reason] of rows) {
    const { verdict } = parseFrame(buildFrame(fields), ETHERNET);
    expect(verdict, JSON.stringify(fields)).toEqual({ kind: "drop", reason });
  }
});
