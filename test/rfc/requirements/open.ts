/**
 * Requirements that have no test yet, or are not kept yet, with the reason. Has to become empty: an
 * id that is met stands here no longer (the command says so).
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
    "to come with the tests of congestion control",
    `
    CC-1 CC-2 CC-3 CC-4 CC-5 CC-6 CC-7 CC-8 CC-9 CC-12 CC-13 CC-14 CC-15 CC-16 CC-17 CC-18
    CC-19 CC-20 CC-21 CC-22 CC-23 CC-24 CC-25 CC-26 CC-27 CC-28 CC-29 CC-31 CC-32 CC-33
    CC-34 CC-35 CC-36 CC-37
  `,
  ),
  ...all(
    "to come with the tests of DCTCP",
    `
    DC-1 DC-2 DC-3 DC-4 DC-5 DC-6 DC-7 DC-8 DC-9 DC-10 DC-11 DC-12 DC-13 DC-14 DC-15
  `,
  ),
  ...all(
    "to come with the tests of ECN",
    `
    ECN-1 ECN-2 ECN-3 ECN-4 ECN-5 ECN-6 ECN-7 ECN-9 ECN-10 ECN-11 ECN-12 ECN-13 ECN-14
    ECN-15 ECN-16 ECN-17 ECN-18 ECN-19 ECN-20
  `,
  ),
  ...all(
    "no test yet",
    `
    ISN-2 ISN-3 ISN-5 ISN-6 ISN-7 PORT-1 PORT-2 PORT-4 PORT-5 PORT-6 PORT-7 MS-2 UTO-2 UTO-3
    UTO-4 UTO-5 UTO-6 UTO-7 UTO-8 UTO-9 UTO-10 UTO-11 BA-1 BA-2 BA-3 BA-4 BA-6 BA-7 BA-8
    BA-9 BA-10 BA-11 BA-12 BA-13 BA-14 BA-15 RTO-2 RTO-3 RTO-4 RTO-5 RTO-7 RTO-8 RTO-9
    RTO-10 RTO-11 RTO-12 RTO-13 RTO-14 RTO-15 RTO-16 RTO-17 RTO-18 RTO-19 WS-2 WS-3 WS-4
    WS-5 WS-6 WS-7 WS-8 WS-9 WS-10 WS-11 WS-12 WS-13 TS-1 TS-2 TS-3 TS-4 TS-5 TS-6 TS-7 TS-8
    TS-9 TS-10 TS-11 TS-12 TS-13 TS-14 PAWS-1 PAWS-2 PAWS-3 PAWS-4 PAWS-5 PAWS-6 PAWS-7
    PAWS-8 SK-2 SK-3 SK-4 SK-5 SK-6 SK-8 SK-10 SK-12 SK-15 SK-18 SK-19 SK-20 SK-22 SK-23
    SK-26 SK-27 SK-28 SC-1 SC-2 SC-3 SC-4 SC-5 SC-6 SC-7 SC-8 SC-9 SC-10
  `,
  ),
  ...all(
    "to come with path MTU discovery and IPv6",
    `
    PM-1 PM-2 PM-3 PM-4 PM-5 PM-6 PM-7 PM-8 PM-9 PM-10 PM-12 PM-13 PM-14 PM-15 PM-16 PM-17
    PM-18 PM-20
  `,
  ),
  ...all(
    "to come with RACK-TLP",
    `
    RACK-1 RACK-2 RACK-3 RACK-4 RACK-5 RACK-6 RACK-7 RACK-8 RACK-9 RACK-10 RACK-11 RACK-12
    RACK-13 RACK-14 RACK-15 RACK-16 RACK-17 TLP-1 TLP-2 TLP-3 TLP-4 TLP-5 TLP-6 TLP-7
  `,
  ),
};
