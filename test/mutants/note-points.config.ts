/** The projects of vitest.config.ts over a build that notes the points of mutants (coverage.ts). */
import type { ViteUserConfig } from "vitest/config";
import base from "../vitest.config.ts";

const config: ViteUserConfig = {
  ...base,
  test: { ...base.test, setupFiles: ["test/mutants/note-points-setup.ts"] },
};
export default config;
