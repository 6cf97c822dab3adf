/** The projects of vitest.config.ts, files in the order of TOELOOP_ORDER (operator-run.ts). */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import type { ViteUserConfig } from "vitest/config";
import base from "../vitest.config.ts";

class InOrder extends BaseSequencer {
  override sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const order = (process.env.TOELOOP_ORDER ?? "").split(" ");
    const place = ({ moduleId }: TestSpecification): number =>
      order.indexOf(relative(this.ctx.config.root, moduleId));
    return Promise.resolve(specifications.toSorted((one, other) => place(one) - place(other)));
  }
}

const config: ViteUserConfig = {
  ...base,
  test: { ...base.test, sequence: { sequencer: InOrder } },
};
export default config;
