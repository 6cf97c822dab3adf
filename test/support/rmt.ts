/** TCP's stage program over the build under test. */
import { type Form, RmtMachine } from "../../bench/rmt-machine.ts";
import { loadRmtModule } from "./load-core.ts";

export { FORMS, type Form, programText } from "../../bench/rmt-machine.ts";

export class RmtTcp extends RmtMachine {
  /** `most`: rows of registers, entries of a table. */
  constructor(form: Form, most = 16) {
    super(loadRmtModule(), form, most);
  }
}
