/**
 * Threats R01, R05, R07, R08, R10, R13, R16 to R18: who would take all memory, all rows or all
 * time. At whole stacks, by a peer that keeps no rules; what a pool held before it must hold again.
 * The counts of R01, R05, R08, R13, R17 and R18 are those of their rows in the project `release`,
 * at night those of R05, R08, R13 and R18 on Laminar too: they take a minute, and elsewhere a tenth
 * or a hundredth is done.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { OOO_INTERVALS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_COUNTERS } from "../../bindings/abi/memory-map.ts";
import { SHUT_WR } from "../../host/libtoe/constants.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { countedModule, workOf } from "../support/counted-work.ts";
import { buildUnderTest, dataPathUnderTest, hasFullCounts, isNight } from "../support/env.ts";
import { ACK, FIN, PSH, RST, sackOption, streamBytes, SYN } from "../support/frames.ts";
import type { FrameFields } from "../support/frames.ts";
import { heapBytes } from "../support/heap-bytes.ts";
import { judgeSegment, type SentSegment } from "../support/judge-segment.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { watchPools } from "../support/returned-pools.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

const SECOND = 1e9;
/** Bytes of a payload chunk in these stacks. */
const CHUNK = 8192;
const forged = (i: number): string => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;

function counterOf(peer: ScriptedPeer, counter: Counter): number {
  const { core } = peer.stack;
  const base = core.words[(core.address + CORE_COUNTERS) >>> 2] as number;
  return core.words[(base >>> 2) + counter * 2] as number;
}

/** A hundredth of a row's count, but in the project `release`, and at night on every data path. */
const isFull = hasFullCounts() || (isNight() && buildUnderTest() === "release");
const some = (count: number): number => (isFull ? count : count / 100);

/** An established connection of this peer port: its next number and the one it expects. */
function open(
  peer: ScriptedPeer,
  sourcePort: number,
  fields: Partial<FrameFields> = {},
): [number, number] {
  const [answer] = peer.send({ sourcePort, seq: 7000, flags: SYN, ...fields });
  const ack = ((answer?.seq ?? 0) + 1) >>> 0;
  peer.send({ sourcePort, seq: 7001, ack, ...fields });
  return [7001, ack];
}

/** Port and address of the i-th client of many: ports come again after 50,000 connections. */
const client = (i: number): { source: string; sourcePort: number } => ({
  source: `10.0.0.${2 + (Math.floor(i / 50_000) % 200)}`,
  sourcePort: 1024 + (i % 50_000),
});

/** Lets time pass; the frames that leave meanwhile. */
function wait(peer: ScriptedPeer, seconds: number, step = SECOND / 2): number {
  let frames = 0;
  for (const end = peer.now + seconds * SECOND; peer.now < end; ) {
    peer.now += step;
    frames += peer.settleFrames().length;
  }
  return frames;
}

/** A burst of 64 forged SYNs, other segments in its midst; a million SYNs come in a second. */
function flood(peer: ScriptedPeer, at: number, midst: Partial<FrameFields>[] = []): Uint8Array[] {
  const syns = Array.from({ length: 64 }, (_, i) => ({
    source: forged(at + i),
    sourcePort: 5,
    seq: at + i,
    flags: SYN,
  }));
  syns.splice(32, 0, ...(midst as typeof syns));
  peer.queue(...syns);
  peer.now += 64_000;
  return peer.settleFrames();
}

/** A client 20 ms away that is a second's patience from its next SYN; when its connection is up. */
function honest(peer: ScriptedPeer, from: number): number {
  const sourcePort = 40_000;
  let at = from;
  let answered: SentSegment | undefined;
  for (let sent = -SECOND; answered === undefined; at += 64) {
    const again = peer.now - sent >= SECOND;
    if (again) sent = peer.now;
    const frames = flood(peer, at, again ? [{ sourcePort, seq: 7000, flags: SYN }] : []);
    // No forged SYN of this time has that number.
    answered = frames.map((frame) => judgeSegment(frame, "ip")).find(({ ack }) => ack === 7001);
    if (at - from > 3_000_000) throw new Error("R01: expected an answer to a SYN, got none");
  }
  for (const end = peer.now + 2e7; peer.now < end; at += 64) flood(peer, at);
  flood(peer, at, [{ sourcePort, seq: 7001, ack: (answered.seq + 1) >>> 0 }]);
  return peer.now;
}

