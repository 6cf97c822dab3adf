/**
 * Goal: files that a strict reader accepts, with every field where the format puts it. Method:
 * written bytes are parsed by test/support/pcapng-blocks.ts, and by tshark where it is installed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PcapngWriter, type SnapMode } from "../../../host/netif/pcapng.ts";
import { parsePcapng } from "../../support/pcapng-blocks.ts";
import { requireOrSkip } from "../../support/requirement.ts";

const ETHER = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

function tcp(link: number[], version: 4 | 6, tcpWords: number, payload: number): Uint8Array {
  const ipBytes = version === 4 ? 20 : 40;
  const bytes = new Uint8Array(link.length + ipBytes + tcpWords * 4 + payload).fill(0x55);
  bytes.set(link);
  const ip = link.length;
  const total = bytes.length - ip;
  if (version === 4) bytes.set([0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, 6, 0, 0], ip);
  else bytes.set([0x60, 0, 0, 0, (total - 40) >> 8, (total - 40) & 255, 6, 64], ip);
  bytes.set([tcpWords << 4, 0x10], ip + ipBytes + 12);
  return bytes;
}

function collect(snap: SnapMode): { writer: PcapngWriter; blocks: Uint8Array[] } {
  const blocks: Uint8Array[] = [];
  return { writer: new PcapngWriter({ snap, sink: (b) => blocks.push(b.slice()) }), blocks };
}

function concatenate(blocks: Uint8Array[]): Uint8Array {
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

test("every field of a packet comes back", () => {
  const { writer, blocks } = collect("full");
  const eth = writer.addInterface("client.0", "ethernet");
  const raw = writer.addInterface("tun-\u00e9", "ip");
  const padded = new Uint8Array(200).map((_, i) => i);
  const times = [0, 999, 2 ** 32 - 1, 2 ** 32, 1.7e18 / 1000, Number.MAX_SAFE_INTEGER];
  for (const [i, time] of times.entries()) {
    const direction = i % 2 === 0 ? "inbound" : "outbound";
    const comment = i === 1 ? "dropped: loss" : "";
    const place = { bytes: padded, offset: 3, length: 60 + i };
    writer.packet({ interface: i % 2 === 0 ? eth : raw, time, direction, comment, ...place });
  }
  writer.flush();
  const file = parsePcapng(concatenate(blocks));
  expect(file.application).toBe("toeloop");
  expect(file.interfaces).toEqual([
    { linkType: 1, name: "client.0", tsresol: 9 },
    { linkType: 101, name: "tun-\u00e9", tsresol: 9 },
  ]);
  expect(file.packets.map((p) => p.time)).toEqual(times);
  expect(file.packets.map((p) => p.flags)).toEqual([1, 2, 1, 2, 1, 2]);
  expect(file.packets.map((p) => p.comment)).toEqual(["", "dropped: loss", "", "", "", ""]);
  for (const [i, packet] of file.packets.entries()) {
    expect(packet.originalLength).toBe(60 + i);
    expect([...packet.bytes]).toEqual([...padded.subarray(3, 63 + i)]);
  }
});

test("headers mode keeps link, IP and TCP headers, and the original length", () => {
  const vlan = [...ETHER, 0x81, 0, 0, 7];
  const arp = Uint8Array.from([...ETHER, 8, 6, ...new Array(46).fill(1)]);
  const udp = tcp([], 4, 5, 300);
  udp[9] = 17;
  const rows: [string, "ethernet" | "ip", Uint8Array, number][] = [
    ["IPv4", "ethernet", tcp([...ETHER, 8, 0], 4, 8, 1448), 14 + 20 + 32],
    ["IPv4 behind a VLAN tag", "ethernet", tcp([...vlan, 8, 0], 4, 5, 100), 18 + 20 + 20],
    ["IPv6", "ethernet", tcp([...ETHER, 0x86, 0xdd], 6, 5, 100), 14 + 40 + 20],
    ["raw IPv4", "ip", tcp([], 4, 15, 1), 20 + 60],
    ["raw IPv6, no payload", "ip", tcp([], 6, 5, 0), 60],
    ["ARP", "ethernet", arp, 60],
    ["UDP", "ip", udp, 128],
    ["header longer than the frame", "ip", tcp([], 4, 15, 0).subarray(0, 44), 44],
    ["TCP header cut", "ip", tcp([], 4, 5, 0).subarray(0, 30), 30],
    ["nothing", "ethernet", new Uint8Array(0), 0],
  ];
  for (const [name, medium, bytes, want] of rows) {
    const { writer, blocks } = collect("headers");
    const place = { interface: writer.addInterface("x", medium), bytes, offset: 0 };
    writer.packet({ ...place, length: bytes.length, time: 5, direction: "inbound" });
    writer.flush();
    const packet = parsePcapng(concatenate(blocks)).packets[0];
    expect([packet?.bytes.length, packet?.originalLength], name).toEqual([want, bytes.length]);
  }
});

test("blocks of 64 KiB go to the sink; none writes nothing", () => {
  const bytes = new Uint8Array(1514).fill(7);
  const frame = { interface: 0, bytes, offset: 0, length: 1514, direction: "outbound" } as const;
  for (const snap of ["full", "none"] as const) {
    const { writer, blocks } = collect(snap);
    writer.addInterface("x", "ethernet");
    for (let i = 0; i < 200; i += 1) writer.packet({ ...frame, time: i });
    writer.flush();
    if (snap === "none") {
      expect(blocks).toEqual([]);
      continue;
    }
    for (const block of blocks.slice(0, -1)) {
      expect(block.length >= 65_536 && block.length < 65_536 + 1600).toBe(true);
    }
    expect(parsePcapng(concatenate(blocks)).packets.length).toBe(200);
  }
});

test("the longest frame and comment fit", () => {
  const { writer, blocks } = collect("full");
  writer.addInterface("n".repeat(1000), "ip");
  const bytes = new Uint8Array(70_000);
  for (let i = 0; i < 3; i += 1) {
    const frame = { interface: 0, bytes, offset: 0, length: bytes.length, time: i };
    writer.packet({ ...frame, direction: "inbound", comment: "c".repeat(1000) });
  }
  writer.flush();
  const file = parsePcapng(concatenate(blocks));
  expect(file.packets.map((p) => [p.bytes.length, p.originalLength, p.comment.length])).toEqual([
    [65_535, 70_000, 255],
    [65_535, 70_000, 255],
    [65_535, 70_000, 255],
  ]);
  expect(file.interfaces[0]?.name.length).toBe(255);
});

test("an unknown interface is named", () => {
  const { writer } = collect("full");
  const frame = { bytes: new Uint8Array(1), offset: 0, length: 1, time: 0 };
  expect(() => writer.packet({ interface: 2, direction: "inbound", ...frame })).toThrow(
    "pcapng: expected a known interface, got 2",
  );
});

const tshark = requireOrSkip("tshark reads the file", () =>
  spawnSync("tshark", ["--version"]).status === 0 ? undefined : "tshark is not installed",
);
test.skipIf(tshark.skip)(tshark.name, () => {
  const { writer, blocks } = collect("headers");
  const bytes = tcp([...ETHER, 8, 0], 4, 5, 100);
  const place = { interface: writer.addInterface("client.0", "ethernet"), bytes, offset: 0 };
  const comment = "dropped: loss";
  const length = bytes.length;
  writer.packet({ ...place, length, time: 1_000_000_001, direction: "outbound", comment });
  writer.flush();
  const folder = mkdtempSync(join(tmpdir(), "toeloop-"));
  const path = join(folder, "x.pcapng");
  writeFileSync(path, concatenate(blocks));
  const fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_name"];
  const wanted = [...fields, "frame.comment", "frame.packet_flags_direction"];
  const arguments_ = ["-r", path, "-T", "fields", ...wanted.flatMap((field) => ["-e", field])];
  const out = spawnSync("tshark", arguments_, { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  expect(out.stdout.trim().split("\t")).toEqual([
    "1.000000001",
    "154",
    "54",
    "client.0",
    "dropped: loss",
    "0x00000002",
  ]);
});
