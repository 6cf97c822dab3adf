/**
 * Registered buffers: LibToe.allocate(), and send() and recv() with what it gives. Goal: such a
 * buffer is like any other but for where the copy is made. Method: two sockets over played data
 * paths of one seed, one used with registered buffers and one with plain arrays, agree in every
 * result, byte, descriptor and row word; the copies themselves are tested on the exports.
 */
import { afterEach, expect, test } from "vitest";
import { ARX_RX_CLOSED, ATX_FIN } from "../../../bindings/abi/descriptor.ts";
import { POST_RX_LIST, POST_SIZE, POST_TX_LIST } from "../../../bindings/abi/flow-state.ts";
import * as S from "../../../bindings/abi/socket.ts";
import { brokenGuards } from "../../../bindings/layout.ts";
import { ERRNO, SocketError } from "../../../host/errors.ts";
import * as C from "../../../host/libtoe/constants.ts";
import { LibToe } from "../../../host/libtoe/libtoe.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { FakeDataPath, type Update } from "./fake-data-path.ts";
import { idleControlPlane } from "./idle-control-plane.ts";

const SEED = 0x4e6;
const CHUNK = 1024;
const BUFFER = 4096;
const REGION = 20000;
// Two buffers of eight chunks, and one for their lists.
const ARENA = 17 * CHUNK;
const ID = 3;
const GENERATION = 7;
const REMOTE = { address: "10.0.0.2", port: 80 };

const ends: End[] = [];
afterEach(() => {
  for (const { path } of ends.splice(0)) {
    expect(brokenGuards(path.core.view, path.core.map)).toEqual([]);
  }
});

/** One connected socket over a played data path of its own. */
class End {
  readonly path = new FakeDataPath(SEED, { bufferBytes: REGION, payloadBytes: ARENA });
  readonly toe: LibToe;
  readonly fd: number;
  /** Calls of transmit() and receive() in Wasm that moved bytes. */
  copies = 0;
  buffer: Uint8Array = new Uint8Array(0);

  constructor(rxSeq = 1, txSeq = 1) {
    const { exports } = this.path.core;
    for (const name of ["transmit", "receive"] as const) {
      const real = exports[name];
      exports[name] = (...args) => {
        const count = real(...args);
        if (count !== 0) this.copies += 1;
        return count;
      };
    }
    this.toe = new LibToe(this.path.core, 1, idleControlPlane(ID));
    this.fd = this.toe.socket();
    this.toe.connect(this.fd, REMOTE);
    this.path.install(ID, BUFFER, BUFFER, rxSeq, txSeq);
    this.toe.opened(ID, GENERATION, 0);
    ends.push(this);
  }

  region(name: string): Uint8Array {
    const found = this.path.core.map.regions.find((region) => region.name === name);
    if (found === undefined) throw new Error(`no region ${name}`);
    return this.path.core.bytes.subarray(found.base, found.base + found.bytes);
  }

  /** Where byte `index` of the connection's ring stands. */
  at(way: "rx" | "tx", index: number): number {
    const { words, map } = this.path.core;
    const post = (map.base.post as number) + ID * POST_SIZE;
    const list = words[(post + (way === "tx" ? POST_TX_LIST : POST_RX_LIST)) >>> 2] as number;
    const position = index % BUFFER;
    const entry = list + Math.floor(position / CHUNK) * 4;
    return (words[entry >>> 2] as number) + (position % CHUNK);
  }

  /** A word of the socket's row. */
  get(offset: number): number {
    return this.toe.internals.rows.ints[this.#word(offset)] as number;
  }

  set(offset: number, value: number): void {
    this.toe.internals.rows.ints[this.#word(offset)] = value;
  }

  #word(offset: number): number {
    return this.toe.internals.rows.row(ID) + (offset >>> 2);
  }
}

function expectBytes(got: Uint8Array, wanted: ArrayLike<number>, what: string): void {
  if (Buffer.compare(got, Uint8Array.from(wanted)) !== 0) throw new Error(`${what}: bytes differ`);
}

/** A socket with registered buffers and one with plain arrays, driven alike. */
class Pair {
  readonly registered: End;
  readonly plain: End;
  readonly random: Random;
  readonly what: string;