test("threats/R01: a flood of forged SYNs takes nothing, and an honest client gets in", () => {
  const COUNT = hasFullCounts() ? 1_000_000 : 100_000;
  const peer = watchPools(new ScriptedPeer());
  const listener = peer.listen(80, 1024);
  const start = poolCounts(peer.stack);
  const memory = peer.stack.core.bytes.length;
  for (let at = 0; at < 1024; at += 64) flood(peer, at);
  const crowded = poolCounts(peer.stack);
  // Half of the rows.
  expect(crowded.rows).toBe(32);
  for (let at = 1024; at < COUNT / 2; at += 64) flood(peer, at);
  const began = peer.now;
  expect(honest(peer, COUNT / 2) - began).toBeLessThanOrEqual(3 * SECOND);
  expect(peer.state(40_000)).toBe("ESTABLISHED");
  const fd = peer.stack.toe.accept(listener);
  expect(peer.stack.toe.abort(fd)).toBe(0);
  for (let at = COUNT / 2; at < COUNT + 1024; at += 64) flood(peer, at);
  expect(poolCounts(peer.stack)).toEqual(crowded);
  expect(counterOf(peer, Counter.CookiesSent)).toBeGreaterThan(COUNT);
  expect(peer.stack.core.bytes.length).toBe(memory);
  wait(peer, 120, SECOND);
  expect(poolCounts(peer.stack)).toEqual(start);
});

test("threats/R05: orphans before closed windows are bounded, probed rarely, and end", () => {
  const peer = watchPools(new ScriptedPeer({ limits: { orphans: 20 } }));
  const { toe } = peer.stack;
  const listener = peer.listen(80);
  const before = poolCounts(peer.stack);
  const ends = Array.from({ length: 30 }, (_, i) => {
    const sourcePort = 40000 + i;
    const [seq, ack] = open(peer, sourcePort);
    peer.send({ sourcePort, seq, ack, window: 0 });
    const fd = toe.accept(listener);
    expect(toe.send(fd, new Uint8Array(5000))).toBe(5000);
    expect(toe.close(fd)).toBe(0);
    const resets = peer.settle().filter(({ flags }) => (flags & RST) !== 0);
    expect(resets).toHaveLength(i < 20 ? 0 : 1);
    return { sourcePort, seq, ack };
  });
  expect(peer.stack.control.counters.orphans).toBe(20);
  expect(counterOf(peer, Counter.OrphansReset)).toBe(10);
  expect([...new Set(toe.connections().map(({ state }) => state))]).toEqual(["FIN-WAIT-1"]);
  // The peers answer each probe with a window of nothing: rarely probed, and over after R2.
  let probes = 0;
  for (let second = 0; second < 420; second += 1) {
    peer.now += SECOND;
    const sent = peer.settleFrames().length;
    probes += sent;
    if (sent > 0) for (const end of ends.slice(10)) peer.send({ ...end, window: 0 });
  }
  expect(probes).toBeGreaterThan(20);
  expect(probes).toBeLessThan(20 * 60);
  expect(poolCounts(peer.stack)).toEqual(before);
});

test("threats/R05: 10,000 closed windows, data queued: few probes, memory for each bounded", () => {
  const COUNT = some(10_000);
  // Chunks of 1 KiB: data and its list are two; the rest is what receive windows promise.
  const layout = { connections: COUNT, chunkBytes: 1024, payloadBytes: COUNT * 16_384 };
  const peer = watchPools(new ScriptedPeer({ layout }));
  const { toe } = peer.stack;
  const listener = peer.listen(80);
  const before = poolCounts(peer.stack);
  const memory = peer.stack.core.bytes.length;
  const data = new Uint8Array(1000);
  const fds: number[] = [];
  for (let i = 0; i < COUNT; i += 1) {
    const from = { ...client(i), window: 0 };
    open(peer, from.sourcePort, from);
    const fd = toe.accept(listener);
    expect(toe.send(fd, data)).toBe(data.length);
    fds.push(fd);
  }
  peer.settleFrames();
  const held = before.chunks - poolCounts(peer.stack).chunks;
  expect(held).toBeLessThanOrEqual(2 * COUNT);
  // 1 + 2 + 4 + ... seconds: each is probed a sixth time after 63 of them.
  const probes = wait(peer, 130);
  expect(probes).toBeGreaterThanOrEqual(4 * COUNT);
  expect(probes).toBeLessThanOrEqual(8 * COUNT);
  expect(before.chunks - poolCounts(peer.stack).chunks).toBe(held);
  expect(peer.stack.core.bytes.length).toBe(memory);
  for (const fd of fds) expect(toe.abort(fd)).toBe(0);
  expect(peer.settleFrames()).toHaveLength(COUNT);
  wait(peer, 300, 10 * SECOND);
  expect(poolCounts(peer.stack)).toEqual(before);
}, 120_000);

