/** RFC 2018, as a receiver has it, and what a sender makes of a peer's blocks. */
import { expect, test } from "vitest";
import { CORE_LOG_BASE, CORE_LOGS } from "../../bindings/abi/memory-map.ts";
import { LOG_COUNT, LOG_RUNS_MAX, LOG_SIZE } from "../../bindings/abi/send-log.ts";
import type { Stack } from "../../host/stack.ts";
import { SYN, sackOption } from "../support/frames.ts";
import { RawConnection } from "./raw-connection.ts";
import { accepted, connected, leaving, rule, SACK, withSack } from "./wire.ts";

rule(
  "SK-1: SACK-permitted stands on SYNs only, and is answered only when it was offered",
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>`,
  `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
);

const GAP = `
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1`;

rule("SK-2: no block goes to a peer that did not permit it", accepted(GAP), connected(GAP));

rule(
  "SK-3: the first block holds the segment that caused the ACK",
  accepted(
    `
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2001:3001>
      +0 < . 3001:4001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2001:4001>
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:4001>`,
    SACK,
  ),
  withSack(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
      +0 < . 5001:6001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 5001:6001 1001:2001>
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:3001 5001:6001>`,
  ),
);

rule(
  "SK-4: each block is one whole run of what is held beyond the ACK number",
  accepted(
    `
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2001:3001>
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:3001>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 1001:3001>
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 3001`,
    SACK,
  ),
  withSack(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
      +0 < . 3001:4001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 3001:4001 1001:2001>
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:4001>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 1001:4001>
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 4001`,
  ),
);

const FOUR = [1001, 3001, 5001, 7001];

/** `count` runs come one after the other; `shown` blocks fit. */
function runs(count: number, shown: number, stamp: (i: number) => string, tail: string): string {
  return FOUR.slice(0, count)
    .map((from, i) => {
      const blocks = FOUR.slice(0, i + 1)
        .reverse()
        .slice(0, shown)
        .map((at) => `${at}:${at + 1000}`);
      return `+0 < . ${from}:${from + 1000}(1000) ack 1 win 65535${stamp(i)}
      +0 > . 1:1(0) ack 1 <${tail}nop,nop,sack ${blocks.join(" ")}>`;
    })
    .join("\n");
}

rule(
  "SK-5: four blocks, three beside timestamps, the most recent ones",
  accepted(
    runs(1, 1, () => "", ""),
    SACK,
  ),
  withSack(runs(4, 4, () => "", "")),
  withSack(
    runs(4, 3, () => " <nop,nop,TS val 5100 ecr 100>", "nop,nop,TS val 200 ecr 5100,"),
    { options: "mss 1000,sackOK,TS val 5000 ecr 0", ack: "nop,nop,TS val 5100 ecr 100" },
  ),
);

