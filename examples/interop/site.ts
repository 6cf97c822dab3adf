/**
 * The place of a scenario: a TUN device with the kernel at one end and a stack at the other, with
 * a link between when faults are wanted, everything the stack sends and gets captured whole.
 * Invariant: leave() takes everything away and says what the stack has left behind.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { platform } from "../../bindings/node.ts";
import { profile } from "../../host/control-plane/profile.ts";
import { Driver } from "../../host/driver.ts";
import type { FaultOptions } from "../../host/netif/fault-injector.ts";
import { createLink, type Link } from "../../host/netif/link.ts";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { TracerNetif } from "../../host/netif/tracer.ts";
import { openTun, type TunNetif } from "../../host/netif/tun.ts";
import { Stack } from "../../host/stack.ts";
import { configureDevice } from "../tun-host.ts";
import { Relay, RelayedHost } from "./relay.ts";
import { difference, type StackFigures, stackFigures } from "./tables.ts";
import { type TableCounts, tableCounts } from "./tables.ts";

export const KERNEL = "10.99.0.1";
export const STACK = "10.99.0.2";

const DEVICE = "toe0";
/** 2 MSL: short, so that its end can be waited for. */
const TIME_WAIT = 1e9;
const REST_MS = 8000;
/** Bounds the disk and tshark's time that seconds of gigabits take. */
const CAPTURE_BYTES_MAX = 96 * 1024 * 1024;

export interface RelayOptions {
  /** ns each way. */
  readonly delay: number;
  readonly faults: FaultOptions;
  readonly seed: number;
}

export interface SiteReport {
  readonly before: TableCounts;
  readonly after: TableCounts;
  /** What was left behind; empty when nothing was. */
  readonly left: readonly string[];
  readonly figures: StackFigures;
  /** Frames that the relay dropped and held back, both ways. */
  readonly relay?: { readonly dropped: number; readonly reordered: number };
  /** Packets that the kernel refused for their checksum or header. */
  readonly kernelErrors: Readonly<Record<string, number>>;
  /** Frames that the kernel had for the stack and no room for in the device's queue. */
  readonly queueDrops: number;
  readonly frames: number;
  /** The capture was full before the end: it holds the first frames only. */
  readonly isCaptureCut: boolean;
}

/** Counts of /proc/net/snmp that a good peer never raises. */
const KERNEL_ERRORS = ["Ip.InHdrErrors", "Tcp.InErrs", "Tcp.InCsumErrors", "Icmp.InErrors"];

function kernelErrors(): Record<string, number> {
  const lines = readFileSync("/proc/net/snmp", "utf8").split("\n");
  const found: Record<string, number> = {};
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [protocol, ...names] = (lines[i] as string).split(" ");
    const values = (lines[i + 1] as string).split(" ").slice(1);
    for (const [j, name] of names.entries()) {
      const full = `${protocol?.replace(":", "")}.${name}`;
      if (KERNEL_ERRORS.includes(full)) found[full] = Number(values[j]);
    }
  }
  return found;
}

/** Frames that the kernel could not queue for the device. */
function queueDrops(): number {
  const lines = readFileSync("/proc/net/dev", "utf8").split("\n");
  const line = lines.find((text) => text.trim().startsWith(`${DEVICE}:`));
  // After the name: 8 numbers of reception, then bytes, packets, errors and drops of sending.
  return Number(line?.trim().split(/\s+/)[12] ?? 0);
}

export class Site {
  readonly stack: Stack;
  readonly #tun: TunNetif;
  readonly #tracer: TracerNetif;
  readonly #writer: PcapngWriter;
  readonly #file: number;
  readonly #link: Link | undefined;
  readonly #driver: Driver;
  readonly #before: TableCounts;
  readonly #errorsBefore = kernelErrors();
  #captured = 0;
  #fault: unknown;

  private constructor(
    tun: TunNetif,
    module: WebAssembly.Module,
    capture: string,
    relay: RelayOptions | undefined,
  ) {
    this.#tun = tun;
    this.#file = openSync(capture, "w");
    this.#writer = new PcapngWriter({ sink: (bytes) => this.#capture(bytes), snap: "full" });
    if (relay !== undefined) {
      const names = ["kernel", "toeloop"] as const;
      this.#link = createLink({ medium: "ip", names, ...relay });
    }
    this.#tracer = new TracerNetif(this.#link?.ends[1] ?? tun, this.#writer);
    this.stack = new Stack({
      module,
      entropy: platform.entropy,
      netifs: [{ netif: this.#tracer, addresses: [`${STACK}/24`] }],
      layout: { connections: 512, payloadBytes: 64 * 1024 * 1024 },
      profile: { ...profile("internet"), timeWait: TIME_WAIT },
    });
    const host =
      this.#link === undefined
        ? this.stack
        : new RelayedHost(new Relay([tun, this.#link.ends[0]]), this.stack);
    this.#before = tableCounts(this.stack);
    this.#driver = new Driver(host, platform, {
      onError: (error) => {
        this.#fault = error;
      },
    });
  }

  /** The writer gives whole blocks, so that a file that ends early is a good one. */
  #capture(bytes: Uint8Array): void {
    if (this.#captured < CAPTURE_BYTES_MAX) writeSync(this.#file, bytes);
    this.#captured += bytes.length;
  }

  /** Makes the device and starts the stack. */
  static async enter(
    module: WebAssembly.Module,
    capture: string,
    relay?: RelayOptions,
  ): Promise<Site> {
    const tun = await openTun({ mode: "tun", name: DEVICE });
    try {
      configureDevice(DEVICE, KERNEL);
      const site = new Site(tun, module, capture, relay);
      site.#driver.start();
      return site;
    } catch (error) {
      tun.close();
      throw error;
    }
  }

  /** Waits until the stack holds nothing, TIME-WAIT over, then takes everything away. */
  async leave(): Promise<SiteReport> {
    const deadline = platform.now() + REST_MS * 1e6;
    let after = tableCounts(this.stack);
    while (difference(this.#before, after).length > 0 && platform.now() < deadline) {
      await sleep(50);
      after = tableCounts(this.stack);
    }
    const dropped = queueDrops();
    this.#driver.stop();
    this.#tracer.close();
    this.#tun.close();
    closeSync(this.#file);
    const errors = kernelErrors();
    for (const [name, count] of Object.entries(this.#errorsBefore)) {
      errors[name] = (errors[name] ?? 0) - count;
    }
    const left = difference(this.#before, after);
    if (this.#fault !== undefined) left.push(`the stack threw: ${String(this.#fault)}`);
    return {
      before: this.#before,
      after,
      left,
      figures: stackFigures(this.stack),
      ...this.#relayCounts(),
      kernelErrors: errors,
      queueDrops: dropped,
      frames: this.#writer.frames,
      isCaptureCut: this.#captured > CAPTURE_BYTES_MAX,
    };
  }

  #relayCounts(): Pick<SiteReport, "relay"> {
    if (this.#link === undefined) return {};
    const ways = [this.#link.counters(0), this.#link.counters(1)];
    const dropped = ways.reduce((sum, way) => sum + way.dropped.loss + way.dropped.queue, 0);
    const reordered = ways.reduce((sum, way) => sum + way.reordered, 0);
    return { relay: { dropped, reordered } };
  }
}
