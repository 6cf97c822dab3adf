/**
 * What npm run differential sees, and what it does not let pass: the comparer over made-up traces,
 * the normaliser over made-up packets, the lists and the command's arguments. No root here.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { buildSegment, type Segment } from "../../host/packetdrill/packet-bytes.ts";
import { ACCEPTED, DATA_PATHS, RANDOM, readAccepted } from "./accepted.ts";
import { main } from "./command.ts";
import { align, differences, differenceText, isAccepted, patternOf } from "./compare.ts";
import { readDifference } from "./compare.ts";
import { type Endpoints, Peer } from "./peer.ts";
import { endpointsOf, toeloopIsn } from "./places.ts";
import { randomScript } from "./random.ts";
import { chosenScripts, SCRIPTS } from "./registry.ts";
import { judge, judgeDrawn, sideBySide, stalePatterns } from "./report.ts";
import { packetOf, readParagraphs, script, type Step } from "./script.ts";
import type { Line } from "./session.ts";

const line = (step: number, after: number, text: string): Line => ({ step, after, text });

const TRACE: readonly Line[] = [
  line(0, 0, "= 0"),
  line(1, 0, "> S. 0:0(0) ack 1 <mss 1460>"),
  line(2, 0, "> P. 1:1001(1000) ack 1"),
  line(2, 210, "> P. 1:1001(1000) ack 1"),
  line(3, 0, "> . 1001:1001(0) ack 101"),
];

function foundIn(toeloop: readonly Line[]): readonly string[] {
  return differences(align(TRACE, toeloop)).map(differenceText);
}

const swapped = (at: number, with_: Line): readonly Line[] => {
  return TRACE.map((one, i) => (i === at ? with_ : one));
};

describe("the comparer", () => {
  test("sees nothing between two traces that are the same", () => {
    expect(foundIn(TRACE)).toEqual([]);
  });

  test("does not mind a timer that is a tick or two off", () => {
    expect(foundIn(swapped(3, line(2, 228, "> P. 1:1001(1000) ack 1")))).toEqual([]);
  });

  const PLANTED: readonly (readonly [string, readonly Line[], readonly string[]])[] = [
    [
      "a flag",
      swapped(1, line(1, 0, "> . 0:0(0) ack 1 <mss 1460>")),
      ["1 linux +0 > S. 0:0(0) ack 1 <mss 1460>", "1 toeloop +0 > . 0:0(0) ack 1 <mss 1460>"],
    ],
    [
      "a sequence number",
      swapped(2, line(2, 0, "> P. 2:1002(1000) ack 1")),
      ["2 linux +0 > P. 1:1001(1000) ack 1", "2 toeloop +0 > P. 2:1002(1000) ack 1"],
    ],
    ["a missing ACK", TRACE.slice(0, 4), ["3 linux +0 > . 1001:1001(0) ack 101"]],
    [
      "one more segment",
      [...TRACE, line(3, 40, "> . 1001:1001(0) ack 101")],
      ["3 toeloop +40 > . 1001:1001(0) ack 101"],
    ],
    [
      "an ACK that is delayed",
      swapped(4, line(3, 40, "> . 1001:1001(0) ack 101")),
      ["3 linux +0 > . 1001:1001(0) ack 101", "3 toeloop +40 > . 1001:1001(0) ack 101"],
    ],
    [
      "an answer to another step",
      swapped(4, line(2, 0, "> . 1001:1001(0) ack 101")),
      ["3 linux +0 > . 1001:1001(0) ack 101", "2 toeloop +0 > . 1001:1001(0) ack 101"],
    ],
  ];
  for (const [name, toeloop, expected] of PLANTED) {
    test(`sees ${name}`, () => {
      expect([...foundIn(toeloop)].sort()).toEqual([...expected].sort());
    });
  }

  test("an accepted difference is exactly the one that is there", () => {
    const found = differences(align(TRACE, TRACE.slice(0, 4)));
    expect(isAccepted(found, ["3 linux +0 > . 1001:1001(0) ack 101"])).toBe(true);
    expect(isAccepted(found, ["3 linux +40 > . 1001:1001(0) ack 101"])).toBe(false);
    expect(isAccepted(found, ["3 toeloop +0 > . 1001:1001(0) ack 101"])).toBe(false);
    expect(isAccepted(found, [])).toBe(false);
    expect(isAccepted([], ["3 linux +0 > . 1001:1001(0) ack 101"])).toBe(false);
    expect(() => readDifference("3 linux > . 1:1(0)")).toThrow("expected a difference");
  });
});

describe("the verdict", () => {
  const example = script("example", ["listen", "< S 0:0(0) win 1", "send 5", "< F. 1:1(0) ack 1"]);

  test("fails for a difference, and for an accepted one that is there no longer", () => {
    const accepted = { why: "a reason", differences: ["3 linux +0 > . 1001:1001(0) ack 101"] };
    const short = TRACE.slice(0, 4);
    expect(judge(example, TRACE, TRACE, undefined).failure).toBeUndefined();
    expect(judge(example, TRACE, short, undefined).failure).toContain("1 differences");
    expect(judge(example, TRACE, short, accepted).failure).toBeUndefined();
    expect(judge(example, TRACE, TRACE, accepted).failure).toContain("take the entry out");
    expect(judge(example, TRACE, [], accepted).failure).toContain("got others");
  });

  test("of a drawn session lets patterns pass and nothing else", () => {
    const patterns = { why: "a reason", differences: ["<F. linux > . N:N(N) ack N"] };
    const drawn = judgeDrawn(example, TRACE, TRACE.slice(0, 4), patterns);
    expect(drawn.failure).toBeUndefined();
    expect(stalePatterns([drawn], patterns.differences)).toEqual([]);
    expect(stalePatterns([], patterns.differences)).toEqual(patterns.differences);
    expect(judgeDrawn(example, TRACE, TRACE.slice(0, 3), patterns).failure).toContain("1 diff");
    const difference = readDifference("3 toeloop +0 > . 1:1(0) ack 7");
    expect(patternOf(difference, "< [ce] F. 1:1(0)")).toBe("<F. toeloop > . N:N(N) ack N");
  });

  test("shows both traces side by side, and marks what differs", () => {
    const text = sideBySide(judge(example, TRACE, TRACE.slice(0, 4), undefined));
    expect(text).toContain("  ! +0 > . 1001:1001(0) ack 101");
    expect(text).toMatch(/ {4}\+210 > P\. 1:1001\(1000\) ack 1 +\| \+210 > P\. 1:1001/);
  });
});

const ENDS: Endpoints = { ...endpointsOf(3, "example"), isn: 0xffff_ff00 };
const LOCAL_ISN = 0xffff_fff0;
const NOP = { kind: "nop" } as const;

/** A segment of the system's with relative numbers. */
function sent(change: Partial<Segment>): Uint8Array {
  return buildSegment({
    source: ENDS.local,
    destination: ENDS.remote,
    tos: 0,
    ttl: 64,
    sourcePort: ENDS.localPort,
    destinationPort: ENDS.remotePort,
    flags: 0x10,
    window: 500,
    urgent: 0,
    options: [],
    payload: new Uint8Array(0),
    ...change,
    seq: ((change.seq ?? 0) + LOCAL_ISN) >>> 0,
    ack: ((change.ack ?? 0) + ENDS.isn) >>> 0,
  });
}