describe.each(STARTS)("from ISN %d", (start) => {
  const first = (start + 1) >>> 0;

  test("threats/R07: every second byte of a window: few intervals, and the stream is whole", () => {
    const c = new RawConnection(start, { module: countedModule() });
    const before = poolCounts(c.peer.stack).chunks;
    const { window } = c.synAck;
    expect(window).toBeGreaterThan(65_000);
    const work: number[] = [];
    const placed = c.counter(Counter.OutOfOrderPlaced);
    for (let at = 1; at < window; at += 128) {
      const count = Math.min(64, (window - at + 1) >>> 1);
      const segments = Array.from({ length: count }, (_, i) => {
        const seq = (first + at + 2 * i) >>> 0;
        return c.fields({ seq, payload: streamBytes(seq, 1) });
      });
      c.peer.queue(...segments);
      work.push(workOf(c.peer.stack.core, () => void c.peer.settle()) / count);
    }
    // From where the list is full each segment costs the same.
    expect(Math.max(...work)).toBeLessThan(1.05 * (work[1] as number));
    expect(before - poolCounts(c.peer.stack).chunks).toBeLessThanOrEqual(window / CHUNK + 2);
    const kept = dataPathUnderTest() === "laminar" ? 1 : OOO_INTERVALS_MAX;
    expect(c.counter(Counter.OutOfOrderPlaced) - placed).toBe(kept);
    expect(c.drops(DropReason.IntervalLimit)).toBe((window >>> 1) - kept);
    // What no interval held is sent again, from where the ACKs stand.
    for (let round = 0; round < 200 && (c.seq - first) >>> 0 < window; round += 1) {
      const length = Math.min(1024, window - ((c.seq - first) >>> 0));
      const [answer] = c.send({ payload: streamBytes(c.seq, length), flags: ACK | PSH });
      c.seq = answer?.ack ?? c.seq;
    }
    expect(c.read()).toEqual(streamBytes(first, window));
  });

  test("threats/R08: a million single bytes take no more chunks than twice their bytes", () => {
    const c = new RawConnection(start);
    const before = poolCounts(c.peer.stack).chunks;
    let unread = 0;
    for (let at = 0; at < some(1_000_000); at += 64) {
      const bytes = streamBytes((first + at) >>> 0, 64);
      const segments = Array.from({ length: 64 }, (_, i) =>
        c.fields({ seq: (first + at + i) >>> 0, payload: bytes.subarray(i, i + 1) }),
      );
      c.peer.queue(...segments);
      c.peer.settleFrames();
      unread += 64;
      const used = before - poolCounts(c.peer.stack).chunks;
      if (used * CHUNK > 2 * unread + 2 * CHUNK) expect([unread, used]).toEqual("fewer chunks");
      // The application reads when half of the window is full.
      if (unread < 32_768) continue;
      expect(c.read()).toEqual(streamBytes((first + at + 64 - unread) >>> 0, unread));
      unread = 0;
    }
    expect(c.read()).toHaveLength(unread);
  }, 120_000);

  test("threats/R10: nobody reads: the window closes, and memory is what was promised", () => {
    const c = new RawConnection(start);
    const before = poolCounts(c.peer.stack).chunks;
    let last = c.synAck;
    const fill = (length: number): void => {
      last = c.data(length, { flags: ACK | PSH }).at(-1) ?? last;
    };
    for (let at = 0; at < 300_000; at += 1000) fill(1000);
    last = c.pass(SECOND).at(-1) ?? last;
    // Less than a segment: Laminar as the paper has it takes whole ones.
    expect(last.window).toBeLessThan(1000);
    // What is left of it, to the byte, closes it.
    c.seq = last.ack;
    if (last.window > 0) fill(last.window);
    last = c.pass(SECOND).at(-1) ?? last;
    expect([last.window, last.ack]).toEqual([0, c.seq]);
    // The buffer is a byte larger than what a window without a scale can say.
    for (let more = 0; more < 2; more += 1) {
      const answer = c.send({ payload: streamBytes(c.seq, 1), flags: ACK | PSH }).at(-1) ?? last;
      expect(answer.window).toBe(0);
      c.seq = answer.ack;
    }
    expect((c.seq - first) >>> 0).toBe(65_536);
    const used = before - poolCounts(c.peer.stack).chunks;
    expect(used).toBeLessThanOrEqual(65536 / CHUNK + 2);
  });

  test("threats/R17: the smallest segments with every second one reported: all arrive", () => {
    // More segments than 16 bits count, where there is time for it.
    const length = hasFullCounts() && start === STARTS[1] ? 3_200_000 : 40_000;
    const syn = [2, 4, 0, 48, 1, 1, 4, 2];
    const c = new RawConnection(start, { syn });
    const bytes = streamBytes(0, length);
    const have = new Uint8Array(length);
    const got = new Uint8Array(length);
    let [written, segments, held, edge] = [0, 0, 0, 0];
    const write = (): void => {
      const count = c.toe.send(c.fd, bytes, written);
      if (count > 0) written += count;
    };
    write();
    let sent = c.peer.settle();
    for (let round = 0; round < length / 8 && held < length; round += 1) {
      sent.forEach(({ seq, payload }, i) => {
        const at = (seq - c.ack) >>> 0;
        if (payload.length > 0) segments += 1;
        // Every second new segment is lost, and what comes again arrives.
        if (payload.length === 0 || (i % 2 === 1 && round % 3 === 0)) return;
        got.set(payload, at);
        have.fill(1, at, at + payload.length);
        edge = Math.max(edge, at + payload.length);
      });
      while (held < length && have[held] === 1) held += 1;
      const blocks: [number, number][] = [];
      for (let at = held; at < edge && blocks.length < 3; at += 1) {
        if (have[at] !== 1) continue;
        const from = at;
        while (at < edge && have[at] === 1) at += 1;
        blocks.push([(c.ack + from) >>> 0, (c.ack + at) >>> 0]);
      }
      c.peer.now += 5e7;
      const options = blocks.length === 0 ? [] : sackOption(blocks);
      write();
      sent = c.send({ ack: (c.ack + held) >>> 0, options });
    }
    expect([held, written]).toEqual([length, length]);
    expect(Buffer.compare(got, bytes)).toBe(0);
    expect(segments).toBeGreaterThanOrEqual(Math.ceil(length / 48));
  }, 60_000);
});

