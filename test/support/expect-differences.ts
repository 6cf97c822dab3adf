/** Set-up file of the `laminar` projects: a test of a declared difference has to fail. */
import { beforeEach } from "vitest";
import { differenceOf } from "./differences.ts";

beforeEach(({ task }) => {
  if (differenceOf(task.file.filepath, task.name) === undefined) return;
  // Read when the test has run; the type says that nobody writes it.
  Object.assign(task, { fails: true });
});
