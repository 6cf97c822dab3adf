/**
 * Goal: a real TUN and TAP device carry real traffic, close cleanly and never hold up the end of
 * a process. Method: the kernel's ping in a network namespace of the test's own against an echo
 * responder of a few lines here. Needs root, /dev/net/tun, koffi, ip and ping.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { platform } from "../../../bindings/node.ts";
import { Driver } from "../../../host/driver.ts";
import { Burst } from "../../../host/netif/netif.ts";
import { openTun, TunError, type TunNetif, type TunOptions } from "../../../host/netif/tun.ts";
import type { Host } from "../../../host/world.ts";
import { requireOrSkip } from "../../support/requirement.ts";

const run = promisify(execFile);

function missing(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  if (!existsSync("/dev/net/tun")) return "/dev/net/tun is missing";
  try {
    createRequire(import.meta.url).resolve("koffi");
  } catch {
    return "koffi is not installed";
  }
  for (const tool of [
    ["ip", "-V"],
    ["ping", "-V"],
  ] as const) {
    if (spawnSync(tool[0], [tool[1]]).status !== 0) return `${tool[0]} is not installed`;
  }
  return undefined;
}

/** Answers ARP for 10.97.0.2 and every ICMP echo, in place. */
class Echo implements Host {
  answers = 0;
  readonly #netif: TunNetif;
  readonly #burst = new Burst(new Uint8Array(262_144), new Uint32Array(64 * (FRAME_SIZE / 4)));

