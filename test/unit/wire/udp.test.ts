/**
 * Goal: whole UDP datagrams are told from broken ones. Method: a datagram by hand (RFC 768), then
 * one thing wrong at a time.
 */
import { expect, test } from "vitest";
import { udpHolds } from "../../../host/wire/udp.ts";
import { fromHex } from "../../support/frames.ts";

/** 10.0.0.2:1234 to 10.0.0.1:53, "abc": the sum was worked out elsewhere. */
const IP = "4500001f0000400040110000" + "0a000002" + "0a000001";
const UDP = "04d20035000b" + "226c" + "616263";

function holds(udp: string, available = udp.length / 2): boolean {
  const bytes = fromHex(`${IP}${udp}00`);
  return udpHolds(new DataView(bytes.buffer), 0, 20, available);
}

const ROWS: [name: string, udp: string, available: number | undefined, expected: boolean][] = [
  ["whole", UDP, undefined, true],
  ["without checksum", "04d20035000b0000616263", undefined, true],
  ["no data", "04d2003500080000", undefined, true],
  ["shorter than the packet", "04d2003500090000616263", undefined, true],
  ["header cut short", UDP, 7, false],
  ["longer than the packet", UDP, 10, false],
  ["length below the header's", "04d2003500070000616263", undefined, false],
  ["wrong checksum", "04d20035000b226d616263", undefined, false],
  ["data changed", "04d20035000b226c616264", undefined, false],
];

test.each(ROWS)("UDP datagram: %s", (_name, udp, available, expected) => {
  expect(holds(udp, available)).toBe(expected);
});
