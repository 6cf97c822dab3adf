/**
 * `node dist/bench/loss-wire.js JSON`: the wire of `loss` between two kernels, in real time. Makes
 * two TUN devices, says so, and moves packets between them over the same link as the stacks have
 * (lossy-wire.ts) until its input ends; then prints what it saw as JSON. It sleeps by microseconds:
 * a timer of the runtime is a millisecond late, the delay of the faster link, and a process
 * of real-time priority that never sleeps is stopped by the kernel for a twentieth of each second.
 */
import { platform } from "../bindings/node.ts";
import { createLink, type Link } from "../host/netif/link.ts";
import { openTun, type TunNetif } from "../host/netif/tun.ts";
import { Relay } from "../examples/interop/relay.ts";
import { type LossyWire, linkOptions } from "./lossy-wire.ts";

/** What the process is started with; without a wire packets pass as fast as they can. */
export interface WireArguments {
  readonly devices: readonly [string, string];
  readonly seed: number;
  readonly wire?: LossyWire;
}

/** What it saw. */
export interface WireReport {
  /** Packets each way, dropped ones included. */
  readonly frames: readonly [number, number];
  /** Dropped by a full queue, each way. */
  readonly queueDrops: readonly [number, number];
  /** Longest time between two looks at the devices, ns. */
  readonly longestPause: number;
  /** Share of the time that was spent between looks further apart than PAUSE_NS. */
  readonly late: number;
}

/** A look at devices and link takes microseconds; more than this is somebody else's doing. */
const PAUSE_NS = 200e3;
/** Between two looks, ms. */
const SLEEP_MS = 0.02;
/** Between two turns of the event loop, which has the end of the input. */
const TURN_NS = 2e6;
/** Where nothing is limited: what a second could bring at most. */
const OPEN = { medium: "ip", queue: { bytes: 64 << 20 } } as const;

/** Nobody ever wakes it. */
const never = new Int32Array(new SharedArrayBuffer(4));

class Wire {
  readonly #link: Link;
  readonly #relays: readonly Relay[];
  readonly #start = platform.now();
  #last = this.#start;
  #longest = 0;
  #late = 0;

  constructor(tuns: readonly [TunNetif, TunNetif], { wire, seed, devices }: WireArguments) {
    const shape = wire === undefined ? OPEN : linkOptions(wire);
    this.#link = createLink({ ...shape, names: devices, seed });
    const { ends } = this.#link;
    this.#relays = [new Relay([tuns[0], ends[0]]), new Relay([ends[1], tuns[1]])];
  }

  /** Moves what there is for a moment. */
  turn(): void {
    const end = this.#last + TURN_NS;
    while (this.#last < end) {
      const now = platform.now();
      const pause = now - this.#last;
      if (pause > PAUSE_NS) this.#late += pause;
      if (pause > this.#longest) this.#longest = pause;
      this.#last = now;
      for (const relay of this.#relays) relay.poll(now);
      Atomics.wait(never, 0, 0, SLEEP_MS);
    }
  }

  report(): WireReport {
    const [there, back] = [this.#link.counters(0), this.#link.counters(1)];
    return {
      frames: [there.frames, back.frames],
      queueDrops: [there.dropped.queue, back.dropped.queue],
      longestPause: this.#longest,
      late: this.#late / (this.#last - this.#start),
    };
  }
}

async function main(): Promise<void> {
  const args = JSON.parse(process.argv[2] ?? "") as WireArguments;
  const open = (name: string): Promise<TunNetif> => openTun({ mode: "tun", name, busyPoll: true });
  const tuns = [await open(args.devices[0]), await open(args.devices[1])] as const;
  const wire = new Wire(tuns, args);
  let ended = false;
  process.stdin.once("end", () => {
    ended = true;
  });
  process.stdin.resume();
  process.stdout.write("up\n");
  const turn = (): void => {
    wire.turn();
    if (!ended) {
      setImmediate(turn);
      return;
    }
    for (const tun of tuns) tun.close();
    process.stdout.write(`${JSON.stringify(wire.report())}\n`);
  };
  turn();
}

await main();
