/**
 * Random lives of many connections at once, from one seed: open, send, read, half close, close,
 * abort, options, links that fail and come back, profiles. At every step what was read is a prefix
 * of what was sent (invariant I1); when all is closed and the faults are over, every connection
 * ends and every pool is whole (I10, I16); the same seed does the same again (I14).
 */
import { expect, test } from "vitest";
import type { ProfileName } from "../../host/control-plane/profile.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { buildUnderTest, seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { MINUTE, WorldPair } from "./world-pair.ts";

const SEED = seedOf(100);
const SEEDS = buildUnderTest() === "debug" ? 15 : 60;
const OPERATIONS = 300;
const PORT = 80;
const PROFILES: readonly ProfileName[] = ["internet", "rfc", "linux", "datacenter", "paper"];
/** What a call may answer in whatever state the connection is. */
const ALLOWED = [
  ERRNO.EAGAIN,
  ERRNO.EPIPE,
  ERRNO.ECONNRESET,
  ERRNO.ENOTCONN,
  ERRNO.ECONNREFUSED,
  ERRNO.ETIMEDOUT,
  ERRNO.EHOSTUNREACH,
  ERRNO.ENOBUFS,
  ERRNO.ECONNABORTED,
];

/** One descriptor; both ends of a connection know each other's bytes by the client's port. */
class End {
  sent = 0;
  received = 0;
  readonly toe: LibToe;
  readonly fd: number;
  readonly #isClient: boolean;

  constructor(toe: LibToe, fd: number, isClient: boolean) {
    this.toe = toe;
    this.fd = fd;
    this.#isClient = isClient;
  }

  #port(): number {
    const name = this.#isClient ? this.toe.getsockname(this.fd) : this.toe.getpeername(this.fd);
    return typeof name === "number" ? 0 : name.port;
  }

  #byte(isClient: boolean, at: number): number {
    return (Math.imul(at, isClient ? 7 : 11) + (at >>> 8) + this.#port()) & 255;
  }

  send(length: number, flags: number): void {
    const port = this.#port();
    const bytes = new Uint8Array(length);
    const factor = this.#isClient ? 7 : 11;
    for (let i = 0; i < length; i += 1) {
      const at = this.sent + i;
      bytes[i] = (Math.imul(at, factor) + (at >>> 8) + port) & 255;
    }
    const count = this.toe.send(this.fd, bytes, 0, length, flags);
    if (count >= 0) this.sent += count;
    else expect(ALLOWED).toContain(-count);
  }

  receive(length: number): void {
    const bytes = new Uint8Array(length);
    const count = this.toe.recv(this.fd, bytes);
    if (count < 0) expect(ALLOWED).toContain(-count);
    for (let i = 0; i < count; i += 1) {
      if (bytes[i] === this.#byte(!this.#isClient, this.received + i)) continue;
      throw new Error(`byte ${this.received + i} of port ${this.#port()} differs`);
    }
    if (count > 0) this.received += count;
  }
}

