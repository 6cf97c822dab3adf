/**
 * Rules as short scripts in packetdrill's language, each a test named by its ids: on the data path
 * under test, in profile `rfc` unless the script says otherwise, with ISNs in the middle of the
 * sequence space and again at its end.
 */
import { expect, test } from "vitest";
import { parseScript, runScript } from "../../host/packetdrill/index.ts";
import { loadModule } from "../support/load-core.ts";

/** Both streams pass 2^32 within the first bytes. */
const AT_THE_END = { local_isn: "0xffffffc0", remote_isn: "0xffffff80" };

/** Room for an MTU of 9000. */
const LAYOUT = { frameBytes: 9216 };

/** What the peer's SYN says, and what comes before and behind the handshake. */
export interface Handshake {
  /** Options of the peer's SYN; default "mss 1000". */
  readonly options?: string;
  /** Window field of its SYN and of its ACK; default 65535. */
  readonly window?: number;
  /** Script options and calls on socket 3 before it listens. */
  readonly before?: string;
  readonly bind?: string;
  /** Options of the ACK of our SYN-ACK. */
  readonly ack?: string;
}

/** A connection that the peer opened at 0.1 s; it is accepted as descriptor 4 at 0.2 s. */
export function accepted(script: string, handshake: Handshake = {}): string {
  const { options = "mss 1000", window = 65535, before = "", bind = "...", ack } = handshake;
  const lines = before.trim().split("\n");
  const flags = lines.filter((line) => /^(--|`)/.test(line));
  return [
    ...flags,
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3",
    ...lines.filter((line) => !flags.includes(line)),
    `+0 bind(3, ..., ${bind}) = 0`,
    "+0 listen(3, 8) = 0",
    `+0.1 < S 0:0(0) win ${window}${options === "" ? "" : ` <${options}>`}`,
    "+0 > S. 0:0(0) ack 1 <...>",
    `+0.1 < . 1:1(0) ack 1 win ${window}${ack === undefined ? "" : ` <${ack}>`}`,
    "+0 accept(3, ..., ...) = 4",
    script,
    "",
  ].join("\n");
}

/** A connection that descriptor 3 opens at 0 s, and the peer accepts at 0.1 s. */
export function connected(script: string, handshake: Handshake = {}): string {
  const { options = "mss 1000", window = 65535, before = "", ack = "..." } = handshake;
  const lines = before.trim().split("\n");
  const flags = lines.filter((line) => /^(--|`)/.test(line));
  return [
    ...flags,
    "0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3",
    ...lines.filter((line) => !flags.includes(line)),
    "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)",
    "+0 > S 0:0(0) <...>",
    `+0.1 < S. 0:0(0) ack 1 win ${window}${options === "" ? "" : ` <${options}>`}`,
    `+0 > . 1:1(0) ack 1 <${ack}>`,
    script,
    "",
  ].join("\n");
}

/** `count` segments of 1000 bytes leave at once from `first` on; the last has PSH if it is said. */
export function leaving(first: number, count: number, tail = "", push = false): string {
  return Array.from({ length: count }, (_, i) => {
    const from = first + i * 1000;
    const flags = push && i === count - 1 ? "P." : ".";
    return `+0 > ${flags} ${from}:${from + 1000}(1000) ack 1${tail}`;
  }).join("\n");
}

function run(script: string, options: Readonly<Record<string, string>>): void {
  const parsed = parseScript("script", script.replace(/^ +/gm, ""));
  const failure = runScript(parsed, { module: loadModule(), options, layout: LAYOUT });
  if (failure !== undefined) expect.fail(`${failure.message}\n${script}`);
}

/** A test of a name and one script, or of several that all have to pass. */
export function rule(name: string, ...scripts: readonly string[]): void {
  test(name, () => {
    for (const script of scripts) {
      run(script, {});
      run(script, AT_THE_END);
    }
  });
}

/** A handshake that permits SACK. */
export const SACK: Handshake = { options: "mss 1000,nop,nop,sackOK" };

/** accepted() behind a handshake that permits SACK, or another. */
export function withSack(script: string, handshake: Handshake = SACK): string {
  return accepted(script, handshake);
}