test("threats/R13: 100,000 closes of ours: TIME-WAIT is bounded, the oldest gives way", () => {
  const COUNT = some(100_000);
  const peer = watchPools(new ScriptedPeer());
  const { toe, control } = peer.stack;
  const listener = peer.listen(80);
  const before = poolCounts(peer.stack);
  for (let i = 0; i < COUNT; i += 1) {
    const from = client(i);
    const [seq, ack] = open(peer, from.sourcePort, from);
    const fd = toe.accept(listener);
    toe.shutdown(fd, SHUT_WR);
    peer.settleFrames();
    peer.send({ ...from, seq, ack: (ack + 1) >>> 0, flags: ACK | FIN });
    toe.close(fd);
    if (control.counters.timeWait !== Math.min(i + 1, 64)) {
      expect([i, control.counters.timeWait]).toEqual([i, Math.min(i + 1, 64)]);
    }
  }
  const left = toe.connections();
  expect(new Set(left.map(({ state }) => state))).toEqual(new Set(["TIME-WAIT"]));
  const last = Array.from({ length: 64 }, (_, i) => client(COUNT - 64 + i).sourcePort);
  expect(left.map(({ remote }) => remote.port).sort((a, b) => a - b)).toEqual(last);
  // What is in TIME-WAIT still answers a FIN that comes again.
  const again = client(COUNT - 1);
  expect(peer.send({ ...again, seq: 7001, flags: ACK | FIN })).toHaveLength(1);
  expect(peer.state(again.sourcePort)).toBe("TIME-WAIT");
  wait(peer, 300, 10 * SECOND);
  expect(poolCounts(peer.stack)).toEqual(before);
}, 120_000);

