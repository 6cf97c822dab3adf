/**
 * tshark as a judge of captures: checksums of IP and TCP, and frames that it cannot dissect. What
 * the segments carry is no matter of it, so payload is taken as plain data.
 */
import { run } from "./programs.ts";

export interface Verdict {
  readonly frames: number;
  readonly badChecksums: number;
  readonly malformed: number;
  /** The first frames complained about, as text. */
  readonly complaints: readonly string[];
}

const TIMEOUT_MS = 60_000;
const COMPLAINTS_MAX = 5;
/** ip.checksum.status and tcp.checksum.status of a wrong checksum. */
const BAD = "0";

const FIELDS = ["frame.number", "ip.checksum.status", "tcp.checksum.status", "_ws.malformed"];

/** Judges one capture. Rejects when tshark cannot read it. */
export async function judgeCapture(file: string): Promise<Verdict> {
  const { stdout } = await run(
    "tshark",
    [
      ...["-r", file, "-n", "-T", "fields", "-E", "separator=,", "-E", "occurrence=f"],
      ...["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"],
      ...["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE"],
      ...["-d", "tcp.port==1-65535,data"],
      ...FIELDS.flatMap((name) => ["-e", name]),
    ],
    TIMEOUT_MS,
  );
  const verdict = { frames: 0, badChecksums: 0, malformed: 0, complaints: [] as string[] };
  for (const line of stdout.split("\n")) {
    if (line === "") continue;
    verdict.frames += 1;
    const [number, ip, tcp, malformed] = line.split(",");
    const isBad = ip === BAD || tcp === BAD;
    if (isBad) verdict.badChecksums += 1;
    if (malformed) verdict.malformed += 1;
    if ((isBad || malformed) && verdict.complaints.length < COMPLAINTS_MAX) {
      verdict.complaints.push(`frame ${number}: ${isBad ? "bad checksum" : "malformed"}`);
    }
  }
  return verdict;
}