rule(
  "SK-22: while something is held each ACK has blocks, and each segment causes one",
  // Also one with data that leaves just the room for it, and not one byte less.
  accepted(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
      +0 write(4, ..., 988) = 988
      +0 > P. 1:989(988) ack 1 <nop,nop,sack 1001:2001>`,
    SACK,
  ),
  accepted(
    `
      +0 < . 1001:2001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
      +0 write(4, ..., 989) = 989
      +0 > P. 1:990(989) ack 1`,
    SACK,
  ),
  accepted(
    `
      +0 < . 2001:3001(1000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 2001:3001>
      +0 < . 1:501(500) ack 1 win 65535
      +0 > . 1:1(0) ack 501 <nop,nop,sack 2001:3001>
      +0 < . 501:1001(500) ack 1 win 65535
      +0 > . 1:1(0) ack 1001 <nop,nop,sack 2001:3001>
      +0 write(4, ..., 100) = 100
      +0 > P. 1:101(100) ack 1001 <nop,nop,sack 2001:3001>
      +0.1 < . 3001:3001(0) ack 101 win 65535`,
    SACK,
  ),
);

rule(
  "SK-6: what was only selectively acknowledged is kept, and is sent again after a timeout",
  accepted(
    `
      +0 write(4, ..., 2000) = 2000
      +0 > . 1:1001(1000) ack 1
      +0 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>
      +0.9 > . 1:1001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0 > P. 1001:2001(1000) ack 1
      +0.1 < . 1:1(0) ack 2001 win 65535`,
    SACK,
  ),
);

rule(
  "SK-18: blocks and the scoreboard count modulo 2^32",
  accepted(
    `
      +0 < . 1001:3001(2000) ack 1 win 65535
      +0 > . 1:1(0) ack 1 <nop,nop,sack 1001:3001>
      +0 write(4, ..., 6000) = 6000
      ${leaving(1, 6, " <...>", true)}
      +0.1 < . 3001:3001(0) ack 1 win 65535 <nop,nop,sack 1001:5001>
      +0 > . 1:1001(1000) ack 1 <...>
      +0.1 < . 3001:3001(0) ack 6001 win 65535
      +0 < . 1:1001(1000) ack 6001 win 65535
      +0 > . 6001:6001(0) ack 3001`,
    SACK,
  ),
);

rule(
  "SK-19: a D-SACK block, below the ACK number or inside the second, counts as nothing lost",
  accepted(
    `
      +0 write(4, ..., 3000) = 3000
      +0 > . 1:1001(1000) ack 1
      +0 > . 1001:2001(1000) ack 1
      +0 > P. 2001:3001(1000) ack 1
      +0.1 < . 1:1(0) ack 1001 win 65535
      +0 < . 1:1(0) ack 1001 win 65535 <nop,nop,sack 1:101>
      +0 < . 1:1(0) ack 1001 win 65535 <nop,nop,sack 1:301>
      +0 < . 1:1(0) ack 1001 win 65535 <nop,nop,sack 1:601>
      +0 < . 1:1(0) ack 1001 win 65535 <nop,nop,sack 1:1001>
      +0 %{ assert tcpi_total_retrans == 0 and tcpi_snd_cwnd >= 10 }%
      +0.1 < . 1:1(0) ack 3001 win 65535`,
    SACK,
  ),
);

/** Runs of each log of the pool (bindings/abi/send-log.ts). */
function runCounts({ core }: Stack): number[] {
  const base = core.words[(core.address + CORE_LOG_BASE) >>> 2] as number;
  const logs = core.words[(core.address + CORE_LOGS) >>> 2] as number;
  return Array.from(
    { length: logs },
    (_, log) => core.words[(base + log * LOG_SIZE + LOG_COUNT) >>> 2] as number,
  );
}

test("SK-10: more blocks than the scoreboard keeps do no harm, to no connection", () => {
  const c = new RawConnection(7000, { syn: [2, 4, 3, 232, 1, 1, 4, 2] });
  const other = { sourcePort: 40001 };
  const [answer] = c.peer.send({ ...other, seq: 1, flags: SYN });
  c.peer.send({ ...other, seq: 2, ack: ((answer?.seq ?? 0) + 1) >>> 0 });
  const neighbor = () => c.toe.connections().find(({ remote }) => remote.port === 40001);
  const before = neighbor();
  expect(before?.state).toBe("ESTABLISHED");
  c.write(10000);
  // A run and a gap for each of 96 blocks would be three times what a log has.
  for (let first = 1; first < 192; first += 8) {
    const blocks = [0, 2, 4, 6].map((step) => {
      const from = (c.ack + (first + step) * 50) >>> 0;
      return [from, (from + 50) >>> 0] as const;
    });
    c.send({ options: sackOption(blocks) });
  }
  expect(Math.max(...runCounts(c.peer.stack))).toBeLessThanOrEqual(LOG_RUNS_MAX);
  expect(neighbor()).toEqual(before);
  c.ack = (c.ack + 10000) >>> 0;
  c.send({});
  expect(c.write(100)).toHaveLength(1);
});