function packetStep(text: string): Extract<Step, { kind: "packet" }> {
  const [step] = script("one", [text]).steps;
  if (step?.kind !== "packet") throw new Error("expected a packet");
  return step;
}

describe("the normaliser", () => {
  const opened = (): Peer => {
    const peer = new Peer(ENDS);
    peer.read(sent({ flags: 0x12, ack: 1 }));
    return peer;
  };

  test("leaves out what is chosen freely, over the end of the sequence space", () => {
    const peer = new Peer(ENDS);
    const stamp = { kind: "TS", value: 77, echo: 5 } as const;
    const options = [{ kind: "mss", value: 1460 }, NOP, NOP, stamp] as const;
    expect(peer.read(sent({ flags: 0x12, ack: 1, options }))).toBe(
      "> S. 0:0(0) ack 1 <mss 1460,nop,nop,TS ecr 5>",
    );
    expect(
      peer.read(sent({ seq: 1, ack: 301, options: [NOP, NOP, { ...stamp, value: 78 }] })),
    ).toBe("> . 1:1(0) ack 301 <nop,nop,TS ecr 5>");
  });

  const CASES: readonly (readonly [string, Partial<Segment>, string])[] = [
    ["an ACK", { seq: 1, ack: 301 }, "> . 1:1(0) ack 301"],
    ["another acknowledgment", { seq: 1, ack: 302 }, "> . 1:1(0) ack 302"],
    ["another sequence number", { seq: 2, ack: 301 }, "> . 2:2(0) ack 301"],
    ["a flag", { seq: 1, ack: 301, flags: 0x11 }, "> F. 1:1(0) ack 301"],
    ["a closed window", { seq: 1, ack: 301, window: 0 }, "> . 1:1(0) ack 301 win 0"],
    ["an ECN codepoint", { seq: 1, ack: 301, tos: 2 }, "> [ect0] . 1:1(0) ack 301"],
    [
      "bytes that nobody wrote",
      { seq: 1, ack: 1, payload: Uint8Array.of(1, 2) },
      "> . 1:3(2) ack 1 ! wrong bytes",
    ],
    [
      "SACK blocks",
      {
        seq: 1,
        ack: 1,
        options: [NOP, NOP, { kind: "sack", blocks: [[0xffff_ff65, 0xffff_ffc9]] }],
      },
      "> . 1:1(0) ack 1 <nop,nop,sack 101:201>",
    ],
    ["another ISN", { seq: 500, ack: 1, flags: 0x12 }, "> S. 0:0(0) ack 1 ! new ISN"],
  ];
  for (const [name, change, text] of CASES) {
    test(`shows ${name}`, () => expect(opened().read(sent(change))).toBe(text));
  }

  test("says so when a checksum is wrong or a timestamp goes back", () => {
    const broken = sent({ seq: 1, ack: 1 });
    broken[37] = (broken[37] as number) ^ 1;
    expect(opened().read(broken)).toContain("> unsound");
    const peer = opened();
    const stamp = (value: number): Uint8Array => {
      return sent({ seq: 1, ack: 1, options: [{ kind: "TS", value, echo: 0 }] });
    };
    peer.read(stamp(9));
    expect(peer.read(stamp(8))).toContain("TSval went back");
  });

  test("sends what the script says: numbers, `*`, and changes behind the rules", () => {
    const peer = opened();
    peer.read(sent({ seq: 1, ack: 1, payload: new Uint8Array(20) }));
    const view = (text: string): DataView => new DataView(peer.build(packetStep(text)).buffer);
    expect(view("< . 1:1(0) ack *").getUint32(28)).toBe((LOCAL_ISN + 21) >>> 0);
    expect(view("< . 300:300(0) ack 1").getUint32(24)).toBe((ENDS.isn + 300) >>> 0);
    expect(view("< {reserved 5} . 1:1(0) ack 1").getUint8(32) & 15).toBe(5);
    expect(view("< {offset 4} . 1:1(0) ack 1").getUint8(32) >>> 4).toBe(4);
    expect(view("< {options 02040064} S 0:0(0) win 1").getUint32(40)).toBe(0x02040064);
    const [right, wrong] = [view("< . 1:1(0) ack 1"), view("< {checksum} . 1:1(0) ack 1")];
    expect(wrong.getUint16(36) ^ right.getUint16(36)).toBe(0x5555);
    const quench = packetOf(packetStep("< [1:2(1)] icmp source_quench"), 0, 0);
    expect(quench.protocol).toBe("icmp");
  });
});