/** Opens and ends connections, half by a reset of the peer's, half by one of ours. */
function churn(peer: ScriptedPeer, listener: number, from: number, count: number): void {
  const { toe } = peer.stack;
  const before = { ...poolCounts(peer.stack), timers: 0 };
  const buffer = new Uint8Array(4);
  for (let i = from; i < from + count; i += 1) {
    const address = client(i);
    const [seq, ack] = open(peer, address.sourcePort, address);
    const fd = toe.accept(listener);
    peer.send({ ...address, seq, ack, payload: Uint8Array.of(i & 255), flags: ACK | PSH });
    const got = toe.recv(fd, buffer);
    if (got !== 1 || buffer[0] !== (i & 255)) expect([i, got, buffer[0]]).toEqual([i, 1, i & 255]);
    if (i % 2 === 0) peer.send({ ...address, seq: seq + 1, ack, flags: RST });
    else toe.abort(fd);
    if (i % 2 === 0) toe.close(fd);
    peer.settleFrames();
    if (i % 500 !== 0) continue;
    // A timer stays in its slot until its time has come.
    const { timers } = poolCounts(peer.stack);
    expect(timers).toBeLessThanOrEqual(192);
    expect({ ...poolCounts(peer.stack), timers: 0 }).toEqual(before);
  }
}

/** The row's million at night: it takes a minute. */
const CHURNED = isNight() ? 1_000_000 : some(400_000);

test(`threats/R18: ${CHURNED} connections that open, carry a byte and end leave nothing`, () => {
  const peer = watchPools(new ScriptedPeer());
  const listener = peer.listen(80);
  const before = poolCounts(peer.stack);
  // The first pay for compiled code and for tables that grow once.
  const part = CHURNED / 10;
  const heaps = Array.from({ length: 10 }, (_, i) => {
    churn(peer, listener, i * part, part);
    wait(peer, 300, 10 * SECOND);
    expect(poolCounts(peer.stack)).toEqual(before);
    return heapBytes();
  });
  // Less than 1 KiB for a thousand connections, most of the time: engine and test runner take some
  // for themselves now and then, and while code is being compiled, as in the short form.
  const steps = heaps.slice(2).map((heap, i) => heap - (heaps[i + 1] as number));
  const typical = steps.sort((a, b) => a - b)[steps.length >>> 1] as number;
  expect(typical).toBeLessThan((part * 1024) / 1000 + (hasFullCounts() ? 0 : 400_000));
}, 600_000);

/** Work of a burst of 64 ACKs that change nothing but for their blocks, by what the peer says. */
function ackWork(flight: number): { plain: number; crawling: number } {
  const syn = [2, 4, 0, 48, 1, 1, 4, 2];
  const c = new RawConnection(7000, { module: countedModule(), syn });
  // Slow start: twelve rounds that are acknowledged segment by segment, then one that is not.
  for (let round = 0; round <= 12; round += 1) {
    c.toe.send(c.fd, new Uint8Array(flight));
    let sent = c.peer.settle();
    while (round < 12 && sent.length > 0) {
      sent = sent.flatMap(({ seq, payloadLength }) => {
        c.ack = (seq + payloadLength) >>> 0;
        return c.send({});
      });
    }
  }
  expect(c.toe.connections()[0]?.txSent).toBe(flight);
  let crawl = 0;
  const burst = (blocks: boolean): number => {
    const acks = Array.from({ length: 64 }, () => {
      // Single bytes, each somewhere else: as many runs as the log holds.
      crawl = (crawl + 97) % (flight / 6);
      const list = [4, 3, 2, 1].map((part): [number, number] => {
        const left = c.ack + (part * flight) / 6 + crawl;
        return [left >>> 0, (left + 1) >>> 0];
      });
      return c.fields(blocks ? { options: sackOption(list) } : {});
    });
    c.peer.queue(...acks);
    return workOf(c.peer.stack.core, () => void c.peer.settleFrames());
  };
  // The first are answered, once, by what seems lost.
  const bursts = Array.from({ length: 20 }, () => burst(true));
  const crawling = Math.max(...bursts.slice(5));
  const plain = Math.min(...Array.from({ length: 3 }, () => burst(false)));
  expect(c.state).toBe("ESTABLISHED");
  return { plain, crawling };
}

test("threats/R16: four crawling blocks cost a bounded multiple, however much is in flight", () => {
  const [small, large] = [ackWork(6000), ackWork(60_000)];
  // In instructions.
  expect(large.crawling / large.plain).toBeLessThan(4);
  expect(large.crawling).toBeLessThan(1.1 * small.crawling);
});
