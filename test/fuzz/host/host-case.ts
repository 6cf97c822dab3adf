/**
 * One case of fuzz target `host`: a whole stack, a list of POSIX-like calls with any arguments,
 * segments of a peer that keeps no rules, descriptors and ring indexes that no libTOE would write,
 * and time. Every call gives a result or a known errno and throws nothing; guard strips stand; and
 * when no descriptor was forged everything is given back in the end.
 */
import * as D from "../../../bindings/abi/descriptor.ts";
import { LIBTOE_ATX_PRODUCER, LIBTOE_SIZE } from "../../../bindings/abi/socket.ts";
import { ERRNO } from "../../../host/errors.ts";
import type { OptionValue } from "../../../host/libtoe/options.ts";
import { ACK, buildFrame, fixChecksums, RST, SYN, toHex } from "../../support/frames.ts";
import { poolCounts } from "../../support/pool-counts.ts";
import { ScriptedPeer } from "../../support/scripted-peer.ts";
import { parseFrame, type Segment } from "../../model/reference-parser.ts";

const LAYOUT = { connections: 8, queueDescriptors: 16, payloadBytes: 262144, frameBytes: 1536 };
const OPERATIONS_MAX = 64;
const KNOWN = new Set<number>(Object.values(ERRNO));
/** Long enough for every timer of a stack that is left alone: 2 MSL, FIN-WAIT-2, R2. */
const LATER_NS = 120e9;
const LATER_TIMES = 8;
const OWNER = () => ({ connection: 1, installed: true });

/** Numbers at every limit, and what is none. */
const ODD: readonly unknown[] = [
  -1,
  0,
  1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  -(2 ** 31),
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "3",
  "",
  undefined,
  null,
  true,
  {},
  [],
  { onoff: 1, linger: 0 },
  { onoff: 1, linger: -1 },
];
const ADDRESSES: readonly unknown[] = [
  { address: "10.0.0.1", port: 80 },
  { address: "0.0.0.0", port: 81 },
  { address: "10.0.0.2", port: 40000 },
  { address: "10.0.0.2", port: 9 },
  { address: "10.9.9.9", port: 80 },
  { address: "255.255.255.255", port: 80 },
  { address: "224.0.0.1", port: 1 },
  { address: "::1", port: 80 },
  { address: "::", port: 82 },
  { address: "10.0.0.1", port: 0 },
  { address: "10.0.0.1", port: -1 },
  { address: "10.0.0.1", port: 65536 },
  { address: "1.2.3", port: 80 },
  { address: "", port: 80 },
  { address: 7, port: 80 },
  undefined,
  null,
  7,
  {},
];
const LEVELS = [1, 6, 0, 41];
const FLAGS = [0, 2, 0x20, 0x40, 0x100, 0x8000, 0x4000, 0xffffffff, 0o4000, 0o2000000];

/** Takes an input apart. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }

  /** Mostly small. */
  number(): unknown {
    const byte = this.byte();
    return byte < 160 ? byte : ODD[byte % ODD.length];
  }

  word(): number {
    return ((this.byte() << 24) | (this.byte() << 16) | (this.byte() << 8) | this.byte()) >>> 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.byte() % list.length] as T;
  }
}

/** An argument for a message; a detached buffer has no text of its own. */
function spelled(word: unknown): string {
  if (word instanceof Uint8Array) return `${word.length} bytes`;
  return typeof word === "object" ? JSON.stringify(word) : String(word);
}

/** A call's arguments are whatever the input says: no type holds here. */
type Call = (...words: unknown[]) => unknown;

export class HostCase {
  readonly #peer: ScriptedPeer;
  readonly #fds: number[] = [];
  readonly #called: Map<string, number>;
  readonly #buffer = new Uint8Array(4096);
  #last: Segment | undefined;
  #forged = false;

  /** `called` counts what was called and how it ended. */
  constructor(module: WebAssembly.Module, called: Map<string, number>) {
    this.#called = called;
    const entropy = (bytes: Uint8Array): void => void bytes.fill(7);
    this.#peer = new ScriptedPeer({ module, layout: LAYOUT, entropy });
    this.#peer.settle();
  }

  get memory(): WebAssembly.Memory {
    return this.#peer.stack.core.memory;
  }

  /** What is wrong, or undefined. */
  run(input: Uint8Array): string | undefined {
    const before = poolCounts(this.#peer.stack);
    const reader = new Reader(input);
    try {
      for (let i = 0; i < OPERATIONS_MAX && reader.left > 0; i += 1) {
        const complaint = this.#operate(reader);
        if (complaint !== undefined) return complaint;
        this.#settle();
      }
      return this.#finish(before);
    } catch (error) {
      return `the stack threw: ${String(error)}`;
    }
  }

  #settle(): void {
    for (const frame of this.#peer.settleFrames()) {
      const { verdict } = parseFrame(frame, { medium: "ip", vlan: 0, owner: OWNER });
      if (verdict.kind === "drop") throw new Error(`a frame left unsound: ${toHex(frame)}`);
      if (verdict.segment !== undefined) this.#last = verdict.segment;
    }
  }

