/** Setup file of note-points.config.ts: writes what a test file has reached. */
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, expect } from "vitest";
import { ROOT } from "../support/env.ts";
import { provideNotes, takeNotes } from "./note-points.ts";

provideNotes(Number(process.env.TOELOOP_POINTS));

afterAll(() => {
  const file = relative(ROOT, expect.getState().testPath ?? "");
  const folder = process.env.TOELOOP_NOTES ?? "";
  const name = `${file.replaceAll("/", "!")}.json`;
  writeFileSync(join(folder, name), JSON.stringify({ file, points: takeNotes() }));
});
