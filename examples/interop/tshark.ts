/**
 * tshark as a judge of captures: checksums of IP and TCP, and frames that it cannot dissect. What
 * the segments carry is no matter of it, so payload is taken as plain data.
 */
import { run } from "./programs.ts";

export interface Verdict {
  readonly frames: number;
  /** TCP segments whose checksum was computed and found right. */
  readonly verified: number;
  readonly badChecksums: number;
  readonly malformed: number;
  /** The first frames complained about, as text. */
  readonly complaints: readonly string[];
}

const TIMEOUT_MS = 60_000;
const COMPLAINTS_MAX = 5;
/** ip.checksum.status and tcp.checksum.status of a wrong and of a right checksum. */
const BAD = "0";
const GOOD = "1";
/** frame.p2p_dir of frames that the stack received. */
const INBOUND = "1";
/**
 * A checksum that comes to 0 leaves Linux as its other zero, for TCP as for UDP: the sum over the
 * segment is right, and tshark complains. Only frames of the kernel are excused.
 */
const OTHER_ZERO = "0xffff";

const FIELDS = [
  ...["frame.number", "frame.p2p_dir", "ip.checksum.status", "tcp.checksum.status"],
  ...["tcp.checksum", "_ws.expert.severity", "_ws.malformed"],
];
/** What stands between the values of a field that occurs more than once. */
const AGGREGATOR = "|";
/** _ws.expert.severity from which on tshark calls something an error. */
const SEVERITY_ERROR = 0x800000;

/** Of an ICMP error the outer packet's value: the inner one was cut by whoever quoted it. */
function firstOf(text: string): string {
  return text.split(AGGREGATOR)[0] as string;
}

function isBad(fields: readonly string[]): boolean {
  const [, direction, ip, tcp, checksum] = fields;
  const isExcused = direction === INBOUND && checksum === OTHER_ZERO;
  return ip === BAD || (tcp === BAD && !isExcused);
}

/** A frame cut short, or with options that run past their end. */
function isMalformed(fields: readonly string[]): boolean {
  const severities = (fields[5] ?? "").split(AGGREGATOR).map(Number);
  return severities.some((severity) => severity >= SEVERITY_ERROR) || (fields[6] ?? "") !== "";
}

/** Judges one capture. Rejects when tshark cannot read it. */
export async function judgeCapture(file: string): Promise<Verdict> {
  const { stdout } = await run(
    "tshark",
    [
      ...["-r", file, "-n", "-T", "fields", "-E", "separator=,", "-E", `aggregator=${AGGREGATOR}`],
      ...["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"],
      ...["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE"],
      ...["-d", "tcp.port==1-65535,data"],
      ...FIELDS.flatMap((name) => ["-e", name]),
    ],
    TIMEOUT_MS,
  );
  const complaints: string[] = [];
  const verdict = { frames: 0, verified: 0, badChecksums: 0, malformed: 0, complaints };
  for (const line of stdout.split("\n")) {
    if (line === "") continue;
    verdict.frames += 1;
    const fields = line.split(",").map((text, i) => (i < 5 ? firstOf(text) : text));
    const isWrong = isBad(fields);
    // A wrong checksum is an error to tshark too: it is counted once.
    const isCut = !isWrong && isMalformed(fields);
    if (fields[3] === GOOD) verdict.verified += 1;
    if (isWrong) verdict.badChecksums += 1;
    if (isCut) verdict.malformed += 1;
    if ((isWrong || isCut) && complaints.length < COMPLAINTS_MAX) {
      complaints.push(`frame ${fields[0]}: ${isWrong ? "bad checksum" : "malformed"}`);
    }
  }
  return verdict;
}
