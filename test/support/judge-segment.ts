/** What a frame that a core sent says, by the reference parser, which also verifies it. */
import { parseFrame, type Segment } from "../model/reference-parser.ts";
import type { FrameMedium } from "./frames.ts";

export interface SentSegment extends Segment {
  readonly payload: Uint8Array;
}

const owner = () => ({ connection: 1, installed: true });

/** RFC 9293 MUST-2, MUST-68: throws when the frame is not a sound TCP segment. */
export function judgeSegment(frame: Uint8Array, medium: FrameMedium = "ethernet"): SentSegment {
  const { verdict, optionError } = parseFrame(frame, { medium, vlan: 0, owner });
  const segment = verdict.kind === "drop" ? undefined : verdict.segment;
  if (segment === undefined || optionError) {
    throw new Error(`judgeSegment: expected a sound segment, got ${JSON.stringify(verdict)}`);
  }
  const from = segment.payloadOffset;
  return { ...segment, payload: frame.slice(from, from + segment.payloadLength) };
}
