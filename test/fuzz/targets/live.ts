/**
 * Fuzz target `live` (threats, harness 2): two real endpoints in the data path with virtual time.
 * An input is a prepared state (live/states.ts) and a list of operations: what the network does to
 * the next frame, segments made up beside the live sequence numbers, time, calls, descriptors of a
 * hostile context. What is checked after every step and every case is in assembly/fuzz: no trap,
 * delivered bytes, sent bytes and their checksums, ACKs and windows, pools, counters, guard strips,
 * and that what was sent arrives when nobody else took part.
 */
import { FuzzFault, INPUT_DRAIN, INPUT_STATE_MASK } from "../../../bindings/abi/fuzz.ts";
import { toHex } from "../../support/frames.ts";
import type { Random } from "../../support/random.ts";
import { COUNTERS_AT } from "../edge-counters.ts";
import { LiveWorld } from "../live/live-world.ts";
import { STATES } from "../live/states.ts";
import { mutate, shorten } from "../mutate.ts";
import type { Disagreement, FuzzBuild, FuzzSession, FuzzTarget } from "../registry.ts";

/** What a verdict says, and what its three numbers are. */
const FAULTS: Readonly<Record<number, string>> = {
  [FuzzFault.Delivered]: "a byte was read that was not sent: position, expected, got",
  [FuzzFault.Invented]: "more was read than was sent: read, sent",
  [FuzzFault.Egress]: "a frame that left is unsound: check, length",
  [FuzzFault.Sent]: "a payload byte left that was not appended: position, expected, got",
  [FuzzFault.Acknowledged]: "an ACK of what was not received: ACK, next expected",
  [FuzzFault.Window]: "the right edge of the window went back: before, now",
  [FuzzFault.Backwards]: "the next sequence number expected went back: before, now",
  [FuzzFault.Flight]: "more in flight than the buffer holds: sent, waiting, highest",
  [FuzzFault.Guard]: "a guard strip was overwritten: address",
  [FuzzFault.Counter]: "counters do not add up: counter, expected, got",
  [FuzzFault.Pool]: "a pool is not as it was: pool, expected, got",
  [FuzzFault.Held]: "the ingress burst was not taken: STEP bits",
  [FuzzFault.Interval]: "out-of-order intervals: start, end, limit",
  [FuzzFault.Stuck]: "bytes did not arrive: side, sent, received",
  [FuzzFault.Sequence]: "a number was released out of turn: expected, got",
  [FuzzFault.Honest]: "an honest context was refused: errors, fenced",
};

const FRESH_BYTES = 24;
const MUTANT_BYTES = 32;
const DRAIN_ONE_IN = 64;
const CORPUS_MAX = 6000;
/** Every so many cases the memory is compared with what it must be. */
const STABLE_EVERY = 8192;

class LiveSession implements FuzzSession {
  readonly #world: LiveWorld;
  readonly #edges: number;
  readonly #corpus: Uint8Array[] = [];
  readonly #stable = new Map<number, Uint8Array>();
  #taken = 0;
  #cases = 0;
  #drained = 0;

  constructor(build: FuzzBuild) {
    this.#world = new LiveWorld(build.module, build.harness, build.edges);
    this.#edges = build.edges;
    STATES.forEach((_, index) => {
      this.#world.restore(Uint8Array.of(index));
      this.#stable.set(index, this.#world.stable());
    });
    // What preparation has taken is not any input's.
    this.#novel();
  }

  #novel(): number {
    if (this.#edges === 0) return 0;
    return this.#world.harness.novel(COUNTERS_AT, this.#world.extra, this.#edges);
  }

  generate(random: Random, limit: number): Uint8Array[] {
    return Array.from({ length: limit }, () => this.#next(random));
  }

  #next(random: Random): Uint8Array {
    const input = this.#draft(random);
    // To finish costs many steps: some cases do, whatever the corpus prefers.
    const state = (input[0] as number) & INPUT_STATE_MASK;
    input[0] = random.oneIn(DRAIN_ONE_IN) ? state | INPUT_DRAIN : state;
    return input;
  }

  #draft(random: Random): Uint8Array {
    if (this.#corpus.length === 0 || random.oneIn(8)) {
      return random.bytes(random.between(2, FRESH_BYTES));
    }
    const input = random.pick(this.#corpus);
    return mutate(random, input, random.pick(this.#corpus), MUTANT_BYTES);
  }

  check(inputs: readonly Uint8Array[]): Disagreement | undefined {
    for (const input of inputs) {
      const complaint = this.#run(input);
      if (complaint === undefined) continue;
      const short = shorten(input, (candidate) => this.#run(candidate) !== undefined);
      return { message: this.#run(short) ?? complaint, input: short };
    }
    return undefined;
  }

  /** One case, and what is new in it. */
  #run(input: Uint8Array): string | undefined {
    const complaint = this.#judge(input);
    this.#cases += 1;
    if (((input[0] ?? 0) & INPUT_DRAIN) === INPUT_DRAIN) this.#drained += 1;
    if (complaint !== undefined) return complaint;
    if (this.#novel() !== 0 && this.#corpus.length < CORPUS_MAX) this.#corpus.push(input);
    return this.#cases % STABLE_EVERY === 0 ? this.#unstable(input) : undefined;
  }

  #judge(input: Uint8Array): string | undefined {
    try {
      if (this.#world.run(input) === FuzzFault.None) return undefined;
    } catch (error) {
      return `trapped: ${String(error)}`;
    }
    const { fault, detail } = this.#world.verdict();
    return `${FAULTS[fault] ?? fault}: ${detail.join(", ")}`;
  }

  /** A case that reaches memory outside of its image would be another's cause. */
  #unstable(input: Uint8Array): string | undefined {
    const state = this.#world.restore(input);
    const expected = this.#stable.get(state) as Uint8Array;
    const at = this.#world.stable().findIndex((byte, i) => byte !== expected[i]);
    if (at < 0) return undefined;
    return `memory differs after restoring, at ${at}; the last case was ${toHex(input)}`;
  }

  coverage(): ReadonlyMap<string, number> {
    return new Map([
      ["cases", this.#cases],
      ["drained", this.#drained],
      ["bytes compared", this.#world.checkedBytes()],
      ["mutable bytes", this.#world.mutable],
      ...(this.#edges === 0 ? [] : this.#guidance()),
    ]);
  }

  #guidance(): [string, number][] {
    const { memory, extra } = this.#world;
    const seen = new Uint8Array(memory.buffer, extra, this.#edges);
    this.#taken = seen.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0);
    return [
      ["edges", this.#edges],
      ["edges taken", this.#taken],
      ["corpus", this.#corpus.length],
    ];
  }

  corpus(): readonly Uint8Array[] {
    return this.#corpus;
  }

  learn(inputs: readonly Uint8Array[]): void {
    for (const input of inputs) this.#run(input);
  }
}

export const liveTarget: FuzzTarget = {
  name: "live",
  required: 3,
  shortRun: 20000,
  description: "two endpoints, the network between them and a hostile context, in virtual time",
  start: (build) => new LiveSession(build),
};
