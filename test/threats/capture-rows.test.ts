/**
 * Threats P01 to P07: captures that are cut, lie about lengths and times, are enormous, or carry
 * names for a terminal. The reader's rows are files made byte by byte (test/support/capture-files),
 * the replay's go through a real stack.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { platform } from "../../bindings/node.ts";
import { replayFiles } from "../../examples/replay/files.ts";
import { tableOf } from "../../examples/replay/report.ts";
import { CAPTURE_FRAME_BYTES_MAX, CaptureReader } from "../../host/netif/capture-reader.ts";
import { BLOCK_BYTES_MAX, INTERFACES_MAX } from "../../host/netif/capture-pcapng.ts";
import { SKIPPED_BYTES_MAX } from "../../host/netif/capture-pcapng.ts";
import { type BlockOption, PcapngBlocks, pcapFile } from "../support/capture-files.ts";
import { type PcapRecord, readCapture } from "../support/capture-files.ts";
import { isNight, ROOT } from "../support/env.ts";
import { ACK, buildFrame, type FrameFields, SYN } from "../support/frames.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const FRAME_MAX = CAPTURE_FRAME_BYTES_MAX;
const blocks = new PcapngBlocks(true);
const START = [...blocks.section(), ...blocks.interface()];
/** Where the next block begins. */
const AT = START.length;

const pcapng = (...parts: readonly number[][]): Uint8Array => Uint8Array.from(parts.flat());

/** The message of a file's error, "" when it has none; the same however it is cut. */
function messageOf(file: Uint8Array): string {
  const messages = [file.length, 1, 5].map((step) => {
    const { error } = readCapture(file, Math.max(1, step));
    return error === undefined ? "" : (error as Error).message;
  });
  expect(messages).toEqual(new Array(3).fill(messages[0]));
  return messages[0] as string;
}

test("threats/P01: magics, byte orders and versions are known, or refused by name", () => {
  const zeros = (count: number): number[] => new Array<number>(count).fill(0);
  const magic = (...bytes: number[]): Uint8Array => Uint8Array.from([...bytes, ...zeros(60)]);
  const refused = "capture byte 0: expected the magic of pcap or pcapng, got ";
  const rows: [file: Uint8Array, message: string][] = [
    [pcapFile([]), ""],
    [pcapFile([], { little: false }), ""],
    [pcapFile([], { ns: true }), ""],
    [pcapFile([], { little: false, ns: true }), ""],
    [pcapng(blocks.section()), ""],
    [pcapng(new PcapngBlocks(false).section()), ""],
    [magic(0, 0, 0, 0), `${refused}0x00000000`],
    [magic(0xff, 0xff, 0xff, 0xff), `${refused}0xffffffff`],
    // Records with more fields, words in the PDP's order, gzip, snoop.
    [magic(0x34, 0xcd, 0xb2, 0xa1), `${refused}0x34cdb2a1`],
    [magic(0xb2, 0xa1, 0xd4, 0xc3), `${refused}0xb2a1d4c3`],
    [magic(0x1f, 0x8b, 8, 0), `${refused}0x1f8b0800`],
    [magic(0x73, 0x6e, 0x6f, 0x6f), `${refused}0x736e6f6f`],
    [Uint8Array.of(), "capture byte 0: expected 4 bytes, got 0 and the end"],
    [pcapFile([], { version: [2, 3] }), "capture byte 4: expected pcap version 2.4, got 2.3"],
    [pcapFile([], { version: [3, 4] }), "capture byte 4: expected pcap version 2.4, got 3.4"],
    [pcapFile([], { version: [4, 2] }), "capture byte 4: expected pcap version 2.4, got 4.2"],
    [
      pcapng(blocks.section([], 0x1a2b3c4e)),
      "capture byte 8: expected byte order 0x1a2b3c4d in either order, got 0x4e3c2b1a",
    ],
    [pcapng(blocks.section([], undefined, 2)), "capture byte 12: expected pcapng version 1, got 2"],
  ];
  for (const [file, message] of rows) expect(messageOf(file)).toBe(message);
});