  constructor(netif: TunNetif) {
    this.#netif = netif;
    netif.attach(this.#burst, 0);
  }

  onWake(wake: () => void): void {
    this.#netif.onReadable(wake);
  }

  poll(): boolean {
    this.#netif.receive();
    for (let i = 0; i < this.#burst.count; i += 1) {
      const at = this.#burst.offset(i);
      const frame = this.#burst.bytes.subarray(at, at + this.#burst.length(i));
      const link = this.#netif.medium === "ethernet" ? 14 : 0;
      if (link > 0 && !turnAround(frame, this.#netif.hardwareAddress)) continue;
      if (frame[12] !== 8 || frame[13] !== 6 || link === 0) {
        if (!echo(frame.subarray(link))) continue;
      }
      this.answers += 1;
      this.#netif.send(this.#burst, i);
    }
    this.#burst.clear();
    return false;
  }

  nextDeadline(): number {
    return this.#netif.nextDeadline();
  }
}

/** Makes an Ethernet frame its own answer; an ARP request for 10.97.0.2 too. */
function turnAround(frame: Uint8Array, own: Uint8Array): boolean {
  const arp = frame[12] === 8 && frame[13] === 6;
  if (arp && (frame[21] !== 1 || frame.subarray(38, 42).join() !== "10,97,0,2")) return false;
  frame.copyWithin(0, 6, 12);
  frame.set(own, 6);
  if (!arp) return frame[12] === 8 && frame[13] === 0;
  frame[21] = 2;
  const asked = frame.slice(38, 42);
  frame.copyWithin(32, 22, 32);
  frame.set(own, 22);
  frame.set(asked, 28);
  return true;
}

/** Turns an ICMP echo request into its reply; the checksum changes by the type alone. */
function echo(packet: Uint8Array): boolean {
  if (packet[0] !== 0x45 || packet[9] !== 1 || packet[20] !== 8) return false;
  const source = packet.slice(12, 16);
  packet.copyWithin(12, 16, 20);
  packet.set(source, 16);
  packet[20] = 0;
  const sum = (((packet[22] as number) << 8) | (packet[23] as number)) + 0x0800;
  const folded = (sum & 0xffff) + (sum >>> 16);
  packet.set([folded >>> 8, folded & 255], 22);
  return true;
}

/** Runs `job` with a device moved into a namespace of its own as 10.97.0.1/24. */
async function withDevice(
  options: TunOptions,
  job: (tun: TunNetif, namespace: string) => Promise<void>,
): Promise<void> {
  const namespace = `toe-test-${process.pid}-${options.mode}`;
  await run("ip", ["netns", "add", namespace]);
  const tun = await openTun(options);
  try {
    await run("ip", ["link", "set", tun.name, "netns", namespace]);
    const inside = (...command: string[]) => run("ip", ["-n", namespace, ...command]);
    await inside("addr", "add", "10.97.0.1/24", "dev", tun.name);
    await inside("link", "set", tun.name, "up");
    await job(tun, namespace);
  } finally {
    tun.close();
    await run("ip", ["netns", "del", namespace]);
  }
}

for (const options of [{ mode: "tun" }, { mode: "tap" }, { mode: "tun", mtu: 9000 }] as const) {
  const mtu: number = "mtu" in options ? (options.mtu ?? 1500) : 1500;
  const real = requireOrSkip(`ping through ${options.mode}, mtu ${mtu}`, missing);
  test.skipIf(real.skip)(real.name, async () => {
    await withDevice(options, async (tun, namespace) => {
      const host = new Echo(tun);
      const driver = new Driver(host, platform);
      driver.start();
      const size = String(mtu - 28);
      const ping = ["ping", "-n", "-M", "do", "-c", "200", "-i", "0.002", "-W", "2", "-s", size];
      const out = await run("ip", ["netns", "exec", namespace, ...ping, "10.97.0.2"]);
      driver.stop();
      expect(out.stdout).toContain("200 packets transmitted, 200 received, 0% packet loss");
      expect(host.answers).toBeGreaterThanOrEqual(200);
      expect(tun.dropped).toBe(0);
      // Idle: not one turn more than arrivals account for.
      expect(driver.turns).toBeLessThan(1000);
    });
  });
}

const shared = requireOrSkip("several devices share one wait, and close in any order", missing);
test.skipIf(shared.skip)(shared.name, async () => {
  const devices = await Promise.all([0, 1, 2, 3, 4, 5].map(() => openTun({ mode: "tun" })));
  expect(new Set(devices.map((d) => d.name)).size).toBe(6);
  const bursts = devices.map((device) => {
    const burst = new Burst(new Uint8Array(8192), new Uint32Array(16));
    device.attach(burst, 0);
    device.onReadable(() => device.receive());
    return burst;
  });
  // The thread pool has four threads: work for it is not held up by six waiting devices.
  const { readFile } = await import("node:fs/promises");
  await readFile("/proc/self/stat");
  const last = devices[5] as TunNetif;
  await run("ip", ["addr", "add", "10.98.0.1/24", "dev", last.name]);
  await run("ip", ["link", "set", last.name, "up"]);
  await run("ping", ["-c", "1", "-W", "1", "10.98.0.2"]).catch(() => undefined);
  expect(bursts[5]?.count).toBeGreaterThan(0);
  expect(bursts[0]?.count).toBe(0);
  for (const i of [3, 0, 5, 1, 4, 2]) {
    devices[i]?.close();
    devices[i]?.close();
  }
  expect(last.credit()).toBe(0);
  expect(last.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  const gone = async (): Promise<boolean> => {
    const { stdout } = await run("ip", ["-o", "link"]);
    return devices.every((device) => !stdout.includes(`${device.name}:`));
  };
  for (let i = 0; i < 50 && !(await gone()); i += 1) await platform.turn();
  expect(await gone()).toBe(true);
});

const taken = requireOrSkip("a device in use is EBUSY, a device that vanishes is quiet", missing);
test.skipIf(taken.skip)(taken.name, async () => {
  const name = `toe${process.pid}`.slice(0, 15);
  const tun = await openTun({ mode: "tun", name });
  expect(tun.name).toBe(name);
  await expect(openTun({ mode: "tun", name })).rejects.toThrow(
    `openTun EBUSY: expected device "${name}" free, got it in use`,
  );
  const burst = new Burst(new Uint8Array(8192), new Uint32Array(16));
  tun.attach(burst, 0);
  let wakes = 0;
  tun.onReadable(() => {
    wakes += 1;
    tun.receive();
  });
  await run("ip", ["link", "del", name]);
  for (let i = 0; i < 20; i += 1) await platform.turn();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(wakes).toBeLessThan(5);
  expect(tun.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  burst.push(new Uint8Array(60), 0);
  tun.send(burst, 0);
  expect(tun.dropped).toBe(1);
  tun.close();
});

test("bad options are named, before anything is opened", async () => {
  const rows: [TunOptions, string][] = [
    [{ mode: "tuna" as "tun" }, 'openTun: expected mode "tun" or "tap", got "tuna"'],
    [{ mode: "tun", name: "sixteen-bytes-xx" }, "at most 15 ASCII characters"],
    [{ mode: "tun", name: "a/b" }, 'got "a/b"'],
    [{ mode: "tun", mtu: 67 }, "openTun: expected mtu 68..65535, got 67"],
    [{ mode: "tap", hardwareAddress: new Uint8Array(5) }, "of 6 bytes, got 5"],
  ];
  for (const [options, message] of rows) await expect(openTun(options)).rejects.toThrow(message);
  expect(new TunError("ENOENT", "x").message).toBe("openTun ENOENT: x");
});