  /** Closes all, waits, and compares: nothing that was taken is kept (I10). */
  #finish(before: ReturnType<typeof poolCounts>): string | undefined {
    const { stack } = this.#peer;
    const broken = poolCounts(stack).brokenGuards;
    if (broken.length > 0) return `guard strips: ${broken.join(", ")}`;
    if (this.#forged) return undefined;
    stack.toe.closeAll(false);
    for (let i = 0; i < LATER_TIMES; i += 1) {
      this.#peer.now += LATER_NS;
      this.#settle();
    }
    const [want, got] = [before, poolCounts(stack)].map((counts) => JSON.stringify(counts));
    return want === got ? undefined : `not given back: expected ${want}, got ${got}`;
  }

  #fd(reader: Reader): unknown {
    const byte = reader.byte();
    if (byte >= 224 || this.#fds.length === 0) return ODD[byte % ODD.length];
    return this.#fds[byte % this.#fds.length];
  }

  /** Calls by name; a complaint when the result is none that a call may have. */
  #call(name: string, ...words: unknown[]): string | undefined {
    const toe = this.#peer.stack.toe as unknown as Record<string, Call>;
    let result: unknown;
    try {
      result = (toe[name] as Call).apply(toe, words);
    } catch (error) {
      return `${name}(${words.map(spelled).join(", ")}) threw ${String(error)}`;
    }
    const ok = typeof result !== "number" || result >= 0;
    const key = `${name} ${ok ? "ok" : "errno"}`;
    this.#called.set(key, (this.#called.get(key) ?? 0) + 1);
    if (typeof result !== "number")
      return result === undefined ? `${name} gave nothing` : undefined;
    const opens = ["socket", "accept", "epollCreate"].includes(name);
    if (opens && result >= 0) this.#fds.push(result);
    if (Number.isInteger(result) && (result >= 0 || KNOWN.has(-result))) return undefined;
    return `${name} gave ${result}`;
  }

  /** A buffer for a call: whole, a part, one that is detached, and what is none. */
  #bytes(reader: Reader): unknown {
    const kind = reader.byte() % 8;
    if (kind === 0) {
      const gone = new Uint8Array(64);
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      return gone;
    }
    if (kind === 1) return reader.pick([undefined, null, "text", 7, new ArrayBuffer(8), []]);
    if (kind === 2) return new Uint8Array(new SharedArrayBuffer(32));
    return this.#buffer.subarray(0, reader.byte() * 16);
  }

  #operate(reader: Reader): string | undefined {
    const operation = reader.byte() % 32;
    const calls = this.#calls[operation];
    if (calls !== undefined) return calls(reader);
    if (operation < 26) this.#receive(reader);
    else if (operation < 28) this.#forge(reader);
    else this.#pass(reader);
    return undefined;
  }

  readonly #calls: readonly ((r: Reader) => string | undefined)[] = [
    () => this.#call("socket"),
    (r) => this.#call("socket", r.number(), r.number(), r.number()),
    (r) => this.#call("bind", this.#fd(r), r.pick(ADDRESSES)),
    (r) => this.#call("listen", this.#fd(r), r.number()),
    (r) => this.#listening(r),
    (r) => this.#call("accept", this.#fd(r)),
    (r) => this.#call("accept", this.#fd(r), r.pick(FLAGS)),
    (r) => this.#call("connect", this.#fd(r), r.pick(ADDRESSES)),
    (r) => this.#call("send", this.#fd(r), this.#bytes(r)),
    (r) => this.#call("send", this.#fd(r), this.#bytes(r), r.number(), r.number(), r.pick(FLAGS)),
    (r) => this.#call("recv", this.#fd(r), this.#bytes(r)),
    (r) => this.#call("recv", this.#fd(r), this.#bytes(r), r.number(), r.number(), r.pick(FLAGS)),
    (r) => this.#call("shutdown", this.#fd(r), r.number()),
    (r) => this.#call("close", this.#fd(r)),
    (r) => this.#call("abort", this.#fd(r)),
    (r) => this.#option("setsockopt", r, r.number()),
    (r) => this.#option("getsockopt", r),
    (r) => this.#call("fcntl", this.#fd(r), r.number(), r.number()),
    (r) => this.#call(r.pick(["getsockname", "getpeername"]), this.#fd(r)),
    (r) => this.#poll(r),
    (r) => this.#epoll(r),
  ];

  #option(name: string, reader: Reader, ...value: unknown[]): string | undefined {
    const level = reader.pick(LEVELS);
    const option = reader.byte() % 70;
    const text = reader.pick(["newreno", "cubic", "none", "rate", "", "no such"]);
    const given = level === 6 && option === 13 ? [text as OptionValue] : value;
    const words = name === "setsockopt" ? given : [];
    return this.#call(name, this.#fd(reader), level, option, ...words);
  }

  /** A listener on port 80 in one operation: most cases begin so. */
  #listening(reader: Reader): string | undefined {
    const fd = this.#peer.stack.toe.socket();
    if (fd < 0) return undefined;
    this.#fds.push(fd);
    const bound = this.#call("bind", fd, { address: "10.0.0.1", port: 80 + (reader.byte() % 3) });
    return bound ?? this.#call("listen", fd, 1 + (reader.byte() % 4));
  }

  #poll(reader: Reader): string | undefined {
    const entries = Array.from({ length: reader.byte() % 4 }, () => ({
      fd: this.#fd(reader),
      events: reader.byte(),
      revents: 0,
    }));
    return this.#call("pollFds", entries);
  }

  #epoll(reader: Reader): string | undefined {
    const kind = reader.byte() % 4;
    if (kind === 0) return this.#call("epollCreate", reader.pick([0, 0, 0o2000000, 7]));
    if (kind === 1) return this.#call("epollWait", this.#fd(reader), [], reader.number());
    const event = { events: reader.pick([1, 4, 5, 0x80000001, 0x40000001]), data: 1 };
    const operation = reader.pick([1, 1, 2, 3, 7]);
    return this.#call("epollCtl", this.#fd(reader), operation, this.#fd(reader), event);
  }

  /** A segment of the peer's: an answer to the last one, a SYN, or bytes. */
  #receive(reader: Reader): void {
    const kind = reader.byte();
    const last = this.#last;
    if (kind < 32 || last === undefined) {
      const options = kind % 2 === 0 ? [] : [2, 4, 5, 0xb4, 3, 3, 7, 1, 4, 2, 0, 0];
      const sourcePort = 40000 + (reader.byte() % 4);
      const destinationPort = 80 + (reader.byte() % 3);
      this.#peer.queue({ flags: SYN, sourcePort, destinationPort, seq: 1000, options });
      return;
    }
    const { sourcePort, destinationPort } = last.tuple;
    const advance = last.payloadLength + ((last.flags & 3) !== 0 ? 1 : 0);
    const fields = {
      sourcePort: destinationPort,
      destinationPort: sourcePort,
      seq: (last.ack === 0 ? 5000 : last.ack) + (kind < 224 ? 0 : reader.byte() - 128),
      ack: (last.seq + advance + (kind < 240 ? 0 : reader.byte() - 128)) >>> 0,
      flags: kind < 96 ? ACK : kind < 128 ? ACK | SYN : kind < 136 ? RST : reader.byte(),
      payload: this.#buffer.subarray(0, kind < 160 ? 0 : reader.byte()),
    };
    if (kind < 250) {
      this.#peer.queue(fields);
      return;
    }
    const frame = buildFrame({ medium: "ip", ...fields });
    const at = reader.byte() % frame.length;
    frame[at] = reader.byte();
    fixChecksums(frame, "ip");
    this.#peer.queuePacket(frame);
  }

  /** Words into the application's ring, and indexes that jump (threats D01 to D08). */
  #forge(reader: Reader): void {
    this.#forged = true;
    const { core } = this.#peer.stack;
    const record = (core.map.base.contextTable as number) + D.CONTEXT_SIZE;
    const library = (core.map.base.libtoe as number) + LIBTOE_SIZE;
    const mask = core.view.getUint32(record + D.CONTEXT_ATX_MASK, true);
    const producer = core.view.getUint32(library + LIBTOE_ATX_PRODUCER, true);
    const ring = core.view.getUint32(record + D.CONTEXT_ATX_BASE, true);
    const entry = ring + (producer & mask) * D.ATX_SIZE;
    for (let at = 0; at < D.ATX_SIZE; at += 4) {
      const word = reader.byte() < 64 ? reader.word() : reader.byte() % 9;
      core.view.setUint32(entry + at, word, true);
    }
    const jump = reader.byte();
    const next = (producer + (jump < 200 ? 1 : jump - 228)) >>> 0;
    core.view.setUint32(library + LIBTOE_ATX_PRODUCER, next, true);
    core.view.setUint32(record + D.CONTEXT_ATX_PRODUCER, next, true);
  }

  #pass(reader: Reader): void {
    this.#peer.now += 2 ** (reader.byte() % 38);
  }
}
