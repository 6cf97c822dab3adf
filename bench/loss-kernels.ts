/**
 * Linux's side of `loss`: two network namespaces with a TUN device each, loss-wire.ts between, and
 * iperf3 as the application at both ends. CUBIC is set on the socket (iperf3 -C). Invariant: the
 * namespaces and all processes are gone when a call returns or throws.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Namespace } from "../examples/interop/namespace.ts";
import { repositoryRoot } from "./harness.ts";
import type { WireArguments, WireReport } from "./loss-wire.ts";
import type { LossyWire } from "./lossy-wire.ts";

const ADDRESSES = ["10.98.0.1", "10.98.0.2"] as const;
/** Packets that a device holds for the wire: more than any window. */
const DEVICE_QUEUE = 10_000;
const START_MS = 10_000;
/** Beyond the time of a test: iperf3's control connection crosses the lossy wire as well. */
const END_MS = 60_000;

export interface KernelsRun {
  /** Left out: as fast as packets pass. */
  readonly wire?: LossyWire;
  readonly seconds: number;
  readonly seed: number;
}

export interface KernelsResult {
  /** Payload that the receiving application has read, bits/s. */
  readonly goodput: number;
  readonly retransmits: number;
  /** Of both kernels, iperf3's control connection included. */
  readonly timeouts: number;
  /** Of pings before the stream, where nothing was lost: the median, ns. */
  readonly roundTrip: number;
  readonly wire: WireReport;
}

/** Why Linux cannot be measured here; undefined when it can. */
export function obstacle(): string | undefined {
  if (process.platform !== "linux") return `expected Linux, got ${process.platform}`;
  const uid = process.getuid?.();
  if (uid !== 0) return `expected root (network namespaces, TUN devices), got uid ${uid}`;
  for (const program of ["ip", "iperf3", "ping"]) {
    if (spawnSync("which", [program]).status !== 0) return `expected ${program}, got none`;
  }
  return undefined;
}

/** Real-time priority where it may be had: a wire that waits for a core is another wire. */
function priority(): readonly string[] {
  return spawnSync("chrt", ["-f", "10", "true"]).status === 0 ? ["chrt", "-f", "10"] : [];
}

/** The wire's process. */
class WireProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(args: WireArguments) {
    const script = join(repositoryRoot(), "dist", "bench", "loss-wire.js");
    const words = [...priority(), process.execPath, script, JSON.stringify(args)];
    this.#child = spawn(words[0] as string, words.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async #line(): Promise<string> {
    const late = sleep(START_MS, undefined, { ref: false }).then(() => undefined);
    const next = await Promise.race([this.#lines.next(), late]);
    if (next === undefined || next.done === true) {
      throw new Error(`loss: expected a line of the wire within ${START_MS} ms, got none`);
    }
    return next.value;
  }

  async up(): Promise<void> {
    const line = await this.#line();
    if (line !== "up") throw new Error(`loss: expected the wire up, got ${line}`);
  }

  /** Ends it; what it saw. */
  async end(): Promise<WireReport> {
    this.#child.stdin?.end();
    return JSON.parse(await this.#line()) as WireReport;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

/** Puts a device into its namespace, with an address and without memories of other runs. */
function furnish(namespace: Namespace, device: string, address: string): void {
  execFileSync("ip", ["link", "set", device, "netns", namespace.name]);
  const inside = ["-n", namespace.name];
  execFileSync("ip", [...inside, "address", "add", `${address}/24`, "dev", device]);
  const queue = ["txqueuelen", `${DEVICE_QUEUE}`];
  execFileSync("ip", [...inside, "link", "set", device, ...queue, "up"]);
  const [program, words] = namespace.command("sysctl", ["-q", "net.ipv4.tcp_no_metrics_save=1"]);
  execFileSync(program, words);
}

/** Median of a few pings that came back, ns; NaN when none did. */
function roundTrip(from: Namespace): number {
  const [program, words] = from.command("ping", ["-c", "9", "-i", "0.02", "-W", "1", ADDRESSES[1]]);
  const { stdout } = spawnSync(program, words, { encoding: "utf8" });
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1e6);
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

/** TcpExt.TCPTimeouts of a namespace. */
function timeoutsIn(place: Namespace): number {
  const [program, words] = place.command("cat", ["/proc/net/netstat"]);
  const lines = execFileSync(program, words, { encoding: "utf8" }).split("\n");
  const at = lines.findIndex((line) => line.startsWith("TcpExt:"));
  const names = (lines[at] as string).split(" ");
  return Number((lines[at + 1] as string).split(" ")[names.indexOf("TCPTimeouts")]);
}

interface IperfEnd {
  readonly error?: string;
  readonly end?: {
    readonly sum_received: { readonly bits_per_second: number };
    readonly sum_sent: { readonly retransmits: number };
    readonly sender_tcp_congestion: string;
  };
}

/** One test of iperf3 between the namespaces. */
async function iperf(places: readonly Namespace[], seconds: number): Promise<IperfEnd> {
  const [client, server] = places as [Namespace, Namespace];
  const [program, words] = server.command("iperf3", ["-s", "-1", "--forceflush"]);
  const serving = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(serving.stdout as NodeJS.ReadableStream, "data");
    const test = ["-c", ADDRESSES[1], "-C", "cubic", "-t", `${seconds}`, "-J"];
    const [name, all] = client.command("iperf3", test);
    const testing = spawn(name, all, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    testing.stdout?.on("data", (part) => {
      text += part;
    });
    const late = setTimeout(() => testing.kill("SIGKILL"), seconds * 1000 + END_MS);
    await once(testing, "close");
    clearTimeout(late);
    return JSON.parse(text) as IperfEnd;
  } finally {
    serving.kill("SIGKILL");
  }
}

/** Runs of this process, for names of their own: several may be on at once. */
let runs = 0;

/** One run. Throws Error when iperf3 did not get through, or ran without CUBIC. */
export async function runKernels({ wire, seconds, seed }: KernelsRun): Promise<KernelsResult> {
  const own = `${process.pid % 1e6}-${runs % 100}`;
  runs += 1;
  const names = [0, 1].map((side) => `loss-${own}-${side}`);
  const devices = [`l${own}a`, `l${own}b`] as const;
  const wireProcess = new WireProcess({ devices, seed, ...(wire === undefined ? {} : { wire }) });
  const places: Namespace[] = [];
  try {
    await wireProcess.up();
    for (const [side, name] of names.entries()) {
      const place = new Namespace(name);
      places.push(place);
      furnish(place, devices[side] as string, ADDRESSES[side] as string);
    }
    const trip = roundTrip(places[0] as Namespace);
    const { end, error } = await iperf(places, seconds);
    if (end === undefined || end.sender_tcp_congestion !== "cubic") {
      throw new Error(`loss: expected a stream with cubic, got ${error ?? JSON.stringify(end)}`);
    }
    const { bits_per_second: goodput } = end.sum_received;
    const timeouts = places.reduce((sum, place) => sum + timeoutsIn(place), 0);
    const seen = await wireProcess.end();
    return {
      goodput,
      retransmits: end.sum_sent.retransmits,
      timeouts,
      roundTrip: trip,
      wire: seen,
    };
  } finally {
    for (const place of places) place.remove();
    await wireProcess.kill();
  }
}