class Life {
  readonly pair: WorldPair;
  readonly #random: Random;
  readonly #listener: number;
  readonly #ends: End[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
    const random = this.#random;
    const faults = {
      loss: random.pick([0, 0.01, 0.05]),
      reorder: random.pick([0, 0.05]),
      duplicate: random.pick([0, 0.02]),
      corrupt: random.pick([0, 0.01]),
    };
    this.pair = new WorldPair({
      seed,
      profile: random.pick(PROFILES),
      layout: {
        connections: random.pick([4, 16, 64]),
        queueDescriptors: random.pick([4, 64]),
        // From an arena that is always short to one that never is.
        chunkBytes: random.pick([256, 1024, 8192, 16384]),
        payloadBytes: random.pick([4, 32, 256]) * 16384,
      },
      link: {
        medium: random.pick(["ip", "ethernet"]),
        rate: random.pick([1e7, 1e9]),
        delay: random.pick([0, 1e5, 2e7]),
        backpressure: random.oneIn(3),
        faults,
      },
    });
    this.#listener = this.pair.listen(PORT, random.pick([1, 8, 64]));
  }

  operate(): void {
    const random = this.#random;
    const { pair } = this;
    for (let fd = pair.serverToe.accept(this.#listener); fd >= 0; ) {
      this.#ends.push(new End(pair.serverToe, fd, false));
      fd = pair.serverToe.accept(this.#listener);
    }
    const what = random.below(100);
    if (what < 12) this.#open();
    else if (what < 40) this.#some()?.send(random.pick([1, 100, 5000, 50_000]), this.#flags());
    else if (what < 70) this.#some()?.receive(random.pick([1, 1000, 65536]));
    else if (what < 74) this.#shut();
    else if (what < 80) this.#end((end) => end.toe.close(end.fd));
    else if (what < 82) this.#end((end) => end.toe.abort(end.fd));
    else if (what < 85) this.#option();
    else if (what < 87) pair.link.down = !pair.link.down;
    else pair.pass(random.pick([1, 1e5, 1e6, 1e7, 3e8]));
    if (random.oneIn(40)) pair.pass(random.pick([1, 5, 61]) * 1e9);
  }

  #flags(): number {
    return this.#random.oneIn(5) ? C.MSG_MORE : 0;
  }

  #some(): End | undefined {
    return this.#ends.length === 0 ? undefined : this.#random.pick(this.#ends);
  }

  #open(): void {
    const { clientToe } = this.pair;
    const fd = clientToe.socket();
    if (fd < 0) return;
    // 0: autotuning.
    const size = this.#random.pick([0, 1000, 16384, 65536]);
    if (size > 0) expect(clientToe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, size)).toBe(0);
    const answer = clientToe.connect(fd, { address: "10.0.0.2", port: PORT });
    if (answer === -ERRNO.EINPROGRESS) {
      this.#ends.push(new End(clientToe, fd, true));
      return;
    }
    expect([ERRNO.ENOBUFS, ERRNO.EADDRNOTAVAIL, ERRNO.EAGAIN]).toContain(-answer);
    expect(clientToe.close(fd)).toBe(0);
  }

  #shut(): void {
    const end = this.#some();
    if (end === undefined) return;
    const answer = end.toe.shutdown(end.fd, this.#random.pick([C.SHUT_WR, C.SHUT_RDWR]));
    expect([0, -ERRNO.ENOTCONN]).toContain(answer);
  }

  #end(how: (end: End) => number): void {
    if (this.#ends.length === 0) return;
    const [end] = this.#ends.splice(this.#random.below(this.#ends.length), 1);
    expect(how(end as End)).toBe(0);
  }

  #option(): void {
    const end = this.#some();
    if (end === undefined) return;
    const [level, name, value] = this.#random.pick([
      [C.IPPROTO_TCP, C.TCP_NODELAY, 1],
      [C.IPPROTO_TCP, C.TCP_CORK, 1],
      [C.IPPROTO_TCP, C.TCP_CORK, 0],
      [C.SOL_SOCKET, C.SO_KEEPALIVE, 1],
      [C.IPPROTO_TCP, C.TCP_USER_TIMEOUT, 20_000],
      [C.SOL_SOCKET, C.SO_MAX_PACING_RATE, 1_000_000],
    ] as const);
    expect(end.toe.setsockopt(end.fd, level, name, value)).toBe(0);
  }

  /** Faults over, all closed. */
  finish(): string[] {
    const { pair } = this;
    pair.link.down = false;
    for (const side of [0, 1] as const) pair.link.setFaults(side, {});
    pair.pass(3 * MINUTE);
    for (const end of this.#ends) {
      for (let i = 0; i < 100; i += 1) end.receive(65536);
      expect(end.toe.close(end.fd)).toBe(0);
    }
    expect(pair.serverToe.close(this.#listener)).toBe(0);
    return pair.leftovers();
  }
}

function live(seed: number): string {
  const life = new Life(seed);
  for (let i = 0; i < OPERATIONS; i += 1) life.operate();
  expect([seed, life.finish()]).toEqual([seed, []]);
  return life.pair.world.traceHash();
}

// 10 s of processor time: on a busy machine not within the limit of the others.
const TIMEOUT_MS = 240_000;

test(`${SEEDS} random lives from seed ${SEED}: prefixes, liveness, pools`, {
  timeout: TIMEOUT_MS,
}, () => {
  for (let seed = SEED; seed < SEED + SEEDS; seed += 1) live(seed);
});

test(`a random life is the same twice, seed ${SEED}`, () => {
  for (let seed = SEED; seed < SEED + 3; seed += 1) expect(live(seed)).toBe(live(seed));
});
