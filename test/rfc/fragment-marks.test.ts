/** Marks of congestion on datagrams in pieces (RFC 3168, 5.3). */
import { describe, expect, test } from "vitest";
import { fragmentsOf } from "../support/fragments.ts";
import { onesSum } from "../support/frames.ts";
import { datagram, Wire } from "../support/reassembly-wire.ts";

describe("ECN-19: no mark of congestion is lost (RFC 3168, 5.3)", () => {
  function marked(...tos: readonly number[]): Uint8Array[] {
    const pieces = fragmentsOf(datagram(400, { tos: tos[0] as number }), 0, 144);
    return pieces.map((piece, i) => {
      piece[1] = tos[i] as number;
      piece.set([0, 0], 10);
      const sum = ~onesSum(piece.subarray(0, 20)) & 0xffff;
      piece.set([sum >>> 8, sum & 255], 10);
      return piece;
    });
  }

  test.each([
    [[2, 2, 2], 2],
    [[2, 3, 2], 3],
    [[2, 2, 3], 3],
    [[1, 3, 1], 3],
    [[3, 3, 3], 3],
    [[0, 0, 0], 0],
    [[0xfc, 0xfc, 0xfc], 0xfc],
  ] as const)("%j becomes %d", (tos, expected) => {
    const [whole] = new Wire().arrive(marked(...tos));
    expect(whole?.[1]).toBe(expected);
    expect(onesSum((whole as Uint8Array).subarray(0, 20))).toBe(0xffff);
  });

  test("a mark beside a piece that is not ECN-capable ends the datagram", () => {
    const wire = new Wire();
    expect(wire.arrive(marked(0, 3, 0))).toEqual([]);
    expect(wire.netif.counters.contradictory).toBe(1);
  });
});
