/**
 * Captures through a stack, one after the other on one clock, each read twice: once to see which
 * host to be, once to replay it. What a file is made of is the caller's: chunks, opened anew.
 */
import { CaptureError, CaptureReader, captureFrames } from "../../host/netif/capture-reader.ts";
import { printableText } from "../../host/netif/printable-text.ts";
import { packetOf } from "./packet.ts";
import { Replay } from "./replay.ts";
import { FrameCounts, type ReplayReport } from "./report.ts";
import { Survey } from "./survey.ts";

export interface CaptureFile {
  readonly name: string;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Says of an error which file it is about, in characters that may be shown. */
async function about<T>(file: CaptureFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { message } = error as Error;
    const isOwn = error instanceof CaptureError;
    throw new Error(`${printableText(file.name)}: ${isOwn ? message : printableText(message)}`);
  }
}

async function surveyed(files: readonly CaptureFile[]): Promise<Survey> {
  const survey = new Survey();
  for (const file of files) {
    await about(file, async () => {
      for await (const frame of captureFrames(file.open())) {
        const tcp = packetOf(frame)?.tcp;
        if (tcp !== undefined) survey.segment(tcp);
      }
    });
  }
  return survey;
}

/** Rejects with Error `NAME: capture byte N: expected X, got Y` at the first bad file. */
export async function replayFiles(
  files: readonly CaptureFile[],
  module: WebAssembly.Module,
  datapath = "flextoe",
): Promise<ReplayReport> {
  const replay = new Replay(module, await surveyed(files));
  const counts = new FrameCounts();
  let span = 0;
  for (const file of files) {
    const start = span;
    const before = counts.frames;
    const reader = new CaptureReader();
    await about(file, async () => {
      for await (const frame of captureFrames(file.open(), reader)) {
        span = start + frame.time;
        counts.frame(frame);
        replay.frame(frame, span);
      }
    });
    const frames = counts.frames - before;
    counts.adjusted += reader.adjusted;
    counts.files.push({ name: printableText(file.name), format: reader.format, frames });
  }
  const { files: read, linkTypes, interfaces, comments, frames, cut, bytes, adjusted } = counts;
  return {
    ...{ files: read, datapath, frames, cut, bytes, spanNs: span, adjusted },
    ...{ linkTypes, interfaces, comments, target: replay.target },
    ...{ offered: replay.offered, notOffered: replay.notOffered, drops: replay.drops() },
    ...{ connections: replay.accepted, payloadBytes: replay.received, replies: replay.replies },
  };
}
