/**
 * `node dist/bench/side.js NAME JSON`: one side of a comparison in a process of its own, as its
 * peers are: prints its figures as JSON. Two instances of a module in one process make every call
 * into Wasm one of several targets, which V8 does not optimise, and warm code is not the same code.
 */
import { apiSide } from "./api-side.ts";
import { bulkSide } from "./bulk-side.ts";
import { rpcSide } from "./rpc-side.ts";

/** What a side does with its arguments; each module says what they are. */
export const SIDES: ReadonlyMap<string, (args: never) => unknown> = new Map<
  string,
  (args: never) => unknown
>([
  ["rpc", rpcSide],
  ["bulk", bulkSide],
  ["api", apiSide],
]);

const [name = "", args = ""] = process.argv.slice(2);
const side = SIDES.get(name);
if (side === undefined) {
  console.error(`side: expected ${[...SIDES.keys()].join(", ")}, got ${JSON.stringify(name)}`);
  process.exit(2);
}
console.log(JSON.stringify(await side(JSON.parse(args) as never)));
process.exit(0);
