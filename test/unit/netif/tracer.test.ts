/**
 * Goal: a capture shows what went over the link, dropped frames included, and the same seed gives
 * the same bytes; a traced netif behaves as the one inside. Method: parsed captures.
 */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { createLink } from "../../../host/netif/link.ts";
import { Burst, type Netif } from "../../../host/netif/netif.ts";
import { PcapngWriter } from "../../../host/netif/pcapng.ts";
import { captureLinks, TracerNetif, traceLink } from "../../../host/netif/tracer.ts";
import { World } from "../../../host/world.ts";
import { parsePcapng } from "../../support/pcapng-blocks.ts";

function burst(frames: number): Burst {
  return new Burst(new Uint8Array(frames * 256), new Uint32Array((frames * FRAME_SIZE) / 4));
}

function sink(): { sink: (bytes: Uint8Array) => void; file: () => Uint8Array } {
  const all: number[] = [];
  return { sink: (bytes) => void all.push(...bytes), file: () => Uint8Array.from(all) };
}

function send(netif: Netif, value: number, now: number): void {
  const out = burst(1);
  out.push(new Uint8Array(64).fill(value), 0);
  netif.send(out, 0, now);
}

test("a link's capture has both directions and says what was dropped", () => {
  const { sink: take, file } = sink();
  const writer = new PcapngWriter({ sink: take, snap: "full" });
  const tap = traceLink(writer, ["a", "b"], "ip");
  const rule = (_frame: Uint8Array, count: number): boolean => count === 1;
  const link = createLink({ medium: "ip", delay: 10, faults: { rule }, taps: [tap] });
  for (let i = 0; i < 3; i += 1) send(link.ends[0], i, i * 100);
  send(link.ends[1], 9, 350);
  writer.flush();
  const { packets, interfaces } = parsePcapng(file());
  expect(interfaces.map((i) => i.name)).toEqual(["a", "b"]);
  expect(packets.map((p) => [p.time, p.interface, p.bytes[0], p.flags, p.comment])).toEqual([
    [0, 0, 0, 2, ""],
    [100, 0, 1, 2, "dropped: rule"],
    [200, 0, 2, 2, ""],
    [350, 1, 9, 2, ""],
  ]);
});

test("the same seed gives byte-identical captures of a world", () => {
  const run = (seed: number): { bytes: Uint8Array; names: string[] } => {
    const { sink: take, file } = sink();
    const writer = new PcapngWriter({ sink: take });
    const world = new World({ seed, capture: captureLinks(writer) });
    const faults = { loss: 0.2, corrupt: 0.2, duplicate: 0.1 };
    for (const b of ["x", "y"]) {
      const link = world.addLink({ a: "hub", b, medium: "ip", rate: 1e9, faults });
      for (let i = 0; i < 50; i += 1) send(link.ends[0], i, i);
    }
    writer.flush();
    return { bytes: file(), names: parsePcapng(file()).interfaces.map((i) => i.name) };
  };
  const first = run(1);
  expect(run(1).bytes).toEqual(first.bytes);
  expect(run(2).bytes).not.toEqual(first.bytes);
  expect(first.names).toEqual(["hub.0", "x.0", "hub.1", "y.0"]);
});

test("a traced netif passes everything through and records it once", () => {
  const { sink: take, file } = sink();
  const writer = new PcapngWriter({ sink: take, snap: "full" });
  const link = createLink({ medium: "ip", delay: 10, names: ["left", "right"] });
  const traced = new TracerNetif(link.ends[0], writer);
  const ingress = burst(4);
  traced.attach(ingress, 2);
  ingress.push(new Uint8Array(20).fill(77), 0);
  const out = burst(4);
  for (let i = 1; i <= 3; i += 1) out.push(new Uint8Array(40).fill(i), 0);
  traced.send(out, 0, 5);
  traced.sendBurst(out, 1, 2, 6);
  send(link.ends[1], 50, 0);
  expect([traced.name, traced.medium, traced.mtu]).toEqual(["left", "ip", 1500]);
  expect(traced.nextDeadline()).toBe(10);
  expect(traced.credit(0)).toBe(link.ends[0].credit(0));
  traced.receive(20);
  traced.receive(30);
  expect([ingress.count, ingress.netif(1)]).toEqual([2, 2]);
  traced.close();
  const seen = parsePcapng(file()).packets.map((p) => [p.time, p.bytes[0], p.flags]);
  expect(seen).toEqual([
    [5, 1, 2],
    [6, 2, 2],
    [6, 3, 2],
    [20, 50, 1],
  ]);
  expect(link.counters(0).frames).toBe(3);
});
