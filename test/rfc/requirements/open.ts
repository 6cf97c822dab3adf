/**
 * Requirements that have no test on each data path yet, or are not kept yet, with the reason. Has
 * to become empty: an id that is met stands here no longer (the command says so).
 */
import type { OpenList } from "../judge-requirements.ts";

function all(reason: string, ids: string): OpenList {
  return Object.fromEntries(
    ids
      .trim()
      .split(/\s+/)
      .map((id) => [id, reason]),
  );
}

export const OPEN: OpenList = {
  ...all(
    "wire-level tests are to come; some have unit tests on one data path",
    `
    CC-1 CC-2 CC-3 CC-4 CC-5 CC-6 CC-7 CC-8 CC-9 CC-12 CC-13 CC-14 CC-15 CC-16 CC-17 CC-18
    CC-19 CC-20 CC-21 CC-22 CC-23 CC-24 CC-25 CC-26 CC-27 CC-28 CC-29 CC-31 CC-32 CC-33
    CC-34 CC-35 CC-36 CC-37
  `,
  ),
  ...all(
    "wire-level tests of ECN and DCTCP are to come",
    `
    DC-1 DC-2 DC-3 DC-4 DC-5 DC-6 DC-7 DC-9 DC-10 DC-11 DC-12 DC-13 DC-14 DC-15
  `,
  ),
  ...all(
    "RACK-TLP: tests of these are to come",
    "RACK-1 RACK-3 RACK-5 RACK-11 RACK-12 RACK-13 RACK-14 RACK-17 TLP-5 TLP-6",
  ),
  ...all(
    "path MTU discovery: to come with the packetization-layer part and IPv6",
    `
    PM-1 PM-2 PM-3 PM-4 PM-5 PM-6 PM-8 PM-9 PM-10 PM-12 PM-13 PM-14 PM-15 PM-16 PM-17
    PM-18 PM-20
  `,
  ),
};