/** What a frame's lengths may be, in words of either format. */
const LENGTHS: readonly (readonly [
  said: PcapRecord & { readonly snapLength?: number },
  refusal: string,
])[] = [
  [{ bytes: [], captured: 0, original: 0 }, ""],
  [{ bytes: [], captured: 0, original: 0xffffffff }, ""],
  [{ bytes: [1, 2, 3], original: 3 }, ""],
  [{ bytes: [1, 2, 3], original: 2 }, "at most 2 bytes (the frame's length), got 3"],
  [{ bytes: [1, 2, 3], original: 3, snapLength: 3 }, ""],
  [{ bytes: [1, 2, 3], original: 3, snapLength: 2 }, "at most 2 bytes (the snap length), got 3"],
  [{ captured: FRAME_MAX + 1 }, `at most ${FRAME_MAX} bytes (of any frame), got ${FRAME_MAX + 1}`],
  [{ captured: 0x7fffffff }, `at most ${FRAME_MAX} bytes (of any frame), got 2147483647`],
  [{ captured: 0xffffff00 }, `at most ${FRAME_MAX} bytes (of any frame), got 4294967040`],
  [{ captured: 0xffffffff }, `at most ${FRAME_MAX} bytes (of any frame), got 4294967295`],
];

test("threats/P02: captured lengths that lie are refused, nothing is allocated for them", () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const [said, refusal] of LENGTHS) {
    const { snapLength = 0, ...record } = said;
    const interface_ = blocks.interface(1, snapLength);
    const rows: [file: Uint8Array, at: number][] = [
      [pcapFile([record], { snapLength }), 32],
      [pcapng(blocks.section(), interface_, blocks.enhanced(record)), AT + 20],
    ];
    for (const [file, at] of rows) {
      const wanted = refusal === "" ? "" : `capture byte ${at}: expected ${refusal}`;
      const { error, frames } = readCapture(file);
      expect((error as Error | undefined)?.message ?? "").toBe(wanted);
      expect(frames.length).toBe(refusal === "" ? 1 : 0);
    }
  }
  // All of it whole in its chunk: no reader has needed a buffer.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(BLOCK_BYTES_MAX);
  // Longer than what is there: by the file in one format, by the block in the other.
  const long = { bytes: [1, 2, 3, 4], captured: 5 };
  expect(messageOf(pcapFile([long]))).toBe("capture byte 40: expected 5 bytes, got 4 and the end");
  expect(messageOf(pcapng(START, blocks.enhanced(long)))).toBe(
    `capture byte ${AT + 20}: expected at most the block's 4, got 5`,
  );
  expect(messageOf(pcapng(START, blocks.simple(5, [1, 2, 3, 4])))).toBe(
    `capture byte ${AT + 8}: expected at most the block's 4, got 5`,
  );
  const longest = { bytes: new Array<number>(FRAME_MAX).fill(7) };
  for (const file of [pcapFile([longest]), pcapng(START, blocks.enhanced(longest))]) {
    const { frames, held } = readCapture(file, 65_536);
    expect(frames.map(({ bytes }) => bytes.length)).toEqual([FRAME_MAX]);
    expect(held).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
  }
});

test("threats/P03: captures cut at every byte give what came before and say where they end", () => {
  const big = new PcapngBlocks(false);
  const records = [{ bytes: [1, 2, 3] }, { bytes: [] }, { bytes: [4, 5, 6, 7, 8] }];
  const comment: BlockOption = [1, [65, 66]];
  const files = [
    pcapFile(records),
    pcapFile(records, { little: false, ns: true }),
    pcapng(
      [...START, ...blocks.enhanced({ bytes: [1, 2, 3], options: [comment] })],
      [...blocks.block(0xbad, [1, 2, 3, 4]), ...blocks.simple(2, [9, 9, 0, 0])],
      [...big.section([[4, [65]]]), ...big.interface(101, 0, [[9, [9]]])],
      big.enhanced({ bytes: [4, 5], options: [comment] }),
    ),
  ];
  for (const [i, file] of files.entries()) {
    const whole = readCapture(file);
    expect([whole.error, whole.frames.length]).toEqual([undefined, 3]);
    let ends = 0;
    for (let cut = 0; cut < file.length; cut += 1) {
      const { frames, error } = readCapture(file.subarray(0, cut), 1 + (cut % 9));
      expect(frames, `cut at ${cut}`).toEqual(whole.frames.slice(0, frames.length));
      if (error === undefined) ends += 1;
      else expect((error as Error).message).toMatch(/^capture byte \d+: expected \d+ bytes/);
    }
    // Within a block that is passed over: behind head and half of its body.
    if (i === 2) {
      const at = AT + 48 + 10;
      expect(messageOf(file.subarray(0, at))).toBe(
        `capture byte ${at}: expected 2 bytes more, got the end of the file`,
      );
    }
    // Behind the header and each record; behind each block but the last.
    expect(ends).toBe(i < 2 ? 3 : 7);
  }
});

