/** The window watch sees a right edge that moves left, and nothing else. */
import { expect, test } from "vitest";
import { ACK, buildFrame, RST, SYN } from "../../support/frames.ts";
import { WindowWatch } from "../../support/window-watch.ts";

const SCALE = [3, 3, 2, 1];
const [THERE, BACK] = [
  { source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 1, destinationPort: 2 },
  { source: "10.0.0.2", destination: "10.0.0.1", sourcePort: 2, destinationPort: 1 },
];

type Step = readonly [flags: number, ack: number, window: number];

/** Name, the options of both SYNs, what one side announces after them, windows that shrank. */
const ROWS: readonly (readonly [string, readonly number[], readonly Step[], number])[] = [
  [
    "the same again",
    [],
    [
      [ACK, 100, 50],
      [ACK, 100, 50],
    ],
    0,
  ],
  [
    "acknowledged, and the edge stays",
    [],
    [
      [ACK, 100, 50],
      [ACK, 150, 0],
    ],
    0,
  ],
  [
    "one to the left",
    [],
    [
      [ACK, 100, 50],
      [ACK, 100, 49],
    ],
    1,
  ],
  [
    "an older acknowledgment that said less",
    [],
    [
      [ACK, 150, 50],
      [ACK, 100, 50],
    ],
    1,
  ],
  [
    "over the wrap",
    [],
    [
      [ACK, 0xffffffff, 50],
      [ACK, 40, 9],
    ],
    0,
  ],
  [
    "over the wrap, one to the left",
    [],
    [
      [ACK, 0xffffffff, 50],
      [ACK, 40, 8],
    ],
    1,
  ],
  [
    "within a unit of the scale",
    SCALE,
    [
      [ACK, 100, 50],
      [ACK, 103, 49],
      [ACK, 104, 49],
    ],
    0,
  ],
  [
    "a unit of the scale",
    SCALE,
    [
      [ACK, 100, 50],
      [ACK, 100, 49],
    ],
    1,
  ],
  [
    "back to what it was before",
    [],
    [
      [ACK, 100, 50],
      [ACK, 100, 9],
      [ACK, 100, 50],
    ],
    1,
  ],
  [
    "a reset says nothing of windows",
    [],
    [
      [ACK, 100, 50],
      [ACK | RST, 100, 0],
    ],
    0,
  ],
];

for (const medium of ["ip", "ethernet"] as const) {
  test.each(ROWS)(`%s, over ${medium}`, (_name, options, steps, shrunk) => {
    const watch = new WindowWatch();
    const see = (fields: object): void => watch.frame(0, 0, buildFrame({ medium, ...fields }), 0);
    see({ ...BACK, flags: SYN, options });
    const before = ((steps[0] as Step)[1] - 10) >>> 0;
    see({ ...THERE, flags: SYN | ACK, options, ack: before, window: 10 });
    for (const [flags, ack, window] of steps) see({ ...THERE, flags, ack, window });
    expect(watch.shrunk).toHaveLength(shrunk);
    expect(watch.segments).toBeGreaterThan(1);
  });
}
