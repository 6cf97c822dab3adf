/**
 * Threat W2: a data path that says wrong numbers. From a moment on, what the host reads of a core
 * is written over with nonsense: rows of sockets, notifications, lengths and places of frames, the
 * lists of chunks and chunks; and so is what its exports answer. A call then answers something, or
 * throws one of a few errors; but no byte beside the range that the caller gave is touched, and the
 * stack at the other end of the link goes on. How often the host's own loops run is no part of
 * this: the number of frames and of events in a burst is taken as the core says it.
 */
import { expect, test } from "vitest";
import { SOCKET_RX_AVAIL, SOCKET_SIZE, SOCKET_TX_FREE } from "../../bindings/abi/socket.ts";
import { type Core, type CoreExports, createCore } from "../../bindings/core.ts";
import { isNight, seedOf } from "../support/env.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { Random } from "../support/random.ts";
import { WorldPair } from "../stack/world-pair.ts";

const PORT = 80;
const SEED = seedOf(0x102);
const CASES = isNight() ? 50 : 4;
const ROUNDS = 16;
/** What the host reads, and the exports whose answers it works with. */
const READ = "egressTable arx sockets post info arena".split(" ");
const ANSWERS = "append consume transmit receive inspect put open nextReady".split(" ");

/** A core that tells the truth until `isLying` is set. */
class Liar {
  isLying = false;
  /** Numbers that were wrong. */
  lies = 0;
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  create(hashKey: readonly [bigint, bigint]): Core {
    const core = createCore({ module: loadModule(), layout: TEST_LAYOUT, hashKey });
    const exports = { ...core.exports } as unknown as Record<string, (...all: number[]) => number>;
    for (const name of ANSWERS) {
      const own = exports[name];
      if (own === undefined) throw new Error(`wrong numbers: expected an export ${name}`);
      exports[name] = (...all) => {
        const answer = own(...all);
        if (!this.isLying) return answer;
        this.#scribble(core);
        this.#scribbleRow(core);
        return this.#random.oneIn(4) ? this.#wrong() : answer;
      };
    }
    return { ...core, exports: exports as unknown as CoreExports };
  }

  #wrong(): number {
    this.lies += 1;
    const edges = [0, 1, 64, 65, 2048, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];
    if (this.#random.oneIn(2)) return this.#random.pick(edges);
    return this.#random.u32() >>> this.#random.below(32);
  }

  /** What a socket has to read, or room for: about what a caller asks for. */
  #scribbleRow({ map, words }: Core): void {
    const field = this.#random.pick([SOCKET_RX_AVAIL, SOCKET_TX_FREE]);
    const row = (map.base.sockets as number) + (1 + this.#random.below(2)) * SOCKET_SIZE;
    this.lies += 1;
    words[(row + field) >>> 2] = this.#random.below(4096);
  }

  /** A few words at the front of regions: the rows of the first connections. */
  #scribble({ map, words }: Core): void {
    for (let i = this.#random.below(4); i > 0; i -= 1) {
      const regions = map.regions.filter(({ name }) => READ.includes(name));
      const { base, bytes } = this.#random.pick(regions);
      words[(base >>> 2) + this.#random.below(Math.min(bytes, 256) >>> 2)] = this.#wrong();
    }
  }
}

const FILL = 0xa5;
const [FROM, LENGTH] = [100, 1000];

/** An application's buffer in the midst of a larger one, as a runtime's pool hands them out. */
class Lent {
  readonly #all = new Uint8Array(4096).fill(FILL);
  readonly view: Uint8Array = this.#all.subarray(1024, 3072);

  /** Nothing beside FROM and LENGTH of the view was written. */
  expectWhole(what: string): void {
    const [before, behind] = [1024 + FROM, 1024 + FROM + LENGTH];
    const outside = [this.#all.subarray(0, before), this.#all.subarray(behind)];
    for (const part of outside)
      expect(
        part.every((byte) => byte === FILL),
        what,
      ).toBe(true);
  }
}

/** What a wrong number may become: a view's refusal, or a trap of the core's. */
const KNOWN = [RangeError, TypeError, WebAssembly.RuntimeError];

/** Runs what works with wrong numbers. */
function attempt(run: () => unknown, what: string): void {
  try {
    run();
  } catch (error) {
    expect(KNOWN.some((kind) => error instanceof kind) || `${what}: ${error}`).toBe(true);
  }
}

/** Rounds of all calls over a core that lies; how often it did. */
function lieTo(seed: number): number {
  const liar = new Liar(seed);
  const pair = new WorldPair({ seed, executors: [liar, undefined] });
  const listener = pair.listen(PORT);
  const fds = [pair.establish(listener, PORT), pair.establish(listener, PORT)];
  const { clientToe: toe, serverToe, client } = pair;
  const lent = new Lent();
  const payload = new Uint8Array(500);
  const all: ((fd: number) => unknown)[] = [
    (fd) => toe.send(fd, lent.view, FROM, LENGTH),
    (fd) => toe.recv(fd, lent.view, FROM, LENGTH),
    (fd) => toe.recvmsg(fd, [lent.view.subarray(FROM, FROM + LENGTH), new Uint8Array(9)]),
    () => toe.connections(),
    () => client.stack.poll(pair.world.now),
  ];
  liar.isLying = true;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const ends of fds) {
      expect(serverToe.send(ends.server, payload)).not.toBe(0);
      while (serverToe.recv(ends.server, new Uint8Array(4096)) > 0);
      for (const [i, call] of all.entries()) {
        const what = `seed ${seed}, round ${round}, call ${i}`;
        attempt(() => call(ends.client), what);
        lent.expectWhole(what);
      }
    }
    // The other end, whatever it is sent.
    pair.server.poll(pair.world.now);
  }
  const { brokenGuards, sequenceFaults } = poolCounts(pair.server.stack);
  expect([pair.server.stack.fenced, brokenGuards, sequenceFaults]).toEqual([undefined, [], 0]);
  return liar.lies;
}

test(`threats/W2: wrong numbers of a core stay within its stack, seed ${SEED}`, () => {
  for (let i = 0; i < CASES; i += 1) {
    // Enough of them were met.
    expect(lieTo(SEED + i)).toBeGreaterThan(100);
  }
});