/** A segment of a client, or of the server that it talks to, on Ethernet. */
function segment(fields: Partial<FrameFields>): number[] {
  return [...buildFrame({ source: "10.0.0.2", destination: "10.0.0.1", ...fields })];
}

const ANSWER = { source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 80 };
const CONVERSATION = [
  segment({ seq: 100, flags: SYN }),
  segment({ ...ANSWER, destinationPort: 40_000, seq: 900, ack: 101, flags: SYN | ACK }),
  segment({ seq: 101, ack: 901, flags: ACK }),
  segment({ seq: 101, ack: 901, flags: ACK, payload: new Uint8Array(10) }),
  segment({ seq: 111, ack: 901, flags: ACK, payload: new Uint8Array(10) }),
];

const replayed = async (file: Uint8Array, name = "x.pcap") =>
  replayFiles([{ name, open: () => [file] }], await platform.loadCore());

test("threats/P04: a replay is in order, whatever the stamps say", async () => {
  const rows: [what: string, stamps: [number, number][], spanNs: number, adjusted: number][] = [
    ["in order", [0, 1, 2, 3, 4].map((second) => [second, 0]), 4e9, 0],
    ["backwards", [4, 3, 2, 1, 0].map((second) => [second, 0]), 0, 4],
    ["all at once", new Array(5).fill([7, 7]), 0, 0],
    [
      "one of 2106",
      [
        [1, 0],
        [1, 1],
        [0xffffffff, 0],
        [1, 2],
        [1, 3],
      ],
      2000,
      2,
    ],
    [
      "the first of 2106",
      [
        [0xffffffff, 0],
        [1, 0],
        [1, 1],
        [1, 2],
        [1, 3],
      ],
      3000,
      1,
    ],
    [
      "0 and 2106 in turns",
      [
        [0, 0],
        [0xffffffff, 0],
        [0, 1],
        [0xffffffff, 1],
        [0, 2],
      ],
      0,
      4,
    ],
    [
      "no fraction of a second",
      [
        [1, 999_999],
        [1, 1_000_000],
        [1, 0xffffffff],
        [2, 0],
        [2, 1],
      ],
      2000,
      2,
    ],
  ];
  for (const [what, stamps, spanNs, adjusted] of rows) {
    const records = CONVERSATION.map((bytes, i) => {
      const [seconds, fraction] = stamps[i] as [number, number];
      return { seconds, fraction, bytes };
    });
    const report = await replayed(pcapFile(records));
    expect({ what, ...report }).toMatchObject({ what, spanNs, adjusted });
    // A server that answers as the captured one did, and has all of what came after.
    expect(report).toMatchObject({ frames: 5, offered: 5, connections: 1, payloadBytes: 20 });
    expect(report.drops).toEqual({ IpDestination: 1 });
  }
});

test("threats/P05: blocks whose lengths lie are refused", () => {
  const section = [...blocks.section()];
  const range = (least: number, most: number): string =>
    `with a length of ${least} to ${most} bytes, a multiple of 4, got `;
  const packet = `an enhanced packet ${range(32, BLOCK_BYTES_MAX)}`;
  const other = `a block ${range(12, SKIPPED_BYTES_MAX)}`;
  const body = new Array<number>(20).fill(0);
  const rows: [parts: number[], at: number, refusal: string][] = [
    ...[0, 4, 28, 33, 34, BLOCK_BYTES_MAX + 4, 0xfffffffc, 0xffffffff].map(
      (length): [number[], number, string] => [
        [...START, ...blocks.block(6, body, length)],
        AT + 4,
        `${packet}${length}`,
      ],
    ),
    ...[0, 8, 11, 13, 14, SKIPPED_BYTES_MAX + 4, 0xffffff00].map(
      (length): [number[], number, string] => [
        [...START, ...blocks.block(0xbad, body, length)],
        AT + 4,
        `${other}${length}`,
      ],
    ),
    [
      [...START, ...blocks.block(0xbad, body, 32, 36)],
      AT + 28,
      "the block's length again, 32, got 36",
    ],
    [[...START, ...blocks.block(6, body, 32, 0)], AT + 28, "the block's length again, 32, got 0"],
    [
      blocks.block(0x0a0d0d0a, blocks.word(0x1a2b3c4d, 1, 0), 24),
      4,
      `a section header ${range(28, SKIPPED_BYTES_MAX)}24`,
    ],
    [
      [...section, ...blocks.block(1, body, 16)],
      32,
      `an interface description ${range(20, BLOCK_BYTES_MAX)}16`,
    ],
    [[...section, ...blocks.enhanced()], 36, "an interface below 0, as described, got 0"],
    [
      [...START, ...blocks.enhanced({ interface: 1 })],
      AT + 8,
      "an interface below 1, as described, got 1",
    ],
    [[...section, ...blocks.simple(1, [1])], 36, "an interface below 0, as described, got 0"],
  ];
  for (const [parts, at, refusal] of rows) {
    expect(messageOf(Uint8Array.from(parts))).toBe(`capture byte ${at}: expected ${refusal}`);
  }
});

