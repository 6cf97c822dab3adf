/**
 * What a replay has met, as a table and as JSON. Invariant: a text that comes from a file is
 * escaped before it is kept here, and few of them are kept.
 */
import type { CaptureFrame } from "../../host/netif/capture-reader.ts";
import { printableText } from "../../host/netif/printable-text.ts";
import type { NotOffered } from "./replay.ts";
import type { Target } from "./survey.ts";

/** Names and comments of which each is counted by itself; the others are together. */
const TEXTS_MAX = 16;
const OTHERS = "(others)";
const LINK_TYPES: Readonly<Record<number, string>> = {
  1: "Ethernet",
  101: "raw IP",
  228: "raw IPv4",
  229: "raw IPv6",
};

export type Counts = Record<string, number>;

/** Has no prototype: a name of the file may be any. */
const counts = (): Counts => Object.create(null) as Counts;

function count(table: Counts, name: string): void {
  const isRoom = name in table || Object.keys(table).length < TEXTS_MAX;
  const key = isRoom ? name : OTHERS;
  table[key] = (table[key] ?? 0) + 1;
}

/** Of one file. */
export interface FileReport {
  readonly name: string;
  readonly format: string;
  readonly frames: number;
}

/** What the frames themselves say. */
export class FrameCounts {
  readonly files: FileReport[] = [];
  readonly linkTypes = counts();
  readonly interfaces = counts();
  readonly comments = counts();
  frames = 0;
  /** Frames of which the capture kept a part. */
  cut = 0;
  /** Captured. */
  bytes = 0;
  /** Frames whose stamp was not in order. */
  adjusted = 0;

  frame(frame: CaptureFrame): void {
    const { linkType, name } = frame.interface;
    this.frames += 1;
    this.bytes += frame.bytes.length;
    if (frame.bytes.length < frame.originalLength) this.cut += 1;
    count(this.linkTypes, LINK_TYPES[linkType] ?? `link type ${linkType}`);
    if (name !== "") count(this.interfaces, printableText(name));
    if (frame.comment !== "") count(this.comments, printableText(frame.comment));
  }
}

export interface ReplayReport {
  readonly files: readonly FileReport[];
  readonly datapath: string;
  readonly frames: number;
  readonly cut: number;
  readonly bytes: number;
  readonly spanNs: number;
  readonly adjusted: number;
  readonly linkTypes: Counts;
  readonly interfaces: Counts;
  readonly comments: Counts;
  /** Who the stack was. */
  readonly target?: Target | undefined;
  readonly offered: number;
  readonly notOffered: NotOffered;
  readonly drops: Counts;
  readonly connections: number;
  readonly payloadBytes: number;
  readonly replies: number;
}

function listed(table: Counts): string {
  const rows = Object.entries(table).map(([name, times]) => `${name} ${times}`);
  return rows.length === 0 ? "none" : rows.join(", ");
}

export function tableOf(report: ReplayReport): string {
  const { notOffered, target } = report;
  const rows: [string, string][] = [
    ...report.files.map(({ name, format, frames }): [string, string] => [
      "file",
      `${name}: ${format}, ${frames} frames`,
    ]),
    ["frames", `${report.frames}, ${report.bytes} bytes`],
    ["cut by the capture", String(report.cut)],
    ["link types", listed(report.linkTypes)],
    ["interfaces", listed(report.interfaces)],
    ["comments", listed(report.comments)],
    ["time span", `${(report.spanNs / 1e9).toFixed(6)} s`],
    ["stamps out of order", String(report.adjusted)],
    [
      "the stack is",
      target ? `${target.address}, ports ${target.ports.join(" ")}` : "nobody: no TCP",
    ],
    ["given to it", String(report.offered)],
    [
      "not given",
      `without IP ${notOffered.noIp}, too long ${notOffered.tooLong}, ` +
        `cut in its headers ${notOffered.headersCut}`,
    ],
    ["drops by reason", listed(report.drops)],
    ["connections", String(report.connections)],
    ["payload received", `${report.payloadBytes} bytes`],
    ["frames sent in reply", String(report.replies)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(22)}${value}`).join("\n");
}
