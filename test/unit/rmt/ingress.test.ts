/**
 * Goal: parser and ingress hand to egress what a segment says (dissertation 5.2, steps 1 to 3).
 * Method: random headers, whose fields are read again here with a DataView, through both forms.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { FORMS, type Form, RmtTcp } from "../../support/rmt.ts";
import { type Binding, binding, segment } from "../../support/rmt-packets.ts";

const SEED = seedOf(5202);
const SEGMENTS = 2000;

/** The fields that egress gets, from the bytes. */
function expected(view: DataView, bound: Binding | undefined): Record<string, number> {
  const ip = 4 * (view.getUint8(0) & 15);
  const [seq, ack] = [view.getUint32(ip + 4), view.getUint32(ip + 8)];
  const length = view.byteLength - ip - 4 * (view.getUint8(ip + 12) >> 4);
  const { connection, scale, origin, mask, base } = bound ?? {
    ...{ connection: 0, scale: 0, origin: 0, mask: 0, base: 0 },
  };
  return {
    connection,
    seq,
    ack,
    length,
    end: (seq + length) >>> 0,
    has_ack: (view.getUint8(ip + 13) >> 4) & 1,
    edge: (ack + view.getUint16(ip + 14) * 2 ** scale) >>> 0,
    address: (base + (((seq - origin) & mask) >>> 0)) >>> 0,
  };
}

function machine(form: Form, bindings: readonly Binding[]): RmtTcp {
  const tcp = new RmtTcp(form, 63);
  for (const { key, connection, scale, origin, mask, base } of bindings) {
    expect(
      tcp.bind("connections", key, [connection, connection * 3, scale, origin, mask, base]),
    ).toBe(true);
  }
  return tcp;
}

for (const form of FORMS) {
  test(`random segments of known and unknown connections: ${form}, seed ${SEED}`, () => {
    const random = new Random(SEED);
    const bindings = Array.from({ length: 40 }, (_, i) => binding(random, i + 1));
    const tcp = machine(form, bindings);
    for (let i = 0; i < SEGMENTS; i += 1) {
      const bound = random.oneIn(8) ? undefined : random.pick(bindings);
      const { bytes, view } = segment(random, bound ?? binding(random, 0));
      expect(tcp.receive(bytes)).toBe(true);
      const want = expected(view, bound);
      const got = Object.fromEntries(Object.keys(want).map((name) => [name, tcp.result(name)]));
      expect(got, `segment ${i}`).toEqual(want);
    }
    expect(tcp.faults).toBe(0);
  });

  test(`what is no TCP segment is rejected: ${form}`, () => {
    const random = new Random(SEED);
    const tcp = machine(form, []);
    const rejected = (change: (view: DataView) => void, length?: number): boolean => {
      const { bytes, view } = segment(random, binding(random, 1));
      change(view);
      return !tcp.receive(length === undefined ? bytes : bytes.subarray(0, length));
    };
    const header = (view: DataView): number => 4 * (view.getUint8(0) & 15);
    expect(rejected(() => {})).toBe(false);
    expect(rejected((view) => view.setUint8(0, 0x65))).toBe(true);
    expect(rejected((view) => view.setUint8(0, 0x44))).toBe(true);
    expect(rejected((view) => view.setUint8(9, 17))).toBe(true);
    expect(rejected((view) => view.setUint8(header(view) + 12, 0x40))).toBe(true);
    for (const length of [0, 1, 19, 20, 35]) expect(rejected(() => {}, length)).toBe(true);
  });
}

test("a full table takes no more", () => {
  const random = new Random(SEED);
  const tcp = machine(
    "fused",
    Array.from({ length: 64 }, (_, i) => binding(random, i + 1)),
  );
  expect(tcp.bind("connections", [1, 2, 3], [1, 1, 1, 1, 1, 1])).toBe(false);
});