test("threats/P05: option lists end, whatever their lengths say", () => {
  const head = blocks.word(0, 0, 0, 0, 0);
  const fields = AT + 8 + 20;
  const rows: [options: number[], refusal: string][] = [
    [blocks.half(1, 4), `capture byte ${fields}: expected an option of at most 0 bytes, got 4`],
    [
      blocks.half(1, 65_535),
      `capture byte ${fields}: expected an option of at most 0 bytes, got 65535`,
    ],
    [blocks.half(2, 3, 0, 0), `capture byte ${fields}: expected an option of 4 bytes, got 3`],
    // Empty ones go on for as long as the block does; what follows the end is nobody's.
    [new Array<number[]>(10_000).fill(blocks.half(9, 0)).flat(), ""],
    [blocks.half(0, 65_535), ""],
    [blocks.half(0, 0, 1, 65_535), ""],
  ];
  for (const [options, refusal] of rows) {
    expect(messageOf(pcapng(START, blocks.block(6, [...head, ...options])))).toBe(refusal);
  }
  const bad = (code: number, value: number[]): string =>
    messageOf(pcapng(blocks.section(), blocks.interface(1, 0, [[code, value]])));
  expect(bad(9, [1, 2])).toBe("capture byte 44: expected an option of 1 bytes, got 2");
  expect(bad(14, [1, 2, 3, 4])).toBe("capture byte 44: expected an option of 8 bytes, got 4");
  const many = new Array<number[]>(INTERFACES_MAX).fill(blocks.interface()).flat();
  expect(messageOf(pcapng(blocks.section(), many))).toBe("");
  expect(messageOf(pcapng(blocks.section(), many, blocks.interface()))).toBe(
    `capture byte ${28 + 20 * INTERFACES_MAX + 8}: expected at most ${INTERFACES_MAX} interfaces ` +
      "in a section, got one more",
  );
});

/** Reads chunks to their end; the frames there were, and the most that was held. */
function drain(
  reader: CaptureReader,
  chunks: Iterable<Uint8Array>,
): [frames: number, held: number] {
  let [frames, held] = [0, 0];
  for (const chunk of chunks) {
    reader.push(chunk);
    while (reader.next() !== undefined) frames += 1;
    held = Math.max(held, reader.held);
  }
  return [frames, held];
}

/** More than 4 GiB in pieces of `step` bytes of the same few arrays: heads, zeros, tails. */
function* repeated(parts: readonly Uint8Array[], times: number): Generator<Uint8Array> {
  for (let i = 0; i < times; i += 1) yield* parts;
}

test("threats/P06: more than 4 GiB pass through a reader that holds one block at most", () => {
  const before = process.memoryUsage().arrayBuffers;
  const skipped = new Uint8Array(SKIPPED_BYTES_MAX - 12);
  const length = Uint8Array.from(blocks.word(SKIPPED_BYTES_MAX));
  const frame = new Uint8Array(FRAME_MAX);
  const record = pcapFile([{ captured: FRAME_MAX }]).subarray(24);
  const halves = [frame.subarray(0, 1000), frame.subarray(1000)];
  const rows: [
    start: Uint8Array,
    parts: Uint8Array[],
    times: number,
    frames: number,
    most: number,
  ][] = [
    [
      pcapng(START),
      [
        Uint8Array.from([...blocks.word(0xbad), ...length]),
        skipped,
        length,
        pcapng(blocks.enhanced()),
      ],
      258,
      258,
      0,
    ],
    [pcapFile([]), [record, frame], 16_400, 16_400, 0],
    // Each frame is cut by its chunks, and put together.
    [pcapFile([]), [record, ...halves], 400, 400, 1000],
  ];
  for (const [start, parts, times, wanted, most] of rows) {
    const reader = new CaptureReader();
    drain(reader, [start]);
    expect(drain(reader, repeated(parts, times))).toEqual([wanted, most]);
    reader.end();
    // Offsets stay exact beyond 32 bits.
    const at = start.length + times * parts.reduce((sum, { length: bytes }) => sum + bytes, 0);
    if (times !== 400) expect(at).toBeGreaterThan(2 ** 32);
    reader.push(Uint8Array.of(1));
    expect(reader.next()).toBe(undefined);
    expect(() => reader.end()).toThrow(`capture byte ${at}: expected `);
  }
  const made = skipped.length + frame.length;
  expect(process.memoryUsage().arrayBuffers - before - made).toBeLessThan(2 * BLOCK_BYTES_MAX);
});

