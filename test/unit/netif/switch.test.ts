/**
 * Goal: a switch learns and forwards as IEEE 802.1D says, and adds nothing of its own: time, rate
 * and drops are the links'. Method: frames put on three links by hand, arrivals read at each end.
 */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { createLink, type Link } from "../../../host/netif/link.ts";
import { Burst } from "../../../host/netif/netif.ts";
import { Switch } from "../../../host/netif/switch.ts";

const ANYONE = 0xffffffffffff;
const LENGTH = 64;

function burst(): Burst {
  return new Burst(new Uint8Array(128 * 1536), new Uint32Array((128 * FRAME_SIZE) / 4));
}

/** Ethernet addresses as numbers; the number in the 15th byte names the frame. */
function frame(to: number, from: number, number: number, length = LENGTH): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (const [at, address] of [
    [0, to],
    [6, from],
  ] as const) {
    view.setUint16(at, Math.floor(address / 2 ** 32));
    view.setUint32(at + 2, address >>> 0);
  }
  if (length > 14) bytes[14] = number;
  return bytes;
}

class Lan {
  readonly links: Link[];
  readonly lan: Switch;
  readonly #ingress: Burst[] = [];
  now = 0;

  constructor(ports: number, last: Parameters<typeof createLink>[0] = {}) {
    this.links = Array.from({ length: ports }, (_, i) => createLink(i === ports - 1 ? last : {}));
    this.lan = new Switch(this.links.map(({ ends }) => ends[1]));
    for (const { ends } of this.links) {
      const ingress = burst();
      ends[0].attach(ingress, 0);
      this.#ingress.push(ingress);
    }
  }

  send(host: number, bytes: Uint8Array): void {
    const out = burst();
    out.push(bytes, 0);
    (this.links[host] as Link).ends[0].send(out, 0, this.now);
  }

  /** Runs the switch at `now`; which frames each host has got. */
  arrivals(): number[][] {
    while (this.lan.poll(this.now));
    return this.links.map(({ ends }, host) => {
      const ingress = this.#ingress[host] as Burst;
      ends[0].receive(this.now);
      const got = Array.from(
        { length: ingress.count },
        (_, i) => ingress.bytes[ingress.offset(i) + 14] as number,
      );
      ingress.clear();
      return got;
    });
  }
}

test("an unknown destination is flooded, a known one is not, and never back", () => {
  const lan = new Lan(3);
  lan.send(0, frame(0x020000000002, 0x020000000001, 1));
  expect(lan.arrivals()).toEqual([[], [1], [1]]);
  lan.send(1, frame(0x020000000001, 0x020000000002, 2));
  expect(lan.arrivals()).toEqual([[2], [], []]);
  lan.send(0, frame(0x020000000002, 0x020000000001, 3));
  expect(lan.arrivals()).toEqual([[], [3], []]);
  expect([lan.lan.frames, lan.lan.flooded]).toEqual([3, 1]);
  // Its destination is behind the port that it came from.
  lan.send(1, frame(0x020000000002, 0x020000000009, 4));
  expect(lan.arrivals()).toEqual([[], [], []]);
});

test("broadcast and multicast go everywhere else, also when their address was learned", () => {
  const lan = new Lan(3);
  lan.send(1, frame(0x020000000001, ANYONE, 1));
  lan.arrivals();
  lan.send(0, frame(ANYONE, 0x020000000001, 2));
  expect(lan.arrivals()).toEqual([[], [2], [2]]);
  lan.send(0, frame(0x01005e000001, 0x020000000001, 3));
  expect(lan.arrivals()).toEqual([[], [3], [3]]);
});

test("a host that moved is found at its new port", () => {
  const lan = new Lan(3);
  lan.send(1, frame(0x020000000001, 0x020000000002, 1));
  lan.arrivals();
  lan.send(2, frame(0x020000000001, 0x020000000002, 2));
  lan.arrivals();
  lan.send(0, frame(0x020000000002, 0x020000000001, 3));
  expect(lan.arrivals()).toEqual([[], [], [3]]);
});

test("a frame shorter than an Ethernet header goes nowhere", () => {
  const lan = new Lan(2);
  lan.send(0, frame(ANYONE, 1, 0, 13));
  expect(lan.arrivals()).toEqual([[], []]);
  expect(lan.lan.frames).toBe(0);
});

test("a slow port queues and drops; the others do not notice", () => {
  const queue = { frames: 2 };
  const slow = { rate: 1e9, reverse: { rate: (LENGTH + 24) * 8e6, queue, delay: 0 } };
  const lan = new Lan(3, slow);
  // More frames than one burst of the switch, all at once.
  for (let i = 0; i < 100; i += 1) lan.send(0, frame(ANYONE, 0x020000000001, i));
  const [, second] = lan.arrivals();
  expect(second).toHaveLength(100);
  const port = (lan.links[2] as Link).counters(1);
  expect([port.frames, port.dropped.queue]).toEqual([100, 98]);
  // The rate is one frame a microsecond.
  expect((lan.links[2] as Link).ends[0].nextDeadline()).toBe(1000);
  lan.now = 1000;
  expect(lan.arrivals()[2]).toEqual([0]);
});

test("bad ports are refused", () => {
  const [ethernet, ip] = [createLink(), createLink({ medium: "ip" })];
  expect(() => new Switch([ethernet.ends[0]])).toThrow("Switch: expected 2 ports, got 1");
  expect(() => new Switch([ethernet.ends[0], ip.ends[0]])).toThrow(
    "Switch: expected port link0 of medium ethernet, got ip",
  );
});
