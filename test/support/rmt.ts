/** TCP's stage program over the build under test. */
import { type Form, RmtMachine } from "../../bench/rmt-machine.ts";
import { loadLaminarModule } from "./load-core.ts";

export { FORMS, type Form, programText } from "../../bench/rmt-machine.ts";

export class RmtTcp extends RmtMachine {
  /** `entries`: rows of registers. */
  constructor(form: Form, entries = 16) {
    super(loadLaminarModule(), form, entries);
  }
}