/** What moves a cursor, colours, hides or turns around; a line's end is ours. */
const UNSEEN = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;
const HOSTILE = "\x1b[2J\x1b]0;x\x07\r\x9b31m\u202egnp\u2066\u200b\n";
const SHOWN = "\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{d}\\u{9b}31m\\u{202e}gnp\\u{2066}\\u{200b}\\u{a}";

test("threats/P07: names and comments of a file, and its own name, are shown escaped", async () => {
  const text = (value: string): number[] => [...new TextEncoder().encode(value)];
  const name: BlockOption = [2, text(HOSTILE)];
  const frames = [
    HOSTILE,
    "__proto__",
    "toString",
    ...Array.from({ length: 40 }, (_, i) => `${i}`),
  ];
  const file = pcapng(
    [...blocks.section([[4, text(HOSTILE)]]), ...blocks.interface(1, 0, [name])],
    ...frames.map((comment) => blocks.enhanced({ options: [[1, text(comment)]] })),
  );
  const report = await replayed(file, `${HOSTILE}.pcapng`);
  for (const output of [tableOf(report), JSON.stringify(report)])
    expect(output).not.toMatch(UNSEEN);
  expect(report.files[0]?.name).toBe(`${SHOWN}.pcapng`);
  expect(Object.entries(report.interfaces)).toEqual([[SHOWN, 43]]);
  // Few of them are kept, under names that are nobody else's.
  const comments = Object.entries(report.comments);
  expect(comments.length).toBe(17);
  expect(comments).toContainEqual([SHOWN, 1]);
  expect(comments).toContainEqual(["__proto__", 1]);
  expect(comments.at(-1)).toEqual(["(others)", 27]);
  await expect(replayed(Uint8Array.of(1), HOSTILE)).rejects.toThrow(
    `${SHOWN}: capture byte 0: expected 4 bytes, got 1 and the end`,
  );
});

/** Of the command and all that it needs: bytes at most, as its process says when it ends. */
function peakOf(file: string): { status: number | null; output: string; bytes: number } {
  const note = 'process.on("exit", () => console.error(process.resourceUsage().maxRSS))';
  const command = [`--import=data:text/javascript,${note}`, `${ROOT}dist/examples/replay/run.js`];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...command, file, "--json"], {
    encoding: "utf8",
  });
  return { status, output: stdout, bytes: Number(stderr) * 1024 };
}

/** Blocks of 16 MiB that have nothing but their ends, a frame after each. */
function writeSparse(path: string, times: number): void {
  const file = openSync(path, "w");
  let at = 0;
  const put = (bytes: readonly number[]): void => {
    at += writeSync(file, Uint8Array.from(bytes), 0, bytes.length, at);
  };
  put(START);
  for (let i = 0; i < times; i += 1) {
    put(blocks.word(0xbad, SKIPPED_BYTES_MAX));
    at += SKIPPED_BYTES_MAX - 12;
    put([
      ...blocks.word(SKIPPED_BYTES_MAX),
      ...blocks.enhanced({ low: i, bytes: CONVERSATION[0] ?? [] }),
    ]);
  }
  closeSync(file);
}

test("threats/P06: a sparse file is replayed in the memory of a short one", () => {
  const folder = temporaryFolder("sparse");
  const times = isNight() ? 640 : 8;
  const [short, long] = [1, times].map((count) => {
    const path = join(folder, `${count}.pcapng`);
    writeSparse(path, count);
    const { status, output, bytes } = peakOf(path);
    expect([status, output.includes(`"frames":${count},`)]).toEqual([0, true]);
    return { path, bytes };
  });
  expect(statSync(long?.path ?? "").size).toBeGreaterThan(times * SKIPPED_BYTES_MAX);
  const [least = 0, most = 0] = [short?.bytes, long?.bytes];
  // Node's own is most of it.
  expect(least).toBeGreaterThan(2 ** 24);
  expect(most - least).toBeLessThan(2 ** 24);
}, 300_000);
