/**
 * A path that takes segments apart, as one does that takes no notice of "don't fragment", and as
 * senders of IPv6 may: with a reassembler in front of each stack everything arrives, without one
 * each piece is dropped.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ReassemblerNetif } from "../../host/netif/reassembler.ts";
import { seedOf } from "../support/env.ts";
import { FragmentingNetif } from "../support/fragments.ts";
import { expectWhole, transfer } from "./transfer.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const PIECE = 504;

const BAD = { loss: 0.003, reorder: 0.01, duplicate: 0.01 };
test.each([
  ["a good link", false, {}],
  ["loss, reordering and duplication", false, BAD],
  ["FR-1: a good link, IPv6", true, {}],
  ["FR-1: loss, reordering and duplication, IPv6", true, BAD],
])("segments in pieces over %s", (_name, ipv6, faults) => {
  const around: ReassemblerNetif[] = [];
  const pair = new WorldPair({
    seed: seedOf(3),
    ipv6,
    link: { rate: 1e8, faults },
    wrap: (netif) => {
      const made = new ReassemblerNetif(new FragmentingNetif(netif, PIECE));
      around.push(made);
      return made;
    },
  });
  const what = { up: 600_000, down: 400_000 };
  expectWhole(pair, transfer(pair, what), what.up, what.down);
  expect(pair.leftovers()).toEqual([]);
  for (const { counters } of around) {
    expect(counters.reassembled).toBeGreaterThan(200);
    expect(counters.contradictory + counters.tooLong).toBe(0);
  }
});

test.each([
  ["IPv4", false],
  ["IPv6", true],
])("nobody puts pieces together unless asked to: %s", (_name, ipv6) => {
  const wrap = (netif: ConstructorParameters<typeof FragmentingNetif>[0]) =>
    new FragmentingNetif(netif, PIECE);
  const pair = new WorldPair({ seed: seedOf(3), ipv6, wrap });
  const fds = pair.establish(pair.listen(80), 80);
  pair.clientToe.send(fds.client, new Uint8Array(1400), 0);
  pair.pass(0.1 * SECOND);
  const { core } = pair.server.stack;
  const drops = (core.map.base.drops as number) >>> 2;
  expect(core.words[drops + DropReason.IpFragment]).toBeGreaterThanOrEqual(3);
  expect(pair.serverToe.recv(fds.server, new Uint8Array(10), 0)).toBeLessThan(0);
});