  constructor(bytes: number, seed = SEED, rxSeq = 1, txSeq = 1) {
    this.registered = new End(rxSeq, txSeq);
    this.plain = new End(rxSeq, txSeq);
    this.random = new Random(seed);
    this.what = `SEED=${seed}`;
    if (bytes > 0) this.use(this.registered.toe.allocate(bytes), new Uint8Array(bytes));
  }

  use(registered: Uint8Array, plain: Uint8Array): void {
    this.registered.buffer = registered;
    this.plain.buffer = plain;
  }

  /** Does the same with both; answers, buffers, rows and lists must agree. */
  both<T>(run: (end: End) => T): T {
    const one = run(this.registered);
    const other = run(this.plain);
    if (other !== one) expect(other, this.what).toEqual(one);
    const { registered, plain, what } = this;
    // What the last append() took: the two ways leave it differently.
    for (const { path, toe } of [registered, plain]) {
      path.core.words[(toe.internals.context.library + S.LIBTOE_TAKEN) >>> 2] = 0;
    }
    for (const part of ["sockets", "libtoe"]) {
      // The first words of a record are addresses, alike in both.
      expectBytes(plain.region(part), registered.region(part), `${what}: ${part}`);
    }
    expectBytes(plain.buffer, registered.buffer, `${what}: buffer`);
    return one;
  }

  /** New bytes in both buffers. */
  fill(): void {
    const bytes = this.random.bytes(this.plain.buffer.length);
    this.both(({ buffer }) => buffer.set(bytes));
  }

  send(offset?: number, length?: number, flags = 0): number {
    return this.both(({ toe, fd, buffer }) => toe.send(fd, buffer, offset, length, flags));
  }

  recv(offset?: number, length?: number, flags = 0): number {
    return this.both(({ toe, fd, buffer }) => toe.recv(fd, buffer, offset, length, flags));
  }

  /** Descriptors that a flush writes, and the bytes that they append. */
  flush(): { updates: Update[]; bytes: Uint8Array } {
    const updates = this.both(({ toe, path }) => [toe.flush(), path.take()] as const)[1];
    const length = updates.reduce((sum, { txAppend }) => sum + txAppend, 0);
    const bytes = this.plain.path.fetch(ID, length);
    expectBytes(this.registered.path.fetch(ID, length), bytes, this.what);
    return { updates, bytes };
  }

  /** Notifies both. */
  notify(notice: { rx?: number; tx?: number; flags?: number }): void {
    this.both(({ path, toe }) => [path.notify(ID, GENERATION, notice), toe.poll()]);
  }

  /** Bytes from the peer. */
  arrive(bytes: Uint8Array): void {
    this.both(({ path }) => path.place(ID, bytes));
    this.notify({ rx: bytes.length });
  }

  /** Uses the buffer until it is known both ways; Wasm copies for the registered one alone. */
  warm(fast = true): this {
    for (let i = 0; i < 4; i += 1) {
      this.fill();
      const sent = this.plain.buffer.slice(1, 10);
      expect(this.send(1, 9)).toBe(9);
      expect(this.flush().bytes).toEqual(sent);
      this.arrive(sent);
      expect(this.recv(3, 20)).toBe(9);
      expect(this.plain.buffer.subarray(3, 12)).toEqual(sent);
      this.notify({ tx: 9 });
    }
    expect([this.registered.copies, this.plain.copies]).toEqual([fast ? 4 : 0, 0]);
    return this;
  }
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof SocketError ? error.code : String(error);
  }
  return "none";
}

