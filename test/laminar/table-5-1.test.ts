/** Table 5.1 of the dissertation (5.3.1.5), over the model. */
import { ReceiverModel } from "./receiver-model.ts";
import { describeTable51 } from "./receiver-suites.ts";

describeTable51("model", (initial) => new ReceiverModel(initial));
