/** Goal: frames cross whole, in order and once; credit is the peer's room. Method: tables. */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { directLink } from "../../../host/netif/direct-link.ts";
import { Burst } from "../../../host/netif/netif.ts";

function burst(frames: number, bytes = frames * 2048): Burst {
  return new Burst(new Uint8Array(bytes), new Uint32Array((frames * FRAME_SIZE) / 4));
}

function frame(value: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

function frames(of: Burst): string[] {
  return Array.from({ length: of.count }, (_, i) => {
    const bytes = of.bytes.subarray(of.offset(i), of.offset(i) + of.length(i));
    return `${of.netif(i)}:${bytes.length}x${[...new Set(bytes)].join()}`;
  });
}

test("send() and sendBurst() do the same, into an empty and a filled burst", () => {
  const out = burst(8);
  for (const [i, length] of [60, 1514, 61, 1, 700].entries()) out.push(frame(i + 1, length), 0);
  for (const filled of [0, 1]) {
    const got = [false, true].map((whole) => {
      const [left, right] = directLink();
      const ingress = burst(16);
      right.attach(ingress, 3);
      for (let i = 0; i < filled; i += 1) ingress.push(frame(9, 33), 1);
      if (whole) left.sendBurst(out, 1, 4, 0);
      else for (let i = 1; i < 5; i += 1) left.send(out, i, 0);
      expect(left.frames).toBe(4);
      expect(left.bytes).toBe(1514 + 61 + 1 + 700);
      expect(right.nextDeadline()).toBe(0);
      expect(ingress.push(frame(8, 5), 0)).toBe(true);
      return frames(ingress);
    });
    expect(got[0]).toEqual(got[1]);
    expect(got[0]?.slice(filled, -1)).toEqual(["3:1514x2", "3:61x3", "3:1x4", "3:700x5"]);
    expect(got[0]?.at(-1)).toBe("0:5x8");
  }
});

test("credit is the room in the peer's ingress burst, by rows and by bytes", () => {
  const [left, right] = directLink();
  expect(left.credit()).toBe(0);
  right.attach(burst(4), 0);
  expect(left.credit()).toBe(4);
  const small = burst(64, 4096);
  right.attach(small, 0);
  expect(left.credit()).toBe(2);
  small.push(frame(1, 1500), 0);
  expect(left.credit()).toBe(1);
});

test("frames beyond the credit are not written past the burst", () => {
  const [left, right] = directLink();
  const ingress = burst(2);
  right.attach(ingress, 0);
  const out = burst(4);
  for (let i = 0; i < 4; i += 1) out.push(frame(i, 100), 0);
  left.sendBurst(out, 0, 4, 0);
  expect(frames(ingress)).toEqual(["0:100x0", "0:100x1"]);
});

test("a sender that met a full burst is due, and woken, when there is room again", () => {
  const [left, right] = directLink();
  const ingress = burst(2);
  right.attach(ingress, 0);
  left.attach(burst(2), 0);
  let wakes = 0;
  left.onReadable(() => {
    wakes += 1;
  });
  for (let i = 0; i < 2; i += 1) ingress.push(frame(i, 60), 0);
  expect(left.credit()).toBe(0);
  right.receive();
  expect([left.nextDeadline(), wakes]).toEqual([Number.POSITIVE_INFINITY, 0]);
  ingress.clear();
  expect([left.nextDeadline(), right.nextDeadline()]).toEqual([0, 0]);
  right.receive();
  expect(wakes).toBe(1);
  expect(left.credit()).toBe(2);
  expect([left.nextDeadline(), right.nextDeadline()]).toEqual([
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
});

test("arrivals wake the receiver and taps see them", () => {
  const seen: string[] = [];
  const [left, right] = directLink({
    names: ["a", "b"],
    onArrival: (side) => seen.push(`side ${side}`),
    tap: {
      frame: (now, side, _b, offset, length, note) =>
        seen.push([now, side, offset, length, note].join()),
    },
  });
  right.attach(burst(4), 0);
  right.onReadable(() => seen.push("wake"));
  const out = burst(2);
  out.push(frame(1, 60), 0);
  left.send(out, 0, 77);
  expect(seen).toEqual(["77,0,0,60,", "wake", "side 1"]);
  expect([left.name, right.name]).toEqual(["a", "b"]);
});
