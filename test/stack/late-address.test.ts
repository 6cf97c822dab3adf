/**
 * An address that ARP finds too late, or not at all, is nothing to a connection that has been
 * opened meanwhile. Found by the simulator: a SYN went out in ESTABLISHED, and without an answer
 * of ARP the connection was given up.
 */
import { expect, test } from "vitest";
import type { FrameTap } from "../../host/netif/frame-tap.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const PORT = 80;
const ETHER_TYPE_ARP = 6;
const SYN = 2;
/** More than the life of a neighbour. */
const ASLEEP = 65 * SECOND;

/** Client and server sleep after the first SYN, whose answer is lost; then the client asks ARP. */
function openLate(answersArp: boolean): { pair: WorldPair; synsAfter: () => number } {
  const pair = new WorldPair({ link: { medium: "ethernet" }, profile: "internet" });
  const listener = pair.listen(PORT);
  let lossy = true;
  let asked = 0;
  const isArp = (frame: Uint8Array): boolean => frame[12] === 8 && frame[13] === ETHER_TYPE_ARP;
  const isSyn = (frame: Uint8Array): boolean => ((frame[47] as number) & SYN) !== 0;
  // The first answer after the sleep is lost: the SYN's own comes before the second.
  const silent = (): boolean => {
    asked += 1;
    return !answersArp || asked === 1;
  };
  const rule = (frame: Uint8Array): boolean =>
    isArp(frame) ? !lossy && silent() : lossy && isSyn(frame);
  pair.link.setFaults(1, { rule });
  let syns = 0;
  const tap: FrameTap = {
    frame: (_now, side, bytes, offset, length) => {
      const frame = bytes.subarray(offset, offset + length);
      if (side === 0 && !isArp(frame) && isSyn(frame)) syns += 1;
    },
  };
  pair.connect(PORT);
  pair.pass(SECOND / 2);
  pair.world.clock.moveTo(pair.world.now + ASLEEP);
  lossy = false;
  pair.accept(listener, SECOND);
  pair.link.addTap(tap);
  return { pair, synsAfter: () => syns };
}

test("no SYN leaves a connection that was opened while ARP was asked", () => {
  const { pair, synsAfter } = openLate(true);
  pair.pass(10 * SECOND);
  expect(synsAfter()).toBe(0);
  expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
});

test("a connection that was opened while ARP was asked outlives ARP's silence", () => {
  const { pair } = openLate(false);
  pair.pass(10 * SECOND);
  expect(pair.states()).toEqual([["ESTABLISHED"], ["ESTABLISHED"]]);
});