describe("the lists", () => {
  test("there are more than 100 scripts, and each accepted difference is one of theirs", () => {
    expect(SCRIPTS.length).toBeGreaterThan(300);
    const scripts = SCRIPTS.map(({ name }) => name);
    const own = scripts.flatMap((name) => DATA_PATHS.map((datapath) => `${name} on ${datapath}`));
    const names = [RANDOM, ...scripts, ...own];
    expect([...ACCEPTED.keys()].filter((name) => !names.includes(name))).toEqual([]);
    for (const [name, { why, differences: all }] of ACCEPTED) {
      expect(why.length, name).toBeGreaterThan(20);
      expect(all.length, name).toBeGreaterThan(0);
      if (name !== RANDOM) for (const one of all) readDifference(one);
    }
  });

  test("a script or an entry that makes no sense is refused", () => {
    expect(() => script("x", ["+0"])).toThrow("script x: expected milliseconds");
    expect(() => script("x", ["< nonsense"])).toThrow("script x");
    expect(() => script("x", ["< {odd} S 0:0(0)"])).toThrow("expected {checksum");
    expect(() => readParagraphs("a\n  listen\na\n  listen")).toThrow("expected a once");
    expect(() => readAccepted("a\n1 linux +0 = 0")).toThrow("expected a reason above a");
    expect(() => readAccepted("= w\na\na")).toThrow("and it once");
    const openings = new Map([["plain", ["listen", "accept"]]]);
    expect([...readParagraphs("a\n  plain; close\n", openings)]).toEqual([
      ["a", ["listen", "accept", "close"]],
    ]);
  });

  test("a seed draws one session, another seed another", () => {
    const texts = (seed: number): string[] => randomScript(seed).steps.map(({ text }) => text);
    expect(texts(7)).toEqual(texts(7));
    expect(texts(7)).not.toEqual(texts(8));
    expect(chosenScripts({ only: ["random-7"] })[0]?.steps.map(({ text }) => text)).toEqual(
      texts(7),
    );
    expect(toeloopIsn("random-7")).toBe(toeloopIsn("random-7"));
  });
});

describe("the command", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  const BAD: readonly (readonly [readonly string[], string])[] = [
    [["--only", "nothing"], "expected a script's name, got nothing"],
    [["--random", "0"], "expected an integer 1..10000"],
    [["--random", "5", "--seed", "-1"], "expected an integer 0..4294967295"],
    [["--random", "5", "--only", "open-mss-only"], "expected --only or --random, got both"],
    [["--random", "5", "--datapath", "laminar-relaxed"], "expected --random on flextoe"],
    [["--datapath", "laminar"], "laminar-relaxed"],
    [["--what"], "--what"],
    [["rest"], 'expected options only, got "rest"'],
  ];
  for (const [args, message] of BAD) {
    test(`refuses ${args.join(" ")}`, async () => {
      await expect(main(args)).rejects.toThrow(message);
    });
  }

  test("without root it is skipped by name, and in CI that is a failure", async () => {
    vi.spyOn(process, "getuid").mockReturnValue(1000);
    const said: string[] = [];
    vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(text));
    vi.stubEnv("TOELOOP_NO_SKIP", "");
    expect(await main([])).toBe(0);
    expect(said).toEqual(["differential skipped: needs root", "0 passed, 0 failed"]);
    vi.stubEnv("TOELOOP_NO_SKIP", "1");
    expect(await main([])).toBe(1);
    expect(said.at(-1)).toBe("0 passed, 1 failed");
  });
});
