/** What an interop run found, as a table for people and as one object for programs. */
import type { SiteReport } from "./site.ts";
import type { Verdict } from "./tshark.ts";

export interface StepResult {
  readonly site: string;
  readonly name: string;
  readonly state: "ok" | "failed" | "skipped";
  readonly seconds: number;
  /** What was seen, or why it failed or was skipped. */
  readonly note: string;
}

export interface SiteResult {
  readonly name: string;
  readonly report: SiteReport;
  /** Absent when tshark is. */
  readonly verdict?: Verdict;
}

export interface InteropResult {
  readonly ok: boolean;
  readonly seconds: number;
  readonly steps: readonly StepResult[];
  readonly sites: readonly SiteResult[];
}

const MARKS = { ok: "ok", failed: "FAILED", skipped: "skipped" } as const;

export function stepLine(step: StepResult): string {
  const seconds = step.seconds.toFixed(2).padStart(6);
  const name = `${step.site}: ${step.name}`.padEnd(41);
  return `${MARKS[step.state].padEnd(8)}${seconds} s  ${name}${step.note}`;
}

function pairs(values: Readonly<Record<string, number>>): string {
  const text = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return text.length === 0 ? "none" : text.join(", ");
}

/** Drops that neither end of a link without bit errors may cause. */
const NEVER_DROPPED = [
  ...["IpChecksum", "IpHeaderLength", "IpTotalLength", "TcpChecksum", "TcpHeaderLength"],
  ...["TcpOptionLength", "TcpNoFlags"],
];

/** What is wrong at a site at its end: things left behind, packets that either end refused. */
export function complaints({ left, kernelErrors, figures }: SiteReport): string[] {
  const counts = { ...kernelErrors };
  for (const reason of NEVER_DROPPED) counts[`drop ${reason}`] = figures.drops[reason] ?? 0;
  const raised = Object.entries(counts).filter(([, count]) => count > 0);
  return [...left, ...raised.map(([what, count]) => `${what}: expected 0, got ${count}`)];
}

/** The figures of one site, a few lines. */
export function siteLines({ name, report, verdict }: SiteResult): string[] {
  const { drops, ...counters } = report.figures;
  const lines = [
    `${name}: ${pairs(counters)}`,
    `  drops by reason: ${pairs(drops)}`,
    `  tables at start: ${pairs({ ...report.before })}`,
    `  tables at end:   ${pairs({ ...report.after })}`,
    `  kernel's counts of bad packets: ${pairs(report.kernelErrors)}`,
  ];
  lines.push(`  device queue: ${report.queueDrops} dropped`);
  if (report.relay !== undefined) lines.push(`  relay: ${pairs(report.relay)}`);
  if (verdict !== undefined) {
    const { complaints, ...counts } = verdict;
    lines.push(`  tshark: ${[pairs(counts), ...complaints].join("; ")}`);
  }
  return lines;
}
