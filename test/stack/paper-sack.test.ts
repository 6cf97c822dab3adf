/**
 * Profile `paper-sack` (dissertation, 5.5.4.3): the paper's one interval, told by one-block SACK,
 * and its holes repaired where `paper` goes back. On the wire, under loss in both directions: no
 * ACK tells of a second interval, and the streams are whole. The same with a table made from a
 * named one; faithful Laminar has no SACK, so nothing is told there.
 */
import { expect, test } from "vitest";
import { OPTION_NOP, OPTION_SACK, TCP_DATA_OFFSET } from "../../bindings/abi/tcp.ts";
import { TCP_ACK, TCP_SIZE } from "../../bindings/abi/tcp.ts";
import type { Profile } from "../../host/control-plane/profile.ts";
import { profileNamed } from "../../host/index.ts";
import type { FrameTap } from "../../host/netif/frame-tap.ts";
import { dataPathUnderTest, seedOf } from "../support/env.ts";
import { expectWhole, transfer } from "./transfer.ts";
import { WorldPair } from "./world-pair.ts";

const SEED = seedOf(5543);
const BYTES = 1024 * 1024;
const IP = 14;
const TCP = IP + 20;
const HAS_SACK = dataPathUnderTest() !== "laminar";

/**
 * Counts the blocks of every ACK that tell of intervals. The report of a duplicate may stand before
 * them (RFC 2883): it lies below the ACK, or within the block behind it.
 */
class BlockWatch implements FrameTap {
  /** ACKs by how many blocks beyond the cumulative acknowledgment they have. */
  readonly told = [0, 0, 0, 0, 0];

  frame(_now: number, _side: number, bytes: Uint8Array, offset: number, length: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
    if (view.getUint16(12) !== 0x0800 || view.getUint8(IP + 9) !== 6) return;
    const end = TCP + (view.getUint8(TCP + TCP_DATA_OFFSET) >>> 4) * 4;
    const ack = view.getUint32(TCP + TCP_ACK);
    for (let at = TCP + TCP_SIZE; at < end && view.getUint8(at) !== 0; ) {
      const kind = view.getUint8(at);
      const size = kind === OPTION_NOP ? 1 : view.getUint8(at + 1);
      if (kind === OPTION_SACK) this.#count(view, at + 2, (size - 2) / 8, ack);
      at += size;
    }
  }

  #count(view: DataView, at: number, blocks: number, ack: number): void {
    const edge = (index: number): number => (view.getUint32(at + 4 * index) - ack) | 0;
    const within = blocks > 1 && edge(0) >= edge(2) && edge(1) <= edge(3);
    const isDuplicate = edge(0) < 0 || within;
    const told = blocks - (isDuplicate ? 1 : 0);
    this.told[told] = (this.told[told] as number) + 1;
  }
}

interface Outcome {
  readonly watch: BlockWatch;
  readonly again: number;
}

/** Both streams at once, 1 % of the frames lost; `again`: segments sent again. */
function run(profile: Profile, seed: number): Outcome {
  const pair = new WorldPair({ seed, profile, link: { faults: { loss: 0.01 } } });
  const watch = new BlockWatch();
  pair.link.addTap(watch);
  let again = 0;
  pair.client.applications.push(() => {
    const counts = [pair.client, pair.server].flatMap(({ stack }) => {
      return stack.connections().map(({ retransmits }) => retransmits);
    });
    again = Math.max(
      again,
      counts.reduce((sum, one) => sum + one, 0),
    );
    return false;
  });
  expectWhole(pair, transfer(pair, { up: BYTES, down: BYTES }), BYTES, BYTES);
  return { watch, again };
}

test.each([
  ["paper-sack", profileNamed("paper-sack")],
  ["internet with one interval", { ...profileNamed("internet"), intervals: 1 }],
])("5.5.4.3 one-block SACK, %s: one interval is told, streams whole", (_, profile) => {
  for (let seed = SEED; seed < SEED + 4; seed += 1) {
    const { watch, again } = run(profile, seed);
    expect([seed, watch.told.slice(2)]).toEqual([seed, [0, 0, 0]]);
    if (HAS_SACK) expect(watch.told[1], `seed ${seed}`).toBeGreaterThan(10);
    expect(again).toBeGreaterThan(0);
  }
});

test("5.5.4.3 one-block SACK repairs with fewer segments than go-back-N", () => {
  const [paper, sack] = (["paper", "paper-sack"] as const).map((name) => {
    return run(profileNamed(name), SEED).again;
  }) as [number, number];
  if (HAS_SACK) expect(sack).toBeLessThan(paper / 2);
});

test("the watch sees several intervals where several are kept", () => {
  const { watch } = run(profileNamed("internet"), SEED);
  const several = watch.told.slice(2).reduce((sum, one) => sum + one, 0);
  if (HAS_SACK) expect(several).toBeGreaterThan(0);
});