test("allocate() refuses what is not a size, and what does not fit", () => {
  const { toe } = new End();
  const wrong = [0, -1, 1.5, NaN, Infinity, -Infinity, "8", null, undefined, 8n];
  for (const bytes of wrong) expect(codeOf(() => toe.allocate(bytes as number))).toBe("EINVAL");
  for (const bytes of [REGION + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    expect(codeOf(() => toe.allocate(bytes))).toBe("ENOMEM");
  }
  // A refusal takes nothing away; 1 byte takes 16.
  expect(toe.allocate(1).length).toBe(1);
  expect(codeOf(() => toe.allocate(REGION - 15))).toBe("ENOMEM");
  expect(toe.allocate(REGION - 16).length).toBe(REGION - 16);
  expect(codeOf(() => toe.allocate(1))).toBe("ENOMEM");
});

test("the last bytes of a region that is no multiple of 16 are given once", () => {
  const path = new FakeDataPath(SEED, { bufferBytes: 100 });
  const toe = new LibToe(path.core, 1, idleControlPlane(ID));
  expect(toe.allocate(96).byteOffset).toBe(path.core.map.base.buffers);
  expect([toe.allocate(4).length, codeOf(() => toe.allocate(1))]).toEqual([4, "ENOMEM"]);
  const none = new LibToe(new FakeDataPath(SEED, { bufferBytes: 0 }).core, 1, idleControlPlane(ID));
  expect(codeOf(() => none.allocate(1))).toBe("ENOMEM");
});

test("threats/D11: two contexts: buffers aligned, zeroed, in the region, never overlapping", () => {
  const { path, toe } = new End();
  const toes = [toe, new LibToe(path.core, 2, idleControlPlane(ID))];
  const first = path.core.map.base.buffers as number;
  let end = first;
  for (const [i, bytes] of [1, 15, 16, 17, 31, 1000, 33, 4096, 7, 9999].entries()) {
    const buffer = (toes[i % 2] as LibToe).allocate(bytes);
    expect([buffer.buffer, buffer.length]).toEqual([path.core.bytes.buffer, bytes]);
    expect(buffer.byteOffset % 16).toBe(0);
    expect(buffer.byteOffset).toBeGreaterThanOrEqual(end);
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    buffer.fill(0xff);
    end = buffer.byteOffset + bytes;
  }
  expect(end).toBeLessThanOrEqual(first + REGION);
});

test("an almost full buffer takes a part, a full one nothing", () => {
  const pair = new Pair(6001).warm();
  pair.fill();
  const sent = pair.plain.buffer.slice();
  expect([pair.send(3, BUFFER - 5), pair.send(1, 100)]).toEqual([BUFFER - 5, 5]);
  expect([pair.send(), pair.send(7, 1), pair.send(0, 0)]).toEqual([
    -ERRNO.EAGAIN,
    -ERRNO.EAGAIN,
    0,
  ]);
  const wanted = [...sent.subarray(3, BUFFER - 2), ...sent.subarray(1, 6)];
  expect([...pair.flush().bytes]).toEqual(wanted);
  pair.notify({ tx: 10 });
  expect([pair.send(0, 4), pair.send(4, 7), pair.send(11)]).toEqual([4, 6, -ERRNO.EAGAIN]);
  expect(pair.flush().bytes).toEqual(sent.subarray(0, 10));
  pair.notify({ tx: BUFFER });
  // More than the transmit buffer in one call.
  expect([pair.send(), pair.flush().bytes]).toEqual([BUFFER, sent.subarray(0, BUFFER)]);
  expect(pair.registered.copies).toBeGreaterThanOrEqual(9);
});

test("after shutdown, after close and at the end of the stream", () => {
  const pair = new Pair(500).warm();
  pair.arrive(pair.random.bytes(30));
  pair.notify({ flags: ARX_RX_CLOSED });
  expect([pair.recv(5, 20), pair.recv(5), pair.recv(5), pair.recv(0, 0)]).toEqual([20, 10, 0, 0]);
  expect(pair.send(0, 10)).toBe(10);
  pair.both(({ toe, fd }) => toe.shutdown(fd, C.SHUT_WR));
  expect([pair.send(), pair.send(0, 0), pair.recv()]).toEqual([-ERRNO.EPIPE, -ERRNO.EPIPE, 0]);
  expect(pair.flush().updates).toMatchObject([{ txAppend: 10, flags: ATX_FIN }]);
  pair.both(({ toe, fd }) => toe.close(fd));
  expect([pair.send(), pair.recv()]).toEqual([-ERRNO.EBADF, -ERRNO.EBADF]);
});

test("what arrives after SHUT_RD goes by, and unread bytes outlive the connection", () => {
  const shut = new Pair(500).warm();
  shut.arrive(shut.random.bytes(30));
  shut.both(({ toe, fd }) => toe.shutdown(fd, C.SHUT_RD));
  shut.arrive(shut.random.bytes(50));
  expect([shut.recv(), shut.recv(1, 5)]).toEqual([0, 0]);
  expect(shut.flush().updates).toMatchObject([{ rxCredit: 9 + 80 }]);
  const over = new Pair(500).warm();
  const left = over.random.bytes(30);
  over.arrive(left);
  over.both(({ toe, path }) => [toe.closed(ID, ERRNO.ECONNRESET), path.uninstall(ID), toe.poll()]);
  expect([over.recv(1, 10), over.recv(11), over.plain.buffer.slice(1, 31)]).toEqual([10, 20, left]);
  expect([over.recv(), over.recv(), over.send()]).toEqual([-ERRNO.ECONNRESET, 0, -ERRNO.EPIPE]);
});

test("MSG_MORE holds, MSG_PEEK leaves and MSG_TRUNC drops", () => {
  const pair = new Pair(6000).warm();
  expect([pair.send(1, 10, C.MSG_MORE), pair.flush().updates.length]).toEqual([10, 0]);
  expect(pair.send(11, 10)).toBe(10);
  const { updates, bytes } = pair.flush();
  expect([updates.length, bytes]).toEqual([1, pair.plain.buffer.subarray(1, 21)]);
  expect([pair.send(0, BUFFER, C.MSG_MORE), pair.flush().bytes.length]).toEqual([4076, 4076]);
  const placed = pair.random.bytes(40);
  pair.arrive(placed);
  const read = (length: number, flags: number): Uint8Array => {
    pair.fill();
    expect(pair.recv(5, length, flags)).toBe(length);
    return pair.plain.buffer.slice(5, 5 + length);
  };
  expect(read(7, C.MSG_PEEK)).toEqual(placed.subarray(0, 7));
  expect(read(7, 0)).toEqual(placed.subarray(0, 7));
  expect(read(9, C.MSG_TRUNC)).not.toEqual(placed.subarray(7, 16));
  expect(read(0, C.MSG_PEEK | C.MSG_TRUNC)).toEqual(new Uint8Array(0));
  expect(read(3, C.MSG_PEEK | C.MSG_TRUNC)).not.toEqual(placed.subarray(16, 19));
  expect(read(24, C.MSG_PEEK)).toEqual(placed.subarray(16));
  expect(read(24, C.MSG_DONTWAIT)).toEqual(placed.subarray(16));
  expect(pair.recv(0, 1, C.MSG_PEEK)).toBe(-ERRNO.EAGAIN);
});

test("threats/D11: a range beyond the buffer is refused, though within the region", () => {
  const pair = new Pair(100).warm();
  pair.arrive(pair.random.bytes(200));
  const { EFAULT, EINVAL } = ERRNO;
  for (const [offset, length, errno] of [
    [0, 101, EFAULT],
    [1, 100, EFAULT],
    [100, 1, EFAULT],
    [101, undefined, EFAULT],
    [0xffffffff, 2, EFAULT],
    [0, 0xffffffff, EFAULT],
    [-1, 1, EINVAL],
    [0, -1, EINVAL],
    [0.5, 1, EINVAL],
    [0, 2 ** 32, EINVAL],
  ] as const) {
    expect([offset, length, pair.send(offset, length)]).toEqual([offset, length, -errno]);
    expect([offset, length, pair.recv(offset, length)]).toEqual([offset, length, -errno]);
  }
  expect([pair.send(100), pair.send(99, 1), pair.recv(100), pair.recv(99, 1)]).toEqual([
    0, 1, 0, 1,
  ]);
});

// Sequence numbers of the first byte: a chunk's edge, before the buffer's and the counter's wrap.
for (const seq of [1, 1020, BUFFER - 3, 0xfffffff0]) {
  test(`odd offsets and lengths across chunk edges and the wrap, from ${seq}`, () => {
    const pair = new Pair(5000, SEED, seq, seq + 500).warm();
    const before = pair.registered.copies;
    const lengths = [
      ...Array.from({ length: 40 }, (_, i) => 7 * i + 1),
      1023,
      1024,
      1025,
      2049,
      4096,
    ];
    for (const length of lengths) {
      pair.fill();
      const from = length % 9;
      const sent = pair.plain.buffer.slice(from, from + length);
      expect(pair.send(from, length)).toBe(length);
      expect(pair.flush().bytes).toEqual(sent);
      pair.arrive(sent);
      const to = length % 13;
      expect(pair.recv(to, length + 20)).toBe(length);
      expect(pair.plain.buffer.subarray(to, to + length)).toEqual(sent);
      pair.notify({ tx: length });
    }
    expect(pair.registered.copies - before).toBe(2 * lengths.length);
  });
}

test("other views over the core's memory work, by the slow path where they must", () => {
  const plain = new Uint8Array(512);
  const outside = new Pair(0);
  outside.use(outside.registered.region("ingress").subarray(5, 517), plain);
  outside.warm(false);
  // A view into the registered region on odd bytes is as good as the region.
  const odd = new Pair(0);
  odd.use(odd.registered.toe.allocate(600).subarray(7, 519), new Uint8Array(512));
  odd.warm();
  // One that begins in the region and ends in the guard strip behind it.
  const astride = new Pair(0);
  const { bytes, map } = astride.registered.path.core;
  const from = (map.base.buffers as number) + REGION - 496;
  const view = bytes.subarray(from, from + 512);
  astride.use(view, view.slice());
  for (let i = 0; i < 3; i += 1) astride.send(400, 96);
  expect([astride.flush().bytes.length, astride.registered.copies]).toEqual([288, 1]);
  const counts = [astride.send(400, 97), astride.send(496, 16), astride.send(0, 512)];
  expect(counts).toEqual([97, 16, 512]);
  expect(astride.flush().bytes.length).toBe(625);
  expect(astride.registered.copies).toBe(1);
});

/** The export with this libTOE's record and connection. */
function copier(end: End, name: "transmit" | "receive") {
  const { library } = end.toe.internals.context;
  return (from: number, length: number): number =>
    end.path.core.exports[name](library, ID, from, length) >>> 0;
}

/** As an open socket that has `available` bytes to read and `free` to send, at ring index `at`. */
function rewind(end: End, at: number, available: number, free: number): void {
  end.set(S.SOCKET_RX_OFFSET, at);
  end.set(S.SOCKET_TX_OFFSET, at);
  end.set(S.SOCKET_RX_AVAIL, available);
  end.set(S.SOCKET_TX_FREE, free);
}

test("threats/D11: transmit and receive refuse addresses outside the registered region", () => {
  const end = new End();
  rewind(end, 0, BUFFER, BUFFER);
  const { bytes, map } = end.path.core;
  const first = map.base.buffers as number;
  const last = first + REGION;
  const outside = new Map([
    [first - 1, [1, 2, 16, REGION]],
    [first - 16, [16, 17]],
    [first, [REGION + 1, 0x80000000, 0xffffffff, -first]],
    [first + 1, [REGION, 0xffffffff]],
    [last - 9, [10]],
    [last - 1, [2, 0xffffffff]],
    [last, [1, 0xffffffff]],
    [last + 1, [1, 0xffffffff]],
    [0, [1, last]],
    [0x80000000, [1]],
    [0xfffffff0, [1, 0x10, 0x20, first + 0x20]],
    [0xffffffff, [1, 2, first + 2]],
  ]);
  const before = bytes.slice();
  for (const name of ["transmit", "receive"] as const) {
    for (const [at, lengths] of outside) {
      for (const length of lengths) {
        expect([at, length, copier(end, name)(at, length)]).toEqual([at, length, 0]);
      }
    }
  }
  expect(Buffer.compare(before, bytes)).toBe(0);
  for (const at of [first, last - 9, last - 1]) {
    const length = last - at;
    rewind(end, 0, BUFFER, BUFFER);
    const count = Math.min(length, BUFFER);
    expect(copier(end, "transmit")(at, length)).toBe(count);
    expect(copier(end, "receive")(at, length)).toBe(count);
  }
});

test("transmit obeys SOCKET_SENDABLE and receive SOCKET_OPEN", () => {
  const end = new End();
  const first = end.path.core.map.base.buffers as number;
  for (const [state, sent, read] of [
    [S.SOCKET_OPEN, 0, 5],
    [S.SOCKET_SENDABLE, 5, 0],
    [~(S.SOCKET_OPEN | S.SOCKET_SENDABLE), 0, 0],
    [-1, 5, 5],
  ] as const) {
    rewind(end, 0, 9, 9);
    end.set(S.SOCKET_STATE, state);
    expect(copier(end, "transmit")(first, 5)).toBe(sent);
    expect(copier(end, "receive")(first, 5)).toBe(read);
    expect([end.get(S.SOCKET_TX_FREE), end.get(S.SOCKET_RX_AVAIL)]).toEqual([9 - sent, 9 - read]);
  }
});

const LENGTHS = Array.from({ length: 300 }, (_, i) => i + 1).concat(1023, 1024, 1025, 2500, 4096);

for (const name of ["transmit", "receive"] as const) {
  test(`${name} copies exactly its bytes, and none around them`, () => {
    const end = new End();
    const random = new Random(SEED);
    const { bytes, map } = end.path.core;
    const way = name === "transmit" ? "tx" : "rx";
    // From the registered region with its guard strip to the arena's; but for the row.
    const base = map.base.buffers as number;
    const stop = (map.base.arena as number) + ARENA;
    for (const start of [0, 5, CHUNK - 1, BUFFER - 40]) {
      for (const length of LENGTHS) {
        const from = base + ((length * 7 + start) % 100);
        end.region("buffers").set(random.bytes(40), length);
        rewind(end, start, length, length);
        const wanted = bytes.slice(base, stop);
        for (let i = 0; i < length; i += 1) {
          const at = end.at(way, start + i);
          if (way === "tx") wanted[at - base] = bytes[from + i] as number;
          else wanted[from + i - base] = bytes[at] as number;
        }
        expect(copier(end, name)(from, length)).toBe(length);
        const rows = bytes.subarray(map.base.sockets, map.base.emptyList);
        wanted.set(rows, (map.base.sockets as number) - base);
        expectBytes(bytes.subarray(base, stop), wanted, `${start}, ${length}`);
      }
    }
  });
}

test("an address is 0 exactly when the span crosses a chunk's end", () => {
  const end = new End();
  const { bytes, exports } = end.path.core;
  const { library } = end.toe.internals.context;
  for (const start of [0, 1, 1022, 1023, 1024, 2047, 2048, 4094, 4095]) {
    for (const length of [1, 2, 3, 1022, 1023, 1024, 1025, BUFFER]) {
      rewind(end, start, BUFFER, BUFFER);
      const whole = Math.floor(start / CHUNK) === Math.floor((start + length - 1) / CHUNK);
      for (const way of ["tx", "rx"] as const) {
        const call = way === "tx" ? exports.append : exports.consume;
        const at = call(library, ID, length, 0) >>> 0;
        expect([start, length, way, at !== 0]).toEqual([start, length, way, whole]);
        const byte = (i: number): number => bytes[end.at(way, start + i)] as number;
        if (whole)
          expect(bytes.slice(at, at + length)).toEqual(
            Uint8Array.from({ length }, (_, i) => byte(i)),
          );
      }
    }
  }
});

/** Buffers in pairs: allocated, part of one, over other memory, larger than is remembered. */
function pools(pair: Pair): [Uint8Array, Uint8Array][] {
  const { registered } = pair;
  const made = [
    registered.toe.allocate(3000),
    registered.toe.allocate(777),
    registered.toe.allocate(1000).subarray(3, 950),
    registered.region("ingress").subarray(9, 2009),
    registered.toe.allocate(BUFFER + 500),
  ];
  return made.map((bytes) => [bytes, new Uint8Array(bytes.length)]);
}

/** What both ends have been given and have not yet delivered, as plain lists. */
interface Streams {
  out: number[];
  in: number[];
  free: number;
  window: number;
}

function someRange(random: Random, size: number): readonly [number, number] {
  const offset = random.oneIn(3) ? 0 : random.below(size);
  const most = random.oneIn(60) ? size + 9 : size - offset;
  return [offset, random.below(random.pick([16, 64, 300, most]) + 1)];
}

function someSend(pair: Pair, random: Random, streams: Streams): void {
  const [offset, length] = someRange(random, pair.plain.buffer.length);
  pair.plain.buffer.set(random.bytes(Math.min(40, pair.plain.buffer.length)));
  pair.registered.buffer.set(pair.plain.buffer);
  const flags = random.pick([0, 0, 0, 0, C.MSG_MORE, C.MSG_NOSIGNAL]);
  const outside = offset + length > pair.plain.buffer.length;
  const count = Math.min(length, streams.free);
  const none = length === 0 ? 0 : -ERRNO.EAGAIN;
  const wanted = outside ? -ERRNO.EFAULT : count === 0 ? none : count;
  expect(pair.send(offset, length, flags), pair.what).toBe(wanted);
  if (wanted <= 0) return;
  streams.out.push(...pair.plain.buffer.subarray(offset, offset + wanted));
  streams.free -= wanted;
}

function someRecv(pair: Pair, random: Random, streams: Streams): void {
  const [offset, length] = someRange(random, pair.plain.buffer.length);
  const flags = random.pick([0, 0, 0, 0, 0, 0, C.MSG_PEEK, C.MSG_TRUNC]);
  const outside = offset + length > pair.plain.buffer.length;
  const count = Math.min(length, streams.in.length);
  const none = length === 0 ? 0 : -ERRNO.EAGAIN;
  const wanted = outside ? -ERRNO.EFAULT : streams.in.length === 0 ? none : count;
  expect(pair.recv(offset, length, flags), pair.what).toBe(wanted);
  if (wanted <= 0) return;
  const read = pair.plain.buffer.subarray(offset, offset + wanted);
  if (flags !== C.MSG_TRUNC) expectBytes(read, streams.in.slice(0, wanted), pair.what);
  if (flags !== C.MSG_PEEK) streams.in.splice(0, wanted);
}

/** A round of the data path: descriptors out, some of the bytes acknowledged, some new ones in. */
function round(pair: Pair, random: Random, streams: Streams): void {
  const { updates, bytes } = pair.flush();
  expectBytes(bytes, streams.out.splice(0, bytes.length), pair.what);
  for (const { rxCredit } of updates) streams.window += rxCredit;
  const rx = random.oneIn(3) ? 0 : random.below(streams.window + 1);
  const acked = BUFFER - streams.free - streams.out.length;
  const tx = random.oneIn(3) ? 0 : random.below(acked + 1);
  const bytesIn = random.bytes(rx);
  pair.both(({ path }) => path.place(ID, bytesIn));
  pair.notify({ rx, tx });
  streams.in.push(...bytesIn);
  streams.window -= rx;
  streams.free += tx;
}

test("6,000 random sends and as many recvs agree with plain arrays and with lists", () => {
  const seed = seedOf(SEED);
  const pair = new Pair(0, seed, 0xfffffc01, 0x7ffffd03);
  const { random } = pair;
  const streams: Streams = { out: [], in: [], free: BUFFER, window: BUFFER };
  const all = pools(pair);
  for (let i = 0; i < 6000; i += 1) {
    if (random.oneIn(12)) pair.use(...random.pick(all));
    else if (i === 0) pair.use(...(all[0] as [Uint8Array, Uint8Array]));
    someSend(pair, random, streams);
    someRecv(pair, random, streams);
    if (random.oneIn(2)) round(pair, random, streams);
  }
  expect(pair.registered.copies).toBeGreaterThan(3000);
  expect(pair.plain.copies).toBe(0);
});
